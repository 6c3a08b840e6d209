//! What rendering says of the manifests, so that those who migrate hear it at once.

use std::collections::BTreeSet;

use super::report::{Said, folded};
use super::tree::{Note, Tree};
use crate::manifests::Manifests;
use crate::phone::find_field;
use crate::provision::Fleet;
use crate::provision::advice::{self, Advice};
use crate::provision::diagnostic::Diagnostic;

/// What is to say of the manifests beyond what was said of the files that a tree has; of several objects the same once.
pub fn findings(text: &str, tree: &Tree) -> Vec<String> {
    let codes: BTreeSet<&str> = tree.notes.iter().filter_map(Note::code).collect();
    let manifests = Manifests::parse("stdout", text);
    let mut fleet = Fleet::offline();
    manifests.apply_to(&mut fleet);
    let mut said = Vec::new();
    for (kind, key, found) in fleet.findings() {
        let is_told = |parameter: &str| tree.told.contains(&(key.name.to_string(), parameter.to_owned()));
        for one in found.iter().filter(|one| !one.is_error() && !is_said_of_files(one, &codes, is_told)) {
            said.push(Said { kind, place: key.name.to_string(), what: one.to_string() });
        }
    }
    said.sort();
    folded(&said)
}

/// Whether import says the same of the file that a parameter, a ring or a dial plan comes from; `codes` are those of what was found in
/// files.
fn is_said_of_files(one: &Diagnostic, codes: &BTreeSet<&str>, is_told: impl Fn(&str) -> bool) -> bool {
    let is_of = |all: &[Advice]| all.iter().any(|advice| advice.code == one.code());
    let of_extra = [advice::UNUSUAL_VALUE, advice::LOGO_URL, advice::CALLS_LOCKED_IN_COMMON];
    // What no typed field takes is where it is on purpose.
    let of_values = [advice::PLACEHOLDER, advice::MISSPELLED, advice::LINE_UNPROVISIONED, advice::UNTYPED];
    let is_of_file = ["spec.dialPlan", "spec.ringList", "spec.files."].iter().any(|file| one.field.starts_with(file));
    let extra = ["spec.extraParameters.", "spec.secretParameters."].iter().find_map(|of| one.field.strip_prefix(of));
    let extra = extra.map(str::to_ascii_lowercase);
    let typed = one.field.strip_prefix("spec.settings.").and_then(find_field).map(|parameter| parameter.name.clone());
    match (is_of_file, extra) {
        (true, _) => codes.contains(one.code()) || is_of(&[advice::RING_MISSING, advice::RING_FORMAT]),
        (false, _) if is_of(&of_values) => true,
        (false, Some(parameter)) => {
            is_told(&parameter) && is_of(&of_extra)
                // Lines of one name in one file.
                || is_of(&[advice::LINE_NAME_SHARED]) && codes.contains(one.code()) && is_told(&parameter)
        }
        (false, None) => is_of(&of_extra) && typed.is_some_and(|parameter| is_told(&parameter)),
    }
}
