//! The screen that `dialtone standalone` keeps up to date on a terminal: pure, from what there is to see to lines of text.

use std::iter::once;

use jiff::Timestamp;

use super::overview::{Overview, PhoneRow};
use crate::base::text::{bar, printable};

/// The columns' titles; the last one only where there is room for it.
const HEADER: [&str; 6] = ["PHONE", "STATE", "FIRMWARE", "LAST FILE", "SEEN", "ADDRESS"];
/// The columns are this far apart.
const GAP: usize = 2;
/// The cells of a progress bar.
const BAR: i64 = 8;
/// The most of what is wrong that is shown, and the most bytes of each.
const TROUBLES: usize = 8;
const TROUBLE: usize = 400;
/// The most unclaimed phones that are shown.
const UNCLAIMED: usize = 5;

/// Draws it for a terminal of so many columns and rows. Nothing is left out without a word.
pub fn draw(overview: &Overview, now: Timestamp, (columns, rows): (usize, usize)) -> Vec<String> {
    let phones = &overview.phones;
    let counts = if phones.is_empty() { String::new() } else { format!(": {}", overview.counts()) };
    let head = format!("{}  {} phones{counts}", overview.site, phones.len());
    let foot: Vec<String> = unclaimed(overview, now).into_iter().chain(troubles(&overview.troubles)).collect();
    let room = rows.saturating_sub(3 + foot.len()).max(1);
    // Where not all have room, those with something to be done come first.
    let mut shown: Vec<&PhoneRow> = phones.iter().collect();
    let hidden = shown.len().saturating_sub(if shown.len() > room { room.saturating_sub(1).max(1) } else { room });
    if hidden > 0 {
        shown.sort_by_key(|phone| phone.is_settled());
    }
    let left = shown.split_off(shown.len() - hidden);
    let cells: Vec<[String; 6]> =
        once(HEADER.map(str::to_owned)).chain(shown.into_iter().map(|phone| cells(phone, now))).collect();
    let mut lines = vec![head];
    if !phones.is_empty() {
        lines.extend(aligned(&cells, columns));
    }
    if !left.is_empty() {
        let settled = left.iter().filter(|phone| phone.is_settled()).count();
        lines.push(format!("… and {} more, {settled} of them with nothing left to do", left.len()));
    }
    lines.extend(foot);
    lines.into_iter().map(|line| cut(&line, columns)).collect()
}

fn unclaimed(overview: &Overview, now: Timestamp) -> Vec<String> {
    if overview.unclaimed.is_empty() {
        return Vec::new();
    }
    let one = |phone: &crate::api::Unclaimed| {
        let since = phone.first_seen.parse().ok().map(|first| format!(", first {} ago", ago(first, now)));
        format!("  {}  {}{}", phone.mac, phone.address, since.unwrap_or_default())
    };
    let more = overview.unclaimed.len().saturating_sub(UNCLAIMED);
    once(format!("{} not declared by any manifest:", overview.unclaimed.len()))
        .chain(overview.unclaimed.iter().take(UNCLAIMED).map(one))
        .chain((more > 0).then(|| format!("  … and {more} more")))
        .collect()
}

/// What is wrong, bounded.
fn troubles(all: &[String]) -> Vec<String> {
    let more = all.len().saturating_sub(TROUBLES);
    let shown = all.iter().take(TROUBLES).map(|trouble| printable(trouble, TROUBLE));
    shown.chain((more > 0).then(|| format!("and {more} more errors, which are on stderr"))).collect()
}

fn cells(phone: &PhoneRow, now: Timestamp) -> [String; 6] {
    let dash = || "-".to_owned();
    [
        phone.name.clone(),
        phone.state.clone(),
        firmware(phone),
        phone.fetched.clone().unwrap_or_else(dash),
        phone.seen.map_or_else(|| "never".to_owned(), |seen| ago(seen, now)),
        phone.address.clone().unwrap_or_else(dash),
    ]
}

/// How far a phone's firmware is, in a few words.
fn firmware(phone: &PhoneRow) -> String {
    match (phone.percent, &phone.running) {
        (Some(percent), _) => {
            format!("{} {} {percent} %", phone.stage, bar(percent, 100, BAR))
        }
        (None, Some(running)) if phone.stage != "Unmanaged" => format!("{} {running}", phone.stage),
        (None, _) => phone.stage.clone(),
    }
}

