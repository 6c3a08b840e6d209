//! Whether a phone has to be notified, of what, and from when on.

use jiff::Timestamp;

use super::ResyncKind;
use crate::api::ResyncMethod;
use crate::provision::sync::SyncProblem;

/// For how many seconds after a phone took its own file it may still be about to take the common one, whichever it asks for first. It
/// starts then, and hears of nothing.
const STARTS: i64 = 8;

/// What it follows from.
#[derive(Clone, Copy, Debug)]
pub struct NeedFacts<'a> {
    /// What the phone's spec asks for, or its site's.
    pub method: ResyncMethod,
    /// When an annotation asks for a restart.
    pub request: Option<Timestamp>,
    /// When the phone fetched its file last.
    pub fetched_at: Option<Timestamp>,
    /// The hashes of its file, and of the common one.
    pub hashes: (&'a str, Option<&'a str>),
    /// Why it is not in sync.
    pub sync: Option<SyncProblem>,
    /// Whether its newest file is served by every pod.
    pub is_served: bool,
    /// The image that it is offered and should run, and when it should have been heard of, if it took it or read of it.
    pub overdue: Option<(&'a str, Timestamp)>,
    /// Whether it was already notified to see whether it runs that image.
    pub is_checked: bool,
}

/// Whether a phone has to be notified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// It has nothing to fetch.
    Nothing,
    /// Not before then.
    NotBefore(Timestamp),
    /// It has to be notified.
    Notify {
        /// How.
        kind: ResyncKind,
        /// What it should fetch; another text is another attempt.
        content: String,
        /// Whether an annotation asks for it, so that it does not wait for the window.
        requested: bool,
        /// The image, if it is notified only to see whether it runs it.
        checks: Option<String>,
    },
}

impl Need {
    /// Decides it.
    pub fn of(facts: NeedFacts<'_>, now: Timestamp) -> Need {
        let content = || format!("{} {}", facts.hashes.0, facts.hashes.1.unwrap_or_default());
        let kind = ResyncKind::of(facts.method);
        let request = facts.request.filter(|request| facts.fetched_at.is_none_or(|seen| seen < *request));
        if let Some(request) = request.filter(|request| *request <= now) {
            let content = format!("{} {request}", content());
            let kind = kind.unwrap_or(ResyncKind::Notify);
            return Need::Notify { kind, content, requested: true, checks: None };
        }
        let later = request.map_or(Need::Nothing, Need::NotBefore);
        let Some(kind) = kind else { return later };
        let is_stale = match facts.sync {
            Some(SyncProblem::NeverFetched | SyncProblem::Outdated | SyncProblem::CommonOutdated) => true,
            // It runs the newest one, as far as is known, and would restart for nothing.
            Some(SyncProblem::Unacknowledged) => false,
            Some(SyncProblem::Nothing | SyncProblem::NotServed) | None => false,
        };
        let starts = || facts.fetched_at.and_then(|at| Timestamp::from_second(at.as_second() + STARTS).ok());
        let common = facts.sync == Some(SyncProblem::CommonOutdated);
        if let Some(then) = starts().filter(|then| common && *then > now) {
            return Need::NotBefore(then);
        }
        if is_stale && facts.is_served {
            return Need::Notify { kind, content: content(), requested: false, checks: None };
        }
        if request.is_some() || facts.sync.is_some() {
            return later;
        }
        match facts.overdue {
            Some((_, then)) if then > now => Need::NotBefore(then),
            Some((image, _)) if !facts.is_checked => {
                let content = format!("{} {image}", content());
                Need::Notify { kind, content, requested: false, checks: Some(image.to_owned()) }
            }
            _ => Need::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn facts() -> NeedFacts<'static> {
        NeedFacts {
            method: ResyncMethod::Notify,
            request: None,
            fetched_at: Some(at(100)),
            hashes: ("own", Some("common")),
            sync: None,
            is_served: true,
            overdue: None,
            is_checked: false,
        }
    }

    fn notifies(need: &Need) -> bool {
        matches!(need, Need::Notify { .. })
    }

    #[test]
    fn a_phone_with_older_files_is_notified_once_the_new_ones_are_served() {
        let stale = NeedFacts { sync: Some(SyncProblem::Outdated), ..facts() };
        assert!(notifies(&Need::of(stale, at(200))));
        assert_eq!(Need::of(NeedFacts { is_served: false, ..stale }, at(200)), Need::Nothing);
        assert_eq!(Need::of(NeedFacts { method: ResyncMethod::Never, ..stale }, at(200)), Need::Nothing);
        assert_eq!(Need::of(facts(), at(200)), Need::Nothing);
    }

    #[test]
    fn a_phone_that_took_its_own_file_just_now_may_be_about_to_take_the_common_one() {
        let starts = NeedFacts { sync: Some(SyncProblem::CommonOutdated), ..facts() };
        assert_eq!(Need::of(starts, at(101)), Need::NotBefore(at(108)));
        assert!(notifies(&Need::of(starts, at(108))));
        let own = NeedFacts { sync: Some(SyncProblem::Outdated), ..facts() };
        assert!(notifies(&Need::of(own, at(101))), "it has taken that file already");
    }

    #[test]
    fn a_request_counts_until_the_phone_has_fetched_since() {
        let asked = NeedFacts { request: Some(at(150)), method: ResyncMethod::Never, ..facts() };
        assert_eq!(Need::of(asked, at(140)), Need::NotBefore(at(150)));
        assert!(matches!(Need::of(asked, at(150)), Need::Notify { kind: ResyncKind::Notify, requested: true, .. }));
        assert_eq!(Need::of(NeedFacts { fetched_at: Some(at(151)), ..asked }, at(152)), Need::Nothing);
    }

    #[test]
    fn a_phone_that_took_an_image_and_was_not_heard_of_is_checked_once() {
        let overdue = NeedFacts { overdue: Some(("image", at(300))), ..facts() };
        assert_eq!(Need::of(overdue, at(299)), Need::NotBefore(at(300)));
        assert!(matches!(Need::of(overdue, at(300)), Need::Notify { checks: Some(image), .. } if image == "image"));
        assert_eq!(Need::of(NeedFacts { is_checked: true, ..overdue }, at(300)), Need::Nothing);
    }
}
