//! The answer to one question about an object.

use std::borrow::Cow;

use crate::api::Reason;

/// The answer to one question about an object: whether it holds, why, and in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it holds.
    pub holds: bool,
    /// Why, or why not.
    pub reason: Reason,
    /// The same in words, and what to do.
    pub message: Cow<'static, str>,
}

impl Verdict {
    /// It holds.
    pub fn yes(reason: Reason, message: impl Into<Cow<'static, str>>) -> Verdict {
        Verdict { holds: true, reason, message: message.into() }
    }

    /// The verdict of a condition that stands only while it holds.
    pub fn only_if(holds: bool, reason: Reason, message: impl Into<Cow<'static, str>>) -> Option<Verdict> {
        holds.then(|| Verdict::yes(reason, message))
    }

    /// It does not hold.
    pub fn no(reason: Reason, message: impl Into<Cow<'static, str>>) -> Verdict {
        Verdict { holds: false, reason, message: message.into() }
    }
}
