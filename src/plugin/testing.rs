//! Objects, and texts that were looked at, for the tests of the plugin.

use jiff::Timestamp;
use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr as _;

use crate::api::API_VERSION;
use crate::operator::trimmed::{TrimmedPhone, TrimmedSite};

/// A time.
pub(super) fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

fn metadata(name: &str) -> Value {
    json!({"name": name, "namespace": "default", "generation": 1, "creationTimestamp": "2026-02-20T09:00:00Z"})
}

fn observed(mut status: Value) -> Value {
    let fields = status.as_object_mut().unwrap();
    fields.entry("observedGeneration").or_insert(json!(1));
    fields.retain(|_, value| !value.is_null());
    status
}

/// A site with a status.
pub(super) fn site(name: &str, status: Value) -> TrimmedSite {
    let object = json!({"apiVersion": API_VERSION, "kind": "PhoneSite", "metadata": metadata(name),
        "spec": {"settings": {"proxy1Address": "10.0.0.1"}}, "status": observed(status)});
    serde_json::from_value(object).unwrap()
}

/// A phone of site hq with a line and a status.
pub(super) fn phone(name: &str, mac: &str, line: &str, status: Value) -> TrimmedPhone {
    let spec =
        json!({"siteRef": {"name": "hq"}, "mac": mac, "model": "7960", "label": "Desk", "lines": [{"name": line}]});
    let object = json!({"apiVersion": API_VERSION, "kind": "SipPhone", "metadata": metadata(name),
        "spec": spec, "status": observed(status)});
    serde_json::from_value(object).unwrap()
}

/// Compares a text with one that was looked at, and with the terminal's width. DIALTONE_WRITE_GOLDEN=1 writes it anew.
pub(super) fn golden(name: &str, text: &str, width: Option<usize>) {
    let file = std::path::Path::new("tests/golden/plugin").join(name);
    if std::env::var_os("DIALTONE_WRITE_GOLDEN").is_some() {
        std::fs::create_dir_all("tests/golden/plugin").unwrap();
        std::fs::write(&file, text).unwrap();
    }
    for line in text.lines() {
        assert!(width.is_none_or(|width| line.width() <= width), "{name}: too wide: {line}");
    }
    let known = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(known == text, "{name} was:\n{known}\nand is:\n{text}");
}
