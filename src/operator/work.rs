//! Workers: each takes one thing from the queue, builds it from the newest truth, and writes it if it differs.

use std::sync::Arc;

use super::context::Context;
use super::metrics::WorkLabels;
use super::queue::Outcome;
use super::{apply, files, objects, pods, read, resync, statuses};
use crate::provision::Dirty;

/// How many workers there are. Writes to one site's objects go on side by side; the API server sets the pace beyond that.
const WORKERS: usize = 16;

/// Starts the workers.
pub fn start(ctx: &Arc<Context>) {
    for _ in 0..WORKERS {
        let ctx = ctx.clone();
        tokio::spawn(async move {
            loop {
                let thing = ctx.queue.next().await;
                let result = look_at(&ctx, &thing).await;
                let work = name(&thing);
                let label = if result.is_ok() { "ok" } else { "error" };
                ctx.metrics.work.get_or_create(&WorkLabels { work, result: label }).inc();
                let outcome = result.unwrap_or_else(|error| {
                    tracing::warn!(work, thing = %describe(&thing), error = %error, "it will be tried again");
                    Outcome::Failed
                });
                ctx.queue.finish(thing, outcome);
            }
        });
    }
}

async fn look_at(ctx: &Arc<Context>, thing: &Dirty) -> Result<Outcome, apply::Error> {
    match thing {
        Dirty::Read(kind, key) => read::read(ctx, *kind, key).await,
        Dirty::Shard(site, slot) => files::write(ctx, site, *slot).await,
        Dirty::Objects(site) => objects::write(ctx, site).await,
        Dirty::Pods(site) => pods::tell(ctx, site).await,
        Dirty::Resync(site) => Ok(resync::tell(ctx, site)),
        Dirty::SiteStatus(site) => statuses::write_site(ctx, site).await,
        Dirty::PhoneStatus(phone) => statuses::write_phone(ctx, phone).await,
    }
}

fn name(thing: &Dirty) -> &'static str {
    match thing {
        Dirty::Read(..) => "read",
        Dirty::Shard(..) => "files",
        Dirty::Objects(_) => "objects",
        Dirty::Pods(_) => "pods",
        Dirty::Resync(_) => "resync",
        Dirty::SiteStatus(_) => "site-status",
        Dirty::PhoneStatus(_) => "phone-status",
    }
}

fn describe(thing: &Dirty) -> String {
    match thing {
        Dirty::Read(_, key) | Dirty::Objects(key) | Dirty::Pods(key) | Dirty::Resync(key) => key.to_string(),
        Dirty::SiteStatus(key) | Dirty::PhoneStatus(key) => key.to_string(),
        Dirty::Shard(site, slot) => format!("{site} {}", slot.suffix()),
    }
}
