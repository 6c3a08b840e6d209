//! Which file each object comes from, and what else stands there: an object that is no longer among the manifests may be gone, or may
//! stand there in a form that says nothing of it.
//!
//! It is gone when its file is, or when its document was taken out of a file in which others stay. It is in doubt while its file says
//! nothing at all, while there is a document in its place that says nothing, is wrong or of no use, or a comment that holds it.

use std::collections::{BTreeMap, BTreeSet};

use crate::provision::Key;

/// The origins of a set of manifests.
#[derive(Debug, Default)]
pub(super) struct Origins {
    objects: BTreeMap<Object, String>,
    files: BTreeMap<String, Content>,
}

/// An object: its kind, its namespace and its name.
type Object = (&'static str, Key);

/// What stands in a file beside the objects that are used.
#[derive(Debug, Default)]
struct Content {
    /// What is wrong with it as a whole.
    broken: Option<String>,
    /// Whether there is any object in it that is of use.
    has_objects: bool,
    /// Its other documents.
    others: Vec<Other>,
    /// The objects that seem to stand in comments: kind and name.
    in_comments: BTreeSet<(&'static str, String)>,
}

/// A document that is of no use.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Other {
    /// What it is, in words; or what is wrong with it.
    what: String,
    /// The name that it gives itself.
    name: Option<String>,
    is_wrong: bool,
}

/// A document that says nothing, in words.
pub(super) const BLANK: &str = "a document that says nothing";

/// The kinds of objects that are of use.
const KINDS: [&str; 4] = ["PhoneSite", "SipPhone", "Secret", "ConfigMap"];

/// The most documents of one file that are told apart, and the most objects in its comments.
const MAX_OTHERS: usize = 1000;

impl Origins {
    /// A file was read.
    pub(super) fn file(&mut self, file: &str, text: &str) {
        let content = self.files.entry(file.to_owned()).or_default();
        let blank = Other { what: BLANK.to_owned(), name: None, is_wrong: false };
        content.others.extend(std::iter::repeat_n(blank, blanks(text)));
        content.in_comments = in_comments(text);
    }

    /// Nothing of a file can be used.
    pub(super) fn break_off(&mut self, file: &str, why: String) {
        self.files.entry(file.to_owned()).or_default().broken = Some(why);
    }

    /// The files of which nothing can be used.
    pub(super) fn broken(&self) -> impl Iterator<Item = &str> {
        self.files.iter().filter(|(_, content)| content.broken.is_some()).map(|(file, _)| file.as_str())
    }

    /// An object stands in a file.
    pub(super) fn object(&mut self, kind: &'static str, key: &Key, file: &str) {
        self.objects.insert((kind, key.clone()), file.to_owned());
        self.files.entry(file.to_owned()).or_default().has_objects = true;
    }

    /// A document that is of no use stands in a file.
    pub(super) fn other(&mut self, file: &str, what: String, name: Option<&str>) {
        self.push(file, Other { what, name: name.map(str::to_owned), is_wrong: false });
    }

    /// A document that is wrong stands in a file.
    pub(super) fn wrong(&mut self, file: &str, why: String) {
        self.push(file, Other { what: why, name: None, is_wrong: true });
    }

    fn push(&mut self, file: &str, other: Other) {
        let others = &mut self.files.entry(file.to_owned()).or_default().others;
        if others.len() < MAX_OTHERS {
            others.push(other);
        }
    }

    /// The objects that were there before and are there no longer, of which it is in doubt whether they are gone, and why.
    pub(super) fn mislaid<'a>(&'a self, before: &'a Origins) -> impl Iterator<Item = (&'a Object, String)> {
        let missing = before.objects.iter().filter(|(object, _)| !self.objects.contains_key(*object));
        missing.filter_map(|(object, file)| Some((object, self.doubt(object, file, before)?)))
    }

    /// Why it is in doubt whether an object of a file is gone; nothing if it is gone.
    fn doubt(&self, object: &Object, file: &str, before: &Origins) -> Option<String> {
        let (kind, key) = object;
        let now = self.files.get(file)?;
        if now.broken.is_some() {
            return now.broken.clone();
        }
        let was = before.files.get(file);
        let of_comment = (*kind, key.name.to_string());
        if now.in_comments.contains(&of_comment) && !was.is_some_and(|was| was.in_comments.contains(&of_comment)) {
            return Some(format!(
                "{file}: {kind} {key} stood there, and now it stands in a comment: take the comment out if it is to go"
            ));
        }
        if !now.has_objects && now.others.iter().all(|other| other.what == BLANK) {
            return Some(format!(
                "{file}: says nothing any more, and {kind} {key} stood there: delete the file if that is to go"
            ));
        }
        // One with another name is another object, and one without may be any.
        let may_be = |name: &Option<String>| name.as_deref().is_none_or(|name| *name == *key.name);
        let mut known = was.map(|was| was.others.clone()).unwrap_or_default();
        let other = now.others.iter().find(|other| {
            let was_there = known.iter().position(|known| known == *other).map(|at| known.swap_remove(at));
            was_there.is_none() && may_be(&other.name)
        })?;
        let what = &other.what;
        Some(match other.is_wrong {
            true => what.clone(),
            false => {
                format!(
                    "{file}: {kind} {key} stood there, and now there is {what}: correct it, or take it out with its --- if it is to go"
                )
            }
        })
    }
}

