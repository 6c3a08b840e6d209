//! What there is to say of files does not depend on where they come from: typed fields, ConfigMaps of either list, a folder.

use std::collections::BTreeSet;

use dialtone::provision::catalog::inventory;

use super::*;

/// The codes and the messages that a site draws with these files in the ConfigMap `files`.
fn said(spec: Value, files: &[(&str, &[u8])]) -> Vec<(String, String, String)> {
    let mut fleet = Fleet::offline();
    site(&mut fleet, 1, spec);
    fleet.take_work();
    fleet.set_firmware(&key("files"), Some(inventory(files.iter().copied())));
    fleet.take_work();
    findings(&fleet)
}

fn findings(fleet: &Fleet) -> Vec<(String, String, String)> {
    let found = fleet.findings().flat_map(|(_, _, found)| found);
    found.map(|one| (one.code().to_owned(), one.field.clone(), one.message.clone())).collect()
}

fn base() -> Value {
    json!({"settings": {"proxy1Address": "10.0.0.1"}})
}

fn with(field: &str, value: Value) -> Value {
    let mut spec = base();
    spec[field] = value;
    spec
}

fn from_map() -> Value {
    with("files", json!({"configMaps": [{"name": "files"}]}))
}

/// Rules as a manifest has them, and as a file has them.
fn rules() -> Vec<(Value, &'static str)> {
    vec![
        (json!({"match": "9NXXXXXX"}), "MATCH=\"9NXXXXXX\""),
        (json!({"match": "_X."}), "MATCH=\"_X.\""),
        (json!({"match": "[2-9]..", "timeout": 0}), "MATCH=\"[2-9]..\" Timeout=\"0\""),
        (json!({"match": "1ZXX!"}), "MATCH=\"1ZXX!\""),
        (json!({"match": "*", "timeout": 0}), "MATCH=\"*\" Timeout=\"0\""),
        (json!({"match": "9,011*", "timeout": 0}), "MATCH=\"9,011*\" Timeout=\"0\""),
        (json!({"match": "7...", "tones": ["Bellcore-Outside"]}), "MATCH=\"7...\" Tone=\"Bellcore-Outside\""),
        (json!({"match": "8,.", "tones": ["Ding-Dong"]}), "MATCH=\"8,.\" Tone=\"Ding-Dong\""),
        (json!({"match": "112", "route": "Emergency"}), "MATCH=\"112\" Route=\"Emergency\""),
        (json!({"match": "0*", "timeout": 4}), "MATCH=\"0*\" Timeout=\"4\""),
        (json!({"match": "#"}), "MATCH=\"#\""),
        (json!({"match": "\\*70", "rewrite": "70"}), "MATCH=\"\\*70\" Rewrite=\"70\""),
    ]
}

#[test]
fn a_plan_draws_the_same_words_typed_and_as_a_file() {
    let of_plan = |said: Vec<(String, String, String)>| -> Vec<(String, String)> {
        said.into_iter().map(|(code, _, message)| (code, message)).collect()
    };
    let rules = rules();
    let pairs = rules.iter().flat_map(|one| rules.iter().map(move |other| [one, other]));
    let mut different = BTreeSet::new();
    for plan in pairs {
        let typed = Value::from(plan.map(|(typed, _)| typed.clone()).to_vec());
        let lines: String = plan.iter().map(|(_, line)| format!("<TEMPLATE {line}/>\n")).collect();
        let file = format!("<DIALTEMPLATE>\n{lines}</DIALTEMPLATE>\n");
        // A rule is called by its place in the list, or by its line.
        let by_line = |(code, message): (String, String)| {
            let name = |i: usize| (format!("templates[{i}]"), format!("the rule in line {}", i + 2));
            (code, (0..2).map(name).fold(message, |message, (place, line)| message.replace(&place, &line)))
        };
        let mut typed = of_plan(said(with("dialPlan", json!({"templates": typed})), &[]));
        let mut from_file = of_plan(said(from_map(), &[("dialplan.xml", file.as_bytes())]));
        typed = typed.into_iter().map(by_line).collect();
        typed.sort();
        from_file.sort();
        assert_eq!(typed, from_file, "{file}");
        different.extend(typed.into_iter().map(|(code, _)| code));
    }
    let expected = [
        "DialPlanForeign",
        "DialRuleUnreachable",
        "DialStarAtOnce",
        "DialTones",
        "EmergencyProxyUnset",
        "NoEmergencyRule",
    ];
    assert_eq!(different, expected.map(str::to_owned).into(), "the rules above draw them all");
}

