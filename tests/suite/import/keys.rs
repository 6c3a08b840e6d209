//! Lines that are not on the first keys, as files have them.

use super::*;

const COMMON: &[u8] = b"proxy1_address: 10.0.0.1\nproxy2_address: 10.0.0.2\nproxy_register: 1\n";

/// Imports a phone's file; the phone's manifest.
fn phone(file: &str, more: &[&str]) -> String {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), &[("SIPDefault.cnf", COMMON), ("SIP000A8A123456.cnf", file.as_bytes())]);
    let output = round_trip(root.path(), more);
    text(&output.stdout).split_once("kind: SipPhone").unwrap().1.to_owned()
}

#[test]
fn a_line_on_the_second_key_alone() {
    let manifest = phone("line2_name: \"7702\"\nline2_shortname: Kitchen\n", &["--model", "7940"]);
    assert!(manifest.contains("lines:\n  - key: 2\n    name: \"7702\"\n    shortName: Kitchen\n"), "{manifest}");
    assert!(!manifest.contains("extraParameters"), "{manifest}");
}

#[test]
fn lines_one_and_three_with_a_server_for_the_third() {
    let manifest = phone("line1_name: 7701\nline3_name: 7703\nproxy3_address: 10.0.0.3\nproxy3_port: 5070\n", &[]);
    let lines = "lines:\n  - name: \"7701\"\n  - key: 3\n    name: \"7703\"\n    proxy:\n      address: \"10.0.0.3\"\n      port: 5070\n";
    assert!(manifest.contains(lines) && !manifest.contains("extraParameters"), "{manifest}");
}

#[test]
fn keys_stay_keys_whatever_stands_before_them() {
    for (file, lines) in [
        ("line1_name: a\nline2_name: b\n", "lines:\n  - name: a\n  - name: b\n"),
        ("line1_name: \"\"\nline2_name: b\n", "lines:\n  - key: 2\n    name: b\n"),
        ("line1_name: UNPROVISIONED\nline4_name: d\n", "lines:\n  - key: 4\n    name: d\n"),
        ("line6_name: f\n", "lines:\n  - key: 6\n    name: f\n"),
        ("line2_name: b\nline3_name: c\n", "lines:\n  - key: 2\n    name: b\n  - key: 3\n    name: c\n"),
        ("line1_name: front desk\nline2_name: b\n", "lines:\n  - key: 2\n    name: b\n"),
        ("line1_name: a@10.0.0.1\nline3_name: c\n", "lines:\n  - key: 3\n    name: c\n"),
        ("line1_name: a\nline2_name: a\nline3_name: c\n", "lines:\n  - name: a\n  - key: 3\n    name: c\n"),
        (
            "line1_name: a\nproxy1_address: 10.0.0.7\nline2_name: a\nproxy2_address: 10.0.0.8\n",
            "lines:\n  - name: a\n    proxy:\n      address: \"10.0.0.7\"\n  - name: a\n    proxy:\n      address: \"10.0.0.8\"\n",
        ),
        ("line5_name: e\nline5_password: some-words\n", "lines:\n  - key: 5\n    name: e\n    passwordSecretRef:\n"),
        ("LINE2_NAME : b ; the kitchen\nLine2_AuthName: \"b\"\n", "lines:\n  - key: 2\n    name: b\n    authName: b\n"),
    ] {
        let manifest = phone(file, &[]);
        assert!(manifest.contains(lines), "{file}: {manifest}");
    }
}

#[test]
fn what_two_phones_share_is_hoisted_by_key() {
    let root = tempfile::tempdir().unwrap();
    write(
        root.path(),
        &[
            ("SIPDefault.cnf", &b"proxy_register: 1\n"[..]),
            ("SIP000A8A123401.cnf", b"line2_name: 71\nproxy2_address: 10.0.0.2\n"),
            ("SIP000A8A123402.cnf", b"line1_name: 70\nline2_name: 72\nproxy2_address: 10.0.0.2\n"),
        ],
    );
    let manifests = text(&round_trip(root.path(), &["--hoist", "--model", "7940"]).stdout);
    assert!(manifests.contains("proxy2Address: \"10.0.0.2\"") && !manifests.contains("proxy:"), "{manifests}");
    assert!(manifests.contains("- key: 2\n    name: \"71\"\n"), "{manifests}");
}

#[test]
fn a_second_phone_with_the_same_line_on_another_key_is_seen() {
    let root = tempfile::tempdir().unwrap();
    write(
        root.path(),
        &[
            ("SIPDefault.cnf", &b"proxy1_address: 10.0.0.1\nproxy_register: 1\n"[..]),
            ("SIP000A8A123401.cnf", b"line1_name: 71\n"),
            ("SIP000A8A123402.cnf", b"line2_name: 71\n"),
        ],
    );
    let output = round_trip(root.path(), &[]);
    let said = text(&output.stderr);
    assert!(said.contains("SIP000A8A123401.cnf has a line 71 on the same proxy too"), "{said}");
    assert!(text(&output.stdout).contains("extraParameters:\n    line2_name: \"71\"\n"));
}
