//! What the API server checks by the schema of a kind, for who has no API server: by the same schema, made from the same types.
//! Of the rules in CEL, those about names and beginnings are run here; each of the others has a check of its own where an object is
//! rendered, or where its manifest is read.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::LazyLock;

use regex::Regex;
use serde::Serialize;
use serde_json::Value;

use super::reference::{DATA_KEY_PATTERN, OBJECT_NAME_PATTERN};
use super::{PhoneSiteSpec, SipPhoneSpec, crd};

/// A value that the schema refuses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// The field, `spec.lines[0].name`.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

/// What has a schema.
pub trait Checked {
    /// What the schema refuses of it.
    fn violations(&self) -> Vec<Violation>;
}

impl Checked for PhoneSiteSpec {
    fn violations(&self) -> Vec<Violation> {
        typed("PhoneSite", self)
    }
}

impl Checked for SipPhoneSpec {
    fn violations(&self) -> Vec<Violation> {
        typed("SipPhone", self)
    }
}

fn typed(kind: &str, spec: &impl Serialize) -> Vec<Violation> {
    // It was read from JSON, so it can be written as JSON.
    violations(kind, &serde_json::to_value(spec).unwrap_or_default())
}

/// What the schema of a kind refuses of a spec. Fields that it does not know are passed over.
pub fn violations(kind: &str, spec: &Value) -> Vec<Violation> {
    let mut found = Vec::new();
    if let Some(schema) = SCHEMAS.of_spec.get(kind) {
        check(schema, spec, "spec", &mut found);
    }
    found
}

/// The schemas, and the patterns in them.
#[derive(Default)]
struct Schemas {
    of_spec: BTreeMap<String, Value>,
    patterns: HashMap<String, Regex>,
}

static SCHEMAS: LazyLock<Schemas> = LazyLock::new(|| {
    let mut schemas = Schemas::default();
    for crd in crd::all() {
        let kind = crd.spec.names.kind.clone();
        let mut crd = serde_json::to_value(crd).unwrap_or_default();
        let spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"].take();
        compile(&spec, &mut schemas.patterns);
        schemas.of_spec.insert(kind, spec);
    }
    schemas
});

fn compile(schema: &Value, patterns: &mut HashMap<String, Regex>) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::String(pattern)) = fields.get("pattern") {
                // One that does not compile checks nothing; a test holds that there is none.
                patterns.extend(Regex::new(pattern).ok().map(|regex| (pattern.clone(), regex)));
            }
            if let Some(Rule::Names(_, pattern)) = fields.get("rule").and_then(Value::as_str).and_then(Rule::read) {
                patterns.extend(Regex::new(pattern).ok().map(|regex| (pattern.to_owned(), regex)));
            }
            fields.values().for_each(|inner| compile(inner, patterns));
        }
        Value::Array(items) => items.iter().for_each(|inner| compile(inner, patterns)),
        _ => {}
    }
}

/// A rule in CEL that is run here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule<'a> {
    /// The names of all entries: how long they may be, and their pattern.
    Names(usize, &'a str),
    /// What a text must not begin with.
    NotPrefix(&'a str),
}

impl Rule<'_> {
    fn read(rule: &str) -> Option<Rule<'_>> {
        if let Some(rest) = rule.strip_prefix("!self.startsWith('") {
            return rest.strip_suffix("')").filter(|prefix| !prefix.contains('\'')).map(Rule::NotPrefix);
        }
        let rest = rule.strip_prefix("self.all(name, name.size() <= ")?;
        let (most, pattern) = rest.split_once(" && name.matches('")?;
        Some(Rule::Names(most.parse().ok()?, pattern.strip_suffix("'))")?))
    }

    fn holds(self, value: &Value) -> bool {
        match (self, value) {
            (Rule::NotPrefix(prefix), Value::String(text)) => !text.starts_with(prefix),
            (Rule::Names(most, pattern), Value::Object(fields)) => {
                let regex = SCHEMAS.patterns.get(pattern);
                let fine =
                    |name: &String| name.chars().count() <= most && regex.is_none_or(|regex| regex.is_match(name));
                fields.keys().all(fine)
            }
            (Rule::NotPrefix(_) | Rule::Names(..), _) => true,
        }
    }
}

