//! Where the files of a site are: the common ones and each phone's own, in which ConfigMap or Secret.
//!
//! A phone that has to move (it got a password) is written to its new shard first and leaves the old one only then: there is
//! no moment without its file. Right after a start a phone is where its file was found.

mod shards;
pub mod slot;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;

use self::shards::Shards;
use crate::base::digest::Digest;
use crate::provision::render::plan::CommonFiles;
use crate::provision::{File, Key};
use slot::{Content, Slot};

/// There is no room left for a phone's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiteFull;

/// What follows from a note of what an object holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Noted {
    /// Whether it held something else before, as far as was known.
    pub news: bool,
    /// The objects that have to be written.
    pub write: BTreeSet<Slot>,
}

/// The placement of a site's files.
#[derive(Debug, Default)]
pub struct Placement {
    common: Option<CommonFiles>,
    shards: Shards,
    phones: HashMap<Key, Slot>,
    /// Whose each file is.
    by_file: HashMap<String, Key>,
    /// What the objects held when the operator started, until each phone was rendered.
    recovered: HashMap<String, Vec<(Slot, Bytes)>>,
}

/// The files of an object, in the order of their names.
type Files<'a> = BTreeMap<&'a str, (&'a Bytes, Digest)>;

/// `None`, if the object should not be there.
fn digest_of(files: &Files<'_>) -> Option<Digest> {
    (!files.is_empty()).then(|| slot::digest(files.iter().map(|(name, (_, digest))| (*name, *digest))))
}

impl Placement {
    /// Serves other common files. Those that move to an object of the other kind stay where they were until they are written.
    pub fn set_common(&mut self, files: Option<CommonFiles>) {
        let before = self.recovering_common(files.as_ref()).or_else(|| self.common.take());
        if let (Some(before), Some(now)) = (before, &files)
            && before.secret != now.secret
        {
            let (from, to) = (Slot::Common { secret: before.secret }, Slot::Common { secret: now.secret });
            before.files.iter().for_each(|file| self.shards.leave_behind(from, file, to));
        }
        self.common = files;
    }

    /// Common files that are still in the object of the other kind when the operator starts.
    fn recovering_common(&self, now: Option<&CommonFiles>) -> Option<CommonFiles> {
        let now = now?;
        let held = |secret: bool| self.recovered_in(Slot::Common { secret });
        if held(now.secret).next().is_some() {
            return None;
        }
        let files: Vec<File> = held(!now.secret).collect();
        (!files.is_empty()).then(|| CommonFiles { files: files.into(), secret: !now.secret })
    }

    fn recovered_in(&self, slot: Slot) -> impl Iterator<Item = File> {
        let copies = self.recovered.iter().flat_map(|(name, copies)| copies.iter().map(move |copy| (name, copy)));
        copies.filter(move |(_, (at, _))| *at == slot).map(|(name, (_, bytes))| File::new(name, bytes.clone()))
    }

    /// Puts a phone's files, of which the first is its own, into a shard; the objects that have to be written.
    pub fn put(&mut self, phone: &Key, files: &Arc<[File]>, secret: bool) -> Result<BTreeSet<Slot>, SiteFull> {
        let recovered = files.first().and_then(|file| self.recovered.get(&file.name)).cloned().unwrap_or_default();
        // Best where it belongs, otherwise it moves from there.
        let found = recovered.iter().find(|(slot, _)| slot.secret() == secret).or_else(|| recovered.first());
        let found = found.map(|(slot, _)| *slot).filter(|slot| matches!(slot, Slot::Phones { .. }));
        let known = self.phones.get(phone).copied();
        let from = known.or(found);
        let old = known.and_then(|slot| self.shards.of_phone(phone, slot));
        let slot = self.shards.place(phone, from, secret, files).ok_or(SiteFull)?;
        let mut write = BTreeSet::new();
        if let Some(from) = from.filter(|from| *from != slot) {
            match &old {
                Some(old) => old.iter().for_each(|file| self.shards.leave_behind(from, file, slot)),
                None => {
                    let copy = recovered.iter().find(|(at, _)| *at == from);
                    for (file, (_, bytes)) in files.first().into_iter().zip(copy) {
                        self.shards.leave_behind(from, &File::new(&file.name, bytes.clone()), slot);
                    }
                }
            }
            write.insert(from);
        }
        if old.as_ref() != Some(files) || from != Some(slot) {
            write.insert(slot);
        }
        old.iter().flat_map(|old| old.iter()).for_each(|file| self.forget_name(&file.name, phone));
        self.by_file.extend(files.iter().map(|file| (file.name.clone(), phone.clone())));
        self.phones.insert(phone.clone(), slot);
        Ok(write)
    }

    /// Takes a phone's files out; the object that has to be written.
    pub fn remove(&mut self, phone: &Key) -> Option<Slot> {
        let slot = self.phones.remove(phone)?;
        let old = self.shards.of_phone(phone, slot);
        self.shards.remove(phone, slot);
        old.iter().flat_map(|old| old.iter()).for_each(|file| self.forget_name(&file.name, phone));
        Some(slot)
    }

    fn forget_name(&mut self, name: &str, phone: &Key) {
        // Another phone may have the name by now.
        if self.by_file.get(name) == Some(phone) {
            self.by_file.remove(name);
        }
    }

    /// The object that a phone's files are in.
    pub fn slot_of(&self, phone: &Key) -> Option<Slot> {
        self.phones.get(phone).copied()
    }

    /// The phone whose file this is.
    pub fn phone_of(&self, file: &str) -> Option<&Key> {
        self.by_file.get(file)
    }

    /// Whether a file of this name was rendered.
    pub fn has(&self, file: &str) -> bool {
        self.by_file.contains_key(file) || self.common.as_ref().is_some_and(|common| common.get(file).is_some())
    }

    /// How many files were rendered.
    pub fn count(&self) -> usize {
        self.by_file.len() + self.common.as_ref().map_or(0, |common| common.files.len())
    }

    fn files(&self, slot: Slot) -> Files<'_> {
        let leaving = self.shards.leaving(slot).map(|(name, bytes)| (name.as_str(), (bytes, Digest::of(bytes))));
        let common = match slot {
            Slot::Common { secret } => self.common.as_ref().filter(|common| common.secret == secret),
            Slot::Phones { .. } => None,
        };
        let planned = common.into_iter().flat_map(|common| common.files.iter()).chain(self.shards.files(slot));
        // A file that is about to leave gives way to one that has come back.
        leaving.chain(planned.map(|file| (file.name.as_str(), (&file.bytes, file.digest)))).collect()
    }

    /// What an object should hold; nothing if it should not be there.
    pub fn content(&self, slot: Slot) -> Content {
        content_of(self.files(slot))
    }

    /// What an object should hold, with its digest, if that is not what it holds already.
    pub fn unwritten(&self, slot: Slot) -> (Option<Digest>, Option<Content>) {
        let files = self.files(slot);
        let wanted = digest_of(&files);
        (wanted, (wanted != self.shards.stored(slot)).then(|| content_of(files)))
    }

    /// Notes what an object holds in the cluster: after a write, or because it was changed from outside.
    pub fn note_stored(&mut self, slot: Slot, digest: Option<Digest>) -> Noted {
        let wanted = digest_of(&self.files(slot));
        let news = self.shards.stored(slot) != digest;
        let mut write: BTreeSet<Slot> = self.shards.note_stored(slot, digest, wanted).into_iter().collect();
        if digest != wanted {
            write.insert(slot);
        }
        Noted { news, write }
    }

    /// What an object holds in the cluster, as far as is known.
    pub fn stored(&self, slot: Slot) -> Option<Digest> {
        self.shards.stored(slot)
    }

    /// The objects that exist or should.
    pub fn slots(&self) -> BTreeSet<Slot> {
        self.shards.slots()
    }

    /// The objects that exist, as far as is known.
    pub fn existing(&self) -> impl Iterator<Item = Slot> {
        self.shards.existing()
    }

    /// Notes what an object held when the operator started.
    pub fn recover(&mut self, slot: Slot, content: Content) {
        self.shards.note_stored(slot, Some(content.digest()), None);
        for (name, bytes) in content.0 {
            self.recovered.entry(name).or_default().push((slot, bytes));
        }
    }

    /// What a file held when the operator started; nothing once the recovery is finished.
    pub fn recovered(&self, file: &str) -> Option<(Slot, &Bytes)> {
        self.recovered.get(file)?.first().map(|(slot, bytes)| (*slot, bytes))
    }

    /// The common files as they were found when the operator started.
    pub fn recovered_common(&self) -> Option<CommonFiles> {
        let mut secret = false;
        let mut files = Vec::new();
        for slot in [false, true].map(|secret| Slot::Common { secret }) {
            for file in self.recovered_in(slot) {
                secret |= slot.secret();
                files.push(file);
            }
        }
        files.sort_by(|a, b| a.name.cmp(&b.name));
        files.dedup_by(|a, b| a.name == b.name);
        (!files.is_empty()).then(|| CommonFiles { files: files.into(), secret })
    }

    /// Every phone was rendered once: what was found at the start is let go.
    pub fn finish_recovery(&mut self) {
        self.recovered = HashMap::new();
    }
}

