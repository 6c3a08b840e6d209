//! Which firmware images the phones of a site want, and which of them every TFTP pod holds whole.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::base::digest::Digest;
use crate::provision::catalog::{Catalog, files_of, problems, sizes};
use crate::provision::firmware::staging::{Holders, Sources, Staging};
use crate::provision::render::plan::SitePlan;

/// How long files go on naming an image, in seconds, after all pods were replaced by such that have not fetched it yet.
const LINGER: i64 = 600;

/// The files of an image, with their sizes.
pub type Parts = Arc<[(String, u64)]>;

/// What changed when staging was decided anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restaged {
    /// Whether other images than before may be named in files.
    pub images_changed: bool,
    /// Images that files must no longer name.
    pub dropped: BTreeSet<String>,
    /// Whether there is something else to say of an image.
    pub news: bool,
}

/// The images of a site.
#[derive(Debug, Default)]
pub struct Images {
    /// How many phones want each image.
    wanted: BTreeMap<String, usize>,
    /// The images that every pod holds whole.
    staged: BTreeSet<String>,
    /// The images that files may go on naming: every pod held them, and a pod that was started since does not yet.
    retained: BTreeSet<String>,
    /// Since when no pod holds an image that files may go on naming.
    missing_since: BTreeMap<String, Timestamp>,
    parts: BTreeMap<String, Parts>,
    /// What there is to say of each image that the site or a phone wants.
    staging: BTreeMap<String, Arc<Staging>>,
}

impl Images {
    /// What a status said before a restart.
    pub fn recover(staged: &[String]) -> Images {
        let staged: BTreeSet<String> = staged.iter().cloned().collect();
        Images { retained: staged.clone(), staged, ..Images::default() }
    }

    /// A phone wants another image than before; whether other images than before are wanted by any phone.
    pub fn want(&mut self, before: Option<&str>, after: Option<&str>) -> bool {
        let mut changed = false;
        if let Some(image) = after {
            let count = self.wanted.entry(image.to_owned()).or_insert(0);
            *count += 1;
            changed |= *count == 1;
        }
        if let Some(image) = before
            && let Some(count) = self.wanted.get_mut(image)
        {
            *count -= 1;
            if *count == 0 {
                self.wanted.remove(image);
                changed = true;
            }
        }
        changed
    }

    /// The images that every pod holds whole.
    pub fn staged(&self) -> &BTreeSet<String> {
        &self.staged
    }

    /// The images that files may name.
    pub fn retained(&self) -> &BTreeSet<String> {
        &self.retained
    }

    /// Whether an image is kept only for a while.
    pub fn is_lingering(&self) -> bool {
        !self.missing_since.is_empty()
    }

    /// The files of an image that files may name.
    pub fn parts(&self, image: &str) -> &[(String, u64)] {
        self.parts.get(image).map(|parts| &**parts).unwrap_or_default()
    }

    /// What there is to say of an image that the site or a phone wants.
    pub fn staging(&self, image: Option<&str>) -> Arc<Staging> {
        match image {
            None => Staging::no_image(),
            Some(image) => self.staging.get(image).cloned().unwrap_or_else(|| Arc::new(Staging::not_yet(image))),
        }
    }

    /// Decides anew which images are staged. `site_image` is the one that the site's newest spec names.
    pub fn recompute(
        &mut self,
        plan: Option<&SitePlan>,
        sources: &Sources<'_>,
        holders: Holders<'_>,
        site_image: Option<&str>,
        now: Timestamp,
    ) -> Restaged {
        let mut restaged = Restaged::default();
        if let (Some(plan), Some(catalog)) = (plan, &sources.catalog) {
            let site = StagingInput { plan, catalog, holders };
            restaged = self.restage(&site, now);
        }
        let wanted: BTreeSet<&str> = self
            .wanted
            .keys()
            .map(String::as_str)
            .chain(plan.and_then(|plan| plan.base.image.as_deref()))
            .chain(site_image)
            .collect();
        let staging = wanted.into_iter().map(|image| {
            (image.to_owned(), Arc::new(Staging::describe(image, self.staged.contains(image), plan, sources, holders)))
        });
        let staging: BTreeMap<_, _> = staging.collect();
        restaged.news |= restaged.images_changed || staging != self.staging;
        self.staging = staging;
        restaged
    }

