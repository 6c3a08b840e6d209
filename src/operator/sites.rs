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
    secret: Option<Secret>,
}

struct Secret {
    token: String,
    hash_key: String,
    key: HashKey,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secret").finish_non_exhaustive()
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
    pub(super) fn note_secret(&self, site: &Key, token: &str, hash_key: &str) {
        let mut all = self.0.lock();
        let identity = all.entry(site.clone()).or_default();
        let key = HashKey::new(hash_key.as_bytes());
        identity.secret = Some(Secret { token: token.to_owned(), hash_key: hash_key.to_owned(), key });
    }

    /// What a site's token Secret should hold: the token, and the key for hashes as text.
    pub(super) fn secret(&self, site: &Key) -> Option<(String, String)> {
        let all = self.0.lock();
        let secret = all.get(site)?.secret.as_ref()?;
        Some((secret.token.clone(), secret.hash_key.clone()))
    }

    /// The token for reports of a site's pods.
    pub(super) fn token(&self, site: &Key) -> Option<String> {
        Some(self.0.lock().get(site)?.secret.as_ref()?.token.clone())
    }

    /// A site's key for hashes.
    pub(super) fn hash_key(&self, site: &Key) -> Option<HashKey> {
        Some(self.0.lock().get(site)?.secret.as_ref()?.key.clone())
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
        sites.note_secret(&site, "token", "key");
        assert_eq!((sites.uid(&site), sites.token(&site).as_deref()), (None, Some("token")));
        sites.note_uid(&site, "1".to_owned());
        assert_eq!((sites.uid(&site).as_deref(), sites.token(&site).as_deref()), (Some("1"), Some("token")));
        assert!(sites.hash_key(&site).is_some());
        sites.forget(&site);
        assert!(sites.uid(&site).is_none() && sites.token(&site).is_none() && sites.hash_key(&site).is_none());
    }
}
