//! What the command line says.

use std::net::SocketAddr;
use std::sync::OnceLock;

use super::policy::Policy;

/// What the command line says.
#[derive(Clone, Debug)]
pub(super) struct Options {
    /// The image of the TFTP pods.
    pub(super) image: String,
    /// When it is pulled.
    pub(super) image_pull_policy: Option<String>,
    /// Secrets for pulling it.
    pub(super) image_pull_secrets: Vec<String>,
    /// The namespaces to watch; empty for all.
    pub(super) namespaces: Vec<String>,
    /// The operator's own namespace.
    pub(super) own_namespace: Option<String>,
    /// Whether the cluster mounts images as volumes; known before anything is written.
    pub(super) image_volumes: OnceLock<bool>,
    /// Of how many sites the pods are replaced at a time when the operator was upgraded.
    pub(super) max_sites_updating: usize,
    /// What sites may ask for, and what is served of other objects.
    pub(super) policy: Policy,
    /// How processes that look after the same objects agree on one; `None` if this one is the only one.
    pub(super) election: Option<Election>,
    /// Where probes and metrics are served.
    pub(super) http: SocketAddr,
}

/// This process in the election of a leader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Election {
    /// The installation that the process belongs to: its processes stand by for each other.
    pub(super) installation: String,
    /// The process: no other has its name at the same time.
    pub(super) process: String,
    /// Where the Lease is of an installation that looks after all namespaces.
    pub(super) lease_namespace: String,
}

impl Election {
    /// What the process says of itself in a Lease.
    pub(super) fn identity(&self) -> String {
        format!("{}/{}", self.installation, self.process)
    }

    /// Whether another installation says so of itself.
    pub(super) fn is_foreign(&self, identity: &str) -> bool {
        identity.rsplit_once('/').is_none_or(|(installation, _)| installation != self.installation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_of_one_installation_know_each_other() {
        let of = |installation: &str, process: &str| Election {
            installation: installation.to_owned(),
            process: process.to_owned(),
            lease_namespace: "kube-system".to_owned(),
        };
        let here = of("voice/dialtone", "dialtone-7c-a");
        assert_eq!(here.identity(), "voice/dialtone/dialtone-7c-a");
        assert!(!here.is_foreign(&of("voice/dialtone", "dialtone-7c-b").identity()));
        for other in
            [of("voice/other", "dialtone-7c-a").identity(), of("x/dialtone", "a").identity(), "x".into(), String::new()]
        {
            assert!(here.is_foreign(&other), "{other}");
        }
    }
}
