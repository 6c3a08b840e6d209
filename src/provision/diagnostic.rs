//! What is wrong or doubtful with an object, said so that its author can act on it.

use std::fmt;

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
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// The reasons of findings.
pub mod reason {
    /// A value that the phone cannot take.
    pub const INVALID: &str = "Invalid";
    /// The same parameter in `settings` and in `extraParameters`.
    pub const SET_TWICE: &str = "SetTwice";
    /// A parameter in `extraParameters` that `settings` knows.
    pub const UNTYPED: &str = "Untyped";
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
    /// An image's name that phones would not find.
    pub const IMAGE_NAME: &str = "ImageName";
    /// A line without a SIP server.
    pub const NO_PROXY: &str = "NoProxy";
    /// A phone without a line.
    pub const NO_LINES: &str = "NoLines";
    /// More files than a site can hold.
    pub const SITE_FULL: &str = "SiteFull";
}
