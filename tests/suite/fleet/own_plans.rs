//! What is said of a site's dial plan depends on the phones that load it: those that name it, those that name another one, and those
//! that say nothing.

use dialtone::provision::catalog::inventory;

use super::*;

const MACS: [&str; 3] = ["000A8A000001", "000A8A000002", "000A8A000003"];

/// A site with these files, and a phone for each of these.
fn fleet(spec: Value, files: &[(&str, &str)], phones: &[Value]) -> Fleet {
    let mut fleet = Fleet::offline();
    site(&mut fleet, 1, spec);
    for (i, own) in phones.iter().enumerate() {
        let mut spec = plain(MACS[i], &format!("71{i}"));
        spec.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
        phone(&mut fleet, &format!("p{i}"), 1, 0, spec);
    }
    fleet.take_work();
    fleet.set_firmware(&key("files"), Some(inventory(files.iter().map(|(name, text)| (*name, text.as_bytes())))));
    fleet.take_work();
    fleet
}

fn said(fleet: &Fleet) -> Vec<String> {
    let found = fleet.findings().flat_map(|(_, key, found)| found.iter().map(move |one| (key.name.to_string(), one)));
    let mut said: Vec<String> = found.map(|(name, one)| format!("{name} {} {}", one.code(), one.field)).collect();
    said.sort();
    said
}

fn spec(unset: &str, more: Value) -> Value {
    let mut spec = json!({"settings": {"proxy1Address": "10.0.0.1"}, "unsetParameters": unset, "files": {"configMaps": [{"name": "files"}]}});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    spec
}

fn told(template: &str) -> Value {
    json!({"settings": {"proxy1Address": "10.0.0.1", "dialTemplate": template}})
}

fn names(template: &str) -> Value {
    json!({"extraParameters": {"dial_template": template}})
}

fn emergency(proxy: &str) -> Value {
    json!({"settings": {"proxyEmergency": proxy}})
}

const FINE: &str = "<DIALTEMPLATE>\n<TEMPLATE MATCH=\"112\" Timeout=\"0\"/>\n</DIALTEMPLATE>\n";
const ROUTES: &str = "<DIALTEMPLATE>\n<TEMPLATE MATCH=\"112\" Timeout=\"0\" Route=\"Emergency\"/>\n</DIALTEMPLATE>\n";
const FOREIGN: &str = "<DIALTEMPLATE>\n<TEMPLATE MATCH=\"112\"/>\n<TEMPLATE MATCH=\"9NXX\"/>\n</DIALTEMPLATE>\n";

#[test]
fn a_plan_that_phones_name_is_one_that_they_are_told_of() {
    let plan = [("dialplan.xml", FINE)];
    let typed = || json!({"dialPlan": {"templates": [{"match": "112", "timeout": 0}]}});
    let of_map = ["hq DialPlanNotTold spec.files.configMaps[0]/dialplan.xml"];
    let of_site = ["hq DialPlanNotTold spec.dialPlan"];
    assert_eq!(said(&fleet(spec("Keep", json!({})), &plan, &[json!({})])), of_map);
    assert_eq!(said(&fleet(spec("Keep", typed()), &[], &[json!({})])), of_site);
    assert_eq!(
        said(&fleet(spec("Keep", json!({})), &plan, &[names("desk")])).len(),
        2,
        "another plan, which is missing"
    );
    for own in [
        names("dialplan"),
        json!({"extraParameters": {"dial_template": "dialplan"}}),
        json!({"extraParameters": {"dial_template": "./dialplan"}}),
        json!({"extraParameters": {"Dial_Template": "DIALPLAN"}}),
    ] {
        assert_eq!(said(&fleet(spec("Keep", json!({})), &plan, std::slice::from_ref(&own))), [""; 0], "{own}");
        assert_eq!(said(&fleet(spec("Keep", typed()), &[], std::slice::from_ref(&own))), [""; 0], "{own}");
    }
    // A phone that is not declared, and whose file comes with the plan.
    let with_phone = [("dialplan.xml", FINE), ("SIP000A8A999999.cnf", "dial_template: \"dialplan\"\n")];
    assert_eq!(said(&fleet(spec("Keep", json!({})), &with_phone, &[])), [""; 0]);
}

