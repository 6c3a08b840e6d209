//! Where phones reach a site: what DHCP should say.

use serde_json::Value;

use super::context::Context;
use super::kind::Kind;
use super::names::workload;
use super::owned::WELL_KNOWN_PORT;
use crate::provision::Key;

/// Where phones reach the site: the load balancer's address, a node's address and port, or the Service's own; or why there is none yet.
pub(super) fn address(ctx: &Context, site: &Key) -> Result<String, String> {
    let no_node = || "no node of a TFTP pod is known yet".to_owned();
    let name = workload(&site.name);
    let Some(service) = ctx.children.get(Kind::Service, &site.sibling(name.clone())) else {
        return ctx.pods.first_host(site).ok_or_else(no_node);
    };
    if let Some(address) = load_balancer(&service) {
        return Ok(address.to_owned());
    }
    match service["spec"]["type"].as_str() {
        Some("NodePort") => {
            let host = node_port(&service).and_then(|port| Some(format!("{}:{port}", ctx.pods.first_host(site)?)));
            host.ok_or_else(no_node)
        }
        Some("LoadBalancer") => Err(format!(
            "Service {name} has no address yet: something in the cluster has to give one to Services of type LoadBalancer, such as MetalLB \
             or the cloud's controller; see kubectl describe service {name}, or set spec.tftp.service.type to NodePort"
        )),
        kind => {
            let own = service["spec"]["clusterIP"].as_str().filter(|_| kind == Some("ClusterIP"));
            own.map(str::to_owned).ok_or_else(|| format!("Service {name} has no address yet"))
        }
    }
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
