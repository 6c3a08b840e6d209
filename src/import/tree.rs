//! Reads a TFTP root: which file is what, and notes on those that cannot be used.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;

use anyhow::Context as _;

use crate::base::folder::{Folder, Kind, NOT_REGULAR, Scope};
use crate::base::text::printable;
use crate::base::url::without_login;
use crate::phone::cnf::{self, Reading};
use crate::phone::file_name::SIP_DEFAULT;
use crate::phone::parameter::is_secret;
use crate::phone::{FileName, Mac};

use super::prefix::{PREFIX, Prefix, like_own};
use super::typed_by_hand::letters;

/// The size in bytes up to which a file is read; of larger ones only the name is known.
const MAX_FILE_SIZE: u64 = 4 << 20;
/// The size in bytes up to which a file is read that is parsed: phones read a hundredth of it.
const MAX_TEXT_SIZE: u64 = 256 << 10;
/// The endings of such files.
const TEXTS: [&str; 4] = [".cnf", ".xml", ".dat", ".txt"];
/// The most notes on the lines of one file.
const MAX_NOTES: usize = 100;
/// The most bytes of all files together.
const MAX_BYTES: u64 = 512 << 20;
/// The number of nested folders that are read.
const MAX_DEPTH: usize = 6;

/// The most bytes of each part of a note.
const MAX_NOTE: usize = 1000;

/// How much a note matters to who imports: what matters most is said first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Something is lost, is not as its author meant it, or needs a decision.
    Matters,
    /// Something is left as it is, and works as it did.
    Minor,
    /// A value is spelled otherwise than settings would write it, and says the same: there may be hundreds.
    Spelling,
}

/// A warning about a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// How much it matters.
    pub weight: Weight,
    /// The file, relative to the root.
    pub file: String,
    /// The line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// The warning.
    pub why: String,
}

impl Note {
    /// A note on a file as a whole.
    pub fn file(file: &str, why: impl Into<String>) -> Note {
        Note::line(file, 0, why)
    }

    /// A note on a line.
    pub fn line(file: &str, line: usize, why: impl Into<String>) -> Note {
        Note { weight: Weight::Matters, file: file.to_owned(), line, why: without_login(&why.into()) }
    }

    /// The code of the advice that it is, at its end in brackets.
    pub fn code(&self) -> Option<&str> {
        let (_, code) = self.why.strip_suffix(']')?.rsplit_once('[')?;
        Some(code).filter(|code| code.bytes().all(|b| b.is_ascii_alphabetic()))
    }

    /// The file and the line, as they are shown.
    pub fn place(&self) -> String {
        // Names and values are what somebody wrote, and a note is one line.
        let file = printable(&without_login(&self.file), MAX_NOTE);
        if self.line == 0 { file } else { format!("{file}:{}", self.line) }
    }

    /// The warning, as it is shown.
    pub fn text(&self) -> String {
        printable(&self.why, MAX_NOTE)
    }

    /// The same, with another weight.
    pub fn weighing(self, weight: Weight) -> Note {
        Note { weight, ..self }
    }
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.place(), self.text())
    }
}

/// One configuration file.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Its name, relative to the root.
    pub file: String,
    /// Its parameters, by name in lower case: the name as written, the value, the line.
    pub values: BTreeMap<String, (String, String, usize)>,
    /// Its bytes, for hints in comments.
    pub text: Vec<u8>,
}

impl Config {
    fn new(file: &str, bytes: &[u8], all_notes: &mut Vec<Note>) -> Config {
        let mut notes = Vec::new();
        let Reading { entries, problems } = cnf::read(bytes);
        for problem in problems {
            let prefix = if problem.used { "" } else { "not used: " };
            notes.push(Note::line(file, problem.line, format!("{prefix}{}", problem.why)));
        }
        if entries.is_empty() {
            notes.push(Note::file(file, "sets nothing"));
        }
        let mut values: BTreeMap<String, (String, String, usize)> = BTreeMap::new();
        for entry in entries {
            notes.extend(letters(&entry.name, &entry.value).map(|why| Note::line(file, entry.line, why)));
            let key = entry.name.to_ascii_lowercase();
            let name = entry.name.clone();
            if let Some((_, before, line)) = values.insert(key, (entry.name, entry.value, entry.line)) {
                let hidden = if is_secret(&name) { String::new() } else { format!(", {before:?}") };
                let why =
                    format!("not used: {name} is set again in line {}, and the later one holds{hidden}", entry.line);
                notes.push(Note::line(file, line, why));
            }
        }
        if notes.len() > MAX_NOTES {
            let more = notes.len() - MAX_NOTES;
            notes.truncate(MAX_NOTES);
            notes.push(Note::file(file, format!("and {more} more of its lines have mistakes")));
        }
        all_notes.extend(notes);
        Config { file: file.to_owned(), values, text: bytes.to_vec() }
    }

