//! The value of one key of a Secret, as a file can hold it. What is said of one that cannot be used does not tell what it is.

use crate::api::{EXTRA_VALUE_MAX, Reason, SecretKey};
use crate::phone::text::{self, Unwritable};
use crate::provision::consent::Withheld;
use crate::provision::diagnostic::Diagnostic;

/// Why a Secret's value is not to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretError {
    /// It is not known yet whether there is one.
    Unread,
    /// There is no such Secret.
    NoSecret,
    /// The Secret has no such key.
    NoKey,
    /// The value has more bytes than any file takes, and is not copied.
    TooLong,
    /// Nothing of the Secret may be served.
    Withheld(Withheld),
}

/// How a Secret's value is found: the pure core asks, the shell knows.
pub type Secrets<'a> = dyn Fn(&SecretKey) -> Result<Vec<u8>, SecretError> + 'a;

/// The value; nothing while the Secret has not been read. `path` is the field that names it.
pub fn read(path: &str, key: &SecretKey, secrets: &Secrets<'_>) -> Result<Option<String>, Diagnostic> {
    let SecretKey { name, key: entry } = key;
    let error = |reason, what: String| Err(Diagnostic::error(reason, path, what));
    let bytes = match secrets(key) {
        Ok(bytes) => bytes,
        Err(SecretError::Unread) => return Ok(None),
        Err(SecretError::NoSecret) => {
            let what = format!("Secret {name} does not exist: create it, or correct the name");
            return error(Reason::SecretNotFound, what);
        }
        Err(SecretError::Withheld(why)) => return error(Reason::SecretNotAllowed, why.describe("Secret", name)),
        Err(SecretError::TooLong) => {
            let what = format!("the value in key {entry:?} of Secret {name} is longer than any that phones take");
            return error(Reason::Invalid, what);
        }
        Err(SecretError::NoKey) => {
            let what = format!("Secret {name} has no key {entry:?}: add it, or correct the key");
            return error(Reason::SecretKeyNotFound, what);
        }
    };
    // Files of passwords often end in a line break that is not meant.
    let Some(value) = String::from_utf8(bytes).ok().map(|v| v.trim_end_matches(['\r', '\n']).to_owned()) else {
        return error(Reason::Invalid, format!("key {entry:?} of Secret {name} is not text"));
    };
    if value.is_empty() {
        return error(Reason::Invalid, format!("key {entry:?} of Secret {name} is empty"));
    }
    let problem = match text::check_verbatim(&value, EXTRA_VALUE_MAX) {
        Ok(()) => return Ok(Some(value)),
        // Not which character it has.
        Err(Unwritable::Control(_)) => "has a control character or line break: remove it".to_owned(),
        Err(Unwritable::Charset(_)) => {
            "has a character that the phone's character set (ISO 8859-1) lacks: replace it".to_owned()
        }
        Err(problem @ (Unwritable::Quote | Unwritable::TooLong { .. })) => problem.to_string(),
    };
    error(Reason::Invalid, format!("the value in key {entry:?} of Secret {name} {problem}"))
}
