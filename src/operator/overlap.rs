//! Other installations that look after some of the namespaces of this one: those are left to them, and it is said.
//!
//! Whoever looks after single namespaces holds a Lease in each of them, which an installation that looks after all of them can see. The
//! reverse is not so, and so the one for the single namespace stays.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use futures::StreamExt as _;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::Api;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use tokio::sync::oneshot;
use tokio::time::{Instant, interval};

use super::context::Context;
use super::election::{Candidate, NAMESPACE};
use super::supervisor::Tasks;
use super::watch::WatchBackoff;

/// How much older than its duration a Lease may be, by this machine's clock, and still be taken for a living one when it is first seen.
const SKEW: Duration = Duration::from_secs(60);
/// How often it is looked whether Leases have expired.
const TICK: Duration = Duration::from_secs(1);

/// Starts to watch for other installations, if this one looks after all namespaces. Those that are there are known when it returns.
pub(super) async fn start(ctx: &Arc<Context>, tasks: &Tasks) {
    let Some(election) = ctx.options.election.as_ref().filter(|_| ctx.options.namespaces.is_empty()) else { return };
    let (known, is_known) = oneshot::channel::<()>();
    let others = Others::new(election.identity());
    tasks.spawn("the watch for other installations", watch(ctx.clone(), others, known));
    // It comes to its end when the sender is dropped: once they were listed, or cannot be.
    let _ = is_known.await;
}

/// Watches their Leases. It ends, and with it the process, when a namespace is free again: what is there is not known well enough to
/// write it, and is learnt at a start.
async fn watch(ctx: Arc<Context>, mut others: Others, known: oneshot::Sender<()>) -> anyhow::Result<()> {
    let api: Api<Lease> = Api::all(ctx.cluster.client().clone());
    let leases = watcher::Config::default().fields(&format!("metadata.name={NAMESPACE}"));
    let mut stream = std::pin::pin!(watcher(api, leases).backoff(WatchBackoff::default()));
    let (mut known, mut clock) = (Some(known), interval(TICK));
    let mut left: BTreeMap<String, String> = BTreeMap::new();
    let mut said = false;
    loop {
        tokio::select! {
            event = stream.next() => match event {
                Some(Ok(event)) => {
                    others.note(event, Instant::now(), Timestamp::now());
                    said = false;
                }
                Some(Err(error)) if !said => {
                    tracing::warn!(%error, "the Leases of other installations cannot be watched; one that overlaps would not be noticed");
                    known.take();
                    said = true;
                }
                Some(Err(_)) => {}
                None => bail!("the watch of Leases ended"),
            },
            _ = clock.tick() => {}
        }
        if !others.is_listed {
            continue;
        }
        let now = others.holders(Instant::now());
        for (namespace, holder) in now.iter().filter(|(namespace, _)| !left.contains_key(*namespace)) {
            tracing::error!(
                %namespace, %holder,
                "another installation of dialtone looks after namespace {namespace}: it is left to that one; remove one of the two, or \
                 let each look after namespaces of its own"
            );
        }
        ctx.leadership.leave(now.keys().cloned().collect::<BTreeSet<_>>());
        if let Some((namespace, holder)) = left.iter().find(|(namespace, _)| !now.contains_key(*namespace)) {
            bail!("{holder} no longer looks after namespace {namespace}: this process starts anew to do so");
        }
        left = now;
        known.take();
    }
}

/// The Leases of others, each in its namespace.
struct Others {
    identity: String,
    leases: BTreeMap<String, Candidate>,
    /// Those of the list that is being read.
    listed: BTreeSet<String>,
    is_listed: bool,
}

impl Others {
    fn new(identity: String) -> Others {
        Others { identity, leases: BTreeMap::new(), listed: BTreeSet::new(), is_listed: false }
    }

    fn note(&mut self, event: Event<Lease>, now: Instant, time: Timestamp) {
        match event {
            Event::Init => self.listed.clear(),
            Event::InitApply(lease) => {
                self.listed.extend(lease.metadata.namespace.clone());
                self.saw(lease, now, time);
            }
            Event::InitDone => {
                let listed = std::mem::take(&mut self.listed);
                self.leases.retain(|namespace, _| listed.contains(namespace));
                self.is_listed = true;
            }
            Event::Apply(lease) => self.saw(lease, now, time),
            Event::Delete(lease) => {
                self.leases.remove(lease.metadata.namespace.as_deref().unwrap_or_default());
            }
        }
    }

    fn saw(&mut self, lease: Lease, now: Instant, time: Timestamp) {
        let namespace = lease.metadata.namespace.clone().unwrap_or_default();
        if !self.leases.contains_key(&namespace) && is_long_over(&lease, time) {
            return;
        }
        self.leases.entry(namespace).or_insert_with(|| Candidate::new(&self.identity)).saw(Some(lease), now);
    }

    /// Who holds which namespace.
    fn holders(&self, now: Instant) -> BTreeMap<String, String> {
        let held = |(namespace, lease): (&String, &Candidate)| Some((namespace.clone(), lease.rival(now)?.to_owned()));
        self.leases.iter().filter_map(held).collect()
    }
}

/// Whether a Lease is one that its holder left behind long ago.
fn is_long_over(lease: &Lease, time: Timestamp) -> bool {
    let renewed = lease.spec.as_ref().and_then(|spec| spec.renew_time.as_ref());
    renewed.is_none_or(|renewed| time.duration_since(renewed.0) > jiff::SignedDuration::try_from(SKEW).unwrap_or_default())
}
