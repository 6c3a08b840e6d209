//! Writes to the API: server-side apply under one field manager, each call with a time limit.

use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, Preconditions};
use kube::core::object::HasStatus;
use kube::core::{NamespaceResourceScope, Request};
use kube::runtime::events::{Event, Recorder, Reporter};
use kube::{Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::kind::Kind;
use super::leadership::{Flight, Leadership};
use super::mend;
use super::metrics::Writes;
use super::names::{FILES, MANAGER};
use super::trimmed::{TrimmedMeta, Written};
use crate::api::{API_VERSION, Reason, is_object_name};
use crate::provision::Key;

/// The longest that one call to the API may take.
const CALL_LIMIT: Duration = Duration::from_secs(10);

/// How often it is looked whether what was in the way is gone.
const IN_THE_WAY: Duration = Duration::from_secs(5);

/// Why a call did not succeed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The API server refused it, or could not be reached.
    #[error("{}", words(.0))]
    Api(#[from] kube::Error),
    /// It took too long.
    #[error("the API server did not answer within {} s", CALL_LIMIT.as_secs())]
    Slow,
    /// The cluster's administrator does not allow it.
    #[error("{0}")]
    NotAllowed(String),
    /// The name is none that an object can have: it would lead elsewhere in the API.
    #[error("{0:?} is no name of an object: lower-case letters, digits, '-' and '.' only")]
    NoName(String),
    /// Another installation looks after the namespace.
    #[error("another installation of dialtone looks after namespace {0}")]
    Left(String),
    /// Something is in the way for some time.
    #[error("{0}")]
    Waits(String),
    /// The name belongs to another owner.
    #[error("{} {name} exists already and does not belong to this site: rename the site, or remove that object", kind.as_str())]
    Taken {
        /// The kind of object.
        kind: Kind,
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
    /// The reason of a condition that shows the error.
    pub(super) fn reason(&self) -> Reason {
        match self {
            Error::Taken { .. } => Reason::NameTaken,
            Error::NotAllowed(_) => Reason::NotAllowed,
            Error::NoName(_) => Reason::Invalid,
            Error::Waits(_) => Reason::Pending,
            Error::Api(kube::Error::Api(status)) if status.is_forbidden() => Reason::Forbidden,
            Error::Api(kube::Error::Api(status)) if status.is_invalid() => Reason::Refused,
            Error::Api(_) | Error::Slow | Error::Left(_) => Reason::ApplyFailed,
        }
    }

    /// After how long it is tried again, if that takes the API server little: nothing is written before the way is free.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        matches!(self, Error::Taken { .. } | Error::Waits(_)).then_some(IN_THE_WAY)
    }

    /// Whether the object is not there.
    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Error::Api(kube::Error::Api(status)) if status.is_not_found())
    }

    /// Whether somebody else wrote to the object since it was read.
    pub(super) fn is_conflict(&self) -> bool {
        matches!(self, Error::Api(kube::Error::Api(status)) if status.is_conflict())
    }

    /// Whether only a person can mend it, so that a status should show it.
    pub(super) fn is_lasting(&self) -> bool {
        matches!(
            self.reason(),
            Reason::NameTaken | Reason::NotAllowed | Reason::Invalid | Reason::Forbidden | Reason::Refused
        )
    }
}

/// A call with a time limit.
pub(super) async fn limited<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, Error> {
    match tokio::time::timeout(CALL_LIMIT, call).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(Error::Slow),
    }
}

/// The name of an object in a path of the API, and the namespace. No path is made of a name that was not checked here.
struct Place<'a> {
    namespace: &'a str,
    name: &'a str,
}

impl<'a> Place<'a> {
    fn of(key: &'a Key) -> Result<Place<'a>, Error> {
        match [&*key.namespace, &*key.name].into_iter().find(|part| !is_object_name(part)) {
            Some(part) => Err(Error::NoName(part.to_owned())),
            None => Ok(Place { namespace: &key.namespace, name: &key.name }),
        }
    }

    fn api(&self, kind: Kind, client: &Client) -> Api<DynamicObject> {
        Api::namespaced_with(client.clone(), self.namespace, &kind.resource())
    }
}

/// Reads an object; nothing if there is none.
pub(super) async fn read<K>(client: &Client, key: &Key) -> Result<Option<K>, Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
{
    let place = Place::of(key)?;
    let api: Api<K> = Api::namespaced(client.clone(), place.namespace);
    limited(api.get_opt(place.name)).await
}

/// A status as it is applied.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusPatch<'a, S> {
    api_version: &'static str,
    kind: &'static str,
    metadata: NameAndNamespace<'a>,
    status: &'a S,
}

