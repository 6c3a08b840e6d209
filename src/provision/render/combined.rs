//! What looks wrong in values that belong together, whether they stand in one object or in a site and its phone. A phone is told of
//! what it has a part in; what stands in the site alone is said of the site.

use crate::api::UnsetParameters;
use crate::phone::parameter::DEFAULT_PASSWORD;
use crate::phone::parameters;
use crate::provision::advice;
use crate::provision::diagnostic::Diagnostic;
use crate::provision::render::view::{At, Merged, Said};

fn advise(found: &mut Vec<Diagnostic>, advice: advice::Advice, field: &str, what: impl std::fmt::Display) {
    found.push(Diagnostic::advice(advice, field, what));
}

/// Whether a SIP server is given by a host's name, and neither by its address nor as one of the CallManagers.
pub fn is_host_name(proxy: &str) -> bool {
    proxy.parse::<std::net::IpAddr>().is_err() && !proxy.eq_ignore_ascii_case("USECALLMANAGER")
}

/// A door that is open to everybody.
pub fn telnet(all: Merged<'_>, found: &mut Vec<Diagnostic>) {
    let level = all.said("telnet_level").value().filter(|(level, _)| matches!(*level, "1" | "2"));
    let Some((level, at)) = level else { return };
    match all.said("phone_password") {
        Said::Value(DEFAULT_PASSWORD, _) | Said::Nothing => {}
        Said::Value(..) | Said::Unknown => return,
    }
    let what = if level == "2" { "lets everybody restart the phone" } else { "lets everybody in" };
    match (at, all.own_field("phone_password")) {
        (At::Own(field), _) => advise(found, advice::TELNET_PASSWORD, field, what),
        (At::Site(_), Some(field)) => {
            advise(found, advice::TELNET_PASSWORD, field, format!("is not set to one of its own, and {at} {what}"));
        }
        (At::Site(_), None) => {}
    }
}

/// Time from one server, and no server.
pub fn time_server(all: Merged<'_>, found: &mut Vec<Diagnostic>) {
    let Some(("unicast", mode)) = all.said("sntp_mode").value() else { return };
    let server = match all.said("sntp_server") {
        Said::Value("0.0.0.0", at) => format!("{at} is 0.0.0.0, the address of no server"),
        Said::Nothing => "sntpServer is not set".to_owned(),
        Said::Value(..) | Said::Unknown => return,
    };
    match (mode, all.own_field("sntp_server")) {
        (At::Own(field), _) => advise(found, advice::SNTP_OFF, field, format!("is Unicast and {server}")),
        (At::Site(_), Some(field)) => {
            advise(found, advice::SNTP_OFF, field, format!("says that there is none, and {mode} is Unicast"));
        }
        (At::Site(_), None) => {}
    }
}

/// What is said of daylight saving.
enum Daylight {
    /// Nothing, by nobody.
    Nothing,
    /// Not enough to know when the clock changes.
    Partly,
    /// When the clock changes; whether only the phone's own fields say so.
    Set { own: bool },
    /// That there is none, or what cannot be known.
    Fine,
}

fn daylight(all: Merged<'_>) -> Daylight {
    if let Said::Value("0", _) | Said::Unknown = all.said("dst_auto_adjust") {
        return Daylight::Fine;
    }
    let is_own = |(_, at): (&str, At<'_>)| at.own().is_some();
    match (all.said("dst_start_month"), all.said("dst_stop_month")) {
        (Said::Unknown, _) | (_, Said::Unknown) => Daylight::Fine,
        (start @ Said::Value(..), stop @ Said::Value(..)) => {
            Daylight::Set { own: [start, stop].into_iter().filter_map(Said::value).all(is_own) }
        }
        _ => {
            let mut rules = parameters().iter().filter(|parameter| parameter.name.starts_with("dst_"));
            if rules.any(|parameter| !all.said(&parameter.name).is_nothing()) {
                Daylight::Partly
            } else {
                Daylight::Nothing
            }
        }
    }
}

/// When clocks change. The zone of a site is looked at on the site, also where nothing is written for what is not set: a new phone
/// has nothing to remember.
pub fn clock(all: Merged<'_>, unset: UnsetParameters, found: &mut Vec<Diagnostic>) {
    let Some((zone, At::Own(field))) = all.said("time_zone").value() else { return };
    let of_site = all.site_said("time_zone").value().map(|(zone, _)| zone);
    let (advice, what) = match daylight(all) {
        Daylight::Fine | Daylight::Set { own: true } => return,
        // The site is told of its zone.
        _ if of_site == Some(zone) => return,
        Daylight::Set { own: false } => (advice::DAYLIGHT_SAVING_OF_SITE, "no dst field is set"),
        Daylight::Nothing => (advice::DAYLIGHT_SAVING, "no dst field is set"),
        Daylight::Partly => (advice::DAYLIGHT_SAVING, "dst_start_month and dst_stop_month are not both set"),
    };
    let kept = match (advice == advice::DAYLIGHT_SAVING, unset) {
        (true, UnsetParameters::Keep) => "; with unsetParameters: Keep a new phone is told of no rules",
        _ => "",
    };
    advise(found, advice, field, format!("is {zone} and {what}{kept}"));
}
