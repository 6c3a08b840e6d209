//! Which rule matches a number, and when it is sent: a model of what the phone does with each key that is pressed.
//!
//! Of all rules that the keys so far fit, the one with the most literal characters among them is chosen; a rule that is
//! complete wins over one that waits for more keys with as many literals, an exact rule over one with dots, dots over a
//! star, and an earlier rule over a later one. Source: Cisco's administrator guides and the published source of its later
//! SIP stack.

use super::Template;
use super::pattern::{Fit, Pattern, Positions, Token};

/// The timeout of a rule that has none of its own, in seconds.
pub const DEFAULT_TIMEOUT: i64 = 10;

/// When the number is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// With the last key.
    AtOnce,
    /// With the key `#`.
    Hash,
    /// So many seconds after the last key.
    After(i64),
}

/// The call that a dialled number leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The rule, counted from 0; none if no rule fits.
    pub rule: Option<usize>,
    /// The keys that went into the call.
    pub dialled: String,
    /// The keys that were pressed after the number was sent.
    pub left: String,
    /// When it is sent.
    pub when: When,
    /// The number that is sent.
    pub number: String,
    /// The second dial tones: after how many keys, and which.
    pub tones: Vec<(usize, String)>,
}

/// How much may be tried, in steps: one key for one rule that it may still lead to. People choose the patterns, their number and
/// the keys, so that the work has to have an end of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget(u64);

impl Budget {
    /// A budget of so many steps: a million takes some ten milliseconds.
    pub fn new(steps: u64) -> Budget {
        Budget(steps)
    }

    /// Whether so many steps are left; they are gone then.
    fn spend(&mut self, steps: usize) -> bool {
        match self.0.checked_sub(steps as u64) {
            Some(left) => {
                self.0 = left;
                true
            }
            None => {
                self.0 = 0;
                false
            }
        }
    }
}

/// A parsed dial plan.
pub struct Matcher<'a> {
    rules: Vec<(Pattern, Template<'a>)>,
}

/// The rules that keys may lead to, and how far they are.
type Open = Vec<(usize, Positions)>;

