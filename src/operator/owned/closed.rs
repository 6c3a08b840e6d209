//! Where nothing but dialtone's own belongs: pods that face phones gain no privilege, no code and no host by a stranger's edit of their
//! Deployment, and no policy is widened or narrowed. Elsewhere what others add stays: annotations, defaults, where pods run.

use serde_json::{Map, Value};

use super::merge::{covers, is_empty};
use crate::operator::kind::Kind;

/// What others may add to a pod: where it runs, how it is pulled, and what the API server says of it by itself. Whatever else there is,
/// or will be in later versions of Kubernetes, is not for them.
const OPEN: &[&str] = &[
    "affinity",
    "imagePullSecrets",
    "nodeSelector",
    "preemptionPolicy",
    "priority",
    "priorityClassName",
    "restartPolicy",
    "schedulerName",
    "serviceAccount",
    "terminationGracePeriodSeconds",
    "tolerations",
    "topologySpreadConstraints",
];
/// What the API server adds to containers, volumes and rules by itself.
const DEFAULTS: &[&str] = &[
    "apiVersion",
    "defaultMode",
    "failureThreshold",
    "imagePullPolicy",
    "initialDelaySeconds",
    "periodSeconds",
    "protocol",
    "pullPolicy",
    "resources",
    "scheme",
    "successThreshold",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "timeoutSeconds",
];
/// The default of a pod's `dnsPolicy`.
const DNS_POLICY: &str = "ClusterFirst";

/// What the API server says of a pod by itself where others may add something.
const OPEN_DEFAULTS: &[&str] = &["preemptionPolicy", "priority", "restartPolicy", "schedulerName", "serviceAccount"];

/// Whether a pod template has something that is not wanted of it and that others may have added, or this program before.
pub(super) fn has_more(found: &Value, wanted: &Value) -> bool {
    let more = |found: &Value, wanted: &Value| {
        let fields = found.as_object().into_iter().flatten().filter(|(_, value)| !is_empty(value));
        fields.map(|(field, _)| field.clone()).filter(|field| wanted.get(field).is_none()).collect::<Vec<_>>()
    };
    let part = |of: &Value, path: &str| of.pointer(path).cloned().unwrap_or_default();
    let parts = ["/metadata/labels", "/metadata/annotations", "/spec/affinity"];
    let has_part = parts.iter().any(|path| !more(&part(found, path), &part(wanted, path)).is_empty());
    let of_pod = more(&found["spec"], &wanted["spec"]);
    has_part || of_pod.iter().any(|field| OPEN.contains(&&**field) && !OPEN_DEFAULTS.contains(&&**field))
}

/// What takes away what others added where nothing of theirs belongs, as a merge patch; nothing if there is nothing.
pub(super) fn intruders(kind: Kind, observed: &Value, wanted: &Value) -> Option<Value> {
    let (found, spec) = (&observed["spec"], &wanted["spec"]);
    let parts = match kind {
        Kind::Deployment => {
            let mut parts = only_given(found, &["paused"], spec);
            let pod = of_pod(&found["template"]["spec"], &spec["template"]["spec"]);
            if !pod.is_empty() {
                parts.insert("template".to_owned(), Map::from_iter([("spec".to_owned(), pod.into())]).into());
            }
            parts
        }
        Kind::NetworkPolicy => {
            let lists = ["ingress", "egress"].into_iter();
            let altered = lists.filter(|field| !is_exact(&found[*field], &spec[*field]));
            altered.map(|field| (field.to_owned(), spec[field].clone())).collect()
        }
        // Nobody else's address leads to the pods, and their name to nobody else.
        Kind::Service => only_given(found, &["externalIPs", "externalName"], spec),
        // The API server refuses both, and one of a stranger would count alone.
        Kind::PodDisruptionBudget => only_given(found, &["maxUnavailable"], spec),
        Kind::ConfigMap | Kind::Secret | Kind::ServiceAccount | Kind::ReplicaSet | Kind::Pod => Map::new(),
    };
    (!parts.is_empty()).then(|| Map::from_iter([("spec".to_owned(), parts.into())]).into())
}

/// Takes away such fields as are there and not wanted.
fn only_given(found: &Value, fields: &[&str], wanted: &Value) -> Map<String, Value> {
    let there = fields.iter().filter(|field| !is_empty(&found[**field]) && wanted.get(**field).is_none());
    there.map(|field| ((*field).to_owned(), Value::Null)).collect()
}

fn of_pod(found: &Value, wanted: &Value) -> Map<String, Value> {
    let closed = found.as_object().into_iter().flatten().filter(|(field, _)| !OPEN.contains(&field.as_str()));
    let parts = closed.filter_map(|(field, value)| {
        let part = match (value, wanted.get(field)) {
            (value, None) if is_empty(value) || (field == "dnsPolicy" && value == DNS_POLICY) => return None,
            (_, None) => Value::Null,
            (Value::Object(found), Some(Value::Object(wanted))) => {
                let more = found.iter().filter(|(name, value)| !wanted.contains_key(*name) && !is_empty(value));
                let more: Map<String, Value> = more.map(|(name, _)| (name.clone(), Value::Null)).collect();
                return (!more.is_empty()).then(|| (field.clone(), more.into()));
            }
            (value, Some(wanted)) if is_exact(value, wanted) => return None,
            (_, Some(wanted)) => wanted.clone(),
        };
        Some((field.clone(), part))
    });
    parts.collect()
}

