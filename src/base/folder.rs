//! Reads folders, and nothing outside of them: the one way in which the files of others come into this program.
//!
//! A name is resolved beneath the folder, whatever links it goes through. Only regular files are read, and no more of each than
//! the size that it had when it was listed. Nothing waits for the other end of a pipe or for a device.
//!
//! A volume of Kubernetes changes all at once: its files are symbolic links through `..data`, which is switched from one folder
//! to the next. A listing is of one of them, and says afterwards whether it was switched.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirEntry, Metadata, MetadataExt as _, OpenOptionsExt as _};
use nix::libc::{O_NOCTTY, O_NONBLOCK};

/// The link to the folder that holds all files of a volume now.
const DATA: &str = "..data";
/// The most names of one listing, those of folders included.
const MAX_ENTRIES: usize = 100_000;
/// How long a pipe that a person names may be silent.
const MAX_SILENCE: Duration = Duration::from_secs(30);

/// How much of a folder is listed. Names that begin with two dots never are.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// How many folders deep.
    pub depth: usize,
    /// Whether names that begin with one dot are listed.
    pub hidden: bool,
}

/// A folder.
pub struct Folder {
    dir: Dir,
}

/// What is in a folder.
pub struct Listing {
    /// The names, sorted.
    pub entries: Vec<Entry>,
    /// What `..data` pointed to, if the folder is a volume of Kubernetes.
    data: Option<PathBuf>,
}

/// One name in a folder.
pub struct Entry {
    /// The name, relative to the folder.
    path: PathBuf,
    /// What it is.
    pub kind: Kind,
}

/// What is at a name.
#[derive(Debug)]
pub enum Kind {
    /// A regular file, or a link to one beneath the folder.
    File(Stamp),
    /// A folder; what is in it is in the same listing.
    Folder,
    /// A folder that is too deep to be listed.
    TooDeep,
    /// A link to a folder, which is not followed.
    LinkToFolder,
    /// A pipe, a socket or a device, or a link to one.
    Special,
    /// A file, or a link, of which nothing can be known.
    Unreadable(io::Error),
    /// A folder that cannot be listed.
    UnreadableFolder(io::Error),
}

/// What distinguishes one state of a file from another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Its length in bytes.
    pub len: u64,
    inode: (u64, u64),
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(meta: &Metadata) -> Stamp {
        Stamp {
            len: meta.len(),
            inode: (meta.dev(), meta.ino()),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }

    /// Whether the file was left alone for so long, by the clocks of this machine and of whoever keeps the file.
    pub fn is_older_than(&self, age: Duration) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let newest = self.modified.0.max(self.changed.0);
        u64::try_from(newest).is_ok_and(|newest| newest.saturating_add(age.as_secs()) < now.as_secs())
    }
}

impl Entry {
    /// Its name as text; `None` if it is not UTF-8.
    pub fn name(&self) -> Option<&str> {
        self.path.to_str()
    }

    /// Its name for people.
    pub fn shown(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }

    /// Its name.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Listing {
    /// Whether it is of a volume of Kubernetes, in which no file is ever written to.
    pub fn is_volume(&self) -> bool {
        self.data.is_some()
    }

    /// Whether another listing shows the same files in the same state.
    pub fn is_same_as(&self, other: &Listing) -> bool {
        let file = |entry: &Entry| match &entry.kind {
            Kind::File(stamp) => Some(*stamp),
            Kind::Folder | Kind::TooDeep | Kind::LinkToFolder | Kind::Special => None,
            Kind::Unreadable(_) | Kind::UnreadableFolder(_) => None,
        };
        let same = |(a, b): (&Entry, &Entry)| a.path == b.path && file(a) == file(b);
        self.data == other.data
            && self.entries.len() == other.entries.len()
            && self.entries.iter().zip(&other.entries).all(same)
    }

    fn place(&self, path: &Path) -> PathBuf {
        self.data.as_ref().map_or_else(|| path.to_owned(), |data| data.join(path))
    }
}

impl Folder {
    /// Opens a folder. The path may go through links, because somebody named it; in `A/./B` the part B is resolved beneath A.
    pub fn open(path: &Path) -> io::Result<Folder> {
        let bytes = path.as_os_str().as_bytes();
        let part = |bytes: &[u8]| PathBuf::from(std::ffi::OsStr::from_bytes(bytes));
        let open = |path: &Path| Dir::open_ambient_dir(path, ambient_authority());
        let dir = match bytes.windows(3).position(|three| three == b"/./") {
            None => open(path)?,
            Some(at) => open(&part(&bytes[..at.max(1)]))?.open_dir(part(&bytes[at + 3..])).map_err(in_words)?,
        };
        Ok(Folder { dir })
    }

