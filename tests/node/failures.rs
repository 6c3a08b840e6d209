//! What can fail meanwhile, and how it all ends.

use std::time::Duration;

use dialtone::phone::Model::Cp7960;

use super::stage::*;
use super::support::{apply, condition, get, kube, kubectl, wait_for};

pub fn phones_boot_whatever_is_down() {
    step("phones boot while the operator is down");
    kube(&["scale", "deployment/dialtone", "-n", "dialtone", "--replicas=0"]);
    wait_for("the operator to be gone", 60, || {
        let pods = get("dialtone", &["pods"]);
        pods["items"].as_array().is_none_or(Vec::is_empty).then_some(())
    });
    assert!(boot_phone(service(), "000A8A123456", Cp7960).booted);
    kube(&["scale", "deployment/dialtone", "-n", "dialtone", "--replicas=1"]);
    kube(&["rollout", "status", "deployment/dialtone", "-n", "dialtone", "--timeout=60s"]);

    step("phones boot while one TFTP pod is replaced");
    let killed = pods()[0].0.clone();
    kube(&["delete", "pod", &killed, "-n", SPACE, "--grace-period=0", "--force"]);
    for _ in 0..5 {
        assert!(boot_phone(service(), "000A8A123456", Cp7960).booted);
    }
    wait_for("two pods again", 60, || {
        let site = get(SPACE, &["phonesite", "hq"]);
        (site["status"]["servers"] == "2/2" && pods().iter().all(|(name, _)| *name != killed)).then_some(())
    });

    step("phones boot while the API server is down");
    let server = service();
    node(&["stop", "kube-apiserver"]);
    std::thread::sleep(Duration::from_secs(3));
    assert!(kubectl(&["get", "nodes", "--request-timeout=2s"], None).stderr.len() > 1, "it is down");
    for mac in ["000A8A123456", "000A8A123457", "000A8A123458"] {
        assert!(boot_phone(server, mac, Cp7960).booted, "{mac}");
    }
    node(&["start", "kube-apiserver"]);
    step("and everything goes on afterwards");
    let old = file(&boot_phone(server, "000A8A123456", Cp7960), "SIP000A8A123456.cnf").unwrap();
    apply(SPACE, &one("After"));
    wait_for("the edit to be served", 90, || {
        let outcome = boot_as(server, "000A8A123456", Cp7960, "P0S3-06-3-00");
        (file(&outcome, "SIP000A8A123456.cnf")? != old).then_some(())
    });
}

pub fn a_suspended_site_stays_as_it_is() {
    step("a suspended site stays as it is, says so, and catches up");
    apply(SPACE, &SITE.replace("spec:", "spec:\n  suspend: true"));
    wait_for("Suspended", 30, || (condition(&get(SPACE, &["phonesite", "hq"]), "Suspended").0 == "True").then_some(()));
    apply(SPACE, &one("Suspended"));
    wait_for("the phone to say so", 30, || {
        (condition(&get(SPACE, &["sipphone", "one"]), "Ready").1 == "Suspended").then_some(())
    });
    assert_eq!(boot_phone(service(), "000A8A123456", Cp7960).label, "Reception");
    apply(SPACE, SITE);
    wait_for("the change to be served", 30, || {
        (boot_phone(service(), "000A8A123456", Cp7960).label == "Suspended").then_some(())
    });
}

pub fn what_others_do_to_our_objects_is_mended() {
    step("a ConfigMap that somebody deletes and a Deployment that somebody changes are put right");
    kube(&["delete", "configmap", "dialtone-hq-phones-00", "-n", SPACE]);
    wait_for("the ConfigMap", 20, || (!get(SPACE, &["configmap", "dialtone-hq-phones-00"]).is_null()).then_some(()));
    kube(&["scale", "deployment/dialtone-hq", "-n", SPACE, "--replicas=1"]);
    wait_for("two replicas", 20, || {
        (get(SPACE, &["deployment", "dialtone-hq"])["spec"]["replicas"] == 2).then_some(())
    });

    step("an object of somebody else with a name that a site would need is left alone");
    kube(&["create", "configmap", "dialtone-other-common", "-n", SPACE, "--from-literal=mine=yes"]);
    apply(SPACE, &SITE.replace("name: hq", "name: other"));
    wait_for("NameTaken", 30, || {
        (condition(&get(SPACE, &["phonesite", "other"]), "Accepted").1 == "NameTaken").then_some(())
    });
    assert_eq!(get(SPACE, &["configmap", "dialtone-other-common"])["data"], serde_json::json!({"mine": "yes"}));
    kube(&["delete", "phonesite", "other", "-n", SPACE]);
    kube(&["delete", "configmap", "dialtone-other-common", "-n", SPACE]);
}

