//! Makes the kubelet look at a pod's files at once: it does when the pod changes, so an annotation of the pod is changed.
//! Left alone it looks once a minute.

use std::time::Duration;

use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::apply::{Error, Kind, limited};
use super::context::{Bump, Context};
use super::metrics::WriteLabels;
use super::names::{FILES, MANAGER};
use super::queue::Outcome;
use crate::provision::{Key, Slot};

const POD: Kind = Kind { group: "", version: "v1", kind: "Pod", plural: "pods" };

/// The first time after which pods that do not say that they hold the new files are told again; it doubles.
const AGAIN: Duration = Duration::from_secs(2);
/// How often it doubles: the kubelet looks by itself once a minute.
const MOST: u32 = 5;

/// Tells the pods of a site, if they do not hold what they should.
pub async fn tell(ctx: &Context, site: &Key) -> Result<Outcome, Error> {
    let pods: Vec<(Key, Option<String>)> = {
        let shared = ctx.shared();
        let ours = shared.pods.iter().filter(|(_, pod)| pod.site == *site);
        ours.map(|(key, pod)| (key.clone(), pod.files.clone())).collect()
    };
    if pods.is_empty() || ctx.ask(|fleet| fleet.pods_are_current(site)) {
        ctx.shared().bumps.remove(site);
        return Ok(Outcome::Done);
    }
    let content = content(ctx, site);
    let attempt = {
        let shared = ctx.shared();
        match shared.bumps.get(site) {
            Some(bump) if bump.content == content => {
                let pause = AGAIN * (1 << bump.attempt.min(MOST));
                let since = bump.at.elapsed();
                if since < pause {
                    return Ok(Outcome::Again(pause - since));
                }
                bump.attempt + 1
            }
            _ => 0,
        }
    };
    let value = if attempt == 0 { content.clone() } else { format!("{content}-{attempt}") };
    let bump = Bump { content, attempt, at: Instant::now() };
    ctx.shared().bumps.insert(site.clone(), bump);
    let mut failed = None;
    for (key, _) in pods.iter().filter(|(_, files)| files.as_deref() != Some(&value)) {
        match annotate(ctx, key, &value).await {
            Err(error) if !error.is_missing() => failed = Some(error),
            _ => {}
        }
    }
    match failed {
        Some(error) => Err(error),
        None => Ok(Outcome::Again(AGAIN * (1 << attempt.min(MOST)))),
    }
}

/// A digest of what the site's objects hold.
fn content(ctx: &Context, site: &Key) -> String {
    let stored = ctx.ask(|fleet| {
        let mut all = Sha256::new();
        for slot in Slot::all() {
            if let Some(digest) = fleet.stored(site, slot) {
                all.update(format!("{slot:?}{digest}"));
            }
        }
        for source in fleet.firmware_sources(site) {
            all.update(format!("{source}{:?}", fleet.firmware_digest(&source)));
        }
        all.finalize()
    });
    hex::encode(&stored[..8])
}

async fn annotate(ctx: &Context, key: &Key, value: &str) -> Result<(), Error> {
    ctx.metrics.writes.get_or_create(&WriteLabels { kind: POD.kind }).inc();
    let api: Api<DynamicObject> = POD.api(ctx, &key.namespace);
    let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    let patch = json!({"metadata": {"annotations": {FILES: value}}});
    limited(api.patch_metadata(&key.name, &params, &Patch::Merge(&patch))).await?;
    Ok(())
}
