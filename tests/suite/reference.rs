//! `docs/reference.md` is made from the kinds' schema, `docs/parameters.md` and `docs/advice.md` from the tables of what
//! phones understand and of what experience says; `make docs` writes them anew.

use std::fmt::Write as _;

use dialtone::phone::image::Release;
use dialtone::phone::parameter::{Group, Kind, Parameter, Place, Source, Unset};
use dialtone::phone::{Choice, parameters};
use dialtone::provision::advice::{self, Advice};
use dialtone::provision::diagnostic;
use serde_json::Value;

/// Compares a page with what it should be, or writes it.
pub fn check(file: &str, text: &str) {
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
         `make docs`.\n\nWhere: the objects that have the field. Reset: what `unsetParameters: Reset` writes when nobody set it, which is the \
         documented default. Since: the first firmware that knows it; `?` where no source says so, with the best guess. Source: who says what stands \
         here, and so how sure it is: `note` is Cisco's application note for these phones, `guide` an administrator guide for SIP firmware 2.0 to 8.0 or \
         the comments in Cisco's own sample files, `cme` the guide of Cisco's Unified CME, a router that writes these files for firmware 7.4, `use` working files and other programs that write them, and no manual for this phone: try it on one \
         phone first.\n",
    );
    let mut groups: Vec<Group> = parameters().iter().map(|parameter| parameter.group).collect();
    groups.sort();
    groups.dedup();
    for group in groups {
        let title = group.title();
        writeln!(
            text,
            "\n## {title}\n\n| parameter | field | where | values | reset | since | source | |\n|---|---|---|---|---|---|---|---|"
        )
        .unwrap();
        for parameter in parameters().iter().filter(|parameter| parameter.group == group) {
            writeln!(text, "{}", parameter_row(parameter)).unwrap();
        }
    }
    check("docs/parameters.md", &text);
}

fn parameter_row(parameter: &Parameter) -> String {
    let (field, place) = match (parameter.name.as_str(), parameter.place) {
        (_, Place::Either) => (format!("settings.{}", parameter.field), "site, phone"),
        (_, Place::Site) => (format!("settings.{}", parameter.field), "site"),
        (_, Place::Phone) => (format!("settings.{}", parameter.field), "phone"),
        ("image_version", _) => ("firmware.image".to_owned(), "site, phone"),
        ("phone_label", _) => ("label".to_owned(), "phone"),
        ("tftp_cfg_dir", _) => ("none".to_owned(), ""),
        (name, _) => {
            let n: u8 = name.trim_start_matches("line").split('_').next().unwrap().parse().unwrap();
            (format!("lines[] with key: {n}"), "phone")
        }
    };
    let reset = match parameter.unset {
        Unset::Write("") => "empty".to_owned(),
        Unset::Write(value) => format!("`{value}`"),
        Unset::Leave => "nothing".to_owned(),
    };
    let since = match (parameter.since_sure, parameter.since) {
        (true, since) => since.to_string(),
        (false, Release::FIRST) => "?".to_owned(),
        (false, since) => format!("{since}?"),
    };
    let source = match parameter.source {
        Source::Note => "note",
        Source::Guide => "guide",
        Source::Cme => "cme",
        Source::Use => "use",
    };
    format!(
        "| `{}` | `{field}` | {place} | {} | {reset} | {since} | {source} | {} |",
        parameter.name,
        values(parameter),
        parameter.about.replace('|', "\\|"),
    )
}

fn values(parameter: &Parameter) -> String {
    match parameter.kind {
        Kind::Switch => "0, 1".to_owned(),
        Kind::Number { min, max, unit } => format!("{min}–{max} {unit}").trim_end().to_owned(),
        Kind::Choice(choices) => {
            let text = |choice: &Choice| match choice.value == choice.wire {
                true => choice.wire.to_owned(),
                false => format!("{} {}", choice.wire, choice.value),
            };
            choices.iter().map(text).collect::<Vec<_>>().join(", ")
        }
        Kind::Text { max } => format!("≤ {max} characters"),
        Kind::Host => "host name or IPv4 address".to_owned(),
        Kind::Ipv4 => "IPv4 address".to_owned(),
        Kind::TimeOfDay => "hh:mm".to_owned(),
        Kind::Zone => "name of the tz database, or abbreviation".to_owned(),
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
    for (code, meaning) in diagnostic::ERRORS {
        writeln!(text, "| `{}` | {meaning} |", code.as_str()).unwrap();
    }
    check("docs/advice.md", &text);
}
