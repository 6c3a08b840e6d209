//! Labels and annotations: which names and values they may have.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

/// The most labels, and the most annotations.
const MAP_MAX: usize = 64;
/// The name of a label, an annotation, a taint or a load balancer's class, with or without a prefix.
pub(super) const QUALIFIED_NAME_PATTERN: &str = "^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$";
/// A label's value.
pub(super) const LABEL_VALUE_PATTERN: &str = "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$";

fn qualified_names(value: Value) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": MAP_MAX,
        "additionalProperties": value,
        "x-kubernetes-validations": [{
            "rule": format!("self.all(name, name.size() <= 317 && name.matches('{QUALIFIED_NAME_PATTERN}'))"),
            "message": "a name has letters, digits, '-', '_' and '.', at most 63, and may have a prefix as in example.com/name",
        }],
    })
}

/// The schema of labels.
pub(super) fn label_map(_: &mut SchemaGenerator) -> Schema {
    qualified_names(json!({"type": "string", "maxLength": 63, "pattern": LABEL_VALUE_PATTERN}))
}

/// The schema of annotations.
pub(super) fn annotation_map(_: &mut SchemaGenerator) -> Schema {
    qualified_names(json!({"type": "string", "maxLength": 4096}))
}
