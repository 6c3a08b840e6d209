//! `dialtone render --dial`: how the phones of a site handle a dialled number.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Write as _;

use bytes::Bytes;

use crate::phone::dialplan::{self, Budget, DEFAULT_TIMEOUT, MAX_SIZE, Matcher, Rule, When};
use crate::phone::file_name::{SIP_DEFAULT, dial_plan, looked_for};
use crate::phone::parameter::is_unset;
use crate::phone::{FileName, cnf};
use crate::provision::{DIAL_TEMPLATE, Key};

/// How many steps a number may take: some tenths of a second.
const MOST_STEPS: u64 = 10_000_000;

/// The files that phones get of one site.
#[derive(Clone, Copy)]
pub struct Files<'a> {
    /// All of them.
    pub all: &'a BTreeMap<String, Bytes>,
    /// Those that dialtone writes: the others come from ConfigMaps.
    pub written: &'a BTreeMap<String, Bytes>,
}

/// The explanation for one number and the files of one site: what phones make of it, and what those make of it that have another dial
/// plan, or other proxies for the call.
pub fn explain(files: Files<'_>, site: &Key, keys: &str) -> String {
    let common = files.all.get(SIP_DEFAULT).map(|file| cnf::read(file).effective()).unwrap_or_default();
    let usual = explain_one(files, &common, keys);
    let (mut others, mut is_usual, mut has_phones) = (String::new(), false, false);
    for ((template, _), Group { first, more, values }) in groups(files.all, &common) {
        has_phones = true;
        let values: Values = common.clone().into_iter().chain(values).collect();
        let text = explain_one(files, &values, keys);
        if template.is_none() && text == usual {
            is_usual = true;
            continue;
        }
        let and = if more > 0 { format!(" and {more} more") } else { String::new() };
        let with = template.map_or(String::new(), |template| format!(", with the dial plan {template}"));
        others += &format!("{site}: {keys} on {first}{and}{with}\n{text}");
    }
    // What no phone does is said only where there is none.
    if is_usual || !has_phones { format!("{site}: {keys}\n{usual}{others}") } else { others }
}

type Values = BTreeMap<String, String>;

/// Phones that say the same: the file of the first, how many more there are, and its values.
struct Group<'a> {
    first: &'a str,
    more: usize,
    values: Values,
}

/// What tells phones from others: a dial plan of their own, and proxies of their own.
type Differs = (Option<String>, Vec<Option<String>>);

/// The phones of a site by what tells them from others.
fn groups<'a>(files: &'a BTreeMap<String, Bytes>, common: &Values) -> BTreeMap<Differs, Group<'a>> {
    let mut groups: BTreeMap<Differs, Group<'a>> = BTreeMap::new();
    for (name, file) in files.iter().filter(|(name, _)| FileName::parse(name).is_own_config()) {
        let values = cnf::read(file).effective();
        let own = |name: &str| values.get(name).filter(|value| common.get(name) != Some(value)).cloned();
        let differs = (own(DIAL_TEMPLATE_PARAMETER), PROXIES.iter().map(|name| own(name)).collect());
        match groups.entry(differs) {
            Entry::Occupied(mut group) => group.get_mut().more += 1,
            Entry::Vacant(new) => drop(new.insert(Group { first: name, more: 0, values })),
        }
    }
    groups
}

/// The parameter that names the dial plan.
const DIAL_TEMPLATE_PARAMETER: &str = "dial_template";
/// The parameters of proxies that take calls of all lines.
const PROXIES: [&str; 4] = ["proxy_emergency", "proxy_emergency_port", "outbound_proxy", "outbound_proxy_port"];

/// A dial plan as phones read it.
#[derive(Default)]
struct Plan {
    /// Its rules, each with what people call it.
    rules: Vec<(String, Rule)>,
    /// What is called when the handset is lifted, in the same way.
    off_hook: Option<(String, Rule)>,
}

