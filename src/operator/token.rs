//! The Secret of each site with the token for its pods' reports and the key for hashes. It is made once; if it is deleted or
//! damaged, what it held is put back, so that neither pods nor hashes have to change.

use std::time::Duration;

use rand::RngExt as _;
use sha2::{Digest as _, Sha256};

use super::claim::{Claim, check_stays};
use super::cluster::Error;
use super::context::Context;
use super::kind::Kind;
use super::names::{has_labels, token};
use super::token_secret::TokenSecret;
use super::trimmed::TrimmedSecret;
use super::{owned, problems};
use crate::provision::{Fleet, Key};

/// What the Secret is to its site, in its labels.
const ROLE: &str = "token";

fn random() -> String {
    let bytes: [u8; 32] = rand::rng().random();
    hex::encode(bytes)
}

/// Takes up what a site's Secret holds, if it is the site's and nothing is known of it yet. Secret and site come in any order.
pub(super) fn take(ctx: &Context, site: &Key) {
    if ctx.sites.secret(site).is_none()
        && let (Some(uid), Some(found)) = (ctx.sites.uid(site), ctx.children.token(site))
        && is_own(ctx, site, &uid, &found)
        && let (Some(token), Some(hash_key)) = (&found.token, &found.hash_key)
    {
        ctx.sites.note_secret(site, token, hash_key);
    }
    if let Some(key) = ctx.sites.hash_key(site) {
        ctx.update(|fleet: &mut Fleet| fleet.set_hash_key(site, key));
    }
}

fn claim(ctx: &Context, site: &Key, uid: &str, found: &TokenSecret) -> Claim {
    ctx.children.claim(Kind::Secret, &site.sibling(token(&site.name)), &found.meta, site, uid)
}

fn is_own(ctx: &Context, site: &Key, uid: &str, found: &TokenSecret) -> bool {
    matches!(claim(ctx, site, uid, found), Claim::Ours | Claim::Lost)
}

/// Puts the Secret right, if it is not; after how long to try again, if others change it without end.
pub(super) async fn ensure(ctx: &Context, site: &Key, uid: &str) -> Result<Option<Duration>, Error> {
    let key = site.sibling(token(&site.name));
    let found = match ctx.children.token(site) {
        Some(found) => Some(found),
        None => read(ctx, &key).await?,
    };
    if let Some(found) = &found {
        claim(ctx, site, uid, found).check(Kind::Secret, &key.name)?;
        check_stays(&found.meta, Kind::Secret)?;
    }
    let known = ctx.sites.secret(site);
    let (token, hash_key) = known.clone().unzip();
    let held = found.as_ref();
    let is_new = token.is_none() && held.is_none_or(|found| found.token.is_none());
    let token = token.or_else(|| held?.token.clone()).unwrap_or_else(random);
    let hash_key = hash_key.or_else(|| held?.hash_key.clone()).unwrap_or_else(random);
    if let Some(found) = &found {
        let is_labelled = has_labels(&found.meta, site, ROLE);
        let holds = found.token.as_ref() == Some(&token) && found.hash_key.as_ref() == Some(&hash_key);
        if holds && !found.more && !found.fixed && is_labelled && claim(ctx, site, uid, found) == Claim::Ours {
            note(ctx, site, &token, &hash_key);
            return Ok(None);
        }
    }
    if known.is_some() {
        let what = Kind::Secret.named(&key.name);
        if let Some(pause) = problems::begin(ctx, &what, ("PhoneSite", site, uid)).await {
            return Ok(Some(pause));
        }
    }
    let object = owned::token_secret(site, uid, &token, &hash_key);
    match &found {
        Some(found) if found.fixed => ctx.cluster.delete(Kind::Secret, &key, found.meta.uid.clone()).await?,
        Some(_) => ctx.cluster.strip(Kind::Secret, &key, &object).await?,
        None => {}
    }
    let applied = ctx.cluster.apply(Kind::Secret, &key, &object).await?;
    tracing::info!("Secret {key} is made, or put right");
    if let Ok(applied) = serde_json::to_value(&applied).and_then(serde_json::from_value::<TrimmedSecret>) {
        ctx.children.remember_owner(Kind::Secret, &key, &applied.metadata, true);
        ctx.children.note_token(site, applied.into());
    }
    note(ctx, site, &token, &hash_key);
    if is_new {
        nudge(ctx, site, &token).await;
    }
    Ok(None)
}

