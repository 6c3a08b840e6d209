//! Reads Secrets and ConfigMaps that sites and phones refer to. They are watched by their metadata only: the contents of
//! all others never come into memory.

use futures::stream::{self, StreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;

use super::apply::{Error, limited};
use super::context::Context;
use super::queue::Outcome;
use crate::provision::firmware::FirmwareFile;
use crate::provision::{Key, Reference, WorkItem};

/// Reads one, and tells the fleet.
pub async fn read(ctx: &Context, kind: Reference, key: &Key) -> Result<Outcome, Error> {
    if !ctx.ask(|fleet| fleet.refers_to(kind, key)) {
        return Ok(Outcome::Done);
    }
    match kind {
        Reference::Secret => {
            let api: Api<Secret> = Api::namespaced(ctx.client.clone(), &key.namespace);
            let secret = limited(api.get_opt(&key.name)).await?;
            let data = secret.map(|secret| {
                let data = secret.data.unwrap_or_default();
                data.into_iter().map(|(name, value)| (name, value.0.into())).collect()
            });
            ctx.tell(|fleet| fleet.set_secret(key, data));
        }
        Reference::ConfigMap => {
            let api: Api<ConfigMap> = Api::namespaced(ctx.client.clone(), &key.namespace);
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
            ctx.tell(|fleet| fleet.set_firmware(key, inventory));
        }
    }
    Ok(Outcome::Done)
}

/// Reads all that is referred to, before anything is written: the rest of what is dirty is returned.
pub async fn read_all(ctx: &Context) -> Vec<WorkItem> {
    let mut rest = Vec::new();
    loop {
        let (reads, others): (Vec<WorkItem>, Vec<WorkItem>) =
            ctx.ask(|fleet| fleet.take_work()).into_iter().partition(|dirty| matches!(dirty, WorkItem::Read(..)));
        rest.extend(others);
        if reads.is_empty() {
            return rest;
        }
        let failed: Vec<WorkItem> = stream::iter(reads)
            .map(|dirty| async move {
                let WorkItem::Read(kind, key) = dirty else { return None };
                let error = read(ctx, kind, &key).await.err()?;
                tracing::warn!(object = %key, %error, "it cannot be read now and will be tried again");
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
