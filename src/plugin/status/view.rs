//! What is shown of sites and phones, from the objects: pure.

use jiff::Timestamp;
use serde::Serialize;

use super::super::objects::{Standing, condition, created, name, namespace};
use crate::api::{
    ConditionType, PhoneCounts, PhoneFirmwareStatus, PhoneSiteStatus, Reason, SipPhoneSpec, SipPhoneStatus, Stage,
    StageCount, Unclaimed,
};
use crate::operator::trimmed::{TrimmedPhone, TrimmedSite};

/// All that is shown.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct View {
    /// The sites, in order.
    pub(super) sites: Vec<SiteView>,
    /// Their phones, in order; none where they were not read.
    pub(super) phones: Vec<PhoneView>,
    #[serde(skip)]
    pub(super) now: Timestamp,
}

/// A site.
// Many fields because each is one that is shown.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SiteView {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) ready: bool,
    pub(super) reason: String,
    pub(super) message: String,
    /// What is likely not what was meant, though the site is accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) warnings: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) suspended: bool,
    pub(super) servers: String,
    pub(super) address: Option<String>,
    pub(super) phones: PhoneCounts,
    pub(super) firmware: Option<Upgrades>,
    pub(super) unclaimed_count: i64,
    pub(super) unclaimed: Vec<Unclaimed>,
    pub(super) files: i64,
    pub(super) created: Option<String>,
}

/// How far the upgrades of a site's phones are.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Upgrades {
    /// The image.
    pub(super) target: Option<String>,
    /// How many phones should run an image.
    pub(super) total: i64,
    /// How many do.
    pub(super) current: i64,
    /// How many failed.
    pub(super) failed: i64,
    /// How many are at each stage.
    pub(super) stages: Vec<StageCount>,
}

/// A phone.
// Many fields because each is one that is shown.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PhoneView {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) site: String,
    pub(crate) mac: String,
    pub(crate) model: String,
    pub(crate) label: String,
    pub(crate) lines: Vec<String>,
    pub(crate) ready: bool,
    pub(crate) reason: String,
    pub(crate) message: String,
    pub(crate) in_sync: bool,
    pub(crate) in_sync_reason: String,
    /// Who else may speak in its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) conflict: Option<String>,
    pub(crate) firmware: Option<PhoneFirmwareStatus>,
    pub(crate) address: Option<String>,
    pub(crate) last_seen: Option<String>,
}

impl View {
    /// What is shown of these objects; of one site, if it is named.
    pub(super) fn of(sites: &[TrimmedSite], phones: &[TrimmedPhone], wanted: Option<&str>, now: Timestamp) -> View {
        let is_wanted = |site: &str| wanted.is_none_or(|wanted| wanted == site);
        let mut sites: Vec<SiteView> =
            sites.iter().filter(|site| is_wanted(name(&site.metadata))).map(SiteView::of).collect();
        sites.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        let mut phones: Vec<PhoneView> =
            phones.iter().map(PhoneView::of).filter(|phone| wanted.is_none() || is_wanted(&phone.site)).collect();
        // First those that need a look.
        phones.sort_by(|a, b| {
            (&a.namespace, &a.site, !a.needs_a_look(), &a.name).cmp(&(
                &b.namespace,
                &b.site,
                !b.needs_a_look(),
                &b.name,
            ))
        });
        View { sites, phones, now }
    }

    /// Whether every site and all of their phones are ready.
    pub(super) fn is_ready(&self) -> bool {
        self.sites.iter().all(|site| site.ready && site.phones.ready == site.phones.total)
    }
}

