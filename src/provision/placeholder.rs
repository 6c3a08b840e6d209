//! Left-overs of templates: text that a program or a person should have replaced.
//!
//! What is certain for an address is not for a name that people read: a label may well be "XX-Lab" or "Your Pizza".

use crate::phone::parameter::{Kind, Parameter};

/// What a text is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// The name or address of a server.
    Host,
    /// A URL.
    Url,
    /// What programs compare: the name of a line, of a user, of a file.
    Name,
    /// What people read.
    Display,
    /// A password: only what cannot be one.
    Password,
}

impl Use {
    /// What a parameter's value is for; nothing where a template's text is refused anyway.
    pub fn of(parameter: &Parameter) -> Use {
        let is_shown = ["displayname", "shortname", "label", "prompt"].iter().any(|part| parameter.name.contains(part));
        match parameter.kind {
            Kind::Host | Kind::Ipv4 => Use::Host,
            Kind::Url => Use::Url,
            Kind::Secret { .. } => Use::Password,
            Kind::Text { .. } if is_shown => Use::Display,
            _ => Use::Name,
        }
    }
}

/// Whether a text is a left-over of a template.
pub fn is_placeholder(text: &str, purpose: Use) -> bool {
    let text = text.trim();
    if text.is_empty() {
        return false;
    }
    match purpose {
        Use::Host => is_engines(text, false) || is_no_host(text),
        Use::Url => {
            let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
            let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
            let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
            is_engines(text, false) || is_no_host(host)
        }
        Use::Name => is_engines(text, false) || is_no_name(text) || is_masked_number(text) || is_masked_address(text),
        Use::Display => is_engines(text, true) || is_no_name_to_read(text),
        Use::Password => is_whole_engines(text) || is_to_be_changed(text) || is_of_you(text, true),
    }
}

