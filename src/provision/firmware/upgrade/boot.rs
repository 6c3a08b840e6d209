//! What was seen of one boot of a phone.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::Named;

/// Of how many files it is known that the phone did not get them: one is enough to conclude from, and anybody can ask for any
/// name.
const MAX_FAILED: usize = 16;

/// One boot.
///
/// Many fields because each is one observation, and any of them may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Boot {
    /// Whether it is one of firmware before 7.0.
    pub(super) legacy: bool,
    /// When it began.
    pub(super) began: Timestamp,
    /// The image whose `.loads` file it took.
    pub(super) loads: Option<String>,
    /// Whether it asked for parts.
    pub(super) asked: bool,
    /// The parts that it did not take whole, or the `.loads` file that names them.
    pub(super) failed: BTreeSet<String>,
    /// Whether it may have asked for more than is known.
    pub(super) unclear: bool,
    /// The parts that it took whole.
    pub(super) took: BTreeSet<String>,
    /// What SIPDefault.cnf names.
    pub(super) common: Named,
    /// What its own file names, once it read that.
    pub(super) own: Option<Named>,
    /// When it read SIPDefault.cnf.
    pub(super) common_at: Option<Timestamp>,
    /// When it read its own file.
    pub(super) own_at: Option<Timestamp>,
    /// When it was last seen to go on with what it runs.
    pub(super) went_on: Option<Timestamp>,
}

impl Boot {
    /// A boot that begins.
    pub(super) fn new(legacy: bool, began: Timestamp) -> Box<Boot> {
        Box::new(Boot {
            legacy,
            began,
            loads: None,
            asked: false,
            failed: BTreeSet::new(),
            unclear: false,
            took: BTreeSet::new(),
            common: Named::Unknown,
            own: None,
            common_at: None,
            own_at: None,
            went_on: None,
        })
    }

    /// A file did not come whole.
    pub(super) fn fail(&mut self, file: &str) {
        if self.failed.len() < MAX_FAILED {
            self.failed.insert(file.to_owned());
        }
    }

    /// What its configuration names, once it read its own file.
    pub(super) fn names(&self) -> Option<&Named> {
        match self.own.as_ref()? {
            Named::Nothing => Some(&self.common),
            own => Some(own),
        }
    }
}
