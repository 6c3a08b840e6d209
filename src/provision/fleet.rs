//! The model in memory: all sites and phones, what they refer to, and what follows from it.
//!
//! Every change comes in by one method and comes out as a list of [`WorkItem`]s: what a shell has to read, write or send. The
//! work that a change makes grows with what it touches, not with the number of phones.

mod agenda;
mod facts;
mod figures;
mod firmware;
mod last_good;
mod moves;
mod object;
mod observe;
mod own_plans;
mod phone;
mod read;
mod render;
mod report;
mod resync;
mod rollout;
mod seen;
mod site;
mod surroundings;
mod whereabouts;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use jiff::Timestamp;

use crate::api::{PhoneSiteSpec, PhoneSiteStatus, SipPhoneSpec, SipPhoneStatus};
use crate::base::digest::{Digest, HashKey};

use crate::provision::Key;
use crate::provision::catalog::Inventory;
use crate::provision::claims::identities::Identities;
use crate::provision::consent::Withheld;
use crate::provision::dependencies::{Dependencies, Reference, User};
use crate::provision::networks::OwnAddresses;
use crate::provision::observe::fetch::Fetch;
use crate::provision::placement::slot::{Content, Slot};
use crate::provision::status::counts::PhoneTally;

use agenda::{Agenda, Step};
use phone::Phone;
use site::Site;

pub use agenda::WorkItem;
pub use figures::SiteFigures;
pub use object::Meta;
pub use report::{PhoneReport, Urgency};

/// All sites and phones.
///
/// The fleet only routes changes: each kind of state has an owner with private fields, which sees none of the others (a site's
/// `Placement`, `Pods`, `Images`, `Counts` and callers; a phone's offer, requests and resync attempts; `Identities` and
/// `Dependencies` for all). What spans several owners is decided in steps that [`Fleet::settle`] takes one after the other.
///
/// # Invariants
///
/// - After [`Fleet::settle`] (and so after [`Fleet::take_work`]) every read speaks of all changes so far. Reads take `&self` and
///   compute nothing that a change did not compute.
/// - A phone is in the `phones` of exactly the site that it is placed in, its `home`, and counted there by what its last derived
///   facts say.
/// - What is served of an object is its newest spec that could be served; a spec that is refused, or waits for a dependency,
///   changes nothing of it.
/// - Nothing is concluded from the order in which objects arrive: after a restart the same objects lead to the same files.
///
/// # Why one lock, and no `Controller`
///
/// The operator holds the fleet in one mutex. Two phones may want one MAC address, a thousand phones share their site's rollout,
/// and one ConfigMap holds forty of them: finer locks would have to be taken together for nearly every change. What that costs:
/// a change, with all that follows from it, is taken up by one thread at a time. An edit among ten thousand phones is followed
/// through in half a millisecond, all of them in their first run in two seconds. Nothing under the lock waits, reads or writes.
///
/// `kube::runtime::Controller` reconciles object by object and gives each reconcile what its stores hold. Here one object's files
/// depend on many others, and what has to be written is not the object but a shard of a neighbour: each reconcile would search the
/// stores for all that matters to it, which costs time that grows with the fleet. The fleet keeps the indexes instead, as a
/// model that tests can drive without a cluster. docs/decisions has the whole comparison.
#[derive(Default)]
pub struct Fleet {
    sites: HashMap<Key, Box<Site>>,
    /// Each in a place of its own: a table of large values has large gaps.
    phones: HashMap<Key, Box<Phone>>,
    /// Phones by the site that they name, whether or not it exists.
    by_site: HashMap<Key, BTreeSet<Key>>,
    dependencies: Dependencies,
    identities: Identities,
    agenda: Agenda,
    held_fetches: HeldFetches,
    /// There are no pods to ask: what the sources hold is what will be served.
    offline: bool,
    /// Firmware for all sites, from a folder.
    folder: Inventory,
    /// The newest time that a shell passed in.
    clock: Timestamp,
    places: Places,
    /// The pods of each site that run, whether or not they say anything.
    running: HashMap<Key, BTreeSet<String>>,
}

/// Where phones cannot be, and those of which it is in doubt where they are.
#[derive(Default)]
struct Places {
    own: OwnAddresses,
    in_doubt: BTreeSet<Key>,
}

/// What pods reported before everything else was known, to be followed in order.
#[derive(Default)]
struct HeldFetches {
    is_holding: bool,
    fetches: Vec<(Key, Fetch)>,
}

impl Fleet {
    /// A fleet whose files are served by pods that say what they hold.
    pub fn new() -> Fleet {
        Fleet::default()
    }

    /// A fleet without a cluster: firmware counts as served as soon as it is there.
    pub fn offline() -> Fleet {
        Fleet { offline: true, ..Fleet::default() }
    }

    /// Follows all changes through.
    pub fn settle(&mut self) {
        while let Some(step) = self.agenda.next() {
            match step {
                Step::Site(site) => self.render_site(&site),
                Step::Images(site) => self.restage(&site),
                Step::Phone(phone) => self.render_phone(&phone),
                Step::Rollout(site) => self.roll(&site),
                Step::Facts(phone) => self.derive_facts(&phone),
            }
        }
    }

