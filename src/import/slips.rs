//! Names that no phone knows, and those that their authors meant.

use crate::near::near;
use crate::phone::parameters;

/// Slips in files that people passed on to one another, too far from the right name to be guessed.
const KNOWN: &[(&str, &str)] = &[
    ("register_expires", "timer_register_expires"),
    ("timer_register", "timer_register_expires"),
    ("transfer_on_hangup", "transfer_onhook_enabled"),
];

/// The parameter that was likely meant by a name in lower case.
pub fn meant(name: &str) -> Option<&'static str> {
    if let Some((_, meant)) = KNOWN.iter().find(|(slip, _)| *slip == name) {
        return Some(meant);
    }
    let names = || parameters().iter().map(|parameter| parameter.name.as_str());
    // `line2_proxy2_address`: a line's own proxy has no name of the line before it.
    let after_line = name.strip_prefix("line").and_then(|rest| rest.split_once('_')).map(|(_, rest)| rest);
    after_line.and_then(|rest| names().find(|known| *known == rest)).or_else(|| near(name, names()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_in_common_use_are_understood() {
        for (slip, right) in [
            ("timer_registry_delta", "timer_register_delta"),
            ("register_expires", "timer_register_expires"),
            ("nat_recieved_processing", "nat_received_processing"),
            ("line2_proxy2_address", "proxy2_address"),
        ] {
            assert_eq!(meant(slip), Some(right), "{slip}");
        }
        for (_, right) in KNOWN {
            assert!(crate::phone::find(right).is_some(), "{right}");
        }
        assert_eq!(meant("ldap_server_of_the_other_maker"), None);
    }
}
