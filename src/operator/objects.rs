//! Writes a site's owned objects, and deletes those that are no longer wanted.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::address::{Address, address};
use super::claim::{Claim, check_stays};
use super::cluster::Error;
use super::context::Context;
use super::kind::Kind;
use super::names::{self, workload};
use super::owned::{self, OwnedObjects, Prepared, ServiceChoice};
use super::queue::Outcome;
use super::turn::Turn;
use super::{missing_pods, problems, sources, token, turn};
use crate::api::{PhoneSiteSpec, Reason};
use crate::provision::updates::UpdateStage;
use crate::provision::{Key, WorkItem};

/// Under what name problems of the site's own spec are noted.
const SPEC: &str = "PhoneSite spec";

/// How often it is looked whether a volume still has its owner's consent.
const CONSENT_PERIOD: Duration = Duration::from_secs(300);

/// So often an object is put right that others write to at the same moment.
const CORRECTIONS: u32 = 5;

/// Writes what differs from what it should be.
pub(super) async fn reconcile(ctx: &Context, site: &Key) -> Result<Outcome, Error> {
    let Some(spec) = ctx.read(|fleet| fleet.site_spec(site)) else { return Ok(Outcome::Done) };
    let Some(uid) = ctx.sites.uid(site) else { return Ok(Outcome::Done) };
    let attempt = ctx.queue.attempt(&WorkItem::Objects(site.clone()));
    let mut applied =
        Applied { ctx, site, uid: &uid, attempt, kinds: BTreeSet::new(), ends: Ends::default(), stage: None };
    match spec.suspend {
        true => applied.stage = Some(UpdateStage::Settled),
        false => applied.write(&spec).await,
    }
    let Applied { ends: Ends { error, pause }, stage, .. } = applied;
    if ctx.updates.note(site, spec.tftp.as_ref().is_some_and(|tftp| tftp.canary), stage) {
        turn::decide(ctx);
    }
    let due = note_infra(ctx, site, owned::replicas(&spec), spec.suspend);
    // Nobody watches volumes, and their owner may take the consent back.
    let source = spec.firmware.as_ref().and_then(|firmware| firmware.source.as_ref());
    let has_volume = source.is_some_and(|source| source.persistent_volume_claim.is_some());
    let looks_again = (has_volume && ctx.options.policy.demand_consent && !spec.suspend).then_some(CONSENT_PERIOD);
    match (error, pause.into_iter().chain(looks_again).chain(due).min()) {
        (Some(error), _) => Err(error),
        (None, Some(pause)) => Ok(Outcome::RequeueAfter(pause)),
        (None, None) => Ok(Outcome::Done),
    }
}

/// The owned objects of a site that were seen to. Only who has put all of them right can delete the others.
struct Applied<'a> {
    ctx: &'a Context,
    site: &'a Key,
    uid: &'a str,
    attempt: u32,
    kinds: BTreeSet<Kind>,
    ends: Ends,
    /// How far the update of its pods is, if its Deployment was seen to.
    stage: Option<UpdateStage>,
}

/// How the attempts at a site's objects ended.
#[derive(Default)]
struct Ends {
    /// The first that failed.
    error: Option<Error>,
    /// The shortest pause until an object that others change without end is put right again.
    pause: Option<Duration>,
}

