//! Which images are there, whole, in every pod.

use super::*;
use crate::api::Stage;
use crate::base::report::FileProblem;
use crate::provision::firmware::{files_of, problems, sizes};

/// How long files go on naming an image, in seconds, after all pods were replaced by such that have not fetched it yet.
const LINGER: i64 = 600;

impl Fleet {
    /// Notes the image that a phone should run.
    pub(super) fn want_image(&mut self, key: &Key, image: Option<&str>) {
        let Some(entry) = self.phones.get_mut(key) else { return };
        if entry.image.as_deref() == image {
            return;
        }
        let before = std::mem::replace(&mut entry.image, image.map(str::to_owned));
        let Some(home) = entry.home.clone() else { return };
        let Some(site) = self.sites.get_mut(&home) else { return };
        if let Some(image) = &before
            && let Some(count) = site.images.get_mut(image)
        {
            *count -= 1;
            if *count == 0 {
                site.images.remove(image);
            }
        }
        if let Some(image) = image {
            *site.images.entry(image.to_owned()).or_insert(0) += 1;
        }
        self.restage(&home);
    }

    /// A digest of what a ConfigMap with firmware holds.
    pub fn firmware_digest(&self, source: &Key) -> Option<Digest> {
        let inventory = self.firmware.get(source)?.as_ref()?;
        let lines: Vec<String> = inventory.iter().map(|(name, file)| format!("{name} {}", file.digest)).collect();
        Some(Digest::of(lines.join("\n").as_bytes()))
    }

    /// All files of a site's sources; `None` while one is unread. A later source wins over an earlier one, as in the pod.
    pub(super) fn inventory(&self, site: &Key, plan: &SitePlan) -> Option<Inventory> {
        let mut all = self.folder.clone();
        for name in &plan.sources {
            if let Some(inventory) = self.firmware.get(&site.sibling(name))? {
                all.extend(inventory.iter().map(|(name, file)| (name.clone(), file.clone())));
            }
        }
        if plan.outside {
            let seen = self.sites.get(site).into_iter().flat_map(|site| site.outside.values().flatten());
            for (name, file) in seen {
                all.entry(name.clone()).or_insert_with(|| file.clone());
            }
        }
        Some(all)
    }

    /// Whether a firmware file comes from a ConfigMap.
    pub(super) fn is_mapped(&self, site: &Key, plan: &SitePlan, name: &str) -> bool {
        let maps = plan.sources.iter().filter_map(|map| self.firmware.get(&site.sibling(map))?.as_ref());
        maps.into_iter().any(|map| map.contains_key(name))
    }

    /// Looks again which images are staged; if that changed, the site and its phones are looked at again.
    pub(super) fn restage(&mut self, key: &Key) {
        let Some(site) = self.sites.get(key) else { return };
        let Some(plan) = site.plan.clone() else { return };
        let wanted: BTreeSet<&String> = site.images.keys().chain(plan.base.image.as_ref()).collect();
        if wanted.is_empty() && site.staged.is_empty() && site.kept.is_empty() {
            return;
        }
        let Some(inventory) = self.inventory(key, &plan) else { return };
        let whole = |image: &String| problems(image, &inventory, &plan.checksums).is_empty();
        let staged: BTreeSet<String> =
            wanted.into_iter().filter(|image| whole(image) && self.is_held(site, image, &inventory)).cloned().collect();
        let mut lost = BTreeMap::new();
        let mut kept = staged.clone();
        for image in site.kept.difference(&staged) {
            let by_one = || {
                let files = files_of(image, &inventory);
                site.pods.values().any(|held| holds(held, &files, &inventory))
            };
            if self.offline {
                break;
            } else if site.pods.is_empty() || (whole(image) && by_one()) {
                kept.insert(image.clone());
            } else if plan.outside && files_of(image, &inventory).iter().any(|file| !inventory.contains_key(file)) {
                // All pods were replaced, and the new ones are still fetching.
                let since = site.lost.get(image).copied().unwrap_or(self.clock);
                if self.clock.as_second() - since.as_second() <= LINGER {
                    kept.insert(image.clone());
                    lost.insert(image.clone(), since);
                }
            }
        }
        let parts = kept.iter().map(|image| (image.clone(), sizes(image, &inventory))).collect();
        let gone: Vec<String> = site.kept.difference(&kept).cloned().collect();
        self.mark(WorkItem::SiteStatus(key.clone()));
        let Some(site) = self.sites.get_mut(key) else { return };
        (site.parts, site.lost) = (parts, lost);
        if site.staged == staged && site.kept == kept {
            return;
        }
        (site.staged, site.kept) = (staged, kept);
        for phone in self.by_site.get(key).into_iter().flatten() {
            let Some(phone) = self.phones.get_mut(phone) else { continue };
            let runs =
                phone.track.now().running.as_ref().is_some_and(|running| Some(&running.image) == phone.told.as_ref());
            if !runs && phone.told.as_ref().is_some_and(|told| gone.contains(told)) {
                phone.told = None;
            }
        }
        self.todo_sites.insert(key.clone());
        self.todo_rolls.insert(key.clone());
        self.todo_phones.extend(self.by_site.get(key).into_iter().flatten().cloned());
    }

