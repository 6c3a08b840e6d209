//! The output: text, or JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::json;

use super::changes::{Action, Change, Parameter, What};

/// The number of phones that are named one by one.
const NAMED: usize = 8;

/// What the phones of one group have in common.
type Group<'a> = (What, Option<Action>, &'a [Parameter], &'a [String]);

/// As text: phones with the same changes form a group.
pub fn text(changes: &[Change]) -> String {
    let mut groups: BTreeMap<Group<'_>, Vec<&Change>> = BTreeMap::new();
    for change in changes {
        let key = (change.what, change.action, change.parameters.as_slice(), change.files.as_slice());
        groups.entry(key).or_default().push(change);
    }
    let mut out = String::new();
    for ((what, action, parameters, files), phones) in groups {
        let _ = writeln!(out, "{}: {}", names(&phones), does(what, action));
        for parameter in parameters {
            let _ = writeln!(out, "  {}", line(parameter));
        }
        for file in files {
            let _ = writeln!(out, "  {file} differs");
        }
    }
    let _ = writeln!(out, "{}", summary(changes));
    out
}

/// What becomes of a phone.
pub fn does(what: What, action: Option<Action>) -> &'static str {
    match (what, action) {
        (What::Added, _) => "new",
        (What::Removed, _) => "no longer served",
        (_, Some(Action::Reload)) => "reads its dial plan again",
        (_, Some(Action::Upgrade)) => "restarts and loads another image",
        _ => "restarts",
    }
}

fn names(phones: &[&Change]) -> String {
    let named: Vec<&str> = phones.iter().take(NAMED).map(|change| change.phone.as_str()).collect();
    match phones.len().checked_sub(NAMED) {
        Some(more @ 1..) => format!("{} and {more} more", named.join(", ")),
        _ => named.join(", "),
    }
}

/// The difference in one parameter.
pub fn line(parameter: &Parameter) -> String {
    let Parameter { name, old, new, secret } = parameter;
    match (old, new) {
        _ if *secret => format!("{name}: another secret"),
        (None, Some(new)) => format!("{name}: not set → {new:?}"),
        (Some(old), None) => format!("{name}: {old:?} → not set"),
        (old, new) => {
            format!("{name}: {:?} → {:?}", old.as_deref().unwrap_or_default(), new.as_deref().unwrap_or_default())
        }
    }
}

fn summary(changes: &[Change]) -> String {
    if changes.is_empty() {
        return "no phone changes".to_owned();
    }
    let count = |wanted: &dyn Fn(&Change) -> bool| changes.iter().filter(|change| wanted(change)).count();
    let parts = [
        (count(&|change| change.what == What::Added), "new"),
        (count(&|change| change.what == What::Removed), "no longer served"),
        (count(&|change| change.action >= Some(Action::Restart)), "to restart"),
        (count(&|change| change.action == Some(Action::Reload)), "to read the dial plan again"),
    ];
    let parts: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    parts.join(", ")
}

/// As JSON.
pub fn json(changes: &[Change]) -> serde_json::Result<String> {
    serde_json::to_string_pretty(&json!({"changes": changes}))
}
