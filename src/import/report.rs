//! What `dialtone import` says: what matters first, and what does not in as few lines as possible.

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

/// Says all notes; how many lines that took.
pub fn say_notes(notes: &mut Vec<Note>) -> usize {
    notes.sort();
    notes.dedup();
    let lines = lines(notes);
    lines.iter().for_each(|line| say(format_args!("warning: {line}")));
    lines.len()
}

/// Sorted notes as lines: those on spelling become one.
fn lines(notes: &[Note]) -> Vec<String> {
    let mut lines: Vec<String> =
        notes.iter().filter(|note| note.weight != Weight::Spelling).map(ToString::to_string).collect();
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
}
