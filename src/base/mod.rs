//! The ground floor: what every other room may use, and what uses none of them.

pub mod backoff;
pub mod digest;
pub mod exposition;
pub mod folder;
pub mod http_server;
pub mod lasting;
pub mod network;
pub mod output;
pub mod process;
pub mod report;
pub mod secret_name;
mod shutdown;
pub mod terminal;
pub mod text;
mod thread;
pub mod url;
pub mod watcher;

pub use backoff::Backoff;
pub use shutdown::shutdown_signal;
pub(crate) use thread::SupervisedThread;
