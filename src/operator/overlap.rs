//! Other installations that look after some of the namespaces of this one: those are left to them, and it is said.
//!
//! Whoever looks after single namespaces holds a Lease in each of them, which an installation that looks after all of them can see. The
//! reverse is not so, and so the one for the single namespace stays.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use futures::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::Api;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use tokio::sync::oneshot;
use tokio::time::{Instant, interval};

use super::anew::Anew;
use super::context::Context;
use super::election::{Candidate, NAMESPACE};
use super::supervisor::Tasks;
use super::watch::WatchBackoff;

/// How much older than its duration a Lease may be, by this machine's clock, and still be taken for a living one when it is first seen.
const SKEW: SignedDuration = SignedDuration::from_secs(60);
/// How often it is looked whether Leases have expired.
const TICK: Duration = Duration::from_secs(1);
/// How long a namespace must be free before it is taken on: one whose operator is only restarted stays with it.
const GRACE: Duration = Duration::from_secs(10);

/// Starts to watch for other installations, if this one looks after all namespaces. Those that are there are known when it returns.
pub(super) async fn start(ctx: &Arc<Context>, tasks: &Tasks) {
    let Some(election) = ctx.options.election.as_ref().filter(|_| ctx.options.namespaces.is_empty()) else { return };
    let (known, is_known) = oneshot::channel();
    let others = Others::new(election.identity());
    tasks.spawn("the watch for other installations", watch(ctx.clone(), others, known));
    // It comes to its end when the sender is dropped: once they were listed, or cannot be.
    let _ = is_known.await;
}

/// Watches their Leases. The process begins anew when a namespace is free again: what is there is not known well enough to write it.
async fn watch(ctx: Arc<Context>, mut others: Others, known: oneshot::Sender<()>) -> anyhow::Result<()> {
    let api: Api<Lease> = Api::all(ctx.cluster.client().clone());
    let leases = watcher::Config::default().fields(&format!("metadata.name={NAMESPACE}"));
    let mut stream = std::pin::pin!(watcher(api, leases).backoff(WatchBackoff::default()));
    let (mut known, mut clock, mut said) = (Some(known), interval(TICK), false);
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
        for (namespace, holder) in others.begun(Instant::now()) {
            tracing::error!(
                %namespace, %holder,
                "another installation of dialtone looks after namespace {namespace}: it is left to that one; remove one of the two, or \
                 let each look after namespaces of its own"
            );
        }
        ctx.leadership.leave(others.left.keys().cloned().collect());
        if let Some(namespace) = others.freed(Instant::now()) {
            return Err(Anew(format!("no other installation looks after namespace {namespace} any more")).into());
        }
        known.take();
    }
}

/// The Leases of others, each in its namespace.
struct Others {
    identity: String,
    leases: BTreeMap<String, Candidate>,
    /// Those that seemed to be over when they were seen first. Whose clock is behind renews one of them.
    over: BTreeMap<String, Lease>,
    /// Those of the list that is being read.
    listed: BTreeSet<String>,
    is_listed: bool,
    /// The namespaces that are left to others, and when those were last seen there.
    left: BTreeMap<String, Instant>,
}

impl Others {
    fn new(identity: String) -> Others {
        Others {
            identity,
            leases: BTreeMap::new(),
            over: BTreeMap::new(),
            listed: BTreeSet::new(),
            is_listed: false,
            left: BTreeMap::new(),
        }
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
                self.over.retain(|namespace, _| listed.contains(namespace));
                self.is_listed = true;
            }
            Event::Apply(lease) => self.saw(lease, now, time),
            Event::Delete(lease) => {
                let namespace = lease.metadata.namespace.as_deref().unwrap_or_default();
                self.leases.remove(namespace);
                self.over.remove(namespace);
            }
        }
    }

    fn saw(&mut self, lease: Lease, now: Instant, time: Timestamp) {
        let namespace = lease.metadata.namespace.clone().unwrap_or_default();
        if !self.leases.contains_key(&namespace) && is_long_over(&lease, time) {
            let is_renewed = self.over.get(&namespace).is_some_and(|known| known.spec != lease.spec);
            if !is_renewed {
                self.over.insert(namespace, lease);
                return;
            }
        }
        self.over.remove(&namespace);
        self.leases.entry(namespace).or_insert_with(|| Candidate::new(&self.identity)).saw(Some(lease), now);
    }

    /// Who holds namespaces that were not left to anybody until now.
    fn begun(&mut self, now: Instant) -> Vec<(String, String)> {
        let held = |(namespace, lease): (&String, &Candidate)| Some((namespace.clone(), lease.rival(now)?.to_owned()));
        let held: Vec<(String, String)> = self.leases.iter().filter_map(held).collect();
        held.into_iter().filter(|(namespace, _)| self.left.insert(namespace.clone(), now).is_none()).collect()
    }

    /// A namespace that nobody has held for a while.
    fn freed(&self, now: Instant) -> Option<&str> {
        self.left.iter().find(|(_, seen)| now >= **seen + GRACE).map(|(namespace, _)| &**namespace)
    }
}