#[test]
fn a_site_is_told_of_an_emergency_proxy_only_while_a_phone_has_none() {
    let own = || emergency("10.0.0.2");
    let typed = || json!({"dialPlan": {"templates": [{"match": "112", "timeout": 0, "route": "Emergency"}]}});
    let missing = ["hq EmergencyProxyUnset spec.dialPlan.templates[0].route"];
    for (phones, expected) in [
        (vec![], &missing[..]),
        (vec![json!({})], &missing[..]),
        (vec![own(), json!({})], &missing[..]),
        (vec![own(), emergency("")], &missing[..]),
        (vec![own()], &[]),
        (vec![own(), own(), json!({"extraParameters": {"proxy_emergency": "10.0.0.2"}})], &[]),
    ] {
        let found = said(&fleet(spec("Reset", typed()), &[], &phones));
        let found: Vec<_> = found.iter().filter(|one| !one.contains("UntypedParameter")).collect();
        assert_eq!(found, expected.iter().collect::<Vec<_>>(), "{phones:?}");
    }
    let of_map = ["hq EmergencyProxyUnset spec.files.configMaps[0]/dialplan.xml:2.route"];
    let plan = [("dialplan.xml", ROUTES), ("desk.xml", FINE)];
    assert_eq!(said(&fleet(spec("Reset", json!({})), &plan, &[json!({})])), of_map);
    assert_eq!(said(&fleet(spec("Reset", json!({})), &plan, &[own()])), [""; 0]);
    // Who loads another plan needs none.
    assert_eq!(said(&fleet(spec("Reset", json!({})), &plan, &[own(), names("desk")])), [""; 0]);
    assert_eq!(said(&fleet(spec("Reset", json!({})), &plan, &[names("desk")])), [""; 0], "no phone loads it");
}

#[test]
fn what_phones_say_later_counts_as_if_it_had_been_said_at_once() {
    let typed = json!({"dialPlan": {"templates": [{"match": "112", "timeout": 0, "route": "Emergency"}]}});
    let mut fleet = fleet(spec("Reset", typed), &[], &[emergency("10.0.0.2")]);
    let codes = |fleet: &mut Fleet| {
        fleet.take_work();
        said(fleet).len()
    };
    assert_eq!(codes(&mut fleet), 0);
    phone(&mut fleet, "p1", 1, 0, plain(MACS[1], "9"));
    assert_eq!(codes(&mut fleet), 1, "one more phone, which has none");
    fleet.delete_phone(&key("p1"));
    assert_eq!(codes(&mut fleet), 0);
    phone(&mut fleet, "p0", 2, 0, plain(MACS[0], "710"));
    assert_eq!(codes(&mut fleet), 1, "the only phone has none any longer");
    let mut own = plain(MACS[0], "710");
    own["settings"] = json!({"proxyEmergency": "10.0.0.2"});
    phone(&mut fleet, "p0", 3, 0, own);
    assert_eq!(codes(&mut fleet), 0);
}

#[test]
fn of_a_plan_that_no_phone_loads_nothing_is_said() {
    let plan = [("dialplan.xml", FOREIGN), ("desk.xml", FINE)];
    let foreign = ["hq DialPlanForeign spec.files.configMaps[0]/dialplan.xml:3.match"];
    assert_eq!(said(&fleet(spec("Reset", json!({})), &plan, &[json!({})])), foreign);
    for (at_site, phones) in [
        (told(""), vec![]),
        (told(""), vec![json!({})]),
        (json!({"extraParameters": {"dial_template": ""}}), vec![]),
        (told("desk"), vec![]),
        (told("desk"), vec![json!({})]),
        (told("dialplan"), vec![names("desk")]),
        (json!({}), vec![names("desk"), names("desk")]),
    ] {
        for unset in ["Reset", "Keep"] {
            let mut found = said(&fleet(spec(unset, at_site.clone()), &plan, &phones));
            found.retain(|one| !one.contains("DialPlanNotTold"));
            assert_eq!(found, [""; 0], "{unset} {at_site} {phones:?}");
        }
    }
    // One phone that loads it is enough.
    for (at_site, phones) in [
        (told(""), vec![names("dialplan")]),
        (told("desk"), vec![names("dialplan"), json!({})]),
        (told("dialplan"), vec![names("desk"), json!({})]),
    ] {
        assert_eq!(said(&fleet(spec("Reset", at_site.clone()), &plan, &phones)), foreign, "{at_site} {phones:?}");
    }
}

