//! The server's HTTP side: reports for those who know the token, probes and metrics for everybody.

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
use tokio::sync::Semaphore;

use super::library::Library;
use super::metrics::Metrics;
use super::reporter::{News, Reporter};
use crate::base::report::{Query, REPORT_PATH};

/// The longest that a reader may wait for news, in seconds.
const LONGEST_WAIT: u64 = 60;
/// News gathers this long before it is told: a boot is several requests.
const GATHER: Duration = Duration::from_millis(50);
/// How many readers there may be at once.
const READERS: usize = 16;

/// What the routes need.
pub struct Http {
    /// The memory.
    pub reporter: Arc<Reporter>,
    /// The files.
    pub library: Arc<Library>,
    /// The counts.
    pub metrics: Arc<Metrics>,
    /// The file with the token; without it nobody is told anything.
    pub token: Option<PathBuf>,
}

struct Shared {
    http: Http,
    readers: Semaphore,
}

/// Serves until the process ends.
pub async fn serve(http: Http, listener: tokio::net::TcpListener) -> anyhow::Result<()> {
    let shared = Arc::new(Shared { http, readers: Semaphore::new(READERS) });
    let routes = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route(REPORT_PATH, get(report))
        .with_state(shared);
    axum::serve(listener, routes).await.context("the HTTP server ended")
}

/// Listens, with an error that names the address.
pub async fn listen(address: SocketAddr) -> anyhow::Result<tokio::net::TcpListener> {
    tokio::net::TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address} (TCP)"))
}

async fn readyz(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    match shared.http.reporter.is_empty() {
        false => (StatusCode::OK, "ok\n"),
        true => (StatusCode::SERVICE_UNAVAILABLE, "the files are being loaded\n"),
    }
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let files = shared.http.library.now();
    shared.http.metrics.files.set(files.files().count() as i64);
    shared.http.metrics.file_bytes.set(files.size() as i64);
    match shared.http.metrics.text() {
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
    let reporter = &shared.http.reporter;
    let mut news = reporter.subscribe();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(query.wait.min(LONGEST_WAIT));
    let mut gathered = false;
    loop {
        match reporter.news(&query) {
            News::Plenty => break,
            News::Something if gathered => break,
            // Also who comes back at once: under load every report would otherwise hold next to nothing.
            News::Something => {
                tokio::time::sleep(GATHER).await;
                gathered = true;
            }
            News::Nothing => match tokio::time::timeout_at(deadline, news.changed()).await {
                Ok(Ok(())) => {}
                _ => break,
            },
        }
    }
    Json(reporter.report(&query)).into_response()
}

/// The token is read anew each time, so that it can be changed; it is compared without telling by the time how much was right.
async fn is_allowed(http: &Http, headers: &HeaderMap) -> bool {
    let Some(path) = &http.token else { return false };
    let given =
        headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|v| v.strip_prefix("Bearer "));
    let (Some(given), Ok(token)) = (given, tokio::fs::read(path).await) else { return false };
    let token = token.trim_ascii();
    !token.is_empty() && bool::from(token.ct_eq(given.trim().as_bytes()))
}
