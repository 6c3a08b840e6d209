//! `kubectl dialtone` against the real API server, found by kubectl itself.

use std::os::unix::fs::symlink;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::support::{get, kube, kubectl};
use super::{install, manifest};

/// A namespace, and a kubeconfig whose context names it.
struct Stage {
    folder: TempDir,
    space: &'static str,
}

impl Stage {
    fn new(space: &'static str) -> Stage {
        install();
        kube(&["create", "namespace", space]);
        let folder = tempfile::tempdir().unwrap();
        symlink(env!("CARGO_BIN_EXE_dialtone"), folder.path().join("kubectl-dialtone")).unwrap();
        let stage = Stage { folder, space };
        std::fs::copy(std::env::var_os("KUBECONFIG").unwrap(), stage.config()).unwrap();
        let config = stage.config();
        kube(&["config", "set-context", "--current", &format!("--namespace={space}"), "--kubeconfig", &config]);
        stage
    }

    fn config(&self) -> String {
        self.folder.path().join("config").to_str().unwrap().to_owned()
    }

    /// What `kubectl dialtone …` says, and its exit status. All of stdout comes before stderr.
    fn dialtone(&self, args: &[&str]) -> (String, i32) {
        let path = std::env::var("PATH").unwrap();
        let mut command = Command::new("kubectl");
        command.arg("dialtone").args(args).env("KUBECONFIG", self.config());
        let output = command.env("PATH", format!("{}:{path}", self.folder.path().display())).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (said, output.status.code().unwrap())
    }

    fn create(&self, kind: &str, name: &str, spec: &Value) {
        let output = kubectl(&["create", "-n", self.space, "-f", "-"], Some(&manifest(kind, name, spec)));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn phone(&self, name: &str, mac: &str, line: &str) {
        let spec = json!({"siteRef": {"name": "hq"}, "mac": mac, "model": "7960", "lines": [{"name": line}]});
        self.create("SipPhone", name, &spec);
    }

    /// Says what an operator would say.
    fn status(&self, kind: &str, name: &str, status: &Value) {
        let patch = json!({"status": status}).to_string();
        kube(&["patch", kind, name, "-n", self.space, "--subresource=status", "--type=merge", "-p", &patch]);
    }
}

fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": "2026-03-01T08:00:00Z"})
}

