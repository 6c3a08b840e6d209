//! What `render` accepts the schema accepts, and the reverse. tests/api.rs asks the real API server about the same manifests.

use crate::generated::{Generated, all, refused_by_render};
use serde_json::{Value, json};

#[test]
fn what_the_schema_says_is_what_render_does() {
    let all = all();
    assert!(all.len() >= 1608, "{}", all.len());
    let refused = refused_by_render(&all);
    let wrong: Vec<String> = all
        .iter()
        .filter_map(|one| {
            let said = refused.get(&one.name);
            let violations = dialtone::api::violations(&one.kind, &without_nulls(&one.spec));
            let should = match one.fine {
                Some(false) => false,
                // What the schema refuses nobody may accept.
                _ if !violations.is_empty() => false,
                _ => return None,
            };
            (said.is_none() != should).then(|| format!("{} {}: {:?} {violations:?}", one.field, one.spec, said))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), all.len(), wrong[..wrong.len().min(30)].join("\n"));
    // And what is refused is refused by the schema, or by one of these rules that stand beside it.
    let beside: Vec<String> = all
        .iter()
        .filter(|one| one.fine.is_none() && dialtone::api::violations(&one.kind, &without_nulls(&one.spec)).is_empty())
        .filter_map(|one| Some(format!("{}: {}", one.field, refused.get(&one.name)?)))
        .filter(|line| !RULES.iter().any(|rule| line.contains(rule)))
        .collect();
    assert!(beside.is_empty(), "{}:\n{}", beside.len(), beside[..beside.len().min(30)].join("\n"));
}

/// What rules in CEL say, in the words of `render`.
const RULES: &[&str] = &[
    "is a group address",
    "is all zeros",
    "a 7940 has 2 line appearances",
    "a 7940 has 2 line keys",
    "is the name of another line of this phone",
    "must not contain blanks",
    "tz database",
    "which phones obey only in their own file",
    "the phone's character set",
    "no file name",
    "holds a user or a password",
    "must have an ipBlock, or a namespaceSelector and a podSelector",
    "name a part of it",
    "names no IPv4, and phones know nothing else",
];

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(_, value)| !value.is_null());
            kept.map(|(name, value)| (name.clone(), without_nulls(value))).collect::<serde_json::Map<_, _>>().into()
        }
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

#[test]
fn a_name_that_cannot_be_requested_is_said_at_once_on_its_field() {
    let phone =
        |lines: Value| json!({"siteRef": {"name": "hq"}, "mac": "000A8A123456", "model": "7960", "lines": lines});
    let one = |kind: &str, name: &str, spec: Value| Generated {
        kind: kind.to_owned(),
        name: name.to_owned(),
        field: String::new(),
        spec,
        fine: None,
    };
    let secret = |name: &str| phone(json!([{"name": "1", "passwordSecretRef": {"name": name, "key": "k"}}]));
    let all = [
        one("SipPhone", "phone-1", secret("../../kube-system/secrets/x")),
        one("SipPhone", "phone-2", secret("pw?x=")),
        one("PhoneSite", "site-1", json!({"tftp": {"replicas": -1}})),
        one("PhoneSite", "site-2", json!({"firmware": []})),
        one("PhoneSite", "site-3", json!({"resync": {"maxConcurrent": 0}})),
        one(
            "PhoneSite",
            "site-4",
            json!({"firmware": {"source": {"urls": [{"url": "https://a/b", "sha256": "abc"}]}}}),
        ),
    ];
    let refused = refused_by_render(&all);
    for (name, says) in [
        ("phone-1", "spec.lines[0].passwordSecretRef.name: \"../../kube-system/secrets/x\" is no name of an object"),
        ("phone-2", "spec.lines[0].passwordSecretRef.name: \"pw?x=\" is no name of an object"),
        ("site-1", "spec.tftp.replicas: is -1; it must be at least 0"),
        ("site-2", "spec.firmware: is a list; it must be of type object"),
        ("site-3", "spec.resync.maxConcurrent: is 0; it must be at least 1"),
        ("site-4", "spec.firmware.source.urls[0].sha256: has 3 characters"),
    ] {
        assert!(refused.get(name).is_some_and(|said| said.contains(says)), "{name}: {:?}", refused.get(name));
    }
    assert_eq!(refused.len(), 6);
}
