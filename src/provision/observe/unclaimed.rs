//! Phones that asked for their configuration and that no SipPhone declares.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;

use crate::api::Unclaimed;
use crate::phone::Mac;
use crate::provision::observe::fetch::seconds;

/// How many unclaimed phones a site's status shows.
const MAX_UNCLAIMED: usize = 64;

/// The unclaimed phones of a site; at most 64, the first ones.
#[derive(Debug, Default)]
pub struct UnclaimedPhones(BTreeMap<Mac, Unclaimed>);

impl UnclaimedPhones {
    /// Notes one; whether it is new. A poll every 31 seconds changes nothing.
    pub fn note(&mut self, mac: Mac, address: IpAddr, time: Timestamp) -> bool {
        if self.0.contains_key(&mac) || self.0.len() >= MAX_UNCLAIMED {
            return false;
        }
        let first_seen = seconds(time);
        self.0.insert(mac, Unclaimed { mac: mac.to_string(), address: address.to_string(), first_seen });
        true
    }

    /// Takes over what a status said before a restart.
    pub fn recover(&mut self, unclaimed: &[Unclaimed]) {
        for one in unclaimed.iter().take(MAX_UNCLAIMED) {
            if let Ok(mac) = one.mac.parse() {
                self.0.entry(mac).or_insert_with(|| one.clone());
            }
        }
    }

    /// A SipPhone declares it; whether it was one of them.
    pub fn claim(&mut self, mac: Mac) -> bool {
        self.0.remove(&mac).is_some()
    }

    /// All of them, by address.
    pub fn list(&self) -> Vec<Unclaimed> {
        self.0.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poll_is_news_only_once() {
        let mut unclaimed = UnclaimedPhones::default();
        let mac: Mac = "000A8A123456".parse().unwrap();
        let address = IpAddr::from([10, 0, 0, 9]);
        assert!(unclaimed.note(mac, address, Timestamp::UNIX_EPOCH));
        assert!(!unclaimed.note(mac, address, Timestamp::UNIX_EPOCH));
        assert!(unclaimed.claim(mac));
        assert!(unclaimed.list().is_empty());
    }

    #[test]
    fn unclaimed_are_bounded() {
        let mut unclaimed = UnclaimedPhones::default();
        for n in 0..200 {
            let mac = format!("000A8A1234{n:02X}").parse().unwrap();
            unclaimed.note(mac, IpAddr::from([10, 0, 0, 9]), Timestamp::UNIX_EPOCH);
        }
        assert_eq!(unclaimed.list().len(), MAX_UNCLAIMED);
    }
}
