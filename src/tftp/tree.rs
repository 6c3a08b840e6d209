//! Folders on disk: read whole, watched, and read again when they change.
//!
//! A volume of Kubernetes changes all at once: its files are symbolic links through `..data`, which is switched from one
//! folder to the next. That folder is looked up once for each reading, so that a snapshot never mixes old and new.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use notify::{RecursiveMode, Watcher};

use super::library::{Change, Library, Snapshot};
use super::reporter::Reporter;
use crate::base::report::{FileProblem, PROBLEMS_FILE};

/// How deep folders are followed.
const DEPTH: usize = 4;
/// After a change, wait this long for more of them.
const QUIET: Duration = Duration::from_millis(5);
/// Look this often even if nothing was said to have changed.
const POLL: Duration = Duration::from_secs(5);
/// Read anew this soon when a file changed under the reader's hands.
const RETRIES: usize = 5;
/// How many lines of a folder's [`PROBLEMS_FILE`] are read.
const MOST_PROBLEMS: usize = 32;
/// The most characters of a problem that are reported, its file's name included.
const LONGEST_PROBLEM: usize = 300;

/// The folders and what was read from them.
pub struct Tree {
    roots: Vec<PathBuf>,
    most: u64,
    seen: BTreeMap<PathBuf, Seen>,
    stamp: Vec<Option<(PathBuf, SystemTime)>>,
}

/// A file as it was when it was read.
#[derive(Clone)]
struct Seen {
    modified: SystemTime,
    len: u64,
    bytes: Bytes,
}

/// What reading the folders gave.
#[derive(Debug, Default)]
pub struct Reading {
    /// The files by name.
    pub files: BTreeMap<String, Bytes>,
    /// What could not be read, and why.
    pub problems: Vec<FileProblem>,
}

impl Tree {
    /// Folders, of which an earlier one wins over a later one, and the most bytes that are held in memory.
    pub fn new(roots: Vec<PathBuf>, most: u64) -> Tree {
        Tree { roots, most, seen: BTreeMap::new(), stamp: Vec::new() }
    }

    /// Reads everything. Files that did not change since the last reading are not read again.
    pub fn read(&mut self) -> Reading {
        self.stamp = self.roots.iter().map(|root| stamp(root)).collect();
        let mut reading = Reading::default();
        let mut seen = BTreeMap::new();
        let mut total = 0;
        for root in &self.roots {
            reading.problems.extend(problems_of(root));
            for _ in 0..RETRIES {
                let base = data_folder(root);
                let mut walk = Walk { before: &self.seen, seen: &mut seen, total: &mut total, most: self.most };
                let mut part = Reading::default();
                walk.folder(&base, "", DEPTH, &mut part);
                if data_folder(root) != base {
                    // The volume was switched meanwhile: what was read may be half of it.
                    continue;
                }
                for (name, bytes) in part.files {
                    reading.files.entry(name).or_insert(bytes);
                }
                reading.problems.append(&mut part.problems);
                break;
            }
        }
        self.seen = seen;
        reading
    }

    /// Whether the folders look as they did at the last reading.
    fn is_unchanged(&self) -> bool {
        self.roots.iter().map(|root| stamp(root)).collect::<Vec<_>>() == self.stamp
    }
}

struct Walk<'a> {
    before: &'a BTreeMap<PathBuf, Seen>,
    seen: &'a mut BTreeMap<PathBuf, Seen>,
    total: &'a mut u64,
    most: u64,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path, prefix: &str, depth: usize, reading: &mut Reading) {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            // An optional volume that is not there has no files.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => return reading.problems.push(FileProblem::new(prefix, error.to_string())),
        };
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().into_string() else {
                let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
                reading.problems.push(FileProblem::new(name, "the name is not UTF-8"));
                continue;
            };
            if name.starts_with("..") {
                continue;
            }
            let path = entry.path();
            let name = format!("{prefix}{name}");
            // Links are followed to files, never to folders: nothing outside the root is served by accident.
            let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
            match fs::metadata(&path) {
                Ok(meta) if meta.is_dir() && !is_link && depth > 0 => {
                    self.folder(&path, &format!("{name}/"), depth - 1, reading);
                }
                Ok(meta) if meta.is_file() => match self.file(&path, &meta) {
                    Ok(bytes) => {
                        reading.files.insert(name, bytes);
                    }
                    Err(error) => reading.problems.push(FileProblem::new(name, error.to_string())),
                },
                Ok(_) => {}
                Err(error) => reading.problems.push(FileProblem::new(name, error.to_string())),
            }
        }
    }

    fn file(&mut self, path: &Path, meta: &fs::Metadata) -> io::Result<Bytes> {
        let modified = meta.modified()?;
        *self.total += meta.len();
        if *self.total > self.most {
            return Err(io::Error::other(format!("there are more than {} bytes of files; see --max-bytes", self.most)));
        }
        let known = self.before.get(path).filter(|seen| seen.modified == modified && seen.len == meta.len());
        let seen = match known {
            Some(seen) => seen.clone(),
            None => Seen { modified, len: meta.len(), bytes: fs::read(path)?.into() },
        };
        let bytes = seen.bytes.clone();
        self.seen.insert(path.to_owned(), seen);
        Ok(bytes)
    }
}

