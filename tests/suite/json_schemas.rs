//! The kinds as JSON schemas, for editors and for checks without a cluster such as kubeconform; `make docs` writes them anew. They are made
//! of the definitions, and say all of these but the rules in CEL.

use serde_json::{Map, Value, json};

use super::reference::check;

/// A schema of a definition as one of JSON Schema: fields that nobody declared are refused, as `kubectl apply --validate=strict` does.
fn closed(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            let is_open = fields.get("x-kubernetes-preserve-unknown-fields") == Some(&json!(true));
            if fields.get("x-kubernetes-int-or-string") == Some(&json!(true)) {
                fields.insert("type".into(), json!(["integer", "string"]));
            }
            fields.retain(|name, _| !name.starts_with("x-kubernetes-"));
            if fields.get("properties").is_some_and(Value::is_object) && !is_open {
                fields.entry("additionalProperties").or_insert(json!(false));
            }
            // A field may be called as a keyword is.
            for (name, inner) in fields {
                match inner {
                    Value::Object(properties) if name == "properties" => properties.values_mut().for_each(closed),
                    inner => closed(inner),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(closed),
        _ => {}
    }
}

#[test]
fn the_json_schemas_are_those_of_the_kinds() {
    for crd in dialtone::api::crd::all() {
        let crd = json!(crd);
        let (group, kind) = (&crd["spec"]["group"], &crd["spec"]["names"]["kind"]);
        for version in crd["spec"]["versions"].as_array().unwrap() {
            let mut schema = version["schema"]["openAPIV3Schema"].clone();
            closed(&mut schema);
            let (group, name) = (group.as_str().unwrap(), version["name"].as_str().unwrap());
            schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
            schema["properties"]["apiVersion"] = json!({"const": format!("{group}/{name}")});
            schema["properties"]["kind"] = json!({"const": kind});
            schema["properties"]["metadata"] = json!({"type": "object"});
            let needs = schema["required"].as_array().cloned().unwrap_or_default();
            schema["required"] = json!([&[json!("apiVersion"), json!("kind"), json!("metadata")], &needs[..]].concat());
            // In one order, whoever writes them.
            let sorted: std::collections::BTreeMap<String, Value> =
                schema.as_object().cloned().unwrap_or_else(Map::new).into_iter().collect();
            let file = format!("schemas/{group}/{}_{name}.json", kind.as_str().unwrap().to_lowercase());
            check(&file, &format!("{:#}\n", json!(sorted)));
        }
    }
}

#[test]
fn argo_cd_s_configuration_has_the_health_script_for_both_kinds() {
    let script = std::fs::read_to_string("gitops/argocd/health.lua").unwrap();
    let text = std::fs::read_to_string("gitops/argocd/argocd-cm.yaml").unwrap();
    let map: Value = serde_saphyr::from_str(&text).unwrap();
    for crd in dialtone::api::crd::all() {
        let name = format!("resource.customizations.health.{}_{}", crd.spec.group, crd.spec.names.kind);
        assert_eq!(map["data"][&name], json!(script), "{name}");
    }
}
