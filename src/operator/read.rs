//! Reads the Secrets and ConfigMaps that sites and phones depend on. They are watched by their metadata only: the contents of
//! all others never come into memory.

use futures::stream::{self, StreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};

use super::cluster::Error;
use super::context::Context;
use super::kind::Kind;
use super::queue::Outcome;
use crate::provision::catalog::inventory;
use crate::provision::consent::{of_map, of_secret};
use crate::provision::{Key, Reference, WorkItem};

/// Reads one into the fleet.
pub(super) async fn reconcile(ctx: &Context, kind: Reference, key: &Key) -> Result<Outcome, Error> {
    if !ctx.read(|fleet| fleet.refers_to(kind, key)) {
        return Ok(Outcome::Done);
    }
    let demands = ctx.options.policy.demand_consent;
    match kind {
        Reference::Secret => {
            let secret = ctx.cluster.read::<Secret>(key).await?;
            let withheld = secret.as_ref().and_then(|secret| {
                of_secret(&key.name, secret.type_.as_deref(), secret.metadata.labels.as_ref(), demands)
            });
            if let Some(why) = withheld {
                ctx.update(|fleet| fleet.withhold(kind, key, why));
                return Ok(Outcome::Done);
            }
            let data = secret.map(|secret| {
                let data = secret.data.unwrap_or_default();
                data.into_iter().map(|(name, value)| (name, value.0.into())).collect()
            });
            ctx.update(|fleet| fleet.set_secret(key, data));
        }
        Reference::ConfigMap => {
            let map = ctx.cluster.read::<ConfigMap>(key).await?;
            let files = |map: &ConfigMap| {
                map.data.as_ref().map_or(0, |data| data.len()) + map.binary_data.as_ref().map_or(0, |data| data.len())
            };
            if let Some(why) = map.as_ref().and_then(|map| of_map(files(map), map.metadata.labels.as_ref(), demands)) {
                ctx.update(|fleet| fleet.withhold(kind, key, why));
                return Ok(Outcome::Done);
            }
            let files = map.map(|map| {
                let binary = map.binary_data.unwrap_or_default().into_iter().map(|(name, value)| (name, value.0));
                let text = map.data.unwrap_or_default().into_iter().map(|(name, value)| (name, value.into_bytes()));
                binary.chain(text).collect::<Vec<_>>()
            });
            // People choose what is in them, and it is looked into: not where others wait.
            let inventory = match files {
                Some(files) => {
                    let looked_at = tokio::task::spawn_blocking(move || inventory(files)).await;
                    Some(looked_at.map_err(|error| Error::Waits(format!("its files cannot be looked at: {error}")))?)
                }
                None => None,
            };
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::supervisor::supervised;
    use super::super::testing::FakeApi;
    use super::*;
    use crate::provision::Meta;

    /// What is wrong with a site that has a password and a file from objects that are as given.
    async fn reasons(api: &FakeApi, ctx: &Context, secret: Value, map: Value) -> Vec<&'static str> {
        let object = |rest: Value| {
            let mut object = json!({"metadata": {"name": "x", "namespace": "ns", "resourceVersion": "1"}});
            object["metadata"]["labels"] = rest["labels"].clone();
            object["type"] = rest["type"].clone();
            object["data"] = json!({"k": "eA=="});
            object
        };
        api.hold("secrets/s", object(secret));
        let mut map = object(map);
        map["data"] = json!({"ring": "x"});
        api.hold("configmaps/m", map);
        let site = Key::new("ns", "hq");
        let spec = json!({"secretParameters": {"line1_password": {"name": "s", "key": "k"}}, "files": {"configMaps": [{"name": "m"}]}});
        let meta = Meta { key: site.clone(), generation: Some(1), created: 0, version: 1, resync_at: None };
        ctx.update(|fleet| fleet.apply_site(meta, serde_json::from_value(spec).unwrap(), Default::default()));
        for (kind, name) in [(Reference::Secret, "s"), (Reference::ConfigMap, "m")] {
            reconcile(ctx, kind, &site.sibling(name)).await.unwrap();
        }
        ctx.update(|fleet| {
            fleet.settle();
            let (.., found) = fleet.findings().next().unwrap();
            found.iter().filter(|one| one.is_error()).map(|one| one.code()).collect()
        })
    }

    #[tokio::test]
    async fn credentials_and_dialtones_own_objects_are_not_read_into_the_fleet() {
        let (tasks, _supervisor) = supervised();
        let (api, ctx) = FakeApi::start(tasks).await;
        let own = json!({"labels": {"app.kubernetes.io/managed-by": "dialtone"}});
        assert_eq!(reasons(&api, &ctx, json!({"type": "Opaque"}), json!({})).await, [""; 0]);
        let token = json!({"type": "kubernetes.io/service-account-token"});
        assert_eq!(reasons(&api, &ctx, token, json!({})).await, ["SecretNotAllowed"]);
        let mut both = reasons(&api, &ctx, own.clone(), own).await;
        both.sort_unstable();
        assert_eq!(both, ["SecretNotAllowed", "SourceNotAllowed"]);
    }

    #[tokio::test]
    async fn where_consent_is_demanded_it_takes_a_label() {
        let (tasks, _supervisor) = supervised();
        let (api, ctx) = FakeApi::demanding_consent(tasks).await;
        let consent = json!({"labels": {"dialtone.dev/serve": "true"}});
        let mut both = reasons(&api, &ctx, json!({"type": "Opaque"}), json!({})).await;
        both.sort_unstable();
        assert_eq!(both, ["SecretNotAllowed", "SourceNotAllowed"]);
        assert_eq!(reasons(&api, &ctx, consent.clone(), consent).await, [""; 0]);
    }
}
