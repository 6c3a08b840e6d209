//! A phone that boots like the real one, so that a site can be tried without hardware.
//!
//! It shares only the facts about phones (`crate::phone`) with the server. Its TFTP client, its SIP and telnet servers and its
//! boot order are its own code, so that the simulated phone and the server test each other.

mod boot;
mod boots;
mod client;
mod command;
mod display;
mod fault;
mod flash;
mod images;
mod network;
mod outcome;
mod phone;
mod progress;
mod report;
mod run;
pub(crate) mod sip;
mod telnet;

pub use boot::boot;
pub use client::Patience;
pub use command::{Args, run};
pub use display::{Activity, Display};
pub use fault::{Fault, Losses};
pub use flash::Flash;
pub use outcome::{FetchResult, Fetched, Outcome};
pub use phone::{Options, Phone};
pub use run::{RunOptions, run_until_off};
pub use sip::SipAnswers;
