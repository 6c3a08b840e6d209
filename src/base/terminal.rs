//! What the commands print. All of it goes through here: nearly every line names something that came from outside.

use std::fmt::Display;
use std::io::{self, Write as _};

use super::text::printable_lines;

/// Says something on stderr. Nobody may read it: that is no reason to end.
pub fn say(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{}", printable_lines(&text.to_string()));
}

/// Prints lines on stdout.
pub fn print(text: impl Display) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(printable_lines(&text.to_string()).as_bytes())?;
    stdout.flush()
}
