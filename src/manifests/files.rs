//! The files with manifests at the paths that a person names.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::base::folder::{self, Entry, Folder, Kind, NOT_REGULAR, Scope, Stamp};

/// The most bytes of one file.
const MAX_FILE_BYTES: u64 = 64 << 20;
/// Hidden files and folders are other programs'.
const SCOPE: Scope = Scope { depth: 16, hidden: false };

/// Reads a file, the files of a folder, or stdin for `-`. Gives each with its name: its text, or why it cannot be used. Returns how
/// many files in folders below were not read.
pub(super) fn read(
    path: &Path,
    recursive: bool,
    take: &mut dyn FnMut(&str, Result<String, String>),
) -> anyhow::Result<usize> {
    let shown = path.display().to_string();
    let cannot_read = || format!("cannot read {shown}");
    if shown == "-" {
        let mut bytes = Vec::new();
        io::stdin().take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).context("cannot read stdin")?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(folder::too_large(MAX_FILE_BYTES)).context("cannot read stdin");
        }
        take("stdin", text(bytes));
        return Ok(0);
    }
    if !std::fs::metadata(path).with_context(cannot_read)?.is_dir() {
        take(&shown, text(folder::read_named(path, MAX_FILE_BYTES).with_context(cannot_read)?));
        return Ok(0);
    }
    let folder = Folder::open(path).with_context(cannot_read)?;
    let listing = folder.list(SCOPE).with_context(cannot_read)?;
    let mut below = 0;
    for entry in &listing.entries {
        if !recursive && !is_beside(entry) {
            below += usize::from(is_manifest(entry.path()) && matches!(entry.kind, Kind::File(_)));
            continue;
        }
        let shown = path.join(entry.path()).display().to_string();
        let is_manifest = is_manifest(entry.path());
        let why = match &entry.kind {
            Kind::File(stamp) if is_manifest && stamp.len > MAX_FILE_BYTES => {
                folder::too_large(MAX_FILE_BYTES).to_string()
            }
            Kind::File(stamp) if is_manifest => {
                let bytes = folder.read(&listing, entry, stamp).with_context(|| format!("cannot read {shown}"))?;
                take(&shown, text(bytes));
                continue;
            }
            Kind::Special if is_manifest => NOT_REGULAR.to_owned(),
            Kind::Unreadable(error) if is_manifest => format!("cannot be read: {error}"),
            Kind::File(_) | Kind::Special | Kind::Unreadable(_) | Kind::Folder => continue,
            Kind::UnreadableFolder(error) => format!("cannot be read: {error}"),
            Kind::TooDeep => format!("is more than {} folders deep: name it by itself", SCOPE.depth),
            Kind::LinkToFolder => "is a link to a folder, which is not followed: name that folder by itself".to_owned(),
        };
        take(&shown, Err(why));
    }
    Ok(below)
}

/// Whether an entry lies in the folder itself, and is no folder.
fn is_beside(entry: &Entry) -> bool {
    let is_folder = matches!(entry.kind, Kind::Folder | Kind::UnreadableFolder(_) | Kind::TooDeep | Kind::LinkToFolder);
    entry.path().components().count() == 1 && !is_folder
}

fn is_manifest(path: &Path) -> bool {
    path.extension().is_some_and(|end| ["yaml", "yml", "json"].iter().any(|known| end == *known))
}

/// The state of the files with manifests at a path, as far as somebody may be writing to them.
pub(super) fn stamps(path: &Path, recursive: bool) -> Vec<(PathBuf, Stamp)> {
    if let Some(stamp) = folder::stamp_named(path) {
        return vec![(path.to_owned(), stamp)];
    }
    let listing = Folder::open(path).and_then(|folder| folder.list(SCOPE)).ok();
    let listing = listing.filter(|listing| !listing.is_volume());
    let stamp = |entry: &Entry| match entry.kind {
        Kind::File(stamp) if is_manifest(entry.path()) && (recursive || is_beside(entry)) => {
            Some((path.join(entry.path()), stamp))
        }
        _ => None,
    };
    listing.iter().flat_map(|listing| &listing.entries).filter_map(stamp).collect()
}

fn text(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())
}
