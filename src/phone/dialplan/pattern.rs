//! A rule's pattern as an automaton: which of its positions the keys so far lead to.
//!
//! Every token but a comma takes at least one key, so the position alone says how many literals were matched. All positions that
//! keys lead to are kept at once, one bit each: a key costs a few operations, however many stars the pattern has.

/// One character of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// This key.
    Literal(char),
    /// Any one key but `#`.
    One,
    /// One or more keys, but `#`.
    Many,
    /// A second dial tone.
    Tone,
}

/// The tokens of a pattern.
pub(super) fn tokens(pattern: &str) -> Vec<Token> {
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

/// How well keys fit a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// More keys are needed; so many literals are matched.
    Partial(u32),
    /// All is there, with so many literals.
    Complete(u32),
}

/// The positions in a pattern that keys lead to: bit `i` says that the first `i` tokens that take keys have theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Positions(u128);

impl Positions {
    /// Whether the keys fit no longer.
    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// A pattern. Phones read 63 characters of one; with more than 127 tokens that take keys it fits nothing here.
#[derive(Debug)]
pub(super) struct Pattern {
    tokens: Vec<Token>,
    /// The positions before literals, by their keys.
    literals: Vec<(char, u128)>,
    /// The positions before any literal.
    all_literals: u128,
    /// The positions before dots.
    ones: u128,
    /// The positions before stars.
    stars: u128,
    /// The position behind all tokens.
    end: u128,
}

impl Pattern {
    /// Parses a pattern.
    pub(super) fn new(pattern: &str) -> Pattern {
        let tokens = tokens(pattern);
        let (mut literals, mut ones, mut stars, mut end) = (Vec::<(char, u128)>::new(), 0, 0, 1_u128);
        // Nothing is left of it behind more tokens than there are bits.
        for token in tokens.iter().filter(|token| **token != Token::Tone).take(u128::BITS as usize) {
            match *token {
                Token::Literal(key) => match literals.iter_mut().find(|(other, _)| *other == key) {
                    Some((_, positions)) => *positions |= end,
                    None => literals.push((key, end)),
                },
                Token::One => ones |= end,
                Token::Many => stars |= end,
                Token::Tone => {}
            }
            end <<= 1;
        }
        let all_literals = literals.iter().fold(0, |all, (_, positions)| all | positions);
        Pattern { tokens, literals, all_literals, ones, stars, end }
    }

    /// Its tokens.
    pub(super) fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// Where it stands before the first key.
    pub(super) fn start(&self) -> Positions {
        Positions(if self.end == 0 { 0 } else { 1 })
    }

    /// The positions before tokens that take a key.
    fn takers(&self, key: char) -> u128 {
        let literal = self.literals.iter().find(|(literal, _)| *literal == key).map_or(0, |(_, positions)| *positions);
        let wildcards = if key == '#' { 0 } else { self.ones | self.stars };
        literal | wildcards
    }

    /// Where one more key leads.
    pub(super) fn press(&self, at: Positions, key: char) -> Positions {
        let goes_on = (at.0 & self.takers(key)) << 1;
        // A star that has a key takes further ones.
        let stays = if key == '#' { 0 } else { at.0 & (self.stars << 1) };
        Positions(goes_on | stays)
    }

    /// How well the keys that led here fit; not at all if they lead nowhere.
    pub(super) fn fit(&self, at: Positions) -> Option<Fit> {
        if at.0 & self.end != 0 {
            return Some(Fit::Complete(self.all_literals.count_ones()));
        }
        // Stars take as many keys as they can, which leads to the first position.
        let first = at.0 & at.0.wrapping_neg();
        (first != 0).then(|| Fit::Partial((self.all_literals & (first - 1)).count_ones()))
    }

    /// 2 without wildcards, 1 with dots, 0 with stars.
    pub(super) fn exactness(&self) -> u8 {
        match (self.stars, self.ones) {
            (0, 0) => 2,
            (0, _) => 1,
            _ => 0,
        }
    }

