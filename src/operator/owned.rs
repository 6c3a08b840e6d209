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
mod tests {
    use super::super::testing::options;
    use super::*;

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

    fn written(choice: ServiceChoice) -> Prepared {
        let ServiceChoice::Write(service) = choice else { panic!("{choice:?}") };
        *service
    }

    fn site(tftp: Value) -> PhoneSiteSpec {
        serde_json::from_value(json!({"tftp": tftp})).unwrap()
    }

    #[test]
    fn every_object_belongs_to_the_site() {
        let OwnedObjects { service_account, network_policy, service, disruption_budget, deployment, not_allowed } =
            prepare(&PhoneSiteSpec::default());
        assert_eq!(not_allowed, [""; 0]);
        let all = [service_account, network_policy, written(service), disruption_budget.unwrap(), deployment];
        for (kind, object) in all.map(|one| (one.kind(), one.object)) {
            assert_eq!(object["metadata"]["ownerReferences"][0]["uid"], "uid-1", "{kind:?}");
            assert_eq!(object["kind"], kind.as_str());
            assert_eq!(object["metadata"]["namespace"], "phones");
            assert_eq!(object["metadata"]["name"], "dialtone-hq");
        }
    }

    #[test]
    fn the_server_is_told_of_windows_only_if_the_site_asks_for_them() {
        for (windowsize, is_told) in [(None, false), (Some(4), true)] {
            let deployment = prepare(&site(json!({"windowsize": windowsize}))).deployment.object;
            let args = &deployment["spec"]["template"]["spec"]["containers"][0]["args"];
            assert_eq!(args.as_array().unwrap().contains(&json!("--windowsize=4")), is_told, "{args}");
            assert_eq!(args.to_string().contains("windowsize"), is_told, "{args}");
        }
    }

    #[test]
    fn a_pod_template_says_where_pods_run_and_cannot_hide_them() {
        let wanted = json!({
            "metadata": {"labels": {SITE: "other", "team": "voice"}, "annotations": {"prometheus.io/scrape": "true"}},
            "spec": {
                "nodeSelector": {"a": "b"},
                "tolerations": [{"key": "phones", "operator": "Exists"}],
                "affinity": {"podAntiAffinity": {}},
                "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}],
                "priorityClassName": "voice",
                "securityContext": {"runAsUser": 1000, "fsGroup": 2000},
            },
        });
        let objects = prepare(&site(json!({"podTemplate": wanted})));
        let template = objects.deployment.object["spec"]["template"].clone();
        assert_eq!(template["metadata"]["labels"][SITE], "hq");
        assert_eq!(template["metadata"]["labels"]["team"], "voice");
        assert_eq!(template["metadata"]["annotations"]["prometheus.io/scrape"], "true");
        let pod = &template["spec"];
        assert_eq!(pod["nodeSelector"]["a"], "b");
        assert_eq!(pod["tolerations"], json!([{"key": "phones", "operator": "Exists"}]));
        assert_eq!(pod["affinity"], json!({"podAntiAffinity": {}}), "it takes the place of dialtone's own");
        assert_eq!(pod["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"][SITE], "hq");
        assert_eq!(pod["priorityClassName"], "voice");
        let security = json!({"runAsNonRoot": true, "runAsUser": 1000, "runAsGroup": 65532, "fsGroup": 2000, "seccompProfile": {"type": "RuntimeDefault"}});
        assert_eq!(pod["securityContext"], security);
        assert_eq!(pod["containers"][0]["name"], "tftp");
    }

    /// What an older definition let in, read from the API server as it is.
    #[test]
    fn a_hostile_pod_template_makes_the_same_pods_as_none() {
        let hostile = json!({
            "metadata": {
                "labels": {"sidecar.istio.io/inject": "true", ROLE: "files"},
                "annotations": {"container.apparmor.security.beta.kubernetes.io/tftp": "unconfined", "a": "b"},
            },
            "spec": {
                "hostNetwork": true, "hostPID": true, "hostIPC": true, "nodeName": "control-plane", "hostUsers": true,
                "serviceAccountName": "admin", "automountServiceAccountToken": true, "shareProcessNamespace": true,
                "priorityClassName": "system-node-critical", "runtimeClassName": "none", "enableServiceLinks": true,
                "securityContext": {"runAsUser": 0, "runAsGroup": 0, "fsGroup": 0, "runAsNonRoot": false, "seccompProfile": {"type": "Unconfined"}, "sysctls": [{"name": "a", "value": "b"}]},
                "containers": [{"name": "tftp", "image": "evil", "securityContext": {"privileged": true}}],
                "initContainers": [{"name": "evil", "image": "evil"}],
                "ephemeralContainers": [{"name": "evil"}],
                "volumes": [{"name": "host", "hostPath": {"path": "/"}}],
                "imagePullSecrets": [{"name": "evil"}], "dnsConfig": {"nameservers": ["192.0.2.1"]}, "hostAliases": [],
            },
        });
        let objects = prepare(&site(json!({"podTemplate": hostile})));
        let plain = prepare(&PhoneSiteSpec::default());
        assert_eq!(objects.deployment.object["spec"]["template"], plain.deployment.object["spec"]["template"]);
        assert_eq!(objects.not_allowed.len(), 4, "{:?}", objects.not_allowed);
        assert!(objects.not_allowed[0].starts_with("spec.tftp.podTemplate.metadata.labels.sidecar.istio.io/inject: "));
    }

    #[test]
    fn a_service_with_an_annotation_that_is_not_allowed_is_left_as_it_is() {
        let annotated = |name: &str| prepare(&site(json!({"service": {"annotations": {name: "x"}}})));
        let fine = annotated("metallb.io/address-pool");
        assert_eq!(written(fine.service).object["metadata"]["annotations"]["metallb.io/address-pool"], "x");
        let refused = annotated("external-dns.alpha.kubernetes.io/hostname");
        assert_eq!(refused.service, ServiceChoice::Leave);
        assert!(refused.not_allowed[0].starts_with("spec.tftp.service.annotations.external-dns"), "{refused:?}");
    }

