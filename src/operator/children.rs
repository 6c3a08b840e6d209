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
    tokens: HashMap<Key, TokenSecret>,
    /// What was applied last of each child, and what the API server made of it.
    answers: HashMap<(Kind, Key), (String, Vec<u8>)>,
}

#[derive(Debug)]
struct Child {
    site: Key,
    object: Value,
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

    /// Notes what the API server made of a child that was applied.
    pub(super) fn note_answer(&self, site: &Key, kind: Kind, key: &Key, wish: &str, object: Value) {
        let mut state = self.0.lock();
        state.remember_owner(kind, key, &metadata(&object), true);
        state.answers.insert((kind, key.clone()), (wish.to_owned(), fingerprint(&object)));
        drop(state);
        // The watch will report the same a moment later; until then no other reconcile should write it again.
        self.note(site, kind, key, object);
    }

    /// Whether this was applied last, and whether a child still is what the API server made of it then.
    pub(super) fn answered(&self, kind: Kind, key: &Key, wish: &str) -> (bool, bool) {
        let state = self.0.lock();
        let id = (kind, key.clone());
        let Some((_, answer)) = state.answers.get(&id).filter(|(applied, _)| applied == wish) else {
            return (false, false);
        };
        (true, state.children.get(&id).is_some_and(|child| fingerprint(&child.object) == *answer))
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

    /// A child was deleted.
    pub(super) fn forget(&self, kind: Kind, key: &Key) {
        self.0.lock().forget(kind, key);
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

    /// Whether an object with files was written like this before, and somebody else has changed it since.
    pub(super) fn is_contested(&self, site: &Key, slot: Slot, digest: Digest) -> bool {
        let state = self.0.lock();
        let known = state.files.get(&(site.clone(), slot)).filter(|files| files.wrote == Some(digest));
        known.and_then(|files| files.observed.as_ref()).is_some_and(|observed| !observed.untouched)
    }

    /// Notes a site's token Secret; whether it is newer than what was known.
    pub(super) fn note_token(&self, site: &Key, secret: TokenSecret) -> bool {
        let mut state = self.0.lock();
        let known = state.tokens.get(site).map_or(0, |known| version_of(&known.meta));
        if version_of(&secret.meta) <= known {
            return false;
        }
        let key = site.sibling(super::names::token(&site.name));
        state.remember_owner(Kind::Secret, &key, &secret.meta, false);
        state.tokens.insert(site.clone(), secret);
        true
    }

    /// A site's token Secret is gone, or has not its labels any more.
    pub(super) fn forget_token(&self, site: &Key) {
        self.0.lock().tokens.remove(site);
    }

    /// A site's token Secret as it was observed last.
    pub(super) fn token(&self, site: &Key) -> Option<TokenSecret> {
        self.0.lock().tokens.get(site).cloned()
    }

    /// A site is gone: nothing that belonged to it is the next one's of its name.
    pub(super) fn forget_site(&self, site: &Key, uid: Option<&str>) {
        let mut state = self.0.lock();
        state.owners.retain(|_, (_, owner)| Some(owner.as_str()) != uid);
        let workload = site.sibling(super::names::workload(&site.name));
        state.answers.retain(|(_, key), _| *key != workload);
        state.files.retain(|(of, _), files| of != site || files.observed.is_some());
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
fn fingerprint(object: &Value) -> Vec<u8> {
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
mod tests {
    use super::*;
    use serde_json::json;

    fn object(version: u64) -> Value {
        json!({"metadata": {"resourceVersion": version.to_string()}})
    }

    #[test]
    fn an_older_version_does_not_replace_a_newer_one() {
        let (children, site, key) = (ObservedChildren::default(), Key::new("ns", "hq"), Key::new("ns", "dialtone-hq"));
        assert!(children.note(&site, Kind::Service, &key, object(7)));
        assert!(!children.note(&site, Kind::Service, &key, object(6)));
        assert!(!children.note(&site, Kind::Service, &key, object(7)));
        assert_eq!(children.get(Kind::Service, &key), Some(object(7)));
        assert_eq!(children.get(Kind::Deployment, &key), None);
    }

    #[test]
    fn a_site_s_children_are_found_until_they_are_deleted() {
        let (children, site, other) = (ObservedChildren::default(), Key::new("ns", "hq"), Key::new("ns", "lab"));
        let (a, b) = (Key::new("ns", "a"), Key::new("ns", "b"));
        children.note(&site, Kind::Service, &b, object(1));
        children.note(&site, Kind::Deployment, &a, object(2));
        children.note(&other, Kind::Service, &a, object(3));
        let found = |site: &Key| -> Vec<(Kind, Key)> {
            children.of_site(site).into_iter().map(|(kind, key, _)| (kind, key)).collect()
        };
        assert_eq!(found(&site), [(Kind::Service, b.clone()), (Kind::Deployment, a.clone())]);
        children.forget(Kind::Deployment, &a);
        assert_eq!(found(&site), [(Kind::Service, b.clone())]);
        assert!(children.note(&other, Kind::Service, &b, object(4)), "its label names another site now");
        assert!(found(&site).is_empty());
        assert_eq!(found(&other).len(), 2);
    }

    #[test]
    fn nothing_is_kept_of_a_site_that_is_gone() {
        let (children, site, other) = (ObservedChildren::default(), Key::new("ns", "hq"), Key::new("ns", "lab"));
        for (site, uid) in [(&site, "u1"), (&other, "u2")] {
            let key = site.sibling(crate::operator::names::workload(&site.name));
            let owner =
                json!({"apiVersion": crate::api::API_VERSION, "kind": "PhoneSite", "name": site.name, "uid": uid});
            let metadata = json!({"resourceVersion": "1", "uid": format!("of-{uid}"), "ownerReferences": [owner]});
            children.note_answer(site, Kind::Service, &key, "wish", json!({"metadata": metadata}));
            children.forget(Kind::Service, &key);
            children.note_files(site, Slot::Common { secret: false }, files(1, 1));
            children.note_gone_files(site, Slot::Common { secret: false }, 2);
        }
        let sizes = || {
            let state = children.0.lock();
            [state.children.len(), state.owners.len(), state.answers.len(), state.files.len()]
        };
        assert_eq!(sizes(), [0, 2, 2, 2]);
        children.forget_site(&site, Some("u1"));
        assert_eq!(sizes(), [0, 1, 1, 1], "what is known of the other stays");
        children.forget_site(&other, None);
        assert_eq!(sizes(), [0, 1, 0, 0]);
    }

    fn files(version: u64, digest: u8) -> Observed {
        let meta = json!({"uid": "o", "resourceVersion": version.to_string()});
        Observed { digest: Some(Digest::of(&[digest])), ..Observed::unread(serde_json::from_value(meta).unwrap()) }
    }

    #[test]
    fn an_object_with_files_that_was_missing_from_a_list_may_have_any_version_later() {
        let (children, site, slot) =
            (ObservedChildren::default(), Key::new("ns", "hq"), Slot::Common { secret: false });
        assert!(children.note_files(&site, slot, files(7, 0)) && !children.note_files(&site, slot, files(5, 0)));
        assert!(!children.note_gone_files(&site, slot, 7), "it only lost its label, and another watch has it");
        assert!(children.note_gone_files(&site, slot, u64::MAX) && children.files(&site, slot).is_none());
        assert!(children.note_files(&site, slot, files(3, 0)));
        assert!(children.note_gone_files(&site, slot, 4) && !children.note_files(&site, slot, files(3, 0)));
    }

    #[test]
    fn what_others_did_to_an_object_with_files_is_told_from_what_was_written() {
        let (children, site, slot) =
            (ObservedChildren::default(), Key::new("ns", "hq"), Slot::Common { secret: false });
        let untouched = || children.files(&site, slot).unwrap().untouched;
        let wish = Digest::of(&[1]);
        assert_eq!(children.note_written_files(&site, slot, files(5, 1).meta, wish), Some(wish));
        assert!(untouched() && !children.is_contested(&site, slot, wish));
        assert!(children.note_files(&site, slot, files(5, 1)) && untouched(), "the watch shows what was written");
        assert!(children.note_files(&site, slot, files(6, 2)) && !untouched());
        assert!(children.is_contested(&site, slot, wish) && !children.is_contested(&site, slot, Digest::of(&[3])));
        // The watch is faster than the answer, and shows that a key stayed which server-side apply did not take away.
        children.note_files(&site, slot, files(8, 9));
        assert_eq!(children.note_written_files(&site, slot, files(8, 1).meta, wish), Some(Digest::of(&[9])));
        assert!(!untouched());
    }

    #[test]
    fn the_answer_to_a_write_is_known_again_although_controllers_write_to_the_object() {
        let (children, site, key) = (ObservedChildren::default(), Key::new("ns", "hq"), Key::new("ns", "dialtone-hq"));
        let with = |version: u64, replicas: u64| {
            let mut object = object(version);
            object["spec"]["replicas"] = replicas.into();
            object["status"]["observedGeneration"] = version.into();
            object
        };
        children.note_answer(&site, Kind::Deployment, &key, "wish", with(5, 2));
        assert_eq!(children.answered(Kind::Deployment, &key, "wish"), (true, true));
        children.note(&site, Kind::Deployment, &key, with(6, 2));
        assert_eq!(children.answered(Kind::Deployment, &key, "wish"), (true, true));
        children.note(&site, Kind::Deployment, &key, with(7, 3));
        assert_eq!(children.answered(Kind::Deployment, &key, "wish"), (true, false));
        assert_eq!(children.answered(Kind::Deployment, &key, "another"), (false, false));
    }
}
