//! Writes the objects that hold files.

use tokio::time::Instant;

use super::cluster::Error;
use super::context::Context;
use super::kind::Kind;
use super::names::shard;
use super::queue::Outcome;
use super::shard_object::ShardObject;
use super::watch;
use crate::provision::{InfraProblem, Key, Slot};

/// Writes one, if it differs from what it should hold.
pub(super) async fn reconcile(ctx: &Context, site: &Key, slot: Slot) -> Result<Outcome, Error> {
    let writing = match ctx.debouncers.begin(site, slot, Instant::now()) {
        Ok(writing) => writing,
        Err(pause) => return Ok(Outcome::RequeueAfter(pause)),
    };
    let wrote = write(ctx, site, slot).await;
    writing.end(matches!(wrote, Ok(true)));
    wrote.map(|_| Outcome::Done)
}

/// Whether anything was written.
async fn write(ctx: &Context, site: &Key, slot: Slot) -> Result<bool, Error> {
    let ((wanted, content), stored, suspended) =
        ctx.read(|fleet| (fleet.unwritten(site, slot), fleet.stored(site, slot), fleet.is_suspended(site)));
    let Some(uid) = ctx.sites.uid(site) else { return Ok(false) };
    if suspended {
        return Ok(false);
    }
    let Some(content) = content else {
        // Phones that leave another object once this one is written need not wait any longer.
        ctx.update(|fleet| fleet.note_stored(site, slot, stored));
        return Ok(false);
    };
    let kind = if slot.secret() { Kind::Secret } else { Kind::ConfigMap };
    let key = site.sibling(shard(&site.name, slot));
    let result = match (wanted, stored) {
        (None, _) => ctx.cluster.delete(kind, &key, None).await,
        (Some(_), stored) => {
            let object = ShardObject::new(site, &uid, slot, &content);
            let write = async {
                if stored.is_none() {
                    ctx.cluster.exists(kind, &key, &uid).await?;
                }
                ctx.cluster.apply_large(kind, &key, &object).await
            };
            write.await.map(|written| {
                // The watch lags behind: older versions that it reports change nothing.
                ctx.children.note_shard(site, slot, watch::version(&written));
            })
        }
    };
    if let Err(error) = result {
        note_problem(ctx, site, &error);
        return Err(error);
    }
    ctx.update(|fleet| fleet.note_stored(site, slot, wanted));
    Ok(true)
}

/// Lets the site's status show what only a person can mend.
pub(super) fn note_problem(ctx: &Context, site: &Key, error: &Error) {
    if error.is_lasting() {
        ctx.update(|fleet| {
            let mut infra = fleet.infra(site);
            infra.problem = Some(InfraProblem { reason: error.reason(), message: error.to_string() });
            fleet.set_infra(site, infra);
        });
    }
}