    /// A parameter's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|(_, value, _)| value.as_str())
    }
}

/// Whether a file is parsed, by its name.
fn is_text(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    TEXTS.iter().any(|end| name.ends_with(end))
}

/// A TFTP root.
#[derive(Debug, Default)]
pub struct Tree {
    /// `SIPDefault.cnf`.
    pub common: Option<Config>,
    /// `SIP<MAC>.cnf`.
    pub phones: BTreeMap<Mac, Config>,
    /// All files, by name relative to the root; without bytes if too large.
    pub files: BTreeMap<String, Option<Vec<u8>>>,
    /// The names by their lower case, the first in byte order.
    folded: HashMap<String, String>,
    /// The files that were converted, or that a note is about.
    used: HashSet<String>,
    /// Parameters that a note is about, each with the object that it becomes a part of.
    pub told: BTreeSet<(String, String)>,
    /// The warnings.
    pub notes: Vec<Note>,
}

impl Tree {
    /// Reads a folder.
    pub fn read(root: &Path) -> anyhow::Result<Tree> {
        let mut tree = Tree::default();
        tree.folder(root).with_context(|| format!("cannot read {}", root.display()))?;
        Ok(tree.sorted())
    }

    /// These files.
    #[cfg(any(test, feature = "fuzzing"))]
    pub fn of(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Tree {
        let files = files.into_iter().map(|(name, bytes)| (name, Some(bytes))).collect();
        Tree { files, ..Tree::default() }.sorted()
    }

    /// Finds out what is what.
    fn sorted(mut self) -> Tree {
        let tree = &mut self;
        for name in tree.files.keys() {
            tree.folded.entry(name.to_ascii_lowercase()).or_insert_with(|| name.clone());
        }
        tree.find_common();
        tree.find_phones();
        self
    }

    fn folder(&mut self, root: &Path) -> std::io::Result<()> {
        let folder = Folder::open(root)?;
        let listing = folder.list(Scope { depth: MAX_DEPTH, hidden: true })?;
        let mut left = MAX_BYTES;
        for entry in &listing.entries {
            let shown = entry.shown();
            let why = match &entry.kind {
                Kind::File(stamp) if stamp.len > MAX_TEXT_SIZE && is_text(&shown) => {
                    self.files.insert(shown.clone(), None);
                    self.used.insert(shown.clone());
                    format!("not used: it has more than {} KiB, and no phone reads so much", MAX_TEXT_SIZE >> 10)
                }
                Kind::File(stamp) if stamp.len > MAX_FILE_SIZE => {
                    self.files.insert(shown, None);
                    continue;
                }
                Kind::File(stamp) if stamp.len > left => {
                    format!("not used: there are more than {} MiB of files", MAX_BYTES >> 20)
                }
                Kind::File(stamp) => match folder.read(&listing, entry, stamp) {
                    Ok(bytes) => {
                        left -= stamp.len;
                        self.files.insert(shown, Some(bytes));
                        continue;
                    }
                    Err(error) => error.to_string(),
                },
                Kind::Folder => {
                    let file = FileName::parse(&shown);
                    if file.mac().is_none() && (shown.contains('/') || file != FileName::Common) {
                        continue;
                    }
                    "not used: is a folder, where phones want a file".to_owned()
                }
                Kind::TooDeep => "not used: is too many folders deep".to_owned(),
                Kind::LinkToFolder => {
                    "not used: is a link to a folder, which is not followed; import what it points to by itself"
                        .to_owned()
                }
                Kind::Special => format!("not used: {NOT_REGULAR}"),
                Kind::Unreadable(error) | Kind::UnreadableFolder(error) => format!("not used: {error}"),
            };
            self.notes.push(Note::file(&shown, why));
        }
        Ok(())
    }

    /// The actual name of a file that phones ask for, ignoring case.
    pub fn find(&self, name: &str) -> Option<String> {
        if self.files.contains_key(name) {
            return Some(name.to_owned());
        }
        self.folded.get(&name.to_ascii_lowercase()).cloned()
    }

    /// The actual name and the bytes of a file that phones ask for. Marks it as used, and warns if its case differs.
    pub fn take(&mut self, name: &str) -> Option<(String, Vec<u8>)> {
        let found = self.find(name)?;
        let bytes = self.files.get(&found)?.clone()?;
        if found != name {
            let why = format!("phones ask for {name}, and other servers know no other case");
            self.notes.push(Note::file(&found, why).weighing(Weight::Minor));
        }
        self.used.insert(found.clone());
        Some((found, bytes))
    }

    /// Marks a file as used.
    pub fn mark_used(&mut self, file: &str) {
        self.used.insert(file.to_owned());
    }

    /// The files that are not marked as used.
    pub fn unused(&self) -> Vec<String> {
        self.files.keys().filter(|name| !self.used.contains(name.as_str())).cloned().collect()
    }

    /// What phones put in front of their own files' names.
    pub fn prefix(&self) -> Prefix {
        Prefix::new(self.common.as_ref().and_then(|common| common.get(PREFIX)).unwrap_or_default())
    }

    /// The files of phones that no phone of the manifests gets although phones may want them: a prefix is set, or the name has one, or
    /// there is no file of another phone.
    pub fn lost(&self) -> Vec<String> {
        let is_set = self.prefix().is_set();
        let is_lost = |name: &&String| {
            let Some((mac, has_prefix)) = like_own(name) else { return false };
            let is_phone = !mac.is_group() && mac.bytes() != [0; 6];
            is_phone && !self.phones.contains_key(&mac) && (is_set || has_prefix || self.phones.is_empty())
        };
        self.files.keys().filter(is_lost).cloned().collect()
    }

    fn find_common(&mut self) {
        if let Some((file, bytes)) = self.take(SIP_DEFAULT) {
            self.common = Some(Config::new(&file, &bytes, &mut self.notes));
        }
    }

    fn find_phones(&mut self) {
        // Phones put tftp_cfg_dir in front of their own file's name.
        let prefix = self.prefix();
        let mut candidates: BTreeMap<Mac, Vec<(usize, bool, String)>> = BTreeMap::new();
        for name in self.files.keys() {
            if let Some((mac, rank, is_misspelled)) = prefix.owner(name) {
                candidates.entry(mac).or_default().push((rank, is_misspelled, name.clone()));
            }
        }
        for (mac, mut names) in candidates {
            names.sort();
            let mut names = names.into_iter();
            let Some((rank, is_misspelled, name)) = names.next() else { continue };
            for (_, _, other) in names {
                self.notes.push(Note::file(&other, format!("not used: phones get {name}")));
                self.used.insert(other);
            }
            self.used.insert(name.clone());
            if mac.is_group() || mac.bytes() == [0; 6] {
                let whose = if mac.is_group() { "it is a group's" } else { "it is a template's" };
                self.notes.push(Note::file(&name, format!("not used: no phone has such an address, {whose}")));
                continue;
            }
            let asked = prefix.asks(mac);
            if rank > 0 {
                let why = format!("is taken for {asked}, which phones ask for by {PREFIX}, and which is not there");
                self.notes.push(Note::file(&name, why));
            } else if is_misspelled {
                let why = format!("phones ask for {asked}, and other servers know no other case");
                self.notes.push(Note::file(&name, why).weighing(Weight::Minor));
            }
            // What is too large is noted already.
            let Some(bytes) = self.files.get(&name).cloned().flatten() else { continue };
            let config = Config::new(&name, &bytes, &mut self.notes);
            self.phones.insert(mac, config);
        }
    }
}