pub fn one_object_that_cannot_be_read_stops_nobody() {
    step("an object that this program cannot decode stops nobody");
    let path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/model/enum";
    let patch = |patch: String| kube(&["patch", "crd", "sipphones.dialtone.dev", "--type=json", "-p", &patch]);
    patch(format!(r#"[{{"op": "add", "path": "{path}/-", "value": "7999"}}]"#));
    wait_for("the looser definition", 20, || {
        let manifest = phone("poison", "000A8A1234AA", "7999", "Poison", "8999", "");
        kubectl(&["apply", "-n", SPACE, "-f", "-"], Some(&manifest)).status.success().then_some(())
    });
    apply(SPACE, &one("Antidote"));
    wait_for("the edit of another phone", 20, || {
        (boot_phone(service(), "000A8A123456", Cp7960).label == "Antidote").then_some(())
    });
    kube(&["rollout", "restart", "deployment/dialtone", "-n", "dialtone"]);
    kube(&["rollout", "status", "deployment/dialtone", "-n", "dialtone", "--timeout=60s"]);
    apply(SPACE, &one("Again"));
    wait_for("an edit after a restart", 20, || {
        (boot_phone(service(), "000A8A123456", Cp7960).label == "Again").then_some(())
    });
    kube(&["delete", "sipphone", "poison", "-n", SPACE]);
    patch(format!(r#"[{{"op": "remove", "path": "{path}/2"}}]"#));
}

pub fn dial_plans_of_stars_delay_nobody() {
    step("dial plans of nothing but stars, in another namespace, delay nobody");
    kube(&["create", "namespace", "hostile"]);
    // As many as fit into the 8,192 bytes that phones read.
    let rule = format!("{{match: \"{}\", timeout: 5}}", "*".repeat(63));
    let plan = format!("  dialPlan: {{templates: [{}]}}\n", vec![rule; 80].join(", "));
    let names = ["stars-1", "stars-2", "stars-3"];
    for name in names {
        let site = SITE.replace("name: hq", &format!("name: {name}"));
        apply("hostile", &format!("{}{plan}", site.replace("type: NodePort", "type: ClusterIP")));
    }
    for name in names {
        wait_for("the findings on a plan of stars", 30, || {
            let accepted = get("hostile", &["phonesite", name]).to_string();
            accepted.contains("DialRuleUnreachable").then_some(())
        });
    }
    let edit = |label: &str| {
        // Each of them has to be rendered anew at the same moment.
        for name in names {
            let patch = format!("{{\"spec\": {{\"settings\": {{\"proxy1Address\": \"{label}.example.com\"}}}}}}");
            kube(&["patch", "phonesite", name, "-n", "hostile", "--type=merge", "-p", &patch]);
        }
        let began = std::time::Instant::now();
        apply(SPACE, &one(label));
        wait_for("the edit to be in its ConfigMap", 20, || {
            let map = get(SPACE, &["configmap", "dialtone-hq-phones-00"]);
            map["data"]["SIP000A8A123456.cnf"].as_str()?.contains(label).then_some(())
        });
        began.elapsed()
    };
    let quickest = ["quick", "quicker", "quickest"].map(edit).into_iter().min().unwrap();
    eprintln!("   an edit elsewhere took {:.2} s", quickest.as_secs_f64());
    // kubectl is started twice, which takes most of it.
    assert!(quickest < Duration::from_millis(1500), "{quickest:?}");
    let operator = get("dialtone", &["pods"]);
    let restarts = &operator["items"][0]["status"]["containerStatuses"][0]["restartCount"];
    assert_eq!(restarts, 0, "it goes on answering its probes");
    kube(&["delete", "namespace", "hostile", "--wait=false"]);
}

pub fn the_classic_port_mode_serves_too() {
    step("portMode Ephemeral, asked directly");
    apply(SPACE, &SITE.replace("tftp: {", "tftp: {portMode: Ephemeral, "));
    wait_for("pods that answer from ports of their own", 60, || {
        let pods = get(SPACE, &["pods", "-l", "dialtone.dev/site=hq"]).to_string();
        pods.contains("--port-mode=ephemeral").then_some(())
    });
    kube(&["rollout", "status", "deployment/dialtone-hq", "-n", SPACE, "--timeout=60s"]);
    for (_, pod) in pods() {
        let outcome = boot_phone(pod, "000A8A123456", Cp7960);
        assert!(outcome.booted, "{:?}", outcome.problems);
    }
}

pub fn a_site_goes_and_leaves_nothing() {
    step("a site that is deleted leaves nothing");
    kube(&["delete", "phonesite", "hq", "-n", SPACE, "--cascade=foreground", "--timeout=60s"]);
    wait_for("all that the operator made to be gone", 60, || nothing_is_left().then_some(()));
    wait_for("the phones to say that their site is gone", 20, || {
        (condition(&get(SPACE, &["sipphone", "one"]), "Accepted").1 == "SiteNotFound").then_some(())
    });
}
