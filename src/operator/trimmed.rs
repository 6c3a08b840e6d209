//! Objects as the watches read them: trimmed, without their managed fields. Those name every field and every file again, each in
//! a map of its own; of objects with files the operator reads who manages them, and no more.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta, OwnerReference, Time};
use kube::Resource;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::api::{PhoneSite, PhoneSiteSpec, PhoneSiteStatus, SipPhone, SipPhoneSpec, SipPhoneStatus};

/// A PhoneSite.
#[derive(Clone, Debug, Deserialize, Resource)]
#[resource(inherit = "PhoneSite")]
pub(crate) struct TrimmedSite {
    /// Trimmed.
    #[serde(deserialize_with = "trimmed")]
    pub(crate) metadata: ObjectMeta,
    /// What is wanted.
    #[serde(default)]
    pub(crate) spec: Guarded<PhoneSiteSpec>,
    /// What was written about it.
    #[serde(default)]
    pub(crate) status: Guarded<PhoneSiteStatus>,
}

/// A SipPhone.
#[derive(Clone, Debug, Deserialize, Resource)]
#[resource(inherit = "SipPhone")]
pub(crate) struct TrimmedPhone {
    /// Trimmed.
    #[serde(deserialize_with = "trimmed")]
    pub(crate) metadata: ObjectMeta,
    /// What is wanted.
    #[serde(default)]
    pub(crate) spec: Guarded<SipPhoneSpec>,
    /// What was written about it.
    #[serde(default)]
    pub(crate) status: Guarded<SipPhoneStatus>,
}

/// An object's metadata.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct TrimmedMeta {
    /// Trimmed.
    #[serde(deserialize_with = "trimmed")]
    pub(crate) metadata: ObjectMeta,
}

/// One of dialtone's own objects, as it is after its status was written.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Written<S> {
    /// Trimmed.
    #[serde(deserialize_with = "trimmed")]
    pub(crate) metadata: ObjectMeta,
    /// What was written.
    pub(crate) status: Option<S>,
}

/// A ConfigMap with files.
#[derive(Clone, Debug, Deserialize, Resource)]
#[resource(inherit = "ConfigMap")]
#[serde(rename_all = "camelCase")]
pub(crate) struct TrimmedConfigMap {
    /// Trimmed.
    #[serde(deserialize_with = "trimmed_with_managers")]
    pub(crate) metadata: ObjectMeta,
    /// Whether it can no longer be changed.
    pub(crate) immutable: Option<bool>,
    /// Files of text.
    pub(crate) data: Option<BTreeMap<String, String>>,
    /// Other files.
    pub(crate) binary_data: Option<BTreeMap<String, ByteString>>,
}

/// A Secret with files, or with a token.
#[derive(Clone, Debug, Deserialize, Resource)]
#[resource(inherit = "Secret")]
pub(crate) struct TrimmedSecret {
    /// Trimmed.
    #[serde(deserialize_with = "trimmed_with_managers")]
    pub(crate) metadata: ObjectMeta,
    /// Whether it can no longer be changed.
    pub(crate) immutable: Option<bool>,
    /// Its type.
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    /// What it holds.
    pub(crate) data: Option<BTreeMap<String, ByteString>>,
}

/// An object cannot be decoded.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot be decoded and is left as it was: {0}; is the CustomResourceDefinition of the same version as this program?"
)]
pub(crate) struct Undecodable(pub(crate) String);

/// A part of an object that may be of another version than this program: what cannot be decoded is an error of its own, and
/// the list or watch that delivers it goes on.
#[derive(Clone, Debug)]
pub(crate) struct Guarded<T>(pub(crate) Result<T, String>);

impl<T> Guarded<T> {
    /// The part, if it could be decoded.
    pub(crate) fn decoded(self) -> Result<T, Undecodable> {
        self.0.map_err(Undecodable)
    }
}

impl<T: DeserializeOwned> Guarded<T> {
    fn of(value: Value) -> Guarded<T> {
        Guarded(serde_json::from_value(value).map_err(|error| error.to_string()))
    }
}

impl<T: DeserializeOwned> Default for Guarded<T> {
    fn default() -> Self {
        Guarded::of(json!({}))
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Guarded<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Value::deserialize(deserializer)? {
            Value::Null => Guarded::default(),
            value => Guarded::of(value),
        })
    }
}

/// What watches use of an object's metadata; `M` is what is read of managed fields.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Trimmed<M> {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
    owner_references: Option<Vec<OwnerReference>>,
    finalizers: Option<Vec<String>>,
    managed_fields: Option<M>,
}

