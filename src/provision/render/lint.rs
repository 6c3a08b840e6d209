//! What looks wrong in a site or a phone although phones would take it.

use crate::api::{DialRule, OffHook, PhoneSiteSpec, Ring, UnsetParameters};
use crate::phone::dialplan::{Budget, Call, Matcher, TONES, When};
use crate::phone::image::{self, Image, Protocol, Release};
use crate::phone::model::MAX_LINES;
use crate::phone::parameter::{UNPROVISIONED, is_unset};
use crate::phone::{boot, ringlist, syncinfo};

use crate::provision::advice::{self, Advice};
use crate::provision::catalog::Catalog;
use crate::provision::diagnostic::Diagnostic;
use crate::provision::placeholder::{Use, is_placeholder};
use crate::provision::render::combined;
use crate::provision::render::plan::release;
use crate::provision::render::values::Values;
use crate::provision::render::view::{Merged, Routes};

/// A site's values, before defaults are filled in.
pub fn site(spec: &PhoneSiteSpec, values: &Values, found: &mut Vec<Diagnostic>) {
    let firmware = spec.firmware.as_ref();
    let image = firmware.and_then(|firmware| firmware.image.as_deref());
    image_name("spec.firmware.image", image, found);
    let bootstrap = firmware.and_then(|firmware| firmware.bootstrap.as_deref());
    if let Some(bootstrap) = bootstrap {
        letter_o("spec.firmware.bootstrap", bootstrap, found);
        // Of an image whose name tells no release nothing follows.
        let old_target = image.is_none() || release(image).is_some_and(|release| release < Release::LOADER);
        if old_target && bootstrap.len() > 8 && image::did_you_mean(bootstrap).is_none() {
            advise(found, advice::TWO_STEP, "spec.firmware.bootstrap", format!("is {bootstrap}"));
        }
    }
    let rules = spec.dial_plan.as_ref().map(|plan| plan.templates.as_slice()).unwrap_or_default();
    let routes = routes(spec);
    proxies(values, routes, found);
    let all = Merged::of_site(values);
    if let Some(rule) = rules.iter().position(is_emergency).filter(|_| all.said("proxy_emergency").is_nothing()) {
        let field = format!("spec.dialPlan.templates[{rule}].route");
        advise(found, advice::EMERGENCY_PROXY, &field, "is Emergency");
    }
    combined::telnet(all, found);
    combined::clock(all, spec.unset_parameters, found);
    combined::time_server(all, found);
    nat(values, found);
    dial_plan(rules, found);
    let plan = spec.dial_plan.as_ref().filter(|plan| !plan.is_empty());
    if let Some(off_hook) = plan.and_then(|plan| plan.off_hook.as_ref()) {
        hotline(off_hook, found);
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

/// Where the rules that a site's dial plan has send calls. Without a plan of its own its phones may get one from elsewhere.
pub fn routes(spec: &PhoneSiteSpec) -> Routes {
    let has_sources = spec.config_maps().next().is_some()
        || spec.firmware.iter().filter_map(|firmware| firmware.source.as_ref()).any(|source| source.is_pod_side());
    match &spec.dial_plan {
        None if has_sources => Routes::Unknown,
        plan => {
            let rules = plan.as_ref().map(|plan| plan.templates.as_slice()).unwrap_or_default();
            let off_hook = plan.as_ref().and_then(|plan| plan.off_hook.as_ref()?.route.as_deref());
            Routes::Known {
                emergency: rules.iter().any(is_emergency)
                    || off_hook.is_some_and(|route| route.eq_ignore_ascii_case("Emergency")),
                elsewhere: rules.iter().filter(|rule| routes_elsewhere(rule)).count(),
            }
        }
    }
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

fn is_emergency(rule: &DialRule) -> bool {
    rule.route.as_deref().is_some_and(|route| route.eq_ignore_ascii_case("Emergency"))
}

fn routes_elsewhere(rule: &DialRule) -> bool {
    rule.route.as_deref().is_some_and(|route| !route.is_empty() && !route.eq_ignore_ascii_case("Default"))
}

/// Numbers that somebody in need dials, somewhere in the world.
const EMERGENCY_NUMBERS: [&str; 7] = ["911", "112", "999", "000", "110", "119", "111"];

fn dial_plan(rules: &[DialRule], found: &mut Vec<Diagnostic>) {
    if rules.is_empty() {
        return;
    }
    let matcher = Matcher::new(rules.iter().map(DialRule::template));
    let mut budget = Budget::new(LINT_STEPS);
    let mut not_examined = 0;
    for (i, rule) in rules.iter().enumerate() {
        let field = |name: &str| format!("spec.dialPlan.templates[{i}].{name}");
        if is_foreign(&rule.pattern) {
            advise(found, advice::DIAL_PLAN_FOREIGN, &field("match"), format!("is {:?}", rule.pattern));
        } else {
            match reach(&matcher, i, &mut budget) {
                Reach::Reached => {}
                Reach::NotExamined => not_examined += 1,
                Reach::Instead(keys, call) => {
                    let instead = match call.rule {
                        Some(other) => format!(
                            "is {:?}, and dialling {keys} takes templates[{other}], {:?}{}",
                            rule.pattern,
                            rules[other].pattern,
                            if call.when == When::AtOnce && !call.left.is_empty() {
                                ", which is sent before"
                            } else {
                                ""
                            },
                        ),
                        None => format!("is {:?}, and dialling {keys} takes no rule", rule.pattern),
                    };
                    advise(found, advice::DIAL_RULE_UNREACHABLE, &field("match"), instead);
                }
            }
        }
        let ends_in_star = rule.pattern.ends_with('*') && !rule.pattern.ends_with(r"\*");
        if ends_in_star && rule.timeout == Some(0) {
            advise(found, advice::DIAL_STAR_AT_ONCE, &field("timeout"), format!("is 0 for {:?}", rule.pattern));
        }
        if let Some(route) = rule.route.as_deref().filter(|route| is_placeholder(route, Use::Host)) {
            advise(found, advice::PLACEHOLDER, &field("route"), format!("is {route:?}"));
        }
        let commas = rule.pattern.matches(',').count();
        if rule.tones.len() > commas {
            let what = format!("has {} tones for {commas} commas", rule.tones.len());
            advise(found, advice::DIAL_TONES, &field("tones"), what);
        }
        if let Some(tone) = rule.tones.iter().find(|tone| !tone.is_empty() && !TONES.contains(&tone.as_str())) {
            advise(found, advice::DIAL_TONES, &field("tones"), format!("has {tone:?}"));
        }
    }
    if not_examined > 0 {
        let what = format!("has {} rules, of which {not_examined} were not tried", rules.len());
        advise(found, advice::DIAL_RULES_NOT_EXAMINED, "spec.dialPlan.templates", what);
    }
    // A few short numbers, whatever was spent before.
    let mut budget = Budget::new(LINT_STEPS);
    let mut knows = |number: &&str| {
        let Some(call) = matcher.dial(number, &mut budget) else { return false };
        call.dialled == **number && call.rule.is_some_and(|rule| rules[rule].pattern.replace(',', "") == **number)
    };
    if !rules.iter().any(is_emergency) && !EMERGENCY_NUMBERS.iter().any(&mut knows) {
        advise(found, advice::EMERGENCY_RULE, "spec.dialPlan.templates", "has no rule for emergency calls");
    }
}

/// What a phone calls by itself.
fn hotline(off_hook: &OffHook, found: &mut Vec<Diagnostic>) {
    let field = |name: &str| format!("spec.dialPlan.offHook.{name}");
    if off_hook.timeout == 0 {
        advise(found, advice::DIAL_HOTLINE, &field("timeout"), format!("is 0 for {:?}", off_hook.number));
    }
    if is_placeholder(&off_hook.number, Use::Name) {
        advise(found, advice::PLACEHOLDER, &field("number"), format!("is {:?}", off_hook.number));
    }
}

/// How many steps it may take to see which rules of a plan numbers take: some 20 ms, while others wait for the fleet.
const LINT_STEPS: u64 = 1_000_000;

/// Whether a number takes a rule.
enum Reach {
    Reached,
    /// These keys should take it, and make another call.
    Instead(String, Call),
    NotExamined,
}

fn reach(matcher: &Matcher<'_>, rule: usize, budget: &mut Budget) -> Reach {
    let mut first = None;
    for keys in matcher.samples(rule) {
        match matcher.dial(&keys, budget) {
            None => return Reach::NotExamined,
            Some(call) if call.rule == Some(rule) => return Reach::Reached,
            Some(call) => first = first.or(Some((keys, call))),
        }
    }
    first.map_or(Reach::NotExamined, |(keys, call)| Reach::Instead(keys, call))
}

/// Whether a pattern is written in another system's language, such as `_9NXXXXXX` or `[2-9]..`.
fn is_foreign(pattern: &str) -> bool {
    let words = pattern.bytes().all(|b| b.is_ascii_digit() || b"XNZTxnzt.*#+,_!-[]|\\".contains(&b));
    words && pattern.bytes().any(|b| b"XNZTxnzt_![]|".contains(&b))
}

/// A site's rings, and the files from ConfigMaps that phones never get. What is not there may be in a source that nobody could
/// look into.
pub fn files(rings: &[Ring], written: &[&str], catalog: &Catalog<'_>, knows_all: bool, found: &mut Vec<Diagnostic>) {
    for (i, ring) in rings.iter().enumerate() {
        let field = format!("spec.ringList[{i}].file");
        let name = ring.file.as_str();
        match catalog.get(name) {
            Some(file) => {
                if let Some(problem) = ringlist::ring_problem(&file.first, file.size) {
                    advise(found, advice::RING_FORMAT, &field, format!("{name} {problem}"));
                }
            }
            None if !knows_all => {}
            None => match catalog.find_name(|key| key.eq_ignore_ascii_case(name)) {
                Some(near) => advise(found, advice::FILE_CASE, &field, format!("is {name}, and the file is {near}")),
                None => advise(found, advice::RING_MISSING, &field, format!("{name} is not among the site's files")),
            },
        }
    }
    let others = [ringlist::FILE, boot::OS79XX, boot::XML_DEFAULT, syncinfo::FILE].into_iter();
    for asked in others.filter(|name| knows_all && !written.contains(name) && catalog.get(name).is_none()) {
        if let Some(near) = catalog.find_name(|key| key.eq_ignore_ascii_case(asked)) {
            advise(
                found,
                advice::FILE_CASE,
                "spec.files.configMaps",
                format!("hold {near}, and phones ask for {asked}"),
            );
        }
    }
    for name in written.iter().filter(|name| catalog.names().any(|key| key.eq_ignore_ascii_case(name))) {
        advise(found, advice::FILE_SHADOWED, "spec.files.configMaps", format!("hold {name}"));
    }
}
