//! What somebody may name who may create sites and phones, and what is served of it.

use super::*;
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
