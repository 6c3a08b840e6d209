//! What the running programs say of themselves, and what reads it: docs/metrics.md is made of it by `make docs`, alerts and dashboards
//! ask for nothing else, and promtool finds nothing to complain of.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Json, Response};
use regex::Regex;
use serde_json::{Value, json};

use super::reference::check;
use crate::child::Running;

const ALERTS: &str = "charts/dialtone/files/alerts.yaml";
const ALERT_TESTS: &str = "tests/monitoring/alerts_test.yaml";
const RUNBOOK: &str = "docs/alerts.md";
const REFERENCE: &str = "docs/metrics.md";
/// What stands before this is written by hand.
const MARK: &str = "## The operator\n";

/// What the programs answered who asked for their metrics.
struct Said {
    operator: String,
    operator_open: String,
    tftp: String,
}

static SAID: LazyLock<Said> = LazyLock::new(|| {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let api = runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
        address
    });
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config");
    crate::kubeconfig::write(&config, &format!("http://{api}"));
    let (http, probes) = (free(), free());
    let mut operator = dialtone();
    operator.args(["operator", "--image=x", "--leader-election=false", "--image-volumes=false", "--http"]);
    let operator = operator.arg(http.to_string()).env("KUBECONFIG", &config);
    let _operator = Running(operator.spawn().unwrap());
    let mut tftp = dialtone();
    tftp.args(["tftp", "--listen=127.0.0.1:0", "--probes", &probes.to_string(), "--root"]).arg(folder.path());
    let _tftp = Running(tftp.spawn().unwrap());
    let has_a_site = |text: &String| text.contains("dialtone_site_ready{");
    Said {
        operator: eventually(http, "*/*", has_a_site),
        operator_open: eventually(http, "application/openmetrics-text;version=1.0.0", has_a_site),
        tftp: eventually(probes, "text/plain;version=0.0.4", |text| text.contains("dialtone_tftp_files 1\n")),
    }
});

