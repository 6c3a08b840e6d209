//! Workers: each takes one work item from the queue and reconciles it: builds the newest truth, and writes it if it differs.

use std::sync::Arc;

use futures::FutureExt as _;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::cluster::Error;
use super::context::Context;
use super::kind::Kind;
use super::metrics::{Ended, work_name};
use super::queue::Outcome;
use super::supervisor::{Tasks, catch};
use super::{files, names, nudge, objects, read, resync, statuses};
use crate::provision::{Key, Reference, WorkItem};

/// How many workers there are. Writes to one site's objects go on side by side; the API server sets the pace beyond that.
const WORKERS: usize = 16;

/// Starts the workers.
pub(super) fn start(ctx: &Arc<Context>, tasks: &Tasks) {
    for number in 1..=WORKERS {
        let ctx = ctx.clone();
        tasks.spawn(format!("worker {number}"), async move {
            work(&ctx, reconcile).await;
            Ok(())
        });
    }
}

/// Reconciles work items, one after the other. One that fails, or panics, is requeued with backoff, and the others go on.
async fn work<R, F>(ctx: &Arc<Context>, reconcile: R)
where
    R: Fn(Arc<Context>, WorkItem) -> F,
    F: Future<Output = Result<Outcome, Error>>,
{
    loop {
        let item = ctx.queue.next().await;
        let (work, began) = (work_name(&item), Instant::now());
        let (kind, object) = subject(&item);
        if ctx.leadership.leaves(&object.namespace) {
            ctx.queue.finish(item, Outcome::Done);
            continue;
        }
        let span = tracing::info_span!("reconcile", work, kind, %object, attempt = ctx.queue.attempt(&item));
        let attempt = catch(async { reconcile(ctx.clone(), item.clone()).await });
        let (ended, outcome) = match attempt.instrument(span.clone()).await {
            Ok(Ok(outcome @ Outcome::RequeueAfter(_))) => (Ended::RequeueAfter, outcome),
            Ok(Ok(outcome)) => (Ended::Success, outcome),
            Ok(Err(error)) => {
                let retry = error.retry_after();
                // What is looked at every few seconds is not logged each time.
                if retry.is_none() || ctx.queue.attempt(&item).is_power_of_two() {
                    span.in_scope(|| tracing::warn!(%error, "{kind} {object} could not be reconciled and is requeued"));
                }
                (Ended::Error, retry.map_or(Outcome::Failed, Outcome::InTheWay))
            }
            Err(panic) => {
                ctx.metrics.count_panic(work);
                span.in_scope(|| tracing::error!(%panic, "the reconcile of {kind} {object} panicked; it is requeued"));
                (Ended::Error, Outcome::Failed)
            }
        };
        ctx.metrics.reconciles.count(work, ended, began.elapsed());
        ctx.queue.finish(item, outcome);
    }
}

async fn reconcile(ctx: Arc<Context>, item: WorkItem) -> Result<Outcome, Error> {
    // Boxed: each of them is some kilobytes large, and is moved several times on its way to the runtime.
    let work = match &item {
        WorkItem::Read(kind, key) => read::reconcile(&ctx, *kind, key).boxed(),
        WorkItem::Shard(site, slot) => files::reconcile(&ctx, site, *slot).boxed(),
        WorkItem::Objects(site) => objects::reconcile(&ctx, site).boxed(),
        WorkItem::Pods(site) => nudge::reconcile(&ctx, site).boxed(),
        WorkItem::Resync(site) => return Ok(resync::reconcile(&ctx, site)),
        WorkItem::SiteStatus(site) => statuses::reconcile_site(&ctx, site).boxed(),
        WorkItem::PhoneStatus(phone) => statuses::reconcile_phone(&ctx, phone).boxed(),
    };
    work.await
}

