//! The files that are served: in memory, all swapped at once, each with its digest.

use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use rustc_hash::FxHashMap;
use sha2::{Digest as _, Sha256};

use crate::phone::file_name::looked_for;

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name, relative to the root.
    pub name: Arc<str>,
    /// Its bytes.
    pub bytes: Bytes,
    /// Their SHA-256 in hexadecimal digits, because it is reported more often than it is computed.
    pub digest: Arc<str>,
    /// How many bytes mode netascii writes as two, because clients ask for the file more often than it changes.
    pub line_ends: u64,
}

impl File {
    fn new(name: Arc<str>, bytes: Bytes) -> File {
        let digest = hex::encode(Sha256::digest(&bytes)).into();
        let line_ends = line_ends(&bytes);
        File { name, bytes, digest, line_ends }
    }
}

/// How many bytes netascii writes as two.
pub(super) fn line_ends(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() as u64
}

/// All files at one moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// By name.
    files: Vec<Arc<File>>,
    /// Names as they are.
    exact: FxHashMap<Arc<str>, Arc<File>>,
    /// Names in lower case, for clients that write them otherwise; the first in byte order wins.
    folded: FxHashMap<String, Arc<File>>,
}

impl Snapshot {
    /// A snapshot of files. A file that did not change since `before` keeps its digest.
    fn new(files: impl IntoIterator<Item = (impl Into<Arc<str>>, Bytes)>, before: &Snapshot) -> Snapshot {
        let files = files.into_iter();
        let mut snapshot = Snapshot::default();
        // At once: maps that grow leave as much behind as they take.
        snapshot.exact.reserve(files.size_hint().0);
        snapshot.folded.reserve(files.size_hint().0);
        for (name, bytes) in files {
            let name = name.into();
            let known = before.exact.get(&name).filter(|known| is_same(&known.bytes, &bytes));
            let file = known.cloned().unwrap_or_else(|| Arc::new(File::new(name, bytes)));
            snapshot.exact.insert(file.name.clone(), file);
        }
        snapshot.files = snapshot.exact.values().cloned().collect();
        snapshot.files.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        for file in &snapshot.files {
            snapshot.folded.entry(file.name.to_ascii_lowercase()).or_insert_with(|| file.clone());
        }
        snapshot
    }

    /// The file of exactly this name.
    pub fn get(&self, name: &str) -> Option<&Arc<File>> {
        self.exact.get(name)
    }

    /// Finds a file by the name in a request: exactly, or else whatever its case. A leading `/` or `./` is ignored; nothing
    /// above the root exists. Phones put tftp_cfg_dir in front of their file's name: a file that is not in the folder of the
    /// request is searched by its own name.
    pub fn find(&self, requested: &[u8]) -> Option<&Arc<File>> {
        let requested = std::str::from_utf8(requested).ok()?;
        let is_plain = !requested.contains(['/', '\\']);
        if is_plain && let Some(file) = self.exact.get(requested) {
            return Some(file);
        }
        let find = |name: String| self.exact.get(&*name).or_else(|| self.folded.get(&name.to_ascii_lowercase()));
        looked_for(requested).find_map(find)
    }

    /// All files, by name.
    pub fn files(&self) -> impl ExactSizeIterator<Item = &Arc<File>> {
        self.files.iter()
    }

    /// How many bytes all files have.
    pub fn size(&self) -> u64 {
        self.files.iter().map(|file| file.bytes.len() as u64).sum()
    }
}

/// Whether bytes are the same, which mostly shows without a look at them.
fn is_same(one: &Bytes, other: &Bytes) -> bool {
    (one.as_ptr() == other.as_ptr() && one.len() == other.len()) || one == other
}

/// What changed from one snapshot to the next.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Files that were added or changed.
    pub(super) held: Vec<Arc<File>>,
    /// Names that are no longer there.
    pub(super) gone: Vec<Arc<str>>,
}

