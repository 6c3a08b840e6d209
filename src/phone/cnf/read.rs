//! Parses `SIPDefault.cnf` and `SIP<MAC>.cnf` as leniently as phones do: files in use were edited by hand on all kinds of
//! computers for decades.

use std::collections::BTreeMap;

use crate::phone::parameter::{Kind, is_secret};
use crate::phone::{find, text};

/// The longest name of a parameter.
pub const NAME_MAX: usize = 64;

/// One line that sets a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The line's number, from 1.
    pub line: usize,
    /// The parameter's name as it is written.
    pub name: String,
    /// Its value, without quotes.
    pub value: String,
}

/// One line with a mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line's number, from 1.
    pub line: usize,
    /// Whether the line sets something nevertheless.
    pub used: bool,
    /// The mistake.
    pub why: String,
}

/// A parsed file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// The lines that set something, in the order of the file.
    pub entries: Vec<Entry>,
    /// The lines with mistakes.
    pub problems: Vec<Problem>,
}

impl Reading {
    /// The values that apply, by name in lower case: of two lines with the same name the later one.
    pub fn effective(&self) -> BTreeMap<String, String> {
        self.entries.iter().map(|entry| (entry.name.to_ascii_lowercase(), entry.value.clone())).collect()
    }
}

/// Parses a file.
pub fn read(file: &[u8]) -> Reading {
    let mut reading = Reading::default();
    let file = decode(file, &mut reading);
    for (i, line) in file.replace("\r\n", "\n").split(['\n', '\r']).enumerate() {
        let number = i + 1;
        // A null pads the end of some editors' files.
        let line = line.trim_matches(|c: char| matches!(c, ' ' | '\t' | '\0' | '\u{b}' | '\u{c}' | '\u{1a}'));
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        match entry(line) {
            Ok((name, value, after)) => {
                let shown = |rest: &str| if is_secret(name) { "what stands".to_owned() } else { format!("{rest:?}") };
                let why = match after {
                    After::Nothing => None,
                    After::Quote(rest) => Some(format!("{} after the closing quote is passed over", shown(rest))),
                    After::Semicolon(rest) => is_text(name).then(|| {
                        format!(
                            "{} behind ';' is a comment for phones, so that {name} ends before it: write the whole value in quotes if that belongs to it",
                            shown(rest)
                        )
                    }),
                };
                reading.problems.extend(why.map(|why| Problem { line: number, used: true, why }));
                reading.entries.push(Entry { line: number, name: name.to_owned(), value: value.to_owned() });
            }
            Err(why) => reading.problems.push(Problem { line: number, used: false, why }),
        }
    }
    reading
}

