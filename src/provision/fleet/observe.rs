//! What TFTP pods hold, and who fetched what.

use super::*;
use crate::base::report::FileProblem;
use crate::phone::parameter::UNPROVISIONED;
use crate::phone::{boot, cnf};
use crate::provision::firmware::FirmwareFile;
use crate::provision::observed::Whose;
use crate::provision::upgrade::{self, Named};

impl Fleet {
    /// A pod told what it holds: everything if `complete`, otherwise what changed. False if nothing can be made of it: of a
    /// site that is not known, or a change of what is not known; then everything should be asked for.
    pub fn pod_holds(
        &mut self,
        site: &Key,
        pod: &str,
        complete: bool,
        held: Vec<(String, Digest)>,
        gone: &[String],
    ) -> bool {
        let Some(entry) = self.sites.get_mut(site) else { return false };
        let news = !entry.pods.contains_key(pod);
        if news && !complete {
            return false;
        }
        let known = entry.pods.entry(pod.to_owned()).or_default();
        let mut changed: BTreeSet<String> = BTreeSet::new();
        if complete {
            let next: HashMap<String, Digest> = held.into_iter().collect();
            changed.extend(
                known.iter().filter(|(name, digest)| next.get(*name) != Some(digest)).map(|(name, _)| name.clone()),
            );
            changed.extend(next.keys().filter(|name| !known.contains_key(*name)).cloned());
            *known = next;
        } else {
            for name in gone {
                if known.remove(name).is_some() {
                    changed.insert(name.clone());
                }
            }
            for (name, digest) in held {
                if known.insert(name.clone(), digest) != Some(digest) {
                    changed.insert(name);
                }
            }
        }
        if news {
            self.mark_all(site);
        } else {
            let phones: BTreeSet<Key> = changed.iter().filter_map(|name| entry.by_file.get(name)).cloned().collect();
            for phone in phones {
                self.mark_phone(&phone);
            }
        }
        if news || !changed.is_empty() {
            self.mark(WorkItem::SiteStatus(site.clone()));
            self.mark(WorkItem::Pods(site.clone()));
            if self.sites.get(site).is_some_and(|entry| !entry.pending.is_empty()) {
                self.mark(WorkItem::Resync(site.clone()));
            }
            self.restage(site);
        }
        true
    }

    /// A pod told of its firmware files, before it tells what it holds; and what is wrong with files that it has not.
    pub fn pod_firmware(
        &mut self,
        site: &Key,
        pod: &str,
        complete: bool,
        files: Vec<(String, FirmwareFile)>,
        gone: &[String],
        problems: &[FileProblem],
    ) {
        let Some(entry) = self.sites.get_mut(site) else { return };
        let known = entry.outside.entry(pod.to_owned()).or_default();
        if complete {
            known.clear();
        }
        gone.iter().for_each(|name| drop(known.remove(name)));
        known.extend(files.into_iter().filter(|(name, _)| is_firmware(name)));
        let before = entry.problems.insert(pod.to_owned(), problems.to_vec()).unwrap_or_default();
        if before != problems {
            self.mark_all(site);
        }
    }

    /// A pod does not answer any more.
    pub fn pod_gone(&mut self, site: &Key, pod: &str) {
        let Some(entry) = self.sites.get_mut(site) else { return };
        entry.outside.remove(pod);
        entry.problems.remove(pod);
        if entry.pods.remove(pod).is_some() {
            self.mark_all(site);
            self.restage(site);
        }
    }

