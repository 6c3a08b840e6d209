//! What becomes of work items, under the names that controllers usually have, so that what was made to watch those watches this one
//! too: each kind of work is a controller.

use std::collections::BTreeMap;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::registered::{Histograms, Registered};
use crate::operator::queue::{Observer, Standing};
use crate::provision::WorkItem;

/// The kinds of work, as [`work_name`] names them.
pub(in crate::operator) const WORK: [&str; 7] =
    ["Read", "Files", "Objects", "Pods", "Resync", "SiteStatus", "PhoneStatus"];

/// The kind of work, for metrics and logs.
pub(in crate::operator) const fn work_name(item: &WorkItem) -> &'static str {
    match item {
        WorkItem::Read(..) => "Read",
        WorkItem::Shard(..) => "Files",
        WorkItem::Objects(_) => "Objects",
        WorkItem::Pods(_) => "Pods",
        WorkItem::Resync(_) => "Resync",
        WorkItem::SiteStatus(_) => "SiteStatus",
        WorkItem::PhoneStatus(_) => "PhoneStatus",
    }
}

/// How a reconcile ended, in the words that controllers usually have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::operator) enum Ended {
    /// Nothing more is to be done.
    Success,
    /// It is looked at again after a while.
    RequeueAfter,
    /// It failed.
    Error,
}

impl Ended {
    const ALL: [Ended; 3] = [Ended::Success, Ended::RequeueAfter, Ended::Error];

    const fn as_str(self) -> &'static str {
        match self {
            Ended::Success => "success",
            Ended::RequeueAfter => "requeue_after",
            Ended::Error => "error",
        }
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ControllerLabels {
    controller: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ResultLabels {
    controller: &'static str,
    result: &'static str,
}

/// The bounds of how long a reconcile takes, in seconds: those of controller-runtime, with fewer between.
const RECONCILE_SECONDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0];

fn reconcile_times() -> Histogram {
    Histogram::new(RECONCILE_SECONDS)
}

/// What reconciles came to.
#[derive(Debug)]
pub(in crate::operator) struct Reconciles {
    total: Registered<Family<ResultLabels, Counter>>,
    errors: Registered<Family<ControllerLabels, Counter>>,
    seconds: Registered<Histograms<ControllerLabels>>,
}

impl Reconciles {
    pub(super) fn new(registry: &mut Registry) -> Reconciles {
        let to = registry.sub_registry_with_prefix("controller_runtime");
        let times: Histograms<ControllerLabels> = Family::new_with_constructor(reconcile_times);
        let all = Reconciles {
            total: Registered::new(
                to,
                "reconcile",
                "Reconciles, by kind of work and how they ended",
                Family::default(),
            ),
            errors: Registered::new(
                to,
                "reconcile_errors",
                "Reconciles that failed, by kind of work",
                Family::default(),
            ),
            seconds: Registered::new(to, "reconcile_time_seconds", "How long reconciles took, by kind of work", times),
        };
        for controller in WORK {
            for result in Ended::ALL.map(Ended::as_str) {
                drop(all.total.get_or_create(&ResultLabels { controller, result }));
            }
            drop(all.errors.get_or_create(&ControllerLabels { controller }));
            drop(all.seconds.get_or_create(&ControllerLabels { controller }));
        }
        all
    }

    /// Counts one.
    pub(in crate::operator) fn count(&self, controller: &'static str, ended: Ended, took: Duration) {
        self.total.get_or_create(&ResultLabels { controller, result: ended.as_str() }).inc();
        if ended == Ended::Error {
            self.errors.get_or_create(&ControllerLabels { controller }).inc();
        }
        self.seconds.get_or_create(&ControllerLabels { controller }).observe(took.as_secs_f64());
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct QueueLabels {
    name: &'static str,
}

/// The bounds of how long items wait and are in work, in seconds: those that work queues usually have, without the shortest.
const QUEUE_SECONDS: [f64; 8] = [1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0];

fn queue_times() -> Histogram {
    Histogram::new(QUEUE_SECONDS)
}

/// What becomes of items in the queue.
#[derive(Clone, Debug)]
pub(in crate::operator) struct QueueMetrics {
    adds: Registered<Family<QueueLabels, Counter>>,
    retries: Registered<Family<QueueLabels, Counter>>,
    waited: Registered<Histograms<QueueLabels>>,
    worked: Registered<Histograms<QueueLabels>>,
}

impl QueueMetrics {
    pub(super) fn new(registry: &mut Registry) -> QueueMetrics {
        let to = registry.sub_registry_with_prefix("workqueue");
        let times = || -> Histograms<QueueLabels> { Family::new_with_constructor(queue_times) };
        let all = QueueMetrics {
            adds: Registered::new(to, "adds", "Items that were added to the queue, by kind of work", Family::default()),
            retries: Registered::new(to, "retries", "Items that failed and were requeued", Family::default()),
            waited: Registered::new(
                to,
                "queue_duration_seconds",
                "How long items waited from when they were due",
                times(),
            ),
            worked: Registered::new(to, "work_duration_seconds", "How long items were in work", times()),
        };
        for name in WORK {
            let labels = QueueLabels { name };
            drop(all.adds.get_or_create(&labels));
            drop(all.retries.get_or_create(&labels));
            drop(all.waited.get_or_create(&labels));
            drop(all.worked.get_or_create(&labels));
        }
        all
    }
}

impl Observer<WorkItem> for QueueMetrics {
    fn added(&self, item: &WorkItem) {
        self.adds.get_or_create(&QueueLabels { name: work_name(item) }).inc();
    }

    fn taken(&self, item: &WorkItem, waited: Duration) {
        self.waited.get_or_create(&QueueLabels { name: work_name(item) }).observe(waited.as_secs_f64());
    }

    fn finished(&self, item: &WorkItem, took: Duration, failed: bool) {
        let labels = QueueLabels { name: work_name(item) };
        self.worked.get_or_create(&labels).observe(took.as_secs_f64());
        if failed {
            self.retries.get_or_create(&labels).inc();
        }
    }
}

/// Adds how the queue is now.
pub(super) fn register_standing(registry: &mut Registry, standing: &BTreeMap<&'static str, Standing>) {
    let gauge = || Family::<QueueLabels, Gauge>::default();
    let seconds = || Family::<QueueLabels, Gauge<f64, std::sync::atomic::AtomicU64>>::default();
    let (depth, unfinished, longest) = (gauge(), seconds(), seconds());
    let (active, failing) =
        (Family::<ControllerLabels, Gauge>::default(), Family::<ControllerLabels, Gauge>::default());
    for name in WORK {
        let now = standing.get(name).copied().unwrap_or_default();
        let (labels, of_controller) = (QueueLabels { name }, ControllerLabels { controller: name });
        depth.get_or_create(&labels).set(now.due as i64);
        unfinished.get_or_create(&labels).set(now.unfinished.as_secs_f64());
        longest.get_or_create(&labels).set(now.longest.as_secs_f64());
        active.get_or_create(&of_controller).set(now.running as i64);
        failing.get_or_create(&of_controller).set(now.failing as i64);
    }
    registry.register("workqueue_depth", "Items that are due and not in work yet, by kind of work", depth);
    registry.register(
        "workqueue_unfinished_work_seconds",
        "For how long all items in work have been so, together",
        unfinished,
    );
    registry.register(
        "workqueue_longest_running_processor_seconds",
        "For how long that item has been in work that has been so longest",
        longest,
    );
    registry.register("controller_runtime_active_workers", "Workers that are at work, by kind of work", active);
    registry.register("dialtone_failing_items", "Things whose last attempt failed, by kind of work", failing);
}
