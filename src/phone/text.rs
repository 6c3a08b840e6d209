//! Which characters a phone's files can carry.
//!
//! The phone's own character set is taken to be ISO 8859-1: what is in it is written as one byte, what is not is refused.
//! The file format has no way to write a double quote or a line break inside a value, so both are refused too: that is what
//! prevents a value from adding a second parameter.

/// Why a file cannot hold a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unwritable {
    /// A double quote would end the value early.
    #[error("has a double quote, which the phone's file format cannot hold: remove it or use an apostrophe")]
    Quote,
    /// A control character, a line break among them.
    #[error("has a control character or line break (U+{0:04X}): remove it")]
    Control(u32),
    /// A character that the phone's character set lacks.
    #[error("has {0:?}, which the phone's character set (ISO 8859-1) lacks: replace it")]
    Charset(char),
    /// More characters than the phone keeps.
    #[error("has {have} characters; the phone keeps at most {most}: shorten it")]
    TooLong {
        /// The characters there are.
        have: usize,
        /// The characters that fit.
        most: usize,
    },
}

/// A pattern for API schemas that accepts the characters that [`check`] accepts.
pub const PATTERN: &str = "^[ !#-~¡-ÿ]*$";

/// Checks a value for the `.cnf` format.
pub fn check(value: &str, most: usize) -> Result<(), Unwritable> {
    for c in value.chars() {
        match c {
            '"' => return Err(Unwritable::Quote),
            c if c.is_control() => return Err(Unwritable::Control(c as u32)),
            c if u32::from(c) > 0xFF || c == '\u{a0}' => return Err(Unwritable::Charset(c)),
            _ => {}
        }
    }
    let have = value.chars().count();
    if have > most { Err(Unwritable::TooLong { have, most }) } else { Ok(()) }
}

/// Checks a value that is taken over as it is: all that a quoted value in a file can hold, tabs and the upper control
/// characters of ISO 8859-1 among it.
pub fn check_verbatim(value: &str, most: usize) -> Result<(), Unwritable> {
    for c in value.chars() {
        match u32::from(c) {
            0x22 => return Err(Unwritable::Quote),
            0x09 | 0x20..=0x7E | 0x80..=0xFF => {}
            code @ (0..=0x1F | 0x7F) => return Err(Unwritable::Control(code)),
            _ => return Err(Unwritable::Charset(c)),
        }
    }
    let have = value.chars().count();
    if have > most { Err(Unwritable::TooLong { have, most }) } else { Ok(()) }
}

/// A pattern for API schemas that accepts the characters that [`check_verbatim`] accepts.
pub const VERBATIM_PATTERN: &str = "^[\\t !#-~\\x{80}-\\x{ff}]*$";

/// Writes text as ISO 8859-1. What [`check`] would refuse becomes `?`, so that no caller can write a stray byte.
pub fn latin1(text: &str, out: &mut Vec<u8>) {
    out.extend(text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')));
}

/// Reads ISO 8859-1.
pub fn from_latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&b| char::from(b)).collect()
}

/// Whether text that was read as ISO 8859-1 begins with a quote of a word processor, in UTF-8 or as Windows writes it.
pub fn typographic_quote(text: &str) -> bool {
    let utf8 = ["\u{2018}", "\u{2019}", "\u{201a}", "\u{201c}", "\u{201d}", "\u{201e}", "\u{ab}", "\u{bb}", "\u{2033}"];
    text.starts_with(['\u{84}', '\u{91}', '\u{92}', '\u{93}', '\u{94}', '\u{ab}', '\u{bb}'])
        || utf8.iter().any(|quote| text.starts_with(&from_latin1(quote.as_bytes())))
}

/// Whether a file begins as UTF-16 does.
pub fn is_utf16(file: &[u8]) -> bool {
    file.starts_with(&[0xFF, 0xFE]) || file.starts_with(&[0xFE, 0xFF])
}
