//! What is wrong or doubtful with manifests, for programs that show it beside the lines of a change: SARIF, which code hosts and editors
//! read, and the annotations of GitHub's runners.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::lines::line_of;
use crate::base::digest::Digest;
use crate::base::folder;
use crate::manifests::Manifests;
use crate::provision::{Fleet, Key, advice, diagnostic};

/// How findings are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// SARIF 2.1.0
    Sarif,
    /// Commands of GitHub's runners, which show each finding at its line
    Github,
}

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing is used of the object.
    Error,
    /// The object is used as it is.
    Warning,
    /// It is how it is.
    Note,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// How grave it is.
    pub level: Level,
    /// The file; empty if it comes from none.
    pub file: String,
    /// Its line, from 1.
    pub line: usize,
    /// The stable word for its kind.
    pub code: String,
    /// The object: kind and key; empty if it is not known.
    pub object: String,
    /// The same as a person would read it, with the field.
    pub message: String,
}

/// The largest file in which lines are looked for.
const MAX_BYTES: u64 = 64 << 20;

/// The lines of files, each of which is read once.
#[derive(Default)]
pub struct Lines(BTreeMap<String, Option<String>>);

impl Lines {
    /// The line of a field of an object; 1 if it cannot be found.
    pub fn of(&mut self, file: &str, kind: &str, key: &Key, field: &str) -> usize {
        let read = || String::from_utf8(folder::read_named(Path::new(file), MAX_BYTES).ok()?).ok();
        let text = self.0.entry(file.to_owned()).or_insert_with(read);
        text.as_deref().map_or(1, |text| line_of(text, kind, key, field))
    }
}

/// The findings of manifests, in order.
pub fn collect(manifests: &Manifests, fleet: &Fleet, lines: &mut Lines) -> Vec<Finding> {
    let mut all: BTreeSet<Finding> = manifests.errors.iter().map(|error| unusable(error, lines)).collect();
    for (kind, key, found) in fleet.findings() {
        let file = manifests.file_of(kind, key);
        all.extend(found.iter().map(|one| Finding {
            level: if one.is_error() { Level::Error } else { Level::Warning },
            file: file.to_owned(),
            line: lines.of(file, kind, key, &one.field),
            code: one.code().to_owned(),
            object: format!("{kind} {key}"),
            message: format!("{kind} {key}: {}: {}", one.field, one.message),
        }));
    }
    all.into_iter().collect()
}

/// What is said of a document that cannot be used begins with its file, and may name a line, or the object and its field.
fn unusable(error: &str, lines: &mut Lines) -> Finding {
    let (file, message) = error.split_once(": ").unwrap_or(("", error));
    let mut parts = message.split(": ");
    let object = parts.next().and_then(|object| object.split_once(' '));
    let line = match object.filter(|(kind, _)| ["PhoneSite", "SipPhone"].contains(kind)) {
        Some((kind, name)) => {
            let (namespace, name) = name.split_once('/').unwrap_or(("default", name));
            lines.of(file, kind, &Key::new(namespace, name), parts.next().unwrap_or_default())
        }
        None => {
            let number = |(_, rest): (&str, &str)| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok();
            message.split_once("line ").and_then(number).unwrap_or(1)
        }
    };
    let (file, message) = (file.to_owned(), message.to_owned());
    Finding { level: Level::Error, file, line, code: "Manifest".to_owned(), object: String::new(), message }
}

/// Findings as a program reads them.
pub fn text(format: Format, findings: &[Finding]) -> String {
    match format {
        Format::Sarif => format!("{:#}\n", sarif(findings)),
        Format::Github => github(findings),
    }
}

fn sarif(findings: &[Finding]) -> Value {
    let codes: BTreeSet<&str> = findings.iter().map(|one| one.code.as_str()).collect();
    let rules: Vec<Value> = codes.iter().map(|code| rule(code)).collect();
    let result = |one: &Finding| {
        let level = match one.level {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Note => "note",
        };
        // A finding stays the same one while lines above it come and go.
        let fingerprint = Digest::of(format!("{} {} {}", one.code, one.object, one.message).as_bytes()).to_string();
        let mut location = json!({"physicalLocation": {
            "artifactLocation": {"uri": uri(&one.file)},
            "region": {"startLine": one.line},
        }});
        if !one.object.is_empty() {
            location["logicalLocations"] = json!([{"fullyQualifiedName": one.object, "kind": "object"}]);
        }
        json!({
            "ruleId": one.code,
            "ruleIndex": codes.iter().position(|code| *code == one.code),
            "level": level,
            "message": {"text": one.message},
            "locations": if one.file.is_empty() { json!([]) } else { json!([location]) },
            "partialFingerprints": {"dialtone/v1": fingerprint},
        })
    };
    let driver = json!({"name": "dialtone", "version": env!("CARGO_PKG_VERSION"), "rules": rules});
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": driver},
            "columnKind": "unicodeCodePoints",
            "results": findings.iter().map(result).collect::<Vec<_>>(),
        }],
    })
}

