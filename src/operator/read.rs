//! Reads the Secrets and ConfigMaps that sites and phones depend on. They are watched by their metadata only: the contents of
//! all others never come into memory.

use futures::stream::{self, StreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;

use super::cluster::{Error, limited};
use super::context::Context;
use super::kind::Kind;
use super::queue::Outcome;
use crate::provision::catalog::FirmwareFile;
use crate::provision::{Key, Reference, WorkItem};

/// Reads one into the fleet.
pub(super) async fn reconcile(ctx: &Context, kind: Reference, key: &Key) -> Result<Outcome, Error> {
    if !ctx.read(|fleet| fleet.refers_to(kind, key)) {
        return Ok(Outcome::Done);
    }
    match kind {
        Reference::Secret => {
            let api: Api<Secret> = Api::namespaced(ctx.cluster.client().clone(), &key.namespace);
            let secret = limited(api.get_opt(&key.name)).await?;
            let data = secret.map(|secret| {
                let data = secret.data.unwrap_or_default();
                data.into_iter().map(|(name, value)| (name, value.0.into())).collect()
            });
            ctx.update(|fleet| fleet.set_secret(key, data));
        }
        Reference::ConfigMap => {
            let api: Api<ConfigMap> = Api::namespaced(ctx.cluster.client().clone(), &key.namespace);
            let map = limited(api.get_opt(&key.name)).await?;
            let inventory = map.map(|map| {
                let binary = map.binary_data.unwrap_or_default().into_iter().map(|(name, value)| (name, value.0));
                let text = map.data.unwrap_or_default().into_iter().map(|(name, value)| (name, value.into_bytes()));
                binary
                    .chain(text)
                    .map(|(name, bytes)| {
                        let file = FirmwareFile::new(&name, &bytes);
                        (name, file)
                    })
                    .collect()
            });
            ctx.update(|fleet| fleet.set_firmware(key, inventory));
        }
    }
    Ok(Outcome::Done)
}

/// Reads all pending dependencies, before anything is written; the other work that the fleet has is returned.
pub(super) async fn read_all(ctx: &Context) -> Vec<WorkItem> {
    let mut rest = Vec::new();
    loop {
        let mut pending = Vec::new();
        for item in ctx.update(|fleet| fleet.take_work()) {
            match item {
                WorkItem::Read(kind, key) => pending.push((kind, key)),
                other => rest.push(other),
            }
        }
        if pending.is_empty() {
            return rest;
        }
        let failed: Vec<WorkItem> = stream::iter(pending)
            .map(|(kind, key)| async move {
                let error = reconcile(ctx, kind, &key).await.err()?;
                let name = match kind {
                    Reference::Secret => Kind::Secret.as_str(),
                    Reference::ConfigMap => Kind::ConfigMap.as_str(),
                };
                tracing::warn!(kind = name, object = %key, attempt = 1, %error, "{name} {key} cannot be read and is queued");
                Some(WorkItem::Read(kind, key))
            })
            .buffer_unordered(16)
            .filter_map(std::future::ready)
            .collect()
            .await;
        // What cannot be read holds up only those who refer to it.
        rest.extend(failed);
    }
}
