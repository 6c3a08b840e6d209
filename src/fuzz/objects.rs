//! What comes from the API server and from pods, in JSON.

use std::collections::BTreeMap;
use std::fmt::Debug;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::assert_shown;
use crate::api::{Checked, violations};
use crate::base::digest::Digest;
use crate::base::report::Report;
use crate::operator::trimmed::{TrimmedConfigMap, TrimmedPhone, TrimmedSecret, TrimmedSite};
use crate::provision::catalog::FirmwareFile;
use crate::provision::{Fetch, Fleet, Key, Meta};

fn key(name: &str) -> Key {
    Key::new("ns", name)
}

fn meta(name: &str) -> Meta {
    Meta { key: key(name), generation: Some(1), created: 0, version: 1, resync_at: None }
}

fn typed<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("it is written as the type has it")
}

/// The longest text, and all texts together, that a status may hold.
const MAX_STATUS_TEXT: usize = 4_096;
const MAX_STATUS: usize = 64 << 10;

/// Panics if a status holds what nobody can read, or more than a status should hold.
fn assert_status(status: &impl Serialize) {
    fn texts(value: &Value) {
        match value {
            Value::String(text) => {
                assert_shown(text);
                assert!(
                    text.len() <= MAX_STATUS_TEXT,
                    "{} bytes: {}…",
                    text.len(),
                    &text.chars().take(80).collect::<String>()
                );
            }
            Value::Array(items) => items.iter().for_each(texts),
            Value::Object(fields) => fields.values().for_each(texts),
            _ => {}
        }
    }
    let status = serde_json::to_value(status).expect("a status is JSON");
    texts(&status);
    let length = status.to_string().len();
    assert!(length <= MAX_STATUS, "a status of {length} bytes");
}

/// Settles a fleet, and looks at all statuses.
fn assert_statuses(fleet: &mut Fleet) {
    fleet.take_work();
    let now = Timestamp::UNIX_EPOCH;
    for phone in fleet.phones().cloned().collect::<Vec<_>>() {
        if let Some(report) = fleet.report(&phone, now) {
            assert_status(&report.after);
        }
    }
    for site in fleet.sites().cloned().collect::<Vec<_>>() {
        if let Some((_, after)) = fleet.site_status(&site, now) {
            assert_status(&after);
        }
    }
}

/// A pod's report.
pub fn report(input: &[u8]) {
    let Ok(report) = Report::read(input) else { return };
    let again = serde_json::to_vec(&report).expect("a report is JSON");
    assert_eq!(serde_json::from_slice::<Report>(&again).expect("what was written is read"), report);
    for problem in &report.problems {
        assert_shown(&problem.file);
        assert_shown(&problem.message);
    }
    let mut fleet = Fleet::new();
    fleet.apply_site(meta("hq"), typed(json!({"firmware": {"image": "P0S3-8-12-00"}})), Default::default());
    let phone = json!({"siteRef": {"name": "hq"}, "mac": "000A8A123456", "model": "7960", "lines": [{"name": "1"}]});
    fleet.apply_phone(meta("p"), typed(phone), Default::default());
    fleet.take_work();
    let site = key("hq");
    let (mut held, mut firmware) = (Vec::new(), Vec::new());
    for file in &report.holdings.held {
        let Some(digest) = Digest::from_hex(&file.digest) else { continue };
        let size = usize::try_from(file.size).unwrap_or(usize::MAX);
        firmware.push((file.name.clone(), FirmwareFile::reported(digest, size, file.first, file.parts.clone())));
        held.push((file.name.clone(), digest));
    }
    let (complete, gone) = (report.holdings.complete, &report.holdings.gone);
    fleet.pod_firmware(&site, "pod", complete, firmware, gone, &report.problems);
    fleet.pod_holds(&site, "pod", complete, held, gone);
    for record in &report.journal.records {
        fleet.fetched(&site, &Fetch::from(record));
    }
    assert_statuses(&mut fleet);
    fleet.tick(Timestamp::MAX);
    assert_statuses(&mut fleet);
    fleet.pod_gone(&site, "pod");
    assert_statuses(&mut fleet);
}

/// What was read of a spec is written and read as the same, and what its type refuses the document's schema refuses too.
fn assert_spec<T: DeserializeOwned + Serialize + Checked + PartialEq + Debug>(kind: &str, document: &Value, spec: &T) {
    let written = serde_json::to_value(spec).expect("a spec is JSON");
    assert_eq!(&typed::<T>(written), spec);
    if violations(kind, document).is_empty() {
        assert_eq!(spec.violations(), [], "{document}");
    }
}

/// An object of the API server.
pub fn objects(input: &[u8]) {
    let Ok(document) = serde_json::from_slice::<Value>(input) else { return };
    let spec = document.get("spec").cloned().unwrap_or_else(|| json!({}));
    let mut fleet = Fleet::new();
    let _: Option<TrimmedConfigMap> = serde_json::from_value(document.clone()).ok();
    let _: Option<TrimmedSecret> = serde_json::from_value(document.clone()).ok();
    if let Ok(site) = serde_json::from_value::<TrimmedSite>(document.clone())
        && let Ok(found) = site.spec.decoded()
    {
        assert_spec("PhoneSite", &spec, &found);
        fleet.apply_site(meta("hq"), found, site.status.decoded().unwrap_or_default());
        assert_statuses(&mut fleet);
    }
    if let Ok(phone) = serde_json::from_value::<TrimmedPhone>(document)
        && let Ok(found) = phone.spec.decoded()
    {
        assert_spec("SipPhone", &spec, &found);
        let site = found.site_ref.name.clone();
        fleet.apply_site(meta(&site), typed(json!({})), Default::default());
        fleet.apply_phone(meta("p"), found, phone.status.decoded().unwrap_or_default());
        for secret in ["s", "hq"] {
            fleet.set_secret(&key(secret), Some(BTreeMap::from([("p".to_owned(), "x".into())])));
        }
        assert_statuses(&mut fleet);
    }
    for site in fleet.sites().cloned().collect::<Vec<_>>() {
        super::manifests::assert_files(&fleet.tree(&site), |_| true);
    }
}
