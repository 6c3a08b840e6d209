//! Which sites' pods are replaced next when the operator itself was upgraded, and with it what it makes of every site. Pure.
//!
//! So many sites at a time as the budget allows; canaries before all others. The next one follows only when the pods of one before
//! serve, and none does once a site's new pods did not come up: what it has may be true of all. Nothing is remembered but what the
//! sites themselves show, so that a restart of the operator goes on where it was.

use std::collections::BTreeMap;

use super::Key;

/// How far a site is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UpdateStage {
    /// There is nothing to do: its pods are as they should be, or it is not for the update to see to them.
    Settled,
    /// Its pods are as another version of the operator, or another configuration, made them.
    Outdated {
        /// Whether one of them serves.
        serves: bool,
    },
    /// Its pods are being replaced, or not all that should serve do.
    Updating,
    /// Its new pods did not come up in time.
    Failed,
}

/// One site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Whether it goes before those that are none.
    pub canary: bool,
    /// How far it is.
    pub stage: UpdateStage,
}

/// What follows for all sites.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turns {
    /// Those whose turn it is.
    pub next: Vec<Key>,
    /// The first of those that keep all others from having a turn.
    pub stopped_by: Option<Key>,
}

/// Whose turn it is, if the pods of no more than `most` sites may be replaced at a time.
pub fn turns(most: usize, sites: &BTreeMap<Key, Member>) -> Turns {
    let failed = sites.iter().find(|(_, site)| site.stage == UpdateStage::Failed);
    if let Some((key, _)) = failed {
        return Turns { next: Vec::new(), stopped_by: Some(key.clone()) };
    }
    let updating = sites.values().filter(|site| site.stage == UpdateStage::Updating).count();
    // A canary that is on its way keeps all that are none waiting.
    let canaries_first = sites.values().any(|site| site.canary && site.stage != UpdateStage::Settled);
    let outdated = sites.iter().filter_map(|(key, site)| match site.stage {
        UpdateStage::Outdated { serves } if site.canary || !canaries_first => Some((!serves, key)),
        _ => None,
    });
    let mut outdated: Vec<(bool, &Key)> = outdated.collect();
    // What serves nobody may not come up afterwards either, and nobody else waits for that.
    outdated.sort_unstable();
    let room = most.saturating_sub(updating);
    Turns { next: outdated.into_iter().take(room).map(|(_, key)| key.clone()).collect(), stopped_by: None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::UpdateStage::{Failed, Outdated, Settled, Updating};
    use super::*;

    const WAITS: UpdateStage = Outdated { serves: true };

    fn key(n: usize) -> Key {
        Key::new("ns", format!("s{n:02}"))
    }

    fn sites(all: &[(bool, UpdateStage)]) -> BTreeMap<Key, Member> {
        all.iter().enumerate().map(|(n, (canary, stage))| (key(n), Member { canary: *canary, stage: *stage })).collect()
    }

    fn next(most: usize, all: &[(bool, UpdateStage)]) -> Vec<Key> {
        turns(most, &sites(all)).next
    }

    #[test]
    fn so_many_go_at_a_time_and_those_under_way_count() {
        let three = [(false, WAITS), (false, Updating), (false, WAITS)];
        assert_eq!(next(1, &three), []);
        assert_eq!(next(2, &three), [key(0)]);
        assert_eq!(next(9, &three), [key(0), key(2)]);
    }

    #[test]
    fn canaries_go_first_and_the_others_when_all_of_them_serve() {
        let with = |canary| [(false, WAITS), (true, canary), (false, WAITS)];
        assert_eq!(next(3, &with(WAITS)), [key(1)]);
        assert_eq!(next(3, &with(Updating)), []);
        assert_eq!(next(3, &with(Settled)), [key(0), key(2)]);
    }

    #[test]
    fn a_site_that_fails_stops_all_that_were_not_begun() {
        let all = sites(&[(false, WAITS), (false, Failed), (true, WAITS)]);
        assert_eq!(turns(9, &all), Turns { next: Vec::new(), stopped_by: Some(key(1)) });
    }

    #[test]
    fn what_serves_nobody_goes_last() {
        let down = Outdated { serves: false };
        assert_eq!(next(2, &[(false, down), (false, WAITS), (false, WAITS)]), [key(1), key(2)]);
        assert_eq!(next(2, &[(false, down), (false, Settled)]), [key(0)]);
    }

    /// What may happen to one site.
    #[derive(Clone, Copy, Debug)]
    enum Happening {
        /// Its new pods serve, or what broke is mended.
        Serves(usize),
        /// Its new pods do not come up in time.
        Fails(usize),
        /// The operator decides.
        Decides,
    }

    fn happening() -> impl Strategy<Value = Happening> {
        prop_oneof![
            4 => (0..12_usize).prop_map(Happening::Serves),
            1 => (0..12_usize).prop_map(Happening::Fails),
            4 => Just(Happening::Decides),
        ]
    }

    proptest! {
        #[test]
        fn never_too_many_never_before_the_canaries_never_after_a_failure_and_at_last_all(
            most in 1..4_usize,
            canaries in prop::collection::vec(any::<bool>(), 12),
            down in prop::collection::vec(prop::bool::weighted(0.2), 12),
            story in prop::collection::vec(happening(), 0..80),
        ) {
            let begin = canaries.iter().zip(&down).map(|(canary, down)| (*canary, Outdated { serves: !down }));
            let mut sites = sites(&begin.collect::<Vec<_>>());
            let happens = |sites: &mut BTreeMap<Key, Member>, what: Happening| {
                match what {
                    Happening::Serves(n) | Happening::Fails(n) => {
                        let site = sites.get_mut(&key(n)).unwrap();
                        site.stage = match (site.stage, what) {
                            (Updating, Happening::Fails(_)) => Failed,
                            (Updating | Failed, Happening::Serves(_)) => Settled,
                            (other, _) => other,
                        };
                    }
                    Happening::Decides => {
                        let Turns { next, stopped_by } = turns(most, sites);
                        let fails = sites.values().any(|site| site.stage == Failed);
                        prop_assert_eq!(stopped_by.is_some(), fails);
                        prop_assert!(!fails || next.is_empty());
                        for key in next {
                            let canary = sites[&key].canary;
                            let waits = sites.values().any(|site| site.canary && site.stage != Settled);
                            prop_assert!(canary || !waits, "{} before a canary", key);
                            let is_outdated = matches!(sites[&key].stage, Outdated { .. });
                            prop_assert!(is_outdated);
                            sites.get_mut(&key).unwrap().stage = Updating;
                        }
                        let updating = sites.values().filter(|site| site.stage == Updating).count();
                        prop_assert!(updating <= most);
                    }
                }
                Ok(())
            };
            for what in story {
                happens(&mut sites, what)?;
            }
            // Once nothing fails any more all are updated: each decision begins one, or all there are have begun.
            for _ in 0..12 {
                for n in 0..12 {
                    happens(&mut sites, Happening::Serves(n))?;
                }
                happens(&mut sites, Happening::Decides)?;
            }
            (0..12).try_for_each(|n| happens(&mut sites, Happening::Serves(n)))?;
            prop_assert!(sites.values().all(|site| site.stage == Settled));
        }
    }
}