#[test]
fn a_plan_and_a_ring_list_in_a_config_map_draw_four_findings() {
    let plan =
        b"<DIALTEMPLATE>\n<TEMPLATE MATCH=\"9NXXXXXX\"/>\n<TEMPLATE MATCH=\"*\" Timeout=\"0\"/>\n</DIALTEMPLATE>\n";
    let files: [(&str, &[u8]); 2] = [("RINGLIST.DAT", b"Vibes\trings/vibes.raw\n"), ("dialplan.xml", plan)];
    let mut found: Vec<(String, String)> =
        said(from_map(), &files).into_iter().map(|(code, field, _)| (code, field)).collect();
    found.sort();
    let expected = [
        ("DialPlanForeign", "spec.files.configMaps[0]/dialplan.xml:2.match"),
        ("DialStarAtOnce", "spec.files.configMaps[0]/dialplan.xml:3.timeout"),
        ("NoEmergencyRule", "spec.files.configMaps[0]/dialplan.xml"),
        ("RingMissing", "spec.files.configMaps[0]/RINGLIST.DAT:1.file"),
    ];
    assert_eq!(found, expected.map(|(code, field)| (code.to_owned(), field.to_owned())));
}

#[test]
fn a_plan_that_no_phone_loads_is_too_large_and_nothing_more() {
    let large = "<TEMPLATE MATCH=\"9NXXXXXX\" Timeout=\"0\" User=\"Phone\"/>\n".repeat(300);
    let plan = format!("<DIALTEMPLATE>\n{large}</DIALTEMPLATE>\n");
    let found = said(from_map(), &[("dialplan.xml", plan.as_bytes())]);
    assert!(
        found.len() == 1 && found[0].0 == "FileTooLarge" && found[0].2.contains("phones read at most 8192"),
        "{found:?}"
    );
    let rule = json!({"match": "1".repeat(60), "timeout": 0, "user": "Phone"});
    let found = said(with("dialPlan", json!({"templates": vec![rule; 150]})), &[]);
    let error = found.iter().find(|(code, ..)| code == "FileTooLarge").unwrap();
    assert!(error.2.contains("bytes; phones read at most 8192: remove rules"), "{error:?}");
}

#[test]
fn it_is_said_where_a_file_comes_from() {
    let plan: (&str, &[u8]) =
        ("voip.xml", b"<DIALTEMPLATE>\n<TEMPLATE MATCH=\"911\"/>\n<TEMPLATE MATCH=\"9XXX\"/></DIALTEMPLATE>");
    let mut fleet = Fleet::offline();
    let maps = json!({"configMaps": [{"name": "a"}, {"name": "b"}]});
    site(
        &mut fleet,
        1,
        json!({"settings": {"proxy1Address": "10.0.0.1"}, "firmware": {"source": maps}, "files": {"configMaps": [{"name": "c"}, {"name": "d"}]}}),
    );
    fleet.take_work();
    let fields = |fleet: &Fleet| findings(fleet).into_iter().map(|(_, field, _)| field).collect::<Vec<_>>();
    for (map, field) in [
        ("b", "spec.firmware.source.configMaps[1]/voip.xml:3.match"),
        ("d", "spec.files.configMaps[1]/voip.xml:3.match"),
    ] {
        for name in ["a", "b", "c", "d"] {
            fleet.set_firmware(&key(name), Some(inventory((name == map).then_some(plan))));
        }
        fleet.take_work();
        assert_eq!(fields(&fleet), [field]);
    }
    // The later ConfigMap wins, and phones never get the other file.
    fleet.set_firmware(&key("c"), Some(inventory([("voip.xml", b"<DIALTEMPLATE>")])));
    fleet.take_work();
    assert_eq!(fields(&fleet), ["spec.files.configMaps[1]/voip.xml:3.match"]);
    for name in ["c", "d"] {
        fleet.set_firmware(&key(name), Some(inventory::<&str, &[u8]>([])));
    }
    fleet.take_work();
    assert_eq!(fields(&fleet), [""; 0]);
    fleet.set_folder(inventory([plan]));
    fleet.take_work();
    assert_eq!(fields(&fleet), ["folder/voip.xml:3.match"]);
}

#[test]
fn a_plan_from_a_file_knows_the_sites_proxies() {
    let emergency: [(&str, &[u8]); 1] = [(
        "dialplan.xml",
        b"<DIALTEMPLATE>\n<TEMPLATE MATCH=\"112\" Timeout=\"0\" Route=\"Emergency\"/></DIALTEMPLATE>",
    )];
    let codes = |said: Vec<(String, String, String)>| {
        said.into_iter().map(|(code, field, _)| format!("{code} {field}")).collect::<Vec<_>>()
    };
    assert_eq!(
        codes(said(from_map(), &emergency)),
        ["EmergencyProxyUnset spec.files.configMaps[0]/dialplan.xml:2.route"]
    );
    let mut spec = from_map();
    spec["settings"]["proxyEmergency"] = "10.0.0.2".into();
    assert_eq!(codes(said(spec.clone(), &emergency)), [""; 0], "it is used by the file's rule");
    assert_eq!(codes(said(spec.clone(), &[])), ["EmergencyProxyUnused spec.settings.proxyEmergency"]);
    // Another phone's plan routes there.
    assert_eq!(codes(said(spec, &[("own.xml", emergency[0].1)])), [""; 0]);
}

