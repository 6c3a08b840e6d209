//! A phone that boots like the real one, so that a site can be tried without hardware.
//!
//! It shares nothing with the server but a phone's own facts: its TFTP client and its reader of configuration files are its
//! own, so that the two halves check each other.

mod boot;
mod client;
mod command;
mod flash;
mod report;

pub use boot::{FetchResult, Fetched, Options, Outcome, boot};
pub use client::Patience;
pub use command::{Args, run};
pub use flash::Flash;
