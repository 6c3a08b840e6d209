//! Tells phones to fetch a change, as the fleet says.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::context::Context;
use super::metrics::ResyncLabels;
use super::queue::Outcome;
use crate::provision::Key;
use crate::resync;

/// Tells those phones of a site whose turn it is.
pub fn tell(ctx: &Arc<Context>, site: &Key) -> Outcome {
    let (orders, again) = ctx.tell(|fleet| fleet.resync_orders(site, Timestamp::now()));
    for order in orders {
        let ctx = ctx.clone();
        // Each takes as long as the phone takes to answer: other work goes on meanwhile.
        tokio::spawn(async move {
            tracing::info!(phone = %order.phone, address = %order.address, "it is told to fetch a change");
            let result = resync::send(&order).await;
            if let Err(problem) = &result {
                tracing::warn!(phone = %order.phone, reason = problem.reason.as_str(), problem = problem.message, "it could not be told");
            }
            let label = result.as_ref().map_or_else(|problem| problem.reason.as_str(), |()| "Told");
            ctx.metrics.resyncs.get_or_create(&ResyncLabels { result: label }).inc();
            ctx.tell(|fleet| fleet.note_resync(&order.phone, result));
        });
    }
    again
        .and_then(|seconds| u64::try_from(seconds).ok())
        .map_or(Outcome::Done, |s| Outcome::Again(Duration::from_secs(s)))
}
