//! The Secrets, ConfigMaps and sites that sites and phones refer to, as far as they have been read.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;

use crate::api::SecretKey;
use crate::provision::Key;
use crate::provision::catalog::Inventory;
use crate::provision::consent::Withheld;
use crate::provision::render::secret_value::SecretError;

/// A kind of object that others refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reference {
    /// A Secret with passwords.
    Secret,
    /// A ConfigMap with firmware.
    ConfigMap,
}

/// Who refers to an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum User {
    /// A PhoneSite.
    Site(Key),
    /// A SipPhone.
    Phone(Key),
}

/// The most bytes of a value that is looked at: those of the longest that phones take, and room for line breaks behind it.
const MAX_VALUE: usize = 4096;

/// The values of a Secret.
pub type SecretData = BTreeMap<String, Bytes>;

/// What is known of an object that a site or phone refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dependency<T> {
    /// It has not been read yet.
    Pending,
    /// It does not exist.
    Missing,
    /// It exists, and nothing of it may be served.
    Withheld(Withheld),
    /// It exists.
    Found(T),
}

/// What was read of an object.
#[derive(Debug, PartialEq)]
enum Known<T> {
    Missing,
    Withheld(Withheld),
    Found(T),
}

impl<T> From<Option<T>> for Known<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Known::Missing, Known::Found)
    }
}

/// All of them. An object that is no longer referred to is forgotten.
#[derive(Debug, Default)]
pub struct Dependencies {
    secrets: Store<SecretData>,
    config_maps: Store<Arc<Inventory>>,
    /// Sites that there are, and that cannot be read, with the reason.
    unreadable_sites: BTreeMap<Key, Arc<str>>,
}

#[derive(Debug)]
struct Store<T> {
    known: HashMap<Key, Known<T>>,
    users: HashMap<Key, BTreeSet<User>>,
}

impl<T> Default for Store<T> {
    fn default() -> Self {
        Store { known: HashMap::new(), users: HashMap::new() }
    }
}

impl<T: PartialEq> Store<T> {
    fn set(&mut self, key: &Key, value: Known<T>) -> bool {
        if self.known.get(key).is_some_and(|known| *known == value) {
            return false;
        }
        self.known.insert(key.clone(), value);
        true
    }

    fn get(&self, key: &Key) -> Dependency<&T> {
        match self.known.get(key) {
            None => Dependency::Pending,
            Some(Known::Missing) => Dependency::Missing,
            Some(Known::Withheld(why)) => Dependency::Withheld(*why),
            Some(Known::Found(value)) => Dependency::Found(value),
        }
    }

    fn refer(&mut self, user: &User, before: &BTreeSet<Key>, now: &BTreeSet<Key>) -> Vec<Key> {
        for key in before.difference(now) {
            if let Some(users) = self.users.get_mut(key) {
                users.remove(user);
                if users.is_empty() {
                    self.users.remove(key);
                    self.known.remove(key);
                }
            }
        }
        let mut unread = Vec::new();
        for key in now.difference(before) {
            self.users.entry(key.clone()).or_default().insert(user.clone());
            if !self.known.contains_key(key) {
                unread.push(key.clone());
            }
        }
        unread
    }
}

impl Dependencies {
    /// Notes what was read of a Secret, `None` if there is none; whether that is new.
    pub fn set_secret(&mut self, key: &Key, data: Option<SecretData>) -> bool {
        self.secrets.set(key, data.into())
    }

    /// Notes what was read of a ConfigMap, `None` if there is none; whether that is new.
    pub fn set_config_map(&mut self, key: &Key, inventory: Option<Inventory>) -> bool {
        self.config_maps.set(key, inventory.map(Arc::new).into())
    }

    /// Notes that nothing of an object may be served; whether that is new.
    pub fn withhold(&mut self, kind: Reference, key: &Key, why: Withheld) -> bool {
        match kind {
            Reference::Secret => self.secrets.set(key, Known::Withheld(why)),
            Reference::ConfigMap => self.config_maps.set(key, Known::Withheld(why)),
        }
    }

    /// Notes why a site that there is cannot be read, or that it can; whether that is new.
    pub fn set_unreadable(&mut self, site: &Key, why: Option<&str>) -> bool {
        let before = match why {
            Some(why) => self.unreadable_sites.insert(site.clone(), why.into()),
            None => self.unreadable_sites.remove(site),
        };
        before.as_deref() != why
    }

    /// Why a site that there is cannot be read.
    pub fn unreadable(&self, site: &Key) -> Option<&str> {
        self.unreadable_sites.get(site).map(AsRef::as_ref)
    }

