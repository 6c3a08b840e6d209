//! The model in memory: all sites and phones, what they refer to, and what follows from it.
//!
//! Every change comes in by one method and comes out as a list of [`WorkItem`] things: what a shell has to read, write or say
//! anew. The work that a change makes grows with what it touches, not with the number of phones.

mod firmware;
mod observe;
mod phones;
mod resync;
mod rollout;
mod sites;
mod speak;

pub use speak::{PhoneReport, Urgency};

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use crate::api::{PhoneSiteSpec, PhoneSiteStatus, SecretKey, SipPhoneSpec, SipPhoneStatus, Stage};
use crate::phone::Mac;

use super::claims::Claims;
use super::diagnostic::Diagnostic;
use super::firmware::Inventory;
use super::observed::{Callers, CommonFetches, Fetch, Seen, Strangers};
use super::phone::{LineIdentity, PhonePlan};
use super::resync::ResyncAttempts;
use super::shards::{self, Content, Shards, Slot};
use super::site::SitePlan;
use super::upgrade::Track;
use super::values::SecretError;
use super::{File, Key};
use crate::base::digest::{Digest, HashKey};
use crate::base::report::FileProblem;

/// What an object's metadata say that matters here.
#[derive(Clone, Debug)]
pub struct Meta {
    /// Namespace and name.
    pub key: Key,
    /// Grows with each change of the spec.
    pub generation: Option<i64>,
    /// When it was created, in seconds: the older of two objects keeps what both want.
    pub created: i64,
    /// Which version of the object this is; later ones are larger.
    pub version: u64,
    /// When somebody asked for phones to restart: the annotation `dialtone.dev/resync-at`.
    pub resync_at: Option<String>,
}

/// A kind of object that others refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reference {
    /// A Secret with passwords.
    Secret,
    /// A ConfigMap with firmware.
    ConfigMap,
}

/// Something that a shell has to look at.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WorkItem {
    /// An object that is referred to and that the fleet has not been told of.
    Read(Reference, Key),
    /// A site's object with files.
    Shard(Key, Slot),
    /// A site's other objects.
    Objects(Key),
    /// A site's pods, which should look at their files.
    Pods(Key),
    /// A site's phones that are to be told to fetch a change.
    Resync(Key),
    /// A site's status.
    SiteStatus(Key),
    /// A phone's status.
    PhoneStatus(Key),
}

/// Who has to be looked at again when an object changes that others refer to.
type Users = HashMap<Key, BTreeSet<User>>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum User {
    Site(Key),
    Phone(Key),
}

struct Site {
    meta: Meta,
    spec: Arc<PhoneSiteSpec>,
    /// What is served: the newest spec, or the last good one.
    plan: Option<Arc<SitePlan>>,
    /// Whether the plan is that of the newest spec.
    current: bool,
    found: Vec<Diagnostic>,
    unread: bool,
    /// Whether it was suspended when it was looked at last.
    suspended: bool,
    phones: BTreeSet<Key>,
    by_file: HashMap<String, Key>,
    by_address: HashMap<IpAddr, BTreeSet<Key>>,
    shards: Shards,
    /// What the objects held when the operator started, until each phone was looked at.
    recovered: HashMap<String, Vec<(Slot, Bytes)>>,
    pods: BTreeMap<String, HashMap<String, Digest>>,
    /// Firmware files that pods have from elsewhere than ConfigMaps, and what they say of files that are not there.
    outside: BTreeMap<String, Inventory>,
    problems: BTreeMap<String, Vec<FileProblem>>,
    /// How many phones want each image.
    images: BTreeMap<String, usize>,
    /// The images that every pod holds whole.
    staged: BTreeSet<String>,
    /// The images that files may go on naming: every pod held them, and a pod that was started since does not yet.
    kept: BTreeSet<String>,
    /// Since when no pod holds an image that files may go on naming.
    lost: BTreeMap<String, Timestamp>,
    /// The files of each image that phones want, with their sizes.
    parts: BTreeMap<String, Vec<(String, u64)>>,
    callers: Callers,
    /// Phones that are to be told to fetch a change, now or later.
    pending: BTreeSet<Key>,
    counts: Tally<i64>,
    /// How many phones are at each stage of their firmware.
    stages: BTreeMap<Stage, i64>,
    strangers: Strangers,
    common: CommonFetches,
    hash_key: Option<HashKey>,
    infra: Infra,
    status: Known<PhoneSiteStatus>,
}

