//! Manifests made from the definitions: each differs from a good one in one field, which holds what is just allowed, just not
//! allowed, of another type, or odd.
#![allow(dead_code)] // Each test uses its own part.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Stdio};

use regex::Regex;
use serde_json::{Map, Value, json};

/// One manifest.
pub struct Generated {
    pub kind: String,
    pub name: String,
    /// The field that differs.
    pub field: String,
    pub spec: Value,
    /// Whether it must be accepted, where that is sure from the schema alone.
    pub fine: Option<bool>,
}

impl Generated {
    pub fn manifest(&self) -> Value {
        json!({"apiVersion": "dialtone.dev/v1alpha1", "kind": self.kind, "metadata": {"name": self.name}, "spec": self.spec})
    }
}

/// Texts of which one suits nearly every pattern.
const SAMPLES: &[&str] = &[
    "hq",
    "a",
    "7101",
    "10.0.0.1",
    "12:00",
    "000A8A123456",
    "7960",
    "/a",
    "http://a.example/a",
    "https://a.example/a.bin",
    "Europe/Berlin",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "64Mi",
    "10.0.0.0/8",
];

/// Texts that some fields must not hold.
const ODD: &[&str] = &[
    "",
    " ",
    "a b",
    "A",
    "-a",
    ".",
    "..",
    "a..b",
    "../x",
    "a/b",
    "pw?x=",
    "a%2fb",
    "a\nb",
    "a\tb",
    "a\"b",
    "ü",
    "日本",
    "999.1.1.1",
    "10.0.0.0/33",
    "10.0.0.1.1/8",
    "fd00::/129",
    "fd00:::/8",
    "::/0",
    "1:2:3:4:5:6:7:8/128",
    "1:2:3:4:5:6:7:8:9/1",
    "127.0.0.0/8",
    "010.0.0.0/8",
    "10.0.0.0/08",
    "abc",
    "--to=/",
    "system-node-critical",
];

fn sample(schema: &Value) -> Value {
    if let Some(word) = schema["enum"].as_array().and_then(|words| words.first()) {
        return word.clone();
    }
    match schema["type"].as_str() {
        Some("object") => {
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            required.map(|name| (name.to_owned(), sample(&schema["properties"][name]))).collect::<Map<_, _>>().into()
        }
        Some("array") => match schema["minItems"].as_u64() {
            Some(1..) => json!([sample(&schema["items"])]),
            _ => json!([]),
        },
        Some("integer") => schema["minimum"].as_f64().map_or(1, |least| least as i64).into(),
        Some("boolean") => true.into(),
        _ => {
            let pattern = schema["pattern"].as_str().map(|pattern| Regex::new(pattern).unwrap());
            let limit = |name: &str, none: usize| schema[name].as_u64().map_or(none, |n| usize::try_from(n).unwrap());
            let fits = |text: &&&str| {
                (limit("minLength", 0)..=limit("maxLength", 9999)).contains(&text.chars().count())
                    && pattern.as_ref().is_none_or(|pattern| pattern.is_match(text))
            };
            let found = SAMPLES.iter().find(fits);
            (*found.unwrap_or_else(|| panic!("no sample for {schema}"))).into()
        }
    }
}

