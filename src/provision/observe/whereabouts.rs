//! Where a phone is. Anybody who can send a datagram can write a phone's name: an address is believed only while nothing speaks
//! against it.

use std::net::IpAddr;

use jiff::Timestamp;

use crate::base::digest::Digest;

/// Within so many seconds one phone does not fetch its file from two addresses: a lease lasts longer. For as long a conflict stands
/// after the last request from the other address.
const CALM: i64 = 600;

/// What speaks against a phone's address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Whereabouts {
    rival: Option<Rival>,
    outsider: Option<(IpAddr, Timestamp)>,
}

/// What was fetched in a phone's name from another address than its own, soon before or after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rival {
    /// From where.
    pub address: IpAddr,
    /// When, the last time.
    pub time: Timestamp,
    /// The file's digest.
    pub taken: Digest,
    /// Whether the phone was heard at its own address since, or at a third one: then somebody is not who he says.
    is_contested: bool,
}

/// What a status says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// Two addresses within a short time: until then, or up to a minute less, nothing is sent to the phone.
    TwoAddresses(IpAddr, Timestamp),
    /// Requests from outside the phones' networks are passed over.
    Outside(IpAddr),
}

impl Whereabouts {
    /// The phone's file was taken whole; `known` is where it was taken last, and when. Whether the phone counts as being there now.
    pub fn arrive(&mut self, known: Option<(IpAddr, Timestamp)>, from: IpAddr, time: Timestamp, taken: Digest) -> bool {
        let Some((address, seen)) = known else { return true };
        if address == from {
            if let Some(rival) = &mut self.rival {
                rival.is_contested |= time > rival.time;
            }
            return true;
        }
        let apart = time.as_second() - seen.as_second();
        if apart < -CALM {
            // Reported again, or very late.
            return false;
        }
        let third = self.rival.as_ref().is_some_and(|rival| rival.address != from || rival.is_contested);
        if apart > CALM && !third {
            self.rival = None;
            return true;
        }
        match &mut self.rival {
            // Whoever comes from ever new addresses changes nothing of what a status says.
            Some(rival) if third => (rival.time, rival.is_contested) = (rival.time.max(time), true),
            Some(rival) if rival.time > time => {}
            rival => *rival = Some(Rival { address: from, time, taken, is_contested: false }),
        }
        false
    }

    /// A request in the phone's name came from outside the phones' networks, while the phone is known to be inside.
    pub fn reject(&mut self, from: IpAddr, time: Timestamp) {
        let (from, before) = self.outsider.unwrap_or((from, time));
        self.outsider = Some((from, before.max(time)));
    }

    /// What there is to say.
    pub fn doubt(&self, now: Timestamp) -> Option<Doubt> {
        let two = self.rival.as_ref().map(|rival| (rival.address, until(rival.time)));
        let two = two
            .filter(|(_, until)| now < *until)
            .map(|(address, until)| Doubt::TwoAddresses(address, minute_after(until)));
        let outsider = self.outsider.filter(|(_, time)| now < until(*time));
        two.or_else(|| outsider.map(|(address, _)| Doubt::Outside(address)))
    }

    /// Whether nothing speaks against the address any more, or ever did.
    pub fn is_calm(&self) -> bool {
        self.rival.is_none() && self.outsider.is_none()
    }

    /// The time passes: whether that ends a doubt, and where the phone is then if it is elsewhere. An address that was given anew
    /// by DHCP is the later one, and nothing was heard at the former one since; `seen` is when that was.
    pub fn lapse(&mut self, seen: Option<Timestamp>, now: Timestamp) -> (bool, Option<Rival>) {
        let old = self.outsider.take_if(|(_, time)| now >= until(*time));
        let rival = self.rival.take_if(|rival| now >= until(rival.time));
        let ended = old.is_some() || rival.is_some();
        let moved = rival.filter(|rival| !rival.is_contested && seen.is_none_or(|seen| seen < rival.time));
        (ended, moved)
    }
}

fn until(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second().saturating_add(CALM)).unwrap_or(time)
}

/// The full minute after a time: a status is written once a minute, however often the other address is heard.
fn minute_after(time: Timestamp) -> Timestamp {
    let seconds = time.as_second();
    Timestamp::from_second(seconds + (-seconds).rem_euclid(60)).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));
    const C: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 3));

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn arrive(whereabouts: &mut Whereabouts, known: (IpAddr, i64), from: IpAddr, time: i64) -> bool {
        whereabouts.arrive(Some((known.0, at(known.1))), from, at(time), Digest::of(b"x"))
    }

    #[test]
    fn a_phone_that_was_quiet_moves_at_once() {
        let mut whereabouts = Whereabouts::default();
        assert!(whereabouts.arrive(None, A, at(1_000), Digest::of(b"x")));
        assert!(arrive(&mut whereabouts, (A, 1_000), B, 1_601));
        assert!(whereabouts.is_calm());
        assert!(!arrive(&mut whereabouts, (B, 5_000), A, 1_000), "reported again");
        assert!(whereabouts.is_calm());
    }

    #[test]
    fn a_renumbered_phone_has_its_new_address_in_the_end() {
        let mut whereabouts = Whereabouts::default();
        assert!(!arrive(&mut whereabouts, (A, 1_000), B, 1_100));
        assert_eq!(whereabouts.doubt(at(1_100)), Some(Doubt::TwoAddresses(B, at(1_740))));
        assert_eq!(whereabouts.lapse(Some(at(1_000)), at(1_699)), (false, None));
        let (ended, moved) = whereabouts.lapse(Some(at(1_000)), at(1_700));
        assert!(ended && moved.is_some_and(|rival| rival.address == B && rival.time == at(1_100)));
        assert!(whereabouts.is_calm());
    }

    #[test]
    fn a_phone_that_is_heard_at_its_own_address_stays_there() {
        let mut whereabouts = Whereabouts::default();
        assert!(!arrive(&mut whereabouts, (A, 1_000), B, 1_100));
        assert!(arrive(&mut whereabouts, (A, 1_000), A, 1_200));
        assert!(!arrive(&mut whereabouts, (A, 1_200), B, 1_300), "and the other goes on");
        assert_eq!(whereabouts.lapse(Some(at(1_200)), at(1_900)), (true, None));
        assert!(!arrive(&mut whereabouts, (A, 2_000), B, 2_050));
        assert!(!arrive(&mut whereabouts, (A, 2_000), C, 2_100), "a third one settles nothing");
        assert_eq!(whereabouts.lapse(Some(at(2_000)), at(2_700)), (true, None));
    }

    #[test]
    fn what_a_status_says_does_not_follow_every_packet() {
        let mut whereabouts = Whereabouts::default();
        let other = |n: u8| IpAddr::from([10, 0, 1, n]);
        let said: std::collections::BTreeSet<String> = (0..=200u8)
            .map(|n| {
                assert!(!arrive(&mut whereabouts, (A, 1_000), other(n), 1_100 + i64::from(n) / 10));
                whereabouts.reject(other(n), at(1_100 + i64::from(n) / 10));
                format!("{:?}", whereabouts.doubt(at(1_100)))
            })
            .collect();
        assert_eq!(said.len(), 1, "{said:?}");
    }

    #[test]
    fn whoever_asks_from_outside_is_noted_for_a_while() {
        let mut whereabouts = Whereabouts::default();
        whereabouts.reject(B, at(1_000));
        assert_eq!(whereabouts.doubt(at(1_599)), Some(Doubt::Outside(B)));
        assert_eq!((whereabouts.doubt(at(1_600)), whereabouts.lapse(None, at(1_600))), (None, (true, None)));
    }
}
