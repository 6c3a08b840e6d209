//! What the commands print. All of it goes through here: nearly every line names something that came from outside, and whoever
//! reads it may go before the end.

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal as _, Write as _};
use std::sync::OnceLock;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::text::printable_lines;

/// All is well.
pub const GOOD: char = '✓';
/// Something is wrong.
pub const BAD: char = '✗';
/// Something deserves a look.
pub const DOUBTFUL: char = '!';

/// The part of the terminal that is kept up to date, if there is one.
static LIVE: OnceLock<MultiProgress> = OnceLock::new();

/// Says something on stderr, above what is kept up to date. Nobody may read it: that is no reason to end.
pub fn say(text: impl Display) {
    let text = printable_lines(&text.to_string());
    let say = || {
        let text = if paints_stderr() { painted(&text) } else { text };
        let _ = writeln!(io::stderr().lock(), "{text}");
    };
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
    pub fn show(&mut self, text: &str) {
        self.0.set_message(paint(&printable_lines(text)));
        self.0.tick();
    }
}

/// Prints lines on stdout. A reader that has gone, as in `… | head`, is no error: what else there is to do is done.
pub fn print(text: impl Display) -> io::Result<()> {
    is_read(text).map(|_| ())
}

/// The same for what goes on without end; false once nobody reads it any more.
pub fn is_read(text: impl Display) -> io::Result<bool> {
    write(&printable_lines(&text.to_string()))
}

/// Prints this program's own bytes as they are: with tabs, and with nothing from outside in them.
pub fn print_own(bytes: &[u8]) -> io::Result<()> {
    raw(bytes).map(|_| ())
}

/// Shows a text in the place of the one before: on a terminal only.
pub fn redraw(text: impl Display) -> io::Result<bool> {
    let text = printable_lines(&text.to_string());
    // To the upper left corner; what is left of each line, and then of the screen, goes.
    let lines: String = text.lines().map(|line| format!("{}\x1b[K\n", paint(line))).collect();
    raw(format!("\x1b[H{lines}\x1b[J").as_bytes())
}

/// Empties the screen, for [`redraw`].
pub fn clear() -> io::Result<bool> {
    raw(b"\x1b[2J")
}

fn write(text: &str) -> io::Result<bool> {
    raw(paint(text).as_bytes())
}

fn raw(bytes: &[u8]) -> io::Result<bool> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        result => result.map(|()| true),
    }
}

/// Whether stdout is a terminal.
pub fn is_screen() -> bool {
    io::stdout().is_terminal()
}

/// How many columns there are; none where lines may be of any length, as in a pipe.
pub fn width() -> Option<usize> {
    size().map(|(columns, _)| columns)
}

/// How many lines there are on the terminal.
pub fn height() -> Option<usize> {
    size().map(|(_, lines)| lines)
}

fn size() -> Option<(usize, usize)> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    // A terminal that does not say it has none.
    let or = |given: u16, usual: usize| if given == 0 { usual } else { given.into() };
    Some((or(size.ws_col, 80), or(size.ws_row, 24)))
}

/// Whether what goes to stderr may have colours.
pub fn paints_stderr() -> bool {
    io::stderr().is_terminal() && wants_colour()
}

/// https://no-color.org: set and not empty means no.
fn wants_colour() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

fn paint(text: &str) -> String {
    if is_screen() && wants_colour() { painted(text) } else { text.to_owned() }
}

const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const RED: &str = "\x1b[31m";
const PLAIN: &str = "\x1b[0m";

/// A text with colours, which only repeat what its marks say.
fn painted(text: &str) -> String {
    let mut all = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        for (word, colour) in [("error:", RED), ("warning:", YELLOW), ("note:", YELLOW)] {
            if line.starts_with(word) {
                all += &format!("{colour}{word}{PLAIN}");
            }
        }
        let marked = ["error:", "warning:", "note:"].into_iter().find(|word| line.starts_with(word));
        let (mut now, mut before) = ("", ' ');
        let mut rest = line[marked.map_or(0, str::len)..].chars().peekable();
        while let Some(c) = rest.next() {
            let is_word = before == ' ' && rest.peek().is_none_or(|next| next.is_whitespace());
            let wanted = match c {
                GOOD | '█' => GREEN,
                BAD => RED,
                DOUBTFUL if is_word => YELLOW,
                _ => "",
            };
            if wanted != now {
                all += if now.is_empty() { "" } else { PLAIN };
                all += wanted;
                now = wanted;
            }
            all.push(c);
            before = c;
        }
        all += if now.is_empty() { "" } else { PLAIN };
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_repeat_what_marks_say_and_nothing_else_is_changed() {
        assert_eq!(painted("hq  ✓ Ready!\n"), "hq  \x1b[32m✓\x1b[0m Ready!\n");
        assert_eq!(painted("██░ ✗ no\n! look"), "\x1b[32m██\x1b[0m░ \x1b[31m✗\x1b[0m no\n\x1b[33m!\x1b[0m look");
        assert_eq!(painted("error: a\nwarning: b"), "\x1b[31merror:\x1b[0m a\n\x1b[33mwarning:\x1b[0m b");
        assert_eq!(painted("no error: a!"), "no error: a!");
    }
}
