//! Which port a transfer is served from.

/// Which port answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum PortMode {
    /// The one that was asked: works behind Services, load balancers and NAT.
    #[default]
    Single,
    /// A new one for each transfer, as RFC 1350 has it.
    Ephemeral,
}
