//! Phones that asked for their configuration and that no SipPhone declares.
//!
//! One packet makes one: a name is cheap. A phone without a configuration asks again every 31 seconds, so whoever comes again is
//! told apart, and keeps its place against any number of names that were heard once. Whoever makes names come again needs more
//! packets; but all names of one address together take no place that a phone at another one needs.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use jiff::Timestamp;

use crate::api::Unclaimed;
use crate::phone::Mac;
use crate::provision::observe::crowd::Crowd;
use crate::provision::observe::fetch::seconds;

/// How many unclaimed phones a site's status shows.
const SHOWN: usize = 64;
/// How many are known: a phone comes again before so many others push it out.
const KNOWN: usize = 2_048;
/// How many of them may be phones that wait: the others are for those that come for the first time.
const MAX_WAITING: usize = KNOWN / 4 * 3;
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
    /// Those that wait, and those that were heard once or twice.
    waiting: Crowd,
    noise: Crowd,
    reported: Option<Timestamp>,
    /// Whether there are news that were not reported yet.
    has_news: bool,
}

#[derive(Clone, Copy, Debug)]
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
        let is_news = match self.known.get(&mac).copied() {
            Some(before) => {
                let mut caller = Caller { address, ..before };
                if caller.last.is_none_or(|last| time.as_second() - last.as_second() >= AGAIN) {
                    (caller.returns, caller.last) = (caller.returns.saturating_add(1), Some(time));
                }
                self.put(mac, caller);
                caller.waits() && (address != before.address || !before.waits())
            }
            None => {
                if self.known.len() >= KNOWN {
                    self.make_room();
                }
                self.put(mac, Caller { address, first: time, last: Some(time), returns: 0 });
                true
            }
        };
        self.has_news |= is_news;
        self.report(time)
    }

    fn crowd(&mut self, waits: bool) -> &mut Crowd {
        if waits { &mut self.waiting } else { &mut self.noise }
    }

    /// Enters a caller, in place of what was known of it.
    fn put(&mut self, mac: Mac, caller: Caller) {
        self.remove(mac);
        self.crowd(caller.waits()).insert(mac, caller.address, caller.last);
        self.known.insert(mac, caller);
    }

    /// Forgets a caller; whether it was known.
    fn remove(&mut self, mac: Mac) -> bool {
        let Some(caller) = self.known.remove(&mac) else { return false };
        self.crowd(caller.waits()).remove(mac, caller.address, caller.last);
        true
    }

    /// Those that come again make room only if there are too many of them.
    fn make_room(&mut self) {
        let gives = self.waiting.len() > MAX_WAITING || self.noise.len() == 0;
        if let Some(mac) = self.crowd(gives).first_to_go() {
            self.remove(mac);
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
        let known: Vec<(Mac, Caller)> = self.known.iter().map(|(mac, caller)| (*mac, *caller)).collect();
        for (mac, caller) in known {
            match caller.last {
                None => self.put(mac, Caller { last: Some(now), ..caller }),
                Some(last) if now.as_second() - last.as_second() >= EXPIRES => self.has_news |= self.remove(mac),
                Some(_) => {}
            }
        }
        self.report(now)
    }

    /// Takes over what a status said before a restart.
    pub fn recover(&mut self, unclaimed: &[Unclaimed]) {
        for one in unclaimed.iter().take(SHOWN) {
            if let (Ok(mac), Ok(address), Ok(first)) = (one.mac.parse(), one.address.parse(), one.first_seen.parse()) {
                let returns = if one.waiting { RETURNS } else { 0 };
                if !self.known.contains_key(&mac) {
                    self.put(mac, Caller { address, first, last: None, returns });
                }
            }
        }
    }

    /// A SipPhone declares it; whether it was one of them.
    pub fn claim(&mut self, mac: Mac) -> bool {
        self.remove(mac)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.known.len()
    }

    /// Those that a status shows: first the ones that come again, then the ones that came last, but of each address one before a
    /// second one of another. In the order of their MAC addresses.
    pub fn list(&self) -> Vec<Unclaimed> {
        let mut all: Vec<(&Mac, &Caller)> = self.known.iter().collect();
        all.sort_by_key(|(_, caller)| Reverse((caller.waits(), caller.last)));
        let mut of_address: HashMap<(IpAddr, bool), usize> = HashMap::new();
        let mut ranked = Vec::with_capacity(all.len());
        for (mac, caller) in all {
            let nth = of_address.entry((caller.address, caller.waits())).or_default();
            *nth += 1;
            ranked.push((!caller.waits(), *nth, mac, caller));
        }
        // Stable: those of one rank stay in their order.
        ranked.sort_by_key(|(is_noise, nth, ..)| (*is_noise, *nth));
        ranked.truncate(SHOWN);
        ranked.sort_by_key(|(_, _, mac, _)| **mac);
        let shown = ranked.into_iter().map(|(_, _, mac, caller)| Unclaimed {
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
    fn names_of_one_address_that_come_again_keep_no_phone_at_another_one_out() {
        let (mut unclaimed, stranger) = (UnclaimedPhones::default(), IpAddr::from([10, 6, 6, 6]));
        let (phone, mut fresh) = (mac(1), 50_000);
        for second in 0..600 {
            // 3,000 names, each of which comes again every 20 seconds, and 50 new ones a second.
            for n in 0..150 {
                unclaimed.note(mac(1_000 + second % 20 * 150 + n), stranger, at(1_000 + second as i64));
            }
            for _ in 0..50 {
                unclaimed.note(mac(fresh), stranger, at(1_000 + second as i64));
                fresh += 1;
            }
            // A phone that is plugged in meanwhile.
            if second >= 200 && second % 31 == 0 {
                unclaimed.note(phone, ADDRESS, at(1_000 + second as i64));
            }
            if second > 300 {
                assert!(shown(&unclaimed, phone).is_some_and(|one| one.waiting), "{second}");
            }
        }
        assert_eq!((unclaimed.count(), unclaimed.list().len()), (KNOWN, SHOWN));
        assert_eq!(unclaimed.waiting.len() + unclaimed.noise.len(), KNOWN);
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
