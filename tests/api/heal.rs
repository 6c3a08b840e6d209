//! Whatever somebody does to what belongs to a site is put right, or said; and then nothing is written any more.
//!
//! Each test has namespaces of its own, with an operator for each: they mostly wait, and wait side by side.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::child::Running;
use super::direct::{create, create_namespace, delete, everything, get, list, patch};
use super::support::{audit_log, audited, condition, kube, kubectl, wait_for, wait_until};

/// Within so many seconds everything is mended, or said.
const SOON: u64 = 10;
/// The kinds of objects that belong to a site, and those that have a status.
const KINDS: [&str; 9] = ["cm", "secret", "sa", "netpol", "svc", "pdb", "deploy", "phonesite", "sipphone"];

/// An operator for a namespace, with the rights of the kubeconfig's user.
pub fn operator(space: &str) -> Running {
    let http = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_dialtone"))
        .args([
            "operator",
            "--image=dialtone:none",
            "--namespaces",
            space,
            "--image-volumes=false",
            // One alone needs none, and so the machine may be busy for longer than a Lease lasts.
            "--leader-election=false",
            "--http",
            &http.to_string(),
        ])
        .stdout(Stdio::null())
        .spawn();
    Running(child.unwrap())
}

/// The writes of a namespace's operator from a moment on, as the API server's audit log has them.
pub struct Writes<'a> {
    space: &'a str,
    begin: u64,
}

impl Writes<'_> {
    pub fn begin(space: &str) -> Writes<'_> {
        Writes { space, begin: audit_log().metadata().unwrap().len() }
    }

    pub fn all(&self) -> Vec<String> {
        let ours = audited(self.begin).into_iter().filter(|entry| {
            let agent = entry["userAgent"].as_str().unwrap_or_default();
            entry["objectRef"]["namespace"] == self.space
                && !["kubectl", "kube-", "etcd"].iter().any(|other| agent.starts_with(other))
        });
        ours.map(|entry| format!("{} {}", entry["verb"].as_str().unwrap(), entry["requestURI"].as_str().unwrap()))
            .collect()
    }
}

/// For so long a namespace's operator writes nothing.
pub fn quiet(space: &str, why: &str, seconds: u64) {
    thread::sleep(Duration::from_secs(2));
    let writes = Writes::begin(space);
    thread::sleep(Duration::from_secs(seconds));
    let all = writes.all();
    assert!(all.is_empty(), "{why}: {all:#?}");
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
            // No pod ever serves here, and why is said when the controllers that make them get there.
            for condition in object["status"]["conditions"].as_array_mut().into_iter().flatten() {
                if ["NoServer", "ServersMissing", "PodsRefused", "NotStarted"]
                    .iter()
                    .any(|why| condition["reason"] == *why)
                {
                    (condition["reason"], condition["message"]) = (Value::Null, Value::Null);
                }
            }
        }
        _ => object["status"] = Value::Null,
    }
    object
}

/// All that belongs to a site, and the statuses.
pub fn all(space: &str) -> BTreeMap<String, Value> {
    let ours = everything(space, &KINDS).into_iter().filter(|object| {
        let name = object["metadata"]["name"].as_str().unwrap();
        name.starts_with("dialtone-") || ["PhoneSite", "SipPhone"].contains(&object["kind"].as_str().unwrap())
    });
    ours.map(|object| {
        let name = format!("{} {}", object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap());
        (name, compared(object))
    })
    .collect()
}

pub fn difference(is: &BTreeMap<String, Value>, was: &BTreeMap<String, Value>) -> Option<String> {
    let names: std::collections::BTreeSet<&String> = is.keys().chain(was.keys()).collect();
    let name = names.into_iter().find(|name| is.get(*name) != was.get(*name))?;
    Some(format!("{name} is {:?}\nand was {:?}", is.get(name), was.get(name)))
}

