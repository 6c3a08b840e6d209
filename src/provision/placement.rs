//! Where the files of a site are: the common ones and each phone's own, in which ConfigMap or Secret.
//!
//! A file that has to move (its phone got a password) is written to its new object first, and leaves the old one once every pod
//! can be expected to hold it from there: there is no moment without it. Until then the old object has it as it was, or as it is
//! now if pods would take the old copy for the newer one. Right after a start a phone is where its file was found.

mod departures;
mod shards;
pub mod slot;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use self::departures::Departures;
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

/// A file that moved, and whose new place is written.
#[derive(Clone, Copy, Debug)]
pub struct Moved<'a> {
    /// As it is in its new place.
    pub file: &'a File,
    /// Whether a pod that holds it so has it from there for sure.
    pub shows: bool,
    /// Since when it is known to be written there.
    pub since: Timestamp,
}

/// The placement of a site's files.
#[derive(Debug, Default)]
pub struct Placement {
    common: Option<CommonFiles>,
    shards: Shards,
    /// Files that moved and are still where they were, too.
    departures: Departures,
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
    /// Serves other common files. Those that move to an object of the other kind stay where they were, too, for a while.
    pub fn set_common(&mut self, files: Option<CommonFiles>) {
        let before = std::mem::replace(&mut self.common, files);
        if let Some(now) = self.common.clone() {
            let before = before.as_ref().map(|common| (Slot::Common { secret: common.secret }, &common.files));
            self.moves(&now.files, Slot::Common { secret: now.secret }, before);
        }
        self.forget_departures(before.iter().flat_map(|common| common.files.iter()));
    }

    /// Files are in this place now; before they may have been in another one.
    fn moves(&mut self, files: &[File], to: Slot, before: Option<(Slot, &Arc<[File]>)>) {
        for file in files {
            let copies = self.recovered.get(&file.name).into_iter().flatten().filter(|(at, _)| *at != to);
            for (at, bytes) in copies {
                self.departures.keep_found(*at, File::new(&file.name, bytes.clone()));
            }
            match before.and_then(|(from, old)| Some((from, of_name(old, &file.name)?))) {
                Some((from, _)) if from == to => continue,
                Some((from, old)) => self.departures.keep(from, old),
                None => {}
            }
            self.departures.moves_to(to, &file.name);
        }
    }

