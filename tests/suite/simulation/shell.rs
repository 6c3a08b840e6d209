//! The operator round the real fleet: what it knows beside it, and how changes become work. It does in virtual time, step by
//! step, what `src/operator` does with tasks.
//!
//! Long because it is one process, whose parts all change the same fleet.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use dialtone::base::digest::HashKey;
use dialtone::base::report::{Query, Report};
use dialtone::provision::catalog::FirmwareFile;
use dialtone::provision::{Content, Fetch, Fleet, Key, Meta, Reference, Slot, Urgency, WorkItem};
use jiff::Timestamp;

use super::api::{Api, Body, Change, Id, Object, WATCHES};
use super::queue::{Debouncers, Nudges, Queue, Time};

/// How long a status waits for a file that is on its way to the pods.
pub const SETTLING: Time = 1_500;
/// After so many failures in a row a pod counts as gone.
const GONE_AFTER: u32 = 3;

/// The time of day at this point of the history.
pub fn at(now: Time) -> Timestamp {
    Timestamp::from_millisecond(1_800_000_000_000 + now as i64).unwrap()
}

/// How far one watch is.
#[derive(Default)]
struct Cursor {
    listed: bool,
    position: usize,
    known: BTreeSet<Id>,
}

/// How far the start is.
#[derive(Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not every watch has listed.
    Listing,
    /// What is referred to is being read: so many reads are under way.
    Reading(usize),
    /// Pods have until then to report.
    Reports(Time),
    Runs,
}

/// What was observed of sites' objects.
#[derive(Default)]
pub struct Observed {
    pub uids: BTreeMap<Key, u64>,
    /// Whose token Secret it is, and the key for hashes.
    tokens: BTreeMap<Key, (u64, Bytes)>,
    versions: BTreeMap<(Key, Slot), u64>,
    pub deployments: BTreeMap<Key, Object>,
    /// The running pods, with the annotation of the last nudge.
    pub pods: BTreeMap<Key, (Key, Option<String>)>,
    reported: BTreeSet<Key>,
}

impl Observed {
    /// The site's own token Secret.
    pub fn token(&self, site: &Key) -> Option<&Bytes> {
        let (owner, key) = self.tokens.get(site)?;
        (self.uids.get(site) == Some(owner)).then_some(key)
    }

    pub fn note_version(&mut self, site: &Key, slot: Slot, version: u64) -> bool {
        let known = self.versions.entry((site.clone(), slot)).or_insert(0);
        let newer = version > *known;
        *known = if version == u64::MAX { 0 } else { version.max(*known) };
        newer
    }
}

/// Who polls a pod.
#[derive(Default)]
pub struct Poller {
    pub query: Query,
    failures: u32,
}

/// The operator's process.
pub struct Shell {
    pub fleet: Fleet,
    pub queue: Queue,
    pub debouncers: Debouncers,
    pub nudges: Nudges,
    pub seen: Observed,
    pub phase: Phase,
    pub pollers: BTreeMap<Key, Poller>,
    /// Pods whose pollers have to be started.
    pub new_pollers: Vec<Key>,
    /// The addresses of phones that were notified.
    pub told: Vec<IpAddr>,
    /// What is to be queued once the initial sync is over.
    pub rest: Vec<WorkItem>,
    cursors: [Cursor; WATCHES],
    recovered: BTreeMap<(Key, Slot), Option<Content>>,
}

impl Shell {
    /// A process that was started now.
    pub fn new(now: Time) -> Shell {
        let mut fleet = Fleet::new();
        fleet.tick(at(now));
        fleet.hold_fetches();
        Shell {
            fleet,
            queue: Queue::default(),
            debouncers: Debouncers::default(),
            nudges: Nudges::default(),
            seen: Observed::default(),
            phase: Phase::Listing,
            pollers: BTreeMap::new(),
            new_pollers: Vec::new(),
            told: Vec::new(),
            rest: Vec::new(),
            cursors: Default::default(),
            recovered: BTreeMap::new(),
        }
    }

    pub fn runs(&self) -> bool {
        self.phase == Phase::Runs
    }

    pub fn has_listed(&self) -> bool {
        self.cursors.iter().all(|cursor| cursor.listed)
    }

    /// The pods that have not reported since the start.
    pub fn has_silent_pods(&self) -> bool {
        self.seen.pods.keys().any(|pod| !self.seen.reported.contains(pod))
    }

    /// Changes the fleet, and queues what follows.
    pub fn update<T>(&mut self, now: Time, change: impl FnOnce(&mut Fleet) -> T) -> T {
        let answer = change(&mut self.fleet);
        if self.runs() {
            let work = self.fleet.take_work();
            self.enqueue(now, work);
        }
        answer
    }