fn content_of(files: Files<'_>) -> Content {
    Content(files.into_iter().map(|(name, (bytes, _))| (name.to_owned(), bytes.clone())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn phone(n: u8) -> Key {
        Key::new("ns", format!("p{n}"))
    }

    fn files(n: u8, text: u8) -> Arc<[File]> {
        Arc::new([File::new(format!("SIP{n}.cnf"), vec![text])])
    }

    fn common(text: u8, secret: bool) -> CommonFiles {
        CommonFiles { files: Arc::new([File::new("SIPDefault.cnf", vec![text])]), secret }
    }

    #[test]
    fn a_phone_is_found_where_its_file_was_when_the_operator_started() {
        let mut placement = Placement::default();
        let slot = Slot::Phones { secret: false, index: 3 };
        placement.recover(slot, Content([("SIP1.cnf".to_owned(), Bytes::from_static(&[7]))].into()));
        assert_eq!(placement.put(&phone(1), &files(1, 7), false), Ok(BTreeSet::from([slot])));
        assert_eq!(placement.unwritten(slot).1, None, "it holds what it should");
        placement.finish_recovery();
        assert_eq!(placement.put(&phone(1), &files(1, 7), false), Ok(BTreeSet::new()), "nothing changed");
    }

    #[test]
    fn a_name_belongs_to_the_phone_that_took_it_last() {
        let mut placement = Placement::default();
        placement.put(&phone(1), &files(1, 1), false).unwrap();
        placement.put(&phone(2), &files(1, 2), false).unwrap();
        placement.remove(&phone(1));
        assert_eq!(placement.phone_of("SIP1.cnf"), Some(&phone(2)));
        assert!(placement.has("SIP1.cnf") && placement.count() == 1);
    }

    /// What all objects hold in the cluster, as a shell writes them one by one; `check` looks after each write.
    fn write_all(
        placement: &mut Placement,
        cluster: &mut BTreeMap<Slot, Content>,
        mut check: impl FnMut(&BTreeMap<Slot, Content>),
    ) {
        for _ in 0..100 {
            let due: Vec<Slot> = Slot::all().filter(|slot| placement.unwritten(*slot).1.is_some()).collect();
            let Some(slot) = due.last().copied() else { return };
            let (digest, content) = placement.unwritten(slot);
            match (digest, content) {
                (Some(_), Some(content)) => drop(cluster.insert(slot, content)),
                _ => drop(cluster.remove(&slot)),
            }
            placement.note_stored(slot, digest);
            check(cluster);
        }
        panic!("writes do not come to an end");
    }

    fn held(cluster: &BTreeMap<Slot, Content>, name: &str) -> Vec<u8> {
        cluster.values().filter_map(|content| content.0.get(name)).filter_map(|bytes| bytes.first().copied()).collect()
    }

    proptest! {
        /// However phones and common files move between ConfigMaps and Secrets, a file that was there once is there after every
        /// single write, in its old or its new form, and in the end exactly once.
        #[test]
        fn no_file_is_missing_at_any_time(steps in proptest::collection::vec((0u8..4, 0u8..3, any::<bool>()), 1..20)) {
            let (mut placement, mut cluster) = (Placement::default(), BTreeMap::new());
            let mut wanted: BTreeMap<String, u8> = BTreeMap::new();
            for (n, text, secret) in steps {
                let name = if n == 0 {
                    placement.set_common(Some(common(text, secret)));
                    "SIPDefault.cnf".to_owned()
                } else {
                    placement.put(&phone(n), &files(n, text), secret).unwrap();
                    format!("SIP{n}.cnf")
                };
                let before = wanted.clone();
                wanted.insert(name, text);
                write_all(&mut placement, &mut cluster, |cluster| {
                    for (name, old) in &before {
                        let held = held(cluster, name);
                        assert!(!held.is_empty(), "{name} is missing");
                        assert!(held.iter().all(|text| text == old || *text == wanted[name]), "{name} holds {held:?}");
                    }
                });
                for (name, text) in &wanted {
                    prop_assert_eq!(held(&cluster, name), [*text]);
                }
            }
        }
    }
}
