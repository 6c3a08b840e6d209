//! What looks wrong in a site or a phone although phones would take it.

use crate::api::{DialRule, PhoneSiteSpec, SipPhoneSpec, UnsetParameters};
use crate::phone::dialplan::{Budget, Template};
use crate::phone::image::{self, Image, Protocol, Release};
use crate::phone::parameter::Kind;
use crate::phone::syncinfo;

use crate::provision::advice::{self, Advice};
use crate::provision::catalog::Catalog;
use crate::provision::contents::dial_plan::{self, Routes};
use crate::provision::diagnostic::Diagnostic;
use crate::provision::render::lint_files;
use crate::provision::render::plan::{PhoneBase, release};
use crate::provision::render::values::Values;

/// A site's values, before defaults are filled in. The catalog has the files from elsewhere, as far as they are known.
pub fn site(spec: &PhoneSiteSpec, values: &Values, catalog: Option<&Catalog<'_>>, found: &mut Vec<Diagnostic>) {
    let firmware = spec.firmware.as_ref();
    let image = firmware.and_then(|firmware| firmware.image.as_deref());
    image_name("spec.firmware.image", image, found);
    let bootstrap = firmware.and_then(|firmware| firmware.bootstrap.as_deref());
    if let Some(bootstrap) = bootstrap {
        letter_o("spec.firmware.bootstrap", bootstrap, found);
        let old_target = release(image).is_none_or(|release| release < Release::LOADER);
        if old_target && bootstrap.len() > 8 && image::did_you_mean(bootstrap).is_none() {
            advise(found, advice::TWO_STEP, "spec.firmware.bootstrap", format!("is {bootstrap}"));
        }
    }
    let rules = spec.dial_plan.as_ref().map(|plan| plan.templates.as_slice()).unwrap_or_default();
    let rules: Vec<Template<'_>> = rules.iter().map(DialRule::template).collect();
    let plan = if rules.is_empty() {
        catalog.and_then(|catalog| lint_files::routes(lint_files::told(spec, values), catalog))
    } else {
        let routes = Routes::of(&rules);
        Some((routes, format!("spec.dialPlan.templates[{}].route", routes.emergency.unwrap_or_default())))
    };
    proxies(values, plan, found);
    telnet(values, false, found);
    if spec.unset_parameters == UnsetParameters::Reset {
        clock(values, advice::DAYLIGHT_SAVING, found);
    }
    time_server(values, found);
    dial_plan::lint(&rules, &mut Budget::new(dial_plan::STEPS), |rule, part, advice, what| {
        let field = rule.map(|rule| format!("spec.dialPlan.templates[{rule}].{part}"));
        advise(found, advice, field.as_deref().unwrap_or("spec.dialPlan.templates"), what);
    });
    if !rules.is_empty() && values.given("dial_template").is_none() && spec.unset_parameters == UnsetParameters::Keep {
        advise(found, advice::DIAL_PLAN_NOT_TOLD, "spec.dialPlan", "is served as dialplan.xml");
    }
    common(values, image, found);
}

/// A phone's values, before defaults are filled in.
pub fn phone(spec: &SipPhoneSpec, values: &Values, base: &PhoneBase, found: &mut Vec<Diagnostic>) {
    let image = spec.firmware.as_ref().and_then(|firmware| firmware.image.as_deref());
    image_name("spec.firmware.image", image, found);
    let backup_or_outbound = ["proxy_backup", "outbound_proxy"].iter().any(|name| values.given(name).is_some());
    if backup_or_outbound {
        proxies(values, None, found);
    }
    telnet(values, base.password, found);
    clock(values, advice::DAYLIGHT_SAVING_OF_SITE, found);
    time_server(values, found);
    let answers = values.get("auto_answer").and_then(|mask| mask.parse::<u32>().ok()).filter(|mask| *mask < 64);
    if let (Some(field), Some(mask)) = (values.field("auto_answer"), answers)
        && mask >> spec.model.lines() != 0
    {
        let what = format!("is {mask}, which names a line that a {} does not have", spec.model);
        advise(found, advice::UNUSUAL_VALUE, field, what);
    }
    for (i, line) in spec.lines.iter().enumerate().filter(|(_, line)| is_number_with_dashes(&line.name)) {
        advise(found, advice::LINE_NAME_DASHES, &format!("spec.lines[{i}].name"), format!("is {:?}", line.name));
    }
    common(values, image.or(base.image.as_deref()), found);
}

fn is_number_with_dashes(name: &str) -> bool {
    name.contains('-') && name.bytes().all(|b| b.is_ascii_digit() || b == b'-')
}

