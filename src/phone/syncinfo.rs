//! `syncinfo.xml`: the value that a phone compares with its own `sync` after a NOTIFY for check-sync.
//!
//! After the NOTIFY a phone waits until it is idle, reads the entry for its image's version or for `*`, and restarts if SYNC
//! differs from its own `sync`. All phones of a site share the file, so it cannot say which of them should restart: only
//! those restart that get a NOTIFY. The value is one that no phone has.

pub use super::file_name::SYNC_INFO as FILE;

/// The most bytes of the file that phones read.
pub const MAX_SIZE: usize = 4096;

/// The value, which no phone's `sync` may have.
pub const MARK: &str = "restart-when-told";

/// The file.
pub fn write() -> Vec<u8> {
    format!("<SYNCINFO>\n<IMAGE VERSION=\"*\" SYNC=\"{MARK}\"/>\n</SYNCINFO>\n").into_bytes()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_value_fits_into_a_phones_memory() {
        assert!(super::MARK.len() <= 32);
        assert!(String::from_utf8(super::write()).unwrap().contains("SYNC=\"restart-when-told\"/>"));
    }
}
