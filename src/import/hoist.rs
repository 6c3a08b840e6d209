//! `--hoist`: moves the values that all phones have in common to the site.

use std::collections::BTreeMap;

use serde_json::Value;

use super::convert::Draft;
use crate::phone::model::MAX_LINES;
use crate::phone::parameter::Place;
use crate::phone::{find, find_field};

/// Moves the common values. Phones read their own file last, so these values win over what the site had before.
pub fn hoist(site: &mut Draft, mut phones: Vec<&mut Draft>) {
    let Some(first) = phones.first().map(|draft| (*draft).clone()) else { return };
    for (field, value) in first.settings {
        let Some(parameter) = find_field(&field).filter(|parameter| parameter.place == Place::Either) else { continue };
        let locked = value.as_str().is_some_and(|text| parameter.phone_only_values.contains(&text));
        let shared =
            !locked && !value.is_object() && phones.iter().all(|phone| phone.settings.get(&field) == Some(&value));
        if shared {
            phones.iter_mut().for_each(|phone| drop(phone.settings.remove(&field)));
            site.extra.remove(&parameter.name);
            site.settings.insert(field, value);
        }
    }
    for (name, value) in first.extra {
        let locked = find(&name).is_some_and(|parameter| !parameter.phone_only_values.is_empty());
        if !locked && phones.iter().all(|phone| phone.extra.get(&name) == Some(&value)) {
            phones.iter_mut().for_each(|phone| drop(phone.extra.remove(&name)));
            put(site, &name, value);
        }
    }
    for n in 1..=MAX_LINES {
        let proxy = |phone: &Draft| phone.lines.get(&n)?.get("proxy").cloned();
        let Some(shared) = phones.first().and_then(|phone| proxy(phone)) else { continue };
        if !phones.iter().all(|phone| proxy(phone).as_ref() == Some(&shared)) {
            continue;
        }
        for phone in &mut phones {
            if let Some(line) = phone.lines.get_mut(&n) {
                line.remove("proxy");
            }
        }
        let parts: BTreeMap<String, Value> = serde_json::from_value(shared).unwrap_or_default();
        for (part, value) in parts {
            let name = format!("proxy{n}_{part}");
            let Some(parameter) = find(&name) else { continue };
            site.extra.remove(&name);
            site.settings.insert(parameter.field.clone(), value);
        }
    }
}

fn put(site: &mut Draft, name: &str, value: String) {
    if let Some(parameter) = find(name) {
        site.settings.remove(&parameter.field);
    }
    site.extra.insert(name.to_owned(), value);
}
