use serde_json::{Value, json};

use super::*;

const THEN: &str = "2026-01-02T03:04:05Z";

fn then() -> i64 {
    THEN.parse::<jiff::Timestamp>().unwrap().as_second()
}

fn pod(status: Value) -> Pod {
    let spec = json!({
        "nodeName": "node-1",
        "containers": [{"name": "tftp", "image": "registry.example/dialtone:1"}],
        "initContainers": [{"name": "image", "image": "registry.example/firmware:8"}],
        "volumes": [
            {"name": "image", "image": {"reference": "registry.example/volume:8"}},
            {"name": "volume", "persistentVolumeClaim": {"claimName": "fw"}},
        ],
    });
    let mut pod =
        json!({"metadata": {"name": "dialtone-hq-7c9f-x", "namespace": "phones"}, "spec": spec, "status": status});
    pod["status"]["startTime"] = THEN.into();
    serde_json::from_value(pod).unwrap()
}

fn deployment(message: &str, ready: i64, is_on_host: bool) -> Value {
    let failure = json!({"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message, "lastTransitionTime": THEN});
    json!({
        "metadata": {"name": "dialtone-hq", "namespace": "phones"},
        "spec": {"replicas": 2, "template": {"spec": {"hostNetwork": is_on_host}}},
        "status": {"readyReplicas": ready, "conditions": if message.is_empty() { json!([]) } else { json!([failure]) }},
    })
}

fn container(name: &str, state: Value) -> Value {
    let mut container =
        json!({"name": name, "image": "registry.example/dialtone:1", "imageID": "", "ready": false, "restartCount": 0});
    container.as_object_mut().unwrap().extend(state.as_object().unwrap().clone());
    container
}

fn waiting(reason: &str, message: &str) -> Value {
    json!({"state": {"waiting": {"reason": reason, "message": message}}})
}

fn of_containers(containers: Value) -> Option<Trouble> {
    let scheduled = json!({"type": "PodScheduled", "status": "True", "lastTransitionTime": THEN});
    of_pod(&pod(json!({"phase": "Pending", "conditions": [scheduled], "containerStatuses": containers})))
}

/// What is said of one pod long after.
fn said(trouble: Option<Trouble>) -> Option<(Reason, String)> {
    let pods = [(Key::new("phones", "dialtone-hq-7c9f-x"), trouble?)];
    let said = why(Some(&deployment("", 0, false)), &pods, then() + 1_000).said?;
    assert_eq!(said.since, then());
    Some((said.reason, said.message))
}

fn assert_said(trouble: Option<Trouble>, reason: Reason, parts: &[&str]) {
    let (found, message) = said(trouble).unwrap();
    assert_eq!(found, reason, "{message}");
    parts.iter().for_each(|part| assert!(message.contains(part), "{part:?} is not in: {message}"));
    assert!(message.starts_with("pod dialtone-hq-7c9f-x: ") && !message.contains("POD"), "{message}");
}

#[test]
fn what_a_former_template_was_refused_for_is_not_said_once_all_pods_are_made() {
    let mut changed = deployment("pod rejected: RuntimeClass \"x\" not found", 0, false);
    for (made, is_said) in [(0, true), (1, true), (2, false)] {
        changed["status"]["updatedReplicas"] = made.into();
        assert_eq!(why(Some(&changed), &[], then()).said.is_some(), is_said, "{made} of 2");
    }
}

#[test]
fn what_refuses_pods_is_said_without_the_name_of_one() {
    let refused = |message: &str, is_on_host| {
        let said = why(Some(&deployment(message, 0, is_on_host)), &[], then()).said.unwrap();
        assert!(
            said.message.starts_with("no pod can be made: ") && !said.message.contains("x7k2q"),
            "{}",
            said.message
        );
        (said.reason, said.message, said.since)
    };
    let security = r#"pods "dialtone-hq-7c9f-x7k2q" is forbidden: violates PodSecurity "restricted:latest": host namespaces (hostNetwork=true)"#;
    let (reason, message, since) = refused(security, true);
    assert_eq!((reason, since), (Reason::PodSecurity, then()));
    assert!(message.contains("host namespaces") && message.contains("enforce=privileged"), "{message}");
    assert!(refused(security, false).1.contains("spec.tftp.podTemplate"));
    let quota = r#"pods "dialtone-hq-7c9f-x7k2q" is forbidden: exceeded quota: small, requested: pods=1, used: pods=0, limited: pods=0"#;
    let (reason, message, _) = refused(quota, false);
    assert_eq!(reason, Reason::QuotaExceeded);
    assert!(message.contains("limited: pods=0") && message.contains("kubectl describe quota -n phones"), "{message}");
    let quota = r#"pods "dialtone-hq-7c9f-x7k2q" is forbidden: failed quota: cpu: must specify limits.cpu for: tftp"#;
    assert_eq!(refused(quota, false).0, Reason::QuotaExceeded);
    let webhook = r#"admission webhook "images.example.com" denied the request: not signed"#;
    let (reason, message, _) = refused(webhook, false);
    assert_eq!(reason, Reason::PodsRefused);
    assert!(message.contains("images.example.com") && message.contains("not signed"), "{message}");
    assert_eq!(why(Some(&deployment("", 0, false)), &[], then()), Missing::default());
}

#[test]
fn images_that_cannot_be_pulled_are_named_with_where_that_is_set() {
    let err = "failed to resolve reference: registry.example/dialtone:1: not found";
    let first = of_containers(json!([container("tftp", waiting("ErrImagePull", err))]));
    assert_said(
        first.clone(),
        Reason::ImagePullFailed,
        &["registry.example/dialtone:1", "not found", "imagePullSecrets"],
    );
    // What a kubelet says in turns is one thing: no status is written for it.
    let off = format!("Back-off pulling image \"registry.example/dialtone:1\": ErrImagePull: {err}");
    assert_eq!(of_containers(json!([container("tftp", waiting("ImagePullBackOff", &off))])), first);
    let bare = of_containers(json!([container("tftp", waiting("ErrImageNeverPull", ""))]));
    assert_said(bare, Reason::ImagePullFailed, &["ErrImageNeverPull"]);
    let own = of_containers(json!([container("image", waiting("ErrImagePull", "no such host"))]));
    assert_said(own, Reason::ImagePullFailed, &["registry.example/firmware:8", "spec.firmware.source.image"]);
    let off = "Back-off pulling image \"registry.example/volume:8\"";
    let mounted = of_containers(json!([container("tftp", waiting("ImagePullBackOff", off))]));
    assert_said(mounted, Reason::ImagePullFailed, &["\"registry.example/volume:8\"", "spec.firmware.source.image"]);
    let wrong = of_containers(json!([container("tftp", waiting("InvalidImageName", "couldn't parse image name"))]));
    assert_said(wrong, Reason::InvalidImage, &["couldn't parse", "dialtone's chart"]);
}

#[test]
fn a_container_that_cannot_be_made_or_ends_again_and_again_is_said() {
    let config = waiting("CreateContainerConfigError", "container has runAsNonRoot and image will run as root");
    assert_said(
        of_containers(json!([container("tftp", config)])),
        Reason::ContainerFailed,
        &["runAsNonRoot", "container tftp"],
    );
    let ended = |reason: &str, code: i64, seconds: i64| {
        let start = jiff::Timestamp::from_second(then() - seconds).unwrap().to_string();
        json!({"terminated": {"reason": reason, "exitCode": code, "message": "bad\n", "startedAt": start, "finishedAt": THEN}})
    };
    let mut off = waiting("CrashLoopBackOff", "back-off 5m0s restarting failed container");
    off["lastState"] = ended("OOMKilled", 137, 5);
    let memory = of_containers(json!([container("tftp", off.clone())]));
    assert_said(memory, Reason::CrashLoop, &["OOMKilled, exit code 137: bad", "limits.memory"]);
    off["lastState"] = ended("Error", 2, 5);
    let crash = of_containers(json!([container("tftp", off)]));
    assert_said(
        crash.clone(),
        Reason::CrashLoop,
        &["Error, exit code 2", "kubectl logs dialtone-hq-7c9f-x -c tftp -n phones --previous"],
    );
    // While it runs once more, and when it has just ended, nothing else is said.
    let running = |count: i64, last: Value| json!({"state": {"running": {}}, "restartCount": count, "lastState": last});
    assert_eq!(of_containers(json!([container("tftp", running(3, ended("Error", 2, 5)))])), crash);
    assert_eq!(
        of_containers(json!([container("tftp", json!({"state": ended("Error", 2, 5), "restartCount": 3}))])),
        crash
    );
    // One that was restarted after a long time, once, or ready, does not crash in a loop.
    assert_eq!(of_containers(json!([container("tftp", running(3, ended("Error", 2, 86_400)))])), None);
    assert_eq!(of_containers(json!([container("tftp", running(1, ended("Error", 2, 5)))])), None);
    assert_eq!(of_containers(json!([container("tftp", running(9, ended("Completed", 0, 5)))])), None);
    let mut ready = running(9, ended("Error", 2, 5));
    ready["ready"] = true.into();
    assert_eq!(of_containers(json!([container("tftp", ready)])), None);
}

#[test]
fn a_pod_without_a_node_is_said_in_the_scheduler_s_words_after_a_moment() {
    let of = |message: &str| {
        let refused = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message, "lastTransitionTime": THEN});
        of_pod(&pod(json!({"phase": "Pending", "conditions": [refused]})))
    };
    assert_said(
        of("0/3 nodes are available: 3 Insufficient memory."),
        Reason::Unschedulable,
        &["3 Insufficient memory", "spec.tftp.resources"],
    );
    assert_said(
        of("0/3 nodes are available: 3 node(s) didn't have free ports"),
        Reason::Unschedulable,
        &["spec.tftp.replicas"],
    );
    assert_said(of("persistentvolumeclaim \"fw\" not found"), Reason::Unschedulable, &["persistentVolumeClaim names"]);
    assert_said(of("0/3 nodes are available: 3 had untolerated taint"), Reason::Unschedulable, &["podTemplate"]);
    let pods = [(Key::new("phones", "a"), of("no room").unwrap())];
    assert_eq!(why(None, &pods, then() + 1), Missing { said: None, due: Some(2) });
    assert_eq!(why(None, &pods, then() + 3).said.unwrap().reason, Reason::Unschedulable);
}

