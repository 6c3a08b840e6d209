//! Where phones reach a site: what DHCP should say.

use serde_json::Value;

use super::context::Context;
use super::kind::Kind;
use super::names::workload;
use super::owned::WELL_KNOWN_PORT;
use crate::provision::Key;

/// Where phones reach the site: the load balancer's address, a node's address and port, or the Service's own.
pub(super) fn address(ctx: &Context, site: &Key) -> Option<String> {
    let Some(service) = ctx.children.get(Kind::Service, &site.sibling(workload(&site.name))) else {
        return ctx.pods.first_host(site);
    };
    if let Some(address) = load_balancer(&service) {
        return Some(address.to_owned());
    }
    match service["spec"]["type"].as_str() {
        Some("ClusterIP") => service["spec"]["clusterIP"].as_str().map(str::to_owned),
        Some("NodePort") => {
            let port = node_port(&service)?;
            ctx.pods.first_host(site).map(|host| format!("{host}:{port}"))
        }
        _ => None,
    }
}

/// Why there is no address where there is none.
pub(super) fn why_none(ctx: &Context, site: &Key) -> Option<String> {
    let name = workload(&site.name);
    let service = ctx.children.get(Kind::Service, &site.sibling(name.clone()));
    let kind = service.as_ref().and_then(|service| service["spec"]["type"].as_str());
    Some(match kind {
        Some("LoadBalancer") => format!(
            "Service {name} has no address yet: something in the cluster has to give one to Services of type LoadBalancer, such as MetalLB \
             or the cloud's controller; see kubectl describe service {name}, or set spec.tftp.service.type to NodePort"
        ),
        Some("NodePort") | None => "no node of a TFTP pod is known yet".to_owned(),
        Some(_) => format!("Service {name} has no address yet"),
    })
}

/// What a load balancer can be reached by: best an IPv4 address, which every phone and DHCP option takes, and a name only if there is
/// nothing else.
fn load_balancer(service: &Value) -> Option<&str> {
    let all = || service["status"]["loadBalancer"]["ingress"].as_array().into_iter().flatten();
    let addresses = || all().filter_map(|one| one["ip"].as_str()).filter(|ip| !ip.is_empty());
    let v4 = addresses().find(|ip| ip.parse::<std::net::Ipv4Addr>().is_ok());
    let name = || all().filter_map(|one| one["hostname"].as_str()).find(|name| !name.is_empty());
    v4.or_else(|| addresses().next()).or_else(name)
}

fn node_port(service: &Value) -> Option<u64> {
    let ports = service["spec"]["ports"].as_array()?;
    ports.iter().find(|port| port["port"] == WELL_KNOWN_PORT)?["nodePort"].as_u64()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn of_all_that_a_load_balancer_has_an_ipv4_address_is_shown_and_a_name_if_there_is_nothing_else() {
        let of = |ingress: Value| {
            load_balancer(&json!({"status": {"loadBalancer": {"ingress": ingress}}})).map(str::to_owned)
        };
        let name = || json!({"hostname": "lb.example.net"});
        assert_eq!(of(json!([name(), {"ip": "2001:db8::1"}, {"ip": "10.0.0.5"}])).as_deref(), Some("10.0.0.5"));
        assert_eq!(of(json!([name(), {"ip": "2001:db8::1"}])).as_deref(), Some("2001:db8::1"));
        assert_eq!(of(json!([{"hostname": "lb.example.net", "ip": "10.0.0.5"}])).as_deref(), Some("10.0.0.5"));
        assert_eq!(of(json!([{"ip": ""}, name()])).as_deref(), Some("lb.example.net"));
        assert_eq!((of(json!([])), of(json!(null)), of(json!([{}]))), (None, None, None));
    }
}
