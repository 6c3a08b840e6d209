//! What the operator's objects are called and labelled.

use std::collections::BTreeMap;

use crate::provision::{Key, Slot};

/// The field manager of every write.
pub const MANAGER: &str = "dialtone";
/// The label that tells whose object it is, and its value.
pub const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "dialtone");
/// The label with the site's name.
pub const SITE: &str = "dialtone.dev/site";
/// The label that tells what an object is to a site.
pub const ROLE: &str = "dialtone.dev/role";
/// The annotation of pods that makes the kubelet look at their files at once.
pub const FILES: &str = "dialtone.dev/files";
/// The annotation with the digest of what was applied, so that a field that was taken away is noticed.
pub const APPLIED: &str = "dialtone.dev/applied";

/// The name of a site's workload, Service and so on.
pub fn workload(site: &str) -> String {
    format!("dialtone-{site}")
}

/// The name of a site's token Secret.
pub fn token(site: &str) -> String {
    format!("dialtone-{site}-token")
}

/// The name of a site's object with files.
pub fn shard(site: &str, slot: Slot) -> String {
    format!("dialtone-{site}-{}", slot.suffix())
}

/// Reads the slot from an object's name.
pub fn parse_shard(site: &str, name: &str, secret: bool) -> Option<Slot> {
    Slot::parse(name.strip_prefix("dialtone-")?.strip_prefix(site)?.strip_prefix('-')?, secret)
}

/// The labels of an object of a site.
pub fn labels(site: &Key, role: &str) -> BTreeMap<String, String> {
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

/// The selector for objects that the operator made.
pub fn ours() -> String {
    format!("{}={}", MANAGED_BY.0, MANAGED_BY.1)
}

/// The selector for all other objects.
pub fn not_ours() -> String {
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
