//! The transfers of one worker, each found by its place or by its client, and their timers. A session changes here only, so that
//! its timer cannot miss that its deadline has moved.

use std::hash::BuildHasher as _;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU64;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};
use jiff::Timestamp;

use super::file_store::File;
use super::packet::{self, Mode, Options, Request};
use super::session::{Millis, Progress, Session, Step};
use super::shares::Shares;
use super::socket::Udp;
use super::wheel::Wheel;
use crate::base::network::plain;
use crate::base::report::{Outcome, Record};

/// From this size on, a transfer's progress is reported: only firmware is so large.
const MIN_PROGRESS_BYTES: u64 = 64 * 1024;
/// How often it is reported on the way.
const PROGRESS_REPORTS: u64 = 16;

/// One client that fetches one file.
pub struct Transfer {
    /// The state of the protocol.
    session: Session,
    /// How it was asked for.
    asked: (Mode, Options),
    /// The client's address, which is half of its transfer ID (RFC 1350).
    pub client: SocketAddr,
    /// The address that the client sent its request to.
    pub local: Option<IpAddr>,
    /// The name in the request.
    pub requested: Arc<str>,
    /// The file that it gets.
    pub file: Arc<File>,
    /// On which of the worker's listeners.
    pub listener: usize,
    /// Its own socket, in mode Ephemeral.
    pub socket: Option<Udp>,
    /// In which of the worker's batches the packet was sent that is to be acknowledged.
    pub sent_in: u64,
    /// After how many acknowledged bytes its progress is reported next.
    next_progress: Option<NonZeroU64>,
    /// Whether it was reported that its end is not acknowledged.
    end_reported: bool,
}

impl Transfer {
    /// A transfer of this file, which was asked for in this way.
    pub fn new(
        session: Session,
        file: Arc<File>,
        (requested, asked): (Arc<str>, (Mode, Options)),
        (client, local, listener): (SocketAddr, Option<IpAddr>, usize),
        socket: Option<Udp>,
    ) -> Transfer {
        let next_progress = (file.bytes.len() as u64 >= MIN_PROGRESS_BYTES).then_some(NonZeroU64::MIN);
        Transfer {
            session,
            asked,
            client,
            local,
            requested,
            file,
            listener,
            socket,
            sent_in: 0,
            next_progress,
            end_reported: false,
        }
    }

    /// The state of the protocol.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Whether a request of its client is the one that it began with, once more, to the same of our addresses; otherwise the client
    /// begins anew.
    pub fn is_repeated_by(&self, request: &Request<'_>, local: Option<IpAddr>, now: Millis) -> bool {
        let has_name = || {
            let requested = &*self.requested;
            requested.as_bytes() == request.name || requested == packet::printable(request.name)
        };
        let is_same = self.asked == (request.mode, request.options) && self.local == local;
        is_same && self.session.may_be_repeated(now) && has_name()
    }

    /// Whether progress is to be reported now; then the next report is due a part of the file later.
    pub fn takes_progress(&mut self) -> bool {
        let Some(at) = self.next_progress else { return false };
        let acknowledged = self.session.acknowledged();
        let is_due = acknowledged >= at.get();
        if is_due {
            self.next_progress = NonZeroU64::new(acknowledged + self.file.bytes.len() as u64 / PROGRESS_REPORTS);
        }
        is_due
    }

    /// Whether it is to be reported now that its end is not acknowledged: once.
    pub fn takes_unacknowledged_end(&mut self, now: Millis) -> bool {
        let is_due = !self.end_reported && self.session.unacknowledged(now).is_some();
        self.end_reported |= is_due;
        is_due
    }

    /// Its record in the log.
    pub fn record(&self, now: Millis, outcome: Outcome) -> Record {
        Record {
            seq: 0,
            time: Timestamp::now(),
            peer: plain(self.client),
            asked: self.requested.clone(),
            file: Some(self.file.name.clone()),
            digest: Some(self.file.digest.clone()),
            size: self.file.bytes.len() as u64,
            acknowledged: self.session.acknowledged(),
            millis: self.session.age(now),
            unacknowledged: self.session.unacknowledged(now).unwrap_or(0),
            outcome,
        }
    }
}

