//! What the phone remembers, and how it reads its files: flash, then `SIPDefault.cnf` over it, then `SIP<MAC>.cnf` over that.
//! A value that no file names stays as it last was.

use std::collections::BTreeMap;

/// The parameters in the phone's memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flash(BTreeMap<String, String>);

impl Flash {
    /// Takes over a file.
    pub fn load(&mut self, file: &[u8]) {
        for (name, value) in parse(file) {
            self.0.insert(name, value);
        }
    }

    /// A parameter's value; unprovisioned ones have none.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty() && *value != "UNPROVISIONED")
    }

    /// All values, by name.
    pub fn all(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

/// Reads a file: `name: value`, one a line; `#` begins a comment line, `;` a comment unless it is inside quotes. Lines that
/// make no sense are passed over; of two lines with one name the later holds.
pub fn parse(file: &[u8]) -> Vec<(String, String)> {
    // The phone knows bytes, not UTF-8.
    let text: String = file.iter().map(|byte| char::from(*byte)).collect();
    let mut values: Vec<(String, String)> = Vec::new();
    for line in text.split(['\n', '\r']) {
        let line = line.trim();
        if line.starts_with(['#', ';']) {
            continue;
        }
        let Some((name, rest)) = line.split_once(':') else { continue };
        let name = name.trim();
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c)) {
            continue;
        }
        let rest = rest.trim_start();
        let value = match rest.strip_prefix('"') {
            Some(quoted) => match quoted.split_once('"') {
                Some((value, _)) => value,
                None => continue,
            },
            None => rest.split(';').next().unwrap_or_default().trim_end(),
        };
        let name = name.to_ascii_lowercase();
        values.retain(|(before, _)| *before != name);
        values.push((name, value.to_owned()));
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn files_are_read_as_the_phone_reads_them() {
        let file = b"# comment\r\nproxy1_port:\"5060\"\nline1_name : 8105 ; comment\nphone_label: \"a; b\"; c\n\
            broken\nx=1\nlanguage: \nline1_name: 8106\nunended: \"abc\n";
        let values = parse(file);
        let expected = [("proxy1_port", "5060"), ("phone_label", "a; b"), ("language", ""), ("line1_name", "8106")];
        assert_eq!(values, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn what_no_file_names_stays() {
        let mut flash = Flash::default();
        flash.load(b"a: 1\nb: 2\n");
        flash.load(b"a: \"\"\nc: UNPROVISIONED\n");
        assert_eq!((flash.get("a"), flash.get("b"), flash.get("c")), (None, Some("2"), None));
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_read(file in proptest::collection::vec(any::<u8>(), 0..500)) {
            let _ = parse(&file);
        }
    }
}