/// An identifier of at least so many characters.
fn is_identifier(text: &str, least: usize) -> bool {
    text.len() >= least
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// A constant as programs write it: capitals and underscores.
fn is_constant(text: &str) -> bool {
    is_identifier(text, 2)
        && text.bytes().any(|b| b.is_ascii_uppercase())
        && !text.bytes().any(|b| b.is_ascii_lowercase())
}

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
fn is_engines(text: &str, strict: bool) -> bool {
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
fn is_whole_engines(text: &str) -> bool {
    let marks = [("{{", "}}"), ("${", "}"), ("{$", "}"), ("<?", "?>"), ("<%", "%>"), ("@@", "@@"), ("%%", "%%")];
    marks.iter().any(|(open, close)| {
        let inner = text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
        inner.is_some_and(|inner| {
            is_identifier(inner.trim().trim_start_matches('$').split(['.', '[', '|']).next().unwrap_or_default(), 2)
        })
    })
}

/// What templates name.
const NOUNS: &[&str] = &[
    "address",
    "addr",
    "authname",
    "desc",
    "description",
    "displayname",
    "domain",
    "ext",
    "extension",
    "fqdn",
    "gateway",
    "host",
    "hostname",
    "ip",
    "ipaddress",
    "label",
    "mac",
    "name",
    "number",
    "password",
    "pbx",
    "port",
    "proxy",
    "secret",
    "server",
    "serverip",
    "url",
    "user",
    "userid",
    "username",
];

fn is_noun(word: &str) -> bool {
    NOUNS.iter().any(|noun| word.eq_ignore_ascii_case(noun))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(['_', '-', '.', ' ', '@', ':']).filter(|word| !word.is_empty())
}

/// `CHANGEME`, `CHANGE_ME_LINE1`, `REPLACE-ME`.
fn is_to_be_changed(text: &str) -> bool {
    let words: Vec<String> = words(text).map(str::to_ascii_lowercase).collect();
    let one = |word: &String| {
        ["changeme", "changethis", "changeit", "replaceme", "replacethis", "fixme", "fillmein"].contains(&word.as_str())
    };
    let two = |pair: &[String]| {
        let is_noun = text.contains('_') && is_noun(&pair[1]);
        ["change", "replace", "edit", "insert", "put", "enter", "fill", "set"].contains(&pair[0].as_str())
            && (is_noun || ["me", "this", "your", "here", "with"].contains(&pair[1].as_str()))
    };
    // With blanks it may be a sentence that somebody means.
    words.iter().any(one) || (!text.contains(' ') && words.windows(2).any(two))
}

/// `YOUR_SERVER_IP`, `your-extension`. With blanks, and with `strict`, only in capitals.
fn is_of_you(text: &str, strict: bool) -> bool {
    let is_loud = !text.bytes().any(|b| b.is_ascii_lowercase());
    if !is_loud && (strict || text.contains(' ')) {
        return false;
    }
    let words: Vec<&str> = words(text).collect();
    let is_you = |word: &&str| word.eq_ignore_ascii_case("your");
    let noun = |word: &&str| is_noun(word.trim_end_matches(|c: char| c.is_ascii_digit()));
    words.iter().take(words.len().saturating_sub(1)).any(is_you) && (text.contains('_') || words.iter().any(noun))
}

/// `xxx.xxx.xxx.xxx`, `192.168.x.x`, `a.b.c.d`.
fn is_masked_address(text: &str) -> bool {
    let text = text.rsplit_once(':').map_or(text, |(host, _)| host);
    let parts: Vec<&str> = text.split('.').collect();
    let all = |part: &str, of: &[u8]| !part.is_empty() && part.bytes().all(|b| of.contains(&b.to_ascii_lowercase()));
    let is_mask =
        |part: &&str| part.len() <= 3 && [b"x", b"n", b"y", b"z", b"#", b"*", b"?"].iter().any(|mask| all(part, *mask));
    let is_number = |part: &&str| part.len() <= 3 && all(part, b"0123456789");
    let is_letters = |letters: [u8; 4]| parts.iter().zip(letters).all(|(part, letter)| all(part, &[letter]));
    parts.len() == 4
        && (parts.iter().all(|part| is_mask(part) || is_number(part)) && parts.iter().any(is_mask)
            || is_letters(*b"abcd")
            || is_letters(*b"wxyz"))
}

/// `XXXX`, `1777XXXXXXX`, `*******`.
fn is_masked_number(text: &str) -> bool {
    let digits_first = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let mask = |c: char| digits_first.len() >= 3 && digits_first.chars().all(|one| one == c);
    mask('X') || mask('x') || (digits_first.len() == text.len() && (mask('*') || mask('?') || mask('.') || mask('-')))
}

/// Nobody's host: what templates and guides write for one.
fn is_no_host(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let lower = lower.trim_end_matches('.');
    if lower.is_empty() {
        return false;
    }
    // Of you and yours: yourdomain.com, pbx.your-company.net.
    let of_you = |label: &str| {
        let rest = label.strip_prefix("your").map(|rest| rest.trim_matches(['-', '_']));
        let words = [
            "asterisk",
            "company",
            "network",
            "org",
            "organisation",
            "organization",
            "provider",
            "site",
            "sip",
            "voip",
            "freepbx",
            "callmanager",
            "ntp",
        ];
        rest.is_some_and(|rest| {
            is_noun(rest)
                || words.iter().any(|word| rest.starts_with(word))
                || NOUNS.iter().any(|noun| noun.len() > 3 && rest.starts_with(noun))
        })
    };
    let unreal_end = [".tld", ".ext"].iter().any(|end| lower.ends_with(end));
    let known =
        ["ipaddress", "ip-address", "ip_address", "ipaddr", "hostname", "serverip", "server-ip", "server_ip", "fqdn"];
    let is_variable = is_constant(text)
        && words(text).count() > 1
        && words(text).last().is_some_and(|word| {
            ["IP", "ADDRESS", "ADDR", "HOSTNAME", "FQDN", "HOST", "URL", "SERVER", "DOMAIN"]
                .contains(&word.trim_end_matches(|c: char| c.is_ascii_digit()))
        });
    is_masked_address(text)
        || is_masked_number(text) && text.parse::<std::net::Ipv4Addr>().is_err()
        || is_to_be_changed(text)
        || is_of_you(text, false)
        || lower.split('.').any(of_you)
        || unreal_end
        || known.contains(&lower)
        || ["_ip", "_address", "_hostname", "_fqdn"].iter().any(|end| lower.ends_with(end))
        || lower.ends_with("ipaddress")
        || is_variable
        || text.contains(' ') && words(text).any(is_noun)
}

/// Nobody's name on a server.
fn is_no_name(text: &str) -> bool {
    let known = [
        "EXTENSION",
        "USERNAME",
        "USERID",
        "USER_ID",
        "AUTHNAME",
        "AUTH_NAME",
        "AUTHUSER",
        "PASSWORD",
        "SECRET",
        "TODO",
        "TBD",
    ];
    let stem = text.trim_end_matches(|c: char| c.is_ascii_digit());
    is_to_be_changed(text) || is_of_you(text, false) || known.contains(&stem)
}

/// Nobody's name to be read.
fn is_no_name_to_read(text: &str) -> bool {
    let plain = ["your name", "your name here", "your display name", "your extension", "your label"];
    let is_loud_word = |text: &str| is_constant(text) && text.contains('_');
    is_masked_address(text)
        || plain.iter().any(|known| text.eq_ignore_ascii_case(known))
        || (!text.contains(' ') && is_to_be_changed(text))
        || (is_loud_word(text) && is_of_you(text, true))
}

#[cfg(test)]
mod tests;