fn dialtone() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dialtone"));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// An API server that has one site and one phone, takes everything, and never has any news.
async fn answer(method: Method, uri: Uri, body: Bytes) -> Response {
    if method != Method::GET {
        let mut object: Value = serde_json::from_slice(&body).unwrap_or_default();
        object["metadata"]["resourceVersion"] = "9".into();
        object["metadata"]["uid"] = "u".into();
        return Json(object).into_response();
    }
    let meta =
        |name: &str| json!({"name": name, "namespace": "ns", "uid": name, "resourceVersion": "1", "generation": 1});
    let phone = json!({"siteRef": {"name": "hq"}, "mac": "000A8A123456", "model": "7960", "lines": [{"name": "1"}]});
    let items = match uri.path().rsplit('/').next() {
        _ if uri.query().unwrap_or_default().contains("watch=true") => {
            return Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>()).into_response();
        }
        Some("phonesites") => json!([{"metadata": meta("hq"), "spec": {}}]),
        Some("sipphones") => json!([{"metadata": meta("lobby"), "spec": phone}]),
        _ if uri.path().contains("/namespaces/") => return StatusCode::NOT_FOUND.into_response(),
        _ => json!([]),
    };
    Json(json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": items}))
        .into_response()
}

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// The metrics once they are as they should be; what they are after some time, for the message.
fn eventually(http: SocketAddr, accept: &str, right: impl Fn(&String) -> bool) -> String {
    let began = Instant::now();
    loop {
        let text = get(http, accept).unwrap_or_default();
        if right(&text) {
            return text;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{http} says {text}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn get(http: SocketAddr, accept: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(http)?;
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

/// A metric as the classic text has it.
struct Metric {
    kind: String,
    help: String,
    labels: BTreeSet<String>,
}

fn metrics(text: &str) -> BTreeMap<String, Metric> {
    let mut all: BTreeMap<String, Metric> = BTreeMap::new();
    let label = Regex::new("([a-z_]+)=\"").unwrap();
    let mut help = String::new();
    let mut name = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ').unwrap().1.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (of, kind) = rest.split_once(' ').unwrap();
            of.clone_into(&mut name);
            let metric = Metric { kind: kind.to_owned(), help: std::mem::take(&mut help), labels: BTreeSet::new() };
            assert!(all.insert(name.clone(), metric).is_none(), "{name} is there twice");
        } else {
            assert!(line.starts_with(&name), "{line} is none of {name}");
            let labels = label.captures_iter(line).map(|one| one[1].to_owned()).filter(|one| one != "le");
            all.get_mut(&name).unwrap().labels.extend(labels);
        }
    }
    all
}

#[test]
fn the_reference_names_every_metric() {
    let page = std::fs::read_to_string(REFERENCE).unwrap_or_default();
    let by_hand = page.split_once(MARK).map_or(page.as_str(), |(by_hand, _)| by_hand);
    let mut text = format!("{by_hand}{MARK}");
    for (title, said) in [("", &SAID.operator), ("\n## TFTP pods\n", &SAID.tftp)] {
        writeln!(text, "{title}\n| metric | type | labels | |\n|---|---|---|---|").unwrap();
        for (name, metric) in metrics(said) {
            let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
            let help = metric.help.replace("<error>", "`<error>`");
            writeln!(text, "| `{name}` | {} | {} | {help} |", metric.kind, labels.join(", ")).unwrap();
        }
    }
    check(REFERENCE, &text);
}

#[test]
fn who_asks_for_openmetrics_gets_them() {
    assert!(SAID.operator_open.ends_with("# EOF\n"), "{}", SAID.operator_open);
    assert!(SAID.operator_open.contains("# TYPE rest_client_requests counter\n"));
    assert!(SAID.operator.contains("# TYPE rest_client_requests_total counter\n"));
    assert!(!SAID.operator.contains("# EOF") && !SAID.tftp.contains("# EOF"));
}

/// The metrics that an expression asks for.
fn asked(expression: &str) -> BTreeSet<String> {
    let blank = |text: &str, pattern: &str| Regex::new(pattern).unwrap().replace_all(text, " ").into_owned();
    let mut text = blank(expression, "\"[^\"]*\"");
    for pattern in [r"\{[^}]*\}", r"\[[^\]]*\]", r"\b(by|on|ignoring|without|group_left|group_right)\s*\([^)]*\)"] {
        text = blank(&text, pattern);
    }
    let name = Regex::new(r"\b([a-zA-Z_:][a-zA-Z0-9_:]*)\b(\s*\()?").unwrap();
    let names = name.captures_iter(&text).filter(|one| one.get(2).is_none()).map(|one| one[1].to_owned());
    names.filter(|name| !["and", "or", "unless", "by", "on", "bool"].contains(&name.as_str())).collect()
}

#[test]
fn the_names_in_an_expression_are_found() {
    let of = |text: &str| asked(text).into_iter().collect::<Vec<_>>();
    assert_eq!(
        of("sum by (a, b) (rate(x_total{c=~\"y|z\"}[$__rate_interval])) > 0 and on (a) max(w) == 1"),
        ["w", "x_total"]
    );
    assert_eq!(of("absent(leader{name=\"dialtone\"} == 1) or vector(0)"), ["leader"]);
}

/// All expressions of alerts and dashboards, with where they stand.
fn expressions() -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = alerts()
        .iter()
        .map(|alert| (alert["alert"].as_str().unwrap().to_owned(), alert["expr"].as_str().unwrap().to_owned()))
        .collect();
    for dashboard in dashboards() {
        let title = dashboard["title"].as_str().unwrap();
        for variable in dashboard["templating"]["list"].as_array().unwrap() {
            let query = variable["query"].as_str().unwrap();
            if let Some(rest) = query.strip_prefix("label_values(") {
                all.push((format!("{title}: {}", variable["name"]), rest.rsplit_once(',').unwrap().0.to_owned()));
            }
        }
        for panel in dashboard["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().unwrap() {
                all.push((format!("{title}: {}", panel["title"]), target["expr"].as_str().unwrap().to_owned()));
            }
        }
    }
    all
}

fn alerts() -> Vec<Value> {
    let rules: Value = serde_saphyr::from_str(&std::fs::read_to_string(ALERTS).unwrap()).unwrap();
    rules["groups"][0]["rules"].as_array().unwrap().clone()
}

fn dashboards() -> Vec<Value> {
    let files = std::fs::read_dir("charts/dialtone/files/dashboards").unwrap();
    let mut all: Vec<Value> =
        files.map(|file| serde_json::from_slice(&std::fs::read(file.unwrap().path()).unwrap()).unwrap()).collect();
    all.sort_by_key(|one| one["uid"].to_string());
    all
}

