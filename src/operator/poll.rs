//! Polls each TFTP pod for its report, what it holds and what was fetched: one long-polling request after the other.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use tracing::Instrument as _;

use super::context::Context;
use super::owned::REPORT_PORT;
use super::ownership::{self, ReplicaSet};
use super::supervisor::catch;
use crate::base::Backoff;
use crate::base::digest::Digest;
use crate::base::lasting::Lasting;
use crate::base::report::{FileProblem, Query, Report};
use crate::provision::catalog::FirmwareFile;
use crate::provision::{Fetch, Key};

/// How long a pod may wait for changes before it answers.
const WAIT_SECONDS: u64 = 30;
/// How long an answer may take altogether.
const ANSWER_LIMIT: Duration = Duration::from_secs(WAIT_SECONDS + 10);
/// The largest report that is read, apart from what names the files that the site should have.
const MAX_REPORT_BYTES: usize = 8 << 20;
/// How many bytes of a report name one file, at most.
const FILE_BYTES: usize = 256;
/// A pod's clock that is off by more seconds is corrected: by less, pods of one site differ anyway.
const CLOCK_TOLERANCE: i64 = 5;
/// How soon a report is asked for again that came before the fleet knew its site.
const NOT_YET: Duration = Duration::from_millis(20);
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
        ctx.metrics.count_panic("poll");
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
    let mut problems = Lasting::default();
    loop {
        if !ctx.pods.contains(pod) && left.get_or_insert_with(Instant::now).elapsed() > FINAL_REPORT_LIMIT {
            return;
        }
        let span =
            tracing::info_span!("poll", kind = "Pod", object = %pod, %site, attempt = failures.saturating_add(1));
        let report = fetch_report(ctx, &http, site, host, &query).instrument(span.clone()).await;
        let pause = match report {
            // Another pod may have the address by now.
            Ok(report) if left.is_some() && report.instance != query.instance => return,
            Ok(report) => {
                failures = 0;
                query = Query::after(&report, WAIT_SECONDS);
                span.in_scope(|| say_problems(pod, problems.note(&report.problems)));
                if span.in_scope(|| note_report(ctx, site, pod, report)) {
                    continue;
                }
                // Nothing was taken of it: everything is asked for anew.
                query = Query { wait: WAIT_SECONDS, ..Query::default() };
                NOT_YET
            }
            Err(_) if left.is_some() => return,
            Err(error) => {
                failures = failures.saturating_add(1);
                ctx.metrics.report_errors.inc();
                span.in_scope(|| tracing::debug!("pod {pod} does not report: {error:#}"));
                if failures == GONE_AFTER {
                    ctx.update(|fleet| fleet.pod_gone(site, &pod.name));
                    query = Query { wait: WAIT_SECONDS, ..Query::default() };
                }
                BACKOFF.after(failures)
            }
        };
        tokio::time::sleep(pause).await;
    }
}

async fn fetch_report(ctx: &Context, http: &Http, site: &Key, host: &str, query: &Query) -> anyhow::Result<Report> {
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
        Ok(body.map_err(|error| anyhow::anyhow!(error))?.to_bytes())
    });
    Ok(Report::read(&answer.await.context("it takes too long")??)?)
}

/// Says which files a pod cannot load, and of which that is over.
fn say_problems(pod: &Key, (begun, over): (Vec<FileProblem>, Vec<String>)) {
    for problem in begun {
        tracing::warn!(%problem, "pod {pod} cannot load a file");
    }
    for file in over {
        tracing::info!(file, "pod {pod} can load it again");
    }
}

/// Notes a pod's report in the fleet; whether the fleet could make anything of it.
fn note_report(ctx: &Context, site: &Key, pod: &Key, report: Report) -> bool {
    if report.journal.lost > 0 {
        tracing::warn!(lost = report.journal.lost, "pod {pod} had more to report than it could keep");
    }
    let (mut held, mut firmware) = (Vec::new(), Vec::new());
    for file in report.holdings.held {
        let Some(digest) = Digest::from_hex(&file.digest) else { continue };
        let size = usize::try_from(file.size).unwrap_or(usize::MAX);
        firmware.push((file.name.clone(), FirmwareFile { digest, size, first: file.first, parts: file.parts }));
        held.push((file.name, digest));
    }
    let now = Timestamp::now();
    let off = report.time.map_or(0, |time| clock_error(time, now));
    let by_our_clock = |record| {
        let fetch = Fetch::from(record);
        Fetch { time: corrected(fetch.time, off, now), ..fetch }
    };
    let fetches: Vec<Fetch> = report.journal.records.iter().map(by_our_clock).collect();
    let (complete, gone) = (report.holdings.complete, &report.holdings.gone);
    let (runs, taken) = ctx.update(|fleet| {
        // A report may arrive after the watch has shown that the pod is leaving: what it holds, noted then, would never be
        // removed. And right after a start it may arrive before the watch has shown its site.
        let runs = ctx.pods.contains(pod);
        if runs {
            fleet.pod_firmware(site, &pod.name, complete, firmware, gone, &report.problems);
        }
        let taken = !runs || fleet.pod_holds(site, &pod.name, complete, held, gone);
        if taken {
            fetches.iter().for_each(|fetch| fleet.fetched(site, fetch));
        }
        (runs, taken)
    });
    if runs && taken {
        ctx.pods.note_report(pod);
    }
    taken
}