    /// Follows all changes through; what a shell has to do since the last call.
    pub fn take_work(&mut self) -> Vec<WorkItem> {
        self.settle();
        self.agenda.take_work()
    }

    /// A site was made or changed.
    pub fn apply_site(&mut self, meta: Meta, spec: PhoneSiteSpec, status: PhoneSiteStatus) {
        let key = meta.key.clone();
        let Some(site) = self.sites.get_mut(&key) else {
            self.sites.insert(key.clone(), Box::new(Site::new(meta, spec, status, self.offline)));
            self.refer_site(&key, Default::default());
            self.render_phones_of(&key);
            return self.agenda.queue_site(&key);
        };
        let before = site.references();
        let resync_changed = site.spec().resync != spec.resync;
        let change = site.apply(meta, spec, status);
        if change.altered {
            self.agenda.work(WorkItem::SiteStatus(key.clone()));
        }
        if change.any {
            self.refer_site(&key, before);
            self.agenda.queue_site(&key);
        }
        if change.resync_request || resync_changed {
            self.mark_all(&key);
        }
    }

    /// A site is gone, and with it all that was made for it.
    pub fn delete_site(&mut self, key: &Key) {
        let Some(site) = self.sites.remove(key) else { return self.site_is_readable(key) };
        self.refer_site(key, site.references());
        self.agenda.forget_site(key);
        for phone in &site.phones {
            // At once: the site may be made anew before they are rendered, and has not counted them.
            self.leave_site(phone);
            self.agenda.queue_phone(phone);
        }
        self.render_phones_of(key);
    }

    fn refer_site(&mut self, key: &Key, before: (BTreeSet<Key>, BTreeSet<Key>)) {
        let now = self.sites.get(key).map(|site| site.references()).unwrap_or_default();
        let user = User::Site(key.clone());
        self.dependencies.set_unreadable(key, None);
        self.refer(Reference::Secret, &user, &before.0, &now.0);
        self.refer(Reference::ConfigMap, &user, &before.1, &now.1);
    }

    fn refer(&mut self, kind: Reference, user: &User, before: &BTreeSet<Key>, now: &BTreeSet<Key>) {
        for unread in self.dependencies.refer(kind, user, before, now) {
            self.agenda.work(WorkItem::Read(kind, unread));
        }
    }

    fn render_phones_of(&mut self, site: &Key) {
        self.by_site.get(site).into_iter().flatten().for_each(|phone| self.agenda.queue_phone(phone));
    }

    /// A phone was made or changed.
    pub fn apply_phone(&mut self, meta: Meta, spec: SipPhoneSpec, status: SipPhoneStatus) {
        let key = meta.key.clone();
        let own_plan = self.own_plan(&key);
        let (before, resync_changed) = match self.phones.get_mut(&key) {
            Some(phone) => {
                let (secrets, site, resync) = (phone.secrets(), phone.site(), phone.spec().resync.clone());
                let change = phone.apply(meta, spec, status);
                if change.altered {
                    self.agenda.work(WorkItem::PhoneStatus(key.clone()));
                }
                if !change.any {
                    return;
                }
                let changed = change.resync_request || phone.spec().resync != resync;
                if phone.site() != site {
                    self.forget_name(&site, &key);
                }
                (secrets, changed)
            }
            None => {
                let phone = Box::new(Phone::new(meta, spec, phone::of_past(status, self.clock)));
                let needs = phone.needs_syncinfo();
                self.phones.insert(key.clone(), phone);
                (BTreeSet::new(), needs)
            }
        };
        let Some(phone) = self.phones.get(&key) else { return };
        let (now, site) = (phone.secrets(), phone.site());
        self.refer(Reference::Secret, &User::Phone(key.clone()), &before, &now);
        if resync_changed {
            // The site serves syncinfo.xml for those that are notified by NOTIFY.
            self.agenda.queue_site(&site);
        }
        self.by_site.entry(site).or_default().insert(key.clone());
        self.note_own_plan(own_plan, self.own_plan(&key));
        self.agenda.queue_phone(&key);
    }

    /// A phone is gone, and its file with it.
    pub fn delete_phone(&mut self, key: &Key) {
        let Some(phone) = self.phones.get(key) else { return };
        let (before, site) = (phone.secrets(), phone.site());
        if phone.needs_syncinfo() {
            self.agenda.queue_site(&site);
        }
        self.note_own_plan(self.own_plan(key), None);
        self.leave_site(key);
        let affected = self.identities.release(key);
        affected.iter().for_each(|phone| self.agenda.queue_phone(phone));
        self.phones.remove(key);
        self.forget_name(&site, key);
        self.refer(Reference::Secret, &User::Phone(key.clone()), &before, &BTreeSet::new());
        self.agenda.forget_phone(key);
    }

    /// A phone no longer names a site.
    fn forget_name(&mut self, site: &Key, phone: &Key) {
        if let Some(phones) = self.by_site.get_mut(site) {
            phones.remove(phone);
            if phones.is_empty() {
                self.by_site.remove(site);
            }
        }
    }

