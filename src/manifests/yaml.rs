//! Text as documents, within limits that are the same for every file: what a file may cost does not grow with its length, so that
//! no file takes more memory or time than the largest honest one.

use serde_json::Value;
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::{Budget, Error, Options};

/// The most of one file.
struct Limits {
    /// Documents.
    documents: usize,
    /// Values, keys and what aliases stand for among them. A value takes about 100 bytes of memory.
    values: usize,
    /// The bytes of all values together, with what aliases stand for.
    bytes: usize,
    /// How deep lists and maps may be nested.
    depth: usize,
    /// Aliases; and anchors; and merge keys.
    aliases: usize,
}

/// Some 30,000 phones with everything set fit; an object of these kinds has ten levels.
const LIMITS: Limits = Limits { documents: 100_000, values: 2_000_000, bytes: 64 << 20, depth: 64, aliases: 100_000 };

/// The documents of a text, or why it cannot be used.
pub(crate) fn documents(text: &str) -> Result<Vec<Value>, String> {
    documents_within(text, &LIMITS)
}

fn documents_within(text: &str, limits: &Limits) -> Result<Vec<Value>, String> {
    serde_saphyr::from_multiple_with_options(text, limits.options()).map_err(|error| match limits.exceeded(&error) {
        Some(limit) => limit,
        None => format!("not YAML: {}", error.to_string().trim_start_matches("error: ")),
    })
}

impl Limits {
    fn options(&self) -> Options {
        let mut budget = Budget::default();
        budget.max_documents = self.documents;
        budget.max_nodes = self.values;
        // The end of a list or map, an alias, and the two ends of a document are events and no values.
        budget.max_events = 2 * self.values + self.aliases + 2 * self.documents + 2;
        budget.max_total_scalar_bytes = self.bytes;
        budget.max_depth = self.depth;
        // One more than is allowed, so that the budget refuses it in its own words.
        budget.flow_nesting_limit = self.depth + 1;
        budget.max_aliases = self.aliases;
        budget.max_anchors = self.aliases;
        budget.max_merge_keys = self.aliases;
        budget.max_recorded_anchor_events = self.values;
        budget.max_recorded_anchor_bytes = self.bytes;
        // One anchor that a thousand phones share is honest. What aliases stand for is counted as if it stood there.
        budget.enforce_alias_anchor_ratio = false;
        let mut options = Options::default();
        options.budget = Some(budget);
        options.alias_limits.max_total_replayed_events = 2 * self.values;
        options
    }

    /// Which limit a file exceeds, if it does, and what to do.
    fn exceeded(&self, error: &Error) -> Option<String> {
        let location = error.location();
        let mut error = error;
        while let Error::AliasError { error: inner, .. } | Error::WithSnippet { error: inner, .. } = error {
            error = inner;
        }
        let too_many = |what: &str, most: usize| format!("has more than {most} {what}: divide it into several files");
        let limit = match error {
            Error::Budget { breach, .. } => match breach {
                BudgetBreach::Documents { .. } => too_many("documents", self.documents),
                BudgetBreach::Nodes { .. } | BudgetBreach::Events { .. } => {
                    too_many("values, with those that its aliases stand for", self.values)
                }
                BudgetBreach::ScalarBytes { .. } | BudgetBreach::RecordedAnchorBytes { .. } => {
                    too_many("bytes in its values, with those that its aliases stand for", self.bytes)
                }
                BudgetBreach::RecordedAnchorEvents { .. } => too_many("values below its anchors", self.values),
                BudgetBreach::Aliases { .. } => too_many("aliases", self.aliases),
                BudgetBreach::Anchors { .. } => too_many("anchors", self.aliases),
                BudgetBreach::MergeKeys { .. } => too_many("merge keys", self.aliases),
                BudgetBreach::Depth { .. } => {
                    format!(
                        "has lists or maps in each other more than {} deep: no object has so many levels",
                        self.depth
                    )
                }
                _ => return None,
            },
            Error::AliasReplayLimitExceeded { .. } => {
                too_many("values, with those that its aliases stand for", self.values)
            }
            _ => return None,
        };
        let line = location.or_else(|| error.location()).map(|location| format!("line {}: ", location.line()));
        Some(format!("{}{limit}", line.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Small ones, so that the tests are quick.
    const SMALL: Limits = Limits { documents: 100, values: 2_000, bytes: 1 << 20, depth: 64, aliases: 200 };

    fn refusal(text: &str) -> String {
        documents_within(text, &SMALL).err().unwrap_or_else(|| panic!("it is taken: {} bytes", text.len()))
    }

    #[test]
    fn what_a_file_may_cost_does_not_grow_with_its_length() {
        let padding = format!("# {}\n", "x".repeat(998)).repeat(2_000);
        let more = |name: char| {
            format!("{name}: &{name} [{}]\n", vec![format!("*{}", char::from(name as u8 - 1)); 10].join(", "))
        };
        let bomb = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n".to_owned() + &('b'..='h').map(more).collect::<String>();
        for padding in ["", &padding] {
            let said = refusal(&format!("{padding}{bomb}"));
            assert!(said.starts_with("line ") && said.contains("more than 2000 values"), "{said}");
        }
    }

    #[test]
    fn each_limit_has_words_that_say_what_to_do() {
        let large = format!("a: &a \"{}\"\nb: [{}]\n", "x".repeat(1 << 14), vec!["*a"; 100].join(", "));
        let nested = |open: &str, close: &str, depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
        let block = (0..=SMALL.depth).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect::<String>();
        let merges = format!("a: &a {{x: 1}}\nb:\n{}", "- <<: *a\n".repeat(SMALL.aliases + 1));
        for (text, words) in [
            ("---\na\n".repeat(SMALL.documents + 1), "more than 100 documents: divide it"),
            ("- 1\n".repeat(SMALL.values + 1), "more than 2000 values"),
            (large, "more than 1048576 bytes"),
            (nested("[", "]", SMALL.depth + 1), "more than 64 deep"),
            (nested("{a: ", "}", SMALL.depth + 1), "more than 64 deep"),
            (nested("[", "]", 100_000), "not YAML"),
            (block, "more than 64 deep"),
            (format!("a: &a 1\nb: [{}]\n", vec!["*a"; SMALL.aliases + 1].join(", ")), "more than 200 aliases"),
            ((0..=SMALL.aliases).map(|n| format!("- &a{n} 1\n")).collect(), "more than 200 anchors"),
            (merges, "more than 200"),
        ] {
            let said = refusal(&text);
            assert!(said.contains(words), "{words}: {said}");
            assert!(said.len() < 400, "{said}");
        }
        assert_eq!(documents(&nested("[", "]", LIMITS.depth)).unwrap().len(), 1);
    }

    #[test]
    fn an_honest_file_of_many_phones_is_read_and_so_is_one_anchor_that_all_of_them_share() {
        let phone = |n: usize| format!("---\nspec: {{lines: [{{name: \"{n}\"}}], settings: {{enableVad: true}}}}\n");
        assert_eq!(documents(&(0..2_000).map(phone).collect::<String>()).unwrap().len(), 2_000);
        let list = (0..1_000).map(|n| format!("  - name: \"{n}\"\n    settings: *s\n")).collect::<String>();
        let text = format!("settings: &s {{enableVad: true, proxy1Port: 5060}}\nitems:\n{list}");
        assert_eq!(documents(&text).unwrap()[0]["items"][999]["settings"]["proxy1Port"], 5060);
    }
}