/// What stands after a value and may have been meant as a part of it.
enum After<'a> {
    Nothing,
    /// Text after a quoted value that is no comment.
    Quote(&'a str),
    /// A comment that has no blank on either side of its semicolon, after a value without quotes.
    Semicolon(&'a str),
}

/// Whether a semicolon may well belong to a parameter's value: to a password, a URL, or a name that people chose.
fn is_text(name: &str) -> bool {
    let text = |kind| matches!(kind, Kind::Text { .. } | Kind::Secret { .. } | Kind::Url);
    is_secret(name) || find(name).is_some_and(|parameter| text(parameter.kind))
}

/// The name, the value, and what stands after it.
fn entry(line: &str) -> Result<(&str, &str, After<'_>), String> {
    let Some((name, rest)) = line.split_once(':') else {
        return Err(match line.split_once('=') {
            Some((name, value)) => {
                // What was meant is shown, but neither a password nor what would move the cursor of a terminal.
                let (name, value) = (name.trim(), if is_secret(name.trim()) { "…" } else { value.trim() });
                format!("has '=' where the phone wants ':'; write {:?}", format!("{name}: {value}"))
            }
            None => "has no ':' between a name and a value".to_owned(),
        });
    };
    let name = name.trim();
    check_name(name)?;
    let rest = rest.trim();
    let (value, after) = match rest.strip_prefix('"') {
        Some(quoted) => {
            let (value, after) = quoted.split_once('"').ok_or("has no closing quote")?;
            let after = after.trim();
            let is_meant = !after.is_empty() && !after.starts_with([';', '#']);
            (value, if is_meant { After::Quote(after) } else { After::Nothing })
        }
        None => match rest.split_once(';') {
            None => (rest, After::Nothing),
            Some((value, comment)) => {
                let is_glued = |c: Option<char>| c.is_some_and(|c| !c.is_whitespace() && c != ';');
                let is_meant = is_glued(value.chars().next_back()) && is_glued(comment.chars().next());
                (value.trim_end(), if is_meant { After::Semicolon(comment) } else { After::Nothing })
            }
        },
    };
    text::check_verbatim(value, usize::MAX).map_err(|problem| format!("the value {problem}"))?;
    Ok((name, value, after))
}

/// Checks a parameter's name.
pub fn check_name(name: &str) -> Result<(), String> {
    let fine = name.len() <= NAME_MAX
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if fine {
        return Ok(());
    }
    let shown: String = name.chars().take(NAME_MAX).collect();
    // `reg.1.displayName` in files that people passed on.
    let maker = if name.contains('.') { "; with dots it is one of another maker's phones" } else { "" };
    Err(format!(
        "{shown:?} is no parameter's name: letters, digits, '_' and '-' only, a letter first, at most {NAME_MAX} characters{maker}"
    ))
}

/// Bytes to text. The phone knows ISO 8859-1 only; what editors put before the text is taken off.
fn decode(file: &[u8], reading: &mut Reading) -> String {
    let mut note = |what: &str| {
        reading.problems.push(Problem { line: 1, used: true, why: format!("{what}: phones cannot read that") });
    };
    let wide = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
        char::decode_utf16(units).map(|c| c.unwrap_or('\u{fffd}')).collect()
    };
    match file {
        [0xEF, 0xBB, 0xBF, rest @ ..] => {
            note("the file begins with a byte-order mark");
            text::from_latin1(rest)
        }
        [0xFF, 0xFE, rest @ ..] => {
            note("the file is UTF-16");
            wide(rest, u16::from_le_bytes)
        }
        [0xFE, 0xFF, rest @ ..] => {
            note("the file is UTF-16");
            wide(rest, u16::from_be_bytes)
        }
        _ => text::from_latin1(file),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phone::cnf::write;
    use proptest::prelude::*;

    fn pairs(file: &[u8]) -> Vec<(String, String)> {
        read(file).entries.into_iter().map(|entry| (entry.name, entry.value)).collect()
    }

    fn pair(name: &str, value: &str) -> Vec<(String, String)> {
        vec![(name.to_owned(), value.to_owned())]
    }

    #[test]
    fn all_ways_to_write_a_line_are_understood() {
        for line in [
            "a: 1",
            "a:1",
            "a : 1",
            "\ta\t:\t1\t",
            "a: \"1\"",
            "a:\"1\"; comment",
            "a: \"1\";",
            "a: 1; comment",
            "a: 1 ;comment",
            "\u{c}a: 1\r",
            "\n\na: 1",
            "# b: 2\na: 1",
            ";b: 2\r\na: 1\r\n",
        ] {
            assert_eq!(pairs(line.as_bytes()), pair("a", "1"), "{line:?}");
            assert!(read(line.as_bytes()).problems.is_empty(), "{line:?}");
        }
        assert_eq!(pairs(b"a: \"x; y # z\""), pair("a", "x; y # z"));
        assert_eq!(pairs(b"a: x # y"), pair("a", "x # y"), "a comment line begins with #, not a comment");
        assert_eq!(pairs(b"a:"), pair("a", ""));
        assert_eq!(pairs(b"a: \"\""), pair("a", ""));
        assert_eq!(pairs(b"a: M\xfcller"), pair("a", "Müller"));
        assert_eq!(pairs(b"\xef\xbb\xbfa: 1"), pair("a", "1"));
        assert_eq!(pairs(b"\xff\xfea\0:\x001\0\n\0"), pair("a", "1"));
        assert_eq!(pairs(b"a: 1\rb: 2").len(), 2);
    }

    #[test]
    fn broken_lines_are_reported_with_their_numbers() {
        let reading =
            read(b"1\nproxy1_port=5060\nx: \"open\nreg.1.displayName=\"a:b\"\n9x: 1\na: b\"c\"\n: 5\na: 1 \x01\nok: 1");
        assert_eq!(reading.entries.len(), 1);
        let lines: Vec<usize> = reading.problems.iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [1, 2, 3, 4, 5, 6, 7, 8]);
        assert!(reading.problems[1].why.contains("proxy1_port: 5060"));
        let said = read(b"line1_password=hunter2\nline2_password: \"a\" hunter3\nx\x1b[2J=1").problems;
        assert!(said.len() == 3 && said.iter().all(|one| !one.why.contains("hunter") && !one.why.contains('\x1b')));
        let reading = read(b"a: \"x\" y");
        assert_eq!((reading.entries[0].value.as_str(), reading.problems[0].used), ("x", true));
    }

    #[test]
    fn a_value_that_a_semicolon_cuts_is_told_and_a_comment_is_not() {
        for (line, value) in [
            ("line1_password: abc;def", "abc"),
            ("line2_password: p4ss;w0rd ; the kitchen", "p4ss"),
            ("phone_password: x;y", "x"),
            ("sip_secret: q;r", "q"),
            ("messages_uri: sip:8000@10.0.0.1;user=phone", "sip:8000@10.0.0.1"),
            ("speed_line2: 4711;phone-context=x", "4711"),
            ("cfwd_url: sip:1@h;transport=udp", "sip:1@h"),
            ("services_url: http://10.0.0.1/menu;jsessionid=7", "http://10.0.0.1/menu"),
            ("line1_displayname: Meier;Kurt", "Meier"),
            ("line1_authname: a;b", "a"),
            ("LINE1_PASSWORD:a;b", "a"),
        ] {
            let reading = read(line.as_bytes());
            assert_eq!(reading.entries[0].value, value, "{line}");
            assert!(reading.problems.len() == 1 && reading.problems[0].used, "{line}: {:?}", reading.problems);
            let why = &reading.problems[0].why;
            assert!(why.contains("in quotes") && !why.contains("def") && !why.contains("w0rd"), "{why}");
        }
        for line in [
            "line1_password: abc ; def",
            "line1_password: abc; def",
            "line1_password: abc ;def",
            "line1_password: abc;",
            "line1_password: abc;;",
            "line1_password: \"abc;def\"",
            "line1_password: \"abc\";def",
            "proxy_register: 1;on",
            "dtmf_avt_payload: 101;default",
            "image_version: P0S3-8-12-00;newest",
            "proxy1_address: 10.0.0.1;pbx",
            "somebodys_own: 1;2",
            "line1_password: ; none",
        ] {
            assert!(read(line.as_bytes()).problems.is_empty(), "{line}: {:?}", read(line.as_bytes()).problems);
        }
    }

    #[test]
    fn the_later_of_two_lines_applies() {
        let effective = read(b"A: 1\na: 2\nb: 3").effective();
        assert_eq!((effective["a"].as_str(), effective["b"].as_str()), ("2", "3"));
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_read(file in proptest::collection::vec(any::<u8>(), 0..500)) {
            for entry in read(&file).entries {
                prop_assert!(check_name(&entry.name).is_ok());
            }
        }

        #[test]
        fn what_is_written_is_read(values in proptest::collection::btree_map("[a-z_][a-z0-9_-]{0,20}", "[\t !#-~\u{80}-ÿ]{0,60}", 0..20)) {
            let file = write(values.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            let reading = read(&file);
            prop_assert_eq!(reading.effective(), values);
            prop_assert!(reading.problems.is_empty());
        }
    }
}
