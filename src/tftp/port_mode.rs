//! Which port a transfer is served from.

use super::session::MAX_WINDOW;

/// Which port answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum PortMode {
    /// The one that was asked: works behind Services, load balancers and NAT.
    #[default]
    Single,
    /// A new one for each transfer, as RFC 1350 has it.
    Ephemeral,
}

impl PortMode {
    /// Whether a client that answers has shown that its address is its own, because only it was told the port.
    pub(super) fn answer_is_proof(self) -> bool {
        match self {
            PortMode::Single => false,
            PortMode::Ephemeral => true,
        }
    }

    /// The largest window in blocks, if nobody says otherwise. Where anybody can acknowledge what was sent to somebody else, each
    /// block of a window is one more for each packet.
    pub(super) fn windowsize(self) -> u16 {
        match self {
            PortMode::Single => 1,
            PortMode::Ephemeral => MAX_WINDOW,
        }
    }
}
