//! Writes the objects that hold files.

use std::time::Duration;

use tokio::time::Instant;

use super::children::Observed;
use super::claim::{Claim, leaving};
use super::cluster::Error;
use super::context::Context;
use super::kind::Kind;
use super::names::{labels, place};
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
    problems::note(ctx, site, &format!("{} {}", kind.as_str(), key.name), step.as_ref().err(), attempt);
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
            return match observed.and_then(|observed| leaving(&observed.meta, self.kind)) {
                Some(error) => Err(error),
                None => Ok(Step::Nothing),
            };
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
        let has = |(name, value): (String, String)| {
            observed.meta.labels.as_ref().and_then(|labels| labels.get(&name)) == Some(&value)
        };
        !observed.fixed && self.claim(observed, uid) == Claim::Ours && labels(self.site, ROLE).into_iter().all(has)
    }

    /// The object should not be there.
    async fn remove(&self, uid: &str, observed: Option<Observed>) -> Result<Step, Error> {
        let (ctx, site, slot) = (self.ctx, self.site, self.slot);
        if let Some(observed) = observed {
            self.claim(&observed, uid).check(self.kind, &self.key.name)?;
            if let Some(error) = leaving(&observed.meta, self.kind) {
                return Err(error);
            }
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
        if let Some(observed) = observed {
            self.claim(&observed, uid).check(self.kind, &self.key.name)?;
            leaves = leaving(&observed.meta, self.kind);
            if let Some(error) = leaves.take_if(|_| observed.digest == Some(wanted)) {
                return Err(error);
            }
            if ctx.children.is_contested(site, slot, wanted) {
                let what = format!("{} {}", self.kind.as_str(), self.key.name);
                if let Some(pause) = problems::begin(ctx, &what, ("PhoneSite", site, uid)).await {
                    return Ok(Step::Later(pause));
                }
            }
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
