//! What the operator counts. No label names a phone: their number has no bound. The values of labels are written as statuses write
//! words: `PhoneStatus`, `NotSent`.

use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::api::Stage;
use crate::provision::Key;
use registered::Registered;

/// A metric that is registered: there is no other way to make one.
mod registered {
    use std::ops::Deref;

    use prometheus_client::registry::{Metric, Registry};

    /// A registered metric. A clone counts into the same one.
    #[derive(Clone, Debug)]
    pub(in crate::operator) struct Registered<M>(M);

    impl<M: Metric + Clone> Registered<M> {
        /// Registers a metric under a name, with a help text.
        pub(super) fn new(registry: &mut Registry, name: &str, help: &str, metric: M) -> Registered<M> {
            registry.register(name, help, metric.clone());
            Registered(metric)
        }
    }

    impl<M> Deref for Registered<M> {
        type Target = M;

        fn deref(&self) -> &M {
            &self.0
        }
    }
}

/// What kind of work it was, and how it ended.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct WorkLabels {
    /// `Files`, `PhoneStatus` and so on.
    pub(super) work: &'static str,
    /// `Ok` or `Error`.
    pub(super) result: &'static str,
}

/// What kind of write it was.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct WriteLabels {
    /// The kind of object.
    pub(super) kind: &'static str,
}

/// How notifying a phone of a change ended.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct ResyncLabels {
    /// `Told`, or the reason why it could not be notified.
    pub(super) result: &'static str,
}

/// Where a panic was caught.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct PanicLabels {
    /// The kind of work, as in [`WorkLabels`], or `Poll`, or `Notify`.
    pub(super) task: &'static str,
}

/// A stage of the firmware of a site's phones.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StageLabels {
    namespace: String,
    site: String,
    stage: String,
}

/// How far sites are with the update of their pods that follows an upgrade of the operator.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct UpdateLabels {
    stage: &'static str,
}

/// Writes to the API, by kind of object.
pub(super) type Writes = Registered<Family<WriteLabels, Counter>>;

/// The operator's metrics, in the order of their registration. Many fields because each metric has one.
pub(super) struct Metrics {
    /// Work items reconciled.
    pub(super) work: Registered<Family<WorkLabels, Counter>>,
    /// Writes to the API.
    pub(super) writes: Writes,
    /// Phones that were notified of a change.
    pub(super) resyncs: Registered<Family<ResyncLabels, Counter>>,
    /// Phones at each stage of their firmware, site by site.
    stages: Registered<Family<StageLabels, Gauge>>,
    /// How long upgrades took, in seconds.
    pub(super) upgrades: Registered<Histogram>,
    /// Objects that could not be decoded.
    pub(super) undecodable: Registered<Counter>,
    /// Watches that failed and were restarted.
    pub(super) watch_errors: Registered<Counter>,
    /// Reports of TFTP pods that could not be fetched.
    pub(super) report_errors: Registered<Counter>,
    /// SipPhones that exist.
    pub(super) phones: Registered<Gauge>,
    /// PhoneSites that exist.
    pub(super) sites: Registered<Gauge>,
    /// PhoneSites by the update of their pods.
    updates: Registered<Family<UpdateLabels, Gauge>>,
    /// Work items that wait.
    pub(super) waiting: Registered<Gauge>,
    /// Work items that failed last time.
    pub(super) failing: Registered<Gauge>,
    /// 1 if this process leads.
    pub(super) leader: Registered<Gauge>,
    /// Panics that were caught.
    pub(super) panics: Registered<Family<PanicLabels, Counter>>,
    registry: Registry,
}

/// The upper bounds of [`Metrics::upgrades`]: from an image on a quick network to a phone that needs several nights.
const UPGRADE_SECONDS: [f64; 9] = [15.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0, 6.0 * 3600.0, 86_400.0];