struct Phone {
    meta: Meta,
    spec: Arc<SipPhoneSpec>,
    /// What is served: the newest spec, or the last good one.
    plan: Option<PhonePlan>,
    /// Whether the plan is that of the newest spec.
    current: bool,
    found: Vec<Diagnostic>,
    unread: bool,
    /// The site that it is placed in.
    home: Option<Key>,
    slot: Option<Slot>,
    mac: Option<Mac>,
    lines: Vec<LineIdentity>,
    claimed: Vec<LineClaim>,
    /// Its site and the names of its lines, each once.
    named: Vec<(Key, Arc<str>)>,
    /// The image that it should run.
    image: Option<String>,
    /// The image that its files name.
    told: Option<String>,
    /// When it was told of it; nothing before its files were looked at.
    told_at: Option<Timestamp>,
    /// What its files named before that.
    told_before: Option<String>,
    /// Whether it had its turn in a rollout, and does not run the image yet.
    on_turn: bool,
    /// When the word was taken back because it did not read of it.
    withdrawn: Option<Timestamp>,
    /// How often it had failed before it was told of it.
    failed_before: u32,
    tally: Tally<bool>,
    /// The stage of its firmware, as it was counted last.
    stage: Option<Stage>,
    seen: Seen,
    /// What its requests tell of its firmware.
    track: Track,
    /// What is known of telling it to fetch a change.
    telling: ResyncAttempts,
    /// The site and the file of its own that it runs: what it can be told by, until it has fetched a change.
    runs: Option<(Arc<SitePlan>, File)>,
    status: Known<SipPhoneStatus>,
}

/// A line's name on its proxy, in a namespace; without a proxy, in a site.
type LineClaim = (Arc<str>, LineIdentity);

/// The newest status that the API server is known to hold.
#[derive(Default)]
struct Known<T> {
    status: T,
    version: u64,
}

/// What is true of a phone, or of how many of a site's phones it is true.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally<T> {
    accepted: T,
    served: T,
    ready: T,
    in_sync: T,
    placed: T,
}

/// What a shell knows of a site's surroundings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Infra {
    /// The TFTP server's address for phones.
    pub address: Option<String>,
    /// How many pods should run.
    pub wanted: i64,
    /// Why the site's objects cannot be made: a reason and a message.
    pub problem: Option<(String, String)>,
}

/// All sites and phones.
#[derive(Default)]
pub struct Fleet {
    sites: HashMap<Key, Site>,
    /// Each in a place of its own: a table of large things has large gaps.
    phones: HashMap<Key, Box<Phone>>,
    /// Phones by the site that they name, whether or not it exists.
    by_site: HashMap<Key, BTreeSet<Key>>,
    secrets: HashMap<Key, Option<BTreeMap<String, Bytes>>>,
    firmware: HashMap<Key, Option<Arc<Inventory>>>,
    secret_users: Users,
    firmware_users: Users,
    macs: Claims<(Arc<str>, Mac)>,
    lines: Claims<LineClaim>,
    /// Names of lines on a site, whatever their proxies.
    names: Claims<(Key, Arc<str>)>,
    /// What pods told before everything else was known, to be followed in order.
    early: Vec<(Key, Fetch)>,
    /// Whether that time lasts.
    holding: bool,
    /// There are no pods to ask: what the sources hold is what will be served.
    offline: bool,
    /// Firmware for all sites, from a folder.
    folder: Inventory,
    todo_sites: BTreeSet<Key>,
    todo_phones: BTreeSet<Key>,
    /// Sites whose phones may be told of an image.
    todo_rolls: BTreeSet<Key>,
    todo_tallies: HashSet<Key>,
    /// The time, as far as anybody told it.
    clock: Timestamp,
    dirty: BTreeSet<WorkItem>,
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

    /// What has to be looked at since the last call.
    pub fn take_work(&mut self) -> Vec<WorkItem> {
        self.settle();
        std::mem::take(&mut self.dirty).into_iter().collect()
    }

    /// Follows all changes through.
    fn settle(&mut self) {
        loop {
            if let Some(site) = self.todo_sites.pop_first() {
                self.settle_site(&site);
            } else if let Some(phone) = self.todo_phones.pop_first() {
                self.settle_phone(&phone);
            } else if let Some(site) = self.todo_rolls.pop_first() {
                self.roll(&site);
            } else {
                break;
            }
        }
        for phone in std::mem::take(&mut self.todo_tallies) {
            self.settle_tally(&phone);
        }
    }

    fn mark(&mut self, dirty: WorkItem) {
        self.dirty.insert(dirty);
    }

    fn mark_phone(&mut self, phone: &Key) {
        self.todo_tallies.insert(phone.clone());
        self.dirty.insert(WorkItem::PhoneStatus(phone.clone()));
    }

