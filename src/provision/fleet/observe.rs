//! What TFTP pods report: what they hold, and who fetched what.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};

use crate::base::digest::Digest;
use crate::base::report::FileProblem;
use crate::phone::FileName;
use crate::phone::file_name::SIP_DEFAULT;
use crate::provision::catalog::FirmwareFile;
use crate::provision::firmware::upgrade::{self, BootEvent, Named};
use crate::provision::observe::address_book::Requester;
use crate::provision::observe::fetch::Fetch;
use crate::provision::{File, Key};

use super::Fleet;
use super::agenda::WorkItem;

/// How many requests are kept at a start, so that a flood meanwhile does not take all memory; and how many if all that come on
/// top are whole transfers.
const MAX_HELD: usize = 100_000;
const MAX_HELD_WHOLE: usize = 4 * MAX_HELD;

impl Fleet {
    /// A pod reports what it holds: everything if `complete`, otherwise what changed. False if nothing can be made of it: of a
    /// site that is not known, or a change of what is not known; then everything should be asked for.
    pub fn pod_holds(
        &mut self,
        key: &Key,
        pod: &str,
        complete: bool,
        held: Vec<(String, Digest)>,
        gone: &[String],
    ) -> bool {
        let Some(site) = self.sites.get_mut(key) else { return false };
        let Some(change) = site.pods.report(pod, complete, held, gone) else { return false };
        let has_firmware_news = change.new || change.files.iter().any(|file| !site.placement.has(file));
        let is_news = change.is_news();
        for file in &change.files {
            if let Some(phone) = site.placement.phone_of(file) {
                self.agenda.queue_facts(phone);
            }
        }
        if change.new {
            self.mark_all(key);
        }
        if is_news {
            self.pods_changed(key);
            self.let_go(key);
        }
        if has_firmware_news {
            self.agenda.queue_images(key);
        }
        true
    }

    /// A pod reports its firmware files, before it reports what it holds; and what is wrong with files that it has not.
    pub fn pod_firmware(
        &mut self,
        key: &Key,
        pod: &str,
        complete: bool,
        files: Vec<(String, FirmwareFile)>,
        gone: &[String],
        problems: &[FileProblem],
    ) {
        let Some(site) = self.sites.get_mut(key) else { return };
        let files = files.into_iter().filter(|(name, _)| FileName::parse(name).is_firmware());
        if site.pods.report_firmware(pod, complete, files, gone, problems) {
            self.agenda.queue_images(key);
        }
    }

    /// A pod does not answer any more.
    pub fn pod_gone(&mut self, key: &Key, pod: &str) {
        let Some(site) = self.sites.get_mut(key) else { return };
        if site.pods.remove(pod) {
            self.mark_all(key);
            self.agenda.queue_images(key);
        }
        self.let_go(key);
    }

    /// From now on what phones fetched is only kept: at a start one pod after the other reports all that it remembers.
    pub fn hold_fetches(&mut self) {
        self.held_fetches.is_holding = true;
    }

    /// Follows what was kept, in the order in which it happened.
    pub fn release_fetches(&mut self) {
        self.held_fetches.is_holding = false;
        let mut fetches = std::mem::take(&mut self.held_fetches.fetches);
        fetches.sort_by_key(|(_, fetch)| fetch.time);
        for (site, fetch) in fetches {
            self.fetched(&site, &fetch);
        }
    }

