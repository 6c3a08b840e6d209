//! Phones that asked for their configuration and that no SipPhone declares.
//!
//! One packet makes one: a name is cheap. A phone without a configuration asks again every 31 seconds, so whoever comes again is
//! told apart, and keeps its place against any number of names that were heard once.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;

use crate::api::Unclaimed;
use crate::phone::Mac;
use crate::provision::observe::fetch::seconds;

/// How many unclaimed phones a site's status shows.
const SHOWN: usize = 64;
/// How many are known: a phone comes again before so many others push it out.
const KNOWN: usize = 2_048;
/// After so many seconds without a request one is forgotten.
const EXPIRES: i64 = 3_600;
/// A phone that asks again after so many seconds or more returns; requests repeated sooner are one.
const AGAIN: i64 = 20;
/// After so many returns it is a phone that waits.
const RETURNS: u32 = 2;
/// Within so many seconds news are reported once: a flood of names is not a flood of writes.
const NEWS_EVERY: i64 = 5;

/// The unclaimed phones of a site.
#[derive(Debug, Default)]
pub struct UnclaimedPhones {
    known: BTreeMap<Mac, Caller>,
    reported: Option<Timestamp>,
    /// Whether there are news that were not reported yet.
    has_news: bool,
}

#[derive(Debug)]
struct Caller {
    address: IpAddr,
    first: Timestamp,
    /// When it was counted last; nothing until the time is known after a restart.
    last: Option<Timestamp>,
    returns: u32,
}

impl Caller {
    fn waits(&self) -> bool {
        self.returns >= RETURNS
    }
}

impl UnclaimedPhones {
    /// Notes a request; whether there is something to report now. A poll every 31 seconds changes nothing.
    pub fn note(&mut self, mac: Mac, address: IpAddr, time: Timestamp) -> bool {
        let is_news = match self.known.get_mut(&mac) {
            Some(caller) => {
                let waited = caller.waits();
                if caller.last.is_none_or(|last| time.as_second() - last.as_second() >= AGAIN) {
                    (caller.returns, caller.last) = (caller.returns.saturating_add(1), Some(time));
                }
                let moved = std::mem::replace(&mut caller.address, address) != address;
                caller.waits() && (moved || !waited)
            }
            None => {
                if self.known.len() >= KNOWN {
                    self.make_room();
                }
                self.known.insert(mac, Caller { address, first: time, last: Some(time), returns: 0 });
                true
            }
        };
        self.has_news |= is_news;
        self.report(time)
    }

    /// Whoever was not heard for the longest makes room; those that come again do so last.
    fn make_room(&mut self) {
        let oldest = self.known.iter().min_by_key(|(_, caller)| (caller.waits(), caller.last));
        if let Some(mac) = oldest.map(|(mac, _)| *mac) {
            self.known.remove(&mac);
        }
    }

    fn report(&mut self, now: Timestamp) -> bool {
        let is_time = self.reported.is_none_or(|before| (now.as_second() - before.as_second()).abs() >= NEWS_EVERY);
        let is_due = self.has_news && is_time;
        if is_due {
            (self.reported, self.has_news) = (Some(now), false);
        }
        is_due
    }

    /// The time passes: those that are not heard any more are forgotten; whether there is something to report.
    pub fn pass(&mut self, now: Timestamp) -> bool {
        let before = self.known.len();
        self.known.retain(|_, caller| now.as_second() - caller.last.get_or_insert(now).as_second() < EXPIRES);
        self.has_news |= self.known.len() != before;
        self.report(now)
    }

    /// Takes over what a status said before a restart.
    pub fn recover(&mut self, unclaimed: &[Unclaimed]) {
        for one in unclaimed.iter().take(SHOWN) {
            if let (Ok(mac), Ok(address), Ok(first)) = (one.mac.parse(), one.address.parse(), one.first_seen.parse()) {
                let returns = if one.waiting { RETURNS } else { 0 };
                self.known.entry(mac).or_insert(Caller { address, first, last: None, returns });
            }
        }
    }

    /// A SipPhone declares it; whether it was one of them.
    pub fn claim(&mut self, mac: Mac) -> bool {
        self.known.remove(&mac).is_some()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.known.len()
    }

