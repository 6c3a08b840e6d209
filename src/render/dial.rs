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

/// The explanation for one number and the files of one site: what phones make of it, and what those make of it that have another dial
/// plan.
pub fn explain(files: &BTreeMap<String, Bytes>, site: &Key, keys: &str) -> String {
    let common = files.get(SIP_DEFAULT).map(|file| cnf::read(file).effective()).unwrap_or_default();
    let mut text = explain_one(files, &format!("{site}: {keys}"), &common, keys);
    for (template, (first, more, own)) in others(files, &common) {
        let and = if more > 0 { format!(" and {more} more") } else { String::new() };
        let values: Values = common.clone().into_iter().chain(own).collect();
        let title = format!("{site}: {keys} on {first}{and}, with the dial plan {template}");
        text += &explain_one(files, &title, &values, keys);
    }
    text
}

type Values = BTreeMap<String, String>;

/// The dial plans that single phones have of their own: the file of the first phone, how many more there are, and its values.
fn others<'a>(files: &'a BTreeMap<String, Bytes>, common: &Values) -> BTreeMap<String, (&'a str, usize, Values)> {
    let mut others = BTreeMap::new();
    for (name, file) in files.iter().filter(|(name, _)| FileName::parse(name).is_own_config()) {
        let values = cnf::read(file).effective();
        let Some(template) = values.get(DIAL_TEMPLATE_PARAMETER).cloned() else { continue };
        if common.get(DIAL_TEMPLATE_PARAMETER) == Some(&template) {
            continue;
        }
        match others.entry(template) {
            Entry::Occupied(mut other) => {
                let (_, more, _): &mut (&str, usize, Values) = other.get_mut();
                *more += 1;
            }
            Entry::Vacant(new) => drop(new.insert((name.as_str(), 0, values))),
        }
    }
    others
}

/// The parameter that names the dial plan.
const DIAL_TEMPLATE_PARAMETER: &str = "dial_template";

fn explain_one(files: &BTreeMap<String, Bytes>, title: &str, values: &Values, keys: &str) -> String {
    let told = values.get(DIAL_TEMPLATE_PARAMETER).map(String::as_str);
    let (rules, none) = match served(files, told) {
        Ok(rules) => (rules, "the dial plan has no rule that phones know".to_owned()),
        Err(why) => (Vec::new(), why),
    };
    let (off_hook, rules): (Vec<Rule>, Vec<Rule>) = rules.into_iter().partition(|rule| rule.pattern.is_empty());
    let off_hook = off_hook.iter().find(|rule| rule.rewrite.as_ref().is_some_and(|number| !number.is_empty()));
    let mut text = format!("{title}\n");
    if let Some(rule) = off_hook.filter(|rule| rule.timeout == Some(0) || keys.is_empty()) {
        lifted(rule, keys, values, &mut text);
        return text;
    }
    let Some(call) = Matcher::new(rules.iter().map(|rule| rule.template())).dial(keys, &mut Budget::new(MOST_STEPS))
    else {
        let _ = writeln!(text, "  too many keys for {} rules: try fewer", rules.len());
        return text;
    };
    let rule = call.rule.map(|rule| &rules[rule]);
    let mut line = |what: &str, value: String| {
        let _ = writeln!(text, "  {what:<9} {value}");
    };
    match (call.rule, rule) {
        (Some(i), Some(rule)) => line("rule", format!("templates[{i}], {}", rule.pattern)),
        _ if rules.is_empty() && off_hook.is_none() => line("rule", format!("none: {none}")),
        _ => line("rule", "none fits".to_owned()),
    }
    if told.is_none() && !rules.is_empty() {
        line("plan", format!("{}, if phones remember it: no dial_template names it", dial_plan(DIAL_TEMPLATE)));
    }
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
    if let Some(rule) = off_hook {
        let number = rule.rewrite.as_deref().unwrap_or_default();
        line("otherwise", format!("{number}, {} s after the handset is lifted, if no key is pressed", wait(rule)));
    }
    text
}

/// What the phone calls when the handset is lifted.
fn lifted(rule: &Rule, keys: &str, values: &Values, text: &mut String) {
    let mut line = |what: &str, value: String| {
        let _ = writeln!(text, "  {what:<9} {value}");
    };
    let seconds = wait(rule);
    line("rule", format!("offHook, a {}", if seconds == 0 { "hotline" } else { "warm line" }));
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

/// The rules of a dial plan as phones read it, whether it was written from the manifest or comes from a ConfigMap; or why they have
/// none.
fn served(files: &BTreeMap<String, Bytes>, told: Option<&str>) -> Result<Vec<Rule>, String> {
    if told == Some("") {
        return Err("dial_template is empty".to_owned());
    }
    let plan = dial_plan(told.unwrap_or(DIAL_TEMPLATE));
    let find = |name: String| {
        let same = |(key, _): &(&String, &Bytes)| key.eq_ignore_ascii_case(&name);
        files.get(&name).or_else(|| files.iter().find(same).map(|(_, file)| file))
    };
    match looked_for(&plan).find_map(find) {
        None if plan == dial_plan(DIAL_TEMPLATE) => Err("the site has no dial plan".to_owned()),
        None => Err(format!("phones ask for {plan}, and the site has no such file")),
        Some(file) if file.len() > MAX_SIZE => {
            let have = file.len();
            Err(format!("{plan} has {have} bytes, and phones read at most {MAX_SIZE}: they load no rule of it"))
        }
        Some(file) => Ok(dialplan::read(file).rules),
    }
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
        let files = BTreeMap::from([("dialplan.xml".to_owned(), plan)]);
        let explained = |keys: usize| explain(&files, &Key::new("default", "hq"), &"1".repeat(keys));
        assert!(explained(20).contains("templates[0]"));
        assert!(explained(60_000).ends_with("too many keys for 200 rules: try fewer\n"));
    }
}
