//! What is to say of a parameter that dialtone knows and that stands where its value is not checked.

use crate::api::Extra;
use crate::phone::model::MAX_LINES;
use crate::phone::parameter::{Kind, Parameter, Place, key_after};
use crate::phone::{Model, find};
use crate::provision::advice::{self, Advice};

/// The object that a file is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A PhoneSite.
    Site,
    /// A SipPhone.
    Phone(Model),
}

impl Owner {
    /// The place of its settings.
    pub fn place(self) -> Place {
        match self {
            Owner::Site => Place::Site,
            Owner::Phone(_) => Place::Phone,
        }
    }
}

/// What is to say of a parameter in `extraParameters`. Phones read every parameter from both of their files: where this kind of
/// object has no typed field for one, there is nothing to move. `has_line` says whether there is a line on a key, `twin` where
/// another line stands that has the name of the line on a key.
pub fn doubt(
    typed: &Parameter,
    value: &str,
    owner: Owner,
    has_line: impl Fn(usize) -> bool,
    twin: impl Fn(usize) -> Option<String>,
) -> Option<(Advice, String)> {
    if owner == Owner::Site && !typed.phone_only_values.is_empty() && matches!(value, "2" | "3") {
        return Some((advice::CALLS_LOCKED_IN_COMMON, format!("is {value}")));
    }
    // One phone's own plan, or one in a folder, has no field, and phones load it.
    if matches!(typed.kind, Kind::FileName) && (matches!(owner, Owner::Phone(_)) || value.contains(['/', '\\'])) {
        return None;
    }
    let line = key_after("line", &typed.name);
    if let Some(what) = no_such_key(&typed.name, owner) {
        return Some((advice::NO_SUCH_KEY, format!("is {value:?}, and {what}")));
    }
    if let Some(key) = line.filter(|key| typed.name == format!("line{key}_name")) {
        if let Some(problem) = name_problem(value) {
            return Some((advice::UNUSUAL_VALUE, problem.to_owned()));
        }
        if let Some(other) = twin(key) {
            let other = other.strip_prefix("spec.").unwrap_or(&other).to_owned();
            return Some((advice::LINE_NAME_SHARED, format!("is {value:?}, as is {other} of this phone")));
        }
    }
    if let Some(word) = typed.value_of(value).or_else(|| typed.value_like(value)) {
        return typed_field(typed, &word, owner, has_line).map(|place| (advice::UNTYPED, place));
    }
    let problem = match typed.kind {
        Kind::Switch => format!("is {value:?}, neither 0 nor 1"),
        Kind::Choice(choices) => {
            let known: Vec<&str> = choices.iter().map(|choice| choice.wire).collect();
            format!("is {value:?}, none of {}", known.join(", "))
        }
        Kind::Number { .. } => match value.parse::<i64>() {
            Ok(number) => typed.wire(&number.into()).err()?,
            Err(_) => format!("is {value:?}, no whole number"),
        },
        _ => typed.wire(&value.into()).err()?,
    };
    let about = if typed.name == "logo_url" { advice::LOGO_URL } else { advice::UNUSUAL_VALUE };
    Some((about, problem))
}

/// Where another line stands that has the name of the line on a key: one with a field of its own, or, in the extra parameters, one on
/// a key before. `said` is the value of a parameter and its field.
pub fn twin_of<'a>(
    key: usize,
    name: &str,
    extra: &Extra,
    said: impl Fn(&str) -> Option<(&'a str, &'a str)>,
) -> Option<String> {
    (1..=MAX_LINES).filter(|other| *other != key).find_map(|other| {
        let line = format!("line{other}_name");
        let is_twin =
            |(one, value): &(&String, &String)| other < key && *value == name && one.eq_ignore_ascii_case(&line);
        match said(&line) {
            Some((value, field)) if value == name && !field.starts_with("spec.extraParameters") => {
                Some(field.to_owned())
            }
            _ => extra.0.iter().any(|entry| is_twin(&entry)).then_some(line),
        }
    })
}

/// What is to say of a parameter of a line, or of its server, whose key is none of the phone's.
pub fn no_such_key(name: &str, owner: Owner) -> Option<String> {
    let name = name.to_ascii_lowercase();
    let (word, rest) = ["line", "proxy"].into_iter().find_map(|word| Some((word, name.strip_prefix(word)?)))?;
    let (number, what) = rest.split_once('_')?;
    let key: usize = number.parse().ok()?;
    match owner {
        _ if find(&format!("{word}1_{what}")).is_none() => None,
        Owner::Phone(model) if !(1..=model.lines()).contains(&key) => Some(format!("is for key {key} of a {model}")),
        Owner::Site if !(1..=MAX_LINES).contains(&key) => {
            Some(format!("is for key {key}, and phones have {MAX_LINES}"))
        }
        Owner::Phone(_) | Owner::Site => None,
    }
}

/// The field of this object that would hold a value.
fn typed_field(
    typed: &Parameter,
    word: &serde_json::Value,
    owner: Owner,
    has_line: impl Fn(usize) -> bool,
) -> Option<String> {
    if typed.place == Place::Either || typed.place == owner.place() {
        return Some(format!("settings.{}: {word} says the same", typed.field));
    }
    let on_phone = matches!(owner, Owner::Phone(_));
    if let Some(key) = key_after("line", &typed.name).filter(|_| on_phone) {
        return Some(format!("lines holds it, in a line with key: {key}"));
    }
    if let Some(key) = key_after("proxy", &typed.name).filter(|key| on_phone && has_line(*key)) {
        return Some(format!("lines[].proxy of the line with key: {key} holds it"));
    }
    match typed.name.as_str() {
        "image_version" => Some("firmware.image holds it, and phones are told once the pods have its files".to_owned()),
        "phone_label" if on_phone => Some("label holds it".to_owned()),
        _ => None,
    }
}

/// Why a kind of object has no setting for a parameter, or not for this value.
pub fn misplaced(parameter: &Parameter, value: &serde_json::Value, from: Place) -> Option<String> {
    match (parameter.place, from) {
        (Place::Phone, Place::Site) => Some("makes sense on one phone only: set it on the SipPhone".to_owned()),
        (Place::Site, Place::Phone) if parameter.name.starts_with("proxy") => {
            Some("is for a PhoneSite: a phone's own SIP server goes to spec.lines[].proxy".to_owned())
        }
        (Place::Site, Place::Phone) => Some("is for all phones of a site: set it on the PhoneSite".to_owned()),
        (_, Place::Site) if value.as_str().is_some_and(|word| parameter.phone_only_values.contains(&word)) => {
            Some(format!("is {value}, which phones obey only in their own file: set it on the SipPhone"))
        }
        _ => None,
    }
}

/// What is wrong with a line's name.
pub fn name_problem(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("is empty; a line needs the user part of its SIP address, such as 7101")
    } else if name.contains(char::is_whitespace) {
        Some("must not contain blanks: the phone sends broken SIP messages if it does")
    } else if name.contains(['@', '<', '>']) {
        Some("is the user part of the address only: no '@', '<' or '>'")
    } else {
        None
    }
}
