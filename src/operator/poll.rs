//! Polls each TFTP pod for its report, what it holds and what was fetched: one long-polling request after the other.
//!
//! A pod may answer with anything, at once and for ever: what that costs is bounded.

mod note;
mod said;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::context::Context;
use super::owned::REPORT_PORT;
use super::ownership::{self, ReplicaSet};
use super::supervisor::catch;
use crate::base::Backoff;
use crate::base::report::{Query, Report};
use crate::base::text::{QUOTED, printable};
use crate::provision::Key;
use said::Said;

/// How long a pod may wait for changes before it answers.
const WAIT_SECONDS: u64 = 30;
/// How long an answer may take altogether.
const ANSWER_LIMIT: Duration = Duration::from_secs(WAIT_SECONDS + 10);
/// The largest report that is read, apart from what names the files that the site should have.
const MAX_REPORT_BYTES: usize = 8 << 20;
/// How many bytes of a report name one file, at most.
const FILE_BYTES: usize = 256;
/// How far apart the requests to one pod are at least: a server gathers for as long.
const MIN_PERIOD: Duration = Duration::from_millis(50);
/// A pod is left alone for so many times as long as it took to take its last report in, so that no pod takes the operator's time.
const REST: u32 = 4;
/// The most characters by which a server names its run.
const MAX_INSTANCE: usize = 64;
/// A body of more bytes is read by a thread that nobody else waits for.
const LARGE: usize = 64 << 10;
/// The pauses after failures in a row, and after panics.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(8));
/// After so many failures in a row a pod counts as gone.
const GONE_AFTER: u32 = 3;
/// How long a pod that is leaving is polled for its final report: longer than it has to end.
const FINAL_REPORT_LIMIT: Duration = Duration::from_secs(60);

/// Begins to poll a pod, once it is known to be one of the site's.
pub(super) fn start(ctx: &Arc<Context>, site: &Key, pod: &Key, ip: &str, owner: ReplicaSet) {
    let host = if ip.contains(':') { format!("[{ip}]") } else { ip.to_owned() };
    let (task_ctx, site, task_pod) = (ctx.clone(), site.clone(), pod.clone());
    let task = tokio::spawn(async move {
        if !ownership::is_confirmed(&task_ctx, &site, &task_pod, &owner).await {
            // The token goes to none but the site's own pods.
            if task_ctx.pods.contains(&task_pod) {
                ownership::refuse(&task_ctx, &site, &task_pod);
            }
            return;
        }
        restart_after_panics(&task_ctx, &task_pod, || poll(&task_ctx, &site, &task_pod, &host)).await;
    });
    ctx.pods.set_poller(pod, task.abort_handle());
}

/// Runs a poller until it ends; one that panics is logged and started anew, after longer and longer pauses.
async fn restart_after_panics<F: Future<Output = ()>>(ctx: &Context, pod: &Key, poll: impl Fn() -> F) {
    let mut panics = 0_u32;
    while let Err(panic) = catch(async { poll().await }).await {
        panics = panics.saturating_add(1);
        ctx.metrics.count_panic("Poll");
        tracing::error!(kind = "Pod", object = %pod, attempt = panics, %panic, "the poller of pod {pod} panicked and is restarted");
        tokio::time::sleep(BACKOFF.after(panics)).await;
    }
}

type Http = Client<HttpConnector, Empty<Bytes>>;

