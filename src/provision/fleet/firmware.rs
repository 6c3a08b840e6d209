//! Firmware: what the sources of a site hold, and which images follow as staged.

use crate::api::Reason;
use crate::provision::Key;
use crate::provision::advice;
use crate::provision::catalog::{Catalog, Inventory, Origin};
use crate::provision::dependencies::Dependency;
use crate::provision::diagnostic::Diagnostic;
use crate::provision::firmware::staging::{Holders, Sources};

use super::Fleet;
use super::agenda::WorkItem;
use super::site::Site;

impl Fleet {
    /// Where the files of the site's newest spec are looked for.
    pub(super) fn spec_sources<'a>(&'a self, key: &Key, site: &'a Site) -> Sources<'a> {
        let source = site.spec().firmware.as_ref().and_then(|firmware| firmware.source.as_ref());
        let pod_side = source.is_some_and(|source| source.is_pod_side());
        self.sources(key, site, site.spec().config_maps(), pod_side)
    }

    /// Where the files of what the site serves are looked for.
    fn plan_sources<'a>(&'a self, key: &Key, site: &'a Site) -> Sources<'a> {
        let plan = site.plan();
        let maps = plan.into_iter().flat_map(|plan| plan.config_maps.iter().map(String::as_str));
        self.sources(key, site, maps, plan.is_some_and(|plan| plan.pod_side))
    }