/// The problems that `dialtone fetch` noted in a folder.
fn problems_of(root: &Path) -> Vec<FileProblem> {
    let text = fs::read_to_string(root.join(PROBLEMS_FILE)).unwrap_or_default();
    text.lines().take(MOST_PROBLEMS).map(problem_in).collect()
}

fn problem_in(line: &str) -> FileProblem {
    let problem = serde_json::from_str(line).unwrap_or_else(|_| FileProblem::new("", line));
    let used = if problem.file.is_empty() { 0 } else { problem.file.chars().count() + ": ".len() };
    let message: String = problem.message.chars().take(LONGEST_PROBLEM.saturating_sub(used)).collect();
    FileProblem { message, ..problem }
}

/// Where a volume's files really are at this moment.
fn data_folder(root: &Path) -> PathBuf {
    fs::canonicalize(root.join("..data")).unwrap_or_else(|_| root.to_owned())
}

fn stamp(root: &Path) -> Option<(PathBuf, SystemTime)> {
    let folder = data_folder(root);
    let modified = fs::metadata(&folder).and_then(|meta| meta.modified()).ok()?;
    Some((folder, modified))
}

/// Reads the folders and follows them from then on, in a thread of its own.
pub fn follow(mut tree: Tree, library: Arc<Library>, reporter: Arc<Reporter>) -> io::Result<()> {
    let (sender, changes) = mpsc::channel();
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reading a file is an event too: only what changes a folder counts.
        if event.is_ok_and(|event| !event.kind.is_access()) {
            let _ = sender.send(());
        }
    });
    let mut watcher = watcher.map_err(|error| tracing::warn!(%error, "folders are looked at every 5 s only")).ok();
    let roots = tree.roots.clone();
    for root in &roots {
        let watched = watcher.as_mut().map(|watcher| watcher.watch(root, RecursiveMode::Recursive));
        if let Some(Err(error)) = watched {
            tracing::warn!(root = %root.display(), %error, "this folder is looked at every 5 s only");
        }
    }
    load(&mut tree, &library, &reporter);
    std::thread::Builder::new().name("tree".to_owned()).spawn(move || {
        let _watcher = watcher;
        loop {
            match changes.recv_timeout(POLL) {
                Ok(()) => while changes.recv_timeout(QUIET).is_ok() {},
                Err(mpsc::RecvTimeoutError::Timeout) if tree.is_unchanged() => continue,
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                // Without a watcher there is only the clock.
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    std::thread::sleep(POLL);
                    if tree.is_unchanged() {
                        continue;
                    }
                }
            }
            load(&mut tree, &library, &reporter);
        }
    })?;
    Ok(())
}