#[test]
fn phones_are_told_of_the_plan_that_is_there() {
    let plan: &[u8] = b"<DIALTEMPLATE>\n<TEMPLATE MATCH=\"112\"/></DIALTEMPLATE>";
    let told = |template: Value, keep: bool, file: &str| -> Vec<String> {
        let mut spec = from_map();
        if let Some(template) = template.as_str() {
            spec["extraParameters"] = json!({"dial_template": template});
        }
        spec["unsetParameters"] = if keep { "Keep" } else { "Reset" }.into();
        let found = said(spec, &[(file, plan)]);
        // That a value could be typed is said of each.
        found
            .into_iter()
            .map(|(code, _, message)| format!("{code} {message}"))
            .filter(|one| !one.starts_with("UntypedParameter"))
            .collect()
    };
    for (template, keep, file, expected) in [
        (Value::Null, false, "dialplan.xml", ""),
        (Value::Null, true, "dialplan.xml", "DialPlanNotTold is served"),
        (Value::Null, true, "desk.xml", ""),
        ("desk".into(), true, "desk.xml", ""),
        ("./desk".into(), true, "desk.xml", ""),
        ("voip/plans/desk".into(), false, "desk.xml", ""),
        ("voip\\desk".into(), false, "desk.xml", ""),
        ("desk".into(), false, "Desk.xml", "FileNameCase asks for desk.xml, and the file is Desk.xml"),
        ("desk".into(), false, "dialplan.xml", "DialPlanMissing asks for desk.xml, which is not among"),
        ("voip/desk".into(), false, "dialplan.xml", "DialPlanMissing asks for voip/desk.xml"),
        (
            "dialplan.xml".into(),
            false,
            "dialplan.xml",
            "DialPlanMissing asks for dialplan.xml.xml, and the file is dialplan.xml: it is written without .xml",
        ),
        ("".into(), false, "dialplan.xml", ""),
        ("syncinfo".into(), false, "syncinfo.xml", "DialRuleIgnored asks for syncinfo.xml"),
    ] {
        let found = told(template.clone(), keep, file);
        assert!(
            found.len() == usize::from(!expected.is_empty()) && found.iter().all(|one| one.starts_with(expected)),
            "{template} {keep} {file}: {found:?}"
        );
    }
}

#[test]
fn what_phones_never_get_and_what_nobody_can_see_draws_nothing() {
    let bad: [(&str, &[u8]); 3] =
        [("dialplan.xml", b"<DIALTEMPLATE><x>"), ("RINGLIST.DAT", b"alone"), ("syncinfo.xml", b"<IMAGE")];
    let mut spec = from_map();
    spec["dialPlan"] = json!({"templates": [{"match": "112"}]});
    spec["ringList"] = json!([]);
    spec["resync"] = json!({"method": "Notify"});
    let codes: Vec<String> = said(spec.clone(), &bad).into_iter().map(|(code, ..)| code).collect();
    assert_eq!(
        codes,
        ["RingLineIgnored", "FileShadowed", "FileShadowed"],
        "the ring list is served, the others are not"
    );
    // A volume may hold what is missing here.
    let spec = json!({"settings": {"proxy1Address": "10.0.0.1", "dialTemplate": "desk"}, "ringList": [{"name": "Bell", "file": "bell.raw"}], "firmware": {"source": {"persistentVolumeClaim": {"claimName": "tftp"}}}});
    assert_eq!(said(spec, &[]), []);
}

#[test]
fn rings_are_found_as_the_server_finds_them() {
    let list: (&str, &[u8]) = ("RINGLIST.DAT", b"A\trings/a.raw\nB\t./b.pcm\nC\tC.raw\nD\tlong.raw\nE\te.raw\n");
    let files: [(&str, &[u8]); 5] =
        [list, ("a.raw", &[0; 240]), ("b.pcm", &[0; 480]), ("c.raw", &[0; 240]), ("long.raw", &[0; 16_320])];
    let found: Vec<String> =
        said(from_map(), &files).into_iter().map(|(code, field, _)| format!("{code} {field}")).collect();
    let at = |line: u32| format!("spec.files.configMaps[0]/RINGLIST.DAT:{line}.file");
    assert_eq!(
        found,
        [format!("FileNameCase {}", at(3)), format!("RingFormat {}", at(4)), format!("RingMissing {}", at(5))]
    );
}
