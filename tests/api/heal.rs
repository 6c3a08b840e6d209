//! Whatever somebody does to what belongs to a site is put right, or said; and then nothing is written any more.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::child::Running;
use super::support::{apply, audited, condition, get, kube, kubectl, wait_for, wait_until};

/// Within so many seconds everything is mended, or said.
const SOON: u64 = 10;
/// The kinds of objects that belong to a site.
const KINDS: [&str; 6] = ["configmaps", "secrets", "serviceaccounts", "networkpolicies", "services", "deployments"];

/// An operator for some namespaces, with the rights of the kubeconfig's user.
pub fn operator(spaces: &str) -> Running {
    let http = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_dialtone"))
        .args([
            "operator",
            "--image=dialtone:none",
            "--namespaces",
            spaces,
            "--image-volumes=false",
            "--http",
            &http.to_string(),
        ])
        // With a name that stays, the next one has the Lease at once.
        .env("POD_NAME", "api-tests")
        .stdout(Stdio::null())
        .spawn();
    Running(child.unwrap())
}

/// The writes of the operator so far, as the API server's audit log has them.
pub fn writes() -> Vec<String> {
    let ours = audited(0).into_iter().filter(|entry| {
        let agent = entry["userAgent"].as_str().unwrap_or_default();
        !["kubectl", "kube-", "etcd"].iter().any(|other| agent.starts_with(other))
    });
    ours.map(|entry| format!("{} {}", entry["verb"].as_str().unwrap(), entry["requestURI"].as_str().unwrap())).collect()
}

/// For so long the operator writes nothing.
pub fn quiet(why: &str, seconds: u64) {
    std::thread::sleep(Duration::from_secs(2));
    let before = writes().len();
    std::thread::sleep(Duration::from_secs(seconds));
    let all = writes();
    assert!(all.len() == before, "{why}: {:#?}", &all[before..]);
}

