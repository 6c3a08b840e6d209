//! What the commands print. All of it goes through here: nearly every line names something that came from outside.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::sync::OnceLock;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::text::printable_lines;

/// The part of the terminal that is kept up to date, if there is one.
static LIVE: OnceLock<MultiProgress> = OnceLock::new();

/// Says something on stderr, above what is kept up to date. Nobody may read it: that is no reason to end.
pub fn say(text: impl Display) {
    let say = || drop(writeln!(io::stderr().lock(), "{}", printable_lines(&text.to_string())));
    match LIVE.get() {
        Some(live) => live.suspend(say),
        None => say(),
    }
}

/// Text on a terminal that is kept up to date in place, below all that is said.
pub struct Live(ProgressBar);

impl Live {
    /// Keeps text up to date on stdout, which is a terminal.
    pub fn on_stdout() -> Live {
        let all = LIVE.get_or_init(|| MultiProgress::with_draw_target(ProgressDrawTarget::stdout()));
        let style = ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
        Live(all.add(ProgressBar::no_length().with_style(style)))
    }

    /// Shows this text instead of the one before.
    pub fn show(&mut self, text: String) {
        self.0.set_message(printable_lines(&text));
        self.0.tick();
    }

    /// How many columns and rows the terminal has.
    pub fn size() -> (usize, usize) {
        let (rows, columns) = console::Term::stdout().size();
        (columns.into(), rows.into())
    }
}

/// Prints lines on stdout.
pub fn print(text: impl Display) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(printable_lines(&text.to_string()).as_bytes())?;
    stdout.flush()
}