/// What is wrong wherever it stands.
fn common(values: &Values, image: Option<&str>, found: &mut Vec<Diagnostic>) {
    if let Some(field) = values.field("image_version") {
        image_name(field, values.given("image_version"), found);
    }
    if let (Some(field), Some(syncinfo::MARK)) = (values.field("sync"), values.given("sync")) {
        found.push(Diagnostic::invalid(
            field,
            "is what syncinfo.xml says, so that no phone would ever restart when it is told to: choose another",
        ));
    }
    if let (Some(field), Some(_)) = (values.field("dyn_tftp_addr"), values.given("dyn_tftp_addr")) {
        advise(found, advice::DYN_TFTP, field, "is set");
    }
    if let (Some(field), Some("1"), Some(proxy)) =
        (values.field("nat_enable"), values.given("nat_enable"), values.given("proxy1_address"))
        && proxy.parse::<std::net::IpAddr>().is_err()
    {
        advise(found, advice::NAT_WITH_NAME, field, format!("is on, and proxy1_address is {proxy}"));
    }
    let firmware = release(image);
    for (parameter, value, field) in values.by_people() {
        if is_placeholder(value) && !matches!(parameter.kind, Kind::Secret { .. }) {
            advise(found, advice::PLACEHOLDER, field, format!("is {value:?}"));
        }
        if firmware.is_some_and(|firmware| parameter.since > firmware) {
            let (since, image) = (parameter.since, image.unwrap_or_default());
            advise(
                found,
                advice::NEWER_THAN_FIRMWARE,
                field,
                format!("is known since firmware {since}, not to {image}"),
            );
        }
    }
}

fn advise(found: &mut Vec<Diagnostic>, advice: Advice, field: &str, what: impl std::fmt::Display) {
    found.push(Diagnostic::advice(advice, field, what));
}

fn image_name(field: &str, name: Option<&str>, found: &mut Vec<Diagnostic>) {
    let Some(name) = name.filter(|name| !name.is_empty()) else { return };
    if letter_o(field, name, found) {
        return;
    }
    match Image::parse(name) {
        None => advise(found, advice::IMAGE_NAME, field, format!("is {name:?}")),
        Some(image) if image.protocol != Protocol::Sip => {
            advise(found, advice::IMAGE_OTHER_PROTOCOL, field, format!("is {name:?}"));
        }
        Some(_) if name == image::BOOTSTRAP => advise(found, advice::IMAGE_BOOTSTRAP, field, format!("is {name}")),
        Some(_) => {}
    }
}

fn letter_o(field: &str, name: &str, found: &mut Vec<Diagnostic>) -> bool {
    let meant = image::did_you_mean(name);
    if let Some(meant) = &meant {
        advise(found, advice::IMAGE_LETTER_O, field, format!("is {name:?} (did you mean {meant}?)"));
    }
    meant.is_some()
}

/// Text that a template engine should have replaced.
fn is_placeholder(value: &str) -> bool {
    let wrapped = |open: &str, close: &str| {
        value.split_once(open).is_some_and(|(_, rest)| rest.split_once(close).is_some_and(|(name, _)| !name.is_empty()))
    };
    let variable = |rest: &str| rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    value.split('$').skip(1).any(variable)
        || wrapped("{{", "}}")
        || wrapped("${", "}")
        || wrapped("__", "__")
        || wrapped("<?", "?>")
}

/// `plan` is where the dial plan sends calls, and the field of its rule for emergency calls.
fn proxies(values: &Values, plan: Option<(Routes, String)>, found: &mut Vec<Diagnostic>) {
    let (routes, emergency) = plan.unwrap_or_default();
    if let (Some(field), Some(proxy)) = (values.field("outbound_proxy"), values.given("outbound_proxy")) {
        let what = match routes.elsewhere {
            0 => format!("is {proxy}"),
            1 => format!("is {proxy}, and a rule of the dial plan has a route that will not be taken"),
            n => format!("is {proxy}, and {n} rules of the dial plan have routes that will not be taken"),
        };
        advise(found, advice::OUTBOUND_PROXY, field, what);
    }
    if let (Some(field), Some(proxy)) = (values.field("proxy_backup"), values.given("proxy_backup")) {
        advise(found, advice::PROXY_BACKUP, field, format!("is {proxy}"));
    }
    match (values.given("proxy_emergency"), routes.emergency) {
        (None, Some(_)) => advise(found, advice::EMERGENCY_PROXY, &emergency, "is Emergency"),
        (Some(proxy), None) => {
            if let Some(field) = values.field("proxy_emergency") {
                advise(found, advice::EMERGENCY_UNUSED, field, format!("is {proxy}"));
            }
        }
        _ => {}
    }
}

/// `known` says whether a password is set where these values do not show it.
fn telnet(values: &Values, known: bool, found: &mut Vec<Diagnostic>) {
    let level = values.given("telnet_level").filter(|level| matches!(*level, "1" | "2"));
    if let (Some(field), Some(level)) = (values.field("telnet_level"), level)
        && values.given("phone_password").map_or(!known, |password| password == "cisco")
    {
        let what = if level == "2" { "lets everybody restart the phone" } else { "lets everybody in" };
        advise(found, advice::TELNET_PASSWORD, field, what);
    }
}

fn clock(values: &Values, advice: Advice, found: &mut Vec<Diagnostic>) {
    let has_dst_rules = values.by_people().any(|(parameter, ..)| parameter.name.starts_with("dst_"));
    if let (Some(field), Some(zone)) = (values.field("time_zone"), values.given("time_zone"))
        && !has_dst_rules
    {
        advise(found, advice, field, format!("is {zone} and no dst field is set"));
    }
}

fn time_server(values: &Values, found: &mut Vec<Diagnostic>) {
    let server = values.given("sntp_server").filter(|server| *server != "0.0.0.0");
    if let (Some(field), Some("unicast"), None) = (values.field("sntp_mode"), values.given("sntp_mode"), server) {
        advise(found, advice::SNTP_OFF, field, "is Unicast and sntpServer is not set");
    }
}
