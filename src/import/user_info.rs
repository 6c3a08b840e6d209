//! User names and passwords in URLs: what is said shows none, and what holds one is no value that many may read.

use crate::phone::parameter::is_secret;

/// What stands in place of a user name and a password.
const HIDDEN: &str = "…";

/// A text without the user information of the URLs in it.
pub fn hidden(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = next(rest) {
        shown.push_str(before);
        let length = user_info(before, after).map_or(0, str::len);
        if length > 0 {
            shown.push_str(HIDDEN);
        }
        rest = &after[length..];
    }
    shown + rest
}

/// Whether a value is a URL that holds a password: as user information, or as a parameter whose name says so.
pub fn holds_password(value: &str) -> bool {
    let mut rest = value;
    while let Some((before, after)) = next(rest) {
        if user_info(before, after).is_some() {
            return true;
        }
        let (_, query) = address(after).split_once('?').unwrap_or_default();
        // What phones put in themselves is between '#'.
        let is_given = |text: &str| !text.is_empty() && !text.starts_with('#');
        let mut parts = query.split(['&', ';']).filter_map(|part| part.split_once('='));
        if parts.any(|(name, text)| is_secret(name) && is_given(text)) {
            return true;
        }
        rest = after;
    }
    false
}

/// The text up to the next mark behind which a URL's authority stands, and what stands behind it.
fn next(text: &str) -> Option<(&str, &str)> {
    let lower = text.to_ascii_lowercase();
    let end = ["://", "sip:", "sips:"].iter().filter_map(|mark| Some(lower.find(mark)? + mark.len())).min()?;
    text.split_at_checked(end)
}

/// A URL up to its end within a text.
fn address(text: &str) -> &str {
    let end = text.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '“' | '”'));
    end.map_or(text, |end| &text[..end])
}

/// The user information at the beginning of an authority. That of a SIP address counts only with a password: a user name is all
/// that it is about.
fn user_info<'a>(mark: &str, text: &'a str) -> Option<&'a str> {
    let text = address(text);
    let authority = text.split(['/', '?', '#']).next().unwrap_or_default();
    let found = match authority.rsplit_once('@') {
        Some((info, _)) => Some(info),
        // A password may hold what ends an authority, and a port is a number.
        None => {
            let (_, port) = authority.split_once(':')?;
            let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
            text.rsplit_once('@').map(|(info, _)| info).filter(|_| !is_port)
        }
    }?;
    let is_sip = mark.to_ascii_lowercase().ends_with("sip:") || mark.to_ascii_lowercase().ends_with("sips:");
    (!found.is_empty() && (!is_sip || found.contains(':'))).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_information_is_hidden_and_nothing_else() {
        for (text, shown) in [
            ("http://user:horse@10.0.0.1/menu.php", "http://…@10.0.0.1/menu.php"),
            ("is \"HTTPS://user:hor@se@pbx.example.net:8080/a\", and", "is \"HTTPS://…@pbx.example.net:8080/a\", and"),
            ("http://user@10.0.0.1/", "http://…@10.0.0.1/"),
            ("http://user:ho/rse@10.0.0.1/x", "http://…@10.0.0.1/x"),
            ("ftp://a:b@h and http://c:d@i", "ftp://…@h and http://…@i"),
            ("sip:8000:horse@10.0.0.1;user=phone", "sip:…@10.0.0.1;user=phone"),
            ("sip:8000@10.0.0.1", "sip:8000@10.0.0.1"),
            ("http://10.0.0.1:8080/mail/a@b", "http://10.0.0.1:8080/mail/a@b"),
            ("http://10.0.0.1/a@b?c=d@e", "http://10.0.0.1/a@b?c=d@e"),
            ("http://10.0.0.1", "http://10.0.0.1"),
            ("name@example.net: no URL, gossip: neither@all", "name@example.net: no URL, gossip: neither@all"),
            ("://", "://"),
            ("http://@h/", "http://@h/"),
        ] {
            assert_eq!(hidden(text), shown, "{text}");
        }
    }

    #[test]
    fn what_holds_a_password_is_known() {
        for value in [
            "http://user:horse@10.0.0.1/",
            "http://token@10.0.0.1/",
            "http://10.0.0.1/m.php?user=a&password=horse",
            "http://10.0.0.1/m?pin=4711",
            "sip:8000:horse@10.0.0.1",
        ] {
            assert!(holds_password(value), "{value}");
        }
        for value in [
            "http://10.0.0.1/m.php?name=#DEVICENAME#",
            "http://10.0.0.1:8080/services/menu.xml?language=en&page=2",
            "http://10.0.0.1/m.php?password=",
            "http://10.0.0.1/forgot-password",
            "sip:8000@10.0.0.1;user=phone",
            "10.0.0.1",
            "",
        ] {
            assert!(!holds_password(value), "{value}");
        }
    }
}
