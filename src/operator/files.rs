//! Writes the objects that hold files.

use std::time::Duration;

use tokio::time::Instant;

use super::children::Observed;
use super::claim::{Claim, check_stays};
use super::cluster::Error;
use super::context::Context;
use super::kind::Kind;
use super::names::{has_labels, place};
use super::problems;
use super::queue::Outcome;
use super::shard_object::{ROLE, ShardObject};
use crate::base::digest::Digest;
use crate::provision::{Content, Key, Slot, WorkItem};

/// What came of one.
enum Step {
    /// Nothing had to be written.
    Nothing,
    /// It was written.
    Wrote,
    /// Others change it without end.
    Later(Duration),
}

/// Writes one, if it differs from what it should hold.
pub(super) async fn reconcile(ctx: &Context, site: &Key, slot: Slot) -> Result<Outcome, Error> {
    let writing = match ctx.debouncers.begin(site, slot, Instant::now()) {
        Ok(writing) => writing,
        Err(pause) => return Ok(Outcome::RequeueAfter(pause)),
    };
    let step = File::of(ctx, site, slot).write().await;
    writing.end(matches!(step, Ok(Step::Wrote)));
    let (kind, key) = place(site, slot);
    let attempt = ctx.queue.attempt(&WorkItem::Shard(site.clone(), slot));
    problems::note(ctx, site, &kind.named(&key.name), step.as_ref().err(), attempt);
    Ok(match step? {
        Step::Nothing | Step::Wrote => Outcome::Done,
        Step::Later(pause) => Outcome::RequeueAfter(pause),
    })
}

/// An object with files.
struct File<'a> {
    ctx: &'a Context,
    site: &'a Key,
    slot: Slot,
    kind: Kind,
    key: Key,
}

