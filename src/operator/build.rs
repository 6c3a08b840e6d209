//! What a site's objects should be: pure.

mod firmware;

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::ByteString;
use serde::Serialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::apply::{DEPLOYMENT, Kind, NETWORK_POLICY, SERVICE, SERVICE_ACCOUNT};
use super::context::Options;
use super::names::{APPLIED, ROLE, SITE, labels, shard, token, workload};
use crate::api::{API_VERSION, PhoneSiteSpec, PortMode, ServiceType};
use crate::provision::{Content, Key, Slot};

/// Where the TFTP pods listen: a port that needs no privilege.
pub const TFTP_PORT: u16 = 6969;
/// Where phones ask.
pub const WELL_KNOWN_PORT: u16 = 69;
/// Where TFTP pods tell what they served.
pub const REPORT_PORT: u16 = 8069;
/// The role of TFTP pods.
pub const SERVER: &str = "tftp";

/// A site's workload and what belongs to it, in the order in which it is applied: what a pod needs comes before the pod.
pub fn objects(site: &Key, uid: &str, spec: &PhoneSiteSpec, options: &Options) -> Vec<(Kind, Value)> {
    let tftp = spec.tftp.clone().unwrap_or_default();
    let mut all = vec![
        (SERVICE_ACCOUNT, json!({"metadata": metadata(site, uid, SERVER), "automountServiceAccountToken": false})),
        (NETWORK_POLICY, network_policy(site, uid, spec, options, tftp.host_network)),
    ];
    if !tftp.host_network {
        all.push((SERVICE, service(site, uid, spec)));
    }
    all.push((DEPLOYMENT, deployment(site, uid, spec, options)));
    for (kind, object) in &mut all {
        finish(*kind, object);
    }
    all
}

/// How many pods should run.
pub fn replicas(spec: &PhoneSiteSpec) -> i64 {
    let tftp = spec.tftp.clone().unwrap_or_default();
    tftp.replicas.unwrap_or(if tftp.host_network { 1 } else { 2 })
}

/// An object with files. It is large and written for each edit, so the text of files that do not change is not copied.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShardObject<'a> {
    api_version: &'static str,
    kind: &'static str,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind_of_secret: Option<&'static str>,
    metadata: Value,
    data: BTreeMap<&'a str, Part<'a>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    binary_data: BTreeMap<&'a str, Part<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Part<'a> {
    Text(&'a str),
    Base64(ByteString),
}

impl fmt::Debug for ShardObject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It may hold passwords.
        f.debug_struct("ShardObject").field("metadata", &self.metadata).finish_non_exhaustive()
    }
}

/// An object with files.
pub fn shard_object<'a>(site: &Key, uid: &str, slot: Slot, content: &'a Content) -> ShardObject<'a> {
    let mut metadata = metadata(site, uid, "files");
    metadata["name"] = shard(&site.name, slot).into();
    let kind = if slot.secret() { super::apply::SECRET } else { super::apply::CONFIG_MAP };
    let mut object = ShardObject {
        api_version: kind.version,
        kind: kind.kind,
        kind_of_secret: slot.secret().then_some("Opaque"),
        metadata,
        data: BTreeMap::new(),
        binary_data: BTreeMap::new(),
    };
    for (name, bytes) in &content.0 {
        let base64 = || Part::Base64(ByteString(bytes.to_vec()));
        match std::str::from_utf8(bytes) {
            _ if slot.secret() => object.data.insert(name, base64()),
            // Text where it is text, so that people can read it; anything else as bytes.
            Ok(text) => object.data.insert(name, Part::Text(text)),
            Err(_) => object.binary_data.insert(name, base64()),
        };
    }
    object
}

/// A site's token Secret.
pub fn token_object(site: &Key, uid: &str, token: &str, hash_key: &str) -> Value {
    let mut object = json!({
        "metadata": metadata(site, uid, "token"),
        "type": "Opaque",
        "stringData": {"token": token, "hashKey": hash_key},
    });
    object["metadata"]["name"] = super::names::token(&site.name).into();
    set_type(super::apply::SECRET, &mut object);
    object
}

/// Says what kind of object it is.
pub fn set_type(kind: Kind, object: &mut Value) {
    let group = if kind.group.is_empty() { String::new() } else { format!("{}/", kind.group) };
    object["apiVersion"] = format!("{group}{}", kind.version).into();
    object["kind"] = kind.kind.into();
}

/// Adds type and a digest of the whole: a field that was wanted and no longer is shows by it.
fn finish(kind: Kind, object: &mut Value) {
    set_type(kind, object);
    let digest = Sha256::digest(object.to_string().as_bytes());
    object["metadata"]["annotations"][APPLIED] = hex::encode(&digest[..8]).into();
}

