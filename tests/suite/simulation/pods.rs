//! TFTP pods: files that the kubelet syncs into them some time, and a journal of what was fetched, which dies with the process.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use dialtone::base::digest::Digest;
use dialtone::base::report::{HeldFile, Inventory, Journal, Outcome, Query, Record, Report};
use dialtone::provision::{Key, Slot};

use super::api::{Api, Data, Id};
use super::queue::Time;
use super::shell::at;

pub type Files = BTreeMap<String, (Bytes, Digest)>;

/// The objects with files that the few phones of a history can be in.
pub fn slots() -> impl Iterator<Item = Slot> {
    let of = |secret| [Slot::Common { secret }, Slot::Phones { secret, index: 0 }, Slot::Phones { secret, index: 1 }];
    [false, true].into_iter().flat_map(of)
}

/// A server in a pod.
pub struct Pod {
    pub site: Key,
    /// What the kubelet has heard of the objects that the pod mounts: of each by itself.
    cache: BTreeMap<Id, Data>,
    pub files: Files,
    /// The objects with firmware.
    maps: BTreeSet<Key>,
    pub instance: u64,
    version: u64,
    changes: Vec<(u64, BTreeSet<String>)>,
    records: Vec<Record>,
    /// It ends then, after its last report.
    pub leaves_at: Option<Time>,
}

impl Pod {
    pub fn new(api: &Api, site: &Key, maps: BTreeSet<Key>, instance: u64) -> Pod {
        let mut pod = Pod {
            site: site.clone(),
            cache: BTreeMap::new(),
            files: Files::new(),
            maps,
            instance,
            version: 0,
            changes: Vec::new(),
            records: Vec::new(),
            leaves_at: None,
        };
        let mounted: Vec<Id> = pod.mounted().collect();
        mounted.iter().for_each(|id| pod.hear(api, id));
        pod.sync();
        pod
    }

    fn mounted(&self) -> impl Iterator<Item = Id> + '_ {
        slots().map(|slot| Id::Files(self.site.clone(), slot)).chain(self.maps.iter().cloned().map(Id::Map))
    }

    pub fn mounts(&self, id: &Id) -> bool {
        match id {
            Id::Files(site, _) => *site == self.site,
            Id::Map(map) => self.maps.contains(map),
            _ => false,
        }
    }

    /// The kubelet hears of an object as it is now.
    pub fn hear(&mut self, api: &Api, id: &Id) {
        match api.get(id).and_then(|object| object.data()) {
            Some(data) => drop(self.cache.insert(id.clone(), data.clone())),
            None => drop(self.cache.remove(id)),
        }
    }

    /// The kubelet writes what it has heard into the pod, all at once; whether anything changed.
    pub fn sync(&mut self) -> bool {
        // As in the volume: of files of one name that of the last object counts.
        let objects: Vec<Data> = self.mounted().filter_map(|id| self.cache.get(&id).cloned()).collect();
        let mut next: BTreeMap<&String, &Bytes> = BTreeMap::new();
        objects.iter().for_each(|object| next.extend(object.iter()));
        let is_same =
            |(name, bytes): (&&String, &&Bytes)| self.files.get(*name).is_some_and(|(held, _)| held == *bytes);
        if next.len() == self.files.len() && next.iter().all(is_same) {
            if self.version == 0 {
                self.version = 1;
            }
            return false;
        }
        let files: Files = next
            .into_iter()
            .map(|(name, bytes)| {
                let held = self.files.get(name).filter(|(held, _)| held == bytes).cloned();
                (name.clone(), held.unwrap_or_else(|| (bytes.clone(), Digest::of(bytes))))
            })
            .collect();
        let names = self.files.keys().chain(files.keys()).filter(|name| self.files.get(*name) != files.get(*name));
        self.version += 1;
        self.changes.push((self.version, names.cloned().collect()));
        self.files = files;
        true
    }

    /// The server in the pod is started anew: what it had to report and did not is lost.
    pub fn restart(&mut self, instance: u64) {
        (self.instance, self.version) = (instance, 1);
        (self.changes, self.records) = (Vec::new(), Vec::new());
    }

    /// Notes how a request went.
    pub fn note(&mut self, mut record: Record) {
        record.seq = self.records.len() as u64 + 1;
        self.records.push(record);
    }

    /// A request for a file: what it holds, and the record of a transfer that was complete.
    pub fn record(&self, now: Time, peer: [u8; 4], name: &str, outcome: Outcome) -> Record {
        let held = self.files.get(name);
        let size = held.map_or(0, |(bytes, _)| bytes.len() as u64);
        Record {
            seq: 0,
            time: at(now),
            peer: (peer, 50_000 + (now % 10_000) as u16).into(),
            asked: name.into(),
            file: held.map(|_| name.into()),
            digest: held.map(|(_, digest)| Arc::from(digest.to_string())),
            size,
            unacknowledged: 0,
            acknowledged: if outcome == Outcome::Complete { size } else { size / 3 },
            millis: 10,
            outcome: if held.is_some() { outcome } else { Outcome::NotFound },
        }
    }

    pub fn has_news(&self, query: &Query) -> bool {
        query.instance != self.name() || query.holdings != self.version || query.journal <= self.records.len() as u64
    }

    fn name(&self) -> String {
        format!("i{}", self.instance)
    }

    pub fn report(&self, now: Time, query: &Query) -> Report {
        let (version, cursor) = if query.instance == self.name() { (query.holdings, query.journal) } else { (0, 0) };
        let held = |name: &String, bytes: &Bytes, digest: &Digest| HeldFile {
            name: name.clone(),
            size: bytes.len() as u64,
            digest: digest.to_string().into(),
            first: dialtone::phone::image::first(bytes),
            parts: Vec::new(),
        };
        let mut holdings = Inventory { version: self.version, complete: version == 0, ..Inventory::default() };
        if version == 0 {
            holdings.held = self.files.iter().map(|(name, (bytes, digest))| held(name, bytes, digest)).collect();
        } else {
            let missed = self.changes.iter().filter(|(at, _)| *at > version);
            for name in missed.flat_map(|(_, names)| names).collect::<BTreeSet<_>>() {
                match self.files.get(name) {
                    Some((bytes, digest)) => holdings.held.push(held(name, bytes, digest)),
                    None => holdings.gone.push(name.clone()),
                }
            }
        }
        let records = self.records.iter().filter(|record| record.seq >= cursor).cloned().collect();
        let journal = Journal { next: self.records.len() as u64 + 1, lost: 0, records };
        Report { instance: self.name(), time: Some(at(now)), holdings, journal, problems: Vec::new() }
    }

    /// Whether it holds the file of an image whole.
    pub fn holds(&self, name: &str) -> bool {
        self.files.contains_key(name)
    }
}
