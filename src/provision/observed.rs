//! What was seen of a phone.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use jiff::Timestamp;

use crate::api::Unclaimed;
use crate::phone::Mac;

use super::Key;
use super::upgrade;
use crate::base::digest::Digest;
use crate::base::report::{Outcome, Record};

/// A request that a TFTP pod answered, or could not answer.
#[derive(Clone, Debug)]
pub struct Fetch {
    /// The file's name, as it is in the tree if it is there, otherwise as it was asked for.
    pub name: String,
    /// The digest of the bytes, if the file is there and all of them were acknowledged.
    pub taken: Option<Digest>,
    /// Whether there is no such file.
    pub missing: bool,
    /// Who asked.
    pub address: IpAddr,
    /// From which port: each of a phone's transfers has its own.
    pub port: u16,
    /// When the request ended, or when this was told of it.
    pub time: Timestamp,
    /// How many bytes were acknowledged.
    pub sent: u64,
    /// How many the file has.
    pub total: u64,
    /// How it ended; nothing while it goes on.
    pub end: Option<Result<(), String>>,
}

impl From<&Record> for Fetch {
    fn from(record: &Record) -> Fetch {
        let complete = record.outcome == Outcome::Complete;
        Fetch {
            name: record.file.as_deref().unwrap_or(&record.asked).to_owned(),
            taken: record.digest.as_deref().filter(|_| complete).and_then(Digest::from_hex),
            missing: record.outcome == Outcome::NotFound,
            address: record.peer.ip().to_canonical(),
            port: record.peer.port(),
            time: record.time,
            sent: record.acknowledged,
            total: record.size,
            end: match record.outcome {
                Outcome::Running => None,
                Outcome::Complete => Some(Ok(())),
                Outcome::NotFound | Outcome::Refused => Some(Err("it was refused".to_owned())),
                Outcome::Aborted | Outcome::TimedOut => {
                    let file = record.file.as_deref().unwrap_or(&record.asked);
                    let did = if record.outcome == Outcome::Aborted { "gave up" } else { "fell silent" };
                    Some(Err(format!("it {did} after {} of {} bytes of {file}", record.acknowledged, record.size)))
                }
            },
        }
    }
}

/// Which phone speaks from which address. Most files' names do not tell who asks for them; the addresses of those that ask
/// for a file of their own do.
#[derive(Debug, Default)]
pub struct Callers {
    /// The phones at each address and when each was heard last; the one that was heard last is the last.
    by_address: HashMap<IpAddr, Vec<(Key, Timestamp)>>,
    by_phone: HashMap<Key, IpAddr>,
    /// Whose the transfers are that go on.
    transfers: HashMap<(IpAddr, u16), (Key, Timestamp)>,
    /// What was asked from addresses that no phone is known to have, for a while.
    early: HashMap<IpAddr, Vec<(Timestamp, upgrade::Seen)>>,
}

/// How many requests of one unknown address are kept, of how many addresses, and for how many seconds.
const EARLY: (usize, usize, i64) = (16, 2_000, 120);
/// For how many seconds after a phone named itself a request from its address may be its own although another one named itself
/// there, too.
const ABOUT: i64 = 120;
/// How many transfers that go on are remembered.
const MAX_TRANSFERS: usize = 20_000;

/// Who asked for a file whose name does not tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// This phone.
    Of(Key),
    /// One of these, behind one address.
    OneOf(Vec<Key>),
    /// No phone is known to have the address.
    Nobody,
}

impl Callers {
    /// A phone asked for a file of its own. What was asked from there before was asked by it.
    pub fn heard(&mut self, phone: &Key, address: IpAddr, time: Timestamp) -> Vec<(Timestamp, upgrade::Seen)> {
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
        let early = self.early.remove(&address).unwrap_or_default();
        early.into_iter().filter(|(at, _)| time.as_second() - at.as_second() <= EARLY.2).collect()
    }

