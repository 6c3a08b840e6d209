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
    // Of two digits after a percent sign a URL is made.
    let is_variable = |inner: &str| {
        is_constant(inner) && inner.len() > 2 && (inner.len() > 3 || !inner.bytes().all(|b| b.is_ascii_hexdigit()))
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
        ["change", "replace", "edit", "insert", "put", "enter", "fill"].contains(&pair[0].as_str())
            && ["me", "this", "your", "here", "with"].contains(&pair[1].as_str())
    };
    // With blanks it may be a sentence that somebody means.
    words.iter().any(one) || (!text.contains(' ') && words.windows(2).any(two))
}

/// `YOUR_SERVER_IP`, `your-extension`. With blanks, and with `strict`, only in capitals.
fn is_of_you(text: &str, strict: bool) -> bool {
    let is_loud = !text.bytes().any(|b| b.is_ascii_lowercase());
    if strict && !is_loud || text.contains(' ') && !is_loud {
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
            ["IP", "ADDRESS", "ADDR", "HOSTNAME", "FQDN", "HOST", "URL"]
                .contains(&word.trim_end_matches(|c: char| c.is_ascii_digit()))
        });
    is_masked_address(text)
        || is_masked_number(text) && text.parse::<std::net::Ipv4Addr>().is_err()
        || is_to_be_changed(text)
        || is_of_you(text, false)
        || lower.split('.').any(of_you)
        || unreal_end
        || known.contains(&lower)
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
mod tests {
    use super::*;

