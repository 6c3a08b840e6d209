//! What the real API server makes of the kinds: no warning, every refusal with its message, and what people see.
#![allow(clippy::unwrap_used)] // A test that cannot go on should stop.

#[path = "api/chart.rs"]
mod chart;
#[path = "support/child.rs"]
mod child;
#[path = "api/direct.rs"]
mod direct;
#[path = "support/generated.rs"]
mod generated;
#[path = "api/gitops.rs"]
mod gitops;
#[path = "api/heal.rs"]
mod heal;
#[path = "api/intruders.rs"]
mod intruders;
#[path = "api/missing.rs"]
mod missing;
#[path = "api/plugin.rs"]
mod plugin;
#[path = "api/rollout.rs"]
mod rollout;
mod support;

use std::process::Command;
use std::sync::Once;

use serde_json::{Value, json};
use support::{get, kube, kubectl, wait_for, wait_for_definitions};

const SPACE: &str = "default";

#[derive(serde::Deserialize)]
struct Bad {
    kind: String,
    #[serde(default)]
    name: Option<String>,
    spec: Value,
    says: String,
}

fn manifest(kind: &str, name: &str, spec: &Value) -> String {
    json!({"apiVersion": "dialtone.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}).to_string()
}

/// The definitions, once for all tests: they run side by side.
fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(apply_definitions);
}

fn apply_definitions() {
    let crds = std::fs::read_to_string("crds/dialtone.dev.yaml").unwrap();
    let args = ["apply", "--server-side", "--force-conflicts", "--warnings-as-errors", "-f", "-"];
    let output = kubectl(&args, Some(&crds));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.is_empty(), "the definitions are applied without a warning: {said}");
    wait_for_definitions();
}

#[test]
fn bad_manifests_are_refused_with_their_reasons() {
    install();
    let space = "bad";
    kube(&["create", "namespace", space]);
    let all: Vec<Bad> = serde_saphyr::from_str(include_str!("api/bad.yaml")).unwrap();
    assert!(all.len() >= 40, "{}", all.len());
    let mut wrong = Vec::new();
    for (i, bad) in all.iter().enumerate() {
        let name = bad.name.clone().unwrap_or_else(|| format!("bad-{i}"));
        let args = ["create", "-n", space, "--validate=strict", "-f", "-"];
        let output = kubectl(&args, Some(&manifest(&bad.kind, &name, &bad.spec)));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() || !said.contains(&bad.says) {
            wrong.push(format!("{i}: {} {}\n   should say {:?}\n   said {said:?}", bad.kind, bad.spec, bad.says));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), all.len(), wrong.join("\n"));
    for kind in ["phonesites", "sipphones"] {
        assert!(get(space, &[kind])["items"].as_array().is_none_or(Vec::is_empty), "nothing of it is stored");
    }
}

/// A phone's time zone is looked up, which no schema can do, and whether one network is within another is arithmetic; where several
/// objects meet there is no schema at all.
const BEYOND_THE_SCHEMA: &[&str] = &["tz database", "name a part of it"];

#[test]
fn what_render_accepts_the_api_server_accepts_and_the_reverse() {
    install();
    let all = generated::all();
    let refused = generated::refused_by_render(&all);
    let mut accepted = std::collections::BTreeSet::new();
    let mut said = String::new();
    for some in all.chunks(200) {
        let text: String = some.iter().map(|one| format!("---\n{}\n", one.manifest())).collect();
        let args = ["create", "--dry-run=server", "--validate=strict", "-o", "name", "-f", "-"];
        let output = kubectl(&args, Some(&text));
        let names = String::from_utf8(output.stdout).unwrap();
        accepted.extend(names.lines().filter_map(|line| Some(line.split_once('/')?.1.to_owned())));
        said += &String::from_utf8_lossy(&output.stderr);
    }
    assert!(accepted.len() > 200 && all.len() >= 1608, "{} of {}: {said}", accepted.len(), all.len());
    let differ: Vec<String> = all
        .iter()
        .filter(|one| accepted.contains(&one.name) == refused.contains_key(&one.name))
        .filter(|one| {
            let why = refused.get(&one.name).map(String::as_str).unwrap_or_default();
            !BEYOND_THE_SCHEMA.iter().any(|beyond| why.contains(beyond))
        })
        .map(|one| format!("{} {}: render says {:?}", one.field, one.spec, refused.get(&one.name)))
        .collect();
    assert!(differ.is_empty(), "{} of {} differ:\n{}", differ.len(), all.len(), differ.join("\n"));
}

