//! What is wrong or doubtful with an object, said so that its author can act on it.

use std::fmt;

use super::advice::Advice;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The object cannot be used as it is: what was served last stays served.
    Error,
    /// It can be used, and something is likely not what was meant.
    Warning,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A stable word for the kind of finding, as in a condition's reason.
    pub reason: &'static str,
    /// The field that it is about, `spec.lines[0].name`.
    pub field: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl Diagnostic {
    /// An error.
    pub fn error(reason: &'static str, field: impl Into<String>, message: impl Into<String>) -> Diagnostic {
        Diagnostic { severity: Severity::Error, reason, field: field.into(), message: message.into() }
    }

    /// A warning.
    pub fn warning(reason: &'static str, field: impl Into<String>, message: impl Into<String>) -> Diagnostic {
        Diagnostic { severity: Severity::Warning, reason, field: field.into(), message: message.into() }
    }

    /// Advice: what there is, why it matters, what to do.
    pub fn advice(advice: Advice, field: impl Into<String>, what: impl fmt::Display) -> Diagnostic {
        let Advice { code, why, do_this } = advice;
        Diagnostic::warning(code, field, format!("{what}: {why}; {do_this}"))
    }

    /// A value that the phone cannot take.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(reason::INVALID, field, message)
    }

    /// Whether it keeps the object from being used.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} [{}]", self.field, self.message, self.reason)
    }
}

/// The reasons of errors; those of warnings are the codes in [`super::advice`].
pub mod reason {
    /// A value that the phone cannot take.
    pub const INVALID: &str = "Invalid";
    /// The same parameter in two places.
    pub const SET_TWICE: &str = "SetTwice";
    /// There is no such Secret.
    pub const SECRET_NOT_FOUND: &str = "SecretNotFound";
    /// The Secret has no such key.
    pub const SECRET_KEY_NOT_FOUND: &str = "SecretKeyNotFound";
    /// There is no such PhoneSite.
    pub const SITE_NOT_FOUND: &str = "SiteNotFound";
    /// The PhoneSite has never been right.
    pub const SITE_INVALID: &str = "SiteInvalid";
    /// Another SipPhone has the same MAC address.
    pub const DUPLICATE_MAC: &str = "DuplicateMac";
    /// Another SipPhone has a line of the same name on the same proxy.
    pub const DUPLICATE_LINE: &str = "DuplicateLine";
    /// More files than a site can hold, or a file that is larger than phones can load.
    pub const SITE_FULL: &str = "SiteFull";
    /// A file that is larger than the firmware can load.
    pub const FILE_TOO_LARGE: &str = "FileTooLarge";

    /// All of them, with what they mean.
    pub const ALL: &[(&str, &str)] = &[
        (INVALID, "a value that the phone cannot take, or that its files cannot hold"),
        (SET_TWICE, "one parameter set in two places of one object"),
        (SECRET_NOT_FOUND, "a Secret that does not exist"),
        (SECRET_KEY_NOT_FOUND, "a Secret without the key"),
        (SITE_NOT_FOUND, "a PhoneSite that does not exist"),
        (SITE_INVALID, "a PhoneSite that has never been right"),
        (DUPLICATE_MAC, "another, older SipPhone has the same MAC address"),
        (DUPLICATE_LINE, "another, older SipPhone has a line of the same name on the same proxy"),
        (SITE_FULL, "more files than a site can hold"),
        (FILE_TOO_LARGE, "a file that is larger than the firmware can load"),
    ];
}