/// What people would compare of an object: not what each making of it has anew, and not what controllers write.
fn compared(mut object: Value) -> Value {
    for field in ["resourceVersion", "uid", "generation", "creationTimestamp", "managedFields"] {
        object["metadata"][field] = Value::Null;
    }
    object["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = Value::Null;
    match object["kind"].as_str() {
        Some("Service") => {
            for field in ["clusterIP", "clusterIPs", "healthCheckNodePort"] {
                object["spec"][field] = Value::Null;
            }
            object["spec"]["ports"].as_array_mut().unwrap().iter_mut().for_each(|port| port["nodePort"] = Value::Null);
            object["status"] = Value::Null;
        }
        Some("PhoneSite" | "SipPhone") => {
            // Deleting a Service changes the site's address.
            object["status"]["address"] = Value::Null;
        }
        _ => object["status"] = Value::Null,
    }
    object
}

/// All that belongs to a site, and the statuses.
pub fn all(space: &str) -> BTreeMap<String, Value> {
    let kinds = [&KINDS[..], &["phonesites", "sipphones"]].concat().join(",");
    let list = get(space, &[&kinds]);
    let ours = list["items"].as_array().unwrap().iter().filter(|object| {
        let name = object["metadata"]["name"].as_str().unwrap();
        name.starts_with("dialtone-") || ["PhoneSite", "SipPhone"].contains(&object["kind"].as_str().unwrap())
    });
    ours.map(|object| {
        let name = format!("{} {}", object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap());
        (name, compared(object.clone()))
    })
    .collect()
}

pub fn difference(is: &BTreeMap<String, Value>, was: &BTreeMap<String, Value>) -> Option<String> {
    let names: std::collections::BTreeSet<&String> = is.keys().chain(was.keys()).collect();
    let name = names.into_iter().find(|name| is.get(*name) != was.get(*name))?;
    Some(format!("{name} is {:?}\nand was {:?}", is.get(name), was.get(name)))
}

fn site(space: &str, name: &str) {
    apply(
        space,
        &format!(
            "{{apiVersion: dialtone.dev/v1alpha1, kind: PhoneSite, metadata: {{name: {name}}}, spec: {{settings: {{proxy1Address: 10.0.0.1}}}}}}"
        ),
    );
}

/// A site with a phone without a password and one with, and how it all is in the end.
pub fn whole(space: &str) -> BTreeMap<String, Value> {
    kube(&["create", "namespace", space]);
    kube(&["create", "secret", "generic", "pw", "--from-literal=a=secret", "-n", space]);
    site(space, "hq");
    for (name, line) in [("one", "{name: '7101'}"), ("two", "{name: '7102', passwordSecretRef: {name: pw, key: a}}")] {
        let mac = format!("000A8A0000{}", if name == "one" { "01" } else { "02" });
        apply(
            space,
            &format!(
                "{{apiVersion: dialtone.dev/v1alpha1, kind: SipPhone, metadata: {{name: {name}}}, spec: {{siteRef: {{name: hq}}, mac: {mac}, model: '7960', lines: [{line}]}}}}"
            ),
        );
    }
    wait_for("the site to be made", 30, || {
        let all = all(space);
        let is_said = |name: &str| all.get(name).is_some_and(|phone| phone["status"]["configHash"].is_string());
        (all.len() == 11 && is_said("SipPhone one") && is_said("SipPhone two")).then_some(())
    });
    quiet("what is made is not made again", 3);
    all(space)
}

pub fn patch(space: &str, object: &str, kind: &str, patch: &Value) {
    kube(&["patch", "-n", space, object, "--type", kind, "-p", &patch.to_string()]);
}

/// After some damage everything soon is as it was, and stays so.
pub fn mended(space: &str, was: &BTreeMap<String, Value>, what: &str, damage: &dyn Fn()) {
    damage();
    let is_as_it_was = || difference(&all(space), was).map_or(Ok(()), Err);
    let (_, took) = wait_until(what, SOON, is_as_it_was);
    eprintln!("{what}: mended after {:.1} s", took.as_secs_f32());
    // What was done may be seen only now.
    std::thread::sleep(Duration::from_millis(300));
    wait_until(what, SOON, is_as_it_was);
}

#[test]
fn what_somebody_does_to_a_site_s_objects_is_mended_soon_and_once() {
    super::install();
    let space = "heal";
    let _operator = operator(space);
    let was = whole(space);
    let mended = |what: &str, damage: &dyn Fn()| mended(space, &was, what, damage);
    let merge = |object: &str, with: Value| patch(space, object, "merge", &with);
    let delete = |object: &str| drop(kube(&["delete", "-n", space, object, "--wait=false"]));

    let token = "secret/dialtone-hq-token";
    mended("the token's Secret is deleted", &|| delete(token));
    mended("the token's Secret is emptied", &|| merge(token, json!({"data": null})));
    mended("the token is too short", &|| merge(token, json!({"data": {"token": "eA=="}})));
    mended("the token is no text", &|| merge(token, json!({"data": {"token": "/w==", "hashKey": "/w=="}})));
    mended("the token has another name", &|| merge(token, json!({"data": {"token": null, "Token": "eA=="}})));
    mended("the token's Secret is immutable", &|| merge(token, json!({"immutable": true})));
    mended("the token's Secret is wrong and immutable", &|| {
        merge(token, json!({"data": {"token": "eA=="}, "immutable": true}))
    });

    for (map, file) in
        [("cm/dialtone-hq-common", "SIPDefault.cnf"), ("cm/dialtone-hq-phones-00", "SIP000A8A000001.cnf")]
    {
        mended("a foreign file", &|| merge(map, json!({"data": {"evil.cnf": "x"}})));
        mended("a foreign binary file", &|| merge(map, json!({"binaryData": {"evil.bin": "AA=="}})));
        mended("another file", &|| merge(map, json!({"data": {file: "x"}})));
        mended("no file", &|| merge(map, json!({"data": {file: null}})));
        mended("no data", &|| merge(map, json!({"data": null})));
        mended("a file that is elsewhere", &|| merge(map, json!({"data": {file: null}, "binaryData": {file: "AA=="}})));
        mended("an immutable ConfigMap", &|| merge(map, json!({"immutable": true})));
        mended("an immutable ConfigMap with a foreign file", &|| {
            merge(map, json!({"immutable": true, "data": {"evil.cnf": "x"}}))
        });
        mended("a file that somebody else applies", &|| {
            let name = map.split_once('/').unwrap().1;
            let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {file: "x", "evil.cnf": "x"}});
            let args = ["apply", "--server-side", "--force-conflicts", "--field-manager=other", "-n", space, "-f", "-"];
            assert!(kubectl(&args, Some(&object.to_string())).status.success());
        });
    }
    let files = "secret/dialtone-hq-phones-00";
    mended("a foreign file beside passwords", &|| merge(files, json!({"data": {"evil.cnf": "eA=="}})));
    mended("an immutable Secret", &|| merge(files, json!({"immutable": true})));

    for object in [
        token,
        files,
        "cm/dialtone-hq-common",
        "sa/dialtone-hq",
        "netpol/dialtone-hq",
        "svc/dialtone-hq",
        "deploy/dialtone-hq",
    ] {
        let metadata = |what: &str, with: Value| {
            mended(&format!("{object}: {what}"), &|| merge(object, json!({"metadata": with})))
        };
        mended(&format!("{object} is deleted"), &|| delete(object));
        metadata("no owner", json!({"ownerReferences": null}));
        let owner = |more: Value| {
            let mut owner = get(space, &[object])["metadata"]["ownerReferences"][0].clone();
            owner.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            json!({"ownerReferences": [owner]})
        };
        metadata("another owner", owner(json!({"uid": "00000000-0000-4000-8000-000000000000"})));
        metadata("an owner that is not the controller", owner(json!({"controller": false})));
        metadata(
            "an owner of another kind",
            owner(
                json!({"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "00000000-0000-4000-8000-000000000001"}),
            ),
        );
        metadata("no managed-by label", json!({"labels": {"app.kubernetes.io/managed-by": null}}));
        metadata("no site label", json!({"labels": {"dialtone.dev/site": null}}));
        metadata("another site's label", json!({"labels": {"dialtone.dev/site": "lab", "dialtone.dev/role": "x"}}));
        metadata("no labels", json!({"labels": null}));
    }
    for object in ["netpol/dialtone-hq", "svc/dialtone-hq", "deploy/dialtone-hq"] {
        mended("no annotation", &|| {
            merge(object, json!({"metadata": {"annotations": {"dialtone.dev/applied": null}}}))
        });
    }
    quiet("everything is mended", 20);
    kube(&["delete", "namespace", space, "--wait=false"]);
}

#[test]
fn what_somebody_does_to_fields_and_statuses_is_mended_soon_and_once() {
    super::install();
    let space = "heal-fields";
    let _operator = operator(space);
    let was = whole(space);
    let mended = |what: &str, damage: &dyn Fn()| mended(space, &was, what, damage);
    let merge = |object: &str, with: Value| patch(space, object, "merge", &with);
    let deploy = "deploy/dialtone-hq";
    mended("scaled", &|| drop(kube(&["scale", deploy, "--replicas=5", "-n", space])));
    mended("another image", &|| drop(kube(&["set", "image", deploy, "tftp=evil", "-n", space])));
    let side = json!({"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "evil"}]}}}});
    mended("one container more", &|| patch(space, deploy, "strategic", &side));
    mended("another argument", &|| {
        let args = json!([{"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": "--x"}]);
        patch(space, deploy, "json", &args);
    });
    let port = json!({"spec": {"ports": [{"name": "other", "port": 70, "protocol": "UDP"}]}});
    mended("one port more", &|| patch(space, "svc/dialtone-hq", "strategic", &port));
    mended("another selector", &|| merge("svc/dialtone-hq", json!({"spec": {"selector": {"app": "x"}}})));
    mended("another type", &|| {
        merge("svc/dialtone-hq", json!({"spec": {"type": "ClusterIP", "externalTrafficPolicy": null}}))
    });
    mended("an open policy", &|| merge("netpol/dialtone-hq", json!({"spec": {"ingress": [{}]}})));
    mended("an account with a token", &|| merge("sa/dialtone-hq", json!({"automountServiceAccountToken": true})));

    let status = |object: &str, with: &Value| {
        kube(&["patch", "-n", space, object, "--subresource=status", "--type=merge", "-p", &with.to_string()]);
    };
    for object in ["sipphone/one", "phonesite/hq"] {
        mended("a status is wiped", &|| status(object, &json!({"status": null})));
        mended("conditions are wiped", &|| status(object, &json!({"status": {"conditions": null}})));
        let forged = json!([{"type": "Ready", "status": "True", "reason": "Forged", "message": "", "lastTransitionTime": "2020-01-01T00:00:00Z"},
            {"type": "Forged", "status": "True", "reason": "Forged", "message": "", "lastTransitionTime": "2020-01-01T00:00:00Z"}]);
        mended("conditions are forged", &|| status(object, &json!({"status": {"conditions": forged}})));
        mended("an older status lands late", &|| {
            let (kind, name) = object.split_once('/').unwrap();
            let kind = if kind == "sipphone" { "SipPhone" } else { "PhoneSite" };
            let old = json!({"apiVersion": "dialtone.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "status": {"observedGeneration": 0}});
            let args = [
                "apply",
                "--server-side",
                "--force-conflicts",
                "--field-manager=dialtone",
                "--subresource=status",
                "-n",
                space,
                "-f",
                "-",
            ];
            let output = kubectl(&args, Some(&old.to_string()));
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        });
    }
    mended("a phone is said to be elsewhere", &|| {
        status(
            "sipphone/one",
            &json!({"status": {"address": "10.9.9.9", "fetchedHash": "x", "lastSeen": "2020-01-01T00:00:00Z"}}),
        )
    });

    // Foreign owners and annotations are nobody's business.
    merge("cm/dialtone-hq-common", json!({"metadata": {"annotations": {"example.com/a": "b"}}}));
    quiet("everything is mended", 60);
    kube(&["delete", "namespace", space, "--wait=false"]);
}

#[test]
fn what_is_being_deleted_is_left_alone_and_then_made_anew() {
    super::install();
    let space = "leaving";
    let _operator = operator(space);
    let was = whole(space);
    for object in ["cm/dialtone-hq-common", "secret/dialtone-hq-token", "deploy/dialtone-hq"] {
        patch(space, object, "merge", &json!({"metadata": {"finalizers": ["example.com/wait"]}}));
        kube(&["delete", "-n", space, object, "--wait=false"]);
        wait_for("that it waits to be said", SOON, || {
            let site = get(space, &["phonesite", "hq"])["status"]["conditions"].to_string();
            site.contains("example.com/wait").then_some(())
        });
        quiet(object, 12);
        patch(space, object, "merge", &json!({"metadata": {"finalizers": null}}));
        // A moment is lost with the transition of the site's conditions.
        wait_until(object, SOON, || {
            let (mut is, mut was) = (all(space), was.clone());
            [&mut is, &mut was].into_iter().for_each(|all| drop(all.remove("PhoneSite hq")));
            difference(&is, &was).map_or(Ok(()), Err)
        });
        wait_for("nothing to be said", SOON, || {
            let site = get(space, &["phonesite", "hq"])["status"]["conditions"].to_string();
            (!site.contains("example.com/wait")).then_some(())
        });
    }
    quiet("all is back", 5);

    // A site that is deleted and made anew waits for the garbage collector and for nobody else.
    let uid = |what: &[&str]| get(space, what)["metadata"]["ownerReferences"][0]["uid"].clone();
    kube(&["delete", "-n", space, "phonesite", "hq", "--wait=false"]);
    site(space, "hq");
    let new = get(space, &["phonesite", "hq"])["metadata"]["uid"].clone();
    wait_for("the new site to have its objects", 30, || {
        let all = [
            ["deploy", "dialtone-hq"],
            ["secret", "dialtone-hq-token"],
            ["cm", "dialtone-hq-common"],
            ["cm", "dialtone-hq-phones-00"],
        ];
        let accepted = condition(&get(space, &["phonesite", "hq"]), "Accepted").0 == "True";
        (accepted && all.iter().all(|what| uid(what) == new)).then_some(())
    });
    // One whose objects were orphaned has them again.
    kube(&["delete", "-n", space, "phonesite", "hq", "--cascade=orphan"]);
    let deployment = get(space, &["deploy", "dialtone-hq"])["metadata"]["uid"].clone();
    site(space, "hq");
    let new = get(space, &["phonesite", "hq"])["metadata"]["uid"].clone();
    wait_for("the next site to have the orphans", SOON, || {
        (uid(&["deploy", "dialtone-hq"]) == new && uid(&["secret", "dialtone-hq-token"]) == new).then_some(())
    });
    assert_eq!(get(space, &["deploy", "dialtone-hq"])["metadata"]["uid"], deployment);
    kube(&["delete", "namespace", space, "--wait=false"]);
}

#[test]
fn what_others_had_before_is_theirs_and_said_until_it_goes() {
    super::install();
    let space = "taken";
    kube(&["create", "namespace", space]);
    let labels =
        json!({"app.kubernetes.io/managed-by": "dialtone", "dialtone.dev/site": "hq", "dialtone.dev/role": "tftp"});
    let pod =
        json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "web"}]}});
    let selector = json!({"matchLabels": {"app": "web"}});
    let foreign = [
        (
            "deploy/dialtone-hq",
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "dialtone-hq", "labels": labels}, "spec": {"selector": selector, "template": pod}}),
        ),
        (
            "svc/dialtone-hq",
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "dialtone-hq"}, "spec": {"ports": [{"port": 80}]}}),
        ),
        (
            "netpol/dialtone-hq",
            json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "dialtone-hq", "labels": labels}, "spec": {"podSelector": {}}}),
        ),
        ("sa/dialtone-hq", json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "dialtone-hq"}})),
        (
            "secret/dialtone-hq-token",
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "dialtone-hq-token", "labels": labels}, "stringData": {"token": "0".repeat(64), "hashKey": "0".repeat(64)}}),
        ),
        (
            "cm/dialtone-hq-common",
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "dialtone-hq-common", "labels": labels}, "data": {"evil.cnf": "x"}}),
        ),
        (
            "cm/dialtone-hq-phones-05",
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "dialtone-hq-phones-05"}, "data": {"evil.cnf": "x"}}),
        ),
        (
            "secret/dialtone-hq-phones-06",
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "dialtone-hq-phones-06", "labels": labels}}),
        ),
        (
            "cm/other",
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "other", "labels": labels}, "data": {"a": "x"}}),
        ),
    ];
    for (_, object) in &foreign {
        assert!(kubectl(&["create", "-n", space, "-f", "-"], Some(&object.to_string())).status.success(), "{object}");
    }
    let read = || foreign.clone().map(|(name, _)| compared(get(space, &[name])));
    let before = read();
    let _operator = operator(space);
    site(space, "hq");
    let said = || {
        let site = get(space, &["phonesite", "hq"]);
        let conditions = site["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let accepted = conditions.into_iter().find(|one| one["type"] == "Accepted").unwrap_or_default();
        (
            accepted["reason"].as_str().unwrap_or_default().to_owned(),
            accepted["message"].as_str().unwrap_or_default().to_owned(),
        )
    };
    wait_for("NameTaken", SOON, || (said().0 == "NameTaken").then_some(()));
    quiet("what is taken is left alone", 12);
    assert_eq!(read(), before, "nothing of others was touched");
    for (name, object) in foreign.iter().take(8) {
        let text = format!("{} {}", object["kind"].as_str().unwrap(), name.split_once('/').unwrap().1);
        wait_until(&text, SOON, || {
            let (reason, message) = said();
            (reason == "NameTaken" && (message.contains(&text) || message.contains("more")))
                .then_some(())
                .ok_or(message)
        });
        kube(&["delete", "-n", space, name]);
        wait_until(&text, SOON, || {
            let message = said().1;
            (!message.contains(&format!("{text} exists"))).then_some(()).ok_or(message)
        });
    }
    wait_until("the site to be made", SOON, || {
        let said = said();
        (said.0 == "Accepted" && !get(space, &["deploy", "dialtone-hq"]).is_null()).then_some(()).ok_or(said.1)
    });
    assert_eq!(get(space, &["secret", "dialtone-hq-token"])["metadata"]["ownerReferences"][0]["kind"], "PhoneSite");
    assert_eq!(compared(get(space, &["cm/other"])), before[8]);
    // One that comes later, under a name that is not used yet.
    kube(&["create", "configmap", "dialtone-hq-phones-07", "--from-literal=a=b", "-n", space]);
    wait_for("that it is in the way to be said", SOON, || said().1.contains("dialtone-hq-phones-07").then_some(()));
    kube(&["delete", "configmap", "dialtone-hq-phones-07", "-n", space]);
    wait_for("Accepted", SOON, || (said().0 == "Accepted").then_some(()));
    quiet("nothing is in the way", 5);
    kube(&["delete", "namespace", space, "--wait=false"]);
}