#[test]
fn where_validation_is_not_strict_what_a_site_may_not_set_is_pruned() {
    install();
    let hostile = json!({"tftp": {"podTemplate": {
        "metadata": {"labels": {"team": "voice"}},
        "spec": {"nodeSelector": {"a": "b"}, "hostNetwork": true, "hostPID": true, "serviceAccountName": "admin", "nodeName": "a",
            "containers": [{"name": "tftp", "securityContext": {"privileged": true}}],
            "volumes": [{"name": "host", "hostPath": {"path": "/"}}]},
    }}});
    let args = ["create", "--dry-run=server", "--validate=ignore", "-o", "json", "-f", "-"];
    let output = kubectl(&args, Some(&manifest("PhoneSite", "pruned", &hostile)));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let site: Value = serde_json::from_slice(&output.stdout).unwrap();
    let left = json!({"metadata": {"labels": {"team": "voice"}}, "spec": {"nodeSelector": {"a": "b"}}});
    assert_eq!(site["spec"]["tftp"]["podTemplate"], left);
}

#[test]
fn good_manifests_are_accepted_and_people_find_their_way() {
    install();
    for file in [
        "examples/seed.yaml",
        "examples/rings.yaml",
        "examples/site.yaml",
        "examples/phones.yaml",
        "examples/firmware/sources.yaml",
    ] {
        kube(&["apply", "--validate=strict", "--warnings-as-errors", "-f", file]);
    }
    for (i, mac) in ["000a8a00aa01", "00:0A:8a:00:aa:02", "00-0a-8a-00-aa-03", "000a.8A00.aa04"].iter().enumerate() {
        let spec = json!({"siteRef": {"name": "hq"}, "mac": mac, "model": "7940", "label": "elf Zeichen",
            "lines": [{"name": "a"}, {"name": "a", "proxy": {"address": "other.example.com", "port": 65535}}],
            "settings": {"callWaiting": "AlwaysOn", "dtmfAvtPayload": 127}, "extraParameters": {"unheard_of": "Grüße;\t#1\u{96}"}, "secretParameters": {"line3_password": {"name": "s", "key": "k"}}});
        let output = kubectl(
            &["create", "--validate=strict", "-f", "-"],
            Some(&manifest("SipPhone", &format!("good-{i}"), &spec)),
        );
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    // Until the operator has seen it, an object counts as in progress.
    let phone = get(SPACE, &["sipphone", "reception"]);
    assert_eq!(phone["status"]["observedGeneration"], -1);
    // A status is no part of what people write.
    let forged = json!({"apiVersion": "dialtone.dev/v1alpha1", "kind": "SipPhone", "metadata": {"name": "forged"},
        "spec": phone["spec"], "status": {"observedGeneration": 7}});
    kubectl(&["create", "-f", "-"], Some(&forged.to_string()));
    assert_eq!(get(SPACE, &["sipphone", "forged"])["status"]["observedGeneration"], -1);
    kube(&["delete", "sipphone", "forged", "-n", SPACE]);

    // A 7960 with three lines cannot become a 7940; a phone may get another MAC address and another site.
    let patch =
        |what: &Value| kubectl(&["patch", "sipphone", "reception", "--type=merge", "-p", &what.to_string()], None);
    assert!(patch(&json!({"spec": {"lines": [{"name": "1"}, {"name": "2"}, {"name": "3"}]}})).status.success());
    let refused = patch(&json!({"spec": {"model": "7940"}}));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("a 7940 has 2 line appearances"));
    assert!(patch(&json!({"spec": {"mac": "000A8A123499", "siteRef": {"name": "branch"}}})).status.success());

    assert!(kube(&["get", "phone,psite", "-n", SPACE]).contains("LAST SEEN"));
    assert!(kube(&["get", "dialtone", "-n", SPACE, "-o", "wide"]).contains("000A8A123499"));
    let selected = get(SPACE, &["sipphones", "--field-selector", "spec.siteRef.name=branch,spec.model=7940"]);
    assert_eq!(selected["items"].as_array().unwrap().len(), 2);
    let help = kube(&["explain", "phonesite.spec.settings.telnetLevel"]);
    assert!(help.contains("telnet_level") && help.contains("Privileged (2)") && help.contains("3.1"), "{help}");
    assert!(kube(&["explain", "sipphone.status.conditions"]).contains("GitOps"));
    assert!(!kube(&["explain", "sipphone"]).contains("Auto-generated"));
}