    fn restage(&mut self, site: &StagingInput<'_, '_>, now: Timestamp) -> Restaged {
        let wanted: BTreeSet<&String> = self.wanted.keys().chain(site.plan.base.image.as_ref()).collect();
        let staged: BTreeSet<String> =
            wanted.into_iter().filter(|image| site.is_whole(image) && self.is_held(image, site)).cloned().collect();
        let mut retained = staged.clone();
        let mut missing_since = BTreeMap::new();
        for image in self.retained.difference(&staged) {
            let Holders::Pods(pods, _) = site.holders else { break };
            if pods.is_silent() || (site.is_whole(image) && pods.any_holds(&site.digests(&site.files(image)))) {
                retained.insert(image.clone());
            } else if site.plan.pod_side && site.files(image).iter().any(|file| site.catalog.get(file).is_none()) {
                // All pods were replaced, and the new ones are still fetching.
                let since = self.missing_since.get(image).copied().unwrap_or(now);
                if now.as_second() - since.as_second() <= LINGER {
                    retained.insert(image.clone());
                    missing_since.insert(image.clone(), since);
                }
            }
        }
        self.missing_since = missing_since;
        let parts = retained.iter().map(|image| (image.clone(), Parts::from(sizes(image, site.catalog))));
        let parts: BTreeMap<String, Parts> = parts.collect();
        let restaged = Restaged {
            images_changed: self.staged != staged || self.retained != retained,
            dropped: self.retained.difference(&retained).cloned().collect(),
            news: self.parts != parts,
        };
        (self.staged, self.retained, self.parts) = (staged, retained, parts);
        restaged
    }

    fn is_held(&self, image: &str, site: &StagingInput<'_, '_>) -> bool {
        let Holders::Pods(pods, wanted) = site.holders else { return true };
        if pods.is_silent() {
            // No pod answers, for instance right after a start: what was true stays true.
            return self.staged.contains(image);
        }
        // A pod that has not reported yet may not hold it; one that is replaced later revokes nothing.
        let all_answer = pods.answering() as i64 >= wanted || self.staged.contains(image);
        all_answer && pods.all_hold(&site.digests(&site.files(image)))
    }
}

/// What decides whether an image is staged.
struct StagingInput<'a, 'c> {
    plan: &'a SitePlan,
    catalog: &'a Catalog<'c>,
    holders: Holders<'a>,
}

impl StagingInput<'_, '_> {
    fn is_whole(&self, image: &str) -> bool {
        problems(image, self.catalog, &self.plan.checksums).is_empty()
    }

    fn files(&self, image: &str) -> Vec<String> {
        files_of(image, self.catalog)
    }

