//! The CustomResourceDefinitions, as they are applied.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::{Value, json};

use super::{PhoneSite, SipPhone};
use crate::phone::parameter::{HOST_OR_ADDRESS_PATTERN, HOST_PATTERN};

/// The kinds' definitions, in the order in which `dialtone crds` prints them.
pub fn all() -> Vec<CustomResourceDefinition> {
    vec![finish(PhoneSite::crd()), finish(SipPhone::crd())]
}

/// What the derive cannot say, and what the API server would warn of.
fn finish(crd: CustomResourceDefinition) -> CustomResourceDefinition {
    let mut value = serde_json::to_value(&crd).unwrap_or_default();
    let schema = &mut value["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    tidy(schema);
    // A new object counts as "in progress" for kstatus from its first moment, before the operator has seen it.
    schema["properties"]["status"]["default"] = json!({"observedGeneration": -1});
    // The definition came from this very type, so it goes back into it; were it not so, the tests would show it.
    serde_json::from_value(value).unwrap_or(crd)
}

/// Adds what one pattern cannot say of a host; takes out `nullable` (a null is no value: leave the field out), integer formats that the API server does not know, and
/// the line breaks of this source in descriptions.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if map.get("nullable") == Some(&Value::Bool(true)) {
                map.remove("nullable");
            }
            let format = map.get("format").and_then(Value::as_str);
            if format.is_some_and(|f| f.starts_with("uint") || f == "int32") {
                map.insert("format".into(), "int64".into());
            }
            if map.get("pattern").is_some_and(|pattern| pattern == HOST_PATTERN) {
                map.insert("allOf".into(), json!([{"pattern": HOST_OR_ADDRESS_PATTERN}]));
            }
            if let Some(Value::String(text)) = map.get_mut("description") {
                *text = text.replace('\n', " ");
            }
            map.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// The definitions as YAML documents.
pub fn yaml() -> Result<String, serde_saphyr::ser::Error> {
    let mut out = String::new();
    for crd in all() {
        out.push_str("---\n");
        out.push_str(&serde_saphyr::to_string(&crd)?);
    }
    Ok(out)
}
