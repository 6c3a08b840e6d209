//! `kubectl dialtone logs`: what the operator and a site's TFTP pods say.

use std::process::ExitCode;

use anyhow::bail;
use futures::stream::{self, StreamExt as _};
use futures::{AsyncBufReadExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, LogParams};

use super::objects::{name, namespace};
use crate::base::shutdown_signal;
use crate::base::terminal::{self, say};
use crate::connect::{ClusterArgs, Connection};

/// The operator's pods, wherever it is installed.
pub(super) const OPERATOR: &str = "app.kubernetes.io/part-of=dialtone,app.kubernetes.io/component=operator";

/// Show the logs of the operator, or of a site's TFTP pods
///
/// Each line begins with the pod that wrote it, where there are several.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The site whose TFTP pods are meant [default: the operator]
    #[arg(value_name = "SITE")]
    site: Option<String>,

    /// Go on with what comes
    #[arg(short, long)]
    follow: bool,

    /// So many lines of each pod; -1 for all
    #[arg(long, value_name = "LINES", default_value_t = 100, allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(-1..))]
    tail: i64,

    /// Nothing older, as in 30s, 5m or 2h
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    since: Option<i64>,

    /// Of the container that ran before, if it was restarted
    #[arg(short, long, conflicts_with = "follow")]
    previous: bool,

    #[command(flatten)]
    cluster: ClusterArgs,
}

/// A time such as 5m, in seconds.
fn seconds(text: &str) -> Result<i64, String> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err("write a number and s, m, h or d, as in 30s, 5m, 2h or 1d".to_owned()),
    };
    let seconds = number.parse::<i64>().ok().and_then(|number| number.checked_mul(factor)).filter(|n| *n > 0);
    seconds.ok_or_else(|| "write a number from 1 on and s, m, h or d".to_owned())
}

/// Runs the command.
pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let cluster = args.cluster.connect_to_follow().await?;
    let pods = pods(&cluster, args.site.as_deref(), args.cluster.named_namespace()).await?;
    let params = LogParams {
        follow: args.follow,
        tail_lines: (args.tail >= 0).then_some(args.tail),
        since_seconds: args.since,
        previous: args.previous,
        container: args.site.as_ref().map(|_| "tftp".to_owned()),
        ..LogParams::default()
    };
    let several = pods.len() > 1;
    let mut streams = Vec::new();
    let mut failed = false;
    for pod in &pods {
        let (space, pod) = (namespace(&pod.metadata), name(&pod.metadata));
        let api: Api<Pod> = Api::namespaced(cluster.client.clone(), space);
        // One pod that has no log yet hides no other's.
        match cluster.call(&format!("read the log of pod {pod}"), api.log_stream(pod, &params)).await {
            Ok(log) => {
                let before = if several { format!("{pod}: ") } else { String::new() };
                let lines = log.lines().map_ok(move |line| format!("{before}{line}\n"));
                streams.push(Box::pin(lines));
            }
            Err(error) => {
                say(format_args!("error: {error:#}"));
                failed = true;
            }
        }
    }
    let mut lines = stream::select_all(streams);
    let mut end = Box::pin(shutdown_signal());
    loop {
        tokio::select! {
            () = &mut end => break,
            line = lines.next() => match line {
                None => break,
                Some(Ok(line)) if terminal::is_read(&line)? => {}
                Some(Ok(_)) => break,
                Some(Err(error)) => {
                    say(format_args!("error: a log ends: {error}"));
                    failed = true;
                }
            },
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn pods(cluster: &Connection, site: Option<&str>, namespace: Option<&str>) -> anyhow::Result<Vec<Pod>> {
    let Some(site) = site else {
        let found = match namespace {
            Some(namespace) => {
                let api: Api<Pod> = Api::namespaced(cluster.client.clone(), namespace);
                cluster.call("list pods", api.list(&ListParams::default().labels(OPERATOR))).await?
            }
            None => {
                let api: Api<Pod> = Api::all(cluster.client.clone());
                cluster
                    .call(
                        "list the pods of all namespaces (-n names the operator's)",
                        api.list(&ListParams::default().labels(OPERATOR)),
                    )
                    .await?
            }
        };
        if found.items.is_empty() {
            bail!("there is no pod of dialtone's operator: `kubectl dialtone check` says whether it is installed");
        }
        return Ok(found.items);
    };
    if !crate::api::is_object_name(site) {
        bail!("{site:?} is no name of a PhoneSite");
    }
    let api: Api<Pod> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let label = format!("dialtone.dev/site={site}");
    let found = cluster.call("list pods", api.list(&ListParams::default().labels(&label))).await?;
    if found.items.is_empty() {
        bail!(
            "site {site} has no TFTP pods in namespace {}: `kubectl dialtone status {site}` says why",
            cluster.namespace
        );
    }
    Ok(found.items)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_kubectl_writes_them() {
        assert_eq!(
            (seconds("30s"), seconds("5m"), seconds("2h"), seconds("1d")),
            (Ok(30), Ok(300), Ok(7200), Ok(86_400))
        );
        for wrong in ["", "5", "m", "0s", "-5m", "5 m", "5w", "99999999999999999999d", "9223372036854775807h"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