impl<'a> File<'a> {
    fn of(ctx: &'a Context, site: &'a Key, slot: Slot) -> File<'a> {
        let (kind, key) = place(site, slot);
        File { ctx, site, slot, kind, key }
    }

    async fn write(&self) -> Result<Step, Error> {
        let (ctx, site, slot) = (self.ctx, self.site, self.slot);
        let ((wanted, content), stored, suspended) =
            ctx.read(|fleet| (fleet.unwritten(site, slot), fleet.stored(site, slot), fleet.is_suspended(site)));
        let Some(uid) = ctx.sites.uid(site).filter(|_| !suspended) else { return Ok(Step::Nothing) };
        let observed = match ctx.children.files(site, slot) {
            None if wanted.is_some() || stored.is_some() => {
                ctx.cluster.metadata(self.kind, &self.key).await?.map(Observed::unread)
            }
            known => known,
        };
        let Some(wanted) = wanted else { return self.remove(&uid, observed).await };
        let sound = observed.as_ref().is_some_and(|observed| self.is_sound(observed, &uid));
        if content.is_none() && sound {
            // Phones that leave another object once this one is written need not wait any longer.
            ctx.update(|fleet| fleet.note_stored(site, slot, stored));
            observed.map_or(Ok(()), |observed| check_stays(&observed.meta, self.kind))?;
            return Ok(Step::Nothing);
        }
        let (wanted, content) = match content {
            Some(content) => (wanted, content),
            None => {
                let content = ctx.read(|fleet| fleet.content(site, slot));
                (content.digest(), content)
            }
        };
        self.put(&uid, wanted, &content, observed).await
    }

    fn claim(&self, observed: &Observed, uid: &str) -> Claim {
        self.ctx.children.claim(self.kind, &self.key, &observed.meta, self.site, uid)
    }

    /// Whether an object is the site's own, has its labels, and can be written to.
    fn is_sound(&self, observed: &Observed, uid: &str) -> bool {
        !observed.fixed && self.claim(observed, uid) == Claim::Ours && has_labels(&observed.meta, self.site, ROLE)
    }

    /// The object should not be there.
    async fn remove(&self, uid: &str, observed: Option<Observed>) -> Result<Step, Error> {
        let (ctx, site, slot) = (self.ctx, self.site, self.slot);
        if let Some(observed) = observed {
            self.claim(&observed, uid).check(self.kind, &self.key.name)?;
            check_stays(&observed.meta, self.kind)?;
            ctx.cluster.delete(self.kind, &self.key, observed.meta.uid).await?;
            ctx.update(|fleet| fleet.note_stored(site, slot, None));
            return Ok(Step::Wrote);
        }
        if ctx.read(|fleet| fleet.stored(site, slot).is_some()) {
            ctx.update(|fleet| fleet.note_stored(site, slot, None));
        }
        Ok(Step::Nothing)
    }

    /// The object should hold this.
    async fn put(
        &self,
        uid: &str,
        wanted: Digest,
        content: &Content,
        observed: Option<Observed>,
    ) -> Result<Step, Error> {
        let (ctx, site, slot) = (self.ctx, self.site, self.slot);
        let object = ShardObject::new(site, uid, slot, content);
        let mut leaves = None;
        if let Some(observed) = &observed {
            self.claim(observed, uid).check(self.kind, &self.key.name)?;
            leaves = check_stays(&observed.meta, self.kind).err();
            if let Some(error) = leaves.take_if(|_| observed.digest == Some(wanted)) {
                return Err(error);
            }
        }
        if ctx.children.is_contested(site, slot, wanted) {
            let what = self.kind.named(&self.key.name);
            if let Some(pause) = problems::begin(ctx, &what, ("PhoneSite", site, uid)).await {
                return Ok(Step::Later(pause));
            }
        }
        if let Some(observed) = observed {
            if observed.fixed && leaves.is_none() {
                ctx.cluster.delete(self.kind, &self.key, observed.meta.uid).await?;
            } else if !observed.untouched {
                ctx.cluster.strip(self.kind, &self.key, &object).await?;
            }
        }
        let written = ctx.cluster.apply_large(self.kind, &self.key, &object).await?;
        // The watch lags behind: older versions that it reports change nothing.
        let stored = ctx.children.note_written_files(site, slot, written, wanted);
        ctx.update(|fleet| fleet.note_stored(site, slot, stored));
        // While it leaves it holds what it should; once it is gone it is made anew.
        leaves.map_or(Ok(Step::Wrote), Err)
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
    use serde_json::{Value, json};

    use super::super::names::metadata;
    use super::super::supervisor::supervised;
    use super::super::testing::FakeApi;
    use super::*;
    use crate::api::Reason;
    use crate::provision::Meta;

    const COMMON: Slot = Slot::Common { secret: false };

    async fn site(ctx: &Context) -> Key {
        let site = Key::new("ns", "hq");
        let meta = Meta { key: site.clone(), generation: Some(1), created: 0, version: 1, resync_at: None };
        let spec = json!({"settings": {"proxy1Address": "10.0.0.1"}});
        ctx.update(|fleet| {
            fleet.apply_site(meta, serde_json::from_value(spec).unwrap(), Default::default());
            fleet.settle();
        });
        ctx.sites.note_uid(&site, "u1".to_owned());
        site
    }

    /// The object as it should be, with something else about its metadata.
    fn object(ctx: &Context, site: &Key, version: u64, more: Value) -> Value {
        let content = ctx.read(|fleet| fleet.content(site, COMMON));
        let mut object = json!(ShardObject::new(site, "u1", COMMON, &content));
        object["metadata"]["uid"] = "o1".into();
        object["metadata"]["resourceVersion"] = version.to_string().into();
        object["metadata"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        object
    }

    fn observe(ctx: &Context, site: &Key, object: &Value, digest: Digest) {
        let meta: ObjectMeta = serde_json::from_value(object["metadata"].clone()).unwrap();
        ctx.children.note_files(site, COMMON, Observed { digest: Some(digest), ..Observed::unread(meta) });
        ctx.update(|fleet| fleet.note_stored(site, COMMON, Some(digest)));
    }

    fn wanted(ctx: &Context, site: &Key) -> Digest {
        ctx.read(|fleet| fleet.content(site, COMMON)).digest()
    }

    fn problem(ctx: &Context, site: &Key) -> Option<Reason> {
        let problems = ctx.read(|fleet| fleet.infra(site)).problems;
        problems.get("ConfigMap dialtone-hq-common").map(|problem| problem.reason)
    }

    #[tokio::test]
    async fn what_is_not_the_site_s_own_is_neither_written_nor_deleted() {
        let (tasks, _supervisor) = supervised();
        let (api, ctx) = FakeApi::start(tasks).await;
        let site = site(&ctx).await;
        let foreign = object(&ctx, &site, 5, json!({"ownerReferences": []}));
        observe(&ctx, &site, &foreign, Digest::of(b"theirs"));
        let error = reconcile(&ctx, &site, COMMON).await.unwrap_err().to_string();
        assert!(error.contains("ConfigMap dialtone-hq-common exists already"), "{error}");
        assert_eq!(problem(&ctx, &site), Some(Reason::NameTaken));
        // Nor is it deleted where the site has nothing to put under that name.
        let unused = Slot::Phones { secret: false, index: 9 };
        let meta: ObjectMeta =
            serde_json::from_value(json!({"name": "dialtone-hq-phones-09", "resourceVersion": "6"})).unwrap();
        ctx.children.note_files(&site, unused, Observed { digest: Some(Digest::of(b"x")), ..Observed::unread(meta) });
        ctx.update(|fleet| fleet.note_stored(&site, unused, Some(Digest::of(b"x"))));
        assert!(matches!(reconcile(&ctx, &site, unused).await, Err(Error::Taken { .. })));
        // That of a former site is waited for.
        let mut owner = foreign["metadata"].clone();
        owner["ownerReferences"] = metadata(&site, "u0", "x", "x")["ownerReferences"].clone();
        observe(&ctx, &site, &json!({"metadata": owner}), Digest::of(b"former"));
        assert!(matches!(reconcile(&ctx, &site, COMMON).await, Err(Error::Waits(_))));
        assert_eq!(problem(&ctx, &site), Some(Reason::Pending));
        assert!(api.writes().is_empty());
        assert!(ctx.children.note_gone_files(&site, COMMON, 9));
        ctx.update(|fleet| fleet.note_stored(&site, COMMON, None));
        reconcile(&ctx, &site, COMMON).await.unwrap();
        assert_eq!(
            (api.writes(), problem(&ctx, &site)),
            (vec!["PATCH configmaps/dialtone-hq-common".to_owned()], None)
        );
    }

    #[tokio::test]
    async fn what_others_did_to_an_object_is_undone_once() {
        let (tasks, _supervisor) = supervised();
        let (api, ctx) = FakeApi::start(tasks).await;
        let site = site(&ctx).await;
        let good = wanted(&ctx, &site);
        let patch = || "PATCH configmaps/dialtone-hq-common".to_owned();
        let sound = object(&ctx, &site, 5, json!({}));
        observe(&ctx, &site, &sound, good);
        reconcile(&ctx, &site, COMMON).await.unwrap();
        assert!(api.writes().is_empty(), "nothing is wrong");
        // A foreign key: server-side apply alone would leave it.
        let mut more = object(&ctx, &site, 6, json!({}));
        more["data"]["evil.cnf"] = "x".into();
        api.hold("configmaps/dialtone-hq-common", more.clone());
        observe(&ctx, &site, &more, Digest::of(b"more"));
        reconcile(&ctx, &site, COMMON).await.unwrap();
        assert_eq!(api.writes(), [patch(), patch()]);
        reconcile(&ctx, &site, COMMON).await.unwrap();
        assert!(api.writes().is_empty(), "once");
        // No owner, no labels: the files are right.
        for (version, damage) in [(2001, json!({"ownerReferences": []})), (2002, json!({"labels": {}}))] {
            let mut damaged = object(&ctx, &site, version, damage);
            damaged["metadata"]["uid"] = "uid-of-configmaps-dialtone-hq-common".into();
            api.hold("configmaps/dialtone-hq-common", damaged.clone());
            observe(&ctx, &site, &damaged, good);
            reconcile(&ctx, &site, COMMON).await.unwrap();
            assert!(!api.writes().is_empty(), "{damaged}");
        }
        // It can be changed no more: it is made anew.
        let fixed: ObjectMeta =
            serde_json::from_value(object(&ctx, &site, 2003, json!({}))["metadata"].clone()).unwrap();
        ctx.children.note_files(&site, COMMON, Observed { digest: Some(good), fixed: true, ..Observed::unread(fixed) });
        reconcile(&ctx, &site, COMMON).await.unwrap();
        assert_eq!(api.writes(), ["DELETE configmaps/dialtone-hq-common".to_owned(), patch()]);
    }

    #[tokio::test]
    async fn what_is_leaving_is_not_written_over_and_over() {
        let (tasks, _supervisor) = supervised();
        let (api, ctx) = FakeApi::start(tasks).await;
        let site = site(&ctx).await;
        let leaving =
            object(&ctx, &site, 5, json!({"deletionTimestamp": "2026-01-02T03:04:05Z", "finalizers": ["a/b"]}));
        observe(&ctx, &site, &leaving, wanted(&ctx, &site));
        for _ in 0..3 {
            assert!(matches!(reconcile(&ctx, &site, COMMON).await, Err(Error::Waits(_))));
        }
        assert_eq!((api.writes().len(), problem(&ctx, &site)), (0, Some(Reason::Pending)));
    }
}