impl<M> Trimmed<M> {
    fn whole(self, managers: impl FnOnce(M) -> Option<Vec<ManagedFieldsEntry>>) -> ObjectMeta {
        ObjectMeta {
            name: self.name,
            namespace: self.namespace,
            uid: self.uid,
            resource_version: self.resource_version,
            generation: self.generation,
            creation_timestamp: self.creation_timestamp,
            deletion_timestamp: self.deletion_timestamp,
            labels: self.labels,
            annotations: self.annotations,
            owner_references: self.owner_references,
            finalizers: self.finalizers,
            managed_fields: self.managed_fields.and_then(managers),
            ..ObjectMeta::default()
        }
    }
}

fn trimmed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    Ok(Trimmed::<IgnoredAny>::deserialize(deserializer)?.whole(|_| None))
}

/// The same, and who manages the object; not which fields.
fn trimmed_with_managers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    #[derive(Deserialize)]
    struct Manager {
        manager: Option<String>,
        operation: Option<String>,
        subresource: Option<String>,
    }
    let entry = |Manager { manager, operation, subresource }| ManagedFieldsEntry {
        manager,
        operation,
        subresource,
        ..ManagedFieldsEntry::default()
    };
    let object = Trimmed::<Vec<Manager>>::deserialize(deserializer)?;
    Ok(object.whole(|managers| Some(managers.into_iter().map(entry).collect())))
}

/// An object's version as a number: later versions are larger.
pub(super) fn version(meta: &ObjectMeta) -> u64 {
    meta.resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::API_VERSION;

    fn metadata() -> Value {
        json!({
            "name": "a", "namespace": "n", "uid": "u", "labels": {"l": "1"}, "annotations": {"a": "2"},
            "resourceVersion": "7", "generation": 3, "creationTimestamp": "2026-01-02T03:04:05Z",
            "deletionTimestamp": "2026-01-02T03:04:06Z", "managedFields": "of whatever shape: not read",
        })
    }

    #[test]
    fn metadata_is_whole_but_for_managed_fields() {
        let site: TrimmedSite = serde_json::from_value(json!({"metadata": metadata()})).unwrap();
        let mut known = metadata();
        known.as_object_mut().unwrap().remove("managedFields");
        assert_eq!(serde_json::to_value(site.metadata).unwrap(), known);
        let fields = json!([{"manager": "m", "operation": "Apply", "time": 7, "fieldsV1": {"f:data": {}}}]);
        let mut object = metadata();
        object["managedFields"] = fields;
        known["managedFields"] = json!([{"manager": "m", "operation": "Apply"}]);
        let map: TrimmedConfigMap = serde_json::from_value(json!({"metadata": object})).unwrap();
        assert_eq!(serde_json::to_value(map.metadata).unwrap(), known, "of those with files, who manages them");
    }

    #[test]
    fn files_are_read() {
        let meta = json!({"name": "a"});
        let data =
            json!({"metadata": meta, "data": {"a.cnf": "x"}, "binaryData": {"b.bin": "AAE="}, "immutable": true});
        let map: TrimmedConfigMap = serde_json::from_value(data).unwrap();
        assert_eq!(map.data.unwrap()["a.cnf"], "x");
        assert_eq!((map.binary_data.unwrap()["b.bin"].0.as_slice(), map.immutable), (&[0, 1][..], Some(true)));
        let data = json!({"metadata": meta, "data": {"token": "eA=="}, "type": "Opaque"});
        let secret: TrimmedSecret = serde_json::from_value(data).unwrap();
        assert_eq!((secret.data.unwrap()["token"].0.as_slice(), secret.kind.as_deref()), (&b"x"[..], Some("Opaque")));
    }

    #[test]
    fn what_cannot_be_decoded_is_an_error_of_its_own() {
        let phone = |rest: Value| {
            let mut object = json!({"apiVersion": API_VERSION, "kind": "SipPhone", "metadata": metadata()});
            object.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
            serde_json::from_value::<TrimmedPhone>(object).unwrap()
        };
        let spec = json!({"siteRef": {"name": "s"}, "mac": "00:0A:8A:00:00:01", "model": "7960"});
        let fine = phone(json!({"spec": spec}));
        assert_eq!(fine.spec.0.unwrap().site_ref.name, "s");
        assert_eq!(fine.status.0, Ok(SipPhoneStatus::default()));
        let status = phone(json!({"spec": spec, "status": null})).status;
        assert_eq!(status.0, Ok(SipPhoneStatus::default()));
        for broken in [json!({}), json!({"spec": null}), json!({"spec": {"siteRef": 7}}), json!({"spec": []})] {
            let phone = phone(broken.clone());
            assert_eq!(phone.metadata.name.as_deref(), Some("a"));
            assert!(phone.spec.0.is_err(), "{broken}");
        }
        assert!(phone(json!({"spec": spec, "status": {"observedGeneration": "one"}})).status.0.is_err());
    }
}
