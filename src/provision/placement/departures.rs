//! Files that moved to another object. Each stays where it was until every pod can be expected to hold it from its new place: the
//! kubelet hears of each object by itself, and may hear last of the one that was written first.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::provision::File;
use crate::provision::placement::slot::Slot;

/// What is left of a file where it was.
#[derive(Debug)]
struct Departure {
    file: File,
    /// Since when its new place is known to be written.
    since: Option<Timestamp>,
}

/// All files that moved, by the object that they leave.
#[derive(Debug, Default)]
pub struct Departures(BTreeMap<Slot, BTreeMap<String, Departure>>);

impl Departures {
    /// A file moved away from here.
    pub fn keep(&mut self, from: Slot, file: &File) {
        let departure = Departure { file: file.clone(), since: None };
        self.0.entry(from).or_default().insert(file.name.clone(), departure);
    }

    /// A copy of a file was found where it should not be.
    pub fn keep_found(&mut self, at: Slot, file: File) {
        let departure = Departure { file, since: None };
        self.0.entry(at).or_default().entry(departure.file.name.clone()).or_insert(departure);
    }

    /// A file has another place than before, which is not written yet; it leaves that no more.
    pub fn moves_to(&mut self, to: Slot, name: &str) {
        self.let_go(|at, file, _| at == to && file.name == name);
        for departure in self.0.values_mut().filter_map(|files| files.get_mut(name)) {
            departure.since = None;
        }
    }

    /// The files of these names that have a place are written there.
    pub fn note_written(&mut self, now: Timestamp, is_there: impl Fn(&str) -> bool) {
        for (name, departure) in self.0.values_mut().flatten() {
            if departure.since.is_none() && is_there(name) {
                departure.since = Some(now);
            }
        }
    }

    /// Lets go of those that may go: where from, the file as it was, and since when its new place is written. Returns the objects
    /// that have fewer files then.
    pub fn let_go(&mut self, may_go: impl Fn(Slot, &File, Option<Timestamp>) -> bool) -> BTreeSet<Slot> {
        let mut left = BTreeSet::new();
        for (slot, files) in &mut self.0 {
            let before = files.len();
            files.retain(|_, departure| !may_go(*slot, &departure.file, departure.since));
            if files.len() < before {
                left.insert(*slot);
            }
        }
        self.0.retain(|_, files| !files.is_empty());
        left
    }

    /// The files that are about to leave an object.
    pub fn of(&self, slot: Slot) -> impl Iterator<Item = &File> {
        self.0.get(&slot).into_iter().flat_map(|files| files.values()).map(|departure| &departure.file)
    }

    /// The objects that a file is about to leave.
    pub fn leaves(&self, name: &str) -> impl Iterator<Item = Slot> {
        self.0.iter().filter(move |(_, files)| files.contains_key(name)).map(|(slot, _)| *slot)
    }

    /// The names of all files that are about to leave an object.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.values().flat_map(|files| files.keys()).map(String::as_str)
    }

    /// Whether nothing is about to leave.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The objects that something is about to leave.
    pub fn slots(&self) -> impl Iterator<Item = Slot> {
        self.0.keys().copied()
    }
}
