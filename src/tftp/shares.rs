//! Which transfer makes room when there are too many, so that no client can take the places of all others.
//!
//! A source is an IPv4 address, or a /64 of IPv6, which one machine may have to itself. A source that has more than its share gives
//! first: of the largest one, that transfer goes which made no progress for the longest time. Where no source has so many, it is the
//! one of all, if it does not look as if it were going on. So an address that sends requests pushes out its own, many addresses
//! push out those that do not go on, an office of 500 phones behind one address is below its share and goes on, and where there are
//! simply too many phones, those that came first end what they began. Where all go on, a source gives to one that has far fewer, so
//! that addresses that acknowledge all the time keep no phone out either.
//!
//! Every place of the table is in two lists, that of all and that of its source, in the order of their progress. Progress takes
//! constant time; the begin and the end of a transfer take the logarithm of the number of sources.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use hashbrown::HashMap;

use super::session::Millis;

/// A source has more than its share if it has more than this part of all transfers.
const PARTS: usize = 16;
/// A transfer without progress for so long does not look as if it were going on: more than a round trip, less than a flood needs to
/// take all places.
const MIN_IDLE: Millis = 250;
/// Where all go on: a transfer without progress for so long, which is soon, may make room for one of a source with far fewer. It is
/// longer than a round trip to phones far away, with [`GRAIN`], by which progress is noted late.
const MIN_IDLE_OF_LARGER: Millis = 7 * GRAIN;
/// How many times as many a source has that gives then. A phone asks for two files at once.
const LARGER: usize = 2;
/// Progress within this time of the last one does not change the order, so that a client that is served pays nothing for it.
const GRAIN: Millis = 16;
/// No place, and no source.
const NONE: u32 = u32::MAX;

/// Who counts as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// An address.
    V4([u8; 4]),
    /// The network of 64 bits that an address is in.
    V6([u8; 8]),
}

impl Origin {
    /// The one of a client.
    pub fn of(client: SocketAddr) -> Origin {
        match client.ip().to_canonical() {
            IpAddr::V4(ip) => Origin::V4(ip.octets()),
            IpAddr::V6(ip) => {
                let [a, b, c, d, e, f, g, h, ..] = ip.octets();
                Origin::V6([a, b, c, d, e, f, g, h])
            }
        }
    }
}

/// One list through the places: the ends of it.
#[derive(Clone, Copy, Debug)]
struct List {
    first: u32,
    last: u32,
}

impl Default for List {
    fn default() -> List {
        List { first: NONE, last: NONE }
    }
}

/// The neighbours of a place in one list.
#[derive(Clone, Copy, Debug)]
struct Link {
    before: u32,
    after: u32,
}

const UNLINKED: Link = Link { before: NONE, after: NONE };

/// The links of all lists of one kind: each place is in one of them at most.
#[derive(Debug, Default)]
struct Links(Vec<Link>);

impl Links {
    fn append(&mut self, list: &mut List, place: u32) {
        if self.0.len() <= place as usize {
            self.0.resize(place as usize + 1, UNLINKED);
        }
        self.0[place as usize] = Link { before: list.last, after: NONE };
        match list.last {
            NONE => list.first = place,
            last => self.0[last as usize].after = place,
        }
        list.last = place;
    }

    fn unlink(&mut self, list: &mut List, place: u32) {
        let Link { before, after } = self.0[place as usize];
        match before {
            NONE => list.first = after,
            before => self.0[before as usize].after = after,
        }
        match after {
            NONE => list.last = before,
            after => self.0[after as usize].before = before,
        }
        self.0[place as usize] = UNLINKED;
    }
}

/// A source, and its transfers: the one without progress for the longest time first.
#[derive(Debug)]
struct Source {
    origin: Origin,
    count: usize,
    list: List,
}

/// A transfer.
#[derive(Clone, Copy, Debug)]
struct Member {
    /// Its source, or `NONE` if there is no transfer in this place.
    source: u32,
    /// When it made progress.
    moved: Millis,
}

/// Who has which places.
#[derive(Default)]
pub struct Shares {
    members: Vec<Member>,
    /// All transfers: the one without progress for the longest time first.
    list: List,
    count: usize,
    all: Links,
    own: Links,
    sources: Vec<Source>,
    free: Vec<u32>,
    /// Seeded anew in each process, because clients choose what is hashed.
    by_origin: HashMap<Origin, u32>,
    /// All sources, the largest last.
    by_count: BTreeSet<(usize, u32)>,
}

impl Shares {
    /// A client's transfer begins, in a place that is free.
    pub fn insert(&mut self, place: usize, client: SocketAddr, now: Millis) {
        let number = self.source(Origin::of(client));
        self.resize(number, |count| count + 1);
        self.count += 1;
        let source = &mut self.sources[number as usize];
        self.own.append(&mut source.list, place as u32);
        self.all.append(&mut self.list, place as u32);
        if self.members.len() <= place {
            self.members.resize(place + 1, Member { source: NONE, moved: 0 });
        }
        self.members[place] = Member { source: number, moved: now };
    }

