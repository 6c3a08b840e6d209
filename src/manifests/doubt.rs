//! What is in doubt because several documents describe one object.

use super::Manifests;
use crate::provision::Key;

impl Manifests {
    /// Whether what is said of an object may follow from the wrong one of two documents: its own, or its site's.
    pub fn is_in_doubt(&self, kind: &str, key: &Key) -> bool {
        let phone = self.phones.get(key).filter(|_| kind == "SipPhone");
        let site = phone.map(|(phone, _)| key.sibling(&phone.spec.site_ref.name));
        self.repeated.has(kind, key) || site.is_some_and(|site| self.repeated.has("PhoneSite", &site))
    }
}