/// Makes one of dialtone's own objects.
fn make(space: &str, kind: &str, name: &str, spec: Value) {
    create(
        space,
        &json!({"apiVersion": "dialtone.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}),
    );
}

fn site(space: &str, name: &str) {
    make(space, "PhoneSite", name, json!({"settings": {"proxy1Address": "10.0.0.1"}}));
}

static STARTS: Mutex<()> = Mutex::new(());

/// A site with a phone without a password and one with, and how it all is in the end.
fn whole(space: &str) -> BTreeMap<String, Value> {
    // One at a time: only later they mostly wait.
    let starts = STARTS.lock().unwrap_or_else(PoisonError::into_inner);
    let password = json!({"kind": "Secret", "metadata": {"name": "pw"}, "stringData": {"a": "secret"}});
    create(space, &password);
    site(space, "hq");
    let secret = json!({"name": "7102", "passwordSecretRef": {"name": "pw", "key": "a"}});
    for (name, mac, line) in [("one", "000A8A000001", json!({"name": "7101"})), ("two", "000A8A000002", secret)] {
        let spec = json!({"siteRef": {"name": "hq"}, "mac": mac, "model": "7960", "lines": [line]});
        make(space, "SipPhone", name, spec);
    }
    wait_for("the site to be made", 30, || {
        let all = all(space);
        let is_said = |name: &str| all.get(name).is_some_and(|phone| phone["status"]["configHash"].is_string());
        (all.len() == 12 && is_said("SipPhone one") && is_said("SipPhone two")).then_some(())
    });
    drop(starts);
    quiet(space, "what is made is not made again", 3);
    all(space)
}

/// A namespace with a whole site that somebody damages.
pub struct Victim {
    pub space: String,
    pub was: BTreeMap<String, Value>,
    pub operator: Running,
}

impl Victim {
    pub fn new(space: &str) -> Victim {
        create_namespace(space);
        let operator = operator(space);
        Victim { space: space.to_owned(), was: whole(space), operator }
    }

    /// After some damage everything soon is as it was, and stays so.
    pub fn mended(&self, what: &str, damage: impl Fn()) {
        damage();
        let is_as_it_was = || difference(&all(&self.space), &self.was).map_or(Ok(()), Err);
        let (_, took) = wait_until(what, SOON, is_as_it_was);
        eprintln!("{}, {what}: mended after {:.1} s", self.space, took.as_secs_f32());
        // What was done may be seen only now.
        thread::sleep(Duration::from_millis(300));
        wait_until(what, SOON, is_as_it_was);
    }

    fn patched(&self, what: &str, object: &str, kind: &str, with: &Value) {
        self.mended(what, || patch(&self.space, object, kind, with));
    }

    fn merged(&self, what: &str, object: &str, with: Value) {
        self.patched(what, object, "merge", &with);
    }
}

/// What somebody does to one object, or a part of it.
type Damages = fn(&Victim, &str);

/// Damages objects, each in a namespace of its own, all at once; when all is mended nothing is written for so long.
fn all_mended(damaged: &[(&str, &str, &[Damages])], seconds: u64) {
    super::install();
    thread::scope(|scope| {
        for (space, object, damages) in damaged {
            scope.spawn(move || {
                let victim = Victim::new(space);
                damages.iter().for_each(|damage| damage(&victim, object));
                quiet(space, "everything is mended", seconds);
                kube(&["delete", "namespace", space, "--wait=false"]);
            });
        }
    });
}

#[test]
fn what_somebody_does_to_a_site_s_objects_is_mended_soon_and_once() {
    let damaged: &[(&str, &str, &[Damages])] = &[
        ("heal-token", "secret/dialtone-hq-token", &[the_token, the_metadata]),
        ("heal-files", "secret/dialtone-hq-phones-00", &[the_secret, the_metadata]),
        ("heal-common", "cm/dialtone-hq-common", &[the_map, the_metadata]),
        ("heal-phones", "cm/dialtone-hq-phones-00", &[the_map]),
        ("heal-account", "sa/dialtone-hq", &[the_metadata]),
        ("heal-policy", "netpol/dialtone-hq", &[the_metadata, the_annotation]),
        ("heal-service", "svc/dialtone-hq", &[the_metadata, the_annotation]),
        ("heal-pods", "deploy/dialtone-hq", &[the_metadata, the_annotation]),
    ];
    all_mended(damaged, 20);
}

fn the_token(victim: &Victim, token: &str) {
    victim.merged("the token's Secret is emptied", token, json!({"data": null}));
    victim.merged("the token is too short", token, json!({"data": {"token": "eA=="}}));
    victim.merged("the token is no text", token, json!({"data": {"token": "/w==", "hashKey": "/w=="}}));
    victim.merged("the token has another name", token, json!({"data": {"token": null, "Token": "eA=="}}));
    victim.merged("the token's Secret is immutable", token, json!({"immutable": true}));
    let both = json!({"data": {"token": "eA=="}, "immutable": true});
    victim.merged("the token's Secret is wrong and immutable", token, both);
}

fn the_secret(victim: &Victim, files: &str) {
    victim.merged("a foreign file beside passwords", files, json!({"data": {"evil.cnf": "eA=="}}));
    victim.merged("an immutable Secret", files, json!({"immutable": true}));
}

fn the_map(victim: &Victim, map: &str) {
    let file = if map.ends_with("common") { "SIPDefault.cnf" } else { "SIP000A8A000001.cnf" };
    victim.merged("a foreign file", map, json!({"data": {"evil.cnf": "x"}}));
    victim.merged("a foreign binary file", map, json!({"binaryData": {"evil.bin": "AA=="}}));
    victim.merged("another file", map, json!({"data": {file: "x"}}));
    victim.merged("no file", map, json!({"data": {file: null}}));
    victim.merged("no data", map, json!({"data": null}));
    let elsewhere = json!({"data": {file: null}, "binaryData": {file: "AA=="}});
    victim.merged("a file that is elsewhere", map, elsewhere);
    victim.merged("an immutable ConfigMap", map, json!({"immutable": true}));
    let both = json!({"immutable": true, "data": {"evil.cnf": "x"}});
    victim.merged("an immutable ConfigMap with a foreign file", map, both);
    victim.mended("a file that somebody else applies", || {
        let name = map.split_once('/').unwrap().1;
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {file: "x", "evil.cnf": "x"}});
        let args = ["apply", "--server-side", "--force-conflicts", "--field-manager=other", "-n", &victim.space, "-f", "-"];
        assert!(kubectl(&args, Some(&object.to_string())).status.success());
    });
}

