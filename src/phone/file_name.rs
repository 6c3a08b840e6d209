//! The names of the files that phones ask for. This is the only place that takes such a name apart.

use std::fmt;

use super::Mac;
use super::image::{BIN, Image, LOADS, SB2, SBN};

/// The file that all phones of a site read before their own.
pub const SIP_DEFAULT: &str = "SIPDefault.cnf";
/// The first request of every phone with firmware before 7.0.
pub const OS79XX: &str = "OS79XX.TXT";
/// The fallback of loaders from 7.0 on, and of SCCP phones that are converted to SIP.
pub const XML_DEFAULT: &str = "XMLDefault.cnf.xml";
/// The ring list.
pub const RING_LIST: &str = "RINGLIST.DAT";
/// The file that a phone reads after a NOTIFY with the event `check-sync`.
pub const SYNC_INFO: &str = "syncinfo.xml";

/// The extension of a dial plan.
const XML: &str = ".xml";

/// Prefix and extension of the names that hold a MAC address.
const OWN: (&str, &str) = ("SIP", ".cnf");
const CTLSEP: (&str, &str) = ("CTLSEP", ".tlv");
const SEP: (&str, &str) = ("SEP", ".cnf.xml");
const MGC: (&str, &str) = ("MGC", ".cnf");

/// What a file's name says. Only the last component of a path counts, and upper and lower case are the same.
///
/// Variants with a text hold the last component as it was given. `Display` writes the name in the spelling that phones use;
/// [`FileName::parse`] of that is the same value again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileName<'a> {
    /// `SIPDefault.cnf`.
    Common,
    /// `SIP<MAC>.cnf`, the phone's own configuration.
    Own(Mac),
    /// `CTLSEP<MAC>.tlv`, the first request of a loader. Every name that begins with CTLSEP counts, without an address if it
    /// has none that can be read.
    CtlSep(Option<Mac>),
    /// `SEP<MAC>.cnf.xml`, in which a loader finds the image to run. Every name that begins and ends so counts, without an
    /// address if it has none that can be read.
    Sep(Option<Mac>),
    /// `MGC<MAC>.cnf`, which a loader asks for when it has no `SEP<MAC>.cnf.xml`.
    Mgc(Mac),
    /// `OS79XX.TXT`.
    Os79xx,
    /// `XMLDefault.cnf.xml`.
    XmlDefault,
    /// `RINGLIST.DAT`.
    RingList,
    /// `syncinfo.xml`.
    SyncInfo,
    /// `<image>.loads`; see [`FileName::image`].
    Loads(&'a str),
    /// A file of firmware: `.bin`, `.sbn` or `.sb2`; see [`FileName::is_application`].
    ImagePart(&'a str),
    /// Any other `.xml`: a dial plan, whose name is the value of the parameter `dial_template`.
    Xml(&'a str),
    /// Everything else.
    Other(&'a str),
}

impl<'a> FileName<'a> {
    /// Parses a name that a phone asked for or that a file has; it may have folders, parted by `/` or `\`.
    pub fn parse(name: &'a str) -> FileName<'a> {
        let base = name.rsplit(['/', '\\']).next().unwrap_or(name);
        let is = |known: &str| base.eq_ignore_ascii_case(known);
        let address = |frame| address_in(base, frame);
        if let Some(mac) = address(OWN) {
            FileName::Own(mac)
        } else if let Some(mac) = address(MGC) {
            FileName::Mgc(mac)
        } else if starts_with(base, CTLSEP.0) {
            FileName::CtlSep(address(CTLSEP))
        } else if starts_with(base, SEP.0) && ends_with(base, SEP.1) {
            FileName::Sep(address(SEP))
        } else if is(SIP_DEFAULT) {
            FileName::Common
        } else if is(OS79XX) {
            FileName::Os79xx
        } else if is(XML_DEFAULT) {
            FileName::XmlDefault
        } else if is(RING_LIST) {
            FileName::RingList
        } else if is(SYNC_INFO) {
            FileName::SyncInfo
        } else if ends_with(base, LOADS) {
            FileName::Loads(base)
        } else if [BIN, SBN, SB2].iter().any(|extension| ends_with(base, extension)) {
            FileName::ImagePart(base)
        } else if ends_with(base, XML) {
            FileName::Xml(base)
        } else {
            FileName::Other(base)
        }
    }

    /// The address of the phone that the file belongs to.
    pub fn mac(&self) -> Option<Mac> {
        match *self {
            FileName::Own(mac) | FileName::Mgc(mac) => Some(mac),
            FileName::CtlSep(mac) | FileName::Sep(mac) => mac,
            _ => None,
        }
    }

    /// Whether this is a phone's own configuration, `SIP<MAC>.cnf`.
    pub fn is_own_config(&self) -> bool {
        matches!(self, FileName::Own(_))
    }

    /// Whether this is a file of a firmware image.
    pub fn is_firmware(&self) -> bool {
        matches!(self, FileName::Loads(_) | FileName::ImagePart(_))
    }

    /// The image whose parts a `.loads` file lists.
    pub fn image(&self) -> Option<&'a str> {
        match *self {
            FileName::Loads(file) => file.get(..file.len() - LOADS.len()),
            _ => None,
        }
    }

    /// Whether this is the application, the last part of an image that a phone takes. Extensions in upper case do not count:
    /// phones do not ask for them.
    pub fn is_application(&self) -> bool {
        let FileName::ImagePart(file) = *self else { return false };
        let image = || file.split('.').next().and_then(Image::parse);
        file.ends_with(SB2) || (file.ends_with(BIN) && image().is_some_and(|image| !image.is_loader()))
    }
}

impl Mac {
    /// The name of the phone-specific file: `SIP` and the digits in upper case, `.cnf` in lower case.
    pub fn config_file(self) -> String {
        FileName::Own(self).to_string()
    }
}

/// The name of the dial plan that the parameter `dial_template` names.
pub fn dial_plan(template: &str) -> String {
    format!("{template}{XML}")
}

/// The names under which a file that a phone asks for is looked for: with its folders, and then without, because phones put
/// `tftp_cfg_dir` in front of their file's name. A leading `/` or `./` counts for nothing, and nothing above the root exists.
pub fn looked_for(requested: &str) -> impl Iterator<Item = String> + use<> {
    let mut parts = Vec::new();
    let mut inside = true;
    for part in requested.split(['/', '\\']).filter(|part| !matches!(*part, "" | ".")) {
        inside &= part != "..";
        parts.push(part);
    }
    let base = (parts.len() > 1).then(|| parts.last().map(|base| (*base).to_owned())).flatten();
    let name = (!parts.is_empty()).then(|| parts.join("/"));
    [name, base].into_iter().flatten().filter(move |_| inside)
}

/// The twelve digits between prefix and extension, if the name is these three and nothing else.
fn address_in(base: &str, (prefix, extension): (&str, &str)) -> Option<Mac> {
    let digits = base.len().checked_sub(extension.len()).and_then(|end| base.get(prefix.len()..end))?;
    (starts_with(base, prefix) && ends_with(base, extension)).then_some(())?;
    Mac::from_digits(digits)
}

fn starts_with(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix))
}

fn ends_with(name: &str, suffix: &str) -> bool {
    let tail = name.len().checked_sub(suffix.len()).and_then(|start| name.get(start..));
    tail.is_some_and(|tail| tail.eq_ignore_ascii_case(suffix))
}

impl fmt::Display for FileName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let framed = |f: &mut fmt::Formatter<'_>, (prefix, extension): (&str, &str), mac: Option<Mac>| match mac {
            Some(mac) => write!(f, "{prefix}{mac}{extension}"),
            None => write!(f, "{prefix}{extension}"),
        };
        match *self {
            FileName::Common => f.write_str(SIP_DEFAULT),
            FileName::Own(mac) => framed(f, OWN, Some(mac)),
            FileName::CtlSep(mac) => framed(f, CTLSEP, mac),
            FileName::Sep(mac) => framed(f, SEP, mac),
            FileName::Mgc(mac) => framed(f, MGC, Some(mac)),
            FileName::Os79xx => f.write_str(OS79XX),
            FileName::XmlDefault => f.write_str(XML_DEFAULT),
            FileName::RingList => f.write_str(RING_LIST),
            FileName::SyncInfo => f.write_str(SYNC_INFO),
            FileName::Loads(base) | FileName::ImagePart(base) | FileName::Xml(base) | FileName::Other(base) => {
                f.write_str(base)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DIGITS: &str = "000E84C060A6";

    fn mac() -> Mac {
        DIGITS.parse().unwrap()
    }

    #[test]
    fn every_name_that_phones_ask_for_is_known() {
        let mac = mac();
        for (name, expected) in [
            ("SIPDefault.cnf", FileName::Common),
            ("SIP000E84C060A6.cnf", FileName::Own(mac)),
            ("CTLSEP000E84C060A6.tlv", FileName::CtlSep(Some(mac))),
            ("SEP000E84C060A6.cnf.xml", FileName::Sep(Some(mac))),
            ("MGC000E84C060A6.cnf", FileName::Mgc(mac)),
            ("OS79XX.TXT", FileName::Os79xx),
            ("XMLDefault.cnf.xml", FileName::XmlDefault),
            ("RINGLIST.DAT", FileName::RingList),
            ("syncinfo.xml", FileName::SyncInfo),
            ("P0S3-8-12-00.loads", FileName::Loads("P0S3-8-12-00.loads")),
            ("P003-8-12-00.sbn", FileName::ImagePart("P003-8-12-00.sbn")),
            ("P0S3-8-12-00.sb2", FileName::ImagePart("P0S3-8-12-00.sb2")),
            ("P0S30202.bin", FileName::ImagePart("P0S30202.bin")),
            ("dialplan.xml", FileName::Xml("dialplan.xml")),
            ("ringer1.pcm", FileName::Other("ringer1.pcm")),
        ] {
            assert_eq!(FileName::parse(name), expected, "{name}");
            assert_eq!(expected.to_string(), name);
        }
    }

    #[test]
    fn folders_and_case_do_not_matter() {
        for name in ["./SIP000E84C060A6.cnf", "/cfg/sip000e84c060a6.CNF", "a\\b\\SIP000E84C060a6.Cnf"] {
            assert_eq!(FileName::parse(name), FileName::Own(mac()), "{name}");
        }
        assert_eq!(FileName::parse("/ringlist.dat"), FileName::RingList);
        assert_eq!(FileName::parse("US/7960-tones.xml"), FileName::Xml("7960-tones.xml"));
        assert_eq!(FileName::parse("x/P0S3-8-12-00.LOADS").image(), Some("P0S3-8-12-00"));
    }

    #[test]
    fn odd_names_are_what_they_always_were() {
        for (name, expected) in [
            ("SIP000E84C060A.cnf", FileName::Other("SIP000E84C060A.cnf")),
            ("SIP000E84C060A6.txt", FileName::Other("SIP000E84C060A6.txt")),
            ("SIP000E84C060G6.cnf", FileName::Other("SIP000E84C060G6.cnf")),
            ("SIP00:0E:84:C0:60:A6.cnf", FileName::Other("SIP00:0E:84:C0:60:A6.cnf")),
            ("SIP000E84C060A6.cnf.xml", FileName::Xml("SIP000E84C060A6.cnf.xml")),
            ("MGC000E84C060A6.cnf.xml", FileName::Xml("MGC000E84C060A6.cnf.xml")),
            ("SEP000E84C060A6.cnf", FileName::Other("SEP000E84C060A6.cnf")),
            ("SEP.cnf.xml", FileName::Sep(None)),
            ("sepü.CNF.XML", FileName::Sep(None)),
            ("SEP000E84C060A6.loads", FileName::Loads("SEP000E84C060A6.loads")),
            ("CTLSEP", FileName::CtlSep(None)),
            ("CTLSEP000E84C060A6.cnf.xml", FileName::CtlSep(None)),
            ("ctlsep.loads", FileName::CtlSep(None)),
            (".loads", FileName::Loads(".loads")),
            (".cnf", FileName::Other(".cnf")),
            ("SIP.cnf", FileName::Other("SIP.cnf")),
            ("SIPDefault.cnf/", FileName::Other("")),
            ("", FileName::Other("")),
        ] {
            assert_eq!(FileName::parse(name), expected, "{name}");
        }
    }

    #[test]
    fn a_file_is_looked_for_with_its_folders_and_without() {
        for (requested, names) in [
            ("dialplan.xml", &["dialplan.xml"] as &[_]),
            ("./dialplan.xml", &["dialplan.xml"]),
            ("//./a.raw", &["a.raw"]),
            ("voip/plans/desk.xml", &["voip/plans/desk.xml", "desk.xml"]),
            ("rings\\a.raw", &["rings/a.raw", "a.raw"]),
            ("../a.raw", &[]),
            ("./", &[]),
            ("", &[]),
        ] {
            assert_eq!(looked_for(requested).collect::<Vec<_>>(), names, "{requested}");
        }
    }

    #[test]
    fn the_application_is_the_last_part_of_an_image() {
        for (name, is_application) in [
            ("P0S3-8-12-00.sb2", true),
            ("anything.sb2", true),
            ("P0S3-06-3-00.bin", true),
            ("P0S30202.bin", true),
            ("P003-06-3-00.bin", true),
            ("P003-07-4-00.bin", false),
            ("other.bin", false),
            ("P003-8-12-00.sbn", false),
            ("P0S3-8-12-00.loads", false),
            ("P0S3-8-12-00.SB2", false),
        ] {
            assert_eq!(FileName::parse(name).is_application(), is_application, "{name}");
        }
    }

    /// Names that are right, nearly right, and nothing of the kind.
    fn names() -> impl Strategy<Value = String> {
        let folder = prop_oneof![Just(""), Just("./"), Just("/cfg/"), Just("a\\"), Just("SIP/")];
        let prefix = prop_oneof![
            Just("SIP"),
            Just("CTLSEP"),
            Just("SEP"),
            Just("MGC"),
            Just("mgc"),
            Just("SIPDefault"),
            Just("OS79XX"),
            Just("XMLDefault"),
            Just("RINGLIST"),
            Just("syncinfo"),
            Just("P0S3-8-12-00"),
            Just("P003-07-4-00"),
            Just("")
        ];
        let middle = prop_oneof![Just(String::new()), "[0-9A-Fa-f]{12}", "[0-9A-Ga-gü]{10,13}"];
        let suffix = prop_oneof![
            Just(".cnf"),
            Just(".CNF"),
            Just(".tlv"),
            Just(".cnf.xml"),
            Just(".TXT"),
            Just(".DAT"),
            Just(".xml"),
            Just(".loads"),
            Just(".bin"),
            Just(".sbn"),
            Just(".sb2"),
            Just(".SB2"),
            Just("")
        ];
        prop_oneof![
            4 => (folder, prefix, middle, suffix).prop_map(|(a, b, c, d)| format!("{a}{b}{c}{d}")),
            1 => any::<String>(),
        ]
    }

    proptest! {
        #[test]
        fn the_canonical_name_has_the_same_meaning(name in names()) {
            let parsed = FileName::parse(&name);
            let canonical = parsed.to_string();
            prop_assert_eq!(FileName::parse(&canonical), parsed);
        }

        #[test]
        fn case_and_folders_change_nothing_but_the_text(name in names()) {
            let (lower, inner) = (name.to_ascii_lowercase(), format!("x/{name}"));
            let parsed = FileName::parse(&name);
            prop_assert_eq!(FileName::parse(&inner), parsed);
            let lower = FileName::parse(&lower);
            prop_assert_eq!(std::mem::discriminant(&lower), std::mem::discriminant(&parsed));
            prop_assert_eq!(lower.mac(), parsed.mac());
        }

        #[test]
        fn an_address_in_a_name_is_that_address(bytes in any::<[u8; 6]>()) {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let mac: Mac = digits.parse().unwrap();
            for name in [FileName::Own(mac), FileName::CtlSep(Some(mac)), FileName::Sep(Some(mac)), FileName::Mgc(mac)] {
                let text = name.to_string();
                prop_assert_eq!(FileName::parse(&text), name);
                prop_assert_eq!(name.mac(), Some(mac));
            }
        }
    }
}
