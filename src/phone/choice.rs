//! One value of a parameter that takes a fixed list of values.

/// One value of an enumeration.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// The value in manifests.
    pub value: &'static str,
    /// The value in the phone's file.
    pub wire: &'static str,
    /// Its meaning; empty where the name says it.
    pub about: &'static str,
}

impl Choice {
    /// A value whose meaning is described.
    pub(super) const fn new(value: &'static str, wire: &'static str, about: &'static str) -> Choice {
        Choice { value, wire, about }
    }
}
