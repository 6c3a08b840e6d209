//! What somebody may have meant.

/// The known word that is nearest to another one, if it is near enough to be meant.
pub fn near<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_ascii_lowercase();
    let distance = |known: &&str| strsim::damerau_levenshtein(&lower, &known.to_ascii_lowercase());
    let nearest = known.into_iter().min_by_key(distance)?;
    (distance(&nearest) <= 1 + word.len() / 5).then_some(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_seen_and_another_word_is_not() {
        let known = ["lines", "label", "model", "proxy1Address"];
        assert_eq!(near("lins", known), Some("lines"));
        assert_eq!(near("Label", known), Some("label"));
        assert_eq!(near("proxy1_adress", known), Some("proxy1Address"));
        assert_eq!(near("mac", known), None);
        assert_eq!(near("x", []), None);
    }
}