    /// Whether all pods hold what they should, and nothing else.
    pub fn pods_are_current(&mut self, key: &Key) -> bool {
        self.settle();
        let Some(site) = self.sites.get(key) else { return true };
        let Some(plan) = &site.plan else { return true };
        let Some(firmware) = self.inventory(key, plan) else { return true };
        let common: HashSet<&String> = plan.files.iter().map(|file| &file.name).collect();
        let own = |name: &String| common.contains(name) || site.by_file.contains_key(name);
        let mapped = |name: &String| !plan.outside || self.is_mapped(key, plan, name);
        let firmware: Vec<_> = firmware.iter().filter(|(name, _)| !own(name) && mapped(name)).collect();
        let wanted = common.len() + site.by_file.len() + firmware.len();
        site.counts.served == site.counts.placed
            && site.pods.values().all(|held| {
                // What comes from elsewhere is none of the kubelet's business.
                (held.len() == wanted || plan.outside)
                    && plan.files.iter().all(|file| held.get(&file.name) == Some(&file.digest))
                    && firmware.iter().all(|(name, file)| held.get(*name) == Some(&file.digest))
            })
    }

    /// From now on what phones fetched is only kept: at a start one pod after the other tells all that it remembers.
    pub fn hold_fetches(&mut self) {
        self.holding = true;
    }

    /// Follows what was kept, in the order in which it happened.
    pub fn release_fetches(&mut self) {
        self.holding = false;
        let mut early = std::mem::take(&mut self.early);
        early.sort_by_key(|(_, fetch)| fetch.time);
        for (site, fetch) in early {
            self.fetched(&site, &fetch);
        }
    }

    /// Somebody fetched a file, or asked for one that is not there.
    pub fn fetched(&mut self, site_key: &Key, fetch: &Fetch) {
        if self.holding {
            self.early.push((site_key.clone(), fetch.clone()));
            return;
        }
        self.follow(site_key, fetch);
        if fetch.end.is_none() {
            return;
        }
        let Some(site) = self.sites.get_mut(site_key) else { return };
        if fetch.name.eq_ignore_ascii_case(boot::SIP_DEFAULT) {
            let (Some(digest), Some(plan)) = (fetch.taken, &site.plan) else { return };
            let hash = digest.public(site.hash_key.as_ref().filter(|_| plan.secret));
            site.common.note(fetch.address, fetch.time, hash);
            let phones: Vec<Key> = site.by_address.get(&fetch.address).into_iter().flatten().cloned().collect();
            for phone in phones {
                self.match_common(site_key, &phone);
            }
            return;
        }
        let Some(mac) = Mac::from_file_name(&fetch.name) else { return };
        let own_file = fetch.name.to_ascii_uppercase().contains("SIP");
        let Some(key) = self.macs.holder(&(site_key.namespace.clone(), mac)).cloned() else {
            if own_file && fetch.missing && site.strangers.note(mac, fetch.address, fetch.time) {
                self.mark(WorkItem::SiteStatus(site_key.clone()));
            }
            return;
        };
        let Some(phone) = self.phones.get_mut(&key).filter(|phone| phone.home.as_ref() == Some(site_key)) else {
            return;
        };
        let (Some(digest), true) = (fetch.taken, own_file) else { return };
        if phone.seen.time.is_some_and(|time| time > fetch.time) {
            return;
        }
        let secret = phone.plan.as_ref().is_some_and(|plan| plan.secret);
        let hash = digest.public(site.hash_key.as_ref().filter(|_| secret));
        if let Some(before) = phone.seen.address.filter(|before| *before != fetch.address)
            && let Some(set) = site.by_address.get_mut(&before)
        {
            set.remove(&key);
            if set.is_empty() {
                site.by_address.remove(&before);
            }
        }
        site.by_address.entry(fetch.address).or_default().insert(key.clone());
        phone.seen.fetched = Some(hash);
        phone.seen.address = Some(fetch.address);
        phone.seen.time = Some(fetch.time);
        self.match_common(site_key, &key);
        self.mark_phone(&key);
    }

