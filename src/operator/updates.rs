//! How far each site is with the update of its pods that follows an upgrade of the operator; what was decided, and what was said.

use std::collections::BTreeMap;

use super::leaf::Leaf;
use crate::api::Reason;
use crate::provision::Key;
use crate::provision::updates::{Member, Turns, UpdateStage, turns};

/// The pods' updates, site by site.
#[derive(Debug, Default)]
pub(super) struct Updates(Leaf<BTreeMap<Key, Site>>);

#[derive(Debug, Default)]
struct Site {
    /// `None` until the site was looked at once.
    member: Option<Member>,
    /// It is its turn, and its Deployment was not written yet.
    granted: bool,
    known: Option<Known>,
    said: Option<Said>,
}

/// What a condition says of a site's update.
pub(super) type Said = (Reason, String);

/// What was last seen to be as it should stay until the site's turn: what differs from it is no consequence of the upgrade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// The digest of what the site's spec asks for.
    pub(super) asked: String,
    /// The fingerprint of a Deployment that waits, and the image of its pods.
    pub(super) waits: Option<(Vec<u8>, String)>,
}

/// What follows from a decision.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Decision {
    /// Sites whose Deployments are to be written.
    pub(super) granted: Vec<Key>,
    /// What has to be said of sites now that was not said before; nothing of those of which nothing is to be said any more.
    pub(super) said: Vec<(Key, Option<Said>)>,
}

impl Updates {
    /// Whether it is a site's turn.
    pub(super) fn is_granted(&self, site: &Key) -> bool {
        self.0.lock().get(site).is_some_and(|site| site.granted)
    }

    /// What was last known of a site's Deployment.
    pub(super) fn known(&self, site: &Key) -> Option<Known> {
        self.0.lock().get(site)?.known.clone()
    }

    /// Notes what is to stay until it is the site's turn.
    pub(super) fn note_known(&self, site: &Key, known: Known) {
        self.0.lock().entry(site.clone()).or_default().known = Some(known);
    }

    /// Notes how far a site is; with `None` that its Deployment was not seen to. Whether anything may follow from that.
    pub(super) fn note(&self, key: &Key, canary: bool, stage: Option<UpdateStage>) -> bool {
        let mut all = self.0.lock();
        let site = all.entry(key.clone()).or_default();
        let stage = stage.or(site.member.map(|member| member.stage)).unwrap_or(UpdateStage::Settled);
        site.granted &= matches!(stage, UpdateStage::Outdated { .. });
        let before = site.member.replace(Member { canary, stage });
        before != site.member
    }

    /// Decides whose turn it is. Nothing is decided before all sites were looked at.
    pub(super) fn decide(&self, sites: &[Key], most: usize) -> Decision {
        let mut all = self.0.lock();
        let mut members = BTreeMap::new();
        for key in sites {
            let Some(Site { member: Some(member), granted, .. }) = all.get(key) else { return Decision::default() };
            let stage = if *granted { UpdateStage::Updating } else { member.stage };
            members.insert(key.clone(), Member { stage, ..*member });
        }
        let Turns { next, stopped_by } = turns(most, &members);
        for key in &next {
            if let Some(site) = all.get_mut(key) {
                site.granted = true;
            }
        }
        let mut said = Vec::new();
        for (key, site) in all.iter_mut() {
            let stage = members.get(key).map_or(UpdateStage::Settled, |member| member.stage);
            let now = if site.granted { None } else { to_say(key, stage, stopped_by.as_ref()) };
            if site.said != now {
                site.said.clone_from(&now);
                said.push((key.clone(), now));
            }
        }
        Decision { granted: next, said }
    }

