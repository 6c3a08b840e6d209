//! The tables of sites and phones: pure.

use super::super::layout::{ago_text, bar, count, paragraph, percent_bar, table};
use super::view::{PhoneView, SiteView, View};
use crate::api::{PhoneFirmwareStatus, Stage};
use crate::base::terminal::{BAD, DOUBTFUL, GOOD};
use crate::base::text::{QUOTED, printable};

/// What is shown.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Options {
    /// Whether objects are of several namespaces.
    pub(super) namespaces: bool,
    /// Whether phones are shown.
    pub(super) phones: bool,
    /// More columns, and all phones.
    pub(super) wide: bool,
}

/// Of more phones only those are shown that need a look.
const SMALL: usize = 40;
/// The most phones that are named one by one of those that no SipPhone declares.
const NAMED: usize = 3;
/// The longest message, in bytes.
const MESSAGE: usize = 600;

/// Everything that is shown, in so many columns.
pub(super) fn text(view: &View, options: &Options, width: Option<usize>) -> String {
    // Of many columns a terminal wraps lines itself, as with kubectl.
    let room = width.filter(|_| !options.wide);
    let mut out = sites(view, options, room);
    let notes: String = view.sites.iter().flat_map(|site| notes(site, options, width)).collect();
    if !notes.is_empty() {
        out += "\n";
        out += &notes;
    }
    if options.phones && !view.phones.is_empty() {
        out += "\n";
        out += &phones(view, options, room, width);
    }
    out
}

fn sites(view: &View, options: &Options, width: Option<usize>) -> String {
    let mut header = vec!["SITE", "READY", "SERVERS", "IN SYNC"];
    let upgrades = view.sites.iter().any(|site| site.firmware.is_some());
    header.extend(upgrades.then_some("UPGRADED"));
    header.push("ADDRESS");
    header.extend(options.wide.then_some(["FIRMWARE", "FILES", "UNCLAIMED", "AGE"]).into_iter().flatten());
    let rows: Vec<Vec<String>> = view
        .sites
        .iter()
        .map(|site| {
            let mut row = vec![
                named(options, &site.namespace, &site.name),
                ready(site.ready, &site.reason),
                site.servers.clone(),
                bar(site.phones.in_sync, site.phones.total, width),
            ];
            row.extend(
                upgrades.then(|| site.firmware.as_ref().map_or_else(dash, |all| bar(all.current, all.total, width))),
            );
            row.push(site.address.clone().unwrap_or_else(dash));
            if options.wide {
                let target = site.firmware.as_ref().and_then(|firmware| firmware.target.clone());
                row.extend([target.unwrap_or_else(dash), site.files.to_string(), site.unclaimed_count.to_string()]);
                row.push(ago_text(site.created.as_deref(), view.now).unwrap_or_else(dash));
            }
            row
        })
        .collect();
    table(&header, &rows, width)
}

fn dash() -> String {
    "-".to_owned()
}

fn named(options: &Options, namespace: &str, name: &str) -> String {
    if options.namespaces { format!("{namespace}/{name}") } else { name.to_owned() }
}

fn ready(ready: bool, reason: &str) -> String {
    if ready { GOOD.to_string() } else { format!("{BAD} {reason}") }
}

