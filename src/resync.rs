//! Tells running phones to fetch a change: by SIP NOTIFY, or by telnet.

mod notify;
mod sip;
mod telnet;

pub use notify::notify;
pub use telnet::reset;

use crate::provision::resync::{Order, Problem, Way};

/// Tells one phone; why it could not be told.
pub async fn tell(order: &Order) -> Result<(), Problem> {
    match &order.way {
        Way::Notify { port, lines } => notify::notify((order.address, *port).into(), lines).await,
        Way::Telnet { password } => telnet::reset((order.address, telnet::PORT).into(), &password.0).await,
    }
}