    /// Some files are not what they were: those that are not any more leave at once. The objects that have to be written.
    fn forget_departures<'a>(&mut self, files: impl Iterator<Item = &'a File>) -> BTreeSet<Slot> {
        if self.departures.is_empty() {
            return BTreeSet::new();
        }
        let gone: BTreeSet<&str> =
            files.map(|file| file.name.as_str()).filter(|name| self.planned(name).is_none()).collect();
        self.departures.let_go(|_, file, _| gone.contains(file.name.as_str()))
    }

    /// Where a file should be, and as what.
    fn planned(&self, name: &str) -> Option<(Slot, &File)> {
        let common = self.common.as_ref();
        let common = common.and_then(|common| Some((Slot::Common { secret: common.secret }, common.get(name)?)));
        common.or_else(|| {
            let phone = self.by_file.get(name)?;
            let slot = *self.phones.get(phone)?;
            Some((slot, of_name(self.shards.of_phone(phone, slot)?, name)?))
        })
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
        let old = known.and_then(|slot| self.shards.of_phone(phone, slot)).cloned();
        let slot = self.shards.place(phone, from, secret, files).ok_or(SiteFull)?;
        let mut write = BTreeSet::new();
        if old.as_ref() != Some(files) || from != Some(slot) {
            write.insert(slot);
        }
        old.iter().flat_map(|old| old.iter()).for_each(|file| self.forget_name(&file.name, phone));
        self.by_file.extend(files.iter().map(|file| (file.name.clone(), phone.clone())));
        self.phones.insert(phone.clone(), slot);
        self.moves(files, slot, known.zip(old.as_ref()));
        write.extend(self.forget_departures(old.iter().flat_map(|old| old.iter())));
        if let Some((from, old)) = known.zip(old.as_ref()).filter(|(from, _)| *from != slot) {
            // What has no new place (its phone got another address, too) leaves at once; the rest, once pods hold it there.
            let stays = |file: &File| self.departures.of(from).any(|leaving| leaving.name == file.name);
            write.extend(old.iter().any(|file| !stays(file)).then_some(from));
        }
        if write.contains(&slot) {
            // Where a copy would win over the file, it has to be the same.
            let leaves = files.iter().flat_map(|file| self.departures.leaves(&file.name));
            write.extend(leaves.filter(|from| from.wins_over(slot)));
        }
        Ok(write)
    }

    /// Whether there is room for the files of a phone that has none here.
    pub fn has_room(&self, files: &[File], secret: bool) -> bool {
        self.shards.has_room(secret, files)
    }

    /// Takes a phone's files out; the objects that have to be written.
    pub fn remove(&mut self, phone: &Key) -> BTreeSet<Slot> {
        let Some(slot) = self.phones.remove(phone) else { return BTreeSet::new() };
        let old = self.shards.remove(phone, slot);
        old.iter().flat_map(|old| old.iter()).for_each(|file| self.forget_name(&file.name, phone));
        let mut write = self.forget_departures(old.iter().flat_map(|old| old.iter()));
        write.insert(slot);
        write
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
        // Pods that find a file in two objects take the one of the later: there it must not be older.
        let leaving = self.departures.of(slot).map(|file| match self.planned(&file.name) {
            Some((to, planned)) if slot.wins_over(to) => planned,
            _ => file,
        });
        let common = match slot {
            Slot::Common { secret } => self.common.as_ref().filter(|common| common.secret == secret),
            Slot::Phones { .. } => None,
        };
        let planned = common.into_iter().flat_map(|common| common.files.iter()).chain(self.shards.files(slot));
        // A file that is about to leave gives way to one that has come back.
        leaving.chain(planned).map(|file| (file.name.as_str(), (&file.bytes, file.digest))).collect()
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
    pub fn note_stored(&mut self, slot: Slot, digest: Option<Digest>, now: Timestamp) -> Noted {
        let wanted = digest_of(&self.files(slot));
        let news = self.shards.stored(slot) != digest;
        self.shards.note_stored(slot, digest);
        if digest == wanted {
            let mut departures = std::mem::take(&mut self.departures);
            departures.note_written(now, |name| self.planned(name).is_some_and(|(to, _)| to == slot));
            self.departures = departures;
        }
        Noted { news, write: (digest != wanted).then_some(slot).into_iter().collect() }
    }

    /// Lets go of files that moved, as far as each of them may leave the object that it was in; the objects that have to be written.
    pub fn let_go(&mut self, may_go: impl Fn(Moved<'_>) -> bool) -> BTreeSet<Slot> {
        let places = self.departures.names().filter_map(|name| self.planned(name)).map(|(to, _)| to);
        let places: BTreeSet<Slot> = places.collect();
        let is_written = |slot: &Slot| digest_of(&self.files(*slot)) == self.shards.stored(*slot);
        let written: BTreeSet<Slot> = places.into_iter().filter(is_written).collect();
        let mut departures = std::mem::take(&mut self.departures);
        let left = departures.let_go(|from, old, since| {
            let (Some((to, file)), Some(since)) = (self.planned(&old.name), since) else { return false };
            let shows = to.wins_over(from) && old.digest != file.digest;
            written.contains(&to) && may_go(Moved { file, shows, since })
        });
        self.departures = departures;
        left
    }

    /// Whether every file is in one object.
    pub fn is_settled(&self) -> bool {
        self.departures.is_empty()
    }

    /// What an object holds in the cluster, as far as is known.
    pub fn stored(&self, slot: Slot) -> Option<Digest> {
        self.shards.stored(slot)
    }

    /// The objects that exist or should.
    pub fn slots(&self) -> BTreeSet<Slot> {
        self.shards.slots().into_iter().chain(self.departures.slots()).collect()
    }

    /// The objects that exist, as far as is known.
    pub fn existing(&self) -> impl Iterator<Item = Slot> {
        self.shards.existing()
    }

    /// Notes what an object held when the operator started.
    pub fn recover(&mut self, slot: Slot, content: Content) {
        self.shards.note_stored(slot, Some(content.digest()));
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

fn of_name<'a>(files: &'a [File], name: &str) -> Option<&'a File> {
    files.iter().find(|file| file.name == name)
}

fn content_of(files: Files<'_>) -> Content {
    Content(files.into_iter().map(|(name, (bytes, _))| (name.to_owned(), bytes.clone())).collect())
}

#[cfg(test)]
mod tests;
