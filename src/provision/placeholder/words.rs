//! The words that templates are made of.

/// An identifier of at least so many characters.
pub fn is_identifier(text: &str, least: usize) -> bool {
    text.len() >= least
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// A constant as programs write it: capitals and underscores.
pub fn is_constant(text: &str) -> bool {
    is_identifier(text, 2)
        && text.bytes().any(|b| b.is_ascii_uppercase())
        && !text.bytes().any(|b| b.is_ascii_lowercase())
}

/// What templates name.
pub const NOUNS: &[&str] = &[
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

/// A thing that templates name.
pub fn is_noun(word: &str) -> bool {
    NOUNS.iter().any(|noun| word.eq_ignore_ascii_case(noun))
}

/// What templates name beside these. As labels, people may mean them.
const MORE_NOUNS: &[&str] =
    &["account", "auth", "display", "line", "login", "mailbox", "phone", "provider", "registrar", "vm", "voicemail"];

/// A thing that templates name, with or without a number behind it.
pub fn is_thing(word: &str) -> bool {
    let word = word.trim_end_matches(|c: char| c.is_ascii_digit());
    is_noun(word) || MORE_NOUNS.iter().any(|noun| word.eq_ignore_ascii_case(noun))
}

/// Whether a text has capitals only.
pub fn is_loud(text: &str) -> bool {
    !text.bytes().any(|b| b.is_ascii_lowercase())
}

/// The words of a text, whatever parts them.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(['_', '-', '.', ' ', '@', ':']).filter(|word| !word.is_empty())
}
