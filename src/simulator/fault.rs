//! Fault injection: what goes wrong with a phone while it downloads an image, and between it and its server.

use crate::phone::FileName;
use crate::phone::image::SB2;

/// A fault of a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It aborts at this byte of each file of an image.
    FailAt(usize),
    /// It is switched off at this byte of the first file of an image, for good.
    VanishAt(usize),
    /// Its power is cut at this byte of each file of an image. It says nothing, restarts, and asks for the file from the same port.
    CutAt(usize),
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
    /// The phone is switched off at this byte, and on again.
    Cut(usize),
}

/// What is lost between a phone and its TFTP server.
#[derive(Clone, Copy, Debug, Default)]
pub struct Losses {
    /// Of all datagrams so many percent, in both directions.
    pub percent: u8,
    /// Which ones follows from this number, and from the phone's Ethernet address.
    pub seed: u64,
    /// The last acknowledgement of each file.
    pub last_ack: bool,
}

impl Fault {
    /// What the fault does to the transfer of a file.
    pub(super) fn of_transfer(self, file: &str) -> Option<TransferFault> {
        let FileName::ImagePart(part) = FileName::parse(file) else { return None };
        match self {
            Fault::FailAt(byte) => Some(TransferFault::Abort(byte)),
            Fault::VanishAt(byte) => Some(TransferFault::Vanish(byte)),
            Fault::CutAt(byte) => Some(TransferFault::Cut(byte)),
            Fault::Loop => (!part.ends_with(SB2)).then_some(TransferFault::Abort(0)),
        }
    }
}
