//! The Deployment of a site's TFTP server.

use serde_json::{Value, json};

use super::super::names::{labels, shard, token, workload};
use super::super::options::Options;
use super::{
    PROBE_PORT, REPORT_PORT, SERVER, WELL_KNOWN_PORT, firmware, metadata, network, replicas, selector, template,
};
use crate::api::{PhoneSiteSpec, PortMode, is_object_name};
use crate::provision::{Key, Slot};

/// Where the TFTP pods listen: a port that needs no privilege.
const TFTP_PORT: u16 = 6969;
/// Where the kubelet finds a pod in the node's own network.
const LOOPBACK: &str = "127.0.0.1";

/// The Deployment as it should be.
pub(super) fn deployment(
    site: &Key,
    uid: &str,
    spec: &PhoneSiteSpec,
    options: &Options,
    not_allowed: &mut Vec<String>,
) -> Value {
    let tftp = spec.tftp.clone().unwrap_or_default();
    let mut template = pod_template(site, spec, options);
    if let Some(wanted) = &tftp.pod_template {
        template::shape(&mut template, wanted, site, &options.policy, not_allowed);
    }
    // With the host's port there is no room for a second pod on the node.
    let strategy = match tftp.host_network {
        true => json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}),
        false => json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}),
    };
    json!({
        "metadata": metadata(site, uid),
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
    let resources = match &tftp.resources {
        Some(resources) => json!(resources),
        None => json!({"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "512Mi"}}),
    };
    // In the node's own network everybody who reaches the node could ask: reports are where the operator asks, probes where the
    // kubelet does.
    let (report, probes) = if tftp.host_network { ("$(POD_IP)", LOOPBACK) } else { ("[::]", "[::]") };
    // In the node's own network only those ask for metrics who are let in elsewhere.
    let is_read = !tftp.host_network || network::readers(spec, options).next().is_some();
    // By the name of the port those who collect metrics know whether there are any.
    let probe_port = if is_read { "metrics" } else { "probes" };
    let held = max_bytes(&resources);
    let mut container = json!({
        "name": "tftp",
        "image": options.image,
        "args": [
            "tftp",
            "--root=/srv/files",
            "--root=/srv/firmware",
            // For both families.
            format!("--listen=[::]:{port}"),
            format!("--port-mode={mode}"),
            format!("--report={report}:{REPORT_PORT}"),
            format!("--probes={probes}:{PROBE_PORT}"),
            "--token-file=/srv/token/token",
        ],
        "ports": [
            {"name": "tftp", "containerPort": port, "protocol": "UDP"},
            {"name": "report", "containerPort": REPORT_PORT, "protocol": "TCP"},
            {"name": probe_port, "containerPort": PROBE_PORT, "protocol": "TCP"},
        ],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": probe_port}, "periodSeconds": 2},
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": probe_port}, "periodSeconds": 10, "timeoutSeconds": 5},
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
    if let Value::Array(args) = &mut container["args"] {
        args.extend(held.map(|bytes| format!("--max-bytes={bytes}").into()));
        args.extend(tftp.windowsize.map(|windowsize| format!("--windowsize={windowsize}").into()));
    }
    if let Some(policy) = &options.image_pull_policy {
        container["imagePullPolicy"] = policy.clone().into();
    }
    if tftp.host_network {
        container["ports"][0]["hostPort"] = port.into();
        container["ports"][1]["hostPort"] = REPORT_PORT.into();
        container["ports"][2]["hostPort"] = PROBE_PORT.into();
        container["env"] = json!([{"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]);
        for probe in ["readinessProbe", "livenessProbe"] {
            container[probe]["httpGet"]["host"] = LOOPBACK.into();
        }
        container["securityContext"]["capabilities"]["add"] = json!(["NET_BIND_SERVICE"]);
        if let Value::Array(args) = &mut container["args"]
            && is_read
        {
            args.push(format!("--probes=$(POD_IP):{PROBE_PORT}").into());
        }
    }
    let sources: Vec<Value> = Slot::all().map(|slot| source(&shard(&site.name, slot), slot.secret())).collect();
    let firmware: Vec<Value> = spec.config_maps().filter(|name| is_object_name(name)).map(source_of_map).collect();
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

/// How many bytes of files a server may hold within its limit of memory: it holds a quarter more while files are replaced, and
/// needs some for itself.
fn max_bytes(resources: &Value) -> Option<u64> {
    let limit = &resources["limits"]["memory"];
    let text = limit.as_str().map_or_else(|| limit.to_string(), str::to_owned);
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "m" => 1e-3,
        "" => 1.0,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 2_f64.powi(10),
        "Mi" => 2_f64.powi(20),
        "Gi" => 2_f64.powi(30),
        "Ti" => 2_f64.powi(40),
        "Pi" => 2_f64.powi(50),
        "Ei" => 2_f64.powi(60),
        _ => return None,
    };
    let bytes = digits.parse::<f64>().ok()? * unit / 8.0 * 5.0;
    // More than any node has says nothing.
    (bytes < 1e15).then_some(bytes as u64)
}

/// Every shard that there can ever be is named from the start and may be missing: a new one rolls no pod.
fn source(name: &str, secret: bool) -> Value {
    let reference = json!({"name": name, "optional": true});
    if secret { json!({"secret": reference}) } else { json!({"configMap": reference}) }
}

fn source_of_map(name: &str) -> Value {
    source(name, false)
}
