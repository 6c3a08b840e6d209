//! Asks each TFTP pod what it holds and what was fetched: one request that waits until there is news.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time::Instant;

use super::build::REPORT_PORT;
use super::context::Context;
use crate::base::digest::Digest;
use crate::base::report::{Query, Report};
use crate::provision::firmware::FirmwareFile;
use crate::provision::{Fetch, Key};

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
/// How long a pod that is leaving is asked for the rest: longer than it has to end.
const LAST_WORDS: Duration = Duration::from_secs(60);

/// Begins to ask a pod.
pub fn start(ctx: &Arc<Context>, site: &Key, pod: &Key, ip: &str) {
    let (task_ctx, site, task_pod) = (ctx.clone(), site.clone(), pod.clone());
    let host = if ip.contains(':') { format!("[{ip}]") } else { ip.to_owned() };
    let task = tokio::spawn(async move { ask(&task_ctx, &site, &task_pod, &host).await });
    if let Some(before) = ctx.shared().pollers.insert(pod.clone(), task.abort_handle()) {
        before.abort();
    }
}

/// What a pod holds does not count any more; it goes on telling how the transfers end that it has begun, until it is gone.
pub fn leave(ctx: &Context, pod: &Key) {
    ctx.shared().pollers.remove(pod);
}

type Http = Client<HttpConnector, Empty<Bytes>>;

async fn ask(ctx: &Context, site: &Key, pod: &Key, host: &str) {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(Duration::from_secs(2)));
    let http: Http = Client::builder(TokioExecutor::new()).build(connector);
    let mut query = Query { wait: WAIT, ..Query::default() };
    let mut failures = 0;
    let mut left = None;
    loop {
        let stays = ctx.shared().pods.contains_key(pod);
        if !stays && left.get_or_insert_with(Instant::now).elapsed() > LAST_WORDS {
            return;
        }
        match report(ctx, &http, site, host, &query).await {
            // Another pod may have the address by now.
            Ok(report) if left.is_some() && report.instance != query.instance => return,
            Ok(report) => {
                failures = 0;
                query = Query::after(&report, WAIT);
                for problem in &report.problems {
                    tracing::warn!(%pod, %problem, "a TFTP pod cannot load a file");
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
            Err(_) if left.is_some() => return,
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
    let uri = format!("http://{host}:{REPORT_PORT}{}", query.path());
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
    let (known, taken) = ctx.tell(|fleet| {
        // A report may cross the news that the pod is leaving: what it holds, taken later, would never be taken back. And right
        // after a start it may be faster than the news of its site.
        let known = ctx.shared().pods.contains_key(pod);
        if known {
            let (complete, gone) = (report.holdings.complete, &report.holdings.gone);
            fleet.pod_firmware(site, &pod.name, complete, firmware, gone, &report.problems);
        }
        let taken = !known || fleet.pod_holds(site, &pod.name, report.holdings.complete, held, &report.holdings.gone);
        if taken {
            fetches.iter().for_each(|fetch| fleet.fetched(site, fetch));
        }
        (known, taken)
    });
    if known && taken {
        ctx.shared().reported.insert(pod.clone());
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::super::context::{Options, Pod};
    use super::*;
    use crate::base::report::{Outcome, Record};
    use crate::provision::Meta;
    use crate::tftp::http::{self, Http};
    use crate::tftp::{Change, FileStore, TransferLog};
    use serde_json::json;

    /// A pod with an address of its own, since all pods answer at one port.
    const HOST: &str = "127.0.69.70";

    fn context() -> Arc<Context> {
        let nowhere = kube::Config::new("http://127.0.0.1:1".parse().unwrap());
        let options = Options {
            image: "x".into(),
            image_pull_policy: None,
            image_pull_secrets: Vec::new(),
            namespaces: Vec::new(),
            own_namespace: None,
            image_volumes: Default::default(),
            http: ([127, 0, 0, 1], 0).into(),
        };
        Arc::new(Context::new(kube::Client::try_from(nowhere).unwrap(), options))
    }

    fn meta(name: &str) -> Meta {
        Meta { key: Key::new("ns", name), generation: Some(1), created: 0, version: 1, resync_at: None }
    }

    /// Which address a phone was seen at last.
    async fn is_seen_at(ctx: &Context, last: u8) -> bool {
        for _ in 0..100 {
            let now = ctx.ask(|fleet| {
                fleet.settle();
                fleet.report(&Key::new("ns", "p"), jiff::Timestamp::now()).map(|report| report.after)
            });
            if now.and_then(|status| status.address) == Some(format!("10.0.0.{last}")) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        false
    }

    #[tokio::test]
    async fn a_pod_that_leaves_is_heard_until_it_is_gone() {
        let (site, pod) = (Key::new("ns", "hq"), Key::new("ns", "pod"));
        let ctx = context();
        ctx.tell(|fleet| {
            let spec = json!({"settings": {"proxy1Address": "10.0.0.1"}});
            fleet.apply_site(meta("hq"), serde_json::from_value(spec).unwrap(), Default::default());
            let spec =
                json!({"siteRef": {"name": "hq"}, "mac": "000A8A123456", "model": "7960", "lines": [{"name": "1"}]});
            fleet.apply_phone(meta("p"), serde_json::from_value(spec).unwrap(), Default::default());
        });
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "secret").unwrap();
        let files = Arc::new(FileStore::default());
        let log = Arc::new(TransferLog::new(files.clone()));
        log.files_loaded(&Change::default(), Vec::new());
        let parts =
            Http { log: log.clone(), files, metrics: Arc::default(), token_file: Some(folder.path().join("token")) };
        let listener = http::listen(format!("{HOST}:{REPORT_PORT}").parse().unwrap()).await.unwrap();
        let server = tokio::spawn(http::serve(parts, listener));
        let takes = |last: u8| {
            let mut record = Record::without_transfer(([10, 0, 0, last], 1000).into(), "", Outcome::Complete);
            (record.file, record.digest) =
                (Some("SIP000A8A123456.cnf".into()), Some(Digest::of(b"").to_string().into()));
            log.append(record);
        };

        ctx.shared().tokens.insert(site.clone(), "secret".into());
        ctx.shared().pods.insert(pod.clone(), Pod { site: site.clone(), ip: HOST.into(), host: None, files: None });
        start(&ctx, &site, &pod, HOST);
        let task = ctx.shared().pollers[&pod].clone();
        takes(1);
        assert!(is_seen_at(&ctx, 1).await);

        ctx.shared().pods.remove(&pod);
        leave(&ctx, &pod);
        ctx.tell(|fleet| fleet.pod_gone(&site, "pod"));
        takes(2);
        assert!(is_seen_at(&ctx, 2).await, "a transfer that it had begun");
        takes(3);
        assert!(is_seen_at(&ctx, 3).await, "and another one");
        assert!(!ctx.shared().reported.is_empty() && !task.is_finished());

        server.abort();
        takes(4);
        let ended = async {
            while !task.is_finished() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), ended).await.expect("it is asked no longer once it is gone");
    }
}
