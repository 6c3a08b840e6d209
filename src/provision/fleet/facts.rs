//! Facts: what follows from a phone, its site and its pods together.

use crate::provision::Key;
use crate::provision::observe::pods::Served;
use crate::provision::sync::sync_problem;

use super::Fleet;
use super::agenda::WorkItem;
use super::phone::Derived;

impl Fleet {
    /// Derives what follows from a phone, its site and its pods together, once after each change.
    pub(super) fn derive_facts(&mut self, key: &Key) {
        let Some(phone) = self.phones.get_mut(key) else { return };
        let site = phone.home().and_then(|home| self.sites.get(home));
        phone.derive_hash(site.and_then(|site| site.hash_key()), self.offline);
        let own = phone.own_forms(site.and_then(|site| site.hash_key()), self.offline);
        let common_forms = site.map(|site| site.common_forms());
        phone.settle_hashes(own, common_forms, site.and_then(|site| site.common_hash()));
        let served = match (site, phone.plan()) {
            (Some(_), Some(_)) if self.offline => Served::Everywhere,
            (Some(site), Some(plan)) => site.pods.serve(&plan.files),
            _ => Served::Nothing,
        };
        let (common, up_to_date) = (site.and_then(|site| site.common_hash()), phone.standing().is_up_to_date());
        let own = phone.hash().filter(|_| phone.plan().is_some());
        let sync = sync_problem(own, common, phone.last_fetch(), phone.may_have_taken(), up_to_date);
        phone.set_derived(Derived { served, sync, ..*phone.derived() }, None);

        let Some(phone) = self.phones.get(key) else { return };
        let staging = self.staging_of(phone);
        let Some(facts) = self.phone_facts(key, phone, &staging) else { return };
        let home = phone.home().cloned();
        // A phone without a site is counted nowhere, so that there is nothing to take back when it is placed in one.
        let tally = home.as_ref().map(|_| facts.tally(self.clock)).unwrap_or_default();
        let plan = home.as_ref().and_then(|home| self.sites.get(home)?.plan().cloned());
        let Some(phone) = self.phones.get_mut(key) else { return };
        let before = phone.set_derived(Derived { served, sync, tally }, plan.as_ref());
        if let Some(home) = home
            && let Some(site) = self.sites.get_mut(&home)
            && site.counts.replace(before, tally)
        {
            self.agenda.work(WorkItem::SiteStatus(home));
        }
        self.queue_resync(key);
    }
}
