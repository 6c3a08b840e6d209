//! `dialtone diff`: what a pull request does to the phones.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn diff(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dialtone")).arg("diff").args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn phone(name: &str, mac: &str, more: &str) -> String {
    format!(
        "---\napiVersion: dialtone.dev/v1alpha1\nkind: SipPhone\nmetadata: {{name: {name}}}\nspec:\n  siteRef: {{name: hq}}\n  mac: {mac}\n  model: \"7960\"\n  lines: [{{name: \"{name}\", passwordSecretRef: {{name: pw, key: {name}}}}}]\n{more}"
    )
}

fn site(spec: &str) -> String {
    format!("apiVersion: dialtone.dev/v1alpha1\nkind: PhoneSite\nmetadata: {{name: hq}}\nspec: {spec}\n")
}

/// Compares two sets of manifests; what was said and the exit code.
fn compare(old: &str, new: &str, more: &[&str]) -> (String, i32) {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (write(folder.path(), "old.yaml", old), write(folder.path(), "new.yaml", new));
    let output = diff(&[more, &[old.to_str().unwrap(), new.to_str().unwrap()]].concat());
    (text(&output.stdout) + &text(&output.stderr), output.status.code().unwrap())
}

#[test]
fn nothing_changes() {
    let manifests = site("{settings: {proxy1Address: 10.0.0.1}}") + &phone("a", "000A8A000001", "");
    let same = phone("a", "00:0a:8a:00:00:01", "") + "---\n" + &site("{settings: {proxy1Address: 10.0.0.1}}");
    assert_eq!(compare(&manifests, &same, &[]), ("no phone changes\n".to_owned(), 0));
}

#[test]
fn phones_to_which_the_same_happens_stand_together() {
    let phones =
        |more: &str| (1..=12).map(|n| phone(&format!("p{n}"), &format!("000A8A0000{n:02}"), more)).collect::<String>();
    let old = site("{settings: {proxy1Address: 10.0.0.1}}") + &phones("") + &phone("gone", "000A8A000099", "");
    let new = site("{settings: {proxy1Address: 10.0.0.2}}") + &phones("") + &phone("fresh", "000A8A000098", "");
    let (said, code) = compare(&old, &new, &[]);
    assert_eq!(code, 1);
    assert!(
        said.contains("and 4 more (--all names them): restarts\n  proxy1_address: \"10.0.0.1\" → \"10.0.0.2\"\n"),
        "{said}"
    );
    assert!(said.contains("default/fresh: new\n") && said.contains("default/gone: no longer served\n"), "{said}");
    assert!(said.ends_with("1 new, 1 no longer served, 12 to restart\n"), "{said}");
}

#[test]
fn a_new_dial_plan_needs_no_restart() {
    let plan = |number: &str| {
        site(&format!("{{dialPlan: {{templates: [{{match: \"{number}\", timeout: 0}}]}}}}"))
            + &phone("a", "000A8A000001", "")
    };
    let (said, code) = compare(&plan("911"), &plan("112"), &[]);
    assert_eq!(
        (said.as_str(), code),
        ("default/a: reads its dial plan again\n  dialplan.xml differs\n1 to read the dial plan again\n", 1)
    );
}

#[test]
fn passwords_are_compared_and_never_shown() {
    let secret = |password: &str| {
        format!("---\napiVersion: v1\nkind: Secret\nmetadata: {{name: pw}}\nstringData: {{a: {password}}}\n")
    };
    let manifests = site("{}") + &phone("a", "000A8A000001", "");
    let (said, code) =
        compare(&(manifests.clone() + &secret("hunter2")), &(manifests.clone() + &secret("hunter3")), &[]);
    assert_eq!(code, 1);
    assert!(said.contains("line1_password: another secret") && !said.contains("hunter"), "{said}");
    let (said, code) = compare(&(manifests.clone() + &secret("hunter2")), &manifests, &[]);
    assert_eq!((said.as_str(), code), ("no phone changes\n", 0), "Secrets are rarely kept in git");
}

#[test]
fn programs_get_json() {
    let old = site("{}") + &phone("a", "000A8A000001", "");
    let new = site("{}") + &phone("a", "000A8A000001", "  label: Desk\n  settings: {callWaiting: AlwaysOff}\n");
    let (said, code) = compare(&old, &new, &["--output", "json"]);
    let changes: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(code, 1);
    let change = &changes["changes"][0];
    assert_eq!((change["phone"].as_str(), change["action"].as_str()), (Some("default/a"), Some("Restart")));
    assert_eq!(change["parameters"][0]["name"], "call_waiting");
    assert_eq!((&change["parameters"][1]["old"], &change["parameters"][1]["new"]), (&"".into(), &"Desk".into()));
}

#[test]
fn what_cannot_be_rendered_is_trouble() {
    let old = site("{}");
    let (said, code) = compare(&old, &(site("{}") + &phone("a", "12", "")), &[]);
    assert_eq!(code, 2);
    assert!(said.contains("spec.mac"), "{said}");
    assert_eq!(diff(&["one.yaml"]).status.code(), Some(2));
}

#[test]
fn an_upgrade_is_seen_although_the_images_are_elsewhere() {
    let manifests = |image: &str| {
        site(&format!("{{unsetParameters: Keep, firmware: {{image: {image}, rollout: {{maxUpdating: 1}}}}}}"))
            + &phone("a", "000A8A000001", "")
    };
    let (said, code) = compare(&manifests("P0S3-07-4-00"), &manifests("P0S3-8-12-00"), &[]);
    assert_eq!(code, 1);
    let expected = "default/a: restarts and loads another image\n  image_version: \"P0S3-07-4-00\" → \"P0S3-8-12-00\"\n1 to restart\n";
    assert_eq!(said, expected);
}

#[test]
fn what_steers_the_boot_is_compared() {
    let manifests =
        |image: &str| site(&format!("{{firmware: {{bootstrap: {image}}}}}")) + &phone("a", "000A8A000001", "");
    let (said, code) = compare(&manifests("P0S30202"), &manifests("P003-8-12-00"), &[]);
    assert_eq!((said.as_str(), code), ("default/a: restarts\n  OS79XX.TXT differs\n1 to restart\n", 1));
}

#[test]
fn phones_of_a_site_that_is_suspended_keep_what_they_have() {
    let old = site("{settings: {proxy1Address: 10.0.0.1}}") + &phone("a", "000A8A000001", "");
    let new = site("{suspend: true, settings: {proxy1Address: 10.0.0.2}}") + &phone("b", "000A8A000002", "");
    let (said, code) = compare(&old, &new, &[]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("no phone changes") && said.contains("spec.suspend is true"), "{said}");
    let (said, code) = compare(&new, &old, &[]);
    assert_eq!(code, 1);
    assert!(said.contains("default/a: new") && said.contains("default/b: no longer served"), "{said}");
}

#[test]
fn no_value_that_may_be_secret_is_shown() {
    let manifests = |pin: &str| {
        site("{}")
            + &phone(
                "a",
                "000A8A000001",
                &format!("  extraParameters: {{admin_pin: \"{pin}\", sip_passphrase: \"{pin}\"}}\n"),
            )
    };
    let (said, code) = compare(&manifests("4711"), &manifests("4712"), &[]);
    assert_eq!(code, 1);
    assert!(said.contains("admin_pin: another secret") && !said.contains("471"), "{said}");
}