    /// The digests that the files have in the sources.
    fn digests<'f>(&self, files: &'f [String]) -> Vec<(&'f str, Option<Digest>)> {
        files.iter().map(|file| (file.as_str(), self.catalog.get(file).map(|file| file.digest))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Reason, Stage};
    use crate::base::report::FileProblem;
    use crate::provision::catalog::FirmwareFile;
    use crate::provision::catalog::Inventory;
    use crate::provision::dependencies::Dependency;
    use crate::provision::observe::pods::Pods;
    use crate::provision::render::plan::{CommonFiles, PhoneBase};
    use crate::provision::render::reach::Reach;

    const IMAGE: &str = "P0S3-06-3-00";
    const FILE: &str = "P0S3-06-3-00.bin";

    fn plan(config_maps: &[&str], pod_side: bool) -> SitePlan {
        SitePlan {
            base: PhoneBase::default(),
            files: CommonFiles::default(),
            image: None,
            reach: Reach::default(),
            bootstrap: None,
            config_maps: config_maps.iter().map(|name| (*name).to_owned()).collect(),
            checksums: BTreeMap::new(),
            pod_side,
            hours: None,
            networks: Default::default(),
        }
    }

    fn inventory(bytes: &[u8]) -> Inventory {
        [(FILE.to_owned(), FirmwareFile::new(FILE, bytes))].into()
    }

    fn sources(held: &Inventory) -> Sources<'_> {
        Sources {
            catalog: Some(Catalog::new(vec![held])),
            config_maps: vec![("fw", Dependency::Found(held))],
            folder: Catalog::default(),
            spec: None,
        }
    }

    fn pods(names: &[&str], bytes: &[u8]) -> Pods {
        let mut pods = Pods::default();
        for name in names {
            pods.report(name, true, vec![(FILE.to_owned(), Digest::of(bytes))], &[]);
        }
        pods
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn wanting() -> Images {
        let mut images = Images::default();
        images.want(None, Some(IMAGE));
        images
    }

    #[test]
    fn an_image_is_staged_when_all_pods_that_should_run_hold_it() {
        let (held, plan) = (inventory(b"x"), plan(&["fw"], false));
        let mut images = wanting();
        let one = pods(&["a"], b"x");
        images.recompute(Some(&plan), &sources(&held), Holders::Pods(&one, 2), None, at(0));
        assert_eq!(images.staging(Some(IMAGE)).reason, Reason::Pending);
        let two = pods(&["a", "b"], b"x");
        let restaged = images.recompute(Some(&plan), &sources(&held), Holders::Pods(&two, 2), None, at(0));
        assert!(restaged.images_changed && restaged.news);
        assert_eq!(images.staging(Some(IMAGE)).stage, Stage::Staged);
        let again = images.recompute(Some(&plan), &sources(&held), Holders::Pods(&two, 2), None, at(0));
        assert_eq!(again, Restaged::default(), "nothing is new");
        images.recompute(Some(&plan), &sources(&held), Holders::Pods(&one, 2), None, at(0));
        assert_eq!(images.staging(Some(IMAGE)).stage, Stage::Staged, "a pod that is replaced revokes nothing");
    }

    #[test]
    fn a_new_pod_without_the_image_keeps_it_named_but_not_offered() {
        let (held, plan) = (inventory(b"x"), plan(&["fw"], false));
        let mut images = wanting();
        images.recompute(Some(&plan), &sources(&held), Holders::Pods(&pods(&["a"], b"x"), 1), None, at(0));
        let mut both = pods(&["a"], b"x");
        both.report("b", true, Vec::new(), &[]);
        let restaged = images.recompute(Some(&plan), &sources(&held), Holders::Pods(&both, 1), None, at(0));
        assert!(images.staged().is_empty() && images.retained().contains(IMAGE));
        assert!(restaged.dropped.is_empty());
    }

    #[test]
    fn an_image_that_all_new_pods_still_fetch_is_retained_for_a_while() {
        let (held, none, plan) = (inventory(b"x"), Inventory::new(), plan(&[], true));
        let spec = |catalog| Sources { config_maps: Vec::new(), ..sources(catalog) };
        let mut images = wanting();
        images.recompute(Some(&plan), &spec(&held), Holders::Pods(&pods(&["a"], b"x"), 1), None, at(0));
        let mut fresh = Pods::default();
        fresh.report("b", true, Vec::new(), &[]);
        images.recompute(Some(&plan), &spec(&none), Holders::Pods(&fresh, 1), None, at(10));
        assert!(images.is_lingering() && images.retained().contains(IMAGE));
        let late = images.recompute(Some(&plan), &spec(&none), Holders::Pods(&fresh, 1), None, at(10 + LINGER + 1));
        assert_eq!(late.dropped, BTreeSet::from([IMAGE.to_owned()]));
    }

    #[test]
    fn a_problem_belongs_to_its_file_whatever_its_text() {
        let plan = plan(&[], true);
        let held = Inventory::new();
        let mut pods = Pods::default();
        pods.report("a", true, Vec::new(), &[]);
        let problem = |file: &str, message: &str| FileProblem { file: file.into(), message: message.into() };
        let problems = [problem("other", &format!("{FILE}: gone")), problem(FILE, "https://a: 404")];
        pods.report_firmware("a", true, std::iter::empty(), &[], &problems);
        let mut images = wanting();
        let sources = Sources { config_maps: Vec::new(), ..sources(&held) };
        images.recompute(Some(&plan), &sources, Holders::Pods(&pods, 1), None, at(0));
        let staging = images.staging(Some(IMAGE));
        assert_eq!(staging.reason, Reason::FetchFailed);
        assert_eq!(staging.message, format!("{IMAGE} is not whole: {FILE}: https://a: 404"));
    }

    #[test]
    fn an_image_without_a_source_and_one_with_a_missing_source_say_so() {
        let mut images = wanting();
        let none = Inventory::new();
        let mut sources = Sources { config_maps: Vec::new(), ..sources(&none) };
        images.recompute(Some(&plan(&[], false)), &sources, Holders::Sources, None, at(0));
        assert_eq!(images.staging(Some(IMAGE)).reason, Reason::NoSource);
        sources.config_maps = vec![("fw", Dependency::Missing)];
        images.recompute(Some(&plan(&["fw"], false)), &sources, Holders::Sources, None, at(0));
        assert_eq!(images.staging(Some(IMAGE)).reason, Reason::SourceNotFound);
        images.want(Some(IMAGE), None);
        assert!(images.recompute(Some(&plan(&["fw"], false)), &sources, Holders::Sources, None, at(0)).news);
    }
}
