//! Writes files into folders in which somebody else may have put something: each file whole or not at all, and nowhere else.
//!
//! A file is written beside its place, under a name that is new, and then renamed. So no link is followed, no pipe is waited for,
//! nobody reads half a file, and what cannot be finished, for instance because the disk is full, leaves what was there before.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;

use bytes::Bytes;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};

/// The file that is being written. No server serves it, as no file whose name begins with two dots is.
const PART: &str = "..dialtone.part";
/// The folder with files that appear once all of them are written.
const NEW: &str = "..dialtone.new";

/// A folder to write to.
pub struct Output {
    dir: Dir,
}

impl Output {
    /// Opens a folder, made if it is missing. The path may go through links, because somebody named it.
    pub fn make(path: &Path) -> io::Result<Output> {
        match Output::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            opened => return opened,
        }
        std::fs::create_dir_all(path)?;
        Output::open(path)
    }

    /// Opens a folder that is there.
    pub fn open(path: &Path) -> io::Result<Output> {
        Ok(Output { dir: Dir::open_ambient_dir(path, ambient_authority())? })
    }

    /// A folder in it, made if it is missing, and never a link to one.
    pub fn folder(&self, name: &str) -> io::Result<Output> {
        match self.dir.create_dir(name) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        if !self.dir.symlink_metadata(name)?.is_dir() {
            let why = format!("{name} in it is a link, or no folder: remove it, or write elsewhere");
            return Err(io::Error::new(ErrorKind::NotADirectory, why));
        }
        Ok(Output { dir: self.dir.open_dir(name)? })
    }

    /// Writes a file, in the place of one that is there.
    pub fn write(&self, name: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
        self.check_place(name)?;
        self.write_new(Path::new(PART), fill)
            .and_then(|()| self.dir.rename(PART, &self.dir, name))
            .inspect_err(|_| drop(self.dir.remove_file(PART)))
    }

    /// Writes these files and removes all others, but neither folders nor links. Nothing changes unless all can be written.
    pub fn replace(&self, files: &BTreeMap<String, Bytes>) -> io::Result<()> {
        files.keys().try_for_each(|name| self.check_place(Path::new(name)))?;
        // Of a run that was ended.
        let _ = self.dir.remove_dir_all(NEW);
        let new = self.folder(NEW)?;
        let all_written = files
            .iter()
            .try_for_each(|(name, bytes)| new.write_new(Path::new(name), |file| file.write_all(bytes)))
            .and_then(|()| files.keys().try_for_each(|name| new.dir.rename(name, &self.dir, name)));
        let _ = self.dir.remove_dir_all(NEW);
        all_written?;
        for entry in self.dir.entries()? {
            let entry = entry?;
            let is_stale = entry.file_name().to_str().is_none_or(|name| !files.contains_key(name));
            if is_stale && entry.file_type()?.is_file() {
                entry.remove_file()?;
            }
        }
        Ok(())
    }

    /// Removes a file, if it is there.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        match self.dir.remove_file(name) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Only a file or a link makes room for a file: not a folder, a pipe or a device.
    fn check_place(&self, name: &Path) -> io::Result<()> {
        let kind = match self.dir.symlink_metadata(name) {
            Ok(meta) => meta.file_type(),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        match kind.is_file() || kind.is_symlink() {
            true => Ok(()),
            false => Err(io::Error::new(
                ErrorKind::AlreadyExists,
                format!("{} is there, and is no regular file: remove it, or write elsewhere", name.display()),
            )),
        }
    }

    fn write_new(&self, name: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
        match self.dir.remove_file(name) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = self.dir.open_with(name, OpenOptions::new().write(true).create_new(true))?;
        fill(&mut file.into_std())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn files(list: &[(&str, &'static str)]) -> BTreeMap<String, Bytes> {
        list.iter().map(|(name, text)| ((*name).to_owned(), Bytes::from_static(text.as_bytes()))).collect()
    }

    #[test]
    fn no_link_is_written_through_and_no_folder_emptied_that_one_leads_to() {
        let (outer, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let precious = outer.path().join("precious");
        fs::write(&precious, "old").unwrap();
        let output = Output::make(root.path()).unwrap();
        for name in ["a", PART] {
            symlink(&precious, root.path().join(name)).unwrap();
        }
        symlink(outer.path(), root.path().join(NEW)).unwrap();
        symlink(outer.path(), root.path().join("site")).unwrap();
        output.write(Path::new("a"), |file| file.write_all(b"new")).unwrap();
        assert!(output.folder("site").is_err_and(|error| error.to_string().contains("is a link")));
        output.replace(&files(&[("b", "new")])).unwrap();
        assert_eq!(fs::read(&precious).unwrap(), b"old");
        assert_eq!(fs::read(root.path().join("b")).unwrap(), b"new");
        assert!(!root.path().join("a").exists(), "no phone fetches it any more");
    }

    #[test]
    fn what_cannot_be_finished_leaves_what_was_there() {
        let root = tempfile::tempdir().unwrap();
        let output = Output::make(root.path()).unwrap();
        output.replace(&files(&[("a", "old"), ("z", "old")])).unwrap();
        fs::create_dir(root.path().join("folder")).unwrap();
        let error = output.replace(&files(&[("a", "new"), ("folder", "new")])).unwrap_err();
        assert!(error.to_string().contains("folder is there"), "{error}");
        let full = |file: &mut File| {
            file.write_all(b"half")?;
            Err(ErrorKind::StorageFull.into())
        };
        assert!(output.write(Path::new("a"), full).is_err());
        let mut names: Vec<_> = fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["a", "folder", "z"]);
        assert_eq!(fs::read(root.path().join("a")).unwrap(), b"old");
    }
}