/// Polls a pod until it is gone.
async fn poll(ctx: &Context, site: &Key, pod: &Key, host: &str) {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(Duration::from_secs(2)));
    let http: Http = Client::builder(TokioExecutor::new()).build(connector);
    let mut query = Query { wait: WAIT_SECONDS, ..Query::default() };
    let mut failures = 0_u32;
    let mut left = None;
    let mut said = Said::default();
    loop {
        if !ctx.pods.contains(pod) && left.get_or_insert_with(Instant::now).elapsed() > FINAL_REPORT_LIMIT {
            return;
        }
        let span =
            tracing::info_span!("poll", kind = "Pod", object = %pod, %site, attempt = failures.saturating_add(1));
        let asked = Instant::now();
        let body = fetch_report(ctx, &http, site, host, &query).instrument(span.clone()).await;
        let answered = Instant::now();
        let report = match body {
            Ok(body) => parse(body).await,
            Err(error) => Err(error),
        };
        let until = match report {
            // Another pod may have the address by now.
            Ok(report) if left.is_some() && report.instance != query.instance => return,
            Ok(report) => {
                failures = 0;
                query = Query::after(&report, WAIT_SECONDS);
                span.in_scope(|| said.report(pod, &report));
                let is_taken = span.in_scope(|| note::report(ctx, site, pod, report));
                if !is_taken {
                    // Everything is asked for anew.
                    query = Query { wait: WAIT_SECONDS, ..Query::default() };
                }
                (asked + MIN_PERIOD).max(Instant::now() + answered.elapsed() * REST)
            }
            Err(_) if left.is_some() => return,
            Err(error) => {
                failures = failures.saturating_add(1);
                ctx.metrics.report_errors.inc();
                // It may quote what the pod sent.
                let error = printable(&format!("{error:#}"), QUOTED);
                span.in_scope(|| tracing::debug!("pod {pod} does not report: {error}"));
                if failures == GONE_AFTER {
                    span.in_scope(|| said.silence(pod, &error));
                    ctx.update(|fleet| fleet.pod_gone(site, &pod.name));
                    query = Query { wait: WAIT_SECONDS, ..Query::default() };
                }
                Instant::now() + BACKOFF.after(failures)
            }
        };
        tokio::time::sleep_until(until).await;
    }
}

async fn fetch_report(ctx: &Context, http: &Http, site: &Key, host: &str, query: &Query) -> anyhow::Result<Bytes> {
    let token = ctx.sites.token(site).context("the site's token is not known yet")?;
    let uri = format!("http://{host}:{REPORT_PORT}{}", query.path());
    let request = hyper::Request::get(uri).header("authorization", format!("Bearer {token}")).body(Empty::new())?;
    let answer = tokio::time::timeout(ANSWER_LIMIT, async {
        let response = http.request(request).await?;
        let status = response.status();
        if !status.is_success() {
            bail!("it answers {status}");
        }
        let most = MAX_REPORT_BYTES + FILE_BYTES * ctx.read(|fleet| fleet.file_count(site));
        let body = Limited::new(response.into_body(), most).collect().await;
        Ok(body.map_err(|error| anyhow::anyhow!("{error}: no report has more than {most} bytes"))?.to_bytes())
    });
    answer.await.context("it takes too long")?
}