fn load(tree: &mut Tree, library: &Library, reporter: &Reporter) {
    let Reading { files, problems } = tree.read();
    let before = library.now();
    // A file that cannot be read now stays as it was.
    let kept: Vec<(String, Bytes)> = problems
        .iter()
        .filter_map(|problem| before.get(&problem.file).map(|file| (file.name.to_string(), file.bytes.clone())))
        .collect();
    let after = Snapshot::new(files.into_iter().chain(kept), &before);
    let change = Change::between(&before, &after);
    for problem in &problems {
        tracing::warn!(%problem, "a file cannot be loaded");
    }
    if !change.is_empty() || reporter.is_empty() {
        tracing::info!(
            files = after.files().count(),
            bytes = after.size(),
            changed = change.held.len(),
            gone = change.gone.len(),
            "files loaded"
        );
        library.swap(after);
    }
    reporter.note_change(&change, problems);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// Makes a folder as the kubelet does.
    fn switch(root: &Path, version: &str, files: &[(&str, &str)]) {
        let folder = root.join(format!("..{version}"));
        fs::create_dir(&folder).unwrap();
        for (name, text) in files {
            fs::write(folder.join(name), text).unwrap();
            let _ = symlink(Path::new("..data").join(name), root.join(name));
        }
        symlink(format!("..{version}"), root.join("..data_tmp")).unwrap();
        fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
    }

    fn names(reading: &Reading) -> Vec<&str> {
        reading.files.keys().map(String::as_str).collect()
    }

    #[test]
    fn a_volume_is_read_through_its_link() {
        let root = tempfile::tempdir().unwrap();
        switch(root.path(), "1", &[("a", "1"), ("b", "1")]);
        let mut tree = Tree::new(vec![root.path().to_owned()], 1000);
        assert_eq!(names(&tree.read()), ["a", "b"]);
        assert!(tree.is_unchanged());
        switch(root.path(), "2", &[("a", "2")]);
        assert!(!tree.is_unchanged());
        let reading = tree.read();
        assert_eq!(names(&reading), ["a"]);
        assert_eq!(reading.files["a"], "2");
    }

    #[test]
    fn the_first_root_wins_and_a_missing_one_is_empty() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(one.path().join("a"), "one").unwrap();
        fs::write(two.path().join("a"), "two").unwrap();
        fs::create_dir(two.path().join("US")).unwrap();
        fs::write(two.path().join("US/tones"), "t").unwrap();
        let roots = vec![one.path().to_owned(), "/nonexistent/root".into(), two.path().to_owned()];
        let reading = Tree::new(roots, 1000).read();
        assert_eq!(names(&reading), ["US/tones", "a"]);
        assert_eq!(reading.files["a"], "one");
        assert!(reading.problems.is_empty());
    }

    #[test]
    fn memory_is_bounded() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("large"), [0; 2000]).unwrap();
        let reading = Tree::new(vec![root.path().to_owned()], 1000).read();
        assert!(reading.files.is_empty());
        assert!(reading.problems[0].message.contains("--max-bytes"), "{:?}", reading.problems);
    }

    #[test]
    fn a_file_that_cannot_be_read_stays_as_it_was_and_no_other_does() {
        let root = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| fs::write(root.path().join(name), text).unwrap();
        put("a", "old");
        put("a: b", "old");
        let mut tree = Tree::new(vec![root.path().to_owned()], 1000);
        let library = Arc::new(Library::default());
        let reporter = Reporter::new(library.clone());
        load(&mut tree, &library, &reporter);
        put("a", "new");
        fs::remove_file(root.path().join("a: b")).unwrap();
        symlink("nowhere: at all", root.path().join("a: b")).unwrap();
        load(&mut tree, &library, &reporter);
        let files = library.now();
        let text = |name: &str| files.get(name).map(|file| file.bytes.clone()).unwrap_or_default();
        assert_eq!((text("a"), text("a: b")), ("new".into(), "old".into()));
        let problems = reporter.report(&Default::default()).problems;
        assert_eq!(problems, [FileProblem::new("a: b", "No such file or directory (os error 2)")]);
    }

    #[test]
    fn what_could_not_be_fetched_is_reported_by_file() {
        let root = tempfile::tempdir().unwrap();
        let long = "x".repeat(400);
        let noted = [FileProblem::new("a: b.bin", "http://h/a: b.bin: status: 404"), FileProblem::new("c.bin", &long)];
        let lines: Vec<String> = noted.iter().map(|problem| serde_json::to_string(problem).unwrap()).collect();
        fs::write(root.path().join(PROBLEMS_FILE), lines.join("\n") + "\nof an older version: as text\n").unwrap();
        let reading = Tree::new(vec![root.path().to_owned()], 1000).read();
        assert_eq!(reading.problems[0], noted[0]);
        assert_eq!(reading.problems[1].to_string(), format!("c.bin: {long}")[..300]);
        assert_eq!(reading.problems[2], FileProblem::new("", "of an older version: as text"));
    }

    #[test]
    fn links_to_folders_are_not_followed() {
        let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(outside.path().join("secret"), "x").unwrap();
        symlink(outside.path(), root.path().join("out")).unwrap();
        assert!(Tree::new(vec![root.path().to_owned()], 1000).read().files.is_empty());
    }
}