fn rule(code: &str) -> Value {
    let advice = advice::ALL.iter().find(|one| one.code == code);
    let error = diagnostic::ERRORS.iter().find(|(reason, _)| reason.as_str() == code);
    let (short, help) = match (advice, error) {
        (Some(one), _) => (one.why, one.do_this),
        (None, Some((_, meaning))) => (*meaning, "the object is not used until it is right"),
        (None, None) => (code, "see docs/gitops.md"),
    };
    json!({"id": code, "shortDescription": {"text": short}, "help": {"text": help}})
}

/// A path as a URI: relative ones stay so, and belong to the folder in which the command ran.
fn uri(file: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~' | b'/');
    let start = if file.starts_with('/') { "file://" } else { "" };
    file.trim_start_matches("./").bytes().fold(start.to_owned(), |mut text, b| {
        if plain(b) {
            text.push(char::from(b));
        } else {
            let _ = write!(text, "%{b:02X}");
        }
        text
    })
}

fn github(findings: &[Finding]) -> String {
    let data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    let line = |one: &Finding| {
        let level = match one.level {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Note => "notice",
        };
        let place = match one.file.as_str() {
            "" => String::new(),
            file => format!("file={},line={},", property(file.trim_start_matches("./")), one.line),
        };
        format!("::{level} {place}title={}::{}\n", property(&one.code), data(&one.message))
    };
    findings.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(level: Level, file: &str, code: &str, message: &str) -> Finding {
        let (file, code, message) = (file.to_owned(), code.to_owned(), message.to_owned());
        Finding { level, file, line: 7, code, object: "SipPhone ns/p".to_owned(), message }
    }

    #[test]
    fn an_annotation_is_one_line_whatever_it_says() {
        let all = [
            finding(Level::Error, "./a b,c:d.yaml", "Invalid", "50% is\r\n::error::no number"),
            finding(Level::Note, "", "PhoneRestarts", "restarts"),
        ];
        assert_eq!(
            github(&all),
            "::error file=a b%2Cc%3Ad.yaml,line=7,title=Invalid::50%25 is%0D%0A::error::no number\n\
             ::notice title=PhoneRestarts::restarts\n"
        );
    }

    #[test]
    fn sarif_has_each_rule_once_and_results_that_point_to_it() {
        let all = [
            finding(Level::Error, "phones/ä b.yaml", "Invalid", "x"),
            finding(Level::Warning, "/tmp/a.yaml", "AddressIsName", "y"),
            finding(Level::Error, "b.yaml", "Invalid", "z"),
        ];
        let sarif = sarif(&all);
        let run = &sarif["runs"][0];
        assert_eq!(run["tool"]["driver"]["rules"].as_array().unwrap().len(), 2);
        let of = |i: usize, path: &str| run["results"][i].pointer(path).unwrap().clone();
        let file = "/locations/0/physicalLocation/artifactLocation/uri";
        assert_eq!((of(0, file), of(1, file)), (json!("phones/%C3%A4%20b.yaml"), json!("file:///tmp/a.yaml")));
        for (i, one) in all.iter().enumerate() {
            let rule = of(i, "/ruleIndex").as_u64().unwrap() as usize;
            assert_eq!(run["tool"]["driver"]["rules"][rule]["id"], one.code);
        }
        assert_ne!(of(0, "/partialFingerprints"), of(2, "/partialFingerprints"));
    }

    #[test]
    fn what_cannot_be_read_has_its_file_and_its_line() {
        let found =
            unusable("a.yaml: not YAML: mapping values are not allowed at line 12, column 3", &mut Lines::default());
        assert_eq!((found.file.as_str(), found.line, found.level), ("a.yaml", 12, Level::Error));
        assert_eq!(unusable("a.yaml: is not UTF-8", &mut Lines::default()).line, 1);
    }
}
