//! What the operator counts. No label names an object: their number has no bound.

use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What kind of work it was, and how it ended.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct WorkLabels {
    /// `shard`, `status` and so on.
    pub work: &'static str,
    /// `ok` or `error`.
    pub result: &'static str,
}

/// What kind of write it was.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct WriteLabels {
    /// The kind of object.
    pub kind: &'static str,
}

/// How telling a phone to fetch a change ended.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ResyncLabels {
    /// `Told`, or the reason why it could not be told.
    pub result: &'static str,
}

/// The operator's metrics.
#[derive(Default)]
pub struct Metrics {
    /// Pieces of work done.
    pub work: Family<WorkLabels, Counter>,
    /// Writes to the API.
    pub writes: Family<WriteLabels, Counter>,
    /// Phones that were told to fetch a change.
    pub resyncs: Family<ResyncLabels, Counter>,
    /// Objects that could not be decoded.
    pub undecodable: Counter,
    /// Watches that failed and were begun again.
    pub watch_errors: Counter,
    /// Reports of TFTP pods that could not be had.
    pub report_errors: Counter,
    /// Phones and sites there are.
    pub phones: Gauge,
    /// Sites there are.
    pub sites: Gauge,
    /// Things that wait to be looked at.
    pub waiting: Gauge,
    /// Things that failed last time.
    pub failing: Gauge,
}

impl Metrics {
    /// The metrics in OpenMetrics' text format.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut registry = Registry::with_prefix("dialtone_operator");
        registry.register("work", "Pieces of work done, by kind and result", self.work.clone());
        registry.register("api_writes", "Writes to the Kubernetes API, by kind of object", self.writes.clone());
        registry.register("resyncs", "Phones told to fetch a change, by result", self.resyncs.clone());
        registry.register("undecodable_objects", "Objects that could not be decoded", self.undecodable.clone());
        registry.register("watch_errors", "Watches that failed and were begun again", self.watch_errors.clone());
        registry.register("report_errors", "Reports of TFTP pods that could not be had", self.report_errors.clone());
        registry.register("phones", "SipPhones", self.phones.clone());
        registry.register("sites", "PhoneSites", self.sites.clone());
        registry.register("queue_waiting", "Things that wait to be looked at", self.waiting.clone());
        registry.register("queue_failing", "Things whose last attempt failed", self.failing.clone());
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }
}
