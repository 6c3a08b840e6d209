//! What looks wrong in a site or a phone although phones would take it.

use std::collections::BTreeSet;

use crate::api::{DialPlan, PhoneSiteSpec, UnsetParameters};
use crate::base::url::has_login;
use crate::phone::dialplan::{Budget, Template};
use crate::phone::image::{self, Image, Protocol, Release};
use crate::phone::model::MAX_LINES;
use crate::phone::parameter::{UNPROVISIONED, is_unset};
use crate::phone::syncinfo;

use crate::provision::advice::{self, Advice};
use crate::provision::contents::dial_plan;
use crate::provision::diagnostic::Diagnostic;
use crate::provision::placeholder::{Use, is_placeholder};
use crate::provision::render::lint_files;
use crate::provision::render::plan::release;
use crate::provision::render::plans::Plans;
use crate::provision::render::values::Values;
use crate::provision::render::view::{Merged, Routes};
use crate::provision::render::{combined, dial_rules};

/// A site's values, before defaults are filled in. `plans` are the dial plans for its phones; `knows_all` says whether there can be
/// no others. Where its phones' dial plan sends calls.
pub fn site(
    spec: &PhoneSiteSpec,
    values: &Values,
    plans: &Plans<'_, '_>,
    knows_all: bool,
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
    let (routes, emergency) = routes(spec, plans, knows_all);
    proxies(values, routes, found);
    let all = Merged::of_site(values);
    let is_missing = |file: &str| {
        all.said("proxy_emergency").is_nothing() && plans.may_load(file) && !plans.have_emergency_proxies(file)
    };
    if let Some((field, _)) = emergency.filter(|(_, file)| is_missing(file)) {
        advise(found, advice::EMERGENCY_PROXY, &field, "is Emergency");
    }
    combined::telnet(all, found);
    combined::clock(all, spec.unset_parameters, found);
    combined::time_server(all, found);
    nat(values, found);
    let plan = spec.dial_plan.as_ref().filter(|plan| !plan.is_empty());
    if let Some(plan) = plan.filter(|_| plans.typed.is_some_and(|file| plans.may_load(file))) {
        typed_plan(plan, found);
    }
    let is_told = !all.said("dial_template").is_nothing() || plans.typed.is_some_and(|file| plans.is_named(file));
    if plan.is_some() && !is_told && spec.unset_parameters == UnsetParameters::Keep {
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

/// Says what looks wrong in a typed plan. What follows from a rule that is refused is not said.
fn typed_plan(plan: &DialPlan, found: &mut Vec<Diagnostic>) {
    let refused: BTreeSet<usize> = dial_rules::problems(plan).into_iter().map(|(rule, ..)| rule).collect();
    let rules: Vec<Template<'_>> = plan.written().collect();
    let mut steps = Budget::new(dial_plan::STEPS);
    let name = |rule| dial_rules::name(plan, rule);
    dial_plan::lint(&rules, &mut steps, name, |rule, part, advice, what| match rule {
        Some(rule) if refused.contains(&rule) => {}
        Some(rule) => advise(found, advice, &dial_rules::field(plan, rule, part), what),
        None if refused.is_empty() => advise(found, advice, "spec.dialPlan.templates", what),
        None => {}
    });
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
        if has_login(value) {
            advise(found, advice::LOGIN_IN_URL, field, format!("is {value:?}"));
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

/// Where the dial plan of a site's phones sends calls, and the field of its rule for emergency calls with the file. Phones of a site
/// without a plan of its own may get one from elsewhere.
fn routes(spec: &PhoneSiteSpec, plans: &Plans<'_, '_>, knows_all: bool) -> (Routes, Option<(String, String)>) {
    if let (Some(plan), Some(file)) = (&spec.dial_plan, plans.typed) {
        if !dial_rules::problems(plan).is_empty() {
            // Where a rule sends calls that is refused is not known.
            return (Routes::Unknown, None);
        }
        let rules: Vec<Template<'_>> = plan.written().collect();
        let routes = dial_plan::Routes::of(&rules);
        let field = routes.emergency.map(|rule| (dial_rules::field(plan, rule, "route"), file.to_owned()));
        return (routes.into(), field);
    }
    if let Some((routes, field, file)) = plans.catalog.and_then(|catalog| lint_files::routes(plans, catalog)) {
        return (routes.into(), routes.emergency.map(|_| (field, file)));
    }
    let none = Routes::Known { emergency: false, elsewhere: 0 };
    (if plans.catalog.is_some() && knows_all { none } else { Routes::Unknown }, None)
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