/// What some patterns mean.
const IN_WORDS: [(&str, &str); 3] = [
    (OBJECT_NAME_PATTERN, "is no name of an object: lower-case letters, digits, '-' and '.' only"),
    (DATA_KEY_PATTERN, "is no key of a Secret: letters, digits, '-', '_' and '.' only"),
    ("^[0-9a-fA-F]{64}$", "is no SHA-256, which has 64 hexadecimal digits"),
];

fn check(schema: &Value, value: &Value, path: &str, found: &mut Vec<Violation>) {
    let mut refuse = |message: String| found.push(Violation { field: path.to_owned(), message });
    let limit = |name: &str| schema[name].as_u64().and_then(|limit| usize::try_from(limit).ok());
    if !has_type(schema, value) {
        let wanted = schema["type"].as_str().unwrap_or("integer or string");
        return refuse(format!("is {}; it must be of type {wanted}", short(value)));
    }
    if let Some(words) = schema["enum"].as_array().filter(|words| !words.contains(value)) {
        let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
        refuse(format!("is {}, none of {}", short(value), words.join(", ")));
    }
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        let known = rule["rule"].as_str().and_then(Rule::read);
        if known.is_some_and(|known| !known.holds(value)) {
            refuse(rule["message"].as_str().unwrap_or("is refused").to_owned());
        }
    }
    match value {
        Value::String(text) => {
            let have = text.chars().count();
            if limit("maxLength").is_some_and(|most| have > most) {
                refuse(format!("has {have} characters; at most {} are allowed", schema["maxLength"]));
            }
            let is_short = limit("minLength").is_some_and(|least| have < least);
            if is_short {
                let what = if have == 0 { "is empty".to_owned() } else { format!("has {have} characters") };
                refuse(format!("{what}; at least {} are needed", schema["minLength"]));
            }
            let more = schema["allOf"].as_array().into_iter().flatten().filter_map(|one| one["pattern"].as_str());
            let patterns = schema["pattern"].as_str().into_iter().chain(more);
            // Of what is too short nothing more is said: that it does not match follows.
            if let Some(pattern) = patterns
                .filter(|_| !is_short)
                .find(|pattern| SCHEMAS.patterns.get(*pattern).is_some_and(|regex| !regex.is_match(text)))
            {
                let known = IN_WORDS.iter().find(|(known, _)| *known == pattern);
                let why = known.map_or_else(|| format!("does not match {pattern}"), |(_, words)| (*words).to_owned());
                refuse(format!("{} {why}", short(value)));
            }
        }
        Value::Number(number) => {
            let number = number.as_f64().unwrap_or_default();
            if let Some(least) = schema["minimum"].as_f64().filter(|least| number < *least) {
                refuse(format!("is {value}; it must be at least {least}"));
            }
            if let Some(most) = schema["maximum"].as_f64().filter(|most| number > *most) {
                refuse(format!("is {value}; it must be at most {most}"));
            }
        }
        Value::Array(items) => {
            if limit("maxItems").is_some_and(|most| items.len() > most) {
                // Nothing more is said of items whose number nobody bounds.
                return refuse(format!("has {} items; at most {} are allowed", items.len(), schema["maxItems"]));
            }
            if limit("minItems").is_some_and(|least| items.len() < least) {
                refuse(format!("has {} items; at least {} are needed", items.len(), schema["minItems"]));
            }
            check_items(schema, items, path, found);
        }
        Value::Object(fields) => {
            if limit("maxProperties").is_some_and(|most| fields.len() > most) {
                return refuse(format!(
                    "has {} entries; at most {} are allowed",
                    fields.len(),
                    schema["maxProperties"]
                ));
            }
            for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                if !fields.contains_key(name) {
                    found.push(Violation { field: format!("{path}.{name}"), message: "is missing".to_owned() });
                }
            }
            for (name, inner) in fields {
                let known = schema["properties"].get(name).or_else(|| schema.get("additionalProperties"));
                if let Some(known) = known.filter(|known| known.is_object()) {
                    check(known, inner, &format!("{path}.{name}"), found);
                }
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

fn check_items(schema: &Value, items: &[Value], path: &str, found: &mut Vec<Violation>) {
    let keys: Vec<&str> =
        schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let are_told_apart = !keys.is_empty() || schema["x-kubernetes-list-type"] == "set";
    // By their JSON, so that a long list costs no comparison of each with each.
    let identity = |item: &Value| match keys.is_empty() {
        true => item.to_string(),
        false => {
            keys.iter().map(|key| item.get(key).map(Value::to_string).unwrap_or_default()).collect::<Vec<_>>().join(",")
        }
    };
    let mut before = HashSet::new();
    for (i, item) in items.iter().enumerate() {
        let path = format!("{path}[{i}]");
        if are_told_apart && !before.insert(identity(item)) {
            found.push(Violation { field: path.clone(), message: "stands there twice: remove one".to_owned() });
        }
        check(&schema["items"], item, &path, found);
    }
}

fn has_type(schema: &Value, value: &Value) -> bool {
    let whole = |value: &Value| value.is_i64() || value.is_u64();
    if schema["x-kubernetes-int-or-string"] == true {
        return whole(value) || value.is_string();
    }
    match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => whole(value),
        Some("number") => value.is_number(),
        _ => true,
    }
}

/// A value as a message shows it.
fn short(value: &Value) -> String {
    match value {
        Value::Object(_) => "an object".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Null => "null".to_owned(),
        Value::String(text) if text.chars().count() > 60 => {
            format!("{:?}…", text.chars().take(60).collect::<String>())
        }
        Value::String(text) => format!("{text:?}"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of_site(spec: &Value) -> Vec<String> {
        violations("PhoneSite", spec).into_iter().map(|one| format!("{}: {}", one.field, one.message)).collect()
    }

    /// All texts that a schema has in fields of this name.
    fn texts(name: &str, schema: &Value, all: &mut Vec<String>) {
        match schema {
            Value::Object(fields) => {
                all.extend(fields.get(name).and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|inner| texts(name, inner, all));
            }
            Value::Array(items) => items.iter().for_each(|inner| texts(name, inner, all)),
            _ => {}
        }
    }

    #[test]
    fn every_pattern_of_the_definitions_compiles() {
        let mut all = Vec::new();
        SCHEMAS.of_spec.values().for_each(|schema| texts("pattern", schema, &mut all));
        assert!(all.len() > 50, "{}", all.len());
        for pattern in all {
            assert!(SCHEMAS.patterns.contains_key(&pattern), "{pattern}");
            // What another engine may read otherwise is not used.
            assert!(!["\\d", "\\w", "\\s", "(?"].iter().any(|part| pattern.contains(part)), "{pattern}");
        }
    }

    /// The rules that are not run here, and where they are checked.
    const ELSEWHERE: &[(&str, &str)] = &[
        ("self.metadata.name.matches('^[a-z]([a-z0-9-]*[a-z0-9])?$')", "manifests/document.rs"),
        ("self.startMediaPort < self.endMediaPort", "provision/render/values.rs"),
        ("!(self.", "provision/render/doubt.rs, of a site's settings"),
        ("has(self.file) || self.url.matches(", "provision/render/site.rs"),
        ("!self.url.matches('^https?://[^/]*@')", "provision/render/site.rs"),
        ("self.exists(one, one == 'IPv4')", "provision/render/reachable.rs"),
        ("has(self.ipBlock) != (has(self.namespaceSelector)", "provision/render/reachable.rs"),
        ("self.startsWith('/') && !self.contains('..')", "its pattern says the same"),
        ("!self.startsWith('/') && !self.contains('..')", "its pattern says the same"),
        ("size(self.spec.lines) <= 2", "provision/render/lines.rs"),
        ("self.spec.lines.all(a, !has(a.key) || a.key <= 2)", "provision/render/lines.rs"),
        ("self.exists_one(b, has(b.key) && b.key == a.key)", "provision/render/lines.rs"),
        ("!self.matches('^.[13579bBdDfF]')", "provision/render/phone.rs"),
        ("!self.matches('^[0:.-]+$')", "provision/render/phone.rs"),
        ("self.all(a, self.exists_one(b, a.name == b.name", "provision/render/lines.rs"),
        ("!self.contains(' ')", "provision/render/lines.rs"),
        ("self.matches('^[ !#-~¡-ÿ]*$')", "provision/render/lines.rs"),
    ];

    #[test]
    fn no_rule_is_forgotten() {
        let mut all = Vec::new();
        crd::all().iter().for_each(|crd| texts("rule", &serde_json::to_value(crd).unwrap(), &mut all));
        assert!(all.len() > 12, "{}", all.len());
        for rule in all {
            let known = Rule::read(&rule).is_some() || ELSEWHERE.iter().any(|(part, _)| rule.contains(part));
            assert!(
                known,
                "{rule}: check it in api/check.rs, or where an object is rendered, and name that place here"
            );
        }
    }

    #[test]
    fn what_the_api_server_refuses_is_refused() {
        for (spec, expected) in [
            (json!({"tftp": {"replicas": -1}}), "spec.tftp.replicas: is -1; it must be at least 0"),
            (json!({"firmware": []}), "spec.firmware: is a list; it must be of type object"),
            (json!({"resync": {"maxConcurrent": 0}}), "spec.resync.maxConcurrent: is 0; it must be at least 1"),
            (
                json!({"firmware": {"source": {"urls": [{"url": "https://a/b", "sha256": "abc"}]}}}),
                "spec.firmware.source.urls[0].sha256: has 3 characters; at least 64 are needed",
            ),
            (
                json!({"files": {"configMaps": [{"name": "a/../b"}]}}),
                "spec.files.configMaps[0].name: \"a/../b\" is no name of an object: lower-case letters, digits, '-' and '.' only",
            ),
            (
                json!({"files": {"configMaps": [{"name": "a"}, {"name": "a"}]}}),
                "spec.files.configMaps[1]: stands there twice: remove one",
            ),
            (
                json!({"tftp": {"resources": {"limits": {"memory": "lots"}}}}),
                "spec.tftp.resources.limits.memory: \"lots\" does not match ^[0-9]+([.][0-9]*)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$",
            ),
            (
                json!({"tftp": {"podTemplate": {"spec": {"securityContext": {"runAsUser": 0}}}}}),
                "spec.tftp.podTemplate.spec.securityContext.runAsUser: is 0; it must be at least 1",
            ),
            (
                json!({"tftp": {"podTemplate": {"spec": {"priorityClassName": "system-node-critical"}}}}),
                "spec.tftp.podTemplate.spec.priorityClassName: priorityClassName: the classes of the system are for the system",
            ),
            (
                json!({"tftp": {"podTemplate": {"metadata": {"labels": {"a b": "c"}}}}}),
                "spec.tftp.podTemplate.metadata.labels: a name has letters, digits, '-', '_' and '.', at most 63, and may have a prefix as in example.com/name",
            ),
            (json!({"unsetParameters": "Forget"}), "spec.unsetParameters: is \"Forget\", none of Reset, Keep"),
            (json!({"ringList": [{"name": "a"}]}), "spec.ringList[0].file: is missing"),
        ] {
            assert_eq!(of_site(&spec).first().map(String::as_str), Some(expected), "{spec}");
        }
        assert_eq!(of_site(&json!({"tftp": {"resources": {"limits": {"memory": "64Mi", "cpu": 1}}}})), [""; 0]);
        assert_eq!(PhoneSiteSpec::default().violations(), []);
    }
}
