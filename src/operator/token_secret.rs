//! What the Secret of a site holds: the token for its pods' reports, and the key for hashes.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::trimmed::TrimmedSecret;

/// The only type that it has.
const OPAQUE: &str = "Opaque";
/// The names of its two values.
const NAMES: [&str; 2] = ["token", "hashKey"];

/// A token Secret as it was observed last.
#[derive(Clone)]
pub(super) struct TokenSecret {
    /// Its metadata.
    pub(super) meta: ObjectMeta,
    /// The token, if it is whole.
    pub(super) token: Option<String>,
    /// The key for hashes, if it is whole.
    pub(super) hash_key: Option<String>,
    /// Whether there is anything else in it.
    pub(super) more: bool,
    /// Whether it has to be made anew before it can hold anything else: it is immutable, or of another type.
    pub(super) fixed: bool,
}

/// Whether a value is 32 bytes in hexadecimal digits.
fn is_whole(value: &str) -> bool {
    value.len() == 64 && value.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
}

impl From<TrimmedSecret> for TokenSecret {
    fn from(secret: TrimmedSecret) -> TokenSecret {
        let data = secret.data.unwrap_or_default();
        let text = |name: &str| data.get(name).and_then(|value| String::from_utf8(value.0.clone()).ok());
        let [token, hash_key] = NAMES.map(|name| text(name).filter(|value| is_whole(value)));
        let more = data.keys().any(|name| !NAMES.contains(&name.as_str()));
        let fixed = secret.immutable == Some(true) || secret.kind.is_some_and(|kind| kind != OPAQUE);
        TokenSecret { meta: secret.metadata, token, hash_key, more, fixed }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn only_whole_values_are_taken() {
        let secret = |data: Value, more: Value| {
            let mut object = json!({"metadata": {"name": "a"}, "type": "Opaque", "data": data});
            object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            TokenSecret::from(serde_json::from_value::<TrimmedSecret>(object).unwrap())
        };
        let value = |text: &str| json!(ByteString(text.as_bytes().to_vec()));
        let whole = "0123456789abcdef".repeat(4);
        let fine = secret(json!({"token": value(&whole), "hashKey": value(&whole)}), json!({}));
        assert_eq!(
            (fine.token.as_ref(), fine.hash_key.as_ref(), fine.more, fine.fixed),
            (Some(&whole), Some(&whole), false, false)
        );
        for damaged in [
            json!(null),
            json!({}),
            json!({"token": value("")}),
            json!({"token": value(&whole[1..])}),
            json!({"token": value(&whole.to_uppercase())}),
        ] {
            assert_eq!(secret(damaged, json!({})).token, None);
        }
        assert!(secret(json!({"Token": value(&whole)}), json!({})).more);
        assert!(
            secret(json!({}), json!({"immutable": true})).fixed
                && secret(json!({}), json!({"type": "example.com/x"})).fixed
        );
    }
}
