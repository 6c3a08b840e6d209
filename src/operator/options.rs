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
    /// What sites may ask for, and what is served of other objects.
    pub(super) policy: Policy,
    /// Where probes and metrics are served.
    pub(super) http: SocketAddr,
}
