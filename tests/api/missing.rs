//! Why a site's pods are missing is said on the site, soon, and no longer than it is so. What the controllers say of Pod Security and
//! quotas is real; there is no node, so the tests write what a scheduler and a kubelet would.

use serde_json::{Value, json};

use super::direct::{create, create_namespace, get, list, patch};
use super::heal::operator;
use super::support::{condition, kube, wait_for, wait_until};

/// Within so many seconds it is said.
const SOON: u64 = 10;

fn site(space: &str, spec: Value) {
    create(
        space,
        &json!({"apiVersion": "dialtone.dev/v1alpha1", "kind": "PhoneSite", "metadata": {"name": "hq"}, "spec": spec}),
    );
}

/// Waits until the site is not ready for a reason, with words; and that it is shown as `Stalled`, or as `Reconciling`.
fn said(space: &str, reason: &str, words: &[&str], kind: &str) {
    let (_, took) = wait_until(&format!("{reason} to be said"), SOON, || {
        let site = get(space, "phonesite/hq");
        let text = site["status"]["conditions"].to_string();
        let stands = condition(&site, kind) == ("True".to_owned(), reason.to_owned());
        let is_ready = condition(&site, "Ready") == ("False".to_owned(), reason.to_owned());
        (stands && is_ready && words.iter().all(|word| text.contains(word))).then_some(()).ok_or(text)
    });
    eprintln!("{space}: {reason} is said after {:.1} s", took.as_secs_f32());
}

#[test]
fn pods_that_pod_security_refuses_are_said() {
    super::install();
    let space = "missing-security";
    create_namespace(space);
    kube(&["label", "namespace", space, "pod-security.kubernetes.io/enforce=restricted"]);
    let _operator = operator(space);
    site(space, json!({"tftp": {"hostNetwork": true}}));
    said(space, "PodSecurity", &["violates PodSecurity", "enforce=privileged"], "Stalled");
    kube(&["delete", "namespace", space, "--wait=false"]);
}

#[test]
fn pods_that_a_quota_has_no_room_for_are_said_until_there_is_room() {
    super::install();
    let space = "missing-quota";
    create_namespace(space);
    kube(&["create", "quota", "small", "--hard=pods=0", "-n", space]);
    wait_for("the quota to count", 20, || {
        list(space, "quota").iter().all(|one| one["status"]["used"].is_object()).then_some(())
    });
    let _operator = operator(space);
    site(space, json!({}));
    said(space, "QuotaExceeded", &["limited: pods=0", "kubectl describe quota"], "Reconciling");
    kube(&["delete", "quota", "small", "-n", space]);
    // As the message says.
    kube(&["rollout", "restart", "deployment/dialtone-hq", "-n", space]);
    wait_for("there to be room", SOON, || {
        (condition(&get(space, "phonesite/hq"), "Ready").1 != "QuotaExceeded").then_some(())
    });
    kube(&["delete", "namespace", space, "--wait=false"]);
}

#[test]
fn what_scheduler_and_kubelet_say_of_pods_is_said_of_the_site() {
    super::install();
    let space = "missing-pods";
    create_namespace(space);
    let _operator = operator(space);
    site(space, json!({"tftp": {"replicas": 1, "service": {"type": "ClusterIP"}}}));
    let (pod, _) = wait_for("a pod", 20, || {
        let pods = list(space, "pod");
        Some(format!("pod/{}", pods.first()?["metadata"]["name"].as_str()?))
    });
    let now = || jiff::Timestamp::now().to_string();
    let scheduled = |status: &str, more: Value| {
        let mut one = json!({"type": "PodScheduled", "status": status, "lastTransitionTime": now()});
        one.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        one
    };
    let write = |status: Value| patch(space, &pod, "merge", &json!({"status": status}));
    write(
        json!({"conditions": [scheduled("False", json!({"reason": "Unschedulable", "message": "0/3 nodes are available: 3 Insufficient cpu."}))]}),
    );
    said(space, "Unschedulable", &["3 Insufficient cpu", "spec.tftp.resources"], "Reconciling");

    let waits = |reason: &str, message: &str| {
        json!([{"name": "tftp", "image": "dialtone:none", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"waiting": {"reason": reason, "message": message}}}])
    };
    let conditions = json!([scheduled("True", json!({}))]);
    write(json!({"conditions": conditions, "containerStatuses": waits("ErrImagePull", "dialtone:none: not found")}));
    said(space, "ImagePullFailed", &["not found", "imagePullSecrets"], "Reconciling");
    let mut crash = waits("CrashLoopBackOff", "back-off 10s restarting failed container");
    crash[0]["lastState"] = json!({"terminated": {"reason": "OOMKilled", "exitCode": 137}});
    write(json!({"containerStatuses": crash}));
    said(space, "CrashLoop", &["OOMKilled", "limits.memory"], "Reconciling");
    write(json!({"containerStatuses": waits("InvalidImageName", "couldn't parse image name")}));
    said(space, "InvalidImage", &["couldn't parse image name"], "Stalled");

    write(json!({"containerStatuses": waits("ContainerCreating", "")}));
    wait_for("what is over not to be said", SOON, || {
        (condition(&get(space, "phonesite/hq"), "Ready").1 == "NoServer").then_some(())
    });
    // Only after half a minute in which nothing of it runs.
    wait_for("that nothing of it runs", 40, || {
        (condition(&get(space, "phonesite/hq"), "Reconciling").1 == "NotStarted").then_some(())
    });
    kube(&["delete", "namespace", space, "--wait=false"]);
}
