//! What the administrator of the cluster allows to those who may create sites and phones.

use ipnet::IpNet;

use crate::api::MetricsPeer;

/// The prefixes of annotations that the usual load balancers and their helpers read.
pub(super) const SERVICE_PREFIXES: &str = "service.beta.kubernetes.io/,service.kubernetes.io/,networking.gke.io/,cloud.google.com/,\
load-balancer.hetzner.cloud/,kubernetes.digitalocean.com/,oci.oraclecloud.com/,loadbalancer.openstack.org/,metallb.io/,\
metallb.universe.tf/,kube-vip.io/,lbipam.cilium.io/,io.cilium/,svccontroller.k3s.cattle.io/,loxilb.io/,purelb.io/";
/// The prefixes of labels and annotations of pods that say something about a pod and give it nothing.
pub(super) const POD_PREFIXES: &str = "app.kubernetes.io/,cluster-autoscaler.kubernetes.io/,prometheus.io/";

/// What the administrator allows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Policy {
    /// The prefixes that annotations of Services may have.
    pub(super) service_annotations: Vec<String>,
    /// The prefixes that labels and annotations of pods may have.
    pub(super) pod_metadata: Vec<String>,
    /// Whether no site may use the nodes' own network.
    pub(super) forbid_host_network: bool,
    /// Whether Secrets, ConfigMaps and volumes are served only if their owner put the label on them that says so.
    pub(super) demand_consent: bool,
    /// The networks that firmware may be fetched from although they are none of the public Internet.
    pub(super) firmware_networks: Vec<IpNet>,
    /// Who may read the metrics of all sites' pods, beside the operator's namespace.
    pub(super) metrics_from: Vec<MetricsPeer>,
}

impl Policy {
    /// Whether a Service may have an annotation.
    pub(super) fn allows_service_annotation(&self, name: &str) -> bool {
        begins(name, &self.service_annotations)
    }

    /// Whether a pod may have a label. One without a prefix says nothing to anybody but those who chose it.
    pub(super) fn allows_pod_label(&self, name: &str) -> bool {
        !name.contains('/') || begins(name, &self.pod_metadata)
    }

    /// Whether a pod may have an annotation.
    pub(super) fn allows_pod_annotation(&self, name: &str) -> bool {
        begins(name, &self.pod_metadata)
    }
}

fn begins(name: &str, prefixes: &[String]) -> bool {
    prefixes.iter().any(|prefix| !prefix.is_empty() && name.starts_with(&**prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_allows_what_begins_with_it_and_an_empty_one_nothing() {
        let list = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
        let policy = Policy {
            service_annotations: list(SERVICE_PREFIXES),
            pod_metadata: [list(POD_PREFIXES), list("")].concat(),
            ..Policy::default()
        };
        assert!(policy.allows_service_annotation("metallb.universe.tf/address-pool"));
        assert!(!policy.allows_service_annotation("external-dns.alpha.kubernetes.io/hostname"));
        assert!(policy.allows_pod_label("team") && policy.allows_pod_label("app.kubernetes.io/version"));
        assert!(!policy.allows_pod_label("sidecar.istio.io/inject"));
        assert!(!policy.allows_pod_annotation("container.apparmor.security.beta.kubernetes.io/tftp"));
        assert!(!policy.allows_pod_annotation("plain"));
        assert!(!Policy::default().allows_service_annotation("a"));
    }
}
