//! Reports, probes and metrics over HTTP.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use dialtone::base::report::{Query, Report};
use dialtone::tftp::PortMode;
use dialtone::tftp::http::{self, Http};

use super::{Client, Site, bytes, serve};

/// Serves reports to readers with the token `secret`, and probes at another port.
async fn serve_http(site: &Site) -> (SocketAddr, SocketAddr, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "secret\n").unwrap();
    let listen = || http::listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let (reports, probes) = (listen(), listen());
    let (base, probing) = (reports.local_addr().unwrap(), probes.local_addr().unwrap());
    let parts = Http {
        log: site.log.clone(),
        files: site.files.clone(),
        metrics: site.metrics.clone(),
        token_file: Some(token),
        is_serving: std::sync::Arc::new(true.into()),
    };
    tokio::spawn(http::serve(parts.clone(), reports));
    tokio::spawn(http::serve_probes(parts, probes));
    (base, probing, folder)
}

async fn get(base: SocketAddr, path: &str, authorization: &str) -> (u16, Bytes) {
    use http_body_util::BodyExt as _;
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .build_http::<http_body_util::Empty<Bytes>>();
    let request = hyper::Request::get(format!("http://{base}{path}"))
        .header("authorization", authorization)
        .body(http_body_util::Empty::new())
        .unwrap();
    let response = client.request(request).await.unwrap();
    let status = response.status().as_u16();
    (status, response.into_body().collect().await.unwrap().to_bytes())
}

async fn report(base: SocketAddr, query: &Query) -> Report {
    let (status, body) = get(base, &query.path(), "Bearer secret").await;
    assert_eq!(status, 200);
    serde_json::from_slice(&body).unwrap()
}

#[tokio::test]
async fn reports_need_the_token_and_wait_for_something_new() {
    let site = serve("127.0.0.1:0", PortMode::Single, 100);
    site.put(&[("a", bytes(10))]);
    let (base, probes, _token) = serve_http(&site).await;
    assert_eq!(get(base, "/v1/report", "Bearer wrong").await.0, 401);
    assert_eq!(get(base, "/v1/report", "").await.0, 401);
    let first = report(base, &Query::default()).await;
    assert_eq!((first.holdings.complete, first.holdings.held.len()), (true, 1));
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!((get(probes, path, "").await.0, get(base, path, "").await.0), (200, 404), "{path}");
    }
    assert_eq!(get(probes, "/v1/report", "Bearer secret").await.0, 404);
    let metrics = get(probes, "/metrics", "").await.1;
    assert!(String::from_utf8(metrics.to_vec()).unwrap().contains("tftp_active_transfers"));

    let began = Instant::now();
    let waiting = tokio::spawn(async move { report(base, &Query::after(&first, 10)).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let address = site.address();
    tokio::task::spawn_blocking(move || Client::new(address).fetch("a", "", 512, 1)).await.unwrap();
    let next = waiting.await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(2) && began.elapsed() > Duration::from_millis(300));
    assert_eq!(next.journal.records[0].file.as_deref(), Some("a"));
    assert!(next.holdings.held.is_empty());
}

#[tokio::test]
async fn a_reader_who_always_comes_back_gets_every_transfer_once() {
    const FETCHES: usize = 300;
    let site = serve("127.0.0.1:0", PortMode::Single, 100);
    site.put(&[("a", bytes(10))]);
    let (base, _, _token) = serve_http(&site).await;
    let mut last = report(base, &Query::default()).await;
    let address = site.address();
    let fetching = tokio::task::spawn_blocking(move || {
        let client = Client::new(address);
        (0..FETCHES).for_each(|_| drop(client.fetch("a", "", 512, 1)));
    });
    // How many reports that takes is shown beside the code, where the clock is the test's.
    let mut numbers = Vec::new();
    while numbers.len() < FETCHES {
        let is_over = fetching.is_finished();
        last = report(base, &Query::after(&last, 10)).await;
        assert!(!is_over || !last.journal.records.is_empty(), "{} of {FETCHES} were reported", numbers.len());
        numbers.extend(last.journal.records.iter().map(|record| record.seq));
    }
    fetching.await.unwrap();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    assert_eq!(numbers.len(), FETCHES);
}

#[tokio::test]
async fn both_families_are_served_at_one_port() {
    let listener = http::listen("[::]:0".parse().unwrap()).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (from, families) = (listener.local_addr().unwrap(), ["127.0.0.1", "::1"]);
    for family in families.into_iter().filter(|family| from.is_ipv6() || *family == "127.0.0.1") {
        let address = SocketAddr::new(family.parse().unwrap(), port);
        assert!(tokio::net::TcpStream::connect(address).await.is_ok(), "{address}");
    }
    let without_brackets = http::address("fd00::1:8069").unwrap();
    assert_eq!(without_brackets, "[fd00::1]:8069".parse().unwrap());
    assert_eq!(http::address("10.0.0.1:8069").unwrap(), "10.0.0.1:8069".parse().unwrap());
    assert!(http::address("8069").is_err());
}
