//! The lines of a phone: which keys they are on, and what its file says of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::api::{Line, SipPhoneSpec, UnsetParameters};
use crate::phone::parameter::{Kind, UNPROVISIONED, check_host, is_unset, key_after};
use crate::phone::{find, text};
use crate::provision::diagnostic::Diagnostic;
use crate::provision::render::doubt::name_problem;
use crate::provision::render::plan::{LineIdentity, PhoneBase, PhoneLine, Proxy};
use crate::provision::render::secret_value::Secrets;
use crate::provision::render::values::Values;
use crate::provision::render::view::SiteView;

/// Who the lines are, with the site's proxies where they have none of their own, in the order of the list; behind them those of the
/// extra parameters.
pub fn identities(spec: &SipPhoneSpec, site: &SiteView) -> Vec<PhoneLine> {
    let own = |key: i64| {
        let line = spec.keyed_lines().find(|(other, _)| *other == key).and_then(|(_, line)| line.proxy.as_ref());
        line.map(|proxy| (proxy.address.clone(), proxy.port.map(|port| port.to_string())))
    };
    let of = |key: i64| {
        let set = |what: &str| {
            let name = format!("proxy{key}_{what}");
            let extra = spec.extra_parameters.0.get(&name).filter(|value| !value.is_empty()).cloned();
            extra.or_else(|| site.said(&name).value().map(|(value, _)| value.to_owned()))
        };
        let (address, port) = own(key).or_else(|| Some((set("address")?, None)))?;
        let port = port.or_else(|| set("port")).unwrap_or_else(|| "5060".to_owned());
        Some(Proxy::new((address.to_ascii_lowercase(), port)))
    };
    let first = of(1);
    let identity = |name: &str, key: i64| LineIdentity {
        name: name.into(),
        // Where a line has no server, the phone takes that of line 1.
        proxy: of(key).or_else(|| first.as_ref().map(Arc::clone)),
    };
    let typed = spec.keyed_lines();
    let typed = typed.map(|(key, line)| PhoneLine { key, identity: identity(&line.name, key), is_extra: false });
    let extra = extra_lines(spec).map(|(key, name)| PhoneLine { key, identity: identity(name, key), is_extra: true });
    typed.chain(extra).collect()
}

/// The lines that stand in the extra parameters, with their keys.
fn extra_lines(spec: &SipPhoneSpec) -> impl Iterator<Item = (i64, &str)> {
    let most = spec.model.lines();
    spec.extra_parameters.0.iter().filter_map(move |(name, value)| {
        let name = name.to_ascii_lowercase();
        let key = key_after("line", &name).filter(|key| name == format!("line{key}_name") && *key <= most)?;
        let key = i64::try_from(key).ok().filter(|_| !is_unset(&name, value))?;
        let is_typed = spec.keyed_lines().any(|(other, _)| other == key);
        (!is_typed).then_some((key, value.as_str()))
    })
}

/// Takes over a phone's lines.
pub fn take_lines(
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
    let identities = identities(spec, &base.site);
    let mut taken: BTreeMap<usize, usize> = BTreeMap::new();
    for (i, (number, line)) in spec.keyed_lines().enumerate() {
        let path = format!("spec.lines[{i}]");
        let Some(key) = usize::try_from(number).ok().filter(|key| (1..=most).contains(key)) else {
            if line.key.is_some() {
                let what = format!("is {number}; a {} has {most} line keys", spec.model);
                diagnostics.push(Diagnostic::invalid(format!("{path}.key"), what));
            }
            continue;
        };
        if let Some(other) = taken.insert(key, i) {
            let what = match line.key {
                Some(_) => format!("is {key}, and lines[{other}] is on that key: give one of them another"),
                None => format!(
                    "is not set, so that the line is on key {key} by its place in the list, and lines[{other}] is on that key: set it to a free one"
                ),
            };
            diagnostics.push(Diagnostic::invalid(format!("{path}.key"), what));
            continue;
        }
        if identities[..i].iter().any(|other| other.identity == identities[i].identity) {
            diagnostics.push(Diagnostic::invalid(
                format!("{path}.name"),
                format!("{:?} is the name of another line of this phone on the same proxy", line.name),
            ));
        }
        take_line(line, key, &path, base.unset, values, secrets, diagnostics);
    }
    if base.unset == UnsetParameters::Reset {
        for n in (1..=most).filter(|key| !taken.contains_key(key)) {
            for what in ["name", "shortname", "displayname", "contact"] {
                values.set(&format!("line{n}_{what}"), "");
            }
            for what in ["authname", "password"] {
                values.set(&format!("line{n}_{what}"), UNPROVISIONED);
            }
        }
    }
}

