//! What the phones of a site say themselves of the dial plan: when one says something else, there is something else to say of the
//! site.

use crate::provision::Key;
use crate::provision::contents::own_plan::{OwnPlan, OwnPlans};

use super::Fleet;

impl Fleet {
    /// What the phones of a site say.
    pub(super) fn own_plans(&self, site: &Key) -> OwnPlans {
        let phones = self.by_site.get(site).into_iter().flatten();
        phones.filter_map(|phone| Some(OwnPlan::of(self.phones.get(phone)?.spec()))).collect()
    }

    /// The site that a phone names, and what it says.
    pub(super) fn own_plan(&self, phone: &Key) -> Option<(Key, OwnPlan)> {
        self.phones.get(phone).map(|phone| (phone.site(), OwnPlan::of(phone.spec())))
    }

    /// A phone said something, or was not there, and says something else, or is gone. That there is one more phone which says nothing
    /// matters only where others say something.
    pub(super) fn note_own_plan(&mut self, before: Option<(Key, OwnPlan)>, now: Option<(Key, OwnPlan)>) {
        if before == now {
            return;
        }
        for (site, own) in before.into_iter().chain(now) {
            let asks =
                || self.sites.get(&site).and_then(|site| site.judged()).is_some_and(|base| base.site.asks_phones);
            if !own.is_silent() || asks() {
                self.agenda.queue_site(&site);
            }
        }
    }
}
