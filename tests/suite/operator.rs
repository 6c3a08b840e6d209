//! `dialtone operator` while nobody answers: it lives, says that it is not ready, tries again soon, and ends when it is told to.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::child::Running;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Starts it against an API server at some address, with its own HTTP at another, as the only one there is.
fn start(api: SocketAddr, http: SocketAddr) -> Running {
    start_with(api, http, &["--leader-election=false"])
}

fn start_with(api: SocketAddr, http: SocketAddr, more: &[&str]) -> Running {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config");
    crate::kubeconfig::write(&config, &format!("http://{api}"));
    let child = Command::new(env!("CARGO_BIN_EXE_dialtone"))
        .args(["operator", "--image=x", "--http", &http.to_string()])
        .args(more)
        .env("KUBECONFIG", &config)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let running = Running(child);
    // It has read the file once it listens, and the folder may go.
    wait("it to listen", || TcpStream::connect(http).is_ok());
    running
}

fn wait(what: &str, mut right: impl FnMut() -> bool) {
    let began = Instant::now();
    while !right() {
        assert!(began.elapsed() < Duration::from_secs(5), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The status of an answer.
fn ask(http: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(http).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn probes_and_the_end_do_not_wait_for_an_api_server_that_says_nothing() {
    // Connections come about, and nothing is ever answered: so does a Service whose packets are lost look to a client.
    let api = TcpListener::bind("127.0.0.1:0").unwrap();
    let http = free();
    let mut running = start(api.local_addr().unwrap(), http);
    assert!(ask(http, "/livez").contains("200"));
    assert!(ask(http, "/readyz").contains("503"));
    kill(Pid::from_raw(running.0.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    wait("it to end", || running.0.try_wait().unwrap().is_some());
    assert!(running.0.wait().unwrap().success(), "the signal was heard, not suffered");
}

#[test]
fn one_that_does_not_lead_asks_for_its_lease_and_nothing_else_and_ends_at_once() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let http = free();
    let mut running = start_with(server.local_addr().unwrap(), http, &[]);
    let mut asked = Vec::new();
    wait("the Lease to be asked for again and again", || {
        if let Ok((mut stream, _)) = server.accept() {
            stream.set_nonblocking(false).unwrap();
            let mut request = [0; 4096];
            let len = stream.read(&mut request).unwrap();
            asked.push(String::from_utf8_lossy(&request[..len]).lines().next().unwrap_or_default().to_owned());
            stream.write_all(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
        }
        asked.len() >= 3
    });
    let lease = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/dialtone-cluster";
    assert!(asked.iter().all(|line| line.starts_with(&format!("GET {lease}"))), "{asked:?}");
    assert!(ask(http, "/readyz").contains("503") && ask(http, "/livez").contains("200"));
    kill(Pid::from_raw(running.0.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    wait("it to end", || running.0.try_wait().unwrap().is_some());
    assert!(running.0.wait().unwrap().success());
}

#[test]
fn an_api_server_that_refuses_is_asked_again_and_again() {
    let api = free();
    let http = free();
    let mut running = start(api, http);
    std::thread::sleep(Duration::from_secs(3));
    assert!(running.0.try_wait().unwrap().is_none(), "it does not give up");
    assert!(ask(http, "/livez").contains("200"));
    // It is there at last, and hears of all kinds that are watched within one pause.
    let server = TcpListener::bind(api).unwrap();
    server.set_nonblocking(true).unwrap();
    let mut asked = Vec::new();
    wait("everything to be asked for again", || {
        asked.extend(server.accept().map(|(stream, _)| stream));
        asked.len() >= 11
    });
}

#[test]
fn a_busy_api_server_is_not_asked_again_behind_the_operator_s_back() {
    // A client that retries by itself would hold a worker for minutes, and ask eight times in the first second.
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let api = server.local_addr().unwrap();
    server.set_nonblocking(true).unwrap();
    let _running = start(api, free());
    let mut asked = 0;
    let mut first = None;
    while first.is_none_or(|first: Instant| first.elapsed() < Duration::from_millis(700)) {
        let Ok((mut stream, _)) = server.accept() else {
            std::thread::sleep(Duration::from_millis(5));
            continue;
        };
        first.get_or_insert_with(Instant::now);
        stream.set_nonblocking(false).unwrap();
        let mut request = [0; 4096];
        if stream.read(&mut request).is_ok_and(|len| len > 0) {
            asked += 1;
        }
        stream.write_all(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
    }
    assert!((1..=14).contains(&asked), "each of the twelve is asked for once: {asked}");
}

#[test]
fn the_chart_and_the_program_allow_the_same_prefixes() {
    let help = Command::new(env!("CARGO_BIN_EXE_dialtone")).args(["operator", "--help"]).output().unwrap();
    let help: String = String::from_utf8(help.stdout).unwrap().split_whitespace().collect();
    let values: serde_json::Value =
        serde_saphyr::from_str(&std::fs::read_to_string("charts/dialtone/values.yaml").unwrap()).unwrap();
    for list in ["serviceAnnotationPrefixes", "podMetadataPrefixes"] {
        let prefixes = values["sites"][list].as_array().unwrap().iter().map(|prefix| prefix.as_str().unwrap());
        let prefixes: Vec<&str> = prefixes.collect();
        assert!(prefixes.iter().all(|prefix| prefix.ends_with('/')), "{prefixes:?}");
        assert!(help.contains(&format!("[default:{}]", prefixes.join(","))), "{list}: {help}");
    }
    assert_eq!(values["sites"]["demandConsent"], false);
}
