//! One folder that is served: what was read from it, and what stays while it cannot be read.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::QUIET;
use crate::base::digest::Digest;
use crate::base::folder::{Entry, Folder, Kind, Listing, NOT_REGULAR, Scope, Stamp};
use crate::base::report::{FileProblem, PROBLEMS_FILE};
use crate::phone::FileName;

/// How deep folders are followed: deeper than any that a phone names.
const SCOPE: Scope = Scope { depth: 16, hidden: true };
/// How often a folder is read anew when its volume was switched meanwhile.
const MAX_READINGS: usize = 5;
/// The most of a folder's [`PROBLEMS_FILE`] that is read, in bytes and in lines.
const MAX_PROBLEM_BYTES: u64 = 64 << 10;
const MAX_PROBLEMS: usize = 32;
/// The most characters of a problem that are reported, its file's name included.
const MAX_PROBLEM_CHARS: usize = 300;
/// At the first reading a file that nothing changed for so long, by its times, need not be watched for a moment.
const LONG_AGO: Duration = Duration::from_secs(60);
/// After so long, it is said of a file that it does not come to rest.
const RESTLESS: Duration = Duration::from_secs(10);

/// The most files of all folders but the first one, which the operator writes: the report that names them must be read.
const MAX_FILES: usize = 20_000;
/// The longest name of a file: none that a phone asks for is longer.
const MAX_NAME: usize = 255;

/// How many bytes may still be held and read, and how many files.
#[derive(Clone, Copy)]
pub(super) struct Budget {
    files: usize,
    /// The most bytes that are held.
    most: u64,
    /// How many more may be held after this reading.
    held: u64,
    /// How many more may be in memory during this reading, while what they replace is still served.
    fresh: u64,
}

impl Budget {
    /// A quarter of what may be held may be in memory beside it.
    pub(super) fn new(most: u64, in_memory: u64) -> Budget {
        let fresh = most.saturating_add(most / 4).saturating_sub(in_memory);
        Budget { files: usize::MAX, most, held: most, fresh }
    }

    /// Bounds the number of files from now on.
    pub(super) fn bound_files(&mut self) {
        self.files = self.files.min(MAX_FILES);
    }

    /// The largest file that is read: it must fit beside all others while it is replaced.
    fn largest(&self) -> u64 {
        (self.most / 4).max(1)
    }
}

/// A file as it was when it was read.
#[derive(Clone)]
struct HeldFile {
    stamp: Stamp,
    bytes: Bytes,
}

/// A file that differs from what is held and may be written to.
#[derive(Clone, Copy)]
struct Restless {
    stamp: Stamp,
    /// Since when it has this stamp.
    since: Instant,
    /// Since when it differs from what is held.
    began: Instant,
}

/// The folder.
pub(super) struct Root {
    path: PathBuf,
    held: BTreeMap<Arc<str>, HeldFile>,
    restless: BTreeMap<Arc<str>, Restless>,
    /// What it looked like at the last reading; none if it could not be read.
    seen: Option<Seen>,
    /// Whether it could be read at all.
    was_there: bool,
    /// Whether it is there, and could not be read the last time.
    is_failing: bool,
}

/// What is kept of a listing.
struct Seen {
    /// The folders in it in which something may change.
    folders: Vec<PathBuf>,
    digest: Digest,
}

/// What one reading gave.
#[derive(Default)]
struct Part {
    held: BTreeMap<Arc<str>, HeldFile>,
    restless: BTreeMap<Arc<str>, Restless>,
    problems: Vec<FileProblem>,
    is_unfinished: bool,
}

impl Seen {
    fn of(listing: &Listing) -> Seen {
        // In a volume of Kubernetes only a link in the folder itself ever changes.
        let inner = listing.entries.iter().filter(|entry| matches!(entry.kind, Kind::Folder) && !listing.is_volume());
        Seen { folders: inner.map(|entry| entry.path().to_owned()).collect(), digest: listing.digest() }
    }
}

impl Root {
    pub(super) fn new(path: PathBuf) -> Root {
        Root { path, held: BTreeMap::new(), restless: BTreeMap::new(), seen: None, was_there: false, is_failing: false }
    }

    /// The folders in which something may change: itself, and those in it as far as they are listed.
    pub(super) fn folders(&self) -> Vec<PathBuf> {
        let inner = self.seen.iter().flat_map(|seen| &seen.folders).map(|inner| self.path.join(inner));
        std::iter::once(self.path.clone()).chain(inner).collect()
    }

    /// Whether nobody knows yet what is in it, because it could not be read.
    pub(super) fn is_unknown(&self) -> bool {
        self.is_failing && !self.was_there
    }