    #[test]
    fn there_is_no_service_beside_the_hosts_own_port() {
        let spec = site(json!({"hostNetwork": true}));
        assert_eq!(prepare(&spec).service, ServiceChoice::Without);
        assert_eq!(replicas(&spec), 1);
        let service = written(prepare(&PhoneSiteSpec::default()).service);
        assert_eq!(service.object["spec"]["externalTrafficPolicy"], "Local");
    }

    #[test]
    fn a_service_has_both_families_where_the_cluster_has() {
        let families = |service: Value| {
            let spec = written(prepare(&site(json!({"service": service}))).service).object["spec"].clone();
            (spec["ipFamilyPolicy"].clone(), spec["ipFamilies"].clone())
        };
        assert_eq!(families(json!({})), (json!("PreferDualStack"), Value::Null));
        assert_eq!(families(json!({"ipFamilies": ["IPv4"]})), (json!("SingleStack"), json!(["IPv4"])));
        let both = json!(["IPv6", "IPv4"]);
        assert_eq!(families(json!({"ipFamilies": both})), (json!("PreferDualStack"), both.clone()));
        let asked = json!({"ipFamilies": ["IPv4"], "ipFamilyPolicy": "RequireDualStack"});
        assert_eq!(families(asked), (json!("RequireDualStack"), json!(["IPv4"])));
    }

    #[test]
    fn a_drain_leaves_the_last_of_several_servers_and_waits_for_a_single_one_only_where_that_is_asked_for() {
        for (tftp, is_kept) in [
            (json!({}), true),
            (json!({"replicas": 3}), true),
            (json!({"replicas": 1}), false),
            (json!({"replicas": 0}), false),
            (json!({"hostNetwork": true}), false),
            (json!({"hostNetwork": true, "replicas": 2}), true),
            (json!({"replicas": 1, "disruptionBudget": "Always"}), true),
            (json!({"replicas": 0, "disruptionBudget": "Always"}), false),
            (json!({"disruptionBudget": "Never"}), false),
        ] {
            let budget = prepare(&site(tftp.clone())).disruption_budget;
            assert_eq!(budget.is_some(), is_kept, "{tftp}");
            let Some(budget) = budget else { continue };
            assert_eq!(budget.object["apiVersion"], "policy/v1");
            let spec = &budget.object["spec"];
            assert_eq!(
                (&spec["minAvailable"], &spec["unhealthyPodEvictionPolicy"]),
                (&json!(1), &json!("AlwaysAllow"))
            );
            let deployment = prepare(&site(tftp)).deployment.object;
            assert_eq!(spec["selector"], deployment["spec"]["selector"], "it speaks of the site's pods");
        }
    }

    #[test]
    fn probes_are_apart_from_reports_and_neither_is_open_to_phones_beside_the_hosts_own_port() {
        let container = |host_network: bool| {
            let deployment = prepare(&site(json!({"hostNetwork": host_network}))).deployment;
            deployment.object["spec"]["template"]["spec"]["containers"][0].clone()
        };
        let has = |container: &Value, arg: &str| container["args"].as_array().unwrap().contains(&arg.into());
        let pod = container(false);
        assert!(has(&pod, "--report=[::]:8069") && has(&pod, "--probes=[::]:8070"), "{}", pod["args"]);
        assert!(has(&pod, "--listen=[::]:6969"), "phones of both families: {}", pod["args"]);
        assert_eq!(pod["readinessProbe"]["httpGet"], json!({"path": "/readyz", "port": "metrics"}));
        assert_eq!(pod["ports"][2], json!({"name": "metrics", "containerPort": 8070, "protocol": "TCP"}));
        let host = container(true);
        assert_eq!(host["ports"][2]["name"], "probes", "nobody reads metrics there");
        let read = site(json!({"hostNetwork": true, "metricsFrom": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}));
        let read = prepare(&read).deployment.object["spec"]["template"]["spec"]["containers"][0].clone();
        assert!(has(&read, "--probes=127.0.0.1:8070") && has(&read, "--probes=$(POD_IP):8070"), "{}", read["args"]);
        assert_eq!(
            (&read["ports"][2]["name"], &read["readinessProbe"]["httpGet"]["port"]),
            (&json!("metrics"), &json!("metrics"))
        );
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
            let deployment = prepare(&site(json!({"resources": resources}))).deployment;
            let args = &deployment.object["spec"]["template"]["spec"]["containers"][0]["args"];
            let text = args.as_array().unwrap().iter().find_map(|arg| arg.as_str()?.strip_prefix("--max-bytes="));
            text.map(|bytes| bytes.parse::<u64>().unwrap())
        };
        let mib = 1 << 20;
        assert_eq!(held(None), Some(320 * mib), "of 512 MiB, 400 are held while files are replaced");
        assert_eq!(held(Some("1Gi")), Some(640 * mib));
        assert_eq!(held(Some("128Mi")), Some(80 * mib));
        assert_eq!(held(Some("100M")), Some(62_500_000));
        assert_eq!(held(Some("0.5Gi")), Some(320 * mib));
        assert_eq!(held(Some("134217728000m")), Some(80 * mib));
        assert_eq!(held(Some("1Ti")), Some(655_360 * mib));
        assert_eq!(held(Some("9999999E")), None);
    }

    #[test]
    fn the_same_site_makes_the_same_objects() {
        let make = || prepare(&PhoneSiteSpec::default());
        assert_eq!(make(), make());
    }
}
