//! When a running phone is notified of a change, and what came of it: pure.
//!
//! A phone is notified because it has not fetched what it is served now, or because an annotation asks for it. It is notified
//! once, and has [`PATIENCE`] to come back; if it does not, or cannot be reached, the next attempt follows after a longer pause.

use std::time::Duration;

use jiff::Timestamp;

use crate::api::{ResyncMethod, ResyncStatus};
use crate::base::Backoff;

mod need;
mod order;
mod window;

pub use need::{Need, NeedFacts};
pub use order::{Answer, Password, ResyncError, ResyncOrder, Transport};
pub use window::Hours;

/// How long a phone has to come back after an attempt, in seconds: it waits until it has been idle for 20 seconds, and
/// restarts. As long it counts as one of those that are under way.
pub const PATIENCE: i64 = 180;
/// The pauses after attempts in vain.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(300), LONGEST_PAUSE);
const LONGEST_PAUSE: Duration = Duration::from_secs(6 * 3600);

/// How a phone can be notified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResyncKind {
    /// By SIP NOTIFY.
    Notify,
    /// By telnet.
    Telnet,
}

impl ResyncKind {
    /// What a spec asks for.
    pub const fn of(method: ResyncMethod) -> Option<ResyncKind> {
        match method {
            ResyncMethod::Never => None,
            ResyncMethod::Notify => Some(ResyncKind::Notify),
            ResyncMethod::Telnet => Some(ResyncKind::Telnet),
        }
    }
}

/// When the next attempt is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Now.
    Now,
    /// An attempt is under way; the phone has until then to come back.
    UnderWay(Timestamp),
    /// An attempt was in vain; the next is then.
    Later(Timestamp),
}

/// The attempts to notify one phone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResyncAttempts {
    /// When the last one was.
    at: Option<Timestamp>,
    /// What the phone should have fetched then; nothing if that was before a restart.
    content: Option<String>,
    /// How many there were for that.
    tries: u32,
    /// Whether one is being sent at this moment.
    sending: bool,
    error: Option<ResyncError>,
    /// That no answer was heard.
    silence: Option<String>,
    /// Whether the phone asked for what it asks for when it was notified.
    is_heard: bool,
    /// The image that the attempt is made for only to see whether the phone runs it.
    checks: Option<String>,
    /// The image for which that was done; once is enough.
    checked: Option<String>,
}

impl ResyncAttempts {
    /// What a status said before a restart; `needed` if there was something to fetch.
    pub fn recover(status: Option<&ResyncStatus>, needed: bool) -> ResyncAttempts {
        let at: Option<Timestamp> = status.and_then(|s| s.told_at.as_deref()).and_then(|at| at.parse().ok());
        let failures = status.and_then(|s| s.failures).and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
        let mut attempts =
            ResyncAttempts { at, tries: failures + u32::from(at.is_some()), ..ResyncAttempts::default() };
        if !needed {
            attempts.rest();
        }
        attempts
    }

    /// When a phone that should fetch this may be notified; `seen` is when it fetched its file last.
    pub fn due(&self, content: &str, seen: Option<Timestamp>, now: Timestamp) -> Due {
        let Some(at) = self.at else { return Due::Now };
        let patience = after(at, PATIENCE);
        let came_back = seen.is_some_and(|seen| seen > at);
        if self.sending || (self.error.is_none() && !came_back && now < patience) {
            return Due::UnderWay(patience);
        }
        let same = self.content.as_deref().is_none_or(|then| then == content);
        let again = after(at, BACKOFF.after(self.tries.max(1)).as_secs() as i64);
        if same && now < again { Due::Later(again) } else { Due::Now }
    }

    /// An attempt begins.
    pub fn begin(&mut self, content: &str, now: Timestamp) {
        let same = self.content.as_deref().is_none_or(|then| then == content);
        self.tries = if same { self.tries + 1 } else { 1 };
        self.at = Some(now);
        self.content = Some(content.to_owned());
        self.sending = true;
        self.error = None;
        self.silence = None;
        self.is_heard = false;
        self.checks = None;
    }

    /// An attempt begins that is made only to see which image the phone runs.
    pub fn begin_check(&mut self, content: &str, image: &str, now: Timestamp) {
        self.begin(content, now);
        self.checks = Some(image.to_owned());
    }