#[test]
fn people_see_their_sites_and_phones_and_what_to_do() {
    let stage = Stage::new("plugin");
    let (said, code) = stage.dialtone(&["status"]);
    assert!(code == 1 && said.contains("there is no PhoneSite in namespace plugin") && said.contains("-A"), "{said}");
    stage.create("PhoneSite", "hq", &json!({"settings": {"proxy1Address": "10.0.0.1"}}));
    stage.phone("reception", "00:0a:8a:12:34:56", "8105");
    stage.phone("kitchen", "000A8A123457", "8106");
    let (said, code) = stage.dialtone(&["status"]);
    assert!(code == 1 && said.contains("NotObserved") && said.contains("kubectl dialtone check"), "{said}");

    let fine = [
        condition("Ready", "True", "Ready", "m"),
        condition("Accepted", "True", "Accepted", "m"),
        condition("Served", "True", "Served", "m"),
    ];
    let with = |more: Value| [&fine[..], &[more]].concat();
    let counts = |ready: i64| json!({"total": 2, "accepted": 2, "served": 2, "ready": ready, "inSync": 1});
    let unclaimed =
        json!([{"mac": "000A8AFF0001", "address": "10.20.4.7", "firstSeen": "2026-03-01T08:00:00Z", "waiting": true}]);
    stage.status(
        "phonesite",
        "hq",
        &json!({"observedGeneration": 1, "address": "10.20.0.5", "servers": "2/2", "phones": counts(2),
        "unclaimedCount": 1, "unclaimed": unclaimed, "conditions": fine}),
    );
    let hash = "sha256:11aa22bb33cc44dd55ee";
    stage.status(
        "sipphone",
        "reception",
        &json!({"observedGeneration": 1, "configFile": "SIP000A8A123456.cnf", "configHash": hash,
        "servedHash": hash, "fetchedHash": hash, "lastSeen": "2026-03-01T08:00:00Z", "address": "10.20.4.1",
        "conditions": with(condition("InSync", "True", "Fetched", "m"))}),
    );
    stage.status("sipphone", "kitchen", &json!({"observedGeneration": 1, "configFile": "SIP000A8A123457.cnf", "configHash": hash,
        "servedHash": hash, "conditions": with(condition("InSync", "False", "NeverFetched", "the phone has not fetched its configuration yet"))}));
    let (said, code) = stage.dialtone(&["status"]);
    assert!(code == 0 && said.contains("hq    ✓") && said.contains("█████░░░░░ 1/2"), "{said}");
    assert!(said.contains("1 phone asks here that no SipPhone declares: 000A8AFF0001 at 10.20.4.7"), "{said}");
    let (said, code) = stage.dialtone(&["status", "hq"]);
    assert!(code == 0 && said.find("kitchen") < said.find("reception") && said.contains("! NeverFetched"), "{said}");
    let (said, _) = stage.dialtone(&["status", "hp"]);
    assert!(said.contains("did you mean hq?"), "{said}");
    let (said, _) = stage.dialtone(&["status", "-o", "json"]);
    let report: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (&report["version"], &report["sites"][0]["ready"], &report["phones"][0]["name"]),
        (&json!(1), &json!(true), &json!("kitchen"))
    );
    let (said, code) = stage.dialtone(&["status", "-o", "yaml", "-A"]);
    assert!(said.contains("version: 1") && said.contains("namespace: plugin"), "{code} {said}");
    stage.status("phonesite", "hq", &json!({"phones": counts(1)}));
    assert_eq!(stage.dialtone(&["status"]).1, 1, "one of its phones is not ready");

    for wanted in ["reception", "000a.8a12.3456", "8105", "10.20.4.1"] {
        let (said, code) = stage.dialtone(&["phone", wanted]);
        assert!(code == 0 && said.starts_with("plugin/reception: Cisco 7960, 00:0a:8a:12:34:56"), "{wanted}: {said}");
    }
    let (said, code) = stage.dialtone(&["phone", "kitchen"]);
    assert!(
        code == 1 && said.contains("NeverFetched") && said.contains("kubectl dialtone dhcp hq -n plugin"),
        "{said}"
    );
    let (said, code) = stage.dialtone(&["phone", "000A8AFF0001"]);
    assert!(code == 1 && said.contains("no SipPhone declares it") && said.contains("mac: 000A8AFF0001"), "{said}");
    let (said, code) = stage.dialtone(&["phone", "recepton"]);
    assert!(code == 1 && said.contains("did you mean reception?"), "{said}");
    let (said, _) = stage.dialtone(&["phone", "reception", "-n", "plugin-elsewhere"]);
    assert!(said.contains("it is in another namespace than plugin-elsewhere"), "{said}");

    let (said, code) = stage.dialtone(&["dhcp", "-s", "dnsmasq", "-s", "ios"]);
    assert!(
        code == 0 && said.contains("dhcp-option=150,10.20.0.5") && said.contains("option 150 ip 10.20.0.5"),
        "{said}"
    );
    assert_eq!(stage.dialtone(&["__complete", "phone", "re"]).0, "reception\n:4\n");
    assert_eq!(stage.dialtone(&["__complete", "status", ""]).0, "hq\n:4\n");

    let (said, code) = stage.dialtone(&["resync", "reception", "kitchn"]);
    assert!(code == 1 && said.contains("did you mean kitchen?") && said.contains("no phone was notified"), "{said}");
    let resync_at = |kind: &str, name: &str| {
        get(stage.space, &[kind, name])["metadata"]["annotations"]["dialtone.dev/resync-at"].clone()
    };
    assert!(resync_at("sipphone", "reception").is_null());
    let (said, code) = stage.dialtone(&["resync", "reception", "kitchen", "--dry-run"]);
    assert!(code == 0 && said.contains("would be notified") && resync_at("sipphone", "reception").is_null(), "{said}");
    let (said, code) = stage.dialtone(&["resync", "reception", "kitchen"]);
    assert!(code == 0 && said.contains("at 10.20.4.1") && said.contains("restart it by hand"), "{said}");
    assert!(resync_at("sipphone", "reception").as_str().is_some_and(|time| time.parse::<jiff::Timestamp>().is_ok()));
    let (said, code) = stage.dialtone(&["resync", "--site", "hq"]);
    assert!(code == 0 && said.contains("each of its 2 phones") && resync_at("phonesite", "hq").is_string(), "{said}");

    let (said, code) = stage.dialtone(&["logs", "hq"]);
    assert!(code == 1 && said.contains("site hq has no TFTP pods in namespace plugin"), "{said}");
    let (said, code) = stage.dialtone(&["version"]);
    assert!(
        code == 0 && said.contains("kubernetes    v1.") && said.matches("of this program's version").count() == 2,
        "{said}"
    );
    let (said, code) = stage.dialtone(&["check"]);
    assert!(code == 1 && said.contains("✗ operator      there is none") && said.contains("✓ your rights"), "{said}");
}

