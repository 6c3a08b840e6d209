//! One site: what is wanted of it, what it serves, and the owners of what is known of its files, pods, images and phones.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use jiff::Timestamp;

use crate::api::{PhoneSiteSpec, PhoneSiteStatus, ResyncMethod, Rollout, Violation, is_object_name};
use crate::base::digest::HashKey;
use crate::phone::file_name::SIP_DEFAULT;
use crate::provision::Key;
use crate::provision::firmware::images::Images;
use crate::provision::firmware::upgrade::BootEvent;
use crate::provision::networks::PhoneNetworks;
use crate::provision::observe::address_book::AddressBook;
use crate::provision::observe::common_fetches::CommonFetches;
use crate::provision::observe::pods::{Pods, Served};
use crate::provision::observe::unclaimed::UnclaimedPhones;
use crate::provision::placement::Placement;
use crate::provision::render::plan::{PhoneBase, SitePlan, Standing};
use crate::provision::resync::Hours;
use crate::provision::status::counts::Counts;
use crate::provision::status::site::Infra;
use crate::provision::sync::HashForms;

use super::object::{Meta, Object, ObjectChange};

/// How many phones are notified at a time, if the spec does not say.
const MAX_CONCURRENT: i64 = 5;

/// One site. Each of its parts has an owner with invariants of its own; what spans them is the fleet's.
#[derive(Debug)]
pub struct Site {
    object: Object<PhoneSiteSpec, PhoneSiteStatus>,
    serving: Serving,
    hashes: Hashes,
    /// What shells know of its surroundings.
    pub infra: Infra,
    /// The phones that are placed in it.
    pub phones: BTreeSet<Key>,
    /// Where its files are.
    pub placement: Placement,
    /// What its pods hold.
    pub pods: Pods,
    /// Its firmware.
    pub images: Images,
    /// How far its phones are.
    pub counts: Counts,
    /// Who asks.
    pub callers: Callers,
    /// The phones that have to be notified of a change, now or later.
    pub resync_queue: BTreeSet<Key>,
    /// Whether pods may still have files that offer what was revoked.
    pub has_lingering_offers: bool,
}

/// What a site serves.
#[derive(Debug)]
struct Serving {
    standing: Standing,
    /// The newest spec, or the last good one.
    plan: Option<Arc<SitePlan>>,
    /// What phones depend on by the newest spec, whether or not it could be served; nothing before it was rendered.
    judged: Option<PhoneBase>,
    /// Whether the site was suspended when it was rendered last.
    suspended: bool,
}

/// The site's key for hashes of files with passwords, and the hash that follows.
#[derive(Debug, Default)]
struct Hashes {
    key: Option<HashKey>,
    common: Option<Arc<str>>,
    /// There is no key, and no status that others read.
    offline: bool,
}

/// Who asks a site's pods for files.
#[derive(Debug, Default)]
pub struct Callers {
    /// Which phone has which address.
    pub address_book: AddressBook<BootEvent>,
    /// Who took which `SIPDefault.cnf`.
    pub common: CommonFetches,
    /// Who is not declared.
    pub unclaimed: UnclaimedPhones,
    /// Who was notified last at each address, and not heard since.
    pub notified: HashMap<IpAddr, Key>,
}

impl Callers {
    /// A phone is gone.
    pub fn forget(&mut self, phone: &Key, address: Option<IpAddr>) {
        if let Some(address) = address.filter(|address| self.notified.get(address) == Some(phone)) {
            self.notified.remove(&address);
        }
        self.address_book.forget(phone);
        self.common.moved(phone, address, None);
    }
}

impl Site {
    /// A site as it was seen first; its status says what was known of it before. `offline` shells have no key for hashes.
    pub fn new(meta: Meta, spec: PhoneSiteSpec, status: PhoneSiteStatus, offline: bool) -> Site {
        let mut callers = Callers::default();
        callers.unclaimed.recover(&status.unclaimed);
        let staged = status.firmware.as_ref().map(|firmware| firmware.staged.as_slice()).unwrap_or_default();
        Site {
            serving: Serving {
                standing: Standing::Pending(Vec::new()),
                plan: None,
                judged: None,
                suspended: spec.suspend,
            },
            hashes: Hashes { offline, ..Hashes::default() },
            infra: Infra::default(),
            phones: BTreeSet::new(),
            placement: Placement::default(),
            pods: Pods::default(),
            images: Images::recover(staged),
            counts: Counts::default(),
            callers,
            resync_queue: BTreeSet::new(),
            has_lingering_offers: false,
            object: Object::new(meta, spec, status),
        }
    }

    /// It was seen again.
    pub fn apply(&mut self, meta: Meta, spec: PhoneSiteSpec, status: PhoneSiteStatus) -> ObjectChange {
        self.object.apply(meta, spec, status)
    }

    /// It was seen again, and its newest spec cannot be read.
    pub fn refuse(&mut self, meta: Meta, violation: Violation) {
        self.object.refuse(meta, violation);
    }

    /// Its status was written; what the API server made of it.
    pub fn note_status(&mut self, written: PhoneSiteStatus, stored: PhoneSiteStatus, version: u64) {
        self.object.note_status(written, stored, version);
    }

    /// Whether a status has to be written.
    pub fn needs_writing(&self, status: &PhoneSiteStatus) -> bool {
        self.object.needs_writing(status)
    }

