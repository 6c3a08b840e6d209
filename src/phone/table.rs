//! The one table of a 7940's and 7960's parameters.
//!
//! Schema, renderer, validation and the reference page are driven by it: a fact that is not here is nowhere. The rows stand
//! in [`rows`]; this file finds them.

mod choices;
mod row;
mod rows;

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
    use crate::phone::parameter::{Kind, Place, Source, UNPROVISIONED, Unset};

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
                Kind::Choice(choices) => assert!(choices.iter().any(|c| c.wire == wire), "{}", p.name),
                Kind::Text { max } | Kind::Secret { max } => assert!(wire.len() <= max, "{}", p.name),
                Kind::Zone => assert_eq!(wire, UNPROVISIONED),
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
            assert_eq!(find(name).unwrap().source, Source::Note, "{name}");
        }
    }

    #[test]
    fn what_no_manual_confirms_says_so() {
        for name in "transfer_onhook_enabled timer_register_delta call_manager1_addr line1_contact speed_line6"
            .split_whitespace()
        {
            let parameter = find(name).unwrap();
            assert!(parameter.describe().contains("not in a manual for this phone"), "{name}");
            assert!(!parameter.since_sure, "{name}");
        }
        for name in "auto_answer cfwd_url domain_name date_format local_cfwd_enable network_media_type \
            network_port2_type speed_line1 speed_label5"
            .split_whitespace()
        {
            let parameter = find(name).unwrap();
            assert_eq!((parameter.source, parameter.since_sure), (Source::Cme, false), "{name}");
            assert!(!parameter.describe().contains("not in a manual"), "{name}");
        }
        assert!(find("call_waiting").unwrap().describe().contains("Since about firmware 3.0."));
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
    fn a_files_value_is_read_back_as_manifests_write_it() {
        let value = |name: &str, wire: &str| find(name).unwrap().value_of(wire);
        assert_eq!(value("call_waiting", "2"), Some("AlwaysOff".into()));
        assert_eq!(value("timer_t1", "500"), Some(500.into()));
        assert_eq!(value("timer_t1", "0500"), None, "it would be written otherwise");
        assert_eq!(value("start_media_port", "16348"), None);
        assert_eq!(value("dst_start_month", "April"), None);
        assert_eq!(value("enable_vad", "yes"), None);
        assert_eq!(value("line1_password", "secret"), None);
        assert_eq!(value("logo_url", ""), Some("".into()));
        let like = |name: &str, wire: &str| find(name).unwrap().value_like(wire);
        for (name, wire, value) in [
            ("dst_start_month", "April", "April"),
            ("dst_stop_month", "Oct", "October"),
            ("dst_stop_day_of_week", "Sun", "Sunday"),
            ("dst_start_time", "02", "02:00"),
            ("dst_stop_time", "2/30", "02:30"),
            ("preferred_codec", "G711ulaw", "g711ulaw"),
            ("network_media_type", "auto", "Auto"),
        ] {
            assert_eq!(like(name, wire), Some(value.into()), "{name}: {wire}");
        }
        assert_eq!(like("timer_t1", "0500"), Some(500.into()));
        assert_eq!(like("dst_start_month", "Sun"), None);
        assert_eq!(like("dst_start_day", ""), None);
    }

    #[test]
    fn locked_values_belong_to_one_phone() {
        for name in ["call_waiting", "dnd_control"] {
            let p = find(name).unwrap();
            assert_eq!(p.phone_only_values, ["AlwaysOff", "AlwaysOn"]);
            assert_eq!(p.place, Place::Either);
        }
    }
}
