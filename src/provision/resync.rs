//! When a running phone is told to fetch a change, and what came of it: pure.
//!
//! A phone is told because it has not fetched what it is served now, or because somebody asked for it. It is told once, and
//! has [`PATIENCE`] to come back; if it does not, or cannot be reached, it is told again after longer and longer pauses.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;

use super::Key;
use crate::api::ResyncStatus;
use crate::base::Backoff;

mod window;

pub use window::Hours;

/// How long a phone has to come back after it was told, in seconds: it waits until it has been idle for 20 seconds, and
/// restarts. As long it counts as one of those that are on their way.
pub const PATIENCE: i64 = 180;
/// The pauses after attempts in vain.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(300), Duration::from_secs(6 * 3600));

/// A phone to be told, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResyncOrder {
    /// The phone.
    pub phone: Key,
    /// Where it was seen last.
    pub address: IpAddr,
    /// How it is told.
    pub way: Transport,
}

/// How a phone is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// SIP NOTIFY.
    Notify {
        /// The phone's SIP port.
        port: u16,
        /// The names of its lines.
        lines: Vec<String>,
    },
    /// Telnet.
    Telnet {
        /// The phone's password.
        password: Password,
    },
}

/// A password, which never shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Why a phone could not be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResyncError {
    /// The reason, for conditions.
    pub reason: &'static str,
    /// What happened, and what to do.
    pub message: String,
}

impl ResyncError {
    /// A problem.
    pub fn new(reason: &'static str, message: impl Into<String>) -> ResyncError {
        ResyncError { reason, message: message.into() }
    }
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// It may be told now.
    Now,
    /// It is being told, or was told, and has until then to come back.
    OnItsWay(Timestamp),
    /// It was told in vain, and is told again then.
    Later(Timestamp),
}

/// What is known of telling one phone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResyncAttempts {
    /// When it was told last.
    at: Option<Timestamp>,
    /// What it should have fetched then; nothing if that was before a restart.
    content: Option<String>,
    /// How often it was told of that.
    tries: u32,
    /// Whether it is being told at this moment.
    sending: bool,
    problem: Option<ResyncError>,
    /// The image that it is told of only to see whether it runs it.
    checks: Option<String>,
    /// The image that it was told of for that; once is enough.
    checked: Option<String>,
}

impl ResyncAttempts {
    /// What a status said before a restart; `needed` if there was something to tell.
    pub fn recover(status: Option<&ResyncStatus>, needed: bool) -> ResyncAttempts {
        let at: Option<Timestamp> = status.and_then(|s| s.told_at.as_deref()).and_then(|at| at.parse().ok());
        let failures = status.and_then(|s| s.failures).and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
        let mut telling = ResyncAttempts { at, tries: failures + u32::from(at.is_some()), ..ResyncAttempts::default() };
        if !needed {
            telling.rest();
        }
        telling
    }

    /// Whether a phone that should fetch this may be told; `seen` is when it fetched its file last.
    pub fn turn(&self, content: &str, seen: Option<Timestamp>, now: Timestamp) -> Due {
        let Some(at) = self.at else { return Due::Now };
        let patience = after(at, PATIENCE);
        let came_back = seen.is_some_and(|seen| seen > at);
        if self.sending || (self.problem.is_none() && !came_back && now < patience) {
            return Due::OnItsWay(patience);
        }
        let same = self.content.as_deref().is_none_or(|told| told == content);
        let again = after(at, pause(self.tries));
        if same && now < again { Due::Later(again) } else { Due::Now }
    }

    /// It is told.
    pub fn begin(&mut self, content: &str, now: Timestamp) {
        let same = self.content.as_deref().is_none_or(|told| told == content);
        self.tries = if same { self.tries + 1 } else { 1 };
        self.at = Some(now);
        self.content = Some(content.to_owned());
        self.sending = true;
        self.problem = None;
    }

    /// It is told only so that it is seen which image it runs.
    pub fn begin_check(&mut self, content: &str, image: &str, now: Timestamp) {
        self.begin(content, now);
        self.checks = Some(image.to_owned());
    }

    /// Whether it was told for that already.
    pub fn has_checked(&self, image: &str) -> bool {
        self.checked.as_deref() == Some(image)
    }

    /// It was told, or could not be.
    pub fn end(&mut self, result: Result<(), ResyncError>) {
        self.sending = false;
        if let (Some(image), Ok(())) = (self.checks.take(), &result) {
            self.checked = Some(image);
        }
        self.problem = result.err();
    }

    /// There is nothing to tell any more.
    pub fn rest(&mut self) {
        self.tries = 0;
        // Whatever comes next is new.
        self.content = Some(String::new());
        self.problem = None;
    }

    /// Why it could not be told.
    pub fn problem(&self) -> Option<&ResyncError> {
        self.problem.as_ref()
    }

