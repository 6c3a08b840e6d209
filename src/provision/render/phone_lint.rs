//! What looks wrong in what a phone gets: its own values over those of its site, for every line that it has.

use crate::api::{SipPhoneSpec, UnsetParameters};
use crate::phone::image::Release;
use crate::provision::File;
use crate::provision::advice;
use crate::provision::diagnostic::Diagnostic;
use crate::provision::render::combined::{clock, is_host_name, telnet, time_server};
use crate::provision::render::lint::{advise, common, image_name, proxies};
use crate::provision::render::plan::{PhoneBase, release};
use crate::provision::render::values::Values;
use crate::provision::render::view::{At, Merged, Routes, Said};

/// A phone's values, before defaults are filled in; `base` is what is known of its site.
pub fn phone(spec: &SipPhoneSpec, values: &Values, base: Option<&PhoneBase>, found: &mut Vec<Diagnostic>) {
    let all = Merged::new(values, base.map(|base| &*base.site));
    let image = spec.firmware.as_ref().and_then(|firmware| firmware.image.as_deref());
    image_name("spec.firmware.image", image, found);
    lines(spec, all, found);
    proxies(values, own_plan(values, base, found), found);
    telnet(all, found);
    clock(all, base.map_or(UnsetParameters::Reset, |base| base.unset), found);
    time_server(all, found);
    media_ports(all, found);
    let own = own_image(spec, values);
    common(values, own.map(|(_, image)| image).or(base.and_then(site_image)), found);
    if let (Some(base), Some((field, image))) = (base, own) {
        older_than_site(base, field, image, found);
    }
}

/// The dial plan that the phone names itself; where the plan that it loads sends calls.
fn own_plan(values: &Values, base: Option<&PhoneBase>, found: &mut Vec<Diagnostic>) -> Routes {
    let (Some(field), Some(template)) = (values.field("dial_template"), values.given("dial_template")) else {
        return base.map_or(Routes::Unknown, |base| base.site.routes);
    };
    let Some(files) = base.and_then(|base| base.site.files.as_ref()) else { return Routes::Unknown };
    match files.plan(template) {
        Some(Ok((_, Some(routes)))) => return routes.into(),
        Some(Ok((name, None))) => {
            let what = format!("asks for {name}: phones pass it over: it is no dial plan");
            advise(found, advice::DIAL_RULE_IGNORED, field, what);
        }
        Some(Err(missing)) => advise(found, advice::DIAL_PLAN_MISSING, field, missing),
        None => {}
    }
    Routes::Unknown
}

/// Files of the phone that come from ConfigMaps, and are written for it, too.
pub fn shadowed(written: &[File], base: Option<&PhoneBase>, found: &mut Vec<Diagnostic>) {
    let files = base.and_then(|base| base.site.files.as_ref());
    for file in written {
        if let Some(place) = files.and_then(|files| files.shadowed(&file.name)) {
            advise(found, advice::FILE_SHADOWED, "spec.mac", format!("{} stands in the site's {place}", file.name));
        }
    }
}

/// The lines that a phone gets, by their keys.
fn lines(spec: &SipPhoneSpec, all: Merged<'_>, found: &mut Vec<Diagnostic>) {
    let name = |key: usize| all.said(&format!("line{key}_name"));
    let keys: Vec<usize> = (1..=spec.model.lines()).filter(|key| !name(*key).is_nothing()).collect();
    if keys.is_empty() && spec.lines.is_empty() {
        advise(found, advice::NO_LINES, "spec.lines", "is empty");
    }
    for &key in &keys {
        if let Some((name, At::Own(field))) = name(key).value()
            && is_number_with_dashes(name)
        {
            advise(found, advice::LINE_NAME_DASHES, field, format!("is {name:?}"));
        }
        if all.proxy(key).is_nothing() {
            let typed = spec.keyed_lines().position(|(other, _)| usize::try_from(other) == Ok(key));
            let field = typed.map_or_else(|| "spec.lines".to_owned(), |i| format!("spec.lines[{i}].proxy"));
            let what = match typed {
                Some(_) => "is not set, and neither is the site's".to_owned(),
                None => format!("names no SIP server for line{key}_name, and neither does the site"),
            };
            advise(found, advice::NO_PROXY, &field, what);
        }
    }
    nat(&keys, all, found);
    registration(&keys, all, found);
    answers(spec, &keys, all, found);
}

fn is_number_with_dashes(name: &str) -> bool {
    name.contains('-') && name.bytes().all(|b| b.is_ascii_digit() || b == b'-')
}

