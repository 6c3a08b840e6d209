//! What identifies each site: its UID, the token for its pods' reports, and its key for hashes.

use std::collections::HashMap;

use super::leaf::Leaf;
use crate::base::digest::HashKey;
use crate::provision::Key;

/// What identifies each site. Its parts become known in any order.
#[derive(Debug, Default)]
pub(super) struct SiteIdentities(Leaf<HashMap<Key, Identity>>);

#[derive(Debug, Default)]
struct Identity {
    uid: Option<String>,
    secret: Option<SiteSecret>,
}

impl Identity {
    /// The site's Secret, if it is the site's: anybody who may create Secrets can make one of that name and know what is in it.
    fn own_secret(&self) -> Option<&SiteSecret> {
        self.secret.as_ref().filter(|secret| self.uid.as_ref() == Some(&secret.owner))
    }
}

/// What a site's token Secret holds.
#[derive(Debug)]
pub(super) struct SiteSecret {
    /// The UID of the object that owns it.
    owner: String,
    /// The token for its pods' reports.
    token: String,
    /// The key for hashes.
    hash_key: HashKey,
}

impl SiteSecret {
    /// What a Secret of this owner holds.
    pub(super) fn new(owner: &str, token: &str, hash_key: &str) -> SiteSecret {
        SiteSecret { owner: owner.to_owned(), token: token.to_owned(), hash_key: HashKey::new(hash_key.as_bytes()) }
    }
}

impl SiteIdentities {
    /// Notes a site's UID.
    pub(super) fn note_uid(&self, site: &Key, uid: String) {
        self.0.lock().entry(site.clone()).or_default().uid = Some(uid);
    }

    /// The UID of a site, for owner references.
    pub(super) fn uid(&self, site: &Key) -> Option<String> {
        self.0.lock().get(site)?.uid.clone()
    }

    /// Notes what a site's token Secret holds.
    pub(super) fn note_secret(&self, site: &Key, secret: SiteSecret) {
        self.0.lock().entry(site.clone()).or_default().secret = Some(secret);
    }

    /// The token for reports of a site's pods.
    pub(super) fn token(&self, site: &Key) -> Option<String> {
        Some(self.0.lock().get(site)?.own_secret()?.token.clone())
    }

    /// A site's key for hashes.
    pub(super) fn hash_key(&self, site: &Key) -> Option<HashKey> {
        Some(self.0.lock().get(site)?.own_secret()?.hash_key.clone())
    }

    /// A site was deleted.
    pub(super) fn forget(&self, site: &Key) {
        self.0.lock().remove(site);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_an_identity_come_in_any_order_and_go_together() {
        let (sites, site) = (SiteIdentities::default(), Key::new("ns", "hq"));
        sites.note_secret(&site, SiteSecret::new("1", "token", "key"));
        assert_eq!((sites.uid(&site), sites.token(&site)), (None, None), "it may be anybody's");
        sites.note_uid(&site, "1".to_owned());
        assert_eq!((sites.uid(&site).as_deref(), sites.token(&site).as_deref()), (Some("1"), Some("token")));
        assert!(sites.hash_key(&site).is_some());
        sites.note_secret(&site, SiteSecret::new("", "known to others", "key"));
        assert!(sites.token(&site).is_none() && sites.hash_key(&site).is_none());
        sites.note_secret(&site, SiteSecret::new("1", "token", "key"));
        sites.forget(&site);
        assert!(sites.uid(&site).is_none() && sites.token(&site).is_none() && sites.hash_key(&site).is_none());
    }
}
