//! An operator as a process, outside the cluster, that sees the API server through a proxy; and what there is at the end.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Handle;

use super::proxy::Proxy;
use super::support::{audit_log, audited, get, kube, kubectl, part, wait_for, wait_for_definitions};

/// Who operators are to the API server: the ServiceAccounts of two installations of the chart, with their rights and no others. The
/// first looks after all namespaces, the other after some.
const ALL: &str = "system:serviceaccount:dialtone:dialtone";
const SOME: &str = "system:serviceaccount:dialtone:tenant";

/// The definitions, and the rights that the chart gives an operator of all namespaces.
pub fn install() {
    kube(&["apply", "--server-side", "--force-conflicts", "-f", "crds/dialtone.dev.yaml"]);
    wait_for_definitions();
    create_namespace("dialtone");
    give_rights("dialtone", &[]);
}

/// What the chart says of rights.
fn give_rights(release: &str, more: &[&str]) {
    let template = ["template", release, "charts/dialtone", "-n", "dialtone", "-s", "templates/rbac.yaml"];
    let chart = Command::new("helm").args(template).args(more).output().expect("helm must be in PATH");
    assert!(chart.status.success(), "{}", String::from_utf8_lossy(&chart.stderr));
    let output = kubectl(&["apply", "-f", "-"], Some(&String::from_utf8(chart.stdout).unwrap()));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A namespace that an operator for it alone may look after.
pub fn make_namespace(name: &str) {
    create_namespace(name);
    give_rights("tenant", &["--set", &format!("watchNamespaces={{{name}}}")]);
}

pub fn create_namespace(name: &str) {
    let output = kubectl(&["create", "namespace", name], None);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() || said.contains("AlreadyExists"), "{said}");
}

/// An API server's client, as its administrator.
pub fn admin(runtime: &Handle, kubeconfig: &Path) -> kube::Client {
    runtime.block_on(async {
        let file = Kubeconfig::read_from(kubeconfig).unwrap();
        let mut config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap();
        config.default_retry = false;
        config.read_timeout = None;
        kube::Client::try_from(config).unwrap()
    })
}

/// The cluster's own kubeconfig.
pub fn kubeconfig() -> PathBuf {
    std::env::var_os("KUBECONFIG").expect("make cluster sets it").into()
}

/// What an operator is started with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The name of its process, which a new one goes on with.
    pub process: String,
    /// The namespace that it says it runs in.
    pub installation: String,
    /// The namespaces that it looks after; all if there is none.
    pub namespaces: Vec<String>,
    pub image: String,
}

impl Setup {
    pub fn of(namespaces: &[&str]) -> Setup {
        Setup {
            process: "operator-0".to_owned(),
            installation: "dialtone".to_owned(),
            namespaces: namespaces.iter().map(ToString::to_string).collect(),
            image: "dialtone:test".to_owned(),
        }
    }
}

/// An operator and the proxy that it talks to.
pub struct Operator {
    pub proxy: Proxy,
    pub setup: Setup,
    http: SocketAddr,
    folder: TempDir,
    child: Arc<Mutex<Option<Child>>>,
}

impl Operator {
    /// Starts one.
    pub fn start(runtime: &Handle, setup: Setup) -> Operator {
        Operator::start_at(runtime, setup, &kubeconfig())
    }

    /// Starts one that talks to another API server, but for its Lease.
    pub fn start_at(runtime: &Handle, setup: Setup, server: &Path) -> Operator {
        let user = if setup.namespaces.is_empty() { ALL } else { SOME };
        let (client, leases) = (admin(runtime, server), admin(runtime, &kubeconfig()));
        let proxy = runtime.block_on(Proxy::start(client, leases, user));
        let folder = tempfile::tempdir().unwrap();
        let operator = Operator { proxy, setup, http: free(), folder, child: Arc::default() };
        let child = operator.child.clone();
        operator.proxy.on_kill(move || kill(&child));
        operator.start_again();
        operator
    }