    /// What a request tells of a phone's firmware.
    fn follow(&mut self, site_key: &Key, fetch: &Fetch) {
        let mut seen = upgrade::meaning(&fetch.name, fetch.sent, fetch.total, fetch.end.clone());
        let Some(site) = self.sites.get_mut(site_key) else { return };
        if let (Some(upgrade::Seen::Common(names)), Some(digest)) = (&mut seen, fetch.taken) {
            *names = named(site.plan.as_ref().and_then(|plan| plan.common()), digest);
        }
        let mac = Mac::from_file_name(&fetch.name);
        let holder = mac.and_then(|mac| self.macs.holder(&(site_key.namespace.clone(), mac)));
        let own = holder.filter(|key| self.phones.get(*key).is_some_and(|phone| phone.home.as_ref() == Some(site_key)));
        let key = match (mac, own) {
            (Some(_), Some(key)) => {
                let key = key.clone();
                let early = site.callers.heard(&key, fetch.address, fetch.time);
                if let Some(phone) = self.phones.get_mut(&key) {
                    early.into_iter().for_each(|(time, seen)| phone.track.follow(seen, time));
                    if let (Some(digest), true) = (fetch.taken, fetch.name.to_ascii_uppercase().contains("SIP")) {
                        let own = phone.plan.as_ref().and_then(|plan| plan.files.first());
                        seen = Some(upgrade::Seen::Own(named(own, digest)));
                    }
                }
                key
            }
            (Some(_), None) => return,
            (None, _) => {
                let Some(anonymous) = seen.take() else { return };
                match site.callers.whose(fetch.address, fetch.port, fetch.time, fetch.end.is_none()) {
                    Whose::Nobody => return site.callers.early(fetch.address, fetch.time, anonymous),
                    Whose::OneOf(keys) => return self.follow_unclear(&keys, &anonymous, fetch.time),
                    Whose::Of(key) => {
                        seen = Some(anonymous);
                        key
                    }
                }
            }
        };
        let (Some(phone), Some(seen)) = (self.phones.get_mut(&key), seen) else { return };
        let standing = |phone: &Phone| {
            let now = phone.track.now();
            (now.running.clone(), now.failures, now.transfer.is_some())
        };
        let before = standing(phone);
        phone.track.follow(seen, fetch.time);
        self.clock = self.clock.max(fetch.time);
        if standing(phone) != before {
            self.todo_rolls.insert(site_key.clone());
        }
        self.mark_phone(&key);
    }

    /// One of several phones asked for something: of none of them more is concluded than what is certain.
    fn follow_unclear(&mut self, keys: &[Key], seen: &upgrade::Seen, time: Timestamp) {
        if matches!(seen, upgrade::Seen::Common(_) | upgrade::Seen::Goes) {
            return;
        }
        for key in keys {
            if let Some(phone) = self.phones.get_mut(key) {
                phone.track.follow(upgrade::Seen::Unclear, time);
                self.mark_phone(key);
            }
        }
    }

    /// Finds the `SIPDefault.cnf` that a phone took together with its own file.
    fn match_common(&mut self, site: &Key, key: &Key) {
        let (Some(site), Some(phone)) = (self.sites.get(site), self.phones.get_mut(key)) else { return };
        let (Some(address), Some(time)) = (phone.seen.address, phone.seen.time) else { return };
        let Some(hash) = site.common.before(address, time) else { return };
        if phone.seen.common.as_deref() != Some(hash) {
            phone.seen.common = Some(hash.to_owned());
            self.mark_phone(key);
        }
    }
}

fn is_firmware(name: &str) -> bool {
    [".bin", ".sbn", ".sb2", ".loads"].iter().any(|suffix| name.ends_with(suffix))
}

/// The image that a file names which a phone took, if it is the one that should be served now: pods may still have an older
/// one.
fn named(served: Option<&File>, taken: Digest) -> Named {
    match served.filter(|file| file.digest == taken) {
        None => Named::Unknown,
        Some(file) => cnf::read(&file.bytes)
            .effective()
            .remove("image_version")
            .filter(|image| !image.is_empty() && image != UNPROVISIONED)
            .map_or(Named::Nothing, Named::Image),
    }
}
