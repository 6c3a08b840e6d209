//! `syncinfo.xml`: the value that a phone compares with its own `sync` after a NOTIFY for check-sync.
//!
//! After the NOTIFY a phone waits until it is idle, reads the entry for its image's version or for `*`, and restarts if SYNC
//! differs from its own `sync`. All phones of a site share the file, so it cannot say which of them should restart: only
//! those restart that get a NOTIFY. The value is one that no phone has.

pub use super::file_name::SYNC_INFO as FILE;

/// The most bytes of the file that phones read.
pub const MAX_SIZE: usize = 4096;

/// The most characters of a phone's own `sync`.
const MAX_SYNC: usize = 32;

/// Why phones find nothing to compare in a file that can be read, with the line.
pub fn problems(file: &[u8]) -> Vec<(usize, String)> {
    let file = super::text::from_latin1(file);
    let mut found = Vec::new();
    let mut images = 0;
    for (line, element) in elements(&file, "IMAGE") {
        images += 1;
        match (attribute(element, "VERSION"), attribute(element, "SYNC")) {
            (None, _) => found.push((line, "an IMAGE has no VERSION, which is an image's or *".to_owned())),
            (_, None) => found.push((line, "an IMAGE has no SYNC to be compared with a phone's own".to_owned())),
            (_, Some(sync)) if sync.chars().count() > MAX_SYNC => {
                let have = sync.chars().count();
                found.push((line, format!("SYNC has {have} characters, and a phone's own has at most {MAX_SYNC}")));
            }
            (Some(_), Some(_)) => {}
        }
    }
    if images == 0 {
        found.push((0, "has no IMAGE with VERSION and SYNC".to_owned()));
    }
    found
}

/// The elements of a name, in upper or lower case, with their lines; none in a comment.
fn elements<'a>(file: &'a str, name: &str) -> Vec<(usize, &'a str)> {
    let (mut found, mut at, mut line) = (Vec::new(), 0, 1);
    while let Some(start) = file[at..].find('<').map(|start| at + start) {
        line += file[at..start].matches('\n').count();
        let (tag, end) = match file[start..].strip_prefix("<!--") {
            Some(comment) => ("", comment.find("-->").map(|end| start + end)),
            None => {
                let end = file[start..].find('>').map(|end| start + end);
                (&file[start + 1..end.unwrap_or(file.len())], end)
            }
        };
        let is_name = tag.get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name));
        let ends = |rest: &str| rest.is_empty() || rest.starts_with(|c: char| c.is_ascii_whitespace() || c == '/');
        if is_name && tag.get(name.len()..).is_some_and(ends) {
            found.push((line, tag));
        }
        let Some(end) = end else { break };
        line += file[start..end].matches('\n').count();
        at = end;
    }
    found
}

/// The value of an attribute, whatever its case.
fn attribute<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    let lower = element.to_ascii_lowercase();
    lower.match_indices(&name.to_ascii_lowercase()).find_map(|(at, word)| {
        let is_word = element[..at].ends_with(|c: char| c.is_ascii_whitespace() || c == '"' || c == '\'');
        let rest = element.get(at + word.len()..).filter(|_| is_word)?;
        let value = rest.trim_start().strip_prefix('=')?.trim_start();
        let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
        value[1..].split(quote).next()
    })
}

/// The value, which no phone's `sync` may have.
pub const MARK: &str = "restart-when-told";

/// The file.
pub fn write() -> Vec<u8> {
    format!("<SYNCINFO>\n<IMAGE VERSION=\"*\" SYNC=\"{MARK}\"/>\n</SYNCINFO>\n").into_bytes()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_file_in_which_phones_find_nothing_is_told_of() {
        for (file, said) in [
            ("<SYNCINFO/>", "0: has no IMAGE with VERSION and SYNC"),
            ("<SYNCINFO>\n<!-- <IMAGE VERSION=\"*\" SYNC=\"1\"/> -->\n</SYNCINFO>", "0: has no IMAGE with"),
            ("<SYNCINFO>\n<IMAGE SYNC=\"1\"/></SYNCINFO>", "2: an IMAGE has no VERSION"),
            ("<SYNCINFO>\n\n<IMAGE VERSION=\"*\"/></SYNCINFO>", "3: an IMAGE has no SYNC"),
            ("<IMAGE VERSION='*' RESYNC='1'/>", "1: an IMAGE has no SYNC"),
            ("<IMAGES VERSION='*' SYNC='1'/>", "0: has no IMAGE"),
            (&format!("<IMAGE VERSION=\"*\" SYNC=\"{}\"/>", "1".repeat(33)), "1: SYNC has 33 characters"),
        ] {
            let found = super::problems(file.as_bytes());
            assert!(
                found.len() == 1 && format!("{}: {}", found[0].0, found[0].1).starts_with(said),
                "{file}: {found:?}"
            );
        }
        for fine in [
            "<IMAGE VERSION=\"*\" SYNC=\"1\"/>",
            "<syncinfo>\r\n<image version = '*'\n sync = '1' />\r\n</syncinfo>",
            "<IMAGE SYNC=\"\" VERSION=\"P0S3-8-12-00\"/>",
            &format!("<IMAGE VERSION=\"*\" SYNC=\"{}\"/>", "1".repeat(32)),
        ] {
            assert_eq!(super::problems(fine.as_bytes()), [], "{fine}");
        }
        assert_eq!(super::problems(&super::write()), []);
    }

    #[test]
    fn the_value_fits_into_a_phones_memory() {
        assert!(super::MARK.len() <= 32);
        assert!(String::from_utf8(super::write()).unwrap().contains("SYNC=\"restart-when-told\"/>"));
    }
}
