//! What rendering says of the manifests, so that those who migrate hear it at once.

use std::collections::BTreeMap;

use crate::manifests::Manifests;
use crate::provision::diagnostic::Diagnostic;
use crate::provision::{Fleet, advice};

/// What is to say of the manifests beyond what was said of the files; of several objects the same once.
pub fn findings(text: &str) -> Vec<String> {
    let manifests = Manifests::parse("stdout", text);
    let mut fleet = Fleet::offline();
    manifests.apply_to(&mut fleet);
    // What is said, and the objects of which it is.
    let mut said: BTreeMap<(&str, String), Vec<&str>> = BTreeMap::new();
    for (kind, key, found) in fleet.findings() {
        for one in found.iter().filter(|one| !one.is_error() && !is_said_of_files(one)) {
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

/// Whether import says the same of the file that a parameter or a ring comes from.
fn is_said_of_files(one: &Diagnostic) -> bool {
    let of_values = [advice::UNTYPED, advice::UNUSUAL_VALUE, advice::LOGO_URL, advice::CALLS_LOCKED_IN_COMMON];
    let of_rings = [advice::RING_MISSING, advice::RING_FORMAT];
    (one.field.starts_with("spec.extraParameters.") && of_values.iter().any(|advice| advice.code == one.code()))
        || of_rings.iter().any(|advice| advice.code == one.code())
}
