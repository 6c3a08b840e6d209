//! What a shell reads: objects, and what each of them should hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::api::PhoneSiteSpec;
use crate::base::digest::Digest;
use crate::provision::Key;
use crate::provision::dependencies::Dependency;
use crate::provision::diagnostic::Diagnostic;
use crate::provision::placement::Placement;
use crate::provision::placement::slot::{Content, Slot};

use super::Fleet;

impl Fleet {
    /// All sites.
    pub fn sites(&self) -> impl Iterator<Item = &Key> {
        self.sites.keys()
    }

    /// Whether there is a site.
    pub fn has_site(&self, site: &Key) -> bool {
        self.sites.contains_key(site)
    }

    /// All phones.
    pub fn phones(&self) -> impl Iterator<Item = &Key> {
        self.phones.keys()
    }

    /// The site that serves a phone, or else the one that it names.
    pub fn site_of(&self, phone: &Key) -> Option<Key> {
        let phone = self.phones.get(phone)?;
        Some(phone.home().cloned().unwrap_or_else(|| phone.site()))
    }

    /// What is to say about each site and each phone.
    pub fn findings(&self) -> impl Iterator<Item = (&'static str, &Key, &[Diagnostic])> {
        let sites = self.sites.iter().map(|(key, site)| ("PhoneSite", key, site.standing().diagnostics()));
        let phones = self.phones.iter().map(|(key, phone)| ("SipPhone", key, phone.diagnostics()));
        sites.chain(phones)
    }

    fn placement(&self, site: &Key) -> Option<&Placement> {
        self.sites.get(site).map(|site| &site.placement)
    }

    /// What an object of a site should hold; nothing if it should not be there.
    pub fn content(&self, site: &Key, slot: Slot) -> Content {
        self.placement(site).map(|placement| placement.content(slot)).unwrap_or_default()
    }

    /// What an object should hold, with its digest, if that is not what it holds already.
    pub fn unwritten(&self, site: &Key, slot: Slot) -> (Option<Digest>, Option<Content>) {
        self.placement(site).map(|placement| placement.unwritten(slot)).unwrap_or_default()
    }

    /// What an object holds in the cluster, as far as is known.
    pub fn stored(&self, site: &Key, slot: Slot) -> Option<Digest> {
        self.placement(site)?.stored(slot)
    }

    /// How many files a site has, firmware apart.
    pub fn file_count(&self, site: &Key) -> usize {
        self.placement(site).map_or(0, Placement::count)
    }

    /// All files of a site, firmware apart.
    pub fn tree(&self, site: &Key) -> BTreeMap<String, Bytes> {
        Slot::all().flat_map(|slot| self.content(site, slot).0).collect()
    }

    /// The image that a phone should run, whether or not it is offered it yet.
    pub fn image_of(&self, phone: &Key) -> Option<&str> {
        self.phones.get(phone)?.target()
    }

    /// The site that a phone is placed in, and the name of its file.
    pub fn place_of(&self, phone: &Key) -> Option<(Key, String)> {
        let phone = self.phones.get(phone)?;
        Some((phone.home()?.clone(), phone.plan()?.own_file()?.name.clone()))
    }

    /// The object that a phone's files are in.
    pub fn slot_of(&self, phone: &Key) -> Option<(Key, Slot)> {
        let home = self.phones.get(phone)?.home()?;
        Some((home.clone(), self.placement(home)?.slot_of(phone)?))
    }

    /// The ConfigMaps with a site's firmware.
    pub fn firmware_sources(&self, site: &Key) -> Vec<Key> {
        let plan = self.sites.get(site).and_then(|site| site.plan());
        plan.map(|plan| plan.config_maps.iter().map(|name| site.sibling(name)).collect()).unwrap_or_default()
    }

    /// A digest of what a ConfigMap with firmware holds.
    pub fn firmware_digest(&self, source: &Key) -> Option<Digest> {
        let Dependency::Found(inventory) = self.dependencies.config_map(source) else { return None };
        let lines: Vec<String> = inventory.iter().map(|(name, file)| format!("{name} {}", file.digest)).collect();
        Some(Digest::of(lines.join("\n").as_bytes()))
    }

    /// Whether a site is to be left as it is.
    pub fn is_suspended(&self, site: &Key) -> bool {
        self.sites.get(site).is_some_and(|site| site.is_suspended())
    }

    /// Whether a site's status speaks of its newest spec.
    pub fn is_site_observed(&self, site: &Key) -> bool {
        self.sites.get(site).is_some_and(|site| site.is_observed())
    }

    /// A site's spec, as its objects are built from: the newest, whether or not its files can be rendered.
    pub fn site_spec(&self, site: &Key) -> Option<Arc<PhoneSiteSpec>> {
        self.sites.get(site).map(|site| site.spec().clone())
    }
}