/// What a field may be made to hold; whether it then must be fine.
fn values(schema: &Value) -> Vec<(Value, Option<bool>)> {
    let is_quantity = schema["x-kubernetes-int-or-string"] == true;
    let kind = if is_quantity { "quantity" } else { schema["type"].as_str().unwrap_or_default() };
    let mut all: Vec<(Value, Option<bool>)> = Vec::new();
    for (other, value) in [
        ("integer", json!(1)),
        ("string", json!("x")),
        ("boolean", json!(true)),
        ("array", json!([])),
        ("object", json!({})),
        ("number", json!(1.5)),
    ] {
        let same = other == kind || (is_quantity && ["integer", "string"].contains(&other));
        if !same {
            all.push((value, Some(false)));
        }
    }
    all.push((Value::Null, None));
    match kind {
        "integer" => {
            let [least, most] = ["minimum", "maximum"].map(|name| schema[name].as_f64().map(|n| n as i64));
            for (value, fine) in
                [(least, true), (most, true), (least.map(|n| n - 1), false), (most.map(|n| n + 1), false)]
            {
                all.extend(value.map(|value| (value.into(), if fine { None } else { Some(false) })));
            }
        }
        "string" | "quantity" => {
            for word in schema["enum"].as_array().into_iter().flatten() {
                all.push((word.clone(), None));
            }
            all.extend(ODD.iter().chain(SAMPLES).map(|text| (Value::from(*text), None)));
            if let Some(most) = schema["maxLength"].as_u64().map(|most| usize::try_from(most).unwrap()) {
                all.push(("a".repeat(most).into(), None));
                all.push(("a".repeat(most + 1).into(), Some(false)));
            }
        }
        "array" => {
            all.push((json!([]), None));
            all.push((json!([sample(&schema["items"])]), None));
            all.push((json!([sample(&schema["items"]), sample(&schema["items"])]), None));
            let most = schema["maxItems"].as_u64().map(|most| usize::try_from(most).unwrap());
            all.extend(most.map(|most| (vec![sample(&schema["items"]); most + 1].into(), Some(false))));
        }
        "object" => {
            all.push((sample(schema), None));
            all.push((json!({}), None));
            if let Some(inner) = schema.get("additionalProperties").filter(|inner| inner.is_object()) {
                for name in ["a", "example.com/a", "a b", "a_b", "", "ü", "-a"] {
                    all.push((json!({name: sample(inner)}), None));
                }
            } else {
                // It is in no schema, and pruned only where validation is not strict.
                all.push((json!({"unheardOf": 1}), Some(false)));
            }
        }
        _ => {}
    }
    all
}

/// Goes through all fields below one; `put` makes the whole spec out of what the field holds.
fn walk(
    schema: &Value,
    path: &str,
    put: &dyn Fn(Value) -> Value,
    seen: &mut BTreeSet<String>,
    out: &mut Vec<(String, Value, Option<bool>)>,
) {
    // Hundreds of parameters of the phone have some ten shapes, and so have the ways to choose a node.
    let mut shape = schema.clone();
    if let Some(fields) = shape.as_object_mut() {
        fields.remove("description");
    }
    let many = [".settings.", ".podTemplate.spec."];
    let part = many.iter().find_map(|part| Some(path.split_once(part)?.0));
    if part.is_some_and(|part| !seen.insert(format!("{part} {shape}"))) {
        return;
    }
    out.extend(values(schema).into_iter().map(|(value, fine)| (path.to_owned(), put(value), fine)));
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        let around = sample(schema);
        let put = |value: Value| {
            let mut around = around.clone();
            around[name] = value;
            put(around)
        };
        walk(inner, &format!("{path}.{name}"), &put, seen, out);
    }
    if schema["items"].is_object() {
        walk(&schema["items"], &format!("{path}[0]"), &|value| put(json!([value])), seen, out);
    }
    if schema["additionalProperties"].is_object() {
        walk(&schema["additionalProperties"], &format!("{path}.a"), &|value| put(json!({"a": value})), seen, out);
    }
}

/// All of them.
pub fn all() -> Vec<Generated> {
    let mut all = Vec::new();
    for crd in dialtone::api::crd::all() {
        let kind = crd.spec.names.kind.clone();
        let crd = serde_json::to_value(crd).unwrap();
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        let mut found = Vec::new();
        walk(schema, "spec", &|value| value, &mut BTreeSet::new(), &mut found);
        let generated = found.into_iter().enumerate().map(|(i, (field, spec, fine))| {
            let name = format!("{}-{i}", if kind == "PhoneSite" { "site" } else { "phone" });
            Generated { kind: kind.clone(), name, field, spec, fine }
        });
        all.extend(generated);
    }
    all
}

/// One field of a kind, with nothing below it that has a name.
#[derive(Clone, Debug)]
pub struct Field {
    pub kind: String,
    /// Where it is, such as `spec.lines[0].name`.
    pub path: String,
    spec: Value,
    schema: Value,
}