    /// Lists the folder. A folder in it that cannot be listed is an entry that says so.
    pub fn list(&self, scope: Scope) -> io::Result<Listing> {
        let mut listing = Listing { entries: Vec::new(), data: self.data()? };
        let mut folders = vec![(PathBuf::new(), scope.depth)];
        while let Some((folder, depth)) = folders.pop() {
            let is_root = folder.as_os_str().is_empty();
            let found = match self.list_one(&listing, &folder, scope.hidden) {
                Ok(found) => found,
                Err(error) if is_root => return Err(error),
                Err(error) => {
                    listing.entries.push(Entry { path: folder, kind: Kind::UnreadableFolder(error) });
                    continue;
                }
            };
            if !is_root {
                listing.entries.push(Entry { path: folder, kind: Kind::Folder });
            }
            for entry in found {
                match entry.kind {
                    Kind::Folder if depth == 0 => listing.entries.push(Entry { kind: Kind::TooDeep, ..entry }),
                    Kind::Folder => folders.push((entry.path, depth - 1)),
                    _ => listing.entries.push(entry),
                }
            }
            if listing.entries.len() + folders.len() > MAX_ENTRIES {
                return Err(io::Error::other(format!("there are more than {MAX_ENTRIES} files and folders in it")));
            }
        }
        listing.entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(listing)
    }

    /// Whether the volume was switched after a listing.
    pub fn was_switched(&self, listing: &Listing) -> io::Result<bool> {
        Ok(self.data()? != listing.data)
    }

    /// The bytes of a file that was listed. It is an error of the kind `ResourceBusy` if it changes meanwhile.
    pub fn read(&self, listing: &Listing, entry: &Entry, stamp: &Stamp) -> io::Result<Vec<u8>> {
        let mut file = self.open_file(&listing.place(&entry.path))?;
        let unchanged = |file: &File| Ok::<_, io::Error>(Stamp::of(&Metadata::from_file(file)?) == *stamp);
        if !unchanged(&file)? {
            return Err(busy());
        }
        let bytes = read_at_most(&mut file, stamp.len)?;
        if bytes.len() as u64 != stamp.len || !unchanged(&file)? {
            return Err(busy());
        }
        Ok(bytes)
    }

    /// A file that was listed, to be read no further than its length.
    pub fn open_listed(&self, listing: &Listing, entry: &Entry) -> io::Result<(File, u64)> {
        let file = self.open_file(&listing.place(&entry.path))?;
        let len = file.metadata()?.len();
        Ok((file, len))
    }

    /// The first bytes of the file of a name, which need not be listed.
    pub fn read_first(&self, name: &str, most: u64) -> io::Result<Vec<u8>> {
        let mut file = self.open_file(Path::new(name))?;
        let len = file.metadata()?.len();
        read_at_most(&mut file, len.min(most))
    }

    /// Opens a regular file beneath the folder.
    fn open_file(&self, path: &Path) -> io::Result<File> {
        let mut options = cap_std::fs::OpenOptions::new();
        options.read(true).custom_flags(O_NONBLOCK | O_NOCTTY);
        let file = self.dir.open_with(path, &options).map_err(in_words)?.into_std();
        match file.metadata()?.is_file() {
            true => Ok(file),
            false => Err(special()),
        }
    }