#[test]
fn the_operator_may_do_what_it_does_and_nothing_else() {
    install();
    kube(&["create", "namespace", "rights"]);
    let chart = Command::new("helm")
        .args(["template", "rights", "charts/dialtone", "-n", "rights", "--show-only", "templates/rbac.yaml"])
        .output()
        .unwrap();
    let output = kubectl(&["apply", "-f", "-"], Some(&String::from_utf8_lossy(&chart.stdout)));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let verbs = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];
    let all = [
        ("phonesites.dialtone.dev", "list watch"),
        ("sipphones.dialtone.dev", "list watch"),
        ("sipphones.dialtone.dev/status", "patch"),
        ("phonesites.dialtone.dev/status", "patch"),
        ("sipphones.dialtone.dev/finalizers", ""),
        ("phonesites.dialtone.dev/finalizers", "update"),
        ("configmaps", "get list watch create patch delete"),
        ("secrets", "get list watch create patch delete"),
        ("services", "get list watch create patch delete"),
        ("serviceaccounts", "get list watch create patch delete"),
        ("serviceaccounts/token", ""),
        ("deployments.apps", "get list watch create patch delete"),
        ("replicasets.apps", "get"),
        ("networkpolicies.networking.k8s.io", "get list watch create patch delete"),
        ("poddisruptionbudgets.policy", "get list watch create patch delete"),
        ("pods/eviction", ""),
        ("pods", "list watch patch"),
        ("pods/exec", ""),
        ("pods/log", ""),
        ("events.events.k8s.io", "create patch"),
        ("nodes", "list"),
        // By their names, in their namespaces, and no others.
        ("leases.coordination.k8s.io", ""),
        ("persistentvolumeclaims", ""),
        ("namespaces", ""),
        ("daemonsets.apps", ""),
        ("roles.rbac.authorization.k8s.io", ""),
        ("clusterrolebindings.rbac.authorization.k8s.io", ""),
        ("customresourcedefinitions.apiextensions.k8s.io", ""),
    ];
    // All questions at once.
    let asked = all.iter().flat_map(|(resource, _)| verbs.map(|verb| (*resource, verb)));
    let reviews: String = asked.clone().map(|(resource, verb)| format!("---\n{}\n", review(resource, verb))).collect();
    let output = kubectl(&["create", "-f", "-", "-o", "jsonpath={.status.allowed} "], Some(&reviews));
    let answers = String::from_utf8_lossy(&output.stdout).into_owned();
    let answers: Vec<bool> = answers.split_whitespace().map(|answer| answer == "true").collect();
    assert_eq!(answers.len(), asked.clone().count(), "{}", String::from_utf8_lossy(&output.stderr));
    for (resource, may) in all {
        let answered =
            asked.clone().zip(&answers).filter(|((about, _), is_allowed)| *about == resource && **is_allowed);
        let allowed: Vec<&str> = answered.map(|((_, verb), _)| verb).collect();
        assert_eq!(allowed.join(" "), may, "{resource}");
    }
    kube(&["delete", "clusterrole,clusterrolebinding", "rights"]);
    kube(&["delete", "namespace", "rights", "--wait=false"]);
}

