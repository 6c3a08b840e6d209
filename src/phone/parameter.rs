//! One row of the table of parameters: what is known of a parameter. How its value is written is in `value.rs`.

mod value;

use std::fmt::Write as _;

pub use crate::base::secret_name::is_secret;

pub use super::check::{
    FILE_NAME_PATTERN, HOST_OR_ADDRESS_PATTERN, HOST_PATTERN, IPV4_PATTERN, TIME_PATTERN, UNPROVISIONED, URL_PATTERN,
    ZONE_PATTERN, check_file_name, check_host, is_unset,
};
use super::choice::Choice;
use super::image::Release;
use super::model::MAX_LINES;
use super::zone::ABBREVIATIONS;

/// The heading under which the reference lists a parameter.
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

/// What values a parameter takes.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `0` or `1` in the phone's file, `false` or `true` in a manifest.
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
    /// One of a fixed list of values.
    Choice(&'static [Choice]),
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

/// Which object a parameter is set in.
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

/// The password of a phone that was never given one.
pub const DEFAULT_PASSWORD: &str = "cisco";

/// The key in a parameter's name after a word: 2 in `line2_name` after `line`. Such a number counts the phone's keys, never the
/// lines that somebody wrote down.
pub fn key_after(word: &str, name: &str) -> Option<usize> {
    let (number, _) = name.strip_prefix(word)?.split_once('_')?;
    number.parse().ok().filter(|key| (1..=MAX_LINES).contains(key))
}

/// What is written for a parameter that is not set, under `unsetParameters: Reset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unset {
    /// Write this value: it is the documented default.
    Write(&'static str),
    /// Write nothing: there is no value that means "not set", or none that is known well enough.
    Leave,
}

/// The source of what is known of a parameter, and so how sure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Cisco's application note for these phones.
    Note,
    /// An administrator guide for SIP firmware 2.0 to 8.0, or the comments in Cisco's own sample files.
    Guide,
    /// Cisco's administrator guide of Unified CME, a router that writes these phones' files for firmware 7.4.
    Cme,
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
    /// Which object it is set in.
    pub place: Place,
    /// Values of a [`Kind::Choice`] that are allowed in a phone-specific file only.
    pub phone_only_values: &'static [&'static str],
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
            phone_only_values: &[],
            since: Release::FIRST,
            since_sure: true,
            source: Source::Guide,
            about: about.to_owned(),
        }
    }

    /// The default as manifests write it, where there is one.
    pub fn default_value(&self) -> Option<String> {
        let Unset::Write(wire) = self.unset else { return None };
        Some(match self.kind {
            Kind::Choice(choices) => choices.iter().find(|c| c.wire == wire).map_or(wire, |c| c.value).to_owned(),
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
            Kind::Choice(choices) => {
                let list: Vec<String> = choices
                    .iter()
                    .map(|Choice { value, wire, about }| {
                        if about.is_empty() {
                            format!("{value} ({wire})")
                        } else {
                            format!("{value} ({wire}): {about}")
                        }
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
                let list: Vec<String> =
                    ABBREVIATIONS.iter().map(|zone| format!("{} ({})", zone.value, zone.about)).collect();
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
        if let Some(default) = self.default_value() {
            let _ = write!(text, " Default: {default}.");
        }
        if !self.phone_only_values.is_empty() {
            let _ = write!(text, " {} only on a SipPhone.", self.phone_only_values.join(" and "));
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
