//! From what people set to what stands in a file: one set of values, checked, in the table's order.

use std::collections::BTreeMap;

use crate::api::{Extra, SecretKey, Settings};
use crate::phone::image::Release;
use crate::phone::parameter::{Kind, Parameter, Place, Unset};
use crate::phone::{cnf, find, find_field, parameters, text};

use super::diagnostic::{Diagnostic, reason};

/// Why a Secret's value is not to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretError {
    /// It is not known yet whether there is one.
    Unread,
    /// There is no such Secret.
    NoSecret,
    /// The Secret has no such key.
    NoKey,
}

/// How a Secret's value is found: the pure core asks, the shell knows.
pub type Secrets<'a> = dyn Fn(&SecretKey) -> Result<Vec<u8>, SecretError> + 'a;

/// The values for one file.
#[derive(Default)]
pub struct Values {
    set: BTreeMap<&'static str, String>,
    extra: BTreeMap<String, String>,
    /// Whether one of them came from a Secret.
    pub secret: bool,
    /// Whether a Secret has not been read yet: nothing can be said of the file.
    pub unread: bool,
}

impl Values {
    /// Sets one parameter by the phone's own name. Names come from the source, so an unknown one is a mistake of ours.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        debug_assert!(find(name).is_some(), "{name}");
        if let Some(parameter) = find(name) {
            self.set.insert(&parameter.name, value.into());
        }
    }

    /// What a parameter was set to.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.set.get(name).map(String::as_str)
    }

    /// Takes over an object's `settings`.
    pub fn take_settings(
        &mut self,
        settings: &Settings,
        from: Place,
        secrets: &Secrets<'_>,
        found: &mut Vec<Diagnostic>,
    ) {
        for (field, value) in &settings.0 {
            let path = format!("spec.settings.{field}");
            let Some(parameter) = find_field(field).filter(|p| p.place != Place::Elsewhere) else {
                found.push(Diagnostic::invalid(
                    path,
                    "there is no such setting; a parameter that dialtone does not know goes to extraParameters",
                ));
                continue;
            };
            if let Some(problem) = misplaced(parameter, value, from) {
                found.push(Diagnostic::invalid(path, problem));
                continue;
            }
            if let Kind::Secret { max } = parameter.kind {
                match serde_json::from_value::<SecretKey>(value.clone()) {
                    Ok(key) => self.take_secret(parameter, max, &path, &key, secrets, found),
                    Err(_) => found.push(Diagnostic::invalid(path, "must name a Secret: {name: …, key: …}")),
                }
                continue;
            }
            match parameter.wire(value) {
                Ok(wire) => {
                    self.set.insert(&parameter.name, wire);
                }
                Err(problem) => found.push(Diagnostic::invalid(path, problem)),
            }
        }
        let port = |name| self.get(name).and_then(|port| port.parse::<u16>().ok());
        if let (Some(first), Some(last)) = (port("start_media_port"), port("end_media_port"))
            && first >= last
        {
            found.push(Diagnostic::invalid(
                "spec.settings.startMediaPort",
                format!("is {first}; it must be smaller than endMediaPort, {last}"),
            ));
        }
    }

    /// Takes a value from a Secret.
    pub fn take_secret(
        &mut self,
        parameter: &'static Parameter,
        max: usize,
        path: &str,
        key: &SecretKey,
        secrets: &Secrets<'_>,
        found: &mut Vec<Diagnostic>,
    ) {
        self.secret = true;
        let SecretKey { name, key: entry } = key;
        let bytes = match secrets(key) {
            Ok(bytes) => bytes,
            Err(SecretError::Unread) => {
                self.unread = true;
                return;
            }
            Err(SecretError::NoSecret) => {
                found.push(Diagnostic::error(
                    reason::SECRET_NOT_FOUND,
                    path,
                    format!("Secret {name} does not exist: create it, or correct the name"),
                ));
                return;
            }
            Err(SecretError::NoKey) => {
                found.push(Diagnostic::error(
                    reason::SECRET_KEY_NOT_FOUND,
                    path,
                    format!("Secret {name} has no key {entry:?}: add it, or correct the key"),
                ));
                return;
            }
        };
        // Files of passwords often end in a line break that nobody meant.
        let Some(value) = String::from_utf8(bytes).ok().map(|v| v.trim_end_matches(['\r', '\n']).to_owned()) else {
            found.push(Diagnostic::invalid(path, format!("key {entry:?} of Secret {name} is not text")));
            return;
        };
        if value.is_empty() {
            found.push(Diagnostic::invalid(path, format!("key {entry:?} of Secret {name} is empty")));
            return;
        }
        match text::check(&value, max) {
            Ok(()) => {
                self.set.insert(&parameter.name, value);
            }
            Err(problem) => {
                found.push(Diagnostic::invalid(path, format!("the value in key {entry:?} of Secret {name} {problem}")))
            }
        }
    }

    /// Takes over an object's `extraParameters`.
    pub fn take_extra(&mut self, extra: &Extra, found: &mut Vec<Diagnostic>) {
        for (name, value) in &extra.0 {
            let path = format!("spec.extraParameters.{name}");
            let fine = name.len() <= crate::api::EXTRA_MAX.0
                && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
            if !fine {
                found.push(Diagnostic::invalid(
                    path,
                    "a parameter's name has letters, digits, '_', '.' and '-' only, and at most 64 of them",
                ));
                continue;
            }
            if let Err(problem) = text::check(value, crate::api::EXTRA_MAX.1) {
                found.push(Diagnostic::invalid(path, problem.to_string()));
                continue;
            }
            if let Some(typed) = find(name) {
                let place = match typed.place {
                    Place::Elsewhere => "a field of its own".to_owned(),
                    _ => format!("settings.{}", typed.field),
                };
                if self.set.contains_key(typed.name.as_str()) {
                    found.push(Diagnostic::error(
                        reason::SET_TWICE,
                        path,
                        format!("is set in {place} too: remove one of them"),
                    ));
                    continue;
                }
                found.push(Diagnostic::warning(
                    reason::UNTYPED,
                    path,
                    format!("is known to dialtone: {place} would check it"),
                ));
                self.set.insert(&typed.name, value.clone());
                continue;
            }
            self.extra.insert(name.clone(), value.clone());
        }
    }

    /// Fills in what nobody set: the defaults of the parameters that `concerns` picks and that the firmware knows.
    pub fn reset(&mut self, firmware: Option<Release>, concerns: impl Fn(&Parameter) -> bool) {
        for parameter in parameters() {
            let Unset::Write(default) = parameter.unset else { continue };
            let known = firmware.is_none_or(|firmware| parameter.since <= firmware);
            if known && concerns(parameter) {
                self.set.entry(&parameter.name).or_insert_with(|| default.to_owned());
            }
        }
    }

    /// Writes the file: the table's order, then what the table does not know.
    pub fn write(&self) -> Vec<u8> {
        let typed = parameters().iter().filter_map(|p| Some((p.name.as_str(), self.get(&p.name)?)));
        let extra = self.extra.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        cnf::write(typed.chain(extra))
    }
}

fn misplaced(parameter: &Parameter, value: &serde_json::Value, from: Place) -> Option<String> {
    match (parameter.place, from) {
        (Place::Phone, Place::Site) => Some("makes sense on one phone only: set it on the SipPhone".to_owned()),
        (Place::Site, Place::Phone) if parameter.name.starts_with("proxy") => {
            Some("is for a PhoneSite: a phone's own SIP server goes to spec.lines[].proxy".to_owned())
        }
        (Place::Site, Place::Phone) => Some("is for all phones of a site: set it on the PhoneSite".to_owned()),
        (_, Place::Site) if value.as_str().is_some_and(|word| parameter.phone_only_words.contains(&word)) => {
            Some(format!("is {value}, which phones obey only in their own file: set it on the SipPhone"))
        }
        _ => None,
    }
}
