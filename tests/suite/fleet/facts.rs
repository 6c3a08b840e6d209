//! What real phones and networks do: hotlines, names that are no lines, addresses that are names.

use super::*;

fn codes(fleet: &Fleet) -> Vec<String> {
    let found = fleet.findings().flat_map(|(_, _, found)| found);
    found.map(|one| one.code().to_owned()).collect()
}

fn plan(off_hook: Value, templates: Value) -> (Option<String>, Vec<String>) {
    let mut fleet = Fleet::offline();
    let plan = json!({"offHook": off_hook, "templates": templates});
    site(&mut fleet, 1, json!({"settings": {"proxy1Address": "10.0.0.1"}, "dialPlan": plan}));
    fleet.take_work();
    (text(&fleet, "dialplan.xml"), codes(&fleet))
}

#[test]
fn a_hotline_and_a_warm_line_are_rules_with_an_empty_match_that_stand_first() {
    let (file, found) = plan(json!({"number": "7100", "timeout": 0}), json!([]));
    assert_eq!(
        file.unwrap(),
        "<DIALTEMPLATE>\n<TEMPLATE MATCH=\"\" Timeout=\"0\" Rewrite=\"7100\"/>\n</DIALTEMPLATE>\n"
    );
    assert_eq!(found, ["DialHotline"]);
    let rules = json!([{"match": "911", "timeout": 0}, {"match": "7...", "timeout": 0}]);
    let (file, found) = plan(json!({"number": "0", "timeout": 8, "user": "Phone", "route": "10.0.0.9"}), rules);
    let expected = "<DIALTEMPLATE>\n<TEMPLATE MATCH=\"\" Timeout=\"8\" User=\"Phone\" Rewrite=\"0\" Route=\"10.0.0.9\"/>\n<TEMPLATE MATCH=\"911\"";
    assert!(file.as_ref().unwrap().starts_with(expected), "{file:?}");
    assert_eq!(found, [""; 0], "a warm line is no reason for a word");
}

#[test]
fn what_a_phone_cannot_call_by_itself_is_refused() {
    for (off_hook, field) in [
        (json!({"number": "", "timeout": 0}), "number"),
        (json!({"number": "7&1", "timeout": 0}), "number"),
        (json!({"number": "7\"1", "timeout": 0}), "number"),
        (json!({"number": "7".repeat(64), "timeout": 0}), "number"),
        (json!({"number": "7100", "timeout": -1}), "timeout"),
        (json!({"number": "7100", "timeout": 3601}), "timeout"),
        (json!({"number": "7100", "timeout": 5, "route": "no host"}), "route"),
    ] {
        let mut fleet = Fleet::offline();
        site(&mut fleet, 1, json!({"dialPlan": {"offHook": off_hook}}));
        fleet.take_work();
        let found: Vec<String> = fleet.findings().flat_map(|(_, _, found)| found).map(ToString::to_string).collect();
        let field = format!("spec.dialPlan.offHook.{field}: ");
        assert!(
            text(&fleet, "dialplan.xml").is_none() && found.iter().filter(|one| one.starts_with(&field)).count() == 1,
            "{found:?}"
        );
    }
}

#[test]
fn the_word_unprovisioned_as_a_name_is_a_line_wherever_it_stands() {
    let of_site =
        json!({"settings": {"proxy1Address": "10.0.0.1"}, "extraParameters": {"line2_name": "UNPROVISIONED"}});
    let own = |more: Value| {
        let mut spec = plain(MAC, "7101");
        spec["extraParameters"] = more;
        spec
    };
    for (at_site, at_phone, expected) in [
        (of_site.clone(), own(json!({})), 1),
        (json!({"settings": {"proxy1Address": "10.0.0.1"}}), own(json!({"line2_name": "UNPROVISIONED"})), 1),
        (
            json!({"settings": {"proxy1Address": "10.0.0.1"}}),
            own(
                json!({"line2_name": "", "line2_authname": "UNPROVISIONED", "line2_password": "UNPROVISIONED", "line2_shortname": "UNPROVISIONED"}),
            ),
            0,
        ),
        (json!({"settings": {"proxy1Address": "10.0.0.1"}}), plain(MAC, "unprovisioned-desk"), 0),
    ] {
        let mut fleet = Fleet::offline();
        site(&mut fleet, 1, at_site);
        phone(&mut fleet, "p", 1, 0, at_phone);
        fleet.take_work();
        let found = codes(&fleet);
        assert_eq!(found.iter().filter(|code| *code == "LineUnprovisioned").count(), expected, "{found:?}");
    }
}

#[test]
fn a_load_balancer_with_a_name_only_is_told_of_until_it_has_an_address() {
    let mut fleet = Fleet::new();
    site(&mut fleet, 1, json!({}));
    fleet.take_work();
    for (address, name, is_told) in [
        (None, Some("lb-17.example.net"), true),
        (Some("10.0.0.5"), None, false),
        (Some("10.0.0.5"), Some("lb-17.example.net"), false),
        (Some("10.0.0.5:30069"), None, false),
        (None, Some("lb"), true),
        (None, None, false),
    ] {
        let mut infra = fleet.infra(&key("hq"));
        (infra.address, infra.hostname) = (address.map(str::to_owned), name.map(str::to_owned));
        fleet.set_infra(&key("hq"), infra);
        fleet.take_work();
        let found = codes(&fleet);
        assert_eq!(found == ["AddressIsName"], is_told, "{address:?} {name:?}: {found:?}");
        assert!(is_told || found.is_empty());
        let (_, status) = fleet.new_site_status(&key("hq"), Timestamp::UNIX_EPOCH).unwrap();
        let accepted = status.conditions.iter().find(|one| one.type_ == "Accepted").unwrap();
        assert_eq!((accepted.status.as_str(), accepted.message.contains("option 150")), ("True", is_told));
        assert_eq!((status.address.as_deref(), status.hostname.as_deref()), (address, name));
    }
}
