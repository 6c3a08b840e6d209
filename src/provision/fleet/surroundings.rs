//! What shells know of a site's surroundings: its address, what is the matter with its objects, and that it cannot be read.

use crate::api::{Reason, Violation};
use crate::provision::diagnostic::Diagnostic;
use crate::provision::status::site::{Infra, InfraProblem};
use crate::provision::{Key, advice};

use super::Fleet;
use super::agenda::WorkItem;
use super::object::Meta;

impl Fleet {
    /// There is a site that cannot be read: its phones wait for it and say why, and none says that it does not exist. What one serves
    /// that could be read before stays.
    pub fn hold_site(&mut self, meta: Meta, why: &str) {
        let key = meta.key.clone();
        if let Some(site) = self.sites.get_mut(&key) {
            site.refuse(meta, Violation { field: "spec".to_owned(), message: why.to_owned() });
            return self.agenda.queue_site(&key);
        }
        if self.dependencies.set_unreadable(&key, Some(why)) {
            self.render_phones_of(&key);
        }
    }

    /// A site that could not be read is gone.
    pub(super) fn site_is_readable(&mut self, key: &Key) {
        if self.dependencies.set_unreadable(key, None) {
            self.render_phones_of(key);
        }
    }

    /// What is known of a site's surroundings.
    pub fn set_infra(&mut self, key: &Key, infra: Infra) {
        let Some(site) = self.sites.get_mut(key) else { return };
        if site.infra != infra {
            if (&site.infra.address, &site.infra.hostname) != (&infra.address, &infra.hostname) {
                self.agenda.queue_site(key);
            }
            site.infra = infra;
            self.agenda.work(WorkItem::SiteStatus(key.clone()));
            self.agenda.queue_images(key);
        }
    }

    /// Why a site's pods are not those of this version of the operator; `None` if they are, or are just becoming so.
    pub fn set_update(&mut self, key: &Key, update: Option<(Reason, String)>) {
        let Some(site) = self.sites.get_mut(key) else { return };
        if site.infra.update != update {
            site.infra.update = update;
            self.agenda.work(WorkItem::SiteStatus(key.clone()));
        }
    }

    /// Why an object of a site is not as it should be; `None` if it is, or should not be there any more.
    pub fn note_problem(&mut self, key: &Key, object: &str, problem: Option<InfraProblem>) {
        let Some(site) = self.sites.get_mut(key) else { return };
        let before = site.infra.problems.get(object).cloned();
        if before != problem {
            match problem {
                Some(problem) => drop(site.infra.problems.insert(object.to_owned(), problem)),
                None => drop(site.infra.problems.remove(object)),
            }
            self.agenda.work(WorkItem::SiteStatus(key.clone()));
        }
    }

    /// Why an object of a site is not as it should be, as it was noted last.
    pub fn problem(&self, site: &Key, object: &str) -> Option<&InfraProblem> {
        self.sites.get(site)?.infra.problems.get(object)
    }

    /// A site's surroundings as they were last set.
    pub fn infra(&self, site: &Key) -> Infra {
        self.sites.get(site).map(|site| site.infra.clone()).unwrap_or_default()
    }
}

/// Advice on a name without an address.
pub(super) fn address_advice(infra: &Infra) -> Option<Diagnostic> {
    let name = infra.hostname.as_deref().filter(|_| infra.address.is_none())?;
    let what = format!("the load balancer has only the name {name:?}");
    Some(Diagnostic::advice(advice::ADDRESS_IS_NAME, "status.hostname", what))
}