fn explain_one(files: Files<'_>, values: &Values, keys: &str) -> String {
    let told = values.get(DIAL_TEMPLATE_PARAMETER).map(String::as_str);
    let (Plan { rules, off_hook }, none) = match served(files, told) {
        Ok(plan) => (plan, "the dial plan has no rule that phones know".to_owned()),
        Err(why) => (Plan::default(), why),
    };
    let mut text = String::new();
    if let Some(rule) = off_hook.as_ref().filter(|(_, rule)| rule.timeout == Some(0) || keys.is_empty()) {
        lifted(rule, keys, values, &mut text);
        return text;
    }
    let templates = rules.iter().map(|(_, rule)| rule.template());
    let Some(call) = Matcher::new(templates).dial(keys, &mut Budget::new(MOST_STEPS)) else {
        let _ = writeln!(text, "  too many keys for {} rules: try fewer", rules.len());
        return text;
    };
    let rule = call.rule.map(|rule| &rules[rule]);
    let mut line = |what: &str, value: String| {
        let _ = writeln!(text, "  {what:<9} {value}");
    };
    match rule {
        Some((name, rule)) => line("rule", format!("{name}, {}", rule.pattern)),
        None if rules.is_empty() && off_hook.is_none() => line("rule", format!("none: {none}")),
        None => line("rule", "none fits".to_owned()),
    }
    if told.is_none() && !rules.is_empty() {
        line("plan", format!("{}, if phones remember it: no dial_template names it", dial_plan(DIAL_TEMPLATE)));
    }
    let rule = rule.map(|(_, rule)| rule);
    let last = call.dialled.chars().count();
    line(
        "sent",
        match call.when {
            When::AtOnce => format!("at once, with key {last}"),
            When::Hash => "with the key #".to_owned(),
            When::After(seconds) => format!("{seconds} s after the last key, or with #"),
        },
    );
    line("number", format!("{}{}", call.number, rule.map(user).unwrap_or_default()));
    line("to", destination(rule.and_then(|rule| rule.route.as_deref()), values));
    for (after, tone) in &call.tones {
        line("tone", format!("{tone} after {after} {}", if *after == 1 { "key" } else { "keys" }));
    }
    if !call.left.is_empty() {
        line("too late", format!("{}, the call is already on its way", call.left));
    }
    if let Some((_, rule)) = &off_hook {
        let number = rule.rewrite.as_deref().unwrap_or_default();
        line("otherwise", format!("{number}, {} s after the handset is lifted, if no key is pressed", wait(rule)));
    }
    text
}

/// What the phone calls when the handset is lifted.
fn lifted((name, rule): &(String, Rule), keys: &str, values: &Values, text: &mut String) {
    let mut line = |what: &str, value: String| {
        let _ = writeln!(text, "  {what:<9} {value}");
    };
    let seconds = wait(rule);
    line("rule", format!("{name}, a {}", if seconds == 0 { "hotline" } else { "warm line" }));
    line(
        "sent",
        match seconds {
            0 => "as soon as the handset is lifted".to_owned(),
            seconds => format!("{seconds} s after the handset is lifted, if no key is pressed"),
        },
    );
    line("number", format!("{}{}", rule.rewrite.as_deref().unwrap_or_default(), user(rule)));
    line("to", destination(rule.route.as_deref(), values));
    if !keys.is_empty() {
        line("too late", format!("{keys}, the call is already on its way"));
    }
}

/// The seconds that a phone waits for a key.
fn wait(rule: &Rule) -> i64 {
    rule.timeout.unwrap_or(DEFAULT_TIMEOUT)
}

/// What is added to a rule's number.
fn user(rule: &Rule) -> String {
    let user = rule.user.as_deref().filter(|user| !user.is_empty());
    user.map(|user| format!(";user={}", user.to_ascii_lowercase())).unwrap_or_default()
}