    fn enqueue(&mut self, now: Time, work: Vec<WorkItem>) {
        for item in work {
            let delay = match &item {
                WorkItem::Shard(site, slot) => {
                    self.debouncers.entry((site.clone(), *slot)).or_default().note_change(now)
                }
                WorkItem::PhoneStatus(phone) => match self.fleet.urgency(phone) {
                    Urgency::Now => 0,
                    Urgency::Settle => SETTLING,
                    Urgency::InTurn => {
                        self.queue.add_in_turn(item, 25, now + SETTLING);
                        continue;
                    }
                },
                WorkItem::Resync(_) => 500,
                WorkItem::SiteStatus(_) => SETTLING,
                WorkItem::Read(..) | WorkItem::Objects(_) | WorkItem::Pods(_) => 0,
            };
            self.queue.add(item, now + delay);
        }
    }

    /// What was found in objects with files is given to the fleet: all watches have listed.
    pub fn recover(&mut self) {
        for ((site, slot), content) in std::mem::take(&mut self.recovered) {
            if let Some(content) = content {
                self.fleet.recover(&site, slot, content);
            }
        }
    }

    /// The initial sync is over.
    pub fn finish_sync(&mut self, now: Time) {
        self.fleet.release_fetches();
        self.phase = Phase::Runs;
        let (rest, changed) = (std::mem::take(&mut self.rest), std::mem::take(&mut self.recovered));
        self.update(now, |_| ());
        self.enqueue(now, rest);
        for ((site, slot), content) in changed {
            self.update(now, |fleet| fleet.note_stored(&site, slot, content.map(|content| content.digest())));
        }
    }

    /// A watch breaks: it lists anew when it is restarted.
    pub fn cut(&mut self, watch: usize) {
        self.cursors[watch].listed = false;
    }

    /// A watch tells of at most so many changes, or lists; whether there is more.
    pub fn follow(&mut self, now: Time, api: &Api, watch: usize, most: usize) -> bool {
        let log = &api.log[watch];
        if !self.cursors[watch].listed {
            let listed: BTreeMap<&Id, &Object> = api.objects.iter().filter(|(id, _)| id.watch() == watch).collect();
            let missed: Vec<Id> =
                self.cursors[watch].known.iter().filter(|id| !listed.contains_key(id)).cloned().collect();
            for (id, object) in &listed {
                self.on_apply(now, id, object);
            }
            for id in missed {
                self.on_delete(now, &id, u64::MAX);
            }
            let known = listed.into_keys().cloned().collect();
            self.cursors[watch] = Cursor { listed: true, position: log.len(), known };
            return false;
        }
        let from = self.cursors[watch].position;
        let to = log.len().min(from.saturating_add(most));
        for Change { version, id, object } in &log[from..to] {
            match object {
                Some(object) => {
                    self.cursors[watch].known.insert(id.clone());
                    self.on_apply(now, id, object);
                }
                None => {
                    self.cursors[watch].known.remove(id);
                    self.on_delete(now, id, *version);
                }
            }
        }
        self.cursors[watch].position = to;
        to < log.len()
    }

    fn on_apply(&mut self, now: Time, id: &Id, object: &Object) {
        match (id, &object.body) {
            (Id::Site(key), Body::Site(spec, status)) => {
                if self.seen.uids.get(key).is_some_and(|uid| *uid != object.uid) {
                    self.forget_site(now, key);
                }
                self.seen.uids.insert(key.clone(), object.uid);
                let meta = meta(key, object);
                self.update(now, |fleet| fleet.apply_site(meta, (**spec).clone(), (**status).clone()));
                self.give_hash_key(now, key);
            }
            (Id::Phone(key), Body::Phone(spec, status)) => {
                let meta = meta(key, object);
                self.update(now, |fleet| fleet.apply_phone(meta, (**spec).clone(), (**status).clone()));
            }
            (Id::Files(site, slot), Body::Data(data)) => {
                self.note_files(now, site, *slot, object.version, Some(data));
            }
            (Id::Token(site), Body::Data(data)) => {
                let key = data.get("hashKey").cloned().unwrap_or_default();
                self.note_token(now, site, object.owner.unwrap_or_default(), key);
            }
            (Id::Deployment(site), Body::Deployment(_)) => {
                let known = self.seen.deployments.get(site).map_or(0, |known| known.version);
                if object.version > known {
                    self.seen.deployments.insert(site.clone(), object.clone());
                    if self.runs() {
                        self.queue.add(WorkItem::Objects(site.clone()), now);
                    }
                }
            }
            (Id::Pod(pod), Body::Pod { site, runs: true, nudge }) => {
                let new = self.seen.pods.insert(pod.clone(), (site.clone(), nudge.clone())).is_none();
                if new {
                    self.update(now, |fleet| fleet.pod_runs(site, &pod.name));
                    self.pollers.insert(pod.clone(), Poller::default());
                    self.new_pollers.push(pod.clone());
                    self.queue.add(WorkItem::Objects(site.clone()), now);
                }
            }
            (Id::Pod(pod), Body::Pod { site, runs: false, .. }) => self.remove_pod(now, site, pod),
            (Id::Secret(key), _) => self.read_later(now, Reference::Secret, key),
            (Id::Map(key), _) => self.read_later(now, Reference::ConfigMap, key),
            _ => unreachable!("{id:?} has the body of another kind"),
        }
    }

