//! Where phones reach a site: what DHCP should say.

use std::net::Ipv4Addr;

use serde_json::Value;

use super::context::Context;
use super::kind::Kind;
use super::names::workload;
use super::owned::WELL_KNOWN_PORT;
use crate::provision::Key;

/// Where phones reach a site.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Address {
    /// The IPv4 address, which is all that phones and DHCP option 150 know; with a port if it is one of the nodes'.
    pub(super) ip: Option<String>,
    /// The name beside it, or instead of it.
    pub(super) name: Option<String>,
}

/// Where phones reach the site: the load balancer's address, a node's address and port, or the Service's own; or why there is none yet.
pub(super) fn address(ctx: &Context, site: &Key) -> Result<Address, String> {
    let node = || ctx.pods.first_host(site);
    match ctx.children.get(Kind::Service, &site.sibling(workload(&site.name))) {
        Some(service) => of_service(&service, &workload(&site.name), node),
        None => node().map(Address::ip).ok_or_else(no_node),
    }
}

impl Address {
    fn ip(ip: String) -> Address {
        Address { ip: Some(ip), name: None }
    }
}

fn no_node() -> String {
    "no node with an IPv4 address is known yet that runs a TFTP pod".to_owned()
}

fn of_service(service: &Value, name: &str, node: impl Fn() -> Option<String>) -> Result<Address, String> {
    let (ingress, spec) = (&service["status"]["loadBalancer"]["ingress"], &service["spec"]);
    let found = Address { ip: v4(texts(ingress, "ip")), name: texts(ingress, "hostname").next().map(str::to_owned) };
    if found != Address::default() {
        return Ok(found);
    }
    let only_v6 = |what: &str| {
        format!(
            "Service {name} has IPv6 addresses only{what}, and these phones know IPv4: set spec.tftp.service.loadBalancerIP or the \
             load balancer's annotations, or let the cluster give Services IPv4 addresses"
        )
    };
    match spec["type"].as_str() {
        Some("NodePort") => {
            let port = node_port(service).and_then(|port| Some(format!("{}:{port}", node()?)));
            port.map(Address::ip).ok_or_else(no_node)
        }
        Some("LoadBalancer") if texts(ingress, "ip").next().is_some() => Err(only_v6(" from the load balancer")),
        Some("LoadBalancer") => Err(format!(
            "Service {name} has no address yet: something in the cluster has to give one to Services of type LoadBalancer, such as MetalLB \
             or the cloud's controller; see kubectl describe service {name}, or set spec.tftp.service.type to NodePort"
        )),
        Some("ClusterIP") => {
            let all = spec["clusterIPs"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let own: Vec<&str> =
                spec["clusterIP"].as_str().into_iter().chain(all).filter(|ip| !ip.is_empty()).collect();
            match v4(own.iter().copied()) {
                Some(ip) => Ok(Address::ip(ip)),
                None if own.is_empty() => Err(format!("Service {name} has no address yet")),
                None => Err(only_v6("")),
            }
        }
        _ => Err(format!("Service {name} has no address yet")),
    }
}

fn v4<'a>(mut all: impl Iterator<Item = &'a str>) -> Option<String> {
    all.find(|ip| ip.parse::<Ipv4Addr>().is_ok()).map(str::to_owned)
}

/// A field of all that a load balancer can be reached by.
fn texts<'a>(ingress: &'a Value, field: &'a str) -> impl Iterator<Item = &'a str> {
    let all = ingress.as_array().into_iter().flatten();
    all.filter_map(move |one| one[field].as_str()).filter(|text| !text.is_empty())
}

fn node_port(service: &Value) -> Option<u64> {
    let ports = service["spec"]["ports"].as_array()?;
    ports.iter().find(|port| port["port"] == WELL_KNOWN_PORT)?["nodePort"].as_u64()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(kind: &str, spec: Value, ingress: Value) -> Result<(Option<String>, Option<String>), String> {
        let mut service = json!({"spec": spec, "status": {"loadBalancer": {"ingress": ingress}}});
        service["spec"]["type"] = kind.into();
        of_service(&service, "dialtone-hq", || Some("192.0.2.7".to_owned())).map(|found| (found.ip, found.name))
    }

    fn found(ip: &str, name: &str) -> Result<(Option<String>, Option<String>), String> {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Ok((text(ip), text(name)))
    }

    #[test]
    fn of_all_that_a_load_balancer_has_an_ipv4_address_is_shown_and_the_name_beside_it() {
        let of = |ingress: Value| of("LoadBalancer", json!({}), ingress);
        let name = || json!({"hostname": "lb.example.net"});
        assert_eq!(of(json!([name(), {"ip": "2001:db8::1"}, {"ip": "10.0.0.5"}])), found("10.0.0.5", "lb.example.net"));
        assert_eq!(of(json!([{"hostname": "lb.example.net", "ip": "10.0.0.5"}])), found("10.0.0.5", "lb.example.net"));
        assert_eq!(of(json!([{"ip": "10.0.0.5"}])), found("10.0.0.5", ""));
        assert_eq!(of(json!([name(), {"ip": "2001:db8::1"}])), found("", "lb.example.net"));
        assert_eq!(of(json!([{"ip": ""}, name()])), found("", "lb.example.net"));
        for pending in [json!([]), json!(null), json!([{}])] {
            assert!(of(pending).unwrap_err().contains("MetalLB"));
        }
        assert!(of(json!([{"ip": "2001:db8::1"}])).unwrap_err().contains("IPv6 addresses only"));
    }

    #[test]
    fn a_service_within_the_cluster_has_the_ipv4_one_of_its_addresses() {
        let of = |spec: Value| of("ClusterIP", spec, json!(null));
        assert_eq!(of(json!({"clusterIP": "10.96.0.9"})), found("10.96.0.9", ""));
        let both = json!({"clusterIP": "fd00::9", "clusterIPs": ["fd00::9", "10.96.0.9"]});
        assert_eq!(of(both), found("10.96.0.9", ""));
        assert!(of(json!({"clusterIP": "fd00::9", "clusterIPs": ["fd00::9"]})).unwrap_err().contains("IPv6"));
        assert!(of(json!({})).unwrap_err().contains("no address yet"));
    }

    #[test]
    fn on_the_nodes_the_address_has_the_port() {
        let ports = json!({"ports": [{"port": 70, "nodePort": 1}, {"port": 69, "nodePort": 30069}]});
        assert_eq!(of("NodePort", ports, json!(null)), found("192.0.2.7:30069", ""));
        assert!(of("NodePort", json!({}), json!(null)).is_err());
    }
}
