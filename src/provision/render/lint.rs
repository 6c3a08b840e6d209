//! What looks wrong in a site or a phone although phones would take it.

use crate::api::{DialRule, PhoneSiteSpec, UnsetParameters};
use crate::phone::dialplan::{Budget, Template};
use crate::phone::image::{self, Image, Protocol, Release};
use crate::phone::model::MAX_LINES;
use crate::phone::parameter::{UNPROVISIONED, is_unset};
use crate::phone::syncinfo;

use crate::provision::advice::{self, Advice};
use crate::provision::catalog::Catalog;
use crate::provision::contents::dial_plan;
use crate::provision::diagnostic::Diagnostic;
use crate::provision::placeholder::{Use, is_placeholder};
use crate::provision::render::combined;
use crate::provision::render::lint_files;
use crate::provision::render::plan::release;
use crate::provision::render::values::Values;
use crate::provision::render::view::{Merged, Routes};

/// A site's values, before defaults are filled in. `files` are those from elsewhere, if they were looked at, and
/// whether there can be no others. Where its phones' dial plan sends calls.
pub fn site(
    spec: &PhoneSiteSpec,
    values: &Values,
    files: Option<(&Catalog<'_>, bool)>,
    found: &mut Vec<Diagnostic>,
) -> Routes {
    let firmware = spec.firmware.as_ref();
    let image = firmware.and_then(|firmware| firmware.image.as_deref());
    image_name("spec.firmware.image", image, found);
    let bootstrap = firmware.and_then(|firmware| firmware.bootstrap.as_deref());
    if let Some(bootstrap) = bootstrap {
        letter_o("spec.firmware.bootstrap", bootstrap, found);
        // Of an image whose name tells no release nothing follows.
        let is_old = |image| release(image).is_some_and(|release| release < Release::LOADER);
        // Of itself OS79XX.TXT names an image from 7.0 on, as in Cisco's own packages.
        let old_target =
            if image.is_none() { release(Some(bootstrap)).is_none() || is_old(Some(bootstrap)) } else { is_old(image) };
        if old_target && bootstrap.len() > 8 && image::did_you_mean(bootstrap).is_none() {
            advise(found, advice::TWO_STEP, "spec.firmware.bootstrap", format!("is {bootstrap}"));
        }
    }
    let rules = spec.dial_plan.as_ref().map(|plan| plan.templates.as_slice()).unwrap_or_default();
    let (routes, emergency) = routes(spec, values, files);
    proxies(values, routes, found);
    let all = Merged::of_site(values);
    if let Some(field) = emergency.filter(|_| all.said("proxy_emergency").is_nothing()) {
        advise(found, advice::EMERGENCY_PROXY, &field, "is Emergency");
    }
    combined::telnet(all, found);
    combined::clock(all, spec.unset_parameters, found);
    combined::time_server(all, found);
    nat(values, found);
    let rules: Vec<Template<'_>> = rules.iter().map(DialRule::template).collect();
    dial_plan::lint(&rules, &mut Budget::new(dial_plan::STEPS), |rule, part, advice, what| {
        let field = rule.map(|rule| format!("spec.dialPlan.templates[{rule}].{part}"));
        advise(found, advice, field.as_deref().unwrap_or("spec.dialPlan.templates"), what);
    });
    let plan = spec.dial_plan.as_ref().filter(|plan| !plan.is_empty());
    // One without a number is refused.
    let off_hook = plan.and_then(|plan| plan.off_hook.as_ref()).filter(|off_hook| !off_hook.number.is_empty());
    if let Some(off_hook) = off_hook {
        dial_plan::off_hook(Some(&off_hook.number), Some(off_hook.timeout), |part, advice, what| {
            let part = if part == "rewrite" { "number" } else { part };
            advise(found, advice, &format!("spec.dialPlan.offHook.{part}"), what);
        });
    }
    if plan.is_some() && all.said("dial_template").is_nothing() && spec.unset_parameters == UnsetParameters::Keep {
        advise(found, advice::DIAL_PLAN_NOT_TOLD, "spec.dialPlan", "is served as dialplan.xml");
    }
    let source = firmware.and_then(|firmware| firmware.source.as_ref());
    for (i, one) in
        source.iter().flat_map(|source| &source.urls).enumerate().filter(|(_, one)| is_placeholder(&one.url, Use::Url))
    {
        advise(found, advice::PLACEHOLDER, &format!("spec.firmware.source.urls[{i}].url"), format!("is {:?}", one.url));
    }
    common(values, image, found);
    routes
}

/// What is wrong wherever it stands.
pub fn common(values: &Values, image: Option<&str>, found: &mut Vec<Diagnostic>) {
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
    let image = image.or(values.given("image_version"));
    let firmware = release(image);
    for (parameter, value, field) in values.by_people() {
        if value == UNPROVISIONED && is_unset(&parameter.name, "") && !is_unset(&parameter.name, value) {
            advise(found, advice::LINE_UNPROVISIONED, field, format!("is {value}"));
        }
        let purpose = Use::of(parameter);
        if purpose != Use::Password && is_placeholder(value, purpose) {
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

pub fn advise(found: &mut Vec<Diagnostic>, advice: Advice, field: &str, what: impl std::fmt::Display) {
    found.push(Diagnostic::advice(advice, field, what));
}

pub fn image_name(field: &str, name: Option<&str>, found: &mut Vec<Diagnostic>) {
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

/// Where the dial plan of a site's phones sends calls, and the field of its rule for emergency calls. Phones of a site without a plan of
/// its own may get one from elsewhere.
fn routes(spec: &PhoneSiteSpec, values: &Values, files: Option<(&Catalog<'_>, bool)>) -> (Routes, Option<String>) {
    if let Some(plan) = spec.dial_plan.as_ref().filter(|plan| !plan.is_empty()) {
        let rules: Vec<Template<'_>> = plan.templates.iter().map(DialRule::template).collect();
        let dial_plan::Routes { emergency, elsewhere } = dial_plan::Routes::of(&rules);
        let off_hook = plan.off_hook.as_ref().and_then(|off_hook| off_hook.route.as_deref());
        let off_hook = off_hook.filter(|route| route.eq_ignore_ascii_case("Emergency"));
        let field = emergency.map(|rule| format!("spec.dialPlan.templates[{rule}].route"));
        let field = field.or(off_hook.map(|_| "spec.dialPlan.offHook.route".to_owned()));
        return (Routes::Known { emergency: field.is_some(), elsewhere }, field);
    }
    let found = files.and_then(|(catalog, _)| lint_files::routes(lint_files::told(spec, values), catalog));
    if let Some((dial_plan::Routes { emergency, elsewhere }, field)) = found {
        return (Routes::Known { emergency: emergency.is_some(), elsewhere }, emergency.map(|_| field));
    }
    let none = Routes::Known { emergency: false, elsewhere: 0 };
    (if files.is_some_and(|files| files.1) { none } else { Routes::Unknown }, None)
}

/// What is to say of the proxies that these values name beside those of the lines.
pub fn proxies(values: &Values, routes: Routes, found: &mut Vec<Diagnostic>) {
    if let (Some(field), Some(proxy)) = (values.field("outbound_proxy"), values.given("outbound_proxy")) {
        let what = match routes {
            Routes::Known { elsewhere: 0, .. } | Routes::Unknown => format!("is {proxy}"),
            Routes::Known { elsewhere: 1, .. } => {
                format!("is {proxy}, and a rule of the dial plan has a route that will not be taken")
            }
            Routes::Known { elsewhere: n, .. } => {
                format!("is {proxy}, and {n} rules of the dial plan have routes that will not be taken")
            }
        };
        advise(found, advice::OUTBOUND_PROXY, field, what);
    }
    if let (Some(field), Some(proxy)) = (values.field("proxy_backup"), values.given("proxy_backup")) {
        advise(found, advice::PROXY_BACKUP, field, format!("is {proxy}"));
    }
    if let (Some(field), Some(proxy), Routes::Known { emergency: false, .. }) =
        (values.field("proxy_emergency"), values.given("proxy_emergency"), routes)
    {
        advise(found, advice::EMERGENCY_UNUSED, field, format!("is {proxy}"));
    }
}

/// The SIP servers of a site whose phones are behind address translation. Those of its phones are looked at with each phone.
fn nat(values: &Values, found: &mut Vec<Diagnostic>) {
    let (Some(field), Some("1")) = (values.field("nat_enable"), values.given("nat_enable")) else { return };
    for name in (1..=MAX_LINES).map(|key| format!("proxy{key}_address")) {
        if let Some(proxy) = values.given(&name).filter(|proxy| combined::is_host_name(proxy)) {
            advise(found, advice::NAT_WITH_NAME, field, format!("is on, and {name} is {proxy}"));
        }
    }
}
