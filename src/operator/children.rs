//! The observed children: sites' owned objects as they are in the cluster.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use super::kind::Kind;
use super::leaf::Leaf;
use crate::provision::{Key, Slot};

/// Sites' owned objects as they were observed last, by a watch or as the answer to a write; of those with files only the version.
#[derive(Debug, Default)]
pub(super) struct ObservedChildren(Leaf<State>);

#[derive(Debug, Default)]
struct State {
    children: HashMap<(Kind, Key), Child>,
    /// Which children each site has.
    by_site: HashMap<Key, BTreeSet<(Kind, Key)>>,
    /// The newest version of each object with files.
    shard_versions: HashMap<(Key, Slot), u64>,
}

#[derive(Debug)]
struct Child {
    site: Key,
    object: Value,
}

impl ObservedChildren {
    /// Notes a child of a site; whether it is newer than what was known. A watch lags behind the operator's own writes.
    pub(super) fn note(&self, site: &Key, kind: Kind, key: &Key, mut object: Value) -> bool {
        if let Some(metadata) = object["metadata"].as_object_mut() {
            // They are long, and not used here.
            metadata.remove("managedFields");
        }
        let mut state = self.0.lock();
        let known = state.children.get(&(kind, key.clone())).map_or(0, |child| version(&child.object));
        if version(&object) <= known {
            return false;
        }
        state.forget(kind, key);
        let child = Child { site: site.clone(), object };
        state.children.insert((kind, key.clone()), child);
        state.by_site.entry(site.clone()).or_default().insert((kind, key.clone()));
        true
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

    /// Notes the version of an object with files, `u64::MAX` if it was missing from a list; whether it is newer than what was
    /// known.
    pub(super) fn note_shard(&self, site: &Key, slot: Slot, version: u64) -> bool {
        let mut state = self.0.lock();
        let known = state.shard_versions.entry((site.clone(), slot)).or_insert(0);
        let newer = version > *known;
        // An object that was missing from a list is gone; its next version is whatever it is.
        *known = if version == u64::MAX { 0 } else { version.max(*known) };
        newer
    }
}

impl State {
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
    fn an_object_with_files_that_was_missing_from_a_list_may_have_any_version_later() {
        let (children, site, slot) =
            (ObservedChildren::default(), Key::new("ns", "hq"), Slot::Common { secret: false });
        assert!(children.note_shard(&site, slot, 7) && !children.note_shard(&site, slot, 7));
        assert!(!children.note_shard(&site, slot, 5) && children.note_shard(&site, slot, u64::MAX));
        assert!(children.note_shard(&site, slot, 3));
    }
}
