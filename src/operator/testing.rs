//! What the tests of several modules use: a context without a cluster or with a fake API server, and captured logs.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Json, Response};
use serde_json::{Value, json};

use super::context::Context;
use super::options::Options;
use super::supervisor::{Supervisor, Tasks};

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
        http: ([127, 0, 0, 1], 0).into(),
    }
}

/// A context whose API server does not exist.
pub(super) fn context(tasks: Tasks) -> Arc<Context> {
    context_at("http://127.0.0.1:1", tasks)
}

fn context_at(url: &str, tasks: Tasks) -> Arc<Context> {
    let config = kube::Config::new(url.parse().unwrap());
    Arc::new(Context::new(kube::Client::try_from(config).unwrap(), options(), tasks))
}

/// An API server that holds nothing, takes everything, and remembers the requests that would change something.
pub(super) struct FakeApi {
    writes: Arc<Mutex<Vec<String>>>,
}

impl FakeApi {
    /// Starts one, with a context that talks to it.
    pub(super) async fn start(tasks: Tasks) -> (FakeApi, Arc<Context>) {
        let writes = Arc::new(Mutex::new(Vec::new()));
        let routes = Router::new().fallback(answer).with_state(writes.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (FakeApi { writes }, context_at(&format!("http://{address}"), tasks))
    }

    /// The requests since the last call, each as its method, and the kind's plural and name at the end of its path.
    pub(super) fn writes(&self) -> Vec<String> {
        std::mem::take(&mut self.writes.lock().unwrap())
    }
}

async fn answer(State(writes): State<Arc<Mutex<Vec<String>>>>, method: Method, uri: Uri, body: Bytes) -> Response {
    let missing = || {
        let status =
            json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404});
        (StatusCode::NOT_FOUND, Json(status)).into_response()
    };
    if method == Method::GET {
        return missing();
    }
    let mut path: Vec<&str> = uri.path().rsplit('/').take(2).collect();
    path.reverse();
    let mut writes = writes.lock().unwrap();
    writes.push(format!("{method} {}", path.join("/")));
    let mut object: Value = serde_json::from_slice(&body).unwrap_or_default();
    if method == Method::DELETE {
        return Json(json!({"kind": "Status", "apiVersion": "v1", "status": "Success"})).into_response();
    }
    object["metadata"]["resourceVersion"] = (1000 + writes.len()).to_string().into();
    object["metadata"]["uid"] = format!("uid-of-{}", path.join("-")).into();
    Json(object).into_response()
}

/// The logs of a test, which must run in one thread.
pub(super) struct Logs {
    text: Arc<Mutex<Vec<u8>>>,
    _subscriber: tracing::subscriber::DefaultGuard,
}

impl Logs {
    /// Captures what this thread logs from now on.
    pub(super) fn capture() -> Logs {
        let text = Arc::new(Mutex::new(Vec::new()));
        let writer = Lines(text.clone());
        let log = tracing_subscriber::fmt().with_max_level(tracing::Level::INFO).with_ansi(false);
        let subscriber = log.with_writer(move || writer.clone()).finish();
        Logs { text, _subscriber: tracing::subscriber::set_default(subscriber) }
    }

    /// The lines so far.
    pub(super) fn lines(&self) -> Vec<String> {
        String::from_utf8(self.text.lock().unwrap().clone()).unwrap().lines().map(str::to_owned).collect()
    }
}

#[derive(Clone)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
