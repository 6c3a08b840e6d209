//! Who may read metrics: a peer of Kubernetes' own NetworkPolicy, with bounds.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::scheduling::Labels;
use crate::base::network;

/// Pods or addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("has(self.ipBlock) != (has(self.namespaceSelector) || has(self.podSelector))", "an entry of metricsFrom has an ipBlock, or a namespaceSelector and a podSelector, or one of these two"))]
pub struct MetricsPeer {
    /// The namespaces of the pods, by their labels. Empty: all. Default: the site's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<Labels>,
    /// The pods, by their labels. Default: all of the namespaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_selector: Option<Labels>,
    /// Addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_block: Option<IpBlock>,
}

impl MetricsPeer {
    /// Whether it is one that a NetworkPolicy can have.
    pub fn is_one_kind(&self) -> bool {
        self.ip_block.is_some() != (self.namespace_selector.is_some() || self.pod_selector.is_some())
    }
}

/// Addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct IpBlock {
    /// A network, such as 10.20.0.0/16.
    #[schemars(length(min = 3, max = 49), regex(pattern = network::CIDR_PATTERN))]
    pub cidr: String,
    /// Networks in it that are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 3, max = 49), regex(pattern = network::CIDR_PATTERN)))]
    pub except: Vec<String>,
}
