//! The TFTP server: RFC 1350 with options (RFC 2347, 2348, 2349, 7440), read-only.
//!
//! `session` is one transfer without sockets and clocks, of which `budget` says how much may be sent and `pacing` when it is sent again; a `worker` runs many of them
//! over UDP, and `shares` says which one makes room when there are too many; the `file_store` holds the
//! files, which `directory` loads; the `transfer_log` keeps what happened, and [`http`] reports it.

pub(crate) mod budget;
mod command;
pub(crate) mod content;
mod descriptors;
mod directory;
pub(crate) mod file_store;
pub mod http;
mod metrics;
mod outbox;
mod pacing;
pub(crate) mod packet;
mod port_mode;
mod server;
pub(crate) mod session;
mod shared;
mod shares;
mod socket;
mod strays;
mod transfer_log;
mod transfers;
mod wheel;
mod worker;

pub use command::{Args, run};
pub use directory::{DirectoryLoader, MAX_BYTES, QUIET, Reading};
pub use file_store::{Change, FileStore};
pub use metrics::Metrics;
pub use port_mode::PortMode;
pub use server::{Config, Server};
pub use transfer_log::TransferLog;