    /// Starts it anew, after it was killed or has ended.
    pub fn start_again(&self) {
        let config = self.folder.path().join("kubeconfig");
        let text = format!(
            "{{apiVersion: v1, kind: Config, current-context: x, contexts: [{{name: x, context: {{cluster: x, user: x}}}}], \
             clusters: [{{name: x, cluster: {{server: \"{}\"}}}}], users: [{{name: x, user: {{token: x}}}}]}}",
            self.proxy.url()
        );
        std::fs::write(&config, text).unwrap();
        let log = File::options().create(true).append(true).open(self.log_file()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_dialtone"));
        command.args(["operator", "--image", &self.setup.image, "--http", &self.http.to_string()]);
        if !self.setup.namespaces.is_empty() {
            command.args(["--namespaces", &self.setup.namespaces.join(",")]);
        }
        command.env("KUBECONFIG", &config).env("POD_NAMESPACE", &self.setup.installation);
        command.env("POD_NAME", &self.setup.process).env("RUST_LOG", "info");
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        *self.child.lock().unwrap() = Some(child);
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// What it said so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    pub fn kill(&self) {
        kill(&self.child);
    }

    /// Tells it to end, and waits until it has.
    pub fn stop(&self) {
        let Some(mut child) = self.child.lock().unwrap().take() else { return };
        Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
        let began = Instant::now();
        while child.try_wait().unwrap().is_none() {
            assert!(began.elapsed() < Duration::from_secs(8), "it does not end when it is told to: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether it runs. One that has ended is forgotten.
    pub fn runs(&self) -> bool {
        let mut child = self.child.lock().unwrap();
        if child.as_mut().is_some_and(|child| child.try_wait().unwrap().is_some()) {
            *child = None;
        }
        child.is_some()
    }

    /// Starts it again if it has ended, as a kubelet does.
    pub fn keep_alive(&self) {
        if !self.runs() {
            self.start_again();
        }
    }

    /// What `/readyz` answers: status and text.
    pub fn ready(&self) -> (u16, String) {
        let config =
            ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(2)));
        let agent: ureq::Agent = config.build().into();
        match agent.get(format!("http://{}/readyz", self.http)).call() {
            Ok(mut answer) => (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap_or_default()),
            Err(_) => (0, String::new()),
        }
    }

    pub fn leads(&self) -> bool {
        self.ready() == (200, "ok\n".to_owned())
    }

    /// Waits until it leads and has not written for a moment. It is started again if it ends meanwhile.
    pub fn settle(&self) {
        let (mut writes, mut since) = (self.proxy.writes(), Instant::now());
        wait_for("the operator to have nothing to write", 60, || {
            self.keep_alive();
            let now = self.proxy.writes();
            if now != writes || !self.leads() {
                (writes, since) = (now, Instant::now());
            }
            (since.elapsed() > QUIET).then_some(())
        });
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        // Told to end, it releases its Lease; others then need not wait for that.
        if let Some(child) = &*self.child.lock().unwrap() {
            let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
        }
        let began = Instant::now();
        while self.runs() && began.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(20));
        }
        kill(&self.child);
        if std::thread::panicking() {
            let text = self.log();
            let lines: Vec<&str> = text.lines().collect();
            eprintln!("== the operator's last words\n{}", lines[lines.len().saturating_sub(30)..].join("\n"));
        }
    }
}

/// Longer than the longest pause between what belongs together: statuses wait 1.5 s for their files.
const QUIET: Duration = Duration::from_millis(2200);

