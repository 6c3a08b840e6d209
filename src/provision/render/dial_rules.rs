//! The rules of a typed dial plan: what they are called in a manifest, and what phones cannot take of them.
//!
//! Rules are counted as they stand in the file: what is called when the handset is lifted is the first.

use crate::api::{DialPlan, DialRule, OffHook};
use crate::phone::dialplan::check_attribute;
use crate::phone::parameter::check_host;

/// Where a rule stands in the list; nothing for what is called when the handset is lifted.
fn place(plan: &DialPlan, rule: usize) -> Option<usize> {
    rule.checked_sub(usize::from(plan.off_hook.is_some()))
}

/// What people call a rule.
pub fn name(plan: &DialPlan, rule: usize) -> String {
    place(plan, rule).map_or_else(|| "offHook".to_owned(), |i| format!("templates[{i}]"))
}

/// The field of a part of a rule.
pub fn field(plan: &DialPlan, rule: usize, part: &str) -> String {
    let part = if part == "rewrite" && place(plan, rule).is_none() { "number" } else { part };
    format!("spec.dialPlan.{}.{part}", name(plan, rule))
}

/// What phones cannot take: the rule, its part, and what is wrong with that.
pub fn problems(plan: &DialPlan) -> Vec<(usize, &'static str, String)> {
    let off_hook = plan.off_hook.iter().map(of_off_hook);
    let rules = off_hook.chain(plan.templates.iter().map(of_rule));
    let numbered = |(i, found): (usize, Vec<(&'static str, String)>)| {
        found.into_iter().map(move |(part, problem)| (i, part, problem)).collect::<Vec<_>>()
    };
    rules.enumerate().flat_map(numbered).collect()
}

fn of_off_hook(off_hook: &OffHook) -> Vec<(&'static str, String)> {
    let number = match off_hook.number.as_str() {
        "" => Err("is empty: a phone that should call nobody by itself has no offHook".to_owned()),
        number => check_attribute(number),
    };
    let checked = [
        ("number", number),
        ("route", check_route(off_hook.route.as_deref())),
        ("timeout", check_timeout(Some(off_hook.timeout))),
    ];
    checked.into_iter().filter_map(|(part, checked)| Some((part, checked.err()?))).collect()
}

fn of_rule(rule: &DialRule) -> Vec<(&'static str, String)> {
    let pattern = match rule.pattern.as_str() {
        "" => Err("is empty: a rule names the digits that it is for; what phones call when the handset is lifted stands in dialPlan.offHook".to_owned()),
        pattern => check_attribute(pattern),
    };
    let many = if rule.tones.len() > 3 { Err("has more than 3 tones".to_owned()) } else { Ok(()) };
    let checked = [
        ("match", pattern),
        ("rewrite", rule.rewrite.as_deref().map_or(Ok(()), check_attribute)),
        ("route", check_route(rule.route.as_deref())),
        ("timeout", check_timeout(rule.timeout)),
        ("tones", many),
    ];
    let tones = rule.tones.iter().map(|tone| ("tones", check_attribute(tone)));
    checked.into_iter().chain(tones).filter_map(|(part, checked)| Some((part, checked.err()?))).collect()
}

fn check_route(route: Option<&str>) -> Result<(), String> {
    let route = route.unwrap_or_default();
    check_host(route).and_then(|()| check_attribute(route))
}

fn check_timeout(seconds: Option<i64>) -> Result<(), String> {
    match seconds {
        Some(seconds) if !(0..=3600).contains(&seconds) => Err("must be from 0 to 3600 seconds".to_owned()),
        _ => Ok(()),
    }
}
