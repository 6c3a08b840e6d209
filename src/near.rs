//! Suggestions for misspelled names.

/// The longest name for which another one is suggested.
const LONGEST: usize = 64;

/// The known name that is nearest to a misspelled one, if it is near enough to be a likely slip.
pub fn near<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Nobody means one of ours, and time and memory grow with the length.
    if name.len() > LONGEST {
        return None;
    }
    let lower = name.to_ascii_lowercase();
    let distance = |known: &&str| strsim::damerau_levenshtein(&lower, &known.to_ascii_lowercase());
    let nearest = known.into_iter().min_by_key(distance)?;
    (distance(&nearest) <= 1 + name.len() / 5).then_some(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_found_and_another_name_is_not() {
        let known = ["lines", "label", "model", "proxy1Address"];
        assert_eq!(near("lins", known), Some("lines"));
        assert_eq!(near("Label", known), Some("label"));
        assert_eq!(near("proxy1_adress", known), Some("proxy1Address"));
        assert_eq!(near("mac", known), None);
        assert_eq!(near("x", []), None);
        assert_eq!(near(&"l".repeat(50_000_000), known), None);
    }
}
