//! The output: text, or JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::changes::{Action, Change, Parameter, What};

/// The number of phones that are named one by one, unless all are wanted.
const NAMED: usize = 8;
/// The version of the JSON. It grows when a field goes or means something else; new fields may come at any time.
const VERSION: u32 = 1;

/// What programs read.
#[derive(Serialize)]
struct Report<'a> {
    version: u32,
    summary: Summary,
    changes: &'a [Change],
}

/// How many phones change, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Summary {
    changed: usize,
    added: usize,
    removed: usize,
    /// Those that restart, with those that load another image then.
    restart: usize,
    upgrade: usize,
    reload: usize,
}

impl Summary {
    fn of(changes: &[Change]) -> Summary {
        let count = |wanted: &dyn Fn(&Change) -> bool| changes.iter().filter(|change| wanted(change)).count();
        Summary {
            changed: changes.len(),
            added: count(&|change| change.what == What::Added),
            removed: count(&|change| change.what == What::Removed),
            restart: count(&|change| change.action >= Some(Action::Restart)),
            upgrade: count(&|change| change.action == Some(Action::Upgrade)),
            reload: count(&|change| change.action == Some(Action::Reload)),
        }
    }
}

/// What the phones of one group have in common.
type Group<'a> = (What, Option<Action>, &'a [Parameter], &'a [String]);

/// As text: phones with the same changes form a group, of which some are named, or all.
pub fn text(changes: &[Change], all: bool) -> String {
    let mut groups: BTreeMap<Group<'_>, Vec<&Change>> = BTreeMap::new();
    for change in changes {
        let key = (change.what, change.action, change.parameters.as_slice(), change.files.as_slice());
        groups.entry(key).or_default().push(change);
    }
    let mut out = String::new();
    for ((what, action, parameters, files), phones) in groups {
        let _ = writeln!(out, "{}: {}", names(&phones, if all { usize::MAX } else { NAMED }), does(what, action));
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

fn names(phones: &[&Change], most: usize) -> String {
    let named: Vec<&str> = phones.iter().take(most).map(|change| change.phone.as_str()).collect();
    match phones.len().checked_sub(most) {
        Some(more @ 1..) => format!("{} and {more} more (--all names them)", named.join(", ")),
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
    let Summary { added, removed, restart, reload, .. } = Summary::of(changes);
    let parts = [
        (added, "new"),
        (removed, "no longer served"),
        (restart, "to restart"),
        (reload, "to read the dial plan again"),
    ];
    let parts: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    parts.join(", ")
}

/// As JSON.
pub fn json(changes: &[Change]) -> serde_json::Result<String> {
    serde_json::to_string_pretty(&Report { version: VERSION, summary: Summary::of(changes), changes })
}
