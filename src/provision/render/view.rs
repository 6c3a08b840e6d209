//! What a phone gets: its own values over those that its site sets, each with the object and the field where it stands.

use std::collections::BTreeMap;
use std::fmt;

use crate::phone::find;
use crate::phone::image::Release;
use crate::phone::parameter::{DEFAULT_PASSWORD, Kind, Place, is_unset};
use crate::provision::contents::dial_plan;
use crate::provision::render::plans::FilesView;
use crate::provision::render::values::Values;

/// What people set in a site for all of its phones, as far as a phone's files and what is said of it depend on that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiteView {
    given: BTreeMap<&'static str, Given>,
    /// Where its dial plan sends calls.
    pub routes: Routes,
    /// The files that its phones may name; nothing while one of its sources has not been read.
    pub files: Option<FilesView>,
    /// Whether what is said of the site depends on what its phones say.
    pub asks_phones: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Given {
    /// Nothing if it is refused, not read yet, secret, or of no use for a phone.
    value: Option<Box<str>>,
    field: Box<str>,
}

/// Where the rules of a dial plan send calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Routes {
    /// There are no rules that anybody could read here: phones get the plan from somewhere else.
    #[default]
    Unknown,
    /// What the rules say.
    Known {
        /// Whether one of them routes to Emergency.
        emergency: bool,
        /// How many have a route that an outbound proxy overrules.
        elsewhere: usize,
    },
}

/// Beginnings of the names of parameters whose values on a site matter to what a phone is told: all others may change without any
/// phone being looked at again.
const JUDGED: [&str; 12] = [
    "image_version",
    "proxy",
    "outbound_proxy",
    "nat_",
    "line",
    "telnet_level",
    "phone_password",
    "sntp_",
    "time_zone",
    "dst_",
    "start_media_port",
    "end_media_port",
];

impl From<dial_plan::Routes> for Routes {
    fn from(routes: dial_plan::Routes) -> Routes {
        Routes::Known { emergency: routes.emergency.is_some(), elsewhere: routes.elsewhere }
    }
}

impl SiteView {
    /// The view of a site's values, before defaults are filled in.
    pub fn new(values: &Values, routes: Routes) -> SiteView {
        let view = |name: &str, kind: Kind| {
            let value = values.get(name).filter(|_| JUDGED.iter().any(|judged| name.starts_with(judged)))?;
            let shown = !matches!(kind, Kind::Secret { .. }) || value == DEFAULT_PASSWORD || is_unset(name, value);
            shown.then(|| value.into())
        };
        let given = values.by_people().map(|(parameter, _, field)| {
            let value = view(&parameter.name, parameter.kind);
            (parameter.name.as_str(), Given { value, field: field.into() })
        });
        SiteView { given: given.collect(), routes, files: None, asks_phones: false }
    }

    /// Whether the site sets something for all phones that has its place on each of them, such as a line's name.
    pub fn shares(&self, name: &str) -> bool {
        let of_phones = |place| matches!(place, Place::Phone | Place::Elsewhere);
        name != "image_version" && self.given.contains_key(name) && find(name).is_some_and(|p| of_phones(p.place))
    }

    /// What the site says of a parameter.
    pub fn said(&self, name: &str) -> Said<'_> {
        match self.given.get(name) {
            None => Said::Nothing,
            Some(Given { value: None, .. }) => Said::Unknown,
            Some(Given { value: Some(value), field }) if !is_unset(name, value) => Said::Value(value, At::Site(field)),
            Some(_) => Said::Nothing,
        }
    }

    /// The parameters that firmware knows since after one release and up to another, and the fields that set them.
    pub fn newer(&self, than: Release, up_to: Option<Release>) -> impl Iterator<Item = (Release, At<'_>)> {
        self.given.iter().filter_map(move |(name, given)| {
            let since = find(name)?.since;
            (since > than && up_to.is_none_or(|most| since <= most)).then_some((since, At::Site(&given.field)))
        })
    }
}

/// What is said of a parameter, all objects taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said<'a> {
    /// Nobody sets it, or the one who has the last word says that it is not set.
    Nothing,
    /// It is set, to what cannot be used here, or it may be set by a site that nothing is known of.
    Unknown,
    /// It has this value.
    Value(&'a str, At<'a>),
}

impl<'a> Said<'a> {
    /// The value and its place, if there is one.
    pub fn value(self) -> Option<(&'a str, At<'a>)> {
        match self {
            Said::Value(value, at) => Some((value, at)),
            Said::Nothing | Said::Unknown => None,
        }
    }

    /// Whether it is sure that it is not set.
    pub fn is_nothing(self) -> bool {
        self == Said::Nothing
    }

    /// This, or something else where it is not set.
    pub fn or(self, other: impl FnOnce() -> Said<'a>) -> Said<'a> {
        if self.is_nothing() { other() } else { self }
    }
}

/// The object and the field where a value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At<'a> {
    /// A field of the phone.
    Own(&'a str),
    /// A field of its site.
    Site(&'a str),
}

impl<'a> At<'a> {
    /// The field, if it is the phone's own.
    pub fn own(self) -> Option<&'a str> {
        match self {
            At::Own(field) => Some(field),
            At::Site(_) => None,
        }
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |field: &str| field.strip_prefix("spec.").unwrap_or(field).to_owned();
        match self {
            At::Own(field) => f.write_str(&short(field)),
            At::Site(field) => write!(f, "the site's {}", short(field)),
        }
    }
}

/// A phone's values over those of its site.
#[derive(Clone, Copy)]
pub struct Merged<'a> {
    own: &'a Values,
    /// Nothing is known of a site that was not read.
    site: Option<&'a SiteView>,
}

impl<'a> Merged<'a> {
    /// The values of a phone, before defaults are filled in, over those of its site.
    pub fn new(own: &'a Values, site: Option<&'a SiteView>) -> Merged<'a> {
        Merged { own, site }
    }

    /// The values of a site, for what is said of objects of both kinds.
    pub fn of_site(own: &'a Values) -> Merged<'a> {
        static NOTHING_ABOVE: SiteView =
            SiteView { given: BTreeMap::new(), routes: Routes::Unknown, files: None, asks_phones: false };
        Merged { own, site: Some(&NOTHING_ABOVE) }
    }

    /// What the site says of a parameter.
    pub fn site_said(&self, name: &str) -> Said<'a> {
        self.site.map_or(Said::Unknown, |site| site.said(name))
    }

    /// The phone's own field for a parameter, also if it says that there is no value.
    pub fn own_field(&self, name: &str) -> Option<&'a str> {
        self.own.field(name)
    }

    /// What the phone gets of a parameter.
    pub fn said(&self, name: &str) -> Said<'a> {
        match (self.own.field(name), self.own.get(name)) {
            (Some(field), Some(value)) if !is_unset(name, value) => Said::Value(value, At::Own(field)),
            (Some(_), Some(_)) => Said::Nothing,
            (Some(_), None) => Said::Unknown,
            (None, _) => self.site_said(name),
        }
    }

    /// The SIP server of the line on a key: its own, or that of line 1.
    pub fn proxy(&self, key: usize) -> Said<'a> {
        self.said(&format!("proxy{key}_address")).or(|| self.said("proxy1_address"))
    }
}
