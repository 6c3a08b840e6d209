//! What a phone says by telnet, and what that means: pure.

/// Whether a phone has said what is waited for. What it sends comes in pieces, so that one of them may look like it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// It has not.
    No,
    /// It has, if it says no more.
    Perhaps,
    /// It has.
    Yes,
}

impl Said {
    fn of(is: bool, is_sure: bool) -> Said {
        match (is, is_sure) {
            (false, _) => Said::No,
            (true, false) => Said::Perhaps,
            (true, true) => Said::Yes,
        }
    }
}

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
fn shows_prompt(said: &str, prompt: &str) -> Said {
    const ENDS: [char; 4] = ['>', '#', '%', '$'];
    let line = open_line(said);
    let own = line.strip_prefix(prompt.trim()).filter(|_| !prompt.trim().is_empty());
    let is_own = own.is_some_and(|end| end.trim_end_matches(ENDS).trim().is_empty());
    // A banner may have the phone's name, and lines of `#`.
    Said::of(is_own || line.ends_with(['>', '#']), is_own && line.ends_with(ENDS))
}

/// Whether the phone waits for a command.
pub fn is_prompt(said: &str, prompt: &str) -> bool {
    shows_prompt(said, prompt) != Said::No
}

/// Whether the phone waits for a command or its password.
pub fn is_door(said: &str, prompt: &str) -> Said {
    match shows_prompt(said, prompt) {
        Said::No => Said::of(asks_for_password(said), open_line(said).ends_with([':', '?'])),
        prompt => prompt,
    }
}

/// Whether the phone asks for its password.
fn asks_for_password(said: &str) -> bool {
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
fn is_question(said: &str) -> Said {
    let line = open_line(said);
    let known = line.trim_end_matches([':', '?', ' ']).to_ascii_lowercase();
    let is_known = ["[y/n]", "(y/n)", "[yes/no]", "(yes/no)", "[confirm]"].iter().any(|end| known.ends_with(end));
    // In other words: it has not ended the line, and has a question in it, or waits behind it.
    Said::of(is_known || line.contains('?') || line.ends_with([':', ']', ')']), is_known)
}

/// What says yes to the phone's question, if it asks one.
pub fn yes(said: &str) -> Option<&'static str> {
    let whole = open_line(said).to_ascii_lowercase().contains("yes");
    (is_question(said) != Said::No).then_some(if whole { "yes" } else { "y" })
}

/// Whether the phone has answered a command: it asks, or refuses. Otherwise it restarts, or shows its prompt again.
pub fn is_answer(said: &str) -> Said {
    match refusal(said) {
        // Of a line without an end more may come.
        Some(line) => Said::of(true, open_line(said) != line),
        None => is_question(said),
    }
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
    fn what_may_be_a_piece_of_a_banner_is_not_sure() {
        for (said, expected) in [
            ("SIP Phone> ", Said::Yes),
            ("SIP Phone", Said::Perhaps),
            ("\r\n####", Said::Perhaps),
            ("Welcome <cisco>", Said::Perhaps),
            ("Password", Said::Perhaps),
            ("Password :", Said::Yes),
            ("SIP Phone\r\n", Said::No),
            ("####\r\n# Cisco #\r\n", Said::No),
        ] {
            assert_eq!(is_door(said, "SIP Phone"), expected, "{said:?}");
        }
    }

    #[test]
    fn a_word_about_the_password_does_not_ask_for_it() {
        assert!(asks_for_password("Password :") && asks_for_password("x\r\nEnter password for phone: "));
        assert!(!asks_for_password("Password acc") && !asks_for_password("Password :\r\n"));
    }

    #[test]
    fn questions_and_refusals_are_known() {
        assert!(
            ["reset\r\nReset phone? [y/n] ", "Sure (Y/N):", "ok [confirm]"]
                .iter()
                .all(|it| is_question(it) == Said::Yes)
        );
        for said in ["Reset phone? [y/n] (n): ", "Are you sure?", "Reset (yes or no)", "Enter y to confirm:"] {
            assert_eq!(is_question(said), Said::Perhaps, "{said}");
        }
        for said in ["[y/n]\r\n", "Resetting", "Resetting ...", "Are you sure? n\r\n", "SIP Phone> "] {
            assert_eq!((is_question(said), yes(said)), (Said::No, None), "{said}");
        }
        assert_eq!([yes("sure? [yes/no]"), yes("sure? [Y/n] ")], [Some("yes"), Some("y")]);
        assert_eq!([is_answer("%Bad"), is_answer("%Bad command\r\n")], [Said::Perhaps, Said::Yes]);
        assert_eq!([is_answer("reset\r\n"), is_answer("Reset phone? [y/n]")], [Said::No, Said::Yes]);
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