#[test]
fn trouble_that_is_over_is_not_said_any_more() {
    super::install();
    let space = "quota";
    kube(&["create", "namespace", space]);
    for (name, what) in [("maps", "count/configmaps=0"), ("services", "count/services=0")] {
        kube(&["create", "quota", name, &format!("--hard={what}"), "-n", space]);
    }
    wait_for("the quotas to count", 20, || {
        let all = get(space, &["quota"]);
        all["items"].as_array().unwrap().iter().all(|one| one["status"]["used"].is_object()).then_some(())
    });
    let _operator = operator(space);
    site(space, "hq");
    let message = || get(space, &["phonesite", "hq"])["status"]["conditions"].to_string();
    let reason = || condition(&get(space, &["phonesite", "hq"]), "Accepted").1;
    wait_for("both to be said", SOON, || {
        let message = message();
        (reason() == "Forbidden" && message.contains("dialtone-hq-common") && message.contains("services"))
            .then_some(())
    });
    assert!(!get(space, &["deploy", "dialtone-hq"]).is_null(), "what can be made is made");
    kube(&["delete", "quota", "maps", "-n", space]);
    let (_, took) = wait_for("the ConfigMap's trouble to be over", 70, || {
        (!message().contains("dialtone-hq-common")).then_some(())
    });
    eprintln!("one trouble is over after {} s", took.as_secs());
    assert_eq!(reason(), "Forbidden", "the Service's is not");
    kube(&["delete", "quota", "services", "-n", space]);
    let (_, took) = wait_for("Accepted", 70, || (reason() == "Accepted").then_some(()));
    eprintln!("the other after {} s", took.as_secs());
    quiet("all is made", 5);
    kube(&["delete", "namespace", space, "--wait=false"]);
}

