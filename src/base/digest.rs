//! Digests of files, and how they are shown.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest as _, Sha256};

/// The SHA-256 of a file's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of bytes.
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(Sha256::digest(bytes).into())
    }

    /// The digest of bytes one after the other.
    pub fn of_parts(parts: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Digest {
        let mut hash = Sha256::new();
        parts.into_iter().for_each(|part| hash.update(part));
        Digest(hash.finalize().into())
    }

    /// The digest's own bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Reads 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Digest> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Digest(bytes))
    }

    /// The hash that a status shows: the digest itself, or under a key where the file holds a password. Whoever reads
    /// the status could otherwise try passwords until the digest fits; without the key they cannot.
    pub fn public(&self, key: Option<&HashKey>) -> String {
        match key {
            None => format!("sha256:{self}"),
            Some(key) => {
                let mut mac = key.mac.clone();
                mac.update(&self.0);
                format!("sha256:{}", hex::encode(mac.finalize().into_bytes()))
            }
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0[..4]))
    }
}

/// A site's key for the hashes of files with passwords.
#[derive(Clone)]
pub struct HashKey {
    mac: Hmac<Sha256>,
    digest: Digest,
}

impl HashKey {
    /// A key from bytes of any length.
    pub fn new(bytes: &[u8]) -> HashKey {
        // HMAC takes keys of any length (RFC 2104), so the constructor's error cannot occur; a digest of the key would do as well.
        let mac = Hmac::new_from_slice(bytes).unwrap_or_else(|_| Hmac::new(&Default::default()));
        HashKey { mac, digest: Digest::of(bytes) }
    }
}

impl PartialEq for HashKey {
    fn eq(&self, other: &HashKey) -> bool {
        self.digest == other.digest
    }
}

impl Eq for HashKey {}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyed_hash_says_nothing_without_the_key() {
        let digest = Digest::of(b"line1_password: 1234\n");
        let plain = digest.public(None);
        let one = digest.public(Some(&HashKey::new(b"one")));
        let other = digest.public(Some(&HashKey::new(b"other")));
        assert_ne!(plain, one);
        assert_ne!(one, other);
        assert_eq!(one, Digest::of(b"line1_password: 1234\n").public(Some(&HashKey::new(b"one"))));
        assert!(one.starts_with("sha256:") && one.len() == 71);
    }

    #[test]
    fn hex_comes_back() {
        let digest = Digest::of(b"x");
        assert_eq!(Digest::from_hex(&digest.to_string()), Some(digest));
        assert_eq!(Digest::from_hex("12"), None);
    }
}