fn note(ctx: &Context, site: &Key, token: &str, hash_key: &str) {
    ctx.sites.note_secret(site, token, hash_key);
    take(ctx, site);
}

/// Pods that run have another token, and the kubelet would sync it within a minute.
async fn nudge(ctx: &Context, site: &Key, token: &str) {
    let value = hex::encode(&Sha256::digest(token.as_bytes())[..8]);
    for (pod, _) in ctx.pods.nudges_of(site) {
        if let Err(error) = ctx.cluster.annotate_pod(&pod, &value).await {
            tracing::debug!(%error, "pod {pod} is not nudged, and takes the new token within a minute");
        }
    }
}

async fn read(ctx: &Context, key: &Key) -> Result<Option<TokenSecret>, Error> {
    Ok(ctx.cluster.read::<TrimmedSecret>(key).await?.map(TokenSecret::from))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::supervisor::supervised;
    use super::super::testing::FakeApi;
    use super::*;

    const WHOLE: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const OTHER: &str = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";

    fn observe(ctx: &Context, site: &Key, version: u64, values: (&str, &str), owner: Option<&str>) {
        let mut object = owned::token_secret(site, owner.unwrap_or_default(), values.0, values.1);
        if owner.is_none() {
            object["metadata"]["ownerReferences"] = Value::Null;
        }
        object["metadata"]["uid"] = "o1".into();
        object["metadata"]["resourceVersion"] = version.to_string().into();
        ctx.children.note_token(site, serde_json::from_value::<TrimmedSecret>(object).unwrap().into());
        take(ctx, site);
    }

    #[tokio::test]
    async fn a_secret_that_is_damaged_gets_its_values_back_and_one_of_others_is_not_believed() {
        let (tasks, _supervisor) = supervised();
        let (api, ctx) = FakeApi::start(tasks).await;
        let site = Key::new("ns", "hq");
        ctx.sites.note_uid(&site, "u1".to_owned());
        observe(&ctx, &site, 1, (OTHER, OTHER), None);
        assert_eq!(ctx.sites.token(&site), None, "it is somebody else's");
        assert!(matches!(ensure(&ctx, &site, "u1").await, Err(Error::Taken { .. })));
        observe(&ctx, &site, 2, (OTHER, OTHER), Some("u0"));
        assert!(matches!(ensure(&ctx, &site, "u1").await, Err(Error::Waits(_))), "it is a former site's");
        assert!(ctx.sites.token(&site).is_none() && api.writes().is_empty());

        ctx.children.forget_token(&site, u64::MAX);
        observe(&ctx, &site, 3, (WHOLE, WHOLE), Some("u1"));
        assert_eq!(ctx.sites.token(&site).as_deref(), Some(WHOLE));
        ensure(&ctx, &site, "u1").await.unwrap();
        assert!(api.writes().is_empty(), "it is as it should be");
        for (version, damaged) in [(10, ("", WHOLE)), (11, (OTHER, WHOLE)), (12, ("short", ""))] {
            observe(&ctx, &site, version, damaged, Some("u1"));
            ensure(&ctx, &site, "u1").await.unwrap();
            assert_eq!(api.writes(), ["PATCH secrets/dialtone-hq-token"], "{damaged:?}");
            let held = ctx.children.token(&site).unwrap();
            assert_eq!((held.token.as_deref(), ctx.sites.token(&site).as_deref()), (Some(WHOLE), Some(WHOLE)));
            ctx.children.forget_token(&site, u64::MAX);
        }
        ensure(&ctx, &site, "u1").await.unwrap();
        // It is the fourth time in a row, which is said.
        assert_eq!(api.writes(), ["POST ns/events", "PATCH secrets/dialtone-hq-token"], "it was deleted");
    }

    #[tokio::test]
    async fn of_a_secret_that_was_damaged_while_nobody_looked_what_is_whole_stays() {
        let (tasks, _supervisor) = supervised();
        let (_api, ctx) = FakeApi::start(tasks).await;
        let site = Key::new("ns", "hq");
        ctx.sites.note_uid(&site, "u1".to_owned());
        observe(&ctx, &site, 3, ("short", WHOLE), Some("u1"));
        assert!(ctx.sites.secret(&site).is_none());
        ensure(&ctx, &site, "u1").await.unwrap();
        let (token, hash_key) = ctx.sites.secret(&site).unwrap();
        assert!(token.len() == 64 && token != "short" && hash_key == WHOLE, "hashes stay as they are");
        assert_eq!(json!(ctx.children.token(&site).unwrap().hash_key), json!(WHOLE));
    }
}
