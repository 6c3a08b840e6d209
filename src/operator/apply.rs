//! Writes to the API: server-side apply under one field manager, each with a time limit.

use std::future::Future;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource as _;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, Preconditions};
use kube::core::{ApiResource, GroupVersionKind, Request};
use serde_json::Value;

use super::build::ShardObject;
use super::context::Context;
use super::lean::LeanMeta;
use super::metrics::WriteLabels;
use super::names::MANAGER;
use crate::provision::Key;

/// The longest that one call to the API may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Why a call did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused it, or could not be reached.
    #[error("{}", words(.0))]
    Api(#[from] kube::Error),
    /// It took too long.
    #[error("the API server did not answer within {} s", LIMIT.as_secs())]
    Slow,
    /// The name belongs to somebody else.
    #[error("{kind} {name} exists already and does not belong to this site: rename the site, or remove that object")]
    Taken {
        /// The kind of object.
        kind: &'static str,
        /// Its name.
        name: String,
    },
}

/// What the API server said, without the structure that it said it in.
fn words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}

impl Error {
    /// A stable word for a condition's reason.
    pub fn reason(&self) -> &'static str {
        match self {
            Error::Taken { .. } => "NameTaken",
            Error::Api(kube::Error::Api(status)) if status.is_forbidden() => "Forbidden",
            Error::Api(kube::Error::Api(status)) if status.is_invalid() => "Refused",
            _ => "ApplyFailed",
        }
    }

    /// Whether the object is not there.
    pub fn is_missing(&self) -> bool {
        matches!(self, Error::Api(kube::Error::Api(status)) if status.is_not_found())
    }

    /// Whether only a person can mend it, so that a status should say so.
    pub fn is_lasting(&self) -> bool {
        matches!(self.reason(), "NameTaken" | "Forbidden" | "Refused")
    }
}

/// A call with a time limit.
pub async fn limited<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, Error> {
    match tokio::time::timeout(LIMIT, call).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(Error::Slow),
    }
}

/// A kind of object that the operator writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kind {
    /// The API group, empty for the core.
    pub group: &'static str,
    /// The version.
    pub version: &'static str,
    /// The kind.
    pub kind: &'static str,
    /// Its name in URLs.
    pub plural: &'static str,
}

impl Kind {
    /// How the client addresses it.
    pub fn resource(self) -> ApiResource {
        let gvk = GroupVersionKind::gvk(self.group, self.version, self.kind);
        ApiResource::from_gvk_with_plural(&gvk, self.plural)
    }

    /// All objects of the kind in a namespace.
    pub fn api(self, ctx: &Context, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(ctx.client.clone(), namespace, &self.resource())
    }
}

/// ConfigMaps.
pub const CONFIG_MAP: Kind = Kind { group: "", version: "v1", kind: "ConfigMap", plural: "configmaps" };
/// Secrets.
pub const SECRET: Kind = Kind { group: "", version: "v1", kind: "Secret", plural: "secrets" };
/// Services.
pub const SERVICE: Kind = Kind { group: "", version: "v1", kind: "Service", plural: "services" };
/// ServiceAccounts.
pub const SERVICE_ACCOUNT: Kind = Kind { group: "", version: "v1", kind: "ServiceAccount", plural: "serviceaccounts" };
/// Deployments.
pub const DEPLOYMENT: Kind = Kind { group: "apps", version: "v1", kind: "Deployment", plural: "deployments" };
/// NetworkPolicies.
pub const NETWORK_POLICY: Kind =
    Kind { group: "networking.k8s.io", version: "v1", kind: "NetworkPolicy", plural: "networkpolicies" };

/// Applies an object.
pub async fn apply(ctx: &Context, kind: Kind, key: &Key, object: &Value) -> Result<DynamicObject, Error> {
    ctx.metrics.writes.get_or_create(&WriteLabels { kind: kind.kind }).inc();
    let params = PatchParams::apply(MANAGER).force();
    limited(kind.api(ctx, &key.namespace).patch(&key.name, &params, &Patch::Apply(object))).await
}

/// Applies an object of which nothing but its metadata is wanted back, and of that no managed fields: those with files are
/// large, and so are the lists of their names.
pub async fn apply_large(ctx: &Context, kind: Kind, key: &Key, object: &ShardObject<'_>) -> Result<ObjectMeta, Error> {
    ctx.metrics.writes.get_or_create(&WriteLabels { kind: kind.kind }).inc();
    let params = PatchParams::apply(MANAGER).force();
    let all = Request::new(DynamicObject::url_path(&kind.resource(), Some(&key.namespace)));
    let request = all.patch_metadata(&key.name, &params, &Patch::Apply(object)).map_err(kube::Error::BuildRequest)?;
    Ok(limited(ctx.client.request::<LeanMeta>(request)).await?.metadata)
}

/// Whether an object that is not known to exist does; it must not be somebody else's.
pub async fn is_there(ctx: &Context, kind: Kind, key: &Key, owner: &str) -> Result<bool, Error> {
    let there = limited(kind.api(ctx, &key.namespace).get_metadata_opt(&key.name)).await?;
    let is_ours = |meta: &ObjectMeta| meta.owner_references.iter().flatten().any(|reference| reference.uid == owner);
    match there {
        Some(there) if !is_ours(&there.metadata) => Err(Error::Taken { kind: kind.kind, name: key.name.to_string() }),
        there => Ok(there.is_some()),
    }
}

/// Deletes an object, if it is the one that was meant.
pub async fn delete(ctx: &Context, kind: Kind, key: &Key, uid: Option<String>) -> Result<(), Error> {
    ctx.metrics.writes.get_or_create(&WriteLabels { kind: kind.kind }).inc();
    let params = DeleteParams {
        preconditions: uid.map(|uid| Preconditions { uid: Some(uid), resource_version: None }),
        ..DeleteParams::default()
    };
    match limited(kind.api(ctx, &key.namespace).delete(&key.name, &params)).await {
        Err(error) if !error.is_missing() => Err(error),
        _ => Ok(()),
    }
}

/// Whether an object has everything that is wanted of it: defaults that the API server added do not count.
pub fn covers(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => wanted.iter().all(|(field, value)| match live.get(field) {
            // The API server leaves out what is empty, or says null.
            None | Some(Value::Null) => is_empty(value),
            Some(live) => covers(live, value),
        }),
        (Value::Array(live), Value::Array(wanted)) => {
            live.len() == wanted.len() && live.iter().zip(wanted).all(|(live, wanted)| covers(live, wanted))
        }
        _ => live == wanted,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Object(fields) => fields.values().all(is_empty),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn defaults_do_not_count_as_differences_and_changes_do() {
        let wanted = json!({"spec": {"ports": [{"port": 69, "protocol": "UDP"}], "egress": []}});
        let live =
            json!({"spec": {"ports": [{"port": 69, "protocol": "UDP", "nodePort": 30069}], "type": "ClusterIP"}});
        assert!(covers(&live, &wanted));
        let changed = json!({"spec": {"ports": [{"port": 70, "protocol": "UDP"}]}});
        assert!(!covers(&changed, &wanted));
        let added = json!({"spec": {"ports": [{"port": 69, "protocol": "UDP"}, {"port": 80}]}});
        assert!(!covers(&added, &wanted));
        assert!(!covers(&json!({}), &wanted));
        assert!(covers(&json!({"projected": {"sources": null}}), &json!({"projected": {"sources": []}})));
    }
}