/// Whether a line begins a document of YAML; what stands behind the mark.
fn begins(line: &str) -> Option<&str> {
    line.strip_prefix("---").filter(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
}

/// How many documents of a text say nothing: what is between two marks, or after the last one, is a comment, null or nothing.
fn blanks(text: &str) -> usize {
    let is_nothing = |text: &str| ["", "null", "Null", "NULL", "~"].contains(&text);
    let (mut blanks, mut is_first, mut has_comment, mut is_blank) = (0, true, false, true);
    for line in text.trim_start_matches('\u{feff}').lines() {
        let line = match begins(line) {
            Some(rest) => {
                // Before the first mark there is a document only if something stands there; a comment may be what is left of one.
                blanks += usize::from(is_blank && (!is_first || has_comment));
                (is_first, has_comment, is_blank) = (false, false, true);
                rest.trim()
            }
            None => line.trim(),
        };
        let is_comment = line.starts_with('#');
        has_comment |= is_comment;
        is_blank &= is_comment || line.starts_with('%') || line == "..." || {
            is_nothing(line.split_once(" #").map_or(line, |(before, _)| before.trim_end()))
        };
    }
    blanks + usize::from(is_blank && (!is_first || has_comment))
}

/// The objects that seem to stand in comments: for every run of lines that are comments or blank, the kinds and the names in it.
fn in_comments(text: &str) -> BTreeSet<(&'static str, String)> {
    let mut found = BTreeSet::new();
    let (mut kinds, mut names) = (BTreeSet::new(), BTreeSet::new());
    let lines = text.lines().map(|line| (line.trim_start(), false));
    for (line, is_last) in lines.chain([("", true)]) {
        if line.is_empty() && !is_last {
            continue;
        }
        if let Some(comment) = line.strip_prefix('#') {
            let comment = comment.trim_start_matches(['#', ' ', '\t', '-']);
            let plain = |text: &str| text.trim_matches(|c: char| c.is_whitespace() || "\"',{}".contains(c)).to_owned();
            if let Some(kind) = comment.strip_prefix("kind:").map(plain) {
                kinds.extend(KINDS.into_iter().filter(|known| *known == kind));
            }
            let name = comment.match_indices("name:").map(|(at, mark)| &comment[at + mark.len()..]).next();
            let name = name.map(|name| plain(name.split([',', '}', '#']).next().unwrap_or_default()));
            names.extend(name.filter(|_| names.len() < MAX_OTHERS));
            continue;
        }
        if !kinds.is_empty() {
            found.extend(kinds.iter().flat_map(|kind| names.iter().map(|name: &String| (*kind, name.clone()))));
        }
        kinds.clear();
        names.clear();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_that_say_nothing_are_counted() {
        for (text, count) in [
            ("", 0),
            ("a: 1\n", 0),
            ("---\na: 1\n", 0),
            ("# a header\na: 1\n---\nb: 1\n", 0),
            ("# a header\n---\na: 1\n", 1),
            ("%YAML 1.2\n---\na: 1\n...\n", 0),
            ("a: 1\n---\n", 1),
            ("a: 1\n--- # word\n", 1),
            ("a: 1\n---\n# b: 1\n---\nc: 1\n", 1),
            ("a: 1\n---\nnull\n---\n~ # word\n--- null\n", 3),
            ("---\n---\n", 2),
            ("null\n", 0),
            ("a: |\n  ---\n  x\n", 0),
            ("----\n", 0),
        ] {
            assert_eq!(blanks(text), count, "{text:?}");
        }
    }

    #[test]
    fn an_object_in_a_comment_is_seen_and_a_word_about_it_is_not() {
        let object = |kind, name: &str| (kind, name.to_owned());
        let text = "#apiVersion: x\n# kind: SipPhone\n#  metadata:\n#    name: \"desk\"\n#  spec: {siteRef: {name: hq}}\n\n# kind: Deployment\n# name: web\n## - kind: 'Secret'\n##   metadata: {name: words, namespace: x}\n";
        let found = in_comments(text);
        assert!(found.contains(&object("SipPhone", "desk")) && found.contains(&object("Secret", "words")), "{found:?}");
        assert!(in_comments("# The SipPhone desk is gone.\n# name: desk\na: 1\n# kind: SipPhone\n").is_empty());
    }
}