/// Asks whether the operator may do something.
fn review(resource: &str, verb: &str) -> Value {
    let (resource, part) = resource.split_once('/').unwrap_or((resource, ""));
    let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
    let attributes =
        json!({"namespace": SPACE, "verb": verb, "group": group, "resource": resource, "subresource": part});
    json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {"user": "system:serviceaccount:rights:rights", "resourceAttributes": attributes}})
}

/// The second lock: whatever the role allows, the operator writes only what has its label.
#[test]
fn the_admission_policy_holds_the_operator_to_its_own_objects() {
    install();
    kube(&["create", "namespace", "locked"]);
    let chart = ["template", "locked", "charts/dialtone", "-n", "locked", "--set", "admissionPolicy.enabled=true"];
    let only = ["--show-only", "templates/rbac.yaml", "--show-only", "templates/admission.yaml"];
    let chart = Command::new("helm").args(chart).args(only).output().unwrap();
    let output = kubectl(&["apply", "-f", "-"], Some(&String::from_utf8_lossy(&chart.stdout)));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let manifest = |kind: &str, name: &str, managed_by: &str| {
        let labels = json!({"app.kubernetes.io/managed-by": managed_by});
        let mut object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "labels": labels}});
        if kind == "Service" {
            object["spec"] = json!({"ports": [{"port": 69}]});
        }
        object.to_string()
    };
    let as_operator = |args: &[&str], stdin: &str| {
        let who = "--as=system:serviceaccount:locked:locked";
        let output = kubectl(&[args, &[who, "-n", "locked"]].concat(), Some(stdin));
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let apply = ["apply", "--server-side", "--force-conflicts", "--field-manager=dialtone", "-f", "-"];
    // A policy takes a moment until it holds.
    wait_for("the policy to hold", 30, || {
        let (made, said) =
            as_operator(&[&apply[..], &["--dry-run=server"]].concat(), &manifest("ConfigMap", "probe", "x"));
        (!made && said.contains("app.kubernetes.io/managed-by: dialtone")).then_some(())
    });
    for kind in ["ConfigMap", "Secret", "Service", "ServiceAccount"] {
        let (made, said) = as_operator(&apply, &manifest(kind, "own", "dialtone"));
        assert!(made, "{kind}: {said}");
        let (made, said) = as_operator(&apply, &manifest(kind, "own", "somebody"));
        assert!(!made && said.contains("managed-by: dialtone"), "{kind} loses its label: {said}");
        kubectl(&["create", "-n", "locked", "-f", "-"], Some(&manifest(kind, "foreign", "somebody")));
        let (made, said) = as_operator(&apply, &manifest(kind, "foreign", "dialtone"));
        assert!(!made && said.contains("managed-by: dialtone"), "{kind} of somebody else is taken: {said}");
        let (deleted, said) = as_operator(&["delete", kind, "foreign"], "");
        assert!(!deleted && said.contains("managed-by: dialtone"), "{kind} of somebody else: {said}");
        let (deleted, said) = as_operator(&["delete", kind, "own"], "");
        assert!(deleted, "{kind}: {said}");
    }
    let token = manifest("Secret", "sa", "dialtone").replace("\"kind\"", "\"type\":\"example.com/other\",\"kind\"");
    assert!(as_operator(&apply, &token).1.contains("only Secrets of type Opaque"));
    // Nobody else is held to anything.
    kube(&["label", "configmap", "foreign", "-n", "locked", "a=b"]);
    kube(&[
        "delete",
        "clusterrole,clusterrolebinding,validatingadmissionpolicy,validatingadmissionpolicybinding",
        "locked",
    ]);
    kube(&["delete", "namespace", "locked", "--wait=false"]);
}

