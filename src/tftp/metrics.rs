//! What the server counts. No label comes from a client.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, text::encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// How a request ended.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelValue)]
pub enum Result {
    /// All bytes were acknowledged.
    Complete,
    /// There is no such file.
    NotFound,
    /// The client gave up.
    Aborted,
    /// The client fell silent.
    TimedOut,
    /// The request was refused.
    Refused,
}

/// The label of a request's end.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Labels {
    /// How it ended.
    pub result: Result,
}

/// The server's metrics.
#[derive(Default)]
pub struct Metrics {
    /// Requests, by how they ended.
    pub requests: Family<Labels, Counter>,
    /// Bytes that were acknowledged.
    pub bytes: Counter,
    /// Packets that were sent again.
    pub retransmissions: Counter,
    /// Datagrams that made no sense or belonged to no transfer.
    pub ignored: Counter,
    /// Requests that were dropped because there were too many transfers.
    pub dropped: Counter,
    /// Transfers under way.
    pub active: Gauge,
    /// Files that are served.
    pub files: Gauge,
    /// Their bytes.
    pub file_bytes: Gauge,
}

impl Metrics {
    /// The metrics in OpenMetrics' text format.
    pub fn text(&self) -> std::result::Result<String, std::fmt::Error> {
        let mut registry = Registry::with_prefix("tftp");
        registry.register("requests", "Read requests, by how they ended", self.requests.clone());
        registry.register("acknowledged_bytes", "Bytes that clients acknowledged", self.bytes.clone());
        registry.register("retransmissions", "Packets that were sent again", self.retransmissions.clone());
        registry.register("ignored_datagrams", "Datagrams without sense or transfer", self.ignored.clone());
        registry.register("dropped_requests", "Requests beyond the most transfers", self.dropped.clone());
        registry.register("active_transfers", "Transfers under way", self.active.clone());
        registry.register("files", "Files that are served", self.files.clone());
        registry.register("file_bytes", "Bytes of all files", self.file_bytes.clone());
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }
}
