//! What is known of one parameter, and how its value is written.

use std::fmt::Write as _;

use super::image::Release;
use super::table::words::ZONES;
use super::{text, zone};

/// How a person groups the parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Which image the phone runs.
    Firmware,
    /// Line appearances.
    Lines,
    /// Where requests go.
    Proxies,
    /// Registration and other SIP timers.
    Sip,
    /// Codecs and packets.
    Media,
    /// Keys pressed during a call.
    Dtmf,
    /// Clock, time zone and daylight saving.
    Time,
    /// Address translation and ports.
    Nat,
    /// Who may get into the phone, and how.
    Access,
    /// Menus, directories, the logo.
    Services,
    /// What happens with calls.
    Calls,
    /// Speed dial keys.
    SpeedDials,
    /// The phone's own network.
    Network,
    /// How the phone finds and re-reads its files.
    Provisioning,
}

impl Group {
    /// The heading in the reference.
    pub const fn title(self) -> &'static str {
        match self {
            Group::Firmware => "Firmware",
            Group::Lines => "Lines",
            Group::Proxies => "Proxies",
            Group::Sip => "SIP",
            Group::Media => "Media",
            Group::Dtmf => "DTMF",
            Group::Time => "Time and daylight saving",
            Group::Nat => "NAT and ports",
            Group::Access => "Access",
            Group::Services => "Services",
            Group::Calls => "Calls",
            Group::SpeedDials => "Speed dials",
            Group::Network => "Network",
            Group::Provisioning => "Provisioning",
        }
    }
}

/// One word of an enumeration: what people write, what the phone reads, what it means.
pub type Word = (&'static str, &'static str, &'static str);

/// What values a parameter takes.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `0` or `1` on the phone, `false` or `true` for people.
    Switch,
    /// A whole number in a unit.
    Number {
        /// The smallest value.
        min: i64,
        /// The largest value.
        max: i64,
        /// The unit, empty where there is none.
        unit: &'static str,
    },
    /// One of a few words.
    Words(&'static [Word]),
    /// Text of at most so many characters.
    Text {
        /// The characters that fit.
        max: usize,
    },
    /// A host name or dotted IPv4 address.
    Host,
    /// A dotted IPv4 address.
    Ipv4,
    /// A time of day, `hh:mm`.
    TimeOfDay,
    /// A time zone: one of the phone's own abbreviations, or a name of the tz database, from which the daylight saving
    /// parameters follow too.
    Zone,
    /// An `http://` URL of fewer than 128 characters.
    Url,
    /// The base name of a file in the TFTP root.
    FileName,
    /// Text from a Secret, of at most so many characters.
    Secret {
        /// The characters that fit.
        max: usize,
    },
}

/// Where people set a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In `settings` of a site or a phone.
    Either,
    /// In `settings` of a site only: the phone needs it before it knows its own file.
    Site,
    /// In `settings` of a phone only.
    Phone,
    /// Not in `settings`: the object has a field of its own for it.
    Elsewhere,
}

/// What the phone takes for "nobody set this".
pub const UNPROVISIONED: &str = "UNPROVISIONED";

/// What to write under `unsetParameters: Reset` when nobody set the parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unset {
    /// Write this value: it is the documented default.
    Write(&'static str),
    /// Write nothing: there is no value that means "not set", or none that is known well enough.
    Leave,
}

/// Who says what is known of a parameter, and so how sure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Cisco's application note for these phones.
    Note,
    /// An administrator guide for SIP firmware 2.0 to 8.0, or the comments in Cisco's own sample files.
    Guide,
    /// Files in use and other programs that write them; no manual for this phone confirms it.
    Use,
}

/// One row of the table of parameters.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// The phone's own name.
    pub name: String,
    /// The field in manifests: the phone's name in camel case, `proxy1_address` as `proxy1Address`.
    pub field: String,
    /// Its group.
    pub group: Group,
    /// The values that it takes.
    pub kind: Kind,
    /// What resets it.
    pub unset: Unset,
    /// Where people set it.
    pub place: Place,
    /// Words that are allowed in a phone-specific file only.
    pub phone_only_words: &'static [&'static str],
    /// The first firmware that knows it.
    pub since: Release,
    /// Whether a source names that firmware; otherwise it is the best guess.
    pub since_sure: bool,
    /// Where name, values and default come from.
    pub source: Source,
    /// What it is for.
    pub about: String,
}

