//! Callers of whom some have to make room. One address can bear any number of names: the address with the most names gives first.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use jiff::Timestamp;

use crate::phone::Mac;

/// When a caller was heard last, if that is known.
type Heard = Option<Timestamp>;
/// The names at one address, the one that was not heard for the longest first.
type Names = BTreeSet<(Heard, Mac)>;

/// Callers by their address.
#[derive(Debug, Default)]
pub struct Crowd {
    of_address: HashMap<IpAddr, Names>,
    /// All addresses: the one with the most names last, and of several such the one whose name was not heard for the longest.
    by_count: BTreeSet<(usize, Reverse<Heard>, IpAddr)>,
    count: usize,
}

impl Crowd {
    /// A caller comes.
    pub fn insert(&mut self, mac: Mac, address: IpAddr, heard: Heard) {
        self.change(address, |names| names.insert((heard, mac)));
    }

    /// A caller goes; address and time are those with which it came.
    pub fn remove(&mut self, mac: Mac, address: IpAddr, heard: Heard) {
        self.change(address, |names| names.remove(&(heard, mac)));
    }

    fn change(&mut self, address: IpAddr, change: impl FnOnce(&mut Names) -> bool) {
        let rank = |names: &Names| Some((names.len(), Reverse(names.first()?.0), address));
        let names = self.of_address.entry(address).or_default();
        let before = names.len();
        if let Some(rank) = rank(names) {
            self.by_count.remove(&rank);
        }
        change(names);
        self.count = self.count + names.len() - before;
        match rank(names) {
            Some(rank) => drop(self.by_count.insert(rank)),
            None => drop(self.of_address.remove(&address)),
        }
    }

    /// How many callers there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Who makes room.
    pub fn first_to_go(&self) -> Option<Mac> {
        let (.., address) = self.by_count.last()?;
        self.of_address.get(address)?.first().map(|(_, mac)| *mac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn who_goes_first_is_whom_a_look_at_all_would_find(
            acts in prop::collection::vec((any::<bool>(), 0u8..20, 0u8..4, prop::option::of(0i64..9)), 0..200),
        ) {
            let mut crowd = Crowd::default();
            let mut model: Vec<(Mac, IpAddr, Heard)> = Vec::new();
            for (comes, mac, address, heard) in acts {
                let mac: Mac = format!("000A8B0000{mac:02X}").parse().unwrap();
                match (comes, model.iter().position(|(known, ..)| *known == mac)) {
                    (true, None) => {
                        let caller = (mac, [10, 0, 0, address].into(), heard.map(|at| Timestamp::from_second(at).unwrap()));
                        crowd.insert(caller.0, caller.1, caller.2);
                        model.push(caller);
                    }
                    (false, Some(at)) => {
                        let (mac, address, heard) = model.remove(at);
                        crowd.remove(mac, address, heard);
                    }
                    _ => {}
                }
                prop_assert_eq!(crowd.len(), model.len());
                let count = |address: &IpAddr| model.iter().filter(|(_, other, _)| other == address).count();
                let most = model.iter().map(|(_, address, _)| count(address)).max();
                let largest = model.iter().filter(|(_, address, _)| Some(count(address)) == most);
                let longest = largest.map(|(.., heard)| *heard).min();
                let gone = crowd.first_to_go().and_then(|mac| model.iter().find(|(known, ..)| *known == mac));
                prop_assert_eq!(gone.map(|(_, address, heard)| (Some(count(address)), Some(*heard))), longest.map(|heard| (most, Some(heard))));
                prop_assert_eq!(crowd.by_count.len(), crowd.of_address.len());
            }
        }
    }
}
