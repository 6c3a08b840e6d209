//! Phones boot, get exactly what `dialtone render` says, and an edit reaches them at once.

use std::time::{Duration, Instant};

use dialtone::phone::Model::{Cp7940, Cp7960};

use super::stage::*;
use super::support::{apply, condition, get, kube, wait_for};

pub fn helm_installs_it() {
    step("helm install, in namespaces with the restricted Pod Security level");
    namespaces();
    helm(&["uninstall", "dialtone", "--ignore-not-found", "--wait", "--timeout", "2m"]);
    helm(&[&["install", "dialtone", "charts/dialtone"], install_flags().as_slice()].concat());
    wait_for("the operator to be ready", 20, || {
        let operator = get("dialtone", &["deployment", "dialtone"]);
        (operator["status"]["readyReplicas"] == 1).then_some(())
    });
    step("helm test: a phone boots from a site of its own, and nothing of it stays");
    helm(&["test", "dialtone", "--timeout", "4m"]);
    wait_for("the test's objects to be gone", 60, || {
        get("dialtone", &["phonesites,sipphones,jobs,services"])["items"]
            .as_array()
            .is_none_or(Vec::is_empty)
            .then_some(())
    });
}

pub fn three_phones_boot_and_get_what_render_says() {
    step("a site with three phones; every byte as `dialtone render` has it");
    let before = writes().len();
    let manifests = three_phones();
    apply(SPACE, &manifests);
    for name in ["one", "two", "three"] {
        wait_ready(name);
    }
    let expected = rendered(&manifests);
    let port = node_port();
    let mut servers = vec![service(), port];
    servers.extend(pods().into_iter().map(|(_, address)| address));
    assert_eq!(servers.len(), 4, "two pods serve");
    for (mac, model) in [("000A8A123456", Cp7960), ("000A8A123457", Cp7940), ("000A8A123458", Cp7960)] {
        for server in &servers {
            for running in ["P0S3-07-4-00", "P0S3-06-3-00"] {
                let outcome = boot_as(*server, mac, model, running);
                assert!(outcome.booted, "{mac} from {server}: {:?}", outcome.problems);
                for name in ["SIPDefault.cnf".to_owned(), format!("SIP{mac}.cnf")] {
                    assert_eq!(file(&outcome, &name).as_ref(), expected.get(&name), "{name} from {server}");
                }
            }
        }
    }
    for name in ["one", "two", "three"] {
        wait_in_sync(name);
    }
    // What the boots had to say is said.
    settle();
    let made = writes().split_off(before);
    for (resource, times) in [("deployments", 1), ("services", 1), ("serviceaccounts", 1), ("networkpolicies", 1)] {
        assert_eq!(count(&made, resource), times, "{resource} written once, although pods came up meanwhile");
    }
    let one = get(SPACE, &["sipphone", "one"]);
    assert_eq!(one["status"]["configFile"], "SIP000A8A123456.cnf");
    assert_eq!(one["status"]["configHash"], one["status"]["fetchedHash"]);
    assert_eq!(one["status"]["configHash"], one["status"]["servedHash"]);
    let line = &one["status"]["lines"][0];
    assert_eq!(line["stationIdentification"], "8105");
    assert_eq!(line["stationIdentificationUri"], "sip:8105@172.16.129.248:5060");
    assert_eq!(line["stationConnection"], format!("8105@{}", one["status"]["address"].as_str().unwrap()));

    step("passwords are in Secrets and nowhere else");
    let maps = kube(&["get", "configmaps", "-n", SPACE, "-o", "json"]);
    assert!(!maps.contains("correct-horse") && !maps.contains("SIP000A8A123458"));
    for what in ["sipphones", "phonesites", "events"] {
        assert!(!kube(&["get", what, "-n", SPACE, "-o", "json"]).contains("correct-horse"), "{what}");
    }
    let expected = sha256(&rendered(&manifests)["SIP000A8A123458.cnf"]);
    let hash = get(SPACE, &["sipphone", "three"])["status"]["configHash"].as_str().unwrap().to_owned();
    assert!(!hash.contains(&expected), "a plain hash would let readers try passwords");

    step("a phone that nobody declared shows up, and comes to life when it is declared");
    let outcome = boot_phone(service(), "000A8A1234EE", Cp7960);
    assert!(!outcome.booted);
    let unclaimed = || get(SPACE, &["phonesite", "hq"])["status"]["unclaimed"].clone();
    wait_for("the unclaimed phone", 10, || (unclaimed()[0]["mac"] == "000A8A1234EE").then_some(()));
    apply(SPACE, &phone("late", "000A8A1234EE", "7960", "Late", "8199", ""));
    wait_ready("late");
    assert!(boot_phone(service(), "000A8A1234EE", Cp7960).booted);
    wait_for("nobody to be unclaimed", 10, || unclaimed().is_null().then_some(()));
    kube(&["delete", "sipphone", "late", "-n", SPACE]);
}

pub fn an_edit_is_served_at_once_and_costs_little() {
    step("an edit is on the wire within 2 s");
    let old = file(&boot_phone(service(), "000A8A123456", Cp7960), "SIP000A8A123456.cnf").unwrap();
    settle();
    let before = writes().len();
    let began = Instant::now();
    apply(SPACE, &one("Foyer"));
    let took = served_after(began, "000A8A123456", &old);
    eprintln!("   served by every pod {:.2} s after kubectl apply began", took.as_secs_f64());
    assert!(took < Duration::from_secs(2), "{took:?}");
    wait_ready("one");
    let mut made = writes().split_off(before);
    eprintln!("   writes until it was served: {made:?}");
    made.retain(|(_, resource)| resource != "events");
    assert_eq!(count(&made, "configmaps"), 1, "{made:?}");
    assert_eq!(count(&made, "secrets"), 0, "{made:?}");
    assert_eq!(count(&made, "pods"), 2, "{made:?}");
    wait_in_sync("one");
}

pub fn a_secret_is_rotated() {
    step("a rotated Secret is served");
    let old = file(&boot_phone(service(), "000A8A123458", Cp7960), "SIP000A8A123458.cnf").unwrap();
    let began = Instant::now();
    apply(SPACE, &SECRET.replace("correct-horse", "battery-staple"));
    let took = served_after(began, "000A8A123458", &old);
    eprintln!("   served by every pod after {:.2} s", took.as_secs_f64());
    let outcome = boot_phone(service(), "000A8A123458", Cp7960);
    assert_eq!(outcome.flash.get("line1_password"), Some("battery-staple"));

    step("a missing Secret is said, and the last good file stays");
    kube(&["delete", "secret", "lines", "-n", SPACE]);
    wait_for("SecretNotFound", 20, || {
        let phone = get(SPACE, &["sipphone", "three"]);
        (condition(&phone, "Accepted") == ("False".to_owned(), "SecretNotFound".to_owned())).then_some(())
    });
    assert_eq!(boot_phone(service(), "000A8A123458", Cp7960).flash.get("line1_password"), Some("battery-staple"));
    apply(SPACE, &SECRET.replace("correct-horse", "battery-staple"));
    wait_ready("three");
}