/// What there is to say of a site beside its row.
fn notes(site: &SiteView, options: &Options, width: Option<usize>) -> Vec<String> {
    let name = named(options, &site.namespace, &site.name);
    let mut all = Vec::new();
    let mut say = |mark: char, what: &str| {
        let what = printable(what, MESSAGE);
        all.push(paragraph(&format!("{mark} "), &format!("{name}: {what}"), width));
    };
    if !site.ready {
        say(BAD, &format!("{}: {}", site.reason, site.message));
    } else if site.suspended {
        say(DOUBTFUL, "it is suspended: no change is applied until spec.suspend is false");
    }
    if let Some(warnings) = &site.warnings {
        say(DOUBTFUL, warnings);
    }
    let counts = &site.phones;
    if counts.ready < counts.total {
        let what = of_phones(counts.total - counts.ready, "is", "are");
        say(BAD, &format!("{what} not ready{}", shown_by(site, options)));
    } else if counts.in_sync < counts.total {
        let what = of_phones(counts.total - counts.in_sync, "has", "have");
        say(DOUBTFUL, &format!("{what} not fetched the newest files yet{}", shown_by(site, options)));
    }
    if counts.total == 0 && site.ready {
        say(DOUBTFUL, "no SipPhone names it yet");
    }
    if let Some(failed) = site.firmware.as_ref().map(|firmware| firmware.failed).filter(|failed| *failed > 0) {
        say(BAD, &format!("{} failed{}", count(failed, "upgrade"), shown_by(site, options)));
    }
    if site.unclaimed_count > 0 {
        let some: Vec<String> =
            site.unclaimed.iter().take(NAMED).map(|one| format!("{} at {}", one.mac, one.address)).collect();
        let more = site.unclaimed_count - some.len() as i64;
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let ask = of_phones(site.unclaimed_count, "asks", "ask");
        say(
            DOUBTFUL,
            &format!(
                "{ask} here that no SipPhone declares: {}{more}; `kubectl dialtone phone MAC` shows what to apply",
                some.join(", ")
            ),
        );
    }
    all
}

fn of_phones(n: i64, one: &str, several: &str) -> String {
    format!("{} {}", count(n, "phone"), if n == 1 { one } else { several })
}

/// Where phones are not shown, who shows them.
fn shown_by(site: &SiteView, options: &Options) -> String {
    match (options.phones, options.namespaces) {
        (true, _) => String::new(),
        (false, true) => format!(": kubectl dialtone status {} -n {}", site.name, site.namespace),
        (false, false) => format!(": kubectl dialtone status {}", site.name),
    }
}

fn phones(view: &View, options: &Options, room: Option<usize>, width: Option<usize>) -> String {
    let shows_all = options.wide || view.phones.len() <= SMALL;
    let looked: Vec<&PhoneView> = view.phones.iter().filter(|phone| shows_all || phone.needs_a_look()).collect();
    let shown: Vec<&PhoneView> = looked.iter().copied().take(if shows_all { usize::MAX } else { SMALL }).collect();
    let mut header = vec!["PHONE", "LINE", "STATE"];
    let upgrades = view.phones.iter().any(|phone| firmware(phone.firmware.as_ref(), room) != "-");
    header.extend(upgrades.then_some("FIRMWARE"));
    header.extend(["ADDRESS", "SEEN"]);
    header.extend(options.wide.then_some(["MAC", "MODEL", "LABEL", "RUNS", "SITE"]).into_iter().flatten());
    let row = |phone: &&PhoneView| {
        let mut row = vec![
            named(options, &phone.namespace, &phone.name),
            phone.lines.first().cloned().unwrap_or_else(dash),
            state(phone),
        ];
        row.extend(upgrades.then(|| firmware(phone.firmware.as_ref(), room)));
        row.push(phone.address.clone().unwrap_or_else(dash));
        row.push(ago_text(phone.last_seen.as_deref(), view.now).unwrap_or_else(|| "never".to_owned()));
        if options.wide {
            let running = phone.firmware.as_ref().and_then(|firmware| firmware.running.clone());
            row.extend([phone.mac.clone(), phone.model.clone(), phone.label.clone()]);
            row.extend([running.unwrap_or_else(dash), phone.site.clone()]);
        }
        row
    };
    let mut out = match shown.is_empty() {
        true => String::new(),
        false => table(&header, &shown.iter().map(row).collect::<Vec<_>>(), room),
    };
    // What is wrong, each once: many phones say the same.
    let mut said: Vec<(&str, Vec<&str>)> = Vec::new();
    for phone in shown.iter().filter(|phone| !phone.ready) {
        match said.iter_mut().find(|(message, _)| *message == phone.message) {
            Some((_, phones)) => phones.push(&phone.name),
            None => said.push((&phone.message, vec![&phone.name])),
        }
    }
    if !said.is_empty() {
        out += "\n";
    }
    for (message, phones) in said {
        let more = phones.len().saturating_sub(NAMED);
        let names = phones.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let message = printable(message, MESSAGE);
        out += &paragraph(&format!("{BAD} "), &format!("{names}{more}: {message}"), width);
    }
    if !shows_all {
        let fine = view.phones.len() - looked.len();
        let rest = looked.len() - shown.len();
        let rest = if rest > 0 { format!("{rest} more need a look, ") } else { String::new() };
        out += "\n";
        out += &paragraph("", &format!("{rest}{} well; -o wide shows all", of_phones(fine as i64, "is", "are")), width);
    }
    out
}