    /// Tells of a Secret that somebody refers to; `None` if there is none.
    pub fn set_secret(&mut self, key: &Key, data: Option<BTreeMap<String, Bytes>>) {
        if self.secrets.get(key).is_some_and(|known| *known == data) {
            return;
        }
        self.secrets.insert(key.clone(), data);
        self.look_again(Reference::Secret, key);
    }

    /// Tells of a ConfigMap with firmware; `None` if there is none.
    pub fn set_firmware(&mut self, key: &Key, inventory: Option<Inventory>) {
        let inventory = inventory.map(Arc::new);
        if self.firmware.get(key).is_some_and(|known| *known == inventory) {
            return;
        }
        self.firmware.insert(key.clone(), inventory);
        self.look_again(Reference::ConfigMap, key);
    }

    /// Tells of firmware for all sites, from a folder: for shells without a cluster.
    pub fn set_folder(&mut self, inventory: Inventory) {
        if self.folder != inventory {
            self.folder = inventory;
            for site in self.sites.keys().cloned().collect::<Vec<_>>() {
                self.restage(&site);
            }
        }
    }

    /// Whether anybody refers to an object.
    pub fn refers_to(&self, kind: Reference, key: &Key) -> bool {
        self.users(kind).contains_key(key)
    }

    fn users(&self, kind: Reference) -> &Users {
        match kind {
            Reference::Secret => &self.secret_users,
            Reference::ConfigMap => &self.firmware_users,
        }
    }

    fn look_again(&mut self, kind: Reference, key: &Key) {
        let users: Vec<User> = self.users(kind).get(key).into_iter().flatten().cloned().collect();
        for user in users {
            match (kind, user) {
                (Reference::ConfigMap, User::Site(site)) => {
                    self.restage(&site);
                    // Left alone, the kubelet looks at the pods' volumes once a minute.
                    self.mark(WorkItem::Pods(site.clone()));
                    self.todo_sites.insert(site);
                }
                (_, User::Site(site)) => {
                    self.todo_sites.insert(site);
                }
                (_, User::Phone(phone)) => {
                    self.todo_phones.insert(phone);
                }
            }
        }
    }

    /// Notes what a user refers to now; what nobody refers to any more is forgotten.
    fn refer(&mut self, kind: Reference, user: &User, before: &BTreeSet<Key>, now: &BTreeSet<Key>) {
        for key in before.difference(now) {
            let (users, known) = match kind {
                Reference::Secret => (&mut self.secret_users, &mut self.secrets as &mut dyn Forget),
                Reference::ConfigMap => (&mut self.firmware_users, &mut self.firmware as &mut dyn Forget),
            };
            if let Some(set) = users.get_mut(key) {
                set.remove(user);
                if set.is_empty() {
                    users.remove(key);
                    known.forget(key);
                }
            }
        }
        for key in now.difference(before) {
            let (users, known) = match kind {
                Reference::Secret => (&mut self.secret_users, self.secrets.contains_key(key)),
                Reference::ConfigMap => (&mut self.firmware_users, self.firmware.contains_key(key)),
            };
            users.entry(key.clone()).or_default().insert(user.clone());
            if !known {
                self.dirty.insert(WorkItem::Read(kind, key.clone()));
            }
        }
    }

    fn secret_value(&self, namespace: &str, key: &SecretKey) -> Result<Vec<u8>, SecretError> {
        match self.secrets.get(&Key::new(namespace, &key.name)) {
            None => Err(SecretError::Unread),
            Some(None) => Err(SecretError::NoSecret),
            Some(Some(data)) => data.get(&key.key).map(|bytes| bytes.to_vec()).ok_or(SecretError::NoKey),
        }
    }

    /// All sites.
    pub fn sites(&self) -> impl Iterator<Item = &Key> {
        self.sites.keys()
    }

    /// All phones.
    pub fn phones(&self) -> impl Iterator<Item = &Key> {
        self.phones.keys()
    }

    /// What is to say about a site and about a phone.
    pub fn findings(&self) -> impl Iterator<Item = (&'static str, &Key, &[Diagnostic])> {
        let sites = self.sites.iter().map(|(key, site)| ("PhoneSite", key, site.found.as_slice()));
        let phones = self.phones.iter().map(|(key, phone)| ("SipPhone", key, phone.found.as_slice()));
        sites.chain(phones)
    }

    /// What an object of a site should hold; nothing if it should not be there.
    pub fn content(&self, site: &Key, slot: Slot) -> Content {
        content_of(self.files(site, slot))
    }

