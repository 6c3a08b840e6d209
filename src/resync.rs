//! Makes a running phone check its files for a change: by SIP NOTIFY, or by telnet.

mod notify;
pub(crate) mod sip;
pub(crate) mod telnet;

pub use notify::notify;
pub use telnet::reset;

use crate::provision::resync::{ResyncError, ResyncOrder, Transport};

/// How many bytes of a phone's answer are shown.
const ANSWER: usize = 80;

/// Sends one resync, and waits for the phone's answer.
pub(crate) async fn send(order: &ResyncOrder) -> Result<(), ResyncError> {
    match &order.transport {
        Transport::Notify { port, lines } => notify::notify((order.address, *port).into(), lines).await,
        Transport::Telnet { password } => telnet::reset((order.address, telnet::PORT).into(), &password.0).await,
    }
}
