//! The one table of what a 7940/7960 can be told.
//!
//! Schema, renderer, validation and the reference page are driven by it: a fact that is not here is nowhere. The rows stand
//! in [`rows`]; this file finds them.

mod rows;
mod words;

use std::collections::HashMap;
use std::sync::LazyLock;

use super::parameter::Parameter;

static TABLE: LazyLock<Vec<Parameter>> = LazyLock::new(rows::all);
static BY_NAME: LazyLock<HashMap<&'static str, usize>> =
    LazyLock::new(|| TABLE.iter().enumerate().map(|(i, p)| (p.name.as_str(), i)).collect());
static BY_FIELD: LazyLock<HashMap<&'static str, usize>> =
    LazyLock::new(|| TABLE.iter().enumerate().map(|(i, p)| (p.field.as_str(), i)).collect());

/// All parameters, in the order in which they are written.
pub fn parameters() -> &'static [Parameter] {
    &TABLE
}

/// The parameter with the phone's own name, whatever its case: the application note itself writes `Proxy_backup`.
pub fn find(name: &str) -> Option<&'static Parameter> {
    BY_NAME.get(name.to_ascii_lowercase().as_str()).map(|&i| &TABLE[i])
}

/// The parameter with the field name that manifests use.
pub fn find_field(field: &str) -> Option<&'static Parameter> {
    BY_FIELD.get(field).map(|&i| &TABLE[i])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phone::parameter::{Kind, Place, Unset};

    #[test]
    fn names_and_fields_are_unique_and_lower_case() {
        assert_eq!(BY_NAME.len(), TABLE.len());
        assert_eq!(BY_FIELD.len(), TABLE.len());
        for p in parameters() {
            assert_eq!(p.name, p.name.to_ascii_lowercase());
            assert!(p.about.ends_with('.'), "{}: {:?}", p.name, p.about);
        }
    }

    #[test]
    fn every_default_is_a_value_that_the_parameter_takes() {
        for p in parameters() {
            let Unset::Write(wire) = p.unset else { continue };
            match p.kind {
                Kind::Switch => assert!(matches!(wire, "0" | "1"), "{}", p.name),
                Kind::Number { min, max, .. } => {
                    assert!((min..=max).contains(&wire.parse::<i64>().unwrap()), "{}", p.name);
                }
                Kind::Words(words) => assert!(words.iter().any(|w| w.1 == wire), "{}", p.name),
                Kind::Text { max } | Kind::Secret { max } => assert!(wire.len() <= max, "{}", p.name),
                Kind::TimeOfDay => assert_eq!(p.wire(&wire.into()).as_deref(), Ok(wire)),
                Kind::Host | Kind::Ipv4 | Kind::Url | Kind::FileName => {
                    assert!(p.wire(&wire.into()).is_ok(), "{}", p.name)
                }
            }
        }
    }

    #[test]
    fn the_application_note_is_covered() {
        let note = "image_version services_url logo_url outbound_proxy Proxy_backup Proxy_emergency proxy1_address \
            dial_template call_waiting telnet_level messages_uri dnd_control preferred_codec enable_vad tos_media \
            dtmf_inband dtmf_outofband dtmf_avt_payload dtmf_db_level line1_name Line1_displayname line6_name \
            line6_displayname phone_label";
        for name in note.split_whitespace() {
            assert!(find(name).is_some(), "{name}");
        }
    }

    #[test]
    fn fields_are_the_names_in_camel_case() {
        for (name, field) in [
            ("telnet_level", "telnetLevel"),
            ("proxy1_address", "proxy1Address"),
            ("phone_password", "phonePasswordSecretRef"),
            ("time_format_24hr", "timeFormat24hr"),
        ] {
            assert_eq!(find(name).unwrap().field, field);
            assert_eq!(find_field(field).unwrap().name, name);
        }
    }

    #[test]
    fn locked_values_belong_to_one_phone() {
        for name in ["call_waiting", "dnd_control"] {
            let p = find(name).unwrap();
            assert_eq!(p.phone_only_words, ["AlwaysOff", "AlwaysOn"]);
            assert_eq!(p.place, Place::Either);
        }
    }
}
