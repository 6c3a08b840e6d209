//! An upgrade of the operator, on the real API server with the real controllers: whose pods are replaced when. What a kubelet would say
//! of pods the test says.

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::child::Running;
use super::direct::{create, create_namespace, get, list, patch};
use super::heal::{Writes, quiet};
use super::support::{condition, kube, kubectl, wait_for};

const SPACE: &str = "rollout";
/// Within so many seconds something is done or said.
const SOON: u64 = 20;

fn operator(image: &str) -> Running {
    let http = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let args = ["operator", "--namespaces", SPACE, "--image-volumes=false", "--leader-election=false"];
    let child = Command::new(env!("CARGO_BIN_EXE_dialtone"))
        .args(args)
        .args(["--image", image, "--http", &http.to_string()])
        .stdout(Stdio::null())
        .spawn();
    Running(child.unwrap())
}

fn site(name: &str, tftp: Value) {
    let object = json!({"apiVersion": "dialtone.dev/v1alpha1", "kind": "PhoneSite", "metadata": {"name": name},
        "spec": {"settings": {"proxy1Address": "10.0.0.1"}, "tftp": tftp}});
    create(SPACE, &object);
}

fn deployment(site: &str) -> Value {
    get(SPACE, &format!("deploy/dialtone-{site}"))
}

fn image(site: &str) -> String {
    let pod = deployment(site)["spec"]["template"]["spec"].clone();
    pod["containers"][0]["image"].as_str().unwrap_or_default().to_owned()
}

fn images() -> Vec<String> {
    ["a", "b", "c", "z"].map(image).into()
}

/// The kubelet says that all pods of a site serve.
fn serves(site: &str) {
    let up = || {
        let pods = list(SPACE, "pod");
        for pod in pods.iter().filter(|pod| pod["metadata"]["labels"]["dialtone.dev/site"] == site) {
            let name = pod["metadata"]["name"].as_str().unwrap();
            let since = "2026-01-02T03:04:05Z";
            let ready = json!([{"type": "Ready", "status": "True", "lastTransitionTime": since}]);
            let status = json!({"status": {"phase": "Running", "conditions": ready}}).to_string();
            let args = ["patch", "pod", name, "-n", SPACE, "--subresource=status", "--type=merge", "-p", &status];
            kubectl(&args, None);
        }
        let (found, number) = (deployment(site), |value: &Value| value.as_i64().unwrap_or(0));
        let status = &found["status"];
        let wanted = number(&found["spec"]["replicas"]);
        let is_observed = status["observedGeneration"] == found["metadata"]["generation"];
        let counts = ["replicas", "updatedReplicas", "availableReplicas"].map(|field| number(&status[field]));
        (is_observed && counts == [wanted; 3]).then_some(())
    };
    wait_for(&format!("the pods of site {site} to serve"), SOON, up);
}

fn said(site: &str) -> String {
    condition(&get(SPACE, &format!("phonesite/{site}")), "UpdatePending").1
}

/// A site has the new image soon, and the others are as they were.
fn follows(site: &str, then: [&str; 4]) {
    wait_for(&format!("site {site} to be updated"), SOON, || (image(site) == "dialtone:two").then_some(()));
    // Statuses follow.
    thread::sleep(Duration::from_secs(2));
    quiet(SPACE, "nothing else is touched", 3);
    assert_eq!(images(), then.map(|tag| format!("dialtone:{tag}")));
}

#[test]
fn an_upgrade_replaces_the_pods_of_one_site_after_the_other() {
    super::install();
    create_namespace(SPACE);
    let first = operator("dialtone:one");
    for (name, tftp) in [("a", json!({})), ("b", json!({})), ("c", json!({})), ("z", json!({"canary": true}))] {
        let mut tftp = tftp;
        tftp["replicas"] = 1.into();
        site(name, tftp);
    }
    for site in ["a", "b", "c", "z"] {
        wait_for(site, SOON, || (image(site) == "dialtone:one").then_some(()));
        serves(site);
    }
    quiet(SPACE, "all is made", 3);
    drop(first);

    let second = operator("dialtone:two");
    follows("z", ["one", "one", "one", "two"]);
    wait_for("the others to say that they wait", SOON, || (said("a") == "Waiting").then_some(()));
    assert_eq!(said("z"), "absent");

    // An edit of one that waits goes ahead, with the image that it has.
    patch(SPACE, "phonesite/c", "merge", &json!({"spec": {"tftp": {"windowsize": 4}}}));
    wait_for("the edit", SOON, || deployment("c").to_string().contains("--windowsize=4").then_some(()));
    assert_eq!(image("c"), "dialtone:one");
    let writes = Writes::begin(SPACE);
    patch(SPACE, "phonesite/b", "merge", &json!({"spec": {"settings": {"proxy1Address": "10.0.0.2"}}}));
    wait_for("the files", SOON, || get(SPACE, "cm/dialtone-b-common").to_string().contains("10.0.0.2").then_some(()));
    let made = writes.all();
    assert!(!made.iter().any(|write| write.contains("deployments") || write.contains("budgets")), "{made:#?}");

    quiet(SPACE, "all is said", 3);

    // Another process goes on where this one was.
    drop(second);
    let third = operator("dialtone:two");
    quiet(SPACE, "the canary is not up yet", 5);
    assert_eq!(images(), ["one", "one", "one", "two"].map(|tag| format!("dialtone:{tag}")));
    serves("z");
    follows("a", ["two", "one", "one", "two"]);

    // Its new pods do not come up.
    kube(&[
        "patch",
        "deployment",
        "dialtone-a",
        "-n",
        SPACE,
        "--type=merge",
        "-p",
        r#"{"spec":{"progressDeadlineSeconds":3}}"#,
    ]);
    wait_for("that to be said", SOON, || (said("a") == "UpdateFailed" && said("b") == "UpdateStopped").then_some(()));
    quiet(SPACE, "nothing goes on", 3);
    // Back to the version before: only what was updated is touched, and again one after the other.
    drop(third);
    let _back = operator("dialtone:one");
    wait_for("site z to go back", SOON, || (image("z") == "dialtone:one").then_some(()));
    assert_eq!(image("a"), "dialtone:two", "the canary first");
    serves("z");
    wait_for("site a to go back", SOON, || (image("a") == "dialtone:one").then_some(()));
    serves("a");
    wait_for("nothing to be said any more", SOON, || {
        ["a", "b", "c", "z"].iter().all(|site| said(site) == "absent").then_some(())
    });
    kube(&["delete", "namespace", SPACE, "--wait=false"]);
}
