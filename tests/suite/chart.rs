//! The chart's values: the table in its README is made from `values.yaml` by `make docs`, and its schema knows the same values.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;

use super::reference::check;

const README: &str = "charts/dialtone/README.md";
/// What stands before this is written by hand.
const MARK: &str = "## Values\n";

fn values_yaml() -> String {
    std::fs::read_to_string("charts/dialtone/values.yaml").unwrap()
}

/// Each value: its path, such as `image.tag`, what it is by default, and the comment before it, or before what it is part of.
fn explained() -> Vec<(String, Value, String)> {
    let text = values_yaml();
    let values: Value = serde_saphyr::from_str(&text).unwrap();
    let (mut rows, mut path, mut comment) = (Vec::new(), Vec::<(usize, String, String)>::new(), String::new());
    for line in text.lines() {
        let (indent, line) = (line.len() - line.trim_start().len(), line.trim());
        if let Some(words) = line.strip_prefix('#') {
            comment = format!("{comment} {}", words.trim()).trim().to_owned();
            continue;
        }
        let Some((key, rest)) = line.split_once(':').filter(|_| !line.starts_with('-')) else {
            comment.clear();
            continue;
        };
        path.retain(|(of, _, _)| *of < indent);
        path.push((indent, key.to_owned(), std::mem::take(&mut comment)));
        let names: Vec<&str> = path.iter().map(|(_, name, _)| name.as_str()).collect();
        let value = values.pointer(&format!("/{}", names.join("/"))).unwrap();
        if rest.is_empty() && value.is_object() {
            continue;
        }
        let words = path.iter().rev().map(|(_, _, comment)| comment.clone()).find(|comment| !comment.is_empty());
        rows.push((names.join("."), value.clone(), words.unwrap_or_default()));
    }
    rows
}

#[test]
fn the_chart_s_readme_has_every_value() {
    let readme = std::fs::read_to_string(README).unwrap();
    let (by_hand, _) = readme.split_once(MARK).unwrap();
    let mut text =
        format!("{by_hand}{MARK}\nMade from `values.yaml` by `make docs`.\n\n| value | default | |\n|---|---|---|\n");
    for (path, value, words) in explained() {
        let default = match value {
            Value::Array(all) if all.len() > 5 => format!("{} of them, see `values.yaml`", all.len()),
            value => format!("`{value}`"),
        };
        writeln!(text, "| `{path}` | {default} | {} |", words.replace('|', "\\|")).unwrap();
    }
    check(README, &text);
}

/// The paths of all values that a schema knows, but for those of free form.
fn known(schema: &Value, path: &str, all: &mut BTreeSet<String>) {
    match schema["properties"].as_object().filter(|_| schema["additionalProperties"] == false || path == "global") {
        Some(properties) => {
            for (name, schema) in properties {
                known(schema, format!("{path}.{name}").trim_start_matches('.'), all);
            }
        }
        None => drop(all.insert(path.to_owned())),
    }
}

#[test]
fn the_schema_knows_the_values_that_there_are_and_each_is_explained() {
    let schema: Value =
        serde_json::from_str(&std::fs::read_to_string("charts/dialtone/values.schema.json").unwrap()).unwrap();
    let mut known_paths = BTreeSet::new();
    known(&schema, "", &mut known_paths);
    let rows = explained();
    // What Kubernetes defines is explained there.
    let explained: BTreeSet<String> = rows
        .iter()
        .map(|(path, _, _)| path.replace("resources.requests", "resources").replace("resources.limits", "resources"))
        .collect();
    assert_eq!(explained, known_paths);
}
