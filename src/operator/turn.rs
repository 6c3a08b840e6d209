//! When a site's Deployment is written. What the site itself asks for is written at once, and what others changed is put right at
//! once; what only the operator's own upgrade changes of its pods waits for the site's turn ([`crate::provision::updates`]).

use std::time::Duration;

use serde_json::Value;

use super::children::fingerprint;
use super::claim::Claim;
use super::context::Context;
use super::kind::Kind;
use super::names::{UPDATED, workload};
use super::options::Options;
use super::owned::{OwnedObjects, Prepared};
use super::updates::{Decision, Known};
use crate::api::{PhoneSiteSpec, Reason};
use crate::provision::updates::UpdateStage;
use crate::provision::{Key, WorkItem};

/// The end of [`UPDATED`] on pods that were replaced when none of them served.
const WAS_DOWN: &str = "down";

/// What becomes of a site's Deployment now.
#[derive(Debug)]
pub(super) enum Turn {
    /// It is to be like this.
    Write(Box<Prepared>),
    /// It is to be like this, which is not yet what this version of the operator makes of it.
    Keep(Box<Prepared>, Known),
    /// It stays as it is until it is the site's turn.
    Wait,
}

/// What becomes of a site's Deployment, which should be like this at last.
pub(super) fn of(ctx: &Context, site: &Key, uid: &str, spec: &PhoneSiteSpec, wanted: &Prepared) -> Turn {
    let key = site.sibling(workload(&site.name));
    let Some(found) = ctx.children.get(Kind::Deployment, &key) else { return Turn::Write(wanted.clone().into()) };
    let meta = serde_json::from_value(found["metadata"].clone()).unwrap_or_default();
    let mark = found["metadata"]["annotations"][UPDATED].as_str();
    let write = || Turn::Write(wanted.clone().marked(UPDATED, mark).into());
    let is_own = matches!(ctx.children.claim(Kind::Deployment, &key, &meta, site, uid), Claim::Ours | Claim::Lost);
    let (was_applied, _) = ctx.children.answered(Kind::Deployment, &key, wanted.digest());
    // What was applied like this and is different now, others have changed.
    if !is_own || was_applied || wanted.was_applied_to(&found) || !wanted.replaces_pods(&found) {
        return write();
    }
    if ctx.updates.is_granted(site) {
        let mark = if serves(&found) { wanted.digest().to_owned() } else { format!("{} {WAS_DOWN}", wanted.digest()) };
        tracing::info!(%site, image = ctx.options.image, "site {site} gets new TFTP pods, because the operator was upgraded");
        return Turn::Write(wanted.clone().marked(UPDATED, Some(&mark)).into());
    }
    let (known, print) = (ctx.updates.known(site), fingerprint(&found));
    let waits = known.as_ref().and_then(|known| known.waits.as_ref());
    let is_same = match &known {
        Some(known) => known.asked == wanted.digest() && waits.is_none_or(|(before, _)| *before == print),
        // What was asked for before this process began the one before has written.
        None => ctx.read(|fleet| fleet.is_site_observed(site)),
    };
    let image = waits.map(|(_, image)| image.clone()).or_else(|| image_of(&found));
    let Some(image) = image else { return write() };
    let kept = Known { asked: wanted.digest().to_owned(), waits: Some((print, image.clone())) };
    if is_same {
        ctx.updates.note_known(site, kept);
        return Turn::Wait;
    }
    let options = Options { image, ..ctx.options.clone() };
    let OwnedObjects { deployment, .. } = OwnedObjects::prepare(site, uid, spec, &options);
    if deployment.digest() == wanted.digest() {
        // Nothing of it waits for a turn: an edit whose first writing failed is no upgrade.
        return write();
    }
    Turn::Keep(deployment.marked(UPDATED, mark).into(), kept)
}