/// The dial plan as phones read it, whether it was written from the manifest or comes from a ConfigMap; or why they have none.
fn served(files: Files<'_>, told: Option<&str>) -> Result<Plan, String> {
    if told.is_some_and(|told| is_unset(DIAL_TEMPLATE_PARAMETER, told)) {
        return Err("dial_template is empty".to_owned());
    }
    let plan = dial_plan(told.unwrap_or(DIAL_TEMPLATE));
    let find = |name: String| {
        let same = |(key, _): &(&String, &Bytes)| key.eq_ignore_ascii_case(&name);
        files.all.get_key_value(&name).or_else(|| files.all.iter().find(same))
    };
    match looked_for(&plan).find_map(find) {
        None if plan == dial_plan(DIAL_TEMPLATE) => Err("the site has no dial plan".to_owned()),
        None => Err(format!("phones ask for {plan}, and the site has no such file")),
        Some((_, file)) if file.len() > MAX_SIZE => {
            let have = file.len();
            Err(format!("{plan} has {have} bytes, and phones read at most {MAX_SIZE}: they load no rule of it"))
        }
        Some((name, file)) => Ok(named(dialplan::read(file), name, files.written.contains_key(name))),
    }
}

/// The rules of a plan, called by their places in the manifest or in the file.
fn named(reading: dialplan::Reading, file: &str, is_typed: bool) -> Plan {
    let mut plan = Plan::default();
    for (rule, line) in reading.rules.into_iter().zip(reading.lines) {
        let in_file = || format!("{file}:{line}");
        if !rule.pattern.is_empty() {
            let place = plan.rules.len();
            plan.rules.push((if is_typed { format!("templates[{place}]") } else { in_file() }, rule));
        } else if plan.off_hook.is_none() && rule.rewrite.as_ref().is_some_and(|number| !number.is_empty()) {
            plan.off_hook = Some((if is_typed { "offHook".to_owned() } else { in_file() }, rule));
        }
    }
    plan
}

