//! What somebody may name who may create sites and phones, and what is served of it.

use std::time::{Duration, Instant};

use super::*;
use dialtone::provision::catalog::FirmwareFile;
use dialtone::provision::consent::Withheld;

#[test]
fn what_is_no_name_of_an_object_is_never_asked_for_and_said_at_once() {
    let mut fleet = Fleet::new();
    site(
        &mut fleet,
        1,
        json!({"secretParameters": {"line1_password": {"name": "a?b", "key": "k"}}, "files": {"configMaps": [{"name": "../m"}]}}),
    );
    let mut spec = with_password("000A8A123456", "7101");
    spec["lines"][0]["passwordSecretRef"]["name"] = "../../kube-system/secrets/x".into();
    spec["settings"] = json!({"phonePasswordSecretRef": {"name": "..", "key": "k"}});
    phone(&mut fleet, "p", 1, 0, spec);
    phone(&mut fleet, "q", 1, 0, json!({"siteRef": {"name": "../hq"}, "mac": "000A8A123457", "model": "7940"}));
    let work = fleet.take_work();
    assert!(!work.iter().any(|item| matches!(item, WorkItem::Read(..))), "{work:?}");
    let fields = |name: &str| -> Vec<String> {
        let (.., found) = fleet.findings().find(|(_, k, _)| **k == key(name)).unwrap();
        found.iter().filter(|one| one.is_error()).map(|one| one.field.clone()).collect()
    };
    assert_eq!(fields("hq"), ["spec.files.configMaps[0].name", "spec.secretParameters.line1_password.name"]);
    assert!(fields("p").contains(&"spec.lines[0].passwordSecretRef.name".to_owned()), "{:?}", fields("p"));
    assert!(fields("p").contains(&"spec.settings.phonePasswordSecretRef.name".to_owned()), "{:?}", fields("p"));
    assert_eq!(fields("q"), ["spec.siteRef.name"]);
}

#[test]
fn nothing_of_a_secret_that_is_not_for_phones_is_served_and_what_was_served_stays() {
    let mut fleet = Fleet::new();
    site(&mut fleet, 1, json!({"settings": {"proxy1Address": "10.0.0.1"}}));
    secret(&mut fleet, "hunter2");
    phone(&mut fleet, "p", 1, 0, with_password("000A8A123456", "7101"));
    fleet.take_work();
    secret(&mut fleet, "hunter2");
    fleet.take_work();
    assert!(text(&fleet, "SIP000A8A123456.cnf").unwrap().contains("hunter2"));
    for why in [Withheld::Type, Withheld::Own, Withheld::NoConsent] {
        fleet.withhold(Reference::Secret, &key("s"), why);
        fleet.take_work();
        assert_eq!(reasons(&fleet, "p"), ["SecretNotAllowed"], "{why:?}");
        assert!(text(&fleet, "SIP000A8A123456.cnf").is_some(), "the last good file stays");
    }
    // A phone that never had it gets nothing of it.
    phone(&mut fleet, "q", 1, 0, with_password("000A8A123457", "7102"));
    fleet.take_work();
    assert_eq!(reasons(&fleet, "q"), ["SecretNotAllowed"]);
    assert_eq!(text(&fleet, "SIP000A8A123457.cnf"), None);
    // Its owner consents.
    secret(&mut fleet, "hunter3");
    fleet.take_work();
    assert!(reasons(&fleet, "p").is_empty() && reasons(&fleet, "q").is_empty());
    assert!(text(&fleet, "SIP000A8A123457.cnf").unwrap().contains("hunter3"));
}

#[test]
fn a_config_map_that_is_withheld_is_an_error_of_its_field() {
    let mut fleet = Fleet::new();
    let spec =
        json!({"firmware": {"source": {"configMaps": [{"name": "fw"}]}}, "files": {"configMaps": [{"name": "rings"}]}});
    site(&mut fleet, 1, spec);
    fleet.take_work();
    fleet.set_firmware(&key("fw"), Some(Default::default()));
    fleet.withhold(Reference::ConfigMap, &key("rings"), Withheld::NoConsent);
    fleet.take_work();
    assert_eq!(reasons(&fleet, "hq"), ["SourceNotAllowed"]);
    assert!(fleet.may_serve_map(&key("fw")) && !fleet.may_serve_map(&key("rings")));
    fleet.set_firmware(&key("rings"), Some(Default::default()));
    fleet.take_work();
    assert!(reasons(&fleet, "hq").is_empty());
}

