//! How far a firmware image is, and why it is not further: in words that say where its files are looked for.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use crate::api::{FirmwareSource, Origin, Reason, Stage};
use crate::provision::catalog::{Catalog, Inventory, files_of, problems};
use crate::provision::dependencies::Dependency;
use crate::provision::observe::pods::Pods;
use crate::provision::render::plan::SitePlan;
use crate::provision::verdict::Verdict;

/// How far an image is, and why it is not further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Staging {
    /// `Unmanaged`, `Pending` or `Staged`.
    pub stage: Stage,
    /// Why.
    pub reason: Reason,
    /// The same in words, and what to do.
    pub message: String,
}

impl Staging {
    /// Of a phone that should run no image in particular. Most phones of a site without firmware share it.
    pub fn no_image() -> Arc<Staging> {
        static NO_IMAGE: LazyLock<Arc<Staging>> =
            LazyLock::new(|| Staging::unmanaged("no firmware image is wanted: phones keep what they run"));
        NO_IMAGE.clone()
    }

    /// Of a phone that belongs to no site.
    pub fn no_site() -> Arc<Staging> {
        Staging::unmanaged("the phone belongs to no site")
    }

    fn unmanaged(message: &str) -> Arc<Staging> {
        Arc::new(Staging { stage: Stage::Unmanaged, reason: Reason::Unmanaged, message: message.to_owned() })
    }

    /// Of an image about which nothing more is known yet.
    pub fn not_yet(image: &str) -> Staging {
        Staging::pending(Reason::Pending, format!("{image} is not staged yet"))
    }

    fn pending(reason: Reason, message: String) -> Staging {
        Staging { stage: Stage::Pending, reason, message }
    }

    /// Describes an image that the site or a phone wants; `is_staged` if every pod holds it whole.
    pub fn describe(
        image: &str,
        is_staged: bool,
        plan: Option<&SitePlan>,
        sources: &Sources<'_>,
        holders: Holders<'_>,
    ) -> Staging {
        if is_staged {
            let by = match holders {
                Holders::Pods(..) => "every TFTP pod holds",
                Holders::Sources => "the source holds",
            };
            let message = format!("{by} {image}, whole");
            return Staging { stage: Stage::Staged, reason: Reason::Staged, message };
        }
        let Some(plan) = plan else { return Staging::not_yet(image) };
        if plan.config_maps.is_empty() && !plan.pod_side && sources.folder.names().next().is_none() {
            let message = format!(
                "{image} is wanted and there is no source for it: name one in the site's spec.firmware.source; phones are not told of it until then"
            );
            return Staging::pending(Reason::NoSource, message);
        }
        let missing = sources.config_maps.iter().filter(|(_, map)| *map == Dependency::Missing);
        let missing: Vec<&str> = missing.map(|(name, _)| *name).collect();
        if !missing.is_empty() {
            let message =
                format!("ConfigMap {} does not exist: create it, or correct spec.firmware.source", missing.join(", "));
            return Staging::pending(Reason::SourceNotFound, message);
        }
        let Some(catalog) = &sources.catalog else { return Staging::not_yet(image) };
        let problems = problems(image, catalog, &plan.checksums);
        if let Holders::Pods(pods, _) = holders {
            let files = files_of(image, catalog);
            let failed: BTreeSet<String> =
                pods.problems().filter(|problem| files.contains(&problem.file)).map(ToString::to_string).collect();
            if !failed.is_empty() {
                let failed: Vec<String> = failed.into_iter().collect();
                let message = format!("{image} is not whole: {}", failed.join("; "));
                return Staging::pending(Reason::FetchFailed, message);
            }
            if plan.pod_side && !pods.know_firmware() && !problems.is_empty() {
                let message = format!("no TFTP pod has told yet which files of {image} it has");
                return Staging::pending(Reason::Pending, message);
            }
        }
        if problems.is_empty() {
            return Staging::pending(Reason::Pending, format!("not every TFTP pod holds {image} yet"));
        }
        let described = problems.iter().map(|problem| match &problem.found {
            Some(found) => format!("{problem} (in {})", sources.origin(Some(found))),
            None => format!("{problem} in {}", sources.origin(None)),
        });
        let described = described.collect::<Vec<_>>().join("; ");
        Staging::pending(Reason::Incomplete, format!("{image} is not whole: {described}"))
    }

    /// The condition `FirmwareStaged`.
    pub fn verdict(&self) -> Verdict {
        Verdict { holds: !self.is_pending(), reason: self.reason, message: self.message.clone().into() }
    }

    /// Whether phones have to wait for the image.
    pub fn is_pending(&self) -> bool {
        self.stage == Stage::Pending
    }

    /// Whether phones have to wait until a person changes something.
    pub fn is_stalled(&self) -> bool {
        self.is_pending() && self.reason != Reason::Pending
    }
}

/// Where a site's firmware is looked for.
#[derive(Clone, Debug)]
pub struct Sources<'a> {
    /// All files that are known; nothing while a ConfigMap has not been read.
    pub catalog: Option<Catalog<'a>>,
    /// The ConfigMaps, later ones win, with what they hold.
    pub config_maps: Vec<(&'a str, Dependency<&'a Inventory>)>,
    /// The folder of a shell without a cluster.
    pub folder: Catalog<'a>,
    /// The other origins.
    pub spec: Option<&'a FirmwareSource>,
}

impl Sources<'_> {
    /// Where a file comes from, or where all are looked for.
    fn origin(&self, file: Option<&str>) -> String {
        let has = |catalog: &Catalog<'_>| file.is_none_or(|file| catalog.get(file).is_some());
        let holds = |map: &Dependency<&Inventory>| match (file, map) {
            (None, _) => true,
            (Some(file), Dependency::Found(map)) => map.contains_key(file),
            (Some(_), Dependency::Pending | Dependency::Missing | Dependency::Withheld(_)) => false,
        };
        let maps = self.config_maps.iter().filter(|(_, map)| holds(map));
        let mut found: Vec<String> = maps.map(|(name, _)| format!("ConfigMap {name}")).collect();
        if file.is_some() && !found.is_empty() {
            // The last one wins.
            return found.pop().unwrap_or_default();
        }
        if self.folder.names().next().is_some() && has(&self.folder) {
            found.push("the firmware folder".to_owned());
        }
        for origin in self.spec.into_iter().flat_map(FirmwareSource::origins) {
            let name = match origin {
                // Handled above, with what they hold.
                Origin::ConfigMap(_) => continue,
                Origin::Url(one) if file.is_some_and(|file| one.file_name() != file) => continue,
                Origin::Url(_) => "urls".to_owned(),
                Origin::Image(image) => format!("image {}", image.reference),
                Origin::Volume(claim) => format!("PersistentVolumeClaim {}", claim.claim_name),
            };
            if !found.contains(&name) {
                found.push(name);
            }
        }
        found.join(if file.is_some() { " or " } else { ", " })
    }
}

/// Who says what a site's phones can get.
#[derive(Clone, Copy, Debug)]
pub enum Holders<'a> {
    /// The pods, of which so many should run.
    Pods(&'a Pods, i64),
    /// No pods: what the sources hold is what is served.
    Sources,
}
