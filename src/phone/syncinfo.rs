//! `syncinfo.xml`: what a phone compares with its own `sync` when it is told to check its files.
//!
//! A phone that gets a NOTIFY for check-sync waits until it is idle, looks here for its image's version or `*`, and restarts
//! if SYNC differs from its own `sync`. All phones of a site share the file, so it cannot say which of them should restart:
//! that is said by whom the NOTIFY is sent to. The mark is one that no phone has.

pub use super::file_name::SYNC_INFO as FILE;

/// What no phone's `sync` may be.
pub const MARK: &str = "restart-when-told";

/// The file.
pub fn write() -> Vec<u8> {
    format!("<SYNCINFO>\n<IMAGE VERSION=\"*\" SYNC=\"{MARK}\"/>\n</SYNCINFO>\n").into_bytes()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_mark_fits_into_what_phones_keep() {
        assert!(super::MARK.len() <= 32);
        assert!(String::from_utf8(super::write()).unwrap().contains("SYNC=\"restart-when-told\"/>"));
    }
}