    /// How many bytes are held.
    pub(super) fn size(&self) -> u64 {
        self.held.values().map(|file| file.bytes.len() as u64).sum()
    }

    /// The files that are held.
    pub(super) fn files(&self) -> impl Iterator<Item = (&Arc<str>, &Bytes)> {
        self.held.iter().map(|(name, file)| (name, &file.bytes))
    }

    /// Whether the folder is as it was at the last reading.
    pub(super) fn is_unchanged(&self) -> bool {
        let listing = Folder::open(&self.path).and_then(|folder| folder.list(SCOPE));
        match (&self.seen, listing) {
            (Some(seen), Ok(now)) => seen.digest == now.digest(),
            (None, Err(error)) => error.kind() == ErrorKind::NotFound && !self.was_there,
            (Some(_), Err(_)) | (None, Ok(_)) => false,
        }
    }

    /// Reads what changed; the problems, and whether to read again soon.
    pub(super) fn read(&mut self, budget: &mut Budget) -> (Vec<FileProblem>, bool) {
        for _ in 0..MAX_READINGS {
            let mut left = *budget;
            match self.try_read(&mut left) {
                Ok(Some((part, seen))) => {
                    *budget = left;
                    (self.held, self.restless) = (part.held, part.restless);
                    (self.seen, self.was_there, self.is_failing) = (Some(seen), true, false);
                    return (part.problems, part.is_unfinished);
                }
                // The volume was switched meanwhile: what was read may be half of it.
                Ok(None) => {}
                // An optional volume that was never there has no files. One that failed was there.
                Err(error) if error.kind() == ErrorKind::NotFound && !self.was_there && !self.is_failing => {
                    return (Vec::new(), false);
                }
                Err(error) => {
                    let problem = format!("{}: {error}; its files stay as they were", self.path.display());
                    return (self.stay(budget, problem), true);
                }
            }
        }
        let problem =
            format!("{}: its volume is switched all the time; its files stay as they were", self.path.display());
        (self.stay(budget, problem), true)
    }

    /// Leaves everything as it was.
    fn stay(&mut self, budget: &mut Budget, problem: String) -> Vec<FileProblem> {
        (self.seen, self.is_failing) = (None, true);
        budget.held = budget.held.saturating_sub(self.size());
        vec![FileProblem::new("", problem)]
    }

    /// Reads what changed; nothing if the volume was switched meanwhile.
    fn try_read(&self, budget: &mut Budget) -> io::Result<Option<(Part, Seen)>> {
        let folder = Folder::open(&self.path)?;
        let listing = folder.list(SCOPE)?;
        let mut part = Part { problems: problems_of(&folder), ..Part::default() };
        let mut files = Vec::new();
        for entry in &listing.entries {
            let Some(name) = entry.name() else {
                part.problems.push(FileProblem::new(entry.shown(), "the name is not UTF-8"));
                continue;
            };
            match &entry.kind {
                Kind::File(_) if name.len() > MAX_NAME => {
                    let why = format!("its name has more than {MAX_NAME} bytes, folders included");
                    part.problems.push(FileProblem::new(name, why));
                }
                Kind::File(stamp) => files.push((name, stamp, entry)),
                Kind::Folder => {}
                Kind::TooDeep => {
                    let why = format!("what is in it is not served: it is more than {} folders deep", SCOPE.depth);
                    part.problems.push(FileProblem::new(name, why));
                }
                Kind::LinkToFolder => {
                    let why = "it is a link to a folder, which is not followed: put there what it points to";
                    part.problems.push(FileProblem::new(name, why));
                }
                Kind::Special => part.problems.push(FileProblem::new(name, NOT_REGULAR)),
                // Nobody knows whether it is a folder.
                Kind::Unreadable(error) | Kind::UnreadableFolder(error) => {
                    part.is_unfinished |= matches!(entry.kind, Kind::UnreadableFolder(_));
                    part.problems.push(FileProblem::new(name, error.to_string()));
                    let is_in_it = |file: &&Arc<str>| file.strip_prefix(name).is_some_and(is_nothing_or_inside);
                    let held = self.held.keys().filter(is_in_it);
                    held.for_each(|file| self.keep(file, &mut part, budget));
                }
            }
        }
        if files.len() > budget.files {
            let why = format!(
                "{}: there are more than {MAX_FILES} files in the folders with firmware, and some are left out: keep there what phones fetch",
                self.path.display()
            );
            part.problems.push(FileProblem::new("", why));
            files.sort_by_key(|(name, _, _)| !FileName::parse(name).is_firmware());
            files.truncate(budget.files);
        }
        budget.files -= files.len();
        // The smallest first: one that is too large is left out alone.
        files.sort_unstable_by_key(|(name, stamp, _)| (stamp.len, *name));
        for (name, stamp, entry) in files {
            self.take(&folder, &listing, (name, *stamp, entry), &mut part, budget);
        }
        Ok((!folder.was_switched(&listing)?).then(|| (part, Seen::of(&listing))))
    }

