//! `docs/reference.md` is made from the kinds' schema; `make docs` writes it anew.
#![allow(clippy::unwrap_used)] // A test that cannot go on should stop.

use std::fmt::Write as _;

use serde_json::Value;

const FILE: &str = "docs/reference.md";

fn kind_of(schema: &Value) -> String {
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().filter_map(Value::as_str).map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" ");
    }
    let bounds = |min: &str, max: &str| match (&schema[min], &schema[max]) {
        (Value::Number(min), Value::Number(max)) => format!(" {min}–{max}").replace(".0", ""),
        (_, Value::Number(max)) => format!(" ≤ {max}").replace(".0", ""),
        _ => String::new(),
    };
    match schema["type"].as_str().unwrap_or("any") {
        "string" => format!("string{}", bounds("minLength", "maxLength")),
        "integer" => format!("integer{}", bounds("minimum", "maximum")),
        "array" => format!("list{}", bounds("minItems", "maxItems")),
        other => other.to_owned(),
    }
}

fn rows(schema: &Value, path: &str, out: &mut String) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let text = field["description"].as_str().unwrap_or_default().replace('|', "\\|");
        writeln!(out, "| `{path}` | {} | {text} |", kind_of(field)).unwrap();
        rows(field, &path, out);
        rows(&field["items"], &format!("{path}[]"), out);
    }
}

#[test]
fn the_reference_is_what_the_schema_says() {
    let mut text =
        String::from("# Reference\n\nMade from the schema by `make docs`; `kubectl explain` says the same.\n");
    for crd in dialtone::api::crd::all() {
        let crd = serde_json::to_value(&crd).unwrap();
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let kind = crd["spec"]["names"]["kind"].as_str().unwrap();
        writeln!(text, "\n## {kind}\n\n{}", schema["description"].as_str().unwrap()).unwrap();
        for part in ["spec", "status"] {
            writeln!(text, "\n### {kind} {part}\n\n| field | type | |\n|---|---|---|").unwrap();
            rows(&schema["properties"][part], "", &mut text);
        }
    }
    if std::env::var_os("DIALTONE_WRITE_DOCS").is_some() {
        std::fs::write(FILE, &text).unwrap();
    }
    assert!(std::fs::read_to_string(FILE).unwrap_or_default() == text, "{FILE} is out of date: run `make docs`");
}
