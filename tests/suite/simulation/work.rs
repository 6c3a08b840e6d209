//! The operator's workers: each takes an item, builds the newest truth, and asks the API server for something; what comes next
//! follows when the answer is there. Between the two anything may happen.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use dialtone::api::{PhoneSiteStatus, SipPhoneStatus};
use dialtone::base::digest::Digest;
use dialtone::provision::catalog::FirmwareFile;
use dialtone::provision::resync::Answer;
use dialtone::provision::{Content, Key, Reference, Slot, WorkItem};

use super::api::{Body, Data, Id, Object, Reply, Request};
use super::pods::slots;
use super::queue::{Outcome, Time};
use super::shell::{SETTLING, Shell, at};

/// How many items are in work at once.
const WORKERS: usize = 16;

/// What a worker does with the answer that it waits for.
#[derive(Clone, Debug)]
pub enum Then {
    /// The object does not belong to somebody else: write it.
    ApplyFiles {
        owner: u64,
        wanted: Digest,
        data: Data,
    },
    FilesWritten {
        wanted: Option<Digest>,
    },
    MakeToken {
        owner: u64,
    },
    TokenMade {
        owner: u64,
    },
    ApplyDeployment {
        owner: u64,
    },
    DeploymentApplied,
    SiteStatusWritten,
    PhoneStatusWritten {
        after: Outcome,
    },
    Nudge {
        rest: Vec<Key>,
        value: String,
        pause: Time,
        failed: bool,
    },
    Read,
}

/// What a worker does next.
pub enum Step {
    Ends(Outcome),
    Asks(Box<Request>, Then),
}

use Step::{Asks, Ends};

fn asks(request: Request, then: Then) -> Step {
    Asks(Box::new(request), then)
}

impl Shell {
    /// The items that are due and have a worker, each with its first step.
    pub fn begin_work(&mut self, now: Time) -> Vec<(WorkItem, Step)> {
        let mut begun = Vec::new();
        while self.runs()
            && self.queue.in_work() < WORKERS
            && let Some(item) = self.queue.take(now)
        {
            match self.begin(now, &item) {
                Ends(outcome) => self.queue.finish(item, outcome, now),
                asks => begun.push((item, asks)),
            }
        }
        begun
    }

    fn begin(&mut self, now: Time, item: &WorkItem) -> Step {
        match item {
            WorkItem::Read(kind, key) if self.fleet.refers_to(*kind, key) => {
                asks(Request::Read(id_of(*kind, key)), Then::Read)
            }
            WorkItem::Read(..) => Ends(Outcome::Done),
            WorkItem::Shard(site, slot) => self.begin_files(now, site, *slot),
            WorkItem::Objects(site) => self.begin_objects(now, site),
            WorkItem::Pods(site) => self.begin_nudge(now, site),
            WorkItem::Resync(site) => {
                let (orders, again) = self.update(now, |fleet| fleet.resync_orders(site, at(now)));
                for order in orders {
                    self.told.push(order.address);
                    // Some answers do not find their way.
                    let is_lost = self.told.len().is_multiple_of(3);
                    let answer = if is_lost { Answer::Silence(String::new()) } else { Answer::Heard };
                    self.update(now, |fleet| fleet.note_resync(&order.phone, Ok(answer)));
                }
                Ends(again.map_or(Outcome::Done, |seconds| Outcome::After(seconds.max(0) as Time * 1_000)))
            }
            WorkItem::SiteStatus(site) => match self.fleet.site_status(site, at(now)) {
                Some((_, after)) => asks(Request::SiteStatus(site.clone(), Box::new(after)), Then::SiteStatusWritten),
                None => Ends(Outcome::Done),
            },
            WorkItem::PhoneStatus(phone) => self.begin_phone_status(now, phone),
        }
    }

    fn begin_phone_status(&mut self, now: Time, phone: &Key) -> Step {
        self.update(now, |fleet| fleet.advance(at(now)));
        let place = self.fleet.is_propagating(phone).then(|| self.fleet.slot_of(phone)).flatten();
        let debouncer = place.and_then(|place| self.debouncers.get(&place));
        if debouncer.is_some_and(|debouncer| debouncer.is_under_way(now, SETTLING)) {
            return Ends(Outcome::After(SETTLING / 3));
        }
        let Some(report) = self.fleet.report(phone, at(now)) else { return Ends(Outcome::Done) };
        let after = report.due_in.map_or(Outcome::Done, |seconds| Outcome::After(seconds.max(0) as Time * 1_000));
        if !report.is_news {
            return Ends(after);
        }
        asks(Request::PhoneStatus(phone.clone(), Box::new(report.after)), Then::PhoneStatusWritten { after })
    }