/// How long ago that was, in the largest unit that is not zero.
fn ago(then: Timestamp, now: Timestamp) -> String {
    match (now.as_second() - then.as_second()).max(0) {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3_600 => format!("{} min", seconds / 60),
        seconds @ 3_600..86_400 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

/// Rows whose columns stand below each other. The last column is left out where it would not fit.
fn aligned(rows: &[[String; 6]], columns: usize) -> Vec<String> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..6).map(width).collect();
    let all = widths.iter().sum::<usize>() + GAP * (widths.len() - 1);
    let most = if all <= columns { widths.len() } else { widths.len() - 1 };
    let line = |row: &[String; 6]| {
        let cells = row.iter().zip(&widths).take(most).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join(&" ".repeat(GAP)).trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

fn cut(line: &str, columns: usize) -> String {
    if line.chars().count() <= columns {
        return line.to_owned();
    }
    line.chars().take(columns.saturating_sub(1)).chain(once('…')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Unclaimed;

    const NOW: i64 = 1_800_000_000;

    fn phone(name: &str, state: &str) -> PhoneRow {
        PhoneRow {
            name: name.to_owned(),
            state: state.to_owned(),
            stage: "Unmanaged".to_owned(),
            ..PhoneRow::default()
        }
    }

    fn drawn(overview: &Overview, size: (usize, usize)) -> String {
        draw(overview, Timestamp::from_second(NOW).unwrap(), size).join("\n")
    }

    fn branch() -> Overview {
        let at = |seconds: i64| Some(Timestamp::from_second(NOW - seconds).unwrap());
        Overview {
            site: "branch".to_owned(),
            phones: vec![
                PhoneRow {
                    fetched: Some("dialplan.xml".to_owned()),
                    seen: at(3),
                    address: Some("192.0.2.31".to_owned()),
                    ..phone("front-desk", "InSync")
                },
                PhoneRow {
                    stage: "Downloading".to_owned(),
                    running: Some("P0S3-06-3-00".to_owned()),
                    percent: Some(60),
                    fetched: Some("SIP000A8A007102.cnf".to_owned()),
                    seen: at(130),
                    address: Some("192.0.2.32".to_owned()),
                    ..phone("workshop", "InSync")
                },
                phone("lobby", "NeverFetched"),
            ],
            unclaimed: vec![Unclaimed {
                mac: "000A8A009999".to_owned(),
                address: "192.0.2.77".to_owned(),
                first_seen: at(7_300).unwrap().to_string(),
                waiting: true,
            }],
            troubles: Vec::new(),
        }
    }

    #[test]
    fn a_site_fits_eighty_columns() {
        assert_eq!(
            drawn(&branch(), (80, 24)),
            "branch  3 phones: 2 InSync, 1 NeverFetched\n\
             PHONE       STATE         FIRMWARE                   LAST FILE            SEEN\n\
             front-desk  InSync        Unmanaged                  dialplan.xml         3 s\n\
             workshop    InSync        Downloading ████░░░░ 60 %  SIP000A8A007102.cnf  2 min\n\
             lobby       NeverFetched  Unmanaged                  -                    never\n\
             1 not declared by any manifest:\n  000A8A009999  192.0.2.77, first 2 h ago"
        );
        assert!(drawn(&branch(), (110, 24)).contains("SEEN   ADDRESS\n"));
        assert!(drawn(&branch(), (40, 24)).lines().all(|line| line.chars().count() <= 40));
    }

    #[test]
    fn what_is_wrong_stands_below_and_is_bounded() {
        let troubles = (0..20).map(|n| format!("error: {n}\x1b{}", "x".repeat(1000))).collect();
        let text = drawn(&Overview { troubles, ..branch() }, (200, 50));
        assert!(
            text.contains("\nerror: 0\\u001bxxx") && text.ends_with("\nand 12 more errors, which are on stderr"),
            "{text}"
        );
        assert!(text.len() < 4_000, "{}", text.len());
    }

    #[test]
    fn what_has_no_room_is_counted_and_what_is_to_be_done_comes_first() {
        let mut phones: Vec<PhoneRow> = (0..100).map(|n| phone(&format!("p{n:02}"), "InSync")).collect();
        phones[77].state = "NeverFetched".to_owned();
        let overview = Overview { site: "hq".to_owned(), phones, unclaimed: Vec::new(), troubles: Vec::new() };
        let text = drawn(&overview, (80, 10));
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.len() <= 10 && lines[2].starts_with("p77    NeverFetched"), "{text}");
        assert_eq!(lines.last(), Some(&"… and 94 more, 94 of them with nothing left to do"));
    }
}