    /// Changes how many transfers a source has; how many they are now.
    fn resize(&mut self, number: u32, change: fn(usize) -> usize) -> usize {
        let source = &mut self.sources[number as usize];
        self.by_count.remove(&(source.count, number));
        source.count = change(source.count);
        if source.count > 0 {
            self.by_count.insert((source.count, number));
        }
        source.count
    }

    /// The number of a source, which has a transfer soon if it has none yet.
    fn source(&mut self, origin: Origin) -> u32 {
        let Shares { sources, free, by_origin, .. } = self;
        *by_origin.entry(origin).or_insert_with(|| {
            let source = Source { origin, count: 0, list: List::default() };
            match free.pop() {
                Some(number) => {
                    sources[number as usize] = source;
                    number
                }
                None => {
                    sources.push(source);
                    sources.len() as u32 - 1
                }
            }
        })
    }

    /// The transfer in a place made progress.
    #[inline]
    pub fn progress(&mut self, place: usize, now: Millis) {
        let Some(member) = self.members.get_mut(place).filter(|member| member.source != NONE) else { return };
        if now < member.moved + GRAIN {
            return;
        }
        member.moved = now;
        let source = &mut self.sources[member.source as usize];
        for (links, list) in [(&mut self.own, &mut source.list), (&mut self.all, &mut self.list)] {
            links.unlink(list, place as u32);
            links.append(list, place as u32);
        }
    }

    /// The transfer in a place ended.
    pub fn remove(&mut self, place: usize) {
        let Some(member) = self.members.get_mut(place).filter(|member| member.source != NONE) else { return };
        let number = std::mem::replace(&mut member.source, NONE);
        let source = &mut self.sources[number as usize];
        self.own.unlink(&mut source.list, place as u32);
        self.all.unlink(&mut self.list, place as u32);
        let origin = source.origin;
        self.count -= 1;
        if self.resize(number, |count| count - 1) == 0 {
            self.by_origin.remove(&origin);
            self.free.push(number);
        }
    }

