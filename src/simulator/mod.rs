//! A phone that boots like the real one, so that a site can be tried without hardware.
//!
//! It shares nothing with the server but a phone's own facts: its TFTP client, its reader of configuration files and its SIP
//! are its own, so that the two halves check each other.

mod boot;
mod client;
mod command;
mod display;
mod flash;
mod images;
mod misfortune;
mod outcome;
mod report;
mod sip;
mod stay;
mod telnet;
mod watch;

pub use boot::{Ended, Options, Phone, boot};
pub use client::Patience;
pub use command::{Args, run};
pub use display::{Display, Doing};
pub use flash::{Flash, Memory};
pub use misfortune::Misfortune;
pub use outcome::{FetchResult, Fetched, Outcome};
pub use stay::{Stay, stay};
