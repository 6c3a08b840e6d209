//! What all parts of the operator share.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use kube::Client;
use kube::runtime::events::{Recorder, Reporter};
use serde_json::Value;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::metrics::Metrics;
use super::names::MANAGER;
use super::pace::Pace;
use super::queue::Queue;
use crate::base::digest::HashKey;
use crate::provision::{Content, Fleet, Key, Slot, WorkItem};

/// What the command line says.
#[derive(Clone, Debug)]
pub struct Options {
    /// The image of the TFTP pods.
    pub image: String,
    /// When it is pulled.
    pub image_pull_policy: Option<String>,
    /// Secrets for pulling it.
    pub image_pull_secrets: Vec<String>,
    /// The namespaces to look after; empty for all.
    pub namespaces: Vec<String>,
    /// The operator's own namespace.
    pub own_namespace: Option<String>,
    /// Whether the cluster mounts images as volumes; known before anything is written.
    pub image_volumes: OnceLock<bool>,
    /// Where probes and metrics are served.
    pub http: SocketAddr,
}

/// Who a site is to the cluster.
#[derive(Clone, Debug)]
pub struct SiteIdentity {
    /// Its UID, for owner references.
    pub uid: String,
}

/// One pod of a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// The site.
    pub site: Key,
    /// Where it answers.
    pub ip: String,
    /// The node's address.
    pub host: Option<String>,
    /// The annotation that was last set on it.
    pub files: Option<String>,
}

/// What a bump of a site's pods was for.
#[derive(Clone, Debug)]
pub struct Bump {
    /// What the objects held.
    pub content: String,
    /// How often the pods were told of it.
    pub attempt: u32,
    /// When they were told last.
    pub at: Instant,
}

/// A kind of object that a site has besides those with files.
pub type LiveKey = (&'static str, Key);

/// What all parts share.
pub struct Context {
    /// The API.
    pub client: Client,
    /// What the command line says.
    pub options: Options,
    /// What is to be looked at.
    pub queue: Queue<WorkItem>,
    /// Says what a person should notice.
    pub recorder: Recorder,
    /// Counts.
    pub metrics: Metrics,
    /// Whether all watches have told what there is.
    pub ready: AtomicBool,
    fleet: Mutex<Fleet>,
    shared: Mutex<Shared>,
}

/// What the cluster was seen to hold.
#[derive(Default)]
pub struct Shared {
    /// Sites by key.
    pub sites: HashMap<Key, SiteIdentity>,
    /// Pods by key.
    pub pods: BTreeMap<Key, Pod>,
    /// The sites' own objects as they are.
    pub live: HashMap<LiveKey, Value>,
    /// The sites' tokens.
    pub tokens: HashMap<Key, String>,
    /// The sites' keys for hashes.
    pub hash_keys: HashMap<Key, HashKey>,
    /// Tasks that ask pods what they served.
    pub pollers: HashMap<Key, AbortHandle>,
    /// Pods that have answered since the operator started.
    pub reported: HashSet<Key>,
    /// The newest version of each object with files that is known.
    pub versions: HashMap<(Key, Slot), u64>,
    /// What objects with files held, until the fleet has been told.
    pub recovered: Vec<(Key, Slot, Content)>,
    /// When the pods were told to look at their files.
    pub bumps: HashMap<Key, Bump>,
    /// When objects with files are written.
    pub paces: HashMap<(Key, Slot), Pace>,
}

/// The shortest time between two statuses of phones that are on their way to another image, of all such phones together: if a
/// thousand upgrade at once, the API server has 40 writes a second, each with the newest truth.
const PROGRESS_PACE: Duration = Duration::from_millis(25);
/// How long those that are to be told of a change are gathered.
const RESYNC_PACE: Duration = Duration::from_millis(500);
/// How long a status waits for a file that is on its way to the pods, so that one write tells the end and not the middle.
const SETTLING: Duration = Duration::from_millis(1500);

impl Context {
    /// A context with an empty fleet.
    pub fn new(client: Client, options: Options) -> Context {
        let reporter = Reporter { controller: MANAGER.to_owned(), instance: std::env::var("POD_NAME").ok() };
        Context {
            recorder: Recorder::new(client.clone(), reporter),
            client,
            options,
            queue: Queue::new(),
            metrics: Metrics::default(),
            ready: AtomicBool::new(false),
            fleet: Mutex::new(Fleet::new()),
            shared: Mutex::new(Shared::default()),
        }
    }

    /// What the cluster was seen to hold. Never hold it while waiting for anything.
    pub fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the fleet.
    pub fn ask<T>(&self, question: impl FnOnce(&mut Fleet) -> T) -> T {
        question(&mut self.fleet.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells the fleet, and queues what follows from it. Until all watches have told what there is, nothing follows.
    pub fn tell<T>(&self, news: impl FnOnce(&mut Fleet) -> T) -> T {
        let mut fleet = self.fleet.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = news(&mut fleet);
        if self.ready.load(Ordering::Acquire) {
            let dirty = fleet.take_work();
            self.enqueue(dirty, &mut fleet);
        }
        answer
    }

    /// Queues things, each with the pause that suits it.
    pub fn enqueue(&self, dirty: Vec<WorkItem>, fleet: &mut Fleet) {
        for thing in dirty {
            let pause = match &thing {
                WorkItem::Shard(site, slot) => self.shard_pause(site, *slot),
                WorkItem::PhoneStatus(phone) if fleet.urgency(phone) == crate::provision::Urgency::InTurn => {
                    self.queue.add_in_turn(thing, PROGRESS_PACE, SETTLING);
                    continue;
                }
                WorkItem::PhoneStatus(phone) if fleet.urgency(phone) == crate::provision::Urgency::Settle => SETTLING,
                WorkItem::Resync(_) => RESYNC_PACE,
                WorkItem::SiteStatus(_) => SETTLING,
                _ => Duration::ZERO,
            };
            self.queue.add(thing, pause);
        }
    }

    fn shard_pause(&self, site: &Key, slot: Slot) -> Duration {
        self.shared().paces.entry((site.clone(), slot)).or_default().changed(Instant::now())
    }

    /// How long a phone's status still waits for its file, which is on its way to the pods.
    pub fn settling(&self, phone: &Key) -> Option<Duration> {
        let place = self.ask(|fleet| fleet.is_propagating(phone).then(|| fleet.slot_of(phone)).flatten())?;
        let shared = self.shared();
        let under_way = shared.paces.get(&place).is_some_and(|pace| pace.is_under_way(Instant::now(), SETTLING));
        under_way.then_some(SETTLING / 3)
    }
}
