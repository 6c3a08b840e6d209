//! What the tests against a cluster share: kubectl as people use it, and patience.
#![allow(dead_code)] // Each test uses its own part.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};
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

/// The status of a condition, with its reason.
pub fn condition(object: &Value, kind: &str) -> (String, String) {
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.iter().find(|c| c["type"] == kind).cloned().unwrap_or_default();
    let text = |field: &str| found[field].as_str().unwrap_or("absent").to_owned();
    (text("status"), text("reason"))
}

/// Asks until the answer is right; how long it took.
pub fn wait_for<T>(what: &str, seconds: u64, mut ask: impl FnMut() -> Option<T>) -> (T, Duration) {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return (answer, began.elapsed());
        }
        if began.elapsed() >= Duration::from_secs(seconds) {
            tell_what_there_is();
            panic!("gave up after {seconds} s waiting for {what}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What a person would look at next, for the log of a run that failed.
fn tell_what_there_is() {
    for args in [
        &["get", "phonesites,pods", "-A", "-o", "wide"] as &[&str],
        &[
            "get",
            "phonesites",
            "-A",
            "-o",
            "jsonpath={range .items[*].status.conditions[*]}{.type}: {.reason}: {.message}{'\\n'}{end}",
        ],
        &["logs", "-n", "dialtone", "deployment/dialtone", "--tail=40"],
        &["logs", "-n", "phones", "-l", "dialtone.dev/site=hq", "--prefix", "--tail=10"],
    ] {
        let output = kubectl(args, None);
        eprintln!("kubectl {}\n{}", args.join(" "), String::from_utf8_lossy(&output.stdout));
    }
}
