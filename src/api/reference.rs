//! Small parts that both kinds share.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::phone::cnf::NAME_MAX;
use crate::phone::text;

/// Another object in the same namespace, by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, KubeSchema)]
pub struct ObjectRef {
    /// The object's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// One key of a Secret in the same namespace. The value never appears in a ConfigMap, a status, an event, a log or a metric.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, KubeSchema)]
pub struct SecretKey {
    /// The Secret's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key in its data.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// Parameters that the typed fields do not know: the phone's own name and the value, as they should stand in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Extra(pub BTreeMap<String, String>);

/// The characters of a parameter's name.
const EXTRA_NAME: &str = "^[A-Za-z_][A-Za-z0-9_.-]*$";
/// The longest value, in characters.
pub const EXTRA_VALUE_MAX: usize = 1023;

/// The most parameters that one object may have there.
pub const EXTRA_COUNT: usize = 256;

/// The most parameters from Secrets that one object may have.
pub const SECRET_COUNT: usize = 32;

fn extra_names() -> serde_json::Value {
    json!({
        "rule": format!("self.all(name, name.size() <= {NAME_MAX} && name.matches('{EXTRA_NAME}'))"),
        "message": "a parameter's name has letters, digits, '_', '.' and '-' only, begins with a letter, and has at most 64 characters",
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
            "name": {"type": "string", "minLength": 1, "maxLength": 253, "description": "The Secret's name."},
            "key": {"type": "string", "minLength": 1, "maxLength": 253, "description": "The key in its data."},
        },
    })
}
