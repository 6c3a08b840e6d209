//! Notifies phones of a change, as the fleet decides.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tracing::Instrument as _;

use super::context::Context;
use super::queue::Outcome;
use super::supervisor::catch;
use crate::api::Reason;
use crate::provision::Key;
use crate::provision::resync::{Answer, ResyncError, ResyncOrder};
use crate::resync;

/// Notifies those phones of a site that are due.
pub(super) fn reconcile(ctx: &Arc<Context>, site: &Key) -> Outcome {
    let (orders, again) = ctx.update(|fleet| fleet.resync_orders(site, Timestamp::now()));
    for order in orders {
        let ctx = ctx.clone();
        let span = tracing::info_span!("resync", kind = "SipPhone", object = %order.phone, attempt = order.attempt);
        // Each takes as long as the phone takes to answer: other work goes on meanwhile.
        let task = async move {
            let is_heard = || !ctx.read(|fleet| fleet.awaits_answer(&order.phone));
            notify(&ctx, &order, resync::send(&order, is_heard)).await;
        };
        tokio::spawn(task.instrument(span));
    }
    let seconds = again.and_then(|seconds| u64::try_from(seconds).ok());
    seconds.map_or(Outcome::Done, |seconds| Outcome::RequeueAfter(Duration::from_secs(seconds)))
}

/// Notifies a phone. However that ends, even by a panic, the fleet hears of it, and tries again with backoff.
async fn notify(ctx: &Context, order: &ResyncOrder, send: impl Future<Output = Result<Answer, ResyncError>>) {
    tracing::info!(address = %order.address, "phone {} is notified of a change", order.phone);
    let result = catch(send).await.unwrap_or_else(|panic| {
        ctx.metrics.count_panic("Notify");
        tracing::error!(%panic, "notifying phone {} panicked", order.phone);
        Err(ResyncError::new(Reason::NotSent, "the operator failed to send the request; its log says more"))
    });
    let label = match &result {
        Ok(Answer::Heard) => Reason::Told,
        Ok(Answer::Silence(silence)) => {
            tracing::info!(silence, "phone {} was notified, and is waited for", order.phone);
            Reason::Unheard
        }
        Err(ResyncError { reason, message }) => {
            tracing::warn!(reason = reason.as_str(), problem = message, "phone {} was not notified", order.phone);
            *reason
        }
    };
    ctx.metrics.count_resync(label);
    ctx.update(|fleet| fleet.note_resync(&order.phone, result));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::supervisor::supervised;
    use super::super::testing::{Logs, apply_site_and_phone, context, metrics_text};
    use super::*;
    use crate::api::ConditionType;
    use crate::base::digest::{Digest, HashKey};
    use crate::base::report::{Outcome as Ended, Record};
    use crate::provision::{Fetch, Fleet};

    /// A phone that runs an older file than the one that a pod serves.
    fn outdated(fleet: &mut Fleet) {
        let site = Key::new("ns", "hq");
        fleet.set_hash_key(&site, HashKey::new(b"k"));
        apply_site_and_phone(fleet, json!({"settings": {"proxy1Address": "10.0.0.1"}, "resync": {"method": "Notify"}}));
        fleet.take_work();
        let held = fleet.tree(&site).iter().map(|(name, bytes)| (name.clone(), Digest::of(bytes))).collect();
        fleet.pod_holds(&site, "pod", true, held, &[]);
        let mut record = Record::without_transfer(([10, 0, 0, 9], 1000).into(), "SIP000A8A123456.cnf", Ended::Complete);
        record.digest = Some(Digest::of(b"older").to_string().into());
        fleet.fetched(&site, &Fetch::from(&record));
    }

    #[tokio::test]
    async fn a_notification_that_panics_is_logged_counted_and_does_not_last_for_ever() {
        let logs = Logs::capture();
        let (tasks, _supervisor) = supervised();
        let (ctx, site) = (context(tasks), Key::new("ns", "hq"));
        ctx.update(outdated);
        let orders = ctx.update(|fleet| fleet.resync_orders(&site, Timestamp::now()).0);
        let [order] = orders.as_slice() else { panic!("{orders:?}") };
        let resynced = || {
            let report = ctx.read(|fleet| fleet.report(&order.phone, Timestamp::now())).unwrap();
            let name = ConditionType::Resynced.as_str();
            let condition = report.after.conditions.into_iter().find(|condition| condition.type_ == name).unwrap();
            condition.reason
        };
        assert_eq!(resynced(), "Told", "it is being notified");

        notify(&ctx, order, async { panic!("an odd answer") }).await;
        assert_eq!(resynced(), "NotSent", "it is tried again later");
        let text = metrics_text(&ctx);
        assert!(text.contains("panics_total{task=\"Notify\"} 1"), "{text}");
        assert!(text.contains("resyncs_total{result=\"NotSent\"} 1"), "{text}");
        let lines = logs.lines();
        assert!(lines[1].contains("notifying phone ns/p panicked") && lines[1].contains("an odd answer"), "{lines:?}");
    }
}
