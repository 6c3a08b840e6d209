//! Fault injection: what goes wrong with a phone while it downloads an image.

use crate::phone::FileName;
use crate::phone::image::SB2;

/// A fault of a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It aborts at this byte of each file of an image.
    FailAt(usize),
    /// It is switched off at this byte of the first file of an image, for good.
    VanishAt(usize),
    /// It never gets past the loader, as was seen in the field: it aborts, restarts, and begins again.
    Loop,
}

/// What a fault does to one transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TransferFault {
    /// The phone aborts the transfer at this byte.
    Abort(usize),
    /// The phone is switched off at this byte.
    Vanish(usize),
}

impl Fault {
    /// What the fault does to the transfer of a file.
    pub(super) fn of_transfer(self, file: &str) -> Option<TransferFault> {
        let FileName::ImagePart(part) = FileName::parse(file) else { return None };
        match self {
            Fault::FailAt(byte) => Some(TransferFault::Abort(byte)),
            Fault::VanishAt(byte) => Some(TransferFault::Vanish(byte)),
            Fault::Loop => (!part.ends_with(SB2)).then_some(TransferFault::Abort(0)),
        }
    }
}
