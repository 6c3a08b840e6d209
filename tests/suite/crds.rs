//! The definitions in `crds/` and in the chart are those of the types, and as the API server likes them.

use serde_json::Value;

fn walk(schema: &Value, path: &str, visit: &mut impl FnMut(&str, &Value)) {
    visit(path, schema);
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        walk(property, &format!("{path}.{name}"), visit);
    }
    for inner in ["items", "additionalProperties"] {
        if schema[inner].is_object() {
            walk(&schema[inner], &format!("{path}[]"), visit);
        }
    }
}

#[test]
fn the_files_are_what_the_program_prints() {
    let printed = dialtone::api::crd::yaml().unwrap();
    for file in ["crds/dialtone.dev.yaml", "charts/dialtone/files/dialtone.dev.yaml"] {
        assert!(std::fs::read_to_string(file).unwrap() == printed, "{file} is out of date: run `make crds`");
    }
}

#[test]
fn every_field_is_described_and_bounded() {
    for crd in dialtone::api::crd::all() {
        let crd = serde_json::to_value(&crd).unwrap();
        let kind = crd["spec"]["names"]["kind"].as_str().unwrap();
        // kubectl apply keeps a copy of the manifest in an annotation of at most 256 KiB.
        assert!(crd.to_string().len() < 262_144);
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        walk(&schema["properties"]["spec"], &format!("{kind}.spec"), &mut |path, schema| {
            if !path.ends_with("[]") {
                let text = schema["description"].as_str().unwrap_or_default();
                assert!(text.ends_with('.') && !text.contains('\n'), "{path}: {text:?}");
            }
            match schema["type"].as_str() {
                Some("string") => {
                    assert!(
                        schema["enum"].is_array() || schema["maxLength"].is_u64() || path.ends_with("annotations[]"),
                        "{path}: no limit"
                    );
                }
                Some("array") => assert!(schema["maxItems"].is_u64(), "{path}: no limit"),
                _ => {}
            }
        });
        walk(schema, kind, &mut |path, schema| {
            let format = schema["format"].as_str().unwrap_or_default();
            assert!(!format.starts_with("uint") && format != "int32", "{path}: {format}");
            assert!(schema.get("nullable").is_none(), "{path}");
        });
        let conditions = &schema["properties"]["status"]["properties"]["conditions"];
        assert_eq!(conditions["x-kubernetes-list-type"], "map");
        assert_eq!(conditions["x-kubernetes-list-map-keys"][0], "type");
        assert_eq!(schema["properties"]["status"]["default"]["observedGeneration"], -1);
    }
}