impl Parameter {
    /// A parameter that every firmware knows and that both a site and a phone may set.
    pub fn new(name: &str, group: Group, kind: Kind, unset: Unset, about: &str) -> Parameter {
        Parameter {
            name: name.to_owned(),
            field: field_name(name, kind),
            group,
            kind,
            unset,
            place: Place::Either,
            phone_only_words: &[],
            since: Release::FIRST,
            since_sure: true,
            source: Source::Guide,
            about: about.to_owned(),
        }
    }

    /// The default in the words that people use, where there is one.
    pub fn default_word(&self) -> Option<String> {
        let Unset::Write(wire) = self.unset else { return None };
        Some(match self.kind {
            Kind::Words(words) => words.iter().find(|w| w.1 == wire).map_or(wire, |w| w.0).to_owned(),
            Kind::Switch => (wire == "1").to_string(),
            _ if wire.is_empty() || wire == UNPROVISIONED => return None,
            _ => wire.to_owned(),
        })
    }

    /// The description that `kubectl explain` and the reference show.
    pub fn describe(&self) -> String {
        let mut text = self.about.clone();
        let _ = write!(text, " Written as `{}`", self.name);
        match self.kind {
            Kind::Words(words) => {
                let list: Vec<String> = words
                    .iter()
                    .map(|(word, wire, about)| {
                        if about.is_empty() { format!("{word} ({wire})") } else { format!("{word} ({wire}): {about}") }
                    })
                    .collect();
                let _ = write!(text, ". Values: {}.", list.join("; "));
            }
            Kind::Switch => text.push_str(", 1 for true and 0 for false."),
            Kind::Number { min, max, unit } => {
                let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
                let _ = write!(text, ". Range: {min} to {max}{unit}.");
            }
            Kind::Text { max } => {
                let _ = write!(text, ". At most {max} characters.");
            }
            Kind::Ipv4 => text.push_str(". An IPv4 address."),
            Kind::TimeOfDay => text.push_str(". A time of day, hh:mm."),
            Kind::Zone => {
                let list: Vec<String> = ZONES.iter().map(|(word, _, offset)| format!("{word} ({offset})")).collect();
                let _ = write!(
                    text,
                    ". A name of the tz database, such as Europe/Berlin, from which all dst parameters follow; or one of the phone's own abbreviations: {}.",
                    list.join(", ")
                );
            }
            Kind::Host => text.push_str(". A host name or an IPv4 address."),
            Kind::Url => text.push_str(". An http:// URL of at most 127 characters."),
            Kind::FileName => text.push_str(". A file name without its extension."),
            Kind::Secret { max } => {
                let _ = write!(text, ". At most {max} characters, read from a Secret.");
            }
        }
        if let Some(default) = self.default_word() {
            let _ = write!(text, " Default: {default}.");
        }
        if !self.phone_only_words.is_empty() {
            let _ = write!(text, " {} only on a SipPhone.", self.phone_only_words.join(" and "));
        }
        if self.since > Release::FIRST {
            let about = if self.since_sure { "" } else { "about " };
            let _ = write!(text, " Since {about}firmware {}.", self.since);
        }
        if self.source == Source::Use {
            text.push_str(" Seen in working files, but not in a manual for this phone: try it on one phone first.");
        }
        text
    }

