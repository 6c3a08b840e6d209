//! The command line as it was typed, and what is wrong with it in words of the person who typed it.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

/// What parsers of the standard library say, and what a person has to write.
const WORDS: &[(&str, &str)] = &[
    ("invalid digit found in string", "write a whole number"),
    ("cannot parse integer from empty string", "write a whole number"),
    ("number too large to fit in target type", "that number is too large"),
    ("number too small to fit in target type", "that number is too small"),
    ("invalid float literal", "write a number, such as 2 or 0.5"),
    ("cannot parse float from empty string", "write a number, such as 2 or 0.5"),
    ("invalid IP address syntax", "write an IP address, such as 10.1.2.3"),
    ("invalid socket address syntax", "write an IP address and a port, such as 127.0.0.1:8080"),
];

/// Reads the command line; where it is wrong, or asks for help, that was printed, and this is how the program ends.
pub fn parse<C: Parser>(words: impl IntoIterator<Item = OsString>) -> Result<C, ExitCode> {
    C::try_parse_from(words).map_err(|error| {
        let error = match error.kind() {
            ErrorKind::ValueValidation => in_words(error),
            _ => error,
        };
        // Nobody may read it.
        let _ = error.print();
        ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
    })
}

fn in_words(error: clap::Error) -> clap::Error {
    let text = error.render().to_string();
    let Some((theirs, ours)) = WORDS.iter().find(|(theirs, _)| text.contains(theirs)) else { return error };
    let text = text.replacen(theirs, ours, 1);
    clap::Error::raw(ErrorKind::ValueValidation, text.strip_prefix("error: ").unwrap_or(&text))
}