/// The object that a work item is about, for logs: its kind and its key.
fn subject(item: &WorkItem) -> (&'static str, Key) {
    match item {
        WorkItem::Read(Reference::Secret, key) => (Kind::Secret.as_str(), key.clone()),
        WorkItem::Read(Reference::ConfigMap, key) => (Kind::ConfigMap.as_str(), key.clone()),
        WorkItem::Shard(site, slot) => {
            let (kind, key) = names::place(site, *slot);
            (kind.as_str(), key)
        }
        WorkItem::Objects(site) | WorkItem::Pods(site) | WorkItem::Resync(site) | WorkItem::SiteStatus(site) => {
            ("PhoneSite", site.clone())
        }
        WorkItem::PhoneStatus(phone) => ("SipPhone", phone.clone()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use super::super::supervisor::{Supervisor, supervised};
    use super::super::testing::{Logs, context, first_end, metrics_text};
    use super::*;

    fn item(name: &str) -> WorkItem {
        WorkItem::SiteStatus(Key::new("ns", name))
    }

    /// One worker that reconciles by a function; which items it took, and the end of a task.
    fn worker<R>(ctx: &Arc<Context>, reconcile: R) -> (Arc<Mutex<Vec<WorkItem>>>, Supervisor)
    where
        R: Fn(&Context, &WorkItem) -> Result<Outcome, Error> + Send + Sync + Copy + 'static,
    {
        let (tasks, supervisor) = supervised();
        let taken = Arc::new(Mutex::new(Vec::new()));
        let (list, ctx) = (taken.clone(), ctx.clone());
        tasks.spawn("worker 1", async move {
            work(&ctx, |ctx, item| {
                list.lock().unwrap().push(item.clone());
                async move { reconcile(&ctx, &item) }
            })
            .await;
            Ok(())
        });
        (taken, supervisor)
    }

    #[tokio::test(start_paused = true)]
    async fn an_item_that_panics_is_logged_counted_and_retried_while_others_go_on() {
        let logs = Logs::capture();
        let (tasks, mut process) = supervised();
        let ctx = context(tasks);
        for name in ["bad", "good", "better"] {
            ctx.queue.add(item(name), Duration::ZERO);
        }
        let (taken, mut workers) = worker(&ctx, |_, one| match one {
            bad if *bad == item("bad") => panic!("an index out of range"),
            _ => Ok(Outcome::Done),
        });
        tokio::time::sleep(Duration::from_millis(3500)).await;
        let all = taken.lock().unwrap().clone();
        assert_eq!(all.iter().filter(|one| **one == item("bad")).count(), 3, "at once, after 1 s, after 2 s: {all:?}");
        assert!(all.contains(&item("good")) && all.contains(&item("better")));
        let text = metrics_text(&ctx);
        assert!(text.contains("dialtone_panics_total{task=\"SiteStatus\"} 3"), "{text}");
        assert!(
            text.contains("controller_runtime_reconcile_total{controller=\"SiteStatus\",result=\"error\"} 3"),
            "{text}"
        );
        let lines = logs.lines();
        assert_eq!(lines.len(), 3, "{lines:?}");
        for (attempt, line) in (1..).zip(&lines) {
            let span = format!("reconcile{{work=\"SiteStatus\" kind=\"PhoneSite\" object=ns/bad attempt={attempt}}}");
            assert!(line.contains(&span) && line.contains("an index out of range"), "{line}");
        }
        tokio::select! {
            biased;
            end = workers.first_end() => panic!("{end}"),
            end = process.first_end() => panic!("{end}"),
            () = std::future::ready(()) => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_in_a_change_of_the_fleet_ends_the_process_although_the_worker_goes_on() {
        let (tasks, mut process) = supervised();
        let ctx = context(tasks);
        ctx.queue.add(item("bad"), Duration::ZERO);
        let (taken, _workers) = worker(&ctx, |ctx, _| ctx.update(|_| panic!("half way")));
        assert_eq!(first_end(&mut process).await, "a panic left the fleet half changed");
        assert_eq!(taken.lock().unwrap().len(), 1);
    }

    #[test]
    fn every_item_says_what_it_is_about() {
        let slot = crate::provision::Slot::Common { secret: true };
        let about = |item| {
            let (kind, object) = subject(&item);
            format!("{} {kind} {object}", work_name(&item))
        };
        let key = || Key::new("ns", "hq");
        assert_eq!(about(WorkItem::Shard(key(), slot)), "Files Secret ns/dialtone-hq-common");
        assert_eq!(about(WorkItem::Read(Reference::ConfigMap, key())), "Read ConfigMap ns/hq");
        assert_eq!(about(WorkItem::PhoneStatus(key())), "PhoneStatus SipPhone ns/hq");
    }
}