impl Field {
    /// Values that differ: those first that the schema allows, then odd ones that it may refuse.
    pub fn values(&self) -> Vec<Value> {
        let has_pattern = |text: &Value| {
            let pattern = self.schema["pattern"].as_str().map(|pattern| Regex::new(pattern).unwrap());
            text.as_str().is_none_or(|text| pattern.is_none_or(|pattern| pattern.is_match(text)))
        };
        let mut all: Vec<Value> = match self.schema["type"].as_str() {
            Some("boolean") => vec![true.into(), false.into()],
            Some("integer") => {
                let least = self.schema["minimum"].as_f64().map_or(1, |least| least as i64);
                let most = self.schema["maximum"].as_f64().map_or(i64::from(i32::MAX), |most| most as i64);
                vec![(least + 1).min(most).into(), most.into(), least.into()]
            }
            Some("array" | "object") => values(&self.schema).into_iter().map(|(value, _)| value).collect(),
            _ if self.schema["enum"].is_array() => self.schema["enum"].as_array().unwrap().clone(),
            _ => SAMPLES.iter().chain(ODD).map(|text| Value::from(*text)).collect(),
        };
        all.retain(|value| !value.is_null() && *value != json!({}) && *value != json!([]));
        let (fitting, others): (Vec<Value>, Vec<Value>) = all.into_iter().partition(has_pattern);
        fitting.into_iter().chain(others).collect()
    }

    /// A spec with another value in this field. What is above it and not there is made as small as the schema allows.
    pub fn put(&self, spec: &Value, value: &Value) -> Value {
        put(&self.spec, spec, self.path.strip_prefix("spec").unwrap(), value)
    }
}

fn put(schema: &Value, now: &Value, path: &str, value: &Value) -> Value {
    if path.is_empty() {
        return value.clone();
    }
    if let Some(rest) = path.strip_prefix("[0]") {
        let mut items = now.as_array().cloned().unwrap_or_default();
        let first = put(&schema["items"], items.first().unwrap_or(&Value::Null), rest, value);
        items.splice(..items.len().min(1), [first]);
        return items.into();
    }
    let path = path.strip_prefix('.').unwrap();
    let end = path.find(['.', '[']).unwrap_or(path.len());
    let (name, rest) = path.split_at(end);
    let mut fields = if now.is_null() { sample(schema) } else { now.clone() };
    fields[name] = put(&schema["properties"][name], &fields[name], rest, value);
    fields
}

/// All fields of both kinds.
pub fn fields() -> Vec<Field> {
    fn leaves(schema: &Value, path: String, out: &mut Vec<(String, Value)>) {
        if let Some(fields) = schema["properties"].as_object() {
            fields.iter().for_each(|(name, inner)| leaves(inner, format!("{path}.{name}"), out));
        } else if schema["items"]["properties"].is_object() {
            leaves(&schema["items"], format!("{path}[0]"), out);
        } else {
            out.push((path, schema.clone()));
        }
    }
    let mut all = Vec::new();
    for crd in dialtone::api::crd::all() {
        let kind = crd.spec.names.kind.clone();
        let crd = serde_json::to_value(crd).unwrap();
        let spec = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        let mut found = Vec::new();
        leaves(spec, "spec".to_owned(), &mut found);
        all.extend(found.into_iter().map(|(path, schema)| Field {
            kind: kind.clone(),
            path,
            spec: spec.clone(),
            schema,
        }));
    }
    all
}

/// Which of them `dialtone render` refuses for what they are, and its words. That a phone's site or Secret does not exist is
/// another matter.
pub fn refused_by_render(all: &[Generated]) -> BTreeMap<String, String> {
    // The site that phones name, if it is not among them.
    let mut text = "apiVersion: dialtone.dev/v1alpha1\nkind: PhoneSite\nmetadata: {name: hq}\nspec: {}\n".to_owned();
    for one in all {
        text += &format!("---\n{}\n", one.manifest());
    }
    let out = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_dialtone"))
        .args(["render", "-f", "-", "-o"])
        .arg(out.path())
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let beyond =
        ["SecretNotFound", "SiteNotFound", "DuplicateMac", "DuplicateLine", "SiteInvalid", "SiteFull", "FileTooLarge"];
    let mut refused = BTreeMap::new();
    for line in said.lines().filter_map(|line| line.strip_prefix("error: stdin: ")) {
        if beyond.iter().any(|code| line.ends_with(&format!("[{code}]"))) {
            continue;
        }
        let name = line.split([' ', ':']).nth(1).unwrap_or_default();
        refused.insert(name.trim_start_matches("default/").to_owned(), line.to_owned());
    }
    refused
}
