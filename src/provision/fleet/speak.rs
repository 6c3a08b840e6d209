//! What the fleet has to say: statuses.

use jiff::Timestamp;

use super::*;
use crate::api::{FileCounts, PhoneCounts, StageCount};
use crate::provision::phone_status::{PhoneFacts, Served, firmware_stage, is_in_sync, is_ready, phone_status};
use crate::provision::site_status::{SiteFacts, site_status};
use crate::provision::status::acceptance;

impl Fleet {
    /// A phone's status, if it differs from the one that the API server holds. `None` also while something that it refers
    /// to has not been read.
    pub fn phone_status(&mut self, key: &Key, now: Timestamp) -> Option<(SipPhoneStatus, SipPhoneStatus)> {
        self.settle();
        let facts = self.phone_facts(key)?;
        let before = self.phones.get(key)?.status.status.clone();
        let after = phone_status(&facts, self.resync_facts(key, &facts, now), &before, now);
        self.count_stage(key, after.firmware.as_ref().map(|firmware| firmware.stage));
        (after != before).then_some((before, after))
    }

    /// Notes the stage of a phone's firmware, for the site's counts.
    pub(super) fn count_stage(&mut self, key: &Key, stage: Option<Stage>) {
        let Some(phone) = self.phones.get_mut(key) else { return };
        let Some(home) = phone.home.clone() else { return };
        let before = std::mem::replace(&mut phone.stage, stage);
        let Some(site) = self.sites.get_mut(&home).filter(|_| before != stage) else { return };
        for (stage, by) in [(before, -1), (stage, 1)] {
            if let Some(stage) = stage {
                *site.stages.entry(stage).or_insert(0) += by;
            }
        }
        site.stages.retain(|_, count| *count > 0);
        self.mark(WorkItem::SiteStatus(home));
    }

    /// How many phones of each site are at each stage of their firmware.
    pub fn stages(&mut self) -> Vec<(Key, Stage, i64)> {
        self.settle();
        let counts = |(key, site): (&Key, &Site)| {
            site.stages.iter().map(|(stage, count)| (key.clone(), *stage, *count)).collect::<Vec<_>>()
        };
        self.sites.iter().flat_map(counts).collect()
    }

    /// How many seconds a phone's last upgrade took.
    pub fn upgrade_lasted(&self, key: &Key) -> Option<i64> {
        self.phones.get(key)?.track.now().lasted
    }

    /// A site's status, if it differs from the one that the API server holds.
    pub fn site_status(&mut self, key: &Key, now: Timestamp) -> Option<(PhoneSiteStatus, PhoneSiteStatus)> {
        self.settle();
        let facts = self.site_facts(key)?;
        let before = &self.sites.get(key)?.status.status;
        let after = site_status(facts, before, now);
        (after != *before).then(|| (before.clone(), after))
    }

    /// A phone's and a site's status as they stand, for shells without an API server.
    pub fn current_status(&mut self, phone: &Key, now: Timestamp) -> Option<SipPhoneStatus> {
        self.settle();
        let facts = self.phone_facts(phone)?;
        let resync = self.resync_facts(phone, &facts, now);
        Some(phone_status(&facts, resync, &self.phones.get(phone)?.status.status, now))
    }

    /// Whether a phone's newest file is on its way to the pods: soon there is more to say.
    pub fn is_propagating(&mut self, key: &Key) -> bool {
        self.settle();
        self.phone_facts(key).is_some_and(|facts| facts.current && facts.served == Served::Pending)
    }

    /// Whether something is wrong with a phone: what it refers to may be among what is applied together with it.
    pub fn has_errors(&mut self, key: &Key) -> bool {
        self.settle();
        self.phone_facts(key).is_some_and(|facts| facts.found.iter().any(Diagnostic::is_error))
    }

    /// Whether a phone is on its way to another image, or its status says so: a thousand may be, and their statuses are
    /// written in turn.
    pub fn is_upgrading(&self, key: &Key) -> bool {
        let on_its_way =
            |stage| matches!(stage, Stage::Offered | Stage::Downloading | Stage::Installing | Stage::Failed);
        self.phones.get(key).is_some_and(|phone| {
            let written = phone.status.status.firmware.as_ref().map(|firmware| firmware.stage);
            written.into_iter().chain(phone.stage).any(on_its_way)
        })
    }

    /// After how many seconds a phone's status says something else although nothing is heard.
    pub fn due_in(&self, key: &Key, now: Timestamp) -> Option<i64> {
        self.phones.get(key)?.track.now().due_in(now)
    }

    /// The generation of a phone's spec.
    pub fn phone_generation(&self, key: &Key) -> Option<i64> {
        self.phones.get(key)?.meta.generation
    }

    pub(super) fn settle_tally(&mut self, key: &Key) {
        let Some(facts) = self.phone_facts(key) else { return };
        let tally = Tally {
            accepted: acceptance(facts.found).0,
            served: facts.served == Served::Everywhere,
            ready: is_ready(&facts),
            in_sync: is_in_sync(&facts),
            placed: facts.file.is_some(),
        };
        let stage = firmware_stage(&facts, self.clock).stage;
        self.count_stage(key, Some(stage));
        let home = self.phones.get(key).and_then(|phone| phone.home.as_ref());
        let plan = home.and_then(|home| self.sites.get(home)).and_then(|site| site.plan.clone());
        let Some(phone) = self.phones.get_mut(key) else { return };
        if tally.in_sync && !phone.tally.in_sync {
            let own = phone.plan.as_ref().and_then(|plan| plan.files.first()).cloned();
            phone.runs = plan.zip(own);
        }
        let before = std::mem::replace(&mut phone.tally, tally);
        if before != tally
            && let Some(home) = phone.home.clone()
            && let Some(site) = self.sites.get_mut(&home)
        {
            site.counts.shift(before, tally);
            self.mark(WorkItem::SiteStatus(home));
        }
        self.settle_resync(key);
    }

