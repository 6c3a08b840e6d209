//! What there is in a namespace at the end, and how two ends differ.

use std::collections::BTreeMap;

use serde_json::Value;

use super::support::get;

const KINDS: &str =
    "configmaps,secrets,services,serviceaccounts,deployments,networkpolicies,poddisruptionbudgets,phonesites,sipphones";

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
        for condition in object["status"]["conditions"].as_array_mut().into_iter().flatten() {
            if OF_PODS.iter().any(|reason| condition["reason"] == *reason) {
                condition["reason"] = "masked".into();
                condition["message"] = "masked".into();
            }
        }
        mask(object, namespace, &mut hashes);
    }
    sorted
}

/// Why no pod serves: here none ever does, and why is said when the controllers that make them get there.
const OF_PODS: &[&str] = &["NoServer", "ServersMissing", "PodsRefused", "QuotaExceeded", "Unschedulable", "NotStarted"];

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
