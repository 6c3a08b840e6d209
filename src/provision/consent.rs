//! Of which objects something may be served: who may create a SipPhone may thereby read what its file holds, so not every Secret
//! and ConfigMap of the namespace is there to be named.

use std::collections::BTreeMap;

use crate::api::{CONSENT, MANAGED_BY};
use crate::provision::catalog::MAX_FILES;

/// The types of Secrets whose values may be served: what people made for it. All other types are credentials for something else,
/// such as tokens of ServiceAccounts, keys of certificates, and passwords of registries.
const SECRET_TYPES: [&str; 2] = ["Opaque", "kubernetes.io/basic-auth"];

/// Why nothing is served of an object although it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withheld {
    /// A Secret whose type says that it is for something else.
    Type,
    /// An object that dialtone made itself.
    Own,
    /// An object whose owner did not consent, where that is demanded.
    NoConsent,
    /// A ConfigMap with more files than anybody has use for.
    TooManyFiles,
}

impl Withheld {
    /// The same in words, for an object of this kind and name, and what to do.
    pub fn describe(self, kind: &str, name: &str) -> String {
        match self {
            Withheld::Type => {
                format!(
                    "{kind} {name} holds credentials for something else, by its type: put what phones need into a Secret of type Opaque"
                )
            }
            Withheld::Own => format!("{kind} {name} is one of dialtone's own: name another one"),
            Withheld::TooManyFiles => {
                format!("{kind} {name} holds more than {MAX_FILES} files: divide them among several")
            }
            Withheld::NoConsent => {
                let (label, value) = CONSENT;
                format!(
                    "{kind} {name} does not have the label {label}: {value:?}, without which nothing of it is served in this cluster: add it to the {kind}, or name another one"
                )
            }
        }
    }
}

/// The labels of an object.
pub type Labels = BTreeMap<String, String>;

/// Whether a Secret is withheld.
pub fn of_secret(name: &str, kind: Option<&str>, labels: Option<&Labels>, demands_consent: bool) -> Option<Withheld> {
    // The tokens' names end so whatever somebody did to their labels.
    if name.starts_with("dialtone-") && name.ends_with("-token") {
        return Some(Withheld::Own);
    }
    // None is what manifests leave out, and the API server then takes the first.
    if kind.is_some_and(|kind| !kind.is_empty() && !SECRET_TYPES.contains(&kind)) {
        return Some(Withheld::Type);
    }
    of_source(labels, demands_consent)
}

/// Whether a ConfigMap is withheld that holds so many files.
pub fn of_map(files: usize, labels: Option<&Labels>, demands_consent: bool) -> Option<Withheld> {
    of_source(labels, demands_consent).or((files > MAX_FILES).then_some(Withheld::TooManyFiles))
}

/// Whether a ConfigMap or a volume is withheld.
pub fn of_source(labels: Option<&Labels>, demands_consent: bool) -> Option<Withheld> {
    let has =
        |(label, value): (&str, &str)| labels.and_then(|labels| labels.get(label)).is_some_and(|found| found == value);
    if has(MANAGED_BY) {
        return Some(Withheld::Own);
    }
    (demands_consent && !has(CONSENT)).then_some(Withheld::NoConsent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_and_dialtones_own_are_never_served() {
        for kind in [
            "kubernetes.io/service-account-token",
            "kubernetes.io/dockerconfigjson",
            "kubernetes.io/dockercfg",
            "kubernetes.io/tls",
            "kubernetes.io/ssh-auth",
            "bootstrap.kubernetes.io/token",
            "helm.sh/release.v1",
        ] {
            assert_eq!(of_secret("s", Some(kind), None, false), Some(Withheld::Type), "{kind}");
        }
        for kind in [None, Some(""), Some("Opaque"), Some("kubernetes.io/basic-auth")] {
            assert_eq!(of_secret("s", kind, None, false), None, "{kind:?}");
        }
        let own = Labels::from([(MANAGED_BY.0.to_owned(), MANAGED_BY.1.to_owned())]);
        assert_eq!(of_secret("s", None, Some(&own), false), Some(Withheld::Own));
        assert_eq!(of_secret("dialtone-hq-token", Some("Opaque"), None, false), Some(Withheld::Own));
        assert_eq!(of_source(Some(&own), false), Some(Withheld::Own));
    }

    #[test]
    fn a_config_map_of_very_many_names_is_not_served() {
        assert_eq!(of_map(MAX_FILES, None, false), None);
        assert_eq!(of_map(MAX_FILES + 1, None, false), Some(Withheld::TooManyFiles));
        assert_eq!(of_map(MAX_FILES + 1, None, true), Some(Withheld::NoConsent), "that says nothing of it");
    }

    #[test]
    fn consent_is_a_label_and_only_asked_for_where_it_is_demanded() {
        let labels = |value: &str| Labels::from([(CONSENT.0.to_owned(), value.to_owned())]);
        assert_eq!(of_source(None, false), None);
        assert_eq!(of_source(None, true), Some(Withheld::NoConsent));
        assert_eq!(of_source(Some(&labels("false")), true), Some(Withheld::NoConsent));
        assert_eq!(of_source(Some(&labels("true")), true), None);
        assert_eq!(of_secret("s", None, Some(&labels("true")), true), None);
        assert_eq!(of_secret("s", Some("kubernetes.io/tls"), Some(&labels("true")), true), Some(Withheld::Type));
    }
}