    /// What an object should hold, with its digest, if that is not what it holds already.
    pub fn unwritten(&self, site: &Key, slot: Slot) -> (Option<Digest>, Option<Content>) {
        let files = self.files(site, slot);
        let wanted = digest_of(&files);
        (wanted, (wanted != self.stored(site, slot)).then(|| content_of(files)))
    }

    /// The files that an object should hold.
    fn files(&self, site: &Key, slot: Slot) -> Files<'_> {
        let Some(entry) = self.sites.get(site) else { return BTreeMap::new() };
        let leaving = entry.shards.leaving(slot).map(|(name, bytes)| (name.as_str(), (bytes, Digest::of(bytes))));
        let common = match slot {
            Slot::Common { secret } => entry.plan.as_ref().filter(|plan| plan.secret == secret),
            Slot::Phones { .. } => None,
        };
        let planned = common.into_iter().flat_map(|plan| &plan.files).chain(entry.shards.files(slot));
        // A file that is about to leave gives way to one that has come back.
        leaving.chain(planned.map(|file| (file.name.as_str(), (&file.bytes, file.digest)))).collect()
    }

    /// All files of a site, firmware apart.
    pub fn tree(&self, site: &Key) -> BTreeMap<String, Bytes> {
        Slot::all().flat_map(|slot| self.content(site, slot).0).collect()
    }

    /// The image that a phone should run, whether or not it is told of it yet.
    pub fn image_of(&self, phone: &Key) -> Option<&str> {
        self.phones.get(phone)?.image.as_deref()
    }

    /// The site that a phone is placed in, and the name of its file.
    pub fn place_of(&self, phone: &Key) -> Option<(Key, String)> {
        let phone = self.phones.get(phone)?;
        Some((phone.home.clone()?, phone.plan.as_ref()?.files.first()?.name.clone()))
    }

    /// The object that a phone's files are in.
    pub fn slot_of(&self, phone: &Key) -> Option<(Key, Slot)> {
        let phone = self.phones.get(phone)?;
        Some((phone.home.clone()?, phone.slot?))
    }

    /// The ConfigMaps with a site's firmware.
    pub fn firmware_sources(&self, site: &Key) -> Vec<Key> {
        let plan = self.sites.get(site).and_then(|entry| entry.plan.as_ref());
        plan.map(|plan| plan.sources.iter().map(|name| site.sibling(name)).collect()).unwrap_or_default()
    }

    /// Notes what an object holds in the cluster: after a write, or because somebody else changed it.
    pub fn note_stored(&mut self, site: &Key, slot: Slot, digest: Option<Digest>) {
        let wanted = digest_of(&self.files(site, slot));
        let Some(entry) = self.sites.get_mut(site) else { return };
        let news = entry.shards.stored(slot) != digest;
        let relieved = entry.shards.note_stored(slot, digest, wanted);
        if digest != wanted {
            self.mark(WorkItem::Shard(site.clone(), slot));
        }
        for slot in relieved {
            self.mark(WorkItem::Shard(site.clone(), slot));
        }
        if news {
            self.mark(WorkItem::Pods(site.clone()));
            self.mark(WorkItem::SiteStatus(site.clone()));
        }
    }

    /// What an object holds in the cluster, as far as is known.
    pub fn stored(&self, site: &Key, slot: Slot) -> Option<Digest> {
        self.sites.get(site)?.shards.stored(slot)
    }

    /// Whether a site is to be left as it is.
    pub fn is_suspended(&self, site: &Key) -> bool {
        self.sites.get(site).is_some_and(|entry| entry.spec.suspend)
    }

    /// A site's spec, as its objects are built from: the newest, whether or not its files can be rendered.
    pub fn site_spec(&self, site: &Key) -> Option<Arc<PhoneSiteSpec>> {
        self.sites.get(site).map(|entry| entry.spec.clone())
    }
}

/// The files of an object, in the order of their names.
type Files<'a> = BTreeMap<&'a str, (&'a Bytes, Digest)>;

fn content_of(files: Files<'_>) -> Content {
    Content(files.into_iter().map(|(name, (bytes, _))| (name.to_owned(), bytes.clone())).collect())
}

/// None, if the object should not be there.
fn digest_of(files: &Files<'_>) -> Option<Digest> {
    (!files.is_empty()).then(|| shards::digest(files.iter().map(|(name, (_, digest))| (*name, *digest))))
}

/// A map of what was read from the cluster.
trait Forget {
    fn forget(&mut self, key: &Key);
}

impl<T> Forget for HashMap<Key, T> {
    fn forget(&mut self, key: &Key) {
        self.remove(key);
    }
}
