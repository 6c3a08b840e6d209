//! Writes statuses that differ, and publishes Events about what a person should notice.

use std::fmt::Debug;
use std::time::Duration;

use jiff::Timestamp;
use kube::Resource;
use kube::core::NamespaceResourceScope;
use kube::core::object::HasStatus;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::time::Instant;

use super::cluster::Error;
use super::context::{Context, SETTLING};
use super::queue::Outcome;
use super::trimmed::{Written, version};
use super::{events, mend, problems};
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
    let outcome = again_in(report.due_in);
    if !report.is_news {
        return Ok(outcome);
    }
    if report.is_altered
        && let Some(pause) = contest(ctx, "SipPhone", key).await
    {
        return Ok(Outcome::RequeueAfter(pause));
    }
    let PhoneReport { before, after, upgrade_seconds, .. } = report;
    let Some(written) = apply::<SipPhone, _>(ctx, "SipPhone", key, &after).await? else {
        return Ok(Outcome::Done);
    };
    let version = version(&written.metadata);
    ctx.update(|fleet| fleet.note_phone_status(key, after.clone(), written.status.unwrap_or_default(), version));
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
    let now = Timestamp::now();
    let due = |ctx: &Context| again_in(ctx.read(|fleet| fleet.site_due_in(key, now)));
    let Some((before, after)) = ctx.read(|fleet| fleet.site_status(key, now)) else {
        return Ok(due(ctx));
    };
    if ctx.read(|fleet| fleet.is_altered_site(key))
        && let Some(pause) = contest(ctx, "PhoneSite", key).await
    {
        return Ok(Outcome::RequeueAfter(pause));
    }
    let Some(written) = apply::<PhoneSite, _>(ctx, "PhoneSite", key, &after).await? else {
        return Ok(Outcome::Done);
    };
    let version = version(&written.metadata);
    ctx.update(|fleet| fleet.note_site_status(key, after.clone(), written.status.unwrap_or_default(), version));
    if let Some(uid) = written.metadata.uid {
        let notices = events::condition_notices(&before.conditions, &after.conditions);
        events::publish(&ctx.cluster, "PhoneSite", key, &uid, notices).await;
    }
    Ok(due(ctx))
}

/// A status is looked at again when it says something else although nothing is heard.
fn again_in(seconds: Option<i64>) -> Outcome {
    let seconds = seconds.and_then(|seconds| u64::try_from(seconds).ok());
    seconds.map_or(Outcome::Done, |seconds| Outcome::RequeueAfter(Duration::from_secs(seconds)))
}

/// Applies a status, and takes from it what others added.
async fn apply<K, S>(ctx: &Context, kind: &'static str, key: &Key, status: &S) -> Result<Option<Written<S>>, Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + HasStatus<Status = S>,
    S: Serialize + DeserializeOwned + Debug + PartialEq,
{
    let Some(written) = ctx.cluster.apply_status::<K, S>(kind, key, status).await? else { return Ok(None) };
    if written.status.as_ref() == Some(status) {
        return Ok(Some(written));
    }
    let Some(surplus) = mend::surplus(&json!(written.status), &json!(status)) else { return Ok(Some(written)) };
    let patch = json!({"metadata": {"resourceVersion": written.metadata.resource_version}, "status": surplus});
    Ok(Some(ctx.cluster.merge_status::<K, S>(kind, key, &patch).await?))
}

/// Somebody else changed a status: how long to wait before it is put right, if at all.
async fn contest(ctx: &Context, kind: &'static str, key: &Key) -> Option<Duration> {
    let object = format!("status of {kind} {}", key.name);
    problems::begin(ctx, &object, (kind, key, "")).await
}
