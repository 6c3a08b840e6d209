//! Firmware images: their names, the release that a name stands for, and the files of an image.

use std::fmt;

/// A firmware release such as 7.4, or the era that an image belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Release {
    /// The number before the dot.
    pub major: u16,
    /// The number after the dot.
    pub minor: u16,
}

impl Release {
    /// Older than all others: the `since` of parameters that every firmware knows.
    pub const FIRST: Release = Release::new(1, 0);
    /// What phones are taken to know of which nobody knows what they run.
    pub const ASSUMED: Release = Release::new(7, 0);
    /// From this release on phones load a universal application loader first and ask for `.loads` files.
    pub const LOADER: Release = Release::new(7, 0);

    /// A release.
    pub const fn new(major: u16, minor: u16) -> Release {
        Release { major, minor }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The signalling protocol of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `P0S3…`
    Sip,
    /// `P003…`: SCCP, and from 7.0 on also the loader that both protocols share.
    Sccp,
    /// `P0M3…`
    Mgcp,
}

/// An image's name, parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Image<'a> {
    /// The name, without extension.
    pub name: &'a str,
    /// The protocol.
    pub protocol: Protocol,
    /// The release, where the name has one of the known forms.
    pub release: Option<Release>,
}

/// The 2.2 image that phones older than 2.2 must load first; what `OS79XX.TXT` names for targets before 7.0.
pub const BOOTSTRAP: &str = "P0S30202";

/// The extension of the file that lists an image's parts, from firmware 7.0 on.
pub const LOADS: &str = ".loads";
/// The extension of an image that is one file: firmware before 7.0.
pub const BIN: &str = ".bin";
/// The extension of a loader.
pub const SBN: &str = ".sbn";
/// The extension of an application, from firmware 7.0 on.
pub const SB2: &str = ".sb2";

/// A pattern for API schemas: the characters that the phone's image names have.
pub const NAME_PATTERN: &str = "^[A-Za-z0-9][A-Za-z0-9_-]*$";

/// The longest image name that a phone keeps.
pub const NAME_MAX: usize = 60;