    fn sources<'a>(
        &'a self,
        key: &Key,
        site: &'a Site,
        config_maps: impl Iterator<Item = &'a str>,
        pod_side: bool,
    ) -> Sources<'a> {
        let config_maps: Vec<(&str, Dependency<&Inventory>)> =
            config_maps.map(|name| (name, self.dependencies.config_map(&key.sibling(name)))).collect();
        // A later ConfigMap wins over an earlier one, as in the pod; all of them win over what comes from elsewhere.
        let mut layers: Vec<(Origin, &Inventory)> = Vec::new();
        let mut is_known = true;
        let firmware = site.spec().firmware.as_ref().and_then(|firmware| firmware.source.as_ref());
        let firmware = firmware.map_or(0, |source| source.config_maps.len());
        for (i, (_, map)) in config_maps.iter().enumerate().rev() {
            let origin = i.checked_sub(firmware).map_or(Origin::Firmware(i), Origin::Files);
            match map {
                Dependency::Pending => is_known = false,
                Dependency::Missing | Dependency::Withheld(_) => {}
                Dependency::Found(inventory) => layers.push((origin, inventory)),
            }
        }
        layers.push((Origin::Elsewhere, &self.folder));
        if pod_side {
            layers.extend(site.pods.firmware().map(|inventory| (Origin::Elsewhere, inventory)));
        }
        Sources {
            catalog: is_known.then(|| Catalog::of(layers)),
            config_maps,
            folder: Catalog::new(vec![&self.folder]),
            spec: site.spec().firmware.as_ref().and_then(|firmware| firmware.source.as_ref()),
        }
    }

    /// Whether the names of all files are known that phones get: no source is missing, withheld, or for pods only to see.
    pub(super) fn knows_all_files(&self, key: &Key, site: &Site) -> bool {
        let sources = self.spec_sources(key, site);
        let is_found = |(_, map): &(&str, Dependency<&Inventory>)| matches!(map, Dependency::Found(_));
        sources.config_maps.iter().all(is_found) && !sources.spec.is_some_and(|source| source.is_pod_side())
    }

    /// What is to say of a site's ConfigMaps that do not exist, or of which nothing may be served.
    pub(super) fn unserved_maps(&self, key: &Key, site: &Site) -> Vec<Diagnostic> {
        let spec = site.spec();
        let firmware = spec.firmware.iter().filter_map(|firmware| firmware.source.as_ref());
        let firmware = firmware.map(|source| ("spec.firmware.source.configMaps", &source.config_maps));
        let files = spec.files.iter().map(|files| ("spec.files.configMaps", &files.config_maps));
        let maps = firmware.chain(files).flat_map(|(field, maps)| {
            maps.iter().enumerate().map(move |(i, map)| (format!("{field}[{i}].name"), &map.name))
        });
        maps.filter_map(|(field, name)| match self.dependencies.config_map(&key.sibling(name)) {
            Dependency::Withheld(why) => {
                Some(Diagnostic::error(Reason::SourceNotAllowed, field, why.describe("ConfigMap", name)))
            }
            // Of firmware that is not there the condition FirmwareStaged speaks.
            Dependency::Missing if field.starts_with("spec.files.") => {
                let what = format!("names the ConfigMap {name}, which does not exist");
                Some(Diagnostic::advice(advice::SOURCE_MISSING, field, what))
            }
            Dependency::Missing | Dependency::Pending | Dependency::Found(_) => None,
        })
        .collect()
    }

    /// Whether a ConfigMap was read, exists and may be served.
    pub fn may_serve_map(&self, key: &Key) -> bool {
        matches!(self.dependencies.config_map(key), Dependency::Found(_))
    }

    /// Whether a ConfigMap is known to be one of which nothing may be served.
    pub fn is_withheld_map(&self, key: &Key) -> bool {
        matches!(self.dependencies.config_map(key), Dependency::Withheld(_))
    }

    /// Notes the image that a phone should run.
    pub(super) fn want_image(&mut self, key: &Key, image: Option<&str>) {
        let Some(phone) = self.phones.get_mut(key) else { return };
        let Some(before) = phone.set_target(image) else { return };
        let Some(home) = phone.home().cloned() else { return };
        let Some(site) = self.sites.get_mut(&home) else { return };
        if site.images.want(before.as_deref(), image) {
            self.agenda.queue_images(&home);
        }
    }

    /// Decides anew which images are staged; if that changed, the site and its phones are rendered again.
    pub(super) fn restage(&mut self, key: &Key) {
        let Some(site) = self.sites.get_mut(key) else { return };
        let mut images = std::mem::take(&mut site.images);
        let Some(site) = self.sites.get(key) else { return };
        let holders = if self.offline { Holders::Sources } else { Holders::Pods(&site.pods, site.infra.wanted) };
        let wanted = site.spec().firmware.as_ref().and_then(|firmware| firmware.image.as_deref());
        let plan = site.plan().map(|plan| &**plan);
        let restaged = images.recompute(plan, &self.plan_sources(key, site), holders, wanted, self.clock);
        let Some(site) = self.sites.get_mut(key) else { return };
        site.images = images;
        if restaged.news {
            self.mark_all(key);
        }
        if !restaged.images_changed {
            return;
        }
        for phone in self.by_site.get(key).into_iter().flatten() {
            if let Some(phone) = self.phones.get_mut(phone)
                && phone.offer().image().is_some_and(|image| restaged.dropped.contains(image))
                && !phone.runs_its_offer()
            {
                phone.offer_mut().withdraw();
            }
        }
        self.agenda.queue_site(key);
        self.agenda.queue_rollout(key);
        self.render_phones_of(key);
    }

    /// Whether all pods hold what they should, and nothing else.
    pub fn pods_are_current(&self, key: &Key) -> bool {
        let Some(site) = self.sites.get(key) else { return true };
        let Some(plan) = site.plan() else { return true };
        let sources = self.plan_sources(key, site);
        let Some(catalog) = &sources.catalog else { return true };
        let mapped = |name: &str| {
            let holds = |map: &Dependency<&Inventory>| match map {
                Dependency::Found(map) => map.contains_key(name),
                Dependency::Pending | Dependency::Missing | Dependency::Withheld(_) => false,
            };
            // What comes from elsewhere is none of the kubelet's business.
            !plan.pod_side || sources.config_maps.iter().any(|(_, map)| holds(map))
        };
        let names: std::collections::BTreeSet<&str> =
            catalog.names().filter(|name| !site.placement.has(name) && mapped(name)).collect();
        let firmware: Vec<_> =
            names.into_iter().map(|name| (name, catalog.get(name).map(|file| file.digest))).collect();
        let common: Vec<_> = plan.files.files.iter().map(|file| (file.name.as_str(), Some(file.digest))).collect();
        site.counts.all_served()
            && (plan.pod_side || site.pods.all_have(site.placement.count() + firmware.len()))
            && site.pods.all_hold(&common)
            && site.pods.all_hold(&firmware)
    }

    /// The pods of a site hold something else: queues its nudge and its status, and its resync if phones wait for that.
    pub(super) fn pods_changed(&mut self, key: &Key) {
        self.follow_revoked(key);
        self.agenda.work(WorkItem::SiteStatus(key.clone()));
        self.agenda.work(WorkItem::Pods(key.clone()));
        if self.sites.get(key).is_some_and(|site| !site.resync_queue.is_empty()) {
            self.agenda.work(WorkItem::Resync(key.clone()));
        }
    }
}