    /// What was written as a site's status, what the API server made of it, and the version of the object that has that.
    pub fn note_site_status(&mut self, key: &Key, written: PhoneSiteStatus, stored: PhoneSiteStatus, version: u64) {
        if let Some(site) = self.sites.get_mut(key) {
            site.note_status(written, stored, version);
        }
    }

    /// The same of a phone.
    pub fn note_phone_status(&mut self, key: &Key, written: SipPhoneStatus, stored: SipPhoneStatus, version: u64) {
        let Some(phone) = self.phones.get_mut(key) else { return };
        let stage = written.firmware.as_ref().map(|firmware| firmware.stage);
        phone.note_status(written, stored, version);
        // Some stages follow from the time alone, and show only when a status is written.
        let before = phone.derived().tally;
        if let Some(site) = phone.home().and_then(|home| self.sites.get_mut(home))
            && before.stage.is_some()
            && stage.is_some()
        {
            let now = PhoneTally { stage, ..before };
            phone.count_as(now);
            if site.counts.replace(before, now) {
                self.agenda.work(WorkItem::SiteStatus(site.meta().key.clone()));
            }
        }
    }

    /// Notes what was read of a Secret that an object refers to; `None` if there is none.
    pub fn set_secret(&mut self, key: &Key, data: Option<BTreeMap<String, Bytes>>) {
        if self.dependencies.set_secret(key, data) {
            self.queue_users(Reference::Secret, key);
        }
    }

    /// Notes that nothing of an object that others refer to may be served.
    pub fn withhold(&mut self, kind: Reference, key: &Key, why: Withheld) {
        if self.dependencies.withhold(kind, key, why) {
            self.queue_users(kind, key);
        }
    }

    /// Notes what was read of a ConfigMap with firmware; `None` if there is none.
    pub fn set_firmware(&mut self, key: &Key, inventory: Option<Inventory>) {
        if self.dependencies.set_config_map(key, inventory) {
            self.queue_users(Reference::ConfigMap, key);
        }
    }

    /// An object is another one than it was: all that follows for those who refer to it.
    fn queue_users(&mut self, kind: Reference, key: &Key) {
        for user in self.dependencies.users(kind, key) {
            match user {
                User::Site(site) => {
                    if kind == Reference::ConfigMap {
                        self.agenda.queue_images(site);
                        // Left alone, the kubelet syncs the pods' volumes once a minute.
                        self.agenda.work(WorkItem::Pods(site.clone()));
                    }
                    self.agenda.queue_site(site);
                }
                User::Phone(phone) => self.agenda.queue_phone(phone),
            }
        }
    }

    /// Notes the firmware for all sites, from a folder: for shells without a cluster.
    pub fn set_folder(&mut self, inventory: Inventory) {
        if self.folder != inventory {
            self.folder = inventory;
            self.sites.keys().for_each(|site| self.agenda.queue_files(site));
        }
    }

    /// Whether any object refers to this one.
    pub fn refers_to(&self, kind: Reference, key: &Key) -> bool {
        self.dependencies.users(kind, key).next().is_some()
    }

    /// The site's key for hashes of files with passwords.
    pub fn set_hash_key(&mut self, key: &Key, hash_key: HashKey) {
        let Some(site) = self.sites.get_mut(key) else { return };
        // It comes with each event about the site: its phones have nothing new to say then.
        if site.hash_key() == Some(&hash_key) {
            return;
        }
        site.set_hash_key(hash_key);
        for phone in &site.phones {
            if let Some(phone) = self.phones.get_mut(phone) {
                phone.forget_hash();
            }
        }
        self.mark_all(key);
    }

    /// What one of a site's objects held when the operator started.
    pub fn recover(&mut self, site: &Key, slot: Slot, content: Content) {
        if let Some(site) = self.sites.get_mut(site) {
            site.placement.recover(slot, content);
        }
    }

    /// All that was there when the operator started is known: what no phone needs is let go.
    pub fn finish_recovery(&mut self) {
        self.settle();
        for (key, site) in &mut self.sites {
            site.placement.finish_recovery();
            site.placement.existing().for_each(|slot| self.agenda.work(WorkItem::Shard(key.clone(), slot)));
        }
    }

    /// Notes what an object holds in the cluster: after a write, or because it was changed from outside.
    pub fn note_stored(&mut self, key: &Key, slot: Slot, digest: Option<Digest>) {
        let Some(site) = self.sites.get_mut(key) else { return };
        let noted = site.placement.note_stored(slot, digest, self.clock);
        noted.write.into_iter().for_each(|slot| self.agenda.work(WorkItem::Shard(key.clone(), slot)));
        if noted.news {
            self.agenda.work(WorkItem::Pods(key.clone()));
            self.agenda.work(WorkItem::SiteStatus(key.clone()));
        }
        self.follow_revoked(key);
        self.let_go(key);
    }

    /// All of a site's phones may have something else to say, and the site itself.
    fn mark_all(&mut self, key: &Key) {
        let Some(site) = self.sites.get(key) else { return };
        site.phones.iter().for_each(|phone| self.agenda.queue_facts(phone));
        self.agenda.work(WorkItem::SiteStatus(key.clone()));
    }
}
