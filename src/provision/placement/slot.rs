//! The ConfigMaps and Secrets of a site that hold files: their names and their digests.

use std::collections::BTreeMap;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::base::digest::Digest;

/// How many shards of each kind a site can have.
pub const MAX_SHARDS: u8 = 64;
/// One object of a site that holds files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Slot {
    /// The files that all phones share.
    Common {
        /// In a Secret, because one holds a password.
        secret: bool,
    },
    /// Files of phones.
    Phones {
        /// In a Secret, because they hold passwords.
        secret: bool,
        /// Which shard.
        index: u8,
    },
}

impl Slot {
    /// Whether it is a Secret.
    pub const fn secret(self) -> bool {
        match self {
            Slot::Common { secret } | Slot::Phones { secret, .. } => secret,
        }
    }

    /// Whether pods take this object's file if another one has a file of the same name: their volume names the objects in the order
    /// of [`Slot::all`], and the last counts.
    pub fn wins_over(self, other: Slot) -> bool {
        (self.secret(), self) > (other.secret(), other)
    }

    /// The end of the object's name.
    pub fn suffix(self) -> String {
        match self {
            Slot::Common { .. } => "common".to_owned(),
            Slot::Phones { index, .. } => format!("phones-{index:02}"),
        }
    }

    /// Reads what [`Slot::suffix`] wrote.
    pub fn parse(suffix: &str, secret: bool) -> Option<Slot> {
        match suffix.strip_prefix("phones-") {
            Some(index) => {
                let index = index.parse().ok().filter(|index| *index < MAX_SHARDS)?;
                Some(Slot::Phones { secret, index })
            }
            None => (suffix == "common").then_some(Slot::Common { secret }),
        }
    }

    /// All slots that a site can have.
    pub fn all() -> impl Iterator<Item = Slot> {
        [false, true].into_iter().flat_map(|secret| {
            let shards = (0..MAX_SHARDS).map(move |index| Slot::Phones { secret, index });
            std::iter::once(Slot::Common { secret }).chain(shards)
        })
    }
}

/// What an object should hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content(pub BTreeMap<String, Bytes>);

impl Content {
    /// Its digest.
    pub fn digest(&self) -> Digest {
        digest(self.0.iter().map(|(name, bytes)| (name.as_str(), Digest::of(bytes))))
    }
}

/// The digest of files, in the order of their names. It is made of names and the files' own digests, so that whoever knows
/// those need not read all files again because one has changed.
pub fn digest<'a>(files: impl Iterator<Item = (&'a str, Digest)>) -> Digest {
    let mut all = Sha256::new();
    for (name, file) in files {
        all.update((name.len() as u64).to_be_bytes());
        all.update(name.as_bytes());
        all.update(file.bytes());
    }
    Digest::of(&all.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_tells_names_and_bytes_apart() {
        let content = |files: &[(&str, &'static str)]| {
            let files = files.iter().map(|(name, text)| ((*name).to_owned(), Bytes::from_static(text.as_bytes())));
            Content(files.collect()).digest()
        };
        let one = content(&[("a", "1"), ("b", "2")]);
        assert_eq!(one, content(&[("b", "2"), ("a", "1")]));
        for other in [&[("a", "2"), ("b", "1")][..], &[("a", "1")], &[("a", "1"), ("c", "2")], &[("a", "1"), ("b", "")]]
        {
            assert_ne!(one, content(other), "{other:?}");
        }
    }

    #[test]
    fn a_later_object_of_a_volume_wins() {
        let all: Vec<Slot> = Slot::all().collect();
        for (n, slot) in all.iter().enumerate() {
            assert!(all[..n].iter().all(|earlier| slot.wins_over(*earlier)));
            assert!(all[n..].iter().all(|later| !slot.wins_over(*later)));
        }
    }

    #[test]
    fn names_come_back() {
        for slot in Slot::all() {
            assert_eq!(Slot::parse(&slot.suffix(), slot.secret()), Some(slot));
        }
        assert_eq!(Slot::parse("phones-64", false), None);
        assert_eq!(Slot::parse("token", true), None);
    }
}
