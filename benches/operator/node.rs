//! A throwaway node, or its control plane alone, for as long as something is measured on it.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

/// A node that goes with its owner.
pub struct Node {
    name: &'static str,
    /// Where its kubeconfig is.
    pub kubeconfig: PathBuf,
}

impl Node {
    /// Etcd, the API server and the controllers.
    pub fn control_plane() -> anyhow::Result<Node> {
        Node::up("benchcp", &["--control-plane"])
    }

    /// All of a node, with an image.
    pub fn whole(image: &str) -> anyhow::Result<Node> {
        let node = Node::up("bench", &[])?;
        script("load.sh", &["--name", node.name, image])?;
        Ok(node)
    }

    fn up(name: &'static str, more: &[&str]) -> anyhow::Result<Node> {
        let said = script("up.sh", &[&["--name", name], more].concat())?;
        let kubeconfig = said.lines().last().context("up.sh names no kubeconfig")?.into();
        Ok(Node { name, kubeconfig })
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Err(error) = script("down.sh", &["--name", self.name]) {
            eprintln!("{error:#}");
        }
    }
}

/// Runs one of the scripts for nodes; what it said on stdout.
fn script(name: &str, args: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(format!("hack/node/{name}")).args(args).stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "hack/node/{name} failed");
    Ok(String::from_utf8(output.stdout)?)
}
