//! Where pods may be placed: the fields of Kubernetes' own pod specification, with bounds.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::labels::{LABEL_VALUE_PATTERN, QUALIFIED_NAME_PATTERN, label_map};

/// A taint that is tolerated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Toleration {
    /// The taint's name. Default: all taints, with operator Exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 317), regex(pattern = QUALIFIED_NAME_PATTERN))]
    pub key: Option<String>,
    /// How the value is compared. Default: Equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<TolerationOperator>,
    /// The taint's value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63), regex(pattern = LABEL_VALUE_PATTERN))]
    pub value: Option<String>,
    /// The effect that is tolerated. Default: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<TaintEffect>,
    /// For how long a taint of effect NoExecute is tolerated. Default: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 2147483647))]
    pub toleration_seconds: Option<i64>,
}

/// How a taint's value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TolerationOperator {
    /// Any value.
    Exists,
    /// That value.
    Equal,
}

/// What a taint does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TaintEffect {
    /// No new pods.
    NoSchedule,
    /// No new pods, if others will do.
    PreferNoSchedule,
    /// No pods.
    NoExecute,
}

/// Which nodes and neighbours pods prefer or need.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Affinity {
    /// Which nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_affinity: Option<NodeAffinity>,
    /// Beside which pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_affinity: Option<PodAffinity>,
    /// Apart from which pods. Empty: dialtone's own rule does not apply either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_anti_affinity: Option<PodAffinity>,
}

/// Which nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeAffinity {
    /// What a node must be.
    #[serde(
        default,
        rename = "requiredDuringSchedulingIgnoredDuringExecution",
        skip_serializing_if = "Option::is_none"
    )]
    pub required: Option<NodeSelector>,
    /// What a node should be.
    #[serde(
        default,
        rename = "preferredDuringSchedulingIgnoredDuringExecution",
        skip_serializing_if = "Vec::is_empty"
    )]
    #[schemars(length(max = 16))]
    pub preferred: Vec<PreferredNode>,
}

/// Nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeSelector {
    /// Terms of which one must hold.
    #[schemars(length(min = 1, max = 16))]
    pub node_selector_terms: Vec<NodeTerm>,
}

/// A preference for nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct PreferredNode {
    /// How much it counts, from 1 to 100.
    #[schemars(range(min = 1, max = 100))]
    pub weight: i64,
    /// The nodes.
    pub preference: NodeTerm,
}

/// Requirements that must hold together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeTerm {
    /// On a node's labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub match_expressions: Vec<NodeRequirement>,
    /// On a node's fields, such as metadata.name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub match_fields: Vec<NodeRequirement>,
}

/// A requirement on a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct NodeRequirement {
    /// The label's or field's name.
    #[schemars(length(min = 1, max = 317), regex(pattern = QUALIFIED_NAME_PATTERN))]
    pub key: String,
    /// How it is compared.
    pub operator: NodeOperator,
    /// With what.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 253)))]
    pub values: Vec<String>,
}

/// How a node's label is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum NodeOperator {
    /// It is one of the values.
    In,
    /// It is none of the values.
    NotIn,
    /// It is there.
    Exists,
    /// It is not there.
    DoesNotExist,
    /// It is greater than the value.
    Gt,
    /// It is less than the value.
    Lt,
}

/// Beside or apart from which pods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct PodAffinity {
    /// What must hold.
    #[serde(default, rename = "requiredDuringSchedulingIgnoredDuringExecution", skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub required: Vec<PodTerm>,
    /// What should hold.
    #[serde(
        default,
        rename = "preferredDuringSchedulingIgnoredDuringExecution",
        skip_serializing_if = "Vec::is_empty"
    )]
    #[schemars(length(max = 16))]
    pub preferred: Vec<PreferredPod>,
}

/// A preference for neighbours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreferredPod {
    /// How much it counts, from 1 to 100.
    #[schemars(range(min = 1, max = 100))]
    pub weight: i64,
    /// The neighbours.
    pub pod_affinity_term: PodTerm,
}

/// Pods in the same place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodTerm {
    /// The pods, in the site's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_selector: Option<Labels>,
    /// The node's label that says what a place is, such as topology.kubernetes.io/zone.
    #[schemars(length(min = 1, max = 317), regex(pattern = QUALIFIED_NAME_PATTERN))]
    pub topology_key: String,
}

/// Objects by their labels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Labels {
    /// Labels that they have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "label_map")]
    pub match_labels: BTreeMap<String, String>,
    /// Requirements on their labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub match_expressions: Vec<LabelRequirement>,
}

/// A requirement on a label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct LabelRequirement {
    /// The label's name.
    #[schemars(length(min = 1, max = 317), regex(pattern = QUALIFIED_NAME_PATTERN))]
    pub key: String,
    /// How it is compared.
    pub operator: LabelOperator,
    /// With what.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 63)))]
    pub values: Vec<String>,
}

/// How a label is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LabelOperator {
    /// It is one of the values.
    In,
    /// It is none of the values.
    NotIn,
    /// It is there.
    Exists,
    /// It is not there.
    DoesNotExist,
}

/// How pods are spread over places.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TopologySpread {
    /// By how many pods two places may differ.
    #[schemars(range(min = 1, max = 1000))]
    pub max_skew: i64,
    /// The node's label that says what a place is, such as topology.kubernetes.io/zone.
    #[schemars(length(min = 1, max = 317), regex(pattern = QUALIFIED_NAME_PATTERN))]
    pub topology_key: String,
    /// What to do if they differ by more.
    pub when_unsatisfiable: Unsatisfiable,
    /// The pods that are counted. Default: those of the site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_selector: Option<Labels>,
    /// How many places there should be at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub min_domains: Option<i64>,
}

/// What to do with a pod that no place is right for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Unsatisfiable {
    /// It waits.
    DoNotSchedule,
    /// It goes where it differs least.
    ScheduleAnyway,
}
