//! What a site's owned objects should be, apart from those with files: pure.

mod deployment;
mod firmware;
mod merge;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::kind::Kind;
use super::names::{self, APPLIED, ROLE, SITE, workload};
use super::options::Options;
use crate::api::{PhoneSiteSpec, ServiceType};
use crate::provision::Key;

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
    /// Where phones reach the pods, unless those use the nodes' own network.
    pub(super) service: Option<Prepared>,
    /// The pods.
    pub(super) deployment: Prepared,
}

impl OwnedObjects {
    /// The objects of a site.
    pub(super) fn prepare(site: &Key, uid: &str, spec: &PhoneSiteSpec, options: &Options) -> OwnedObjects {
        let host_network = spec.tftp.as_ref().is_some_and(|tftp| tftp.host_network);
        let account = json!({"metadata": metadata(site, uid), "automountServiceAccountToken": false});
        OwnedObjects {
            service_account: Prepared::new(Kind::ServiceAccount, account),
            network_policy: Prepared::new(Kind::NetworkPolicy, network_policy(site, uid, spec, options, host_network)),
            service: (!host_network).then(|| Prepared::new(Kind::Service, service(site, uid, spec))),
            deployment: Prepared::new(Kind::Deployment, deployment::deployment(site, uid, spec, options)),
        }
    }
}

/// An owned object as it should be, complete.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Prepared {
    kind: Kind,
    object: Value,
}

impl Prepared {
    /// Adds the type and a digest of the whole: it shows that a field is no longer wanted.
    fn new(kind: Kind, mut object: Value) -> Prepared {
        set_type(kind, &mut object);
        let digest = Sha256::digest(object.to_string().as_bytes());
        object["metadata"]["annotations"][APPLIED] = hex::encode(&digest[..8]).into();
        Prepared { kind, object }
    }

    /// Its kind.
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// The whole object.
    pub(super) fn object(&self) -> &Value {
        &self.object
    }

    /// Whether an observed object is as this one should be.
    pub(super) fn is_covered_by(&self, observed: &Value) -> bool {
        let applied = |object: &Value| object["metadata"]["annotations"][APPLIED].clone();
        applied(observed) == applied(&self.object) && merge::covers(observed, &self.object)
    }
}

/// How many pods should run.
pub(super) fn replicas(spec: &PhoneSiteSpec) -> i64 {
    let tftp = spec.tftp.clone().unwrap_or_default();
    tftp.replicas.unwrap_or(if tftp.host_network { 1 } else { 2 })
}

