//! Whose an object is that has the name of one of a site's. Only what is the site's own is written or deleted: the name and the
//! labels say nothing, because anybody can have chosen them before.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta, OwnerReference};

use super::cluster::Error;
use super::kind::Kind;
use super::names::MANAGER;
use crate::api::API_VERSION;
use crate::provision::Key;

/// The kind of a site, in owner references.
const SITE_KIND: &str = "PhoneSite";

/// Whose an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// The site's, and its owner reference says so.
    Ours,
    /// The site's: this program made it, or knew it as such. Its owner reference was taken away or changed.
    Lost,
    /// That of a former site of the same name: the garbage collector deletes it.
    Former,
    /// Somebody else's.
    Foreign,
}

impl Claim {
    /// Whose an object is; `owner` is the UID of the site that it belonged to when it was seen first.
    pub(super) fn of(meta: &ObjectMeta, owner: Option<&str>, site: &Key, uid: &str) -> Claim {
        let owners = meta.owner_references.as_deref().unwrap_or_default();
        if let Some(owner) = owners.iter().find(|owner| owner.uid == uid) {
            let others = owners.iter().any(|other| other.uid != uid && other.controller == Some(true));
            return if is_exact(owner, site) && !others { Claim::Ours } else { Claim::Lost };
        }
        if owner == Some(uid) {
            return Claim::Lost;
        }
        if owners.iter().any(|owner| is_site(owner) && *owner.name == *site.name) {
            return Claim::Former;
        }
        // Whoever deletes a site and orphans its objects wants the next site of the name to have them.
        let is_orphan = owners.is_empty() && meta.managed_fields.iter().flatten().any(is_applied_by_us);
        if is_orphan { Claim::Lost } else { Claim::Foreign }
    }

    /// Nothing, if the site may write and delete the object.
    pub(super) fn check(self, kind: Kind, name: &str) -> Result<(), Error> {
        match self {
            Claim::Ours | Claim::Lost => Ok(()),
            Claim::Foreign => Err(Error::Taken { kind, name: name.to_owned() }),
            Claim::Former => Err(Error::Waits(format!(
                "{} is that of a former site of this name, and is made anew once the garbage collector has deleted it; delete it if that takes long",
                kind.named(name)
            ))),
        }
    }
}

/// Nothing, if an object is not being deleted.
pub(super) fn check_stays(meta: &ObjectMeta, kind: Kind) -> Result<(), Error> {
    if meta.deletion_timestamp.is_none() {
        return Ok(());
    }
    let name = meta.name.as_deref().unwrap_or_default();
    let finalizers = meta.finalizers.as_deref().unwrap_or_default();
    let why = match finalizers {
        [] => "is being deleted".to_owned(),
        some => format!("is being deleted and waits for its finalizers ({})", some.join(", ")),
    };
    Err(Error::Waits(format!("{} {why}; it is made anew once it is gone", kind.named(name))))
}

fn is_site(owner: &OwnerReference) -> bool {
    let group = |version: &str| version.split('/').next().map(str::to_owned);
    owner.kind == SITE_KIND && group(&owner.api_version) == group(API_VERSION)
}

fn is_exact(owner: &OwnerReference, site: &Key) -> bool {
    let is_controller = owner.controller == Some(true) && owner.block_owner_deletion == Some(true);
    is_controller && owner.kind == SITE_KIND && owner.api_version == API_VERSION && *owner.name == *site.name
}

/// Whether this program applied the object.
pub(super) fn is_applied_by_us(entry: &ManagedFieldsEntry) -> bool {
    entry.manager.as_deref() == Some(MANAGER)
        && entry.operation.as_deref() == Some("Apply")
        && entry.subresource.is_none()
}

/// The UID of the site that an object says it belongs to.
pub(super) fn owner_uid(meta: &ObjectMeta) -> Option<&str> {
    let owners = meta.owner_references.iter().flatten();
    owners.filter(|owner| is_site(owner)).map(|owner| owner.uid.as_str()).next()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn meta(value: Value) -> ObjectMeta {
        serde_json::from_value(value).unwrap()
    }

    fn owner(uid: &str) -> Value {
        json!({"apiVersion": API_VERSION, "kind": "PhoneSite", "name": "hq", "uid": uid, "controller": true, "blockOwnerDeletion": true})
    }

    #[test]
    fn the_owner_s_uid_decides_and_neither_name_nor_labels() {
        let site = Key::new("ns", "hq");
        let of = |value: Value, was: Option<&str>| Claim::of(&meta(value), was, &site, "u1");
        assert_eq!(of(json!({"ownerReferences": [owner("u1")]}), None), Claim::Ours);
        let labels = json!({"app.kubernetes.io/managed-by": "dialtone", "dialtone.dev/site": "hq"});
        assert_eq!(of(json!({"labels": labels}), None), Claim::Foreign);
        assert_eq!(of(json!({"ownerReferences": [owner("u0")]}), None), Claim::Former);
        let web = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "w", "controller": true});
        assert_eq!(of(json!({"ownerReferences": [web.clone()]}), None), Claim::Foreign);
        // What was known as the site's stays its own, whatever becomes of the reference.
        for changed in [json!([]), json!([owner("u0")]), json!([web.clone()])] {
            assert_eq!(of(json!({"ownerReferences": changed}), Some("u1")), Claim::Lost);
            assert_ne!(of(json!({"ownerReferences": changed}), Some("u0")), Claim::Lost);
        }
        let mut other_name = owner("u1");
        other_name["name"] = "other".into();
        assert_eq!(of(json!({"ownerReferences": [other_name]}), None), Claim::Lost);
        assert_eq!(of(json!({"ownerReferences": [owner("u1"), web]}), None), Claim::Lost, "there are two controllers");
    }

    #[test]
    fn what_this_program_applied_and_nobody_owns_is_taken_up_again() {
        let site = Key::new("ns", "hq");
        let of = |entry: Value, owners: Value| {
            Claim::of(&meta(json!({"managedFields": [entry], "ownerReferences": owners})), None, &site, "u1")
        };
        let ours = json!({"manager": "dialtone", "operation": "Apply"});
        assert_eq!(of(ours.clone(), json!([])), Claim::Lost);
        assert_eq!(of(ours, json!([owner("u0")])), Claim::Former, "it is not orphaned but on its way out");
        for other in [
            json!({"manager": "kubectl", "operation": "Apply"}),
            json!({"manager": "dialtone", "operation": "Update"}),
            json!({"manager": "dialtone", "operation": "Apply", "subresource": "status"}),
        ] {
            assert_eq!(of(other, json!([])), Claim::Foreign);
        }
    }

    #[test]
    fn an_object_that_is_leaving_says_what_it_waits_for() {
        assert!(check_stays(&meta(json!({"name": "a"})), Kind::Service).is_ok());
        let gone = json!({"name": "a", "deletionTimestamp": "2026-01-02T03:04:05Z", "finalizers": ["example.com/x"]});
        let said = check_stays(&meta(gone), Kind::Service).unwrap_err().to_string();
        assert_eq!(
            said,
            "Service a is being deleted and waits for its finalizers (example.com/x); it is made anew once it is gone"
        );
    }
}
