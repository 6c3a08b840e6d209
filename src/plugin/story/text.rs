//! A phone's story as text: pure.

use super::super::layout::{ago, ago_text, count, paragraph, percent_bar, table};
use super::super::objects::condition;
use super::{Happening, Story};
use crate::api::{ConditionType, Stage, Unclaimed};
use crate::base::terminal::{BAD, DOUBTFUL, GOOD};
use crate::base::text::{QUOTED, printable};

/// The most of what happened that is shown, unless everything is wanted.
const HAPPENED: usize = 8;
/// How many digits of a hash tell it from others.
const DIGITS: usize = 12;
/// The longest message, in bytes.
const MESSAGE: usize = 1000;

/// The whole story.
pub(super) fn text(story: &Story, wide: bool, width: Option<usize>) -> String {
    let phone = &story.phone;
    let mut about = vec![format!("Cisco {}", phone.model), phone.mac.clone(), format!("site {}", phone.site)];
    about.extend((!phone.label.is_empty()).then(|| format!("“{}”", phone.label)));
    about.extend((!phone.lines.is_empty()).then(|| {
        let word = if phone.lines.len() == 1 { "line" } else { "lines" };
        format!("{word} {}", phone.lines.join(", "))
    }));
    let mut out = paragraph(
        &format!("{} ", printable(&format!("{}/{}:", phone.namespace, phone.name), QUOTED)),
        &printable(&about.join(", "), MESSAGE),
        width,
    );
    out += "\n";
    for (mark, name, what) in steps(story) {
        out += &paragraph(&format!("{mark} {name:10}"), &printable(&what, MESSAGE), width);
    }
    let differs = differs(story);
    if !differs.is_empty() {
        out += "\nWhat differs\n";
        out += &indented(&table(&["FILE", "RENDERED", "SERVED", "FETCHED"], &differs, width.map(|width| width - 2)));
    }
    out += "\nWhat happened\n";
    out += &happened(story, wide, width);
    if !story.next.is_empty() {
        out += "\nNext\n";
        for (i, what) in story.next.iter().enumerate() {
            out += &paragraph(&format!("  {}. ", i + 1), &printable(what, MESSAGE), width);
        }
    }
    out
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

fn mark(holds: bool, otherwise: char) -> char {
    if holds { GOOD } else { otherwise }
}

/// The stations on a configuration's way to the phone.
fn steps(story: &Story) -> Vec<(char, &'static str, String)> {
    let (status, phone) = (&story.status, &story.phone);
    let said = |kind| condition(&status.conditions, kind);
    let holds = |kind| said(kind).is_some_and(|one| one.status == "True");
    let words = |kind| said(kind).map(|one| format!("{}: {}", one.reason, one.message));
    let mut steps = Vec::new();
    if status.conditions.is_empty() || phone.reason == "Undecodable" || phone.reason == "NotObserved" {
        steps.push((BAD, "seen", format!("{}: {}", phone.reason, phone.message)));
    }
    if let Some(accepted) = said(ConditionType::Accepted) {
        let plain = accepted.reason == "Accepted";
        let what = if plain { accepted.message.clone() } else { format!("{}: {}", accepted.reason, accepted.message) };
        let otherwise = if accepted.status == "True" { DOUBTFUL } else { BAD };
        steps.push((mark(plain, otherwise), "accepted", what));
    }
    let rendered = match (&status.config_file, &status.config_hash) {
        (Some(file), Some(hash)) => Some(format!("{file}, {}", short(hash))),
        _ => None,
    };
    let is_rendered = rendered.is_some();
    steps.push((
        mark(is_rendered, BAD),
        "rendered",
        rendered.unwrap_or_else(|| "there is no file for the phone".to_owned()),
    ));
    if is_rendered {
        let servers = story.site.as_ref().and_then(|site| site.servers.clone());
        let address = story.site.as_ref().and_then(|site| site.address.clone());
        let place = format!(
            "{} pods answer at {}",
            servers.unwrap_or_else(|| "no".to_owned()),
            address.unwrap_or_else(|| "no address yet".to_owned())
        );
        let fine = holds(ConditionType::Served);
        let what =
            words(ConditionType::Served).filter(|_| !fine).unwrap_or_else(|| "every TFTP pod holds it".to_owned());
        steps.push((mark(fine, BAD), "served", format!("{what}; {place}")));
        let seen = match (ago_text(status.last_seen.as_deref(), story.now), &status.address) {
            (Some(ago), Some(address)) => format!("last seen {ago} ago at {address}"),
            (Some(ago), None) => format!("last seen {ago} ago"),
            (None, _) => "never seen".to_owned(),
        };
        let fine = phone.in_sync;
        let what = words(ConditionType::InSync).filter(|_| !fine).unwrap_or_else(|| "the newest files".to_owned());
        steps.push((mark(fine, DOUBTFUL), "fetched", format!("{what}; {seen}")));
    }
    if let Some(conflict) = words(ConditionType::AddressConflict) {
        steps.push((DOUBTFUL, "address", conflict));
    }
    if let Some(resynced) = said(ConditionType::Resynced) {
        let told = status.resync.as_ref().and_then(|resync| ago_text(resync.told_at.as_deref(), story.now));
        let vain = status.resync.as_ref().and_then(|resync| resync.failures).filter(|failures| *failures > 0);
        let mut what = match resynced.status == "True" {
            true => "there is nothing to notify it of".to_owned(),
            false => format!("{}: {}", resynced.reason, resynced.message),
        };
        what += &told.map(|ago| format!("; last notified {ago} ago")).unwrap_or_default();
        what += &vain.map(|vain| format!(", {} in vain", count(vain, "time"))).unwrap_or_default();
        steps.push((mark(resynced.status == "True", DOUBTFUL), "notified", what));
    }
    steps.extend(firmware(story));
    steps
}

fn firmware(story: &Story) -> Option<(char, &'static str, String)> {
    let firmware = story.status.firmware.as_ref()?;
    let runs = firmware.running.as_ref().map(|running| {
        let seen = firmware.running_seen.as_ref().map(|seen| format!(" ({seen})")).unwrap_or_default();
        format!("runs {running}{seen}")
    });
    if firmware.stage == Stage::Unmanaged {
        return runs.map(|runs| (GOOD, "firmware", format!("{runs}; no image is wanted")));
    }
    let staged = condition(&story.status.conditions, ConditionType::FirmwareStaged);
    let mark = match firmware.stage {
        Stage::Current => GOOD,
        Stage::Failed => BAD,
        _ if staged.is_some_and(|one| one.status == "False" && one.reason != "Pending") => BAD,
        _ => DOUBTFUL,
    };
    let mut parts = vec![format!(
        "{} → {}",
        firmware.running.as_deref().unwrap_or("unknown"),
        firmware.target.as_deref().unwrap_or("none")
    )];
    if firmware.stage == Stage::Current {
        parts = runs.into_iter().collect();
    }
    let since = ago_text(firmware.since.as_deref(), story.now).map(|ago| format!(" for {ago}")).unwrap_or_default();
    parts.push(format!("{}{since}", <&str>::from(firmware.stage)));
    if let (Stage::Downloading | Stage::Failed, Some(percent)) = (firmware.stage, firmware.percent) {
        let of = firmware.bytes_sent.zip(firmware.bytes_total);
        let of = of.map(|(sent, all)| format!(" of {} kB ({} kB)", all / 1000, sent / 1000)).unwrap_or_default();
        parts.push(format!("{}{of}", percent_bar(percent, None)));
    }
    parts.extend(firmware.failures.filter(|n| *n > 0).map(|n| format!("failed {}", count(n, "time"))));
    parts.extend(staged.filter(|one| one.status == "False").map(|one| format!("{}: {}", one.reason, one.message)));
    parts.extend(firmware.message.clone());
    Some((mark, "firmware", parts.join("; ")))
}

/// A hash, as far as it tells files apart.
fn short(hash: &str) -> String {
    let digits = hash.rsplit(':').next().unwrap_or(hash);
    printable(digits.get(..DIGITS).unwrap_or(digits), QUOTED)
}

/// The files whose versions are not everywhere the same.
fn differs(story: &Story) -> Vec<Vec<String>> {
    let status = &story.status;
    let show = |hash: Option<&String>, absent: &str| hash.map_or_else(|| absent.to_owned(), |hash| short(hash));
    let mut rows = Vec::new();
    let (rendered, served, fetched) = (&status.config_hash, &status.served_hash, &status.fetched_hash);
    if rendered.is_some() && (rendered != served || rendered != fetched) {
        let served = show(served.as_ref(), "not everywhere");
        let file = status.config_file.clone().unwrap_or_default();
        rows.push(vec![file, show(rendered.as_ref(), "-"), served, show(fetched.as_ref(), "never")]);
    }
    if let Some(common) = story.site.as_ref().and_then(|site| site.common_hash.as_ref())
        && let Some(fetched) = &status.fetched_common_hash
        && fetched != common
    {
        rows.push(vec!["SIPDefault.cnf".to_owned(), short(common), "by the site".to_owned(), short(fetched)]);
    }
    rows
}

fn happened(story: &Story, wide: bool, width: Option<usize>) -> String {
    let Some(all) = &story.happened else {
        return paragraph("  ", "not known: you may not list Events", width);
    };
    if all.is_empty() {
        return paragraph(
            "  ",
            "nothing within the time for which the cluster keeps Events (an hour, as a rule)",
            width,
        );
    }
    let shown = if wide { all.len() } else { all.len().min(HAPPENED) };
    let mut out = String::new();
    if shown < all.len() {
        out += &format!("  … {} before; -o wide shows all\n", count((all.len() - shown) as i64, "event"));
    }
    let row = |one: &Happening| {
        let time = one.time.parse().map_or_else(|_| one.time.clone(), |time| format!("{} ago", ago(time, story.now)));
        let times = if one.times > 1 { format!(" ({} times)", one.times) } else { String::new() };
        let mark = if one.warning { DOUBTFUL } else { ' ' };
        paragraph(
            &format!("{mark} {time:9} {:15} ", one.reason),
            &printable(&format!("{}{times}", one.message), MESSAGE),
            width,
        )
    };
    out += &all[all.len() - shown..].iter().map(row).collect::<String>();
    out
}

/// The story of a phone that no SipPhone declares: what it does, and what to apply.
pub(super) fn unclaimed(namespace: &str, site: &str, phone: &Unclaimed, width: Option<usize>) -> String {
    let Unclaimed { mac, address, first_seen, waiting } = phone;
    let asks = match waiting {
        true => "it asks again and again, as a phone without a configuration does",
        false => "it asked once: that may be a stranger's packet",
    };
    let said = format!(
        "{mac}: no SipPhone declares it; {asks}. It is at {address} and asked site {site} first at {first_seen}."
    );
    let mut out = paragraph(&format!("{DOUBTFUL} "), &printable(&said, MESSAGE), width);
    out += "\nNext\n";
    out += &paragraph(
        "  1. ",
        "write what is known of it, and apply it; the phone comes to life within half a minute:",
        width,
    );
    let name = format!("phone-{}", mac.to_ascii_lowercase());
    out += &format!(
        "\nkubectl apply -f - <<'END'\napiVersion: dialtone.dev/v1alpha1\nkind: SipPhone\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n  siteRef: {{name: {site}}}\n  mac: {mac}\n  model: \"7960\"          # or \"7940\"\n  lines: [{{name: \"…\"}}]  # its extension\nEND\n"
    );
    out
}
