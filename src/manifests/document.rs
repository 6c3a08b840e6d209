//! One document of a manifest: an object as its type, or what is wrong with it, as the API server would see it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, bail};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api::{API_VERSION, Checked, GROUP, crd, is_object_name, violations};
use crate::base::text::{QUOTED, printable};
use crate::near::near;
use crate::provision::Key;

/// What a document that is of no kind known here is, in words.
pub(super) fn other(document: &Value) -> String {
    let text = |field: &str| document[field].as_str().map(|text| format!("{field} {}", quoted(text)));
    match (document, text("kind"), text("apiVersion")) {
        (Value::Object(_), None, None) => "a document without kind and apiVersion".to_owned(),
        (Value::Object(_), kind, version) => {
            let parts: Vec<String> = [kind, version].into_iter().flatten().collect();
            format!("a document of {}, which is passed over", parts.join(" and "))
        }
        _ => "a document that is no object".to_owned(),
    }
}

fn quoted(text: &str) -> String {
    format!("{:?}", printable(text, QUOTED))
}

/// What the author of an apiVersion and kind meant that are both nearly dialtone's.
pub(super) fn meant(version: &str, kind: &str) -> Option<String> {
    let group = version.split('/').next().unwrap_or_default();
    let kind = near(kind, ["PhoneSite", "SipPhone"])?;
    near(group, [GROUP]).map(|_| format!("{kind} of {API_VERSION}"))
}

/// The namespace of objects that name none.
const DEFAULT_NAMESPACE: &str = "default";

/// A site's or phone's spec may be read as something that it is not, such as an empty list as an object without fields: what the
/// schema refuses of the document and no longer of what was read is an error here. All else is found when it is rendered.
pub(super) fn check_lost(kind: &str, key: &Key, document: &Value, spec: &impl Checked) -> anyhow::Result<()> {
    let found = violations(kind, document);
    if found.is_empty() {
        return Ok(());
    }
    let kept: BTreeSet<String> = spec.violations().into_iter().map(|one| one.field).collect();
    let lost = found.into_iter().find(|one| !kept.contains(&one.field));
    match lost {
        Some(lost) => bail!("{kind} {key}: {}: {}", lost.field, lost.message),
        None => Ok(()),
    }
}

/// The name of a site becomes part of other objects' names.
pub(super) fn check_site_name(key: &Key) -> anyhow::Result<()> {
    let name = key.name.as_bytes();
    let fine = name.len() <= 40
        && name.first().is_some_and(u8::is_ascii_lowercase)
        && name.last() != Some(&b'-')
        && name.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-');
    if !fine {
        bail!(
            "PhoneSite {key}: metadata.name: the name of a site becomes part of other objects' names: lower-case letters, digits and '-', beginning with a letter, at most 40 characters"
        );
    }
    Ok(())
}

/// Takes out fields that are null: to the API server they are not there.
pub(super) fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// Which object it is.
pub(super) fn key(meta: &ObjectMeta) -> anyhow::Result<Key> {
    let name = meta.name.clone().context("metadata.name is missing")?;
    let namespace = meta.namespace.clone().unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned());
    // Both become the names of folders, so what the API server would refuse is refused here.
    for part in [&name, &namespace] {
        if !is_object_name(part) {
            bail!("metadata: {part:?} is no name: lower-case letters, digits, '-' and '.' only");
        }
    }
    Ok(Key::new(namespace, name))
}

/// Which object a document is, whatever else is wrong with it.
pub(super) fn named(document: &Value) -> Option<Key> {
    let text = |field: &str| document["metadata"][field].as_str().map(str::to_owned);
    key(&ObjectMeta { name: text("name"), namespace: text("namespace"), ..ObjectMeta::default() }).ok()
}

/// A ConfigMap's keys become files in a folder, so what the API server would refuse is refused here.
pub(super) fn check_keys(kind: &str, key: &Key, data: &BTreeMap<String, bytes::Bytes>) -> anyhow::Result<()> {
    let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let bad = |name: &&String| {
        name.is_empty() || name.len() > 253 || *name == "." || name.starts_with("..") || !name.bytes().all(fine)
    };
    match data.keys().find(bad) {
        Some(name) => bail!("{kind} {key}: data: {name:?} is no key: letters, digits, '-', '_' and '.' only"),
        None => Ok(()),
    }
}

/// The most bytes of a site or a phone: with more, the API server's store does not take it.
const MAX_OBJECT_BYTES: usize = 1_500_000;

