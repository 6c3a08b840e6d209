//! The kinds of objects that the operator writes, apart from its own two.

use kube::core::{ApiResource, GroupVersionKind};

/// A kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Files without passwords.
    ConfigMap,
    /// Files with passwords, and a site's token.
    Secret,
    /// The account of a site's pods, which has no rights.
    ServiceAccount,
    /// What may reach a site's pods.
    NetworkPolicy,
    /// Where phones reach a site.
    Service,
    /// How many of a site's pods a drain leaves.
    PodDisruptionBudget,
    /// A site's TFTP server.
    Deployment,
    /// What stands between it and its pods; only read.
    ReplicaSet,
    /// A pod of it.
    Pod,
}

impl Kind {
    /// The kinds of a site's owned objects, apart from those with files and the token.
    pub(super) const OWNED: [Kind; 5] =
        [Kind::ServiceAccount, Kind::NetworkPolicy, Kind::Service, Kind::PodDisruptionBudget, Kind::Deployment];

    /// The kinds that something is written of.
    pub(super) const WRITTEN: [Kind; 7] = [
        Kind::ConfigMap,
        Kind::Secret,
        Kind::ServiceAccount,
        Kind::NetworkPolicy,
        Kind::Service,
        Kind::Deployment,
        Kind::Pod,
    ];

    /// The name in an object.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Kind::ConfigMap => "ConfigMap",
            Kind::Secret => "Secret",
            Kind::ServiceAccount => "ServiceAccount",
            Kind::NetworkPolicy => "NetworkPolicy",
            Kind::Service => "Service",
            Kind::PodDisruptionBudget => "PodDisruptionBudget",
            Kind::Deployment => "Deployment",
            Kind::ReplicaSet => "ReplicaSet",
            Kind::Pod => "Pod",
        }
    }

    /// An object of this kind, as it is called in messages.
    pub(super) fn named(self, name: &str) -> String {
        format!("{} {name}", self.as_str())
    }

    const fn plural(self) -> &'static str {
        match self {
            Kind::ConfigMap => "configmaps",
            Kind::Secret => "secrets",
            Kind::ServiceAccount => "serviceaccounts",
            Kind::NetworkPolicy => "networkpolicies",
            Kind::Service => "services",
            Kind::PodDisruptionBudget => "poddisruptionbudgets",
            Kind::Deployment => "deployments",
            Kind::ReplicaSet => "replicasets",
            Kind::Pod => "pods",
        }
    }

    /// The API group, empty for the core.
    const fn group(self) -> &'static str {
        match self {
            Kind::NetworkPolicy => "networking.k8s.io",
            Kind::PodDisruptionBudget => "policy",
            Kind::Deployment | Kind::ReplicaSet => "apps",
            Kind::ConfigMap | Kind::Secret | Kind::ServiceAccount | Kind::Service | Kind::Pod => "",
        }
    }

    /// How the client addresses it.
    pub(super) fn resource(self) -> ApiResource {
        let gvk = GroupVersionKind::gvk(self.group(), "v1", self.as_str());
        ApiResource::from_gvk_with_plural(&gvk, self.plural())
    }
}