fn kill(child: &Mutex<Option<Child>>) {
    if let Some(mut child) = child.lock().unwrap().take() {
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

const KINDS: &str = "configmaps,secrets,services,serviceaccounts,deployments,networkpolicies,phonesites,sipphones";

/// Everything in a namespace as it is, without what differs from run to run: times, versions, addresses, random tokens. Hashes that
/// are keyed have a name each instead.
pub fn state(namespace: &str) -> BTreeMap<String, Value> {
    state_of(get(namespace, &[KINDS])["items"].as_array().cloned().unwrap_or_default(), namespace)
}

/// The same, of objects that were read already.
pub fn state_of(objects: Vec<Value>, namespace: &str) -> BTreeMap<String, Value> {
    let mut hashes = BTreeMap::new();
    let objects = objects.into_iter().filter(|object| {
        let name = object["metadata"]["name"].as_str().unwrap();
        !matches!(name, "kube-root-ca.crt" | "default") && object["metadata"]["deletionTimestamp"].is_null()
    });
    let mut sorted: BTreeMap<String, Value> = objects
        .map(|object| {
            (format!("{} {}", object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap()), object)
        })
        .collect();
    for (name, object) in &mut sorted {
        if name.ends_with("-token") {
            object["data"] = "masked".into();
        }
        // That of a Deployment or a Service others write.
        if object["apiVersion"] != "dialtone.dev/v1alpha1" {
            object.as_object_mut().unwrap().remove("status");
        }
        mask(object, namespace, &mut hashes);
    }
    sorted
}

const MASKED: &[&str] = &[
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "managedFields",
    "generation",
    "observedGeneration",
    "lastTransitionTime",
    "since",
    "clusterIP",
    "clusterIPs",
    "nodePort",
    "deployment.kubernetes.io/revision",
    "selfLink",
    "lastUpdateTime",
    "replicas",
    "unavailableReplicas",
    "updatedReplicas",
    "terminatingReplicas",
    "kubectl.kubernetes.io/last-applied-configuration",
    "healthCheckNodePort",
    "dialtone.dev/applied",
    "observed",
];

fn mask(value: &mut Value, namespace: &str, hashes: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => {
            for name in MASKED {
                fields.remove(*name);
            }
            fields.values_mut().for_each(|value| mask(value, namespace, hashes));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| mask(value, namespace, hashes)),
        Value::String(text) => {
            *text = text.replace(namespace, "NAMESPACE");
            let is_hash = text.strip_prefix("sha256:").unwrap_or(text);
            if is_hash.len() == 64 && is_hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                let next = format!("hash {}", hashes.len());
                *text = hashes.entry(text.clone()).or_insert(next).clone();
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// How two states differ; nothing if they do not.
pub fn difference(expected: &BTreeMap<String, Value>, found: &BTreeMap<String, Value>) -> Vec<String> {
    let mut all = Vec::new();
    for name in expected.keys().chain(found.keys().filter(|name| !expected.contains_key(*name))) {
        match (expected.get(name), found.get(name)) {
            (Some(a), Some(b)) if a == b => {}
            (Some(a), Some(b)) => differ(name, a, b, &mut all),
            (Some(_), None) => all.push(format!("{name} is missing")),
            (None, _) => all.push(format!("{name} should not be there")),
        }
    }
    all
}

fn differ(place: &str, a: &Value, b: &Value, all: &mut Vec<String>) {
    match (a, b) {
        (Value::Object(x), Value::Object(y)) => {
            for key in x.keys().chain(y.keys().filter(|key| !x.contains_key(*key))) {
                let (left, right) = (x.get(key).unwrap_or(&Value::Null), y.get(key).unwrap_or(&Value::Null));
                if left != right {
                    differ(&format!("{place}.{key}"), left, right, all);
                }
            }
        }
        (Value::String(x), Value::String(y)) if x.contains('\n') && y.contains('\n') => {
            let only = |x: &str, y: &str| -> String { x.lines().filter(|line| !y.contains(line)).collect() };
            all.push(format!("{place}: expected {:?}, found {:?}", only(x, y), only(y, x)));
        }
        (Value::Array(x), Value::Array(y)) if x.len() == y.len() => {
            let pairs = x.iter().zip(y).enumerate().filter(|(_, (left, right))| left != right);
            pairs.for_each(|(i, (left, right))| differ(&format!("{place}[{i}]"), left, right, all));
        }
        _ => all.push(format!("{place}: expected {a}, found {b}")),
    }
}

/// The writes of operators that the API server has logged since this began.
pub struct Audit(u64);

impl Audit {
    pub fn begin() -> Audit {
        Audit(audit_log().metadata().unwrap().len())
    }

    /// What was written since, in a namespace or in all: verb, resource, name. Events are about writes and no part of a state.
    pub fn writes(&self, namespace: Option<&str>) -> Vec<String> {
        let by_operators = audited(self.0).into_iter().filter(|event| {
            matches!(event["impersonatedUser"]["username"].as_str(), Some(ALL | SOME))
                && event["objectRef"]["resource"] != "events"
                && namespace.is_none_or(|namespace| event["objectRef"]["namespace"] == namespace)
        });
        by_operators
            .map(|event| {
                let [resource, subresource, name] =
                    ["resource", "subresource", "name"].map(|field| part(&event, field));
                format!("{} {resource}/{subresource} {name}", event["verb"].as_str().unwrap())
            })
            .collect()
    }
}