#[test]
fn what_is_imported_is_accepted_and_a_change_is_seen_before_it_is_applied() {
    install();
    let space = "imported";
    kube(&["create", "namespace", space]);
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    // Hundreds of parameters that nobody knows, and all that typed fields refuse.
    let many: String = (0..200).map(|n| format!("unheard_of_{n}: \"{}\"\n", "x".repeat(n))).collect();
    write(
        "SIPDefault.cnf",
        &format!(
            "proxy1_address: 10.0.0.1\nstart_media_port: 16348\nphone_label: common\nline1_password: shared\n{many}"
        ),
    );
    write(
        "SIP000A8A123456.cnf",
        "line1_name: 7101\nline1_displayname: \"B\u{fc}ro \u{1f}\"\nphone_label: \"Thirteen char\"\nline1_password: hunter2\n",
    );
    write(
        "SIP000A8A123457.cnf",
        "line1_name: front desk\nline4_name: 7104\nline4_password: \"a;b\"\nphone_password: \"yes\"\n",
    );
    let dialtone = |args: &[&str]| Command::new(env!("CARGO_BIN_EXE_dialtone")).args(args).output().unwrap();
    let root = folder.path().to_str().unwrap();
    let imported = dialtone(&["import", root, "--site", "hq", "--namespace", space]);
    let manifests = String::from_utf8(imported.stdout).unwrap();
    let output = kubectl(&["apply", "--validate=strict", "--warnings-as-errors", "-f", "-"], Some(&manifests));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let diff = |text: &str| {
        let file = folder.path().join("new.yaml");
        std::fs::write(&file, text).unwrap();
        let output = dialtone(&["diff", "--cluster", file.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (said, output.status.code().unwrap())
    };
    assert_eq!(diff(&manifests), ("no phone changes\n".to_owned(), 0));
    let (said, code) = diff(&manifests.replace("10.0.0.1", "10.0.0.2").replace("hunter2", "hunter3"));
    assert_eq!(code, 1);
    assert!(said.contains("proxy1_address: \"10.0.0.1\" → \"10.0.0.2\""), "{said}");
    assert!(said.contains("line1_password: another secret") && !said.contains("hunter"), "{said}");
    // What is only in the cluster is no longer served once it is gone from the manifests.
    let (said, code) = diff(manifests.rsplit_once("---\napiVersion: dialtone.dev").unwrap().0);
    assert!(code == 1 && said.contains("no longer served"), "{said}");
}

#[test]
fn an_object_with_files_may_be_as_full_as_the_operator_makes_it_and_not_much_fuller() {
    // The operator puts no phone into an object of 800 KiB, of which base64 takes a quarter; the limit is 1 MiB.
    let object = |kind: &str, name: &str, bytes: usize| {
        let file = "line1_name: 7101\n".repeat(1 + 1000 / 17);
        let files: serde_json::Map<String, Value> =
            (0..bytes / file.len()).map(|n| (format!("SIP{n:012X}.cnf"), Value::from(file.clone()))).collect();
        let field = if kind == "Secret" { "stringData" } else { "data" };
        json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, field: files}).to_string()
    };
    for kind in ["ConfigMap", "Secret"] {
        let made = kubectl(&["create", "-f", "-"], Some(&object(kind, "full", 800 << 10)));
        assert!(made.status.success(), "{kind}: {}", String::from_utf8_lossy(&made.stderr));
        kube(&["delete", &kind.to_lowercase(), "full"]);
        let refused = kubectl(&["create", "-f", "-"], Some(&object(kind, "over", 1_100_000)));
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains("Too long"), "{kind}: {said}");
    }
}
