//! Text that comes from outside: from phones, pods, servers, files and people who make objects. A terminal obeys some characters,
//! others turn the order of what follows, and nothing bounds the length.

use std::fmt::Write as _;

/// The longest text of somebody else in a message, in bytes.
pub const QUOTED: usize = 200;

/// A text that can be shown anywhere: in one line, without characters that a terminal obeys or that are not seen, and of at most so
/// many bytes. What is escaped is written as in JSON, so that a JSON text with it stays one.
pub fn printable(text: &str, most: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(most));
    for c in text.chars() {
        let before = shown.len();
        push(&mut shown, c);
        if shown.len() > most {
            shown.truncate(before);
            while shown.len() + '…'.len_utf8() > most {
                if shown.pop().is_none() {
                    return shown;
                }
            }
            shown.push('…');
            return shown;
        }
    }
    shown
}

/// The same for text of several lines, which stay lines.
pub fn printable_lines(text: &str) -> String {
    let lines = text.split('\n').map(|line| printable(line, usize::MAX));
    lines.collect::<Vec<_>>().join("\n")
}

/// A bar of so many parts, filled as far as something is done.
pub fn bar(done: i64, all: i64, parts: i64) -> String {
    let full = if all > 0 { i128::from(done.clamp(0, all)) * i128::from(parts) / i128::from(all) } else { 0 };
    (0..i128::from(parts)).map(|part| if part < full { '█' } else { '░' }).collect()
}

fn push(shown: &mut String, c: char) {
    if is_plain(c) {
        return shown.push(c);
    }
    let mut units = [0; 2];
    for unit in c.encode_utf16(&mut units) {
        let _ = write!(shown, "\\u{unit:04x}");
    }
}

/// Whether a character is what it looks like.
fn is_plain(c: char) -> bool {
    let is_obeyed = c.is_control();
    // Marks of direction, line ends that are none, and what takes no room.
    let is_unseen = matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    !is_obeyed && !is_unseen
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_reaches_a_terminal_that_it_obeys() {
        assert_eq!(printable("489 \u{1b}]0;owned\u{7}", 99), "489 \\u001b]0;owned\\u0007");
        assert_eq!(printable("a\r\nb\t\u{9b}31m\u{202e}c", 99), "a\\u000d\\u000ab\\u0009\\u009b31m\\u202ec");
        assert_eq!(printable("Müller “x” 話", 99), "Müller “x” 話");
        assert_eq!(printable_lines("a\u{1b}\nb"), "a\\u001b\nb");
        assert_eq!(printable("abcdefgh", 6), "abc…");
        assert_eq!((printable("abc", 3), printable("abcd", 2)), ("abc".into(), String::new()));
    }

    proptest! {
        #[test]
        fn it_is_plain_bounded_and_the_same_again(text in any::<String>(), most in 0usize..300) {
            let shown = printable(&text, most);
            prop_assert!(shown.len() <= most && shown.chars().all(is_plain));
            prop_assert_eq!(printable(&shown, most), shown.clone());
            let json = format!("\"{}\"", printable(&text.replace(['"', '\\'], ""), usize::MAX));
            prop_assert!(serde_json::from_str::<String>(&json).is_ok());
        }
    }
}
