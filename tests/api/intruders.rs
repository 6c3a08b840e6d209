//! What strangers add where nothing of theirs belongs, what they make of an object so that nothing can be applied to it any more, and
//! what they delete faster than the API server answers.

use std::time::Duration;

use serde_json::{Value, json};

use super::direct::patch;
use super::heal::{Victim, Writes, all, difference, operator, quiet};
use super::support::{get, kube, kubectl, wait_for, wait_until};

const DEPLOYMENT: &str = "deploy/dialtone-hq";
const SERVICE: &str = "svc/dialtone-hq";
const POLICY: &str = "netpol/dialtone-hq";

#[test]
fn pods_gain_nothing_by_a_stranger_s_edit_of_their_deployment() {
    super::install();
    let space = "intruders";
    // Without it the API server refuses the pods, and the Deployment goes on saying so for a while after it was put right.
    let class = "apiVersion: node.k8s.io/v1\nkind: RuntimeClass\nmetadata: {name: x}\nhandler: runc\n";
    super::support::apply("default", class);
    let victim = Victim::new(space);
    let pod = |what: &str, with: Value| {
        let with = json!({"spec": {"template": {"spec": with}}});
        victim.mended(what, || patch(space, DEPLOYMENT, "strategic", &with));
    };
    let replace = |what: &str, path: &str, with: Value| {
        // What is added at a place of a list goes in before what is there.
        let op = if path.ends_with(|last: char| last.is_ascii_digit()) { "replace" } else { "add" };
        let with = json!([{"op": op, "path": format!("/spec/template/spec/{path}"), "value": with}]);
        victim.mended(what, || patch(space, DEPLOYMENT, "json", &with));
    };
    victim.mended("paused", || patch(space, DEPLOYMENT, "merge", &json!({"spec": {"paused": true}})));
    pod(
        "the node's own",
        json!({"hostNetwork": true, "hostPID": true, "hostIPC": true, "nodeName": "x", "serviceAccountName": "default", "automountServiceAccountToken": true}),
    );
    pod(
        "code, names and rights",
        json!({
            "initContainers": [{"name": "evil", "image": "evil"}],
            "volumes": [{"name": "host", "hostPath": {"path": "/"}}],
            "securityContext": {"fsGroup": 0, "supplementalGroups": [0]},
            "dnsPolicy": "None", "dnsConfig": {"nameservers": ["192.0.2.1"]},
            "hostAliases": [{"ip": "192.0.2.1", "hostnames": ["x"]}],
            "runtimeClassName": "x",
        }),
    );
    let container = json!({
        "name": "tftp", "command": ["sh"], "env": [{"name": "LD_PRELOAD", "value": "x"}], "envFrom": [{"secretRef": {"name": "pw"}}],
        "lifecycle": {"postStart": {"exec": {"command": ["sh"]}}},
        "securityContext": {"runAsUser": 0, "runAsNonRoot": false, "capabilities": {"add": ["NET_ADMIN"]}, "seccompProfile": {"type": "Unconfined"}},
    });
    pod("another program as root", json!({"containers": [container]}));
    replace("another folder", "containers/0/volumeMounts/0/subPath", "x".into());
    replace("a port of the node", "containers/0/ports/0/hostPort", 6969.into());
    // Server-side apply would add a second type to these, which the API server refuses.
    replace("a volume of another type", "volumes/0", json!({"name": "files", "hostPath": {"path": "/"}}));
    replace("a probe of another type", "containers/0/livenessProbe", json!({"exec": {"command": ["sh"]}}));

    // Where pods run, and when they are started anew, is for people to decide.
    kube(&["rollout", "restart", DEPLOYMENT, "-n", space]);
    let with =
        json!({"spec": {"template": {"spec": {"nodeSelector": {"a": "b"}, "tolerations": [{"operator": "Exists"}]}}}});
    patch(space, DEPLOYMENT, "strategic", &with);
    quiet(space, "that stays", 12);
    let template = get(space, &[DEPLOYMENT])["spec"]["template"].clone();
    assert_eq!(
        (&template["spec"]["nodeSelector"]["a"], template["spec"]["tolerations"].is_null()),
        (&json!("b"), false)
    );
    assert!(template["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"].is_string());
    kube(&["delete", "namespace", space, "--wait=false"]);
}

