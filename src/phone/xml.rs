//! Whether a small file in XML can be read: `SEP<MAC>.cnf.xml`, `XMLDefault.cnf.xml`, `syncinfo.xml`.
//!
//! How strict the phones' own parser is nobody knows. What is told here no parser takes; that a file has no root element, or several,
//! is not told, because such files are in use.

use super::text;

/// The most problems that are told of one file.
const MAX_PROBLEMS: usize = 16;
/// The deepest nesting of elements that is followed.
const MAX_DEPTH: usize = 256;

/// What keeps a file from being read, with the line. An end that is missing for another reason is not told again.
pub fn problems(file: &[u8]) -> Vec<(usize, String)> {
    if text::is_utf16(file) {
        return vec![(1, "the file is UTF-16: save it as plain text".to_owned())];
    }
    let file = text::from_latin1(file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file));
    let text = file.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\0' || c == '\u{1a}');
    if text.is_empty() {
        return vec![(0, "is empty".to_owned())];
    }
    let head: String = text.chars().take(9).collect::<String>().to_ascii_lowercase();
    if head == "<!doctype" || head.starts_with("<html") {
        return vec![(1, "the file is a web page: was it an error that was saved?".to_owned())];
    }
    if !text.contains('<') {
        return vec![(1, "the file has no element".to_owned())];
    }
    let mut scan = Scan { text: &file, at: 0, counted: 0, line: 1, open: Vec::new(), problems: Vec::new() };
    while scan.problems.len() < MAX_PROBLEMS && scan.element() {}
    if scan.problems.is_empty()
        && let Some((name, line)) = scan.open.pop()
    {
        scan.problems.push((line, format!("the element {} has no end", shown(name))));
    }
    scan.problems
}

/// How far a file was gone through.
struct Scan<'a> {
    text: &'a str,
    /// The byte that comes next.
    at: usize,
    /// Up to where lines were counted, and the line there.
    counted: usize,
    line: usize,
    /// The elements that have not ended, with their lines.
    open: Vec<(&'a str, usize)>,
    problems: Vec<(usize, String)>,
}

impl<'a> Scan<'a> {
    /// Goes on behind the next element; whether there may be another one.
    fn element(&mut self) -> bool {
        let rest = &self.text[self.at..];
        let Some(start) = rest.find('<') else {
            self.entities(rest.len());
            return false;
        };
        self.entities(start);
        self.move_to(self.at + start);
        let rest = &self.text[self.at..];
        for (begin, end, what) in [("<!--", "-->", "comment"), ("<![CDATA[", "]]>", "CDATA"), ("<?", "?>", "<?")] {
            if rest.starts_with(begin) {
                return match rest.find(end) {
                    Some(length) => self.pass(length + end.len()),
                    None => self.stop(&format!("the {what} has no end")),
                };
            }
        }
        if rest.starts_with("<!") {
            return match rest.find('>') {
                Some(length) => self.pass(length + 1),
                None => self.stop("an element has no end"),
            };
        }
        let Some(length) = end_of(rest) else {
            let quotes = rest.split('>').next().is_some_and(|tag| tag.matches('"').count() % 2 == 1);
            return match (quotes, rest.find('>')) {
                (true, Some(length)) => {
                    // The whole of the file is in doubt from there on.
                    self.problems.push((0, format!("has a quote that is not closed, in line {}", self.line)));
                    self.pass(length + 1)
                }
                _ => self.stop("an element has no end"),
            };
        };
        self.tag(&rest[1..length]);
        self.pass(length + 1)
    }