#[test]
fn a_pod_that_does_not_start_is_said_after_half_a_minute_and_one_that_starts_is_not() {
    let starting = json!([container("tftp", json!({"state": {"waiting": {"reason": "ContainerCreating"}}}))]);
    let trouble = of_containers(starting.clone());
    let pods = [(Key::new("phones", "a"), trouble.clone().unwrap())];
    assert_eq!(why(None, &pods, then() + 10), Missing { said: None, due: Some(20) });
    assert_said(
        trouble,
        Reason::NotStarted,
        &["node-1", "PersistentVolumeClaim fw", "kubectl describe pod dialtone-hq-7c9f-x -n phones"],
    );
    let conditions = |sandbox: &str| json!([{"type": "PodScheduled", "status": "True", "lastTransitionTime": THEN}, {"type": "PodReadyToStartContainers", "status": sandbox}]);
    let of = |sandbox| {
        of_pod(&pod(json!({"phase": "Pending", "conditions": conditions(sandbox), "containerStatuses": starting})))
    };
    assert_said(of("True"), Reason::NotStarted, &["still being pulled"]);
    assert_said(of("False"), Reason::NotStarted, &["cannot be mounted"]);
    // Files are copied for as long as it takes.
    let copies = json!({"phase": "Pending", "conditions": conditions("True"), "containerStatuses": starting,
        "initContainerStatuses": [container("image", json!({"state": {"running": {}}}))]});
    assert_eq!(of_pod(&pod(copies)), None);
    assert_eq!(of_pod(&pod(json!({"phase": "Pending"}))), None, "no scheduler saw it yet");
}

