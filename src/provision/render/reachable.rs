//! Who may reach a site's pods, and at which addresses: what the schema alone cannot say of it.

use ipnet::IpNet;

use crate::api::{IpFamily, MetricsPeer, TftpSpec};
use crate::base::network::network;
use crate::provision::diagnostic::Diagnostic;

/// Finds what is wrong with it.
pub fn check(tftp: &TftpSpec, diagnostics: &mut Vec<Diagnostic>) {
    let service = tftp.service.as_ref();
    let families = service.map(|service| service.ip_families.as_slice()).unwrap_or_default();
    if !families.is_empty() && !families.contains(&IpFamily::IPv4) {
        let what = "names no IPv4, and phones know nothing else: name IPv4, too, or leave ipFamilies away";
        diagnostics.push(Diagnostic::invalid("spec.tftp.service.ipFamilies", what));
    }
    for (i, peer) in tftp.metrics_from.iter().enumerate() {
        check_peer(&format!("spec.tftp.metricsFrom[{i}]"), peer, diagnostics);
    }
}

fn check_peer(path: &str, peer: &MetricsPeer, diagnostics: &mut Vec<Diagnostic>) {
    if !peer.is_one_kind() {
        let what = "must have an ipBlock, or a namespaceSelector and a podSelector, or one of these two";
        diagnostics.push(Diagnostic::invalid(path, what));
    }
    let Some(block) = &peer.ip_block else { return };
    let read = |field: &str, text: &str| -> Result<IpNet, Diagnostic> {
        network(text).map_err(|error| Diagnostic::invalid(format!("{path}.ipBlock.{field}"), error.to_string()))
    };
    let outer = match read("cidr", &block.cidr) {
        Ok(outer) => outer,
        Err(wrong) => return diagnostics.push(wrong),
    };
    for (i, text) in block.except.iter().enumerate() {
        match read(&format!("except[{i}]"), text) {
            // The API server refuses the NetworkPolicy otherwise.
            Ok(inner) if outer.contains(&inner) && inner.prefix_len() > outer.prefix_len() => {}
            Ok(_) => diagnostics.push(Diagnostic::invalid(
                format!("{path}.ipBlock.except[{i}]"),
                format!("{text} is not within {}: name a part of it", block.cidr),
            )),
            Err(wrong) => diagnostics.push(wrong),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn said(tftp: &Value) -> Vec<String> {
        let mut found = Vec::new();
        check(&serde_json::from_value(tftp.clone()).unwrap(), &mut found);
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_leaves_phones_without_an_address_or_the_policy_without_a_peer_is_wrong() {
        let block = |block: Value| json!({"metricsFrom": [{"ipBlock": block}]});
        for (tftp, part) in [
            (json!({"service": {"ipFamilies": ["IPv6"]}}), "spec.tftp.service.ipFamilies: names no IPv4"),
            (json!({"metricsFrom": [{}]}), "spec.tftp.metricsFrom[0]: must have an ipBlock, or"),
            (
                json!({"metricsFrom": [{"podSelector": {}, "ipBlock": {"cidr": "10.0.0.0/8"}}]}),
                "spec.tftp.metricsFrom[0]: must have an ipBlock, or",
            ),
            (
                block(json!({"cidr": "10.0.0.0/33"})),
                "spec.tftp.metricsFrom[0].ipBlock.cidr: \"10.0.0.0/33\" is no network",
            ),
            (
                block(json!({"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16"]})),
                "spec.tftp.metricsFrom[0].ipBlock.except[0]: 11.0.0.0/16 is not within 10.0.0.0/8",
            ),
            (block(json!({"cidr": "10.0.0.0/8", "except": ["10.0.0.0/8"]})), "except[0]: 10.0.0.0/8 is not within"),
            (block(json!({"cidr": "10.0.0.0/8", "except": ["10.0.0.999/16"]})), "except[0]: \"10.0.0.999/16\" is no"),
        ] {
            let all = said(&tftp);
            assert!(all.len() == 1 && all[0].contains(part), "{tftp}: {all:?}");
        }
        for tftp in [
            json!({}),
            json!({"service": {"ipFamilies": ["IPv6", "IPv4"], "ipFamilyPolicy": "RequireDualStack"}}),
            json!({"metricsFrom": [{"namespaceSelector": {}}, {"podSelector": {"matchLabels": {"a": "b"}}}]}),
            block(json!({"cidr": "fd00::/8", "except": ["fd00:1::/32"]})),
        ] {
            assert_eq!(said(&tftp), [""; 0], "{tftp}");
        }
    }
}
