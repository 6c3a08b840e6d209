//! One phone's own files.

use std::sync::Arc;

use crate::api::{SipPhoneSpec, UnsetParameters};
use crate::phone::image::{Image, Release};
use crate::phone::mac::InvalidMac;
use crate::phone::parameter::{Kind, Parameter, Place, UNPROVISIONED, check_host};
use crate::phone::{FileName, Mac, boot, find, text};

use super::lint;
use crate::provision::File;
use crate::provision::advice;
use crate::provision::diagnostic::Diagnostic;
use crate::provision::render::image_field::{check_image, take_image};
use crate::provision::render::plan::{LineIdentity, PhoneBase, PhonePlan, Rendering, release};
use crate::provision::render::reach::Reach;
use crate::provision::render::secret_value::Secrets;
use crate::provision::render::values::Values;

/// The image that a phone should run.
pub fn target<'a>(spec: &'a SipPhoneSpec, base: &'a PhoneBase) -> Option<&'a str> {
    spec.firmware.as_ref().and_then(|f| f.image.as_deref()).or(base.image.as_deref())
}

/// Who the lines are, with the site's proxies where they have none of their own.
pub fn identities(spec: &SipPhoneSpec, base: &PhoneBase) -> Vec<LineIdentity> {
    let with_site = |i: usize| base.proxies.get(i).cloned().flatten();
    let lines = spec.lines.iter().enumerate();
    lines
        .map(|(i, line)| {
            let own = line.proxy.as_ref().map(|proxy| {
                let port = proxy.port.map(|port| port.to_string());
                let port = port.or_else(|| Some(with_site(i)?.1.clone())).unwrap_or_else(|| "5060".to_owned());
                Arc::new((proxy.address.to_ascii_lowercase(), port))
            });
            LineIdentity { name: line.name.as_str().into(), proxy: own.or_else(|| with_site(i)) }
        })
        .collect()
}

/// What a phone is known of beside its spec.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    /// The image that its files name.
    pub offered: Option<&'a str>,
    /// The image that it was seen to run.
    pub runs: Option<&'a str>,
}

/// Renders a phone.
pub fn render(
    spec: &SipPhoneSpec,
    mac: &Result<Mac, InvalidMac>,
    base: &PhoneBase,
    known: Known<'_>,
    secrets: &Secrets<'_>,
) -> Rendering<PhonePlan> {
    let mut found = Vec::new();
    let diagnostics = &mut found;
    let mac = check_mac(mac, diagnostics);
    let image = spec.firmware.as_ref().and_then(|f| f.image.as_deref());
    check_image("spec.firmware.image", image, diagnostics);

    let mut values = Values::default();
    lines(spec, base, &mut values, secrets, diagnostics);
    match spec.label.as_deref() {
        Some(label) => take_text(&mut values, "phone_label", "spec.label", label, diagnostics),
        None if base.unset == UnsetParameters::Reset => values.set("phone_label", ""),
        None => {}
    }
    values.take_settings(&spec.settings, Place::Phone, secrets, diagnostics);
    values.take_extra(&spec.extra_parameters, Place::Phone, diagnostics);
    values.take_secret_parameters(&spec.secret_parameters, secrets, diagnostics);
    let target = target(spec, base);
    let in_own_file = image.is_some() || base.rollout.is_some();
    let offered = known.offered;
    let named = offered.filter(|_| in_own_file);
    take_image(&mut values, image, named, diagnostics);
    lint::phone(spec, &values, base, diagnostics);
    if base.unset == UnsetParameters::Reset {
        // What the site's own firmware does not know, the site's file does not reset.
        let site = release(base.image.as_deref()).unwrap_or(Release::ASSUMED);
        let newer = |p: &Parameter| p.place == Place::Either && p.since > site;
        // What was seen adds to what is assumed, and takes nothing away: the site's file says that to all its phones anyway.
        let seen = release(known.runs).unwrap_or(Release::ASSUMED).max(Release::ASSUMED);
        let own = release(target).unwrap_or(seen);
        values.reset(own, |p| p.place == Place::Phone || newer(p));
        values.leave_to_site(&base.shared);
    }

    let plan = mac.filter(|_| !values.pending).map(|mac| {
        let mut files = vec![File::new(mac.config_file(), values.write())];
        if let Some(image) = offered.filter(|image| Image::parse(image).is_some_and(|image| image.uses_loader())) {
            files.push(File::new(FileName::Sep(Some(mac)).to_string(), boot::sep_xml(spec.model, image)));
        }
        let image = values.given("image_version").map(str::to_owned);
        PhonePlan {
            mac,
            files: files.into(),
            secret: values.secret,
            image,
            reach: Reach::of_phone(&values, |name| base.shared.contains(name) || !name.starts_with("line")),
        }
    });
    Rendering::new(plan, found)
}

