//! The marks that template engines leave.

use super::words::{is_constant, is_identifier, is_noun};

/// What stands between two marks, for each place where both stand.
fn between<'a>(text: &'a str, open: &'a str, close: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(open).skip(1).filter_map(move |rest| rest.split_once(close).map(|(inner, _)| inner))
}

/// What stands between a mark and the same mark.
fn wrapped_in<'a>(text: &'a str, mark: &'a str) -> impl Iterator<Item = &'a str> {
    let parts = text.split(mark).skip(1).collect::<Vec<_>>();
    let last = parts.len().saturating_sub(1);
    parts.into_iter().take(last)
}

/// The marks of template engines. In what people read `strict` asks for more.
pub fn is_engines(text: &str, strict: bool) -> bool {
    let filled = |inner: &str| !inner.trim().is_empty();
    let doubled = [("{{", "}}"), ("{%", "%}"), ("${", "}"), ("{$", "}"), ("$(", ")"), ("<?", "?>"), ("<%", "%>")];
    if doubled.iter().any(|(open, close)| between(text, open, close).any(filled)) {
        return true;
    }
    let wrapped = |mark: &&str| wrapped_in(text, mark).any(|inner| is_identifier(inner.trim_matches(['_', '#']), 2));
    if ["__", "@@", "##", "%%", "||"].iter().any(wrapped) {
        return true;
    }
    // Phones put their own name there.
    let is_left_over = |inner: &str| is_constant(inner) && inner != "DEVICENAME";
    if ["#", "@"].iter().any(|mark| wrapped_in(text, mark).any(is_left_over)) {
        return true;
    }
    // Two hexadecimal digits after a percent sign are a character of a URL.
    let is_variable = |inner: &str| {
        let is_hex = inner.bytes().all(|b| b.is_ascii_hexdigit());
        (is_noun(inner) && !is_hex) || (is_constant(inner) && inner.len() > 2 && (inner.len() > 3 || !is_hex))
    };
    if wrapped_in(text, "%").any(is_variable) {
        return true;
    }
    if between(text, "[[", "]]").any(filled) {
        return true;
    }
    let in_brackets = [("<", ">"), ("[", "]"), ("{", "}")].into_iter().any(|(open, close)| {
        let whole = text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
        let is_word = |inner: &str| is_constant(inner) || is_noun(inner);
        let is_text = |inner: &str| {
            is_word(inner) || (open == "<" && (is_element(inner) || inner.split([' ', '-', '_']).any(is_noun)))
        };
        let inside = || {
            !strict
                && between(text, open, close).any(|inner| is_text(inner) || (open == "{" && is_identifier(inner, 2)))
        };
        whole.is_some_and(|inner| {
            is_text(inner) || inner.split([' ', '-', '_']).any(|word| word.eq_ignore_ascii_case("your"))
        }) || inside()
    });
    in_brackets || is_shell_variable(text, strict)
}

/// An element of XML, such as `xsl:value-of select="x"/`.
fn is_element(inner: &str) -> bool {
    inner.ends_with('/') && inner.starts_with(|c: char| c.is_ascii_alphabetic()) && inner.contains(['=', ':'])
}

/// `$name`. In what people read only where it is all, and looks like a variable: a shop may be called "$mart".
fn is_shell_variable(text: &str, strict: bool) -> bool {
    if strict {
        let Some(name) = text.strip_prefix('$').filter(|name| is_identifier(name, 2)) else { return false };
        let camel =
            name.bytes().zip(name.bytes().skip(1)).any(|(a, b)| a.is_ascii_lowercase() && b.is_ascii_uppercase());
        return camel || name.contains('_') || is_constant(name) || is_noun(name);
    }
    let mut before = ' ';
    let mut rest = text;
    while let Some((head, tail)) = rest.split_once('$') {
        before = head.chars().last().unwrap_or(before);
        let is_start = !before.is_ascii_alphanumeric();
        if is_start && tail.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            return true;
        }
        (before, rest) = ('$', tail);
    }
    false
}

/// All of the text is what an engine should have replaced.
pub fn is_whole_engines(text: &str) -> bool {
    let marks = [("{{", "}}"), ("${", "}"), ("{$", "}"), ("<?", "?>"), ("<%", "%>"), ("@@", "@@"), ("%%", "%%")];
    marks.iter().any(|(open, close)| {
        let inner = text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
        inner.is_some_and(|inner| {
            is_identifier(inner.trim().trim_start_matches('$').split(['.', '[', '|']).next().unwrap_or_default(), 2)
        })
    })
}
