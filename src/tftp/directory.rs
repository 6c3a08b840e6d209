//! Directories on disk, read whole; [`watch`] reads them again when they change.
//!
//! A volume of Kubernetes changes all at once: its files are symbolic links through `..data`, which is switched from one
//! directory to the next. That link is resolved once for each reading, so that a reading never mixes old and new.

pub mod watch;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;

use crate::base::report::{FileProblem, PROBLEMS_FILE};

/// How deep directories are followed.
const MAX_DEPTH: usize = 4;
/// How often a directory is read anew when its volume was switched meanwhile.
const MAX_READINGS: usize = 5;
/// How many lines of a directory's [`PROBLEMS_FILE`] are read.
const MAX_PROBLEMS: usize = 32;
/// The most characters of a problem that are reported, its file's name included.
const MAX_PROBLEM_CHARS: usize = 300;

/// The directories that are served, and what was read from them last.
pub struct DirectoryLoader {
    roots: Vec<PathBuf>,
    max_bytes: u64,
    read: BTreeMap<PathBuf, ReadFile>,
    /// The directories as they were before the last reading.
    stamps: Vec<Option<Stamp>>,
}

/// Where a directory's files really are, and when something in it changed last.
type Stamp = (PathBuf, SystemTime);

/// A file as it was when it was read.
#[derive(Clone)]
struct ReadFile {
    modified: SystemTime,
    len: u64,
    bytes: Bytes,
}

/// What reading the directories gave.
#[derive(Debug, Default)]
pub struct Reading {
    /// The files by name.
    pub files: BTreeMap<String, Bytes>,
    /// Which files could not be read, and why.
    pub problems: Vec<FileProblem>,
}

impl DirectoryLoader {
    /// A loader of these directories, of which an earlier one wins over a later one, and of so many bytes at most.
    pub fn new(roots: Vec<PathBuf>, max_bytes: u64) -> DirectoryLoader {
        DirectoryLoader { roots, max_bytes, read: BTreeMap::new(), stamps: Vec::new() }
    }

