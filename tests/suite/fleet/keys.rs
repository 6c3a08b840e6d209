//! Lines are on keys: what is written, said and shown counts keys and never places in a list.

use super::advice::{and, good, said, with};
use super::*;

/// A phone's findings, without those of its site.
fn of(spec: Value) -> Vec<(String, String)> {
    said(and(good(), "settings", json!({"proxy1Address": "10.0.0.1", "proxy2Address": "10.0.0.2"})), spec)
}

fn parameters(site_spec: Value, spec: Value) -> BTreeMap<String, String> {
    let mut fleet = Fleet::offline();
    site(&mut fleet, 1, site_spec);
    let mut whole = json!({"siteRef": {"name": "hq"}, "mac": MAC, "model": "7960"});
    whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    phone(&mut fleet, "p", 1, 0, whole);
    fleet.take_work();
    reader::parameters(fleet.tree(&key("hq")).get(FILE).map(|file| &file[..]).unwrap_or_default())
}

#[test]
fn a_line_on_the_second_key_leaves_the_first_free() {
    for unset in ["Reset", "Keep"] {
        let site = and(with(json!({"proxy2Address": "10.0.0.2"})), "unsetParameters", unset.into());
        let all = parameters(site, json!({"model": "7940", "lines": [{"key": 2, "name": "7702"}]}));
        let is = |name: &str| all.get(name).map(String::as_str);
        assert_eq!(is("line2_name"), Some("7702"), "{unset}");
        assert_eq!(is("line1_name"), (unset == "Reset").then_some(""), "{unset}");
        assert_eq!(is("line1_password"), (unset == "Reset").then_some("UNPROVISIONED"), "{unset}");
        assert_eq!((is("proxy1_address"), is("proxy2_address")), (None, None), "the site's hold");
    }
    assert_eq!(of(json!({"model": "7940", "lines": [{"key": 2, "name": "7702"}]})), []);
}

#[test]
fn lines_may_stand_in_any_order_and_only_some_of_them_say_their_keys() {
    let ways = [
        json!([{"name": "a"}, {"key": 3, "name": "c", "proxy": {"address": "10.0.0.3", "port": 5070}}]),
        json!([{"key": 1, "name": "a"}, {"key": 3, "name": "c", "proxy": {"address": "10.0.0.3", "port": 5070}}]),
        json!([{"key": 3, "name": "c", "proxy": {"address": "10.0.0.3", "port": 5070}}, {"key": 1, "name": "a"}]),
    ];
    for lines in ways {
        let all = parameters(good(), json!({"lines": lines}));
        let is = |name: &str| all[name].as_str();
        assert_eq!((is("line1_name"), is("line2_name"), is("line3_name")), ("a", "", "c"), "{lines}");
        assert_eq!((is("proxy3_address"), is("proxy3_port")), ("10.0.0.3", "5070"), "{lines}");
        assert_eq!(of(json!({"lines": lines})), [], "{lines}");
    }
    // Ten more ways to write lines down; what is on each key of a 7960.
    for (lines, expected) in [
        (json!([{"name": "a"}]), "a....."),
        (json!([{"name": "a"}, {"name": "b"}, {"name": "c"}]), "abc..."),
        (json!([{"key": 6, "name": "f"}]), ".....f"),
        (json!([{"key": 2, "name": "b"}, {"key": 1, "name": "a"}]), "ab...."),
        (json!([{"name": "a"}, {"name": "b"}, {"key": 6, "name": "f"}]), "ab...f"),
        (json!([{"key": 4, "name": "d"}, {"name": "b"}]), ".b.d.."),
        (json!([{"key": 1, "name": "a"}, {"key": 2, "name": "b"}]), "ab...."),
        (json!([{"key": 5, "name": "e"}, {"key": 6, "name": "f"}]), "....ef"),
        (json!([{"key": 3, "name": "c"}, {"key": 1, "name": "a"}, {"key": 2, "name": "b"}]), "abc..."),
        (json!([{"name": "a"}, {"key": 4, "name": "d"}, {"name": "c"}]), "a.cd.."),
    ] {
        let all = parameters(good(), json!({"lines": lines}));
        let on = |n: usize| Some(all[&format!("line{n}_name")].as_str()).filter(|name| !name.is_empty()).unwrap_or(".");
        assert_eq!((1..=6).map(on).collect::<String>(), expected, "{lines}");
    }
}