/// Nothing larger than the API server takes is gone through.
pub(super) fn check_size(document: &Value) -> anyhow::Result<()> {
    if spend(document, &mut { MAX_OBJECT_BYTES }) {
        return Ok(());
    }
    let (kind, name) = (document["kind"].as_str().unwrap_or_default(), document["metadata"]["name"].as_str());
    let name = printable(name.unwrap_or("without a name"), QUOTED);
    bail!("{kind} {name}: has more than {MAX_OBJECT_BYTES} bytes, which the API server does not take either");
}

/// Whether a value takes no more than is left.
fn spend(value: &Value, left: &mut usize) -> bool {
    let own = match value {
        Value::String(text) => text.len() + 3,
        Value::Object(fields) => 2 + fields.keys().map(|name| name.len() + 4).sum::<usize>(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => 2,
    };
    let Some(rest) = left.checked_sub(own) else { return false };
    *left = rest;
    match value {
        Value::Array(items) => items.iter().all(|item| spend(item, left)),
        Value::Object(fields) => fields.values().all(|value| spend(value, left)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

/// The number of unknown fields that an error names.
const NAMED: usize = 8;

/// A document as its type, with the field's path in every error; fields that the type does not have are errors too.
pub(super) fn typed<T: DeserializeOwned>(document: Value) -> anyhow::Result<T> {
    let kind = document["kind"].as_str().unwrap_or("object").to_owned();
    let name = document["metadata"]["name"].as_str().unwrap_or("without a name");
    let who = format!("{kind} {}", printable(name, QUOTED));
    let (mut unknown, mut more) = (Vec::new(), 0_usize);
    let object: T = {
        let mut note = |path: serde_ignored::Path<'_>| {
            let path = path.to_string();
            match path.starts_with("spec") {
                true if unknown.len() < NAMED => unknown.push(path),
                true => more += 1,
                false => {}
            }
        };
        let ignored = serde_ignored::Deserializer::new(document, &mut note);
        serde_path_to_error::deserialize(ignored).map_err(|error| {
            let path = error.path().to_string();
            let place = if path == "." { String::new() } else { format!("{path}: ") };
            let said = error.inner().to_string();
            // 8, 1e5 and no are numbers and a switch in YAML.
            let is_bare = ["integer", "floating point", "boolean"]
                .iter()
                .any(|what| said.strip_prefix("invalid type: ").is_some_and(|said| said.starts_with(what)));
            let is_bare = is_bare && said.contains("expected") && said.contains("string");
            anyhow::anyhow!("{who}: {place}{said}{}", if is_bare { ": put it in quotes" } else { "" })
        })?
    };
    if unknown.is_empty() {
        return Ok(object);
    }
    let slips = unknown.iter().map(|path| path.replace(".?.", ".")).map(|path| {
        let is_place = |part: &str| part.parse::<usize>().is_ok();
        let shown = path.split('.').map(|part| if is_place(part) { format!("[{part}]") } else { format!(".{part}") });
        let shown: String = shown.collect();
        let shown = shown.trim_start_matches('.');
        match nearest_field(&kind, &path) {
            Some(meant) => format!("there is no field {shown}: did you mean {meant}?"),
            None => format!("there is no field {shown}: correct its name or remove it"),
        }
    });
    let more = if more == 0 { String::new() } else { format!("; and so are {more} more") };
    bail!("{who}: {}{more}", slips.collect::<Vec<_>>().join("; "));
}

/// The field of the kind's schema at the same place whose name is nearest.
fn nearest_field(kind: &str, path: &str) -> Option<String> {
    let crd = crd::all().into_iter().find(|crd| crd.spec.names.kind == kind)?;
    let crd = serde_json::to_value(crd).ok()?;
    let mut parts: Vec<&str> = path.split('.').collect();
    let slip = parts.pop()?;
    let mut schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    for part in parts {
        // A number is an index into a list.
        schema = if part.parse::<usize>().is_ok() { &schema["items"] } else { &schema["properties"][part] };
    }
    near(slip, schema["properties"].as_object()?.keys().map(String::as_str)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::api::SipPhone;

    #[test]
    fn of_a_hundred_thousand_unknown_fields_only_some_are_named() {
        let fields = (0..100_000).map(|n| (format!("unheardOf{n}"), Value::from(n)));
        let mut document = serde_json::json!({
            "apiVersion": "dialtone.dev/v1alpha1", "kind": "SipPhone", "metadata": {"name": "a"},
            "spec": {"siteRef": {"name": "hq"}, "mac": "000A8A123456", "model": "7940"},
        });
        document["spec"].as_object_mut().unwrap().extend(fields);
        let began = Instant::now();
        let said = typed::<SipPhone>(document).unwrap_err().to_string();
        assert!(said.ends_with("; and so are 99992 more") && said.matches("there is no field").count() == 8, "{said}");
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    }
}
