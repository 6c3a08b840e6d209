//! Folders on disk, held in memory; [`watch`] reads them again when they change.
//!
//! What cannot be read stays as it was. A file that is written to is not read before it was left alone for a moment; in a volume
//! of Kubernetes none ever is, because all its files change at once.

mod root;
pub mod watch;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::base::report::FileProblem;
use root::{Budget, Root};

/// The most bytes of files that a server holds, if nobody says otherwise.
pub const MAX_BYTES: u64 = 320 << 20;
/// How long a file must have been left alone before it is read.
pub const QUIET: Duration = Duration::from_millis(300);
/// How often folders are read at first, while files in them are written to.
const MAX_FIRST_READINGS: usize = 10;

/// The folders that are served, and what was read from them last.
pub struct DirectoryLoader {
    roots: Vec<Root>,
    max_bytes: u64,
}

/// What reading the folders gave.
#[derive(Debug, Default)]
pub struct Reading {
    /// The files by name.
    pub files: BTreeMap<Arc<str>, Bytes>,
    /// Which files could not be read, and why. They are among the files as they were.
    pub problems: Vec<FileProblem>,
    /// Whether it should be read again soon: something was changing, or did not fit beside what it replaces.
    pub is_unfinished: bool,
}

impl DirectoryLoader {
    /// A loader of these folders, of which an earlier one wins over a later one, and of so many bytes at most.
    pub fn new(roots: Vec<PathBuf>, max_bytes: u64) -> DirectoryLoader {
        DirectoryLoader { roots: roots.into_iter().map(Root::new).collect(), max_bytes }
    }

    /// Reads everything. Files that did not change since the last reading are not read again.
    pub fn read(&mut self) -> Reading {
        let mut budget = Budget::new(self.max_bytes, self.roots.iter().map(Root::size).sum());
        let mut reading = Reading::default();
        for root in &mut self.roots {
            let (problems, is_unfinished) = root.read(&mut budget);
            reading.problems.extend(problems);
            reading.is_unfinished |= is_unfinished;
            budget.bound_files();
            for (name, bytes) in root.files() {
                reading.files.entry(name.clone()).or_insert_with(|| bytes.clone());
            }
        }
        reading
    }

    /// Reads everything for the first time: also what was written just now, unless that goes on and on.
    pub fn read_first(&mut self) -> Reading {
        let mut reading = self.read();
        for _ in 1..MAX_FIRST_READINGS {
            // Readings of a folder that fails would be missing for what is written just now once it can be read.
            if !reading.is_unfinished || self.is_blocked() {
                break;
            }
            std::thread::sleep(QUIET + QUIET / 10);
            reading = self.read();
        }
        reading
    }

    /// Whether the first folder, in which the phones' own files are, could not be read yet: nothing is served until it could, because
    /// a phone would be told that there is no such file. The others have firmware, which phones do without.
    fn is_blocked(&self) -> bool {
        self.roots.first().is_some_and(Root::is_unknown)
    }

    /// Whether the folders are as they were at the last reading.
    fn is_unchanged(&self) -> bool {
        self.roots.iter().all(Root::is_unchanged)
    }

    /// The folders in which something may change.
    fn folders(&self) -> impl Iterator<Item = PathBuf> {
        self.roots.iter().flat_map(Root::folders)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::report::PROBLEMS_FILE;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

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
        reading.files.keys().map(AsRef::as_ref).collect()
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
        let reading = DirectoryLoader::new(roots, 1000).read_first();
        assert_eq!(names(&reading), ["US/tones", "a"]);
        assert_eq!(reading.files["a"], "one");
        assert!(reading.problems.is_empty());
    }

