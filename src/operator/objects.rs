//! Writes a site's owned objects, deletes those that are no longer wanted, and finds the site's address.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::RngExt as _;
use serde_json::Value;

use super::cluster::Error;
use super::context::Context;
use super::files::note_problem;
use super::kind::Kind;
use super::names::{token, workload};
use super::owned::{self, OwnedObjects, Prepared, ServiceChoice, WELL_KNOWN_PORT};
use super::queue::Outcome;
use super::sites::SiteSecret;
use super::{sources, watch};
use crate::api::PhoneSiteSpec;
use crate::provision::Key;

/// How often it is looked whether a volume still has its owner's consent.
const CONSENT_PERIOD: Duration = Duration::from_secs(300);

/// Writes what differs from what it should be.
pub(super) async fn reconcile(ctx: &Context, site: &Key) -> Result<Outcome, Error> {
    let Some(spec) = ctx.read(|fleet| fleet.site_spec(site)) else { return Ok(Outcome::Done) };
    let Some(uid) = ctx.sites.uid(site) else { return Ok(Outcome::Done) };
    if spec.suspend {
        note_infra(ctx, site, owned::replicas(&spec), false);
        return Ok(Outcome::Done);
    }
    if let Err(error) = write(ctx, site, &uid, &spec).await {
        if matches!(error, Error::NotAllowed(_)) {
            // All the rest of the site was written.
            note_infra(ctx, site, owned::replicas(&spec), false);
        }
        note_problem(ctx, site, &error);
        return Err(error);
    }
    note_infra(ctx, site, owned::replicas(&spec), true);
    let source = spec.firmware.as_ref().and_then(|firmware| firmware.source.as_ref());
    let has_volume = source.is_some_and(|source| source.persistent_volume_claim.is_some());
    // Nobody watches volumes, and their owner may take the consent back.
    let looks_again = has_volume && ctx.options.policy.demand_consent;
    Ok(if looks_again { Outcome::RequeueAfter(CONSENT_PERIOD) } else { Outcome::Done })
}

async fn write(ctx: &Context, site: &Key, uid: &str, spec: &PhoneSiteSpec) -> Result<(), Error> {
    if ctx.options.policy.forbid_host_network && spec.tftp.as_ref().is_some_and(|tftp| tftp.host_network) {
        let what = "spec.tftp.hostNetwork: is not allowed in this cluster (sites.hostNetwork of the chart): use a Service; the site is left as it is";
        return Err(Error::NotAllowed(what.to_owned()));
    }
    if ctx.sites.token(site).is_none() {
        make_token(ctx, site, uid).await?;
    }
    let mut spec = spec.clone();
    let denied = sources::retain_allowed(ctx, site, &mut spec).await?;
    // Taken apart without `..`: no object can be forgotten. What a pod needs comes before the pod.
    let OwnedObjects { service_account, network_policy, service, deployment, not_allowed } =
        OwnedObjects::prepare(site, uid, &spec, &ctx.options);
    let mut applied = Applied::new(ctx, site, uid);
    applied.put(&service_account).await?;
    applied.put(&network_policy).await?;
    match &service {
        ServiceChoice::Write(service) => applied.put(service).await?,
        ServiceChoice::Leave => applied.leave(Kind::Service),
        ServiceChoice::Without => {}
    }
    applied.put(&deployment).await?;
    applied.delete_all_others().await?;
    let wrong: Vec<String> = not_allowed.into_iter().chain(denied).collect();
    if wrong.is_empty() { Ok(()) } else { Err(Error::NotAllowed(wrong.join("; "))) }
}

/// The owned objects of a site that are as they should be. Only who has put all of them can delete the others.
struct Applied<'a> {
    ctx: &'a Context,
    site: &'a Key,
    uid: &'a str,
    key: Key,
    kinds: BTreeSet<Kind>,
}

