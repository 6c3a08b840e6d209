//! Manifests: their YAML, and the files that they are rendered to.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde_json::Value;

use super::reader;
use crate::manifests::{Manifests, yaml as documents};
use crate::phone::file_name::{SIP_DEFAULT, dial_plan};
use crate::phone::{FileName, cnf, dialplan, find, ringlist};
use crate::provision::{DIAL_TEMPLATE, Fleet};
use crate::render::dial::{Files, explain};

/// Any text as YAML.
pub fn yaml(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match documents::documents(text) {
        Ok(documents) => {
            let written: String = documents
                .iter()
                .map(|document| format!("---\n{}\n", serde_json::to_string(document).expect("a document is JSON")))
                .collect();
            assert_eq!(documents::documents(&written).as_ref(), Ok(&documents), "JSON is YAML");
        }
        Err(why) => assert!(!why.is_empty() && why.len() <= 4_096 + input.len() * 8),
    }
}

/// Panics if a file of a site holds anything but what it should hold: of a parameters' file, those of the table and those that
/// `is_extra` knows, each once.
pub(super) fn assert_files(files: &BTreeMap<String, Bytes>, is_extra: impl Fn(&str) -> bool) {
    for (name, bytes) in files {
        let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        assert!(!name.is_empty() && !name.starts_with('.') && name.chars().all(fine), "{name:?}");
        let is_own = FileName::parse(name).is_own_config();
        if name == SIP_DEFAULT || is_own {
            let reading = cnf::read(bytes);
            assert_eq!(reading.problems, [], "{name}");
            assert_eq!(
                reading.entries.len(),
                bytes.iter().filter(|byte| **byte == b'\n').count(),
                "{name}: one each line"
            );
            let values = reading.effective();
            assert_eq!(values.len(), reading.entries.len(), "{name}: each once");
            assert_eq!(reader::parameters(bytes), values, "{name}: both readers read the same");
            for parameter in values.keys() {
                assert!(find(parameter).is_some() || is_extra(parameter), "{name}: {parameter} was smuggled in");
            }
        } else if name.eq_ignore_ascii_case(&dial_plan(DIAL_TEMPLATE)) {
            let dialplan::Reading { rules, problems, .. } = dialplan::read(bytes);
            let elements = bytes.split(|byte| *byte == b'<').filter(|part| part.starts_with(b"TEMPLATE ")).count();
            assert!(problems.is_empty() && rules.len() == elements, "{name}: {problems:?}");
        } else if name == "RINGLIST.DAT" {
            let ringlist::Reading { rings, problems, .. } = ringlist::read(bytes);
            assert_eq!(
                (rings.len(), problems),
                (bytes.iter().filter(|byte| **byte == b'\n').count(), vec![]),
                "{name}"
            );
        }
    }
}

/// The names of parameters that the documents give by themselves, in lower case.
fn extra(value: &Value, all: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                if let (true, Value::Object(inner)) = (name == "extraParameters" || name == "secretParameters", inner) {
                    all.extend(inner.keys().map(|name| name.to_ascii_lowercase()));
                }
                extra(inner, all);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| extra(item, all)),
        _ => {}
    }
}

/// Any text as manifests of whole sites, which are rendered.
pub fn render(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let manifests = Manifests::parse("stdin", text);
    let mut names = BTreeSet::new();
    let found = documents::documents(text).unwrap_or_default();
    found.iter().for_each(|document| extra(document, &mut names));
    let mut fleet = Fleet::offline();
    manifests.apply_to(&mut fleet);
    for site in fleet.sites().cloned().collect::<Vec<_>>() {
        let files = fleet.tree(&site);
        assert_files(&files, |name| names.contains(name));
        for keys in ["911", "0*12345678#", "*"] {
            let _ = explain(Files { all: &files, written: &files }, &site, keys);
        }
    }
    // The same again changes nothing.
    let trees = |fleet: &Fleet| fleet.sites().map(|site| (site.clone(), fleet.tree(site))).collect::<BTreeMap<_, _>>();
    let before = trees(&fleet);
    manifests.apply_to(&mut fleet);
    assert!(trees(&fleet) == before);
}