    /// Whether that was done already.
    pub fn has_checked(&self, image: &str) -> bool {
        self.checked.as_deref() == Some(image)
    }

    /// The attempt ended.
    pub fn end(&mut self, result: Result<Answer, ResyncError>) {
        self.sending = false;
        (self.silence, self.error) = match result {
            _ if self.is_heard => (None, None),
            Ok(Answer::Heard) => (None, None),
            Ok(Answer::Silence(what)) => (Some(what), None),
            Err(error) => (None, Some(error)),
        };
        if self.silence.is_none() && self.error.is_none() {
            self.note_checked();
        }
    }

    /// The phone asked for something that it asks for when it was notified: that is an answer. Whether it was one.
    pub fn hear(&mut self, time: Timestamp) -> bool {
        let is_answer = !self.is_heard
            && (self.sending || self.silence.is_some())
            && self.at.is_some_and(|at| (at..after(at, PATIENCE)).contains(&time));
        if is_answer {
            self.is_heard = true;
            self.silence = None;
            self.note_checked();
        }
        is_answer
    }

    /// Whether it is being sent, and the phone was not heard yet.
    pub fn is_awaited(&self) -> bool {
        self.sending && !self.is_heard
    }

    fn note_checked(&mut self) {
        if let Some(image) = self.checks.take() {
            self.checked = Some(image);
        }
    }

    /// There is nothing to notify the phone of any more.
    pub fn rest(&mut self) {
        self.tries = 0;
        // Whatever comes next is new.
        self.content = Some(String::new());
        self.error = None;
        self.silence = None;
    }

    /// How many attempts there were for the same change.
    pub fn count(&self) -> u32 {
        self.tries
    }

    /// In words that no answer was heard to the last attempt.
    pub fn silence(&self) -> Option<&str> {
        self.silence.as_deref()
    }

    /// Why the last attempt failed.
    pub fn error(&self) -> Option<&ResyncError> {
        self.error.as_ref()
    }

    /// What a status says of it; `needed` if there still is something to fetch.
    pub fn status(&self, needed: bool) -> Option<ResyncStatus> {
        let failures = i64::from(self.tries) - 1;
        Some(ResyncStatus {
            told_at: Some(crate::provision::observe::fetch::seconds(self.at?)),
            failures: Some(failures).filter(|n| needed && *n > 0),
        })
    }
}