#[test]
fn a_pod_that_was_ended_counts_only_while_pods_are_missing() {
    let status = json!({"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."});
    let trouble = of_pod(&pod(status)).unwrap();
    assert_said(
        Some(trouble.clone()),
        Reason::PodFailed,
        &["Evicted", "low on resource", "kubectl describe node node-1"],
    );
    let pods = [(Key::new("phones", "a"), trouble)];
    assert_eq!(why(Some(&deployment("", 2, false)), &pods, then() + 9).said, None);
    assert!(why(Some(&deployment("", 1, false)), &pods, then() + 9).said.is_some());
}

#[test]
fn a_pod_that_is_ready_done_or_leaving_has_no_trouble() {
    let broken = json!([container("tftp", waiting("ErrImagePull", "no"))]);
    let ready = json!([{"type": "Ready", "status": "True"}]);
    assert_eq!(of_pod(&pod(json!({"phase": "Running", "conditions": ready, "containerStatuses": broken}))), None);
    assert_eq!(of_pod(&pod(json!({"phase": "Succeeded"}))), None);
    let mut leaving = pod(json!({"phase": "Pending", "containerStatuses": broken}));
    leaving.metadata.deletion_timestamp = Some(Time(THEN.parse().unwrap()));
    assert_eq!(of_pod(&leaving), None);
}

#[test]
fn pods_with_the_same_trouble_are_said_together_and_the_worst_first() {
    let trouble =
        |reason, what: &str, since| Trouble { reason, what: what.to_owned(), advice: "see POD".to_owned(), since };
    let pods: Vec<(Key, Trouble)> = [
        ("a", trouble(Reason::Unschedulable, "no room", 1)),
        ("b", trouble(Reason::ImagePullFailed, "no image", 9)),
        ("c", trouble(Reason::ImagePullFailed, "no image", 5)),
        ("d", trouble(Reason::ImagePullFailed, "no image", 7)),
        ("e", trouble(Reason::CrashLoop, "crash", 7)),
    ]
    .map(|(name, trouble)| (Key::new("phones", name), trouble))
    .into();
    let said = why(None, &pods, 1_000).said.unwrap();
    assert_eq!((said.reason, said.since), (Reason::ImagePullFailed, 5));
    assert_eq!(said.message, "pods b, c and 1 more: no image; see b; and pod e: crash; see e; and 1 more");
}

#[test]
fn what_others_write_into_a_pod_is_shown_as_text_and_bounded() {
    let long = format!("\u{1b}]0;owned\u{7}{}", "x".repeat(5_000));
    let (_, message) = said(of_containers(json!([container("tftp", waiting("ErrImagePull", &long))]))).unwrap();
    assert!(!message.contains('\u{1b}') && message.len() < 1_000 && message.contains("imagePullSecrets"), "{message}");
}
