//! What is written of a site, and in which order.

use super::super::policy::Policy;
use super::super::supervisor::supervised;
use super::super::testing::FakeApi;
use super::super::trimmed::TrimmedSecret;
use super::*;
use crate::api::API_VERSION;
use crate::provision::Meta;

fn apply_site(ctx: &Context, spec: Value) -> Key {
    let site = Key::new("ns", "hq");
    let meta = Meta { key: site.clone(), generation: Some(1), created: 0, version: 1, resync_at: None };
    ctx.update(|fleet| fleet.apply_site(meta, serde_json::from_value(spec).unwrap(), Default::default()));
    ctx.sites.note_uid(&site, "uid-1".to_owned());
    let value = "0123456789abcdef".repeat(4);
    let mut secret = owned::token_secret(&site, "uid-1", &value, &value);
    secret["metadata"]["resourceVersion"] = "1".into();
    ctx.children.note_token(&site, serde_json::from_value::<TrimmedSecret>(secret).unwrap().into());
    site
}

fn child(uid: &str, owner: &str) -> Value {
    let owner = json!({"apiVersion": API_VERSION, "kind": "PhoneSite", "name": "hq", "uid": owner, "controller": true, "blockOwnerDeletion": true});
    json!({"metadata": {"uid": uid, "resourceVersion": "1", "ownerReferences": [owner]}})
}

#[tokio::test]
async fn an_owned_object_that_is_no_longer_wanted_is_deleted_whatever_its_kind() {
    let (tasks, _supervisor) = supervised();
    let (api, ctx) = FakeApi::start(tasks).await;
    let site = apply_site(&ctx, json!({"tftp": {"hostNetwork": true}}));
    let name = site.sibling("dialtone-hq");
    let old = site.sibling("dialtone-hq-of-an-earlier-version");
    for kind in Kind::OWNED {
        ctx.children.note(&site, kind, &name, child("a", "uid-1"));
        ctx.children.note(&site, kind, &old, child("b", "uid-1"));
        ctx.children.note(&site, kind, &site.sibling("of-another-owner"), child("c", "uid-2"));
        ctx.children.note(&site.sibling("lab"), kind, &site.sibling("dialtone-lab"), child("d", "uid-3"));
    }
    let mut leaving = child("e", "uid-1");
    leaving["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z".into();
    ctx.children.note(&site, Kind::Deployment, &site.sibling("leaving"), leaving);

    assert_eq!(reconcile(&ctx, &site).await.unwrap(), Outcome::Done);
    let mut writes = api.writes();
    let deletes = writes.split_off(3);
    assert_eq!(
        writes,
        ["PATCH serviceaccounts/dialtone-hq", "PATCH networkpolicies/dialtone-hq", "PATCH deployments/dialtone-hq"]
    );
    let deleted: BTreeSet<&str> = deletes.iter().map(String::as_str).collect();
    let expected = [
        "DELETE deployments/dialtone-hq-of-an-earlier-version",
        "DELETE networkpolicies/dialtone-hq-of-an-earlier-version",
        "DELETE poddisruptionbudgets/dialtone-hq",
        "DELETE poddisruptionbudgets/dialtone-hq-of-an-earlier-version",
        "DELETE serviceaccounts/dialtone-hq-of-an-earlier-version",
        "DELETE services/dialtone-hq",
        "DELETE services/dialtone-hq-of-an-earlier-version",
    ];
    assert_eq!(deleted, BTreeSet::from(expected));
    assert_eq!(deletes.len(), 7);

    assert_eq!(reconcile(&ctx, &site).await.unwrap(), Outcome::Done);
    assert!(api.writes().is_empty(), "what is as it should be is not written again");
}

#[tokio::test]
async fn what_is_not_allowed_is_said_and_the_service_stays_as_it_is() {
    let (tasks, _supervisor) = supervised();
    let (api, ctx) = FakeApi::start(tasks).await;
    let site = apply_site(&ctx, json!({"tftp": {"service": {"annotations": {"example.com/public": "true"}}}}));
    ctx.children.note(&site, Kind::Service, &site.sibling("dialtone-hq"), child("a", "uid-1"));
    let error = reconcile(&ctx, &site).await.unwrap_err().to_string();
    assert!(error.starts_with("spec.tftp.service.annotations.example.com/public: "), "{error}");
    let writes = api.writes();
    assert!(writes.contains(&"PATCH deployments/dialtone-hq".to_owned()), "{writes:?}");
    assert!(!writes.iter().any(|write| write.contains("services/")), "{writes:?}");
    let infra = ctx.read(|fleet| fleet.infra(&site));
    assert_eq!((infra.problems[SPEC].reason, infra.wanted), (crate::api::Reason::NotAllowed, 2));
}

#[tokio::test]
async fn nothing_is_written_for_a_site_in_the_nodes_network_where_that_is_forbidden() {
    let (tasks, _supervisor) = supervised();
    let policy = Policy { forbid_host_network: true, ..Policy::default() };
    let (api, ctx) = FakeApi::with_policy(tasks, policy).await;
    let site = apply_site(&ctx, json!({"tftp": {"hostNetwork": true}}));
    let error = reconcile(&ctx, &site).await.unwrap_err().to_string();
    assert!(error.starts_with("spec.tftp.hostNetwork: is not allowed"), "{error}");
    assert!(api.writes().is_empty());
    let site = apply_site(&ctx, json!({}));
    reconcile(&ctx, &site).await.unwrap();
    assert!(!api.writes().is_empty());
}

#[tokio::test]
async fn nothing_of_a_suspended_site_is_written_or_deleted() {
    let (tasks, _supervisor) = supervised();
    let (api, ctx) = FakeApi::start(tasks).await;
    let site = apply_site(&ctx, json!({"suspend": true, "tftp": {"hostNetwork": true}}));
    ctx.children.note(&site, Kind::Service, &site.sibling("dialtone-hq"), child("a", "uid-1"));
    assert_eq!(reconcile(&ctx, &site).await.unwrap(), Outcome::Done);
    assert!(api.writes().is_empty());
}
