//! `dialtone copy`.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::base::folder::{self, Folder, Kind, Scope};
use crate::base::output::Output;

/// Copy a file, or the files of a folder (what the pods run to take firmware out of an image)
///
/// Each file appears whole or not at all. A file that may not be read is left out, with a warning.
#[derive(clap::Args, Clone, Debug)]
pub struct CopyArgs {
    /// The file or folder
    from: PathBuf,

    /// Where to
    to: PathBuf,
}

/// The most bytes that are copied: what a pod's folder may hold.
const MAX_BYTES: u64 = 512 << 20;
/// What a copied file may be used for at most: by nobody as somebody else.
const MODE: u32 = 0o777;

/// Runs `dialtone copy`. What the path itself points to is copied; in a folder, links are followed beneath it only.
pub fn copy(args: &CopyArgs) -> anyhow::Result<()> {
    let cannot_read = |what: &Path| format!("cannot read {}", what.display());
    let cannot_write = |what: &Path| format!("cannot write {}", what.display());
    let meta = fs::metadata(&args.from).with_context(|| cannot_read(&args.from))?;
    if !meta.is_dir() {
        let (file, len) = folder::open_named(&args.from).with_context(|| cannot_read(&args.from))?;
        return copy_named(&file, len, &args.to).with_context(|| cannot_write(&args.to));
    }
    let scope = Scope { depth: 0, hidden: true };
    let from = Folder::open(&args.from).with_context(|| cannot_read(&args.from))?;
    let listing = from.list(scope).with_context(|| cannot_read(&args.from))?;
    let to = Output::open(&args.to).with_context(|| cannot_write(&args.to))?;
    let mut left = MAX_BYTES;
    for entry in &listing.entries {
        let path = args.from.join(entry.path());
        let why = match &entry.kind {
            Kind::File(stamp) if stamp.len <= left => match from.open_listed(&listing, entry) {
                Ok((file, len)) => {
                    let len = len.min(left);
                    to.write(entry.path(), |copy| copy_file(&file, len, copy))
                        .with_context(|| cannot_write(&args.to.join(entry.path())))?;
                    left -= len;
                    continue;
                }
                // To try again would not help.
                Err(error) if error.kind() == ErrorKind::PermissionDenied => error.to_string(),
                Err(error) => return Err(error).with_context(|| cannot_read(&path)),
            },
            Kind::File(_) => format!("no more than {} MiB are copied in all", MAX_BYTES >> 20),
            Kind::Special => folder::NOT_REGULAR.to_owned(),
            Kind::Unreadable(error) => error.to_string(),
            Kind::Folder | Kind::TooDeep | Kind::LinkToFolder | Kind::UnreadableFolder(_) => continue,
        };
        tracing::warn!(file = %path.display(), "not copied: {why}");
    }
    Ok(())
}

/// Copies one file, to the name that a person gave.
fn copy_named(from: &File, len: u64, to: &Path) -> io::Result<()> {
    let name = to.file_name().ok_or_else(|| io::Error::from(ErrorKind::IsADirectory))?;
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Output::open(folder)?.write(Path::new(name), |copy| copy_file(from, len, copy))
}

/// Copies so many bytes of a file, and what it may be used for.
fn copy_file(from: &File, len: u64, copy: &mut File) -> io::Result<()> {
    let meta = from.metadata()?;
    let copied = io::copy(&mut from.take(len), copy)?;
    let now = from.metadata()?;
    if copied != len || now.len() != meta.len() || now.modified()? != meta.modified()? {
        return Err(io::Error::new(ErrorKind::ResourceBusy, "the file changes while it is copied"));
    }
    copy.set_permissions(fs::Permissions::from_mode(meta.permissions().mode() & MODE))
}