#[derive(Debug, Serialize)]
struct NameAndNamespace<'a> {
    name: &'a str,
    namespace: &'a str,
}

/// The API server, for those who write to it; every write is counted.
pub(super) struct Cluster {
    client: Client,
    recorder: Recorder,
    leadership: Arc<Leadership>,
    writes: Writes,
}

impl Cluster {
    /// The API server that a client talks to, written to by who leads.
    pub(super) fn new(client: Client, leadership: Arc<Leadership>, writes: Writes) -> Cluster {
        let reporter = Reporter { controller: MANAGER.to_owned(), instance: std::env::var("POD_NAME").ok() };
        Cluster { recorder: Recorder::new(client.clone(), reporter), client, leadership, writes }
    }

    /// The client, for watches and lists.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Waits until a write may be sent, and counts it. The write is under way as long as the answer is held.
    async fn begin<'a>(&self, kind: &'static str, key: &'a Key) -> Result<(Flight<'_>, Place<'a>), Error> {
        let place = Place::of(key)?;
        if self.leadership.leaves(place.namespace) {
            return Err(Error::Left(place.namespace.to_owned()));
        }
        let flight = self.leadership.flight().await;
        self.writes.count(kind);
        Ok((flight, place))
    }

    /// Applies an object.
    pub(super) async fn apply(&self, kind: Kind, key: &Key, object: &Value) -> Result<DynamicObject, Error> {
        let (_flight, place) = self.begin(kind.as_str(), key).await?;
        let params = PatchParams::apply(MANAGER).force();
        let applied = limited(place.api(kind, &self.client).patch(place.name, &params, &Patch::Apply(object))).await?;
        tracing::debug!("{} {key} applied", kind.as_str());
        Ok(applied)
    }

    /// Applies an object of which only trimmed metadata is wanted back: those with files are large, and so are the lists of
    /// their names in managed fields.
    pub(super) async fn apply_large(
        &self,
        kind: Kind,
        key: &Key,
        object: &(impl Serialize + Debug),
    ) -> Result<ObjectMeta, Error> {
        let (_flight, place) = self.begin(kind.as_str(), key).await?;
        let params = PatchParams::apply(MANAGER).force();
        let all = Request::new(DynamicObject::url_path(&kind.resource(), Some(place.namespace)));
        let request =
            all.patch_metadata(place.name, &params, &Patch::Apply(object)).map_err(kube::Error::BuildRequest)?;
        let applied = limited(self.client.request::<TrimmedMeta>(request)).await?;
        tracing::debug!("{} {key} applied", kind.as_str());
        Ok(applied.metadata)
    }

    /// Applies the status of one of dialtone's own objects; `None` if the object is gone. There is one for each phone, so that
    /// neither what is sent nor what comes back is built as a tree of JSON values first.
    pub(super) async fn apply_status<K, S>(
        &self,
        kind: &'static str,
        key: &Key,
        status: &S,
    ) -> Result<Option<Written<S>>, Error>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + HasStatus<Status = S>,
        S: Serialize + DeserializeOwned + Debug,
    {
        let (_flight, place) = self.begin(kind, key).await?;
        let object = StatusPatch {
            api_version: API_VERSION,
            kind,
            metadata: NameAndNamespace { name: place.name, namespace: place.namespace },
            status,
        };
        let params = PatchParams::apply(MANAGER).force();
        let all = Request::new(K::url_path(&(), Some(place.namespace)));
        let request = all
            .patch_subresource("status", place.name, &params, &Patch::Apply(&object))
            .map_err(kube::Error::BuildRequest)?;
        match limited(self.client.request::<Written<S>>(request)).await {
            Ok(written) => {
                tracing::debug!(version = ?written.metadata.resource_version, "status of {kind} {key} applied");
                Ok(Some(written))
            }
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sets the annotation of a pod that makes the kubelet sync the pod's volumes at once.
    pub(super) async fn annotate_pod(&self, key: &Key, value: &str) -> Result<(), Error> {
        let (_flight, place) = self.begin(Kind::Pod.as_str(), key).await?;
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        let patch = json!({"metadata": {"annotations": {FILES: value}}});
        let api = place.api(Kind::Pod, &self.client);
        limited(api.patch_metadata(place.name, &params, &Patch::Merge(&patch))).await?;
        Ok(())
    }

    /// Changes what server-side apply cannot: that takes away only what it gave. The patch names the version that it is for.
    pub(super) async fn merge(&self, kind: Kind, key: &Key, patch: &Value) -> Result<DynamicObject, Error> {
        let (_flight, place) = self.begin(kind.as_str(), key).await?;
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        limited(place.api(kind, &self.client).patch(place.name, &params, &Patch::Merge(patch))).await
    }

    /// Takes from an object with files, or with a token, what others added to it, and gives it back its owner.
    pub(super) async fn strip(&self, kind: Kind, key: &Key, wanted: &impl Serialize) -> Result<(), Error> {
        let Some(found) = self.object(kind, key).await? else { return Ok(()) };
        // What was read from JSON can be written as JSON.
        let (found, wanted) = (json!(found), json!(wanted));
        if let Some(patch) = mend::files(&found, &wanted) {
            self.merge(kind, key, &patch).await?;
            tracing::info!("{} {key} holds nothing of others any more", kind.as_str());
        }
        Ok(())
    }

    /// Changes of a status what server-side apply cannot.
    pub(super) async fn merge_status<K, S>(
        &self,
        kind: &'static str,
        key: &Key,
        patch: &Value,
    ) -> Result<Written<S>, Error>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
        S: DeserializeOwned,
    {
        let (_flight, place) = self.begin(kind, key).await?;
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        let all = Request::new(K::url_path(&(), Some(place.namespace)));
        let request = all
            .patch_subresource("status", place.name, &params, &Patch::Merge(patch))
            .map_err(kube::Error::BuildRequest)?;
        limited(self.client.request::<Written<S>>(request)).await
    }

    /// Reads an object; nothing if there is none.
    pub(super) async fn object(&self, kind: Kind, key: &Key) -> Result<Option<DynamicObject>, Error> {
        let place = Place::of(key)?;
        limited(place.api(kind, &self.client).get_opt(place.name)).await
    }

    /// Reads an object's metadata; nothing if there is no such object.
    pub(super) async fn metadata(&self, kind: Kind, key: &Key) -> Result<Option<ObjectMeta>, Error> {
        let place = Place::of(key)?;
        let found = limited(place.api(kind, &self.client).get_metadata_opt(place.name)).await?;
        Ok(found.map(|found| found.metadata))
    }

    /// Deletes an object; with a UID, only if it still is the object with that UID.
    pub(super) async fn delete(&self, kind: Kind, key: &Key, uid: Option<String>) -> Result<(), Error> {
        let (_flight, place) = self.begin(kind.as_str(), key).await?;
        let params = DeleteParams {
            preconditions: uid.map(|uid| Preconditions { uid: Some(uid), resource_version: None }),
            ..DeleteParams::default()
        };
        match limited(place.api(kind, &self.client).delete(place.name, &params)).await {
            Err(error) if !error.is_missing() => Err(error),
            _ => {
                tracing::debug!("{} {key} deleted", kind.as_str());
                Ok(())
            }
        }
    }

    /// Reads an object of a kind that the compiler knows; nothing if there is none.
    pub(super) async fn read<K>(&self, key: &Key) -> Result<Option<K>, Error>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
    {
        read(&self.client, key).await
    }

    /// Publishes an Event about an object.
    pub(super) async fn publish(&self, event: &Event, about: &ObjectReference) -> Result<(), Error> {
        let _flight = self.leadership.flight().await;
        limited(self.recorder.publish(event, about)).await
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Secret;

    use super::super::supervisor::supervised;
    use super::super::testing::FakeApi;
    use super::*;

    #[tokio::test]
    async fn nothing_is_asked_or_written_under_a_name_that_no_object_can_have() {
        let (tasks, _supervisor) = supervised();
        let (api, ctx) = FakeApi::start(tasks).await;
        for name in ["../../kube-system/secrets/x", "pw?x=", "", ".", "..", "A", "a%2f"] {
            for key in [Key::new("ns", name), Key::new(name, "pw")] {
                let said = |error: Error| assert!(matches!(error, Error::NoName(_)), "{name:?}: {error}");
                said(ctx.cluster.read::<Secret>(&key).await.unwrap_err());
                said(ctx.cluster.metadata(Kind::Secret, &key).await.unwrap_err());
                said(ctx.cluster.object(Kind::Secret, &key).await.unwrap_err());
                said(ctx.cluster.merge(Kind::Secret, &key, &json!({})).await.unwrap_err());
                said(ctx.cluster.apply(Kind::Secret, &key, &json!({})).await.unwrap_err());
                said(ctx.cluster.apply_large(Kind::Secret, &key, &json!({})).await.unwrap_err());
                said(ctx.cluster.delete(Kind::Secret, &key, None).await.unwrap_err());
                said(ctx.cluster.annotate_pod(&key, "1").await.unwrap_err());
            }
        }
        assert!(api.requests().is_empty(), "{:?}", api.requests());
        assert!(ctx.cluster.read::<Secret>(&Key::new("ns", "pw")).await.unwrap().is_none());
        assert_eq!(api.requests(), ["GET /api/v1/namespaces/ns/secrets/pw"]);
    }
}
