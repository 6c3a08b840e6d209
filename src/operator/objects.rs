//! Writes a site's workload and what belongs to it, and finds its address.

use rand::RngExt as _;
use serde_json::Value;

use super::apply::{Error, SECRET, SERVICE, apply, covers, delete, is_there};
use super::build::{self, WELL_KNOWN_PORT};
use super::context::Context;
use super::files::note_problem;
use super::names::{APPLIED, token, workload};
use super::queue::Outcome;
use super::watch;
use crate::provision::Key;

/// Writes what differs from what it should be.
pub async fn write(ctx: &Context, site: &Key) -> Result<Outcome, Error> {
    let Some(spec) = ctx.ask(|fleet| fleet.site_spec(site)) else { return Ok(Outcome::Done) };
    let Some(identity) = ctx.shared().sites.get(site).cloned() else { return Ok(Outcome::Done) };
    if spec.suspend {
        note_surroundings(ctx, site, build::replicas(&spec), false);
        return Ok(Outcome::Done);
    }
    let result = write_all(ctx, site, &identity.uid, &spec).await;
    if let Err(error) = &result {
        note_problem(ctx, site, error);
    }
    result?;
    note_surroundings(ctx, site, build::replicas(&spec), true);
    Ok(Outcome::Done)
}

async fn write_all(ctx: &Context, site: &Key, uid: &str, spec: &crate::api::PhoneSiteSpec) -> Result<(), Error> {
    let known = ctx.shared().tokens.contains_key(site);
    if !known {
        make_token(ctx, site, uid).await?;
    }
    let wanted = build::objects(site, uid, spec, &ctx.options);
    let key = site.sibling(workload(&site.name));
    for (kind, object) in &wanted {
        let live = ctx.shared().live.get(&(kind.kind, key.clone())).cloned();
        let applied = match live {
            Some(live) if is_as_wanted(&live, object) => continue,
            Some(_) => apply(ctx, *kind, &key, object).await?,
            None => {
                is_there(ctx, *kind, &key, uid).await?;
                apply(ctx, *kind, &key, object).await?
            }
        };
        // The watch will say the same a moment later; until then nobody should write it again.
        if let Ok(value) = serde_json::to_value(&applied) {
            watch::note_live(ctx, kind.kind, key.clone(), value);
        }
    }
    let has_service = wanted.iter().any(|(kind, _)| *kind == SERVICE);
    let live = ctx.shared().live.get(&(SERVICE.kind, key.clone())).cloned();
    if let (false, Some(service)) = (has_service, live) {
        delete(ctx, SERVICE, &key, service["metadata"]["uid"].as_str().map(str::to_owned)).await?;
        ctx.shared().live.remove(&(SERVICE.kind, key));
    }
    Ok(())
}

fn is_as_wanted(live: &Value, wanted: &Value) -> bool {
    live["metadata"]["annotations"][APPLIED] == wanted["metadata"]["annotations"][APPLIED] && covers(live, wanted)
}

/// Makes the Secret with which the operator asks the site's pods.
async fn make_token(ctx: &Context, site: &Key, uid: &str) -> Result<(), Error> {
    let secret = || {
        let bytes: [u8; 32] = rand::rng().random();
        hex::encode(bytes)
    };
    let (value, hash_key) = (secret(), secret());
    let key = site.sibling(token(&site.name));
    let object = build::token_object(site, uid, &value, &hash_key);
    // Made once and never again: a later write would part the pods from the operator.
    if is_there(ctx, SECRET, &key, uid).await? {
        // The watch will tell of it.
        return Ok(());
    }
    apply(ctx, SECRET, &key, &object).await?;
    watch::note_token(ctx, site, &value, &hash_key);
    Ok(())
}

/// Tells the fleet the address of the site's server and how many pods should run.
pub fn note_surroundings(ctx: &Context, site: &Key, wanted: i64, mended: bool) {
    let address = address(ctx, site);
    ctx.tell(|fleet| {
        let mut infra = fleet.infra(site);
        infra.address = address;
        infra.wanted = wanted;
        if mended {
            infra.problem = None;
        }
        fleet.set_infra(site, infra);
    });
}

/// Where phones reach the site: the load balancer's address, a node's address and port, or the Service's own.
fn address(ctx: &Context, site: &Key) -> Option<String> {
    let shared = ctx.shared();
    let hosts = || {
        let mut hosts: Vec<&str> =
            shared.pods.values().filter(|pod| pod.site == *site).filter_map(|pod| pod.host.as_deref()).collect();
        hosts.sort_unstable();
        hosts.dedup();
        hosts
    };
    let Some(service) = shared.live.get(&(SERVICE.kind, site.sibling(workload(&site.name)))) else {
        return hosts().first().map(|host| (*host).to_owned());
    };
    let ingress = &service["status"]["loadBalancer"]["ingress"][0];
    if let Some(address) = ingress["ip"].as_str().or(ingress["hostname"].as_str()) {
        return Some(address.to_owned());
    }
    match service["spec"]["type"].as_str() {
        Some("ClusterIP") => service["spec"]["clusterIP"].as_str().map(str::to_owned),
        Some("NodePort") => {
            let ports = service["spec"]["ports"].as_array()?;
            let port = ports.iter().find(|port| port["port"] == WELL_KNOWN_PORT)?["nodePort"].as_u64()?;
            hosts().first().map(|host| format!("{host}:{port}"))
        }
        _ => None,
    }
}
