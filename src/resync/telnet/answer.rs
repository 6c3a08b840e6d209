//! What a phone says by telnet, and what that means: pure.

/// What a phone said to a line that was sent, which it may echo. While that may be the beginning of the echo it is nothing.
pub fn without_echo<'a>(text: &'a str, sent: &str) -> &'a str {
    let text = text.trim_start_matches(['\r', '\n']);
    if sent.starts_with(text) {
        return "";
    }
    match text.strip_prefix(sent) {
        Some(rest) if !sent.is_empty() && rest.starts_with(['\r', '\n']) => rest,
        _ => text,
    }
}

/// The line that has no end yet.
fn open_line(said: &str) -> &str {
    said.rsplit('\n').next().unwrap_or_default().trim()
}

/// Whether the phone waits for a command: it shows its own prompt, or one that looks like any.
pub fn is_prompt(said: &str, prompt: &str) -> bool {
    const ENDS: [char; 4] = ['>', '#', '%', '$'];
    let line = open_line(said);
    let own = line.strip_prefix(prompt.trim()).filter(|_| !prompt.trim().is_empty());
    own.is_some_and(|end| end.trim_end_matches(ENDS).trim().is_empty()) || line.ends_with(['>', '#'])
}

/// Whether the phone asks for its password.
pub fn asks_for_password(said: &str) -> bool {
    let line = open_line(said).to_ascii_lowercase();
    let end = line.rsplit_once("assword").map(|(_, end)| end);
    end.is_some_and(|end| line.ends_with([':', '?']) || !end.contains(char::is_alphanumeric))
}

/// Whether the phone refused the password, or asks for it again.
pub fn is_login_failure(said: &str) -> bool {
    asks_for_password(said) || contains_any(said, &["assword", "incorrect", "invalid", "denied", "failed"])
}

/// The line in which the phone refuses a command.
pub fn refusal(said: &str) -> Option<&str> {
    const WORDS: [&str; 7] =
        ["not allowed", "not permitted", "privilege", "invalid", "unknown", "denied", "bad command"];
    said.lines().map(str::trim).find(|line| line.starts_with('%') || contains_any(line, &WORDS))
}

/// Whether the phone asks whether it shall.
pub fn is_question(said: &str) -> bool {
    let line = open_line(said).trim_end_matches([':', '?', ' ']).to_ascii_lowercase();
    ["[y/n]", "(y/n)", "[yes/no]", "(yes/no)", "[confirm]"].iter().any(|end| line.ends_with(end))
}

fn contains_any(text: &str, words: &[&str]) -> bool {
    let text = text.to_ascii_lowercase();
    words.iter().any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_echo_is_nothing_that_the_phone_says() {
        for (text, sent, expected) in [
            ("", "denied", ""),
            ("den", "denied", ""),
            ("denied", "denied", ""),
            ("\r\ndenied", "denied", ""),
            ("denied\r\nSIP Phone> ", "denied", "\r\nSIP Phone> "),
            ("denied access", "denied", "denied access"),
            ("\r\nAccess denied", "denied", "Access denied"),
            ("SIP Phone> ", "", "SIP Phone> "),
        ] {
            assert_eq!(without_echo(text, sent), expected, "{text:?}");
        }
    }

    #[test]
    fn its_own_prompt_is_known_whatever_it_is() {
        for prompt in ["SIP Phone", "Password denied", "R>D #7"] {
            for end in ["> ", "#", "%", " $ ", ""] {
                assert!(is_prompt(&format!("\r\nhello\r\n{prompt}{end}"), prompt), "{prompt}{end}");
            }
        }
        assert!(is_prompt("other> ", "SIP Phone"), "it takes a new prompt when it restarts");
        assert!(!is_prompt("<SIP Phone>\r\nPassword :", "SIP Phone") && !is_prompt("", "SIP Phone"));
        assert!(!is_prompt("Password :", "") && !is_prompt("SIP Phone is busy", "SIP Phone"));
    }

    #[test]
    fn a_word_about_the_password_does_not_ask_for_it() {
        assert!(asks_for_password("Password :") && asks_for_password("x\r\nEnter password for phone: "));
        assert!(!asks_for_password("Password acc") && !asks_for_password("Password :\r\n"));
    }

    #[test]
    fn questions_and_refusals_are_known() {
        assert!(
            is_question("reset\r\nReset phone? [y/n] ") && is_question("Sure (Y/N):") && is_question("ok [confirm]")
        );
        assert!(!is_question("[y/n]\r\n") && !is_question("Resetting"));
        assert_eq!(refusal("\r\n%Bad command\r\nSIP Phone> "), Some("%Bad command"));
        assert_eq!(refusal("Bad Command"), Some("Bad Command"));
        assert_eq!(refusal("Resetting now\r\nSIP Phone> "), None);
    }

    proptest! {
        #[test]
        fn whatever_comes_after_an_echo_is_said(sent in "[a-z]{1,20}", rest in "(\r\n[a-z> ]{0,9}){0,3}") {
            let text = format!("{sent}{rest}");
            for end in 0..=sent.len() {
                prop_assert_eq!(without_echo(&text[..end], &sent), "");
            }
            prop_assert_eq!(without_echo(&text, &sent), rest);
        }
    }
}