    /// Those that a status shows: first the ones that come again, then the ones that came last. In the order of their addresses.
    pub fn list(&self) -> Vec<Unclaimed> {
        let mut all: Vec<(&Mac, &Caller)> = self.known.iter().collect();
        all.sort_by_key(|(_, caller)| Reverse((caller.waits(), caller.last)));
        all.truncate(SHOWN);
        all.sort_by_key(|(mac, _)| **mac);
        let shown = all.into_iter().map(|(mac, caller)| Unclaimed {
            mac: mac.to_string(),
            address: caller.address.to_string(),
            first_seen: seconds(caller.first),
            waiting: caller.waits(),
        });
        shown.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 9));

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn mac(n: usize) -> Mac {
        format!("000A8B{n:06X}").parse().unwrap()
    }

    fn shown(unclaimed: &UnclaimedPhones, mac: Mac) -> Option<Unclaimed> {
        unclaimed.list().into_iter().find(|one| one.mac == mac.to_string())
    }

    #[test]
    fn a_poll_is_news_until_it_is_known_that_a_phone_waits() {
        let mut unclaimed = UnclaimedPhones::default();
        let news: Vec<bool> = (0..6).map(|n| unclaimed.note(mac(1), ADDRESS, at(1_000 + n * 31))).collect();
        assert_eq!(news, [true, false, true, false, false, false]);
        assert!(shown(&unclaimed, mac(1)).is_some_and(|one| one.waiting));
        assert!(unclaimed.claim(mac(1)));
        assert!(unclaimed.list().is_empty());
    }

    #[test]
    fn names_that_were_heard_once_do_not_keep_a_phone_out() {
        let mut unclaimed = UnclaimedPhones::default();
        for n in 0..64 {
            unclaimed.note(mac(n), ADDRESS, at(1_000));
        }
        unclaimed.note(mac(9_999), ADDRESS, at(1_001));
        assert!(shown(&unclaimed, mac(9_999)).is_some(), "the newest is shown");
        // A flood of ever new names, and one phone that waits.
        let mut name = 10_000;
        for second in 0..62 {
            if second % 31 == 0 {
                unclaimed.note(mac(9_999), ADDRESS, at(1_032 + second));
            }
            for _ in 0..50 {
                unclaimed.note(mac(name), ADDRESS, at(1_032 + second));
                name += 1;
            }
        }
        assert_eq!((unclaimed.count(), unclaimed.list().len()), (KNOWN, SHOWN));
        assert!(shown(&unclaimed, mac(9_999)).is_some_and(|one| one.waiting));
        for n in 0..10_000 {
            unclaimed.note(mac(20_000 + n), ADDRESS, at(1_100));
        }
        assert!(shown(&unclaimed, mac(9_999)).is_some(), "it keeps its place");
        assert_eq!(unclaimed.list().iter().filter(|one| one.waiting).count(), 1);
    }

    #[test]
    fn a_flood_of_names_is_not_a_flood_of_writes() {
        let mut unclaimed = UnclaimedPhones::default();
        let news = (0..1_000).filter(|n| unclaimed.note(mac(*n), ADDRESS, at(1_000 + *n as i64 / 100))).count();
        assert_eq!(news, 2);
        assert!(unclaimed.pass(at(1_015)), "the rest is told in the end");
        assert!(!unclaimed.pass(at(1_030)));
    }

    #[test]
    fn whoever_is_silent_for_an_hour_is_forgotten() {
        let mut unclaimed = UnclaimedPhones::default();
        unclaimed.note(mac(1), ADDRESS, at(1_000));
        unclaimed.note(mac(2), ADDRESS, at(4_000));
        assert!(unclaimed.pass(at(4_600)));
        assert_eq!(unclaimed.list().len(), 1);
        let mut after = UnclaimedPhones::default();
        after.recover(&unclaimed.list());
        assert!(!after.pass(at(90_000)), "from the restart on");
        assert_eq!(after.count(), 1);
        assert!(after.pass(at(93_600)) && after.count() == 0);
    }
}
