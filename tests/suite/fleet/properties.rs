//! What holds for any manifests.

use std::collections::BTreeMap;

use dialtone::phone::image::Release;
use dialtone::phone::parameter::{Kind, Parameter, Place};
use dialtone::phone::parameters;
use dialtone::provision::Fleet;
use dialtone::simulator::Flash;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// A phone's manifest from any set of its fields.
fn any_phone() -> impl Strategy<Value = Value> {
    let label = proptest::option::of("[ !#-~¡-ÿ]{0,11}");
    let line = ("[0-9a-z]{1,8}", proptest::option::of("[ !#-~¡-ÿ]{0,31}"), proptest::option::of("[a-z]{1,9}"));
    let lines = proptest::collection::vec(line, 1..3);
    let settings =
        (proptest::option::of(96i64..128), proptest::option::of(any::<bool>()), proptest::option::of(0usize..4));
    (label, lines, settings).prop_map(|(label, lines, (payload, vad, waiting))| {
        let mut spec = json!({"siteRef": {"name": "hq"}, "mac": MAC, "model": "7940", "lines": [], "settings": {}});
        if let Some(label) = label {
            spec["label"] = label.into();
        }
        for (i, (name, display, auth)) in lines.into_iter().enumerate() {
            let mut line = json!({"name": format!("{i}{name}")});
            if let Some(display) = display {
                line["displayName"] = display.into();
            }
            if let Some(auth) = auth {
                line["authName"] = auth.into();
            }
            if let Some(lines) = spec["lines"].as_array_mut() {
                lines.push(line);
            }
        }
        if let Some(payload) = payload {
            spec["settings"]["dtmfAvtPayload"] = payload.into();
        }
        if let Some(vad) = vad {
            spec["settings"]["enableVad"] = vad.into();
        }
        if let Some(waiting) = waiting {
            spec["settings"]["callWaiting"] = ["Off", "On", "AlwaysOff", "AlwaysOn"][waiting].into();
        }
        spec
    })
}

/// Any settings that an object may have, by the table.
fn any_settings(from: Place) -> impl Strategy<Value = Value> {
    let allowed: Vec<&'static Parameter> =
        parameters().iter().filter(|p| p.place == Place::Either || p.place == from).collect();
    let values = proptest::collection::vec(
        (proptest::sample::select(allowed), any::<proptest::sample::Index>(), any::<u16>()),
        0..12,
    );
    values.prop_map(move |values| {
        let mut settings = serde_json::Map::new();
        for (p, index, number) in values {
            let value: Value = match p.kind {
                Kind::Switch => (number % 2 == 0).into(),
                // The two ends of the media ports must be in order.
                Kind::Number { max, .. } if p.name == "end_media_port" => max.into(),
                Kind::Number { min, .. } if p.name == "start_media_port" => (min + i64::from(number % 100)).into(),
                Kind::Number { min, max, .. } => (min + i64::from(number) % (max - min + 1)).into(),
                Kind::Choice(choices) => {
                    let choice = choices[index.index(choices.len())].value;
                    if from == Place::Site && p.phone_only_values.contains(&choice) {
                        continue;
                    }
                    choice.into()
                }
                Kind::Text { .. } => format!("t{}", number % 1000).into(),
                Kind::Host => format!("host{number}.example").into(),
                Kind::Ipv4 => format!("10.0.{}.{}", number / 256, number % 256).into(),
                Kind::TimeOfDay => format!("{:02}:{:02}", number % 24, number % 60).into(),
                Kind::Zone => ["CET", "EST", "GMT"][index.index(3)].into(),
                Kind::Url => format!("http://10.0.0.1/{number}").into(),
                Kind::FileName => format!("file{number}").into(),
                Kind::Secret { .. } => continue,
            };
            settings.insert(p.field.clone(), value);
        }
        settings.into()
    })
}

/// Text that nobody should send, and text that comes close to it.
fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[ -~¡-ÿ]{0,15}", "[ -~¡-ÿ\u{0}\t\r\n]{0,15}", "[a-z0-9.]{1,140}"]
}

/// A phone boots. The site names an image, because what nobody knows a phone to run decides otherwise what is reset on it.
fn booted(flash: &mut Flash, common: &Value, spec: &Value) {
    let mut fleet = Fleet::offline();
    site(&mut fleet, 1, json!({"settings": common, "firmware": {"image": "P0S3-8-12-00"}}));
    phone(&mut fleet, "p", 1, 0, spec.clone());
    fleet.take_work();
    assert_eq!(reasons(&fleet, "p"), Vec::<&str>::new());
    let tree = fleet.tree(&key("hq"));
    flash.load(&tree["SIPDefault.cnf"]);
    flash.load(&tree[FILE]);
}