    /// What each wildcard stands for when these keys fit completely: earlier stars take as many keys as they can.
    pub(super) fn parts(&self, keys: &[char]) -> Vec<(Token, String)> {
        // For each place between keys, the positions from which the rest of the keys leads to the end.
        let mut leads = vec![self.end; keys.len() + 1];
        for (place, key) in keys.iter().enumerate().rev() {
            let next = leads[place + 1];
            let stars = if *key == '#' { 0 } else { self.stars };
            leads[place] = (self.takers(*key) & (next >> 1)) | (stars & next);
        }
        let (mut parts, mut place, mut behind) = (Vec::new(), 0, 1_u128);
        for token in self.tokens.iter().filter(|token| **token != Token::Tone) {
            behind <<= 1;
            let most = match token {
                Token::Many => keys[place..].iter().take_while(|key| **key != '#').count(),
                Token::Literal(_) | Token::One | Token::Tone => 1,
            };
            let length = (1..=most).rev().find(|length| leads.get(place + length).is_some_and(|at| at & behind != 0));
            let Some(length) = length else { return Vec::new() };
            if matches!(token, Token::One | Token::Many) {
                parts.push((*token, keys[place..place + length].iter().collect()));
            }
            place += length;
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The fit of keys, found by trying every length of every star: exponential, and a second way to say the same.
    fn tried(tokens: &[Token], keys: &[char]) -> Option<(Fit, Vec<(Token, String)>)> {
        let Some((token, rest)) = tokens.split_first() else {
            return keys.is_empty().then(|| (Fit::Complete(0), Vec::new()));
        };
        let with = |(fit, mut parts): (Fit, Vec<(Token, String)>), keys: &[char]| {
            parts.insert(0, (*token, keys.iter().collect()));
            (fit, parts)
        };
        match *token {
            Token::Tone => tried(rest, keys),
            _ if keys.is_empty() => Some((Fit::Partial(0), Vec::new())),
            Token::Literal(c) => (keys[0] == c).then(|| tried(rest, &keys[1..]))?.map(|(fit, parts)| match fit {
                Fit::Partial(literals) => (Fit::Partial(literals + 1), parts),
                Fit::Complete(literals) => (Fit::Complete(literals + 1), parts),
            }),
            Token::One => (keys[0] != '#').then(|| tried(rest, &keys[1..]))?.map(|found| with(found, &keys[..1])),
            Token::Many => {
                let most = keys.iter().take_while(|key| **key != '#').count();
                let all: Vec<_> = (1..=most)
                    .rev()
                    .filter_map(|length| Some(with(tried(rest, &keys[length..])?, &keys[..length])))
                    .collect();
                let complete = all.iter().find(|(fit, _)| matches!(fit, Fit::Complete(_)));
                complete.or(all.first()).cloned()
            }
        }
    }

    fn pressed(pattern: &Pattern, keys: &[char]) -> Positions {
        keys.iter().fold(pattern.start(), |at, key| pattern.press(at, *key))
    }

    proptest! {
        #[test]
        fn the_automaton_finds_what_trying_everything_finds(text in "[0-2#.*,]{0,8}", keys in "[0-2#*]{0,8}") {
            let (pattern, keys) = (Pattern::new(&text), keys.chars().collect::<Vec<_>>());
            let fit = pattern.fit(pressed(&pattern, &keys));
            let expected = tried(&tokens(&text), &keys);
            prop_assert_eq!(fit, expected.as_ref().map(|(fit, _)| *fit));
            if let Some((Fit::Complete(_), parts)) = expected {
                prop_assert_eq!(pattern.parts(&keys), parts);
            }
        }
    }

    #[test]
    fn a_pattern_may_have_stars_only_and_may_be_too_long() {
        let keys = vec!['1'; 300];
        let stars = Pattern::new(&"*".repeat(63));
        assert_eq!(stars.fit(pressed(&stars, &keys)), Some(Fit::Complete(0)));
        let parts = stars.parts(&keys);
        assert_eq!((parts.len(), parts[0].1.len(), parts[62].1.len()), (63, 238, 1));
        for (length, fits) in [(127, true), (128, false), (1000, false)] {
            let pattern = Pattern::new(&".".repeat(length));
            let at = pressed(&pattern, &keys[..length.min(300)]);
            assert_eq!(pattern.fit(at), fits.then_some(Fit::Complete(0)), "{length}");
        }
    }
}
