//! The server's HTTP side: reports for readers that have the token at one port, probes and metrics for everybody at another one.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use axum::extract::{Query as UrlQuery, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use socket2::{Domain, Protocol, Socket, Type};
use subtle::ConstantTimeEq as _;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout_at};

use super::file_store::FileStore;
use super::metrics::Metrics;
use super::transfer_log::{TransferLog, Unread};
use crate::base::exposition;
use crate::base::http_server::{self, Connection};
use crate::base::report::{Query, REPORT_PATH};

/// The longest that a reader may wait for something new, in seconds.
const MAX_WAIT_SECONDS: u64 = 60;
/// How long records are gathered before a report is sent: a boot is several requests.
const GATHER: Duration = Duration::from_millis(50);
/// How many readers there may be at once.
const MAX_READERS: usize = 16;

/// How many connections may wait to be accepted.
const MAX_WAITING: i32 = 256;

/// What the routes serve.
#[derive(Clone)]
pub struct Http {
    /// What goes into reports.
    pub log: Arc<TransferLog>,
    /// The files, for their metrics.
    pub files: Arc<FileStore>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The file with the token; without it there are no reports.
    pub token_file: Option<PathBuf>,
    /// Whether phones are served, so that the server is ready.
    pub is_serving: Arc<AtomicBool>,
}

struct Shared {
    http: Http,
    readers: Semaphore,
}

/// Serves reports until the process ends.
pub async fn serve(http: Http, listener: TcpListener) -> anyhow::Result<()> {
    let shared = Arc::new(Shared { http, readers: Semaphore::new(MAX_READERS) });
    let routes = Router::new().route(REPORT_PATH, get(report)).with_state(shared);
    http_server::serve(listener, routes).await
}

/// Serves probes and metrics until the process ends.
pub async fn serve_probes(http: Http, listener: TcpListener) -> anyhow::Result<()> {
    let routes = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(http));
    http_server::serve(listener, routes).await
}

/// Reads an address with a port. An IPv6 address may stand without brackets, as Kubernetes writes that of a pod.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    let without_brackets = || {
        let (ip, port) = text.rsplit_once(':')?;
        Some(SocketAddr::new(ip.parse::<Ipv6Addr>().ok()?.into(), port.parse().ok()?))
    };
    text.parse()
        .ok()
        .or_else(without_brackets)
        .ok_or_else(|| "it is no address with a port, such as [::]:8069".to_owned())
}

/// Listens, with an error that names the address. At `[::]` it listens for IPv4 too, and for IPv4 alone where there is no IPv6.
pub fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let every_ipv4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
    let is_every = address.ip() == IpAddr::from(Ipv6Addr::UNSPECIFIED);
    let listener = match listen_at(address) {
        Err(error) if is_every && error.kind() != io::ErrorKind::AddrInUse => listen_at(every_ipv4).map_err(|_| error),
        other => other,
    };
    listener.with_context(|| format!("cannot listen on {address} (TCP)"))
}

fn listen_at(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(address.ip() != IpAddr::from(Ipv6Addr::UNSPECIFIED))?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(MAX_WAITING)?;
    TcpListener::from_std(socket.into())
}

async fn readyz(State(http): State<Arc<Http>>) -> impl IntoResponse {
    match http.is_serving.load(Ordering::Acquire) {
        true => (StatusCode::OK, "ok\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "the files are being loaded\n"),
    }
}

async fn metrics(State(http): State<Arc<Http>>, headers: HeaderMap) -> Response {
    exposition::answer(&headers, http.metrics.text(&http.files.snapshot()))
}

async fn report(
    State(shared): State<Arc<Shared>>,
    Extension(connection): Extension<Connection>,
    UrlQuery(query): UrlQuery<Query>,
    headers: HeaderMap,
) -> Response {
    if !is_allowed(&shared.http, &headers).await {
        return (StatusCode::UNAUTHORIZED, "a bearer token is needed\n").into_response();
    }
    connection.trust();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::report::{Outcome, Record};
    use crate::tftp::file_store::Change;

    #[tokio::test(start_paused = true)]
    async fn a_reader_who_always_comes_back_costs_a_report_every_50_ms() {
        const TRANSFERS: usize = 1_000;
        let log = Arc::new(TransferLog::new(Arc::default()));
        log.files_loaded(&Change::default(), Vec::new());
        let mut query = Query::after(&log.report(&Query::default()), 10);
        let transfers = log.clone();
        tokio::spawn(async move {
            for _ in 0..TRANSFERS {
                sleep(Duration::from_millis(1)).await;
                transfers.append(Record::without_transfer(([10, 0, 0, 1], 1000).into(), "a", Outcome::Complete));
            }
        });
        let (mut reports, mut read) = (0, 0);
        while read < TRANSFERS {
            wait_for_report(&log, &query).await;
            let report = log.report(&query);
            query = Query::after(&report, 10);
            reports += 1;
            read += report.journal.records.len();
        }
        assert!((15..=21).contains(&reports), "{reports} reports in a second");
    }
}