/// Whether a Lease is one that its holder left behind long ago.
fn is_long_over(lease: &Lease, time: Timestamp) -> bool {
    let renewed = lease.spec.as_ref().and_then(|spec| spec.renew_time.as_ref());
    renewed.is_none_or(|renewed| time.duration_since(renewed.0) > SKEW)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::coordination::v1::LeaseSpec;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};

    use super::*;

    fn lease(namespace: &str, holder: &str, renewed: i64) -> Lease {
        Lease {
            metadata: ObjectMeta { namespace: Some(namespace.to_owned()), ..ObjectMeta::default() },
            spec: Some(LeaseSpec {
                holder_identity: Some(holder.to_owned()),
                lease_duration_seconds: Some(9),
                renew_time: Some(MicroTime(Timestamp::from_second(renewed).unwrap())),
                ..LeaseSpec::default()
            }),
        }
    }

    #[test]
    fn a_namespace_is_left_while_another_holds_it_and_a_little_longer() {
        let (mut others, start, time) =
            (Others::new("voice/all".into()), Instant::now(), Timestamp::from_second(1000).unwrap());
        let at = |seconds| start + Duration::from_secs(seconds);
        for event in [
            Event::Init,
            Event::InitApply(lease("mine", "voice/all", 1000)),
            Event::InitApply(lease("old", "gone/x", 900)),
            Event::InitApply(lease("free", "", 1000)),
            Event::InitApply(lease("theirs", "tenant/x", 999)),
            Event::InitDone,
        ] {
            others.note(event, start, time);
        }
        assert!(others.is_listed);
        assert_eq!(others.begun(start), [("theirs".to_owned(), "tenant/x".to_owned())]);
        assert_eq!(others.begun(at(1)), [], "what lasts is said once");
        // It is renewed, and released; the same one comes back soon.
        others.note(Event::Apply(lease("theirs", "tenant/x", 1008)), at(8), time);
        assert_eq!((others.begun(at(16)), others.freed(at(16))), (vec![], None));
        others.note(Event::Apply(lease("theirs", "", 1016)), at(16), time);
        assert_eq!((others.begun(at(20)), others.freed(at(25))), (vec![], None));
        others.note(Event::Apply(lease("theirs", "tenant/x", 1025)), at(25), time);
        assert_eq!((others.begun(at(25)), others.freed(at(34))), (vec![], None));
        // It expires, without a word.
        assert_eq!((others.begun(at(40)), others.freed(at(40))), (vec![], Some("theirs")));
        // One that is deleted is held by nobody, and so is one that a list no longer has.
        others.note(Event::Apply(lease("other", "tenant/y", 1040)), at(40), time);
        assert_eq!(others.begun(at(40)).len(), 1);
        others.note(Event::Delete(lease("other", "tenant/y", 1040)), at(41), time);
        others.note(Event::Init, at(41), time);
        others.note(Event::InitDone, at(41), time);
        assert!(others.begun(at(41)).is_empty() && others.leases.is_empty());
    }

    #[test]
    fn one_whose_clock_is_hours_off_is_noticed_by_what_it_renews() {
        let (mut others, start, time) =
            (Others::new("voice/all".into()), Instant::now(), Timestamp::from_second(100_000).unwrap());
        let at = |seconds| start + Duration::from_secs(seconds);
        for event in [
            Event::Init,
            Event::InitApply(lease("behind", "tenant/x", 90_000)),
            Event::InitApply(lease("ahead", "tenant/y", 110_000)),
            Event::InitApply(lease("over", "gone/z", 90_000)),
            Event::InitDone,
        ] {
            others.note(event, start, time);
        }
        assert_eq!(others.begun(start), [("ahead".to_owned(), "tenant/y".to_owned())]);
        others.note(Event::Apply(lease("over", "gone/z", 90_000)), at(2), time);
        others.note(Event::Apply(lease("behind", "tenant/x", 90_002)), at(2), time);
        assert_eq!(others.begun(at(2)), [("behind".to_owned(), "tenant/x".to_owned())]);
        others.note(Event::Delete(lease("over", "gone/z", 90_000)), at(3), time);
        assert!(others.over.is_empty());
    }
}
