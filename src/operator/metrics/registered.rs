//! A metric that is registered: there is no other way to make one.

use std::ops::Deref;

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};

/// A registered metric. A clone counts into the same one.
#[derive(Clone, Debug)]
pub(in crate::operator) struct Registered<M>(M);

/// Histograms by their labels.
pub(super) type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

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