impl Applied<'_> {
    async fn write(&mut self, spec: &PhoneSiteSpec) {
        let (ctx, site, uid) = (self.ctx, self.site, self.uid);
        if ctx.options.policy.forbid_host_network && spec.tftp.as_ref().is_some_and(|tftp| tftp.host_network) {
            let what = "spec.tftp.hostNetwork: is not allowed in this cluster (sites.hostNetwork of the chart): use a Service; the site is left as it is";
            return self.end(SPEC, Err(Error::NotAllowed(what.to_owned())));
        }
        let secret = token::ensure(ctx, site, uid).await;
        self.end(&Kind::Secret.named(&names::token(&site.name)), secret);
        let mut spec = spec.clone();
        let denied = match sources::retain_allowed(ctx, site, &mut spec).await {
            Ok(denied) => denied,
            // What may be mounted is not known.
            Err(error) => return self.end(SPEC, Err(error)),
        };
        // Taken apart without `..`: no object can be forgotten. What a pod needs comes before the pod.
        let OwnedObjects { service_account, network_policy, service, disruption_budget, deployment, not_allowed } =
            OwnedObjects::prepare(site, uid, &spec, &ctx.options);
        self.put(&service_account).await;
        self.put(&network_policy).await;
        let is_sheltered = self.ends.error.is_none();
        match &service {
            ServiceChoice::Write(service) => drop(self.put(service).await),
            ServiceChoice::Leave | ServiceChoice::Without => {
                if matches!(service, ServiceChoice::Leave) {
                    self.kinds.insert(Kind::Service);
                }
                self.end(&self.name_of(Kind::Service), Ok(None));
            }
        }
        match &disruption_budget {
            Some(budget) => drop(self.put(budget).await),
            None => self.end(&self.name_of(Kind::PodDisruptionBudget), Ok(None)),
        }
        if is_sheltered {
            self.put_in_turn(&spec, &deployment).await;
        } else {
            // Pods that would be open to everybody, or cannot start, are not begun; those that run stay.
            self.kinds.insert(Kind::Deployment);
        }
        if self.ends.error.is_none()
            && let Err(error) = self.delete_all_others().await
        {
            self.ends.error = Some(error);
        }
        let wrong: Vec<String> = not_allowed.into_iter().chain(denied).collect();
        self.end(SPEC, if wrong.is_empty() { Ok(None) } else { Err(Error::NotAllowed(wrong.join("; "))) });
    }

    fn key(&self) -> Key {
        self.site.sibling(workload(&self.site.name))
    }

    fn name_of(&self, kind: Kind) -> String {
        kind.named(&workload(&self.site.name))
    }

    /// Notes how an attempt at an object ended.
    fn end(&mut self, object: &str, result: Result<Option<Duration>, Error>) {
        problems::note(self.ctx, self.site, object, result.as_ref().err(), self.attempt);
        match result {
            Ok(pause) => self.ends.pause = self.ends.pause.into_iter().chain(pause).min(),
            Err(error) => drop(self.ends.error.get_or_insert(error)),
        }
    }

    /// Puts an object right, unless it was observed to be as it should; whether it is now.
    async fn put(&mut self, prepared: &Prepared) -> bool {
        self.kinds.insert(prepared.kind());
        let result = self.apply(prepared).await;
        let is_right = matches!(result, Ok(None));
        self.end(&self.name_of(prepared.kind()), result);
        is_right
    }

    /// Puts the Deployment right, or leaves it as it is until it is the site's turn.
    async fn put_in_turn(&mut self, spec: &PhoneSiteSpec, wanted: &Prepared) {
        let (ctx, site) = (self.ctx, self.site);
        let turn = turn::of(ctx, site, self.uid, spec, wanted);
        let waits = !matches!(turn, Turn::Write(_));
        match turn {
            Turn::Write(deployment) if !self.put(&deployment).await => return,
            Turn::Write(deployment) => turn::note_written(ctx, site, &deployment, None),
            Turn::Keep(deployment, kept) if self.put(&deployment).await => {
                turn::note_written(ctx, site, &deployment, Some(kept));
            }
            Turn::Keep(..) => {}
            Turn::Wait => {
                self.kinds.insert(Kind::Deployment);
                self.end(&self.name_of(Kind::Deployment), Ok(None));
            }
        }
        self.stage = Some(turn::stage(ctx, site, wanted, waits));
    }

    async fn apply(&self, prepared: &Prepared) -> Result<Option<Duration>, Error> {
        let (kind, key, Applied { ctx, site, uid, .. }) = (prepared.kind(), self.key(), self);
        let (cluster, children) = (&ctx.cluster, &ctx.children);
        let observed = children.get(kind, &key);
        let meta = match &observed {
            Some(observed) => Some(serde_json::from_value(observed["metadata"].clone()).unwrap_or_default()),
            None => cluster.metadata(kind, &key).await?,
        };
        let mut is_lost = false;
        // One that was applied like this and now is gone, no longer the site's, or different, others have changed.
        let (was_applied, is_as_answered) = children.answered(kind, &key, prepared.digest());
        if let Some(meta) = &meta {
            let claim = children.claim(kind, &key, meta, site, uid);
            claim.check(kind, &key.name)?;
            check_stays(meta, kind)?;
            is_lost = claim == Claim::Lost;
        }
        // If the API server makes something else of it, it would do so again.
        let is_right = |observed: &Value| is_as_answered || prepared.is_covered_by(observed);
        if !is_lost && observed.as_ref().is_some_and(is_right) {
            return Ok(None);
        }
        if was_applied && let Some(pause) = problems::begin(ctx, &self.name_of(kind), ("PhoneSite", site, uid)).await {
            return Ok(Some(pause));
        }
        children.begin(kind, &key);
        if let Some(patch) = meta.filter(|_| is_lost).and_then(|meta| prepared.owner_patch(&json!({"metadata": meta})))
        {
            cluster.merge(kind, &key, &patch).await?;
        }
        let mut object = match cluster.apply(kind, &key, prepared.object()).await {
            Err(error) if error.reason() == Reason::Refused => self.force(prepared, error).await?,
            applied => json!(applied?),
        };
        if prepared.correction(&object).is_some() {
            object = self.correct(prepared, object).await?;
            if !prepared.is_covered_by(&object) {
                tracing::warn!(%site, "the API server keeps {} otherwise than it was applied: does an admission webhook change it?", self.name_of(kind));
            }
        }
        children.note_answer(site, kind, &key, prepared.digest(), object);
        Ok(None)
    }

    /// Puts right what server-side apply cannot; what the API server made of it. Controllers write to the object meanwhile.
    async fn correct(&self, prepared: &Prepared, mut found: Value) -> Result<Value, Error> {
        let (kind, key, cluster) = (prepared.kind(), self.key(), &self.ctx.cluster);
        let mut left = CORRECTIONS;
        while let Some(patch) = prepared.correction(&found) {
            left -= 1;
            match cluster.merge(kind, &key, &patch).await {
                Err(error) if error.is_conflict() && left > 0 => {
                    found = cluster.object(kind, &key).await?.map(|newer| json!(newer)).ok_or(error)?;
                }
                merged => return Ok(json!(merged?)),
            }
        }
        Ok(found)
    }

    /// Puts an object right that others have changed so that nothing can be applied to it, such as a volume of two types: what is
    /// wanted takes the place of what there is.
    async fn force(&self, prepared: &Prepared, error: Error) -> Result<Value, Error> {
        let (kind, key, cluster) = (prepared.kind(), self.key(), &self.ctx.cluster);
        let Some(found) = cluster.object(kind, &key).await?.map(|found| json!(found)) else { return Err(error) };
        if prepared.correction(&found).is_none() {
            return Err(error);
        }
        match self.correct(prepared, found.clone()).await {
            // What it cannot become as long as it is there; it serves nobody.
            Err(refused) if refused.reason() == Reason::Refused && prepared.is_blocked_by(&found) => {
                cluster.delete(kind, &key, found["metadata"]["uid"].as_str().map(str::to_owned)).await?;
            }
            // It is the wish that is refused.
            Err(refused) if refused.reason() == Reason::Refused => return Err(error),
            merged => drop(merged?),
        }
        tracing::info!(site = %self.site, "{} could not be changed as it was, and is put right as a whole", self.name_of(kind));
        Ok(json!(cluster.apply(kind, &key, prepared.object()).await?))
    }

    /// Deletes all other children of the site, of whatever kind and name, that the site owns: what it wanted once, or what an
    /// earlier version of this program made.
    async fn delete_all_others(&self) -> Result<(), Error> {
        let (Applied { ctx, site, uid, kinds, .. }, key) = (self, self.key());
        for (kind, child, metadata) in ctx.children.of_site(site) {
            let owners = metadata["ownerReferences"].as_array();
            let is_owned = owners.into_iter().flatten().any(|owner| owner["uid"] == *uid);
            let is_wanted = child == key && kinds.contains(&kind);
            // One that is being deleted stays until its finalizers are done.
            let is_leaving = !metadata["deletionTimestamp"].is_null();
            if is_wanted || !is_owned || is_leaving {
                continue;
            }
            tracing::info!("{} {child} is no longer wanted and is deleted", kind.as_str());
            ctx.cluster.delete(kind, &child, metadata["uid"].as_str().map(str::to_owned)).await?;
            ctx.children.forget(kind, &child, 0);
        }
        Ok(())
    }
}

/// Notes the address of the site's server, how many pods should run, and why some do not; when to look again, if that may be said
/// only then. Of a suspended site nothing is tried, and nothing fails.
fn note_infra(ctx: &Context, site: &Key, wanted: i64, suspended: bool) -> Option<Duration> {
    let address = address(ctx, site);
    let deployment = ctx.children.get(Kind::Deployment, &site.sibling(workload(&site.name)));
    let missing = missing_pods::why(deployment.as_ref(), &ctx.pods.troubles(site), Timestamp::now().as_second());
    ctx.update(|fleet| {
        let mut infra = fleet.infra(site);
        infra.no_address = address.as_ref().err().filter(|_| !suspended).cloned();
        let Address { ip, name } = address.unwrap_or_default();
        (infra.address, infra.hostname) = (ip, name);
        infra.wanted = wanted;
        infra.pods = missing.said;
        if suspended {
            infra.problems.clear();
        }
        fleet.set_infra(site, infra);
    });
    missing.due.map(Duration::from_secs)
}

#[cfg(test)]
mod tests;