    pub(super) fn phone_facts(&self, key: &Key) -> Option<PhoneFacts<'_>> {
        let phone = self.phones.get(key).filter(|phone| !phone.unread)?;
        let site = phone.home.as_ref().and_then(|home| self.sites.get(home));
        let hash_key = site.and_then(|site| site.hash_key.as_ref());
        let file = match &phone.plan {
            Some(plan) if plan.secret && hash_key.is_none() && !self.offline => return None,
            Some(plan) => plan
                .files
                .first()
                .map(|file| (file.name.as_str(), file.digest.public(hash_key.filter(|_| plan.secret)))),
            None => None,
        };
        Some(PhoneFacts {
            generation: phone.meta.generation,
            found: &phone.found,
            file,
            current: phone.current,
            suspended: site.is_some_and(|site| site.spec.suspend),
            served: match (site, &phone.plan) {
                (Some(site), Some(plan)) => self.served(site, &plan.files),
                _ => Served::Nothing,
            },
            target: phone.image.as_deref(),
            stage: match (site, &phone.home) {
                (Some(site), Some(home)) => self.stage_of(home, site, phone.image.as_deref()),
                _ => (crate::api::Stage::Unmanaged, "Unmanaged", "the phone belongs to no site".to_owned()),
            },
            common: site.and_then(common_hash),
            upgrade: phone.track.now(),
            told: phone.told.as_deref(),
            paused: site.is_some_and(|site| site.is_paused()),
            parts: match (site, &phone.image) {
                (Some(site), Some(image)) => site.parts.get(image).map(Vec::as_slice).unwrap_or_default(),
                _ => &[],
            },
            seen: &phone.seen,
            lines: &phone.lines,
        })
    }

    pub(super) fn served(&self, site: &Site, files: &[crate::provision::File]) -> Served {
        if self.offline {
            return Served::Everywhere;
        }
        if site.pods.is_empty() {
            return Served::NoServer;
        }
        let everywhere = site.pods.values().all(|held| files.iter().all(|f| held.get(&f.name) == Some(&f.digest)));
        if everywhere { Served::Everywhere } else { Served::Pending }
    }

    fn site_facts(&self, key: &Key) -> Option<SiteFacts<'_>> {
        let site = self.sites.get(key).filter(|site| !site.unread)?;
        let plan = site.plan.as_deref();
        let target = site.spec.firmware.as_ref().and_then(|firmware| firmware.image.as_deref());
        let stored = |secret: bool| site.shards.existing().filter(|slot| slot.secret() == secret).count() as i64;
        Some(SiteFacts {
            generation: site.meta.generation,
            found: &site.found,
            current: site.current,
            suspended: site.spec.suspend,
            served: plan.map_or(Served::Nothing, |plan| self.served(site, &plan.files)),
            servers: (site.pods.len() as i64, site.infra.wanted),
            problem: site.infra.problem.as_ref().map(|(reason, message)| (reason.as_str(), message.as_str())),
            address: site.infra.address.as_deref(),
            phones: PhoneCounts {
                total: site.phones.len() as i64,
                accepted: site.counts.accepted,
                served: site.counts.served,
                ready: site.counts.ready,
                in_sync: site.counts.in_sync,
            },
            files: FileCounts {
                count: (site.by_file.len() + plan.map_or(0, |plan| plan.files.len())) as i64,
                config_maps: stored(false),
                secrets: stored(true),
            },
            target,
            stage: self.stage_of(key, site, target),
            staged: site.staged.iter().cloned().collect(),
            stages: site.stages.iter().map(|(stage, phones)| StageCount { stage: *stage, phones: *phones }).collect(),
            bootstrap: plan.and_then(|plan| plan.bootstrap.as_deref()),
            common: common_hash(site),
            unclaimed: site.strangers.list(),
        })
    }
}

fn common_hash(site: &Site) -> Option<String> {
    let plan = site.plan.as_ref()?;
    plan.common().map(|file| file.digest.public(site.hash_key.as_ref().filter(|_| plan.secret)))
}

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
    /// The status that the API server is known to hold.
    pub before: SipPhoneStatus,
    /// The status as it should be.
    pub after: SipPhoneStatus,
    /// After how many seconds the status says something else although nothing is heard.
    pub due_in: Option<i64>,
    /// How many seconds the phone's last upgrade took.
    pub upgrade_seconds: Option<i64>,
}

impl PhoneReport {
    /// Whether there is something to write.
    pub fn is_news(&self) -> bool {
        self.before != self.after
    }
}

impl Fleet {
    /// What there is to say of a phone. `None` while something that it refers to has not been read.
    pub fn report(&self, key: &Key, now: Timestamp) -> Option<PhoneReport> {
        let facts = self.phone_facts(key)?;
        let phone = self.phones.get(key)?;
        let before = phone.status.status.clone();
        let after = phone_status(&facts, self.resync_facts(key, &facts, now), &before, now);
        let upgrade = phone.track.now();
        Some(PhoneReport { before, after, due_in: upgrade.due_in(now), upgrade_seconds: upgrade.lasted })
    }

    /// How soon a phone's status should be written.
    pub fn urgency(&self, key: &Key) -> Urgency {
        if self.is_upgrading(key) {
            return Urgency::InTurn;
        }
        let settles = self.phone_facts(key).is_some_and(|facts| {
            (facts.current && facts.served == Served::Pending) || facts.found.iter().any(Diagnostic::is_error)
        });
        // A folder's phones are often applied before their site.
        if settles || self.needs_resync(key) { Urgency::Settle } else { Urgency::Now }
    }
}
