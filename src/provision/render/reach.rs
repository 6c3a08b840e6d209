//! How a running phone can be reached: what its two files say of its SIP port, its lines and its telnet door.

use std::fmt;

use crate::api::Reason;
use crate::phone::model::MAX_LINES;
use crate::phone::parameter::{DEFAULT_PASSWORD, is_unset};
use crate::phone::{Model, cnf, find};
use crate::provision::render::values::Values;
use crate::provision::resync::{Password, ResyncError, ResyncKind, Transport};

const SIP_PORT: &str = "voip_control_port";
const TELNET_LEVEL: &str = "telnet_level";
const PASSWORD: &str = "phone_password";
const PROMPT: &str = "phone_prompt";
/// The port of SIP where no file says another.
const DEFAULT_SIP_PORT: u16 = 5060;
/// The prompt of such a phone.
const DEFAULT_PROMPT: &str = "SIP Phone";

/// What one file sets of it; kept beside the file, so that it is not parsed out of the file again.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Reach(Box<[(&'static str, Box<str>)]>);

impl fmt::Debug for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One of the values is a password.
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// The names of the parameters that count, as the table has them.
fn names() -> impl Iterator<Item = &'static str> {
    let lines = (1..=MAX_LINES).map(|n| format!("line{n}_name"));
    let all = [SIP_PORT, TELNET_LEVEL, PASSWORD, PROMPT].into_iter().map(str::to_owned).chain(lines);
    all.filter_map(|name| find(&name).map(|parameter| parameter.name.as_str()))
}

impl Reach {
    /// Takes what counts out of the values that are about to be written.
    pub fn of(values: &Values) -> Reach {
        Reach::of_phone(values, |_| true)
    }

    /// The same for a phone's own file, where a line without a name counts only if the common file may name it: a building has
    /// tens of thousands of those.
    pub fn of_phone(values: &Values, may_be_common: impl Fn(&str) -> bool) -> Reach {
        let counts = |(name, value): &(&'static str, &str)| !value.is_empty() || may_be_common(name);
        let all = names().filter_map(|name| Some((name, values.wire(name)?))).filter(counts);
        Reach(all.map(|(name, value)| (name, value.into())).collect())
    }

    /// Reads what counts out of a file that was found when the operator started: nothing else is left of its spec.
    pub fn recover(file: &[u8]) -> Reach {
        let values = cnf::read(file).effective();
        Reach(names().filter_map(|name| Some((name, values.get(name)?.as_str().into()))).collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(one, _)| *one == name).map(|(_, value)| &**value)
    }

    /// How a phone that read `common` and then this file is notified; why it cannot be, and what to do.
    pub fn transport(&self, common: &Reach, kind: ResyncKind, model: Model) -> Result<Transport, ResyncError> {
        // The phone's own file has the last word, also where it says that there is no value.
        let value = |name: &str| {
            let value = self.get(name).or_else(|| common.get(name));
            value.filter(|value| !is_unset(name, value))
        };
        match kind {
            ResyncKind::Notify => {
                let port = value(SIP_PORT).and_then(|port| port.parse().ok()).unwrap_or(DEFAULT_SIP_PORT);
                let lines = (1..=model.lines()).filter_map(|n| value(&format!("line{n}_name")));
                let lines: Vec<String> = lines.map(str::to_owned).collect();
                if lines.is_empty() {
                    let message = "a phone takes a SIP NOTIFY only for one of its lines, and it has none: give it a line, set resync.method to Telnet, or restart it by hand";
                    return Err(ResyncError::new(Reason::NotSent, message));
                }
                Ok(Transport::Notify { port, lines })
            }
            ResyncKind::Telnet if value(TELNET_LEVEL) != Some("2") => Err(ResyncError::new(
                Reason::TelnetOff,
                "phones restart by telnet only with settings.telnetLevel Privileged: set it, and let the phone restart once by itself",
            )),
            ResyncKind::Telnet => {
                let password = value(PASSWORD).unwrap_or(DEFAULT_PASSWORD);
                let prompt = value(PROMPT).unwrap_or(DEFAULT_PROMPT).to_owned();
                Ok(Transport::Telnet { password: Password(password.to_owned()), prompt })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(text: &str) -> Reach {
        Reach::recover(text.as_bytes())
    }

    #[test]
    fn the_phones_own_file_has_the_last_word() {
        let common = reach("voip_control_port: 5080\nline1_name: shared\nline2_name: other\n");
        let own = reach("line1_name: 7101\nline2_name: \"\"\n");
        let lines = vec!["7101".to_owned()];
        let notify = own.transport(&common, ResyncKind::Notify, Model::Cp7940);
        assert_eq!(notify.unwrap(), Transport::Notify { port: 5080, lines });
    }

    #[test]
    fn notify_needs_a_line() {
        let none = Reach::default();
        let refused = none.transport(&none, ResyncKind::Notify, Model::Cp7960).unwrap_err();
        assert!(refused.reason == Reason::NotSent && refused.message.contains("it has none"), "{refused:?}");
    }

    #[test]
    fn a_line_on_any_key_of_the_phone_takes_a_notify_and_those_from_the_top_first() {
        let none = Reach::default();
        let lines = |text: &str, model| match reach(text).transport(&none, ResyncKind::Notify, model) {
            Ok(Transport::Notify { lines, .. }) => lines,
            _ => Vec::new(),
        };
        assert_eq!(lines("line1_name: \"\"\nline2_name: 7702\n", Model::Cp7940), ["7702"]);
        assert_eq!(lines("line3_name: c\nline1_name: a\n", Model::Cp7960), ["a", "c"]);
        assert_eq!(lines("line3_name: c\n", Model::Cp7940), [""; 0], "it has no such key");
    }

    #[test]
    fn telnet_needs_the_privileged_door() {
        let none = Reach::default();
        let closed = none.transport(&none, ResyncKind::Telnet, Model::Cp7960).unwrap_err();
        assert_eq!(closed.reason, Reason::TelnetOff);
        let open = reach("telnet_level: 2\n");
        let door = |common: &Reach| open.transport(common, ResyncKind::Telnet, Model::Cp7960).unwrap();
        let telnet = |password: &str, prompt: &str| Transport::Telnet {
            password: Password(password.to_owned()),
            prompt: prompt.to_owned(),
        };
        assert_eq!(door(&none), telnet("cisco", "SIP Phone"));
        let common = reach("phone_password: secret\nphone_prompt: \"Lobby\"\n");
        assert_eq!(door(&common), telnet("secret", "Lobby"));
    }

    #[test]
    fn passwords_do_not_show() {
        assert!(!format!("{:?}", reach("phone_password: horse\n")).contains("horse"));
    }
}