    #[test]
    fn memory_is_bounded() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("large"), [0; 2000]).unwrap();
        let reading = DirectoryLoader::new(vec![root.path().to_owned()], 1000).read_first();
        assert!(reading.files.is_empty());
        assert!(reading.problems[0].message.contains("--max-bytes"), "{:?}", reading.problems);
    }

    #[test]
    fn a_folder_of_more_files_than_a_report_names_leaves_out_what_is_no_firmware() {
        let (files, firmware) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(files.path().join("SIPDefault.cnf"), "").unwrap();
        for n in 0..20_100 {
            fs::write(firmware.path().join(format!("0{n}.txt")), "").unwrap();
        }
        fs::write(firmware.path().join("P0S3-07-4-00.bin"), "image").unwrap();
        let roots = vec![files.path().to_owned(), firmware.path().to_owned()];
        let reading = DirectoryLoader::new(roots, 1000).read_first();
        assert_eq!((reading.files.len(), reading.problems.len()), (20_001, 1), "{:?}", reading.problems);
        assert!(reading.files.contains_key("P0S3-07-4-00.bin") && reading.files.contains_key("SIPDefault.cnf"));
    }

    #[test]
    fn what_could_not_be_fetched_is_reported_by_file() {
        let root = tempfile::tempdir().unwrap();
        let long = "x".repeat(400);
        let noted = [FileProblem::new("a: b.bin", "http://h/a: b.bin: status: 404"), FileProblem::new("c.bin", &long)];
        let lines: Vec<String> = noted.iter().map(|problem| serde_json::to_string(problem).unwrap()).collect();
        fs::write(root.path().join(PROBLEMS_FILE), lines.join("\n") + "\nof an older version: as text\n").unwrap();
        let reading = DirectoryLoader::new(vec![root.path().to_owned()], 1000).read_first();
        assert_eq!(reading.problems[0], noted[0]);
        assert_eq!(reading.problems[1].to_string(), format!("c.bin: {long}")[..300]);
        assert_eq!(reading.problems[2], FileProblem::new("", "of an older version: as text"));
    }

    #[test]
    fn links_to_directories_are_not_followed() {
        let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(outside.path().join("secret"), "x").unwrap();
        symlink(outside.path(), root.path().join("out")).unwrap();
        assert!(DirectoryLoader::new(vec![root.path().to_owned()], 1000).read_first().files.is_empty());
    }

    #[test]
    fn no_folder_is_left_out_without_a_word() {
        let root = tempfile::tempdir().unwrap();
        let deep = |depth: usize| (1..=depth).map(|n| n.to_string()).collect::<Vec<_>>().join("/");
        for depth in [6, 16, 18] {
            fs::create_dir_all(root.path().join(deep(depth))).unwrap();
            fs::write(root.path().join(deep(depth)).join("file"), "x").unwrap();
        }
        fs::create_dir(root.path().join("real")).unwrap();
        symlink("real", root.path().join("link")).unwrap();
        let reading = DirectoryLoader::new(vec![root.path().to_owned()], 1000).read_first();
        assert_eq!(names(&reading), [format!("{}/file", deep(16)), format!("{}/file", deep(6))]);
        let problems: Vec<String> = reading.problems.iter().map(ToString::to_string).collect();
        let too_deep = format!("{}: what is in it is not served: it is more than 16 folders deep", deep(17));
        let link = "link: it is a link to a folder, which is not followed: put there what it points to".to_owned();
        assert_eq!(problems, [too_deep, link]);
    }

    #[test]
    fn a_volume_that_is_switched_all_the_time_is_never_empty_and_never_mixed() {
        let root = tempfile::tempdir().unwrap();
        let names: Vec<String> = (0..300).map(|n| n.to_string()).collect();
        for version in ["a", "b"] {
            let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), version)).collect();
            switch(root.path(), version, &files);
        }
        let mut loader = DirectoryLoader::new(vec![root.path().to_owned()], 1 << 20);
        assert_eq!(loader.read().files.len(), 300);
        let ends = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for version in ["..a", "..b"].iter().cycle() {
                    symlink(version, root.path().join("..data_tmp")).unwrap();
                    fs::rename(root.path().join("..data_tmp"), root.path().join("..data")).unwrap();
                    std::thread::sleep(Duration::from_micros(200));
                    if ends.load(std::sync::atomic::Ordering::Relaxed) {
                        return;
                    }
                }
            });
            for _ in 0..50 {
                let reading = loader.read();
                let first = reading.files.values().next().cloned();
                assert!(
                    reading.files.len() == 300 && reading.files.values().all(|bytes| Some(bytes) == first.as_ref())
                );
            }
            ends.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        let reading = loader.read();
        assert!(reading.problems.is_empty() && !reading.is_unfinished);
    }

    #[test]
    fn what_was_in_a_folder_that_fails_stays_and_nothing_else_does() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["US", "USA"] {
            fs::create_dir(root.path().join(folder)).unwrap();
            fs::write(root.path().join(folder).join("tones"), "old").unwrap();
        }
        let mut loader = DirectoryLoader::new(vec![root.path().to_owned()], 1000);
        assert_eq!(names(&loader.read_first()), ["US/tones", "USA/tones"]);
        fs::remove_dir_all(root.path().join("US")).unwrap();
        fs::remove_dir_all(root.path().join("USA")).unwrap();
        symlink("US", root.path().join("US")).unwrap();
        let reading = loader.read_first();
        assert_eq!((names(&reading), reading.problems.len()), (vec!["US/tones"], 1));
        // The whole folder may be a file for a moment, or gone.
        let away = root.path().with_extension("away");
        fs::rename(root.path(), &away).unwrap();
        for _ in 0..2 {
            let reading = loader.read();
            assert!(reading.is_unfinished && reading.problems[0].message.contains("stay as they were"));
            assert_eq!(names(&reading), ["US/tones"]);
            assert!(!loader.is_unchanged());
            let _ = fs::write(root.path(), "no folder");
        }
        fs::remove_file(root.path()).unwrap();
        fs::rename(&away, root.path()).unwrap();
        fs::remove_file(root.path().join("US")).unwrap();
        assert!(loader.read().files.is_empty());
    }

    #[test]
    fn several_volumes_below_one_folder_are_read() {
        let root = tempfile::tempdir().unwrap();
        for volume in ["one", "two"] {
            fs::create_dir(root.path().join(volume)).unwrap();
            switch(&root.path().join(volume), "1", &[("a", volume)]);
        }
        let reading = DirectoryLoader::new(vec![root.path().to_owned()], 1000).read_first();
        assert_eq!(names(&reading), ["one/a", "two/a"]);
        assert_eq!(reading.files["two/a"], "two");
    }

    #[test]
    fn a_file_that_is_written_to_is_not_read_before_it_rests() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("a");
        fs::write(&file, "old!").unwrap();
        let mut loader = DirectoryLoader::new(vec![root.path().to_owned()], 1000);
        assert_eq!(loader.read_first().files["a"], "old!");
        for text in ["n", "ne", "new"] {
            fs::write(&file, text).unwrap();
            let reading = loader.read();
            assert!(reading.is_unfinished && reading.files["a"] == "old!", "{text}");
            std::thread::sleep(QUIET / 3);
        }
        assert_eq!(loader.read_first().files["a"], "new");
    }
}
