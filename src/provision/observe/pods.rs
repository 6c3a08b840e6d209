//! What each TFTP pod of a site holds, as it says itself.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::base::digest::Digest;
use crate::base::report::FileProblem;
use crate::provision::File;
use crate::provision::catalog::{FirmwareFile, Inventory};

/// Whether the TFTP pods hold a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Served {
    /// There is nothing to hold.
    #[default]
    Nothing,
    /// No pod says what it holds.
    NoServer,
    /// Not every pod holds it.
    Pending,
    /// Every pod holds it.
    Everywhere,
}

/// What a pod's report changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodChange {
    /// Whether nothing was known of the pod before.
    pub new: bool,
    /// The files that it holds now, or otherwise, or no longer.
    pub files: BTreeSet<String>,
}

impl PodChange {
    /// Whether anything changed.
    pub fn is_news(&self) -> bool {
        self.new || !self.files.is_empty()
    }
}

/// The inventories of a site's pods.
#[derive(Debug, Default)]
pub struct Pods(BTreeMap<String, Pod>);

#[derive(Debug, Default)]
struct Pod {
    /// All files; nothing until the pod has reported them all.
    held: Option<HashMap<String, Digest>>,
    /// Its firmware files, which may come from where the operator cannot look.
    firmware: Option<Inventory>,
    /// Why files could not be loaded.
    problems: Vec<FileProblem>,
}

impl Pods {
    /// Notes what a pod holds: everything if `complete`, otherwise what changed. `None` if nothing can be made of it, because it
    /// is a change of what is not known.
    pub fn report(
        &mut self,
        pod: &str,
        complete: bool,
        held: Vec<(String, Digest)>,
        gone: &[String],
    ) -> Option<PodChange> {
        let new = self.held(pod).is_none();
        if new && !complete {
            return None;
        }
        let known = self.0.entry(pod.to_owned()).or_default().held.get_or_insert_default();
        let mut files = BTreeSet::new();
        if complete {
            let next: HashMap<String, Digest> = held.into_iter().collect();
            let differs = |(name, digest): &(&String, &Digest)| next.get(*name) != Some(*digest);
            files.extend(known.iter().filter(differs).map(|(name, _)| name.clone()));
            files.extend(next.keys().filter(|name| !known.contains_key(*name)).cloned());
            *known = next;
        } else {
            files.extend(gone.iter().filter(|name| known.remove(*name).is_some()).cloned());
            for (name, digest) in held {
                if known.insert(name.clone(), digest) != Some(digest) {
                    files.insert(name);
                }
            }
        }
        Some(PodChange { new, files })
    }

    /// Notes a pod's firmware files, all of them if `complete`, and what is wrong with others; whether anything changed.
    pub fn report_firmware(
        &mut self,
        pod: &str,
        complete: bool,
        files: impl Iterator<Item = (String, FirmwareFile)>,
        gone: &[String],
        problems: &[FileProblem],
    ) -> bool {
        let pod = self.0.entry(pod.to_owned()).or_default();
        let mut news = pod.firmware.is_none();
        let known = pod.firmware.get_or_insert_default();
        let mut next = if complete { Inventory::new() } else { std::mem::take(known) };
        for name in gone.iter().filter(|_| !complete) {
            news |= next.remove(name).is_some();
        }
        for (name, file) in files {
            news |= !complete && next.get(&name) != Some(&file);
            next.insert(name, file);
        }
        news |= complete && *known != next;
        *known = next;
        if pod.problems != problems {
            pod.problems = problems.to_vec();
            news = true;
        }
        news
    }

    /// Forgets a pod that does not answer any more; whether it counted.
    pub fn remove(&mut self, pod: &str) -> bool {
        self.0.remove(pod).is_some_and(|pod| pod.held.is_some())
    }

    fn held(&self, pod: &str) -> Option<&HashMap<String, Digest>> {
        self.0.get(pod)?.held.as_ref()
    }

    /// The files of each pod that has reported them.
    fn all(&self) -> impl Iterator<Item = &HashMap<String, Digest>> {
        self.0.values().filter_map(|pod| pod.held.as_ref())
    }

    /// Whether a pod has reported what it holds.
    pub fn answers(&self, pod: &str) -> bool {
        self.held(pod).is_some()
    }

    /// How many pods have reported what they hold.
    pub fn answering(&self) -> usize {
        self.all().count()
    }

    /// Whether no pod has.
    pub fn is_silent(&self) -> bool {
        self.all().next().is_none()
    }

    /// Whether every pod holds all of these files as they are.
    pub fn serve(&self, files: &[File]) -> Served {
        if self.is_silent() {
            return Served::NoServer;
        }
        let everywhere = self.all().all(|held| files.iter().all(|file| held.get(&file.name) == Some(&file.digest)));
        if everywhere { Served::Everywhere } else { Served::Pending }
    }