/// All transfers of a worker. A place is used again when its transfer has ended.
pub struct Transfers {
    capacity: usize,
    places: Vec<Option<Transfer>>,
    free: Vec<usize>,
    /// Places by client. The clients themselves are in the transfers only: so the table of thousands is small enough to stay
    /// near the processor.
    by_client: HashTable<u32>,
    /// Seeded anew in each process, because clients choose what is hashed.
    hasher: DefaultHashBuilder,
    /// Which one makes room.
    shares: Shares,
    /// When the session of each wants its timer, at the latest.
    timers: Wheel,
    /// What all of them brought about since it was taken.
    progress: Progress,
}

impl Transfers {
    /// No transfers, and room for so many.
    pub fn new(capacity: usize) -> Transfers {
        Transfers {
            capacity,
            places: Vec::new(),
            free: Vec::new(),
            by_client: HashTable::default(),
            hasher: DefaultHashBuilder::default(),
            shares: Shares::default(),
            timers: Wheel::new(0),
            progress: Progress::default(),
        }
    }

    /// Whether there is no room for another one.
    pub fn is_full(&self) -> bool {
        self.by_client.len() >= self.capacity
    }

    /// The transfer in a place.
    pub fn get(&self, place: usize) -> Option<&Transfer> {
        self.places.get(place)?.as_ref()
    }

    /// The transfer in a place.
    pub fn get_mut(&mut self, place: usize) -> Option<&mut Transfer> {
        self.places.get_mut(place)?.as_mut()
    }

    /// The place of a client's transfer.
    pub fn find(&self, client: SocketAddr, listener: usize) -> Option<usize> {
        let hash = self.hasher.hash_one((client, listener));
        let is_its = |place: &u32| {
            self.get(*place as usize).is_some_and(|transfer| transfer.client == client && transfer.listener == listener)
        };
        self.by_client.find(hash, is_its).map(|place| *place as usize)
    }

    /// Lets something happen to the session in a place; what it wants done. Its timer follows its deadline.
    #[inline]
    pub fn change(&mut self, place: usize, change: impl FnOnce(&mut Session) -> Step) -> Step {
        let Some(session) = self.places.get_mut(place).and_then(Option::as_mut).map(|transfer| &mut transfer.session)
        else {
            return Step::Wait;
        };
        let before = session.progress();
        let step = change(session);
        self.progress.add(session.progress(), before);
        self.timers.set(place, session.deadline());
        step
    }

    /// Fires the timer of a transfer that is due, if there is one: its place, and what its session wants done.
    pub fn fire(&mut self, now: Millis) -> Option<(usize, Step)> {
        let place = self.timers.fire(now)?;
        Some((place, self.change(place, |session| session.timer(now))))
    }

    /// How long no timer is due, but no longer than this.
    pub fn idle(&self, now: Millis, most: Millis) -> Millis {
        self.timers.idle(now, most)
    }

    /// Whether they brought about anything since it was taken the last time.
    pub fn has_progress(&self) -> bool {
        self.progress != Progress::default()
    }

    /// What all transfers brought about since it was taken the last time.
    pub fn take_progress(&mut self) -> Progress {
        std::mem::take(&mut self.progress)
    }

    /// Adds a transfer, whose client has no other; its place.
    pub fn insert(&mut self, transfer: Transfer, now: Millis) -> usize {
        let Transfers { places, free, by_client, hasher, .. } = self;
        let hash_of = |transfer: &Transfer| hasher.hash_one((transfer.client, transfer.listener));
        let (client, hash, deadline) = (transfer.client, hash_of(&transfer), transfer.session.deadline());
        let place = free.pop().unwrap_or_else(|| {
            places.push(None);
            places.len() - 1
        });
        places[place] = Some(transfer);
        by_client.insert_unique(hash, place as u32, |place| places[*place as usize].as_ref().map_or(0, hash_of));
        self.shares.insert(place, client, now);
        self.timers.set(place, deadline);
        place
    }

    /// The transfer in a place made progress.
    #[inline]
    pub fn progress(&mut self, place: usize, now: Millis) {
        self.shares.progress(place, now);
    }

    /// The place whose transfer should make room for one of this client, if there is any.
    pub fn to_make_room(&self, client: SocketAddr, now: Millis) -> Option<usize> {
        self.shares.to_make_room(client, now)
    }

