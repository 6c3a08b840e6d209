//! What the server counts. No label comes from a client; the values of labels are written as statuses write words, and each is there
//! from the start, at 0: a counter that appears with its first error hides that error from who asks for its increase.

use std::fmt;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, text::encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Metric, Registry};

use super::file_store::Snapshot;
use super::session::Progress;
use crate::base::process;
use crate::base::report::Outcome;

/// How a request ended.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelValue)]
enum Result {
    Complete,
    NotFound,
    Aborted,
    TimedOut,
    Refused,
}

/// The label of a request's end.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    result: Result,
}

/// The server's metrics. Many fields because each metric has one.
pub struct Metrics {
    registry: Registry,
    requests: Counter,
    results: Family<Labels, Counter>,
    acknowledged_bytes: Counter,
    acknowledged_blocks: Counter,
    retransmissions: Counter,
    ignored: Counter,
    dropped: Counter,
    evicted: Counter,
    active: Gauge,
    files: Gauge,
    file_bytes: Gauge,
}

impl Default for Metrics {
    fn default() -> Metrics {
        /// A metric that is registered, because there is no other way to one.
        fn new<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
            let metric = M::default();
            registry.register(name, help, metric.clone());
            metric
        }
        let mut registry = Registry::default();
        process::register(&mut registry);
        let all = registry.sub_registry_with_prefix("dialtone_tftp");
        let metrics = Metrics {
            requests: new(all, "requests", "Requests that came, each once however often it was sent"),
            results: new(all, "results", "Requests that came to their end, by how they ended"),
            acknowledged_bytes: new(all, "acknowledged_bytes", "Bytes of files that clients acknowledged"),
            acknowledged_blocks: new(all, "acknowledged_blocks", "Blocks that clients acknowledged"),
            retransmissions: new(all, "retransmissions", "Packets that were sent again"),
            ignored: new(all, "ignored_datagrams", "Datagrams without sense or transfer"),
            dropped: new(all, "dropped_requests", "Requests beyond the most transfers"),
            evicted: new(all, "evicted_transfers", "Transfers that made room for others"),
            active: new(all, "active_transfers", "Transfers under way"),
            files: new(all, "files", "Files that are served"),
            file_bytes: new(all, "file_bytes", "Bytes of all files"),
            registry: Registry::default(),
        };
        for result in [Result::Complete, Result::NotFound, Result::Aborted, Result::TimedOut, Result::Refused] {
            drop(metrics.results.get_or_create(&Labels { result }));
        }
        Metrics { registry, ..metrics }
    }
}

impl Metrics {
    /// A request came.
    pub(super) fn request_came(&self) {
        self.requests.inc();
    }

    /// A request came to its end, with a transfer or without one.
    pub(super) fn request_ended(&self, outcome: Outcome) {
        let result = match outcome {
            Outcome::Complete => Result::Complete,
            Outcome::NotFound => Result::NotFound,
            Outcome::Aborted => Result::Aborted,
            Outcome::TimedOut => Result::TimedOut,
            Outcome::Refused => Result::Refused,
            // Not an end.
            Outcome::Running => return,
        };
        self.results.get_or_create(&Labels { result }).inc();
    }

    /// A transfer began.
    pub(super) fn transfer_began(&self) {
        self.active.inc();
    }

    /// A transfer came to its end.
    pub(super) fn transfer_ended(&self, outcome: Outcome) {
        self.request_ended(outcome);
        self.active.dec();
    }

    /// Transfers brought about so much.
    pub(super) fn progress(&self, Progress { bytes, blocks, retransmissions }: Progress) {
        self.acknowledged_bytes.inc_by(bytes);
        self.acknowledged_blocks.inc_by(blocks);
        self.retransmissions.inc_by(retransmissions);
    }

    /// A datagram made no sense, or belonged to no transfer.
    pub(super) fn datagram_ignored(&self) {
        self.ignored.inc();
    }

    /// A request was dropped because there were too many transfers.
    pub(super) fn request_dropped(&self) {
        self.dropped.inc();
    }

    /// A transfer made room for another one.
    pub(super) fn transfer_evicted(&self) {
        self.evicted.inc();
    }

    /// How many transfers are under way.
    pub fn active_transfers(&self) -> i64 {
        self.active.get()
    }

    /// The metrics in OpenMetrics' text format, without the mark of its end.
    pub(super) fn text(&self, files: &Snapshot) -> std::result::Result<String, fmt::Error> {
        self.files.set(files.files().count() as i64);
        self.file_bytes.set(files.size() as i64);
        let mut text = String::new();
        encode_registry(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_is_counted_under_its_own_name_and_progress_is_none() {
        let metrics = Metrics::default();
        let ends = [Outcome::Complete, Outcome::NotFound, Outcome::Aborted, Outcome::TimedOut, Outcome::Refused];
        for (n, outcome) in ends.into_iter().enumerate() {
            (0..=n).for_each(|_| metrics.request_ended(outcome));
        }
        metrics.request_ended(Outcome::Running);
        metrics.transfer_began();
        metrics.transfer_began();
        metrics.request_came();
        metrics.progress(Progress { bytes: 512, blocks: 2, retransmissions: 3 });
        metrics.transfer_ended(Outcome::Complete);
        metrics.transfer_evicted();
        let text = metrics.text(&Snapshot::default()).unwrap();
        assert!(
            Metrics::default().text(&Snapshot::default()).unwrap().contains("results_total{result=\"Refused\"} 0\n")
        );
        for line in [
            "dialtone_tftp_results_total{result=\"Complete\"} 2",
            "dialtone_tftp_results_total{result=\"NotFound\"} 2",
            "dialtone_tftp_results_total{result=\"Aborted\"} 3",
            "dialtone_tftp_results_total{result=\"TimedOut\"} 4",
            "dialtone_tftp_results_total{result=\"Refused\"} 5",
            "dialtone_tftp_requests_total 1",
            "dialtone_tftp_acknowledged_bytes_total 512",
            "dialtone_tftp_acknowledged_blocks_total 2",
            "dialtone_tftp_retransmissions_total 3",
            "dialtone_tftp_active_transfers 1",
            "dialtone_tftp_ignored_datagrams_total 0",
            "dialtone_tftp_dropped_requests_total 0",
            "dialtone_tftp_evicted_transfers_total 1",
            "dialtone_tftp_files 0",
            "dialtone_tftp_file_bytes 0",
        ] {
            assert!(text.lines().any(|one| one == line), "{line} in {text}");
        }
        assert_eq!(text.matches("dialtone_tftp_results_total{").count(), 5);
    }
}
