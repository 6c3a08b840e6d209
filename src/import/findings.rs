//! What rendering says of the manifests, so that those who migrate hear it at once.

use std::collections::{BTreeMap, BTreeSet};

use super::tree::Note;
use crate::manifests::Manifests;
use crate::provision::Fleet;
use crate::provision::advice::{self, Advice};
use crate::provision::diagnostic::Diagnostic;

/// What is to say of the manifests beyond what was said of the files, which are `notes`; of several objects the same once.
pub fn findings(text: &str, notes: &[Note]) -> Vec<String> {
    let told: BTreeSet<&str> = notes.iter().filter_map(|note| note.code()).collect();
    let manifests = Manifests::parse("stdout", text);
    let mut fleet = Fleet::offline();
    manifests.apply_to(&mut fleet);
    // What is said, and the objects of which it is.
    let mut said: BTreeMap<(&str, String), Vec<&str>> = BTreeMap::new();
    for (kind, key, found) in fleet.findings() {
        for one in found.iter().filter(|one| !one.is_error() && !is_said_of_files(one, &told)) {
            said.entry((kind, one.to_string())).or_default().push(&key.name);
        }
    }
    let line = |((kind, what), mut names): ((&str, String), Vec<&str>)| {
        names.sort_unstable();
        let more = match names.len() {
            1 => String::new(),
            n => format!(" and {} more", n - 1),
        };
        Some(format!("{kind} {}{more}: {what}", names.first()?))
    };
    said.into_iter().filter_map(line).collect()
}

/// Whether import says the same of the file that a parameter, a ring or a dial plan comes from; `told` are the codes of what was found
/// in files.
fn is_said_of_files(one: &Diagnostic, told: &BTreeSet<&str>) -> bool {
    let is_of = |all: &[Advice]| all.iter().any(|advice| advice.code == one.code());
    let of_extra = [advice::UNTYPED, advice::UNUSUAL_VALUE, advice::LOGO_URL, advice::CALLS_LOCKED_IN_COMMON];
    let of_values = [advice::PLACEHOLDER, advice::MISSPELLED, advice::LINE_UNPROVISIONED];
    let is_of_file = ["spec.dialPlan", "spec.ringList", "spec.files."].iter().any(|file| one.field.starts_with(file));
    match is_of_file {
        true => told.contains(one.code()) || is_of(&[advice::RING_MISSING, advice::RING_FORMAT]),
        false => is_of(&of_values) || (one.field.starts_with("spec.extraParameters.") && is_of(&of_extra)),
    }
}