#[test]
fn policies_and_services_are_put_right_whatever_was_made_of_them() {
    super::install();
    let space = "intruded";
    let victim = Victim::new(space);
    let edit = |what: &str, object: &str, kind: &str, with: Value| {
        victim.mended(what, || patch(space, object, kind, &with));
    };
    let add = |path: &str, value: Value| json!([{"op": "add", "path": path, "value": value}]);
    edit("more ports", POLICY, "json", add("/spec/ingress/1/ports/0/endPort", 65535.into()));
    edit("fewer clients", POLICY, "json", add("/spec/ingress/0/from", json!([{"ipBlock": {"cidr": "192.0.2.1/32"}}])));
    edit("a way out", POLICY, "merge", json!({"spec": {"egress": [{}]}}));
    edit(
        "a name elsewhere",
        SERVICE,
        "json",
        add("/spec", json!({"type": "ExternalName", "externalName": "x.example"})),
    );
    edit("another's address", SERVICE, "merge", json!({"spec": {"externalIPs": ["192.0.2.1"]}}));
    let port = |ports: Value| add("/spec/ports", ports);
    edit(
        "its port's name for another",
        SERVICE,
        "json",
        port(json!([{"name": "tftp", "port": 70, "protocol": "TCP"}])),
    );
    let swapped =
        json!([{"name": "tftp", "port": 70, "protocol": "UDP"}, {"name": "x", "port": 69, "protocol": "UDP"}]);
    edit("its port under another name", SERVICE, "json", port(swapped));

    // A Service without an address never gets one.
    let Victim { was, operator: first, .. } = victim;
    drop(first);
    let mut service = get(space, &[SERVICE]);
    let ports = json!([{"name": "tftp", "port": 69, "protocol": "UDP"}]);
    service["spec"] = json!({"clusterIP": "None", "selector": {"a": "b"}, "ports": ports});
    service["status"] = Value::Null;
    for field in ["resourceVersion", "uid", "managedFields"] {
        service["metadata"][field] = Value::Null;
    }
    kube(&["delete", "-n", space, SERVICE]);
    assert!(kubectl(&["create", "-n", space, "-f", "-"], Some(&service.to_string())).status.success());
    let _second = operator(space);
    wait_until("a Service with an address", 30, || difference(&all(space), &was).map_or(Ok(()), Err));
    quiet(space, "all is right", 5);
    kube(&["delete", "namespace", space, "--wait=false"]);
}

#[test]
fn what_is_deleted_or_disowned_again_and_again_comes_back_and_ever_more_rarely() {
    super::install();
    let space = "deleted";
    let victim = Victim::new(space);
    let disowned = json!({"metadata": {"ownerReferences": null}}).to_string();
    for (object, args) in [
        (SERVICE, vec!["delete", SERVICE, "--wait=false", "--ignore-not-found"]),
        ("cm/dialtone-hq-common", vec!["delete", "cm/dialtone-hq-common", "--wait=false", "--ignore-not-found"]),
        ("secret/dialtone-hq-token", vec!["delete", "secret/dialtone-hq-token", "--wait=false", "--ignore-not-found"]),
        (DEPLOYMENT, vec!["patch", DEPLOYMENT, "--type=merge", "-p", &disowned]),
    ] {
        let writes = Writes::begin(space);
        for _ in 0..30 {
            kube(&[&args[..], &["-n", space]].concat());
            // Longer than it takes to undo it.
            std::thread::sleep(Duration::from_millis(30));
        }
        let few = writes.all();
        let name = object.split_once('/').unwrap().1;
        let few = few.iter().filter(|write| write.contains(name)).count();
        eprintln!("{object}: {few} writes");
        // Each may take two, and some are statuses and Events.
        assert!((1..=35).contains(&few), "{object}: {few} writes");
        // It comes back, although it was deleted before the operator heard that it was made.
        wait_for(object, 25, || difference(&all(space), &victim.was).is_none().then_some(()));
    }
    quiet(space, "nobody does anything", 10);
    kube(&["delete", "namespace", space, "--wait=false"]);
}