    fn begin_files(&mut self, now: Time, site: &Key, slot: Slot) -> Step {
        let debouncer = self.debouncers.entry((site.clone(), slot)).or_default();
        let pause = debouncer.pause(now);
        if pause > 0 {
            return Ends(Outcome::After(pause));
        }
        debouncer.begin();
        let step = self.write_files(now, site, slot);
        if let (Ends(_), Some(debouncer)) = (&step, self.debouncers.get_mut(&(site.clone(), slot))) {
            debouncer.end(now, false);
        }
        step
    }

    fn write_files(&mut self, now: Time, site: &Key, slot: Slot) -> Step {
        let ((wanted, content), stored) = (self.fleet.unwritten(site, slot), self.fleet.stored(site, slot));
        let Some(owner) = self.seen.uids.get(site).copied() else { return Ends(Outcome::Done) };
        if self.fleet.is_suspended(site) {
            return Ends(Outcome::Done);
        }
        let Some(Content(content)) = content else {
            self.update(now, |fleet| fleet.note_stored(site, slot, stored));
            return Ends(Outcome::Done);
        };
        let id = Id::Files(site.clone(), slot);
        let Some(wanted) = wanted else { return asks(Request::Delete(id), Then::FilesWritten { wanted: None }) };
        let data = Arc::new(content);
        match stored {
            None => asks(Request::Exists { id, owner }, Then::ApplyFiles { owner, wanted, data }),
            Some(_) => {
                asks(Request::Apply { id, owner, body: Body::Data(data) }, Then::FilesWritten { wanted: Some(wanted) })
            }
        }
    }

    fn begin_objects(&mut self, now: Time, site: &Key) -> Step {
        let (Some(spec), Some(owner)) = (self.fleet.site_spec(site), self.seen.uids.get(site).copied()) else {
            return Ends(Outcome::Done);
        };
        if spec.suspend {
            self.note_infra(now, site);
            return Ends(Outcome::Done);
        }
        if self.seen.token(site).is_none() {
            return asks(Request::Exists { id: Id::Token(site.clone()), owner }, Then::MakeToken { owner });
        }
        self.end_objects(now, site, owner)
    }

    fn put_deployment(&mut self, site: &Key, owner: u64) -> Step {
        let id = Id::Deployment(site.clone());
        let wanted = Body::Deployment(self.replicas(site));
        match self.seen.deployments.get(site) {
            Some(Object { body, owner: of, .. }) if *body == wanted && *of == Some(owner) => Ends(Outcome::Done),
            Some(_) => asks(Request::Apply { id, owner, body: wanted }, Then::DeploymentApplied),
            None => asks(Request::Exists { id, owner }, Then::ApplyDeployment { owner }),
        }
    }

    fn replicas(&self, site: &Key) -> i64 {
        let spec = self.fleet.site_spec(site);
        spec.and_then(|spec| spec.tftp.as_ref().and_then(|tftp| tftp.replicas)).unwrap_or(2)
    }

    fn note_infra(&mut self, now: Time, site: &Key) {
        let wanted = self.replicas(site);
        self.update(now, |fleet| {
            let mut infra = fleet.infra(site);
            infra.wanted = wanted;
            fleet.set_infra(site, infra);
        });
    }

    fn begin_nudge(&mut self, now: Time, site: &Key) -> Step {
        let pods: Vec<(Key, Option<String>)> = self
            .seen
            .pods
            .iter()
            .filter(|(_, (of, _))| of == site)
            .map(|(key, (_, nudge))| (key.clone(), nudge.clone()))
            .collect();
        if pods.is_empty() || self.fleet.pods_are_current(site) {
            self.nudges.forget(site);
            return Ends(Outcome::Done);
        }
        let stored: Vec<_> = slots().map(|slot| self.fleet.stored(site, slot)).collect();
        let sources = self.fleet.firmware_sources(site);
        let sources: Vec<_> = sources.iter().map(|source| self.fleet.firmware_digest(source)).collect();
        let content = Digest::of(format!("{stored:?}{sources:?}").as_bytes()).to_string();
        let (value, pause) = match self.nudges.next(site, content, now) {
            Err(pause) => return Ends(Outcome::After(pause)),
            Ok(next) => next,
        };
        let rest = pods.into_iter().filter(|(_, nudge)| nudge.as_deref() != Some(&value)).map(|(key, _)| key).collect();
        nudge(rest, value, pause, false)
    }

    /// The answer to what a worker asked for is there.
    pub fn go_on(&mut self, now: Time, item: WorkItem, then: Then, reply: Reply) -> Option<(WorkItem, Step)> {
        let step = self.next(now, &item, then, reply);
        match step {
            Ends(outcome) => {
                self.queue.finish(item, outcome, now);
                None
            }
            asks => Some((item, asks)),
        }
    }

