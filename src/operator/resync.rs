//! Notifies phones of a change, as the fleet decides.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tracing::Instrument as _;

use super::context::Context;
use super::metrics::ResyncLabels;
use super::queue::Outcome;
use super::supervisor::catch;
use crate::api::Reason;
use crate::provision::Key;
use crate::provision::resync::{ResyncError, ResyncOrder};
use crate::resync;

/// Notifies those phones of a site that are due.
pub(super) fn reconcile(ctx: &Arc<Context>, site: &Key) -> Outcome {
    let (orders, again) = ctx.update(|fleet| {
        let now = Timestamp::now();
        let (orders, again) = fleet.resync_orders(site, now);
        let with_attempts = orders.into_iter().map(|order| {
            let failures = fleet.report(&order.phone, now).and_then(|report| report.after.resync?.failures);
            (order, failures.unwrap_or(0) + 1)
        });
        (with_attempts.collect::<Vec<_>>(), again)
    });
    for (order, attempt) in orders {
        let ctx = ctx.clone();
        let span = tracing::info_span!("resync", kind = "SipPhone", object = %order.phone, attempt);
        // Each takes as long as the phone takes to answer: other work goes on meanwhile.
        let task = async move { notify(&ctx, &order, resync::tell(&order)).await };
        tokio::spawn(task.instrument(span));
    }
    let seconds = again.and_then(|seconds| u64::try_from(seconds).ok());
    seconds.map_or(Outcome::Done, |seconds| Outcome::RequeueAfter(Duration::from_secs(seconds)))
}

/// Notifies a phone. However that ends, even by a panic, the fleet hears of it, and tries again with backoff.
async fn notify(ctx: &Context, order: &ResyncOrder, send: impl Future<Output = Result<(), ResyncError>>) {
    tracing::info!(address = %order.address, "phone {} is notified of a change", order.phone);
    let result = catch(send).await.unwrap_or_else(|panic| {
        ctx.metrics.count_panic("notify");
        tracing::error!(%panic, "notifying phone {} panicked", order.phone);
        Err(ResyncError::new(Reason::NotSent.as_str(), "the operator failed to send the request; its log says more"))
    });
    if let Err(problem) = &result {
        tracing::warn!(reason = problem.reason, problem = problem.message, "phone {} was not notified", order.phone);
    }
    let label = result.as_ref().map_or_else(|problem| problem.reason, |()| Reason::Told.as_str());
    ctx.metrics.resyncs.get_or_create(&ResyncLabels { result: label }).inc();
    ctx.update(|fleet| fleet.note_resync(&order.phone, result));
}