impl Metrics {
    /// All metrics, at zero.
    pub(super) fn new() -> Metrics {
        let mut registry = Registry::with_prefix("dialtone_operator");
        let to = &mut registry;
        Metrics {
            work: Registered::new(to, "work", "Pieces of work done, by kind and result", Family::default()),
            writes: Registered::new(
                to,
                "api_writes",
                "Writes to the Kubernetes API, by kind of object",
                Family::default(),
            ),
            resyncs: Registered::new(to, "resyncs", "Phones told to fetch a change, by result", Family::default()),
            stages: Registered::new(
                to,
                "phones_by_stage",
                "SipPhones at each stage of their firmware",
                Family::default(),
            ),
            upgrades: Registered::new(
                to,
                "upgrade_seconds",
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
            phones: Registered::new(to, "phones", "SipPhones", Gauge::default()),
            sites: Registered::new(to, "sites", "PhoneSites", Gauge::default()),
            updates: Registered::new(
                to,
                "sites_by_update",
                "PhoneSites by how far the update of their pods is after an upgrade of the operator",
                Family::default(),
            ),
            waiting: Registered::new(to, "queue_waiting", "Things that wait to be looked at", Gauge::default()),
            failing: Registered::new(to, "queue_failing", "Things whose last attempt failed", Gauge::default()),
            leader: Registered::new(to, "leader", "Whether this process leads: 1 or 0", Gauge::default()),
            panics: Registered::new(
                to,
                "panics",
                "Panics that were caught and whose work was retried, by task",
                Family::default(),
            ),
            registry,
        }
    }

    /// Counts a panic that was caught.
    pub(super) fn count_panic(&self, task: &'static str) {
        self.panics.get_or_create(&PanicLabels { task }).inc();
    }

    /// Counts the phones at each stage anew.
    pub(super) fn count_stages(&self, counts: Vec<(Key, Stage, i64)>) {
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

    /// Counts anew how far sites are with the update of their pods.
    pub(super) fn count_updates(&self, counts: [(&'static str, usize); 4]) {
        for (stage, sites) in counts {
            self.updates.get_or_create(&UpdateLabels { stage }).set(i64::try_from(sites).unwrap_or(i64::MAX));
        }
    }

    /// The metrics in OpenMetrics' text format.
    pub(super) fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names and help texts are a contract with dashboards.
    #[test]
    fn names_and_help_texts_stay() {
        let metrics = Metrics::new();
        metrics.work.get_or_create(&WorkLabels { work: "Files", result: "Ok" }).inc();
        metrics.writes.get_or_create(&WriteLabels { kind: "Secret" }).inc();
        metrics.resyncs.get_or_create(&ResyncLabels { result: "Told" }).inc();
        metrics.count_stages(vec![(Key::new("ns", "hq"), Stage::Current, 3)]);
        metrics.count_panic("Files");
        metrics.count_updates([("Settled", 2), ("Waiting", 0), ("Updating", 1), ("Failed", 0)]);
        let text = metrics.text().unwrap();
        let help: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# HELP dialtone_operator_")).collect();
        assert_eq!(
            help,
            [
                "work Pieces of work done, by kind and result.",
                "api_writes Writes to the Kubernetes API, by kind of object.",
                "resyncs Phones told to fetch a change, by result.",
                "phones_by_stage SipPhones at each stage of their firmware.",
                "upgrade_seconds From the first byte of an image until a phone runs it.",
                "undecodable_objects Objects that could not be decoded.",
                "watch_errors Watches that failed and were begun again.",
                "report_errors Reports of TFTP pods that could not be had.",
                "phones SipPhones.",
                "sites PhoneSites.",
                "sites_by_update PhoneSites by how far the update of their pods is after an upgrade of the operator.",
                "queue_waiting Things that wait to be looked at.",
                "queue_failing Things whose last attempt failed.",
                "leader Whether this process leads: 1 or 0.",
                "panics Panics that were caught and whose work was retried, by task.",
            ]
        );
        let samples = [
            r#"work_total{work="Files",result="Ok"} 1"#,
            r#"api_writes_total{kind="Secret"} 1"#,
            r#"resyncs_total{result="Told"} 1"#,
            r#"phones_by_stage{namespace="ns",site="hq",stage="Current"} 3"#,
            r#"sites_by_update{stage="Updating"} 1"#,
            r#"panics_total{task="Files"} 1"#,
        ];
        for sample in samples {
            assert!(text.contains(&format!("\ndialtone_operator_{sample}\n")), "{sample} in {text}");
        }
    }
}