/// A site's token Secret.
pub(super) fn token_secret(site: &Key, uid: &str, token: &str, hash_key: &str) -> Value {
    let mut object = json!({
        "metadata": names::metadata(site, uid, &names::token(&site.name), "token"),
        "type": "Opaque",
        "stringData": {"token": token, "hashKey": hash_key},
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

fn service(site: &Key, uid: &str, spec: &PhoneSiteSpec) -> Value {
    let wanted = spec.tftp.clone().unwrap_or_default().service.unwrap_or_default();
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
    if let Some(address) = wanted.load_balancer_ip {
        service["loadBalancerIP"] = address.into();
    }
    if let Some(class) = wanted.load_balancer_class {
        service["loadBalancerClass"] = class.into();
    }
    json!({"metadata": metadata, "spec": service})
}

fn network_policy(site: &Key, uid: &str, spec: &PhoneSiteSpec, options: &Options, host_network: bool) -> Value {
    // The kubelet of the pod's own node is let in whatever is written here.
    let ports = [REPORT_PORT, PROBE_PORT].map(|port| json!({"port": port, "protocol": "TCP"}));
    let mut report = json!({"ports": ports});
    if let Some(namespace) = &options.own_namespace {
        report["from"] = json!([{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}]);
    }
    let tftp = match host_network {
        true => json!({}),
        // Any UDP port, because of portMode Ephemeral.
        false => json!({"ports": [{"protocol": "UDP"}]}),
    };
    json!({
        "metadata": metadata(site, uid),
        "spec": {
            "podSelector": {"matchLabels": selector(site)},
            // Answers to phones belong to what phones began; pods themselves begin only downloads of firmware.
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [tftp, report],
            "egress": firmware::egress(spec),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::options;
    use super::*;
    use crate::api::TftpSpec;

    fn prepare(spec: &PhoneSiteSpec) -> OwnedObjects {
        OwnedObjects::prepare(&Key::new("phones", "hq"), "uid-1", spec, &options())
    }

    #[test]
    fn the_pod_that_faces_the_phones_has_no_token_and_no_privilege() {
        let pod = prepare(&PhoneSiteSpec::default()).deployment.object["spec"]["template"]["spec"].clone();
        assert_eq!(pod["automountServiceAccountToken"], false);
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        let security = &pod["containers"][0]["securityContext"];
        assert_eq!(security["readOnlyRootFilesystem"], true);
        assert_eq!(security["capabilities"], json!({"drop": ["ALL"]}));
        assert!(!pod.to_string().contains("hashKey"), "the key for hashes stays out of the pod");
    }

    #[test]
    fn every_object_belongs_to_the_site() {
        let OwnedObjects { service_account, network_policy, service, deployment } = prepare(&PhoneSiteSpec::default());
        for Prepared { kind, object } in [service_account, network_policy, service.unwrap(), deployment] {
            assert_eq!(object["metadata"]["ownerReferences"][0]["uid"], "uid-1", "{kind:?}");
            assert_eq!(object["kind"], kind.as_str());
            assert_eq!(object["metadata"]["namespace"], "phones");
            assert_eq!(object["metadata"]["name"], "dialtone-hq");
        }
    }

    #[test]
    fn the_server_is_told_of_windows_only_if_the_site_asks_for_them() {
        for (windowsize, is_told) in [(None, false), (Some(4), true)] {
            let tftp = Some(TftpSpec { windowsize, ..TftpSpec::default() });
            let deployment = prepare(&PhoneSiteSpec { tftp, ..PhoneSiteSpec::default() }).deployment.object;
            let args = &deployment["spec"]["template"]["spec"]["containers"][0]["args"];
            assert_eq!(args.as_array().unwrap().contains(&json!("--windowsize=4")), is_told, "{args}");
            assert_eq!(args.to_string().contains("windowsize"), is_told, "{args}");
        }
    }

    #[test]
    fn a_pod_template_is_merged_and_cannot_hide_the_pod() {
        let patch = json!({"metadata": {"labels": {SITE: "other", "team": "voice"}}, "spec": {"affinity": null, "nodeSelector": {"a": "b"}}});
        let spec = PhoneSiteSpec {
            tftp: Some(TftpSpec { pod_template: Some(patch), ..TftpSpec::default() }),
            ..PhoneSiteSpec::default()
        };
        let template = prepare(&spec).deployment.object["spec"]["template"].clone();
        assert_eq!(template["metadata"]["labels"][SITE], "hq");
        assert_eq!(template["metadata"]["labels"]["team"], "voice");
        assert_eq!(template["spec"]["nodeSelector"]["a"], "b");
        assert!(template["spec"].get("affinity").is_none());
        assert_eq!(template["spec"]["containers"][0]["name"], "tftp");
    }

    #[test]
    fn there_is_no_service_beside_the_hosts_own_port() {
        let spec = PhoneSiteSpec {
            tftp: Some(TftpSpec { host_network: true, ..TftpSpec::default() }),
            ..PhoneSiteSpec::default()
        };
        assert_eq!(prepare(&spec).service, None);
        assert_eq!(replicas(&spec), 1);
        let service = prepare(&PhoneSiteSpec::default()).service.unwrap();
        assert_eq!(service.object["spec"]["externalTrafficPolicy"], "Local");
    }

    #[test]
    fn probes_are_apart_from_reports_and_neither_is_open_to_phones_beside_the_hosts_own_port() {
        let container = |host_network: bool| {
            let tftp = Some(TftpSpec { host_network, ..TftpSpec::default() });
            let deployment = prepare(&PhoneSiteSpec { tftp, ..PhoneSiteSpec::default() }).deployment;
            deployment.object["spec"]["template"]["spec"]["containers"][0].clone()
        };
        let has = |container: &Value, arg: &str| container["args"].as_array().unwrap().contains(&arg.into());
        let pod = container(false);
        assert!(has(&pod, "--report=[::]:8069") && has(&pod, "--probes=[::]:8070"), "{}", pod["args"]);
        assert_eq!(pod["readinessProbe"]["httpGet"], json!({"path": "/readyz", "port": "probes"}));
        let host = container(true);
        assert!(has(&host, "--report=$(POD_IP):8069") && has(&host, "--probes=127.0.0.1:8070"), "{}", host["args"]);
        for probe in ["readinessProbe", "livenessProbe"] {
            assert_eq!(host[probe]["httpGet"]["host"], "127.0.0.1", "{probe}");
        }
        assert_eq!(host["env"][0]["valueFrom"]["fieldRef"]["fieldPath"], "status.podIP");
    }

    #[test]
    fn what_a_server_holds_fits_into_its_memory() {
        let held = |limits: Option<&str>| {
            let resources = limits.map(|memory| json!({"limits": {"memory": memory}}));
            let tftp = Some(TftpSpec { resources, ..TftpSpec::default() });
            let deployment = prepare(&PhoneSiteSpec { tftp, ..PhoneSiteSpec::default() }).deployment;
            let args = &deployment.object["spec"]["template"]["spec"]["containers"][0]["args"];
            let text = args.as_array().unwrap().iter().find_map(|arg| arg.as_str()?.strip_prefix("--max-bytes="));
            text.map(|bytes| bytes.parse::<u64>().unwrap())
        };
        let mib = 1 << 20;
        assert_eq!(held(None), Some(320 * mib), "of 512 MiB, 400 are held while files are replaced");
        assert_eq!(held(Some("1Gi")), Some(640 * mib));
        assert_eq!(held(Some("128Mi")), Some(80 * mib));
        assert_eq!(held(Some("100M")), Some(62_500_000));
        assert_eq!(held(Some("what")), None, "the API server refuses it");
    }

    #[test]
    fn the_same_site_makes_the_same_objects() {
        let make = || prepare(&PhoneSiteSpec::default());
        assert_eq!(make(), make());
    }
}
