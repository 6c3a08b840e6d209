//! Converts the parameters of a file to the fields of an object. What no typed field takes goes to `extraParameters` unchanged.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::tree::{Config, Note, Weight};
use super::typed_by_hand::has_odd_letters;
use crate::api::{EXTRA_COUNT, EXTRA_VALUE_MAX, SECRET_COUNT};
use crate::base::url::has_login;
use crate::phone::image::Image;
use crate::phone::parameter::{Kind, Parameter, Place, UNPROVISIONED, check_host, is_secret, key_after};
use crate::phone::{Model, find, text};
use crate::provision::advice::{self, Advice};
use crate::provision::slips;

/// Options of the conversion.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// Write typed values also where phones read another spelling as the same.
    pub tidy: bool,
}

/// For how many names of one file another one is looked for.
const SUGGESTIONS: usize = 16;

/// An object under construction: the values of one file, and the fields that they were converted to.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// The file that the values come from.
    pub file: String,
    /// The values that are not converted yet, by lower-case name: the name as written, the value, the line.
    pub rest: BTreeMap<String, (String, String, usize)>,
    /// `settings`.
    pub settings: Map<String, Value>,
    /// `extraParameters`.
    pub extra: BTreeMap<String, String>,
    /// The values of the object's Secret, by key.
    pub secrets: BTreeMap<String, String>,
    /// The keys of that Secret that become `secretParameters`, which are named as the parameters are.
    pub secret_parameters: Vec<String>,
    /// `label`.
    pub label: Option<String>,
    /// `lines`, by their keys.
    pub lines: BTreeMap<usize, Map<String, Value>>,
    /// The parameters that a note is about.
    pub told: BTreeSet<String>,
}

impl Draft {
    /// A draft in which no value is converted yet.
    pub fn new(config: &Config) -> Draft {
        Draft { file: config.file.clone(), rest: config.values.clone(), ..Draft::default() }
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.rest.get(name).map(|(_, value, _)| value.as_str())
    }

    /// Takes a parameter away that stays as it is.
    pub fn unset(&mut self, name: &str) {
        // Phones do not mind the case of names.
        let is_other = |other: &String| !other.eq_ignore_ascii_case(name);
        self.extra.retain(|other, _| is_other(other));
        self.secrets.retain(|other, _| is_other(other));
        self.secret_parameters.retain(is_other);
    }

    /// Converts lines and label of a phone.
    pub fn take_phone(&mut self, model: Model, secret: &str, notes: &mut Vec<Note>) {
        if let Some(label) = self.value("phone_label").filter(|label| text::check(label, 11).is_ok()) {
            self.label = Some(label.to_owned());
            self.rest.remove("phone_label");
        }
        for n in 1..=model.lines() {
            let name = self.value(&format!("line{n}_name")).unwrap_or_default();
            let proxy = |key: usize| self.value(&format!("proxy{key}_address")).unwrap_or_default();
            let same = |(key, line): (&usize, &Map<String, Value>)| {
                // That of an earlier line is converted already.
                let other = line.get("proxy").and_then(|proxy| proxy["address"].as_str());
                let (one, other) = (proxy(n), other.unwrap_or_else(|| proxy(*key)));
                // Which server a line without one of its own has only the site's file says.
                line["name"] == name && (one == other || one.is_empty() || other.is_empty())
            };
            // What lines cannot say stays as it is, and the keys after it stay keys.
            if !is_line_name(name) {
                continue;
            }
            if let Some((other, _)) = self.lines.iter().find(|line| same(*line)) {
                let Advice { code, why, do_this } = advice::LINE_NAME_SHARED;
                let what = format!("line{n}_name is {name:?}, as is line{other}_name, and maybe on the same proxy");
                let how = "it is kept as it is in extraParameters";
                let line = self.rest.get(&format!("line{n}_name")).map_or(0, |(_, _, line)| *line);
                notes.push(Note::line(&self.file, line, format!("{what}: {why}; {do_this}; {how} [{code}]")));
                self.told.extend(self.rest.keys().filter(|name| key_after("line", name) == Some(n)).cloned());
                self.told.insert(format!("proxy{n}_address"));
                continue;
            }
            let line = self.take_line(n, secret);
            self.lines.insert(n, line);
        }
    }

