//! Who took which `SIPDefault.cnf`.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use jiff::Timestamp;

use crate::base::digest::Digest;
use crate::provision::Key;

/// How long before its own file a phone may have fetched `SIPDefault.cnf`, and how far clocks of two pods may differ.
const TOGETHER: i64 = 120;
/// How many addresses are remembered with the `SIPDefault.cnf` that they took.
const MAX_ADDRESSES: usize = 20_000;

/// Who took which `SIPDefault.cnf`: the file's name does not say which phone it was, its address does.
#[derive(Debug, Default)]
pub struct CommonFetches {
    taken: HashMap<IpAddr, (Timestamp, Digest)>,
    /// The phones that took their own file from each address last.
    phones: HashMap<IpAddr, BTreeSet<Key>>,
}

impl CommonFetches {
    /// Notes a fetch; the phones that may have made it.
    pub fn note(&mut self, address: IpAddr, time: Timestamp, digest: Digest) -> Vec<Key> {
        if self.taken.len() >= MAX_ADDRESSES && !self.taken.contains_key(&address) {
            self.taken.clear();
        }
        let is_said = |(at, before): &(Timestamp, Digest)| *before == digest && at.as_second() >= time.as_second();
        if self.taken.get(&address).is_some_and(is_said) {
            // Whoever comes to the address meanwhile looks here: it is not said again and again to all that are there.
            return Vec::new();
        }
        let entry = self.taken.entry(address).or_insert((time, digest));
        if entry.0 <= time {
            *entry = (time, digest);
        }
        self.phones.get(&address).into_iter().flatten().cloned().collect()
    }

    /// What the phone that took its own file at that time had taken from the same address.
    pub fn before(&self, address: IpAddr, time: Timestamp) -> Option<Digest> {
        let (at, digest) = self.taken.get(&address)?;
        let apart = time.as_second() - at.as_second();
        (-TOGETHER..=TOGETHER).contains(&apart).then_some(*digest)
    }

    /// A phone took its own file from an address, or is gone; `before` is where it took it last.
    pub fn moved(&mut self, phone: &Key, before: Option<IpAddr>, now: Option<IpAddr>) {
        if before == now && now.is_some_and(|now| self.phones.get(&now).is_some_and(|here| here.contains(phone))) {
            return;
        }
        if let Some(before) = before
            && let Some(here) = self.phones.get_mut(&before)
        {
            here.remove(phone);
            if here.is_empty() {
                self.phones.remove(&before);
            }
        }
        if let Some(now) = now {
            self.phones.entry(now).or_default().insert(phone.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_is_known_by_its_last_address() {
        let (old, new) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let phone = Key::new("ns", "p");
        let at = |second| Timestamp::from_second(second).unwrap();
        let [a, b, c] = [b"a", b"b", b"c"].map(|text| Digest::of(text));
        let mut fetches = CommonFetches::default();
        fetches.moved(&phone, None, Some(old));
        assert_eq!(fetches.note(old, at(10), a), std::slice::from_ref(&phone));
        fetches.moved(&phone, Some(old), Some(new));
        assert_eq!(fetches.note(old, at(11), b), []);
        assert_eq!(fetches.before(old, at(100)), Some(b));
        assert_eq!(fetches.before(old, at(11 + TOGETHER + 1)), None);
        assert_eq!(fetches.note(old, at(5), c), []);
        assert_eq!(fetches.before(old, at(11)), Some(b), "an older fetch that is reported late is no news");
    }
}