    /// A file was fetched, or asked for that is not there.
    pub fn fetched(&mut self, site: &Key, fetch: &Fetch) {
        if self.held_fetches.is_holding {
            let (held, is_whole) = (&mut self.held_fetches.fetches, fetch.taken.is_some());
            if held.len() < MAX_HELD || (is_whole && held.len() < MAX_HELD_WHOLE) {
                held.push((site.clone(), fetch.clone()));
            }
            return;
        }
        let name = FileName::parse(&fetch.name);
        let holder = name.mac().and_then(|mac| self.identities.holder(&site.namespace, mac)).cloned();
        let is_here = |phone: &Key| self.phones.get(phone).is_some_and(|phone| phone.home() == Some(site));
        let phone = holder.clone().filter(is_here);
        if let Some(phone) = &phone
            && !self.believes(site, phone, name, fetch)
        {
            return;
        }
        self.note_answer(site, fetch, name, phone.as_ref());
        if let Some(phone) = phone.as_ref().filter(|_| name.is_own_config()) {
            self.asked_own(site, phone, fetch);
        }
        self.follow(site, fetch, name, phone.as_ref());
        match (name, phone) {
            _ if fetch.end.is_none() => {}
            (FileName::Common, _) => self.fetched_common(site, fetch),
            (FileName::Own(_), Some(phone)) => {
                if let Some(digest) = fetch.taken {
                    self.took_own(site, &phone, digest, fetch.address, fetch.time);
                }
            }
            (FileName::Own(mac), None) if holder.is_none() && fetch.missing => {
                let Some(entry) = self.sites.get_mut(site) else { return };
                if entry.callers.unclaimed.note(mac, fetch.address, fetch.time) {
                    self.agenda.work(WorkItem::SiteStatus(site.clone()));
                }
            }
            _ => {}
        }
    }

    /// A phone asked for its own file, and has not taken all of it: what it acknowledged came from its address.
    fn asked_own(&mut self, key: &Key, phone_key: &Key, fetch: &Fetch) {
        let (Some(site), Some(phone)) = (self.sites.get_mut(key), self.phones.get_mut(phone_key)) else { return };
        if fetch.taken.is_some() || (fetch.sent == 0 && fetch.unacknowledged.is_none()) {
            return;
        }
        let before = phone.last_fetch().address;
        phone.seen_mut().asked(fetch.address, fetch.time);
        site.callers.common.moved(phone_key, before, phone.last_fetch().address);
        if let Some((digest, millis)) = fetch.unacknowledged {
            let sent = fetch.time.checked_sub(SignedDuration::from_millis(millis)).unwrap_or(fetch.time);
            phone.seen_mut().note_unacknowledged(digest, fetch.address, sent);
        }
        self.agenda.queue_facts(phone_key);
    }

    /// A phone that went on has taken its own file, although it did not acknowledge the end.
    fn conclude(&mut self, key: &Key, phone_key: &Key) {
        let Some(phone) = self.phones.get_mut(phone_key) else { return };
        if let Some((digest, address, time)) = phone.seen_mut().take_sure() {
            self.took_own(key, phone_key, digest, address, time);
        }
    }

    /// `SIPDefault.cnf` was taken: by a phone that took its own file from the same address, or is about to.
    fn fetched_common(&mut self, key: &Key, fetch: &Fetch) {
        let Some(site) = self.sites.get_mut(key) else { return };
        let Some(digest) = fetch.taken else { return };
        for phone in site.callers.common.note(fetch.address, fetch.time, digest) {
            self.match_common(key, &phone);
        }
    }

    /// A phone took its own file.
    pub(super) fn took_own(&mut self, key: &Key, phone_key: &Key, taken: Digest, address: IpAddr, time: Timestamp) {
        let (Some(site), Some(phone)) = (self.sites.get_mut(key), self.phones.get_mut(phone_key)) else { return };
        let hash = phone.own_forms(site.hash_key(), self.offline).of(taken, phone.last_fetch().own.as_deref());
        let before = phone.last_fetch().address;
        if !phone.seen_mut().fetched_own(hash, address, time) {
            return;
        }
        site.callers.common.moved(phone_key, before, Some(address));
        self.match_common(key, phone_key);
        self.agenda.queue_facts(phone_key);
    }

    /// Finds the `SIPDefault.cnf` that a phone took together with its own file.
    fn match_common(&mut self, key: &Key, phone_key: &Key) {
        let (Some(site), Some(phone)) = (self.sites.get(key), self.phones.get_mut(phone_key)) else { return };
        let fetch = phone.last_fetch();
        let (Some(address), Some(time)) = (fetch.address, fetch.time) else { return };
        let Some(taken) = site.callers.common.before(address, time) else { return };
        if let Some(hash) = site.common_forms().of(taken, fetch.common.as_deref())
            && phone.seen_mut().fetched_common(&hash)
        {
            self.agenda.queue_facts(phone_key);
        }
    }

