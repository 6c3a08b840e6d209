//! The changes beside what is doubtful with the new manifests, as findings: a reviewer sees them where the phone stands.

use crate::manifests::Manifests;
use crate::provision::{Fleet, Key};
use crate::render::findings::{Finding, Level, Lines, collect};

use super::changes::{Action, Change, What};
use super::report::{does, line};

/// How many parameters of a phone are named.
const MAX_NAMED: usize = 12;

/// All findings: errors first, then warnings, then what phones do.
pub fn all(changes: &[Change], old: &Manifests, new: &Manifests) -> Vec<Finding> {
    let mut fleet = Fleet::offline();
    new.apply_to(&mut fleet);
    let mut lines = Lines::default();
    let mut all = collect(new, &fleet, &mut lines);
    all.extend(changes.iter().map(|change| note(change, old, new, &mut lines)));
    all
}

fn note(change: &Change, old: &Manifests, new: &Manifests, lines: &mut Lines) -> Finding {
    let (namespace, name) = change.phone.split_once('/').unwrap_or(("", &change.phone));
    let key = Key::new(namespace, name);
    // One that is gone stands in the new manifests no more, and an annotation in a file that is gone is shown nowhere.
    let (file, at) = match new.file_of("SipPhone", &key) {
        "" if old.file_of("SipPhone", &key).is_empty() => ("", 1),
        "" => (new.file_of("PhoneSite", &key.sibling(change.site.rsplit('/').next().unwrap_or_default())), 1),
        file => (file, lines.of(file, "SipPhone", &key, "metadata.name")),
    };
    let code = match (change.what, change.action) {
        (What::Added, _) => "PhoneAdded",
        (What::Removed, _) => "PhoneRemoved",
        (_, Some(Action::Reload)) => "PhoneReadsDialPlan",
        (_, Some(Action::Upgrade)) => "PhoneLoadsImage",
        _ => "PhoneRestarts",
    };
    let mut what: Vec<String> = change.parameters.iter().take(MAX_NAMED).map(line).collect();
    let more = change.parameters.len().saturating_sub(MAX_NAMED);
    what.extend((more > 0).then(|| format!("{more} more")));
    what.extend(change.files.iter().map(|file| format!("{file} differs")));
    let object = format!("SipPhone {}", change.phone);
    let mut message = format!("{object}: {}", does(change.what, change.action));
    if !what.is_empty() && change.what == What::Changed {
        message += &format!(": {}", what.join("; "));
    }
    Finding { level: Level::Note, file: file.to_owned(), line: at, code: code.to_owned(), object, message }
}
