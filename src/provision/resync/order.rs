//! An order to notify a phone, and what came of it.

use std::fmt;
use std::net::IpAddr;

use crate::api::Reason;
use crate::provision::Key;

/// A phone to be notified, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResyncOrder {
    /// The phone.
    pub phone: Key,
    /// Where it was seen last.
    pub address: IpAddr,
    /// How it is notified.
    pub transport: Transport,
    /// How many attempts there were for the same change, with this one.
    pub attempt: u32,
}

/// How a phone is notified, with all that it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// SIP NOTIFY.
    Notify {
        /// The phone's SIP port.
        port: u16,
        /// The names of its lines.
        lines: Vec<String>,
    },
    /// Telnet.
    Telnet {
        /// The phone's password.
        password: Password,
        /// Its prompt.
        prompt: String,
    },
}

/// A password, which never shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// What is known of a phone that was notified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It answered, or did what it does then.
    Heard,
    /// It was sent what it takes, and nothing was heard; in words. Its answer may be lost where its request was not.
    Silence(String),
}

/// Why a phone could not be notified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResyncError {
    /// The reason, for conditions.
    pub reason: Reason,
    /// What happened, and what to do.
    pub message: String,
}

impl ResyncError {
    /// An error.
    pub fn new(reason: Reason, message: impl Into<String>) -> ResyncError {
        ResyncError { reason, message: message.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_does_not_show() {
        let transport = Transport::Telnet { password: Password("correct-horse".into()), prompt: String::new() };
        assert!(!format!("{transport:?}").contains("horse"));
    }
}
