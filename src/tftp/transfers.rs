//! The transfers of one worker, each found by its place or by its client.

use std::hash::BuildHasher as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};
use jiff::Timestamp;

use super::library::File;
use super::session::{Millis, Session};
use super::socket::Udp;
use crate::base::report::{Outcome, Record};

/// One client that fetches one file.
pub struct Transfer {
    /// How far it is.
    pub session: Session,
    /// The client.
    pub peer: SocketAddr,
    /// Which of our addresses it asked.
    pub local: Option<IpAddr>,
    /// What it asked for.
    pub asked: Arc<str>,
    /// What it gets.
    pub file: Arc<File>,
    /// When it asked.
    pub began: Millis,
    /// On which of the worker's listeners.
    pub listener: usize,
    /// Its own socket, in mode Ephemeral.
    pub socket: Option<Udp>,
    /// Tells this transfer from earlier ones in the same place.
    pub number: u64,
    /// After how many acknowledged bytes its progress is told next; never for small files.
    pub tell_at: u64,
}

impl Transfer {
    /// What is told of it.
    pub fn record(&self, now: Millis, outcome: Outcome) -> Record {
        Record {
            seq: 0,
            time: Timestamp::now(),
            peer: self.peer,
            asked: self.asked.clone(),
            file: Some(self.file.name.clone()),
            digest: Some(self.file.digest.clone()),
            size: self.file.bytes.len() as u64,
            acknowledged: self.session.acknowledged(),
            millis: now - self.began,
            outcome,
        }
    }
}

/// All of them. A place is used again when its transfer has ended.
#[derive(Default)]
pub struct Transfers {
    places: Vec<Option<Transfer>>,
    free: Vec<usize>,
    /// Places by client. The clients themselves stand in the transfers only: so the table of thousands is small enough to stay
    /// near the processor.
    by_client: HashTable<u32>,
    /// Seeded anew in each process: clients choose what is hashed.
    hasher: DefaultHashBuilder,
}

impl Transfers {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_client.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_client.is_empty()
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
    pub fn find(&self, peer: SocketAddr, listener: usize) -> Option<usize> {
        let hash = self.hasher.hash_one((peer, listener));
        let is_its = |place: &u32| {
            self.get(*place as usize).is_some_and(|transfer| transfer.peer == peer && transfer.listener == listener)
        };
        self.by_client.find(hash, is_its).map(|place| *place as usize)
    }

    /// Takes in a transfer, whose client has no other; where it is.
    pub fn insert(&mut self, transfer: Transfer) -> usize {
        let Transfers { places, free, by_client, hasher } = self;
        let hash = hasher.hash_one((transfer.peer, transfer.listener));
        let place = free.pop().unwrap_or_else(|| {
            places.push(None);
            places.len() - 1
        });
        places[place] = Some(transfer);
        by_client.insert_unique(hash, place as u32, |place| {
            let transfer = places[*place as usize].as_ref();
            transfer.map_or(0, |transfer| hasher.hash_one((transfer.peer, transfer.listener)))
        });
        place
    }

    /// Takes a transfer out of its place.
    pub fn remove(&mut self, place: usize) -> Option<Transfer> {
        let transfer = self.places.get_mut(place)?.take()?;
        let hash = self.hasher.hash_one((transfer.peer, transfer.listener));
        if let Ok(entry) = self.by_client.find_entry(hash, |other| *other as usize == place) {
            entry.remove();
        }
        self.free.push(place);
        Some(transfer)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::packet::Options;
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;

    fn transfer(port: u16, listener: usize) -> Transfer {
        let file = Arc::new(File { name: "a".into(), bytes: Bytes::new(), digest: "d".into() });
        Transfer {
            session: Session::start(Bytes::new(), Options::default(), 0).0,
            peer: ([10, 0, 0, 1], port).into(),
            local: None,
            asked: "a".into(),
            file,
            began: 0,
            listener,
            socket: None,
            number: 0,
            tell_at: u64::MAX,
        }
    }

    proptest! {
        /// Against a map: whoever comes is found until it goes, on its listener only, and places are used again.
        #[test]
        fn clients_are_found_as_in_a_map(acts in prop::collection::vec((any::<bool>(), 0..12u16, 0..2usize), 0..200)) {
            let mut transfers = Transfers::default();
            let mut model: BTreeMap<(u16, usize), usize> = BTreeMap::new();
            let mut most = 0;
            for (comes, port, listener) in acts {
                match (comes, model.get(&(port, listener)).copied()) {
                    (true, None) => {
                        let place = transfers.insert(transfer(port, listener));
                        prop_assert!(model.values().all(|other| *other != place));
                        model.insert((port, listener), place);
                    }
                    (false, Some(place)) => {
                        prop_assert_eq!(transfers.remove(place).map(|gone| gone.peer.port()), Some(port));
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
                prop_assert_eq!((transfers.len(), transfers.is_empty()), (model.len(), model.is_empty()));
                prop_assert!(transfers.places.len() <= most);
            }
        }
    }
}