    /// Reads everything. Files that did not change since the last reading are not read again.
    pub fn read(&mut self) -> Reading {
        self.stamps = self.roots.iter().map(|root| stamp(root)).collect();
        let mut reading = Reading::default();
        let mut read = BTreeMap::new();
        let mut total = 0;
        for root in &self.roots {
            reading.problems.extend(problems_of(root));
            for _ in 0..MAX_READINGS {
                let base = data_directory(root);
                let mut walk =
                    Walk { before: &self.read, read: &mut read, total: &mut total, max_bytes: self.max_bytes };
                let mut part = Reading::default();
                walk.directory(&base, "", MAX_DEPTH, &mut part);
                if data_directory(root) != base {
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
        self.read = read;
        reading
    }

    /// Whether the directories are as they were at the last reading.
    fn is_unchanged(&self) -> bool {
        self.roots.iter().map(|root| stamp(root)).eq(self.stamps.iter().cloned())
    }
}

/// One reading of one directory.
struct Walk<'a> {
    before: &'a BTreeMap<PathBuf, ReadFile>,
    read: &'a mut BTreeMap<PathBuf, ReadFile>,
    total: &'a mut u64,
    max_bytes: u64,
}

impl Walk<'_> {
    fn directory(&mut self, directory: &Path, prefix: &str, depth: usize, reading: &mut Reading) {
        let entries = match fs::read_dir(directory) {
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
            // Links are followed to files, never to directories: nothing outside the root is served by accident.
            let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
            match fs::metadata(&path) {
                Ok(meta) if meta.is_dir() && !is_link && depth > 0 => {
                    self.directory(&path, &format!("{name}/"), depth - 1, reading);
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
        if *self.total > self.max_bytes {
            let most = self.max_bytes;
            return Err(io::Error::other(format!("there are more than {most} bytes of files; see --max-bytes")));
        }
        let known = self.before.get(path).filter(|file| file.modified == modified && file.len == meta.len());
        let file = match known {
            Some(file) => file.clone(),
            None => ReadFile { modified, len: meta.len(), bytes: fs::read(path)?.into() },
        };
        let bytes = file.bytes.clone();
        self.read.insert(path.to_owned(), file);
        Ok(bytes)
    }
}

/// The problems that `dialtone fetch` noted in a directory.
fn problems_of(root: &Path) -> Vec<FileProblem> {
    let text = fs::read_to_string(root.join(PROBLEMS_FILE)).unwrap_or_default();
    text.lines().take(MAX_PROBLEMS).map(problem_in).collect()
}

fn problem_in(line: &str) -> FileProblem {
    let problem = serde_json::from_str(line).unwrap_or_else(|_| FileProblem::new("", line));
    let used = if problem.file.is_empty() { 0 } else { problem.file.chars().count() + ": ".len() };
    let message: String = problem.message.chars().take(MAX_PROBLEM_CHARS.saturating_sub(used)).collect();
    FileProblem { message, ..problem }
}

/// Where a volume's files really are at this moment.
fn data_directory(root: &Path) -> PathBuf {
    fs::canonicalize(root.join("..data")).unwrap_or_else(|_| root.to_owned())
}

fn stamp(root: &Path) -> Option<Stamp> {
    let directory = data_directory(root);
    let modified = fs::metadata(&directory).and_then(|meta| meta.modified()).ok()?;
    Some((directory, modified))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// Fills a volume as the kubelet does.
    fn switch(root: &Path, version: &str, files: &[(&str, &str)]) {
        let data = root.join(format!("..{version}"));
        fs::create_dir(&data).unwrap();
        for (name, text) in files {
            fs::write(data.join(name), text).unwrap();
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
        let mut loader = DirectoryLoader::new(vec![root.path().to_owned()], 1000);
        assert_eq!(names(&loader.read()), ["a", "b"]);
        assert!(loader.is_unchanged());
        switch(root.path(), "2", &[("a", "2")]);
        assert!(!loader.is_unchanged());
        let reading = loader.read();
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
        let reading = DirectoryLoader::new(roots, 1000).read();
        assert_eq!(names(&reading), ["US/tones", "a"]);
        assert_eq!(reading.files["a"], "one");
        assert!(reading.problems.is_empty());
    }

    #[test]
    fn memory_is_bounded() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("large"), [0; 2000]).unwrap();
        let reading = DirectoryLoader::new(vec![root.path().to_owned()], 1000).read();
        assert!(reading.files.is_empty());
        assert!(reading.problems[0].message.contains("--max-bytes"), "{:?}", reading.problems);
    }

    #[test]
    fn what_could_not_be_fetched_is_reported_by_file() {
        let root = tempfile::tempdir().unwrap();
        let long = "x".repeat(400);
        let noted = [FileProblem::new("a: b.bin", "http://h/a: b.bin: status: 404"), FileProblem::new("c.bin", &long)];
        let lines: Vec<String> = noted.iter().map(|problem| serde_json::to_string(problem).unwrap()).collect();
        fs::write(root.path().join(PROBLEMS_FILE), lines.join("\n") + "\nof an older version: as text\n").unwrap();
        let reading = DirectoryLoader::new(vec![root.path().to_owned()], 1000).read();
        assert_eq!(reading.problems[0], noted[0]);
        assert_eq!(reading.problems[1].to_string(), format!("c.bin: {long}")[..300]);
        assert_eq!(reading.problems[2], FileProblem::new("", "of an older version: as text"));
    }

    #[test]
    fn links_to_directories_are_not_followed() {
        let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(outside.path().join("secret"), "x").unwrap();
        symlink(outside.path(), root.path().join("out")).unwrap();
        assert!(DirectoryLoader::new(vec![root.path().to_owned()], 1000).read().files.is_empty());
    }
}
