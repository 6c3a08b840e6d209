//! Names, labels and metadata of the objects that the operator makes.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use super::kind::Kind;
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
/// The annotation of a Deployment with the digest of what replaced its pods when the operator was upgraded.
pub(super) const UPDATED: &str = "dialtone.dev/updated";

/// What the names of all objects begin with.
const PREFIX: &str = "dialtone-";

/// The name of a site's workload, Service and so on.
pub(super) fn workload(site: &str) -> String {
    format!("{PREFIX}{site}")
}

/// The name of a site's token Secret.
pub(super) fn token(site: &str) -> String {
    format!("{PREFIX}{site}-token")
}

/// The name of a site's object with files.
pub(super) fn shard(site: &str, slot: Slot) -> String {
    format!("{PREFIX}{site}-{}", slot.suffix())
}

/// The kind and the name of a site's object with files.
pub(super) fn place(site: &Key, slot: Slot) -> (Kind, Key) {
    (if slot.secret() { Kind::Secret } else { Kind::ConfigMap }, site.sibling(shard(&site.name, slot)))
}

/// The site whose object with files has this name, and which of them it is. Names do not lie, and labels may.
pub(super) fn parse_shard(name: &str, secret: bool) -> Option<(&str, Slot)> {
    let rest = name.strip_prefix(PREFIX)?;
    let begins =
        rest.rmatch_indices('-').find_map(|(at, _)| Some((&rest[..at], Slot::parse(&rest[at + 1..], secret)?)));
    begins.filter(|(site, slot)| shard(site, *slot) == name)
}

/// The site whose token Secret has this name.
pub(super) fn parse_token(name: &str) -> Option<&str> {
    name.strip_prefix(PREFIX)?.strip_suffix("-token")
}

/// The site whose workload has this name.
pub(super) fn parse_workload(name: &str) -> Option<&str> {
    name.strip_prefix(PREFIX)
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

/// Whether an object has all labels of an object of a site.
pub(super) fn has_labels(meta: &ObjectMeta, site: &Key, role: &str) -> bool {
    let found = meta.labels.as_ref();
    labels(site, role).iter().all(|(name, value)| found.and_then(|found| found.get(name)) == Some(value))
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
            for site in ["hq", "hq-2", "hq-common", "hq-phones-01"] {
                assert_eq!(parse_shard(&shard(site, slot), slot.secret()), Some((site, slot)));
            }
        }
        assert_eq!(parse_shard("dialtone-hq-token", true), None);
        assert_eq!(parse_shard("hq-common", false), None);
        assert_eq!(parse_shard("dialtone-hq-phones-1", false), None, "it is phones-01");
        assert_eq!(parse_token(&token("hq-token")), Some("hq-token"));
        assert_eq!(parse_token("dialtone-hq-common"), None);
        assert_eq!(parse_workload(&workload("hq-2")), Some("hq-2"));
    }
}