    /// Replaces what a user refers to; the objects among them that have to be read.
    pub fn refer(&mut self, kind: Reference, user: &User, before: &BTreeSet<Key>, now: &BTreeSet<Key>) -> Vec<Key> {
        match kind {
            Reference::Secret => self.secrets.refer(user, before, now),
            Reference::ConfigMap => self.config_maps.refer(user, before, now),
        }
    }

    /// Who refers to an object.
    pub fn users(&self, kind: Reference, key: &Key) -> impl Iterator<Item = &User> {
        let users = match kind {
            Reference::Secret => &self.secrets.users,
            Reference::ConfigMap => &self.config_maps.users,
        };
        users.get(key).into_iter().flatten()
    }

    /// The firmware in a ConfigMap.
    pub fn config_map(&self, key: &Key) -> Dependency<&Inventory> {
        match self.config_maps.get(key) {
            Dependency::Pending => Dependency::Pending,
            Dependency::Missing => Dependency::Missing,
            Dependency::Withheld(why) => Dependency::Withheld(why),
            Dependency::Found(inventory) => Dependency::Found(inventory),
        }
    }

    /// The value of one key of a Secret.
    pub fn secret_value(&self, namespace: &str, key: &SecretKey) -> Result<Vec<u8>, SecretError> {
        match self.secrets.get(&Key::new(namespace, &key.name)) {
            Dependency::Pending => Err(SecretError::Unread),
            Dependency::Missing => Err(SecretError::NoSecret),
            Dependency::Withheld(why) => Err(SecretError::Withheld(why)),
            Dependency::Found(data) => match data.get(&key.key) {
                None => Err(SecretError::NoKey),
                // One Secret of a mebibyte may be named by thousands of phones, each of them dozens of times.
                Some(bytes) if bytes.len() > MAX_VALUE => Err(SecretError::TooLong),
                Some(bytes) => Ok(bytes.to_vec()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key::new("ns", name)
    }

    fn keys(names: &[&str]) -> BTreeSet<Key> {
        names.iter().map(|name| key(name)).collect()
    }

    #[test]
    fn an_object_is_read_once_for_all_users_and_forgotten_with_the_last() {
        let (site, phone) = (User::Site(key("hq")), User::Phone(key("p")));
        let mut all = Dependencies::default();
        assert_eq!(all.refer(Reference::ConfigMap, &site, &keys(&[]), &keys(&["a", "b"])), [key("a"), key("b")]);
        assert!(all.set_config_map(&key("a"), Some(Inventory::new())));
        assert!(!all.set_config_map(&key("a"), Some(Inventory::new())), "that was known");
        assert_eq!(all.refer(Reference::ConfigMap, &phone, &keys(&[]), &keys(&["a"])), [], "it has been read");
        all.refer(Reference::ConfigMap, &site, &keys(&["a", "b"]), &keys(&[]));
        assert_eq!(all.config_map(&key("a")), Dependency::Found(&Inventory::new()), "the phone refers to it");
        all.refer(Reference::ConfigMap, &phone, &keys(&["a"]), &keys(&[]));
        assert_eq!(all.config_map(&key("a")), Dependency::Pending);
        assert_eq!(all.users(Reference::ConfigMap, &key("a")).count(), 0);
    }

    #[test]
    fn a_secret_that_is_unread_missing_or_lacks_the_key_is_three_answers() {
        let mut all = Dependencies::default();
        let value = |all: &Dependencies| {
            all.secret_value("ns", &SecretKey { name: "s".to_owned(), key: "password".to_owned() })
        };
        assert_eq!(value(&all), Err(SecretError::Unread));
        all.set_secret(&key("s"), None);
        assert_eq!(value(&all), Err(SecretError::NoSecret));
        assert!(all.withhold(Reference::Secret, &key("s"), Withheld::Type));
        assert!(!all.withhold(Reference::Secret, &key("s"), Withheld::Type), "that was known");
        assert_eq!(value(&all), Err(SecretError::Withheld(Withheld::Type)));
        all.set_secret(&key("s"), Some(SecretData::new()));
        assert_eq!(value(&all), Err(SecretError::NoKey));
        all.set_secret(&key("s"), Some([("password".to_owned(), Bytes::from_static(b"1"))].into()));
        assert_eq!(value(&all), Ok(b"1".to_vec()));
        all.set_secret(&key("s"), Some([("password".to_owned(), vec![b'1'; MAX_VALUE + 1].into())].into()));
        assert_eq!(value(&all), Err(SecretError::TooLong));
    }
}
