//! Writes the objects that hold files.

use tokio::time::Instant;

use super::apply::{CONFIG_MAP, Error, SECRET, apply_large, delete, is_there};
use super::build::shard_object;
use super::context::Context;
use super::names::shard;
use super::queue::Outcome;
use super::watch;
use crate::provision::{Key, Slot};

/// Writes one, if it differs from what it should hold.
pub async fn write(ctx: &Context, site: &Key, slot: Slot) -> Result<Outcome, Error> {
    let place = (site.clone(), slot);
    {
        let mut shared = ctx.shared();
        let pace = shared.paces.entry(place.clone()).or_default();
        let pause = pace.pause(Instant::now());
        if !pause.is_zero() {
            return Ok(Outcome::Again(pause));
        }
        pace.begin();
    }
    let wrote = write_now(ctx, site, slot).await;
    let done = matches!(wrote, Ok(true));
    // The site may have gone meanwhile.
    if let Some(pace) = ctx.shared().paces.get_mut(&place) {
        pace.end(Instant::now(), done);
    }
    wrote.map(|_| Outcome::Done)
}

/// Whether anything was written.
async fn write_now(ctx: &Context, site: &Key, slot: Slot) -> Result<bool, Error> {
    let ((wanted, content), stored, suspended) =
        ctx.ask(|fleet| (fleet.unwritten(site, slot), fleet.stored(site, slot), fleet.is_suspended(site)));
    let Some(identity) = ctx.shared().sites.get(site).cloned() else { return Ok(false) };
    if suspended {
        return Ok(false);
    }
    let Some(content) = content else {
        // Whoever waits for this object to be written need not wait any longer.
        ctx.tell(|fleet| fleet.note_stored(site, slot, stored));
        return Ok(false);
    };
    let kind = if slot.secret() { SECRET } else { CONFIG_MAP };
    let key = site.sibling(shard(&site.name, slot));
    let result = match (wanted, stored) {
        (None, _) => delete(ctx, kind, &key, None).await,
        (Some(_), stored) => {
            let object = shard_object(site, &identity.uid, slot, &content);
            let write = async {
                if stored.is_none() {
                    is_there(ctx, kind, &key, &identity.uid).await?;
                }
                apply_large(ctx, kind, &key, &object).await
            };
            write.await.map(|written| {
                // The watch lags behind: what it says of older versions is no news.
                watch::note_version(ctx, site, slot, watch::version(&written));
            })
        }
    };
    if let Err(error) = result {
        note_problem(ctx, site, &error);
        return Err(error);
    }
    ctx.tell(|fleet| fleet.note_stored(site, slot, wanted));
    Ok(true)
}

/// Lets the site's status say what only a person can mend.
pub fn note_problem(ctx: &Context, site: &Key, error: &Error) {
    if error.is_lasting() {
        ctx.tell(|fleet| {
            let mut infra = fleet.infra(site);
            infra.problem = Some(crate::provision::InfraProblem {
                reason: error.reason().parse().unwrap_or(crate::api::Reason::ApplyFailed),
                message: error.to_string(),
            });
            fleet.set_infra(site, infra);
        });
    }
}
