//! What the operator counts. No label names a phone: their number has no bound.

use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::api::Stage;
use crate::provision::Key;

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

/// A stage of the firmware of a site's phones.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct StageLabels {
    /// The site's namespace.
    pub namespace: String,
    /// The site.
    pub site: String,
    /// The stage.
    pub stage: String,
}

/// The operator's metrics.
pub struct Metrics {
    /// Pieces of work done.
    pub work: Family<WorkLabels, Counter>,
    /// Writes to the API.
    pub writes: Family<WriteLabels, Counter>,
    /// Phones that were told to fetch a change.
    pub resyncs: Family<ResyncLabels, Counter>,
    /// Phones at each stage of their firmware, site by site.
    pub stages: Family<StageLabels, Gauge>,
    /// How long upgrades took, in seconds.
    pub upgrades: Histogram,
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

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics {
            work: Family::default(),
            writes: Family::default(),
            resyncs: Family::default(),
            stages: Family::default(),
            // From an image on a quick network to a phone that needs several nights.
            upgrades: Histogram::new([15.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0, 6.0 * 3600.0, 86_400.0]),
            undecodable: Counter::default(),
            watch_errors: Counter::default(),
            report_errors: Counter::default(),
            phones: Gauge::default(),
            sites: Gauge::default(),
            waiting: Gauge::default(),
            failing: Gauge::default(),
        }
    }
}

impl Metrics {
    /// Counts the phones anew.
    pub fn count_stages(&self, counts: Vec<(Key, Stage, i64)>) {
        self.stages.clear();
        for (site, stage, phones) in counts {
            let labels = StageLabels {
                namespace: site.namespace.to_string(),
                site: site.name.to_string(),
                stage: format!("{stage:?}"),
            };
            self.stages.get_or_create(&labels).set(phones);
        }
    }

    /// The metrics in OpenMetrics' text format.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut registry = Registry::with_prefix("dialtone_operator");
        registry.register("work", "Pieces of work done, by kind and result", self.work.clone());
        registry.register("api_writes", "Writes to the Kubernetes API, by kind of object", self.writes.clone());
        registry.register("resyncs", "Phones told to fetch a change, by result", self.resyncs.clone());
        registry.register("phones_by_stage", "SipPhones at each stage of their firmware", self.stages.clone());
        registry.register(
            "upgrade_seconds",
            "From the first byte of an image until a phone runs it",
            self.upgrades.clone(),
        );
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
