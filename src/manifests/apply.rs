//! Manifests and a fleet: what is applied, deleted and given to it, and what is served of both.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::Manifests;
use crate::api::RESYNC_AT;
use crate::provision::catalog::inventory;
use crate::provision::{Fleet, Key, Meta, Reference, WorkItem};

impl Manifests {
    /// All files that phones get of a site, with those from its ConfigMaps.
    pub fn served(&self, fleet: &Fleet, site: &Key) -> BTreeMap<String, bytes::Bytes> {
        let sources = fleet.firmware_sources(site);
        let firmware = sources.iter().filter_map(|key| self.maps.get(key)).flatten();
        let mut files: BTreeMap<String, bytes::Bytes> =
            firmware.map(|(name, bytes)| (name.clone(), bytes.clone())).collect();
        files.extend(fleet.tree(site));
        files
    }

    /// Applies everything to a fleet, and deletes the fleet's sites and phones that are not among the manifests.
    pub fn apply_to(&self, fleet: &mut Fleet) {
        let is_gone = |kind, key: &&Key| !self.is_unreadable(kind, key);
        let phones = fleet.phones().filter(|key| !self.phones.contains_key(*key) && is_gone("SipPhone", key));
        let sites = fleet.sites().filter(|key| !self.sites.contains_key(*key) && is_gone("PhoneSite", key));
        let (deleted_phones, deleted_sites): (Vec<Key>, Vec<Key>) =
            (phones.cloned().collect(), sites.cloned().collect());
        deleted_phones.iter().for_each(|key| fleet.delete_phone(key));
        deleted_sites.iter().for_each(|key| fleet.delete_site(key));
        let meta = |key: &Key, meta: &ObjectMeta| Meta {
            key: key.clone(),
            generation: None,
            created: meta.creation_timestamp.as_ref().map_or(0, |time| time.0.as_second()),
            version: 0,
            resync_at: meta.annotations.as_ref().and_then(|all| all.get(RESYNC_AT)).cloned(),
        };
        for (key, (site, _)) in &self.sites {
            fleet.apply_site(meta(key, &site.metadata), site.spec.clone(), site.status.clone().unwrap_or_default());
        }
        for (key, why) in self.unreadable_sites() {
            fleet.hold_site(meta(&key, &ObjectMeta::default()), &why);
        }
        for (key, (phone, _)) in &self.phones {
            fleet.apply_phone(meta(key, &phone.metadata), phone.spec.clone(), phone.status.clone().unwrap_or_default());
        }
        let secrets = self.secrets.keys().map(|key| (Reference::Secret, key));
        for (kind, key) in secrets.chain(self.maps.keys().map(|key| (Reference::ConfigMap, key))) {
            if fleet.refers_to(kind, key) {
                self.give(fleet, kind, key);
            }
        }
        // Whatever the fleet still asks for is not among the manifests: it does not exist.
        loop {
            let work = fleet.take_work();
            let mut read = false;
            for item in work {
                if let WorkItem::Read(kind, key) = item {
                    read = true;
                    self.give(fleet, kind, &key);
                }
            }
            if !read {
                return;
            }
        }
    }

    /// Tells a fleet of an object that it refers to.
    fn give(&self, fleet: &mut Fleet, kind: Reference, key: &Key) {
        let name = match kind {
            Reference::Secret => "Secret",
            Reference::ConfigMap => "ConfigMap",
        };
        match (self.withheld.get(&(kind, key.clone())), kind) {
            // It has not been read yet; what was read of it before holds.
            _ if self.is_unreadable(name, key) => {}
            (Some(why), _) => fleet.withhold(kind, key, *why),
            (None, Reference::Secret) => fleet.set_secret(key, self.secrets.get(key).cloned()),
            (None, Reference::ConfigMap) => {
                fleet.set_firmware(key, self.maps.get(key).map(inventory::<&String, &bytes::Bytes>))
            }
        }
    }

    /// Deletes from a fleet the Secrets and ConfigMaps of earlier manifests that no longer exist.
    pub fn delete_missing(&self, before: &Manifests, fleet: &mut Fleet) {
        let is_gone = |kind, key: &&Key| !self.is_unreadable(kind, key);
        for key in before.secrets.keys().filter(|key| !self.secrets.contains_key(*key) && is_gone("Secret", key)) {
            if fleet.refers_to(Reference::Secret, key) {
                fleet.set_secret(key, None);
            }
        }
        for key in before.maps.keys().filter(|key| !self.maps.contains_key(*key) && is_gone("ConfigMap", key)) {
            if fleet.refers_to(Reference::ConfigMap, key) {
                fleet.set_firmware(key, None);
            }
        }
    }

    /// The sites that there are, or may be, and that cannot be read: why.
    fn unreadable_sites(&self) -> BTreeMap<Key, String> {
        let named = self.phones.iter().map(|(key, (phone, _))| key.sibling(&phone.spec.site_ref.name));
        let lost =
            self.origins.broken().next().map(|file| format!("it may be in {file}, of which nothing can be read"));
        let may_be = named.filter(|site| !self.sites.contains_key(site)).filter_map(|site| Some((site, lost.clone()?)));
        let mut sites: BTreeMap<Key, String> = may_be.collect();
        let known = self.unreadable.iter().filter(|((kind, _), _)| kind == "PhoneSite");
        sites.extend(known.map(|((_, key), why)| (key.clone(), why.clone())));
        sites
    }
}
