//! How sites and their phones are, as their statuses say it.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::provision::{Key, SiteFigures};

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SiteLabels {
    namespace: String,
    site: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ConditionLabels {
    namespace: String,
    site: String,
    condition: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StageLabels {
    namespace: String,
    site: String,
    stage: &'static str,
}

impl SiteLabels {
    fn of(site: &Key) -> SiteLabels {
        SiteLabels { namespace: site.namespace.to_string(), site: site.name.to_string() }
    }

    fn condition(&self, condition: &'static str) -> ConditionLabels {
        ConditionLabels { namespace: self.namespace.clone(), site: self.site.clone(), condition }
    }

    fn stage(&self, stage: &'static str) -> StageLabels {
        StageLabels { namespace: self.namespace.clone(), site: self.site.clone(), stage }
    }
}

/// Adds what is known of all sites now.
pub(super) fn register(registry: &mut Registry, sites: &[SiteFigures]) {
    let of_site = || Family::<SiteLabels, Gauge>::default();
    let of_condition = || Family::<ConditionLabels, Gauge>::default();
    let (ready, conditions) = (of_site(), of_condition());
    let (total, phones, stages) = (of_site(), of_condition(), Family::<StageLabels, Gauge>::default());
    let (unclaimed, wanted, answering, address) = (of_site(), of_site(), of_site(), of_site());
    for figures in sites {
        let labels = SiteLabels::of(&figures.site);
        ready.get_or_create(&labels).set(figures.is_ready().into());
        for (condition, holds) in &figures.conditions {
            conditions.get_or_create(&labels.condition(condition.as_str())).set((*holds).into());
        }
        total.get_or_create(&labels).set(figures.phones);
        for (condition, count) in &figures.phone_conditions {
            phones.get_or_create(&labels.condition(condition.as_str())).set(*count);
        }
        for (stage, count) in &figures.stages {
            stages.get_or_create(&labels.stage(stage.into())).set(*count);
        }
        unclaimed.get_or_create(&labels).set(figures.unclaimed);
        wanted.get_or_create(&labels).set(figures.servers_wanted);
        answering.get_or_create(&labels).set(figures.servers_answering);
        address.get_or_create(&labels).set(figures.has_address.into());
    }
    let to = registry.sub_registry_with_prefix("dialtone_site");
    to.register("ready", "Whether everything is done on the server's side: 1 or 0", ready);
    to.register("condition", "Whether a condition of a site's status is true: 1 or 0", conditions);
    to.register("phones", "SipPhones of a site", total);
    to.register("phones_condition", "SipPhones of a site of whose status a condition is true", phones);
    to.register("phones_stage", "SipPhones of a site at each stage of their firmware", stages);
    to.register("unclaimed_phones", "Phones that asked within the last hour and that no SipPhone declares", unclaimed);
    to.register("servers_wanted", "TFTP pods that should run", wanted);
    to.register("servers_answering", "TFTP pods that tell the operator what they hold", answering);
    to.register("address_present", "Whether phones have an address to ask: 1 or 0", address);
}