    /// `lines` as a manifest has them: only those say their keys that are not on that of their place.
    pub fn take_lines(&mut self) -> Vec<Value> {
        let lines = (1..).zip(std::mem::take(&mut self.lines));
        let keyed = lines.map(|(place, (key, mut line))| {
            if place != key {
                line.insert("key".to_owned(), key.into());
            }
            line.into()
        });
        keyed.collect()
    }

    fn take_line(&mut self, n: usize, secret: &str) -> Map<String, Value> {
        let mut line = Map::new();
        let fields = [
            ("name", "name"),
            ("shortname", "shortName"),
            ("displayname", "displayName"),
            ("authname", "authName"),
            ("contact", "contact"),
        ];
        for (what, field) in fields {
            let name = format!("line{n}_{what}");
            let Some(Kind::Text { max }) = find(&name).map(|parameter| parameter.kind) else { continue };
            if let Some(value) = self.value(&name).filter(|value| text::check(value, max).is_ok()) {
                line.insert(field.to_owned(), value.into());
                self.rest.remove(&name);
            }
        }
        let password = format!("line{n}_password");
        if self.value(&password).is_some_and(is_given) {
            line.insert("passwordSecretRef".to_owned(), json!({"name": secret, "key": password}));
            self.take_secret(&password);
        }
        let (address, port) = (format!("proxy{n}_address"), format!("proxy{n}_port"));
        if let Some(host) = self.value(&address).filter(|host| is_given(host) && check_host(host).is_ok()) {
            let mut proxy = Map::from_iter([("address".to_owned(), host.into())]);
            self.rest.remove(&address);
            if let Some(number) = self.value(&port).and_then(|value| find(&port)?.value_of(value)) {
                proxy.insert("port".to_owned(), number);
                self.rest.remove(&port);
            }
            line.insert("proxy".to_owned(), proxy.into());
        }
        line
    }

    fn take_secret(&mut self, name: &str) {
        if let Some((_, value, _)) = self.rest.remove(name) {
            self.secrets.insert(name.to_owned(), value);
        }
    }

    /// Converts everything else.
    pub fn take_rest(&mut self, from: Place, secret: &str, style: Style, notes: &mut Vec<Note>) {
        let mut suggestions = SUGGESTIONS;
        for (key, (name, value, line)) in std::mem::take(&mut self.rest) {
            let note = |why: String| Note::line(&self.file, line, why);
            if value.chars().count() > EXTRA_VALUE_MAX {
                let have = value.chars().count();
                notes
                    .push(note(format!("not used: {name} has {have} characters, and at most {} fit", EXTRA_VALUE_MAX)));
                continue;
            }
            let typed = find(&key);
            let meant = slips::meant(&name).filter(|_| typed.is_none() && suggestions > 0);
            suggestions = suggestions.saturating_sub(usize::from(typed.is_none()));
            let is_hidden = |parameter: &Parameter| matches!(parameter.kind, Kind::Secret { .. });
            // A slip in the name of a password is no reason to show it.
            let unknown = || is_secret(&key) || meant.and_then(find).is_some_and(is_hidden);
            let has_password = has_login(&value) && !typed.is_some_and(|typed| matches!(typed.kind, Kind::FileName));
            let hidden = has_password || typed.map_or_else(unknown, is_hidden);
            if hidden && is_given(&value) {
                if has_password {
                    let why =
                        format!("{name} holds a password: the value goes into a Secret, which secretParameters names");
                    notes.push(note(why).weighing(Weight::Minor));
                }
                match typed.filter(|typed| typed.place != Place::Elsewhere && is_hidden(typed)) {
                    Some(typed) => {
                        self.settings.insert(typed.field.clone(), json!({"name": secret, "key": key}));
                    }
                    None => self.secret_parameters.push(key.clone()),
                }
                if let Some(meant) = meant {
                    let why = "is unknown to dialtone and kept as it is in secretParameters; did its author mean";
                    notes.push(note(format!("{name} {why} {meant}?")));
                }
                self.secrets.insert(key, value);
                continue;
            }
            let Some(typed) = typed else {
                let weight = if meant.is_some() { Weight::Matters } else { Weight::Minor };
                let meant = meant.map_or(String::new(), |meant| format!("; did its author mean {meant}?"));
                let why = format!("{name} is unknown to dialtone and kept as it is in extraParameters{meant}");
                notes.push(note(why).weighing(weight));
                self.told.insert(key);
                self.extra.insert(name, value);
                continue;
            };
            match setting(typed, &value, from, style) {
                Ok(value) => {
                    self.settings.insert(typed.field.clone(), value);
                }
                Err(why) => {
                    // What is to say of its letters was said.
                    let is_said = has_odd_letters(&value);
                    let why = why.filter(|_| is_given(&value) && !is_said);
                    if is_said || why.is_some() {
                        self.told.insert(key.clone());
                    }
                    if let Some((why, weight)) = why {
                        let why = format!("{name} {why}; it is kept as it is in extraParameters");
                        notes.push(note(why).weighing(weight));
                    }
                    self.extra.insert(key, value);
                }
            }
        }
        self.untype_ports(notes);
        let (extra, secret) = (self.extra.len(), self.secret_parameters.len());
        for (have, most, field) in [(extra, EXTRA_COUNT, "extraParameters"), (secret, SECRET_COUNT, "secretParameters")]
        {
            if have > most {
                let why = format!("has {have} parameters for {field}, and the API server takes {most}");
                notes.push(Note::file(&self.file, why));
            }
        }
    }

