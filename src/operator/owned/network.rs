//! What may reach a site's pods, and what they may reach.

#[cfg(test)]
mod enforced;

use serde_json::{Value, json};

use super::super::options::Options;
use super::{PROBE_PORT, REPORT_PORT, firmware, metadata, selector};
use crate::api::{MetricsPeer, PhoneSiteSpec, PortMode};
use crate::provision::Key;

/// The lowest port that a client asks from: below are services, such as name servers.
const FIRST_CLIENT_PORT: u16 = 1024;

/// The NetworkPolicy. Those in the node's own network it does not concern.
pub(super) fn policy(site: &Key, uid: &str, spec: &PhoneSiteSpec, options: &Options) -> Value {
    let tftp = spec.tftp.clone().unwrap_or_default();
    // The kubelet of the pod's own node is let in whatever is written here.
    let ports = [REPORT_PORT, PROBE_PORT].map(|port| json!({"port": port, "protocol": "TCP"}));
    let mut report = json!({"ports": ports});
    if let Some(namespace) = &options.own_namespace {
        report["from"] = json!([{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}]);
    }
    let phones = match tftp.host_network {
        true => json!({}),
        // Any UDP port, because of portMode Ephemeral.
        false => json!({"ports": [{"protocol": "UDP"}]}),
    };
    let mut ingress = vec![phones, report];
    let readers: Vec<&MetricsPeer> = readers(spec, options).filter(|reader| reader.is_one_kind()).collect();
    if !readers.is_empty() {
        ingress.push(json!({"from": readers, "ports": [{"port": PROBE_PORT, "protocol": "TCP"}]}));
    }
    let mut egress = firmware::egress(spec, options);
    if tftp.port_mode == PortMode::Ephemeral {
        // The first block leaves from a port that nothing came to: who enforces policies takes it for something that the pod begins.
        let client = json!({"port": FIRST_CLIENT_PORT, "endPort": u16::MAX, "protocol": "UDP"});
        egress.push(json!({"ports": [client]}));
    }
    json!({
        "metadata": metadata(site, uid),
        "spec": {
            "podSelector": {"matchLabels": selector(site)},
            // With portMode Single, answers to phones belong to what phones began; pods themselves begin only downloads of firmware.
            "policyTypes": ["Ingress", "Egress"],
            "ingress": ingress,
            "egress": egress,
        },
    })
}

/// Who may read metrics, beside the operator's namespace.
pub(super) fn readers<'a>(spec: &'a PhoneSiteSpec, options: &'a Options) -> impl Iterator<Item = &'a MetricsPeer> {
    let of_site = spec.tftp.iter().flat_map(|tftp| &tftp.metrics_from);
    options.policy.metrics_from.iter().chain(of_site)
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::options;
    use super::*;

    fn policy_of(tftp: Value, options: &Options) -> Value {
        let spec = serde_json::from_value(json!({"tftp": tftp})).unwrap();
        policy(&Key::new("phones", "hq"), "uid", &spec, options)["spec"].clone()
    }

    fn prometheus() -> Value {
        json!({
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}},
            "podSelector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}},
        })
    }

    #[test]
    fn who_is_named_reads_metrics_and_no_reports() {
        let plain = policy_of(json!({}), &options());
        assert_eq!(plain["ingress"].as_array().unwrap().len(), 2, "{plain}");
        let block = json!({"ipBlock": {"cidr": "10.1.0.0/16", "except": ["10.1.2.0/24"]}});
        let of_site = policy_of(json!({"metricsFrom": [block]}), &options());
        let metrics = json!([{"port": 8070, "protocol": "TCP"}]);
        assert_eq!(of_site["ingress"][2], json!({"from": [block], "ports": metrics}));
        let mut options = options();
        options.policy.metrics_from = vec![serde_json::from_value(prometheus()).unwrap()];
        let both = policy_of(json!({"metricsFrom": [block]}), &options);
        assert_eq!(both["ingress"][2], json!({"from": [prometheus(), block], "ports": metrics}));
        assert_eq!((&both["ingress"][0], &both["ingress"][1]), (&plain["ingress"][0], &plain["ingress"][1]));
        // What an older definition let in makes no policy that the API server refuses, or that lets everybody in.
        assert_eq!(policy_of(json!({"metricsFrom": [{}]}), &super::super::super::testing::options()), plain);
    }

    #[test]
    fn a_block_from_a_port_of_its_own_leaves_the_pod_and_nothing_else_does() {
        assert_eq!(policy_of(json!({}), &options())["egress"], json!([]));
        assert_eq!(policy_of(json!({"portMode": "Single"}), &options())["egress"], json!([]));
        let client = json!({"port": 1024, "endPort": 65535, "protocol": "UDP"});
        assert_eq!(policy_of(json!({"portMode": "Ephemeral"}), &options())["egress"], json!([{"ports": [client]}]));
        let spec = json!({
            "tftp": {"portMode": "Ephemeral"},
            "firmware": {"source": {"urls": [{"url": "https://a/b.bin", "sha256": "0".repeat(64)}]}},
        });
        let spec = serde_json::from_value(spec).unwrap();
        let both = policy(&Key::new("phones", "hq"), "uid", &spec, &options())["spec"]["egress"].clone();
        assert_eq!(both.as_array().unwrap().len(), 3, "{both}");
        assert_eq!(both[2], json!({"ports": [client]}));
    }
}
