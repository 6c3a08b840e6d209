//! Users and passwords in URLs: what shows a URL to people shows it without them.

use std::ops::Range;

use super::secret_name::is_secret;

/// What stands in place of a user and a password.
const HIDDEN: &str = "***";
/// The longest part of a text that is searched for its end: nobody writes a longer URL, and messages may be of any length.
const LONGEST: usize = 1024;

/// A text in which URLs have no user and no password, SIP addresses no password, and parameters whose name says that they are secret no
/// value.
pub fn without_login(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut from = 0;
    for Range { start, end } in secrets(text) {
        // A URL may stand in the password of another one.
        if start >= from {
            shown.push_str(&text[from..start]);
            shown.push_str(HIDDEN);
            from = end;
        }
    }
    shown.push_str(&text[from..]);
    shown
}

/// Whether a text is a URL or a SIP address that only some may read.
pub fn has_login(text: &str) -> bool {
    !secrets(text).is_empty()
}

/// Where what is not to be shown stands in a text.
fn secrets(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (colon, _) in text.match_indices(':') {
        let scheme = text[..colon].rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        let is_url = text[colon..].starts_with("://");
        if !is_url && !["sip", "sips"].iter().any(|sip| scheme.eq_ignore_ascii_case(sip)) {
            continue;
        }
        let start = colon + if is_url { "://".len() } else { 1 };
        let rest = &text[start..];
        let bound = (0..=LONGEST.min(rest.len())).rev().find(|i| rest.is_char_boundary(*i)).unwrap_or_default();
        let url = &rest[..rest[..bound].find(is_end).unwrap_or(bound)];
        if let Some(end) = login_end(url, !is_url).filter(|end| *end > 0) {
            found.push(start..start + end);
        }
        found.extend(parameters(url).map(|Range { start: one, end }| start + one..start + end));
    }
    found
}

/// Whether a URL in a text ends before this.
fn is_end(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\\' | '<' | '>' | '`' | '“' | '”')
}

/// Where the `@` is behind user and password, if there are any. A SIP address without a password is all that it is about.
fn login_end(url: &str, is_sip: bool) -> Option<usize> {
    let end = url.find(['/', '?', '#']).unwrap_or(url.len());
    let authority = &url[..end];
    if let Some(at) = authority.rfind('@') {
        return (!is_sip || authority[..at].contains(':')).then_some(at);
    }
    // A password may hold a slash, although it should not: what stands behind the colon is no port then.
    let (user, port) = authority.split_once(':')?;
    let is_port = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    if is_port || user.is_empty() {
        return None;
    }
    url.find('@')
}

/// Where the values of parameters stand whose name says that they are secret. What phones put in themselves is between `#`.
fn parameters(url: &str) -> impl Iterator<Item = Range<usize>> {
    let query = url.find('?').map_or(url.len(), |at| at + 1);
    let mut at = query;
    url[query..].split(['&', ';']).filter_map(move |part| {
        let begin = at;
        at += part.len() + 1;
        let (name, value) = part.split_once('=')?;
        let is_given = !value.is_empty() && !value.starts_with('#');
        (is_given && is_secret(name)).then(|| begin + name.len() + 1..begin + part.len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_url_is_not_shown() {
        for (text, shown) in [
            ("is \"http://admin:hunter2@10.0.0.1/x\"", "is \"http://***@10.0.0.1/x\""),
            ("http://admin@pbx/ and ftp://a:b@c", "http://***@pbx/ and ftp://***@c"),
            ("https://u:p@ss@pbx:8080/?a=b@c", "https://***@pbx:8080/?a=b@c"),
            ("http://u:pa/ss@pbx/x", "http://***@pbx/x"),
            ("http://u:pa#ss@pbx/x", "http://***@pbx/x"),
            ("http://:hunter2@pbx", "http://***@pbx"),
            ("HTTP://U:P@PBX", "HTTP://***@PBX"),
            ("://u:p@h", "://***@h"),
            ("http://ü:ö@h", "http://***@h"),
            ("http://user:ho/rse@10.0.0.1/x", "http://***@10.0.0.1/x"),
            ("sip:8000:horse@10.0.0.1;user=phone", "sip:***@10.0.0.1;user=phone"),
            ("http://h/m.php?user=a&password=horse&page=2", "http://h/m.php?user=a&password=***&page=2"),
            ("is \"http://h/m?PIN=4711\", and", "is \"http://h/m?PIN=***\", and"),
        ] {
            assert_eq!(without_login(text), shown);
            assert_eq!(without_login(shown), shown, "again");
        }
        for plain in [
            "http://10.0.0.1/a@b",
            "http://10.0.0.1:80/a@b",
            "http://pbx?user=a@b.example",
            "sip:7101@10.0.0.1",
            "sip:8000@10.0.0.1;user=phone",
            "name@example.net: no URL, gossip: neither@all, gossip:a:b@c",
            "http://10.0.0.1/m.php?name=#DEVICENAME#",
            "http://10.0.0.1/m.php?password=",
            "http://10.0.0.1/forgot-password",
            "http://10.0.0.1:8080/services/menu.xml?language=en&page=2",
            "http://@h/",
            "a@b and http://c",
            "http://",
            "",
            "\"http://pbx/\" @",
        ] {
            assert_eq!(without_login(plain), plain);
            assert!(!has_login(plain), "{plain}");
        }
        assert!(has_login("http://a:b@c/") && has_login("http://a@c"));
    }

    #[test]
    fn a_text_of_many_urls_takes_little_time() {
        let began = std::time::Instant::now();
        without_login(&"://".repeat(100_000));
        without_login(&format!("{}x@", "http://a:b/".repeat(10_000)));
        assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());
    }
}
