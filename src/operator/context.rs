//! What all parts of the operator share. Each part of the state has an owner of its own; the fleet is behind its lock.

use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tokio::time::Instant;

use super::children::ObservedChildren;
use super::cluster::Cluster;
use super::contests::Contests;
use super::debounce::Debouncers;
use super::fleet_lock::FleetLock;
use super::initial_sync::InitialSync;
use super::kind::Kind;
use super::leadership::Leadership;
use super::metrics::{Metrics, QueueMetrics};
use super::names::place;
use super::nudges::Nudges;
use super::options::Options;
use super::pods::Pods;
use super::queue::WorkQueue;
use super::sites::SiteIdentities;
use super::supervisor::Tasks;
use super::updates::Updates;
use crate::provision::{Fleet, Key, Slot, Urgency, WorkItem};

/// What all parts share. Many fields because each is a part of the state with an owner of its own.
pub(super) struct Context {
    /// The API server.
    pub(super) cluster: Cluster,
    /// Whether this process may write.
    pub(super) leadership: Arc<Leadership>,
    /// What the command line says.
    pub(super) options: Options,
    /// What is to be reconciled.
    pub(super) queue: WorkQueue<WorkItem, QueueMetrics>,
    /// Counts.
    pub(super) metrics: Metrics,
    /// Whether everything that exists is known.
    pub(super) initial_sync: InitialSync,
    /// What identifies each site.
    pub(super) sites: SiteIdentities,
    /// Sites' owned objects as they are.
    pub(super) children: ObservedChildren,
    /// The running TFTP pods.
    pub(super) pods: Pods,
    /// When pods were nudged.
    pub(super) nudges: Nudges,
    /// Which objects others change again and again.
    pub(super) contests: Contests,
    /// How far sites are with the update of their pods.
    pub(super) updates: Updates,
    /// When objects with files are written.
    pub(super) debouncers: Debouncers,
    fleet: FleetLock,
}

/// The shortest time between two statuses of phones that are on their way to another image, of all such phones together: if a
/// thousand upgrade at once, the API server has 40 writes a second, each with the newest truth.
const UPGRADE_STATUS_PERIOD: Duration = Duration::from_millis(25);
/// How long phones that are to be notified of a change are gathered.
const RESYNC_DEBOUNCE: Duration = Duration::from_millis(500);
/// How long a status waits for a file that is on its way to the pods, so that one write shows the end and not the middle.
pub(super) const SETTLING: Duration = Duration::from_millis(1500);

impl Context {
    /// A context with an empty fleet.
    pub(super) fn new(client: Client, options: Options, tasks: Tasks) -> Context {
        let (metrics, leadership) = (Metrics::new(), Arc::new(Leadership::new()));
        Context {
            cluster: Cluster::new(metrics.requests.count(client), leadership.clone(), metrics.writes.clone()),
            leadership,
            options,
            queue: WorkQueue::observed(metrics.queue.clone()),
            metrics,
            initial_sync: InitialSync::new(),
            sites: SiteIdentities::default(),
            children: ObservedChildren::default(),
            pods: Pods::default(),
            nudges: Nudges::default(),
            contests: Contests::default(),
            updates: Updates::default(),
            debouncers: Debouncers::default(),
            fleet: FleetLock::new(tasks),
        }
    }

    /// Reads the fleet.
    pub(super) fn read<T>(&self, question: impl FnOnce(&Fleet) -> T) -> T {
        self.fleet.with(|fleet| question(fleet))
    }

    /// Changes the fleet, and queues the work that follows from it. Until the initial sync is over, no work follows.
    pub(super) fn update<T>(&self, change: impl FnOnce(&mut Fleet) -> T) -> T {
        self.fleet.with(|fleet| {
            let answer = change(fleet);
            if self.initial_sync.is_done() {
                let work = fleet.take_work();
                self.enqueue(work, fleet);
            }
            answer
        })
    }

    /// Queues work, each item with the delay that suits it.
    pub(super) fn enqueue(&self, work: Vec<WorkItem>, fleet: &Fleet) {
        for item in work {
            let delay = match &item {
                WorkItem::Shard(site, slot) => self.debouncers.note_change(site, *slot, Instant::now()),
                WorkItem::PhoneStatus(phone) => match fleet.urgency(phone) {
                    Urgency::Now => Duration::ZERO,
                    Urgency::Settle => SETTLING,
                    Urgency::InTurn => {
                        self.queue.add_in_turn(item, UPGRADE_STATUS_PERIOD, SETTLING);
                        continue;
                    }
                },
                WorkItem::Resync(_) => RESYNC_DEBOUNCE,
                WorkItem::SiteStatus(_) => SETTLING,
                WorkItem::Read(..) | WorkItem::Objects(_) | WorkItem::Pods(_) => Duration::ZERO,
            };
            self.queue.add(item, delay);
        }
    }

    /// Whether an object with files is a site's own; of one that is not nothing is taken up.
    pub(super) fn is_own(&self, site: &Key, slot: Slot) -> bool {
        let (Some(uid), Some(observed)) = (self.sites.uid(site), self.children.files(site, slot)) else { return false };
        let (kind, key) = place(site, slot);
        self.children.claim(kind, &key, &observed.meta, site, &uid).check(kind, &key.name).is_ok()
    }

    /// An object with the name or the label of a site's is gone.
    pub(super) fn note_gone(&self, site: &Key, kind: Kind, key: &Key) {
        if self.sites.uid(site).is_none() {
            self.children.forget_of_no_site(site, kind, key);
        }
    }

    /// A site was deleted: forgets what was known of it.
    pub(super) fn forget_site(&self, site: &Key) {
        self.children.forget_site(site, self.sites.uid(site).as_deref());
        self.sites.forget(site);
        self.nudges.forget(site);
        self.debouncers.forget(site);
        self.updates.forget(site);
        self.update(|fleet| fleet.delete_site(site));
    }
}
