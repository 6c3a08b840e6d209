//! One phone: what is wanted of it, what it is served, and what is known of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use crate::api::{PhoneSiteSpec, ResyncMethod, SipPhoneSpec, SipPhoneStatus, Stage, Violation, is_object_name};
use crate::base::digest::HashKey;
use crate::phone::image::Release;
use crate::phone::mac::InvalidMac;
use crate::phone::{FileName, Mac};
use crate::provision::Key;
use crate::provision::diagnostic::Diagnostic;
use crate::provision::firmware::rollout::Offer;
use crate::provision::firmware::upgrade::{EventReorderer, Upgrade};
use crate::provision::observe::pods::Served;
use crate::provision::render::plan::{PhonePlan, SitePlan, Standing, release};
use crate::provision::resync::{ResyncAttempts, ResyncError, ResyncKind, Transport};
use crate::provision::status::counts::PhoneTally;
use crate::provision::sync::{HashForms, LastFetch, SyncProblem};

use super::object::{Meta, Object, ObjectChange};
use super::seen::Seen;

/// One phone. Reads are fields' getters; each change goes through a method that keeps what follows from it right.
#[derive(Debug)]
pub struct Phone {
    object: Object<SipPhoneSpec, SipPhoneStatus>,
    mac: Result<Mac, InvalidMac>,
    /// The site that it is placed in.
    home: Option<Key>,
    standing: Standing,
    serving: Serving,
    /// The image that it should run.
    target: Option<String>,
    offer: Offer,
    seen: Seen,
    events: EventReorderer,
    resync: Resync,
    facts: Derived,
}

/// What a phone is served: its newest spec, or the last good one.
#[derive(Debug)]
struct Serving {
    plan: Option<Arc<PhonePlan>>,
    /// The address that its files are named by; right after a start, the one that its status says.
    mac: Option<Mac>,
    /// The hash of its own file as a status shows it.
    hash: Option<Arc<str>>,
}

/// What is known of notifying a phone.
#[derive(Debug)]
struct Resync {
    attempts: ResyncAttempts,
    /// The plans of the site and the phone that it runs: what it can be reached by, until it has fetched a change.
    runs: Option<(Arc<SitePlan>, Arc<PhonePlan>)>,
}

/// What follows from a phone, its site and its pods together; derived once after each change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Derived {
    /// Whether the TFTP pods hold its files.
    pub served: Served,
    /// Why it does not run what it should.
    pub sync: Option<SyncProblem>,
    /// What is counted of it.
    pub tally: PhoneTally,
}

impl Phone {
    /// A phone as it was seen first; its status says what was known of it before.
    pub fn new(meta: Meta, spec: SipPhoneSpec, status: SipPhoneStatus) -> Phone {
        let last_fetch = LastFetch {
            own: status.fetched_hash.clone(),
            common: status.fetched_common_hash.clone(),
            address: status.address.as_deref().and_then(|address| address.parse().ok()),
            time: status.last_seen.as_deref().and_then(|time| time.parse().ok()),
        };
        let unsynced = |condition: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition| {
            condition.type_ == crate::api::ConditionType::Resynced.as_str() && condition.status == "False"
        };
        let file = status.config_file.as_deref().map(FileName::parse).filter(FileName::is_own_config);
        let attempts = ResyncAttempts::recover(status.resync.as_ref(), status.conditions.iter().any(unsynced));
        Phone {
            mac: spec.mac.parse(),
            home: None,
            standing: Standing::Pending(Vec::new()),
            serving: Serving { plan: None, mac: file.and_then(|file| file.mac()), hash: None },
            target: None,
            offer: Offer::default(),
            seen: Seen::new(last_fetch),
            events: EventReorderer::new(Upgrade::recover(status.firmware.as_ref())),
            resync: Resync { attempts, runs: None },
            facts: Derived::default(),
            object: Object::new(meta, spec, status),
        }
    }

    /// It was seen again.
    pub fn apply(&mut self, meta: Meta, spec: SipPhoneSpec, status: SipPhoneStatus) -> ObjectChange {
        let change = self.object.apply(meta, spec, status);
        if change.any {
            self.mac = self.object.spec().mac.parse();
        }
        change
    }

    /// It was seen again, and its newest spec cannot be read.
    pub fn refuse(&mut self, meta: Meta, violation: Violation) {
        self.object.refuse(meta, violation);
    }

    /// Its status was written; what the API server made of it.
    pub fn note_status(&mut self, written: SipPhoneStatus, stored: SipPhoneStatus, version: u64) {
        self.object.note_status(written, stored, version);
    }

