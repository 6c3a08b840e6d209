//! Shows what phones do while they do it: a table that moves on a terminal, a line for each change otherwise. On stderr: what
//! is on stdout in the end is the result.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::display::{Display, Doing};

/// How often phones are looked at.
pub const FRAME: Duration = Duration::from_millis(100);

/// Somebody who looks at phones, each with its name.
pub struct Watch {
    phones: Vec<(String, Arc<Display>)>,
    rows: Vec<Option<String>>,
    /// What each ran in the beginning.
    first: Vec<String>,
    /// On a terminal: a line for all, and the lines of the table. Where the terminal is too small, the last are not seen.
    bars: Option<(ProgressBar, Vec<ProgressBar>)>,
}

impl Watch {
    /// Looks at phones from now on.
    pub fn new(phones: Vec<(String, Arc<Display>)>) -> Watch {
        let bars = std::io::stderr().is_terminal().then(|| {
            let all = MultiProgress::new();
            // The template is ours and right.
            let style = ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = || all.add(ProgressBar::no_length().with_style(style.clone()));
            (bar(), phones.iter().map(|_| bar()).collect())
        });
        let first = phones.iter().map(|(_, display)| display.now().running).collect();
        Watch { rows: vec![None; phones.len()], phones, first, bars }
    }

    /// Shows what changed.
    pub fn show(&mut self) {
        for (i, (name, display)) in self.phones.iter().enumerate() {
            let mut doing = display.now();
            if self.bars.is_none() {
                // Bytes are for those who watch them move.
                doing.file = None;
            }
            let row = row(name, &doing);
            if self.rows[i].as_ref() == Some(&row) {
                continue;
            }
            match &self.bars {
                Some((_, bars)) => {
                    bars[i].set_message(row.clone());
                    bars[i].tick();
                }
                None => eprintln!("{row}"),
            }
            self.rows[i] = Some(row);
        }
        if let Some((bar, _)) = &self.bars {
            let now: Vec<Doing> = self.phones.iter().map(|(_, display)| display.now()).collect();
            let all = summary(&now, &self.first);
            if bar.message() != all {
                bar.set_message(all);
                bar.tick();
            }
        }
    }
}

/// What all phones do, in a line.
fn summary(now: &[Doing], first: &[String]) -> String {
    let count = |right: &dyn Fn(&Doing, &String) -> bool| now.iter().zip(first).filter(|(a, b)| right(a, b)).count();
    let takes = count(&|now, _| now.file.as_ref().is_some_and(|(file, _)| is_part(file)));
    let other = count(&|now, first| now.running != *first);
    let failed = count(&|now, _| now.failures > 0);
    let failed = if failed > 0 { format!(", {failed} failed at least once") } else { String::new() };
    format!("{} phones: {takes} take an image, {other} run another one than in the beginning{failed}", now.len())
}

fn is_part(file: &str) -> bool {
    [".bin", ".sbn", ".sb2"].iter().any(|suffix| file.ends_with(suffix))
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.show();
        if let Some((all, bars)) = &self.bars {
            all.abandon();
            bars.iter().for_each(ProgressBar::abandon);
        }
    }
}

/// One phone in a line.
fn row(name: &str, doing: &Doing) -> String {
    let what = match &doing.file {
        Some((file, bytes)) => format!("takes {file}, {:.0} kB", *bytes as f64 / 1000.0),
        None => doing.what.clone(),
    };
    let times = |n: u32, what: &str| match n {
        0 => String::new(),
        1 => format!(", 1 {what}"),
        _ => format!(", {n} {what}s"),
    };
    let restarts = times(doing.restarts, "restart");
    let failures = times(doing.failures, "failure");
    format!("{name}  {:16}  {what}{restarts}{failures}", doing.running)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_what_a_phone_does() {
        let display = Display::default();
        display.runs("P0S3-06-3-00");
        display.takes("P0S3-07-4-00.sb2", 51_200);
        display.failed();
        assert_eq!(row("A", &display.now()), "A  P0S3-06-3-00      takes P0S3-07-4-00.sb2, 51 kB, 1 failure");
        let others = ["P0S3-06-3-00".to_owned(), "P0S3-05-3-00".to_owned()];
        assert_eq!(
            summary(&[display.now(), display.now()], &others),
            "2 phones: 2 take an image, 1 run another one than in the beginning, 2 failed at least once"
        );
        display.says("is up");
        assert!(row("A", &display.now()).contains("is up"));
    }
}