fn check_mac(mac: &Result<Mac, InvalidMac>, diagnostics: &mut Vec<Diagnostic>) -> Option<Mac> {
    let problem = match mac {
        Ok(mac) if mac.is_group() => format!("{mac} is a group address, which no phone has"),
        Ok(mac) => return Some(*mac),
        Err(problem) => problem.to_string(),
    };
    diagnostics.push(Diagnostic::invalid("spec.mac", problem));
    None
}

fn lines(
    spec: &SipPhoneSpec,
    base: &PhoneBase,
    values: &mut Values,
    secrets: &Secrets<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let most = spec.model.lines();
    if spec.lines.len() > most {
        diagnostics.push(Diagnostic::invalid(
            "spec.lines",
            format!("has {} lines; a {} has {most} line appearances", spec.lines.len(), spec.model),
        ));
    }
    if spec.lines.is_empty() {
        diagnostics.push(Diagnostic::advice(advice::NO_LINES, "spec.lines", "is empty"));
    }
    let identities = identities(spec, base);
    for (i, line) in spec.lines.iter().enumerate().take(most) {
        let n = i + 1;
        let path = |field: &str| format!("spec.lines[{i}].{field}");
        let name = |what: &str| format!("line{n}_{what}");
        if let Some(problem) = name_problem(&line.name) {
            diagnostics.push(Diagnostic::invalid(path("name"), problem));
        }
        if identities[..i].contains(&identities[i]) {
            diagnostics.push(Diagnostic::invalid(
                path("name"),
                format!("{:?} is the name of another line of this phone on the same proxy", line.name),
            ));
        }
        if identities[i].proxy.is_none() {
            diagnostics.push(Diagnostic::advice(
                advice::NO_PROXY,
                path("proxy"),
                "is not set, and neither is the site's",
            ));
        }
        take_text(values, &name("name"), &path("name"), &line.name, diagnostics);
        let display = line.display_name.as_deref();
        let reset = base.unset == UnsetParameters::Reset;
        // What the phone would do by itself is written out, because it may remember something else.
        let short = line.short_name.as_deref().or(display.filter(|_| reset)).or(reset.then_some(line.name.as_str()));
        let display = display.or(reset.then_some(line.name.as_str()));
        let contact = line.contact.as_deref().or(reset.then_some(""));
        let auth = line.auth_name.as_deref().or(reset.then_some(UNPROVISIONED));
        let texts = [
            ("shortname", "shortName", short),
            ("displayname", "displayName", display),
            ("authname", "authName", auth),
            ("contact", "contact", contact),
        ];
        for (what, field, text) in texts {
            if let Some(text) = text {
                // Defaults that were copied from another field are cut to what fits; only what was written is refused.
                let written = matches!(field, "authName" | "contact")
                    || (field == "displayName" && line.display_name.is_some())
                    || (field == "shortName" && (line.short_name.is_some()));
                let most = find(&name(what)).map_or(31, |p| if let Kind::Text { max } = p.kind { max } else { 31 });
                let cut: String = if written { text.to_owned() } else { text.chars().take(most).collect() };
                if written {
                    take_text(values, &name(what), &path(field), &cut, diagnostics);
                } else if text::check(&cut, most).is_ok() {
                    values.set(&name(what), cut);
                }
            }
        }
        match (&line.password_secret_ref, find(&name("password"))) {
            (Some(key), Some(parameter)) => {
                values.take_secret(&parameter.name, 31, &path("passwordSecretRef"), key, secrets, diagnostics);
            }
            (None, _) if reset => values.set(&name("password"), UNPROVISIONED),
            _ => {}
        }
        if let Some(proxy) = &line.proxy {
            let problem =
                if proxy.address.is_empty() { Err("is empty".to_owned()) } else { check_host(&proxy.address) };
            if let Err(problem) = problem {
                diagnostics.push(Diagnostic::invalid(path("proxy.address"), problem));
            }
            values.set_at(&format!("proxy{n}_address"), &proxy.address, &path("proxy.address"));
            if let Some(port) = proxy.port {
                if !(1..=65535).contains(&port) {
                    diagnostics.push(Diagnostic::invalid(
                        path("proxy.port"),
                        format!("is {port}; it must be from 1 to 65535"),
                    ));
                }
                values.set_at(&format!("proxy{n}_port"), port.to_string(), &path("proxy.port"));
            }
        }
    }
    if base.unset == UnsetParameters::Reset {
        for n in spec.lines.len() + 1..=most {
            for what in ["name", "shortname", "displayname", "contact"] {
                values.set(&format!("line{n}_{what}"), "");
            }
            for what in ["authname", "password"] {
                values.set(&format!("line{n}_{what}"), UNPROVISIONED);
            }
        }
    }
}

fn name_problem(name: &str) -> Option<&'static str> {
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

fn take_text(values: &mut Values, name: &str, path: &str, value: &str, diagnostics: &mut Vec<Diagnostic>) {
    let Some(Kind::Text { max }) = find(name).map(|p| p.kind) else { return };
    match text::check(value, max) {
        Ok(()) => values.set_at(name, value, path),
        Err(problem) => diagnostics.push(Diagnostic::invalid(path, problem.to_string())),
    }
}
