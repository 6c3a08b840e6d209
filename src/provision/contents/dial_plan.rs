//! What looks wrong in a dial plan although phones would take it, typed or in a file.

use crate::phone::dialplan::{Budget, Call, Matcher, TONES, Template, When};
use crate::provision::advice::{self, Advice};
use crate::provision::placeholder::{Use, is_placeholder};

/// The dial plan's file, without extension, if nobody names another.
pub const USUAL_NAME: &str = "dialplan";

/// How many steps it may take to see which rules of a plan numbers take: some 20 ms, while others wait for the fleet.
pub const STEPS: u64 = 1_000_000;

/// Numbers that somebody in need dials, somewhere in the world.
const EMERGENCY_NUMBERS: [&str; 7] = ["911", "112", "999", "000", "110", "119", "111"];

/// Where a plan sends calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Routes {
    /// The first rule that routes to the emergency proxy.
    pub emergency: Option<usize>,
    /// How many rules have a route of their own.
    pub elsewhere: usize,
}

impl Routes {
    /// The routes of these rules.
    pub fn of(rules: &[Template<'_>]) -> Routes {
        let is_elsewhere = |rule: &&Template<'_>| {
            rule.route.is_some_and(|route| !route.is_empty() && !route.eq_ignore_ascii_case("Default"))
        };
        Routes { emergency: rules.iter().position(is_emergency), elsewhere: rules.iter().filter(is_elsewhere).count() }
    }
}

fn is_emergency(rule: &Template<'_>) -> bool {
    rule.route.is_some_and(|route| route.eq_ignore_ascii_case("Emergency"))
}

