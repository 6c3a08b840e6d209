//! Conditions, as kstatus and people read them.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::diagnostic::{Diagnostic, Severity};

/// The longest message of a condition that the API server takes is 32,768 bytes; nobody reads that much.
const MAX_MESSAGE: usize = 1024;

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

    /// Says one thing.
    pub fn set(&mut self, kind: &str, holds: bool, reason: &str, message: impl Into<String>) {
        let status = if holds { "True" } else { "False" };
        let since =
            self.before.iter().find(|c| c.type_ == kind && c.status == status).map(|c| c.last_transition_time.clone());
        let seconds = Timestamp::from_second(self.now.as_second()).unwrap_or(self.now);
        self.conditions.push(Condition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: shorten(message.into()),
            last_transition_time: since.unwrap_or(Time(seconds)),
            observed_generation: self.generation,
        });
    }

    /// Says one thing only while it holds.
    pub fn set_while(&mut self, kind: &str, holds: bool, reason: &str, message: &str) {
        if holds {
            self.set(kind, true, reason, message);
        }
    }

    /// The conditions, in the order in which they were said.
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

/// The reason and the message of `Accepted`.
pub fn acceptance(found: &[Diagnostic]) -> (bool, &'static str, String) {
    let list = |severity| {
        found.iter().filter(|d| d.severity == severity).map(ToString::to_string).collect::<Vec<_>>().join("; ")
    };
    match found.iter().find(|d| d.is_error()) {
        Some(first) => (false, first.reason, list(Severity::Error)),
        None if found.is_empty() => (true, "Accepted", "the object is understood".to_owned()),
        None => (true, "AcceptedWithWarnings", list(Severity::Warning)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_stays_keeps_its_time() {
        let (then, now) = (Timestamp::from_second(100).unwrap(), Timestamp::from_second(200).unwrap());
        let mut first = Conditions::new(&[], Some(1), then);
        first.set("Ready", true, "Ready", "a");
        first.set("InSync", false, "NeverFetched", "b");
        let before = first.finish();
        let mut second = Conditions::new(&before, Some(2), now);
        second.set("Ready", true, "Ready", "another message");
        second.set("InSync", true, "Fetched", "b");
        second.set_while("Stalled", false, "x", "x");
        let after = second.finish();
        assert_eq!(after[0].last_transition_time.0, then);
        assert_eq!(after[1].last_transition_time.0, now);
        assert_eq!(after.len(), 2);
        assert_eq!(after[0].observed_generation, Some(2));
    }

    #[test]
    fn messages_are_bounded() {
        let mut conditions = Conditions::new(&[], None, Timestamp::UNIX_EPOCH);
        conditions.set("Ready", false, "x", "ü".repeat(5000));
        assert!(conditions.finish()[0].message.len() <= MAX_MESSAGE);
    }
}
