//! Writes statuses that differ, and publishes Events about what a person should notice.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::cluster::Error;
use super::context::{Context, SETTLING};
use super::queue::Outcome;
use super::{events, watch};
use crate::api::{PhoneSite, Reason, SipPhone};
use crate::provision::{Key, PhoneReport};

/// What to do about a phone's status.
enum Step {
    /// Its file is on its way to the pods: one write shows the end of the story.
    Wait,
    /// A dependency is pending: there is nothing to write yet.
    Nothing,
    /// Write it, if it differs from what the API server holds.
    Write(Box<PhoneReport>),
}

/// Writes a phone's status.
pub(super) async fn reconcile_phone(ctx: &Context, key: &Key) -> Result<Outcome, Error> {
    let now = Timestamp::now();
    let step = ctx.update(|fleet| {
        fleet.advance(now);
        let place = fleet.is_propagating(key).then(|| fleet.slot_of(key)).flatten();
        if place.is_some_and(|(site, slot)| ctx.debouncers.is_under_way(&site, slot, Instant::now(), SETTLING)) {
            return Step::Wait;
        }
        fleet.report(key, now).map_or(Step::Nothing, |report| Step::Write(Box::new(report)))
    });
    let report = match step {
        Step::Wait => return Ok(Outcome::RequeueAfter(SETTLING / 3)),
        Step::Nothing => return Ok(Outcome::Done),
        Step::Write(report) => *report,
    };
    let due = report.due_in.and_then(|seconds| u64::try_from(seconds).ok());
    let outcome = due.map_or(Outcome::Done, |seconds| Outcome::RequeueAfter(Duration::from_secs(seconds)));
    if !report.is_news() {
        return Ok(outcome);
    }
    let PhoneReport { before, after, urgency: _, due_in: _, upgrade_seconds } = report;
    let Some(written) = ctx.cluster.apply_status::<SipPhone, _>("SipPhone", key, &after).await? else {
        return Ok(Outcome::Done);
    };
    let version = watch::version(&written.metadata);
    ctx.update(|fleet| fleet.note_phone_status(key, written.status.unwrap_or_default(), version));
    if let Some(uid) = written.metadata.uid {
        let mut notices = events::condition_notices(&before.conditions, &after.conditions);
        notices.extend(events::resync_notice(&before, &after));
        let upgrade =
            events::firmware_notice(before.firmware.as_ref(), after.firmware.as_ref(), upgrade_seconds.is_some());
        if let Some(seconds) = upgrade_seconds
            && upgrade.as_ref().is_some_and(|notice| notice.reason == Reason::Upgraded)
        {
            ctx.metrics.upgrades.observe(seconds as f64);
        }
        notices.extend(upgrade);
        events::publish(&ctx.cluster, "SipPhone", key, &uid, notices).await;
    }
    Ok(outcome)
}

/// Writes a site's status.
pub(super) async fn reconcile_site(ctx: &Context, key: &Key) -> Result<Outcome, Error> {
    let Some((before, after)) = ctx.read(|fleet| fleet.site_status(key, Timestamp::now())) else {
        return Ok(Outcome::Done);
    };
    let Some(written) = ctx.cluster.apply_status::<PhoneSite, _>("PhoneSite", key, &after).await? else {
        return Ok(Outcome::Done);
    };
    let version = watch::version(&written.metadata);
    ctx.update(|fleet| fleet.note_site_status(key, written.status.unwrap_or_default(), version));
    if let Some(uid) = written.metadata.uid {
        let notices = events::condition_notices(&before.conditions, &after.conditions);
        events::publish(&ctx.cluster, "PhoneSite", key, &uid, notices).await;
    }
    Ok(Outcome::Done)
}
