//! Shows the phones' progress on stderr: a table that is updated in place on a terminal, otherwise a line for each change.
//! The result goes to stdout.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::display::{Activity, Display};
use crate::base::terminal::say;
use crate::base::text::printable;
use crate::phone::FileName;

/// The time between two updates.
pub const INTERVAL: Duration = Duration::from_millis(100);
/// The most bytes of a row.
const ROW: usize = 300;

/// The progress of phones, each with its name.
pub struct Progress {
    phones: Vec<(String, Arc<Display>)>,
    rows: Vec<Option<String>>,
    /// The image that each ran at the beginning.
    first: Vec<String>,
    /// On a terminal: a line for all, and the lines of the table. On a terminal that is too small the last ones are hidden.
    bars: Option<(ProgressBar, Vec<ProgressBar>)>,
}

impl Progress {
    /// The progress of these phones.
    pub fn new(phones: Vec<(String, Arc<Display>)>) -> Progress {
        let bars = std::io::stderr().is_terminal().then(|| {
            let all = MultiProgress::new();
            let style = ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = || all.add(ProgressBar::no_length().with_style(style.clone()));
            (bar(), phones.iter().map(|_| bar()).collect())
        });
        let first = phones.iter().map(|(_, display)| display.activity().running).collect();
        Progress { rows: vec![None; phones.len()], phones, first, bars }
    }

    /// Shows what changed.
    pub fn show(&mut self) {
        for (i, (name, display)) in self.phones.iter().enumerate() {
            let mut activity = display.activity();
            if self.bars.is_none() {
                // A line for each block would be too much.
                activity.file = None;
            }
            let row = row(name, &activity);
            if self.rows[i].as_ref() == Some(&row) {
                continue;
            }
            match &self.bars {
                Some((_, bars)) => {
                    bars[i].set_message(printable(&row, ROW));
                    bars[i].tick();
                }
                None => say(format_args!("{row}")),
            }
            self.rows[i] = Some(row);
        }
        if let Some((bar, _)) = &self.bars {
            let now: Vec<Activity> = self.phones.iter().map(|(_, display)| display.activity()).collect();
            let all = summary(&now, &self.first);
            if bar.message() != all {
                bar.set_message(all);
                bar.tick();
            }
        }
    }
}

/// A summary of all phones in a line.
fn summary(now: &[Activity], first: &[String]) -> String {
    let count = |right: &dyn Fn(&Activity, &String) -> bool| now.iter().zip(first).filter(|(a, b)| right(a, b)).count();
    let takes = count(&|now, _| now.file.as_ref().is_some_and(|(file, _)| is_part(file)));
    let other = count(&|now, first| now.running != *first);
    let failed = count(&|now, _| now.failures > 0);
    let failed = if failed > 0 { format!(", {failed} failed at least once") } else { String::new() };
    format!("{} phones: {takes} take an image, {other} run another one than in the beginning{failed}", now.len())
}

fn is_part(file: &str) -> bool {
    matches!(FileName::parse(file), FileName::ImagePart(_))
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.show();
        if let Some((all, bars)) = &self.bars {
            all.abandon();
            bars.iter().for_each(ProgressBar::abandon);
        }
    }
}

/// One phone in a line.
fn row(name: &str, activity: &Activity) -> String {
    let what = match &activity.file {
        Some((file, bytes)) => format!("takes {file}, {:.0} kB", *bytes as f64 / 1000.0),
        None => activity.what.clone(),
    };
    let times = |n: u32, what: &str| match n {
        0 => String::new(),
        1 => format!(", 1 {what}"),
        _ => format!(", {n} {what}s"),
    };
    let restarts = times(activity.restarts, "restart");
    let failures = times(activity.failures, "failure");
    format!("{name}  {:16}  {what}{restarts}{failures}", activity.running)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_what_a_phone_does() {
        let display = Display::default();
        display.set_image("P0S3-06-3-00");
        display.set_transfer("P0S3-07-4-00.sb2", 51_200);
        display.count_failure();
        assert_eq!(row("A", &display.activity()), "A  P0S3-06-3-00      takes P0S3-07-4-00.sb2, 51 kB, 1 failure");
        let others = ["P0S3-06-3-00".to_owned(), "P0S3-05-3-00".to_owned()];
        assert_eq!(
            summary(&[display.activity(), display.activity()], &others),
            "2 phones: 2 take an image, 1 run another one than in the beginning, 2 failed at least once"
        );
        display.set("is up");
        assert!(row("A", &display.activity()).contains("is up"));
    }
}