/// A Deployment was put right: that is what is known from now on, unless others have changed it again.
pub(super) fn note_written(ctx: &Context, site: &Key, written: &Prepared, kept: Option<Known>) {
    let found = ctx.children.get(Kind::Deployment, &site.sibling(workload(&site.name)));
    let Some(kept) = kept else {
        let known = Known { asked: written.digest().to_owned(), waits: None };
        return ctx.updates.note_known(site, known);
    };
    if let (Some(found), Some((_, image))) = (found.filter(|found| written.is_covered_by(found)), kept.waits) {
        ctx.updates.note_known(site, Known { waits: Some((fingerprint(&found), image)), ..kept });
    }
}

/// How far a site is whose Deployment was seen to, and should be like this at last.
pub(super) fn stage(ctx: &Context, site: &Key, wanted: &Prepared, waits: bool) -> UpdateStage {
    let Some(found) = ctx.children.get(Kind::Deployment, &site.sibling(workload(&site.name))) else {
        return UpdateStage::Settled;
    };
    if waits {
        return UpdateStage::Outdated { serves: serves(&found) };
    }
    let mark = found["metadata"]["annotations"][UPDATED].as_str().unwrap_or_default();
    let (updated, was_down) = mark.split_once(' ').map_or((mark, false), |(mark, end)| (mark, end == WAS_DOWN));
    // What the site's own edits did to its pods, or nobody, is nobody else's trouble.
    if updated != wanted.digest() {
        return UpdateStage::Settled;
    }
    match progress(&found) {
        Progress::Done => UpdateStage::Settled,
        Progress::TooLate if was_down => UpdateStage::Settled,
        Progress::TooLate => UpdateStage::Failed,
        Progress::UnderWay => UpdateStage::Updating,
    }
}

/// Decides whose turn it is, and has that done and said.
pub(super) fn decide(ctx: &Context) {
    let sites: Vec<Key> = ctx.read(|fleet| fleet.sites().cloned().collect());
    let sites: Vec<Key> = sites.into_iter().filter(|site| !ctx.leadership.leaves(&site.namespace)).collect();
    let Decision { granted, said } = ctx.updates.decide(&sites, ctx.options.max_sites_updating);
    for (site, what) in said {
        match &what {
            Some((Reason::UpdateFailed, why)) => tracing::warn!(%site, "site {site}: {why}"),
            Some((reason, _)) => {
                tracing::info!(%site, reason = reason.as_str(), "site {site} keeps its TFTP pods for now")
            }
            None => {}
        }
        ctx.update(|fleet| fleet.set_update(&site, what));
    }
    for site in granted {
        ctx.queue.add(WorkItem::Objects(site), Duration::ZERO);
    }
}

/// How far a Deployment is.
#[derive(Debug, PartialEq, Eq)]
enum Progress {
    /// All pods are new, and serve.
    Done,
    /// Not all are yet, or not any more.
    UnderWay,
    /// The new ones did not come up within its deadline.
    TooLate,
}

fn progress(deployment: &Value) -> Progress {
    let status = &deployment["status"];
    let number = |value: &Value| value.as_i64().unwrap_or(0);
    if number(&status["observedGeneration"]) < number(&deployment["metadata"]["generation"]) {
        return Progress::UnderWay;
    }
    let wanted = deployment["spec"]["replicas"].as_i64().unwrap_or(1);
    let (updated, available) = (number(&status["updatedReplicas"]), number(&status["availableReplicas"]));
    if updated >= wanted && available >= wanted && number(&status["replicas"]) <= updated {
        return Progress::Done;
    }
    let conditions = status["conditions"].as_array();
    let is_late = conditions.into_iter().flatten().any(|one| one["reason"] == "ProgressDeadlineExceeded");
    if is_late { Progress::TooLate } else { Progress::UnderWay }
}

/// Whether a pod serves, as far as is known.
fn serves(deployment: &Value) -> bool {
    let status = &deployment["status"];
    // Where nobody has counted yet nothing is known to be broken.
    status["observedGeneration"].is_null() || status["availableReplicas"].as_i64().unwrap_or(0) > 0
}

/// The image of a Deployment's server.
fn image_of(deployment: &Value) -> Option<String> {
    let containers = deployment["spec"]["template"]["spec"]["containers"].as_array()?;
    containers.iter().find(|container| container["name"] == "tftp")?["image"].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests;
