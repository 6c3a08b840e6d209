//! Who asks: most files' names do not say which phone asks for them, the addresses of those that name themselves do.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use jiff::Timestamp;

use crate::provision::Key;

/// Which phone has which address; `E` is what a request means. Most files' names do not say who asks for them; the addresses of those that ask
/// for a file of their own do.
#[derive(Debug)]
pub struct AddressBook<E> {
    by_address: HashMap<IpAddr, Here>,
    /// Where each phone is, and when it was heard there last.
    by_phone: HashMap<Key, (IpAddr, Timestamp)>,
    /// Whose the transfers are that go on.
    transfers: HashMap<(IpAddr, u16), (Key, Timestamp)>,
    /// What was asked from addresses that no phone is known to have, for a while.
    unattributed: HashMap<IpAddr, Vec<(Timestamp, E)>>,
}

/// The phones at one address.
#[derive(Debug, Default)]
struct Here {
    /// With the time when each was heard last; the one that was heard last is the last.
    phones: BTreeSet<(Timestamp, Key)>,
    /// When it was said last that any of them may have asked.
    said: Option<Timestamp>,
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
    /// One of several, and that was said within the same second or later: as many packets as somebody sends there cost no more.
    Said,
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
        let known = self.by_phone.get(phone).copied();
        let is_heard_elsewhere =
            known.is_some_and(|(at, heard)| at != address && time.as_second() - heard.as_second() <= ABOUT);
        if !is_sure && is_heard_elsewhere {
            return Vec::new();
        }
        let heard = known.filter(|(at, _)| *at == address).map_or(time, |(_, heard)| heard.max(time));
        self.forget(phone);
        self.by_phone.insert(phone.clone(), (address, heard));
        self.by_address.entry(address).or_default().phones.insert((heard, phone.clone()));
        let unattributed = self.unattributed.remove(&address).unwrap_or_default();
        unattributed.into_iter().filter(|(at, _)| time.as_second() - at.as_second() <= KEPT_SECONDS).collect()
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
                let Some(here) = self.by_address.get_mut(&address) else { return Requester::Unknown };
                let mut lately = here.phones.iter().rev().take_while(|(at, _)| apart(at) <= ABOUT);
                match (lately.next(), lately.next(), here.phones.last()) {
                    (Some(_), Some(_), _) if here.said.is_some_and(|said| said.as_second() >= time.as_second()) => {
                        return Requester::Said;
                    }
                    (Some(last), Some(other), _) => {
                        let all = [last, other].into_iter().chain(lately).map(|(_, key)| key.clone()).collect();
                        here.said = Some(time);
                        return Requester::OneOf(all);
                    }
                    (Some((_, key)), None, _) | (None, _, Some((_, key))) => key.clone(),
                    (None, _, None) => return Requester::Unknown,
                }
            }
        };
        if known_before && let Some(here) = self.by_address.get_mut(&address) {
            // More is known of one of them than when that was said.
            here.said = None;
        }
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
        let Some((address, heard)) = self.by_phone.remove(phone) else { return };
        if let Some(here) = self.by_address.get_mut(&address) {
            here.phones.remove(&(heard, phone.clone()));
            if here.phones.is_empty() {
                self.by_address.remove(&address);
            }
        }
    }
}