    /// Moves media ports in the wrong order to the extra parameters, because settings refuse them.
    fn untype_ports(&mut self, notes: &mut Vec<Note>) {
        let port = |field: &str| self.settings.get(field).and_then(Value::as_i64);
        let (Some(first), Some(last)) = (port("startMediaPort"), port("endMediaPort")) else { return };
        if first < last {
            return;
        }
        for (field, name) in [("startMediaPort", "start_media_port"), ("endMediaPort", "end_media_port")] {
            if let Some(value) = self.settings.remove(field) {
                self.extra.insert(name.to_owned(), value.to_string());
            }
        }
        self.told.extend(["start_media_port", "end_media_port"].map(str::to_owned));
        notes.push(Note::file(&self.file, format!("start_media_port, {first}, is not below end_media_port, {last}")));
    }

    /// Turns the typed lines back into extra parameters.
    pub fn untype_lines(&mut self) {
        for (n, line) in std::mem::take(&mut self.lines) {
            for (field, value) in line {
                self.told.extend([format!("line{n}_{}", field.to_ascii_lowercase()), format!("proxy{n}_address")]);
                self.told.insert(format!("proxy{n}_port"));
                match field.as_str() {
                    "passwordSecretRef" => self.secret_parameters.push(format!("line{n}_password")),
                    "proxy" => {
                        for (part, value) in value.as_object().into_iter().flatten() {
                            self.extra.insert(format!("proxy{n}_{part}"), plain(value));
                        }
                    }
                    _ => {
                        self.extra.insert(format!("line{n}_{}", field.to_ascii_lowercase()), plain(&value));
                    }
                }
            }
        }
    }

    /// The image that the file names.
    pub fn image(&self) -> Option<&str> {
        self.extra.get("image_version").map(String::as_str).filter(|name| Image::parse(name).is_some())
    }
}

/// A value as a file has it.
pub fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Whether a value means anything other than "not set".
pub fn is_given(value: &str) -> bool {
    !value.is_empty() && value != UNPROVISIONED
}

fn is_line_name(name: &str) -> bool {
    is_given(name)
        && text::check(name, 127).is_ok()
        && !name.contains(['@', '<', '>'])
        && !name.contains(char::is_whitespace)
}

/// The value for `settings`; or why there is none, if that is worth a note.
fn setting(typed: &Parameter, value: &str, from: Place, style: Style) -> Result<Value, Option<(String, Weight)>> {
    let matters = |why: String| Err(Some((why, Weight::Matters)));
    let exact = typed.value_of(value);
    let found = exact.clone().or_else(|| typed.value_like(value).filter(|_| style.tidy));
    let fits = match typed.place {
        Place::Either => true,
        Place::Elsewhere => false,
        place => place == from,
    };
    match found {
        Some(found)
            if from == Place::Site && found.as_str().is_some_and(|found| typed.phone_only_values.contains(&found)) =>
        {
            matters(format!("is {value}, which phones obey only in their own file"))
        }
        Some(found) if fits => Ok(found),
        // The value is right, and this kind of object has no field for it.
        Some(_) => Err(None),
        None if !fits => Err(None),
        None => match typed.value_like(value) {
            Some(like) => {
                let why = format!("is {value:?}; settings.{}: {} would say the same", typed.field, plain(&like));
                Err(Some((why, Weight::Spelling)))
            }
            None => matters(format!("is {value:?}, which settings.{} refuses", typed.field)),
        },
    }
}