    /// How many sites are how far, by words for a metric.
    pub(super) fn counts(&self) -> [(&'static str, usize); 4] {
        let mut counts = [("Settled", 0), ("Waiting", 0), ("Updating", 0), ("Failed", 0)];
        for site in self.0.lock().values() {
            let place = match site.member.map(|member| member.stage) {
                _ if site.granted => 2,
                None | Some(UpdateStage::Settled) => 0,
                Some(UpdateStage::Outdated { .. }) => 1,
                Some(UpdateStage::Updating) => 2,
                Some(UpdateStage::Failed) => 3,
            };
            counts[place].1 += 1;
        }
        counts
    }

    /// A site was deleted.
    pub(super) fn forget(&self, site: &Key) {
        self.0.lock().remove(site);
    }
}

/// What a site's condition says. It does not change while others are updated, or all that wait would be written each time.
fn to_say(site: &Key, stage: UpdateStage, stopped_by: Option<&Key>) -> Option<Said> {
    let rest = "its TFTP pods serve as they are";
    match stage {
        UpdateStage::Settled | UpdateStage::Updating => None,
        UpdateStage::Failed => Some((
            Reason::UpdateFailed,
            "the operator was upgraded, and the TFTP pods that it made did not come up in time (kubectl describe deployment, and its pods): no \
             further site is updated until they do, the operator is rolled back, or this site is suspended"
                .to_owned(),
        )),
        UpdateStage::Outdated { .. } => Some(match stopped_by {
            None => (Reason::Waiting, format!("the operator was upgraded, and updates other sites first: {rest}")),
            Some(other) => {
                // What is in other namespaces is not everybody's to know.
                let other = if other.namespace == site.namespace {
                    format!("site {}", other.name)
                } else {
                    "a site of another namespace".to_owned()
                };
                let what = format!(
                    "the operator was upgraded, and stopped updating sites because {other} did not come up in time: {rest}"
                );
                (Reason::UpdateStopped, what)
            }
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAITS: Option<UpdateStage> = Some(UpdateStage::Outdated { serves: true });

    fn key(name: &str) -> Key {
        let (namespace, name) = name.split_once('/').unwrap_or(("ns", name));
        Key::new(namespace, name)
    }

    fn reasons(decision: &Decision) -> Vec<(String, Option<Reason>)> {
        decision.said.iter().map(|(key, said)| (key.name.to_string(), said.as_ref().map(|said| said.0))).collect()
    }

    #[test]
    fn nothing_is_decided_before_all_sites_were_looked_at() {
        let (updates, sites) = (Updates::default(), [key("a"), key("b")]);
        assert!(updates.note(&sites[0], false, WAITS));
        assert_eq!(updates.decide(&sites, 1), Decision::default());
        assert!(updates.note(&sites[1], false, Some(UpdateStage::Updating)));
        let decision = updates.decide(&sites, 1);
        assert_eq!((decision.granted.len(), reasons(&decision)), (0, vec![("a".into(), Some(Reason::Waiting))]));
        assert_eq!(updates.decide(&sites, 1), Decision::default(), "nothing is said twice");
    }

    #[test]
    fn a_turn_counts_until_the_deployment_was_written() {
        let (updates, sites) = (Updates::default(), [key("a"), key("b")]);
        assert!(sites.iter().all(|site| updates.note(site, false, WAITS)));
        assert_eq!(updates.decide(&sites, 1).granted, [key("a")]);
        assert!(updates.is_granted(&sites[0]));
        assert_eq!(updates.counts(), [("Settled", 0), ("Waiting", 1), ("Updating", 1), ("Failed", 0)]);
        // The write failed, and is tried again.
        assert!(!updates.note(&sites[0], false, None) && !updates.note(&sites[0], false, WAITS));
        assert_eq!(updates.decide(&sites, 1).granted, []);
        assert!(updates.note(&sites[0], false, Some(UpdateStage::Updating)) && !updates.is_granted(&sites[0]));
        assert_eq!(updates.decide(&sites, 1).granted, []);
        updates.note(&sites[0], false, Some(UpdateStage::Settled));
        let decision = updates.decide(&sites, 1);
        assert_eq!((&decision.granted[..], reasons(&decision)), (&[key("b")][..], vec![("b".into(), None)]));
    }

    #[test]
    fn a_failure_is_said_of_all_that_wait_and_not_in_other_namespaces_whose() {
        let (updates, sites) = (Updates::default(), [key("a"), key("b"), key("other/c")]);
        assert!(sites.iter().all(|site| updates.note(site, false, WAITS)));
        updates.note(&sites[0], false, Some(UpdateStage::Failed));
        let decision = updates.decide(&sites, 1);
        assert_eq!(decision.granted, []);
        let said = |site: &Key| decision.said.iter().find(|(key, _)| key == site).unwrap().1.clone().unwrap();
        assert_eq!(said(&sites[0]).0, Reason::UpdateFailed);
        assert_eq!(said(&sites[1]).0, Reason::UpdateStopped);
        assert!(said(&sites[1]).1.contains("because site a did"), "{:?}", said(&sites[1]));
        assert!(said(&sites[2]).1.contains("because a site of another namespace did"), "{:?}", said(&sites[2]));
        // Who deletes the site lets the others go on.
        updates.forget(&sites[0]);
        assert_eq!(updates.decide(&sites[1..], 1).granted, [key("b")]);
    }
}
