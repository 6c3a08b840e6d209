//! `<dial_template>.xml`: how dialled digits become calls.

mod matcher;
mod pattern;
mod read;

pub use matcher::{Budget, Call, DEFAULT_TIMEOUT, Matcher, When};
pub use read::{Reading, Rule, read};

use super::text;

/// The largest dial plan that a phone reads, in bytes.
pub const MAX_SIZE: usize = 8192;
/// The longest value of an attribute, in characters.
const MAX_ATTRIBUTE: usize = 63;

/// One rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Template<'a> {
    /// The digits: `.` is any one, `*` one or more, `,` gives a secondary dial tone, `\*` is a star. Empty: `rewrite` is called when
    /// the handset is lifted, after `timeout` unless a key is pressed. Source: the published source of the later SIP stack.
    pub pattern: &'a str,
    /// Seconds to wait before the call is made; 0 calls at once.
    pub timeout: Option<i64>,
    /// The value of `;user=` in the request.
    pub user: Option<&'a str>,
    /// The number that is sent instead of the dialled one.
    pub rewrite: Option<&'a str>,
    /// `Default`, `Emergency`, or the host to send the call to.
    pub route: Option<&'a str>,
    /// The secondary dial tones, one for each comma.
    pub tones: &'a [String],
}

/// The tones that phones know.
pub const TONES: &[&str] = &[
    "Bellcore-Inside",
    "Bellcore-Outside",
    "Bellcore-Busy",
    "Bellcore-Alerting",
    "Bellcore-BusyVerify",
    "Bellcore-Stutter",
    "Bellcore-MsgWaiting",
    "Bellcore-Reorder",
    "Bellcore-CallWaiting",
    "Bellcore-Cw2",
    "Bellcore-Cw3",
    "Bellcore-Cw4",
    "Bellcore-Hold",
    "Bellcore-Confirmation",
    "Bellcore-Permanent",
    "Bellcore-Reminder",
    "Bellcore-None",
    "Cisco-ZipZip",
    "Cisco-Zip",
    "Cisco-BeepBonk",
];

/// Checks a value for an attribute: the phone decodes no entities, so characters that need one cannot be written.
pub fn check_attribute(value: &str) -> Result<(), String> {
    text::check(value, MAX_ATTRIBUTE).map_err(|e| e.to_string())?;
    match value.chars().find(|c| matches!(c, '<' | '>' | '&')) {
        Some(c) => Err(format!("has {c:?}, which the phone's dial plan cannot hold: remove it")),
        None => Ok(()),
    }
}

/// A pattern for API schemas that accepts what [`check_attribute`] accepts.
pub const ATTRIBUTE_PATTERN: &str = "^[ !#-%'-;=?-~¡-ÿ]*$";

/// Writes a dial plan whose values were checked.
pub fn write<'a>(templates: impl IntoIterator<Item = Template<'a>>) -> Vec<u8> {
    let mut out = b"<DIALTEMPLATE>\n".to_vec();
    for template in templates {
        out.extend_from_slice(b"<TEMPLATE");
        attribute(&mut out, "MATCH", template.pattern);
        if let Some(timeout) = template.timeout {
            attribute(&mut out, "Timeout", &timeout.to_string());
        }
        for (name, value) in [("User", template.user), ("Rewrite", template.rewrite), ("Route", template.route)] {
            if let Some(value) = value {
                attribute(&mut out, name, value);
            }
        }
        for tone in template.tones {
            attribute(&mut out, "Tone", tone);
        }
        out.extend_from_slice(b"/>\n");
    }
    out.extend_from_slice(b"</DIALTEMPLATE>\n");
    out
}

fn attribute(out: &mut Vec<u8>, name: &str, value: &str) {
    out.push(b' ');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"=\"");
    text::latin1(value, out);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_has_what_was_set_and_nothing_else() {
        let tones = ["Bellcore-Outside".to_owned()];
        let emergency = Template { pattern: "911", timeout: Some(0), route: Some("Emergency"), ..Template::default() };
        let outside = Template { pattern: "9,1..........", user: Some("Phone"), tones: &tones, ..Template::default() };
        let expected = "<DIALTEMPLATE>\n<TEMPLATE MATCH=\"911\" Timeout=\"0\" Route=\"Emergency\"/>\n\
            <TEMPLATE MATCH=\"9,1..........\" User=\"Phone\" Tone=\"Bellcore-Outside\"/>\n</DIALTEMPLATE>\n";
        assert_eq!(String::from_utf8(write([emergency, outside])).unwrap(), expected);
    }

    #[test]
    fn what_would_need_an_entity_is_refused() {
        for value in ["a<b", "a>b", "a&b", "a\"b", "a\nb"] {
            assert!(check_attribute(value).is_err(), "{value:?}");
        }
        assert!(check_attribute(&"1".repeat(64)).is_err());
        assert!(check_attribute(r"\*70..").is_ok());
    }
}