fn metadata(site: &Key, uid: &str, role: &str) -> Value {
    json!({
        "name": workload(&site.name),
        "namespace": site.namespace,
        "labels": labels(site, role),
        "ownerReferences": [{
            "apiVersion": API_VERSION,
            "kind": "PhoneSite",
            "name": site.name,
            "uid": uid,
            "controller": true,
            "blockOwnerDeletion": true,
        }],
    })
}

fn selector(site: &Key) -> Value {
    json!({SITE: site.name, ROLE: SERVER})
}

fn service(site: &Key, uid: &str, spec: &PhoneSiteSpec) -> Value {
    let wanted = spec.tftp.clone().unwrap_or_default().service.unwrap_or_default();
    let mut metadata = metadata(site, uid, SERVER);
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
        // Who fetched what is told by addresses: they must arrive as they are.
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
    let mut report = json!({"ports": [{"port": REPORT_PORT, "protocol": "TCP"}]});
    if let Some(namespace) = &options.own_namespace {
        report["from"] = json!([{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}]);
    }
    let tftp = match host_network {
        true => json!({}),
        // Any UDP port, because of portMode Ephemeral.
        false => json!({"ports": [{"protocol": "UDP"}]}),
    };
    json!({
        "metadata": metadata(site, uid, SERVER),
        "spec": {
            "podSelector": {"matchLabels": selector(site)},
            // Answers to phones belong to what phones began; the pods begin nothing themselves but to fetch firmware.
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [tftp, report],
            "egress": firmware::egress(spec),
        },
    })
}

fn deployment(site: &Key, uid: &str, spec: &PhoneSiteSpec, options: &Options) -> Value {
    let tftp = spec.tftp.clone().unwrap_or_default();
    let mut template = pod_template(site, spec, options);
    if let Some(patch) = &tftp.pod_template {
        merge(&mut template, patch);
        // A pod that the selector does not find would be made again and again.
        for (label, value) in labels(site, SERVER) {
            template["metadata"]["labels"][label] = value.into();
        }
    }
    // With the host's port there is no room for a second pod on the node.
    let strategy = match tftp.host_network {
        true => json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}),
        false => json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}),
    };
    json!({
        "metadata": metadata(site, uid, SERVER),
        "spec": {
            "replicas": replicas(spec),
            "revisionHistoryLimit": 2,
            "selector": {"matchLabels": selector(site)},
            "strategy": strategy,
            "template": template,
        },
    })
}

fn pod_template(site: &Key, spec: &PhoneSiteSpec, options: &Options) -> Value {
    let tftp = spec.tftp.clone().unwrap_or_default();
    let port = if tftp.host_network { WELL_KNOWN_PORT } else { TFTP_PORT };
    let mode = match tftp.port_mode {
        PortMode::Single => "single",
        PortMode::Ephemeral => "ephemeral",
    };
    let resources = tftp
        .resources
        .clone()
        .unwrap_or_else(|| json!({"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "512Mi"}}));
    let mut container = json!({
        "name": "tftp",
        "image": options.image,
        "args": [
            "tftp",
            "--root=/srv/files",
            "--root=/srv/firmware",
            format!("--listen=0.0.0.0:{port}"),
            format!("--port-mode={mode}"),
            format!("--report=0.0.0.0:{REPORT_PORT}"),
            "--token-file=/srv/token/token",
        ],
        "ports": [
            {"name": "tftp", "containerPort": port, "protocol": "UDP"},
            {"name": "report", "containerPort": REPORT_PORT, "protocol": "TCP"},
        ],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "report"}, "periodSeconds": 2},
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": "report"}, "periodSeconds": 10, "timeoutSeconds": 5},
        "resources": resources,
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "files", "mountPath": "/srv/files", "readOnly": true},
            {"name": "firmware", "mountPath": "/srv/firmware", "readOnly": true},
            {"name": "token", "mountPath": "/srv/token", "readOnly": true},
        ],
    });
    if let Some(policy) = &options.image_pull_policy {
        container["imagePullPolicy"] = policy.clone().into();
    }
    if tftp.host_network {
        container["ports"][0]["hostPort"] = port.into();
        container["ports"][1]["hostPort"] = REPORT_PORT.into();
        container["securityContext"]["capabilities"]["add"] = json!(["NET_BIND_SERVICE"]);
    }
    let sources: Vec<Value> = Slot::all().map(|slot| source(&shard(&site.name, slot), slot.secret())).collect();
    let firmware: Vec<Value> = spec.config_maps().map(source_of_map).collect();
    let mut pod = json!({
        "serviceAccountName": workload(&site.name),
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        // Long enough for the largest image that is on its way.
        "terminationGracePeriodSeconds": 30,
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [
            {"name": "files", "projected": {"sources": sources}},
            {"name": "firmware", "projected": {"sources": firmware}},
            {"name": "token", "secret": {
                "secretName": token(&site.name),
                "items": [{"key": "token", "path": "token"}],
            }},
        ],
        "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{
            "weight": 100,
            "podAffinityTerm": {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": selector(site)}},
        }]}},
    });
    if tftp.host_network {
        pod["hostNetwork"] = true.into();
        // Port 69 needs the capability to bind it, which only root keeps without file capabilities.
        pod["securityContext"] = json!({"seccompProfile": {"type": "RuntimeDefault"}});
        pod["containers"][0]["securityContext"]["runAsUser"] = 0.into();
    }
    if let Some(source) = spec.firmware.as_ref().and_then(|firmware| firmware.source.as_ref()) {
        firmware::add(&mut pod, source, options);
    }
    if !options.image_pull_secrets.is_empty() {
        let secrets: Vec<Value> = options.image_pull_secrets.iter().map(|name| json!({"name": name})).collect();
        pod["imagePullSecrets"] = secrets.into();
    }
    json!({"metadata": {"labels": labels(site, SERVER)}, "spec": pod})
}

