//! What is left to do: what the fleet has to follow through itself, and what its shell has to read and write.

use std::collections::BTreeSet;

use crate::provision::Key;
use crate::provision::dependencies::Reference;
use crate::provision::placement::slot::Slot;

/// Something that a shell has to reconcile.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WorkItem {
    /// An object that is referred to and that has not been read.
    Read(Reference, Key),
    /// A site's object with files.
    Shard(Key, Slot),
    /// A site's other objects.
    Objects(Key),
    /// A site's pods, which should read their files.
    Pods(Key),
    /// A site's phones that have to be notified of a change.
    Resync(Key),
    /// A site's status.
    SiteStatus(Key),
    /// A phone's status.
    PhoneStatus(Key),
}

impl WorkItem {
    /// The site that it is about, if it is about one.
    fn site(&self) -> Option<&Key> {
        match self {
            WorkItem::Shard(site, _)
            | WorkItem::Objects(site)
            | WorkItem::Pods(site)
            | WorkItem::Resync(site)
            | WorkItem::SiteStatus(site) => Some(site),
            WorkItem::Read(..) | WorkItem::PhoneStatus(_) => None,
        }
    }
}

/// The next step of the fleet itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Render a site.
    Site(Key),
    /// Decide which of a site's images are staged.
    Images(Key),
    /// Render a phone.
    Phone(Key),
    /// Offer an image to further phones of a site.
    Rollout(Key),
    /// Derive a phone's facts.
    Facts(Key),
}

/// All that is left to do, each item once.
#[derive(Debug, Default)]
pub struct Agenda {
    sites: BTreeSet<Key>,
    images: BTreeSet<Key>,
    phones: BTreeSet<Key>,
    rollouts: BTreeSet<Key>,
    facts: BTreeSet<Key>,
    work: BTreeSet<WorkItem>,
}

impl Agenda {
    /// A site has to be rendered.
    pub fn queue_site(&mut self, site: &Key) {
        self.sites.insert(site.clone());
    }

    /// Other images of a site may be staged.
    pub fn queue_images(&mut self, site: &Key) {
        self.images.insert(site.clone());
    }

    /// A site gets other files from elsewhere: images may be staged, and there may be something to say of them.
    pub fn queue_files(&mut self, site: &Key) {
        self.queue_images(site);
        self.queue_site(site);
    }

    /// A phone has to be rendered.
    pub fn queue_phone(&mut self, phone: &Key) {
        self.phones.insert(phone.clone());
    }

    /// Phones of a site may have to be offered an image.
    pub fn queue_rollout(&mut self, site: &Key) {
        self.rollouts.insert(site.clone());
    }

    /// A phone's facts have changed, and with them perhaps its status.
    pub fn queue_facts(&mut self, phone: &Key) {
        self.facts.insert(phone.clone());
        self.work(WorkItem::PhoneStatus(phone.clone()));
    }

    /// A shell has something to do.
    pub fn work(&mut self, item: WorkItem) {
        self.work.insert(item);
    }

    /// The next step: sites before their phones, which depend on them, and facts last.
    pub fn next(&mut self) -> Option<Step> {
        if let Some(site) = self.sites.pop_first() {
            return Some(Step::Site(site));
        }
        if let Some(site) = self.images.pop_first() {
            return Some(Step::Images(site));
        }
        if let Some(phone) = self.phones.pop_first() {
            return Some(Step::Phone(phone));
        }
        if let Some(site) = self.rollouts.pop_first() {
            return Some(Step::Rollout(site));
        }
        self.facts.pop_first().map(Step::Facts)
    }

    /// The work of the shell.
    pub fn take_work(&mut self) -> Vec<WorkItem> {
        std::mem::take(&mut self.work).into_iter().collect()
    }

    /// A site is gone: nothing of it is left to do.
    pub fn forget_site(&mut self, site: &Key) {
        self.sites.remove(site);
        self.images.remove(site);
        self.rollouts.remove(site);
        self.work.retain(|item| item.site() != Some(site));
    }

    /// A phone is gone: nothing of it is left to do.
    pub fn forget_phone(&mut self, phone: &Key) {
        self.phones.remove(phone);
        self.facts.remove(phone);
        self.work.remove(&WorkItem::PhoneStatus(phone.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_come_before_phones_and_facts_last() {
        let (site, phone) = (Key::new("ns", "hq"), Key::new("ns", "p"));
        let mut agenda = Agenda::default();
        agenda.queue_facts(&phone);
        agenda.queue_rollout(&site);
        agenda.queue_phone(&phone);
        agenda.queue_site(&site);
        let steps: Vec<Step> = std::iter::from_fn(|| agenda.next()).collect();
        let expected = [
            Step::Site(site.clone()),
            Step::Phone(phone.clone()),
            Step::Rollout(site.clone()),
            Step::Facts(phone.clone()),
        ];
        assert_eq!(steps, expected);
        assert_eq!(agenda.take_work(), [WorkItem::PhoneStatus(phone)]);
    }

    #[test]
    fn nothing_is_left_of_a_site_that_is_gone() {
        let (site, other) = (Key::new("ns", "hq"), Key::new("ns", "other"));
        let mut agenda = Agenda::default();
        for key in [&site, &other] {
            agenda.queue_site(key);
            agenda.work(WorkItem::Objects(key.clone()));
        }
        agenda.forget_site(&site);
        assert_eq!(agenda.next(), Some(Step::Site(other.clone())));
        assert_eq!(agenda.next(), None);
        assert_eq!(agenda.take_work(), [WorkItem::Objects(other)]);
    }
}
