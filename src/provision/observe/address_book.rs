//! Who asks: most files' names do not say which phone asks for them, the addresses of those that name themselves do.

use std::collections::HashMap;
use std::net::IpAddr;

use jiff::Timestamp;

use crate::provision::Key;

/// Which phone has which address; `E` is what a request means. Most files' names do not say who asks for them; the addresses of those that ask
/// for a file of their own do.
#[derive(Debug)]
pub struct AddressBook<E> {
    /// The phones at each address and when each was heard last; the one that was heard last is the last.
    by_address: HashMap<IpAddr, Vec<(Key, Timestamp)>>,
    by_phone: HashMap<Key, IpAddr>,
    /// Whose the transfers are that go on.
    transfers: HashMap<(IpAddr, u16), (Key, Timestamp)>,
    /// What was asked from addresses that no phone is known to have, for a while.
    unattributed: HashMap<IpAddr, Vec<(Timestamp, E)>>,
}

/// How many requests of one unknown address are kept.
const PER_ADDRESS: usize = 16;
/// Of how many unknown addresses requests are kept.
const MAX_ADDRESSES: usize = 2_000;
/// For how many seconds they are kept.
const KEPT_SECONDS: i64 = 120;
/// For how many seconds after a phone named itself a request from its address may be its own although another one named itself
/// there, too.
const ABOUT: i64 = 120;
/// How many transfers that go on are remembered.
const MAX_TRANSFERS: usize = 20_000;

/// Who asked for a file whose name does not say so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requester {
    /// This phone.
    Phone(Key),
    /// One of these, behind one address.
    OneOf(Vec<Key>),
    /// No phone is known to have the address.
    Unknown,
}

impl<E> Default for AddressBook<E> {
    fn default() -> Self {
        AddressBook {
            by_address: HashMap::new(),
            by_phone: HashMap::new(),
            transfers: HashMap::new(),
            unattributed: HashMap::new(),
        }
    }
}

impl<E> AddressBook<E> {
    /// A phone asked for a file of its own. What was asked from there before was asked by it. One packet may be anybody's: only
    /// if it `is_sure`, because it took the file, the phone has left an address where it was heard just now.
    pub fn heard(&mut self, phone: &Key, address: IpAddr, time: Timestamp, is_sure: bool) -> Vec<(Timestamp, E)> {
        if !is_sure && self.is_heard_elsewhere(phone, address, time) {
            return Vec::new();
        }
        if self.by_phone.get(phone) != Some(&address) {
            self.forget(phone);
            self.by_phone.insert(phone.clone(), address);
        }
        let here = self.by_address.entry(address).or_default();
        match here.last_mut() {
            Some((last, at)) if last == phone => *at = time.max(*at),
            _ => {
                here.retain(|(other, _)| other != phone);
                here.push((phone.clone(), time));
            }
        }
        let unattributed = self.unattributed.remove(&address).unwrap_or_default();
        unattributed.into_iter().filter(|(at, _)| time.as_second() - at.as_second() <= KEPT_SECONDS).collect()
    }

    fn is_heard_elsewhere(&self, phone: &Key, address: IpAddr, time: Timestamp) -> bool {
        let Some(known) = self.by_phone.get(phone).filter(|known| **known != address) else { return false };
        let heard = self.by_address.get(known).into_iter().flatten();
        heard.filter(|(one, _)| one == phone).any(|(_, at)| time.as_second() - at.as_second() <= ABOUT)
    }

    /// Who made a request, by its address and port; `goes_on` if there is more to come of it. Behind address translation
    /// several phones may boot at one time: then only a transfer that began before can be distinguished from the others'.
    pub fn requester(&mut self, address: IpAddr, port: u16, time: Timestamp, goes_on: bool) -> Requester {
        let apart = |at: &Timestamp| time.as_second() - at.as_second();
        let known = self.transfers.get(&(address, port)).filter(|(_, at)| apart(at).abs() <= ABOUT);
        let known_before = known.is_some();
        let key = match known {
            Some((key, _)) => key.clone(),
            None => {
                let Some(here) = self.by_address.get(&address) else { return Requester::Unknown };
                let lately: Vec<&Key> = here.iter().filter(|(_, at)| apart(at) <= ABOUT).map(|(key, _)| key).collect();
                match (lately.as_slice(), here.last()) {
                    ([_, _, ..], _) => return Requester::OneOf(lately.into_iter().cloned().collect()),
                    ([key], _) => (*key).clone(),
                    ([], Some((key, _))) => key.clone(),
                    ([], None) => return Requester::Unknown,
                }
            }
        };
        if !goes_on {
            self.transfers.remove(&(address, port));
        } else if self.transfers.len() < MAX_TRANSFERS || known_before {
            self.transfers.insert((address, port), (key.clone(), time));
        } else {
            // Those of pods that are gone never end.
            self.transfers.retain(|_, (_, at)| apart(at) <= ABOUT);
        }
        Requester::Phone(key)
    }

    /// A file of all phones was asked for from an address that no phone is known to have.
    pub fn keep(&mut self, address: IpAddr, time: Timestamp, event: E) {
        if self.unattributed.len() >= MAX_ADDRESSES && !self.unattributed.contains_key(&address) {
            self.unattributed
                .retain(|_, all| all.last().is_some_and(|(at, _)| time.as_second() - at.as_second() <= KEPT_SECONDS));
            if self.unattributed.len() >= MAX_ADDRESSES {
                return;
            }
        }
        let all = self.unattributed.entry(address).or_default();
        if all.len() >= PER_ADDRESS {
            all.remove(0);
        }
        all.push((time, event));
    }

    /// A phone is gone.
    pub fn forget(&mut self, phone: &Key) {
        let Some(address) = self.by_phone.remove(phone) else { return };
        if let Some(here) = self.by_address.get_mut(&address) {
            here.retain(|(other, _)| other != phone);
            if here.is_empty() {
                self.by_address.remove(&address);
            }
        }
    }
}
