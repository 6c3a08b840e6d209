//! Where phones reach a site: what DHCP should say.

use std::net::Ipv6Addr;

use serde_json::Value;

use super::context::Context;
use super::kind::Kind;
use super::names::workload;
use super::owned::WELL_KNOWN_PORT;
use crate::provision::Key;

/// Where phones reach the site: the load balancer's address, a node's address and port, or the Service's own; or why there is none yet.
/// Phones know IPv4 only.
pub(super) fn address(ctx: &Context, site: &Key) -> Result<String, String> {
    let no_node = || "no node of a TFTP pod is known yet".to_owned();
    let node = || {
        let host = ctx.pods.first_host(site).ok_or_else(no_node)?;
        let only = format!(
            "the node of a TFTP pod has no IPv4 address ({host}), and phones know nothing else: give the nodes one"
        );
        if is_ipv6(&host) { Err(only) } else { Ok(host) }
    };
    let name = workload(&site.name);
    let Some(service) = ctx.children.get(Kind::Service, &site.sibling(name.clone())) else {
        return node();
    };
    if let Some(address) = load_balancer(&service) {
        return Ok(address.to_owned());
    }
    match service["spec"]["type"].as_str() {
        Some("NodePort") => {
            let port = node_port(&service).ok_or_else(no_node)?;
            Ok(format!("{}:{port}", node()?))
        }
        Some("LoadBalancer") => Err(addresses(&service).next().map(|other| no_ipv4(&name, other)).unwrap_or_else(|| format!(
            "Service {name} has no address yet: something in the cluster has to give one to Services of type LoadBalancer, such as MetalLB \
             or the cloud's controller; see kubectl describe service {name}, or set spec.tftp.service.type to NodePort"
        ))),
        kind => {
            let spec = &service["spec"];
            let all = spec["clusterIPs"].as_array().into_iter().flatten().chain([&spec["clusterIP"]]);
            let mut own = all.filter_map(Value::as_str).filter(|ip| kind == Some("ClusterIP") && !ip.is_empty());
            match own.clone().find(|ip| !is_ipv6(ip)) {
                Some(address) => Ok(address.to_owned()),
                None => Err(own.next().map_or_else(|| format!("Service {name} has no address yet"), |ip| no_ipv4(&name, ip))),
            }
        }
    }
}

fn is_ipv6(address: &str) -> bool {
    address.parse::<Ipv6Addr>().is_ok()
}

fn no_ipv4(service: &str, other: &str) -> String {
    format!(
        "Service {service} has no IPv4 address, only {other}, and phones know nothing else: give the cluster, or its load balancer, IPv4; \
         see kubectl describe service {service}"
    )
}

fn ingress(service: &Value) -> impl Iterator<Item = &Value> {
    service["status"]["loadBalancer"]["ingress"].as_array().into_iter().flatten()
}

/// The addresses that a load balancer gave, of either family.
fn addresses(service: &Value) -> impl Iterator<Item = &str> {
    ingress(service).filter_map(|one| one["ip"].as_str()).filter(|ip| !ip.is_empty())
}

/// What phones can reach a load balancer by: best an IPv4 address, which every phone and DHCP option takes, and a name only if there is
/// nothing else.
fn load_balancer(service: &Value) -> Option<&str> {
    let name = || ingress(service).filter_map(|one| one["hostname"].as_str()).find(|name| !name.is_empty());
    addresses(service).find(|ip| !is_ipv6(ip)).or_else(name)
}

fn node_port(service: &Value) -> Option<u64> {
    let ports = service["spec"]["ports"].as_array()?;
    ports.iter().find(|port| port["port"] == WELL_KNOWN_PORT)?["nodePort"].as_u64()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::pods::Pod;
    use super::super::supervisor::supervised;
    use super::super::testing::context;
    use super::*;

    #[test]
    fn of_all_that_a_load_balancer_has_an_ipv4_address_is_shown_and_a_name_if_there_is_nothing_else() {
        let of = |ingress: Value| {
            load_balancer(&json!({"status": {"loadBalancer": {"ingress": ingress}}})).map(str::to_owned)
        };
        let name = || json!({"hostname": "lb.example.net"});
        assert_eq!(of(json!([name(), {"ip": "2001:db8::1"}, {"ip": "10.0.0.5"}])).as_deref(), Some("10.0.0.5"));
        assert_eq!(of(json!([name(), {"ip": "2001:db8::1"}])).as_deref(), Some("lb.example.net"));
        assert_eq!(of(json!([{"ip": "2001:db8::1"}])), None, "phones know IPv4 only");
        assert_eq!(of(json!([{"hostname": "lb.example.net", "ip": "10.0.0.5"}])).as_deref(), Some("10.0.0.5"));
        assert_eq!(of(json!([{"ip": ""}, name()])).as_deref(), Some("lb.example.net"));
        assert_eq!((of(json!([])), of(json!(null)), of(json!([{}]))), (None, None, None));
    }

    #[tokio::test]
    async fn a_site_that_has_ipv6_alone_says_so_whatever_gives_it_addresses() {
        let (tasks, _supervisor) = supervised();
        let ctx = context(tasks);
        let site = Key::new("ns", "hq");
        let version = std::cell::Cell::new(0);
        let said = |service: Option<Value>| {
            if let Some(mut service) = service {
                version.set(version.get() + 1);
                service["metadata"] =
                    json!({"name": "dialtone-hq", "namespace": "ns", "resourceVersion": version.get().to_string()});
                ctx.children.note(&site, Kind::Service, &site.sibling("dialtone-hq"), service);
            }
            address(&ctx, &site)
        };
        let pod = |host: &str| Pod { host: Some(host.to_owned()), ..Pod::at(&site, "fd00::9") };
        ctx.pods.note(&site.sibling("pod"), pod("fd00::1"));
        assert!(said(None).unwrap_err().contains("the node of a TFTP pod has no IPv4 address (fd00::1)"));
        let ports = json!([{"port": 69, "nodePort": 30069}]);
        let node_port = json!({"spec": {"type": "NodePort", "ports": ports}});
        assert!(said(Some(node_port.clone())).unwrap_err().contains("no IPv4 address (fd00::1)"));
        ctx.pods.note(&site.sibling("pod"), pod("10.0.0.1"));
        assert_eq!(said(Some(node_port)), Ok("10.0.0.1:30069".to_owned()));
        let ingress = json!({"loadBalancer": {"ingress": [{"ip": "2001:db8::1"}]}});
        let balanced = json!({"spec": {"type": "LoadBalancer"}, "status": ingress});
        assert!(said(Some(balanced)).unwrap_err().contains("has no IPv4 address, only 2001:db8::1"));
        let cluster = |ips: &[&str]| json!({"spec": {"type": "ClusterIP", "clusterIP": ips[0], "clusterIPs": ips}});
        assert!(said(Some(cluster(&["fd00::2"]))).unwrap_err().contains("only fd00::2"));
        assert_eq!(said(Some(cluster(&["fd00::2", "10.96.0.9"]))), Ok("10.96.0.9".to_owned()));
    }
}
