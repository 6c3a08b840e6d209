//! Parses a dial plan: the phone's own dialect, which resembles XML and is not. There are no entities, a comment ends at
//! the first `>`, attributes have double quotes, and `TEMPLATE` is written in capitals.

use super::Template;
use crate::phone::text;

/// One rule as it stands in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// `MATCH`.
    pub pattern: String,
    /// `Timeout`, in seconds.
    pub timeout: Option<i64>,
    /// `User`.
    pub user: Option<String>,
    /// `Rewrite`.
    pub rewrite: Option<String>,
    /// `Route`.
    pub route: Option<String>,
    /// `Tone`, one for each comma.
    pub tones: Vec<String>,
    /// `Line`, the line that the rule is for. Later SIP stacks know it; whether these phones do is not known.
    pub line: Option<String>,
}

impl Rule {
    /// The rule in the form for the writer and the matcher.
    pub fn template(&self) -> Template<'_> {
        Template {
            pattern: &self.pattern,
            timeout: self.timeout,
            user: self.user.as_deref(),
            rewrite: self.rewrite.as_deref(),
            route: self.route.as_deref(),
            tones: &self.tones,
        }
    }
}

/// A parsed file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// The rules.
    pub rules: Vec<Rule>,
    /// The line of each rule, from 1.
    pub lines: Vec<usize>,
    /// What phones would ignore, with its line.
    pub problems: Vec<(usize, String)>,
}

/// Parses a file.
pub fn read(file: &[u8]) -> Reading {
    let mut reading = Reading::default();
    let Reading { rules, lines, problems } = &mut reading;
    if text::is_utf16(file) {
        problems.push((1, "the file is UTF-16, which phones cannot read: save it as plain text".to_owned()));
        return reading;
    }
    let file = text::from_latin1(file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file));
    let (mut inside, mut at) = (false, 0);
    let (mut line, mut counted) = (1, 0);
    while let Some(start) = file[at..].find('<').map(|start| at + start) {
        line += file[counted..start].matches('\n').count();
        counted = start;
        let end = end_of(&file, start);
        let tag = file[start + 1..end].trim();
        at = (end + 1).min(file.len());
        if end == file.len() {
            problems.push((line, "an element has no end".to_owned()));
        }
        let name = tag.split([' ', '\t', '\r', '\n', '/']).find(|part| !part.is_empty()).unwrap_or_default();
        match name {
            _ if tag.starts_with('!') || tag.starts_with('?') => {}
            name if name.eq_ignore_ascii_case("DIALTEMPLATE") => inside = !tag.starts_with('/'),
            "TEMPLATE" if tag.starts_with('/') => {}
            "TEMPLATE" if !inside => problems.push((line, "a TEMPLATE stands outside of DIALTEMPLATE".to_owned())),
            "TEMPLATE" => match rule(tag["TEMPLATE".len()..].trim().trim_end_matches('/')) {
                Ok(rule) => {
                    rules.push(rule);
                    lines.push(line);
                }
                Err(problem) => problems.push((line, problem)),
            },
            // What is said of an element is not said of its end again.
            _ if tag.starts_with('/') => {}
            name if name.eq_ignore_ascii_case("TEMPLATE") => {
                problems.push((line, format!("phones know TEMPLATE in capitals only, not {name:?}")));
            }
            name => problems.push((line, format!("phones do not know the element {name:?}"))),
        }
    }
    reading
}

/// Where an element ends: at the first `>` outside quotes, or the first at all in a comment.
fn end_of(file: &str, start: usize) -> usize {
    let comment = file[start..].starts_with("<!");
    let mut quoted = false;
    for (i, c) in file[start..].char_indices() {
        match c {
            '"' if !comment => quoted = !quoted,
            '>' if !quoted => return start + i,
            _ => {}
        }
    }
    file.len()
}

