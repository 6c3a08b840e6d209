//! Left-overs of templates: text that a program or a person should have replaced.
//!
//! What is certain for an address is not for a name that people read: a label may well be "XX-Lab" or "Your Pizza".

mod marks;
mod words;

use crate::phone::parameter::{Kind, Parameter};
use marks::{is_engines, is_whole_engines};
use words::{NOUNS, is_constant, is_loud, is_noun, is_thing, words};

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
    if text.contains("&lt;") {
        // Copied from the source of a page.
        return is_placeholder(&text.replace("&lt;", "<").replace("&gt;", ">"), purpose);
    }
    if text.is_empty() {
        return false;
    }
    match purpose {
        Use::Host => is_engines(text, false) || is_in_brackets(text) || is_no_host(text),
        Use::Url => is_engines(text, false) || is_no_url(text),
        Use::Name => {
            let is_masked = is_masked_number(text) || is_masked_address(text);
            is_engines(text, false) || is_in_brackets(text) || is_no_name(text) || is_masked
        }
        Use::Display => is_engines(text, true) || is_no_name_to_read(text),
        Use::Password => {
            let is_left = is_to_be_changed(text) || is_of_you(text, true) || is_to_be_inserted(text) || is_undone(text);
            let is_named = inside_brackets(text).is_some_and(|inner| words(inner).any(is_noun));
            is_whole_engines(text) || is_left || is_named
        }
    }
}

/// What stands in brackets, if that is all.
fn inside_brackets(text: &str) -> Option<&str> {
    let pairs = [("<", ">"), ("[", "]"), ("{", "}")];
    pairs.iter().find_map(|(open, close)| text.strip_prefix(open)?.strip_suffix(close))
}

/// Words in brackets, which no name of a server or a user has.
fn is_in_brackets(text: &str) -> bool {
    inside_brackets(text).is_some_and(|inner| inner.bytes().filter(u8::is_ascii_alphabetic).count() > 1)
}

/// `TODO` and its like, where it is all and cannot be meant.
fn is_undone(text: &str) -> bool {
    ["TODO", "TBD", "TBA", "FIXME"].contains(&text)
}

/// A URL of nobody's server, or with a part that should have been replaced.
fn is_no_url(text: &str) -> bool {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    let mut parts = rest.split(['/', '?', '#', '=', '&', '.']).skip(1);
    is_no_host(host) || parts.any(|part| is_of_you(part, true) || words(part).any(|word| word == "CHANGEME"))
}

/// `VOICEMAIL_NUMBER`, `LINE1_NAME`, `AUTH_USER`: nothing but things, as a program writes a constant.
fn is_things(text: &str) -> bool {
    is_constant(text) && words(text).count() > 1 && words(text).all(is_thing)
}

/// `IP_OF_PBX`, `name-of-server`.
fn is_thing_of(text: &str) -> bool {
    let known = ["ip", "address", "addr", "hostname", "host", "fqdn", "domain", "number", "name", "extension", "url"];
    let words: Vec<String> = words(text).map(str::to_ascii_lowercase).collect();
    let is_of = |three: &[String]| known.contains(&three[0].as_str()) && three[1] == "of";
    (text.contains(['_', '-']) || is_loud(text)) && words.windows(3).any(is_of)
}

/// `INSERT NAME HERE`, `put-proxy-here`, `PROXY GOES HERE`.
fn is_to_be_inserted(text: &str) -> bool {
    let words: Vec<String> = words(text).map(str::to_ascii_lowercase).collect();
    let [first, middle @ .., last] = words.as_slice() else { return false };
    let verbs = ["add", "enter", "fill", "insert", "place", "put", "type", "write"];
    let names = |word: &String| is_thing(word) || word == "your" || word == "sip";
    let is_marked = is_loud(text) || text.contains('_');
    let behind = || middle.last().map_or(names(first), |word| names(word) || word == "goes");
    last == "here" && (verbs.contains(&first.as_str()) && middle.iter().any(names) || is_marked && behind())
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
    if !is_loud(text) && (strict || text.contains(' ')) {
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
        let rest = label.strip_prefix("your");
        // "yoursip" may be somebody's brand, as any word behind "your"; "your-sip" and "yoursipserver" are not.
        let is_parted = rest.is_some_and(|rest| rest.starts_with(['-', '_']));
        let rest = rest.map(|rest| rest.trim_matches(['-', '_']));
        let of_kind = |rest: &str| {
            ["sip", "voip"].iter().filter_map(|kind| rest.strip_prefix(kind)).any(|rest| {
                let rest = rest.trim_matches(['-', '_']);
                is_thing(rest) || (rest.is_empty() && is_parted)
            })
        };
        let words = [
            "asterisk",
            "company",
            "network",
            "org",
            "organisation",
            "organization",
            "provider",
            "site",
            "freepbx",
            "callmanager",
            "ntp",
        ];
        rest.is_some_and(|rest| {
            is_noun(rest)
                || of_kind(rest)
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
    // Of nobody in particular: sip.mydomain.com.
    let of_nobody = |lower: &str| {
        let labels: Vec<&str> = lower.rsplit('.').take(2).collect();
        let [end, name] = labels.as_slice() else { return false };
        let names = ["company", "domain", "mycompany", "mydomain", "myprovider", "myserver", "provider", "sipprovider"];
        names.contains(name) && ["com", "net", "org"].contains(end)
    };
    // A label of crosses that is not the last one: there is a domain .xxx.
    let is_crossed = |label: &str| label.len() > 2 && label.bytes().all(|b| b == b'x');
    is_masked_address(text)
        || of_nobody(lower)
        || lower.split('.').rev().skip(1).any(is_crossed)
        || ["todo", "tbd", "tba", "fixme"].contains(&lower)
        || is_thing_of(text)
        || is_to_be_inserted(text)
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
    let known =
        ["EXTENSION", "USERNAME", "USERID", "USER_ID", "AUTHNAME", "AUTH_NAME", "AUTHUSER", "PASSWORD", "SECRET"];
    let stem = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let is_left = is_to_be_changed(text) || is_to_be_inserted(text) || is_undone(text) || text == "authname";
    is_left || is_of_you(text, false) || is_things(text) || is_thing_of(text) || known.contains(&stem)
}

/// Nobody's name to be read.
fn is_no_name_to_read(text: &str) -> bool {
    let plain = ["your name", "your name here", "your display name", "your extension", "your label"];
    let is_loud_word = |text: &str| is_constant(text) && text.contains('_');
    let is_left = is_to_be_inserted(text) || is_undone(text) || text.eq_ignore_ascii_case("change me");
    is_masked_address(text)
        || is_left
        || (is_loud_word(text) && (is_things(text) || is_thing_of(text)))
        || plain.iter().any(|known| text.eq_ignore_ascii_case(known))
        || (!text.contains(' ') && is_to_be_changed(text))
        || (is_loud_word(text) && is_of_you(text, true))
}

#[cfg(test)]
mod tests;
