//! What is carried along beside parameters: fields of the site, and files in ConfigMaps.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::tree::{Note, Tree};
use crate::phone::parameter::check_file_name;
use crate::provision::advice::Advice;
use crate::provision::contents::{Effort, examine};

/// The most bytes of one ConfigMap; the API server refuses more than 1 MiB.
pub const MAP_SIZE: usize = 1_000_000;

/// The fields of a site and the files that go with it.
#[derive(Debug, Default)]
pub struct Files {
    /// Fields of the spec.
    pub spec: Map<String, Value>,
    /// Files that are served as they are.
    pub others: BTreeMap<String, Vec<u8>>,
    /// Firmware, if it was asked for.
    pub firmware: BTreeMap<String, Vec<u8>>,
}

/// Says what is doubtful in a file that is served under a name, as a cluster says it.
pub fn note_flaws(tree: &mut Tree, file: &str, name: &str, bytes: &[u8]) {
    let found = examine(name, bytes, &mut Effort::default());
    for flaw in found.flaws {
        let part = if flaw.part.is_empty() { String::new() } else { format!("{} ", flaw.part) };
        let Advice { code, why, do_this } = flaw.advice;
        tree.notes.push(Note::line(file, flaw.line, format!("{part}{}: {why}; {do_this} [{code}]", flaw.what)));
    }
}

/// Serves a file as it is.
pub fn keep(tree: &mut Tree, files: &mut Files, name: &str, bytes: Vec<u8>) {
    if check_file_name(name).is_err() || bytes.len() > MAP_SIZE {
        tree.notes.push(Note::file(name, "not used: a ConfigMap cannot hold it"));
    } else {
        files.others.insert(name.to_owned(), bytes);
    }
}
