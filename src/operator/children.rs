//! The observed children: sites' objects as they are in the cluster.

mod observed;

use std::collections::{BTreeSet, HashMap};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::claim::{Claim, owner_uid};
use super::kind::Kind;
use super::leaf::Leaf;
use super::token_secret::TokenSecret;
use super::trimmed::version as version_of;
use crate::base::digest::Digest;
use crate::provision::{Key, Slot};
use observed::without_fields;

pub(super) use observed::Observed;

/// Sites' owned objects as they were observed last, by a watch or as the answer to a write; of those with files the metadata and a
/// digest.
#[derive(Default)]
pub(super) struct ObservedChildren(Leaf<State>);

#[derive(Default)]
struct State {
    children: HashMap<(Kind, Key), Child>,
    /// Which children each site has.
    by_site: HashMap<Key, BTreeSet<(Kind, Key)>>,
    files: HashMap<(Key, Slot), Files>,
    /// To which site each object belonged when it was seen first: its UID, and the site's.
    owners: HashMap<(Kind, Key), (String, String)>,
    /// The token Secret of each site.
    tokens: HashMap<Key, Token>,
    /// What was written of each child.
    writes: HashMap<(Kind, Key), Write>,
}

#[derive(Debug)]
struct Child {
    site: Key,
    object: Value,
}

/// A site's token Secret.
#[derive(Default)]
struct Token {
    found: Option<TokenSecret>,
    /// Its newest version that is gone.
    gone: u64,
}

/// What was written of a child.
#[derive(Default)]
struct Write {
    /// What was applied last.
    wish: String,
    /// What the API server made of it.
    answer: Vec<u8>,
    /// The newest version that was deleted. A watch may tell of that before the answer comes to the write that made it.
    gone: u64,
}

/// What is known of an object with files.
#[derive(Debug, Default)]
struct Files {
    /// The newest version that was heard of.
    newest: u64,
    observed: Option<Observed>,
    /// The digest of what was written last.
    wrote: Option<Digest>,
}

impl ObservedChildren {
    /// Notes a child of a site; whether it is newer than what was known. A watch lags behind the operator's own writes.
    pub(super) fn note(&self, site: &Key, kind: Kind, key: &Key, mut object: Value) -> bool {
        if let Some(Value::Array(managers)) = object["metadata"].get_mut("managedFields") {
            managers.retain(|entry| entry["manager"] == super::names::MANAGER);
            managers.iter_mut().filter_map(Value::as_object_mut).for_each(|entry| drop(entry.remove("fieldsV1")));
        }
        let mut state = self.0.lock();
        let known = state.children.get(&(kind, key.clone())).map_or(0, |child| version(&child.object));
        if version(&object) <= known {
            return false;
        }
        state.remember_owner(kind, key, &metadata(&object), false);
        state.forget(kind, key);
        let child = Child { site: site.clone(), object };
        state.children.insert((kind, key.clone()), child);
        state.by_site.entry(site.clone()).or_default().insert((kind, key.clone()));
        true
    }

    /// A child is about to be applied.
    pub(super) fn begin(&self, kind: Kind, key: &Key) {
        self.0.lock().writes.entry((kind, key.clone())).or_default().gone = 0;
    }

    /// Notes what the API server made of a child that was applied.
    pub(super) fn note_answer(&self, site: &Key, kind: Kind, key: &Key, wish: &str, object: Value) {
        let mut state = self.0.lock();
        state.remember_owner(kind, key, &metadata(&object), true);
        let write = state.writes.entry((kind, key.clone())).or_default();
        (write.wish, write.answer) = (wish.to_owned(), fingerprint(&object));
        let is_gone = version(&object) <= write.gone;
        drop(state);
        // The watch will report the same a moment later; until then no other reconcile should write it again.
        if !is_gone {
            self.note(site, kind, key, object);
        }
    }

    /// Whether this was applied last, and whether a child still is what the API server made of it then.
    pub(super) fn answered(&self, kind: Kind, key: &Key, wish: &str) -> (bool, bool) {
        let state = self.0.lock();
        let id = (kind, key.clone());
        let Some(write) = state.writes.get(&id).filter(|write| write.wish == wish) else { return (false, false) };
        (true, state.children.get(&id).is_some_and(|child| fingerprint(&child.object) == write.answer))
    }

