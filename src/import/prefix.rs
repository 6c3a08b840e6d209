//! `tftp_cfg_dir`: what phones put in front of the names of their own files, as it is. It may be a folder, the beginning of a name, or both.

use crate::phone::file_name::looked_for;
use crate::phone::parameter::is_unset;
use crate::phone::{FileName, Mac};

/// The parameter's name.
pub const PREFIX: &str = "tftp_cfg_dir";

/// The name of a phone's own file without its address has so many bytes less.
const OWN_NAME: usize = "SIP000000000000.cnf".len();

/// A prefix.
#[derive(Debug)]
pub struct Prefix {
    asked: String,
    /// The same as a place in a tree, from what is asked for to what is left without its folders: `a/b/p-`, `b/p-`, `p-`. None if it
    /// leads out of the tree. Then come the same names as folders.
    places: Vec<String>,
}

impl Prefix {
    /// As `SIPDefault.cnf` says it; nothing if it does not.
    pub fn new(asked: &str) -> Prefix {
        let asked = if is_unset(PREFIX, asked) { "" } else { asked };
        let name = looked_for(&format!("{asked}SIP000000000000.cnf")).next();
        let place = name.and_then(|name| Some(name.get(..name.len().checked_sub(OWN_NAME)?)?.to_owned()));
        let shorter = |place: &String| place.split_once('/').map(|(_, rest)| rest.to_owned());
        let mut places: Vec<String> = std::iter::successors(place, shorter).collect();
        // A folder without its slash is the beginning of a name to phones, and a folder to whoever wrote it.
        let is_name = |place: &&String| !place.is_empty() && !place.ends_with('/');
        let folders: Vec<String> = places.iter().filter(is_name).map(|place| format!("{place}/")).collect();
        places.extend(folders);
        Prefix { asked: asked.to_owned(), places }
    }

    /// Whether there is one.
    pub fn is_set(&self) -> bool {
        !self.asked.is_empty()
    }

    /// The file that a phone asks for, in its own spelling.
    pub fn asks(&self, mac: Mac) -> String {
        format!("{}{}", self.asked, mac.config_file())
    }

    /// Whether files are asked for that a server of plain names does not find: the prefix begins a name, or leads out of the root.
    pub fn hides_names(&self) -> bool {
        self.places.first().is_none_or(|place| !place.is_empty() && !place.ends_with('/'))
    }

    /// The phone that gets a file, how sure that is (0 is what it asks for, others are near it), and whether the spelling is another.
    pub fn owner(&self, name: &str) -> Option<(Mac, usize, bool)> {
        let under = |place: &str| {
            let (head, own) = (name.get(..place.len())?, name.get(place.len()..)?);
            let FileName::Own(mac) = FileName::parse(own) else { return None };
            let fits = !own.contains('/') && head.eq_ignore_ascii_case(place);
            fits.then(|| (mac, head != place || own != mac.config_file()))
        };
        let plain = self.places.iter().map(String::as_str).chain([""]);
        plain.enumerate().find_map(|(rank, place)| under(place).map(|(mac, is_misspelled)| (mac, rank, is_misspelled)))
    }
}

/// The address in a file's name that ends as that of a phone's own file; and whether anything but a folder stands before that.
pub fn like_own(name: &str) -> Option<(Mac, bool)> {
    let (head, own) = name.split_at_checked(name.len().checked_sub(OWN_NAME)?)?;
    match FileName::parse(own) {
        FileName::Own(mac) if !own.contains('/') => Some((mac, !head.is_empty() && !head.ends_with('/'))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_folder_the_beginning_of_a_name_or_both() {
        let mac: Mac = "000A8A123456".parse().unwrap();
        for (prefix, name, rank, other) in [
            ("", "SIP000A8A123456.cnf", 0, false),
            ("./", "SIP000A8A123456.cnf", 0, false),
            ("./phones/", "phones/SIP000A8A123456.cnf", 0, false),
            ("phones\\", "phones/SIP000A8A123456.cnf", 0, false),
            ("Phones/", "phones/SIP000A8A123456.cnf", 0, true),
            ("p-", "p-SIP000A8A123456.cnf", 0, false),
            ("p-", "P-sip000a8a123456.CNF", 0, true),
            ("a//b/p_", "a/b/p_SIP000A8A123456.cnf", 0, false),
            ("/tftpboot/phones/", "phones/SIP000A8A123456.cnf", 1, false),
            ("/tftpboot/p-", "p-SIP000A8A123456.cnf", 1, false),
            ("phones/", "SIP000A8A123456.cnf", 1, false),
            ("phones", "SIP000A8A123456.cnf", 2, false),
            ("phones", "phones/SIP000A8A123456.cnf", 1, false),
            ("/tftpboot/configs/phones", "configs/phones/SIP000A8A123456.cnf", 4, false),
            ("phones", "phonesSIP000A8A123456.cnf", 0, false),
            ("../x/", "SIP000A8A123456.cnf", 0, false),
        ] {
            assert_eq!(Prefix::new(prefix).owner(name), Some((mac, rank, other)), "{prefix} {name}");
        }
        for (prefix, name) in
            [("", "phones/SIP000A8A123456.cnf"), ("p-", "q-SIP000A8A123456.cnf"), ("a/", "b/SIP000A8A123456.cnf")]
        {
            assert_eq!(Prefix::new(prefix).owner(name), None, "{prefix} {name}");
            assert_eq!(like_own(name), Some((mac, prefix == "p-")));
        }
        assert!(["p-", "a/p-", "phones", "../a/"].iter().all(|prefix| Prefix::new(prefix).hides_names()));
        assert!(!["", "./", "a/", "/a/b/", "\\a\\"].iter().any(|prefix| Prefix::new(prefix).hides_names()));
        assert_eq!(Prefix::new("./p-").asks(mac), "./p-SIP000A8A123456.cnf");
        assert_eq!(like_own("SIPDefault.cnf"), None);
    }
}
