//! `docs/reference.md` is made from the kinds' schema, `docs/parameters.md` and `docs/advice.md` from the tables of what
//! phones understand and of what experience says; `make docs` writes them anew.
#![allow(clippy::unwrap_used)] // A test that cannot go on should stop.

use std::fmt::Write as _;

use dialtone::phone::parameter::{Kind, Parameter, Place, Unset};
use dialtone::phone::parameters;
use dialtone::provision::advice::{self, Advice};
use dialtone::provision::diagnostic;
use serde_json::Value;

/// Compares a page with what it should be, or writes it.
fn check(file: &str, text: &str) {
    if std::env::var_os("DIALTONE_WRITE_DOCS").is_some() {
        std::fs::write(file, text).unwrap();
    }
    assert!(std::fs::read_to_string(file).unwrap_or_default() == text, "{file} is out of date: run `make docs`");
}

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
    check("docs/reference.md", &text);
}

#[test]
fn the_parameters_are_those_of_the_table() {
    let mut text = String::from(
        "# Parameters\n\nEvery parameter of `SIPDefault.cnf` and `SIP<MAC>.cnf` that dialtone knows, by the phone's own name, made from its table by \
         `make docs`.\n\nWhere: `site` and `phone` are the objects whose `settings` have the field; others have a field of their own. Reset: what \
         `unsetParameters: Reset` writes when nobody set it. A question mark: seen in working files, but in no manual for this phone.\n",
    );
    let mut group = None;
    for parameter in parameters() {
        if group != Some(parameter.group) {
            group = Some(parameter.group);
            let title = parameter.group.title();
            writeln!(text, "\n## {title}\n\n| parameter | field | where | values | reset | since | |\n|---|---|---|---|---|---|---|").unwrap();
        }
        let place = match parameter.place {
            Place::Either => "site, phone",
            Place::Site => "site",
            Place::Phone => "phone",
            Place::Elsewhere => "",
        };
        let field = match parameter.name.as_str() {
            _ if parameter.place != Place::Elsewhere => format!("settings.{}", parameter.field),
            "image_version" => "firmware.image".to_owned(),
            "phone_label" => "label".to_owned(),
            "tftp_cfg_dir" => String::new(),
            name => format!(
                "lines[{}]",
                name.trim_start_matches("line").split('_').next().unwrap().parse::<u8>().unwrap() - 1
            ),
        };
        let reset = match parameter.unset {
            Unset::Write("") => "empty".to_owned(),
            Unset::Write(value) => format!("`{value}`"),
            Unset::Leave => "nothing".to_owned(),
        };
        let doubt = if parameter.documented { "" } else { " ?" };
        writeln!(
            text,
            "| `{}` | {} | {place} | {} | {reset} | {} | {}{doubt} |",
            parameter.name,
            if field.is_empty() { field } else { format!("`{field}`") },
            values(parameter),
            parameter.since,
            parameter.about.replace('|', "\\|"),
        )
        .unwrap();
    }
    check("docs/parameters.md", &text);
}

fn values(parameter: &Parameter) -> String {
    match parameter.kind {
        Kind::Switch => "0, 1".to_owned(),
        Kind::Number { min, max, unit } => format!("{min}–{max} {unit}").trim_end().to_owned(),
        Kind::Words(words) => {
            let same = |word: &&(&str, &str, &str)| word.0 == word.1;
            let word = |word: &(&str, &str, &str)| {
                if same(&word) { word.1.to_owned() } else { format!("{} {}", word.1, word.0) }
            };
            words.iter().map(word).collect::<Vec<_>>().join(", ")
        }
        Kind::Text { max } => format!("≤ {max} characters"),
        Kind::Host => "host name or IPv4 address".to_owned(),
        Kind::Ipv4 => "IPv4 address".to_owned(),
        Kind::TimeOfDay => "hh:mm".to_owned(),
        Kind::Zone => "abbreviation".to_owned(),
        Kind::Url => "http:// URL".to_owned(),
        Kind::FileName => "file name".to_owned(),
        Kind::Secret { max } => format!("≤ {max} characters, from a Secret"),
    }
}

#[test]
fn the_advice_is_that_of_the_table() {
    let mut text = String::from(
        "# Advice\n\nWhat `dialtone render` says on stderr, and conditions in the cluster, made from the table by `make docs`. The code stands in \
         brackets at the end of each finding.\n\n## Warnings\n\nThe object is used as it is.\n\n| code | why | what to do |\n|---|---|---|\n",
    );
    for Advice { code, why, do_this } in advice::ALL {
        writeln!(text, "| `{code}` | {why} | {do_this} |").unwrap();
    }
    text.push_str(
        "\n## Errors\n\nThe object is not used; the last good files stay.\n\n| code | what it means |\n|---|---|\n",
    );
    for (code, meaning) in diagnostic::reason::ALL {
        writeln!(text, "| `{code}` | {meaning} |").unwrap();
    }
    check("docs/advice.md", &text);
}