fn take_line(
    line: &Line,
    key: usize,
    path: &str,
    unset: UnsetParameters,
    values: &mut Values,
    secrets: &Secrets<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let path = |field: &str| format!("{path}.{field}");
    let name = |what: &str| format!("line{key}_{what}");
    if let Some(problem) = name_problem(&line.name) {
        diagnostics.push(Diagnostic::invalid(path("name"), problem));
    }
    take_text(values, &name("name"), &path("name"), &line.name, diagnostics);
    let display = line.display_name.as_deref();
    let reset = unset == UnsetParameters::Reset;
    // What the phone would do by itself is written out, because it may remember something else.
    let short = line.short_name.as_deref().or(display.filter(|_| reset)).or(reset.then_some(line.name.as_str()));
    let display = display.or(reset.then_some(line.name.as_str()));
    let contact = line.contact.as_deref().or(reset.then_some(""));
    let auth = line.auth_name.as_deref().or(reset.then_some(UNPROVISIONED));
    let texts = [
        ("shortname", "shortName", short, line.short_name.is_some()),
        ("displayname", "displayName", display, line.display_name.is_some()),
        ("authname", "authName", auth, line.auth_name.is_some()),
        ("contact", "contact", contact, line.contact.is_some()),
    ];
    for (what, field, text, written) in texts {
        let Some(text) = text else { continue };
        if written {
            take_text(values, &name(what), &path(field), text, diagnostics);
            continue;
        }
        // Defaults that were copied from another field are cut to what fits; only what was written is refused.
        let most = find(&name(what)).map_or(31, |p| if let Kind::Text { max } = p.kind { max } else { 31 });
        let cut: String = text.chars().take(most).collect();
        if text::check(&cut, most).is_ok() {
            values.set(&name(what), cut);
        }
    }
    match (&line.password_secret_ref, find(&name("password"))) {
        (Some(key), Some(parameter)) => {
            values.take_secret(&parameter.name, 31, &path("passwordSecretRef"), key, secrets, diagnostics);
        }
        (None, _) if reset => values.set(&name("password"), UNPROVISIONED),
        _ => {}
    }
    let Some(proxy) = &line.proxy else { return };
    let problem = if proxy.address.is_empty() { Err("is empty".to_owned()) } else { check_host(&proxy.address) };
    match problem {
        Ok(()) => values.set_at(&format!("proxy{key}_address"), &proxy.address, &path("proxy.address")),
        Err(problem) => {
            values.set_refused(&format!("proxy{key}_address"), &path("proxy.address"));
            diagnostics.push(Diagnostic::invalid(path("proxy.address"), problem));
        }
    }
    if let Some(port) = proxy.port {
        if !(1..=65535).contains(&port) {
            diagnostics.push(Diagnostic::invalid(path("proxy.port"), format!("is {port}; it must be from 1 to 65535")));
        }
        values.set_at(&format!("proxy{key}_port"), port.to_string(), &path("proxy.port"));
    }
}

/// Takes over text that a field holds.
pub fn take_text(values: &mut Values, name: &str, path: &str, value: &str, diagnostics: &mut Vec<Diagnostic>) {
    let Some(Kind::Text { max }) = find(name).map(|p| p.kind) else { return };
    match text::check(value, max) {
        Ok(()) => values.set_at(name, value, path),
        Err(problem) => {
            diagnostics.push(Diagnostic::invalid(path, problem.to_string()));
            values.set_refused(name, path);
        }
    }
}