impl SiteView {
    fn of(site: &TrimmedSite) -> SiteView {
        let meta = &site.metadata;
        let status = site.status.0.clone();
        let undecodable = match (&site.spec.0, &status) {
            (Err(why), _) | (_, Err(why)) => Some(Standing::undecodable(why)),
            _ => None,
        };
        let status: PhoneSiteStatus = status.unwrap_or_default();
        let ready = || Standing::of(meta, status.observed_generation, &status.conditions, ConditionType::Ready);
        let ready = undecodable.unwrap_or_else(ready);
        let accepted = condition(&status.conditions, ConditionType::Accepted);
        let warned = accepted.filter(|one| one.reason == Reason::AcceptedWithWarnings.as_str());
        let firmware = status.firmware.map(|firmware| Upgrades {
            total: firmware.stages.iter().map(|count| count.phones).sum(),
            current: phones_at(&firmware.stages, Stage::Current),
            failed: phones_at(&firmware.stages, Stage::Failed),
            target: firmware.target,
            stages: firmware.stages,
        });
        SiteView {
            namespace: namespace(meta).to_owned(),
            name: name(meta).to_owned(),
            warnings: warned.map(|one| one.message.clone()),
            suspended: condition(&status.conditions, ConditionType::Suspended).is_some(),
            ready: ready.holds,
            reason: ready.reason,
            message: ready.message,
            servers: status.servers.unwrap_or_else(|| "-".to_owned()),
            address: status.address,
            phones: status.phones.unwrap_or_default(),
            firmware: firmware.filter(|firmware| firmware.total > 0 || firmware.target.is_some()),
            unclaimed_count: status.unclaimed_count.unwrap_or_default(),
            unclaimed: status.unclaimed,
            files: status.files.map_or(0, |files| files.count),
            created: created(meta).map(|time| time.to_string()),
        }
    }
}

fn phones_at(stages: &[StageCount], stage: Stage) -> i64 {
    stages.iter().filter(|count| count.stage == stage).map(|count| count.phones).sum()
}

impl PhoneView {
    /// What is shown of a phone.
    pub(crate) fn of(phone: &TrimmedPhone) -> PhoneView {
        let meta = &phone.metadata;
        let undecodable = match (&phone.spec.0, &phone.status.0) {
            (Err(why), _) | (_, Err(why)) => Some(Standing::undecodable(why)),
            _ => None,
        };
        let status: SipPhoneStatus = phone.status.0.clone().unwrap_or_default();
        let of = |kind| Standing::of(meta, status.observed_generation, &status.conditions, kind);
        let ready = undecodable.unwrap_or_else(|| of(ConditionType::Ready));
        let in_sync = of(ConditionType::InSync);
        let conflict = condition(&status.conditions, ConditionType::AddressConflict);
        let spec = phone.spec.0.as_ref().ok();
        let text = |of: &dyn Fn(&SipPhoneSpec) -> String| spec.map(of).unwrap_or_default();
        PhoneView {
            namespace: namespace(meta).to_owned(),
            name: name(meta).to_owned(),
            site: text(&|spec| spec.site_ref.name.clone()),
            mac: text(&|spec| spec.mac.clone()),
            model: text(&|spec| spec.model.to_string()),
            label: text(&|spec| spec.label.clone().unwrap_or_default()),
            lines: spec.map(|spec| spec.lines.iter().map(|line| line.name.clone()).collect()).unwrap_or_default(),
            ready: ready.holds,
            reason: ready.reason,
            message: ready.message,
            in_sync: in_sync.holds,
            in_sync_reason: in_sync.reason,
            conflict: conflict.map(|one| one.reason.clone()),
            firmware: status.firmware.clone(),
            address: status.address.clone(),
            last_seen: status.last_seen.clone(),
        }
    }

    fn stage(&self) -> Stage {
        self.firmware.as_ref().map_or(Stage::Unmanaged, |firmware| firmware.stage)
    }

    /// Whether a person, or a phone, has something to do.
    pub(super) fn needs_a_look(&self) -> bool {
        let settled = matches!(self.stage(), Stage::Unmanaged | Stage::Current);
        !(self.ready && self.in_sync && settled && self.conflict.is_none())
    }
}