    /// Whether somebody else changed its status since it was written.
    pub fn is_altered(&self) -> bool {
        self.object.is_altered()
    }

    /// Its metadata.
    pub fn meta(&self) -> &Meta {
        self.object.meta()
    }

    /// Its newest spec.
    pub fn spec(&self) -> &Arc<PhoneSiteSpec> {
        self.object.spec()
    }

    /// What the schema refuses of its newest spec.
    pub fn violations(&self) -> &[Violation] {
        self.object.violations()
    }

    /// The status that was written last, or found at the start.
    pub fn status(&self) -> &PhoneSiteStatus {
        self.object.status()
    }

    /// What came of rendering it.
    pub fn standing(&self) -> &Standing {
        &self.serving.standing
    }

    /// What it serves.
    pub fn plan(&self) -> Option<&Arc<SitePlan>> {
        self.serving.plan.as_ref()
    }

    /// What its phones depend on by its newest spec, whether or not that can be served: what is said of them speaks of it.
    pub fn judged(&self) -> Option<&PhoneBase> {
        self.serving.judged.as_ref()
    }

    /// What its phones depend on: by what it serves, or, where it serves nothing, by what it says, as far as that can be read.
    pub fn base(&self) -> PhoneBase {
        self.plan().map(|plan| plan.base.clone()).or_else(|| self.judged().cloned()).unwrap_or_default()
    }

    /// Notes what came of rendering it, and serves it; whether it was suspended, or no longer is.
    pub fn serve(&mut self, standing: Standing, plan: Option<Arc<SitePlan>>, judged: PhoneBase) -> bool {
        self.placement.set_common(plan.as_ref().map(|plan| plan.files.clone()));
        let suspended = self.spec().suspend;
        let before = std::mem::replace(&mut self.serving, Serving { standing, plan, judged: Some(judged), suspended });
        self.derive_hash();
        before.suspended != suspended
    }

    /// Whether all that its pods hold is to be left as it is.
    pub fn is_suspended(&self) -> bool {
        self.spec().suspend
    }

    /// Whether its status speaks of its newest spec.
    pub fn is_observed(&self) -> bool {
        self.object.meta().generation == self.object.status().observed_generation
    }

    /// Its key for hashes.
    pub fn hash_key(&self) -> Option<&HashKey> {
        self.hashes.key.as_ref()
    }

    /// It has a key for hashes.
    pub fn set_hash_key(&mut self, key: HashKey) {
        self.hashes.key = Some(key);
        self.derive_hash();
    }

    fn derive_hash(&mut self) {
        self.hashes.common = self.common_forms().served().map(Into::into);
    }

    /// How the hashes of `SIPDefault.cnf` are shown.
    pub fn common_forms(&self) -> HashForms<'_> {
        let common = self.plan().map(|plan| &plan.files);
        let current = common.and_then(|common| Some((common.get(SIP_DEFAULT)?.digest, common.secret)));
        HashForms { current, key: self.hash_key(), offline: self.hashes.offline }
    }

    /// The hash of `SIPDefault.cnf` as a status shows it.
    pub fn common_hash(&self) -> Option<&str> {
        self.hashes.common.as_deref()
    }

    /// Whether every pod holds the common files.
    pub fn common_served(&self) -> Served {
        self.plan().map_or(Served::Nothing, |plan| self.pods.serve(&plan.files.files))
    }

    /// How its phones are held back, if they are.
    pub fn rollout(&self) -> Option<&Rollout> {
        self.plan()?.base.rollout.as_ref()
    }

    /// Whether no further phone is offered an image.
    pub fn is_paused(&self) -> bool {
        self.rollout().is_some_and(|rollout| rollout.paused)
    }

    /// Where its phones may be.
    pub fn networks(&self) -> &PhoneNetworks {
        static PRIVATE: LazyLock<PhoneNetworks> = LazyLock::new(PhoneNetworks::default);
        self.plan().map_or(&*PRIVATE, |plan| &plan.networks)
    }

    /// When phones may be notified.
    pub fn hours(&self) -> Option<&Hours> {
        self.plan()?.hours.as_ref()
    }

    /// How many phones may be notified at a time.
    pub fn max_concurrent(&self) -> i64 {
        self.spec().resync.as_ref().and_then(|resync| resync.max_concurrent).unwrap_or(MAX_CONCURRENT)
    }

    /// When a restart of all phones was asked for.
    pub fn resync_request(&self) -> Option<Timestamp> {
        self.meta().resync_request()
    }

    /// Whether it has to serve `syncinfo.xml` for all phones.
    pub fn needs_syncinfo(&self) -> bool {
        let method = self.spec().resync.as_ref().map(|resync| resync.method);
        method.is_some_and(ResyncMethod::needs_syncinfo) || self.meta().resync_at.is_some()
    }

    /// The Secrets and the ConfigMaps that it refers to. What is no name of an object is never asked for.
    pub fn references(&self) -> (BTreeSet<Key>, BTreeSet<Key>) {
        let (spec, key) = (self.spec(), &self.meta().key);
        let settings = spec.settings.secrets().map(|(_, secret)| secret.name);
        let secrets = settings.chain(spec.secret_parameters.0.values().map(|secret| secret.name.clone()));
        let maps = spec.config_maps().filter(|name| is_object_name(name)).map(|name| key.sibling(name)).collect();
        (secrets.filter(|name| is_object_name(name)).map(|name| key.sibling(name)).collect(), maps)
    }
}
