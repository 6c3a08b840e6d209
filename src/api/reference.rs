//! Small parts that both kinds share.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::phone::cnf::NAME_MAX;
use crate::phone::text;

/// A name that an object can have: a DNS name in lower case, as RFC 1123 has it. Names become parts of paths of the API.
pub(super) const OBJECT_NAME_PATTERN: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
/// A key in the data of a Secret or ConfigMap.
pub(super) const DATA_KEY_PATTERN: &str = "^[-._a-zA-Z0-9]+$";

/// Whether an object can have this name: any other must not be asked for.
pub fn is_object_name(name: &str) -> bool {
    let label = |label: &str| {
        let edge = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let bytes = label.as_bytes();
        edge(bytes.first())
            && edge(bytes.last())
            && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// Another object in the same namespace, by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, KubeSchema)]
pub struct ObjectRef {
    /// The object's name.
    #[schemars(length(min = 1, max = 253), regex(pattern = OBJECT_NAME_PATTERN))]
    pub name: String,
}

/// One key of a Secret in the same namespace. The value never appears in a ConfigMap, a status, an event, a log or a metric.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, KubeSchema)]
pub struct SecretKey {
    /// The Secret's name.
    #[schemars(length(min = 1, max = 253), regex(pattern = OBJECT_NAME_PATTERN))]
    pub name: String,
    /// The key in its data.
    #[schemars(length(min = 1, max = 253), regex(pattern = DATA_KEY_PATTERN))]
    pub key: String,
}

/// Parameters that the typed fields do not know: the phone's own name and the value, as they should stand in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Extra(pub BTreeMap<String, String>);

/// The characters of a parameter's name.
const EXTRA_NAME: &str = "^[A-Za-z_][A-Za-z0-9_-]*$";
/// The longest value, in characters.
pub const EXTRA_VALUE_MAX: usize = 1023;

/// The most parameters that one object may have there.
pub const EXTRA_COUNT: usize = 256;

/// The most parameters from Secrets that one object may have.
pub const SECRET_COUNT: usize = 32;

fn extra_names() -> serde_json::Value {
    json!({
        "rule": format!("self.all(name, name.size() <= {NAME_MAX} && name.matches('{EXTRA_NAME}'))"),
        "message": "a parameter's name has letters, digits, '_' and '-' only, begins with a letter, and has at most 64 characters",
    })
}

impl Extra {
    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl JsonSchema for Extra {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Extra".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "maxProperties": EXTRA_COUNT,
            "additionalProperties": {"type": "string", "maxLength": EXTRA_VALUE_MAX, "pattern": text::VERBATIM_PATTERN},
            "x-kubernetes-validations": [extra_names()],
        })
    }
}

/// Parameters whose values come from Secrets, by the phone's own names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretParameters(pub BTreeMap<String, SecretKey>);

impl SecretParameters {
    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl JsonSchema for SecretParameters {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SecretParameters".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "maxProperties": SECRET_COUNT,
            "additionalProperties": secret_key(),
            "x-kubernetes-validations": [extra_names()],
        })
    }
}

/// The schema of a [`SecretKey`] where no derive writes it.
pub fn secret_key() -> serde_json::Value {
    json!({
        "type": "object",
        "required": ["name", "key"],
        "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": 253, "pattern": OBJECT_NAME_PATTERN, "description": "The Secret's name."},
            "key": {"type": "string", "minLength": 1, "maxLength": 253, "pattern": DATA_KEY_PATTERN, "description": "The key in its data."},
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_the_pattern_of_the_schema_says() {
        let pattern = regex::Regex::new(OBJECT_NAME_PATTERN).unwrap();
        for (name, fine) in [
            ("pw", true),
            ("a.b-c.9", true),
            ("9", true),
            ("", false),
            ("pw?x=", false),
            ("../../kube-system/secrets/x", false),
            ("a/b", false),
            ("..", false),
            ("a..b", false),
            ("-a", false),
            ("a-.b", false),
            ("A", false),
            ("a%2fb", false),
            ("a\n", false),
            ("ä", false),
        ] {
            assert_eq!((is_object_name(name), pattern.is_match(name)), (fine, fine), "{name:?}");
        }
        assert!(is_object_name(&"a".repeat(253)) && !is_object_name(&"a".repeat(254)));
    }
}