async fn parse(body: Bytes) -> anyhow::Result<Report> {
    let parse = |body: &Bytes| Report::read(body);
    let report =
        if body.len() > LARGE { tokio::task::spawn_blocking(move || parse(&body)).await?? } else { parse(&body)? };
    // It goes into the next request.
    let is_name = |text: &str| text.len() <= MAX_INSTANCE && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_name(&report.instance) {
        bail!("its report names no instance: letters and digits, at most {MAX_INSTANCE}");
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::super::pods::Pod;
    use super::super::supervisor::supervised;
    use super::super::testing::{Logs, apply_site_and_phone, context, meta, metrics_text};
    use super::*;
    use crate::base::digest::Digest;
    use crate::base::report::{Outcome, Record};
    use crate::tftp::http::{self, Http};
    use crate::tftp::{Change, FileStore, TransferLog};
    use jiff::{SignedDuration, Timestamp};
    use serde_json::json;

    /// A pod with an address of its own, since all pods answer at one port.
    const HOST: &str = "127.0.69.70";

    /// Which address a phone was seen at last.
    async fn is_seen_at(ctx: &Context, last: u8) -> bool {
        for _ in 0..100 {
            let now = ctx.update(|fleet| {
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
    async fn a_pod_that_leaves_is_polled_until_it_is_gone() {
        let (site, pod) = (Key::new("ns", "hq"), Key::new("ns", "pod"));
        let (tasks, _supervisor) = supervised();
        let ctx = context(tasks);
        ctx.update(|fleet| {
            apply_site_and_phone(fleet, json!({"settings": {"proxy1Address": "10.0.0.1"}}));
        });
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "secret").unwrap();
        let files = Arc::new(FileStore::default());
        let log = Arc::new(TransferLog::new(files.clone()));
        log.files_loaded(&Change::default(), Vec::new());
        let parts = Http {
            log: log.clone(),
            files,
            metrics: Arc::default(),
            token_file: Some(folder.path().join("token")),
            is_serving: Arc::default(),
        };
        let listener = http::listen(format!("{HOST}:{REPORT_PORT}").parse().unwrap()).unwrap();
        let server = tokio::spawn(http::serve(parts, listener));
        let takes = |last: u8| {
            let mut record = Record::without_transfer(([10, 0, 0, last], 1000).into(), "", Outcome::Complete);
            // So far apart that it may have another address each time.
            record.time = Timestamp::now() - SignedDuration::from_hours(10 - i64::from(last));
            (record.file, record.digest) =
                (Some("SIP000A8A123456.cnf".into()), Some(Digest::of(b"").to_string().into()));
            log.append(record);
        };

        ctx.sites.note_uid(&site, "1".to_owned());
        ctx.sites.note_secret(&site, "secret", "key");
        ctx.pods.note(&pod, Pod::at(&site, HOST));
        let task = tokio::spawn({
            let (ctx, site, pod) = (ctx.clone(), site.clone(), pod.clone());
            async move { poll(&ctx, &site, &pod, HOST).await }
        });
        takes(1);
        assert!(is_seen_at(&ctx, 1).await);

        assert!(ctx.pods.silent().is_empty());
        ctx.pods.remove(&pod);
        ctx.update(|fleet| fleet.pod_gone(&site, "pod"));
        takes(2);
        assert!(is_seen_at(&ctx, 2).await, "a transfer that it had begun");
        takes(3);
        assert!(is_seen_at(&ctx, 3).await, "and another one");
        assert!(!task.is_finished());

        server.abort();
        takes(4);
        let ended = tokio::time::timeout(Duration::from_secs(10), task).await;
        ended.expect("it is polled no longer once it is gone").unwrap();
    }

    /// Answers every request at once with this text; how often it did.
    async fn answering(host: &str, text: &'static str) -> Arc<std::sync::atomic::AtomicUsize> {
        let listener = tokio::net::TcpListener::bind((host, REPORT_PORT)).await.unwrap();
        let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counted = count.clone();
        let routes = axum::Router::new().fallback(move || {
            counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            async move { text }
        });
        tokio::spawn(async move { axum::serve(listener, routes).await });
        count
    }

    #[tokio::test]
    async fn a_pod_that_always_has_something_new_is_asked_so_often_and_said_so_much() {
        const NEWS: &str = r#"{"instance": "i", "holdings": {"version": 1, "complete": true, "held": [], "gone": []},
            "journal": {"next": 1, "lost": 7, "records": []}, "problems": []}"#;
        const CHANGE: &str = r#"{"instance": "i", "holdings": {"version": 1, "complete": false, "held": [], "gone": []},
            "journal": {"next": 1, "lost": 0, "records": []}}"#;
        let logs = Logs::capture();
        let (tasks, _supervisor) = supervised();
        let ctx = context(tasks);
        let site = Key::new("ns", "hq");
        ctx.sites.note_uid(&site, "1".to_owned());
        ctx.sites.note_secret(&site, "secret", "key");
        ctx.update(|fleet| {
            fleet.apply_site(meta("hq"), serde_json::from_value(json!({})).unwrap(), Default::default())
        });
        let mut counts = Vec::new();
        for (name, host, text) in [("a", "127.0.69.72", NEWS), ("b", "127.0.69.73", CHANGE)] {
            let pod = Key::new("ns", name);
            ctx.pods.note(&pod, Pod::at(&site, host));
            counts.push(answering(host, text).await);
            let (ctx, site) = (ctx.clone(), site.clone());
            tokio::spawn(async move { poll(&ctx, &site, &pod, host).await });
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        for count in counts {
            let count = count.load(std::sync::atomic::Ordering::Relaxed);
            assert!((2..=41).contains(&count), "{count} requests in 2 s");
        }
        let lost = logs.lines().iter().filter(|line| line.contains("more to report")).count();
        assert_eq!(lost, 1, "{:?}", logs.lines());
    }

    #[tokio::test]
    async fn a_pod_that_does_not_report_is_named_once_and_not_quoted_at_length() {
        let logs = Logs::capture();
        let (tasks, _supervisor) = supervised();
        let (ctx, site, pod) = (context(tasks), Key::new("ns", "hq"), Key::new("ns", "pod"));
        ctx.sites.note_uid(&site, "1".to_owned());
        ctx.sites.note_secret(&site, "secret", "key");
        let odd = format!(r#"{{"instance": "i", "holdings": "{}\u001b"}}"#, "x".repeat(100_000));
        answering("127.0.69.74", odd.leak()).await;
        ctx.pods.note(&pod, Pod::at(&site, "127.0.69.74"));
        tokio::spawn({
            let (ctx, site, pod) = (ctx.clone(), site.clone(), pod.clone());
            async move { poll(&ctx, &site, &pod, "127.0.69.74").await }
        });
        let began = Instant::now();
        while logs.lines().is_empty() && began.elapsed() < Duration::from_secs(20) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let lines = logs.lines();
        assert!(lines.len() == 1 && lines[0].contains("does not report") && lines[0].len() < 1_000, "{lines:?}");
    }

    #[tokio::test]
    async fn a_report_that_is_too_large_is_not_read() {
        let (tasks, _supervisor) = supervised();
        let (ctx, site) = (context(tasks), Key::new("ns", "hq"));
        ctx.sites.note_uid(&site, "1".to_owned());
        ctx.sites.note_secret(&site, "secret", "key");
        let host = "127.0.69.71";
        let listener = tokio::net::TcpListener::bind((host, REPORT_PORT)).await.unwrap();
        let size = Arc::new(std::sync::atomic::AtomicUsize::new(MAX_REPORT_BYTES - 1_000));
        let padding = size.clone();
        let routes = axum::Router::new().fallback(move || {
            let spaces = " ".repeat(padding.load(std::sync::atomic::Ordering::Relaxed));
            let head = r#"{"instance": "i", "holdings": {"version": 1, "complete": true, "held": [], "gone": []}, "journal": {"next": 1, "lost": 0, "records": []}"#;
            async move { format!("{head}{spaces}}}") }
        });
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let http: super::Http = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
        let query = Query::default();
        let fetch = || fetch_report(&ctx, &http, &site, host, &query);
        assert!(parse(fetch().await.unwrap()).await.is_ok());
        size.store(MAX_REPORT_BYTES, std::sync::atomic::Ordering::Relaxed);
        let error = format!("{:#}", fetch().await.unwrap_err());
        assert!(error.contains("length limit exceeded"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_poller_that_panics_is_logged_counted_and_restarted() {
        let logs = Logs::capture();
        let (tasks, _supervisor) = supervised();
        let (ctx, pod, began) = (context(tasks), Key::new("ns", "pod"), Instant::now());
        let runs = std::sync::atomic::AtomicU32::new(0);
        restart_after_panics(&ctx, &pod, || async {
            if runs.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < 3 {
                panic!("an odd report");
            }
        })
        .await;
        assert_eq!((runs.into_inner(), began.elapsed()), (4, Duration::from_millis(500 + 1000 + 2000)));
        assert!(metrics_text(&ctx).contains("panics_total{task=\"Poll\"} 3"));
        let lines = logs.lines();
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines[2].contains("object=ns/pod attempt=3") && lines[2].contains("an odd report"), "{lines:?}");
    }
}
