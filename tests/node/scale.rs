//! Many phones come and go; nothing is written when nothing changes.

use std::time::{Duration, Instant};

use dialtone::phone::Model::{Cp7940, Cp7960};

use super::stage::*;
use super::support::{apply, get, kube, kubectl, wait_for};

pub fn many_phones_come_and_go() {
    step(
        "400 phones fill more than one shard, without a new pod and without a moment in which the first one has no file",
    );
    let pods_before: Vec<String> = pods().into_iter().map(|(name, _)| name).collect();
    let server = service();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let booting = scope.spawn(|| {
            let mut boots = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let outcome = boot_as(server, "000A8A123456", Cp7960, "P0S3-06-3-00");
                assert!(outcome.booted, "{:?}", outcome.problems);
                boots += 1;
                std::thread::sleep(Duration::from_millis(20));
            }
            boots
        });
        let many: String = (0..400)
            .map(|n| phone(&format!("m{n}"), &format!("000A8B{n:06X}"), "7960", "Many", &format!("9{n:03}"), ""))
            .collect();
        let began = Instant::now();
        let output = kubectl(&["apply", "-n", SPACE, "--server-side", "-f", "-"], Some(&many));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let applied = began.elapsed();
        wait_for("all phones to be ready", 120, || {
            let site = get(SPACE, &["phonesite", "hq"]);
            (site["status"]["phones"]["ready"] == 403 && site["status"]["phones"]["total"] == 403).then_some(())
        });
        eprintln!(
            "   kubectl took {:.1} s, all were ready after {:.1} s",
            applied.as_secs_f64(),
            began.elapsed().as_secs_f64()
        );
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        eprintln!("   the first phone booted {} times meanwhile", booting.join().unwrap());
    });
    let shards = get(SPACE, &["configmaps", "-l", "dialtone.dev/role=files"]);
    assert!(shards["items"].as_array().unwrap().len() >= 3, "common and two shards");
    for shard in shards["items"].as_array().unwrap() {
        let bytes: usize = shard["data"].as_object().unwrap().values().map(|text| text.as_str().unwrap().len()).sum();
        assert!(bytes < 900_000, "{bytes}");
    }
    let pods_after: Vec<String> = pods().into_iter().map(|(name, _)| name).collect();
    assert_eq!(pods_before, pods_after, "no pod was replaced");

    step("a phone that gets a password moves to a Secret without a moment in which it has no file");
    let server = service();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let booting = scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let outcome = boot_as(server, "000A8A123457", Cp7940, "P0S3-06-3-00");
                assert!(outcome.booted, "{:?}", outcome.problems);
            }
        });
        apply(SPACE, &two().replace("\"8106\"", "\"8106\", passwordSecretRef: {name: lines, key: one}"));
        wait_for("the password to be served", 20, || {
            let outcome = boot_as(server, "000A8A123457", Cp7940, "P0S3-06-3-00");
            outcome.flash.get("line1_password").map(str::to_owned)
        });
        wait_ready("two");
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        booting.join().unwrap();
    });
    let maps = kube(&["get", "configmaps", "-n", SPACE, "-o", "json"]);
    assert!(!maps.contains("SIP000A8A123457"), "its old file is gone from the ConfigMap");

    step("they go again");
    let names: Vec<String> = (0..400).map(|n| format!("m{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    kube(&[&["delete", "sipphone", "-n", SPACE, "--wait=false"], names.as_slice()].concat());
    wait_for("three phones to be left", 60, || {
        (get(SPACE, &["phonesite", "hq"])["status"]["phones"]["total"] == 3).then_some(())
    });
}

pub fn nothing_is_written_when_nothing_changes() {
    step("an idle minute without a write");
    boot_all();
    // A phone that had a password until now leaves its file where it was until every kubelet must have heard of the move.
    wait_for("nothing to be left in the Secret", 150, || {
        (!kube(&["get", "secrets", "-n", SPACE, "-o", "json"]).contains("SIP000A8A123457")).then_some(())
    });
    settle();
    let before = writes().len();
    // An unprovisioned phone that polls is no reason either, once it is known to wait.
    for wait in [0, 21, 21] {
        std::thread::sleep(Duration::from_secs(wait));
        boot_phone(service(), "000A8A1234DD", Cp7960);
    }
    settle();
    let stranger = writes().len();
    assert!(
        stranger - before <= 2,
        "a status write for a stranger, and one when it has come again and again: {:?}",
        writes().split_off(before)
    );
    for _ in 0..6 {
        std::thread::sleep(Duration::from_secs(10));
        boot_phone(service(), "000A8A1234DD", Cp7960);
    }
    let made = writes().split_off(stranger);
    assert!(made.is_empty(), "{made:?}");

    step("a restart of the operator without a write");
    kube(&["rollout", "restart", "deployment/dialtone", "-n", "dialtone"]);
    kube(&["rollout", "status", "deployment/dialtone", "-n", "dialtone", "--timeout=60s"]);
    std::thread::sleep(Duration::from_secs(10));
    let made = writes().split_off(stranger);
    assert!(made.is_empty(), "{made:?}");
}
