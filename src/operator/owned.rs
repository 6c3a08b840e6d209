//! What a site's owned objects should be, apart from those with files: pure.

mod closed;
mod deployment;
mod firmware;
mod merge;
mod network;
mod prepared;
mod template;

use k8s_openapi::ByteString;
use serde_json::{Value, json};

use super::kind::Kind;
use super::names::{self, ROLE, SITE, workload};
use super::options::Options;
use crate::api::{DisruptionBudget, IpFamilyPolicy, PhoneSiteSpec, ServiceType};
use crate::provision::Key;
pub(super) use prepared::Prepared;

/// Where phones ask.
pub(super) const WELL_KNOWN_PORT: u16 = 69;
/// Where TFTP pods serve their reports.
pub(super) const REPORT_PORT: u16 = 8069;
/// Where TFTP pods serve probes and metrics.
const PROBE_PORT: u16 = 8070;
/// The role of TFTP pods and of what belongs to them.
const SERVER: &str = "tftp";

/// A site's TFTP server and what belongs to it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct OwnedObjects {
    /// The account of the pods, without rights.
    pub(super) service_account: Prepared,
    /// What may reach the pods.
    pub(super) network_policy: Prepared,
    /// Where phones reach the pods.
    pub(super) service: ServiceChoice,
    /// How many pods a drain leaves, if that matters.
    pub(super) disruption_budget: Option<Prepared>,
    /// The pods.
    pub(super) deployment: Prepared,
    /// What the spec asks for and the cluster's administrator does not allow: `spec.a.b: why`.
    pub(super) not_allowed: Vec<String>,
}

/// What becomes of a site's Service.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ServiceChoice {
    /// There is none: the pods use the nodes' own network.
    Without,
    /// It is to be like this.
    Write(Box<Prepared>),
    /// Something of it is not allowed: whatever there is stays, because half of what was asked for may put a site on a
    /// public address.
    Leave,
}

impl OwnedObjects {
    /// The objects of a site.
    pub(super) fn prepare(site: &Key, uid: &str, spec: &PhoneSiteSpec, options: &Options) -> OwnedObjects {
        let host_network = spec.tftp.as_ref().is_some_and(|tftp| tftp.host_network);
        let account = json!({"metadata": metadata(site, uid), "automountServiceAccountToken": false});
        let mut not_allowed = Vec::new();
        let service = match service(site, uid, spec, options) {
            _ if host_network => ServiceChoice::Without,
            Ok(service) => ServiceChoice::Write(Box::new(Prepared::new(Kind::Service, service))),
            Err(refused) => {
                not_allowed.extend(refused);
                ServiceChoice::Leave
            }
        };
        let deployment = deployment::deployment(site, uid, spec, options, &mut not_allowed);
        OwnedObjects {
            service_account: Prepared::new(Kind::ServiceAccount, account),
            network_policy: Prepared::new(Kind::NetworkPolicy, network::policy(site, uid, spec, options)),
            service,
            disruption_budget: disruption_budget(site, uid, spec)
                .map(|budget| Prepared::new(Kind::PodDisruptionBudget, budget)),
            deployment: Prepared::new(Kind::Deployment, deployment),
            not_allowed,
        }
    }
}

/// How many pods should run.
pub(super) fn replicas(spec: &PhoneSiteSpec) -> i64 {
    let tftp = spec.tftp.clone().unwrap_or_default();
    tftp.replicas.unwrap_or(if tftp.host_network { 1 } else { 2 })
}

/// A value as a Secret holds it.
fn encoded(value: &str) -> Value {
    json!(ByteString(value.as_bytes().to_vec()))
}

/// A site's token Secret.
pub(super) fn token_secret(site: &Key, uid: &str, token: &str, hash_key: &str) -> Value {
    let mut object = json!({
        "metadata": names::metadata(site, uid, &names::token(&site.name), "token"),
        "type": "Opaque",
        "data": {"token": encoded(token), "hashKey": encoded(hash_key)},
    });
    set_type(Kind::Secret, &mut object);
    object
}

/// Adds the type to an object.
pub(super) fn set_type(kind: Kind, object: &mut Value) {
    object["apiVersion"] = kind.resource().api_version.into();
    object["kind"] = kind.as_str().into();
}

fn metadata(site: &Key, uid: &str) -> Value {
    names::metadata(site, uid, &workload(&site.name), SERVER)
}

fn selector(site: &Key) -> Value {
    json!({SITE: site.name, ROLE: SERVER})
}

/// The Service, or which of its annotations are not allowed.
fn service(site: &Key, uid: &str, spec: &PhoneSiteSpec, options: &Options) -> Result<Value, Vec<String>> {
    let wanted = spec.tftp.clone().unwrap_or_default().service.unwrap_or_default();
    let refused = wanted.annotations.keys().filter(|name| !options.policy.allows_service_annotation(name));
    let refused: Vec<String> = refused
        .map(|name| {
            format!("spec.tftp.service.annotations.{name}: its prefix is not allowed (sites.serviceAnnotationPrefixes of the chart): remove it, or have the prefix allowed; the Service is left as it is")
        })
        .collect();
    if !refused.is_empty() {
        return Err(refused);
    }
    let mut metadata = metadata(site, uid);
    if !wanted.annotations.is_empty() {
        metadata["annotations"] = json!(wanted.annotations);
    }
    let mut port = json!({"name": "tftp", "port": WELL_KNOWN_PORT, "targetPort": "tftp", "protocol": "UDP"});
    if let Some(node_port) = wanted.node_port {
        port["nodePort"] = node_port.into();
    }
    let kind = match wanted.kind {
        ServiceType::LoadBalancer => "LoadBalancer",
        ServiceType::NodePort => "NodePort",
        ServiceType::ClusterIP => "ClusterIP",
    };
    let mut service = json!({"type": kind, "selector": selector(site), "ports": [port]});
    if wanted.kind != ServiceType::ClusterIP {
        // The addresses of phones say who fetched what: they must arrive unchanged.
        service["externalTrafficPolicy"] = "Local".into();
    }
    // One family that is named alone is all that is wanted.
    let policy =
        if wanted.ip_families.len() == 1 { IpFamilyPolicy::SingleStack } else { IpFamilyPolicy::PreferDualStack };
    service["ipFamilyPolicy"] = format!("{:?}", wanted.ip_family_policy.unwrap_or(policy)).into();
    if !wanted.ip_families.is_empty() {
        service["ipFamilies"] = wanted.ip_families.iter().map(|family| format!("{family:?}")).collect();
    }
    if let Some(address) = wanted.load_balancer_ip {
        service["loadBalancerIP"] = address.into();
    }
    if let Some(class) = wanted.load_balancer_class {
        service["loadBalancerClass"] = class.into();
    }
    Ok(json!({"metadata": metadata, "spec": service}))
}

/// The budget that keeps the last pod from being evicted, where there is to be one.
fn disruption_budget(site: &Key, uid: &str, spec: &PhoneSiteSpec) -> Option<Value> {
    let wanted = spec.tftp.as_ref().map(|tftp| tftp.disruption_budget).unwrap_or_default();
    let least = match wanted {
        DisruptionBudget::Auto => 2,
        DisruptionBudget::Always => 1,
        DisruptionBudget::Never => return None,
    };
    // A pod that is not ready serves nobody: that it cannot start holds no drain up.
    let budget = json!({
        "minAvailable": 1,
        "selector": {"matchLabels": selector(site)},
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    });
    (replicas(spec) >= least).then(|| json!({"metadata": metadata(site, uid), "spec": budget}))
}

#[cfg(test)]
mod tests;
