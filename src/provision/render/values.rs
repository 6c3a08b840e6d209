//! From what people set to what stands in a file: one set of values, checked, in the table's order.

use std::collections::BTreeMap;

use crate::api::{EXTRA_VALUE_MAX, Extra, Reason, SecretKey, SecretParameters, Settings};
use crate::base::url::has_login;
use crate::near::near;
use crate::phone::image::Release;
use crate::phone::parameter::{Kind, Parameter, Place, Unset, is_secret, is_unset};
use crate::phone::{cnf, find, find_field, parameters, text, zone};

use crate::provision::advice;
use crate::provision::diagnostic::Diagnostic;
use crate::provision::placeholder::{Use, is_placeholder};
use crate::provision::slips;

use super::doubt::{Owner, doubt, misplaced, no_such_key, twin_of};
use super::names::doubt_name;
use super::secret_value::{self, Secrets};

/// A value, and where a person set it; nowhere if it is a default.
struct Set {
    wire: String,
    field: Option<String>,
    /// It came from a Secret and is no password by its name: what is said of other values would tell it.
    hidden: bool,
}

impl Set {
    fn shown(&self) -> Option<&str> {
        (!self.hidden).then_some(self.wire.as_str())
    }
}

/// The values for one file.
#[derive(Default)]
pub struct Values {
    set: BTreeMap<&'static str, Set>,
    extra: BTreeMap<String, String>,
    /// Whether one of them came from a Secret.
    pub secret: bool,
    /// Whether a Secret has not been read yet: nothing can be said of the file.
    pub pending: bool,
}

