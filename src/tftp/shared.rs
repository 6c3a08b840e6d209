//! What all workers of a server share.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::file_store::FileStore;
use super::metrics::Metrics;
use super::port_mode::PortMode;
use super::transfer_log::TransferLog;

/// What all workers of a server share.
pub struct Shared {
    /// The files.
    pub files: Arc<FileStore>,
    /// Where requests are noted.
    pub log: Arc<TransferLog>,
    /// The counts.
    pub metrics: Arc<Metrics>,
    /// Which port answers.
    pub port_mode: PortMode,
    /// The most transfers of one worker.
    pub max_sessions: usize,
    /// The largest window, in blocks.
    pub windowsize: u16,
    /// Set on shutdown: no new transfers.
    pub is_ending: AtomicBool,
}