/// Whether there is no more than what is wanted and defaults. Whether all of it is there is another question, but for lists.
fn is_exact(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => found.iter().all(|(field, value)| match wanted.get(field) {
            // More of a quantity, or the same in other words, is no privilege.
            Some(_) if field == "resources" => true,
            Some(wanted) => is_exact(value, wanted),
            None => is_empty(value) || DEFAULTS.contains(&field.as_str()),
        }),
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len() && found.iter().zip(wanted).all(|(found, wanted)| is_exact(found, wanted))
        }
        // The API server leaves out what is empty, or says null.
        (Value::Null, wanted) => is_empty(wanted),
        (found, wanted) => covers(found, wanted),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A Deployment as it should be, and as the API server has it.
    fn pair() -> (Value, Value) {
        let wanted = json!({"spec": {"template": {"spec": {
            "serviceAccountName": "dialtone-hq",
            "securityContext": {"runAsNonRoot": true},
            "containers": [{"name": "tftp", "resources": {"limits": {"memory": "0.5Gi"}}, "ports": [{"containerPort": 6969, "protocol": "UDP"}]}],
            "volumes": [{"name": "files", "projected": {"sources": []}}],
        }}}});
        let mut found = wanted.clone();
        let pod = &mut found["spec"]["template"]["spec"];
        for (field, value) in [
            ("dnsPolicy", json!("ClusterFirst")),
            ("restartPolicy", json!("Always")),
            ("schedulerName", json!("default-scheduler")),
            ("serviceAccount", json!("dialtone-hq")),
            ("tolerations", json!([{"operator": "Exists"}])),
        ] {
            pod[field] = value;
        }
        pod["containers"][0]["terminationMessagePath"] = "/dev/termination-log".into();
        pod["containers"][0]["resources"] = json!({"limits": {"memory": "512Mi"}});
        pod["volumes"][0]["projected"] = json!({"sources": null, "defaultMode": 420});
        (found, wanted)
    }

    #[test]
    fn defaults_and_where_pods_run_are_nobody_s_trouble() {
        let (found, wanted) = pair();
        assert_eq!(intruders(Kind::Deployment, &found, &wanted), None);
        let policy = json!({"spec": {"ingress": [{"ports": [{"port": 69}]}], "egress": []}});
        let found = json!({"spec": {"ingress": [{"ports": [{"port": 69, "protocol": "TCP"}]}]}});
        assert_eq!(intruders(Kind::NetworkPolicy, &found, &policy), None);
    }

    #[test]
    fn a_budget_has_no_second_bound() {
        let wanted = json!({"spec": {"minAvailable": 1}});
        assert_eq!(intruders(Kind::PodDisruptionBudget, &json!({"spec": {"minAvailable": 1}}), &wanted), None);
        let patch = intruders(Kind::PodDisruptionBudget, &json!({"spec": {"maxUnavailable": "100%"}}), &wanted);
        assert_eq!(patch, Some(json!({"spec": {"maxUnavailable": null}})));
    }

    #[test]
    fn what_others_give_pods_is_taken_away_whatever_it_is() {
        let (sound, wanted) = pair();
        let pod = |field: &str, value: Value| {
            let mut found = sound.clone();
            found["spec"]["template"]["spec"][field] = value;
            intruders(Kind::Deployment, &found, &wanted).map(|patch| patch["spec"]["template"]["spec"][field].clone())
        };
        for (field, value) in [
            ("hostNetwork", json!(true)),
            ("hostUsers", json!(true)),
            ("dnsPolicy", json!("None")),
            ("initContainers", json!([{"name": "evil"}])),
            ("ofALaterVersion", json!("x")),
        ] {
            assert_eq!(pod(field, value), Some(Value::Null), "{field}");
        }
        assert_eq!(pod("hostPID", json!(false)), None);
        assert_eq!(pod("securityContext", json!({"runAsNonRoot": true, "fsGroup": 0})), Some(json!({"fsGroup": null})));
        let wanted = &wanted["spec"]["template"]["spec"];
        for (field, value) in
            [("command", json!(["sh"])), ("env", json!([{"name": "LD_PRELOAD"}])), ("ofALaterVersion", json!(1))]
        {
            let mut containers = sound["spec"]["template"]["spec"]["containers"].clone();
            containers[0][field] = value;
            assert_eq!(pod("containers", containers), Some(wanted["containers"].clone()), "{field}");
        }
        let volumes = json!([{"name": "files", "projected": {"sources": []}, "hostPath": {"path": "/"}}]);
        assert_eq!(pod("volumes", volumes), Some(wanted["volumes"].clone()));
        let policy = json!({"spec": {"ingress": [{"ports": [{"port": 69}]}], "egress": []}});
        for ingress in
            [json!([{"ports": [{"port": 69, "endPort": 99}]}]), json!([{"ports": [{"port": 69}], "from": [{}]}])]
        {
            let found = json!({"spec": {"ingress": ingress}});
            let patch = intruders(Kind::NetworkPolicy, &found, &policy);
            assert_eq!(patch, Some(json!({"spec": {"ingress": policy["spec"]["ingress"]}})));
        }
    }
}
