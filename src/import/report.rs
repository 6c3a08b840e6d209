//! What `dialtone import` says: what matters first, and what does not in as few lines as possible.

use std::collections::{HashMap, HashSet};

use super::tree::{Config, Note, Tree, Weight};
use crate::base::terminal::say;
use crate::phone::find;
use crate::phone::parameter::{UNPROVISIONED, is_secret, is_unset};
use crate::provision::placeholder::{Use, is_placeholder};

/// Notes the values that look like left-overs of a template, and the lines that were meant to be none.
pub fn left_overs(tree: &mut Tree) {
    let configs: Vec<&Config> = tree.common.iter().chain(tree.phones.values()).collect();
    let found: Vec<Note> = configs.into_iter().flat_map(of_file).collect();
    tree.notes.extend(found);
}

fn of_file(config: &Config) -> Vec<Note> {
    let mut found = Vec::new();
    for (key, (name, value, line)) in &config.values {
        let unknown = if is_secret(key) { Use::Password } else { Use::Name };
        let purpose = find(key).map_or(unknown, Use::of);
        if value == UNPROVISIONED && !is_unset(key, value) {
            let why = format!(
                "{name} is {value}, and phones show and register a line of that name: only an empty name means no line"
            );
            found.push(Note::line(&config.file, *line, why));
        }
        if is_placeholder(value, purpose) {
            let shown = if purpose == Use::Password { String::new() } else { format!(" is {value:?}, which") };
            let why =
                format!("{name}{shown} looks like a placeholder of a template that nobody filled in: write the value");
            found.push(Note::line(&config.file, *line, why));
        }
    }
    found
}

/// One thing to say, of one place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Said {
    /// A word before the places: the kind of object, or nothing before files.
    pub kind: &'static str,
    /// What is said.
    pub what: String,
    /// The object, or the file with its line.
    pub place: String,
}

/// How many places are named of which the same is said.
const PLACES: usize = 3;
/// How many things are said one by one that differ in values and numbers only.
const ALIKE: usize = 8;

/// Lines that say each thing once, in the order of their first places; of what differs in values only, the first few.
pub fn folded(said: &[Said]) -> Vec<String> {
    let mut order: Vec<(&Said, Vec<&str>)> = Vec::new();
    let mut known: HashMap<(&str, &str), usize> = HashMap::new();
    for one in said {
        let next = order.len();
        let at = *known.entry((one.kind, &one.what)).or_insert(next);
        if at == next {
            order.push((one, Vec::new()));
        }
        order[at].1.push(&one.place);
    }
    let mut alike: HashMap<(&str, String), Vec<usize>> = HashMap::new();
    for (i, (one, _)) in order.iter().enumerate() {
        alike.entry((one.kind, shape(&one.what))).or_default().push(i);
    }
    // The last one of many alike that is said whole, with the places of the others; those are not said themselves.
    let mut others: HashMap<usize, Vec<&str>> = HashMap::new();
    let mut silent = HashSet::new();
    for all in alike.into_values().filter(|all| all.len() > ALIKE) {
        let rest = &all[PLACES..];
        silent.extend(rest.iter().copied());
        others.insert(all[PLACES - 1], rest.iter().flat_map(|i| order[*i].1.iter().copied()).collect());
    }
    let line = |(i, (one, places)): (usize, &(&Said, Vec<&str>))| {
        let kind = if one.kind.is_empty() { String::new() } else { format!("{} ", one.kind) };
        let more = others.get(&i).map(|others| format!("; and the like, with other values: {}", list(others)));
        format!("{kind}{}: {}{}", list(places), one.what, more.unwrap_or_default())
    };
    order.iter().enumerate().filter(|(i, _)| !silent.contains(i)).map(line).collect()
}

/// The first places, and how many more there are.
fn list(places: &[&str]) -> String {
    let shown = places[..places.len().min(PLACES)].join(", ");
    match places.len().saturating_sub(PLACES) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// A text without the values and numbers in it.
fn shape(text: &str) -> String {
    let parts = text.split('"').step_by(2);
    parts.flat_map(str::chars).filter(|c| !c.is_ascii_hexdigit() || c.is_ascii_lowercase()).collect()
}

/// Says all notes; how many lines that took.
pub fn say_notes(notes: &mut Vec<Note>) -> usize {
    notes.sort();
    notes.dedup();
    let lines = lines(notes);
    lines.iter().for_each(|line| say(format_args!("warning: {line}")));
    lines.len()
}

/// Sorted notes as lines: the same of several files becomes one, and so do those on spelling.
fn lines(notes: &[Note]) -> Vec<String> {
    let said = |weight: Weight| -> Vec<Said> {
        let notes = notes.iter().filter(|note| note.weight == weight);
        notes.map(|note| Said { kind: "", what: note.text(), place: note.place() }).collect()
    };
    let mut lines = folded(&said(Weight::Matters));
    lines.extend(folded(&said(Weight::Minor)));
    let spelled: Vec<&Note> = notes.iter().filter(|note| note.weight == Weight::Spelling).collect();
    match spelled.as_slice() {
        [] => {}
        [one] => lines.push(format!("{one}; --tidy writes that")),
        [first, rest @ ..] => {
            lines.push(format!(
                "{first}; and {} more values are of that kind; --tidy writes what settings would",
                rest.len()
            ));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_comes_first_and_spelling_is_one_line() {
        let note = |file: &str, why: &str, weight| Note::line(file, 1, why).weighing(weight);
        let mut notes = vec![
            note("a", "is minor", Weight::Minor),
            note("a", "is spelled", Weight::Spelling),
            note("b", "is spelled too", Weight::Spelling),
            note("z", "matters", Weight::Matters),
        ];
        notes.sort();
        let said = lines(&notes);
        assert_eq!(said.len(), 3);
        assert!(said[0] == "z:1: matters" && said[1] == "a:1: is minor", "{said:?}");
        assert!(said[2].starts_with("a:1: is spelled; and 1 more values"), "{said:?}");
    }

    #[test]
    fn the_same_of_many_files_is_one_line_and_so_is_what_differs_in_values_only() {
        let note = |n: usize, why: String| Note::line(&format!("SIP{n:03}.cnf"), 2, why);
        let notes: Vec<Note> = (0..40).map(|n| note(n, "timer_register is unknown".to_owned())).collect();
        let shared = "SIP000.cnf:2, SIP001.cnf:2, SIP002.cnf:2 and 37 more: timer_register is unknown";
        assert_eq!(lines(&notes), [shared]);
        let value = |n: usize| note(n, format!("line1_name is \"71{n}\", too long"));
        let all: Vec<Note> = (0..12).map(value).collect();
        let said = lines(&all);
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(said[0].starts_with("SIP000.cnf:2: line1_name is \"710\""), "{said:?}");
        let end = "; and the like, with other values: SIP003.cnf:2, SIP004.cnf:2, SIP005.cnf:2 and 6 more";
        assert!(said[2].ends_with(end), "{said:?}");
        assert_eq!(lines(&all[..8]).len(), 8, "a few are said one by one");
        let two = [note(1, "sets nothing".to_owned()), note(2, "sets nothing".to_owned())];
        assert_eq!(lines(&two), ["SIP001.cnf:2, SIP002.cnf:2: sets nothing"]);
        assert!(folded(&[]).is_empty());
    }
}