impl Change {
    /// The differences of `after`.
    fn between(before: &Snapshot, after: &Snapshot) -> Change {
        let differs = |file: &&Arc<File>| before.exact.get(&file.name).is_none_or(|old| old.digest != file.digest);
        let gone = before.files.iter().map(|file| &file.name).filter(|name| !after.exact.contains_key(*name));
        Change { held: after.files.iter().filter(differs).cloned().collect(), gone: gone.cloned().collect() }
    }

    /// The names of all files that changed in any way.
    pub(super) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.held.iter().map(|file| &file.name).chain(&self.gone)
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty() && self.gone.is_empty()
    }
}

/// The files that are served now. A transfer keeps the file that it began with.
#[derive(Debug, Default)]
pub struct FileStore(ArcSwap<Snapshot>);

impl FileStore {
    /// The files at this moment.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.0.load_full()
    }

    /// Serves these files from now on, and no others; what changed. There must be one writer at a time.
    pub fn replace(&self, files: impl IntoIterator<Item = (impl Into<Arc<str>>, Bytes)>) -> Change {
        let before = self.snapshot();
        let after = Snapshot::new(files, &before);
        let change = Change::between(&before, &after);
        if !change.is_empty() {
            self.0.store(Arc::new(after));
        }
        change
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(names: &[&str]) -> Snapshot {
        let files = names.iter().map(|name| ((*name).to_owned(), Bytes::copy_from_slice(name.as_bytes())));
        Snapshot::new(files, &Snapshot::default())
    }

    #[test]
    fn names_are_found_as_phones_write_them() {
        let files = snapshot(&["RINGLIST.DAT", "SIP000A8A123456.cnf", "US/7960-tones.xml", "a.cnf", "A.cnf"]);
        let find = |asked: &str| files.find(asked.as_bytes()).map(|file| file.name.to_string());
        assert_eq!(find("RingList.dat").as_deref(), Some("RINGLIST.DAT"));
        assert_eq!(find("./SIP000A8A123456.cnf").as_deref(), Some("SIP000A8A123456.cnf"));
        assert_eq!(find("/us/7960-tones.xml").as_deref(), Some("US/7960-tones.xml"));
        assert_eq!(find("a.cnf").as_deref(), Some("a.cnf"));
        assert_eq!(find("A.CNF").as_deref(), Some("A.cnf"));
        assert_eq!(find("./phones/sip000a8a123456.cnf").as_deref(), Some("SIP000A8A123456.cnf"), "tftp_cfg_dir");
        for outside in ["../a.cnf", "US/../../a.cnf", "..\\a.cnf", "", "/", "nothing"] {
            assert_eq!(find(outside), None, "{outside}");
        }
        assert!(files.find(b"\xff\xfe").is_none());
    }

    #[test]
    fn a_change_is_what_differs() {
        let files = |list: &[(&str, &'static str)]| {
            list.iter()
                .map(|(name, text)| ((*name).to_owned(), Bytes::from_static(text.as_bytes())))
                .collect::<Vec<_>>()
        };
        let store = FileStore::default();
        assert!(store.replace(files(&[])).is_empty());
        store.replace(files(&[("a", "a"), ("b", "b"), ("d", "d")]));
        let before = store.snapshot();
        let change = store.replace(files(&[("b", "new"), ("c", "c"), ("d", "d")]));
        let held: Vec<&str> = change.held.iter().map(|file| file.name.as_ref()).collect();
        assert_eq!(held, ["b", "c"]);
        assert_eq!(change.gone.iter().map(AsRef::as_ref).collect::<Vec<&str>>(), ["a"]);
        let (old, new) = (before.get("d").unwrap(), store.snapshot().get("d").cloned().unwrap());
        assert!(Arc::ptr_eq(old, &new), "what did not change is not hashed anew");
        assert!(before.get("a").is_some(), "a snapshot stays as it was");
    }
}
