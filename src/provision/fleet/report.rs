//! What there is to say: facts, statuses, and how soon they should be written.

use jiff::Timestamp;

use crate::api::{FileCounts, PhoneSiteStatus, SipPhoneStatus};
use crate::provision::Key;
use crate::provision::diagnostic::Diagnostic;
use crate::provision::firmware::staging::Staging;
use crate::provision::firmware::upgrade::Wanted;
use crate::provision::observe::pods::Served;
use crate::provision::status::health;
use crate::provision::status::phone::{PhoneFacts, phone_status};
use crate::provision::status::site::{SiteFacts, SiteFirmware, site_status};

use super::Fleet;
use super::phone::Phone;
use super::site::Site;

/// How soon a phone's status should be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// At once.
    Now,
    /// After a moment: files on their way to the pods, a notification or a missing object are about to change it again.
    Settle,
    /// In its turn: many phones may be on their way to another image at once.
    InTurn,
}

/// What there is to say of one phone.
#[derive(Clone, Debug, PartialEq)]
pub struct PhoneReport {
    /// The status as it was written last.
    pub before: SipPhoneStatus,
    /// The status as it should be.
    pub after: SipPhoneStatus,
    /// Whether it has to be written.
    pub is_news: bool,
    /// Whether somebody else changed it since it was written.
    pub is_altered: bool,
    /// How soon it should be written.
    pub urgency: Urgency,
    /// After how many seconds the status says something else although nothing is heard.
    pub due_in: Option<i64>,
    /// How many seconds the phone's last upgrade took.
    pub upgrade_seconds: Option<i64>,
}

impl Fleet {
    /// What there is to say of a phone. `None` while something that it refers to has not been read.
    pub fn report(&self, key: &Key, now: Timestamp) -> Option<PhoneReport> {
        let phone = self.phones.get(key)?;
        let staging = self.staging_of(phone);
        let facts = self.phone_facts(key, phone, &staging)?;
        let before = phone.status().clone();
        let after = phone_status(&facts, self.resync_facts(phone, now), &before, now);
        let dues = [phone.upgrade().due_in(now), health::due_in(&after.conditions, None, now)];
        let (due_in, upgrade_seconds) = (dues.into_iter().flatten().min(), phone.upgrade().lasted);
        let (is_news, is_altered) = (phone.needs_writing(&after), phone.is_altered());
        Some(PhoneReport { before, after, is_news, is_altered, urgency: self.urgency(key), due_in, upgrade_seconds })
    }

    /// How soon a phone's status should be written.
    pub fn urgency(&self, key: &Key) -> Urgency {
        let Some(phone) = self.phones.get(key) else { return Urgency::Now };
        // A folder's phones are often applied before their site.
        let has_errors = !phone.standing().is_pending() && phone.diagnostics().iter().any(Diagnostic::is_error);
        match phone.is_upgrading() {
            true => Urgency::InTurn,
            false if self.is_propagating(key) || has_errors || self.needs_resync(key) => Urgency::Settle,
            false => Urgency::Now,
        }
    }

    /// Whether a phone's newest file is on its way to the pods: soon there is more to say.
    pub fn is_propagating(&self, key: &Key) -> bool {
        let is_pending = |phone: &Phone| phone.derived().served == Served::Pending;
        self.phones.get(key).is_some_and(|phone| phone.standing().is_up_to_date() && is_pending(phone))
    }

    /// A site's status as it was written last and as it should be, if it has to be written.
    pub fn site_status(&self, key: &Key, now: Timestamp) -> Option<(PhoneSiteStatus, PhoneSiteStatus)> {
        let site = self.sites.get(key)?;
        let target = site.spec().firmware.as_ref().and_then(|firmware| firmware.image.as_deref());
        let staging = site.images.staging(target);
        let facts = self.site_facts(site, target, &staging)?;
        let after = site_status(facts, site.status(), now);
        site.needs_writing(&after).then(|| (site.status().clone(), after))
    }

    /// After how many seconds a site's status, as it was written last, says something else although nothing is heard.
    pub fn site_due_in(&self, key: &Key, now: Timestamp) -> Option<i64> {
        let site = self.sites.get(key)?;
        health::due_in(&site.status().conditions, site.infra.pods.as_ref().map(|problem| problem.since), now)
    }

    /// Whether somebody else changed a site's status since it was written.
    pub fn is_altered_site(&self, key: &Key) -> bool {
        self.sites.get(key).is_some_and(|site| site.is_altered())
    }

    pub(super) fn staging_of(&self, phone: &Phone) -> std::sync::Arc<Staging> {
        match phone.home().and_then(|home| self.sites.get(home)) {
            Some(site) => site.images.staging(phone.target()),
            None => Staging::no_site(),
        }
    }

    /// What a phone's status follows from. `None` while something that it refers to has not been read, or its file has a password
    /// and the site's key for hashes is not known.
    pub(super) fn phone_facts<'a>(
        &'a self,
        key: &Key,
        phone: &'a Phone,
        staging: &'a Staging,
    ) -> Option<PhoneFacts<'a>> {
        if phone.standing().is_pending() {
            return None;
        }
        let site = phone.home().and_then(|home| self.sites.get(home));
        let file = match phone.plan() {
            Some(plan) => Some((plan.own_file()?.name.as_str(), phone.hash()?)),
            None => None,
        };
        let derived = phone.derived();
        let target = phone.target();
        let firmware = Wanted {
            target,
            staging,
            offered: phone.offer().image(),
            paused: site.is_some_and(|site| site.is_paused()),
            parts: site.zip(target).map(|(site, image)| site.images.parts(image)).unwrap_or_default(),
        };
        Some(PhoneFacts {
            generation: phone.meta().generation,
            diagnostics: phone.diagnostics(),
            file,
            up_to_date: phone.standing().is_up_to_date(),
            suspended: site.is_some_and(|site| site.is_suspended()),
            served: derived.served,
            sync: derived.sync,
            firmware,
            upgrade: phone.upgrade(),
            last_fetch: phone.last_fetch(),
            lines: self.identities.lines(key),
        })
    }

    fn site_facts<'a>(&self, site: &'a Site, target: Option<&'a str>, staging: &'a Staging) -> Option<SiteFacts<'a>> {
        if site.standing().is_pending() {
            return None;
        }
        let stored = |secret: bool| site.placement.existing().filter(|slot| slot.secret() == secret).count() as i64;
        Some(SiteFacts {
            generation: site.meta().generation,
            diagnostics: site.standing().diagnostics(),
            up_to_date: site.standing().is_up_to_date(),
            suspended: site.is_suspended(),
            served: match site.plan() {
                Some(_) if self.offline => Served::Everywhere,
                _ => site.common_served(),
            },
            answering: site.pods.answering(),
            infra: &site.infra,
            phones: (site.phones.len(), &site.counts),
            files: FileCounts {
                count: site.placement.count() as i64,
                config_maps: stored(false),
                secrets: stored(true),
            },
            firmware: SiteFirmware {
                target,
                staging,
                staged: site.images.staged().iter().cloned().collect(),
                bootstrap: site.plan().and_then(|plan| plan.bootstrap.as_deref()),
            },
            common_hash: site.common_hash(),
            unclaimed: (site.callers.unclaimed.list(), site.callers.unclaimed.count()),
        })
    }
}