    /// Whose an object is.
    pub(super) fn claim(&self, kind: Kind, key: &Key, meta: &ObjectMeta, site: &Key, site_uid: &str) -> Claim {
        let state = self.0.lock();
        let owner = state.owners.get(&(kind, key.clone()));
        let owner = owner.filter(|(uid, _)| meta.uid.as_ref() == Some(uid)).map(|(_, owner)| owner.as_str());
        Claim::of(meta, owner, site, site_uid)
    }

    /// A child as it was observed last.
    pub(super) fn get(&self, kind: Kind, key: &Key) -> Option<Value> {
        self.0.lock().children.get(&(kind, key.clone())).map(|child| child.object.clone())
    }

    /// The metadata of all children of a site.
    pub(super) fn of_site(&self, site: &Key) -> Vec<(Kind, Key, Value)> {
        let state = self.0.lock();
        let of_site = state.by_site.get(site).into_iter().flatten();
        let found = of_site.filter_map(|id| Some((id, state.children.get(id)?)));
        found.map(|((kind, key), child)| (*kind, key.clone(), child.object["metadata"].clone())).collect()
    }

    /// A child was deleted: its last version, `u64::MAX` if it was missing from a list.
    pub(super) fn forget(&self, kind: Kind, key: &Key, version: u64) {
        let mut state = self.0.lock();
        if let Some(write) = state.writes.get_mut(&(kind, key.clone())) {
            write.gone = write.gone.max(version);
        }
        state.forget(kind, key);
    }

    /// Notes an object with files; whether it is at least as new as what was known.
    pub(super) fn note_files(&self, site: &Key, slot: Slot, observed: Observed) -> bool {
        let mut state = self.0.lock();
        let observed = Observed { meta: without_fields(observed.meta), ..observed };
        let known = state.files.entry((site.clone(), slot)).or_default();
        let version = observed.version();
        if version < known.newest {
            return false;
        }
        known.newest = version;
        let is_same = |before: &Observed| before.version() == version && before.digest == observed.digest;
        let untouched = known.observed.as_ref().is_some_and(|before| before.untouched && is_same(before));
        let meta = observed.meta.clone();
        known.observed = Some(Observed { untouched, ..observed });
        let (kind, key) = super::names::place(site, slot);
        state.remember_owner(kind, &key, &meta, false);
        true
    }

    /// Notes that an object with files was written; the digest of what it holds: a watch may have shown that it holds more.
    pub(super) fn note_written_files(
        &self,
        site: &Key,
        slot: Slot,
        meta: ObjectMeta,
        digest: Digest,
    ) -> Option<Digest> {
        let mut state = self.0.lock();
        let (kind, key) = super::names::place(site, slot);
        state.remember_owner(kind, &key, &meta, true);
        let known = state.files.entry((site.clone(), slot)).or_default();
        known.wrote = Some(digest);
        if known.observed.is_none() && version_of(&meta) <= known.newest {
            // It was deleted again before the answer came.
            return None;
        }
        let written = Observed { meta, digest: Some(digest), fixed: false, untouched: true };
        match &mut known.observed {
            Some(seen) if seen.version() > written.version() && seen.digest.is_some() => seen.digest,
            Some(seen) if seen.version() == written.version() && seen.digest.is_some_and(|seen| seen != digest) => {
                seen.digest
            }
            _ => {
                known.newest = known.newest.max(written.version());
                known.observed = Some(written);
                Some(digest)
            }
        }
    }

    /// Notes that an object with files is gone: its last version, `u64::MAX` if it was missing from a list; whether that is news.
    pub(super) fn note_gone_files(&self, site: &Key, slot: Slot, version: u64) -> bool {
        let mut state = self.0.lock();
        let known = state.files.entry((site.clone(), slot)).or_default();
        if version <= known.newest {
            return false;
        }
        // An object that was missing from a list is gone; its next version is whatever it is.
        known.newest = if version == u64::MAX { 0 } else { version };
        known.observed = None;
        true
    }

    /// Which objects there are that have the names of a site's objects with files, whosever they are.
    pub(super) fn slots_of(&self, site: &Key) -> Vec<Slot> {
        let state = self.0.lock();
        let there = state.files.iter().filter(|((of, _), files)| of == site && files.observed.is_some());
        there.map(|((_, slot), _)| *slot).collect()
    }

    /// An object with files as it was observed last.
    pub(super) fn files(&self, site: &Key, slot: Slot) -> Option<Observed> {
        self.0.lock().files.get(&(site.clone(), slot))?.observed.clone()
    }

