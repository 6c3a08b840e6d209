//! The ground floor: what every other room may use, and what uses none of them.

pub mod backoff;
pub mod digest;
pub mod network;
pub mod report;
mod shutdown;
mod thread;

pub use backoff::Backoff;
pub use shutdown::shutdown_signal;
pub(crate) use thread::SupervisedThread;
