//! Whether an object is ready, and otherwise whether it becomes so by itself, as kstatus reads it.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::api::{ConditionType, Reason};
use crate::provision::firmware::staging::Staging;
use crate::provision::verdict::Verdict;

/// How many seconds what may pass by itself is waited for. What makes Secrets of passwords in a vault or of encrypted files, and the
/// next folder of a repository, often comes a moment later; a registry answers again, another pod leaves room on a node or in a quota.
const AWAITED: i64 = 300;
/// The reasons that may pass so.
const MAY_PASS: [Reason; 12] = [
    Reason::SecretNotFound,
    Reason::SecretKeyNotFound,
    Reason::SourceNotFound,
    Reason::SiteNotFound,
    Reason::QuotaExceeded,
    Reason::PodsRefused,
    Reason::ImagePullFailed,
    Reason::ContainerFailed,
    Reason::CrashLoop,
    Reason::Unschedulable,
    Reason::NotStarted,
    Reason::PodFailed,
];

/// What stands in the way of an object.
#[derive(Clone, Copy, Debug)]
pub struct Obstacle<'a> {
    /// What is asked of the object.
    pub verdict: &'a Verdict,
    /// Whether somebody has to do something where that does not hold.
    pub stalls: bool,
    /// Since when it does not hold, if it did not before.
    pub since: Option<Timestamp>,
}