    /// Looks at what stands between `<` and `>`.
    fn tag(&mut self, tag: &'a str) {
        let end = tag.strip_prefix('/');
        let body = end.unwrap_or(tag);
        let name = body.split(|c: char| c.is_ascii_whitespace() || c == '/').next().unwrap_or_default();
        if !name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
            return self.problem("a '<' stands alone: write &lt;");
        }
        if end.is_some() {
            // Upper and lower case may be the same to a phone.
            match self.open.iter().rposition(|(open, _)| open.eq_ignore_ascii_case(name)) {
                Some(at) if at + 1 == self.open.len() => self.open.truncate(at),
                Some(at) => {
                    let (inner, line) = self.open[at + 1];
                    self.open.truncate(at);
                    self.problems.push((line, format!("the element {} has no end", shown(inner))));
                }
                None => self.problem(&format!("{} ends, and did not begin", shown(name))),
            }
            return;
        }
        let is_whole = tag.ends_with('/');
        let attributes = body[name.len()..].trim_end_matches('/');
        match attributes_problem(attributes) {
            Some(problem) => self.problem(&problem),
            None if stray_ampersand(attributes).is_some() => self.problem(STRAY_AMPERSAND),
            None => {}
        }
        if !is_whole && self.open.len() < MAX_DEPTH {
            self.open.push((name, self.line));
        }
    }

    /// Looks at the next bytes, which are text.
    fn entities(&mut self, length: usize) {
        if let Some(at) = stray_ampersand(&self.text[self.at..self.at + length]) {
            let line = self.line + self.text[self.counted..self.at + at].matches('\n').count();
            self.problems.push((line, STRAY_AMPERSAND.to_owned()));
        }
    }

    fn move_to(&mut self, at: usize) {
        self.line += self.text[self.counted..at].matches('\n').count();
        (self.at, self.counted) = (at, at);
    }

    fn pass(&mut self, length: usize) -> bool {
        self.move_to(self.at + length);
        true
    }

    fn stop(&mut self, what: &str) -> bool {
        self.problem(what);
        self.open.clear();
        false
    }

    fn problem(&mut self, what: &str) {
        self.problems.push((self.line, what.to_owned()));
    }
}

const STRAY_AMPERSAND: &str = "an '&' stands alone: write &amp;";

/// Where an ampersand stands that begins no entity.
fn stray_ampersand(text: &str) -> Option<usize> {
    let is_entity = |rest: &str| {
        let name = rest.split_once(';').map_or("", |(name, _)| name);
        (1..=32).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'#')
    };
    text.match_indices('&').map(|(at, _)| at).find(|at| !is_entity(&text[at + 1..]))
}

/// Where a tag ends: at the first `>` outside of quotes. A quote that takes in the beginning of another tag is none.
fn end_of(tag: &str) -> Option<usize> {
    let mut quote = None;
    for (i, c) in tag.char_indices().skip(1) {
        match (c, quote) {
            ('<', _) => return None,
            ('>', None) => return Some(i),
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            _ => {}
        }
    }
    None
}

fn attributes_problem(attributes: &str) -> Option<String> {
    let mut rest = attributes.trim();
    while !rest.is_empty() {
        let Some((name, value)) = rest.split_once('=') else {
            return Some(format!("{} has no value", shown(rest)));
        };
        let (name, value) = (name.trim(), value.trim_start());
        let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
            let what = if text::typographic_quote(value) {
                "has typographic quotes; write straight ones"
            } else {
                "has no quotes"
            };
            return Some(format!("the value of {} {what}", shown(name)));
        };
        if name.is_empty() || name.contains(|c: char| c.is_ascii_whitespace() || matches!(c, '"' | '\'')) {
            return Some(format!("{} is no attribute: is a quote missing?", shown(name)));
        }
        let Some((_, after)) = value[1..].split_once(quote) else {
            return Some(format!("the value of {} has no closing quote", shown(name)));
        };
        rest = after.trim_start();
    }
    None
}

/// What somebody wrote, in quotes, and no more of it than helps to find it.
fn shown(text: &str) -> String {
    format!("{:?}", text.chars().take(40).collect::<String>())
}

