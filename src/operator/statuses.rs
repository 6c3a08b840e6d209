//! Writes statuses that differ, and says in an Event what a person should notice.

use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt as _;
use kube::api::{Api, Patch, PatchParams};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::apply::{Error, limited};
use super::context::Context;
use super::metrics::WriteLabels;
use super::names::MANAGER;
use super::queue::Outcome;
use super::{events, watch};
use crate::api::{API_VERSION, PhoneSite, SipPhone};
use crate::provision::Key;

/// Writes a phone's status.
pub async fn write_phone(ctx: &Context, key: &Key) -> Result<Outcome, Error> {
    if let Some(pause) = ctx.settling(key) {
        // One write tells the end of the story.
        return Ok(Outcome::Again(pause));
    }
    let now = Timestamp::now();
    let report = ctx.ask(|fleet| fleet.report(key, now));
    let due = report.as_ref().and_then(|report| report.due_in).and_then(|seconds| u64::try_from(seconds).ok());
    let outcome = due.map_or(Outcome::Done, |seconds| Outcome::Again(Duration::from_secs(seconds)));
    let Some(crate::provision::PhoneReport { before, after, upgrade_seconds: lasted, .. }) =
        report.filter(|report| report.is_news())
    else {
        return Ok(outcome);
    };
    let Some(written) = write::<SipPhone>(ctx, "SipPhone", key, &after).await? else { return Ok(Outcome::Done) };
    let version = watch::version(&written.metadata);
    ctx.tell(|fleet| fleet.note_phone_status(key, written.status.unwrap_or_default(), version));
    if let Some(uid) = written.metadata.uid {
        let mut news = events::news(&before.conditions, &after.conditions);
        news.extend(events::told_news(&before, &after));
        let upgrade = events::firmware_news(before.firmware.as_ref(), after.firmware.as_ref(), lasted.is_some());
        if upgrade.as_ref().is_some_and(|news| news.reason == "Upgraded")
            && let Some(seconds) = lasted
        {
            ctx.metrics.upgrades.observe(seconds as f64);
        }
        news.extend(upgrade);
        events::publish(ctx, "SipPhone", key, &uid, news).await;
    }
    Ok(outcome)
}

/// Writes a site's status.
pub async fn write_site(ctx: &Context, key: &Key) -> Result<Outcome, Error> {
    let Some((before, after)) = ctx.ask(|fleet| fleet.site_status(key, Timestamp::now())) else {
        return Ok(Outcome::Done);
    };
    let Some(written) = write::<PhoneSite>(ctx, "PhoneSite", key, &after).await? else { return Ok(Outcome::Done) };
    let version = watch::version(&written.metadata);
    ctx.tell(|fleet| fleet.note_site_status(key, written.status.unwrap_or_default(), version));
    if let Some(uid) = written.metadata.uid {
        let news = events::news(&before.conditions, &after.conditions);
        events::publish(ctx, "PhoneSite", key, &uid, news).await;
    }
    Ok(Outcome::Done)
}

/// Applies a status; nothing if the object is gone.
async fn write<K>(ctx: &Context, kind: &'static str, key: &Key, status: &impl Serialize) -> Result<Option<K>, Error>
where
    K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug,
{
    ctx.metrics.writes.get_or_create(&WriteLabels { kind }).inc();
    let object = json!({
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {"name": key.name, "namespace": key.namespace},
        "status": status,
    });
    let api: Api<K> = Api::namespaced(ctx.client.clone(), &key.namespace);
    let params = PatchParams::apply(MANAGER).force();
    match limited(api.patch_status(&key.name, &params, &Patch::Apply(&object))).await {
        Ok(written) => {
            tracing::debug!(kind, object = %key, version = ?written.resource_version(), "status written");
            Ok(Some(written))
        }
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => Err(error),
    }
}