impl<'a> Obstacle<'a> {
    /// What comes by itself.
    pub fn passing(verdict: &'a Verdict) -> Obstacle<'a> {
        Obstacle { verdict, stalls: false, since: None }
    }

    /// What somebody has to do something about, unless it is an object that may come by itself.
    pub fn lasting(verdict: &'a Verdict, kind: ConditionType, before: &[Condition]) -> Obstacle<'a> {
        Obstacle { verdict, stalls: true, since: false_since(kind, before) }
    }

    /// Pods that are missing since then.
    pub fn of_pods(verdict: &'a Verdict, since: i64) -> Obstacle<'a> {
        Obstacle { verdict, stalls: true, since: Timestamp::from_second(since).ok() }
    }

    /// An image that is not there yet, which takes time or somebody to do something.
    pub fn staging(staging: &Staging, verdict: &'a Verdict, before: &[Condition]) -> Obstacle<'a> {
        match staging.is_stalled() {
            true => Obstacle::lasting(verdict, ConditionType::FirmwareStaged, before),
            false => Obstacle::passing(verdict),
        }
    }

    /// Whether it stands in the way until somebody does something.
    fn is_stalled(&self, now: Timestamp) -> bool {
        self.stalls && !self.verdict.holds && patience(self.verdict.reason, self.since, now).is_none()
    }
}

/// Since when a condition is false.
fn false_since(kind: ConditionType, conditions: &[Condition]) -> Option<Timestamp> {
    let known = conditions.iter().find(|condition| condition.type_ == kind.as_str() && condition.status == "False");
    known.map(|condition| condition.last_transition_time.0)
}

/// For how many seconds more it is waited until something passes.
fn patience(reason: Reason, since: Option<Timestamp>, now: Timestamp) -> Option<i64> {
    let left = AWAITED - (now.as_second() - since.unwrap_or(now).as_second());
    (MAY_PASS.contains(&reason) && left > 0).then_some(left)
}

/// The conditions that say how an object is.
#[derive(Clone, Debug)]
pub struct Health {
    /// Whether everything is done on the server's side; otherwise what stands in the way, first of all what somebody has to do.
    pub ready: Verdict,
    /// Work goes on by itself.
    pub reconciling: Option<Verdict>,
    /// Somebody has to do something.
    pub stalled: Option<Verdict>,
}

impl Health {
    /// How an object is that these may stand in the way of. One that is `held` is as somebody wants it, whatever its newest spec says.
    pub fn of(obstacles: &[Obstacle<'_>], held: bool, now: Timestamp) -> Health {
        let stall = obstacles.iter().find(|obstacle| obstacle.is_stalled(now));
        let first = stall.or_else(|| obstacles.iter().find(|obstacle| !obstacle.verdict.holds));
        let stalled = stall.and_then(|stall| stands(stall.verdict));
        match first {
            None if held => Health {
                ready: Verdict::yes(Reason::Suspended, "the site is suspended: what was served goes on being served"),
                reconciling: None,
                stalled,
            },
            None => Health {
                ready: Verdict::yes(Reason::Ready, "everything is done on the server's side"),
                reconciling: None,
                stalled,
            },
            Some(obstacle) => Health {
                ready: obstacle.verdict.clone(),
                reconciling: stands(obstacle.verdict).filter(|_| stalled.is_none()),
                stalled,
            },
        }
    }
}

fn stands(verdict: &Verdict) -> Option<Verdict> {
    Verdict::only_if(true, verdict.reason, verdict.message.clone())
}

/// After how many seconds an object that waits says that somebody has to do something; `pods_since` is since when its pods are missing.
pub fn due_in(conditions: &[Condition], pods_since: Option<i64>, now: Timestamp) -> Option<i64> {
    let of = |kind: ConditionType| conditions.iter().find(move |condition| condition.type_ == kind.as_str());
    let waits_for = &of(ConditionType::Reconciling)?.reason;
    let reason = MAY_PASS.into_iter().find(|reason| reason.as_str() == waits_for)?;
    let obstacles = [ConditionType::Accepted, ConditionType::FirmwareStaged].into_iter().filter_map(of);
    let since =
        obstacles.filter(|obstacle| obstacle.reason == *waits_for).map(|obstacle| obstacle.last_transition_time.0);
    let pods_since = pods_since.and_then(|second| Timestamp::from_second(second).ok());
    patience(reason, since.min().or(pods_since), now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provision::status::conditions::conditions;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// The conditions of an object that is not accepted, as they were before and as they are now.
    fn after(before: &[Condition], accepted: &Verdict, now: i64) -> Vec<Condition> {
        let health = Health::of(&[Obstacle::lasting(accepted, ConditionType::Accepted, before)], false, at(now));
        conditions(before, Some(1), at(now), |kind| match kind {
            ConditionType::Accepted => Some(accepted.clone()),
            ConditionType::Ready => Some(health.ready.clone()),
            ConditionType::Reconciling => health.reconciling.clone(),
            ConditionType::Stalled => health.stalled.clone(),
            _ => None,
        })
    }

    fn shows(conditions: &[Condition]) -> Vec<&str> {
        conditions.iter().filter(|one| one.status == "True").map(|one| one.type_.as_str()).collect()
    }

    #[test]
    fn a_missing_secret_is_waited_for_and_then_somebody_has_to_do_something() {
        let missing = Verdict::no(Reason::SecretNotFound, "no Secret");
        let first = after(&[], &missing, 1_000);
        assert_eq!((shows(&first), due_in(&first, None, at(1_000))), (vec!["Reconciling"], Some(300)));
        let later = after(&first, &missing, 1_299);
        assert_eq!((shows(&later), due_in(&later, None, at(1_299))), (vec!["Reconciling"], Some(1)));
        let last = after(&later, &missing, 1_300);
        assert_eq!((shows(&last), due_in(&last, None, at(1_300))), (vec!["Stalled"], None));
        assert_eq!(shows(&after(&last, &Verdict::yes(Reason::Accepted, "fine"), 1_400)), ["Accepted", "Ready"]);
        let wrong = after(&[], &Verdict::no(Reason::Invalid, "wrong"), 1_000);
        assert_eq!((shows(&wrong), due_in(&wrong, None, at(1_000))), (vec!["Stalled"], None));
    }

    #[test]
    fn what_somebody_has_to_do_comes_before_what_comes_by_itself() {
        let (waits, lasts) = (Verdict::no(Reason::NoServer, "no pod"), Verdict::no(Reason::NoSource, "no source"));
        let obstacles = [Obstacle::passing(&waits), Obstacle::lasting(&lasts, ConditionType::FirmwareStaged, &[])];
        let health = Health::of(&obstacles, false, at(0));
        assert_eq!(
            (health.ready.reason, health.stalled.map(|stalled| stalled.reason)),
            (Reason::NoSource, Some(Reason::NoSource))
        );
        assert!(health.reconciling.is_none());
        let health = Health::of(&obstacles[..1], false, at(0));
        assert_eq!(health.reconciling.map(|waits| waits.reason), Some(Reason::NoServer));
    }

    #[test]
    fn pods_that_are_missing_are_waited_for_from_then_on_and_those_that_pod_security_refuses_are_not() {
        let missing = Verdict::no(Reason::Unschedulable, "no node");
        let health = |verdict: &Verdict, now| Health::of(&[Obstacle::of_pods(verdict, 1_000)], false, at(now));
        assert!(health(&missing, 1_299).reconciling.is_some() && health(&missing, 1_299).stalled.is_none());
        assert!(health(&missing, 1_300).stalled.is_some());
        let refused = Verdict::no(Reason::PodSecurity, "refused");
        assert!(health(&refused, 1_000).stalled.is_some());
        let waits = health(&missing, 1_100).reconciling.unwrap();
        let shown =
            conditions(&[], Some(1), at(1_100), |kind| (kind == ConditionType::Reconciling).then(|| waits.clone()));
        assert_eq!(due_in(&shown, Some(1_000), at(1_100)), Some(200));
    }

    #[test]
    fn what_is_held_as_it_was_is_settled() {
        let served = Verdict::yes(Reason::Served, "served");
        let health = Health::of(&[Obstacle::passing(&served)], true, at(0));
        assert_eq!((health.ready.holds, health.ready.reason), (true, Reason::Suspended));
        assert!(health.reconciling.is_none() && health.stalled.is_none());
    }
}
