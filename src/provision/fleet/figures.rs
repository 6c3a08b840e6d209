//! What is counted of a site: of its status and of its phones', as they were written last, and of its pods.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use strum::VariantArray as _;

use crate::api::{ConditionType, Stage};
use crate::provision::Key;

use super::Fleet;
use super::site::Site;

/// The conditions that a site has.
const OF_SITES: [ConditionType; 7] = [
    ConditionType::Accepted,
    ConditionType::Served,
    ConditionType::FirmwareStaged,
    ConditionType::Ready,
    ConditionType::Reconciling,
    ConditionType::Stalled,
    ConditionType::Suspended,
];
/// The conditions that a phone has.
const OF_PHONES: [ConditionType; 9] = [
    ConditionType::Accepted,
    ConditionType::Served,
    ConditionType::FirmwareStaged,
    ConditionType::InSync,
    ConditionType::Resynced,
    ConditionType::AddressConflict,
    ConditionType::Ready,
    ConditionType::Reconciling,
    ConditionType::Stalled,
];

/// A site in numbers. Every condition and every stage has one, 0 where there is nothing to count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteFigures {
    /// The site.
    pub site: Key,
    /// Which conditions are true.
    pub conditions: BTreeMap<ConditionType, bool>,
    /// How many phones name it.
    pub phones: i64,
    /// Of how many of them each condition is true.
    pub phone_conditions: BTreeMap<ConditionType, i64>,
    /// How many of them are at each stage of their firmware.
    pub stages: BTreeMap<Stage, i64>,
    /// How many phones ask that no SipPhone declares.
    pub unclaimed: i64,
    /// How many TFTP pods should run.
    pub servers_wanted: i64,
    /// How many TFTP pods report what they hold.
    pub servers_answering: i64,
    /// Whether phones have an address to ask.
    pub has_address: bool,
}

impl SiteFigures {
    /// Whether everything is done on the server's side.
    pub fn is_ready(&self) -> bool {
        self.conditions.get(&ConditionType::Ready).copied().unwrap_or_default()
    }
}

fn is_true(conditions: &[Condition], kind: ConditionType) -> bool {
    conditions.iter().any(|condition| condition.type_ == kind.as_str() && condition.status == "True")
}

impl Fleet {
    /// All sites in numbers.
    pub fn figures(&self) -> Vec<SiteFigures> {
        self.sites.iter().map(|(key, site)| self.figures_of(key, site)).collect()
    }

    fn figures_of(&self, key: &Key, site: &Site) -> SiteFigures {
        let conditions = &site.status().conditions;
        let mut phone_conditions: BTreeMap<ConditionType, i64> = OF_PHONES.map(|kind| (kind, 0)).into();
        for phone in site.phones.iter().filter_map(|phone| self.phones.get(phone)) {
            for (kind, count) in &mut phone_conditions {
                *count += i64::from(is_true(&phone.status().conditions, *kind));
            }
        }
        let mut stages: BTreeMap<Stage, i64> = Stage::VARIANTS.iter().map(|stage| (*stage, 0)).collect();
        stages.extend(site.counts.stages().into_iter().map(|count| (count.stage, count.phones)));
        SiteFigures {
            site: key.clone(),
            conditions: OF_SITES.map(|kind| (kind, is_true(conditions, kind))).into(),
            phones: site.phones.len() as i64,
            phone_conditions,
            stages,
            unclaimed: site.callers.unclaimed.count() as i64,
            servers_wanted: site.infra.wanted,
            servers_answering: site.pods.answering() as i64,
            has_address: site.infra.address.is_some(),
        }
    }
}
