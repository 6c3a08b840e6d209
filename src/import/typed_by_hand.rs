//! Letters that word processors and web pages put into values, which phones do not know.

use crate::phone::parameter::is_secret;

/// Quotes and their like, as they are typed; and what Windows writes for some.
const QUOTES: [char; 12] = ['‘', '’', '‚', '‛', '“', '”', '„', '‟', '‹', '›', '″', '′'];
const WINDOWS_QUOTES: [char; 8] = ['\u{82}', '\u{84}', '\u{8b}', '\u{91}', '\u{92}', '\u{93}', '\u{94}', '\u{9b}'];

/// What is to say of the letters of a value that was read as ISO 8859-1.
pub fn letters(name: &str, value: &str) -> Option<String> {
    let utf8 = utf8(value);
    let meant = utf8.as_deref().unwrap_or(value);
    // Guillemets are letters that phones know: only round the whole value they are meant as quotes.
    let is_between = |text: &str| text.starts_with(['«', '»']) && text.ends_with(['«', '»']) && text.len() > 2;
    let is_hidden = is_secret(name);
    if meant.contains(QUOTES) || (utf8.is_none() && value.contains(WINDOWS_QUOTES)) || is_between(meant) {
        let shown = if is_hidden { String::new() } else { format!(": {:?}", windows(meant)) };
        return Some(format!(
            "{name} has typographic quotes{shown}: phones take them for a part of the value, and know no such letters; write straight ones, or none"
        ));
    }
    if let Some(meant) = &utf8 {
        let shown = if is_hidden { "other letters".to_owned() } else { format!("{value:?} for {meant:?}") };
        return Some(format!("{name} is written in UTF-8 and phones show {shown}: correct it"));
    }
    if value.contains(|c| matches!(c, '\u{80}'..='\u{9f}')) {
        let shown = if is_hidden { String::new() } else { format!(", {:?},", windows(value)) };
        return Some(format!("{name} has letters of Windows{shown} that phones lack: replace them"));
    }
    if value.contains('\u{a0}') {
        return Some(format!("{name} has a no-break space, which is no blank to phones: write a blank, or none"));
    }
    None
}

/// What ISO 8859-1 text was that is really UTF-8, read a byte at a time.
fn utf8(value: &str) -> Option<String> {
    if value.is_ascii() {
        return None;
    }
    let bytes: Option<Vec<u8>> = value.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
    String::from_utf8(bytes?).ok()
}

/// A text with the quotes of Windows as they were meant.
fn windows(text: &str) -> String {
    let meant = ['‚', '„', '‹', '‘', '’', '“', '”', '›'];
    let of = |c| WINDOWS_QUOTES.iter().position(|quote| *quote == c).map_or(c, |at| meant[at]);
    text.chars().map(of).collect()
}

/// A value as a person would read it: what is said of it otherwise would show a byte at a time.
pub fn has_odd_letters(value: &str) -> bool {
    !value.is_ascii() && letters("", value).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phone::text::from_latin1;

    #[test]
    fn letters_that_phones_lack_are_told_and_those_that_they_have_are_not() {
        let read = |text: &str| from_latin1(text.as_bytes());
        for value in ["“7101”", "‘7101’", "„7101“", "«7101»", "Meier’s", "7101”", "10.0.0.1″", "‹a›"]
        {
            let why = letters("line1_name", &read(value)).unwrap();
            assert!(why.contains("typographic quotes") && why.contains(value), "{value}: {why}");
        }
        for (bytes, what) in [
            (&b"\x937101\x94"[..], "“7101”"),
            (b"\x8410.0.0.1\x93", "„10.0.0.1“"),
            (b"Meier\x92s", "Meier’s"),
            (b"\xabx\xbb", "«x»"),
            (b"555\x960101", "letters of Windows"),
            (b"a\xa0b", "no-break space"),
            ("Müller".as_bytes(), "UTF-8"),
            ("555–0101".as_bytes(), "UTF-8"),
        ] {
            let why = letters("line1_name", &from_latin1(bytes)).unwrap();
            assert!(why.contains(what), "{what}: {why}");
        }
        let secret = letters("line1_password", &read("“horse”")).unwrap();
        assert!(secret.contains("typographic quotes") && !secret.contains("horse"), "{secret}");
        for fine in ["7101", "M\u{fc}ller", "Caf\u{e9} \u{ab}Bleu\u{bb} 2", "it's", "5' 3\u{b4}", "\u{df}", ""] {
            assert_eq!(letters("line1_displayname", fine), None, "{fine}");
        }
    }
}