    /// Checks what a person wrote and turns it into what the phone reads.
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
            (Kind::Words(words), Value::String(given)) => match words.iter().find(|w| w.0 == given) {
                Some((_, wire, _)) => Ok((*wire).to_owned()),
                None => Err(format!(
                    "is {given:?}; it must be one of {}",
                    words.iter().map(|w| w.0).collect::<Vec<_>>().join(", ")
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

    /// What people write for what stands in a file; `None` if there is nothing that would be written as exactly that.
    pub fn value_of(&self, wire: &str) -> Option<serde_json::Value> {
        let value: serde_json::Value = match self.kind {
            Kind::Switch => (wire == "1").into(),
            Kind::Number { .. } => wire.parse::<i64>().ok()?.into(),
            Kind::Words(words) => words.iter().find(|word| word.1 == wire)?.0.into(),
            Kind::Secret { .. } => return None,
            _ => wire.into(),
        };
        (self.wire(&value).as_deref() == Ok(wire)).then_some(value)
    }

    /// What people write for a value that stands in a file in another spelling, which phones read as the same: `April` and
    /// `4`, `G711uLaw`, `2` o'clock.
    pub fn value_like(&self, wire: &str) -> Option<serde_json::Value> {
        let spelled = match self.kind {
            Kind::Words(words) => {
                let same = |word: &&Word| {
                    let long = word.0.len() > wire.len() && wire.len() == 3 && self.name.starts_with("dst_");
                    word.1.eq_ignore_ascii_case(wire) || word.0 == wire || (long && word.0.starts_with(wire))
                };
                words.iter().find(same)?.1.to_owned()
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

/// Whether a parameter by its name holds what nobody should read, known to the table or not.
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let inside = ["password", "passwd", "passphrase", "secret", "credential", "token"];
    let whole = ["pw", "pwd", "pass", "pin", "psk", "key", "community"];
    inside.iter().any(|word| name.contains(word)) || name.split(['_', '.', '-']).any(|part| whole.contains(&part))
}

fn field_name(name: &str, kind: Kind) -> String {
    let mut field = String::with_capacity(name.len());
    for (i, part) in name.split('_').enumerate() {
        let mut chars = part.chars();
        match chars.next() {
            Some(first) if i > 0 => field.push(first.to_ascii_uppercase()),
            Some(first) => field.push(first),
            None => {}
        }
        field.push_str(chars.as_str());
    }
    if matches!(kind, Kind::Secret { .. }) {
        field.push_str("SecretRef");
    }
    field
}

/// A pattern for API schemas that accepts an IPv4 address or nothing.
pub const IPV4_PATTERN: &str =
    "^(((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])[.]){3}(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9]))?$";

/// A pattern for API schemas that accepts a time of day.
pub const TIME_PATTERN: &str = "^([01][0-9]|2[0-3]):[0-5][0-9]$";

fn check_time(text: &str) -> Result<(), String> {
    let part = |part: &str, below: u8| {
        part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit()) && part.parse().is_ok_and(|n: u8| n < below)
    };
    match text.split_once(':') {
        Some((hour, minute)) if part(hour, 24) && part(minute, 60) => Ok(()),
        _ => Err(format!("is {text:?}; it must be a time of day from 00:00 to 23:59")),
    }
}

/// A pattern for API schemas that accepts a time zone's name.
pub const ZONE_PATTERN: &str = "^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$";

/// A pattern for API schemas that accepts what [`check_host`] accepts.
pub const HOST_PATTERN: &str =
    "^([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?([.][A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*[.]?)?$";

/// Checks a host name or IPv4 address. Empty is allowed: it says that there is none.
pub fn check_host(text: &str) -> Result<(), String> {
    let refuse =
        || Err(format!("is {text:?}, which is neither a host name nor an IPv4 address such as 172.16.129.248"));
    if text.is_empty() {
        return Ok(());
    }
    if text.len() > 127 {
        return refuse();
    }
    let digits_and_dots = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if digits_and_dots {
        return if text.parse::<std::net::Ipv4Addr>().is_ok() { Ok(()) } else { refuse() };
    }
    let label_ok = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if text.strip_suffix('.').unwrap_or(text).split('.').all(label_ok) { Ok(()) } else { refuse() }
}

/// A pattern for API schemas that accepts an `http://` URL or nothing.
pub const URL_PATTERN: &str = "^(http://[!#-~]+)?$";

fn check_url(text: &str) -> Result<(), String> {
    let rest = match text.strip_prefix("http://") {
        _ if text.is_empty() => return Ok(()),
        Some(rest) => rest,
        None => return Err(format!("is {text:?}; the phone knows only http:// URLs")),
    };
    if rest.is_empty() || !rest.bytes().all(|b| b.is_ascii_graphic() && b != b'"') {
        return Err(format!("is {text:?}, which is not a URL"));
    }
    if text.len() > 127 { Err(format!("has {} characters; the phone keeps at most 127", text.len())) } else { Ok(()) }
}

/// A pattern for API schemas that accepts what [`check_file_name`] accepts.
pub const FILE_NAME_PATTERN: &str = "^([A-Za-z0-9_][A-Za-z0-9._-]*)?$";

/// Checks the base name of a file: no folders, nothing that a file system or a ConfigMap key would trip over.
pub fn check_file_name(text: &str) -> Result<(), String> {
    let fine = text.len() <= 64
        && !text.starts_with(['.', '-'])
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if fine {
        Ok(())
    } else {
        Err(format!("is {text:?}; a file name has letters, digits, '.', '_' and '-' only, and at most 64 of them"))
    }
}