fn after(time: Timestamp, seconds: i64) -> Timestamp {
    Timestamp::from_second(time.as_second().saturating_add(seconds)).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Reason;
    use proptest::prelude::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn attempts_follow_after_longer_and_longer_pauses() {
        let mut attempts = ResyncAttempts::default();
        let (mut now, mut told) = (0, Vec::new());
        while told.len() < 10 {
            match attempts.due("a", None, at(now)) {
                Due::Now => {
                    attempts.begin("a", at(now));
                    attempts.end(Ok(Answer::Heard));
                    told.push(now);
                }
                Due::UnderWay(then) | Due::Later(then) => {
                    assert!(then > at(now));
                    now = then.as_second();
                }
            }
        }
        let pauses: Vec<i64> = told.windows(2).map(|two| two[1] - two[0]).collect();
        assert_eq!(pauses, [300, 600, 1200, 2400, 4800, 9600, 19_200, 21_600, 21_600]);
        assert_eq!(attempts.status(true).unwrap().failures, Some(9));
    }

    #[test]
    fn a_new_change_is_told_at_once_unless_the_phone_is_on_its_way() {
        let mut attempts = ResyncAttempts::default();
        attempts.begin("a", at(100));
        assert_eq!(attempts.due("b", None, at(101)), Due::UnderWay(at(280)), "it is being told");
        attempts.end(Ok(Answer::Heard));
        assert_eq!(attempts.due("b", None, at(101)), Due::UnderWay(at(280)), "it will fetch the newest");
        assert_eq!(attempts.due("b", Some(at(150)), at(151)), Due::Now, "it came back before the newest was there");
        assert_eq!(
            attempts.due("a", Some(at(150)), at(151)),
            Due::Later(at(400)),
            "it did not take what it was told of"
        );
        attempts.end(Err(ResyncError::new(Reason::NoAnswer, "")));
        assert_eq!(attempts.due("b", None, at(101)), Due::Now);
        assert_eq!(attempts.due("a", None, at(101)), Due::Later(at(400)));
    }

    #[test]
    fn the_next_change_is_told_at_once_when_the_last_one_was_taken() {
        let mut attempts = ResyncAttempts::default();
        attempts.begin("a", at(100));
        attempts.end(Ok(Answer::Heard));
        attempts.rest();
        assert_eq!(attempts.due("b", Some(at(120)), at(121)), Due::Now);
        let told = attempts.status(false);
        assert_eq!(ResyncAttempts::recover(told.as_ref(), false).due("b", Some(at(120)), at(121)), Due::Now);
    }

    #[test]
    fn a_restart_of_the_operator_tells_nobody_twice() {
        let mut before = ResyncAttempts::default();
        before.begin("a", at(1_000));
        before.end(Ok(Answer::Heard));
        let mut after = ResyncAttempts::recover(before.status(true).as_ref(), true);
        assert_eq!(after.due("a", None, at(1_100)), Due::UnderWay(at(1_180)));
        assert_eq!(after.due("a", None, at(1_200)), Due::Later(at(1_300)));
        after.begin("a", at(1_300));
        assert_eq!(after.status(true).unwrap().failures, Some(1));
        assert_eq!(after.status(false).unwrap().failures, None);
    }

    #[test]
    fn silence_counts_as_under_way_until_the_phone_is_heard_or_its_time_is_up() {
        let mut attempts = ResyncAttempts::default();
        attempts.begin_check("a", "image", at(100));
        assert!(attempts.is_awaited());
        attempts.end(Ok(Answer::Silence("no answer".into())));
        assert_eq!(attempts.due("a", None, at(140)), Due::UnderWay(at(280)));
        assert!(attempts.silence().is_some() && !attempts.has_checked("image"));
        assert_eq!(attempts.due("a", None, at(280)), Due::Later(at(400)));
        assert!(!attempts.hear(at(99)) && !attempts.hear(at(280)), "before, and much later");
        assert!(attempts.hear(at(120)) && !attempts.hear(at(121)), "once");
        assert!(attempts.silence().is_none() && attempts.has_checked("image"));

        attempts.begin("b", at(500));
        assert!(attempts.is_awaited() && attempts.hear(at(520)) && !attempts.is_awaited());
        attempts.end(Err(ResyncError::new(Reason::NoAnswer, "")));
        assert_eq!(attempts.error(), None, "it was heard");
        assert!(!attempts.hear(at(521)), "nobody waits for it");
    }

    proptest! {
        /// However changes, failures and visits follow each other: between two orders of one content there is the pause, and
        /// a phone that needs to be told always has a turn in the end.
        #[test]
        fn pauses_hold_and_nobody_is_forgotten(steps in proptest::collection::vec((0u8..6, 1i64..400), 1..200)) {
            let mut attempts = ResyncAttempts::default();
            let (mut now, mut content, mut seen) = (0, 0, None);
            let mut last: Option<(i64, i32)> = None;
            for (what, pass) in steps {
                now += pass;
                match what {
                    0 => content += 1,
                    1 => seen = Some(at(now)),
                    2 => attempts.end(Err(ResyncError::new(Reason::NoAnswer, ""))),
                    3 => drop(attempts.hear(at(now))),
                    4 => attempts.end(Ok(Answer::Silence(String::new()))),
                    _ => attempts.end(Ok(Answer::Heard)),
                }
                match attempts.due(&content.to_string(), seen, at(now)) {
                    Due::Now => {
                        if let Some((then, of)) = last {
                            prop_assert!(of != content || now - then >= 300);
                        }
                        attempts.begin(&content.to_string(), at(now));
                        last = Some((now, content));
                    }
                    Due::UnderWay(then) => prop_assert!(then.as_second() - now <= PATIENCE || attempts.sending),
                    Due::Later(then) => prop_assert!(then > at(now) && then.as_second() - now <= LONGEST_PAUSE.as_secs() as i64),
                }
            }
        }
    }
}
