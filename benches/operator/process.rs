//! The operator as a process, outside the cluster, as somebody else to the API server.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::audit::OPERATOR;
use crate::process::Running;
use crate::{Args, target};

const HTTP: &str = "127.0.0.1:18080";

/// A kubeconfig for whoever acts as the operator.
pub fn kubeconfig(admin: &Path) -> anyhow::Result<PathBuf> {
    let text = std::fs::read_to_string(admin).with_context(|| format!("cannot read {}", admin.display()))?;
    let token =
        text.split("token: \"").nth(1).and_then(|rest| rest.split('"').next()).context("no token in the kubeconfig")?;
    let user = format!("token: \"{token}\"");
    let acting = format!("{user}, as: {OPERATOR}, as-groups: [\"system:masters\"]");
    let path = target("operator.kubeconfig")?;
    std::fs::write(&path, text.replace(&user, &acting))?;
    Ok(path)
}

/// Starts the operator for one namespace, and waits until it is ready; how long that took.
pub async fn start(args: &Args, kubeconfig: &Path, namespace: &str) -> anyhow::Result<(Running, Duration)> {
    let began = Instant::now();
    let image = ["--image", "docker.io/library/dialtone:dev", "--image-pull-policy", "Never"];
    let words = ["operator", "--namespaces", namespace, "--http", HTTP];
    let words: Vec<String> = words.iter().chain(&image).map(ToString::to_string).collect();
    let mut running = Running::with(
        "operator",
        &args.dialtone.display().to_string(),
        &words,
        // With a name that stays, one that is started again has its Lease at once.
        &[("KUBECONFIG", &kubeconfig.display().to_string()), ("POD_NAME", "bench")],
    )?;
    while !is_ready().await {
        running.check()?;
        anyhow::ensure!(began.elapsed() < Duration::from_secs(120), "the operator does not become ready");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok((running, began.elapsed()))
}

async fn is_ready() -> bool {
    let ask = || ureq::get(format!("http://{HTTP}/readyz")).call().is_ok();
    tokio::task::spawn_blocking(ask).await.unwrap_or(false)
}