    fn judged<'a>(texts: &[&'a str], purposes: &[Use], verdict: bool) -> Vec<(&'a str, Use)> {
        let all = texts.iter().flat_map(|text| purposes.iter().map(move |purpose| (*text, *purpose)));
        all.filter(|(text, purpose)| is_placeholder(text, *purpose) == verdict).collect()
    }

    fn seen(texts: &[&str], purposes: &[Use]) {
        assert_eq!(judged(texts, purposes, false), [], "these are placeholders");
    }

    fn passed(texts: &[&str], purposes: &[Use]) {
        assert_eq!(judged(texts, purposes, true), [], "these are none");
    }

    const ALL: [Use; 4] = [Use::Host, Use::Url, Use::Name, Use::Display];

    #[test]
    fn what_engines_should_have_replaced_is_seen_everywhere() {
        seen(
            &[
                "{{ sip_proxy }}",
                "{{server_ip}}",
                "{$SERVER}",
                "${PBX}",
                "{{ sip[0].server_port }}",
                "{% if x %}",
                "__NTP__",
                "@@HOST@@",
                "##HTTP_SERVER##",
                "###HTTP_SERVER###",
                "%SERVER%",
                "%DEVICE_IP%",
                "%%EXT%%",
                "[[EXT]]",
                "<?= $ip ?>",
                "<%= ext %>",
                "$(EXT)",
                "<ip>",
                "<IP>",
                "<SERVER_IP>",
                "<your server>",
                "<your ip here>",
                "<xsl:value-of select='x/@ip'/>",
                "[YOUR IP]",
                "[EXTENSION]",
                "{SERVER}",
                "{NAME}",
                "$DisplayName",
                "$id_device",
                "$EXT",
                "$ext",
            ],
            &ALL,
        );
        seen(
            &[
                "http://{{ ip }}/logo.bmp",
                "http://$server/x",
                "http://x/?mac=$mac",
                "http://%SERVER%/a",
                "{username}.example.net",
            ],
            &[Use::Url, Use::Host, Use::Name],
        );
        seen(
            &["{$data[i].extension}", "{{ sip_lines['1']['username'] }}", "$vm", "{username}", "{mac}"],
            &[Use::Name, Use::Host],
        );
    }

    #[test]
    fn what_people_should_have_replaced_is_seen_where_it_is_certain() {
        seen(
            &[
                "YOUR_SERVER_IP",
                "your_server",
                "your-server",
                "YOUR.SERVER.IP",
                "yourserver",
                "pbx.yourdomain.com",
                "sip.your-provider.net",
                "yourcompany.com",
                "xxx.xxx.xxx.xxx",
                "XXX.XXX.XXX.XXX",
                "x.x.x.x",
                "192.168.x.x",
                "10.0.0.xxx",
                "nnn.nnn.nnn.nnn",
                "194.223.x.x:5060",
                "a.b.c.d",
                "aaa.bbb.ccc.ddd",
                "192.168.1.*",
                "CHANGEME",
                "CHANGEME_PROXY",
                "changeme",
                "change-me.example.net",
                "REPLACE_WITH_IP",
                "REPLACEME",
                "INSERT_YOUR_IP",
                "SERVER_IP",
                "PBX_HOST",
                "WAN_ADDRESS",
                "NTP_SERVER_IP",
                "TrixboxIpaddress",
                "hostname",
                "EXCHANGE HOSTNAME",
                "IP address",
                "example.domain.ext",
                "pbx.domain.tld",
                "*******",
                "XXXX",
            ],
            &[Use::Host],
        );
        seen(
            &[
                "http://YOUR_SERVER_IP/logo.bmp",
                "http://x.x.x.x/a",
                "http://TrixboxIpaddress/cisco/x.php",
                "http://yourserver:8080/x",
                "http://example.domain.ext/m.xml",
                "http://CHANGEME/",
            ],
            &[Use::Url],
        );
        seen(
            &[
                "CHANGEME_LINE1_AUTHNAME",
                "changeme",
                "YOUR_EXTENSION",
                "your-extension",
                "YOUR EXTENSION",
                "YOUR_USER_1",
                "XXXX",
                "1777XXXXXXX",
                "xxxxxx",
                "*******",
                "????",
                "EXTENSION",
                "AUTHNAME1",
                "USERNAME",
                "x.x.x.x",
            ],
            &[Use::Name],
        );
        seen(
            &[
                "CHANGEME",
                "CHANGEME_LABEL",
                "changeme",
                "YOUR_NAME",
                "YOUR_DISPLAY_NAME",
                "Your Name",
                "YOUR NAME HERE",
                "x.x.x.x",
            ],
            &[Use::Display],
        );
        seen(
            &[
                "CHANGEME_LINE1_PASSWORD",
                "changeme",
                "YOUR_PASSWORD",
                "{{ secret1 }}",
                "${PASSWORD}",
                "{$account.password}",
                "@@SECRET@@",
            ],
            &[Use::Password],
        );
    }

    #[test]
    fn good_values_are_left_alone() {
        passed(
            &[
                "XX-Lab",
                "100%",
                "50% off 20%",
                "Your Pizza",
                "YOUR PIZZA",
                "Change Me Cafe",
                "$mart",
                "Ca$h",
                "A$AP",
                "$5",
                "100$",
                "{x}",
                "a_b",
                "<3",
                "<Desk>",
                "[Lab]",
                "{Sales}",
                "#1",
                "C#",
                "A & B",
                "Todo",
                "XXX",
                "x",
                "XX",
                "Xavier",
                "Reception",
                "Name",
                "Server Room",
                "IP Phone",
                "User 7",
                "Host",
                "Enter here",
                "Put me through",
                "The Change",
                "***",
                "...",
                "Büro",
                "a__b",
                "50%ABV",
                "=^_^=",
                "R&D_LAB",
                "Domain Desk",
                "Edit Suite",
                "Extension 12",
                "Ihr Name",
                "New_York",
                "LAB_2",
                "SERVER ROOM",
            ],
            &[Use::Display],
        );
        passed(
            &[
                "10.0.0.1",
                "0.0.0.0",
                "255.255.255.255",
                "1.2.3.4",
                "sip.example.net",
                "sip.example.com",
                "pbx",
                "PBX",
                "PBX1",
                "yourtown.gov.uk",
                "yourpizza.com",
                "younger.example",
                "server",
                "server1",
                "host",
                "proxy",
                "USECALLMANAGER",
                "x.example.net",
                "xx.yy.zz.net",
                "n.n.net",
                "SIP_SRV",
                "pbx_main",
                "PBX_MAIN",
                "my-pbx",
                "time.nist.gov",
                "a.b.c.example",
                "changes.example.net",
                "replacement-pbx.net",
                "10.0.0.1:5060",
                "ns1.example.org",
                "todo.example.net",
                "xxl.example.net",
                "us-east.example.net",
                "localhost",
            ],
            &[Use::Host],
        );
        passed(
            &[
                "http://10.0.0.1/a%C3%A4b.bmp",
                "http://x/%20a%20b",
                "http://x/%E4bc%20",
                "http://www.example.net/?a=1&b=[2]",
                "http://pbx/~you/x",
                "http://x/a__b",
                "http://h/%DE%AD%BE",
                "http://h/#NAME",
            ],
            &[Use::Url],
        );
        passed(
            &[
                "7101",
                "*97",
                "*",
                "**",
                "john.doe",
                "your",
                "yours",
                "youri",
                "your.mother",
                "x1",
                "xx",
                "x-ray",
                "XAVIER",
                "100XX",
                "a_b",
                "us$r",
                "extension",
                "secretary",
                "PASSWORDS-DESK",
                "user7101",
                "ext7101",
                "+441632960000",
                "dialplan",
                "P0S3-8-12-00",
                "sip:7101@10.0.0.1",
                "x-cisco-serviceuri-cfwdall",
                "name",
                "SECRETARY",
                "TODOS",
                "change",
            ],
            &[Use::Name],
        );
        passed(
            &[
                "xxxxxxxx",
                "****",
                "P@ss%word%1",
                "$ecret",
                "<x>",
                "a{b}c",
                "%A%",
                "__x__",
                "correct-horse",
                "Your Password",
                "yourpassword",
                "password",
                "x.x.x.x",
                "#$%&{}",
                "{}",
                "${}",
                "[YOUR]",
                "$HOME",
                "{{}}",
                "Change it!",
            ],
            &[Use::Password],
        );
        for nothing in ["", " ", "UNPROVISIONED"] {
            passed(&[nothing], &[Use::Host, Use::Url, Use::Name, Use::Display, Use::Password]);
        }
    }

    #[test]
    fn any_text_is_judged_in_little_time() {
        let began = std::time::Instant::now();
        for text in [
            "{{".repeat(5_000),
            "$".repeat(20_000),
            "%A".repeat(10_000),
            "<".repeat(20_000),
            "__".repeat(10_000),
            ".x".repeat(10_000),
        ] {
            judged(&[&text], &ALL, true);
        }
        assert!(began.elapsed() < std::time::Duration::from_secs(5), "{:?}", began.elapsed());
    }
}
