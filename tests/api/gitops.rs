//! What GitOps tools rely on: a comparison with the cluster is silent once everything is applied, and whoever prunes what is no longer in git
//! takes nothing of what dialtone made.

use std::collections::BTreeMap;
use std::process::Output;

use serde_json::{Value, json};

use super::direct::{create_namespace, everything, get};
use super::heal::operator;
use super::support::{condition, kube, kubectl, wait_for};

fn must(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    said
}

fn wait_for_phone(space: &str, name: &str) {
    wait_for("the phone to be accepted", 20, || {
        let phone = get(space, &format!("sipphone/{name}"));
        (condition(&phone, "Accepted").0 == "True" && phone["status"]["configHash"].is_string()).then_some(())
    });
}

#[test]
fn a_diff_is_silent_after_an_apply_whichever_way_it_is_applied() {
    super::install();
    // The namespace that the example names.
    let (space, folder) = ("phones", "gitops/phones");
    create_namespace(space);
    let _operator = operator(space);
    for how in [&[] as &[&str], &["--server-side", "--force-conflicts", "--field-manager=argocd-controller"]] {
        must(&kubectl(&[&["apply", "--validate=strict", "--warnings-as-errors", "-k", folder], how].concat(), None));
        wait_for_phone(space, "reception");
        wait_for_phone(space, "workshop");
        let diff = kubectl(&[&["diff", "-k", folder], how].concat(), None);
        assert_eq!(must(&diff), "", "{how:?}");
        // A second apply changes nothing either, so that no generation grows.
        let generation = || get(space, "phonesite/office")["metadata"]["generation"].clone();
        let before = generation();
        must(&kubectl(&[&["apply", "-k", folder], how].concat(), None));
        assert_eq!(generation(), before, "{how:?}");
    }
    kube(&["delete", "namespace", space, "--wait=false"]);
}

/// The objects that the operator made, each with its UID.
fn made(space: &str) -> BTreeMap<String, Value> {
    let all =
        everything(space, &["cm", "secret", "sa", "netpol", "svc", "deploy", "phonesite", "sipphone"]).into_iter();
    let ours = all.filter(|one| one["metadata"]["name"].as_str().is_some_and(|name| name.starts_with("dialtone-")));
    ours.map(|one| (format!("{} {}", one["kind"], one["metadata"]["name"]), one["metadata"].clone())).collect()
}

#[test]
fn whoever_prunes_takes_what_left_git_and_nothing_that_dialtone_made() {
    super::install();
    let space = "pruned";
    create_namespace(space);
    let _operator = operator(space);
    let object = |kind: &str, name: &str, spec: Value| {
        json!({"apiVersion": "dialtone.dev/v1alpha1", "kind": kind, "spec": spec, "metadata": {"name": name,
            "labels": {"app.kubernetes.io/instance": "voice"},
            "annotations": {"argocd.argoproj.io/tracking-id": format!("voice:dialtone.dev/{kind}:{space}/{name}")}}})
        .to_string()
    };
    let phone = |name: &str, mac: &str| {
        let spec = json!({"siteRef": {"name": "hq"}, "mac": mac, "model": "7940", "lines": [{"name": name}]});
        object("SipPhone", name, spec)
    };
    let (site, one) = (object("PhoneSite", "hq", json!({})), phone("one", "000A8A000001"));
    let apply = |manifests: &str| {
        let kinds = ["core/v1/ConfigMap", "core/v1/Secret", "core/v1/Service", "apps/v1/Deployment"];
        let kinds = kinds.into_iter().chain(["dialtone.dev/v1alpha1/PhoneSite", "dialtone.dev/v1alpha1/SipPhone"]);
        let kinds: Vec<String> = kinds.map(|kind| format!("--prune-allowlist={kind}")).collect();
        let mut args = vec!["apply", "-n", space, "--prune", "-l", "app.kubernetes.io/instance=voice", "-f", "-"];
        args.extend(kinds.iter().map(String::as_str));
        must(&kubectl(&args, Some(manifests)))
    };
    apply(&format!("{site}\n---\n{one}\n---\n{}\n", phone("two", "000A8A000002")));
    wait_for_phone(space, "one");
    wait_for_phone(space, "two");
    let (before, _) = wait_for("all objects", 20, || Some(made(space)).filter(|all| all.len() == 7));
    for (object, meta) in &before {
        let text = format!("{} {}", meta["labels"], meta["annotations"]);
        assert!(!text.contains("voice") && !text.contains("last-applied"), "{object} is shown as of git: {text}");
        assert_eq!(meta["ownerReferences"][0]["kind"], "PhoneSite", "{object} goes with its site");
    }
    let said = apply(&format!("{site}\n---\n{one}\n"));
    let pruned: Vec<&str> = said.lines().filter(|line| line.contains("pruned")).collect();
    assert_eq!(pruned, ["sipphone.dialtone.dev/two pruned"], "{said}");
    wait_for("its file to go", 20, || {
        let files = get(space, "cm/dialtone-hq-phones-00")["data"].to_string();
        (!files.contains("SIP000A8A000002") && files.contains("SIP000A8A000001")).then_some(())
    });
    let uids = |all: BTreeMap<String, Value>| {
        all.into_iter().map(|(name, meta)| (name, meta["uid"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(uids(made(space)), uids(before));
    kube(&["delete", "namespace", space, "--wait=false"]);
}
