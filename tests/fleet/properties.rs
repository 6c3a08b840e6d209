//! What holds for any manifests.

use std::collections::BTreeMap;

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

fn booted(flash: &mut Flash, spec: &Value) {
    let mut fleet = Fleet::offline();
    site(&mut fleet, 1, json!({"settings": {"proxy1Address": "10.0.0.1"}}));
    phone(&mut fleet, "p", 1, 0, spec.clone());
    fleet.take_dirty();
    let tree = fleet.tree(&key("hq"));
    flash.load(&tree["SIPDefault.cnf"]);
    flash.load(&tree[FILE]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn after_a_boot_the_flash_is_the_last_manifest_whatever_came_before(history in proptest::collection::vec(any_phone(), 1..5)) {
        let (mut used, mut new) = (Flash::default(), Flash::default());
        for spec in &history {
            booted(&mut used, spec);
        }
        booted(&mut new, history.last().unwrap());
        prop_assert_eq!(used.all(), new.all());
    }

    #[test]
    fn hostile_text_is_refused_or_comes_back_exactly(value in any::<String>(), field in 0usize..5) {
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
        fleet.take_dirty();
        match text(&fleet, FILE) {
            None => prop_assert!(reasons(&fleet, "p").iter().all(|reason| *reason == "Invalid")),
            Some(_) => {
                let values: BTreeMap<String, String> = dialtone::phone::cnf::read(&fleet.tree(&key("hq"))[FILE]).effective();
                prop_assert_eq!(values.get(name), Some(&value));
            }
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
            fleet.take_dirty();
            secret(fleet, "x");
            fleet.take_dirty();
        }
        prop_assert_eq!(fleet.tree(&key("hq")), sorted.tree(&key("hq")));
    }
}