    /// What `..data` points to, if it is there.
    fn data(&self) -> io::Result<Option<PathBuf>> {
        match self.dir.symlink_metadata(DATA) {
            Ok(meta) if meta.is_symlink() => self.dir.read_link_contents(DATA).map(Some),
            Ok(_) => Ok(Some(DATA.into())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What is in one folder, without what is in its folders; all of it or an error.
    fn list_one(&self, listing: &Listing, folder: &Path, hidden: bool) -> io::Result<Vec<Entry>> {
        let place = listing.place(folder);
        let names = match place.as_os_str().is_empty() {
            true => self.dir.entries(),
            false => self.dir.read_dir(&place),
        };
        let mut entries = Vec::new();
        for entry in names.map_err(in_words)? {
            let entry = entry?;
            let name = entry.file_name();
            if name.as_bytes().starts_with(b"..") || (!hidden && name.as_bytes().starts_with(b".")) {
                continue;
            }
            let path = folder.join(&name);
            match self.kind(&entry, &listing.place(&path)) {
                // It is gone since.
                Kind::Unreadable(error) if error.kind() == ErrorKind::NotFound && !is_link(&entry) => {}
                kind => entries.push(Entry { path, kind }),
            }
            if entries.len() > MAX_ENTRIES {
                return Err(io::Error::other(format!("there are more than {MAX_ENTRIES} files in it")));
            }
        }
        Ok(entries)
    }

    fn kind(&self, entry: &DirEntry, place: &Path) -> Kind {
        let meta = match entry.metadata() {
            Ok(meta) => meta,
            Err(error) => return Kind::Unreadable(error),
        };
        if meta.is_dir() {
            return Kind::Folder;
        }
        let followed = if meta.is_symlink() { self.dir.metadata(place).map_err(in_words) } else { Ok(meta) };
        match followed {
            Ok(meta) if meta.is_file() => Kind::File(Stamp::of(&meta)),
            Ok(meta) if meta.is_dir() => Kind::LinkToFolder,
            Ok(_) => Kind::Special,
            Err(error) => Kind::Unreadable(error),
        }
    }
}

fn is_link(entry: &DirEntry) -> bool {
    entry.file_type().is_ok_and(|kind| kind.is_symlink())
}

/// Says what a refusal to leave the folder means.
fn in_words(error: io::Error) -> io::Error {
    // What the kernel refuses has a number.
    match error.kind() == ErrorKind::PermissionDenied && error.raw_os_error().is_none() {
        true => io::Error::new(
            ErrorKind::PermissionDenied,
            "it is a link that leads out of the folder, which is not followed: put there what it points to",
        ),
        false => error,
    }
}

fn busy() -> io::Error {
    io::Error::new(ErrorKind::ResourceBusy, "it changes while it is read")
}

fn special() -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, NOT_REGULAR)
}

/// What is said of pipes, sockets and devices.
pub const NOT_REGULAR: &str = "it is no regular file";

fn read_at_most(file: &mut File, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let len = usize::try_from(most).map_err(|_| ErrorKind::OutOfMemory)?;
    bytes.try_reserve_exact(len).map_err(|_| ErrorKind::OutOfMemory)?;
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Opens a regular file that a person named, perhaps by a link; its length.
pub fn open_named(path: &Path) -> io::Result<(File, u64)> {
    let file = File::options().read(true).custom_flags(O_NONBLOCK | O_NOCTTY).open(path)?;
    let meta = file.metadata()?;
    if meta.is_file() { Ok((file, meta.len())) } else { Err(special()) }
}

/// The state of a regular file that a person named; nothing of anything else.
pub fn stamp_named(path: &Path) -> Option<Stamp> {
    let meta = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    Some(Stamp::of(&Metadata::from_just_metadata(meta)))
}

/// The bytes of a file that a person named, perhaps by a link, or of a pipe, as shells make them.
pub fn read_named(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut file = File::options().read(true).custom_flags(O_NONBLOCK | O_NOCTTY).open(path)?;
    let meta = file.metadata()?;
    if meta.file_type().is_fifo() {
        return read_pipe(&mut file, most);
    }
    if !meta.is_file() {
        return Err(special());
    }
    if meta.len() > most {
        return Err(too_large(most));
    }
    read_at_most(&mut file, meta.len())
}

/// Reads a pipe to its end. One that nobody writes to is at its end.
fn read_pipe(pipe: &mut File, most: u64) -> io::Result<Vec<u8>> {
    let (mut bytes, mut part) = (Vec::new(), vec![0; 65_536]);
    let mut heard = Instant::now();
    loop {
        match pipe.read(&mut part) {
            Ok(0) => return Ok(bytes),
            Ok(read) => {
                bytes.extend_from_slice(&part[..read]);
                heard = Instant::now();
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock && heard.elapsed() < MAX_SILENCE => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if bytes.len() as u64 > most {
            return Err(too_large(most));
        }
    }
}

/// What is said of a file that has more than so many bytes.
pub fn too_large(most: u64) -> io::Error {
    io::Error::new(ErrorKind::FileTooLarge, format!("it has more than {} MiB", most >> 20))
}

#[cfg(test)]
mod tests;
