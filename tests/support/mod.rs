//! What the tests against a cluster share: kubectl as people use it, and patience.
#![allow(dead_code)] // Each test uses its own part.

use std::fmt::Display;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Runs kubectl; its output.
pub fn kubectl(args: &[&str], stdin: Option<&str>) -> Output {
    assert!(
        std::env::var_os("KUBECONFIG").is_some(),
        "KUBECONFIG is not set: run `make cluster`, which starts a cluster"
    );
    let mut command = Command::new("kubectl");
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("kubectl must be in PATH; `make cluster` puts it there");
    child.stdin.take().unwrap().write_all(stdin.unwrap_or_default().as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// Runs kubectl, which must succeed; its stdout.
pub fn kube(args: &[&str]) -> String {
    let output = kubectl(args, None);
    assert!(output.status.success(), "kubectl {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Applies manifests in a namespace; they must be fine, and draw no warning.
pub fn apply(namespace: &str, manifests: &str) {
    let output = kubectl(&["apply", "-n", namespace, "--warnings-as-errors", "-f", "-"], Some(manifests));
    assert!(output.status.success(), "{}\n{manifests}", String::from_utf8_lossy(&output.stderr));
}

/// An object as JSON; null if it is not there.
pub fn get(namespace: &str, what: &[&str]) -> Value {
    let args = [&["get", "-n", namespace, "-o", "json", "--ignore-not-found"], what].concat();
    let text = kube(&args);
    if text.trim().is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() }
}

/// Waits until the API server serves the kinds.
pub fn wait_for_definitions() {
    let definitions = ["crd/phonesites.dialtone.dev", "crd/sipphones.dialtone.dev"];
    kube(&[&["wait", "--for=condition=Established", "--timeout=30s"], &definitions[..]].concat());
}

/// The API server's own log.
pub fn audit_log() -> PathBuf {
    Path::new(&std::env::var_os("KUBECONFIG").expect("make cluster sets it")).with_file_name("audit.log")
}

/// What the API server has logged from a place in its log on: all writes, and whatever an operator of the chart asked.
pub fn asked(from: u64) -> Vec<Value> {
    let mut file = File::open(audit_log()).unwrap();
    file.seek(SeekFrom::Start(from)).unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    // Its last line may be half written.
    let text = String::from_utf8_lossy(&bytes);
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The writes among it, but for those of Leases, which are renewed all the time.
pub fn audited(from: u64) -> Vec<Value> {
    let mut events = asked(from);
    events.retain(|event| {
        !matches!(event["verb"].as_str(), Some("get" | "list" | "watch")) && event["objectRef"]["resource"] != "leases"
    });
    events
}

/// A part of what a logged write was about, such as its `name`.
pub fn part(event: &Value, field: &str) -> String {
    event["objectRef"][field].as_str().unwrap_or_default().to_owned()
}

/// The status of a condition, with its reason.
pub fn condition(object: &Value, kind: &str) -> (String, String) {
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.iter().find(|c| c["type"] == kind).cloned().unwrap_or_default();
    let text = |field: &str| found[field].as_str().unwrap_or("absent").to_owned();
    (text("status"), text("reason"))
}

/// Asks until the answer is right; how long it took.
pub fn wait_for<T>(what: &str, seconds: u64, mut ask: impl FnMut() -> Option<T>) -> (T, Duration) {
    wait_until(what, seconds, || ask().ok_or(""))
}

/// Asks until the answer is right; what stands in the way is told if it never is.
pub fn wait_until<T, E: Display>(what: &str, seconds: u64, mut ask: impl FnMut() -> Result<T, E>) -> (T, Duration) {
    let began = Instant::now();
    loop {
        match ask() {
            Ok(answer) => return (answer, began.elapsed()),
            Err(why) => {
                let passed = began.elapsed();
                assert!(passed < Duration::from_secs(seconds), "gave up after {seconds} s waiting for {what}: {why}");
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Whatever stops a test, a run's log shows what a person would look at next.
pub fn explain_panics() {
    let before = std::panic::take_hook();
    let told = AtomicBool::new(false);
    std::panic::set_hook(Box::new(move |info| {
        before(info);
        // Only once: a panic while it is told would tell it again.
        if !told.swap(true, Ordering::AcqRel) {
            tell_what_there_is();
        }
    }));
}

/// Objects, what happened to them, and the last words of every program.
fn tell_what_there_is() {
    let conditions = "jsonpath={range .items[*]}{.kind} {.metadata.name}:{range .status.conditions[*]} {.type}={.status} \
                      {.reason} {.message};{end}{'\\n'}{end}";
    for args in [
        &["get", "nodes,phonesites,sipphones,deployments,services,pods", "-A", "-o", "wide"] as &[&str],
        &["get", "nodes,phonesites,sipphones,pods", "-A", "-o", conditions],
        &["describe", "pods", "-n", "dialtone"],
        &["get", "events", "-A", "--sort-by=.metadata.creationTimestamp"],
        &["logs", "-n", "dialtone", "-l", "app.kubernetes.io/name=dialtone-operator", "--prefix", "--tail=60"],
        &["logs", "-n", "dialtone", "-l", "app.kubernetes.io/name=dialtone-operator", "--prefix", "--tail=60", "-p"],
        &["logs", "-n", "phones", "-l", "dialtone.dev/site", "--all-containers", "--prefix", "--tail=10"],
    ] {
        let output = kubectl(&[args, &["--request-timeout=10s"]].concat(), None);
        let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        eprintln!("\n== kubectl {}\n{}{error}", args.join(" "), last_lines(&out, 120));
    }
    let logs = std::env::var_os("KUBECONFIG").map(|file| Path::new(&file).with_file_name("log"));
    for entry in logs.into_iter().filter_map(|folder| folder.read_dir().ok()).flatten().flatten() {
        let text = std::fs::read(entry.path()).unwrap_or_default();
        eprintln!("\n== {}\n{}", entry.path().display(), last_lines(&String::from_utf8_lossy(&text), 25));
    }
}

fn last_lines(text: &str, most: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(most)..].iter().map(|line| format!("{line}\n")).collect()
}