/// Says what looks wrong: of which rule, counted from 0, or of the plan as a whole; of which part of it; the advice, and what there
/// is. `name` is what people call a rule.
pub fn lint(
    rules: &[Template<'_>],
    steps: &mut Budget,
    name: impl Fn(usize) -> String,
    mut say: impl FnMut(Option<usize>, &'static str, Advice, String),
) {
    if rules.is_empty() {
        return;
    }
    let matcher = Matcher::new(rules.iter().copied());
    let mut not_examined = 0;
    // What is called when the handset is lifted, and when.
    let mut lifted: Option<(usize, Option<i64>)> = None;
    for (i, rule) in rules.iter().enumerate() {
        let pattern = rule.pattern;
        if pattern.is_empty() {
            if let Some((first, _)) = lifted {
                let what = format!("is empty, as is that of {}, which phones take", name(first));
                say(Some(i), "match", advice::DIAL_RULE_UNREACHABLE, what);
                continue;
            }
            off_hook(rule.rewrite, rule.timeout, |part, advice, what| say(Some(i), part, advice, what));
            if rule.rewrite.is_some_and(|number| !number.is_empty()) {
                lifted = Some((i, rule.timeout));
            }
            continue;
        }
        if is_foreign(pattern) {
            say(Some(i), "match", advice::DIAL_PLAN_FOREIGN, format!("is {pattern:?}"));
        } else {
            match reach(&matcher, i, steps) {
                Reach::Reached => {}
                Reach::NotExamined => not_examined += 1,
                Reach::Instead(keys, call) => {
                    let instead = match call.rule {
                        Some(other) => format!(
                            "is {pattern:?}, and dialling {keys} takes {}, {:?}{}",
                            name(other),
                            rules[other].pattern,
                            if call.when == When::AtOnce && !call.left.is_empty() {
                                ", which is sent before"
                            } else {
                                ""
                            },
                        ),
                        None => format!("is {pattern:?}, and dialling {keys} takes no rule"),
                    };
                    say(Some(i), "match", advice::DIAL_RULE_UNREACHABLE, instead);
                }
            }
        }
        let ends_in_star = pattern.ends_with('*') && !pattern.ends_with(r"\*");
        if ends_in_star && rule.timeout == Some(0) {
            say(Some(i), "timeout", advice::DIAL_STAR_AT_ONCE, format!("is 0 for {pattern:?}"));
        }
        if let Some(rewrite) = rule.rewrite.filter(|rewrite| has_scheme(rewrite)) {
            say(Some(i), "rewrite", advice::UNUSUAL_VALUE, whole_address(rewrite));
        }
        if let Some(route) = rule.route.filter(|route| is_placeholder(route, Use::Host)) {
            say(Some(i), "route", advice::PLACEHOLDER, format!("is {route:?}"));
        }
        let commas = pattern.matches(',').count();
        if rule.tones.len() > commas {
            let what = format!("has {} tones for {commas} commas", rule.tones.len());
            say(Some(i), "tones", advice::DIAL_TONES, what);
        }
        if let Some(tone) = rule.tones.iter().find(|tone| !tone.is_empty() && !TONES.contains(&tone.as_str())) {
            say(Some(i), "tones", advice::DIAL_TONES, format!("has {tone:?}"));
        }
    }
    if not_examined > 0 {
        let what = format!("has {} rules, of which {not_examined} were not tried", rules.len());
        say(None, "", advice::DIAL_RULES_NOT_EXAMINED, what);
    }
    if lifted.is_some_and(|(_, timeout)| timeout == Some(0)) {
        // Nobody can dial a number, whatever rules there are.
        return;
    }
    // A few short numbers, whatever was spent before.
    let mut few = Budget::new(STEPS);
    let mut knows = |number: &&str| {
        let Some(call) = matcher.dial(number, &mut few) else { return false };
        call.dialled == **number && call.rule.is_some_and(|rule| rules[rule].pattern.replace(',', "") == **number)
    };
    if !rules.iter().any(is_emergency) && !EMERGENCY_NUMBERS.iter().any(&mut knows) {
        say(None, "", advice::EMERGENCY_RULE, "has no rule for emergency calls".to_owned());
    }
}

/// Whether a number is written as a URI.
fn has_scheme(number: &str) -> bool {
    number
        .split_once(':')
        .is_some_and(|(scheme, _)| ["sip", "sips", "tel"].iter().any(|known| scheme.eq_ignore_ascii_case(known)))
}

fn whole_address(number: &str) -> String {
    format!("is {number:?}: a rewrite is the user part of an address, such as 7100, and route names the server")
}

/// Says what looks wrong in what is called when the handset is lifted.
fn off_hook(number: Option<&str>, timeout: Option<i64>, mut say: impl FnMut(&'static str, Advice, String)) {
    let Some(number) = number.filter(|number| !number.is_empty()) else {
        let what = "is missing for an empty match, which calls nobody when the handset is lifted";
        return say("rewrite", advice::UNUSUAL_VALUE, what.to_owned());
    };
    if timeout == Some(0) {
        say("timeout", advice::DIAL_HOTLINE, format!("is 0 for {number:?}"));
    }
    if is_placeholder(number, Use::Name) {
        say("rewrite", advice::PLACEHOLDER, format!("is {number:?}"));
    } else if has_scheme(number) || number.contains('@') {
        say("rewrite", advice::UNUSUAL_VALUE, whole_address(number));
    } else if let Some(sign) = number.chars().find(|c| matches!(c, '%' | '.')) {
        let what = format!("is {number:?}: {sign:?} stands for digits that were dialled, and nobody dialled any");
        say("rewrite", advice::UNUSUAL_VALUE, what);
    } else if number.contains(char::is_whitespace) {
        say("rewrite", advice::UNUSUAL_VALUE, format!("is {number:?}, which has blanks"));
    }
}

/// Whether a number takes a rule.
enum Reach {
    Reached,
    /// These keys should take it, and make another call.
    Instead(String, Call),
    NotExamined,
}

fn reach(matcher: &Matcher<'_>, rule: usize, steps: &mut Budget) -> Reach {
    let mut first = None;
    for keys in matcher.samples(rule) {
        match matcher.dial(&keys, steps) {
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
