//! Nudges the kubelet: it syncs a pod's volumes at once when the pod changes, so an annotation of the pod is changed. By itself
//! it syncs them once a minute.

use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::cluster::Error;
use super::context::Context;
use super::nudges::Next;
use super::queue::Outcome;
use crate::provision::{Key, Slot};

/// Nudges the kubelets of a site's pods, if they do not hold what they should.
pub(super) async fn reconcile(ctx: &Context, site: &Key) -> Result<Outcome, Error> {
    let pods = ctx.pods.nudges_of(site);
    if pods.is_empty() || ctx.read(|fleet| fleet.pods_are_current(site)) {
        ctx.nudges.forget(site);
        return Ok(Outcome::Done);
    }
    let (value, pause) = match ctx.nudges.next(site, content(ctx, site), Instant::now()) {
        Next::Wait(pause) => return Ok(Outcome::RequeueAfter(pause)),
        Next::Rest => {
            tracing::warn!(%site, "the pods of site {site} do not hold what its objects hold although they were nudged often: does another object have a name of theirs, or does a node's kubelet not answer?");
            return Ok(Outcome::Done);
        }
        Next::Nudge { value, pause } => (value, pause),
    };
    let mut failed = None;
    for (key, _) in pods.iter().filter(|(_, nudge)| nudge.as_deref() != Some(&value)) {
        match ctx.cluster.annotate_pod(key, &value).await {
            Err(error) if !error.is_missing() => failed = Some(error),
            _ => {}
        }
    }
    match failed {
        Some(error) => Err(error),
        None => Ok(Outcome::RequeueAfter(pause)),
    }
}

/// A digest of what the site's objects hold.
fn content(ctx: &Context, site: &Key) -> String {
    let stored = ctx.read(|fleet| {
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
