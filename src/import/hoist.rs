//! `--hoist`: moves the values that all phones have in common to the site.

use std::collections::BTreeMap;

use serde_json::Value;

use super::convert::{Draft, plain};
use super::tree::{Config, Note};
use crate::phone::model::MAX_LINES;
use crate::phone::parameter::Place;
use crate::phone::{find, find_field};

/// Moves the common values. Phones read their own file last, so these values win over what the site had before.
/// What it takes the place of there is told.
pub fn hoist(site: &mut Draft, mut phones: Vec<&mut Draft>, common: &Config, notes: &mut Vec<Note>) {
    let mut replaced = |parameter: &str, by: &str| {
        let Some((name, was, line)) = common.values.get(parameter) else { return };
        let is_same = was == by
            || find(parameter).is_some_and(|known| known.value_like(was).is_some_and(|was| plain(&was) == by));
        if !is_same && !was.is_empty() {
            let why = format!(
                "{name} is {was:?}, which no phone uses; --hoist puts in its place what all of them have, {by:?}"
            );
            notes.push(Note::line(&common.file, *line, why));
        }
    };
    let Some(first) = phones.first().map(|draft| (*draft).clone()) else { return };
    for (field, value) in first.settings {
        let Some(parameter) = find_field(&field).filter(|parameter| parameter.place == Place::Either) else { continue };
        let locked = value.as_str().is_some_and(|text| parameter.phone_only_values.contains(&text));
        let shared =
            !locked && !value.is_object() && phones.iter().all(|phone| phone.settings.get(&field) == Some(&value));
        if shared {
            phones.iter_mut().for_each(|phone| drop(phone.settings.remove(&field)));
            replaced(&parameter.name, &plain(&value));
            site.unset(&parameter.name);
            site.settings.insert(field, value);
        }
    }
    for (name, value) in first.extra {
        let locked = find(&name).is_some_and(|parameter| !parameter.phone_only_values.is_empty());
        if !locked && phones.iter().all(|phone| phone.extra.get(&name) == Some(&value)) {
            phones.iter_mut().for_each(|phone| drop(phone.extra.remove(&name)));
            replaced(&name.to_ascii_lowercase(), &value);
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
            replaced(&name, &plain(&value));
            site.unset(&name);
            site.settings.insert(parameter.field.clone(), value);
        }
    }
}

fn put(site: &mut Draft, name: &str, value: String) {
    if let Some(parameter) = find(name) {
        site.settings.remove(&parameter.field);
    }
    site.unset(name);
    site.extra.insert(name.to_owned(), value);
}