#[test]
fn a_key_that_is_taken_or_that_the_phone_does_not_have_is_refused_in_words() {
    for (model, lines, field, part) in [
        ("7960", json!([{"key": 2, "name": "a"}, {"key": 2, "name": "b"}]), "spec.lines[1].key", "is 2, and lines[0]"),
        ("7960", json!([{"key": 2, "name": "a"}, {"name": "b"}]), "spec.lines[1].key", "is on key 2 by its place"),
        ("7960", json!([{"name": "a"}, {"key": 1, "name": "b"}]), "spec.lines[1].key", "is 1, and lines[0]"),
        ("7940", json!([{"key": 3, "name": "a"}]), "spec.lines[0].key", "is 3; a 7940 has 2 line keys"),
        ("7960", json!([{"key": 7, "name": "a"}]), "spec.lines[0].key", "is 7; a 7960 has 6 line keys"),
        ("7960", json!([{"key": 0, "name": "a"}]), "spec.lines[0].key", "is 0; a 7960 has 6 line keys"),
        ("7960", json!([{"key": -1, "name": "a"}]), "spec.lines[0].key", "is -1; a 7960 has 6 line keys"),
        (
            "7940",
            json!([{"name": "a"}, {"name": "b"}, {"name": "c"}]),
            "spec.lines",
            "has 3 lines; a 7940 has 2 line appearances",
        ),
    ] {
        let found = said(good(), json!({"model": model, "lines": lines}));
        let errors: Vec<&String> = found.iter().filter(|(code, _)| code == "Invalid").map(|(_, text)| text).collect();
        assert!(errors.len() == 1 && errors[0].starts_with(&format!("{field}: ")), "{lines}: {found:#?}");
        assert!(errors[0].contains(part), "{lines}: {errors:?}");
        assert!(found.iter().all(|(code, _)| code == "Invalid"), "nothing follows from it: {found:#?}");
    }
}

#[test]
fn a_free_key_makes_no_two_lines_of_one_name_on_one_server() {
    // Without a server of its own a line has that of its key, or that of line 1.
    let two = with(json!({"proxy2Address": "10.0.0.2"}));
    let lines = |one: u8, other: u8| json!({"lines": [{"key": one, "name": "7"}, {"key": other, "name": "7"}]});
    let codes = |lines: Value| said(two.clone(), lines).into_iter().map(|(code, _)| code).collect::<Vec<_>>();
    assert_eq!(codes(lines(1, 2)), ["LineNameShared"]);
    assert_eq!(codes(lines(1, 3)), ["Invalid"], "both are on the server of line 1");
    assert_eq!(codes(lines(2, 3)), ["LineNameShared"]);
}

#[test]
fn lines_in_extra_parameters_are_lines() {
    let of = |extra: Value| {
        said(
            with(json!({"proxy2Address": "10.0.0.2"})),
            json!({"lines": [], "model": "7940", "extraParameters": extra}),
        )
    };
    let found = of(json!({"line2_name": "7702"}));
    let [(code, text)] = &found[..] else { panic!("{found:#?}") };
    assert_eq!(code, "UntypedParameter");
    assert!(text.contains("lines holds it, in a line with key: 2"), "{text}");
    assert!(of(json!({"line2_name": ""})).iter().any(|(code, _)| code == "NoLines"));
    assert!(of(json!({"line2_displayname": "Desk"})).iter().any(|(code, _)| code == "NoLines"));
    assert!(of(json!({"line2_name": "555-0101"})).iter().any(|(code, _)| code == "LineNameDashes"));
    // What a typed line would refuse is not advised to move there.
    let blank = of(json!({"line1_name": "front desk"}));
    assert!(blank.len() == 1 && blank[0].0 == "UnusualValue" && blank[0].1.contains("blanks"), "{blank:#?}");
    // Nor what the phone has no key for.
    let sixth = of(json!({"line1_name": "1", "line6_name": "6"}));
    assert!(sixth.iter().any(|(code, text)| code == "NoSuchKey" && text.contains("key 6 of a 7940")), "{sixth:#?}");
}

