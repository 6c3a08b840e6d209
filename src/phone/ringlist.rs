//! `RINGLIST.DAT`: the rings that the phone's menu offers, and the format of a ring.

pub use super::file_name::RING_LIST as FILE;

use super::text;

/// One ring: the name in the phone's menu and the file that holds it.
pub struct Ring<'a> {
    /// The name in the menu.
    pub name: &'a str,
    /// The file in the TFTP root, raw 8 kHz µ-law.
    pub file: &'a str,
}

/// The shortest ring in bytes, which are samples. Source of the limits: Cisco's guide for the 7941 and its like; somebody tried them with the
/// SIP firmware of these phones, where they hold.
const RING_MIN: usize = 240;
/// The longest ring.
const RING_MAX: usize = 16_080;
/// The unit of a ring's length.
const RING_UNIT: usize = 240;

/// Writes the list: one ring a line, name and file separated by a tab.
pub fn write<'a>(rings: impl IntoIterator<Item = Ring<'a>>) -> Vec<u8> {
    let mut out = Vec::new();
    for ring in rings {
        text::latin1(ring.name, &mut out);
        out.push(b'\t');
        text::latin1(ring.file, &mut out);
        out.push(b'\n');
    }
    out
}

/// A parsed list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// The rings, name and file.
    pub rings: Vec<(String, String)>,
    /// The line of each ring, from 1.
    pub lines: Vec<usize>,
    /// The lines that are no ring, with their numbers.
    pub problems: Vec<(usize, String)>,
}

/// Parses a list.
pub fn read(file: &[u8]) -> Reading {
    let mut reading = Reading::default();
    if text::is_utf16(file) {
        reading.problems.push((1, "the file is UTF-16, which phones cannot read: save it as plain text".to_owned()));
        return reading;
    }
    let file = text::from_latin1(file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file)).replace("\r\n", "\n");
    for (i, line) in file.split(['\n', '\r']).enumerate() {
        let line = line.trim_matches(|c: char| matches!(c, ' ' | '\t' | '\0' | '\u{1a}'));
        if line.is_empty() {
            continue;
        }
        // A name may have blanks, so that only a tab ends it.
        match line.split_once('\t') {
            Some((name, file)) => {
                reading.rings.push((name.trim().to_owned(), file.trim().to_owned()));
                reading.lines.push(i + 1);
            }
            None => reading.problems.push((i + 1, format!("{line:?} has no tab between a name and a file"))),
        }
    }
    reading
}

/// Why a file is no ring, judged by its first bytes and its size.
pub fn ring_problem(first: &[u8], size: usize) -> Option<String> {
    let header =
        [(&b"RIFF"[..], "a WAV file"), (b".snd", "an AU file"), (b"ID3", "an MP3 file"), (b"FORM", "an AIFF file")];
    if let Some((_, what)) = header.iter().find(|(magic, _)| first.starts_with(magic)) {
        return Some(format!("is {what}"));
    }
    (!(RING_MIN..=RING_MAX).contains(&size) || !size.is_multiple_of(RING_UNIT)).then(|| format!("has {size} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_in_use_are_read() {
        let Reading { rings, lines, problems } =
            read(b"CTU24raw\tCTU24raw.raw\r\nPiano 1\t\t piano1.pcm \r\nBells bells.pcm\nalone\nBig Bell\tbig.pcm");
        let expected = [("CTU24raw", "CTU24raw.raw"), ("Piano 1", "piano1.pcm"), ("Big Bell", "big.pcm")];
        assert_eq!(rings, expected.map(|(name, file)| (name.to_owned(), file.to_owned())));
        assert_eq!((problems[0].0, problems[1].0, lines), (3, 4, vec![1, 2, 5]), "without a tab it is no ring");
        let written = write(rings.iter().map(|(name, file)| Ring { name, file }));
        assert_eq!(read(&written).rings, rings);
    }

    #[test]
    fn a_ring_is_raw_and_short() {
        assert_eq!(ring_problem(&[0xff; 4], 16_080), None);
        assert_eq!(ring_problem(&[0xff; 4], 12_700).as_deref(), Some("has 12700 bytes"));
        assert_eq!(ring_problem(&[0xff; 4], 16_320).as_deref(), Some("has 16320 bytes"));
        assert_eq!(ring_problem(b"RIFF", 480).as_deref(), Some("is a WAV file"));
    }
}
