//! `dialtone operator`.

use std::net::SocketAddr;
use std::time::Duration;

use clap::ArgAction;
use ipnet::IpNet;
use kube::Client;
use kube::config::{Config, KubeConfigOptions};

use super::options::{Election, Options};
use super::policy::{POD_PREFIXES, Policy, SERVICE_PREFIXES};
use super::{anew, start};
use crate::api::MetricsPeer;
use crate::base::network::network;

/// Run the controller in, or against, a cluster
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The image of the TFTP pods: this program's own
    #[arg(long, env = "DIALTONE_IMAGE", value_name = "IMAGE")]
    image: String,

    /// When nodes pull the image: Always, IfNotPresent or Never [default: the cluster's own rule]
    #[arg(long, env = "DIALTONE_IMAGE_PULL_POLICY", value_name = "POLICY")]
    image_pull_policy: Option<String>,

    /// Secrets for pulling the image, which must exist in the sites' namespaces
    #[arg(long, env = "DIALTONE_IMAGE_PULL_SECRETS", value_name = "NAME", value_delimiter = ',')]
    image_pull_secrets: Vec<String>,

    /// Look after these namespaces only [default: all]
    #[arg(long, env = "DIALTONE_NAMESPACES", value_name = "NAMESPACE", value_delimiter = ',')]
    namespaces: Vec<String>,

    /// The namespace that the operator runs in: only it may ask TFTP pods what they served [default: anybody may, with the
    /// site's token]
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAMESPACE")]
    own_namespace: Option<String>,

    /// Whether the cluster mounts images as volumes, for spec.firmware.source.image: true or false; if not, an init container
    /// copies their files [default: true if all nodes are known to; with --namespaces false]
    #[arg(long, env = "DIALTONE_IMAGE_VOLUMES", value_name = "BOOL")]
    image_volumes: Option<bool>,

    /// Of how many sites the TFTP pods are replaced at a time after an upgrade of this program: the next follow when those of one before
    /// serve
    #[arg(long, env = "DIALTONE_MAX_SITES_UPDATING", value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    max_sites_updating: u16,

    #[command(flatten)]
    policy: PolicyArgs,

    #[command(flatten)]
    election: ElectionArgs,

    /// Serve /livez, /readyz and /metrics here
    #[arg(long, default_value = "[::]:8080", value_name = "ADDR:PORT")]
    http: SocketAddr,

    /// The kubeconfig's context to use, outside a cluster
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

// No doc comment: it would become that of the command.
#[derive(clap::Args, Clone, Debug)]
struct PolicyArgs {
    /// The prefixes that spec.tftp.service.annotations of sites may have
    #[arg(long, env = "DIALTONE_SERVICE_ANNOTATIONS", value_name = "PREFIX", value_delimiter = ',', default_value = SERVICE_PREFIXES)]
    service_annotations: Vec<String>,

    /// The prefixes that labels and annotations in spec.tftp.podTemplate of sites may have
    #[arg(long, env = "DIALTONE_POD_METADATA", value_name = "PREFIX", value_delimiter = ',', default_value = POD_PREFIXES)]
    pod_metadata: Vec<String>,

    /// Write nothing for sites with spec.tftp.hostNetwork, whose pods are in the nodes' own network
    #[arg(long, env = "DIALTONE_FORBID_HOST_NETWORK")]
    forbid_host_network: bool,

    /// Serve of Secrets, ConfigMaps and PersistentVolumeClaims only if they have the label dialtone.dev/serve: "true"
    #[arg(long, env = "DIALTONE_DEMAND_CONSENT")]
    demand_consent: bool,

    /// Networks that firmware may be fetched from beside the public Internet, such as 10.1.2.0/24
    #[arg(long, env = "DIALTONE_FIRMWARE_NETWORKS", value_name = "CIDR", value_delimiter = ',', value_parser = network)]
    firmware_networks: Vec<IpNet>,

    /// Who may read the metrics of all sites' pods beside the operator's namespace, as the from of a NetworkPolicy in JSON
    #[arg(long, env = "DIALTONE_METRICS_FROM", value_name = "JSON", value_parser = peers, default_value = "[]", hide_default_value = true)]
    metrics_from: Peers,
}

/// What an argument says, which is one value for clap.
#[derive(Clone, Debug)]
struct Peers(Vec<MetricsPeer>);