/// All that is said of objects, and where files are.
fn said(fleet: &mut Fleet) -> String {
    fleet.take_work();
    let findings: Vec<String> =
        fleet.findings().flat_map(|(_, key, found)| found.iter().map(move |one| format!("{key}: {one}"))).collect();
    let phones: Vec<Key> = fleet.phones().cloned().collect();
    let phones: Vec<String> = phones
        .iter()
        .filter_map(|phone| fleet.report(phone, Timestamp::UNIX_EPOCH))
        .map(|report| serde_json::to_string(&report.after).unwrap())
        .collect();
    let site =
        fleet.site_status(&key("hq"), Timestamp::UNIX_EPOCH).map(|status| serde_json::to_string(&status.1).unwrap());
    let names: Vec<String> = fleet.tree(&key("hq")).into_keys().map(|name| name.to_string()).collect();
    format!("{findings:?} {phones:?} {site:?} {names:?}")
}

#[test]
fn what_comes_from_a_secret_is_said_nowhere_whatever_parameter_it_becomes() {
    let parameters = dialtone::phone::parameters();
    assert!(parameters.len() > 100);
    for chunk in parameters.chunks(30) {
        for value in ["hunter2", "{{hunter2}}", "hunter2\u{e9}\u{17e}", "hunter2\u{1}"] {
            let mut fleet = Fleet::offline();
            let from = |names: &[dialtone::phone::parameter::Parameter]| -> Value {
                names
                    .iter()
                    .map(|one| (one.name.clone(), json!({"name": "s", "key": "p"})))
                    .collect::<serde_json::Map<_, _>>()
                    .into()
            };
            let plan = json!({"templates": [{"match": "*"}]});
            let nat = json!({"natEnable": true, "sntpMode": "Unicast", "telnetLevel": "Privileged"});
            let settings = if chunk.iter().any(|one| nat.get(&one.field).is_some()) { json!({}) } else { nat };
            site(&mut fleet, 1, json!({"secretParameters": from(chunk), "dialPlan": plan, "settings": settings}));
            let both = |name: &str, mac: &str, created| {
                (
                    name.to_owned(),
                    created,
                    json!({"siteRef": {"name": "hq"}, "mac": mac, "model": "7960", "lines": [{"name": "7101"}]}),
                )
            };
            for (name, created, mut spec) in [both("a", "000A8A000001", 1), both("b", "000A8A000002", 2)] {
                phone(&mut fleet, &name, 1, created, spec.clone());
                spec["secretParameters"] = from(chunk);
                spec["mac"] = format!("000A8A00001{created}").into();
                phone(&mut fleet, &format!("{name}-own"), 1, created, spec);
            }
            fleet.take_work();
            secret(&mut fleet, value);
            let said = said(&mut fleet);
            assert!(!said.contains("unter2") && !said.contains('\u{17e}'), "{value}: {said}");
        }
    }
}

#[test]
fn a_large_value_that_thousands_name_is_not_copied_for_each_of_them() {
    let mut fleet = Fleet::new();
    site(&mut fleet, 1, json!({"settings": {"proxy1Address": "10.0.0.1"}}));
    let names: serde_json::Map<String, Value> =
        (0..32).map(|i| (format!("unheard{i}"), json!({"name": "s", "key": "p"}))).collect();
    for n in 0..500 {
        let mut spec = plain(&format!("000A8A{n:06X}"), &n.to_string());
        spec["secretParameters"] = names.clone().into();
        phone(&mut fleet, &format!("p{n}"), 1, 0, spec);
    }
    fleet.take_work();
    let start = Instant::now();
    secret(&mut fleet, &"x".repeat(1 << 20));
    fleet.take_work();
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert_eq!(reasons(&fleet, "p0").len(), 32);
}

#[test]
fn names_without_an_end_in_a_source_hold_nobody_up() {
    let mut fleet = Fleet::new();
    let spec = json!({
        "firmware": {"image": "P0S3-8-12-00", "source": {"configMaps": [{"name": "fw"}]}},
        "ringList": (0..64).map(|i| json!({"name": format!("ring {i}"), "file": format!("ring{i}.pcm")})).collect::<Vec<_>>(),
    });
    site(&mut fleet, 1, spec);
    for n in 0..200 {
        let mut spec = plain(&format!("000A8A{n:06X}"), &n.to_string());
        spec["firmware"] = json!({"image": format!("P0S3-8-12-{n:02}")});
        phone(&mut fleet, &format!("p{n}"), 1, 0, spec);
    }
    fleet.take_work();
    let parts: String = (0..5_000).map(|i| format!("P{i:05}.sb2\n")).collect();
    let mut files: BTreeMap<String, FirmwareFile> =
        (0..20_000).map(|i| (format!("x{i:05}"), FirmwareFile::new("x", b""))).collect();
    for image in std::iter::once("P0S3-8-12-00".to_owned()).chain((0..200).map(|n| format!("P0S3-8-12-{n:02}"))) {
        let name = format!("{image}.loads");
        files.insert(name.clone(), FirmwareFile::new(&name, parts.as_bytes()));
    }
    let start = Instant::now();
    fleet.set_firmware(&key("fw"), Some(files));
    fleet.take_work();
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}
