//! Firmware from the web: fetched, checked, tried again, and problems noted, against a real HTTP server.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::child::Running;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use dialtone::base::report::FileProblem;
use sha2::{Digest as _, Sha256};

const IMAGE: &[u8] = b"an image";

fn sum(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// A web server; how often its flaky page was requested.
async fn web() -> (String, Arc<AtomicU32>) {
    let requests = Arc::new(AtomicU32::new(0));
    let count = requests.clone();
    let flaky = move || {
        let n = count.fetch_add(1, Ordering::SeqCst);
        async move { if n == 0 { (StatusCode::SERVICE_UNAVAILABLE, &b"later"[..]) } else { (StatusCode::OK, IMAGE) } }
    };
    let routes = Router::new()
        .route("/good.bin", get(|| async { IMAGE }))
        .route("/moved.bin", get(|| async { axum::response::Redirect::permanent("/good.bin") }))
        .route("/away.bin", get(|| async { axum::response::Redirect::permanent("http://127.0.0.2:1/good.bin") }))
        .route("/page.bin", get(|| async { "<!DOCTYPE html>" }))
        .route("/flaky.bin", get(flaky));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    (format!("http://{address}"), requests)
}

fn fetch(folder: &Path, more: &[&str]) -> Child {
    fetch_from(&["--allow=127.0.0.0/8"], folder, more)
}

fn fetch_from(allowed: &[&str], folder: &Path, more: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_dialtone"))
        .args(["fetch", "--once", "--to", folder.to_str().unwrap()])
        .args(allowed)
        .arg("--file")
        .args(more)
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

async fn until(what: &str, right: impl Fn() -> bool) {
    let began = Instant::now();
    while !right() {
        assert!(began.elapsed() < Duration::from_secs(20), "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_fetched_is_right_whole_and_fetched_once() {
    let (url, _) = web().await;
    let folder = tempfile::tempdir().unwrap();
    let (good, moved) = (format!("{url}/good.bin"), format!("{url}/moved.bin"));
    let args = ["P0S30202.bin", &sum(IMAGE), &good, "P0S3-06-3-00.bin", &sum(IMAGE).to_uppercase(), &moved];
    assert!(fetch(folder.path(), &args).wait().unwrap().success());
    for file in ["P0S30202.bin", "P0S3-06-3-00.bin"] {
        assert_eq!(std::fs::read(folder.path().join(file)).unwrap(), IMAGE, "{file}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left");
    // No server is asked for what is there.
    let args = ["P0S30202.bin", &sum(IMAGE), "http://127.0.0.1:1/nobody"];
    assert!(fetch(folder.path(), &args).wait().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_fetched_is_noted_and_tried_again_and_holds_up_nothing_else() {
    let (url, requests) = web().await;
    let folder = tempfile::tempdir().unwrap();
    let path = |part: &str| format!("{url}/{part}.bin");
    let (page, gone, flaky, good) = (path("page"), path("gone"), path("flaky"), path("good"));
    let sum = sum(IMAGE);
    let args = ["a.bin", &sum, &page, "b.bin", &sum, &gone, "c.bin", &sum, &flaky, "d.bin", &sum, &good];
    let mut child = Running(fetch(folder.path(), &args));
    let problems = || std::fs::read_to_string(folder.path().join("..problems")).unwrap_or_default();
    until("the problems to be noted", || problems().lines().count() == 3).await;
    let noted: Vec<FileProblem> = problems().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [a, b, c] = noted.as_slice() else { panic!("{noted:?}") };
    assert!(a.file == "a.bin" && a.message.contains(&format!("does not have the SHA-256 {sum}")), "{a:?}");
    let there = self::sum(b"<!DOCTYPE html>");
    assert!(!a.message.contains(&there) && !a.message.contains("bytes"), "nothing of what came is repeated: {a:?}");
    let nothing = "the file cannot be had there: correct the URL, or see whether the server has it";
    assert_eq!(b, &FileProblem::new("b.bin", format!("{gone}: {nothing}")));
    assert_eq!(c.file, "c.bin");
    assert!(folder.path().join("d.bin").exists() && !folder.path().join("a.bin").exists());
    until("the second try", || folder.path().join("c.bin").exists()).await;
    assert_eq!(requests.load(Ordering::SeqCst), 2);
    until("the problems that are left", || problems().lines().count() == 2).await;
    assert!(child.0.try_wait().unwrap().is_none(), "it goes on trying");
}

/// What is noted of one URL.
async fn problem_of(allowed: &[&str], url: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let _child = Running(fetch_from(allowed, folder.path(), &["a.bin", &sum(b"secret"), url]));
    let problems = || std::fs::read_to_string(folder.path().join("..problems")).unwrap_or_default();
    until(url, || !problems().is_empty()).await;
    let noted: FileProblem = serde_json::from_str(problems().lines().next().unwrap()).unwrap();
    noted.message.replace(url, "URL")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_tells_nothing_of_the_inside_of_a_network() {
    let (url, requests) = web().await;
    let port = url.rsplit(':').next().unwrap().to_owned();
    let not_allowed = "URL: its address is not one of the public Internet";
    // One port is open, the other closed, and nobody can tell which; nothing was even asked.
    for inside in [
        format!("{url}/flaky.bin"),
        "http://127.0.0.1:1/flaky.bin".to_owned(),
        format!("http://localhost:{port}/flaky.bin"),
        format!("http://[::ffff:127.0.0.1]:{port}/flaky.bin"),
        format!("http://0.0.0.0:{port}/flaky.bin"),
        "http://169.254.169.254/latest/meta-data/a.bin".to_owned(),
        "http://10.96.0.1/a.bin".to_owned(),
    ] {
        let said = problem_of(&[], &inside).await;
        assert!(said.starts_with(not_allowed), "{inside}: {said}");
    }
    assert_eq!(requests.load(Ordering::SeqCst), 0);
    // Where it is allowed to ask, a page that is not there and a closed port look the same, and nobody leads elsewhere.
    let allowed = ["--allow=127.0.0.1"];
    let gone = problem_of(&allowed, &format!("{url}/gone.bin")).await;
    assert_eq!(gone, problem_of(&allowed, "http://127.0.0.1:1/gone.bin").await);
    assert!(gone.starts_with("URL: the file cannot be had there"), "{gone}");
    let away = problem_of(&allowed, &format!("{url}/away.bin")).await;
    assert!(away.starts_with("URL: its server leads to another one") && !away.contains("127.0.0.2"), "{away}");
}

#[test]
fn the_shutdown_signal_ends_it_although_nothing_answers() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = fetch(folder.path(), &["a.bin", &sum(b"x"), "http://127.0.0.1:1/nobody"]);
    std::thread::sleep(Duration::from_millis(300));
    let began = Instant::now();
    Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(child.wait().unwrap().success());
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[test]
fn an_image_copies_its_own_files() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(from.path().join("P0S30202.bin"), IMAGE).unwrap();
    std::fs::create_dir(from.path().join("etc")).unwrap();
    let copy = |from: &Path, to: &Path| {
        Command::new(env!("CARGO_BIN_EXE_dialtone")).arg("copy").args([from, to]).output().unwrap()
    };
    assert!(copy(from.path(), to.path()).status.success());
    assert_eq!(std::fs::read(to.path().join("P0S30202.bin")).unwrap(), IMAGE);
    let itself = to.path().join("dialtone");
    assert!(copy(Path::new("/proc/self/exe"), &itself).status.success());
    assert!(Command::new(itself).arg("--version").output().unwrap().status.success(), "it runs");
    let output = copy(Path::new("/nonexistent"), to.path());
    assert!(String::from_utf8(output.stderr).unwrap().contains("cannot read /nonexistent"));
}
