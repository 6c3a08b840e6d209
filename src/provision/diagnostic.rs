//! What is wrong or doubtful with an object, said so that its author can act on it.

use std::fmt;

use crate::api::{Reason, Violation};
use crate::base::text::printable;
use crate::base::url::without_login;
use crate::provision::advice::Advice;

/// The longest field, in bytes.
const MAX_FIELD: usize = 400;
/// The longest message.
const MAX_MESSAGE: usize = 2000;

/// One finding: an error, which keeps the object from being used (what was served last stays served), or advice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The field that it is about, `spec.lines[0].name`.
    pub field: String,
    /// What is wrong and what to do.
    pub message: String,
    finding: Finding,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finding {
    Error(Reason),
    /// The code of the advice.
    Advice(&'static str),
}

impl Diagnostic {
    /// An error.
    pub fn error(reason: Reason, field: impl Into<String>, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(field.into(), message.into(), Finding::Error(reason))
    }

    /// Advice: what there is, why it matters, what to do.
    pub fn advice(advice: Advice, field: impl Into<String>, what: impl fmt::Display) -> Diagnostic {
        let Advice { code, why, do_this } = advice;
        let message = format!("{what}: {why}; {do_this}");
        Diagnostic::new(field.into(), message, Finding::Advice(code))
    }

    /// What people write may be in both, at any length.
    fn new(field: String, message: String, finding: Finding) -> Diagnostic {
        let bounded = |text: String, most: usize| if text.len() <= most { text } else { printable(&text, most) };
        let message = if message.contains(':') { without_login(&message) } else { message };
        Diagnostic { field: bounded(field, MAX_FIELD), message: bounded(message, MAX_MESSAGE), finding }
    }

    /// A value that the phone cannot take.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(Reason::Invalid, field, message)
    }

    /// A value that the schema refuses.
    pub fn refused(violation: &Violation) -> Diagnostic {
        Diagnostic::invalid(&violation.field, &violation.message)
    }

    /// Whether it keeps the object from being used.
    pub fn is_error(&self) -> bool {
        self.error_reason().is_some()
    }

    /// The reason of an error.
    pub fn error_reason(&self) -> Option<Reason> {
        match self.finding {
            Finding::Error(reason) => Some(reason),
            Finding::Advice(_) => None,
        }
    }

    /// A stable word for the kind of finding: the reason of an error, the code of an advice.
    pub fn code(&self) -> &'static str {
        match self.finding {
            Finding::Error(reason) => reason.as_str(),
            Finding::Advice(code) => code,
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} [{}]", self.field, self.message, self.code())
    }
}

/// The reasons that a diagnostic's error can have, with what they mean.
pub const ERRORS: &[(Reason, &str)] = &[
    (Reason::Invalid, "a value that the phone cannot take, or that its files cannot hold"),
    (Reason::SetTwice, "one parameter set in two places of one object"),
    (Reason::SecretNotFound, "a Secret that does not exist"),
    (Reason::SecretKeyNotFound, "a Secret without the key"),
    (
        Reason::SecretNotAllowed,
        "a Secret that is not for phones: by its type, because it is dialtone's own, or without its owner's consent",
    ),
    (
        Reason::SourceNotAllowed,
        "a ConfigMap that is dialtone's own, without its owner's consent, or of more than 512 files",
    ),
    (Reason::SiteNotFound, "a PhoneSite that does not exist"),
    (Reason::SiteInvalid, "a PhoneSite that has never been right"),
    (Reason::DuplicateMac, "another, older SipPhone has the same MAC address"),
    (Reason::DuplicateLine, "another, older SipPhone has a line of the same name on the same proxy"),
    (Reason::SiteFull, "more files than a site can hold"),
    (Reason::FileTooLarge, "a file that is larger than the firmware can load"),
];