    /// Whether a status has to be written.
    pub fn needs_writing(&self, status: &SipPhoneStatus) -> bool {
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
    pub fn spec(&self) -> &Arc<SipPhoneSpec> {
        self.object.spec()
    }

    /// What the schema refuses of its newest spec.
    pub fn violations(&self) -> &[Violation] {
        self.object.violations()
    }

    /// The status that was written last, or found at the start.
    pub fn status(&self) -> &SipPhoneStatus {
        self.object.status()
    }

    /// The site that its spec names, whether or not it exists.
    pub fn site(&self) -> Key {
        self.meta().key.sibling(&self.spec().site_ref.name)
    }

    /// Its MAC address.
    pub fn mac(&self) -> &Result<Mac, InvalidMac> {
        &self.mac
    }

    /// The Secrets that it refers to. What is no name of an object is never asked for.
    pub fn secrets(&self) -> BTreeSet<Key> {
        let spec = self.spec();
        let lines = spec.lines.iter().filter_map(|line| line.password_secret_ref.as_ref());
        let lines = lines.map(|secret| secret.name.clone());
        let settings = spec.settings.secrets().map(|(_, secret)| secret.name);
        let extra = spec.secret_parameters.0.values().map(|secret| secret.name.clone());
        let names = lines.chain(settings).chain(extra).filter(|name| is_object_name(name));
        names.map(|name| self.meta().key.sibling(name)).collect()
    }

    /// Whether its site has to serve `syncinfo.xml` on its behalf.
    pub fn needs_syncinfo(&self) -> bool {
        let own = self.spec().resync.as_ref().map(|resync| resync.method);
        own.is_some_and(ResyncMethod::needs_syncinfo) || self.meta().resync_at.is_some()
    }

    /// The site that it is placed in.
    pub fn home(&self) -> Option<&Key> {
        self.home.as_ref()
    }

    /// It is placed in a site.
    pub fn enter(&mut self, site: &Key) {
        self.home = Some(site.clone());
    }

    /// It leaves its site; what was counted of it there.
    pub fn leave(&mut self) -> Option<(Key, PhoneTally)> {
        let tally = std::mem::take(&mut self.facts).tally;
        self.home.take().map(|home| (home, tally))
    }

    /// What came of rendering it.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Notes what came of rendering it.
    pub fn set_standing(&mut self, standing: Standing) {
        self.standing = standing;
    }

    /// What is wrong or doubtful with it.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        self.standing.diagnostics()
    }

    /// What it is served.
    pub fn plan(&self) -> Option<&Arc<PhonePlan>> {
        self.serving.plan.as_ref()
    }

    /// The address that its files are named by, whatever its newest spec says; right after a start, what its status says of that.
    pub fn held(&self) -> Option<Mac> {
        self.serving.mac
    }

    /// It is served something else, or nothing.
    pub fn set_plan(&mut self, plan: Option<Arc<PhonePlan>>) {
        self.serving = Serving { mac: plan.as_ref().map(|plan| plan.mac), plan, hash: None };
    }

    /// The hash of its file as a status shows it; nothing before it was derived, and while the site's key is missing.
    pub fn hash(&self) -> Option<&str> {
        self.serving.hash.as_deref()
    }

    /// Derives the hash of its file. `offline` shells have no key, and show the digest itself.
    pub fn derive_hash(&mut self, key: Option<&HashKey>, offline: bool) {
        if self.serving.hash.is_none() {
            self.serving.hash = self.own_forms(key, offline).served().map(Into::into);
        }
    }