impl<'a> Applied<'a> {
    fn new(ctx: &'a Context, site: &'a Key, uid: &'a str) -> Applied<'a> {
        Applied { ctx, site, uid, key: site.sibling(workload(&site.name)), kinds: BTreeSet::new() }
    }

    /// Leaves the object of a kind as it is, if there is one.
    fn leave(&mut self, kind: Kind) {
        self.kinds.insert(kind);
    }

    /// Applies an object, unless it was observed to be as it should.
    async fn put(&mut self, prepared: &Prepared) -> Result<(), Error> {
        let (kind, cluster, children) = (prepared.kind(), &self.ctx.cluster, &self.ctx.children);
        self.kinds.insert(kind);
        match children.get(kind, &self.key) {
            Some(observed) if prepared.is_covered_by(&observed) => return Ok(()),
            Some(_) => {}
            None => drop(cluster.exists(kind, &self.key, self.uid).await?),
        }
        let applied = cluster.apply(kind, &self.key, prepared.object()).await?;
        // The watch will report the same a moment later; until then no other reconcile should write it again.
        if let Ok(object) = serde_json::to_value(&applied) {
            children.note(self.site, kind, &self.key, object);
        }
        Ok(())
    }

    /// Deletes all other children of the site, of whatever kind and name, that the site owns: what it wanted once, or what an
    /// earlier version of this program made.
    async fn delete_all_others(self) -> Result<(), Error> {
        let Applied { ctx, site, uid, key, kinds } = self;
        for (kind, child, metadata) in ctx.children.of_site(site) {
            let owners = metadata["ownerReferences"].as_array();
            let is_owned = owners.into_iter().flatten().any(|owner| owner["uid"] == uid);
            let is_wanted = child == key && kinds.contains(&kind);
            // One that is being deleted stays until its finalizers are done.
            let is_leaving = !metadata["deletionTimestamp"].is_null();
            if is_wanted || !is_owned || is_leaving {
                continue;
            }
            tracing::info!("{} {child} is no longer wanted and is deleted", kind.as_str());
            ctx.cluster.delete(kind, &child, metadata["uid"].as_str().map(str::to_owned)).await?;
            ctx.children.forget(kind, &child);
        }
        Ok(())
    }
}

/// Makes the Secret with the token that site's pods ask for.
async fn make_token(ctx: &Context, site: &Key, uid: &str) -> Result<(), Error> {
    let random = || {
        let bytes: [u8; 32] = rand::rng().random();
        hex::encode(bytes)
    };
    let (value, hash_key) = (random(), random());
    let key = site.sibling(token(&site.name));
    // Made once and never again: a later write would part the pods from the operator.
    if ctx.cluster.exists(Kind::Secret, &key, uid).await? {
        // The watch will report it.
        return Ok(());
    }
    let object = owned::token_secret(site, uid, &value, &hash_key);
    ctx.cluster.apply(Kind::Secret, &key, &object).await?;
    watch::note_token(ctx, site, SiteSecret::new(uid, &value, &hash_key));
    Ok(())
}

/// Notes the address of the site's server, how many pods should run, and that there is no problem any more if it is `solved`.
fn note_infra(ctx: &Context, site: &Key, wanted: i64, solved: bool) {
    let address = address(ctx, site);
    ctx.update(|fleet| {
        let mut infra = fleet.infra(site);
        infra.address = address;
        infra.wanted = wanted;
        if solved {
            infra.problem = None;
        }
        fleet.set_infra(site, infra);
    });
}

/// Where phones reach the site: the load balancer's address, a node's address and port, or the Service's own.
fn address(ctx: &Context, site: &Key) -> Option<String> {
    let Some(service) = ctx.children.get(Kind::Service, &site.sibling(workload(&site.name))) else {
        return ctx.pods.first_host(site);
    };
    let ingress = &service["status"]["loadBalancer"]["ingress"][0];
    if let Some(address) = ingress["ip"].as_str().or(ingress["hostname"].as_str()) {
        return Some(address.to_owned());
    }
    match service["spec"]["type"].as_str() {
        Some("ClusterIP") => service["spec"]["clusterIP"].as_str().map(str::to_owned),
        Some("NodePort") => {
            let port = node_port(&service)?;
            ctx.pods.first_host(site).map(|host| format!("{host}:{port}"))
        }
        _ => None,
    }
}

fn node_port(service: &Value) -> Option<u64> {
    let ports = service["spec"]["ports"].as_array()?;
    ports.iter().find(|port| port["port"] == WELL_KNOWN_PORT)?["nodePort"].as_u64()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::policy::Policy;
    use super::super::supervisor::supervised;
    use super::super::testing::FakeApi;
    use super::*;
    use crate::provision::Meta;

    fn apply_site(ctx: &Context, spec: Value) -> Key {
        let site = Key::new("ns", "hq");
        let meta = Meta { key: site.clone(), generation: Some(1), created: 0, version: 1, resync_at: None };
        ctx.update(|fleet| fleet.apply_site(meta, serde_json::from_value(spec).unwrap(), Default::default()));
        ctx.sites.note_uid(&site, "uid-1".to_owned());
        ctx.sites.note_secret(&site, SiteSecret::new("uid-1", "token", "key"));
        site
    }

    fn child(uid: &str, owner: &str) -> Value {
        json!({"metadata": {"uid": uid, "resourceVersion": "1", "ownerReferences": [{"uid": owner}]}})
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
            "DELETE serviceaccounts/dialtone-hq-of-an-earlier-version",
            "DELETE services/dialtone-hq",
            "DELETE services/dialtone-hq-of-an-earlier-version",
        ];
        assert_eq!(deleted, BTreeSet::from(expected));
        assert_eq!(deletes.len(), 5);

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
        assert_eq!((infra.problem.unwrap().reason, infra.wanted), (crate::api::Reason::NotAllowed, 2));
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
}