fn destination(route: Option<&str>, values: &Values) -> String {
    let given = |name: &str| values.get(name).map(String::as_str).filter(|value| !is_unset(name, value));
    let at = |name: &str, port: &str| Some(format!("{}:{}", given(name)?, given(port).unwrap_or("5060")));
    let target = match route {
        Some(route) if route.eq_ignore_ascii_case("Emergency") => match at("proxy_emergency", "proxy_emergency_port") {
            Some(proxy) => format!("{proxy}, the emergency proxy"),
            None => "nowhere: the route is Emergency and proxyEmergency is not set".to_owned(),
        },
        Some(host) if !host.is_empty() && !host.eq_ignore_ascii_case("Default") => host.to_owned(),
        _ => match at("proxy1_address", "proxy1_port") {
            Some(proxy) => format!("{proxy}, unless the line has a proxy of its own"),
            None => "the line's own proxy".to_owned(),
        },
    };
    match at("outbound_proxy", "outbound_proxy_port") {
        Some(outbound) => format!("{outbound}, the outbound proxy, which takes all requests (otherwise {target})"),
        None => target,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_without_end_is_not_tried_without_end() {
        let rule = "<TEMPLATE MATCH=\"*\" Timeout=\"5\"/>\n".repeat(200);
        let plan = Bytes::from(format!("<DIALTEMPLATE>\n{rule}</DIALTEMPLATE>\n"));
        let all = BTreeMap::from([("dialplan.xml".to_owned(), plan)]);
        let files = Files { all: &all, written: &BTreeMap::new() };
        let explained = |keys: usize| explain(files, &Key::new("default", "hq"), &"1".repeat(keys));
        assert!(explained(20).contains("dialplan.xml:2, *"));
        assert!(explained(60_000).ends_with("too many keys for 200 rules: try fewer\n"));
    }

    fn dialled(keys: &str, all: &[(&str, &str)], written: &[&str]) -> String {
        let file = |(name, text): &(&str, &str)| ((*name).to_owned(), Bytes::from((*text).to_owned()));
        let all: BTreeMap<String, Bytes> = all.iter().map(file).collect();
        let written = all.clone().into_iter().filter(|(name, _)| written.contains(&name.as_str())).collect();
        explain(Files { all: &all, written: &written }, &Key::new("default", "hq"), keys)
    }

    const EMERGENCY: &str =
        "<DIALTEMPLATE>\n<TEMPLATE MATCH=\"112\" Timeout=\"0\" Route=\"Emergency\"/>\n</DIALTEMPLATE>\n";

    #[test]
    fn each_phone_goes_where_its_own_file_says() {
        let own = "proxy_emergency: 10.0.0.9\n";
        let plan = ("dialplan.xml", EMERGENCY);
        let common = ("SIPDefault.cnf", "dial_template: dialplan\n");
        let all = dialled("112", &[plan, common, ("SIP000A8A000001.cnf", own), ("SIP000A8A000002.cnf", own)], &[]);
        assert!(
            all.starts_with("default/hq: 112 on SIP000A8A000001.cnf and 1 more\n  rule      dialplan.xml:2, 112"),
            "{all}"
        );
        assert!(all.contains("10.0.0.9:5060, the emergency proxy") && !all.contains("nowhere"), "{all}");
        let some = dialled("112", &[plan, common, ("SIP000A8A000001.cnf", own), ("SIP000A8A000002.cnf", "")], &[]);
        assert!(
            some.starts_with("default/hq: 112\n") && some.contains("nowhere") && some.contains("10.0.0.9"),
            "{some}"
        );
        // Where the call does not go there, nothing differs.
        let plain = dialled("7101", &[plan, common, ("SIP000A8A000001.cnf", own)], &[]);
        assert_eq!(plain.matches("default/hq").count(), 1, "{plain}");
        assert!(plain.starts_with("default/hq: 7101\n"), "{plain}");
    }

    #[test]
    fn a_plan_that_phones_name_themselves_is_not_one_that_nobody_names() {
        let plan = ("dialplan.xml", EMERGENCY);
        let named = ("SIP000A8A000001.cnf", "dial_template: dialplan\n");
        let all = dialled("112", &[plan, ("SIPDefault.cnf", ""), named], &[]);
        assert!(
            all.contains("on SIP000A8A000001.cnf, with the dial plan dialplan") && !all.contains("remember"),
            "{all}"
        );
        let some = dialled("112", &[plan, ("SIPDefault.cnf", ""), named, ("SIP000A8A000002.cnf", "")], &[]);
        assert!(some.contains("remember"), "the other phone may not load it: {some}");
    }

    #[test]
    fn a_rule_is_called_by_its_place_in_the_manifest_or_in_the_file() {
        let rules = "<DIALTEMPLATE>\n<TEMPLATE MATCH=\"\" Timeout=\"8\" Rewrite=\"0\" Route=\"gw\"/>\n<TEMPLATE MATCH=\"7...\"/>\n</DIALTEMPLATE>\n";
        let typed = dialled("7101", &[("dialplan.xml", rules)], &["dialplan.xml"]);
        assert!(typed.contains("rule      templates[0], 7..."), "{typed}");
        let file = dialled("7101", &[("dialplan.xml", rules)], &[]);
        assert!(file.contains("rule      dialplan.xml:3, 7..."), "{file}");
        let lifted = |written: &[&str]| dialled("", &[("dialplan.xml", rules)], written);
        assert!(
            lifted(&["dialplan.xml"]).contains("offHook, a warm line")
                && lifted(&[]).contains("dialplan.xml:2, a warm line")
        );
        let none = dialled("112", &[("dialplan.xml", &rules.replace("7...", "8."))], &[]);
        assert!(none.contains("rule      none fits") && none.contains("to        the line's own proxy"), "{none}");
    }
}
