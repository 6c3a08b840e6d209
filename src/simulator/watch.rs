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
    /// The lines of the table, on a terminal.
    bars: Option<Vec<ProgressBar>>,
}

impl Watch {
    /// Looks at phones from now on.
    pub fn new(phones: Vec<(String, Arc<Display>)>) -> Watch {
        let bars = std::io::stderr().is_terminal().then(|| {
            let all = MultiProgress::new();
            // The template is ours and right.
            let style = ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
            phones.iter().map(|_| all.add(ProgressBar::no_length().with_style(style.clone()))).collect()
        });
        Watch { rows: vec![None; phones.len()], phones, bars }
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
                Some(bars) => {
                    bars[i].set_message(row.clone());
                    bars[i].tick();
                }
                None => eprintln!("{row}"),
            }
            self.rows[i] = Some(row);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.show();
        self.bars.iter().flatten().for_each(|bar| bar.abandon());
    }
}

/// One phone in a line.
fn row(name: &str, doing: &Doing) -> String {
    let what = match &doing.file {
        Some((file, bytes)) => format!("takes {file}, {:.0} kB", *bytes as f64 / 1000.0),
        None => doing.what.clone(),
    };
    let times = |n: u32, what: &str| if n == 0 { String::new() } else { format!(", {n} {what}") };
    let restarts = times(doing.restarts, "restarts");
    let failures = times(doing.failures, "failures");
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
        assert_eq!(row("A", &display.now()), "A  P0S3-06-3-00      takes P0S3-07-4-00.sb2, 51 kB, 1 failures");
        display.says("is up");
        assert!(row("A", &display.now()).contains("is up"));
    }
}
