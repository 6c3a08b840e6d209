//! The server's HTTP side: reports for readers that have the token, probes and metrics for everybody.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::extract::{Query as UrlQuery, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use subtle::ConstantTimeEq as _;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout_at};

use super::file_store::FileStore;
use super::metrics::Metrics;
use super::transfer_log::{TransferLog, Unread};
use crate::base::report::{Query, REPORT_PATH};

/// The longest that a reader may wait for something new, in seconds.
const MAX_WAIT_SECONDS: u64 = 60;
/// How long records are gathered before a report is sent: a boot is several requests.
const GATHER: Duration = Duration::from_millis(50);
/// How many readers there may be at once.
const MAX_READERS: usize = 16;

/// What the routes serve.
pub struct Http {
    /// What goes into reports.
    pub log: Arc<TransferLog>,
    /// The files, for their metrics.
    pub files: Arc<FileStore>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The file with the token; without it there are no reports.
    pub token_file: Option<PathBuf>,
}

struct Shared {
    http: Http,
    readers: Semaphore,
}

/// Serves until the process ends.
pub async fn serve(http: Http, listener: TcpListener) -> anyhow::Result<()> {
    let shared = Arc::new(Shared { http, readers: Semaphore::new(MAX_READERS) });
    let routes = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route(REPORT_PATH, get(report))
        .with_state(shared);
    axum::serve(listener, routes).await.context("the HTTP server failed")
}

/// Listens, with an error that names the address.
pub async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address} (TCP)"))
}

async fn readyz(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    match shared.http.log.is_loaded() {
        true => (StatusCode::OK, "ok\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "the files are being loaded\n"),
    }
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let files = shared.http.files.snapshot();
    match shared.http.metrics.text(&files) {
        Ok(text) => {
            ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn report(State(shared): State<Arc<Shared>>, UrlQuery(query): UrlQuery<Query>, headers: HeaderMap) -> Response {
    if !is_allowed(&shared.http, &headers).await {
        return (StatusCode::UNAUTHORIZED, "a bearer token is needed\n").into_response();
    }
    let Ok(_reader) = shared.readers.try_acquire() else {
        return (StatusCode::TOO_MANY_REQUESTS, "too many readers\n").into_response();
    };
    wait_for_report(&shared.http.log, &query).await;
    Json(shared.http.log.report(&query)).into_response()
}

/// Waits until there is something new for the reader, but no longer than it wants to wait.
async fn wait_for_report(log: &TransferLog, query: &Query) {
    let mut changes = log.subscribe();
    let deadline = Instant::now() + Duration::from_secs(query.wait.min(MAX_WAIT_SECONDS));
    let mut gathered = false;
    loop {
        match log.unread(query) {
            Unread::FullReport => return,
            Unread::Something if gathered => return,
            // Also for a reader that comes back at once: under load each report would otherwise hold next to nothing.
            Unread::Something => {
                sleep(GATHER).await;
                gathered = true;
            }
            Unread::Nothing => match timeout_at(deadline, changes.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return,
            },
        }
    }
}

/// The token is read anew each time, so that it can be changed; the time of the comparison does not show how much of it was right.
async fn is_allowed(http: &Http, headers: &HeaderMap) -> bool {
    let Some(path) = &http.token_file else { return false };
    let given =
        headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|v| v.strip_prefix("Bearer "));
    let (Some(given), Ok(token)) = (given, tokio::fs::read(path).await) else { return false };
    let token = token.trim_ascii();
    !token.is_empty() && bool::from(token.ct_eq(given.trim().as_bytes()))
}