#[test]
fn alerts_and_dashboards_ask_for_metrics_that_there_are_by_labels_that_they_have() {
    let mut known = metrics(&SAID.operator);
    known.extend(metrics(&SAID.tftp));
    // Whoever collects metrics adds these.
    let added = ["job", "pod", "instance", "namespace", "site", "le", "alertname"];
    let selector = Regex::new(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\{([^}]*)\}").unwrap();
    let label = Regex::new("([a-z_]+)(=|!)").unwrap();
    let base = |name: &str| {
        let ends = ["_bucket", "_sum", "_count"].into_iter();
        let base = ends.filter_map(|end| name.strip_suffix(end)).find(|base| known.contains_key(*base));
        base.unwrap_or(name).to_owned()
    };
    let all = expressions();
    assert!(all.len() > 40, "{}", all.len());
    for (place, expression) in all {
        let names = asked(&expression);
        assert!(!names.is_empty(), "{place}: {expression}");
        for name in names {
            assert!(known.contains_key(&base(&name)), "{place}: there is no {name}");
        }
        for one in selector.captures_iter(&expression) {
            let metric = &known[&base(&one[1])];
            for name in label.captures_iter(&one[2]).map(|one| one[1].to_owned()) {
                assert!(
                    metric.labels.contains(&name) || added.contains(&name.as_str()),
                    "{place}: {} has no {name}",
                    &one[1]
                );
            }
        }
    }
}

#[test]
fn dashboards_are_whole() {
    for dashboard in dashboards() {
        let title = dashboard["title"].as_str().unwrap();
        let panels = dashboard["panels"].as_array().unwrap();
        let ids: BTreeSet<i64> = panels.iter().map(|panel| panel["id"].as_i64().unwrap()).collect();
        assert_eq!(ids.len(), panels.len(), "{title}: each panel has a number of its own");
        let side = |panel: &Value, name: &str| panel["gridPos"][name].as_i64().unwrap();
        for (i, one) in panels.iter().enumerate() {
            assert!(side(one, "x") + side(one, "w") <= 24, "{title}: {}", one["title"]);
            for other in &panels[..i] {
                let apart = |from: &str, length: &str| {
                    side(one, from) >= side(other, from) + side(other, length)
                        || side(other, from) >= side(one, from) + side(one, length)
                };
                assert!(apart("x", "w") || apart("y", "h"), "{title}: {} lies on {}", one["title"], other["title"]);
            }
        }
    }
}

#[test]
fn every_alert_has_a_runbook_and_is_shown_to_fire_and_to_clear() {
    let page = std::fs::read_to_string(RUNBOOK).unwrap();
    let sections: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let tests: Value = serde_saphyr::from_str(&std::fs::read_to_string(ALERT_TESTS).unwrap()).unwrap();
    let tests: Vec<&Value> = tests["tests"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|test| test["alert_rule_test"].as_array().unwrap())
        .collect();
    let mut names = Vec::new();
    for alert in alerts() {
        let name = alert["alert"].as_str().unwrap();
        let link = format!("{RUNBOOK}#{}", name.to_lowercase());
        assert_eq!(alert["annotations"]["runbook_url"], *link, "{name}");
        assert!(sections.contains(&name), "{RUNBOOK} has no section {name}");
        assert!(["critical", "warning"].contains(&alert["labels"]["severity"].as_str().unwrap()), "{name}");
        for (fires, what) in [(true, "fires"), (false, "does not fire")] {
            let has = |test: &&&Value| {
                test["alertname"] == name && test["exp_alerts"].as_array().unwrap().is_empty() != fires
            };
            assert!(tests.iter().any(|test| has(&test)), "{ALERT_TESTS} does not show that {name} {what}");
        }
        names.push(name.to_owned());
    }
    assert_eq!(sections, names, "{RUNBOOK} has the alerts in their order, and nothing else");
}

/// Where promtool is; `hack/promtool.sh` sees to that.
fn promtool() -> Option<PathBuf> {
    let unpacked = PathBuf::from("target/tools/prometheus/usr/bin/promtool");
    let mut places = [PathBuf::from("promtool"), unpacked].into_iter();
    let found = places.find(|tool| Command::new(tool).arg("--version").output().is_ok());
    if found.is_none() {
        println!("skipped: there is no promtool; hack/promtool.sh fetches it, or says why not");
    }
    found
}

#[test]
fn promtool_finds_that_alerts_fire_and_clear() {
    let Some(promtool) = promtool() else { return };
    for args in [["check", "rules", ALERTS], ["test", "rules", ALERT_TESTS]] {
        let output = Command::new(&promtool).args(args).output().unwrap();
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
        assert!(output.status.success(), "promtool {}: {said}", args.join(" "));
    }
}

#[test]
fn promtool_has_nothing_against_what_the_programs_say() {
    let Some(promtool) = promtool() else { return };
    for text in [&SAID.operator, &SAID.tftp] {
        let mut child = Command::new(&promtool)
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
        assert!(output.status.success() && said.is_empty(), "{said}\n{text}");
    }
}
