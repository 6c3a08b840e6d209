//! The table of phones that `dialtone standalone` prints.

use std::sync::mpsc::{SyncSender, sync_channel};

use jiff::Timestamp;

use crate::api::{ConditionType, PhoneFirmwareStatus, SipPhoneStatus};
use crate::base::terminal::print;
use crate::base::text::printable;
use crate::provision::{Fleet, Key};

const COLUMNS: usize = 7;
/// The most bytes of a cell.
const CELL: usize = 80;
/// The most of what is wrong that is shown below the table, and the most bytes of each.
const TROUBLES: usize = 8;
const TROUBLE: usize = 400;
const HEADER: [&str; COLUMNS] = ["PHONE", "FILE", "READY", "IN SYNC", "FIRMWARE", "ADDRESS", "LAST SEEN"];

/// The screen, which is stdout.
pub struct Screen {
    printed: String,
    /// What is to be printed, by a thread of its own: a terminal that is stopped, or a reader that does not read, stops nothing else.
    printer: SyncSender<String>,
}

impl Default for Screen {
    fn default() -> Screen {
        let (printer, texts) = sync_channel::<String>(1);
        // Nobody waits for it: the end of the process ends it. Without it nothing is shown, and phones are served.
        let _ = std::thread::Builder::new().name("screen".to_owned()).spawn(move || {
            for text in texts {
                // A reader of stdout may have gone; phones are served nevertheless.
                let _ = print(format_args!("{text}\n\n"));
            }
        });
        Screen { printed: String::new(), printer }
    }
}

impl Screen {
    /// Prints the phones and what is wrong, if anything about them changed.
    pub fn update(&mut self, fleet: &Fleet, troubles: &[String], now: Timestamp) {
        let text = table(fleet, now) + &below(troubles);
        // If the one before is not printed yet, this one or a newer one comes in its turn.
        if text != self.printed && self.printer.try_send(text.clone()).is_ok() {
            self.printed = text;
        }
    }
}

fn table(fleet: &Fleet, now: Timestamp) -> String {
    let mut keys: Vec<Key> = fleet.phones().cloned().collect();
    keys.sort();
    let mut rows = vec![HEADER.map(str::to_owned)];
    rows.extend(keys.iter().filter_map(|key| Some(row(key, &fleet.report(key, now)?.after))));
    aligned(&rows)
}

/// What is wrong, below the table.
fn below(troubles: &[String]) -> String {
    let shown = troubles.iter().take(TROUBLES).map(|trouble| format!("\n{}", printable(trouble, TROUBLE)));
    let more = troubles.len().saturating_sub(TROUBLES);
    let more = (more > 0).then(|| format!("\nand {more} more errors, which are on stderr"));
    shown.chain(more).collect()
}

fn row(key: &Key, status: &SipPhoneStatus) -> [String; COLUMNS] {
    let condition = |kind: ConditionType| match status.conditions.iter().find(|one| one.type_ == kind.as_str()) {
        None => String::new(),
        Some(condition) if condition.status == "True" => "True".to_owned(),
        Some(condition) => condition.reason.clone(),
    };
    [
        key.name.to_string(),
        status.config_file.clone().unwrap_or_default(),
        condition(ConditionType::Ready),
        condition(ConditionType::InSync),
        status.firmware.as_ref().map(firmware).unwrap_or_default(),
        status.address.clone().unwrap_or_else(|| "-".to_owned()),
        status.last_seen.clone().unwrap_or_else(|| "never".to_owned()),
    ]
    .map(|cell| printable(&cell, CELL))
}

/// How far a phone's firmware is, in a few words.
fn firmware(status: &PhoneFirmwareStatus) -> String {
    match (status.percent, &status.running) {
        (Some(percent), _) => format!("{:?} {percent} %", status.stage),
        (None, Some(running)) => format!("{:?} {running}", status.stage),
        (None, None) => format!("{:?}", status.stage),
    }
}

/// Rows whose columns stand below each other.
fn aligned(rows: &[[String; COLUMNS]]) -> String {
    let widths: Vec<usize> =
        (0..COLUMNS).map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)).collect();
    let lines = rows.iter().map(|row| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_stands_below_the_table_and_is_bounded() {
        assert_eq!(below(&[]), "");
        assert_eq!(below(&["error: a\x1b".to_owned()]), "\nerror: a\\u001b");
        let many: Vec<String> = (0..20).map(|n| format!("error: {n}{}", "x".repeat(1000))).collect();
        let text = below(&many);
        assert!(text.ends_with("\nand 12 more errors, which are on stderr") && text.len() < 9 * TROUBLE, "{text}");
    }

    #[test]
    fn columns_stand_below_each_other_and_no_line_ends_with_spaces() {
        let row = |cells: [&str; COLUMNS]| cells.map(str::to_owned);
        let rows =
            [HEADER.map(str::to_owned), row(["reception", "SIP000A8A123456.cnf", "True", "Pending", "", "-", ""])];
        assert_eq!(
            aligned(&rows),
            "PHONE      FILE                 READY  IN SYNC  FIRMWARE  ADDRESS  LAST SEEN\n\
             reception  SIP000A8A123456.cnf  True   Pending            -"
        );
    }
}