    /// Whether every pod holds files with these digests; a digest is missing where a file is not known.
    pub fn all_hold(&self, files: &[(&str, Option<Digest>)]) -> bool {
        self.all().all(|held| holds(held, files))
    }

    /// Whether one pod does.
    pub fn any_holds(&self, files: &[(&str, Option<Digest>)]) -> bool {
        self.all().any(|held| holds(held, files))
    }

    /// Whether every pod holds exactly so many files.
    pub fn all_have(&self, count: usize) -> bool {
        self.all().all(|held| held.len() == count)
    }

    /// Whether any pod has reported its firmware files.
    pub fn know_firmware(&self) -> bool {
        self.0.values().any(|pod| pod.firmware.is_some())
    }

    /// The firmware files of each pod.
    pub fn firmware(&self) -> impl DoubleEndedIterator<Item = &Inventory> {
        self.0.values().filter_map(|pod| pod.firmware.as_ref())
    }

    /// Why files could not be loaded, in any pod.
    pub fn problems(&self) -> impl Iterator<Item = &FileProblem> {
        self.0.values().flat_map(|pod| &pod.problems)
    }
}

fn holds(held: &HashMap<String, Digest>, files: &[(&str, Option<Digest>)]) -> bool {
    files.iter().all(|(name, digest)| held.get(*name).copied() == *digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn digest(n: u8) -> Digest {
        Digest::of(&[n])
    }

    #[test]
    fn a_change_of_what_is_not_known_is_not_taken() {
        let mut pods = Pods::default();
        assert_eq!(pods.report("a", false, vec![("f".to_owned(), digest(1))], &[]), None);
        assert!(pods.is_silent());
        let first = pods.report("a", true, vec![("f".to_owned(), digest(1))], &[]).unwrap();
        assert!(first.new && first.is_news());
        let same = pods.report("a", true, vec![("f".to_owned(), digest(1))], &[]).unwrap();
        assert!(!same.is_news());
    }

    #[test]
    fn a_pod_that_only_told_of_its_firmware_does_not_count() {
        let mut pods = Pods::default();
        assert!(pods.report_firmware("a", true, std::iter::empty(), &[], &[]));
        assert!(pods.is_silent() && pods.know_firmware());
        assert!(!pods.remove("a"), "it never counted");
    }

    #[test]
    fn files_are_served_when_every_pod_holds_them() {
        let file = File::new("f", vec![1]);
        let mut pods = Pods::default();
        assert_eq!(pods.serve(std::slice::from_ref(&file)), Served::NoServer);
        pods.report("a", true, vec![("f".to_owned(), file.digest)], &[]);
        assert_eq!(pods.serve(std::slice::from_ref(&file)), Served::Everywhere);
        pods.report("b", true, vec![("f".to_owned(), digest(9))], &[]);
        assert_eq!(pods.serve(std::slice::from_ref(&file)), Served::Pending);
        pods.remove("b");
        assert_eq!(pods.serve(std::slice::from_ref(&file)), Served::Everywhere);
    }

    proptest! {
        /// Changes one by one lead to what one whole report says, and each names exactly the files that differ.
        #[test]
        fn changes_add_up_to_a_whole_report(steps in proptest::collection::vec(proptest::collection::vec((0u8..6, proptest::option::of(0u8..3)), 0..6), 0..12)) {
            let (mut changed, mut whole) = (Pods::default(), Pods::default());
            let mut now: BTreeMap<String, Digest> = BTreeMap::new();
            changed.report("a", true, Vec::new(), &[]);
            for step in steps {
                let before = now.clone();
                let (mut held, mut gone) = (Vec::new(), Vec::new());
                for (name, content) in step.into_iter().map(|(name, content)| (format!("f{name}"), content)) {
                    if held.iter().any(|(one, _)| *one == name) || gone.contains(&name) {
                        continue;
                    }
                    match content {
                        Some(n) => {
                            now.insert(name.clone(), digest(n));
                            held.push((name, digest(n)));
                        }
                        None => {
                            now.remove(&name);
                            gone.push(name);
                        }
                    }
                }
                let change = changed.report("a", false, held, &gone).unwrap();
                let names: BTreeSet<String> = before.keys().chain(now.keys()).cloned().collect();
                let differ: BTreeSet<String> = names.into_iter().filter(|name| before.get(name) != now.get(name)).collect();
                prop_assert_eq!(change.files, differ);
                whole.report("a", true, now.clone().into_iter().collect(), &[]);
                prop_assert_eq!(changed.held("a"), whole.held("a"));
            }
        }
    }
}
