//! Merging of JSON, and comparing of what was merged.

use serde_json::{Map, Value};

/// JSON Merge Patch, RFC 7386.
pub(super) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    if let Value::Object(target) = target {
        for (field, value) in patch {
            if value.is_null() {
                target.remove(field);
            } else {
                merge(target.entry(field.clone()).or_insert(Value::Null), value);
            }
        }
    }
}

/// Adds a merge patch to another: applied, the sum does what both do.
pub(super) fn add(patch: &mut Value, more: Value) {
    match (patch, more) {
        (Value::Object(patch), Value::Object(more)) => {
            for (field, value) in more {
                match patch.get_mut(&field) {
                    Some(part) if part.is_object() && value.is_object() => add(part, value),
                    _ => drop(patch.insert(field, value)),
                }
            }
        }
        (_, Value::Null) => {}
        (patch, more) => *patch = more,
    }
}

/// Whether an object has everything that is wanted of it: defaults that the API server added do not count.
pub(super) fn covers(observed: &Value, wanted: &Value) -> bool {
    match (observed, wanted) {
        (Value::Object(observed), Value::Object(wanted)) => {
            wanted.iter().all(|(field, value)| match observed.get(field) {
                // The API server leaves out what is empty, or says null.
                None | Some(Value::Null) => is_empty(value),
                // One more label selects something else, or nothing.
                Some(observed) if field.ends_with("elector") => observed == value,
                // Where both are wanted and one is named, the API server adds the other one.
                Some(Value::Array(observed)) if field == "ipFamilies" => {
                    value.as_array().is_some_and(|wanted| observed.starts_with(wanted))
                }
                Some(observed) => covers(observed, value),
            })
        }
        (Value::Array(observed), Value::Array(wanted)) => {
            observed.len() == wanted.len()
                && observed.iter().zip(wanted).all(|(observed, wanted)| covers(observed, wanted))
        }
        _ => observed == wanted,
    }
}

pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Object(fields) => fields.values().all(is_empty),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn defaults_do_not_count_as_differences_and_changes_do() {
        let wanted = json!({"spec": {"ports": [{"port": 69, "protocol": "UDP"}], "egress": []}});
        let observed =
            json!({"spec": {"ports": [{"port": 69, "protocol": "UDP", "nodePort": 30069}], "type": "ClusterIP"}});
        assert!(covers(&observed, &wanted));
        let changed = json!({"spec": {"ports": [{"port": 70, "protocol": "UDP"}]}});
        assert!(!covers(&changed, &wanted));
        let added = json!({"spec": {"ports": [{"port": 69, "protocol": "UDP"}, {"port": 80}]}});
        assert!(!covers(&added, &wanted));
        assert!(!covers(&json!({}), &wanted));
        let (wanted, more) = (json!({"selector": {"a": "1"}}), json!({"selector": {"a": "1", "b": "2"}}));
        assert!(covers(&wanted, &wanted) && !covers(&more, &wanted), "one more label selects something else");
        assert!(covers(&json!({"projected": {"sources": null}}), &json!({"projected": {"sources": []}})));
        let families = |names: &[&str]| json!({"ipFamilies": names});
        assert!(covers(&families(&["IPv4", "IPv6"]), &families(&["IPv4"])));
        assert!(!covers(&families(&["IPv6", "IPv4"]), &families(&["IPv4"])));
        assert!(!covers(&families(&["IPv4"]), &families(&["IPv4", "IPv6"])));
    }

    #[test]
    fn patches_are_put_together() {
        let mut patch = json!({"spec": {"a": 1, "b": {"c": [1]}}});
        add(&mut patch, json!({"spec": {"b": {"d": null}, "c": [2]}}));
        assert_eq!(patch, json!({"spec": {"a": 1, "b": {"c": [1], "d": null}, "c": [2]}}));
    }
}
