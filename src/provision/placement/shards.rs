//! The shards of a site: which object each phone's files are in, and what each object holds in the cluster.
//!
//! A file stays where it is: an edit rewrites one shard, and growing does not move anybody. A pod's volume names all shards
//! from the start, so that a new one rolls no pod.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::base::digest::Digest;
use crate::provision::placement::slot::{MAX_SHARDS, Slot};
use crate::provision::{File, Key};

/// A shard takes no new phone beyond this, while another has room: about forty phones. Small shards make small writes.
const ROOMY: usize = 64 * 1024;
/// A shard takes no new phone beyond this. The API server's limit is 1 MiB.
const FULL: usize = 800 * 1024;

/// One shard.
#[derive(Debug, Default)]
struct Shard {
    /// The phones in it, and their files.
    phones: BTreeMap<Key, Arc<[File]>>,
    used: usize,
}

/// All shards of a site.
#[derive(Debug, Default)]
pub struct Shards {
    shards: BTreeMap<Slot, Shard>,
    /// What each object holds in the cluster, as far as is known.
    stored: BTreeMap<Slot, Digest>,
}

/// How much room files take: they may have to be written as Base64.
fn room(files: &[File]) -> usize {
    files.iter().map(|file| file.name.len() + file.bytes.len() * 4 / 3 + 8).sum()
}

impl Shards {
    /// Finds room for a phone's files: where they are, if they can stay there. `None` if the site is full; then they stay where
    /// they were.
    pub fn place(&mut self, phone: &Key, now: Option<Slot>, secret: bool, files: &Arc<[File]>) -> Option<Slot> {
        let size = room(files);
        if let Some(slot) = now.filter(|slot| slot.secret() == secret) {
            let shard = self.shards.entry(slot).or_default();
            let without = shard.used - shard.phones.get(phone).map_or(0, |files| room(files));
            if without + size <= FULL {
                shard.used = without + size;
                shard.phones.insert(phone.clone(), files.clone());
                return Some(slot);
            }
        }
        let slot = self.with_room(secret, size)?;
        if let Some(before) = now {
            self.remove(phone, before);
        }
        let shard = self.shards.entry(slot).or_default();
        shard.used += size;
        shard.phones.insert(phone.clone(), files.clone());
        Some(slot)
    }

    /// The shard that takes so much more.
    fn with_room(&self, secret: bool, size: usize) -> Option<Slot> {
        let used = |slot: Slot| self.shards.get(&slot).map_or(0, |shard| shard.used);
        let slots = || (0..MAX_SHARDS).map(|index| Slot::Phones { secret, index });
        let roomy = slots().find(|slot| used(*slot) + size <= ROOMY);
        roomy.or_else(|| slots().min_by_key(|slot| used(*slot)).filter(|slot| used(*slot) + size <= FULL))
    }

    /// Whether there is room for one more phone's files.
    pub fn has_room(&self, secret: bool, files: &[File]) -> bool {
        self.with_room(secret, room(files)).is_some()
    }

    /// Takes a phone out; its files.
    pub fn remove(&mut self, phone: &Key, slot: Slot) -> Option<Arc<[File]>> {
        let shard = self.shards.get_mut(&slot)?;
        let files = shard.phones.remove(phone)?;
        shard.used -= room(&files);
        Some(files)
    }

    /// The files of a phone in a shard.
    pub fn of_phone(&self, phone: &Key, slot: Slot) -> Option<&Arc<[File]>> {
        self.shards.get(&slot)?.phones.get(phone)
    }

    /// The files of the phones in a shard.
    pub fn files(&self, slot: Slot) -> impl Iterator<Item = &File> {
        self.shards.get(&slot).into_iter().flat_map(|shard| shard.phones.values()).flat_map(|files| files.iter())
    }

    /// Notes what an object holds now.
    pub fn note_stored(&mut self, slot: Slot, digest: Option<Digest>) {
        match digest {
            Some(digest) => self.stored.insert(slot, digest),
            None => self.stored.remove(&slot),
        };
    }

    /// What an object holds, as far as is known.
    pub fn stored(&self, slot: Slot) -> Option<Digest> {
        self.stored.get(&slot).copied()
    }

    /// The objects that exist or should.
    pub fn slots(&self) -> BTreeSet<Slot> {
        self.shards.keys().chain(self.stored.keys()).copied().collect()
    }

    /// The objects that exist, as far as is known.
    pub fn existing(&self) -> impl Iterator<Item = Slot> {
        self.stored.keys().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phone(n: usize) -> Key {
        Key::new("ns", format!("p{n}"))
    }

    /// A file that takes so much room.
    fn files(size: usize) -> Arc<[File]> {
        let files = [File::new("SIP.cnf", vec![0; (size - 15).div_ceil(4) * 3])];
        assert!(room(&files).abs_diff(size) < 4);
        Arc::new(files)
    }

    #[test]
    fn phones_stay_where_they_are_and_shards_grow_one_by_one() {
        let mut shards = Shards::default();
        let slots: Vec<Slot> = (0..1000).map(|n| shards.place(&phone(n), None, false, &files(1024)).unwrap()).collect();
        assert_eq!(slots[0], Slot::Phones { secret: false, index: 0 });
        assert_eq!(slots[64], Slot::Phones { secret: false, index: 1 });
        for (n, slot) in slots.iter().enumerate() {
            assert_eq!(shards.place(&phone(n), Some(*slot), false, &files(1100)), Some(*slot));
        }
        assert_eq!(
            shards.place(&phone(0), Some(slots[0]), true, &files(1024)),
            Some(Slot::Phones { secret: true, index: 0 })
        );
    }

    #[test]
    fn a_full_site_says_so() {
        let mut shards = Shards::default();
        let most = FULL / 10_000 * usize::from(MAX_SHARDS);
        for n in 0..most {
            assert!(shards.place(&phone(n), None, false, &files(10_000)).is_some(), "{n} of {most}");
        }
        assert!(!shards.has_room(false, &files(10_000)) && shards.has_room(true, &files(10_000)));
        assert_eq!(shards.place(&phone(most), None, false, &files(10_000)), None);
    }
}
