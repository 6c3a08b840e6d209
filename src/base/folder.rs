//! Reads folders, and nothing outside of them: the one way in which the files of others come into this program.
//!
//! A name is resolved beneath the folder, whatever links it goes through. Only regular files are read, and no more of each than
//! the size that it had when it was listed. Nothing waits for the other end of a pipe or for a device.
//!
//! A volume of Kubernetes changes all at once: its files are symbolic links through `..data`, which is switched from one folder
//! to the next. A listing is of one of them, and says afterwards whether it was switched.

mod stamp;

use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirEntry, Metadata, OpenOptionsExt as _};
use nix::libc::{O_NOCTTY, O_NONBLOCK};

use super::digest::Digest;
pub use stamp::Stamp;

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
    path: Box<Path>,
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

    /// A digest that is the same for listings that show the same files in the same state. A listing of many files is large; this
    /// can be kept.
    pub fn digest(&self) -> Digest {
        let path = |path: &Path| {
            let bytes = path.as_os_str().as_bytes();
            [&bytes.len().to_le_bytes(), bytes].concat()
        };
        let data = self.data.as_deref().map(path);
        let entries = self.entries.iter().flat_map(|entry| {
            let stamp = match &entry.kind {
                Kind::File(stamp) => Some(stamp.numbers().map(u64::to_le_bytes).concat()),
                Kind::Folder | Kind::TooDeep | Kind::LinkToFolder | Kind::Special => None,
                Kind::Unreadable(_) | Kind::UnreadableFolder(_) => None,
            };
            [vec![u8::from(stamp.is_some())], stamp.unwrap_or_default(), path(&entry.path)]
        });
        Digest::of_parts([vec![u8::from(data.is_some())], data.unwrap_or_default()].into_iter().chain(entries))
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
        self.list_one(&mut listing, Path::new(""), scope.hidden)?;
        // Level by level: the folders of one are listed into the next.
        let mut level = 0;
        for depth in 0..=scope.depth {
            let names = level..listing.entries.len();
            level = names.end;
            for at in names {
                if !matches!(listing.entries[at].kind, Kind::Folder) {
                    continue;
                }
                if depth == scope.depth {
                    listing.entries[at].kind = Kind::TooDeep;
                    continue;
                }
                let (folder, before) = (listing.entries[at].path.clone(), listing.entries.len());
                if let Err(error) = self.list_one(&mut listing, &folder, scope.hidden) {
                    listing.entries.truncate(before);
                    listing.entries[at].kind = Kind::UnreadableFolder(error);
                }
                if listing.entries.len() > MAX_ENTRIES {
                    return Err(io::Error::other(format!("there are more than {MAX_ENTRIES} files and folders in it")));
                }
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

    /// Appends what is in one folder, without what is in its folders. It is not all of it if there is an error.
    fn list_one(&self, listing: &mut Listing, folder: &Path, hidden: bool) -> io::Result<()> {
        let place = listing.place(folder);
        let names = match place.as_os_str().is_empty() {
            true => self.dir.entries(),
            false => self.dir.read_dir(&place),
        };
        let before = listing.entries.len();
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
                kind => listing.entries.push(Entry { path: path.into(), kind }),
            }
            if listing.entries.len() - before > MAX_ENTRIES {
                return Err(io::Error::other(format!("there are more than {MAX_ENTRIES} files in it")));
            }
        }
        Ok(())
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