impl Values {
    /// Sets one parameter by the phone's own name. Names come from the source, so an unknown one is a mistake of ours.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.put(name, value.into(), None, false);
    }

    /// Sets one parameter that a person set in a field.
    pub fn set_at(&mut self, name: &str, value: impl Into<String>, field: &str) {
        self.put(name, value.into(), Some(field.to_owned()), false);
    }

    /// Notes that a field sets a parameter to what cannot be used, or what is not known yet: nothing is said that follows from
    /// its not being set. There is no file then.
    pub fn set_refused(&mut self, name: &str, field: &str) {
        if let Some(parameter) = find(name) {
            let refused = Set { wire: String::new(), field: Some(field.to_owned()), hidden: true };
            self.set.entry(&parameter.name).or_insert(refused);
        }
        if name == TIME_ZONE {
            // A zone's name says when the clock changes, too.
            let rules = parameters().iter().filter(|parameter| parameter.name.starts_with(DAYLIGHT));
            rules.for_each(|rule| self.set_refused(&rule.name, field));
        }
    }

    /// Whether all that is known of a parameter is that it follows from a time zone which cannot be used.
    fn follows_from_refused(&self, name: &str) -> bool {
        let is_refused = |set: &Set| set.hidden && set.wire.is_empty() && set.field.as_deref() == self.field(TIME_ZONE);
        name.starts_with(DAYLIGHT) && self.set.get(name).is_some_and(is_refused)
    }

    fn put(&mut self, name: &str, wire: String, field: Option<String>, from_secret: bool) {
        debug_assert!(find(name).is_some(), "{name}");
        if let Some(parameter) = find(name) {
            let hidden = from_secret && !matches!(parameter.kind, Kind::Secret { .. });
            self.set.insert(&parameter.name, Set { wire, field, hidden });
        }
    }

    /// What a parameter was set to, for all that is decided and said; nothing if that is for the file alone, because it came from
    /// a Secret.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.set.get(name)?.shown()
    }

    /// What the file says of a parameter: for what goes to phones, and into no message.
    pub fn wire(&self, name: &str) -> Option<&str> {
        self.set.get(name).map(|set| set.wire.as_str())
    }

    /// What a parameter was set to, unless that says "not set".
    pub fn given(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !is_unset(name, value))
    }

    /// The field in which a person set a parameter.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.set.get(name)?.field.as_deref()
    }

    /// What people set, with the field; an empty value if that is for the file alone.
    pub fn by_people(&self) -> impl Iterator<Item = (&'static Parameter, &str, &str)> {
        self.set
            .iter()
            .filter_map(|(name, set)| Some((find(name)?, set.shown().unwrap_or_default(), set.field.as_deref()?)))
    }

    /// Takes over an object's `settings`.
    pub fn take_settings(
        &mut self,
        settings: &Settings,
        owner: Owner,
        secrets: &Secrets<'_>,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let from = owner.place();
        let mut suggestions = SUGGESTIONS;
        for (field, value) in &settings.0 {
            let path = format!("spec.settings.{field}");
            let Some(parameter) = find_field(field).filter(|p| p.place != Place::Elsewhere) else {
                let fits = |p: &&Parameter| [Place::Either, from].contains(&p.place);
                let known = parameters().iter().filter(fits).map(|p| p.field.as_str()).take_while(|_| suggestions > 0);
                let slip = slips::meant(field).filter(|_| suggestions > 0).and_then(find).filter(fits);
                let meant = slip.map(|p| p.field.as_str()).or_else(|| near(field, known));
                suggestions = suggestions.saturating_sub(1);
                meant.and_then(find_field).into_iter().for_each(|meant| self.set_refused(&meant.name, &path));
                let message = match meant {
                    Some(meant) => format!("there is no such setting; did you mean {meant}?"),
                    None => "there is no such setting; a parameter that dialtone does not know goes to extraParameters"
                        .to_owned(),
                };
                diagnostics.push(Diagnostic::invalid(path, message));
                continue;
            };
            if let Some(problem) = misplaced(parameter, value, from) {
                self.set_refused(&parameter.name, &path);
                diagnostics.push(Diagnostic::invalid(path, problem));
                continue;
            }
            if let Kind::Secret { max } = parameter.kind {
                match serde_json::from_value::<SecretKey>(value.clone()) {
                    Ok(key) => self.take_secret(&parameter.name, max, &path, &key, secrets, diagnostics),
                    Err(_) => {
                        self.set_refused(&parameter.name, &path);
                        diagnostics.push(Diagnostic::invalid(path, "must name a Secret: {name: …, key: …}"));
                    }
                }
                continue;
            }
            match parameter.wire(value) {
                Ok(wire) => self.set_at(&parameter.name, wire, &path),
                Err(problem) => {
                    self.set_refused(&parameter.name, &path);
                    diagnostics.push(Diagnostic::invalid(path, problem));
                }
            }
        }
        self.take_zone(settings, diagnostics);
        let port = |name| self.get(name).and_then(|port| port.parse::<u16>().ok());
        if let (Some(first), Some(last)) = (port("start_media_port"), port("end_media_port"))
            && first >= last
        {
            diagnostics.push(Diagnostic::invalid(
                "spec.settings.startMediaPort",
                format!("is {first}; it must be smaller than endMediaPort, {last}"),
            ));
        }
    }

    /// Sets what follows from a time zone that is named as the tz database does.
    fn take_zone(&mut self, settings: &Settings, diagnostics: &mut Vec<Diagnostic>) {
        let path = "spec.settings.timeZone";
        let Some(name) = settings.0.get("timeZone").and_then(serde_json::Value::as_str) else { return };
        if zone::is_abbreviation(name) {
            return;
        }
        for (name, value) in zone::parameters(name).into_iter().flatten().skip(1) {
            match self.field(name) {
                Some(field) => diagnostics.push(Diagnostic::error(
                    Reason::SetTwice,
                    field,
                    "follows from settings.timeZone: remove it, or set timeZone to one of the phone's own abbreviations",
                )),
                None => self.set_at(name, value, path),
            }
        }
    }

    /// Takes a value from a Secret.
    pub fn take_secret(
        &mut self,
        parameter: &str,
        max: usize,
        path: &str,
        key: &SecretKey,
        secrets: &Secrets<'_>,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        self.secret = true;
        let value = match secret_value::read(path, key, secrets) {
            Ok(Some(value)) => value,
            Ok(None) => {
                self.pending = true;
                return self.set_refused(parameter, path);
            }
            Err(problem) => {
                self.set_refused(parameter, path);
                return diagnostics.push(problem);
            }
        };
        let have = value.chars().count();
        if have > max {
            let SecretKey { name, key: entry } = key;
            let what = format!("the value in key {entry:?} of Secret {name} has {have} characters");
            diagnostics.push(Diagnostic::advice(advice::PASSWORD_LONG, path, what));
        }
        let typed = find(parameter);
        if is_placeholder(&value, typed.map_or(Use::Password, Use::of)) {
            let SecretKey { name, key: entry } = key;
            let what = format!("names the value in key {entry:?} of Secret {name}");
            diagnostics.push(Diagnostic::advice(advice::PLACEHOLDER, path, what));
        }
        match typed {
            Some(typed) => self.put(&typed.name, value, Some(path.to_owned()), true),
            None => {
                self.extra.insert(parameter.to_owned(), value);
            }
        }
    }

    /// Takes over an object's `secretParameters`.
    pub fn take_secret_parameters(
        &mut self,
        parameters: &SecretParameters,
        owner: Owner,
        secrets: &Secrets<'_>,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let mut suggestions = SUGGESTIONS;
        for (name, key) in &parameters.0 {
            let path = format!("spec.secretParameters.{name}");
            if let Err(problem) = cnf::check_name(name) {
                diagnostics.push(Diagnostic::invalid(path, problem));
                continue;
            }
            if let Some(typed) = find(name).filter(|typed| NAMES_OF_FILES.contains(&typed.name.as_str())) {
                let message = format!("{} names a file, which is no secret: set it where many can read it", typed.name);
                diagnostics.push(Diagnostic::invalid(path, message));
                continue;
            }
            if self.is_set_twice(name, &path, diagnostics) {
                continue;
            }
            let no_key = no_such_key(name, owner);
            diagnostics.extend(no_key.map(|what| Diagnostic::advice(advice::NO_SUCH_KEY, &path, what)));
            doubt_name(name, &path, &mut suggestions, diagnostics);
            let max = match find(name).map(|typed| typed.kind) {
                Some(Kind::Secret { max } | Kind::Text { max }) => max,
                _ => EXTRA_VALUE_MAX,
            };
            self.take_secret(name, max, &path, key, secrets, diagnostics);
        }
    }

    fn is_set_twice(&self, name: &str, path: &str, diagnostics: &mut Vec<Diagnostic>) -> bool {
        let elsewhere = match find(name) {
            Some(typed) => self.field(&typed.name).filter(|_| !self.follows_from_refused(&typed.name)),
            None => self.extra.contains_key(name).then_some("spec.extraParameters"),
        };
        if let Some(elsewhere) = elsewhere {
            let elsewhere = elsewhere.trim_start_matches("spec.");
            let message = format!("is set in {elsewhere} too: remove one of them");
            diagnostics.push(Diagnostic::error(Reason::SetTwice, path, message));
        }
        elsewhere.is_some()
    }

    /// Takes over an object's `extraParameters`.
    pub fn take_extra(&mut self, extra: &Extra, owner: Owner, diagnostics: &mut Vec<Diagnostic>) {
        let mut suggestions = SUGGESTIONS;
        let is_name = |name: &str, key: usize| name.eq_ignore_ascii_case(&format!("line{key}_name"));
        let in_extra = |key| extra.0.iter().any(|(name, value)| is_name(name, key) && !is_unset(name, value));
        for (name, value) in &extra.0 {
            let path = format!("spec.extraParameters.{name}");
            let checked = cnf::check_name(name)
                .and_then(|()| text::check_verbatim(value, EXTRA_VALUE_MAX).map_err(|problem| problem.to_string()));
            if let Err(problem) = checked {
                self.set_refused(name, &path);
                diagnostics.push(Diagnostic::invalid(path, problem));
                continue;
            }
            if self.is_set_twice(name, &path, diagnostics) {
                continue;
            }
            let Some(typed) = find(name) else {
                let no_key = no_such_key(name, owner).filter(|_| !value.is_empty());
                diagnostics.extend(no_key.map(|what| Diagnostic::advice(advice::NO_SUCH_KEY, &path, what)));
                doubt_name(name, &path, &mut suggestions, diagnostics);
                if !is_secret(name) && is_placeholder(value, Use::Name) {
                    diagnostics.push(Diagnostic::advice(advice::PLACEHOLDER, &path, format!("is {value:?}")));
                }
                if has_login(value) {
                    diagnostics.push(Diagnostic::advice(advice::LOGIN_IN_URL, &path, format!("is {value:?}")));
                }
                self.extra.insert(name.clone(), value.clone());
                continue;
            };
            let unset = is_unset(&typed.name, value);
            if matches!(typed.kind, Kind::Secret { .. }) && !unset {
                self.set_refused(name, &path);
                let message = "is a password, which does not belong into an object that many can read: put it into a Secret and name that in secretParameters";
                diagnostics.push(Diagnostic::invalid(path, message));
                continue;
            }
            if !unset {
                let has_line = |key| in_extra(key) || self.given(&format!("line{key}_name")).is_some();
                let said = |name: &str| Some((self.given(name)?, self.field(name)?));
                let twin = |key| twin_of(key, value, extra, said);
                let doubt = doubt(typed, value, owner, has_line, twin);
                diagnostics.extend(doubt.map(|(advice, what)| Diagnostic::advice(advice, &path, what)));
            }
            self.set_at(&typed.name, value, &path);
        }
    }

    /// Fills in what no spec sets: the defaults of the parameters that `concerns` picks and that the firmware knows.
    pub fn reset(&mut self, firmware: Release, concerns: impl Fn(&Parameter) -> bool) {
        for parameter in parameters() {
            let Unset::Write(default) = parameter.unset else { continue };
            if parameter.since <= firmware && concerns(parameter) {
                self.set.entry(&parameter.name).or_insert_with(|| Set {
                    wire: default.to_owned(),
                    field: None,
                    hidden: false,
                });
            }
        }
    }

    /// Leaves out defaults of what the site sets: phones read their own file last, and would never see it.
    pub fn leave_to_site(&mut self, is_shared: impl Fn(&str) -> bool) {
        self.set.retain(|name, set| set.field.is_some() || !is_shared(name));
    }

    /// Leaves out defaults of what is rarely used, the rarest first, until the file has at most so many bytes. What was
    /// left out.
    pub fn fit(&mut self, most: usize) -> Vec<&'static str> {
        let mut gone = Vec::new();
        for prefix in ["call_manager", "proxy6", "proxy5", "proxy4", "proxy3", "proxy2"] {
            if self.write().len() <= most {
                break;
            }
            let spare: Vec<&'static str> = self
                .set
                .iter()
                .filter(|(name, set)| name.starts_with(prefix) && set.field.is_none())
                .map(|(name, _)| *name)
                .collect();
            for name in spare {
                self.set.remove(name);
                gone.push(name);
            }
        }
        gone
    }

    /// How many bytes of the file come from `extraParameters`.
    pub fn extra_size(&self) -> usize {
        let typed = self
            .set
            .iter()
            .filter(|(_, set)| set.field.as_deref().is_some_and(|field| field.starts_with("spec.extraParameters")));
        let typed = typed.map(|(name, set)| name.len() + set.wire.len() + 5);
        let extra = self.extra.iter().map(|(name, value)| name.len() + value.len() + 5);
        typed.chain(extra).sum()
    }

    /// Writes the file: the table's order, then what the table does not know.
    pub fn write(&self) -> Vec<u8> {
        let typed = parameters().iter().filter_map(|p| Some((p.name.as_str(), self.wire(&p.name)?)));
        let extra = self.extra.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        cnf::write(typed.chain(extra))
    }
}

const TIME_ZONE: &str = "time_zone";
/// The beginning of the names of parameters that say when the clock changes.
const DAYLIGHT: &str = "dst_";

/// How many names that there are not are compared with those that there are, in each place of an object.
const SUGGESTIONS: usize = 16;

/// Parameters that say which files phones ask for. The names of files stand in statuses, reports and logs.
const NAMES_OF_FILES: [&str; 2] = ["image_version", "dial_template"];