    /// The place whose transfer should make room for one of this client, if there is any.
    pub fn to_make_room(&self, client: SocketAddr, now: Millis) -> Option<usize> {
        let (most, number) = self.by_count.last()?;
        let of_largest = self.sources[*number as usize].list.first;
        if most * PARTS > self.count {
            return Some(of_largest as usize);
        }
        let is_idle = |place: u32, least| self.members.get(place as usize).is_some_and(|one| now >= one.moved + least);
        if is_idle(self.list.first, MIN_IDLE) {
            return Some(self.list.first as usize);
        }
        let its = self.by_origin.get(&Origin::of(client)).map_or(0, |number| self.sources[*number as usize].count);
        let gives = *most > LARGER * (its + 1) && is_idle(of_largest, MIN_IDLE_OF_LARGER);
        gives.then_some(of_largest as usize)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;

    fn client(address: u8) -> SocketAddr {
        ([10, 0, 0, address], 1000).into()
    }

    #[test]
    fn the_largest_source_gives_first_and_of_its_own_the_one_without_progress_for_the_longest_time() {
        let mut shares = Shares::default();
        assert_eq!(shares.to_make_room(client(9), 0), None);
        (0..4).for_each(|place| shares.insert(place, client(1), 0));
        (4..9).for_each(|place| shares.insert(place, client(2), 1_000 + place as u64));
        (9..15).for_each(|place| shares.insert(place, client(3), 2_000 + place as u64));
        assert_eq!(shares.to_make_room(client(99), 2_100), Some(9), "the third has the most");
        shares.progress(9, 5_000);
        assert_eq!(shares.to_make_room(client(99), 5_000), Some(10));
        (10..12).for_each(|place| shares.remove(place));
        assert_eq!(shares.to_make_room(client(99), 5_000), Some(4), "the second has the most");
    }

    #[test]
    fn where_nobody_has_more_than_a_share_what_goes_on_goes_on() {
        let mut shares = Shares::default();
        (0..40).for_each(|place| shares.insert(place, client(place as u8), 10 * place as u64));
        assert_eq!(shares.to_make_room(client(99), MIN_IDLE - 1), None, "all of them may be going on");
        assert_eq!(shares.to_make_room(client(99), MIN_IDLE), Some(0));
        shares.progress(0, 500);
        shares.progress(1, 10 + GRAIN - 1);
        assert_eq!(shares.to_make_room(client(99), 500), Some(1), "the order is coarse");
        (40..42).for_each(|place| shares.insert(place, client(7), 500));
        assert_eq!(shares.to_make_room(client(99), 500), Some(7), "three of 42 are more than a sixteenth");
    }

    #[test]
    fn where_all_go_on_a_source_gives_to_one_with_far_fewer() {
        let mut shares = Shares::default();
        // 40 sources with five transfers each, all of which go on.
        (0..200).for_each(|place| shares.insert(place, client(place as u8 % 40), 0));
        (0..200).for_each(|place| shares.progress(place, 100 + place as u64 / 4));
        assert_eq!(shares.to_make_room(client(99), 100 + MIN_IDLE_OF_LARGER - 1), None, "it may only be noted late");
        let now = 150 + MIN_IDLE_OF_LARGER;
        let place = shares.to_make_room(client(99), now).unwrap();
        assert!(place < 40, "of its source the one without progress for the longest time");
        assert_eq!(shares.to_make_room(client(7), now), None, "it has as many itself");
        (200..202).for_each(|place| shares.insert(place, client(98), now));
        assert_eq!(shares.to_make_room(client(98), now), None, "not far fewer");
        let mut phones = Shares::default();
        (0..200).for_each(|place| phones.insert(place, client(place as u8 / 2), 0));
        assert_eq!(phones.to_make_room(client(199), MIN_IDLE - 1), None, "too many phones, none of which has many");
    }

    #[test]
    fn an_office_behind_one_address_goes_on_whoever_sends_requests() {
        const PLACES: usize = 16_384;
        let one = |_: u32| SocketAddr::from(([198, 51, 100, 7], 1));
        let many = |n: u32| SocketAddr::from((n.to_be_bytes(), 1));
        let several = |n: u32| SocketAddr::from(([198, 51, 100, (n % 40) as u8], 1));
        for attacker in [&one as &dyn Fn(u32) -> SocketAddr, &many, &several] {
            let (mut shares, mut ended) = (Shares::default(), 0);
            (0..500).for_each(|place| shares.insert(place, client(1), 0));
            (500..PLACES).for_each(|place| shares.insert(place, attacker(place as u32), 1));
            (0..500).for_each(|place| shares.progress(place, 100));
            for n in 0..60_000u32 {
                // Packets come every 20 µs; every phone of the office acknowledges twelve blocks a second, one after the other.
                let now = 100 + u64::from(n) / 50;
                if n % 8 == 0 {
                    shares.progress((n / 8 % 500) as usize, now);
                }
                let Some(place) = shares.to_make_room(attacker(n), now) else { continue };
                assert!(place >= 500, "a phone made room at {now} ms");
                shares.remove(place);
                shares.insert(place, attacker(n), now);
                ended += 1;
            }
            assert!(ended > 30_000, "{ended}");
        }
    }

    #[test]
    fn a_network_of_ipv6_is_one_source_and_so_is_an_address_that_ipv6_carries() {
        let of = |address: &str| Origin::of(SocketAddr::new(address.parse().unwrap(), 69));
        assert_eq!(of("2001:db8:0:1::1"), of("2001:db8:0:1:ffff::2"));
        assert_ne!(of("2001:db8:0:1::1"), of("2001:db8:0:2::1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
        assert_ne!(of("::ffff:10.0.0.1"), of("::ffff:10.0.0.2"));
    }

    proptest! {
        #[test]
        fn what_makes_room_is_what_a_look_at_all_would_find(
            acts in prop::collection::vec((0..3u8, 0..60usize, 0..50u8), 0..400),
        ) {
            let mut shares = Shares::default();
            // Of each place its source, and when it made progress.
            let mut model: BTreeMap<usize, (u8, u64)> = BTreeMap::new();
            for (n, (act, place, source)) in acts.into_iter().enumerate() {
                let now = n as u64 * GRAIN;
                match (act, model.get_mut(&place)) {
                    (0, None) => {
                        shares.insert(place, client(source), now);
                        model.insert(place, (source, now));
                    }
                    (1, Some(entry)) => {
                        shares.progress(place, now);
                        entry.1 = now;
                    }
                    (2, Some(_)) => {
                        shares.remove(place);
                        model.remove(&place);
                    }
                    (1, None) => shares.progress(place, now),
                    (2, None) => shares.remove(place),
                    _ => {}
                }
                let count = |source: u8| model.values().filter(|(other, _)| *other == source).count();
                let most = model.values().map(|(source, _)| count(*source)).max().unwrap_or(0);
                match shares.to_make_room(client(99), now + MIN_IDLE) {
                    None => prop_assert!(model.is_empty()),
                    Some(place) => {
                        let (source, moved) = model[&place];
                        let is_large = most * PARTS > model.len();
                        prop_assert!(!is_large || count(source) == most);
                        let rivals = model.values().filter(|(other, _)| !is_large || *other == source);
                        prop_assert_eq!(Some(moved), rivals.map(|(_, moved)| *moved).min());
                    }
                }
                prop_assert!(shares.by_count.len() == shares.by_origin.len() && shares.members.len() <= 60);
                prop_assert!(shares.sources.len() - shares.free.len() == shares.by_origin.len());
            }
        }
    }
}
