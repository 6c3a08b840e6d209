//! Which rule matches a number, and when it is sent: a model of what the phone does with each key that is pressed.
//!
//! Of all rules that the keys so far fit, the one with the most literal characters among them is chosen; a rule that is
//! complete wins over one that waits for more keys with as many literals, an exact rule over one with dots, dots over a
//! star, and an earlier rule over a later one. Source: Cisco's administrator guides and the published source of its later
//! SIP stack.

use super::Template;

/// The timeout of a rule that has none of its own, in seconds.
const DEFAULT_TIMEOUT: i64 = 10;

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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Literal(char),
    One,
    Many,
    Tone,
}

/// How well keys fit a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fit {
    /// More keys are needed; so many literals are matched.
    Partial(usize),
    /// All is there: the literals, and what each wildcard stood for.
    Complete(usize, Vec<(Token, String)>),
}

/// A parsed dial plan.
pub struct Matcher<'a> {
    rules: Vec<(Vec<Token>, Template<'a>)>,
}

impl<'a> Matcher<'a> {
    /// Parses the patterns of the rules.
    pub fn new(rules: impl IntoIterator<Item = Template<'a>>) -> Matcher<'a> {
        Matcher { rules: rules.into_iter().map(|rule| (tokens(rule.pattern), rule)).collect() }
    }

    /// Presses keys one after the other, without a pause, and then waits.
    pub fn dial(&self, keys: &str) -> Call {
        let keys: Vec<char> = keys.chars().collect();
        for end in 1..=keys.len() {
            let best = self.best(&keys[..end]);
            if keys[end - 1] == '#' && best.is_none() {
                return self.call(&keys, end - 1, end, When::Hash);
            }
            if let Some((rule, Fit::Complete(..))) = best
                && self.rules[rule].1.timeout == Some(0)
            {
                return self.call(&keys, end, end, When::AtOnce);
            }
        }
        let seconds = match self.best(&keys) {
            Some((rule, Fit::Complete(..))) => self.rules[rule].1.timeout.unwrap_or(DEFAULT_TIMEOUT),
            _ => DEFAULT_TIMEOUT,
        };
        self.call(&keys, keys.len(), keys.len(), When::After(seconds))
    }

    /// The rule that the keys so far choose.
    fn best(&self, keys: &[char]) -> Option<(usize, Fit)> {
        let mut best: Option<((usize, bool, u8), usize, Fit)> = None;
        for (i, (tokens, _)) in self.rules.iter().enumerate() {
            let Some(fit) = fit(tokens, keys) else { continue };
            let rank = match &fit {
                Fit::Partial(literals) => (*literals, false, 0),
                Fit::Complete(literals, _) => (*literals, true, exactness(tokens)),
            };
            if best.as_ref().is_none_or(|(before, ..)| rank > *before) {
                best = Some((rank, i, fit));
            }
        }
        best.map(|(_, rule, fit)| (rule, fit))
    }

    /// The rule that is complete with these keys.
    fn complete(&self, keys: &[char]) -> Option<(usize, Vec<(Token, String)>)> {
        let fits = self.rules.iter().enumerate().filter_map(|(i, (tokens, _))| match fit(tokens, keys)? {
            Fit::Complete(literals, parts) => Some(((literals, exactness(tokens), std::cmp::Reverse(i)), parts)),
            Fit::Partial(_) => None,
        });
        fits.max_by_key(|(rank, _)| *rank).map(|((_, _, rule), parts)| (rule.0, parts))
    }

    fn call(&self, keys: &[char], end: usize, next: usize, when: When) -> Call {
        let dialled: String = keys[..end].iter().collect();
        let left = keys[next..].iter().collect();
        let chosen = self.complete(&keys[..end]);
        let number = match &chosen {
            Some((rule, parts)) => match self.rules[*rule].1.rewrite {
                Some(pattern) => rewrite(pattern, &dialled, parts),
                None => dialled.clone(),
            },
            None => dialled.clone(),
        };
        let rule = chosen.map(|(rule, _)| rule);
        let tones = rule.map(|rule| self.tones(rule)).unwrap_or_default();
        Call { rule, dialled, left, when, number, tones }
    }

    /// The positions of a rule's commas, and their tones.
    fn tones(&self, rule: usize) -> Vec<(usize, String)> {
        let (tokens, template) = &self.rules[rule];
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
                self.rules[rule].0.iter().map(part).collect()
            })
        })
    }
}

fn tokens(pattern: &str) -> Vec<Token> {
    let mut chars = pattern.chars();
    let mut tokens = Vec::new();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '.' => Token::One,
            '*' => Token::Many,
            ',' => Token::Tone,
            '\\' => Token::Literal(chars.next().unwrap_or('\\')),
            c => Token::Literal(c),
        });
    }
    tokens
}

fn exactness(tokens: &[Token]) -> u8 {
    if tokens.contains(&Token::Many) {
        0
    } else if tokens.contains(&Token::One) {
        1
    } else {
        2
    }
}

fn fit(tokens: &[Token], keys: &[char]) -> Option<Fit> {
    let Some((token, rest)) = tokens.split_first() else {
        return keys.is_empty().then(|| Fit::Complete(0, Vec::new()));
    };
    match *token {
        Token::Tone => fit(rest, keys),
        _ if keys.is_empty() => Some(Fit::Partial(0)),
        Token::Literal(c) => (keys[0] == c).then(|| fit(rest, &keys[1..]))?.map(|fit| match fit {
            Fit::Partial(literals) => Fit::Partial(literals + 1),
            Fit::Complete(literals, parts) => Fit::Complete(literals + 1, parts),
        }),
        Token::One => (keys[0] != '#').then(|| fit(rest, &keys[1..]))?.map(|fit| with(fit, *token, &keys[..1])),
        Token::Many => {
            let most = keys.iter().take_while(|key| **key != '#').count();
            let mut best: Option<Fit> = None;
            for length in (1..=most).rev() {
                let Some(next) = fit(rest, &keys[length..]) else { continue };
                let next = with(next, *token, &keys[..length]);
                if matches!(next, Fit::Complete(..)) {
                    return Some(next);
                }
                best = best.or(Some(next));
            }
            best
        }
    }
}

fn with(fit: Fit, token: Token, keys: &[char]) -> Fit {
    match fit {
        Fit::Complete(literals, mut parts) => {
            parts.insert(0, (token, keys.iter().collect()));
            Fit::Complete(literals, parts)
        }
        partial @ Fit::Partial(_) => partial,
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
    use super::*;
    use proptest::prelude::*;

    fn rule(pattern: &str, timeout: i64) -> Template<'_> {
        Template { pattern, timeout: Some(timeout), ..Template::default() }
    }

    fn dial(rules: &[(&str, i64)], keys: &str) -> (Option<usize>, String, When) {
        let call = Matcher::new(rules.iter().map(|(pattern, timeout)| rule(pattern, *timeout))).dial(keys);
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
        let call = Matcher::new(rules.map(|(pattern, timeout)| rule(pattern, timeout))).dial("911");
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
        let call = Matcher::new([Template { pattern: "9,1..,.", tones: &tones, ..Template::default() }]).dial("91234");
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
            Matcher::new([Template { pattern, rewrite: Some(rewrite), ..Template::default() }]).dial(keys).number
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
            let call = matcher.dial(&keys);
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
            Matcher::new(rules).dial(&keys);
        }
    }
}
