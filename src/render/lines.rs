//! The line on which a field of an object stands, in the text of its manifest. The text is looked at as people write it, in blocks; where it
//! is written otherwise, the nearest line above is as good as a person's eye.

use crate::provision::Key;

/// A line of a block: its number from 1, its indentation, and its text without both.
#[derive(Clone, Copy, Debug)]
struct Line<'a> {
    number: usize,
    indent: usize,
    text: &'a str,
}

/// The line of a field (`spec.lines[0].name`) of an object; that of the field that it is part of, of the object, or the first line, if
/// there is none.
pub(super) fn line_of(text: &str, kind: &str, key: &Key, field: &str) -> usize {
    let lines = text.lines().zip(1..).map(|(text, number)| {
        let bare = text.trim_start_matches(' ');
        Line { number, indent: text.len() - bare.len(), text: bare.trim_end() }
    });
    let lines: Vec<Line<'_>> = lines.filter(|line| !line.text.is_empty() && !line.text.starts_with('#')).collect();
    let documents = lines.split(|line| line.indent == 0 && line.text.starts_with("---"));
    let is_meant = |document: &&[Line<'_>]| {
        let says = |path: &[&str]| find(document, path).and_then(|line| value(line.text));
        says(&["kind"]) == Some(kind)
            && says(&["metadata", "name"]) == Some(&*key.name)
            && says(&["metadata", "namespace"]).is_none_or(|namespace| namespace == &*key.namespace)
    };
    let Some(document) = documents.into_iter().find(is_meant) else { return 1 };
    let parts: Vec<&str> = field.split(['.', '[']).map(|part| part.trim_end_matches(']')).collect();
    let found = (1..=parts.len()).rev().find_map(|some| find(document, &parts[..some]));
    found.or(document.first().copied()).map_or(1, |line| line.number)
}

/// Follows a path of keys and of places in lists through the lines of a block.
fn find<'a>(block: &[Line<'a>], path: &[&str]) -> Option<Line<'a>> {
    let (first, rest) = path.split_first()?;
    let indent = block.first()?.indent;
    let (at, line) = match first.parse::<usize>() {
        Ok(place) => {
            let items = block.iter().enumerate().filter(|(_, line)| line.indent == indent && is_item(line.text));
            items.map(|(at, line)| (at, *line)).nth(place)?
        }
        Err(_) => block
            .iter()
            .enumerate()
            .find(|(_, line)| line.indent == indent && key_of(line.text) == Some(*first))
            .map(|(at, line)| (at, *line))?,
    };
    if rest.is_empty() {
        return Some(line);
    }
    let mut inner: Vec<Line<'a>> = Vec::new();
    if is_item(line.text) && first.parse::<usize>().is_ok() {
        // What stands behind the dash belongs to the item, as if it stood below.
        let bare = line.text.trim_start_matches('-');
        let text = bare.trim_start_matches(' ');
        let indent = line.indent + line.text.len() - text.len();
        inner.extend((!text.is_empty()).then_some(Line { indent, text, ..line }));
    }
    // A list may begin as far left as the key that it belongs to.
    let belongs = |one: &&Line<'a>| {
        one.indent > line.indent || (one.indent == line.indent && !is_item(line.text) && is_item(one.text))
    };
    inner.extend(block[at + 1..].iter().take_while(belongs));
    find(&inner, rest)
}

fn is_item(text: &str) -> bool {
    text == "-" || text.starts_with("- ")
}

fn key_of(text: &str) -> Option<&str> {
    let (key, rest) = text.split_once(':')?;
    (rest.is_empty() || rest.starts_with(' ')).then(|| key.trim_matches(['"', '\'']))
}

fn value(text: &str) -> Option<&str> {
    let (_, value) = text.split_once(": ")?;
    let value = value.split(" #").next().unwrap_or(value);
    Some(value.trim().trim_matches(['"', '\'']))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# A comment
apiVersion: dialtone.dev/v1alpha1
kind: PhoneSite
metadata:
  name: hq
spec:
  settings: {proxy1Address: 10.0.0.1}
---
apiVersion: dialtone.dev/v1alpha1
kind: SipPhone
metadata: # of a phone
  namespace: ns
  name: \"p\" # its name
spec:
  mac: 000A8A123456
  lines:
  - name: a

    displayName: A
  -
    name: b
    proxy:
      address: 10.0.0.9
  extraParameters:
    \"unheard_of\": 1
";

    #[test]
    fn a_field_is_found_where_people_write_it_and_else_what_it_is_part_of() {
        let of = |kind: &str, name: &str, field: &str| line_of(TEXT, kind, &Key::new("ns", name), field);
        assert_eq!(of("SipPhone", "p", "spec.mac"), 15);
        assert_eq!(of("SipPhone", "p", "spec.lines"), 16);
        assert_eq!(of("SipPhone", "p", "spec.lines[0].name"), 17);
        assert_eq!(of("SipPhone", "p", "spec.lines[0].displayName"), 19);
        assert_eq!(of("SipPhone", "p", "spec.lines[1].proxy.address"), 23);
        assert_eq!(of("SipPhone", "p", "spec.lines[1].proxy.port"), 22);
        assert_eq!(of("SipPhone", "p", "spec.lines[7].name"), 16);
        assert_eq!(of("SipPhone", "p", "spec.extraParameters.unheard_of"), 25);
        assert_eq!(of("SipPhone", "p", "status.address"), 9);
        assert_eq!(of("PhoneSite", "hq", "spec.settings.proxy1Address"), 7);
        assert_eq!(of("PhoneSite", "lab", "spec"), 1);
        assert_eq!(line_of(TEXT, "SipPhone", &Key::new("other", "p"), "spec.mac"), 1, "another namespace's");
        assert_eq!(line_of("", "SipPhone", &Key::new("ns", "p"), "spec.mac"), 1);
        assert_eq!(line_of("{\"kind\": \"SipPhone\"}", "SipPhone", &Key::new("ns", "p"), "spec.mac"), 1);
    }
}
