//! What the operator counts. No label names a phone: their number has no bound. The values of labels are written as statuses write
//! words: `PhoneStatus`, `NotSent`; where a name is one that all controllers have, so are its labels. What can be counted is there from
//! the start, at 0: a counter that appears with its first error hides that error from who asks for its increase.

mod registered;
mod requests;
mod sites;
mod work;

use std::collections::BTreeMap;

use prometheus_client::encoding::{EncodeLabelSet, text::encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::kind::Kind;
use super::queue::Standing;
use crate::api::Reason;
use crate::base::process;
use crate::provision::SiteFigures;
use registered::Registered;
use requests::ApiRequests;
use work::Reconciles;
pub(super) use work::{Ended, QueueMetrics, WORK, work_name};

/// What kind of write it was.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct WriteLabels {
    kind: &'static str,
}

/// How notifying a phone of a change ended.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ResyncLabels {
    result: &'static str,
}

/// Where a panic was caught.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PanicLabels {
    task: &'static str,
}

/// Which Lease it is.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct LeaderLabels {
    name: &'static str,
}

/// How far sites are with the update of their pods that follows an upgrade of the operator.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct UpdateLabels {
    stage: &'static str,
}

/// Writes to the API, by kind of object.
#[derive(Clone, Debug)]
pub(super) struct Writes(Registered<Family<WriteLabels, Counter>>);

impl Writes {
    /// Counts one.
    pub(super) fn count(&self, kind: &'static str) {
        self.0.get_or_create(&WriteLabels { kind }).inc();
    }
}

/// The tasks beside work items whose panics are caught.
const TASKS: [&str; 2] = ["Poll", "Notify"];

/// What notifying a phone usually comes to.
const RESYNC_RESULTS: [Reason; 6] =
    [Reason::Told, Reason::Unheard, Reason::NoAnswer, Reason::NotSent, Reason::Refused, Reason::LoginFailed];

/// The operator's metrics, in the order of their registration. Many fields because each metric has one.
pub(super) struct Metrics {
    /// Work items reconciled.
    pub(super) reconciles: Reconciles,
    /// What becomes of items in the queue.
    pub(super) queue: QueueMetrics,
    /// Requests to the API.
    pub(super) requests: ApiRequests,
    /// Writes to the API.
    pub(super) writes: Writes,
    /// How long upgrades took, in seconds.
    pub(super) upgrades: Registered<Histogram>,
    /// Objects that could not be decoded.
    pub(super) undecodable: Registered<Counter>,
    /// Watches that failed and were restarted.
    pub(super) watch_errors: Registered<Counter>,
    /// Reports of TFTP pods that could not be fetched.
    pub(super) report_errors: Registered<Counter>,
    resyncs: Registered<Family<ResyncLabels, Counter>>,
    panics: Registered<Family<PanicLabels, Counter>>,
    registry: Registry,
}

/// How everything is when somebody asks.
pub(super) struct Now {
    /// Whether this process leads.
    pub(super) leads: bool,
    /// The queue, by kind of work.
    pub(super) queue: BTreeMap<&'static str, Standing>,
    /// How many SipPhones exist, whether or not their sites do.
    pub(super) phones: usize,
    /// The sites.
    pub(super) sites: Vec<SiteFigures>,
    /// How many sites are how far with the update of their pods.
    pub(super) updates: [(&'static str, usize); 4],
}

/// The upper bounds of [`Metrics::upgrades`]: from an image on a quick network to a phone that needs several nights.
const UPGRADE_SECONDS: [f64; 9] = [15.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0, 6.0 * 3600.0, 86_400.0];

impl Metrics {
    /// All metrics, at zero.
    pub(super) fn new() -> Metrics {
        let mut all = Registry::default();
        process::register(&mut all);
        let (reconciles, queue) = (Reconciles::new(&mut all), QueueMetrics::new(&mut all));
        let requests = ApiRequests::new(&mut all);
        let to = all.sub_registry_with_prefix("dialtone");
        let metrics = Metrics {
            reconciles,
            queue,
            requests,
            writes: Writes(Registered::new(
                to,
                "api_writes",
                "Writes to the Kubernetes API, by kind of object",
                Family::default(),
            )),
            upgrades: Registered::new(
                to,
                "upgrade_duration_seconds",
                "From the first byte of an image until a phone runs it",
                Histogram::new(UPGRADE_SECONDS),
            ),
            undecodable: Registered::new(
                to,
                "undecodable_objects",
                "Objects that could not be decoded",
                Counter::default(),
            ),
            watch_errors: Registered::new(
                to,
                "watch_errors",
                "Watches that failed and were begun again",
                Counter::default(),
            ),
            report_errors: Registered::new(
                to,
                "report_errors",
                "Reports of TFTP pods that could not be had",
                Counter::default(),
            ),
            resyncs: Registered::new(to, "resyncs", "Phones notified of a change, by result", Family::default()),
            panics: Registered::new(
                to,
                "panics",
                "Panics that were caught and whose work was retried, by task",
                Family::default(),
            ),
            registry: Registry::default(),
        };
        for kind in Kind::WRITTEN.map(Kind::as_str).into_iter().chain(["PhoneSite", "SipPhone"]) {
            drop(metrics.writes.0.get_or_create(&WriteLabels { kind }));
        }
        for result in RESYNC_RESULTS.map(Reason::as_str) {
            drop(metrics.resyncs.get_or_create(&ResyncLabels { result }));
        }
        for task in WORK.into_iter().chain(TASKS) {
            drop(metrics.panics.get_or_create(&PanicLabels { task }));
        }
        Metrics { registry: all, ..metrics }
    }

    /// Counts a panic that was caught: in a kind of work, in `Poll` or in `Notify`.
    pub(super) fn count_panic(&self, task: &'static str) {
        self.panics.get_or_create(&PanicLabels { task }).inc();
    }

    /// Counts a phone that was notified, or was not for this reason.
    pub(super) fn count_resync(&self, result: Reason) {
        self.resyncs.get_or_create(&ResyncLabels { result: result.as_str() }).inc();
    }

    /// The metrics in OpenMetrics' text format, without the mark of its end. What is asked anew for each reader is registered anew, so
    /// that two readers at once do not see half of each other's.
    pub(super) fn text(&self, now: &Now) -> Result<String, std::fmt::Error> {
        let mut passing = Registry::default();
        let leader = Family::<LeaderLabels, Gauge>::default();
        leader.get_or_create(&LeaderLabels { name: "dialtone" }).set(now.leads.into());
        passing.register("leader_election_master_status", "Whether this process leads: 1 or 0", leader);
        let count = |number: usize| {
            let gauge = Gauge::<i64>::default();
            gauge.set(number as i64);
            gauge
        };
        passing.register("dialtone_sites", "PhoneSites", count(now.sites.len()));
        passing.register("dialtone_phones", "SipPhones", count(now.phones));
        work::register_standing(&mut passing, &now.queue);
        sites::register(&mut passing, &now.sites);
        let updates = Family::<UpdateLabels, Gauge>::default();
        for (stage, sites) in now.updates {
            updates.get_or_create(&UpdateLabels { stage }).set(i64::try_from(sites).unwrap_or(i64::MAX));
        }
        passing.register(
            "dialtone_sites_by_update",
            "PhoneSites by how far the update of their pods is after an upgrade of the operator",
            updates,
        );
        let mut text = String::new();
        encode_registry(&mut text, &self.registry)?;
        encode_registry(&mut text, &passing)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests;