/// By how many seconds a pod's clock is ahead, in steps, so that the same request has the same time when it is reported again.
fn clock_error(pod: Timestamp, now: Timestamp) -> i64 {
    let ahead = pod.as_second().saturating_sub(now.as_second());
    let step = 2 * CLOCK_TOLERANCE;
    if ahead.abs() <= CLOCK_TOLERANCE { 0 } else { (ahead + ahead.signum() * CLOCK_TOLERANCE) / step * step }
}

/// A time by a pod's clock, by the operator's, and never later than now: what is said to happen later would make all that happens
/// until then look old. So would a clock that is behind make the pod's own requests.
fn corrected(time: Timestamp, off: i64, now: Timestamp) -> Timestamp {
    let time = time.checked_sub(SignedDuration::from_secs(off)).unwrap_or(time);
    time.min(now)
}

#[cfg(test)]
mod tests {
    use super::super::pods::Pod;
    use super::super::supervisor::supervised;
    use super::super::testing::{Logs, context};
    use super::*;
    use crate::base::report::{Outcome, Record};
    use crate::provision::Meta;
    use crate::tftp::http::{self, Http};
    use crate::tftp::{Change, FileStore, TransferLog};
    use serde_json::json;

    /// A pod with an address of its own, since all pods answer at one port.
    const HOST: &str = "127.0.69.70";

    fn meta(name: &str) -> Meta {
        Meta { key: Key::new("ns", name), generation: Some(1), created: 0, version: 1, resync_at: None }
    }

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

    #[tokio::test]
    async fn a_pod_whose_clock_is_ahead_stops_no_phone() {
        let (site, pod) = (Key::new("ns", "hq"), Key::new("ns", "pod"));
        let (tasks, _supervisor) = supervised();
        let ctx = context(tasks);
        ctx.update(|fleet| {
            fleet.apply_site(meta("hq"), serde_json::from_value(json!({})).unwrap(), Default::default());
            fleet.set_hash_key(&site, crate::base::digest::HashKey::new(b"k"));
            let spec =
                json!({"siteRef": {"name": "hq"}, "mac": "000A8A123456", "model": "7960", "lines": [{"name": "1"}]});
            fleet.apply_phone(meta("p"), serde_json::from_value(spec).unwrap(), Default::default());
            fleet.settle();
        });
        ctx.pods.note(&pod, Pod::at(&site, HOST));
        let report = |time: Timestamp, clock: Option<Timestamp>, taken: &[u8]| {
            let mut record = Record::without_transfer(([10, 0, 0, 1], 1000).into(), "", Outcome::Complete);
            record.time = time;
            (record.file, record.digest) =
                (Some("SIP000A8A123456.cnf".into()), Some(Digest::of(taken).to_string().into()));
            let holdings = crate::base::report::Inventory { version: 1, complete: true, ..Default::default() };
            let journal = crate::base::report::Journal { next: 2, lost: 0, records: vec![record] };
            Report { instance: "i".into(), time: clock, holdings, journal, problems: Vec::new() }
        };
        let tomorrow = Timestamp::now() + SignedDuration::from_hours(24);
        assert!(note_report(&ctx, &site, &pod, report(tomorrow, None, b"old")));
        let status = |ctx: &Context| {
            ctx.update(|fleet| {
                fleet.settle();
                fleet.report(&Key::new("ns", "p"), Timestamp::now()).unwrap().after
            })
        };
        let seen: Timestamp = status(&ctx).last_seen.unwrap().parse().unwrap();
        assert!(seen <= Timestamp::now(), "{seen}");
        let before = status(&ctx).fetched_hash;
        assert!(note_report(&ctx, &site, &pod, report(Timestamp::now(), None, b"new")));
        assert_ne!(status(&ctx).fetched_hash, before, "what it takes after that counts");
        // So does what a pod reports whose clock is behind.
        let before = status(&ctx).fetched_hash;
        let behind = Timestamp::now() - SignedDuration::from_mins(90);
        assert!(note_report(&ctx, &site, &pod, report(behind, Some(behind), b"newer")));
        assert_ne!(status(&ctx).fetched_hash, before);
    }

    #[test]
    fn a_clock_that_is_off_is_corrected_in_steps() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let errors = [0, 5, -5, 6, -6, 14, 15, -90].map(|ahead| clock_error(at(1_000 + ahead), at(1_000)));
        assert_eq!(errors, [0, 0, 0, 10, -10, 10, 20, -90]);
        assert_eq!(corrected(at(900), -90, at(1_000)), at(990));
        assert_eq!(corrected(at(999), -90, at(1_000)), at(1_000), "never later than now");
    }

    #[tokio::test]
    async fn a_report_that_is_too_large_is_not_read() {
        let (tasks, _supervisor) = supervised();
        let (ctx, site) = (context(tasks), Key::new("ns", "hq"));
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
        assert!(fetch().await.is_ok());
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
        assert!(ctx.metrics.text().unwrap().contains("panics_total{task=\"poll\"} 3"));
        let lines = logs.lines();
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines[2].contains("object=ns/pod attempt=3") && lines[2].contains("an odd report"), "{lines:?}");
    }
}
