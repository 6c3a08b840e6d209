//! Writes the objects that hold files.

use tokio::time::Instant;

use super::apply::{CONFIG_MAP, Error, SECRET, apply, apply_first, delete};
use super::build::shard_object;
use super::context::Context;
use super::names::shard;
use super::queue::Outcome;
use super::watch;
use crate::provision::{Key, Slot};

/// Writes one, if it differs from what it should hold.
pub async fn write(ctx: &Context, site: &Key, slot: Slot) -> Result<Outcome, Error> {
    let (content, stored, suspended) =
        ctx.ask(|fleet| (fleet.content(site, slot), fleet.stored(site, slot), fleet.is_suspended(site)));
    let Some(identity) = ctx.shared().sites.get(site).cloned() else { return Ok(Outcome::Done) };
    if suspended {
        return Ok(Outcome::Done);
    }
    let wanted = (!content.0.is_empty()).then(|| content.digest());
    if wanted == stored {
        // Whoever waits for this object to be written need not wait any longer.
        ctx.tell(|fleet| fleet.note_stored(site, slot, stored));
        return Ok(Outcome::Done);
    }
    let kind = if slot.secret() { SECRET } else { CONFIG_MAP };
    let key = site.sibling(shard(&site.name, slot));
    let result = match (wanted, stored) {
        (None, _) => delete(ctx, kind, &key, None).await,
        (Some(_), stored) => {
            let object = shard_object(site, &identity.uid, slot, &content);
            match stored {
                Some(_) => apply(ctx, kind, &key, &object).await,
                None => apply_first(ctx, kind, &key, &object, &identity.uid).await,
            }
            .map(|written| {
                // The watch lags behind: what it says of older versions is no news.
                watch::note_version(ctx, site, slot, watch::version(&written.metadata));
            })
        }
    };
    if let Err(error) = result {
        note_problem(ctx, site, &error);
        return Err(error);
    }
    ctx.shared().written.insert((site.clone(), slot), Instant::now());
    ctx.tell(|fleet| fleet.note_stored(site, slot, wanted));
    Ok(Outcome::Done)
}

/// Lets the site's status say what only a person can mend.
pub fn note_problem(ctx: &Context, site: &Key, error: &Error) {
    if error.is_lasting() {
        ctx.tell(|fleet| {
            let mut infra = fleet.infra(site);
            infra.problem = Some((error.reason().to_owned(), error.to_string()));
            fleet.set_infra(site, infra);
        });
    }
}