fn peers(text: &str) -> Result<Peers, String> {
    let peers: Vec<MetricsPeer> = serde_json::from_str(if text.is_empty() { "[]" } else { text })
        .map_err(|error| format!("it must be a list of peers as a NetworkPolicy has them, in JSON: {error}"))?;
    match peers.iter().all(MetricsPeer::is_one_kind) {
        true => Ok(Peers(peers)),
        false => {
            Err("each peer must have an ipBlock, or a namespaceSelector and a podSelector, or one of these two".into())
        }
    }
}

impl From<PolicyArgs> for Policy {
    fn from(args: PolicyArgs) -> Policy {
        let PolicyArgs {
            service_annotations,
            pod_metadata,
            forbid_host_network,
            demand_consent,
            firmware_networks,
            metrics_from: Peers(metrics_from),
        } = args;
        Policy {
            service_annotations,
            pod_metadata,
            forbid_host_network,
            demand_consent,
            firmware_networks,
            metrics_from,
        }
    }
}

// No doc comment: it would become that of the command.
#[derive(clap::Args, Clone, Debug)]
struct ElectionArgs {
    /// Whether processes that look after the same objects agree on one that writes, by a Lease; without it there must be one only
    #[arg(long, env = "DIALTONE_LEADER_ELECTION", value_name = "BOOL", action = ArgAction::Set, default_value_t = true)]
    leader_election: bool,

    /// Where the Lease of those is who look after all namespaces: the same for all installations. With --namespaces there is one in
    /// each of these
    #[arg(long, env = "DIALTONE_LEASE_NAMESPACE", value_name = "NAMESPACE", default_value = "kube-system")]
    lease_namespace: String,

    /// The name of this installation, of which several processes stand by for each other [default: the operator's own namespace]
    #[arg(long, env = "DIALTONE_INSTALLATION", value_name = "NAME")]
    installation: Option<String>,

    /// The name of this process, which no other has at the same time: one that is started again with it leads at once if it led
    /// [default: a new one]
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    process: Option<String>,
}

impl ElectionArgs {
    fn election(self, own_namespace: Option<&str>) -> Option<Election> {
        let ElectionArgs { leader_election, lease_namespace, installation, process } = self;
        let installation = installation.or_else(|| own_namespace.map(str::to_owned));
        leader_election.then(|| Election {
            installation: installation.unwrap_or_else(|| "outside".to_owned()),
            process: process.unwrap_or_else(|| format!("{}-{:08x}", std::process::id(), rand::random::<u32>())),
            lease_namespace,
        })
    }
}

/// How long a connection to the API server may take to come about. A Service's first packets are lost while a node has not yet
/// learnt where they go, and only a new connection finds the way.
const CONNECT: Duration = Duration::from_secs(5);

/// How long the API server may be silent. Watches receive a bookmark every minute; a server that sends nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(180);

/// Runs until the shutdown signal.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let mut config = match &args.context {
        Some(context) => {
            let options = KubeConfigOptions { context: Some(context.clone()), ..KubeConfigOptions::default() };
            Config::from_kubeconfig(&options).await?
        }
        None => Config::infer().await?,
    };
    // Work items that fail are requeued, each with a backoff of its own; a client that retries for minutes would hold a worker all
    // that time.
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(SILENCE);
    config.reset_reader_on_write = true;
    let client = Client::try_from(config)?;
    let options = Options {
        image: args.image,
        image_pull_policy: args.image_pull_policy,
        image_pull_secrets: args.image_pull_secrets.into_iter().filter(|name| !name.is_empty()).collect(),
        election: args.election.election(args.own_namespace.as_deref()),
        namespaces: args.namespaces.into_iter().filter(|name| !name.is_empty()).collect(),
        own_namespace: args.own_namespace,
        image_volumes: args.image_volumes.map(Into::into).unwrap_or_default(),
        max_sites_updating: args.max_sites_updating.into(),
        policy: args.policy.into(),
        http: args.http,
    };
    anew::or_end(start::run(client, options).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_those_of_a_network_policy() {
        assert!(peers("").unwrap().0.is_empty() && peers("[]").unwrap().0.is_empty());
        let two = r#"[{"podSelector": {"matchLabels": {"a": "b"}}}, {"ipBlock": {"cidr": "10.0.0.0/8"}}]"#;
        assert_eq!(peers(two).unwrap().0.len(), 2);
        for (text, part) in [("x", "in JSON"), ("{}", "in JSON"), ("[{}]", "each peer must have")] {
            let said = peers(text).unwrap_err();
            assert!(said.contains(part), "{text}: {said}");
        }
    }
}