fn the_metadata(victim: &Victim, object: &str) {
    let space = &*victim.space;
    let metadata = |what: &str, with: Value| victim.merged(what, object, json!({"metadata": with}));
    victim.mended("deleted", || delete(space, object));
    metadata("no owner", json!({"ownerReferences": null}));
    let owner = |more: Value| {
        let mut owner = get(space, object)["metadata"]["ownerReferences"][0].clone();
        owner.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"ownerReferences": [owner]})
    };
    metadata("another owner", owner(json!({"uid": "00000000-0000-4000-8000-000000000000"})));
    metadata("an owner that is not the controller", owner(json!({"controller": false})));
    metadata(
        "an owner of another kind",
        owner(json!({"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "00000000-0000-4000-8000-000000000001"})),
    );
    metadata("no managed-by label", json!({"labels": {"app.kubernetes.io/managed-by": null}}));
    metadata("no site label", json!({"labels": {"dialtone.dev/site": null}}));
    metadata("another site's label", json!({"labels": {"dialtone.dev/site": "lab", "dialtone.dev/role": "x"}}));
    metadata("no labels", json!({"labels": null}));
}

fn the_annotation(victim: &Victim, object: &str) {
    victim.merged("no annotation", object, json!({"metadata": {"annotations": {"dialtone.dev/applied": null}}}));
}

#[test]
fn what_somebody_does_to_fields_and_statuses_is_mended_soon_and_once() {
    let damaged: &[(&str, &str, &[Damages])] = &[
        ("heal-fields", "", &[the_fields]),
        ("heal-phone", "sipphone/one", &[the_status, the_address]),
        ("heal-site", "phonesite/hq", &[the_status]),
    ];
    all_mended(damaged, 60);
}

fn the_fields(victim: &Victim, _: &str) {
    let (space, deploy, service) = (&*victim.space, "deploy/dialtone-hq", "svc/dialtone-hq");
    victim.mended("scaled", || drop(kube(&["scale", deploy, "--replicas=5", "-n", space])));
    victim.mended("another image", || drop(kube(&["set", "image", deploy, "tftp=evil", "-n", space])));
    let side = json!({"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "evil"}]}}}});
    victim.patched("one container more", deploy, "strategic", &side);
    let args = json!([{"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": "--x"}]);
    victim.patched("another argument", deploy, "json", &args);
    let port = json!({"spec": {"ports": [{"name": "other", "port": 70, "protocol": "UDP"}]}});
    victim.patched("one port more", service, "strategic", &port);
    victim.merged("another selector", service, json!({"spec": {"selector": {"app": "x"}}}));
    let inside = json!({"spec": {"type": "ClusterIP", "externalTrafficPolicy": null}});
    victim.merged("another type", service, inside);
    victim.merged("an open policy", "netpol/dialtone-hq", json!({"spec": {"ingress": [{}]}}));
    let budget = "pdb/dialtone-hq";
    victim.merged("a budget that keeps no pod", budget, json!({"spec": {"minAvailable": 0}}));
    let other = json!({"spec": {"minAvailable": null, "maxUnavailable": "100%"}});
    victim.merged("a budget with another bound", budget, other);
    victim.merged("a budget of other pods", budget, json!({"spec": {"selector": {"matchLabels": {"app": "x"}}}}));
    victim.merged("an account with a token", "sa/dialtone-hq", json!({"automountServiceAccountToken": true}));
    // Foreign owners and annotations are nobody's business.
    patch(space, "cm/dialtone-hq-common", "merge", &json!({"metadata": {"annotations": {"example.com/a": "b"}}}));
}

fn the_status(victim: &Victim, object: &str) {
    victim.merged("a status is wiped", object, json!({"status": null}));
    victim.merged("conditions are wiped", object, json!({"status": {"conditions": null}}));
    let forged = json!([{"type": "Ready", "status": "True", "reason": "Forged", "message": "", "lastTransitionTime": "2020-01-01T00:00:00Z"},
        {"type": "Forged", "status": "True", "reason": "Forged", "message": "", "lastTransitionTime": "2020-01-01T00:00:00Z"}]);
    victim.merged("conditions are forged", object, json!({"status": {"conditions": forged}}));
    victim.mended("an older status lands late", || {
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
            &victim.space,
            "-f",
            "-",
        ];
        let output = kubectl(&args, Some(&old.to_string()));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    });
}

fn the_address(victim: &Victim, phone: &str) {
    let status = json!({"address": "10.9.9.9", "fetchedHash": "x", "lastSeen": "2020-01-01T00:00:00Z"});
    victim.merged("a phone is said to be elsewhere", phone, json!({"status": status}));
}

#[test]
fn what_is_being_deleted_is_left_alone_and_then_made_anew() {
    super::install();
    let space = "leaving";
    create_namespace(space);
    let _operator = operator(space);
    let was = whole(space);
    for object in ["cm/dialtone-hq-common", "secret/dialtone-hq-token", "deploy/dialtone-hq"] {
        patch(space, object, "merge", &json!({"metadata": {"finalizers": ["example.com/wait"]}}));
        delete(space, object);
        wait_for("that it waits to be said", SOON, || {
            let site = get(space, "phonesite/hq")["status"]["conditions"].to_string();
            site.contains("example.com/wait").then_some(())
        });
        quiet(space, object, 12);
        patch(space, object, "merge", &json!({"metadata": {"finalizers": null}}));
        // A moment is lost with the transition of the site's conditions.
        wait_until(object, SOON, || {
            let (mut is, mut was) = (all(space), was.clone());
            [&mut is, &mut was].into_iter().for_each(|all| drop(all.remove("PhoneSite hq")));
            difference(&is, &was).map_or(Ok(()), Err)
        });
        wait_for("nothing to be said", SOON, || {
            let site = get(space, "phonesite/hq")["status"]["conditions"].to_string();
            (!site.contains("example.com/wait")).then_some(())
        });
    }
    quiet(space, "all is back", 5);

    // A site that is deleted and made anew waits for the garbage collector and for nobody else.
    let uid = |what: &str| get(space, what)["metadata"]["ownerReferences"][0]["uid"].clone();
    delete(space, "phonesite/hq");
    site(space, "hq");
    let new = get(space, "phonesite/hq")["metadata"]["uid"].clone();
    wait_for("the new site to have its objects", 30, || {
        let all =
            ["deploy/dialtone-hq", "secret/dialtone-hq-token", "cm/dialtone-hq-common", "cm/dialtone-hq-phones-00"];
        let accepted = condition(&get(space, "phonesite/hq"), "Accepted").0 == "True";
        (accepted && all.iter().all(|what| uid(what) == new)).then_some(())
    });
    // One whose objects were orphaned has them again.
    kube(&["delete", "-n", space, "phonesite", "hq", "--cascade=orphan"]);
    let deployment = get(space, "deploy/dialtone-hq")["metadata"]["uid"].clone();
    site(space, "hq");
    let new = get(space, "phonesite/hq")["metadata"]["uid"].clone();
    wait_for("the next site to have the orphans", SOON, || {
        (uid("deploy/dialtone-hq") == new && uid("secret/dialtone-hq-token") == new).then_some(())
    });
    assert_eq!(get(space, "deploy/dialtone-hq")["metadata"]["uid"], deployment);
    kube(&["delete", "namespace", space, "--wait=false"]);
}

#[test]
fn what_others_had_before_is_theirs_and_said_until_it_goes() {
    super::install();
    let space = "taken";
    create_namespace(space);
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
        (
            "pdb/dialtone-hq",
            json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "dialtone-hq", "labels": labels}, "spec": {"minAvailable": 1}}),
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
    let read = || foreign.clone().map(|(name, _)| compared(get(space, name)));
    let before = read();
    let _operator = operator(space);
    site(space, "hq");
    let said = || {
        let site = get(space, "phonesite/hq");
        let conditions = site["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let accepted = conditions.into_iter().find(|one| one["type"] == "Accepted").unwrap_or_default();
        (
            accepted["reason"].as_str().unwrap_or_default().to_owned(),
            accepted["message"].as_str().unwrap_or_default().to_owned(),
        )
    };
    wait_for("NameTaken", SOON, || (said().0 == "NameTaken").then_some(()));
    quiet(space, "what is taken is left alone", 12);
    assert_eq!(read(), before, "nothing of others was touched");
    for (name, object) in foreign.iter().take(9) {
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
        (said.0 == "Accepted" && !get(space, "deploy/dialtone-hq").is_null()).then_some(()).ok_or(said.1)
    });
    assert_eq!(get(space, "secret/dialtone-hq-token")["metadata"]["ownerReferences"][0]["kind"], "PhoneSite");
    assert_eq!(compared(get(space, "cm/other")), before[9]);
    // One that comes later, under a name that is not used yet.
    kube(&["create", "configmap", "dialtone-hq-phones-07", "--from-literal=a=b", "-n", space]);
    wait_for("that it is in the way to be said", SOON, || said().1.contains("dialtone-hq-phones-07").then_some(()));
    kube(&["delete", "configmap", "dialtone-hq-phones-07", "-n", space]);
    wait_for("Accepted", SOON, || (said().0 == "Accepted").then_some(()));
    quiet(space, "nothing is in the way", 5);
    kube(&["delete", "namespace", space, "--wait=false"]);
}

#[test]
fn trouble_that_is_over_is_not_said_any_more() {
    super::install();
    let space = "quota";
    create_namespace(space);
    for (name, what) in [("maps", "count/configmaps=0"), ("services", "count/services=0")] {
        kube(&["create", "quota", name, &format!("--hard={what}"), "-n", space]);
    }
    wait_for("the quotas to count", 20, || {
        list(space, "quota").iter().all(|one| one["status"]["used"].is_object()).then_some(())
    });
    let _operator = operator(space);
    site(space, "hq");
    let message = || get(space, "phonesite/hq")["status"]["conditions"].to_string();
    let reason = || condition(&get(space, "phonesite/hq"), "Accepted").1;
    wait_for("both to be said", SOON, || {
        let message = message();
        (reason() == "Forbidden" && message.contains("dialtone-hq-common") && message.contains("services"))
            .then_some(())
    });
    assert!(!get(space, "deploy/dialtone-hq").is_null(), "what can be made is made");
    kube(&["delete", "quota", "maps", "-n", space]);
    let (_, took) = wait_for("the ConfigMap's trouble to be over", 70, || {
        (!message().contains("dialtone-hq-common")).then_some(())
    });
    eprintln!("one trouble is over after {} s", took.as_secs());
    assert_eq!(reason(), "Forbidden", "the Service's is not");
    kube(&["delete", "quota", "services", "-n", space]);
    let (_, took) = wait_for("Accepted", 70, || (reason() == "Accepted").then_some(()));
    eprintln!("the other after {} s", took.as_secs());
    quiet(space, "all is made", 5);
    kube(&["delete", "namespace", space, "--wait=false"]);
}

#[test]
fn nobody_is_fought_without_end() {
    super::install();
    thread::scope(|scope| {
        for (space, object, with) in [
            ("contest-files", "cm/dialtone-hq-common", json!({"data": {"evil.cnf": "x"}})),
            ("contest-pods", "deploy/dialtone-hq", json!({"spec": {"replicas": 9}})),
            ("contest-status", "sipphone/one", json!({"status": {"configFile": "x"}})),
        ] {
            scope.spawn(move || is_not_fought_without_end(space, object, &with));
        }
    });
}

fn is_not_fought_without_end(space: &str, object: &str, with: &Value) {
    create_namespace(space);
    let _operator = operator(space);
    let was = whole(space);
    let writes = Writes::begin(space);
    let began = Instant::now();
    let said = || list(space, "event").iter().any(|event| event["reason"] == "Contested");
    while began.elapsed() < Duration::from_secs(20) || !said() {
        assert!(began.elapsed() < Duration::from_secs(90), "{object}: nobody says that somebody fights");
        for _ in 0..10 {
            patch(space, object, "merge", with);
            thread::sleep(Duration::from_millis(80));
        }
    }
    let (few, seconds) = (writes.all().len(), began.elapsed().as_secs());
    eprintln!("{object}: {few} writes in {seconds} s of changes without end");
    assert!((3..=40).contains(&few), "{object}: {few} writes in {seconds} s");
    wait_until(object, 40, || difference(&all(space), &was).map_or(Ok(()), Err));
    quiet(space, "nobody fights", 5);
    kube(&["delete", "namespace", space, "--wait=false"]);
}
