//! The TFTP server: RFC 1350 with options (RFC 2347, 2348, 2349, 7440), read-only.
//!
//! [`session`] is one transfer without sockets and clocks; the workers run many of them over UDP; [`library`] holds the
//! files; [`tree`] reads them from folders; [`reporter`] remembers what was asked, and [`http`] tells it.

mod command;
pub mod http;
pub mod library;
pub mod metrics;
pub mod packet;
mod port_mode;
pub mod reporter;
mod server;
pub mod session;
mod socket;
mod transfers;
pub mod tree;
mod wheel;
mod worker;

pub use command::{Args, run};
pub use port_mode::PortMode;
pub use server::{Config, Server};