#[test]
fn who_has_no_rights_is_told_which_and_who_gives_them() {
    let stage = Stage::new("plugin-rights");
    stage.create("PhoneSite", "hq", &json!({}));
    for command in [&["status"][..], &["phone", "x"], &["logs", "hq"], &["resync", "x"], &["dhcp"]] {
        let (said, code) = stage.dialtone(&[command, &["--as", "nobody"]].concat());
        assert!(
            code == 1 && said.contains("error: you may not list") && said.contains("kubectl create rolebinding"),
            "{command:?}: {said}"
        );
    }
    // What may not be read is no fault of the cluster.
    let (said, code) = stage.dialtone(&["check", "--as", "nobody"]);
    assert!(code == 0 && said.contains("! your rights") && said.contains("? operator"), "{said}");
    let (said, code) = stage.dialtone(&["version", "--as", "nobody"]);
    assert!(code == 0 && said.contains("operator      not known"), "{said}");
}

#[test]
fn a_diff_reads_the_context_s_namespace_and_gives_the_older_of_two_what_both_want() {
    let stage = Stage::new("plugin-diff");
    stage.create("PhoneSite", "hq", &json!({"settings": {"proxy1Address": "10.0.0.1"}}));
    // The older one has the later name.
    stage.phone("zebra", "000A8A123456", "8105");
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    stage.phone("ant", "000A8A123457", "8106");
    let site = manifest("PhoneSite", "hq", &json!({"settings": {"proxy1Address": "10.0.0.1"}}));
    let phone = |name: &str, mac: &str, line: &str| {
        let spec = json!({"siteRef": {"name": "hq"}, "mac": mac, "model": "7960", "lines": [{"name": line}]});
        manifest("SipPhone", name, &spec)
    };
    let diff = |phones: &[String]| {
        let file = stage.folder.path().join("new.yaml");
        std::fs::write(&file, [std::slice::from_ref(&site), phones].concat().join("\n---\n")).unwrap();
        stage.dialtone(&["diff", "-f", file.to_str().unwrap()])
    };
    let (zebra, ant) = (phone("zebra", "000A8A123456", "8105"), phone("ant", "000A8A123457", "8106"));
    assert_eq!(diff(&[zebra.clone(), ant]), ("no phone changes\n".to_owned(), 0));
    // The younger one takes the older one's address: it is the one that is refused.
    let (said, code) = diff(&[zebra, phone("ant", "000A8A123456", "8106")]);
    assert!(code == 2 && said.contains("SipPhone plugin-diff/ant: spec.mac"), "{code}: {said}");
    assert!(!said.contains("SipPhone plugin-diff/zebra"), "{said}");
}