#[test]
fn a_canary_is_told_the_defaults_that_its_site_is_too_old_to_know() {
    let mut fleet = Fleet::offline();
    site(&mut fleet, 1, json!({"firmware": {"image": "P0S3-03-2-00"}}));
    let mut spec = plain(MAC, "1");
    spec["firmware"] = json!({"image": "P0S3-07-4-00"});
    phone(&mut fleet, "p", 1, 0, spec);
    fleet.take_work();
    let tree = fleet.tree(&key("hq"));
    let (common, own) = (reader::parameters(&tree["SIPDefault.cnf"]), reader::parameters(&tree[FILE]));
    for parameter in parameters().iter().filter(|p| p.place == Place::Either) {
        let known = parameter.since <= Release::new(7, 4);
        let told = common.contains_key(&parameter.name) || own.contains_key(&parameter.name);
        assert_eq!(told, known, "{}", parameter.name);
        assert!(!(common.contains_key(&parameter.name) && own.contains_key(&parameter.name)), "{}", parameter.name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn after_a_boot_the_flash_is_the_last_manifest_whatever_came_before(
        history in proptest::collection::vec((any_settings(Place::Site), any_settings(Place::Phone), any_phone()), 1..5),
    ) {
        let (mut used, mut new) = (Flash::default(), Flash::default());
        let with = |own: &Value, spec: &Value| {
            let mut spec = spec.clone();
            for (field, value) in own.as_object().unwrap() {
                spec["settings"][field] = value.clone();
            }
            spec
        };
        for (common, own, spec) in &history {
            booted(&mut used, common, &with(own, spec));
        }
        let (common, own, spec) = history.last().unwrap();
        booted(&mut new, common, &with(own, spec));
        prop_assert_eq!(used.all(), new.all());
    }

    #[test]
    fn any_manifest_is_read_back_as_it_is_by_two_readers(
        common in any_settings(Place::Site),
        own in any_settings(Place::Phone),
        extra in proptest::collection::btree_map("x_[a-z0-9_-]{1,10}", "[\t !#-~\u{80}-ÿ]{0,40}", 0..5),
    ) {
        for (unset, place, settings, file) in [("Keep", "site", &common, "SIPDefault.cnf"), ("Keep", "phone", &own, FILE)] {
            let mut fleet = Fleet::offline();
            let with = |here: bool| json!({"settings": if here { settings.clone() } else { json!({}) }, "extraParameters": if here { json!(extra) } else { json!({}) }});
            let mut at_site = with(place == "site");
            at_site["unsetParameters"] = unset.into();
            site(&mut fleet, 1, at_site);
            let mut at_phone = with(place == "phone");
            for (field, value) in plain(MAC, "1").as_object().unwrap() {
                at_phone[field] = value.clone();
            }
            phone(&mut fleet, "p", 1, 0, at_phone);
            fleet.take_work();
            let bytes = fleet.tree(&key("hq"))[file].clone();
            let mut expected: BTreeMap<String, String> = extra.clone();
            for (field, value) in settings.as_object().unwrap() {
                let parameter = dialtone::phone::find_field(field).unwrap();
                expected.insert(parameter.name.clone(), parameter.wire(value).unwrap());
            }
            if place == "phone" {
                expected.insert("line1_name".to_owned(), "1".to_owned());
            }
            let own_reader = dialtone::phone::cnf::read(&bytes);
            prop_assert!(own_reader.problems.is_empty());
            prop_assert_eq!(own_reader.entries.len(), expected.len(), "nothing else");
            prop_assert_eq!(&own_reader.effective(), &expected);
            prop_assert_eq!(&reader::parameters(&bytes), &expected);
        }
    }

    #[test]
    fn hostile_text_is_refused_or_comes_back_exactly(value in hostile(), field in 0usize..5) {
        let mut spec = plain(MAC, "1");
        let name = match field {
            0 => { spec["label"] = value.clone().into(); "phone_label" }
            1 => { spec["lines"][0]["displayName"] = value.clone().into(); "line1_displayname" }
            2 => { spec["lines"][0]["authName"] = value.clone().into(); "line1_authname" }
            3 => { spec["lines"][0]["name"] = value.clone().into(); "line1_name" }
            _ => { spec["extraParameters"] = json!({"unheard_of": value}); "unheard_of" }
        };
        let mut fleet = Fleet::offline();
        site(&mut fleet, 1, json!({}));
        phone(&mut fleet, "p", 1, 0, spec);
        fleet.take_work();
        match text(&fleet, FILE) {
            None => prop_assert!(reasons(&fleet, "p").iter().all(|reason| *reason == "Invalid")),
            Some(_) => {
                let file = fleet.tree(&key("hq"))[FILE].clone();
                prop_assert_eq!(dialtone::phone::cnf::read(&file).effective().get(name).cloned(), Some(value.clone()));
                prop_assert_eq!(reader::parameters(&file).get(name).cloned(), Some(value));
            }
        }
    }

    #[test]
    fn hostile_text_in_any_setting_is_refused_or_comes_back_exactly(value in hostile(), index in any::<proptest::sample::Index>()) {
        let free = |p: &&Parameter| {
            matches!(p.kind, Kind::Text { .. } | Kind::Host | Kind::Url | Kind::FileName) && p.place != Place::Elsewhere
        };
        let all: Vec<&Parameter> = parameters().iter().filter(free).collect();
        let parameter = all[index.index(all.len())];
        let settings = json!({parameter.field.clone(): value});
        let (on_site, on_phone) = if parameter.place == Place::Phone { (json!({}), settings) } else { (settings, json!({})) };
        let mut fleet = Fleet::offline();
        site(&mut fleet, 1, json!({"settings": on_site}));
        let mut spec = plain(MAC, "1");
        spec["settings"] = on_phone;
        phone(&mut fleet, "p", 1, 0, spec);
        fleet.take_work();
        let file = if parameter.place == Place::Phone { FILE } else { "SIPDefault.cnf" };
        match fleet.tree(&key("hq")).get(file) {
            None => prop_assert!(fleet.findings().any(|(_, _, found)| found.iter().any(|one| one.code() == "Invalid"))),
            Some(bytes) => {
                let read = dialtone::phone::cnf::read(bytes).effective();
                prop_assert_eq!(read.get(&parameter.name), Some(&value));
                let read = reader::parameters(bytes);
                prop_assert_eq!(read.get(&parameter.name), Some(&value));
            }
        }
    }

    #[test]
    fn hostile_text_in_a_dial_plan_or_ring_list_is_refused_or_comes_back_exactly(value in hostile(), field in 0usize..5) {
        let mut rule = json!({"match": "1", "rewrite": "2", "route": "gw"});
        let mut ring = json!({"name": "Ring", "file": "r.raw"});
        match field {
            0 => rule["match"] = value.clone().into(),
            1 => rule["rewrite"] = value.clone().into(),
            2 => rule["route"] = value.clone().into(),
            3 => ring["name"] = value.clone().into(),
            _ => ring["file"] = value.clone().into(),
        }
        let mut fleet = Fleet::offline();
        site(&mut fleet, 1, json!({"dialPlan": {"templates": [rule]}, "ringList": [ring]}));
        fleet.take_work();
        let tree = fleet.tree(&key("hq"));
        if let Some(plan) = tree.get("dialplan.xml") {
            let dialtone::phone::dialplan::Reading { rules, problems, .. } = dialtone::phone::dialplan::read(plan);
            prop_assert!(problems.is_empty() && rules.len() == 1);
            let texts = [Some(&rules[0].pattern), rules[0].rewrite.as_ref(), rules[0].route.as_ref()];
            if let Some(text) = texts.get(field) {
                prop_assert_eq!(*text, Some(&value));
            }
            let list: String = tree["RINGLIST.DAT"].iter().map(|byte| char::from(*byte)).collect();
            let parts: Vec<&str> = list.strip_suffix('\n').unwrap().split('\t').collect();
            prop_assert_eq!(parts.len(), 2);
            if field > 2 {
                prop_assert_eq!(parts[field - 3], value);
            }
        } else {
            prop_assert!(fleet.findings().any(|(_, _, found)| found.iter().any(|one| one.code() == "Invalid")));
        }
    }

    #[test]
    fn the_order_of_arrival_changes_nothing(order in Just((0usize..12).collect::<Vec<_>>()).prop_shuffle()) {
        let mut fleet = Fleet::offline();
        let mut sorted = Fleet::offline();
        for (fleet, order) in [(&mut fleet, order), (&mut sorted, (0..12).collect())] {
            for n in order {
                match n {
                    0 => site(fleet, 1, json!({"settings": {"proxy1Address": "10.0.0.1", "telnetLevel": "Privileged"}, "extraParameters": {"b": "1", "a": "2"}})),
                    1 => secret(fleet, "x"),
                    // Some of them want the same.
                    n => phone(fleet, &format!("p{n}"), 1, n as i64, if n % 3 == 0 { with_password(&format!("000A8A{:06X}", n / 2), &n.to_string()) } else { plain(&format!("000A8A{:06X}", n / 2), &(n / 3).to_string()) }),
                }
            }
            fleet.take_work();
            secret(fleet, "x");
            fleet.take_work();
        }
        prop_assert_eq!(fleet.tree(&key("hq")), sorted.tree(&key("hq")));
    }
}
