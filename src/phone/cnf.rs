//! The format of `SIPDefault.cnf` and `SIP<MAC>.cnf`: one `name: value` a line; the writer. The reader is in [`read`].
//!
//! There is no way to write a double quote or a line break inside a value, `;` begins a comment and `#` a comment line; so
//! a value with other characters than letters, digits, `.`, `_` and `-` is quoted, and what cannot be quoted is refused
//! before ([`super::text::check`]). No comments are written: old firmware cannot load large files.

mod read;

pub use read::{Entry, NAME_MAX, Problem, Reading, check_name, read};

use super::parameter::UNPROVISIONED;
use super::text;

/// Writes parameters in the order given.
pub fn write<'a>(parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<u8> {
    let mut out = Vec::with_capacity(2048);
    for (name, value) in parameters {
        text::latin1(name, &mut out);
        out.extend_from_slice(b": ");
        if is_plain(value) {
            out.extend_from_slice(value.as_bytes());
        } else {
            out.push(b'"');
            // The caller has checked the value; a mistake there must still not open a second parameter.
            out.extend(
                value
                    .chars()
                    .filter(|c| *c != '"' && (*c == '\t' || !c.is_ascii_control()))
                    .map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')),
            );
            out.push(b'"');
        }
        out.push(b'\n');
    }
    // The fleet holds it for as long as the phone exists.
    out.shrink_to_fit();
    out
}

/// The image that a file names, if it names one.
pub fn image_named(file: &[u8]) -> Option<String> {
    let image = read(file).effective().remove("image_version")?;
    (!image.is_empty() && image != UNPROVISIONED).then_some(image)
}

fn is_plain(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_values_are_bare_and_all_others_are_quoted() {
        let parameters =
            [("a", "8105"), ("b", ""), ("c", "Front desk"), ("d", "x;y#z"), ("e", "Müller"), ("f", "M/D/Y")];
        let mut expected = b"a: 8105\nb: \"\"\nc: \"Front desk\"\nd: \"x;y#z\"\ne: \"M".to_vec();
        expected.extend_from_slice(b"\xfcller\"\nf: \"M/D/Y\"\n");
        assert_eq!(write(parameters), expected);
    }

    proptest! {
        #[test]
        fn no_value_makes_a_second_line(value in any::<String>()) {
            let file = write([("name", value.as_str())]);
            prop_assert_eq!(file.iter().filter(|b| **b == b'\n').count(), 1);
            prop_assert!(file.iter().filter(|b| **b == b'"').count() <= 2);
            prop_assert!(!file.contains(&b'\r') && !file.contains(&0));
        }

        #[test]
        fn a_checked_value_comes_back_exactly(value in "[ !#-~¡-ÿ]{0,60}") {
            text::check(&value, 60).unwrap();
            let file = text::from_latin1(&write([("name", value.as_str())]));
            let written = file.strip_prefix("name: ").unwrap().strip_suffix('\n').unwrap();
            let bare = written.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(written);
            prop_assert_eq!(bare, value);
        }
    }
}