impl<'a> Matcher<'a> {
    /// Parses the patterns of the rules.
    pub fn new(rules: impl IntoIterator<Item = Template<'a>>) -> Matcher<'a> {
        Matcher { rules: rules.into_iter().map(|rule| (Pattern::new(rule.pattern), rule)).collect() }
    }

    /// Presses keys one after the other, without a pause, and then waits. `None` if the budget does not suffice.
    pub fn dial(&self, keys: &str, budget: &mut Budget) -> Option<Call> {
        // Without this the rules alone would be gone through once for each of them.
        if budget.0 == 0 {
            return None;
        }
        let keys: Vec<char> = keys.chars().collect();
        let mut open: Open = self.rules.iter().enumerate().map(|(i, (pattern, _))| (i, pattern.start())).collect();
        let mut next = Open::new();
        for (end, key) in (1..).zip(&keys) {
            if !budget.spend(open.len() + 1) {
                return None;
            }
            let pressed = open.iter().map(|(rule, at)| (*rule, self.rules[*rule].0.press(*at, *key)));
            next.clear();
            next.extend(pressed.filter(|(_, at)| !at.is_empty()));
            if *key == '#' && next.is_empty() {
                return Some(self.call(&open, &keys, end - 1, end, When::Hash));
            }
            std::mem::swap(&mut open, &mut next);
            if self.timeout_of_best(&open) == Some(0) {
                return Some(self.call(&open, &keys, end, end, When::AtOnce));
            }
        }
        let seconds = self.timeout_of_best(&open).unwrap_or(DEFAULT_TIMEOUT);
        Some(self.call(&open, &keys, keys.len(), keys.len(), When::After(seconds)))
    }

    /// The timeout of the rule that the keys so far choose, if it is complete and has one.
    fn timeout_of_best(&self, open: &Open) -> Option<i64> {
        let mut best: Option<((u32, bool, u8), usize)> = None;
        for (rule, at) in open {
            let pattern = &self.rules[*rule].0;
            let rank = match pattern.fit(*at) {
                None => continue,
                Some(Fit::Partial(literals)) => (literals, false, 0),
                Some(Fit::Complete(literals)) => (literals, true, pattern.exactness()),
            };
            if best.is_none_or(|(before, _)| rank > before) {
                best = Some((rank, *rule));
            }
        }
        best.filter(|((_, complete, _), _)| *complete).and_then(|(_, rule)| self.rules[rule].1.timeout)
    }

    /// The rule that is complete with the keys so far.
    fn complete(&self, open: &Open) -> Option<usize> {
        let complete = open.iter().filter_map(|(rule, at)| {
            let pattern = &self.rules[*rule].0;
            match pattern.fit(*at)? {
                Fit::Complete(literals) => Some((literals, pattern.exactness(), std::cmp::Reverse(*rule))),
                Fit::Partial(_) => None,
            }
        });
        complete.max().map(|(.., rule)| rule.0)
    }

    fn call(&self, open: &Open, keys: &[char], end: usize, next: usize, when: When) -> Call {
        let dialled: String = keys[..end].iter().collect();
        let left = keys[next..].iter().collect();
        let rule = self.complete(open);
        let rewritten = rule.and_then(|rule| {
            let (pattern, template) = &self.rules[rule];
            Some(rewrite(template.rewrite?, &dialled, &pattern.parts(&keys[..end])))
        });
        let number = rewritten.unwrap_or_else(|| dialled.clone());
        let tones = rule.map(|rule| self.tones(rule)).unwrap_or_default();
        Call { rule, dialled, left, when, number, tones }
    }

    /// The positions of a rule's commas, and their tones.
    fn tones(&self, rule: usize) -> Vec<(usize, String)> {
        let (pattern, template) = &self.rules[rule];
        let tokens = pattern.tokens();
        let commas = tokens.iter().enumerate().filter(|(_, token)| **token == Token::Tone).map(|(i, _)| i);
        commas
            .enumerate()
            .map(|(n, at)| {
                let keys = tokens[..at].iter().filter(|token| **token != Token::Tone).count();
                let tone = template.tones.get(n).filter(|tone| !tone.is_empty());
                (keys, tone.cloned().unwrap_or_else(|| "Bellcore-Outside".to_owned()))
            })
            .collect()
    }

    /// Keys that fit a rule completely, for trying it: every wildcard stands for the same digit.
    pub fn samples(&self, rule: usize) -> impl Iterator<Item = String> + '_ {
        ('0'..='9').flat_map(move |digit| {
            [1, 4].into_iter().map(move |many| {
                let part = |token: &Token| match token {
                    Token::Literal(c) => c.to_string(),
                    Token::One => digit.to_string(),
                    Token::Many => digit.to_string().repeat(many),
                    Token::Tone => String::new(),
                };
                self.rules[rule].0.tokens().iter().map(part).collect()
            })
        })
    }
}

/// `%s` and `%0` are all keys, `%1` to `%5` what the wildcards stood for, a dot the next key that a dot stood for.
fn rewrite(pattern: &str, dialled: &str, parts: &[(Token, String)]) -> String {
    let mut dots = parts.iter().filter(|(token, _)| *token == Token::One).map(|(_, keys)| keys.as_str());
    let groups = groups(parts);
    let mut out = String::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '.' => out.push_str(dots.next().unwrap_or_default()),
            '%' => match chars.next() {
                Some('s' | '0') => out.push_str(dialled),
                Some(n @ '1'..='5') => {
                    let group = n as usize - '1' as usize;
                    out.push_str(groups.get(group).map(String::as_str).unwrap_or_default());
                }
                Some(other) => out.push(other),
                None => out.push('%'),
            },
            c => out.push(c),
        }
    }
    out
}

