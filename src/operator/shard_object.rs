//! The body of an object with files. It is large and written for each edit, so the text of files that do not change is not copied.

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::ByteString;
use serde::Serialize;
use serde_json::Value;

use super::kind::Kind;
use super::names::{metadata, shard};
use crate::provision::{Content, Key, Slot};

/// The role of objects with files.
pub(super) const ROLE: &str = "files";

/// An object with files.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ShardObject<'a> {
    api_version: String,
    kind: &'static str,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind_of_secret: Option<&'static str>,
    metadata: Value,
    data: BTreeMap<&'a str, Part<'a>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    binary_data: BTreeMap<&'a str, Part<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Part<'a> {
    Text(&'a str),
    Base64(ByteString),
}

impl fmt::Debug for ShardObject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It may hold passwords.
        f.debug_struct("ShardObject").field("metadata", &self.metadata).finish_non_exhaustive()
    }
}

impl<'a> ShardObject<'a> {
    /// The object of a site with this content.
    pub(super) fn new(site: &Key, uid: &str, slot: Slot, content: &'a Content) -> ShardObject<'a> {
        let kind = if slot.secret() { Kind::Secret } else { Kind::ConfigMap };
        let mut object = ShardObject {
            api_version: kind.resource().api_version,
            kind: kind.as_str(),
            kind_of_secret: slot.secret().then_some("Opaque"),
            metadata: metadata(site, uid, &shard(&site.name, slot), ROLE),
            data: BTreeMap::new(),
            binary_data: BTreeMap::new(),
        };
        for (name, bytes) in &content.0 {
            let base64 = || Part::Base64(ByteString(bytes.to_vec()));
            match std::str::from_utf8(bytes) {
                _ if slot.secret() => object.data.insert(name, base64()),
                // Text where it is text, so that people can read it; anything else as bytes.
                Ok(text) => object.data.insert(name, Part::Text(text)),
                Err(_) => object.binary_data.insert(name, base64()),
            };
        }
        object
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn text_is_readable_bytes_are_base64_and_a_secret_shows_nothing() {
        let site = Key::new("ns", "hq");
        let files = [("a.cnf".to_owned(), "x".into()), ("b.bin".to_owned(), vec![0xff].into())];
        let content = Content(files.into_iter().collect());
        let map = ShardObject::new(&site, "u", Slot::Common { secret: false }, &content);
        let map = serde_json::to_value(&map).unwrap();
        assert_eq!((&map["apiVersion"], &map["kind"], map.get("type")), (&json!("v1"), &json!("ConfigMap"), None));
        assert_eq!(map["metadata"]["name"], "dialtone-hq-common");
        assert_eq!((&map["data"], &map["binaryData"]), (&json!({"a.cnf": "x"}), &json!({"b.bin": "/w=="})));
        let secret = ShardObject::new(&site, "u", Slot::Common { secret: true }, &content);
        assert!(!format!("{secret:?}").contains("a.cnf"));
        let secret = serde_json::to_value(&secret).unwrap();
        assert_eq!(secret["data"], json!({"a.cnf": "eA==", "b.bin": "/w=="}));
        assert_eq!((&secret["type"], secret.get("binaryData")), (&json!("Opaque"), None));
    }
}
