//! What server-side apply cannot put right: it takes away only what it gave. Pure: from an object as it is and as it should be to a
//! merge patch, RFC 7386, for that version of it.

use serde_json::{Map, Value, json};

/// What takes foreign keys and a foreign controller from an object with files, or from the Secret with a token; nothing if there
/// are none. All files are in the patch, so that none is missing for a moment.
pub(super) fn files(found: &Value, wanted: &Value) -> Option<Value> {
    let mut patch = Map::new();
    let is_foreign = |field: &str| {
        let names = found[field].as_object().into_iter().flat_map(Map::keys);
        let wanted = &wanted[field];
        names.filter(move |name| wanted.get(name.as_str()).is_none()).cloned().collect::<Vec<_>>()
    };
    let foreign = ["data", "binaryData"].map(|field| (field, is_foreign(field)));
    if foreign.iter().any(|(_, names)| !names.is_empty()) {
        for (field, names) in foreign {
            let mut part = wanted[field].as_object().cloned().unwrap_or_default();
            part.extend(names.into_iter().map(|name| (name, Value::Null)));
            if !part.is_empty() {
                patch.insert(field.to_owned(), part.into());
            }
        }
    }
    if let Some(owners) = owners(found, wanted) {
        patch.insert("metadata".to_owned(), json!({"ownerReferences": owners}));
    }
    for_version(labelled(patch.into(), found, wanted), found)
}

/// What gives an object its owner; nothing if it has it, and no other controller.
pub(super) fn owner(found: &Value, wanted: &Value) -> Option<Value> {
    let patch = json!({"metadata": {"ownerReferences": owners(found, wanted)?}});
    for_version(labelled(patch, found, wanted), found)
}

/// A patch that leaves no object without its labels: an admission policy may let the operator write no other.
fn labelled(mut patch: Value, found: &Value, wanted: &Value) -> Value {
    let (found, wanted) = (&found["metadata"]["labels"], &wanted["metadata"]["labels"]);
    let missing =
        wanted.as_object().into_iter().flatten().filter(|(name, value)| found.get(name.as_str()) != Some(value));
    let missing: Map<String, Value> = missing.map(|(name, value)| (name.clone(), value.clone())).collect();
    let is_empty = patch.as_object().is_none_or(Map::is_empty);
    if !is_empty && !missing.is_empty() {
        patch["metadata"]["labels"] = missing.into();
    }
    patch
}

/// The owner references as they should be, if that is not how they are: the site is the only controller.
fn owners(found: &Value, wanted: &Value) -> Option<Value> {
    let ours = &wanted["metadata"]["ownerReferences"][0];
    let all = found["metadata"]["ownerReferences"].as_array().map(Vec::as_slice).unwrap_or_default();
    let others = all.iter().filter(|owner| owner["uid"] != ours["uid"] && owner["kind"] != ours["kind"]);
    let others: Vec<&Value> = others.filter(|owner| owner["controller"] != true).collect();
    let mut next = vec![ours];
    next.extend(others);
    let is_same = all.len() == next.len() && next.iter().all(|owner| all.contains(owner));
    (!is_same).then(|| json!(next))
}

/// What makes an object cover what is wanted: lists as a whole.
pub(super) fn correction(found: &Value, wanted: &Value, covers: impl Fn(&Value, &Value) -> bool + Copy) -> Value {
    fn differing(found: &Value, wanted: &Value, covers: impl Fn(&Value, &Value) -> bool + Copy) -> Value {
        match (found, wanted) {
            (Value::Object(found), Value::Object(wanted)) => {
                let none = Value::Null;
                let parts = wanted.iter().filter_map(|(field, value)| {
                    let known = found.get(field).unwrap_or(&none);
                    (!covers(known, value)).then(|| (field.clone(), differing(known, value, covers)))
                });
                Value::Object(parts.collect())
            }
            _ => wanted.clone(),
        }
    }
    let mut patch = differing(found, wanted, covers);
    if let Some(metadata) = patch["metadata"].as_object_mut() {
        metadata.remove("ownerReferences");
    }
    patch
}

/// What takes from a status whatever is not wanted; nothing if it has no more than that. What is missing is not in it: the API
/// server has been given it, and did not keep it.
pub(super) fn surplus(found: &Value, wanted: &Value) -> Option<Value> {
    let (Value::Object(found), Value::Object(wanted)) = (found, wanted) else {
        return (found != wanted).then(|| wanted.clone());
    };
    let none = Value::Null;
    let parts = found.iter().filter_map(|(field, value)| {
        let part = match wanted.get(field).unwrap_or(&none) {
            Value::Null => Some(Value::Null),
            other => surplus(value, other),
        };
        part.map(|part| (field.clone(), part))
    });
    let parts: Map<String, Value> = parts.collect();
    (!parts.is_empty()).then_some(Value::Object(parts))
}