    /// Whether an object with files was written like this before, and somebody else has changed or deleted it since.
    pub(super) fn is_contested(&self, site: &Key, slot: Slot, digest: Digest) -> bool {
        let state = self.0.lock();
        let known = state.files.get(&(site.clone(), slot)).filter(|files| files.wrote == Some(digest));
        known.is_some_and(|files| files.observed.as_ref().is_none_or(|observed| !observed.untouched))
    }

    /// Notes a site's token Secret; whether it is newer than what was known.
    pub(super) fn note_token(&self, site: &Key, secret: TokenSecret) -> bool {
        let mut state = self.0.lock();
        let known = state.tokens.get(site);
        let newest = known.map_or(0, |known| known.found.as_ref().map_or(known.gone, |found| version_of(&found.meta)));
        if version_of(&secret.meta) <= newest {
            return false;
        }
        let key = site.sibling(super::names::token(&site.name));
        state.remember_owner(Kind::Secret, &key, &secret.meta, false);
        state.tokens.insert(site.clone(), Token { found: Some(secret), gone: 0 });
        true
    }

    /// A site's token Secret is gone, or has not its labels any more: its last version, `u64::MAX` if it was missing from a list.
    pub(super) fn forget_token(&self, site: &Key, version: u64) {
        if let Some(token) = self.0.lock().tokens.get_mut(site) {
            // The next version of one that was missing from a list is whatever it is.
            *token = Token { found: None, gone: if version == u64::MAX { 0 } else { version } };
        }
    }

    /// A site's token Secret as it was observed last.
    pub(super) fn token(&self, site: &Key) -> Option<TokenSecret> {
        self.0.lock().tokens.get(site)?.found.clone()
    }

    /// A site is gone: nothing that belonged to it is the next one's of its name.
    pub(super) fn forget_site(&self, site: &Key, uid: Option<&str>) {
        let mut state = self.0.lock();
        state.owners.retain(|_, (_, owner)| Some(owner.as_str()) != uid);
        let workload = site.sibling(super::names::workload(&site.name));
        state.writes.retain(|(_, key), _| *key != workload);
        state.forget_what_is_gone(site);
    }

    /// An object is gone whose site is not there: nothing stays of names that anybody may write into a label.
    pub(super) fn forget_of_no_site(&self, site: &Key, kind: Kind, key: &Key) {
        let mut state = self.0.lock();
        let id = (kind, key.clone());
        state.owners.remove(&id);
        state.writes.remove(&id);
        state.forget_what_is_gone(site);
    }

    /// Of how many objects the owner is remembered.
    #[cfg(test)]
    pub(super) fn owners(&self) -> usize {
        self.0.lock().owners.len()
    }

    /// Remembers to which site an object belongs that the operator made, or that says so.
    pub(super) fn remember_owner(&self, kind: Kind, key: &Key, meta: &ObjectMeta, made: bool) {
        self.0.lock().remember_owner(kind, key, meta, made);
    }
}

impl State {
    fn remember_owner(&mut self, kind: Kind, key: &Key, meta: &ObjectMeta, made: bool) {
        let (Some(uid), Some(owner)) = (&meta.uid, owner_uid(meta)) else { return };
        let known = self.owners.entry((kind, key.clone()));
        let new = || (uid.clone(), owner.to_owned());
        let known = known.or_insert_with(new);
        if made || known.0 != *uid {
            *known = new();
        }
    }

    /// Nothing stays of a site's Secret and files that are gone.
    fn forget_what_is_gone(&mut self, site: &Key) {
        self.tokens.retain(|of, token| of != site || token.found.is_some());
        self.files.retain(|(of, _), files| of != site || files.observed.is_some());
    }

    fn forget(&mut self, kind: Kind, key: &Key) {
        let id = (kind, key.clone());
        let Some(child) = self.children.remove(&id) else { return };
        if let Some(children) = self.by_site.get_mut(&child.site) {
            children.remove(&id);
            if children.is_empty() {
                self.by_site.remove(&child.site);
            }
        }
    }
}

fn metadata(object: &Value) -> ObjectMeta {
    serde_json::from_value(object["metadata"].clone()).unwrap_or_default()
}

/// A digest of all that somebody may have changed of an object: controllers write statuses and revisions.
pub(super) fn fingerprint(object: &Value) -> Vec<u8> {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    for field in ["resourceVersion", "generation", "managedFields"] {
        object["metadata"][field] = json!(null);
    }
    object["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = json!(null);
    Sha256::digest(object.to_string().as_bytes()).to_vec()
}

fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().and_then(|version| version.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests;
