//! Workers: each takes one thing from the queue, builds it from the newest truth, and writes it if it differs.

use std::sync::Arc;

use super::context::Context;
use super::metrics::WorkLabels;
use super::queue::Outcome;
use super::{apply, files, objects, pods, read, resync, statuses};
use crate::provision::WorkItem;

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

async fn look_at(ctx: &Arc<Context>, thing: &WorkItem) -> Result<Outcome, apply::Error> {
    match thing {
        WorkItem::Read(kind, key) => read::read(ctx, *kind, key).await,
        WorkItem::Shard(site, slot) => files::write(ctx, site, *slot).await,
        WorkItem::Objects(site) => objects::write(ctx, site).await,
        WorkItem::Pods(site) => pods::tell(ctx, site).await,
        WorkItem::Resync(site) => Ok(resync::tell(ctx, site)),
        WorkItem::SiteStatus(site) => statuses::write_site(ctx, site).await,
        WorkItem::PhoneStatus(phone) => statuses::write_phone(ctx, phone).await,
    }
}

fn name(thing: &WorkItem) -> &'static str {
    match thing {
        WorkItem::Read(..) => "read",
        WorkItem::Shard(..) => "files",
        WorkItem::Objects(_) => "objects",
        WorkItem::Pods(_) => "pods",
        WorkItem::Resync(_) => "resync",
        WorkItem::SiteStatus(_) => "site-status",
        WorkItem::PhoneStatus(_) => "phone-status",
    }
}

fn describe(thing: &WorkItem) -> String {
    match thing {
        WorkItem::Read(_, key) | WorkItem::Objects(key) | WorkItem::Pods(key) | WorkItem::Resync(key) => {
            key.to_string()
        }
        WorkItem::SiteStatus(key) | WorkItem::PhoneStatus(key) => key.to_string(),
        WorkItem::Shard(site, slot) => format!("{site} {}", slot.suffix()),
    }
}
