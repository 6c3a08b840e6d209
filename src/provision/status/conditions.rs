//! Conditions, as kstatus and people read them.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use strum::VariantArray as _;

use crate::api::{ConditionType, Reason};
use crate::base::text::printable;
use crate::provision::diagnostic::Diagnostic;
use crate::provision::verdict::Verdict;

/// The longest message of a condition that the API server takes is 32,768 bytes; that is too long to read.
const MAX_MESSAGE: usize = 1024;

/// The conditions of an object, in the order of [`ConditionType`]; one that stays as it was `before` keeps the time of its last
/// change. `verdict` is asked for every type, so that whoever adds one has to say what becomes of it; one without a verdict does
/// not stand.
pub fn conditions(
    before: &[Condition],
    generation: Option<i64>,
    now: Timestamp,
    verdict: impl Fn(ConditionType) -> Option<Verdict>,
) -> Vec<Condition> {
    let seconds = Time(Timestamp::from_second(now.as_second()).unwrap_or(now));
    let all = ConditionType::VARIANTS.iter().filter_map(|kind| Some((kind.as_str(), verdict(*kind)?)));
    all.map(|(kind, verdict)| {
        let status = if verdict.holds { "True" } else { "False" };
        let same = before.iter().find(|condition| condition.type_ == kind && condition.status == status);
        Condition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: verdict.reason.as_str().to_owned(),
            message: printable(&verdict.message, MAX_MESSAGE),
            last_transition_time: same.map_or_else(|| seconds.clone(), |same| same.last_transition_time.clone()),
            observed_generation: generation,
        }
    })
    .collect()
}

/// Whether an object with these diagnostics is accepted.
pub fn acceptance(diagnostics: &[Diagnostic]) -> Verdict {
    let list = |errors: bool| {
        let some = diagnostics.iter().filter(|diagnostic| diagnostic.is_error() == errors);
        some.map(ToString::to_string).collect::<Vec<_>>().join("; ")
    };
    match diagnostics.iter().find_map(Diagnostic::error_reason) {
        Some(reason) => Verdict::no(reason, list(true)),
        None if diagnostics.is_empty() => Verdict::yes(Reason::Accepted, "the object is understood"),
        None => Verdict::yes(Reason::AcceptedWithWarnings, list(false)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_stays_keeps_its_time() {
        let (then, now) = (Timestamp::from_second(100).unwrap(), Timestamp::from_second(200).unwrap());
        let before = conditions(&[], Some(1), then, |kind| match kind {
            ConditionType::Ready => Some(Verdict::yes(Reason::Ready, "a")),
            ConditionType::InSync => Some(Verdict::no(Reason::NeverFetched, "b")),
            _ => None,
        });
        let after = conditions(&before, Some(2), now, |kind| match kind {
            ConditionType::Ready => Some(Verdict::yes(Reason::Ready, "another message")),
            ConditionType::InSync => Some(Verdict::yes(Reason::Fetched, "b")),
            _ => None,
        });
        let times: Vec<_> = after.iter().map(|one| (one.type_.as_str(), one.last_transition_time.0)).collect();
        assert_eq!(times, [("InSync", now), ("Ready", then)], "in the order of the types");
        assert_eq!(after[0].observed_generation, Some(2));
    }

    #[test]
    fn messages_hold_nothing_that_a_terminal_obeys() {
        let all = conditions(&[], None, Timestamp::UNIX_EPOCH, |_| {
            Some(Verdict::no(Reason::Refused, "489 \u{1b}]0;owned\u{7}"))
        });
        assert!(all.iter().all(|one| one.message == "489 \\u001b]0;owned\\u0007"), "{all:?}");
    }

    #[test]
    fn messages_are_bounded() {
        let long = |_| Some(Verdict::no(Reason::Invalid, "ü".repeat(5000)));
        let all = conditions(&[], None, Timestamp::UNIX_EPOCH, long);
        assert_eq!(all.len(), ConditionType::VARIANTS.len());
        assert!(all.iter().all(|one| one.message.len() <= MAX_MESSAGE));
    }
}