/// What matters most of a phone.
fn state(phone: &PhoneView) -> String {
    match &phone.conflict {
        _ if !phone.ready => format!("{BAD} {}", phone.reason),
        Some(conflict) => format!("{DOUBTFUL} {conflict}"),
        None if !phone.in_sync => format!("{DOUBTFUL} {}", phone.in_sync_reason),
        None => format!("{GOOD} InSync"),
    }
}

/// How far a phone's firmware is.
fn firmware(firmware: Option<&PhoneFirmwareStatus>, width: Option<usize>) -> String {
    let Some(firmware) = firmware else { return dash() };
    let target = || firmware.target.clone().unwrap_or_default();
    match (firmware.stage, firmware.percent) {
        (Stage::Unmanaged, _) => dash(),
        (Stage::Current, _) => format!("{GOOD} {}", target()),
        (Stage::Failed, _) => format!("{BAD} Failed"),
        (Stage::Downloading, Some(percent)) => percent_bar(percent, width),
        (stage, _) => <&str>::from(stage).to_owned(),
    }
}

/// A line for each site and phone that differs from before: for pipes.
pub(super) fn changes(before: Option<&View>, after: &View, options: &Options) -> Vec<String> {
    let lines = |view: &View| -> Vec<(String, String)> {
        let site = |site: &SiteView| {
            let counts = &site.phones;
            let upgrades = site.firmware.as_ref().map(|all| format!(", {} of {} upgraded", all.current, all.total));
            let line = format!(
                "{}, {}/{} phones in sync{}, servers {}, address {}",
                if site.ready { "ready" } else { &*site.reason },
                counts.in_sync,
                counts.total,
                upgrades.unwrap_or_default(),
                site.servers,
                site.address.as_deref().unwrap_or("none")
            );
            (format!("site {}/{}", site.namespace, site.name), line)
        };
        let phone = |phone: &PhoneView| {
            let parts =
                [state(phone), firmware(phone.firmware.as_ref(), None), phone.address.clone().unwrap_or_else(dash)];
            (format!("phone {}/{}", phone.namespace, phone.name), parts.join("  "))
        };
        let phones = view.phones.iter().filter(|_| options.phones).map(phone);
        view.sites.iter().map(site).chain(phones).collect()
    };
    let (was, is) = (before.map(lines).unwrap_or_default(), lines(after));
    let was: std::collections::BTreeMap<_, _> = was.into_iter().collect();
    let news = is.iter().filter(|(name, line)| was.get(name) != Some(line));
    let mut all: Vec<String> = news.map(|(name, line)| printable(&format!("{name}: {line}"), 2 * QUOTED)).collect();
    let is: std::collections::BTreeSet<_> = is.into_iter().map(|(name, _)| name).collect();
    all.extend(was.keys().filter(|name| !is.contains(*name)).map(|name| format!("{name}: is gone")));
    all
}

#[cfg(test)]
mod tests;
