//! A parameter's value in both directions: from a manifest to the phone's file and back.

use super::{Kind, Parameter};
use crate::phone::check::{check_file_name, check_host, check_time, check_url};
use crate::phone::choice::Choice;
use crate::phone::{text, zone};

impl Parameter {
    /// Checks a manifest's value and turns it into the text that stands in the phone's file.
    pub fn wire(&self, value: &serde_json::Value) -> Result<String, String> {
        use serde_json::Value;
        match (self.kind, value) {
            (Kind::Switch, Value::Bool(on)) => Ok(if *on { "1" } else { "0" }.to_owned()),
            (Kind::Switch, _) => Err("must be true or false".to_owned()),
            (Kind::Number { min, max, unit }, Value::Number(number)) => match number.as_i64() {
                Some(n) if (min..=max).contains(&n) => Ok(n.to_string()),
                _ => Err(format!(
                    "is {number}; it must be a whole number from {min} to {max}{}{unit}",
                    if unit.is_empty() { "" } else { " " }
                )),
            },
            (Kind::Number { min, max, .. }, _) => Err(format!("must be a whole number from {min} to {max}")),
            (Kind::Choice(choices), Value::String(given)) => match choices.iter().find(|c| c.value == given) {
                Some(choice) => Ok(choice.wire.to_owned()),
                None => Err(format!(
                    "is {given:?}; it must be one of {}",
                    choices.iter().map(|c| c.value).collect::<Vec<_>>().join(", ")
                )),
            },
            (Kind::Text { max }, Value::String(text)) => {
                text::check(text, max).map(|()| text.clone()).map_err(|e| e.to_string())
            }
            (Kind::Host, Value::String(text)) => check_host(text).map(|()| text.clone()),
            (Kind::Ipv4, Value::String(text)) if text.is_empty() || text.parse::<std::net::Ipv4Addr>().is_ok() => {
                Ok(text.clone())
            }
            (Kind::Ipv4, Value::String(text)) => {
                Err(format!("is {text:?}, which is not an IPv4 address such as 172.16.129.248"))
            }
            (Kind::TimeOfDay, Value::String(text)) => check_time(text).map(|()| text.clone()),
            (Kind::Zone, Value::String(text)) if zone::is_abbreviation(text) => Ok(text.clone()),
            (Kind::Zone, Value::String(text)) => match zone::parameters(text) {
                Ok(all) => Ok(all.into_iter().next().map(|(_, abbreviation)| abbreviation).unwrap_or_default()),
                Err(problem) => Err(problem.to_string()),
            },
            (Kind::Url, Value::String(text)) => check_url(text).map(|()| text.clone()),
            (Kind::FileName, Value::String(text)) => check_file_name(text).map(|()| text.clone()),
            (Kind::Secret { .. }, _) => Err("must name a Secret: {name: …, key: …}".to_owned()),
            _ => Err("must be a text".to_owned()),
        }
    }

    /// The manifest's value for a text in a file; `None` if no value would be written as exactly that text.
    pub fn value_of(&self, wire: &str) -> Option<serde_json::Value> {
        let value: serde_json::Value = match self.kind {
            Kind::Switch => (wire == "1").into(),
            Kind::Number { .. } => wire.parse::<i64>().ok()?.into(),
            Kind::Choice(choices) => choices.iter().find(|choice| choice.wire == wire)?.value.into(),
            Kind::Secret { .. } => return None,
            _ => wire.into(),
        };
        (self.wire(&value).as_deref() == Ok(wire)).then_some(value)
    }

    /// The manifest's value for a text in a file that phones read as the same value in another spelling: `April` for `4`,
    /// `G711uLaw` for `g711ulaw`, `2` for `02:00`.
    pub fn value_like(&self, wire: &str) -> Option<serde_json::Value> {
        let spelled = match self.kind {
            Kind::Choice(choices) => {
                let same = |choice: &&Choice| {
                    let long = choice.value.len() > wire.len() && wire.len() == 3 && self.name.starts_with("dst_");
                    let shortened = long && choice.value.starts_with(wire);
                    choice.wire.eq_ignore_ascii_case(wire) || choice.value == wire || shortened
                };
                choices.iter().find(same)?.wire.to_owned()
            }
            Kind::Number { .. } => match wire.trim_start_matches('0') {
                "" if wire.is_empty() => return None,
                "" => "0".to_owned(),
                rest => rest.to_owned(),
            },
            Kind::TimeOfDay => {
                let (hour, minute) = wire.split_once([':', '/']).unwrap_or((wire, "00"));
                format!("{hour:0>2}:{minute:0>2}")
            }
            _ => wire.to_owned(),
        };
        self.value_of(&spelled)
    }
}