#[test]
fn nobody_is_fought_without_end() {
    super::install();
    let space = "contest";
    let _operator = operator(space);
    let was = whole(space);
    for (i, (object, with, status)) in [
        ("cm/dialtone-hq-common", json!({"data": {"evil.cnf": "x"}}), false),
        ("deploy/dialtone-hq", json!({"spec": {"replicas": 9}}), false),
        ("sipphone/one", json!({"status": {"configFile": "x"}}), true),
    ]
    .into_iter()
    .enumerate()
    {
        let before = writes().len();
        let began = Instant::now();
        let with = with.to_string();
        let mut args = vec!["patch", "-n", space, object, "--type=merge", "-p", &with];
        args.extend(status.then_some("--subresource=status"));
        let said = || {
            get(space, &["events"])["items"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|event| event["reason"] == "Contested")
                .count()
                > i
        };
        while began.elapsed() < Duration::from_secs(20) || !said() {
            assert!(began.elapsed() < Duration::from_secs(90), "{object}: nobody says that somebody fights");
            for _ in 0..10 {
                kube(&args);
            }
        }
        let (few, seconds) = (writes().len() - before, began.elapsed().as_secs());
        eprintln!("{object}: {few} writes in {seconds} s of changes without end");
        assert!((3..=40).contains(&few), "{object}: {few} writes in {seconds} s");
        wait_until(object, 40, || difference(&all(space), &was).map_or(Ok(()), Err));
    }
    quiet("nobody fights", 5);
    kube(&["delete", "namespace", space, "--wait=false"]);
}
