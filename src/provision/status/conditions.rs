//! Conditions, as kstatus and people read them.

use std::borrow::Cow;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::api::{ConditionType, Reason};
use crate::provision::diagnostic::Diagnostic;

/// The longest message of a condition that the API server takes is 32,768 bytes; that is too long to read.
const MAX_MESSAGE: usize = 1024;

/// The answer to one question about an object: whether it holds, why, and in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it holds.
    pub holds: bool,
    /// Why, or why not.
    pub reason: Reason,
    /// The same in words, and what to do.
    pub message: Cow<'static, str>,
}

impl Verdict {
    /// It holds.
    pub fn yes(reason: Reason, message: impl Into<Cow<'static, str>>) -> Verdict {
        Verdict { holds: true, reason, message: message.into() }
    }

    /// It does not hold.
    pub fn no(reason: Reason, message: impl Into<Cow<'static, str>>) -> Verdict {
        Verdict { holds: false, reason, message: message.into() }
    }
}

/// Conditions in the making. A condition that stays as it was keeps the time of its last change.
pub struct Conditions<'a> {
    before: &'a [Condition],
    generation: Option<i64>,
    now: Timestamp,
    conditions: Vec<Condition>,
}

impl<'a> Conditions<'a> {
    /// Begins anew, with what stood there before.
    pub fn new(before: &'a [Condition], generation: Option<i64>, now: Timestamp) -> Conditions<'a> {
        Conditions { before, generation, now, conditions: Vec::new() }
    }

    /// Adds a condition.
    pub fn set(&mut self, kind: ConditionType, verdict: &Verdict) {
        let (kind, status) = (kind.as_str(), if verdict.holds { "True" } else { "False" });
        let since =
            self.before.iter().find(|c| c.type_ == kind && c.status == status).map(|c| c.last_transition_time.clone());
        let seconds = Timestamp::from_second(self.now.as_second()).unwrap_or(self.now);
        self.conditions.push(Condition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: verdict.reason.as_str().to_owned(),
            message: shorten(verdict.message.to_string()),
            last_transition_time: since.unwrap_or(Time(seconds)),
            observed_generation: self.generation,
        });
    }

    /// Adds a condition that stands only while it is true.
    pub fn set_while(&mut self, kind: ConditionType, holds: bool, reason: Reason, message: &str) {
        if holds {
            self.set(kind, &Verdict::yes(reason, message.to_owned()));
        }
    }

    /// The conditions, in the order in which they were added.
    pub fn finish(self) -> Vec<Condition> {
        self.conditions
    }
}

fn shorten(mut message: String) -> String {
    if message.len() > MAX_MESSAGE {
        let end = (0..=MAX_MESSAGE - 3).rev().find(|end| message.is_char_boundary(*end)).unwrap_or(0);
        message.truncate(end);
        message.push('…');
    }
    message
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
        let mut first = Conditions::new(&[], Some(1), then);
        first.set(ConditionType::Ready, &Verdict::yes(Reason::Ready, "a"));
        first.set(ConditionType::InSync, &Verdict::no(Reason::NeverFetched, "b"));
        let before = first.finish();
        let mut second = Conditions::new(&before, Some(2), now);
        second.set(ConditionType::Ready, &Verdict::yes(Reason::Ready, "another message"));
        second.set(ConditionType::InSync, &Verdict::yes(Reason::Fetched, "b"));
        second.set_while(ConditionType::Stalled, false, Reason::Invalid, "x");
        let after = second.finish();
        assert_eq!(after[0].last_transition_time.0, then);
        assert_eq!(after[1].last_transition_time.0, now);
        assert_eq!(after.len(), 2);
        assert_eq!(after[0].observed_generation, Some(2));
    }

    #[test]
    fn messages_are_bounded() {
        let mut conditions = Conditions::new(&[], None, Timestamp::UNIX_EPOCH);
        conditions.set(ConditionType::Ready, &Verdict::no(Reason::Invalid, "ü".repeat(5000)));
        assert!(conditions.finish()[0].message.len() <= MAX_MESSAGE);
    }
}
