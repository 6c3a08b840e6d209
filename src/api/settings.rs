//! `settings`: the phone's parameters as typed fields, made from the one table of parameters.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::phone::parameter::{
    FILE_NAME_PATTERN, HOST_PATTERN, IPV4_PATTERN, Kind, Parameter, Place, TIME_PATTERN, URL_PATTERN, ZONE_PATTERN,
};
use crate::phone::{find_field, parameters, text};

use super::SecretKey;
use super::reference::secret_key;

/// Parameters by their field names. The schema says which there are; what is read from files is checked when rendering.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Settings(pub BTreeMap<String, Value>);

impl Settings {
    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The Secrets that are referred to, with the field that does.
    pub fn secrets(&self) -> impl Iterator<Item = (&str, SecretKey)> {
        self.0.iter().filter_map(|(field, value)| {
            let secret = matches!(find_field(field)?.kind, Kind::Secret { .. });
            let key = secret.then(|| serde_json::from_value(value.clone()).ok()).flatten()?;
            Some((field.as_str(), key))
        })
    }
}

impl JsonSchema for Settings {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Settings".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        for_site(generator)
    }
}

/// The schema of a site's settings.
pub fn for_site(_: &mut SchemaGenerator) -> Schema {
    let mut rules = vec![media_ports()];
    for p in parameters().iter().filter(|p| p.place != Place::Elsewhere && !p.phone_only_values.is_empty()) {
        let words: Vec<String> = p.phone_only_values.iter().map(|w| format!("'{w}'")).collect();
        rules.push(json!({
            "rule": format!("!has(self.{0}) || !(self.{0} in [{1}])", p.field, words.join(", ")),
            "message": format!("{}: {} belong in the settings of a SipPhone: phones obey them only in their own file",
                p.field, p.phone_only_values.join(" and ")),
        }));
    }
    schema(&[Place::Either, Place::Site], rules)
}

/// The schema of a phone's settings.
pub fn for_phone(_: &mut SchemaGenerator) -> Schema {
    schema(&[Place::Either, Place::Phone], vec![media_ports()])
}

fn media_ports() -> Value {
    json!({
        "rule": "!has(self.startMediaPort) || !has(self.endMediaPort) || self.startMediaPort < self.endMediaPort",
        "message": "startMediaPort must be smaller than endMediaPort",
    })
}

fn schema(places: &[Place], rules: Vec<Value>) -> Schema {
    let rows = parameters().iter().filter(|p| places.contains(&p.place));
    let properties: Map<String, Value> = rows.map(|p| (p.field.clone(), property(p))).collect();
    let mut object = Map::new();
    object.insert("type".into(), "object".into());
    object.insert("properties".into(), properties.into());
    object.insert("x-kubernetes-validations".into(), rules.into());
    object.into()
}

fn property(p: &Parameter) -> Value {
    let mut schema = match p.kind {
        Kind::Switch => json!({"type": "boolean"}),
        Kind::Number { min, max, .. } => json!({"type": "integer", "format": "int64", "minimum": min, "maximum": max}),
        Kind::Choice(choices) => json!({"type": "string", "enum": choices.iter().map(|c| c.value).collect::<Vec<_>>()}),
        Kind::Text { max } => json!({"type": "string", "maxLength": max, "pattern": text::PATTERN}),
        Kind::Host => json!({"type": "string", "maxLength": 127, "pattern": HOST_PATTERN}),
        Kind::Ipv4 => json!({"type": "string", "maxLength": 15, "pattern": IPV4_PATTERN}),
        Kind::TimeOfDay => json!({"type": "string", "maxLength": 5, "pattern": TIME_PATTERN}),
        Kind::Zone => json!({"type": "string", "minLength": 1, "maxLength": 64, "pattern": ZONE_PATTERN}),
        Kind::Url => json!({"type": "string", "maxLength": 127, "pattern": URL_PATTERN}),
        Kind::FileName => json!({"type": "string", "maxLength": 64, "pattern": FILE_NAME_PATTERN}),
        Kind::Secret { .. } => secret_key(),
    };
    schema["description"] = p.describe().into();
    schema
}