impl<'a> Image<'a> {
    /// Parses a name such as `P0S30202`, `P0S3-07-4-00` or `P0S3-8-12-00`. `None` if it is no name of an image.
    pub fn parse(name: &'a str) -> Option<Image<'a>> {
        let protocol = match name.get(..4)? {
            "P0S3" => Protocol::Sip,
            "P003" => Protocol::Sccp,
            "P0M3" => Protocol::Mgcp,
            _ => return None,
        };
        let rest = name.get(4..)?;
        let release = match rest.strip_prefix('-') {
            Some(dashed) => {
                let mut parts = dashed.split('-').map(|part| part.parse::<u16>().ok());
                match (parts.next(), parts.next()) {
                    (Some(Some(major)), Some(Some(minor))) => Some(Release::new(major, minor)),
                    _ => None,
                }
            }
            None => match (rest.get(..2).map(str::parse), rest.get(2..4).map(str::parse)) {
                (Some(Ok(major)), Some(Ok(minor))) => Some(Release::new(major, minor)),
                _ => None,
            },
        };
        Some(Image { name, protocol, release })
    }

    /// Whether phones fetch it with the loader and a `.loads` file.
    pub fn uses_loader(&self) -> bool {
        self.release.is_some_and(|release| release >= Release::LOADER)
    }

    /// Whether it is the loader itself, which comes in the package of an application.
    pub fn is_loader(&self) -> bool {
        self.uses_loader() && self.protocol == Protocol::Sccp
    }

    /// The loader that comes in the same package: `P003-07-4-00` for `P0S3-07-4-00`.
    pub fn loader(&self) -> Option<String> {
        self.uses_loader().then(|| format!("P003{}", &self.name[4..]))
    }
}

/// The name with the digit zero for the letter O, if that makes it the name of an image.
///
/// The application note itself writes `POS3`, and so do many guides.
pub fn did_you_mean(name: &str) -> Option<String> {
    if Image::parse(name).is_some() {
        return None;
    }
    let upper = name.to_ascii_uppercase();
    let head = upper.get(..4)?;
    let mended: String = match head {
        "POS3" | "P0S3" => format!("P0S3{}", &upper[4..]),
        "POO3" | "PO03" | "P0O3" | "P003" => format!("P003{}", &upper[4..]),
        "POM3" | "P0M3" => format!("P0M3{}", &upper[4..]),
        _ => return None,
    };
    let tail = mended[4..].replace('O', "0");
    let mended = format!("{}{tail}", &mended[..4]);
    Image::parse(&mended).is_some().then_some(mended)
}

/// How many bytes of a `.loads` file are looked at: those of Cisco have less than 1 KiB.
const MAX_LOADS_BYTES: usize = 16 << 10;
/// The most files that one names, and the longest of their names: of Cisco's own each names four.
pub const MAX_PARTS: usize = 32;
const MAX_PART_NAME: usize = 100;

/// The files that a `.loads` file names; none for any other file. It is a signed header of binary fields and then one name a line.
/// Anybody may have written it, so that only so many names are taken from it.
pub fn parts(name: &str, bytes: &[u8]) -> Vec<String> {
    if !name.ends_with(LOADS) {
        return Vec::new();
    }
    bytes[..bytes.len().min(MAX_LOADS_BYTES)]
        .split(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')))
        .filter_map(|name| std::str::from_utf8(name).ok())
        .filter(|name| name.len() <= MAX_PART_NAME)
        .filter(|name| [SBN, SB2, BIN].iter().any(|suffix| name.len() > suffix.len() + 3 && name.ends_with(suffix)))
        .take(MAX_PARTS)
        .map(str::to_owned)
        .collect()
}

/// A file's first bytes, by which formats are distinguished.
pub fn first(bytes: &[u8]) -> [u8; 4] {
    let mut first = [0; 4];
    first.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    first
}

/// Why a file that begins like this is no firmware; nothing if it may be.
pub fn implausible(first: [u8; 4]) -> Option<&'static str> {
    match &first.map(|byte| byte.to_ascii_lowercase()) {
        b"<!do" | b"<htm" | b"<hea" | b"<?xm" => Some("is a web page, not firmware: was it an error that was saved?"),
        b"pk\x03\x04" => Some("is a ZIP archive: unpack it"),
        [0x1f, 0x8b, ..] => Some("is a gzip archive: unpack it"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_its_release() {
        let release = |name| Image::parse(name).unwrap().release;
        assert_eq!(release("P0S30202"), Some(Release::new(2, 2)));
        assert_eq!(release("P0S3-03-2-00"), Some(Release::new(3, 2)));
        assert_eq!(release("P0S3-07-4-00"), Some(Release::new(7, 4)));
        assert_eq!(release("P0S3-8-12-00"), Some(Release::new(8, 12)));
        assert_eq!(Image::parse("P0S3-07-4-00").unwrap().loader().as_deref(), Some("P003-07-4-00"));
        assert_eq!(Image::parse("P0S3-06-3-00").unwrap().loader(), None);
        assert_eq!(Image::parse("hello"), None);
        assert_eq!(Image::parse("P0S"), None);
    }

    #[test]
    fn a_list_of_parts_is_as_long_as_one_can_be_and_no_longer() {
        let list = "P003-07-4-00.sbn\nP0S3-07-4-00.sb2\n";
        assert_eq!(parts("a.loads", list.as_bytes()), ["P003-07-4-00.sbn", "P0S3-07-4-00.sb2"]);
        assert!(parts("a.bin", list.as_bytes()).is_empty());
        let many = list.repeat(1 << 20);
        assert_eq!(parts("a.loads", many.as_bytes()).len(), MAX_PARTS);
        let long = format!("{}.sb2\n{list}", "x".repeat(101));
        assert_eq!(parts("a.loads", long.as_bytes()).len(), 2);
    }

    #[test]
    fn the_letter_o_is_recognised() {
        assert_eq!(did_you_mean("POS30202").as_deref(), Some("P0S30202"));
        assert_eq!(did_you_mean("POS3-03-2-00").as_deref(), Some("P0S3-03-2-00"));
        assert_eq!(did_you_mean("p0s3-8-12-oo").as_deref(), Some("P0S3-8-12-00"));
        assert_eq!(did_you_mean("P0S30202"), None);
        assert_eq!(did_you_mean("firmware"), None);
    }
}