/// Every shard that there can ever be is named from the start and may be missing: a new one rolls no pod.
fn source(name: &str, secret: bool) -> Value {
    let reference = json!({"name": name, "optional": true});
    if secret { json!({"secret": reference}) } else { json!({"configMap": reference}) }
}

fn source_of_map(name: &str) -> Value {
    source(name, false)
}

/// JSON Merge Patch, RFC 7386.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    if let Value::Object(target) = target {
        for (field, value) in patch {
            if value.is_null() {
                target.remove(field);
            } else {
                merge(target.entry(field.clone()).or_insert(Value::Null), value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::TftpSpec;

    pub fn options() -> Options {
        Options {
            image: "dialtone:test".into(),
            image_pull_policy: None,
            image_pull_secrets: Vec::new(),
            namespaces: Vec::new(),
            own_namespace: Some("dialtone".into()),
            image_volumes: true.into(),
            http: ([0, 0, 0, 0], 0).into(),
        }
    }

    fn built(spec: &PhoneSiteSpec, kind: Kind) -> Option<Value> {
        let all = objects(&Key::new("phones", "hq"), "uid-1", spec, &options());
        all.into_iter().find(|(k, _)| *k == kind).map(|(_, object)| object)
    }

    #[test]
    fn the_pod_that_faces_the_phones_has_no_token_and_no_privilege() {
        let pod = built(&PhoneSiteSpec::default(), DEPLOYMENT).unwrap()["spec"]["template"]["spec"].clone();
        assert_eq!(pod["automountServiceAccountToken"], false);
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        let security = &pod["containers"][0]["securityContext"];
        assert_eq!(security["readOnlyRootFilesystem"], true);
        assert_eq!(security["capabilities"], json!({"drop": ["ALL"]}));
        assert!(!pod.to_string().contains("hashKey"), "the key for hashes stays out of the pod");
    }

    #[test]
    fn every_object_belongs_to_the_site() {
        for (kind, object) in objects(&Key::new("phones", "hq"), "uid-1", &PhoneSiteSpec::default(), &options()) {
            assert_eq!(object["metadata"]["ownerReferences"][0]["uid"], "uid-1", "{}", kind.kind);
            assert_eq!(object["kind"], kind.kind);
            assert_eq!(object["metadata"]["namespace"], "phones");
        }
    }

    #[test]
    fn a_pod_template_is_merged_and_cannot_hide_the_pod() {
        let patch = json!({"metadata": {"labels": {SITE: "other", "team": "voice"}}, "spec": {"affinity": null, "nodeSelector": {"a": "b"}}});
        let spec = PhoneSiteSpec {
            tftp: Some(TftpSpec { pod_template: Some(patch), ..TftpSpec::default() }),
            ..PhoneSiteSpec::default()
        };
        let template = built(&spec, DEPLOYMENT).unwrap()["spec"]["template"].clone();
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
        assert!(built(&spec, SERVICE).is_none());
        assert_eq!(replicas(&spec), 1);
        let service = built(&PhoneSiteSpec::default(), SERVICE).unwrap();
        assert_eq!(service["spec"]["externalTrafficPolicy"], "Local");
    }

    #[test]
    fn the_same_site_makes_the_same_objects() {
        let make = || objects(&Key::new("phones", "hq"), "u", &PhoneSiteSpec::default(), &options());
        assert_eq!(make(), make());
    }
}
