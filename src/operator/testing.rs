//! What the tests of several modules use: a context without a cluster or with a fake API server, and captured logs.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Json, Response};
use serde_json::{Value, json};

use super::context::Context;
use super::leadership::Standing;
use super::metrics::{Now, work_name};
use super::options::Options;
use super::policy::{POD_PREFIXES, Policy, SERVICE_PREFIXES};
use super::supervisor::{Supervisor, Tasks};
use crate::provision::{Fleet, Key, Meta};

/// The end of a task that should run as long as the process, with its causes; it comes soon, or the test fails.
pub(super) async fn first_end(supervisor: &mut Supervisor) -> String {
    let end = tokio::time::timeout(Duration::from_secs(10), supervisor.first_end()).await;
    format!("{:#}", end.expect("a task has ended"))
}

/// What a test's command line says.
pub(super) fn options() -> Options {
    Options {
        image: "dialtone:test".into(),
        image_pull_policy: None,
        image_pull_secrets: Vec::new(),
        namespaces: Vec::new(),
        own_namespace: Some("dialtone".into()),
        image_volumes: true.into(),
        max_sites_updating: 1,
        policy: Policy {
            service_annotations: SERVICE_PREFIXES.split(',').map(str::to_owned).collect(),
            pod_metadata: POD_PREFIXES.split(',').map(str::to_owned).collect(),
            ..Policy::default()
        },
        election: None,
        http: ([127, 0, 0, 1], 0).into(),
    }
}

/// A context whose API server does not exist.
pub(super) fn context(tasks: Tasks) -> Arc<Context> {
    context_at("http://127.0.0.1:1", tasks)
}

/// A context whose process leads.
fn leading(context: Context) -> Arc<Context> {
    context.leadership.set(Standing::Leads(None));
    Arc::new(context)
}

fn context_at(url: &str, tasks: Tasks) -> Arc<Context> {
    let config = kube::Config::new(url.parse().unwrap());
    leading(Context::new(kube::Client::try_from(config).unwrap(), options(), tasks))
}

/// The metrics as they are now, at a process that leads.
pub(super) fn metrics_text(ctx: &Context) -> String {
    let (phones, sites) = ctx.read(|fleet| (fleet.phones().count(), fleet.figures()));
    let (queue, updates) = (ctx.queue.standing(work_name), ctx.updates.counts());
    ctx.metrics.text(&Now { leads: true, queue, phones, sites, updates }).unwrap()
}

/// The metadata of an object of a test.
pub(super) fn meta(name: &str) -> Meta {
    Meta { key: Key::new("ns", name), generation: Some(1), created: 0, version: 1, resync_at: None }
}

/// The site `hq`, and its phone `p` with the MAC address 000A8A123456.
pub(super) fn apply_site_and_phone(fleet: &mut Fleet, site: Value) {
    fleet.apply_site(meta("hq"), serde_json::from_value(site).unwrap(), Default::default());
    let phone = json!({"siteRef": {"name": "hq"}, "mac": "000A8A123456", "model": "7960", "lines": [{"name": "1"}]});
    fleet.apply_phone(meta("p"), serde_json::from_value(phone).unwrap(), Default::default());
}

/// An API server that holds what it is told to, takes everything, and remembers the requests that would change something.
pub(super) struct FakeApi {
    log: Arc<Mutex<Log>>,
}

/// What a fake API server was asked.
#[derive(Default)]
struct Log {
    writes: Vec<String>,
    requests: Vec<String>,
    held: BTreeMap<String, Value>,
}

impl FakeApi {
    /// Starts one, with a context that talks to it.
    pub(super) async fn start(tasks: Tasks) -> (FakeApi, Arc<Context>) {
        let log = Arc::new(Mutex::new(Log::default()));
        let routes = Router::new().fallback(answer).with_state(log.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (FakeApi { log }, context_at(&format!("http://{address}"), tasks))
    }

    /// The same, with an operator that demands consent.
    pub(super) async fn demanding_consent(tasks: Tasks) -> (FakeApi, Arc<Context>) {
        FakeApi::with_policy(tasks, Policy { demand_consent: true, ..options().policy }).await
    }

    /// The same, with an operator of another policy.
    pub(super) async fn with_policy(tasks: Tasks, policy: Policy) -> (FakeApi, Arc<Context>) {
        let (api, ctx) = FakeApi::start(tasks.clone()).await;
        let client = ctx.cluster.client().clone();
        (api, leading(Context::new(client, Options { policy, ..options() }, tasks)))
    }

    /// It holds an object from now on, by the kind's plural and name.
    pub(super) fn hold(&self, object: &str, value: Value) {
        self.log.lock().unwrap().held.insert(object.to_owned(), value);
    }

    /// The requests since the last call, each as its method, and the kind's plural and name at the end of its path.
    pub(super) fn writes(&self) -> Vec<String> {
        std::mem::take(&mut self.log.lock().unwrap().writes)
    }

    /// All requests so far, each as its method and path.
    pub(super) fn requests(&self) -> Vec<String> {
        self.log.lock().unwrap().requests.clone()
    }
}

async fn answer(State(log): State<Arc<Mutex<Log>>>, method: Method, uri: Uri, body: Bytes) -> Response {
    let missing = || {
        let status =
            json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404});
        (StatusCode::NOT_FOUND, Json(status)).into_response()
    };
    log.lock().unwrap().requests.push(format!("{method} {uri}"));
    let mut path: Vec<&str> = uri.path().rsplit('/').take(2).collect();
    path.reverse();
    if method == Method::GET {
        let held = log.lock().unwrap().held.get(&path.join("/")).cloned();
        return held.map_or_else(missing, |object| Json(object).into_response());
    }
    let log = &mut *log.lock().unwrap();
    let version = 1000 + 10 * log.requests.len();
    log.writes.push(format!("{method} {}", path.join("/")));
    let mut object: Value = serde_json::from_slice(&body).unwrap_or_default();
    if method == Method::DELETE {
        return Json(json!({"kind": "Status", "apiVersion": "v1", "status": "Success"})).into_response();
    }
    object["metadata"]["resourceVersion"] = version.to_string().into();
    object["metadata"]["uid"] = format!("uid-of-{}", path.join("-")).into();
    Json(object).into_response()
}

thread_local! {
    /// What the logs of this thread are written to, while a test captures them.
    static CAPTURED: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// The logs of a test, which must run in one thread.
pub(super) struct Logs(());

impl Logs {
    /// Captures what this thread logs from now on. All threads have the one subscriber: with one for each, a span that another
    /// thread enters first, without a subscriber, would be off for this one too.
    pub(super) fn capture() -> Logs {
        static SUBSCRIBER: Once = Once::new();
        SUBSCRIBER.call_once(|| {
            let log = tracing_subscriber::fmt().with_max_level(tracing::Level::INFO).with_ansi(false);
            log.with_writer(|| ThisThread).init();
        });
        CAPTURED.set(Some(Vec::new()));
        Logs(())
    }

    /// The lines so far.
    pub(super) fn lines(&self) -> Vec<String> {
        let text = CAPTURED.with_borrow(|text| text.clone().unwrap_or_default());
        String::from_utf8(text).unwrap().lines().map(str::to_owned).collect()
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        CAPTURED.set(None);
    }
}

/// Writes to what this thread captures, or nowhere.
struct ThisThread;

impl Write for ThisThread {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        CAPTURED.with_borrow_mut(|text| text.as_mut().map_or(Ok(bytes.len()), |text| text.write(bytes)))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