/// A patch that changes no other version than the one that was found.
pub(super) fn for_version(mut patch: Value, found: &Value) -> Option<Value> {
    if patch.as_object().is_none_or(Map::is_empty) {
        return None;
    }
    patch["metadata"]["resourceVersion"] = found["metadata"]["resourceVersion"].clone();
    Some(patch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Value {
        json!({"metadata": {"ownerReferences": [{"kind": "PhoneSite", "uid": "u1", "controller": true}]}, "data": {"a": "1"}})
    }

    fn found(more: Value) -> Value {
        let mut found = wanted();
        found["metadata"]["resourceVersion"] = "7".into();
        for (field, value) in more.as_object().unwrap() {
            match field.as_str() {
                "metadata" => found["metadata"]["ownerReferences"] = value["ownerReferences"].clone(),
                "data" if value.is_object() => {
                    found["data"].as_object_mut().unwrap().extend(value.as_object().unwrap().clone())
                }
                _ => found[field] = value.clone(),
            }
        }
        found
    }

    #[test]
    fn foreign_keys_go_and_no_file_is_missing_for_a_moment() {
        assert_eq!(files(&found(json!({})), &wanted()), None);
        let patch = files(&found(json!({"data": {"x": "2"}, "binaryData": {"y": "AA=="}})), &wanted());
        let version = json!({"resourceVersion": "7"});
        assert_eq!(patch, Some(json!({"data": {"a": "1", "x": null}, "binaryData": {"y": null}, "metadata": version})));
        // A file that somebody moved to the other part.
        let moved = found(json!({"data": null, "binaryData": {"a": "MQ=="}}));
        let patch = files(&moved, &wanted()).unwrap();
        assert_eq!((&patch["data"], &patch["binaryData"]), (&json!({"a": "1"}), &json!({"a": null})));
    }

    #[test]
    fn what_is_mended_has_its_labels_at_once() {
        let mut wanted = wanted();
        wanted["metadata"]["labels"] = json!({"a": "1", "b": "2"});
        let mut damaged = found(json!({"data": {"x": "2"}}));
        assert_eq!(files(&damaged, &wanted).unwrap()["metadata"]["labels"], wanted["metadata"]["labels"]);
        damaged["metadata"]["labels"] = json!({"a": "1", "c": "3"});
        assert_eq!(files(&damaged, &wanted).unwrap()["metadata"]["labels"], json!({"b": "2"}));
        damaged["metadata"]["ownerReferences"] = json!([]);
        assert_eq!(owner(&damaged, &wanted).unwrap()["metadata"]["labels"], json!({"b": "2"}));
        // Apply alone gives an object its labels.
        assert_eq!(files(&found(json!({})), &wanted), None);
    }

    #[test]
    fn the_site_is_the_only_controller_and_other_owners_stay() {
        let ours = wanted()["metadata"]["ownerReferences"][0].clone();
        let with = |owners: Value| files(&found(json!({"metadata": {"ownerReferences": owners}})), &wanted());
        let other = json!({"kind": "Backup", "uid": "b"});
        assert_eq!(with(json!([other, ours])), None);
        for (owners, left) in [
            (json!([]), json!([ours])),
            (json!([{"kind": "PhoneSite", "uid": "u0", "controller": true}]), json!([ours])),
            (json!([{"kind": "Web", "uid": "w", "controller": true}, other]), json!([ours, other])),
            (json!([{"kind": "PhoneSite", "uid": "u1"}]), json!([ours])),
        ] {
            assert_eq!(with(owners).unwrap()["metadata"]["ownerReferences"], left);
        }
    }

    #[test]
    fn of_a_status_what_is_not_wanted_goes_and_what_was_dropped_is_not_given_again() {
        let wanted = json!({"a": 1, "list": [1], "part": {"x": 1, "dropped": 2}});
        assert_eq!(surplus(&wanted, &wanted), None);
        assert_eq!(surplus(&json!({"a": 1, "list": [1], "part": {"x": 1}}), &wanted), None);
        assert_eq!(surplus(&json!({}), &wanted), None);
        let more = json!({"a": 2, "b": 3, "list": [1, 2], "part": {"y": 1}});
        assert_eq!(surplus(&more, &wanted), Some(json!({"a": 1, "b": null, "list": [1], "part": {"y": null}})));
    }
}
