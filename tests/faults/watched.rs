//! Everything there is in some namespaces, as watches tell it: to look at it costs the API server nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::TryStreamExt as _;
use k8s_openapi::ByteString;
use kube::Client;
use kube::api::{Api, DynamicObject};
use kube::core::ApiResource;
use kube::runtime::watcher::{self, Event, watcher};
use serde_json::Value;
use tokio::runtime::Handle;

use super::state::state_of;

/// How the names of the namespaces begin.
pub const PREFIX: &str = "fields-";

/// A state without what people wrote.
pub type State = BTreeMap<String, Value>;

/// Everything there is in the namespaces, as watches tell it.
#[derive(Default)]
pub struct Cluster(Mutex<HashMap<String, Namespace>>);

#[derive(Default)]
struct Namespace {
    objects: BTreeMap<String, Value>,
    changed: Option<Instant>,
    /// What was looked at last, while nothing has changed since.
    looked: Option<(State, bool)>,
}

impl Cluster {
    /// Watches the kinds that make up a state.
    pub fn watch(runtime: &Handle, client: &Client) -> Arc<Cluster> {
        let cluster = Arc::new(Cluster::default());
        for (group, version, kind) in [
            ("", "v1", "ConfigMap"),
            ("", "v1", "Secret"),
            ("", "v1", "Service"),
            ("", "v1", "ServiceAccount"),
            ("apps", "v1", "Deployment"),
            ("networking.k8s.io", "v1", "NetworkPolicy"),
            ("policy", "v1", "PodDisruptionBudget"),
            ("dialtone.dev", "v1alpha1", "PhoneSite"),
            ("dialtone.dev", "v1alpha1", "SipPhone"),
        ] {
            let resource = ApiResource::from_gvk(&kube::core::GroupVersionKind::gvk(group, version, kind));
            let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
            let noted = cluster.clone();
            runtime.spawn(async move {
                let note = |object: DynamicObject, is_there: bool| {
                    let mut value = serde_json::to_value(&object).unwrap();
                    (value["kind"], value["apiVersion"]) = (kind.into(), resource.api_version.clone().into());
                    noted.note(value, is_there);
                };
                let mut events = std::pin::pin!(watcher(api, watcher::Config::default()));
                loop {
                    match events.try_next().await {
                        Ok(Some(Event::Apply(object) | Event::InitApply(object))) => note(object, true),
                        Ok(Some(Event::Delete(object))) => note(object, false),
                        Ok(Some(Event::Init | Event::InitDone)) => {}
                        Ok(None) => return,
                        Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
                    }
                }
            });
        }
        cluster
    }

    pub fn note(&self, object: Value, is_there: bool) {
        let [namespace, name] =
            ["namespace", "name"].map(|field| object["metadata"][field].as_str().unwrap_or_default());
        if !namespace.starts_with(PREFIX) {
            return;
        }
        let name = format!("{} {name}", object["kind"].as_str().unwrap());
        let mut all = self.0.lock().unwrap();
        let namespace = all.entry(namespace.to_owned()).or_default();
        // An answer may come later than what a watch tells of a newer version.
        let version = |object: &Value| {
            let version = object["metadata"]["resourceVersion"].as_str();
            version.and_then(|version| version.parse::<u64>().ok()).unwrap_or_default()
        };
        if is_there && namespace.objects.get(&name).is_some_and(|known| version(known) > version(&object)) {
            return;
        }
        namespace.changed = Some(Instant::now());
        namespace.looked = None;
        if is_there {
            namespace.objects.insert(name, object);
        } else {
            namespace.objects.remove(&name);
        }
    }

    /// The state of a namespace without what people wrote; for how long nothing changed; what its statuses speak of.
    pub fn look(&self, namespace: &str) -> Look {
        let mut all = self.0.lock().unwrap();
        let Some(found) = all.get_mut(namespace) else { return Look::default() };
        let quiet = found.changed.map(|changed| changed.elapsed()).unwrap_or_default();
        if let Some((state, is_told)) = found.looked.clone() {
            return Look { state, quiet, is_told };
        }
        let (changed, objects) = (found.changed, found.objects.values().cloned().collect());
        drop(all);
        let (state, is_told) = state_and_whether_told(objects, namespace);
        let mut all = self.0.lock().unwrap();
        if let Some(found) = all.get_mut(namespace).filter(|found| found.changed == changed) {
            found.looked = Some((state.clone(), is_told));
        }
        Look { state, quiet, is_told }
    }
}

fn state_and_whether_told(objects: Vec<Value>, namespace: &str) -> (State, bool) {
    let number = |name: &str, part: &str, field: &str| {
        let found = objects.iter().find(|object| object["kind"] == name)?;
        found[part][field].as_i64()
    };
    let is_told = |name: &str| {
        let (now, told) = (number(name, "metadata", "generation"), number(name, "status", "observedGeneration"));
        now.is_some() && told == now
    };
    let is_told = is_told("PhoneSite") && is_told("SipPhone");
    // The port on nodes is one of the cluster's choice unless somebody asks for one.
    let asks = objects.iter().any(|object| object["spec"]["tftp"]["service"]["nodePort"].is_number());
    let ports = objects.iter().filter(|object| object["kind"] == "Service" && asks);
    let ports: Value = ports.map(|service| service["spec"]["ports"][0]["nodePort"].clone()).collect();
    let mut state = state_of(objects, namespace);
    for (name, object) in &mut state {
        // Files that people can read, in the Secrets as in the ConfigMaps.
        for value in object["data"].as_object_mut().into_iter().flat_map(|data| data.values_mut()) {
            if name.starts_with("Secret ")
                && let Ok(ByteString(bytes)) = serde_json::from_value(value.clone())
            {
                *value = String::from_utf8_lossy(&bytes).into();
            }
        }
        if name.starts_with("PhoneSite") || name.starts_with("SipPhone") {
            object.as_object_mut().unwrap().remove("spec");
        }
    }
    state.insert("ports on nodes".to_owned(), ports);
    (state, is_told)
}

#[derive(Default)]
pub struct Look {
    pub state: State,
    pub quiet: Duration,
    pub is_told: bool,
}
