//! Users and passwords in URLs: what shows a URL to people shows it without them.

/// What stands in place of a user and a password.
const HIDDEN: &str = "***";
/// The longest part of a text that is searched for its end: nobody writes a longer URL, and messages may be of any length.
const LONGEST: usize = 1024;

/// A text in which URLs have no user and no password.
pub fn without_login(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, user)) = rest.split_once("://") {
        shown.push_str(before);
        shown.push_str("://");
        rest = match login_end(user) {
            Some(end) => {
                shown.push_str(HIDDEN);
                &user[end..]
            }
            None => user,
        };
    }
    shown.push_str(rest);
    shown
}

/// Whether a text is a URL with a user or a password in it.
pub fn has_login(text: &str) -> bool {
    text.split_once("://").is_some_and(|(_, rest)| login_end(rest).is_some_and(|end| end > 0))
}

/// Where the `@` is behind user and password, if there are any.
fn login_end(rest: &str) -> Option<usize> {
    let is_end = |c: char| c.is_whitespace() || matches!(c, '"' | '\\' | '<' | '>' | '`');
    let bound = (0..=LONGEST.min(rest.len())).rev().find(|i| rest.is_char_boundary(*i)).unwrap_or_default();
    let rest = &rest[..bound];
    let end = rest.find(|c: char| is_end(c) || matches!(c, '/' | '?' | '#')).unwrap_or(rest.len());
    let authority = &rest[..end];
    if let Some(at) = authority.rfind('@') {
        return Some(at);
    }
    // A password may hold a slash, although it should not: what stands behind the colon is no port then.
    let (user, port) = authority.split_once(':')?;
    let is_port = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    if is_port || user.is_empty() {
        return None;
    }
    rest[..rest.find(is_end).unwrap_or(rest.len())].find('@')
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
        ] {
            assert_eq!(without_login(text), shown);
            assert_eq!(without_login(shown), shown, "again");
        }
        for plain in [
            "http://10.0.0.1/a@b",
            "http://10.0.0.1:80/a@b",
            "http://pbx?user=a@b.example",
            "sip:7101@10.0.0.1",
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