    fn on_delete(&mut self, now: Time, id: &Id, version: u64) {
        match id {
            Id::Site(key) => self.forget_site(now, key),
            Id::Phone(key) => self.update(now, |fleet| fleet.delete_phone(key)),
            Id::Files(site, slot) => self.note_files(now, site, *slot, version, None),
            // The operator does nothing about it, as in the watch of Secrets.
            Id::Token(_) => {}
            Id::Deployment(site) => {
                self.seen.deployments.remove(site);
                self.queue.add(WorkItem::Objects(site.clone()), now);
            }
            Id::Pod(pod) => {
                if let Some((site, _)) = self.seen.pods.get(pod).cloned() {
                    self.remove_pod(now, &site, pod);
                }
            }
            Id::Secret(key) => self.read_later(now, Reference::Secret, key),
            Id::Map(key) => self.read_later(now, Reference::ConfigMap, key),
        }
    }

    fn read_later(&mut self, now: Time, kind: Reference, key: &Key) {
        if self.phase != Phase::Listing && self.fleet.refers_to(kind, key) {
            self.queue.add(WorkItem::Read(kind, key.clone()), now);
        }
    }

    fn forget_site(&mut self, now: Time, site: &Key) {
        self.seen.uids.remove(site);
        self.seen.tokens.remove(site);
        self.nudges.forget(site);
        self.debouncers.retain(|(of, _), _| of != site);
        self.update(now, |fleet| fleet.delete_site(site));
    }

    fn remove_pod(&mut self, now: Time, site: &Key, pod: &Key) {
        self.seen.reported.remove(pod);
        if self.seen.pods.remove(pod).is_some() {
            self.update(now, |fleet| fleet.pod_ends(site, &pod.name));
        }
    }

    pub fn note_token(&mut self, now: Time, site: &Key, owner: u64, key: Bytes) {
        self.seen.tokens.insert(site.clone(), (owner, key));
        self.give_hash_key(now, site);
    }

    fn give_hash_key(&mut self, now: Time, site: &Key) {
        if let Some(key) = self.seen.token(site).map(|key| HashKey::new(key)) {
            self.update(now, |fleet| fleet.set_hash_key(site, key));
        }
    }

    fn note_files(
        &mut self,
        now: Time,
        site: &Key,
        slot: Slot,
        version: u64,
        data: Option<&Arc<BTreeMap<String, Bytes>>>,
    ) {
        let content = data.map(|data| Content((**data).clone()));
        if !self.runs() {
            self.recovered.insert((site.clone(), slot), content);
        } else if self.seen.note_version(site, slot, version) {
            self.update(now, |fleet| fleet.note_stored(site, slot, content.map(|content| content.digest())));
        }
    }

    /// A pod's report arrived: nothing if there was no answer. After how long the next poll follows; nothing if the pod is gone.
    pub fn take_report(&mut self, now: Time, site: &Key, pod: &Key, report: Option<Report>) -> Option<Time> {
        let runs = self.seen.pods.contains_key(pod);
        let poller = self.pollers.get_mut(pod)?;
        let Some(report) = report else {
            if !runs {
                self.pollers.remove(pod);
                return None;
            }
            poller.failures += 1;
            let failures = poller.failures;
            if failures == GONE_AFTER {
                poller.query = Query::default();
                self.update(now, |fleet| fleet.pod_gone(site, &pod.name));
            }
            return Some((250 << failures.min(5)).min(8_000));
        };
        if !runs && report.instance != poller.query.instance {
            self.pollers.remove(pod);
            return None;
        }
        poller.failures = 0;
        poller.query = Query::after(&report, 30);
        if !self.note_report(now, site, pod, runs, report)
            && let Some(poller) = self.pollers.get_mut(pod)
        {
            poller.query = Query::default();
        }
        Some(50)
    }

    fn note_report(&mut self, now: Time, site: &Key, pod: &Key, runs: bool, report: Report) -> bool {
        let (mut held, mut firmware) = (Vec::new(), Vec::new());
        for file in report.holdings.held {
            let digest = dialtone::base::digest::Digest::from_hex(&file.digest).unwrap();
            firmware
                .push((file.name.clone(), FirmwareFile::reported(digest, file.size as usize, file.first, file.parts)));
            held.push((file.name, digest));
        }
        let fetches: Vec<Fetch> = report.journal.records.iter().map(Fetch::from).collect();
        let (complete, gone) = (report.holdings.complete, &report.holdings.gone);
        let taken = self.update(now, |fleet| {
            if runs {
                fleet.pod_firmware(site, &pod.name, complete, firmware, gone, &report.problems);
            }
            let taken = !runs || fleet.pod_holds(site, &pod.name, complete, held, gone);
            if taken {
                fetches.iter().for_each(|fetch| fleet.fetched(site, fetch));
            }
            taken
        });
        if runs && taken {
            self.seen.reported.insert(pod.clone());
        }
        taken
    }
}

fn meta(key: &Key, object: &Object) -> Meta {
    Meta {
        key: key.clone(),
        generation: Some(object.generation),
        created: object.created,
        version: object.version,
        resync_at: object.resync_at.clone(),
    }
}