/// What the wildcards stood for, a row of dots as one.
fn groups(parts: &[(Token, String)]) -> Vec<String> {
    parts
        .chunk_by(|(before, _), (after, _)| *before == Token::One && *after == Token::One)
        .map(|group| group.iter().map(|(_, keys)| keys.as_str()).collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::pattern::tokens;
    use super::*;
    use proptest::prelude::*;

    fn rule(pattern: &str, timeout: i64) -> Template<'_> {
        Template { pattern, timeout: Some(timeout), ..Template::default() }
    }

    fn call(matcher: &Matcher<'_>, keys: &str) -> Call {
        matcher.dial(keys, &mut Budget::new(1_000_000)).unwrap()
    }

    fn dial(rules: &[(&str, i64)], keys: &str) -> (Option<usize>, String, When) {
        let call = call(&Matcher::new(rules.iter().map(|(pattern, timeout)| rule(pattern, *timeout))), keys);
        (call.rule, call.dialled, call.when)
    }

    #[test]
    fn the_most_literals_win() {
        let rules = [("9.......", 5), ("91..........", 0), ("911", 0), ("*", 15)];
        assert_eq!(dial(&rules, "911"), (Some(2), "911".into(), When::AtOnce));
        assert_eq!(dial(&rules, "915551234567"), (Some(1), "915551234567".into(), When::AtOnce));
        assert_eq!(dial(&rules, "95551234"), (Some(0), "95551234".into(), When::After(5)));
        assert_eq!(dial(&rules, "7101"), (Some(3), "7101".into(), When::After(15)));
    }

    #[test]
    fn a_complete_rule_with_timeout_0_cuts_the_number_off() {
        let rules = [("9", 0), ("911", 0)];
        let call = call(&Matcher::new(rules.map(|(pattern, timeout)| rule(pattern, timeout))), "911");
        assert_eq!((call.rule, call.left.as_str(), call.when), (Some(0), "11", When::AtOnce));
        assert_eq!(dial(&[("9,0", 8), ("9,011*", 6)], "90"), (Some(0), "90".into(), When::After(8)));
    }

    #[test]
    fn exact_beats_dots_beats_star_and_the_first_wins() {
        assert_eq!(dial(&[("1*", 5), ("1..", 5), ("1.1", 5)], "121").0, Some(2), "more literals");
        assert_eq!(dial(&[("1*", 5), ("1..", 5)], "121").0, Some(1));
        assert_eq!(dial(&[("1..", 5), ("1..", 9)], "121").0, Some(0));
    }

    #[test]
    fn stars_commas_escapes_and_the_hash_key() {
        assert_eq!(dial(&[(r"\*70..", 0)], "*7012").0, Some(0));
        assert_eq!(dial(&[(r"\*70", 0), ("*", 5)], "*70"), (Some(0), "*70".into(), When::AtOnce));
        assert_eq!(dial(&[("*", 15)], "7101#"), (Some(0), "7101".into(), When::Hash));
        assert_eq!(dial(&[("11#", 0), ("*", 15)], "11#"), (Some(0), "11#".into(), When::AtOnce));
        let tones = ["Cisco-Zip".to_owned()];
        let matcher = Matcher::new([Template { pattern: "9,1..,.", tones: &tones, ..Template::default() }]);
        let call = call(&matcher, "91234");
        assert_eq!(call.tones, [(1, "Cisco-Zip".to_owned()), (4, "Bellcore-Outside".to_owned())]);
        assert_eq!(call.when, When::After(DEFAULT_TIMEOUT));
    }

    #[test]
    fn what_no_rule_knows_is_sent_as_it_is_after_a_while() {
        assert_eq!(dial(&[("9.", 0)], "7101"), (None, "7101".into(), When::After(10)));
        assert_eq!(dial(&[("9...", 0)], "95"), (None, "95".into(), When::After(10)));
    }

    #[test]
    fn numbers_are_rewritten() {
        let sent = |pattern, rewrite, keys| {
            call(&Matcher::new([Template { pattern, rewrite: Some(rewrite), ..Template::default() }]), keys).number
        };
        assert_eq!(sent("9,1..........", "1..........", "915551234567"), "15551234567");
        assert_eq!(sent("9...", "%1@gw", "9123"), "123@gw");
        assert_eq!(sent("9*#", "%1-%s", "9123#"), "123-9123#");
        assert_eq!(sent("1..2*", "%2.%1.%3%%", "1ab2cd"), "cdaabb%");
        assert_eq!(sent("0", "operator", "0"), "operator");
    }

    /// Says by trying everything whether keys fit a pattern: a second way to say the same.
    fn fits(pattern: &[char], keys: &[char]) -> bool {
        match pattern {
            [] => keys.is_empty(),
            [',', rest @ ..] => fits(rest, keys),
            ['\\', c, rest @ ..] => keys.first() == Some(c) && fits(rest, &keys[1..]),
            ['.', rest @ ..] => keys.first().is_some_and(|key| *key != '#') && fits(rest, &keys[1..]),
            ['*', rest @ ..] => {
                (1..=keys.len()).any(|n| keys[..n].iter().all(|key| *key != '#') && fits(rest, &keys[n..]))
            }
            [c, rest @ ..] => keys.first() == Some(c) && fits(rest, &keys[1..]),
        }
    }

    fn literals(pattern: &str) -> usize {
        tokens(pattern).iter().filter(|token| matches!(token, Token::Literal(_))).count()
    }

    proptest! {
        #[test]
        fn the_rule_fits_and_no_other_has_more_literals(
            patterns in proptest::collection::vec("[0-3.*,]{1,5}", 1..6),
            keys in "[0-3*#]{0,6}",
            timeout in 0i64..3,
        ) {
            let matcher = Matcher::new(patterns.iter().map(|pattern| rule(pattern, timeout)));
            let call = call(&matcher, &keys);
            let dialled: Vec<char> = call.dialled.chars().collect();
            let fitting: Vec<usize> = (0..patterns.len())
                .filter(|i| fits(&patterns[*i].chars().collect::<Vec<_>>(), &dialled))
                .collect();
            prop_assert_eq!(call.rule.is_some(), !fitting.is_empty());
            if let Some(rule) = call.rule {
                prop_assert!(fitting.contains(&rule));
                prop_assert!(fitting.iter().all(|i| literals(&patterns[*i]) <= literals(&patterns[rule])));
            }
            let hash = if call.when == When::Hash { "#" } else { "" };
            prop_assert_eq!(format!("{}{hash}{}", call.dialled, call.left), keys);
            prop_assert!(call.left.is_empty() || call.when != When::After(timeout));
        }

        #[test]
        fn a_sample_of_a_rule_fits_it(pattern in "[0-3.*,]{1,5}") {
            let matcher = Matcher::new([rule(&pattern, 5)]);
            for sample in matcher.samples(0) {
                prop_assert!(fits(&pattern.chars().collect::<Vec<_>>(), &sample.chars().collect::<Vec<_>>()));
            }
        }

        #[test]
        fn nothing_panics(patterns in proptest::collection::vec(".{0,8}", 0..4), rewrite in ".{0,8}", keys in ".{0,8}") {
            let rules = patterns.iter().map(|pattern| Template { pattern, rewrite: Some(&rewrite), ..Template::default() });
            call(&Matcher::new(rules), &keys);
        }
    }

    /// Two hundred rules of nothing but stars: with trying every length of every star, one of 26 stars took seconds.
    #[test]
    fn work_has_an_end_whatever_the_patterns_are() {
        let (stars, keys) = ("*".repeat(63), "1".repeat(252));
        let matcher = Matcher::new((0..200).map(|_| rule(&stars, 5)));
        let mut budget = Budget::new(100_000);
        assert_eq!(matcher.dial(&keys, &mut budget).unwrap().rule, Some(0));
        let steps = 252 * 201;
        assert_eq!(budget, Budget::new(100_000 - steps));
        assert_eq!(matcher.dial(&keys, &mut budget), None);
        assert_eq!(matcher.dial("1", &mut budget), None, "it is spent");
    }
}