    /// How the hashes of its own file are shown.
    pub fn own_forms<'a>(&self, key: Option<&'a HashKey>, offline: bool) -> HashForms<'a> {
        let current = self.serving.plan.as_ref().and_then(|plan| Some((plan.own_file()?.digest, plan.secret)));
        HashForms { current, key, offline }
    }

    /// What it fetched is shown as what is served now is, if it is the same.
    pub fn settle_hashes(&mut self, own: HashForms<'_>, common: Option<HashForms<'_>>, common_hash: Option<&str>) {
        self.seen.settle_hashes((own, self.serving.hash.as_deref()), (common, common_hash));
    }

    /// The site has another key for hashes.
    pub fn forget_hash(&mut self) {
        self.serving.hash = None;
    }

    /// The image that it should run.
    pub fn target(&self) -> Option<&str> {
        self.target.as_deref()
    }

    /// It should run another image; the one before, if it is another.
    pub fn set_target(&mut self, target: Option<&str>) -> Option<Option<String>> {
        (self.target.as_deref() != target).then(|| std::mem::replace(&mut self.target, target.map(str::to_owned)))
    }

    /// What it is offered.
    pub fn offer(&self) -> &Offer {
        &self.offer
    }

    /// What it is offered, to be changed.
    pub fn offer_mut(&mut self) -> &mut Offer {
        &mut self.offer
    }

    /// Whether it runs the image that it is offered.
    pub fn runs_its_offer(&self) -> bool {
        let running = self.image_seen();
        running.is_some() && running == self.offer.image()
    }

    /// What is known of where it is and what it fetched.
    pub fn seen(&self) -> &Seen {
        &self.seen
    }

    /// The same, to be changed.
    pub fn seen_mut(&mut self) -> &mut Seen {
        &mut self.seen
    }

    /// What it last fetched.
    pub fn last_fetch(&self) -> &LastFetch {
        self.seen.fetch()
    }

    /// Whether it may have taken the file that it is served, of which it did not acknowledge the end.
    pub fn may_have_taken(&self) -> bool {
        let own = self.serving.plan.as_ref().and_then(|plan| plan.own_file());
        own.is_some_and(|own| self.seen.may_have_taken(own.digest))
    }

    /// What is known of its firmware from its requests.
    pub fn upgrade(&self) -> &Upgrade {
        self.events.now()
    }

    /// The release that it was seen to run.
    pub fn release_seen(&self) -> Option<Release> {
        release(self.image_seen())
    }

    /// The image that it was seen to run.
    pub fn image_seen(&self) -> Option<&str> {
        self.upgrade().running.as_ref().map(|running| running.image.as_str())
    }

    /// Its requests, to be followed.
    pub fn events_mut(&mut self) -> &mut EventReorderer {
        &mut self.events
    }

    /// The attempts to notify it.
    pub fn attempts(&self) -> &ResyncAttempts {
        &self.resync.attempts
    }

    /// The attempts to notify it, to be changed.
    pub fn attempts_mut(&mut self) -> &mut ResyncAttempts {
        &mut self.resync.attempts
    }

    /// How it is notified: as its own spec says, or its site's.
    pub fn resync_method(&self, site: &PhoneSiteSpec) -> ResyncMethod {
        let own = self.spec().resync.as_ref().map(|resync| resync.method);
        own.or_else(|| site.resync.as_ref().map(|resync| resync.method)).unwrap_or_default()
    }

    /// With what it can be notified. It still goes by what it fetched last, not by the change that it is to be notified of; after
    /// a restart of the operator the change is all that is known.
    pub fn transport(&self, site: Option<&SitePlan>, kind: ResyncKind) -> Result<Transport, ResyncError> {
        let (common, own) = match &self.resync.runs {
            Some((site, own)) => (Some(&site.reach), Some(&own.reach)),
            None => (site.map(|site| &site.reach), self.serving.plan.as_ref().map(|plan| &plan.reach)),
        };
        let none = crate::provision::render::reach::Reach::default();
        own.unwrap_or(&none).transport(common.unwrap_or(&none), kind, self.spec().model)
    }

    /// What follows from it, its site and its pods together.
    pub fn derived(&self) -> &Derived {
        &self.facts
    }

    /// Notes what follows; what was counted of it before.
    pub fn set_derived(&mut self, facts: Derived, site: Option<&Arc<SitePlan>>) -> PhoneTally {
        if facts.tally.in_sync && !self.facts.tally.in_sync {
            self.resync.runs = site.cloned().zip(self.serving.plan.clone());
        }
        std::mem::replace(&mut self.facts, facts).tally
    }

    /// It is counted otherwise.
    pub fn count_as(&mut self, tally: PhoneTally) {
        self.facts.tally = tally;
    }

    /// Whether it is on its way to another image, or its status says so.
    pub fn is_upgrading(&self) -> bool {
        let written = self.status().firmware.as_ref().map(|firmware| firmware.stage);
        let under_way = |stage| match stage {
            Stage::Offered | Stage::Downloading | Stage::Installing | Stage::Failed => true,
            Stage::Unmanaged | Stage::Pending | Stage::Waiting | Stage::Staged | Stage::Current => false,
        };
        written.into_iter().chain(self.facts.tally.stage).any(under_way)
    }
}

/// A status whose times are not ahead of the clock: a pod's clock may have been, and nothing that is seen now would be newer.
pub fn of_past(mut status: SipPhoneStatus, now: Timestamp) -> SipPhoneStatus {
    let is_ahead =
        |time: &String| time.parse::<Timestamp>().is_ok_and(|time| now > Timestamp::UNIX_EPOCH && time > now);
    let observed = status.firmware.as_mut().map(|firmware| &mut firmware.observed);
    for time in [Some(&mut status.last_seen), observed].into_iter().flatten() {
        if time.as_ref().is_some_and(is_ahead) {
            *time = Some(now.to_string());
        }
    }
    status
}