/// The texts of all elements whose names begin with this, in upper or lower case, with their lines.
pub fn texts(file: &[u8], prefix: &str) -> Vec<(usize, String)> {
    let file = text::from_latin1(file);
    let (mut found, mut line, mut counted) = (Vec::new(), 1, 0);
    for (at, _) in file.match_indices('<') {
        let tag = &file[at + 1..];
        if !tag.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix)) {
            continue;
        }
        let Some((head, rest)) = tag.split_once('>') else { break };
        if head.ends_with('/') || found.len() >= MAX_PROBLEMS {
            continue;
        }
        line += file[counted..at].matches('\n').count();
        counted = at;
        found.push((line, rest.split('<').next().unwrap_or_default().trim().to_owned()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phone::{Model, boot, syncinfo};
    use proptest::prelude::*;

    fn said(file: &str) -> String {
        problems(file.as_bytes()).iter().map(|(line, what)| format!("{line}: {what}")).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn files_in_use_are_fine() {
        for fine in [
            "<Default/>",
            "<device/>",
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<Default>\r\n<loadInformation8 model='IP Phone 7940'>P0S3-8-12-00</loadInformation8>\r\n</Default>\r\n",
            "<IMAGE VERSION=\"*\" SYNC=\"1\"/>\n<IMAGE VERSION=\"P0S3-8-12-00\" SYNC=\"1\" />\n",
            "<device>\n<!-- a > b & c \"d -->\n<x>1 &amp; 2 &#34; </x><vendorConfig><![CDATA[a < b & c]]></vendorConfig>\n</device>\0",
            "<DEVICE><a b = \"x > y\"></A></device>",
            "\u{feff}<Default></Default>",
            "<!DOCTYP x><a/>",
        ] {
            assert_eq!(said(fine), "", "{fine}");
        }
        for written in
            [boot::sep_xml(Model::Cp7940, "P0S3-8-12-00"), boot::xml_default("P0S3-8-12-00"), syncinfo::write()]
        {
            assert_eq!(problems(&written), []);
        }
    }

    #[test]
    fn what_is_broken_is_told_with_its_line() {
        for (broken, expected) in [
            ("", "0: is empty"),
            (" \r\n", "0: is empty"),
            ("P0S3-8-12-00", "1: the file has no element"),
            ("<!DOCTYPE html><html>404", "1: the file is a web page"),
            ("<IMAGE VERSION=\"P0S3-8-12-00 SYNC=\"1\"/>\n", "0: has a quote that is not closed, in line 1"),
            ("<Default>\n<a b=\"1>\n</a></Default>", "0: has a quote that is not closed, in line 2"),
            (
                "<Default>\n<loadInformation8 model=\u{201c}IP Phone 7940\u{201d}>x</loadInformation8>\n</Default>",
                "2: the value of \"model\" has typographic quotes",
            ),
            ("<a>\n<b x=1/>\n</a>", "2: the value of \"x\" has no quotes"),
            ("<a>\n<b x/>\n</a>", "2: \"x\" has no value"),
            ("<device>\n<loadInformation>x\n</device>", "2: the element \"loadInformation\" has no end"),
            ("<device>\n<x>1</x>\n", "1: the element \"device\" has no end"),
            ("<a>\n</b></a>", "2: \"b\" ends, and did not begin"),
            ("<a>\n<url>http://x/?a=1&b=2</url>\n</a>", "2: an '&' stands alone"),
            ("<a>\n1 < 2</a>", "2: "),
            ("<a>\n<!-- x </a>", "2: the comment has no end"),
            ("<a>\n<b", "2: an element has no end"),
        ] {
            assert!(said(broken).starts_with(expected), "{broken:?}: {}", said(broken));
        }
        let wide: Vec<u8> = "\u{feff}<a/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(problems(&wide)[0].1.contains("UTF-16"));
    }

    #[test]
    fn the_texts_of_elements_are_found() {
        let file = b"<Default>\n<loadInformation8 model=\"a\">P0S3</loadInformation8>\n<LOADINFORMATION7/>\n<loadInformation> x </loadInformation>";
        assert_eq!(texts(file, "loadInformation"), [(2, "P0S3".to_owned()), (4, "x".to_owned())]);
    }

    #[test]
    fn a_large_file_takes_no_longer_for_each_line_than_a_small_one() {
        let began = std::time::Instant::now();
        assert_eq!(problems("<x>\n</x>\n".repeat(100_000).as_bytes()), []);
        problems("<x>\n".repeat(200_000).as_bytes());
        problems("&amp;\n".repeat(100_000).as_bytes());
        assert!(began.elapsed() < std::time::Duration::from_secs(10));
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_looked_at(file in proptest::collection::vec(any::<u8>(), 0..200), more in "[<>/&;\"'=!?a \n-]{0,60}") {
            problems(&file);
            problems(more.as_bytes());
            texts(&file, "loadInformation");
            texts(more.as_bytes(), "a");
        }
    }
}
