//! The API server, asked without kubectl: that takes a processor for a tenth of a second each time, too much for what many ask again and
//! again.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use axum::http::{Method, Request};
use kube::Client;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

static API: LazyLock<(Runtime, Client)> = LazyLock::new(|| {
    let runtime = Runtime::new().unwrap();
    let client = runtime.block_on(Client::try_default()).unwrap();
    (runtime, client)
});

/// What people call a kind, where it is, and its name in objects.
const KINDS: [(&str, &str, &str, &str); 12] = [
    ("pod", "api/v1", "pods", "Pod"),
    ("cm", "api/v1", "configmaps", "ConfigMap"),
    ("secret", "api/v1", "secrets", "Secret"),
    ("sa", "api/v1", "serviceaccounts", "ServiceAccount"),
    ("svc", "api/v1", "services", "Service"),
    ("event", "api/v1", "events", "Event"),
    ("quota", "api/v1", "resourcequotas", "ResourceQuota"),
    ("netpol", "apis/networking.k8s.io/v1", "networkpolicies", "NetworkPolicy"),
    ("pdb", "apis/policy/v1", "poddisruptionbudgets", "PodDisruptionBudget"),
    ("deploy", "apis/apps/v1", "deployments", "Deployment"),
    ("phonesite", "apis/dialtone.dev/v1alpha1", "phonesites", "PhoneSite"),
    ("sipphone", "apis/dialtone.dev/v1alpha1", "sipphones", "SipPhone"),
];

/// Instead of a namespace: all.
const ALL: &str = "";

/// The path of a kind in a namespace, and its name in objects.
fn place(space: &str, kind: &str) -> (String, &'static str) {
    let (_, group, plural, name) = KINDS.iter().find(|(short, ..)| *short == kind).expect("a kind that is known here");
    let place = if space == ALL { String::new() } else { format!("namespaces/{space}/") };
    (format!("/{group}/{place}{plural}"), name)
}

fn send(method: Method, path: &str, content: &str, body: Vec<u8>) -> kube::Result<Value> {
    // By this name it is told from an operator in the API server's log.
    let request = Request::builder().method(method).uri(path).header("user-agent", "kubectl, or nearly so");
    let request = request.header("content-type", content).body(body).unwrap();
    API.0.block_on(API.1.request(request))
}

fn read(path: &str) -> Value {
    match send(Method::GET, path, "application/json", Vec::new()) {
        Err(kube::Error::Api(status)) if status.code == 404 => Value::Null,
        answer => answer.unwrap(),
    }
}

/// An object, such as `deploy/web`; null if it is not there.
pub fn get(space: &str, object: &str) -> Value {
    let (kind, name) = object.split_once('/').unwrap();
    read(&format!("{}/{name}", place(space, kind).0))
}

/// All objects of a kind in a namespace.
pub fn list(space: &str, kind: &str) -> Vec<Value> {
    let (path, kind) = place(space, kind);
    let mut all = read(&path)["items"].as_array().cloned().unwrap_or_default();
    // Objects in a list do not say what they are.
    all.iter_mut().for_each(|object| object["kind"] = kind.into());
    all
}

/// Makes an object in a namespace.
pub fn create(space: &str, object: &Value) {
    let (kind, ..) = KINDS.iter().find(|(.., kind)| object["kind"] == *kind).expect("a kind that is known here");
    post(&place(space, kind).0, object);
}

pub fn create_namespace(space: &str) {
    let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}});
    post("/api/v1/namespaces", &object);
}

fn post(path: &str, object: &Value) {
    if let Err(error) = send(Method::POST, path, "application/json", object.to_string().into_bytes()) {
        panic!("{path}: {object} cannot be made: {error}");
    }
}

/// Deletes an object, and does not wait until it is gone.
pub fn delete(space: &str, object: &str) {
    let (kind, name) = object.split_once('/').unwrap();
    let path = format!("{}/{name}", place(space, kind).0);
    send(Method::DELETE, &path, "application/json", Vec::new()).unwrap();
}

/// What there was in all namespaces at one moment.
struct Snapshot {
    begun: Instant,
    spaces: HashMap<String, Vec<Value>>,
}

static LAST: Mutex<Option<Snapshot>> = Mutex::new(None);

/// The shortest time between two snapshots.
const PERIOD: Duration = Duration::from_millis(300);

/// All objects of some kinds in a namespace, as they are after this is called. Many ask at once, and one answer is for all of them; the
/// kinds are always the same.
pub fn everything(space: &str, kinds: &[&str]) -> Vec<Value> {
    let asked = Instant::now();
    let mut last = LAST.lock().unwrap();
    if last.as_ref().is_none_or(|last| last.begun < asked) {
        if let Some(last) = &*last {
            thread::sleep(PERIOD.saturating_sub(last.begun.elapsed()));
        }
        let (begun, mut spaces) = (Instant::now(), HashMap::<String, Vec<Value>>::new());
        for object in kinds.iter().flat_map(|kind| list(ALL, kind)) {
            let space = object["metadata"]["namespace"].as_str().unwrap().to_owned();
            spaces.entry(space).or_default().push(object);
        }
        *last = Some(Snapshot { begun, spaces });
    }
    last.as_ref().and_then(|last| last.spaces.get(space).cloned()).unwrap_or_default()
}

/// Patches an object, or its status if that is what the patch is of; `how` is `merge`, `json` or `strategic`.
pub fn patch(space: &str, object: &str, how: &str, patch: &Value) {
    let (kind, name) = object.split_once('/').unwrap();
    let content = match how {
        "strategic" => "application/strategic-merge-patch+json".to_owned(),
        how => format!("application/{}patch+json", if how == "merge" { "merge-" } else { "json-" }),
    };
    let part = if patch.get("status").is_some() { "/status" } else { "" };
    let path = format!("{}/{name}{part}?fieldManager=somebody", place(space, kind).0);
    if let Err(error) = send(Method::PATCH, &path, &content, patch.to_string().into_bytes()) {
        panic!("{object} in {space} cannot be patched with {patch}: {error}");
    }
}
