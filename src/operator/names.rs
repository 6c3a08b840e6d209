//! Names, labels and metadata of the objects that the operator makes.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::api::{API_VERSION, MANAGED_BY};
use crate::provision::{Key, Slot};

/// The field manager of every write.
pub(super) const MANAGER: &str = "dialtone";
/// The label with the site's name.
pub(super) const SITE: &str = "dialtone.dev/site";
/// The label that says what an object is to its site.
pub(super) const ROLE: &str = "dialtone.dev/role";
/// The annotation of pods that nudges the kubelet: it syncs the volumes of a pod that changes at once.
pub(super) const FILES: &str = "dialtone.dev/files";
/// The annotation with the digest of what was applied, so that a field that is no longer wanted is noticed.
pub(super) const APPLIED: &str = "dialtone.dev/applied";

/// The name of a site's workload, Service and so on.
pub(super) fn workload(site: &str) -> String {
    format!("dialtone-{site}")
}

/// The name of a site's token Secret.
pub(super) fn token(site: &str) -> String {
    format!("dialtone-{site}-token")
}

/// The name of a site's object with files.
pub(super) fn shard(site: &str, slot: Slot) -> String {
    format!("dialtone-{site}-{}", slot.suffix())
}

/// Reads the slot from an object's name.
pub(super) fn parse_shard(site: &str, name: &str, secret: bool) -> Option<Slot> {
    Slot::parse(name.strip_prefix("dialtone-")?.strip_prefix(site)?.strip_prefix('-')?, secret)
}

/// The labels of an object of a site.
pub(super) fn labels(site: &Key, role: &str) -> BTreeMap<String, String> {
    let labels = [
        ("app.kubernetes.io/name", "dialtone-tftp"),
        ("app.kubernetes.io/instance", &*site.name),
        ("app.kubernetes.io/component", role),
        ("app.kubernetes.io/part-of", "dialtone"),
        MANAGED_BY,
        (SITE, &*site.name),
        (ROLE, role),
    ];
    labels.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The metadata of an object that a site owns.
pub(super) fn metadata(site: &Key, uid: &str, name: &str, role: &str) -> Value {
    json!({
        "name": name,
        "namespace": site.namespace,
        "labels": labels(site, role),
        "ownerReferences": [{
            "apiVersion": API_VERSION,
            "kind": "PhoneSite",
            "name": site.name,
            "uid": uid,
            "controller": true,
            "blockOwnerDeletion": true,
        }],
    })
}

/// The selector for objects that the operator made.
pub(super) fn ours() -> String {
    format!("{}={}", MANAGED_BY.0, MANAGED_BY.1)
}

/// The selector for all other objects.
pub(super) fn not_ours() -> String {
    format!("{}!={}", MANAGED_BY.0, MANAGED_BY.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_found_by_their_names() {
        for slot in Slot::all() {
            assert_eq!(parse_shard("hq", &shard("hq", slot), slot.secret()), Some(slot));
        }
        assert_eq!(parse_shard("hq", "dialtone-hq-2-common", false), None);
        assert_eq!(parse_shard("hq", "dialtone-hq-token", true), None);
    }
}