    /// Whose a request is, by its address and port; `goes_on` if there is more to come of it. Behind address translation
    /// several phones may boot at one time: then only a transfer that began before is told apart from the others'.
    pub fn whose(&mut self, address: IpAddr, port: u16, time: Timestamp, goes_on: bool) -> Whose {
        let apart = |at: &Timestamp| time.as_second() - at.as_second();
        let known = self.transfers.get(&(address, port)).filter(|(_, at)| apart(at).abs() <= ABOUT);
        let known_before = known.is_some();
        let key = match known {
            Some((key, _)) => key.clone(),
            None => {
                let Some(here) = self.by_address.get(&address) else { return Whose::Nobody };
                let lately: Vec<&Key> = here.iter().filter(|(_, at)| apart(at) <= ABOUT).map(|(key, _)| key).collect();
                match (lately.as_slice(), here.last()) {
                    ([_, _, ..], _) => return Whose::OneOf(lately.into_iter().cloned().collect()),
                    ([key], _) => (*key).clone(),
                    ([], Some((key, _))) => key.clone(),
                    ([], None) => return Whose::Nobody,
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
        Whose::Of(key)
    }

    /// Somebody asked for a file of all phones from an address that no phone is known to have.
    pub fn early(&mut self, address: IpAddr, time: Timestamp, seen: upgrade::Seen) {
        if self.early.len() >= EARLY.1 && !self.early.contains_key(&address) {
            self.early.retain(|_, all| all.last().is_some_and(|(at, _)| time.as_second() - at.as_second() <= EARLY.2));
            if self.early.len() >= EARLY.1 {
                return;
            }
        }
        let all = self.early.entry(address).or_default();
        if all.len() >= EARLY.0 {
            all.remove(0);
        }
        all.push((time, seen));
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

/// What was seen of one phone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The hash of its own file as it last took it.
    pub fetched: Option<String>,
    /// The hash of `SIPDefault.cnf` as it last took it.
    pub common: Option<String>,
    /// Its address then.
    pub address: Option<IpAddr>,
    /// When.
    pub time: Option<Timestamp>,
}

/// How long before its own file a phone may have fetched `SIPDefault.cnf`, and how far clocks of two pods may differ.
const TOGETHER: i64 = 120;
/// How many addresses are remembered with the `SIPDefault.cnf` that they took.
const MAX_ADDRESSES: usize = 20_000;
/// How many unclaimed phones a site's status shows.
const MAX_UNCLAIMED: usize = 64;

/// Who took which `SIPDefault.cnf`: the file's name does not tell which phone it was, its address does.
#[derive(Debug, Default)]
pub struct CommonFetches(HashMap<IpAddr, (Timestamp, String)>);

impl CommonFetches {
    /// Notes a fetch.
    pub fn note(&mut self, address: IpAddr, time: Timestamp, hash: String) {
        if self.0.len() >= MAX_ADDRESSES && !self.0.contains_key(&address) {
            self.0.clear();
        }
        let entry = self.0.entry(address).or_insert((time, hash.clone()));
        if entry.0 <= time {
            *entry = (time, hash);
        }
    }

    /// What the phone that took its own file at that time had taken from the same address.
    pub fn before(&self, address: IpAddr, time: Timestamp) -> Option<&str> {
        let (at, hash) = self.0.get(&address)?;
        let apart = time.as_second() - at.as_second();
        (-TOGETHER..=TOGETHER).contains(&apart).then_some(hash.as_str())
    }
}

/// Phones that nobody declared.
#[derive(Debug, Default)]
pub struct Strangers(BTreeMap<Mac, Unclaimed>);

impl Strangers {
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

    /// Somebody declared it; whether it was one of them.
    pub fn claim(&mut self, mac: Mac) -> bool {
        self.0.remove(&mac).is_some()
    }

    /// All of them, by address.
    pub fn list(&self) -> Vec<Unclaimed> {
        self.0.values().cloned().collect()
    }
}

/// A time as Kubernetes writes it.
pub fn seconds(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poll_is_news_only_once() {
        let mut strangers = Strangers::default();
        let mac: Mac = "000A8A123456".parse().unwrap();
        let address = IpAddr::from([10, 0, 0, 9]);
        assert!(strangers.note(mac, address, Timestamp::UNIX_EPOCH));
        assert!(!strangers.note(mac, address, Timestamp::UNIX_EPOCH));
        assert!(strangers.claim(mac));
        assert!(strangers.list().is_empty());
    }

    #[test]
    fn strangers_are_bounded() {
        let mut strangers = Strangers::default();
        for n in 0..200 {
            let mac = format!("000A8A1234{n:02X}").parse().unwrap();
            strangers.note(mac, IpAddr::from([10, 0, 0, 9]), Timestamp::UNIX_EPOCH);
        }
        assert_eq!(strangers.list().len(), MAX_UNCLAIMED);
    }
}