    fn is_held(&self, site: &Site, image: &str, inventory: &Inventory) -> bool {
        if self.offline {
            return true;
        }
        if site.pods.is_empty() {
            // Nobody to ask, for instance right after a start: what was true stays true.
            return site.staged.contains(image);
        }
        // A pod that has not told yet what it holds may not hold it; one that is replaced later takes no word back.
        let all_told = site.pods.len() as i64 >= site.infra.wanted || site.staged.contains(image);
        let files = files_of(image, inventory);
        all_told && site.pods.values().all(|held| holds(held, &files, inventory))
    }

    /// Where a file comes from, or where all are looked for.
    fn origin(&self, key: &Key, site: &Site, plan: &SitePlan, file: Option<&str>) -> String {
        let holds = |held: &Inventory| file.is_none_or(|file| held.contains_key(file));
        let maps = plan.sources.iter().filter(|name| {
            let map = self.firmware.get(&key.sibling(*name)).and_then(Option::as_ref);
            file.is_none() || map.is_some_and(|map| holds(map))
        });
        let mut found: Vec<String> = maps.map(|name| format!("ConfigMap {name}")).collect();
        if file.is_some() && !found.is_empty() {
            // The last one wins.
            found.drain(..found.len() - 1);
            return found.concat();
        }
        if !self.folder.is_empty() && holds(&self.folder) {
            found.push("the firmware folder".to_owned());
        }
        for source in site.spec.firmware.iter().filter_map(|firmware| firmware.source.as_ref()) {
            if source.urls.iter().any(|one| file.is_none_or(|file| one.file_name() == file)) {
                found.push("urls".to_owned());
            }
            found.extend(source.image.iter().map(|image| format!("image {}", image.reference)));
            let claim = source.persistent_volume_claim.iter();
            found.extend(claim.map(|claim| format!("PersistentVolumeClaim {}", claim.claim_name)));
        }
        found.join(if file.is_some() { " or " } else { ", " })
    }

    /// How far an image is, and why it is not further: a reason and a message.
    pub(super) fn stage_of(&self, key: &Key, site: &Site, image: Option<&str>) -> (Stage, &'static str, String) {
        let Some(image) = image else {
            return (
                Stage::Unmanaged,
                "Unmanaged",
                "no firmware image is wanted: phones keep what they run".to_owned(),
            );
        };
        if site.staged.contains(image) {
            let by = if self.offline { "the source holds" } else { "every TFTP pod holds" };
            return (Stage::Staged, "Staged", format!("{by} {image}, whole"));
        }
        let Some(plan) = &site.plan else {
            return (Stage::Pending, "Pending", format!("{image} is not staged yet"));
        };
        if plan.sources.is_empty() && !plan.outside && self.folder.is_empty() {
            let message = format!(
                "{image} is wanted and there is no source for it: name one in the site's spec.firmware.source; phones are not told of it until then"
            );
            return (Stage::Pending, "NoSource", message);
        }
        let missing: Vec<&str> = plan
            .sources
            .iter()
            .filter(|name| matches!(self.firmware.get(&key.sibling(*name)), Some(None)))
            .map(String::as_str)
            .collect();
        if !missing.is_empty() {
            return (
                Stage::Pending,
                "SourceNotFound",
                format!("ConfigMap {} does not exist: create it, or correct spec.firmware.source", missing.join(", ")),
            );
        }
        let Some(inventory) = self.inventory(key, plan) else {
            return (Stage::Pending, "Pending", format!("{image} is not staged yet"));
        };
        let problems = problems(image, &inventory, &plan.checksums);
        let files = files_of(image, &inventory);
        let about = |problem: &&FileProblem| files.contains(&problem.file);
        let failed: BTreeSet<String> =
            site.problems.values().flatten().filter(about).map(FileProblem::to_string).collect();
        if !failed.is_empty() {
            let failed: Vec<String> = failed.into_iter().collect();
            return (Stage::Pending, "FetchFailed", format!("{image} is not whole: {}", failed.join("; ")));
        }
        if plan.outside && site.outside.is_empty() && !problems.is_empty() {
            return (Stage::Pending, "Pending", format!("no TFTP pod has told yet which files of {image} it has"));
        }
        if problems.is_empty() {
            (Stage::Pending, "Pending", format!("not every TFTP pod holds {image} yet"))
        } else {
            let told = problems.iter().map(|problem| match &problem.found {
                Some(found) => format!("{problem} (in {})", self.origin(key, site, plan, Some(found))),
                None => format!("{problem} in {}", self.origin(key, site, plan, None)),
            });
            let told = told.collect::<Vec<_>>().join("; ");
            (Stage::Pending, "Incomplete", format!("{image} is not whole: {told}"))
        }
    }
}

/// Whether a pod holds files as they are in the sources.
fn holds(held: &HashMap<String, Digest>, files: &[String], inventory: &Inventory) -> bool {
    files.iter().all(|file| held.get(file).copied() == inventory.get(file).map(|file| file.digest))
}