/// Servers that are named, behind address translation.
fn nat(keys: &[usize], all: Merged<'_>, found: &mut Vec<Diagnostic>) {
    let Some(("1", nat)) = all.said("nat_enable").value() else { return };
    let mut told = Vec::new();
    for key in keys {
        let Some((proxy, at)) = all.proxy(*key).value().filter(|(proxy, _)| is_host_name(proxy)) else { continue };
        if told.contains(&at) {
            continue;
        }
        told.push(at);
        match (nat, at) {
            (At::Own(field), _) => {
                let what = format!("is on, and the SIP server of the line on key {key} is {proxy}, by {at}");
                advise(found, advice::NAT_WITH_NAME, field, what);
            }
            (At::Site(_), At::Own(field)) => {
                advise(found, advice::NAT_WITH_NAME, field, format!("is {proxy}, and {nat} is on"));
            }
            (At::Site(_), At::Site(_)) => {}
        }
    }
}

/// What a line would register with, and no registration.
fn registration(keys: &[usize], all: Merged<'_>, found: &mut Vec<Diagnostic>) {
    let off = match all.said("proxy_register") {
        Said::Value("0", at) => format!("proxy_register is off, by {at}"),
        Said::Nothing => "nobody sets proxy_register, which is off by default".to_owned(),
        Said::Value(..) | Said::Unknown => return,
    };
    let of_line = |key: &usize| {
        let credentials = ["password", "authname"].map(|what| format!("line{key}_{what}"));
        let field = credentials.iter().find_map(|name| all.own_field(name).filter(|_| !all.said(name).is_nothing()));
        let shared = || {
            // What all phones share is for this one if the line is its own.
            credentials.iter().find(|name| !all.said(name).is_nothing())?;
            all.own_field(&format!("line{key}_name"))
        };
        Some((*key, field.or_else(shared)?))
    };
    if let Some((key, field)) = keys.iter().find_map(of_line) {
        advise(
            found,
            advice::NOT_REGISTERED,
            field,
            format!("is for a line that registers, that on key {key}, and {off}"),
        );
    }
}

/// Lines that answer by themselves.
fn answers(spec: &SipPhoneSpec, keys: &[usize], all: Merged<'_>, found: &mut Vec<Diagnostic>) {
    let Some((mask, At::Own(field))) = all.said("auto_answer").value() else { return };
    let Some(mask) = mask.parse::<u32>().ok().filter(|mask| *mask < 64) else { return };
    if mask >> spec.model.lines() != 0 {
        let what = format!("is {mask}, which names a line that a {} does not have", spec.model);
        advise(found, advice::UNUSUAL_VALUE, field, what);
    } else if mask != 0 && !keys.is_empty() && keys.iter().all(|key| mask >> (key - 1) & 1 == 0) {
        let have: Vec<String> = keys.iter().map(|key| format!("{} for key {key}", 1 << (key - 1))).collect();
        advise(found, advice::KEY_WITHOUT_LINE, field, format!("is {mask}, and the lines are {}", have.join(", ")));
    }
}

/// The ends of a range that two objects set. Of one object's settings it is an error, and said there.
fn media_ports(all: Merged<'_>, found: &mut Vec<Diagnostic>) {
    let port = |name| all.said(name).value().and_then(|(port, at)| Some((port.parse::<u16>().ok()?, at)));
    let (Some((first, from)), Some((last, to))) = (port("start_media_port"), port("end_media_port")) else { return };
    if first < last {
        return;
    }
    match (from, to) {
        (At::Own(field), At::Site(_)) => {
            advise(
                found,
                advice::UNUSUAL_VALUE,
                field,
                format!("is {first}, not below the last port, {last}, by {to}"),
            );
        }
        (At::Site(_), At::Own(field)) => {
            advise(
                found,
                advice::UNUSUAL_VALUE,
                field,
                format!("is {last}, not above the first port, {first}, by {from}"),
            );
        }
        (At::Own(_), At::Own(_)) | (At::Site(_), At::Site(_)) => {}
    }
}

/// The image that the site's files name, or are to name.
fn site_image(base: &PhoneBase) -> Option<&str> {
    base.image.as_deref().or_else(|| base.site.said("image_version").value().map(|(image, _)| image))
}

/// The image that the phone runs whatever its site says, and the field that says so.
fn own_image<'a>(spec: &'a SipPhoneSpec, values: &'a Values) -> Option<(&'a str, &'a str)> {
    let typed = spec.firmware.as_ref().and_then(|firmware| firmware.image.as_deref());
    let extra = || Some((values.field("image_version")?, values.given("image_version")?));
    typed.map(|image| ("spec.firmware.image", image)).or_else(extra)
}

/// What the site sets and this phone's own firmware does not know. What the site's does not know either is said of the site.
fn older_than_site(base: &PhoneBase, field: &str, image: &str, found: &mut Vec<Diagnostic>) {
    let Some(own) = release(Some(image)) else { return };
    let newer: Vec<(Release, At<'_>)> = base.site.newer(own, release(site_image(base))).collect();
    let Some((since, first)) = newer.first() else { return };
    let more = if newer.len() > 1 { format!(" and {} more", newer.len() - 1) } else { String::new() };
    let what = format!("is {image}, and {first} is known since firmware {since}{more}");
    advise(found, advice::NEWER_THAN_FIRMWARE, field, what);
}
