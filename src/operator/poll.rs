//! Asks each TFTP pod what it holds and what was fetched: one request that waits until there is news.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::build::REPORT_PORT;
use super::context::Context;
use crate::provision::digest::Digest;
use crate::provision::firmware::FirmwareFile;
use crate::provision::{Fetch, Key};
use crate::tftp::wire::{Query, REPORT_PATH, Report};

/// How long a pod may wait for news before it answers.
const WAIT: u64 = 30;
/// How long an answer may take altogether.
const LIMIT: Duration = Duration::from_secs(WAIT + 10);
/// The largest report that is read.
const MAX_REPORT: usize = 64 << 20;
/// How soon a report is asked for again that came before the news of its site.
const NOT_YET: Duration = Duration::from_millis(20);
/// After so many failures a pod counts as gone.
const PATIENCE: u32 = 3;

/// Begins to ask a pod.
pub fn start(ctx: &Arc<Context>, site: &Key, pod: &Key, ip: &str) {
    let (task_ctx, site, task_pod) = (ctx.clone(), site.clone(), pod.clone());
    let host = if ip.contains(':') { format!("[{ip}]") } else { ip.to_owned() };
    let task = tokio::spawn(async move { ask(&task_ctx, &site, &task_pod, &host).await });
    if let Some(before) = ctx.shared().pollers.insert(pod.clone(), task.abort_handle()) {
        before.abort();
    }
}

/// Asks a pod no longer.
pub fn stop(ctx: &Context, pod: &Key) {
    if let Some(task) = ctx.shared().pollers.remove(pod) {
        task.abort();
    }
}

type Http = Client<HttpConnector, Empty<Bytes>>;

async fn ask(ctx: &Context, site: &Key, pod: &Key, host: &str) {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(Duration::from_secs(2)));
    let http: Http = Client::builder(TokioExecutor::new()).build(connector);
    let mut query = Query { wait: WAIT, ..Query::default() };
    let mut failures = 0;
    loop {
        match report(ctx, &http, site, host, &query).await {
            Ok(report) => {
                failures = 0;
                query.instance = report.instance.clone();
                query.holdings = report.holdings.version;
                query.journal = report.journal.next;
                for problem in &report.problems {
                    tracing::warn!(%pod, problem, "a TFTP pod cannot load a file");
                }
                if report.journal.lost > 0 {
                    tracing::warn!(%pod, lost = report.journal.lost, "a TFTP pod had more to tell than it could keep");
                }
                if !take(ctx, site, pod, report) {
                    // Nothing was taken of it: everything is asked for anew.
                    query = Query { wait: WAIT, ..Query::default() };
                    tokio::time::sleep(NOT_YET).await;
                }
            }
            Err(error) => {
                failures += 1;
                ctx.metrics.report_errors.inc();
                tracing::debug!(%pod, error = %format!("{error:#}"), "a TFTP pod does not tell what it served");
                if failures == PATIENCE {
                    ctx.tell(|fleet| fleet.pod_gone(site, &pod.name));
                    query = Query { wait: WAIT, ..Query::default() };
                }
                tokio::time::sleep(Duration::from_millis(250 << failures.min(5))).await;
            }
        }
    }
}

async fn report(ctx: &Context, http: &Http, site: &Key, host: &str, query: &Query) -> anyhow::Result<Report> {
    let token = ctx.shared().tokens.get(site).cloned().context("the site's token is not known yet")?;
    let Query { instance, holdings, journal, wait } = query;
    let uri = format!(
        "http://{host}:{REPORT_PORT}{REPORT_PATH}?instance={instance}&holdings={holdings}&journal={journal}&wait={wait}"
    );
    let request = hyper::Request::get(uri).header("authorization", format!("Bearer {token}")).body(Empty::new())?;
    let answer = tokio::time::timeout(LIMIT, async {
        let response = http.request(request).await?;
        let status = response.status();
        if !status.is_success() {
            bail!("it answers {status}");
        }
        let body = Limited::new(response.into_body(), MAX_REPORT).collect().await;
        Ok(body.map_err(|error| anyhow::anyhow!(error))?.to_bytes())
    });
    Ok(serde_json::from_slice(&answer.await.context("it takes too long")??)?)
}

/// Tells the fleet what a pod told; whether the fleet could make anything of it.
fn take(ctx: &Context, site: &Key, pod: &Key, report: Report) -> bool {
    let (mut held, mut firmware) = (Vec::new(), Vec::new());
    for file in report.holdings.held {
        let Some(digest) = Digest::from_hex(&file.digest) else { continue };
        let size = usize::try_from(file.size).unwrap_or(usize::MAX);
        firmware.push((file.name.clone(), FirmwareFile { digest, size, first: file.first, parts: file.parts }));
        held.push((file.name, digest));
    }
    let fetches: Vec<Fetch> = report.journal.records.iter().map(Fetch::from).collect();
    let taken = ctx.tell(|fleet| {
        // A report may cross the news that the pod is gone; taken later, it would never be taken back. And right after a start
        // it may be faster than the news of its site.
        let known = ctx.shared().pods.contains_key(pod);
        if known {
            let (complete, gone) = (report.holdings.complete, &report.holdings.gone);
            fleet.pod_firmware(site, &pod.name, complete, firmware, gone, &report.problems);
        }
        let taken = known && fleet.pod_holds(site, &pod.name, report.holdings.complete, held, &report.holdings.gone);
        if taken {
            fetches.iter().for_each(|fetch| fleet.fetched(site, fetch));
        }
        taken
    });
    if taken {
        ctx.shared().reported.insert(pod.clone());
    }
    taken
}
