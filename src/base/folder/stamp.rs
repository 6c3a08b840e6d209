//! What tells one state of a file from another one.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cap_std::fs::{Metadata, MetadataExt as _};

/// What distinguishes one state of a file from another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Its length in bytes.
    pub len: u64,
    device: u64,
    inode: u64,
    /// In seconds.
    modified: i64,
    changed: i64,
    /// What is less than a second.
    modified_nanos: u32,
    changed_nanos: u32,
}

impl Stamp {
    pub(super) fn of(meta: &Metadata) -> Stamp {
        Stamp {
            len: meta.len(),
            device: meta.dev(),
            inode: meta.ino(),
            modified: meta.mtime(),
            changed: meta.ctime(),
            // They are less than a thousand million.
            modified_nanos: meta.mtime_nsec() as u32,
            changed_nanos: meta.ctime_nsec() as u32,
        }
    }

    /// All of it, as numbers.
    pub(super) fn numbers(&self) -> [u64; 6] {
        let Stamp { len, device, inode, modified, changed, modified_nanos, changed_nanos } = *self;
        let nanos = u64::from(modified_nanos) << 32 | u64::from(changed_nanos);
        [len, device, inode, modified as u64, changed as u64, nanos]
    }

    /// Whether the file was left alone for so long, by the clocks of this machine and of whoever keeps the file.
    pub fn is_older_than(&self, age: Duration) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let newest = self.modified.max(self.changed);
        u64::try_from(newest).is_ok_and(|newest| newest.saturating_add(age.as_secs()) < now.as_secs())
    }
}