fn rule(mut attributes: &str) -> Result<Rule, String> {
    let mut rule = Rule::default();
    let mut has_match = false;
    while !attributes.trim().is_empty() {
        let (name, rest) = attributes.split_once('=').ok_or_else(|| format!("{:?} has no value", attributes.trim()))?;
        let name = name.trim();
        let rest = rest.trim_start();
        let quoted = rest.strip_prefix('"').ok_or_else(|| match text::typographic_quote(rest) {
            true => format!("the value of {name:?} has typographic quotes; phones know straight ones only"),
            false => format!("the value of {name:?} has no double quotes"),
        })?;
        let (value, rest) =
            quoted.split_once('"').ok_or_else(|| format!("the value of {name:?} has no closing quote"))?;
        attributes = rest;
        match name.to_ascii_lowercase().as_str() {
            "match" => {
                rule.pattern = value.to_owned();
                has_match = true;
            }
            "timeout" => {
                let seconds =
                    value.parse::<u32>().map_err(|_| format!("Timeout is {value:?}, no number of seconds"))?;
                rule.timeout = Some(seconds.into());
            }
            "user" => rule.user = Some(value.to_owned()),
            "rewrite" => rule.rewrite = Some(value.to_owned()),
            "route" => rule.route = Some(value.to_owned()),
            "tone" => rule.tones.push(value.to_owned()),
            "line" => rule.line = Some(value.to_owned()),
            _ => return Err(format!("phones drop a rule with the attribute {name:?}")),
        }
    }
    if has_match { Ok(rule) } else { Err("a TEMPLATE has no MATCH".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phone::dialplan::write;
    use proptest::prelude::*;

    #[test]
    fn a_file_in_use_is_read() {
        let file = b"<?xml version=\"1.0\"?>\r\n<dialtemplate>\n<!-- the operator -->\n\
            <TEMPLATE MATCH=\"0\"\tTIMEOUT=\"1\" User=\"Phone\"/> <!-- 0 -->\n\
            <TEMPLATE match=\"9,1..........\" Timeout=\"0\" Tone=\"Cisco-Zip\" Rewrite=\"1..........\" Route=\"Default\" />\n</dialtemplate>";
        let Reading { rules, problems, .. } = read(file);
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(rules.len(), 2);
        assert_eq!(read(file).lines, [4, 5]);
        assert_eq!((rules[0].timeout, rules[0].user.as_deref()), (Some(1), Some("Phone")));
        assert_eq!(rules[1].tones, ["Cisco-Zip"]);
        assert_eq!(rules[1].rewrite.as_deref(), Some("1.........."));
    }

    #[test]
    fn what_phones_ignore_is_reported_with_its_line() {
        let file = b"<TEMPLATE MATCH=\"1\"/>\n<DIALTEMPLATE>\n<Template MATCH=\"2\"/>\n<TEMPLATE MATCH=\"3\" Lines=\"1\"/>\n\
            <TEMPLATE Timeout=\"4\"/>\n<TEMPLATE MATCH='5'/>\n<TEMPLATE MATCH=\"6\" Timeout=\"-1\"/>\n<x/>\n<TEMPLATE MATCH=\"7";
        let Reading { rules, problems, .. } = read(file);
        assert!(rules.is_empty());
        let lines: Vec<usize> = problems.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [1, 3, 4, 5, 6, 7, 8, 9, 9], "{problems:?}");
    }

    #[test]
    fn a_large_file_takes_no_longer_for_each_line_than_a_small_one() {
        let (began, lines) = (std::time::Instant::now(), 200_000);
        let problems = read("<x>\n".repeat(lines).as_bytes()).problems;
        assert_eq!(problems.last().map(|(line, _)| *line), Some(lines));
        assert!(began.elapsed() < std::time::Duration::from_secs(10), "counting lines anew for each takes minutes");
    }

    #[test]
    fn what_word_processors_make_of_a_plan_is_told() {
        for quoted in ["\u{201c}911\u{201d}", "\u{201e}911\u{201c}", "\u{ab}911\u{bb}", "\u{2018}911\u{2019}"] {
            let problems = read(format!("<DIALTEMPLATE>\n<TEMPLATE MATCH={quoted}/>\n").as_bytes()).problems;
            assert!(problems.len() == 1 && problems[0].1.contains("typographic"), "{quoted}: {problems:?}");
        }
        // As Windows writes them.
        let problems = read(b"<DIALTEMPLATE><TEMPLATE MATCH=\x93911\x94/></DIALTEMPLATE>").problems;
        assert!(problems[0].1.contains("typographic"), "{problems:?}");
        let wide: Vec<u8> = "\u{feff}<DIALTEMPLATE/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(read(&wide).problems[0].1.contains("UTF-16"));
        let stamped =
            read(b"<DIALTEMPLATE>\n<versionStamp>17</versionStamp>\n<TEMPLATE MATCH=\"1\"/>\n</DIALTEMPLATE>");
        assert_eq!((stamped.rules.len(), stamped.problems.len()), (1, 1), "{stamped:?}");
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_read(file in proptest::collection::vec(any::<u8>(), 0..300)) {
            read(&file);
        }

        #[test]
        fn what_is_written_is_read(patterns in proptest::collection::vec("[0-9.*,]{1,10}", 0..5), timeout in proptest::option::of(0i64..100)) {
            let written = patterns.iter().map(|pattern| Template { pattern, timeout, rewrite: Some("%s"), ..Template::default() });
            let Reading { rules, problems, .. } = read(&write(written));
            prop_assert!(problems.is_empty());
            prop_assert_eq!(rules.iter().map(|rule| rule.pattern.clone()).collect::<Vec<_>>(), patterns);
            prop_assert!(rules.iter().all(|rule| rule.timeout == timeout && rule.rewrite.as_deref() == Some("%s")));
        }
    }
}
