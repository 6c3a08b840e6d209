//! The Service in front of a site's TFTP pods.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::labels::{QUALIFIED_NAME_PATTERN, annotation_map};

/// An IPv4 or IPv6 address, as far as a pattern can tell.
const ADDRESS_PATTERN: &str = "^([0-9]{1,3}([.][0-9]{1,3}){3}|[0-9a-fA-F:]*:[0-9a-fA-F:.]*)$";

/// The Service in front of the TFTP pods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceSpec {
    /// The Service's type. LoadBalancer and NodePort keep the phones' own addresses (externalTrafficPolicy: Local).
    /// Default: LoadBalancer.
    #[serde(default, rename = "type")]
    pub kind: ServiceType,
    /// Annotations that a load balancer reads, each with a prefix that the operator allows (the chart's
    /// sites.serviceAnnotationPrefixes). A Service with another one is left as it is, and the status says so.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "annotation_map")]
    pub annotations: BTreeMap<String, String>,
    /// The address to ask the load balancer for, IPv4 or IPv6.
    #[serde(default, rename = "loadBalancerIP", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 45), regex(pattern = ADDRESS_PATTERN))]
    pub load_balancer_ip: Option<String>,
    /// Which load balancer should take the Service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = QUALIFIED_NAME_PATTERN))]
    pub load_balancer_class: Option<String>,
    /// Which families of addresses the Service has, the first one first. Phones know IPv4 only, so that IPv4 must be one of them. Default:
    /// the cluster's own, in its order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2))]
    #[x_kube(validation = ("self.size() == 0 || self.exists(one, one == 'IPv4')", "ipFamilies: phones know IPv4 only: name IPv4, too"))]
    pub ip_families: Vec<IpFamily>,
    /// Whether the Service has addresses of both families: SingleStack, PreferDualStack (where the cluster has both) or
    /// RequireDualStack. Default: PreferDualStack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_family_policy: Option<IpFamilyPolicy>,
    /// The port on every node. Default: the cluster chooses one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub node_port: Option<i64>,
}

/// The type of a Service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ServiceType {
    /// An address of its own, from outside the cluster.
    #[default]
    LoadBalancer,
    /// A port on every node.
    NodePort,
    /// An address inside the cluster.
    ClusterIP,
}

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum IpFamily {
    /// What phones know.
    IPv4,
    /// For other clients.
    IPv6,
}

/// Whether a Service has addresses of both families.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum IpFamilyPolicy {
    /// Of one.
    SingleStack,
    /// Of both where the cluster has both.
    PreferDualStack,
    /// Of both.
    RequireDualStack,
}