    /// Takes one file: as it is held if it did not change or cannot be read now, otherwise as it is on disk.
    fn take(
        &self,
        folder: &Folder,
        listing: &Listing,
        (name, stamp, entry): (&str, Stamp, &Entry),
        part: &mut Part,
        budget: &mut Budget,
    ) {
        let held = self.held.get_key_value(name);
        if held.is_some_and(|(_, held)| held.stamp == stamp) && stamp.len <= budget.held {
            return self.keep(name, part, budget);
        }
        let problem = if stamp.len > budget.largest() {
            // Without its length: a file that grows would be said again and again.
            let most = budget.largest();
            format!("it is too large: no file may have more than {most} bytes, a quarter of --max-bytes")
        } else if stamp.len > budget.held {
            format!("it does not fit: there are more than {} bytes of files; see --max-bytes", budget.most)
        } else if let Some(restless) = self.restless(listing, name, stamp) {
            part.is_unfinished = true;
            part.restless.insert(name.into(), restless);
            if restless.began.elapsed() > RESTLESS {
                let what = "it is written to all the time; it is read when it was left alone for a moment";
                part.problems.push(FileProblem::new(name, what));
            }
            return self.keep(name, part, budget);
        } else if stamp.len > budget.fresh {
            // It is read when what was replaced in this reading is no longer held.
            part.is_unfinished = true;
            return self.keep(name, part, budget);
        } else {
            match folder.read(listing, entry, &stamp) {
                Ok(bytes) => {
                    budget.held -= stamp.len;
                    budget.fresh -= stamp.len;
                    // Not a second copy of what is served: with each switch of a volume most files are the same.
                    let same = held.filter(|(_, held)| *held.bytes == *bytes).map(|(_, held)| held.bytes.clone());
                    let bytes = same.unwrap_or_else(|| bytes.into());
                    let name = held.map_or_else(|| name.into(), |(name, _)| name.clone());
                    part.held.insert(name, HeldFile { stamp, bytes });
                    return;
                }
                Err(error) if error.kind() == ErrorKind::ResourceBusy || error.kind() == ErrorKind::NotFound => {
                    part.is_unfinished = true;
                    return self.keep(name, part, budget);
                }
                Err(error) => {
                    part.is_unfinished = true;
                    error.to_string()
                }
            }
        };
        part.problems.push(FileProblem::new(name, problem));
        self.keep(name, part, budget);
    }

    /// Keeps a file as it is held, if it is.
    fn keep(&self, name: &str, part: &mut Part, budget: &mut Budget) {
        let fits = |(_, held): &(&Arc<str>, &HeldFile)| held.bytes.len() as u64 <= budget.held;
        if let Some((name, held)) = self.held.get_key_value(name).filter(fits) {
            budget.held -= held.bytes.len() as u64;
            part.held.insert(name.clone(), held.clone());
        }
    }

    /// Whether a file may be written to at this moment, and since when.
    fn restless(&self, listing: &Listing, name: &str, stamp: Stamp) -> Option<Restless> {
        // Its times say when it changed only as long as nothing else does: their clock may be another machine's.
        if listing.is_volume() || (!self.was_there && stamp.is_older_than(LONG_AGO)) {
            return None;
        }
        let (before, now) = (self.restless.get(name), Instant::now());
        let began = before.map_or(now, |before| before.began);
        match before.filter(|before| before.stamp == stamp) {
            Some(before) if before.since.elapsed() >= QUIET => None,
            Some(before) => Some(*before),
            None => Some(Restless { stamp, since: now, began }),
        }
    }
}

/// Whether what follows the name of a folder in a path ends there, or names something in it.
fn is_nothing_or_inside(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('/')
}

/// The problems that `dialtone fetch` noted in a folder.
fn problems_of(folder: &Folder) -> Vec<FileProblem> {
    let bytes = folder.read_first(PROBLEMS_FILE, MAX_PROBLEM_BYTES).unwrap_or_default();
    String::from_utf8_lossy(&bytes).lines().take(MAX_PROBLEMS).map(problem_in).collect()
}

fn problem_in(line: &str) -> FileProblem {
    let problem = serde_json::from_str(line).unwrap_or_else(|_| FileProblem::new("", line));
    let used = if problem.file.is_empty() { 0 } else { problem.file.chars().count() + ": ".len() };
    let message: String = problem.message.chars().take(MAX_PROBLEM_CHARS.saturating_sub(used)).collect();
    FileProblem { message, ..problem }
}
