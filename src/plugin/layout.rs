//! Tables, bars, paragraphs and times, as all commands of the plugin write them. Nothing is cut off: what does not fit is wrapped.

use comfy_table::presets::NOTHING;
use comfy_table::{ColumnConstraint, ContentArrangement, Table};
use jiff::Timestamp;
use unicode_width::UnicodeWidthStr as _;

use crate::base::text::{self, printable};

/// The longest text of a cell, in bytes.
const CELL: usize = 300;
/// How many parts a bar has, and where there is little room.
const BAR: i64 = 10;
const SHORT_BAR: i64 = 6;
/// With fewer columns there is little room.
const ROOMY: usize = 100;
/// The least number of columns that anything is laid out for.
const NARROWEST: usize = 40;

/// Rows under a header, in so many columns; in a pipe, one line each.
pub(super) fn table(header: &[&str], rows: &[Vec<String>], width: Option<usize>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(header.iter().copied());
    for row in rows {
        table.add_row(row.iter().map(|cell| printable(cell, CELL)));
    }
    for (i, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        // A bar, and what is as short as its header, stays in one line.
        let is_rigid = |cell: &String| cell.contains(['█', '░']) || cell.width() <= header[i].width();
        if rows.iter().all(|row| row.get(i).is_none_or(is_rigid)) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    match width {
        // The last column's padding takes no room.
        Some(width) => {
            let room = u16::try_from(width.max(NARROWEST) + 2).unwrap_or(u16::MAX);
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(room)
        }
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// So many of so many, as a bar and in figures.
pub(super) fn bar(done: i64, all: i64, width: Option<usize>) -> String {
    format!("{} {done}/{all}", blocks(done, all, width))
}

/// The same of a hundred.
pub(super) fn percent_bar(percent: i64, width: Option<usize>) -> String {
    format!("{} {percent} %", blocks(percent, 100, width))
}

fn blocks(done: i64, all: i64, width: Option<usize>) -> String {
    text::bar(done, all, if width.is_some_and(|width| width < ROOMY) { SHORT_BAR } else { BAR })
}

/// A text behind a mark or a name, whose further lines stand below its first.
pub(super) fn paragraph(before: &str, text: &str, width: Option<usize>) -> String {
    let indent = before.width();
    let Some(room) = width.map(|width| width.max(NARROWEST).max(indent + 20) - indent) else {
        return format!("{before}{text}\n");
    };
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().filter(|line| line.is_empty() || line.width() + 1 + word.width() <= room);
        match last {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    let space = " ".repeat(indent);
    let lines = lines.iter().enumerate();
    lines.map(|(i, line)| format!("{}{line}\n", if i == 0 { before } else { &space })).collect()
}

/// How long ago a time is, as kubectl writes it.
pub(super) fn ago(time: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_second() - time.as_second();
    let (minute, hour, day) = (60, 3600, 86_400);
    match seconds {
        ..0 => "now".to_owned(),
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / minute),
        7200..172_800 => format!("{}h", seconds / hour),
        _ => format!("{}d", seconds / day),
    }
}

/// The same of a time in a status.
pub(super) fn ago_text(time: Option<&str>, now: Timestamp) -> Option<String> {
    Some(ago(time?.parse().ok()?, now))
}

/// One, or several of something.
pub(super) fn count(n: i64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_fits_and_loses_nothing() {
        let rows = [vec!["a".to_owned(), "a message of many words that does not fit at all in here".to_owned()]];
        for width in [40, 80] {
            let text = table(&["NAME", "WHAT"], &rows, Some(width));
            assert!(text.lines().all(|line| line.width() <= width), "{text}");
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ");
            assert_eq!(words(&text).replace("NAME WHAT a ", ""), rows[0][1]);
        }
        assert_eq!(table(&["NAME", "WHAT"], &rows, None).lines().count(), 2);
    }

    #[test]
    fn bars_are_full_only_when_all_is_done() {
        assert_eq!(bar(0, 0, None), "░░░░░░░░░░ 0/0");
        assert_eq!(bar(99, 100, None), "█████████░ 99/100");
        assert_eq!(bar(100, 100, Some(140)), "██████████ 100/100");
        assert_eq!(bar(i64::MAX, i64::MAX, Some(80)), format!("██████ {0}/{0}", i64::MAX));
        assert_eq!(bar(-5, 9, Some(80)), "░░░░░░ -5/9");
        assert_eq!(
            (percent_bar(60, None), percent_bar(60, Some(80))),
            ("██████░░░░ 60 %".into(), "███░░░ 60 %".into())
        );
    }

    #[test]
    fn a_paragraph_hangs_under_its_beginning() {
        let text = paragraph("  ✗ hq: ", "one two three four five six seven eight nine ten", Some(40));
        assert_eq!(text, "  ✗ hq: one two three four five six\n        seven eight nine ten\n");
        assert_eq!(paragraph("- ", "a b", None), "- a b\n");
    }

    #[test]
    fn times_are_as_kubectl_writes_them() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let said: Vec<String> =
            [0, 119, 120, 7199, 7200, 172_800].map(|passed| ago(at(1000), at(1000 + passed))).into();
        assert_eq!(said, ["0s", "119s", "2m", "119m", "2h", "2d"]);
        assert_eq!(ago(at(5), at(1)), "now");
    }
}