    /// Removes a transfer from its place.
    pub fn remove(&mut self, place: usize) -> Option<Transfer> {
        let transfer = self.places.get_mut(place)?.take()?;
        let hash = self.hasher.hash_one((transfer.client, transfer.listener));
        if let Ok(entry) = self.by_client.find_entry(hash, |other| *other as usize == place) {
            entry.remove();
        }
        self.shares.remove(place);
        self.timers.cancel(place);
        self.free.push(place);
        Some(transfer)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::budget::Budget;
    use super::super::content::Content;
    use super::super::session::Terms;
    use super::*;
    use proptest::prelude::*;

    fn transfer(port: u16, listener: usize, len: usize) -> Transfer {
        let file = Arc::new(File { name: "a".into(), bytes: vec![0; len].into(), digest: "d".into(), line_ends: 0 });
        let client = SocketAddr::from(([10, 0, 0, 1], port));
        let terms = Terms { windowsize: 1, budget: Budget::new(client.ip(), 30, false) };
        let session = Session::start(Content::new(file.clone(), Mode::Octet), Options::default(), terms, 0).0;
        let asked = ("a".into(), (Mode::Octet, Options::default()));
        Transfer::new(session, file, asked, (client, None, listener), None)
    }

    #[test]
    fn the_transfer_that_does_not_go_on_makes_room_and_a_place_is_used_again() {
        let mut transfers = Transfers::new(4);
        let places: Vec<usize> = (0..4).map(|port| transfers.insert(transfer(port, 0, 2000), 0)).collect();
        assert!(transfers.is_full());
        transfers.progress(places[0], 1_000);
        transfers.remove(places[1]);
        assert_eq!(transfers.insert(transfer(9, 0, 2000), 1_000), places[1]);
        let mut ended = Vec::new();
        while let Some(place) = transfers.to_make_room(([10, 0, 0, 2], 1).into(), 1_000) {
            ended.push(transfers.remove(place).unwrap().client.port());
        }
        assert_eq!(ended, [2, 3, 0, 9]);
    }

    #[test]
    fn progress_is_due_with_the_first_acknowledgement_and_with_each_part_of_a_large_file() {
        let mut small = transfer(1, 0, MIN_PROGRESS_BYTES as usize - 1);
        let mut large = transfer(1, 0, MIN_PROGRESS_BYTES as usize);
        assert!(!large.takes_progress());
        let mut due = Vec::new();
        for block in 1..=128 {
            small.session.ack(block, 4, 0);
            large.session.ack(block, 4, 0);
            assert!(!small.takes_progress());
            if large.takes_progress() {
                due.push(block);
            }
        }
        assert_eq!(due, (0..16).map(|n| 1 + 8 * n).collect::<Vec<u16>>());
    }

    proptest! {
        /// Against a map: a client is found from insert to remove, on its listener only, and places are used again.
        #[test]
        fn clients_are_found_as_in_a_map(acts in prop::collection::vec((any::<bool>(), 0..12u16, 0..2usize), 0..200)) {
            let mut transfers = Transfers::new(5);
            let mut model: BTreeMap<(u16, usize), usize> = BTreeMap::new();
            let mut most = 0;
            for (inserts, port, listener) in acts {
                match (inserts, model.get(&(port, listener)).copied()) {
                    (true, None) => {
                        let place = transfers.insert(transfer(port, listener, 0), 0);
                        prop_assert!(model.values().all(|other| *other != place));
                        model.insert((port, listener), place);
                    }
                    (false, Some(place)) => {
                        prop_assert_eq!(transfers.remove(place).map(|gone| gone.client.port()), Some(port));
                        prop_assert!(transfers.remove(place).is_none());
                        model.remove(&(port, listener));
                    }
                    _ => {}
                }
                most = most.max(model.len());
                for port in 0..12 {
                    for listener in 0..2 {
                        let found = transfers.find(([10, 0, 0, 1], port).into(), listener);
                        prop_assert_eq!(found, model.get(&(port, listener)).copied());
                    }
                }
                prop_assert_eq!(transfers.is_full(), model.len() >= 5);
                prop_assert!(transfers.places.len() <= most);
            }
        }
    }
}
