//! Whether a cluster mounts images as volumes: its API server from 1.35 on, and the container runtimes of all of its nodes.

use std::time::Duration;

use k8s_openapi::api::core::v1::Node;
use kube::api::ListParams;
use kube::{Api, Client};

use super::cluster::{Error, limited};

/// The first version of the API server in which they are on by default.
const SERVER: (u32, u32) = (1, 35);
/// The first versions of container runtimes that know them.
const RUNTIMES: [(&str, (u32, u32)); 2] = [("containerd", (2, 1)), ("cri-o", (1, 33))];

/// How long until a cluster that did not answer is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// Asks the cluster, until it answers. An operator that may not see nodes does not know, and then it does not.
pub(super) async fn known(client: &Client) -> bool {
    loop {
        match ask(client).await {
            Ok(known) => return known,
            Err(Error::Api(kube::Error::Api(status))) if (400..429).contains(&status.code) => {
                tracing::debug!(error = status.message, "whether images can be mounted is not visible to the operator");
                return false;
            }
            Err(error) => {
                tracing::warn!(%error, "the API server does not say whether images can be mounted and is asked again");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

async fn ask(client: &Client) -> Result<bool, Error> {
    let server = limited(client.apiserver_version()).await?.git_version;
    if version(&server).is_none_or(|version| version < SERVER) {
        return Ok(false);
    }
    let nodes = limited(Api::<Node>::all(client.clone()).list(&ListParams::default())).await?.items;
    let runtime =
        |node: &Node| node.status.as_ref()?.node_info.as_ref().map(|info| info.container_runtime_version.clone());
    Ok(!nodes.is_empty() && nodes.iter().all(|node| runtime(node).is_some_and(|name| knows(&name))))
}

/// Whether a container runtime, such as `containerd://2.1.3`, knows image volumes.
fn knows(runtime: &str) -> bool {
    let Some((name, number)) = runtime.split_once("://") else { return false };
    let since = RUNTIMES.iter().find(|(known, _)| *known == name).map(|(_, since)| *since);
    since.is_some_and(|since| version(number).is_some_and(|version| version >= since))
}

fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.trim_start_matches('v').split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runtimes_that_know_image_volumes() {
        assert!(knows("containerd://2.1.3") && knows("containerd://2.2.0-rc.1") && knows("cri-o://1.33.0"));
        assert!(!knows("containerd://1.6.20~ds1") && !knows("containerd://2.0.5") && !knows("docker://28.1"));
        assert!(!knows("") && !knows("containerd"));
        assert_eq!(version("v1.36.3-eks-1"), Some((1, 36)));
    }
}