    fn next(&mut self, now: Time, item: &WorkItem, then: Then, reply: Reply) -> Step {
        let end_files = |shell: &mut Shell, wrote: bool| {
            if let WorkItem::Shard(site, slot) = item
                && let Some(debouncer) = shell.debouncers.get_mut(&(site.clone(), *slot))
            {
                debouncer.end(now, wrote);
            }
        };
        let found = match reply {
            Reply::Object(found) => found,
            Reply::Taken | Reply::Failed => {
                end_files(self, false);
                return match then {
                    Then::Nudge { rest, value, pause, .. } => nudge(rest, value, pause, true),
                    _ => Ends(Outcome::Failed),
                };
            }
        };
        match (then, item) {
            (Then::ApplyFiles { owner, wanted, data }, WorkItem::Shard(site, slot)) => {
                let id = Id::Files(site.clone(), *slot);
                let body = Body::Data(data);
                asks(Request::Apply { id, owner, body }, Then::FilesWritten { wanted: Some(wanted) })
            }
            (Then::FilesWritten { wanted }, WorkItem::Shard(site, slot)) => {
                if let Some(written) = found {
                    self.seen.note_version(site, *slot, written.version);
                }
                self.update(now, |fleet| fleet.note_stored(site, *slot, wanted));
                end_files(self, true);
                Ends(Outcome::Done)
            }
            (Then::MakeToken { owner }, WorkItem::Objects(site)) if found.is_none() => {
                let data = BTreeMap::from([("hashKey".to_owned(), Bytes::from(format!("key of {site}")))]);
                let body = Body::Data(Arc::new(data));
                asks(Request::Apply { id: Id::Token(site.clone()), owner, body }, Then::TokenMade { owner })
            }
            (Then::TokenMade { owner }, WorkItem::Objects(site)) => {
                self.note_token(now, site, owner, Bytes::from(format!("key of {site}")));
                self.end_objects(now, site, owner)
            }
            (Then::MakeToken { owner }, WorkItem::Objects(site)) => self.end_objects(now, site, owner),
            (Then::ApplyDeployment { owner }, WorkItem::Objects(site)) => {
                let body = Body::Deployment(self.replicas(site));
                asks(Request::Apply { id: Id::Deployment(site.clone()), owner, body }, Then::DeploymentApplied)
            }
            (Then::DeploymentApplied, WorkItem::Objects(site)) => {
                if let Some(found) = found {
                    self.seen.deployments.insert(site.clone(), found);
                }
                self.note_infra(now, site);
                Ends(Outcome::Done)
            }
            (Then::SiteStatusWritten, WorkItem::SiteStatus(site)) => {
                if let Some(Object { body: Body::Site(_, status), version, .. }) = found {
                    let status: PhoneSiteStatus = (*status).clone();
                    self.update(now, |fleet| fleet.note_site_status(site, status.clone(), status, version));
                }
                Ends(Outcome::Done)
            }
            (Then::PhoneStatusWritten { after }, WorkItem::PhoneStatus(phone)) => {
                let Some(Object { body: Body::Phone(_, status), version, .. }) = found else {
                    return Ends(Outcome::Done);
                };
                let status: SipPhoneStatus = (*status).clone();
                self.update(now, |fleet| fleet.note_phone_status(phone, status.clone(), status, version));
                Ends(after)
            }
            (Then::Nudge { rest, value, pause, failed }, _) => nudge(rest, value, pause, failed),
            (Then::Read, WorkItem::Read(kind, key)) => {
                self.note_read(now, *kind, key, found.as_ref());
                Ends(Outcome::Done)
            }
            (then, item) => unreachable!("{then:?} is not of {item:?}"),
        }
    }

    fn end_objects(&mut self, now: Time, site: &Key, owner: u64) -> Step {
        let step = self.put_deployment(site, owner);
        if let Ends(_) = step {
            self.note_infra(now, site);
        }
        step
    }

    /// An object that is referred to was read.
    pub fn note_read(&mut self, now: Time, kind: Reference, key: &Key, found: Option<&Object>) {
        let data = found.and_then(Object::data);
        match kind {
            Reference::Secret => self.update(now, |fleet| fleet.set_secret(key, data.map(|data| (**data).clone()))),
            Reference::ConfigMap => {
                let file = |(name, bytes): (&String, &Bytes)| (name.clone(), FirmwareFile::new(name, bytes));
                self.update(now, |fleet| fleet.set_firmware(key, data.map(|data| data.iter().map(file).collect())));
            }
        }
    }
}

fn nudge(mut rest: Vec<Key>, value: String, pause: Time, failed: bool) -> Step {
    match rest.pop() {
        Some(pod) => asks(Request::Nudge(pod, value.clone()), Then::Nudge { rest, value, pause, failed }),
        None if failed => Ends(Outcome::Failed),
        None => Ends(Outcome::After(pause)),
    }
}

/// The object that people made under this name.
pub fn id_of(kind: Reference, key: &Key) -> Id {
    match kind {
        Reference::Secret => Id::Secret(key.clone()),
        Reference::ConfigMap => Id::Map(key.clone()),
    }
}
