//! An operator as a process, outside the cluster, with the rights of the chart, that sees the API server through a proxy.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Handle;

use super::proxy::Proxy;
use super::support::{asked, audit_log, audited, kube, kubectl, part, wait_for, wait_for_definitions};

/// Who operators are to the API server: the ServiceAccounts of two installations of the chart, with their rights and no others. The
/// first looks after all namespaces, the other after some.
pub const ALL: &str = "system:serviceaccount:dialtone:dialtone";
pub const SOME: &str = "system:serviceaccount:dialtone:tenant";

/// Where the API server's log was when this run began.
static BEGIN: OnceLock<u64> = OnceLock::new();

/// The definitions, and the rights that the chart gives an operator of all namespaces.
pub fn install() {
    BEGIN.get_or_init(|| Audit::begin().0);
    kube(&["apply", "--server-side", "--force-conflicts", "-f", "crds/dialtone.dev.yaml"]);
    wait_for_definitions();
    create_namespace("dialtone");
    give_rights_for_all(false);
}

/// What the chart says of rights: for all namespaces or some, and whether consent is demanded.
pub fn rights(namespaces: &[&str], demands_consent: bool) -> String {
    let release = if namespaces.is_empty() { "dialtone" } else { "tenant" };
    let template = ["template", release, "charts/dialtone", "-n", "dialtone", "-s", "templates/rbac.yaml"];
    let values = [
        format!("--set-json=watchNamespaces={}", serde_json::json!(namespaces)),
        format!("--set=sites.demandConsent={demands_consent}"),
    ];
    let chart = Command::new("helm").args(template).args(values).output().expect("helm must be in PATH");
    assert!(chart.status.success(), "{}", String::from_utf8_lossy(&chart.stderr));
    String::from_utf8(chart.stdout).unwrap()
}

/// Gives rights; the API server takes a moment until they hold.
fn give_rights(rights: &str, account: &str, asked: &[&[&str]]) {
    let output = kubectl(&["apply", "-f", "-"], Some(rights));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let account = format!("--as={account}");
    for right in asked {
        let ask = [&["auth", "can-i", &*account], *right].concat();
        wait_for("rights to hold", 20, || kubectl(&ask, None).status.success().then_some(()));
    }
}

/// The rights of an operator of all namespaces.
pub fn give_rights_for_all(demands_consent: bool) {
    let lease = ["get", "lease/dialtone-cluster", "-n", "kube-system"];
    give_rights(&rights(&[], demands_consent), ALL, &[&["list", "phonesites", "-A"], &lease]);
}

/// A namespace that an operator for it alone may look after.
pub fn make_namespace(name: &str) {
    create_namespace(name);
    give_rights_in(name, false);
}

/// The rights of an operator of this namespace.
pub fn give_rights_in(namespace: &str, demands_consent: bool) {
    give_rights(&rights(&[namespace], demands_consent), SOME, &[&["list", "phonesites", "-n", namespace]]);
}

pub fn create_namespace(name: &str) {
    let output = kubectl(&["create", "namespace", name], None);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() || said.contains("AlreadyExists"), "{said}");
}

/// An API server's client, as its administrator.
pub fn admin(runtime: &Handle, kubeconfig: &Path) -> kube::Client {
    client(runtime, kubeconfig, None)
}

/// The same, as whoever a token is of.
fn client(runtime: &Handle, kubeconfig: &Path, token: Option<&str>) -> kube::Client {
    runtime.block_on(async {
        let file = Kubeconfig::read_from(kubeconfig).unwrap();
        let mut config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap();
        if let Some(token) = token {
            config.auth_info = AuthInfo { token: Some(token.into()), ..AuthInfo::default() };
        }
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
    /// Whether it serves only what has the label for it.
    pub demands_consent: bool,
}

impl Setup {
    pub fn of(namespaces: &[&str]) -> Setup {
        Setup {
            process: "operator-0".to_owned(),
            installation: "dialtone".to_owned(),
            namespaces: namespaces.iter().map(ToString::to_string).collect(),
            image: "dialtone:test".to_owned(),
            demands_consent: false,
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
        let account = if setup.namespaces.is_empty() { ALL } else { SOME };
        let account = account.rsplit_once(':').unwrap().1;
        let token = kube(&["create", "token", account, "-n", "dialtone", "--duration=24h"]);
        let as_account = |server: &Path| client(runtime, server, Some(token.trim()));
        let proxy = runtime.block_on(Proxy::start(as_account(server), as_account(&kubeconfig())));
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
        crate::kubeconfig::write(&config, &self.proxy.url());
        let log = File::options().create(true).append(true).open(self.log_file()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_dialtone"));
        command.args(["operator", "--image", &self.setup.image, "--http", &self.http.to_string()]);
        // No pod ever serves here: the update of one site would never be over, and the next never begin.
        command.args(["--max-sites-updating", "1000"]);
        if !self.setup.namespaces.is_empty() {
            command.args(["--namespaces", &self.setup.namespaces.join(",")]);
        }
        if self.setup.demands_consent {
            command.arg("--demand-consent");
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

/// The writes of operators that the API server has logged since this began.
pub struct Audit(u64);

impl Audit {
    pub fn begin() -> Audit {
        Audit(audit_log().metadata().unwrap().len())
    }

    /// All that operators asked since this run began, and all that anybody wrote.
    pub fn run() -> Vec<Value> {
        asked(*BEGIN.get().expect("install was called first"))
    }

    /// What was written since, in a namespace or in all: verb, resource, name. Events are about writes and no part of a state.
    pub fn writes(&self, namespace: Option<&str>) -> Vec<String> {
        let by_operators = audited(self.0).into_iter().filter(|event| {
            matches!(event["user"]["username"].as_str(), Some(ALL | SOME))
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