    /// Applies one request to what is known of a phone's firmware; `own` is the phone whose name the file bears.
    fn follow(&mut self, key: &Key, fetch: &Fetch, name: FileName<'_>, own: Option<&Key>) {
        let mut event = upgrade::meaning(name, fetch.sent, fetch.total, fetch.end.clone());
        let Some(site) = self.sites.get_mut(key) else { return };
        if let (Some(BootEvent::Common(names)), Some(digest)) = (&mut event, fetch.taken) {
            let plan = site.plan();
            let served = plan.and_then(|plan| Some((plan.files.get(SIP_DEFAULT)?, plan.image.as_deref())));
            *names = named(served, digest);
        }
        let phone_key = match (name.mac(), own) {
            (Some(_), Some(own)) => {
                let is_sure = fetch.taken.is_some() && name.is_own_config();
                let earlier = site.callers.address_book.heard(own, fetch.address, fetch.time, is_sure);
                let Some(phone) = self.phones.get_mut(own) else { return };
                for (time, event) in earlier {
                    if event.goes_on() {
                        phone.seen_mut().went_on(time);
                    }
                    phone.events_mut().follow(event, time);
                }
                if let (Some(digest), true) = (fetch.taken, name.is_own_config()) {
                    let served = phone.plan().and_then(|plan| Some((plan.own_file()?, plan.image.as_deref())));
                    event = Some(BootEvent::Own(named(served, digest)));
                }
                own.clone()
            }
            (Some(_), None) => return,
            (None, _) => {
                let Some(anonymous) = event.take() else { return };
                let book = &mut site.callers.address_book;
                match book.requester(fetch.address, fetch.port, fetch.time, fetch.end.is_none()) {
                    Requester::Said => return,
                    Requester::Unknown => return book.keep(fetch.address, fetch.time, anonymous),
                    Requester::OneOf(phones) => return self.follow_unclear(&phones, &anonymous, fetch.time),
                    Requester::Phone(phone) => {
                        event = Some(anonymous);
                        phone
                    }
                }
            }
        };
        if let Some(phone) = self.phones.get_mut(&phone_key)
            && event.as_ref().is_some_and(BootEvent::goes_on)
        {
            phone.seen_mut().went_on(fetch.time);
        }
        self.conclude(key, &phone_key);
        let (Some(phone), Some(event)) = (self.phones.get_mut(&phone_key), event) else { return };
        let (before, knew) = (counts_for_rollout(phone.upgrade()), phone.release_seen());
        phone.events_mut().follow(event, fetch.time);
        if phone.release_seen() != knew && phone.target().is_none() {
            // Which parameters it knows decides what is reset on it.
            self.agenda.queue_phone(&phone_key);
        }
        self.clock = self.clock.max(fetch.time);
        if counts_for_rollout(phone.upgrade()) != before {
            self.agenda.queue_rollout(key);
        }
        self.agenda.queue_facts(&phone_key);
    }

    /// One of several phones asked for something: of none of them more is concluded than what is certain.
    fn follow_unclear(&mut self, phones: &[Key], event: &BootEvent, time: Timestamp) {
        match event {
            BootEvent::Common(_) | BootEvent::Goes => return,
            BootEvent::LegacyStart
            | BootEvent::LoaderStart
            | BootEvent::LoaderAsks
            | BootEvent::Loads { .. }
            | BootEvent::Part { .. }
            | BootEvent::Own(_)
            | BootEvent::Unclear => {}
        }
        for key in phones {
            if let Some(phone) = self.phones.get_mut(key) {
                phone.events_mut().follow(BootEvent::Unclear, time);
                self.agenda.queue_facts(key);
            }
        }
    }
}

/// What of an upgrade may make room for other phones.
fn counts_for_rollout(upgrade: &upgrade::Upgrade) -> (Option<upgrade::Running>, u32, bool) {
    (upgrade.running.clone(), upgrade.failures, upgrade.transfer.is_some())
}

/// The image that a file names which a phone took, if it is the one that should be served now: pods may still have an older
/// one.
fn named(served: Option<(&File, Option<&str>)>, taken: Digest) -> Named {
    match served.filter(|(file, _)| file.digest == taken) {
        None => Named::Unknown,
        Some((_, image)) => image.map_or(Named::Nothing, |image| Named::Image(image.to_owned())),
    }
}