    /// What a status says of it; `needed` if there still is something to tell.
    pub fn status(&self, needed: bool) -> Option<ResyncStatus> {
        let failures = i64::from(self.tries) - 1;
        Some(ResyncStatus {
            told_at: Some(super::observed::seconds(self.at?)),
            failures: Some(failures).filter(|n| needed && *n > 0),
        })
    }
}

fn pause(tries: u32) -> i64 {
    BACKOFF.after(tries.max(1)).as_secs() as i64
}

fn after(time: Timestamp, seconds: i64) -> Timestamp {
    Timestamp::from_second(time.as_second().saturating_add(seconds)).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn a_phone_is_told_once_and_again_after_longer_and_longer_pauses() {
        let mut telling = ResyncAttempts::default();
        let (mut now, mut told) = (0, Vec::new());
        while told.len() < 10 {
            match telling.turn("a", None, at(now)) {
                Due::Now => {
                    telling.begin("a", at(now));
                    telling.end(Ok(()));
                    told.push(now);
                }
                Due::OnItsWay(then) | Due::Later(then) => {
                    assert!(then > at(now));
                    now = then.as_second();
                }
            }
        }
        let pauses: Vec<i64> = told.windows(2).map(|two| two[1] - two[0]).collect();
        assert_eq!(pauses, [300, 600, 1200, 2400, 4800, 9600, 19_200, 21_600, 21_600]);
        assert_eq!(telling.status(true).unwrap().failures, Some(9));
    }

    #[test]
    fn a_new_change_is_told_at_once_unless_the_phone_is_on_its_way() {
        let mut telling = ResyncAttempts::default();
        telling.begin("a", at(100));
        assert_eq!(telling.turn("b", None, at(101)), Due::OnItsWay(at(280)), "it is being told");
        telling.end(Ok(()));
        assert_eq!(telling.turn("b", None, at(101)), Due::OnItsWay(at(280)), "it will fetch the newest");
        assert_eq!(telling.turn("b", Some(at(150)), at(151)), Due::Now, "it came back before the newest was there");
        assert_eq!(
            telling.turn("a", Some(at(150)), at(151)),
            Due::Later(at(400)),
            "it did not take what it was told of"
        );
        telling.end(Err(ResyncError::new("NoAnswer", "")));
        assert_eq!(telling.turn("b", None, at(101)), Due::Now);
        assert_eq!(telling.turn("a", None, at(101)), Due::Later(at(400)));
    }

    #[test]
    fn the_next_change_is_told_at_once_when_the_last_one_was_taken() {
        let mut telling = ResyncAttempts::default();
        telling.begin("a", at(100));
        telling.end(Ok(()));
        telling.rest();
        assert_eq!(telling.turn("b", Some(at(120)), at(121)), Due::Now);
        let told = telling.status(false);
        assert_eq!(ResyncAttempts::recover(told.as_ref(), false).turn("b", Some(at(120)), at(121)), Due::Now);
    }

    #[test]
    fn a_restart_of_the_operator_tells_nobody_twice() {
        let mut before = ResyncAttempts::default();
        before.begin("a", at(1_000));
        before.end(Ok(()));
        let mut after = ResyncAttempts::recover(before.status(true).as_ref(), true);
        assert_eq!(after.turn("a", None, at(1_100)), Due::OnItsWay(at(1_180)));
        assert_eq!(after.turn("a", None, at(1_200)), Due::Later(at(1_300)));
        after.begin("a", at(1_300));
        assert_eq!(after.status(true).unwrap().failures, Some(1));
        assert_eq!(after.status(false).unwrap().failures, None);
    }

    #[test]
    fn a_password_does_not_show() {
        let order = Transport::Telnet { password: Password("correct-horse".into()) };
        assert!(!format!("{order:?}").contains("horse"));
    }

    proptest! {
        /// However changes, failures and visits follow each other: between two orders of one content there is the pause, and
        /// a phone that needs to be told always has a turn in the end.
        #[test]
        fn pauses_hold_and_nobody_is_forgotten(steps in proptest::collection::vec((0u8..4, 1i64..400), 1..200)) {
            let mut telling = ResyncAttempts::default();
            let (mut now, mut content, mut seen) = (0, 0, None);
            let mut last: Option<(i64, i32)> = None;
            for (what, pass) in steps {
                now += pass;
                match what {
                    0 => content += 1,
                    1 => seen = Some(at(now)),
                    2 => telling.end(Err(ResyncError::new("NoAnswer", ""))),
                    _ => telling.end(Ok(())),
                }
                match telling.turn(&content.to_string(), seen, at(now)) {
                    Due::Now => {
                        if let Some((then, of)) = last {
                            prop_assert!(of != content || now - then >= pause(1));
                        }
                        telling.begin(&content.to_string(), at(now));
                        last = Some((now, content));
                    }
                    Due::OnItsWay(then) => prop_assert!(then.as_second() - now <= PATIENCE || telling.sending),
                    Due::Later(then) => prop_assert!(then > at(now) && then.as_second() - now <= pause(u32::MAX)),
                }
            }
        }
    }
}
