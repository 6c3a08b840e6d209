//! What there is to see of a site and its phones: pure, for the screen and for lines.

use std::collections::HashMap;
use std::net::IpAddr;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::api::{ConditionType, PhoneFirmwareStatus, SipPhoneStatus, Unclaimed};
use crate::base::report::Record;
use crate::base::text::printable;
use crate::provision::{Fleet, Key};

/// The most bytes of what is shown of one thing.
const CELL: usize = 80;
/// The most addresses whose last file is kept.
const MAX_ADDRESSES: usize = 16_384;

/// A site and its phones, as they are shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overview {
    pub site: String,
    pub phones: Vec<PhoneRow>,
    /// Phones that no manifest declares.
    pub unclaimed: Vec<Unclaimed>,
    /// What is wrong with the manifests.
    pub troubles: Vec<String>,
}

/// One phone, as it is shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PhoneRow {
    pub name: String,
    /// `InSync`, or what stands in the way of it: why the phone is not ready, or else why it is not in sync.
    pub state: String,
    /// The stage of its firmware.
    pub stage: String,
    /// The image that it runs, as far as is known.
    pub running: Option<String>,
    /// How much of an image it has.
    pub percent: Option<i64>,
    pub address: Option<String>,
    /// The file that it fetched last.
    pub fetched: Option<String>,
    pub seen: Option<Timestamp>,
}

/// Which file each address fetched last.
#[derive(Debug, Default)]
pub struct LastFiles(HashMap<IpAddr, String>);

impl LastFiles {
    /// Takes note of a transfer.
    pub fn note(&mut self, record: &Record) {
        let address = record.peer.ip().to_canonical();
        if let Some(file) = &record.file
            && (self.0.len() < MAX_ADDRESSES || self.0.contains_key(&address))
        {
            self.0.insert(address, printable(file, CELL));
        }
    }
}

impl Overview {
    /// What there is to see of a site.
    pub fn of(fleet: &Fleet, site: &Key, files: &LastFiles, now: Timestamp) -> Overview {
        let mut keys: Vec<&Key> = fleet.phones().filter(|key| fleet.site_of(key).as_ref() == Some(site)).collect();
        keys.sort();
        let phones = keys.into_iter().filter_map(|key| Some(row(key, &fleet.report(key, now)?.after, files)));
        let unclaimed = fleet.site_status(site, now).map(|(_, status)| status.unclaimed).unwrap_or_default();
        Overview { site: printable(&site.name, CELL), phones: phones.collect(), unclaimed, troubles: Vec::new() }
    }

    /// How many phones are in each state, the most frequent ones first: "3 InSync, 1 NeverFetched".
    pub fn counts(&self) -> String {
        let mut counts: Vec<(usize, &str)> = Vec::new();
        for phone in &self.phones {
            match counts.iter_mut().find(|(_, state)| *state == phone.state) {
                Some((count, _)) => *count += 1,
                None => counts.push((1, &phone.state)),
            }
        }
        counts.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
        counts.iter().map(|(count, state)| format!("{count} {state}")).collect::<Vec<_>>().join(", ")
    }
}

impl PhoneRow {
    /// Whether nothing is left to do for it.
    pub fn is_settled(&self) -> bool {
        self.state == IN_SYNC && matches!(self.stage.as_str(), "Unmanaged" | "Current")
    }
}

/// The state of a phone that is ready and in sync.
const IN_SYNC: &str = "InSync";

fn row(key: &Key, status: &SipPhoneStatus, files: &LastFiles) -> PhoneRow {
    let firmware = status.firmware.as_ref();
    let address = status.address.clone();
    let fetched = address.as_deref().and_then(|address| files.0.get(&address.parse().ok()?)).cloned();
    PhoneRow {
        name: printable(&key.name, CELL),
        state: state(&status.conditions),
        stage: firmware.map(stage).unwrap_or_default(),
        running: firmware.and_then(|firmware| firmware.running.as_deref()).map(|image| printable(image, CELL)),
        percent: firmware.and_then(|firmware| firmware.percent),
        address,
        fetched,
        seen: status.last_seen.as_deref().and_then(|time| time.parse().ok()),
    }
}

fn stage(status: &PhoneFirmwareStatus) -> String {
    format!("{:?}", status.stage)
}

fn state(conditions: &[Condition]) -> String {
    let of = |kind: ConditionType| conditions.iter().find(|one| one.type_ == kind.as_str());
    let obstacle = [ConditionType::Ready, ConditionType::InSync].into_iter().find_map(|kind| match of(kind) {
        Some(condition) if condition.status == "True" => None,
        Some(condition) => Some(printable(&condition.reason, CELL)),
        None => Some("Unknown".to_owned()),
    });
    obstacle.unwrap_or_else(|| IN_SYNC.to_owned())
}
