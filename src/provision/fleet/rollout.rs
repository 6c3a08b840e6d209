//! Offers: which image each phone's files name.

use jiff::Timestamp;

use crate::api::Stage;
use crate::phone::cnf;
use crate::phone::file_name::SIP_DEFAULT;
use crate::provision::Key;
use crate::provision::firmware::rollout::{self, Member, Progress};
use crate::provision::observe::pods::Served;

use super::Fleet;
use super::agenda::WorkItem;
use super::phone::Phone;
use super::site::Site;

impl Fleet {
    /// The time, before a report is made for it: what follows from the time alone is then counted as the report says it.
    pub fn advance(&mut self, now: Timestamp) {
        self.clock = self.clock.max(now);
    }

    /// The time, now and then: phones of which nothing is heard for long no longer keep others waiting, and images that no pod
    /// holds any more are let go.
    pub fn tick(&mut self, now: Timestamp) {
        self.advance(now);
        self.lapse_doubts();
        for (key, site) in &mut self.sites {
            if site.callers.unclaimed.pass(now) {
                self.agenda.work(WorkItem::SiteStatus(key.clone()));
            }
            if site.rollout().is_some() {
                self.agenda.queue_rollout(key);
            }
            if site.images.is_lingering() {
                self.agenda.queue_images(key);
            }
        }
        let moving = self.sites.iter().filter(|(_, site)| !site.placement.is_settled());
        let moving: Vec<Key> = moving.map(|(key, _)| key.clone()).collect();
        moving.iter().for_each(|site| self.let_go(site));
    }

    /// Decides what a phone's files name. Without a rollout that is its image, once every pod holds it; with one it stays what
    /// it was until the phone is in the batch.
    pub(super) fn offer(&mut self, key: &Key, site_key: &Key, has_rollout: bool) {
        let (Some(site), Some(phone)) = (self.sites.get(site_key), self.phones.get_mut(key)) else { return };
        if !has_rollout {
            let image = phone.target().filter(|image| site.images.retained().contains(*image)).map(str::to_owned);
            return phone.offer_mut().set(image.as_deref(), self.clock);
        }
        if !phone.offer().is_decided() {
            let before = offered_before(site, phone);
            phone.offer_mut().set(before.as_deref(), self.clock);
        }
        if phone.target().is_none() {
            phone.offer_mut().withdraw();
        }
        self.agenda.queue_rollout(site_key);
    }

    /// Offers the image to further phones of a site, as many as may be on their way.
    pub(super) fn roll(&mut self, key: &Key) {
        let Some(site) = self.sites.get(key) else { return };
        let Some(rollout) = site.rollout().cloned() else { return };
        let mut members: Vec<Member> =
            site.phones.iter().filter_map(|key| Some(self.member(site, key, self.phones.get(key)?))).collect();
        for changed in rollout::roll(&rollout, &mut members, self.clock) {
            self.agenda.queue_phone(&changed);
        }
        let mut lingers = false;
        for Member { key, offer, .. } in members {
            lingers |= offer.lingers();
            if let Some(phone) = self.phones.get_mut(&key) {
                *phone.offer_mut() = offer;
            }
        }
        if let Some(site) = self.sites.get_mut(key) {
            site.has_lingering_offers = lingers;
        }
    }

    /// An object of a site was written, or its pods hold something else: what was revoked may have gone.
    pub(super) fn follow_revoked(&mut self, key: &Key) {
        if self.sites.get(key).is_some_and(|site| site.has_lingering_offers) {
            self.agenda.queue_rollout(key);
        }
    }

    /// Whether all pods have a phone's file as it is now; without pods, whether it is in its object.
    fn is_file_out(&self, site: &Site, key: &Key, phone: &Phone) -> bool {
        let is_written = || site.placement.slot_of(key).is_none_or(|slot| site.placement.unwritten(slot).1.is_none());
        let is_held = || phone.plan().is_none_or(|plan| site.pods.serve(&plan.files) != Served::Pending);
        self.offline || (is_written() && is_held())
    }

    fn member(&self, site: &Site, key: &Key, phone: &Phone) -> Member {
        let image = phone.target();
        let upgrade = phone.upgrade();
        let progress = Progress {
            image: image.filter(|image| site.images.retained().contains(*image)),
            parts: image.map(|image| site.images.parts(image)).unwrap_or_default(),
            offer: phone.offer(),
            upgrade,
            now: self.clock,
        };
        Member {
            key: key.clone(),
            stage: rollout::stage(progress),
            image: image.map(str::to_owned),
            staged: image.is_some_and(|image| site.images.staged().contains(image)),
            served: !phone.offer().lingers() || self.is_file_out(site, key, phone),
            failures: upgrade.failures,
            offer: phone.offer().clone(),
        }
    }
}

/// What a phone's file named when the operator started; otherwise what its status says.
fn offered_before(site: &Site, phone: &Phone) -> Option<String> {
    let mac = phone.held().or_else(|| phone.mac().as_ref().ok().copied())?;
    if let Some((_, own)) = site.placement.recovered(&mac.config_file()) {
        let common = || cnf::image_named(site.placement.recovered(SIP_DEFAULT)?.1);
        return cnf::image_named(own).or_else(common);
    }
    let firmware = phone.status().firmware.as_ref()?;
    let was_offered = match firmware.stage {
        Stage::Unmanaged | Stage::Pending | Stage::Waiting => false,
        Stage::Staged | Stage::Offered | Stage::Downloading | Stage::Installing | Stage::Current | Stage::Failed => {
            true
        }
    };
    firmware.target.clone().filter(|_| was_offered)
}