#[test]
fn a_phones_own_plan_that_is_missing_or_none_is_said_of_the_phone() {
    let plan = [("desk.xml", FINE), ("Lobby.XML", FINE), ("menu.xml", "<CiscoIPPhoneMenu/>")];
    for (template, code) in [
        ("desk", None),
        ("./desk", None),
        ("voip/desk", None),
        ("lobby", None),
        ("DESK", None),
        ("lab", Some("DialPlanMissing")),
        ("desk.xml", Some("DialPlanMissing")),
        ("menu", Some("DialRuleIgnored")),
        ("", None),
        ("UNPROVISIONED", None),
    ] {
        let own = json!({"extraParameters": {"dial_template": template}});
        let found = said(&fleet(spec("Reset", json!({})), &plan, &[own]));
        let expected: Vec<String> =
            code.iter().map(|code| format!("p0 {code} spec.extraParameters.dial_template")).collect();
        assert_eq!(found, expected, "{template}");
    }
    let found = fleet(spec("Reset", json!({})), &plan, &[names("desk.xml")]);
    let found: Vec<_> =
        found.findings().flat_map(|(_, _, found)| found.iter().map(|one| one.message.clone())).collect();
    assert!(
        found[0].contains("asks for desk.xml.xml, and the file is desk.xml: it is written without .xml"),
        "{found:?}"
    );
    // The site's own plan is there for phones that name it.
    let typed = json!({"dialPlan": {"templates": [{"match": "112", "timeout": 0}]}});
    assert_eq!(said(&fleet(spec("Reset", typed), &[], &[names("dialplan")])), [""; 0]);
}

#[test]
fn of_a_plan_that_may_be_elsewhere_it_is_not_said_that_it_is_missing() {
    let mut fleet = Fleet::offline();
    let claim = json!({"firmware": {"source": {"persistentVolumeClaim": {"claimName": "x"}}}});
    site(&mut fleet, 1, spec("Reset", claim));
    let mut own = plain(MAC, "1");
    own["settings"] = json!({"dialTemplate": "lab"});
    phone(&mut fleet, "p", 1, 0, own);
    fleet.take_work();
    fleet.set_firmware(&key("files"), Some(inventory([("desk.xml", FINE)])));
    fleet.take_work();
    assert!(!said(&fleet).iter().any(|one| one.contains("DialPlanMissing")), "{:?}", said(&fleet));
}

#[test]
fn an_emergency_proxy_is_unused_only_if_the_phones_own_plan_does_not_use_it() {
    let plan = [("desk.xml", ROUTES)];
    let both = |template: &str| json!({"settings": {"proxyEmergency": "10.0.0.2"}, "extraParameters": {"dial_template": template}});
    let typed = || json!({"dialPlan": {"templates": [{"match": "112", "timeout": 0}]}});
    assert_eq!(said(&fleet(spec("Reset", typed()), &plan, &[both("desk")])), [""; 0]);
    let unused = ["p0 EmergencyProxyUnused spec.settings.proxyEmergency"];
    assert_eq!(said(&fleet(spec("Reset", typed()), &plan, &[both("dialplan")])), unused);
}

#[test]
fn a_phones_file_in_a_config_map_is_shadowed_by_its_own() {
    for (name, expected) in [
        ("SIP000A8A000001.cnf", 1),
        ("sip000a8a000001.CNF", 1),
        ("SIP000A8A000009.cnf", 0),
        ("SEP000A8A000001.cnf.xml", 0),
        ("MGC000A8A000001.cnf", 0),
    ] {
        let found = said(&fleet(spec("Reset", json!({})), &[(name, "line1_name: 1\n")], &[json!({})]));
        let shadowed = found.iter().filter(|one| *one == "p0 FileShadowed spec.mac").count();
        assert_eq!(shadowed, expected, "{name}: {found:?}");
    }
}

#[test]
fn names_are_found_whatever_their_case_and_draw_nothing() {
    for name in ["DialPlan.xml", "DIALPLAN.XML", "dialplan.XML"] {
        assert_eq!(said(&fleet(spec("Reset", json!({})), &[(name, FINE)], &[json!({})])), [""; 0], "{name}");
    }
}