#[test]
fn a_server_for_a_key_is_legal_on_a_phone() {
    let lines = json!([{"name": "a"}, {"key": 3, "name": "c"}]);
    let of = |extra: Value| said(good(), json!({"lines": lines, "extraParameters": extra}));
    let found = of(json!({"proxy3_address": "10.0.0.3"}));
    let [(code, text)] = &found[..] else { panic!("{found:#?}") };
    assert!(code == "UntypedParameter" && text.contains("lines[].proxy of the line with key: 3 holds it"), "{text}");
    // Obeyed, it says the same.
    let typed = json!([{"name": "a"}, {"key": 3, "name": "c", "proxy": {"address": "10.0.0.3"}}]);
    let before = parameters(good(), json!({"lines": lines, "extraParameters": {"proxy3_address": "10.0.0.3"}}));
    assert_eq!(before, parameters(good(), json!({"lines": typed})));
    // For a key without a line there is nothing to move it to; a wrong value is still seen.
    assert_eq!(of(json!({"proxy2_address": "10.0.0.2", "proxy2_port": "5070"})), []);
    assert!(of(json!({"proxy2_port": "99999"})).iter().any(|(code, _)| code == "UnusualValue"));
}

#[test]
fn no_advice_moves_to_one_object_what_is_meant_for_all_or_to_all_what_is_meant_for_one() {
    // A speed dial for everybody, lines' names that all share, a phone's own dial plan and mark.
    for (at_site, at_phone) in [
        (json!({"speed_line1": "0", "speed_label1": "Desk"}), json!({})),
        (json!({"line1_displayname": "Hotel", "phone_label": "Hotel"}), json!({})),
        (json!({"auto_answer": "2"}), json!({})),
        (json!({}), json!({"dial_template": ""})),
        (json!({}), json!({"sync": "42"})),
    ] {
        assert_eq!(
            said(and(good(), "extraParameters", at_site.clone()), json!({"extraParameters": at_phone})),
            [],
            "{at_site}"
        );
    }
}

#[test]
fn statuses_name_keys_from_the_top() {
    let mut fleet = Fleet::offline();
    site(&mut fleet, 1, with(json!({"proxy3Address": "10.0.0.3", "proxy3Port": 5070})));
    let lines = json!([{"key": 3, "name": "c"}, {"key": 2, "name": "b"}]);
    phone(&mut fleet, "p", 1, 0, json!({"siteRef": {"name": "hq"}, "mac": MAC, "model": "7960", "lines": lines}));
    let status = fleet.current_status(&key("p"), Timestamp::UNIX_EPOCH).unwrap();
    let shown: Vec<_> =
        status.lines.iter().map(|line| (line.key, line.station_identification_uri.as_deref())).collect();
    assert_eq!(shown, [(Some(2), Some("sip:b@10.0.0.1:5060")), (Some(3), Some("sip:c@10.0.0.3:5070"))]);
    let crd = dialtone::api::crd::all().into_iter().find(|crd| crd.spec.names.kind == "SipPhone").unwrap();
    let columns = crd.spec.versions[0].additional_printer_columns.clone().unwrap();
    assert!(columns.iter().any(|column| column.name == "Line" && column.json_path == ".status.lines[0].name"));
}

#[test]
fn automatic_answers_are_those_of_keys() {
    let with = |lines: Value, mask: u8| said(good(), json!({"lines": lines, "settings": {"autoAnswer": mask}}));
    let second = || json!([{"key": 2, "name": "b"}]);
    for (mask, fine) in [(0, true), (1, false), (2, true), (3, true), (4, false), (63, true), (60, false)] {
        let found = with(second(), mask);
        assert_eq!(found.iter().all(|(code, _)| code != "KeyWithoutLine"), fine, "{mask}: {found:#?}");
    }
    assert_eq!(with(json!([{"name": "a"}]), 1), []);
}
