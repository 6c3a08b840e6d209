//! A phone's status, from what is known of it.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::api::{ConditionType, LineStatus, PhoneFirmwareStatus, Reason, ResyncStatus, SipPhoneStatus, Stage};
use crate::base::text::{QUOTED, printable};
use crate::provision::diagnostic::Diagnostic;
use crate::provision::firmware::upgrade::{Upgrade, Wanted, stage};
use crate::provision::observe::fetch::seconds;
use crate::provision::observe::pods::Served;
use crate::provision::render::plan::PhoneLine;
use crate::provision::status::conditions::{acceptance, conditions};
use crate::provision::status::counts::PhoneTally;
use crate::provision::status::health::{Health, Obstacle};
use crate::provision::sync::{LastFetch, SyncProblem};
use crate::provision::verdict::Verdict;

/// What a phone's status follows from.
#[derive(Clone, Debug)]
pub struct PhoneFacts<'a> {
    /// The generation of its spec.
    pub generation: Option<i64>,
    /// What is wrong or doubtful with it.
    pub diagnostics: &'a [Diagnostic],
    /// Its file's name and hash, if it has one.
    pub file: Option<(&'a str, &'a str)>,
    /// Whether the file is that of the newest spec.
    pub up_to_date: bool,
    /// Whether its site is suspended.
    pub suspended: bool,
    /// Whether the TFTP pods hold it.
    pub served: Served,
    /// Why it does not run what it should.
    pub sync: Option<SyncProblem>,
    /// The image that it should run, and whether it can.
    pub firmware: Wanted<'a>,
    /// What is known of its firmware from its requests.
    pub upgrade: &'a Upgrade,
    /// What it last fetched.
    pub last_fetch: &'a LastFetch,
    /// Its lines.
    pub lines: &'a [PhoneLine],
}

/// What there is to say of notifying a phone of changes.
#[derive(Clone, Debug, Default)]
pub struct ResyncFacts {
    /// Whether there is nothing to fetch, and otherwise why the phone has not taken the change yet; nothing where it should
    /// not be notified.
    pub verdict: Option<Verdict>,
    /// When it was notified.
    pub status: Option<ResyncStatus>,
    /// What speaks against the phone's address.
    pub address_conflict: Option<Verdict>,
}

/// How often a status is written only because a phone was seen again.
const SEEN_EVERY: i64 = 600;

impl PhoneFacts<'_> {
    /// Whether everything is done on the server's side.
    fn is_ready(&self, accepted: bool) -> bool {
        let is_current = self.up_to_date || self.is_held();
        accepted && is_current && self.served == Served::Everywhere && !self.firmware.staging.is_pending()
    }

    /// Whether its file is as it was when its site was suspended.
    fn is_held(&self) -> bool {
        self.suspended && !self.up_to_date && self.file.is_some() && self.served == Served::Everywhere
    }

    /// What is counted of the phone.
    pub fn tally(&self, now: Timestamp) -> PhoneTally {
        let accepted = !self.diagnostics.iter().any(Diagnostic::is_error);
        PhoneTally {
            accepted,
            served: self.served == Served::Everywhere,
            ready: self.is_ready(accepted),
            in_sync: self.sync.is_none(),
            placed: self.file.is_some(),
            stage: Some(stage(self.upgrade, &self.firmware, now).stage),
        }
    }

    fn served_verdict(&self) -> Verdict {
        match self.served {
            Served::Everywhere if self.up_to_date => {
                Verdict::yes(Reason::Served, "every TFTP pod holds the phone's file")
            }
            Served::Everywhere if self.suspended => {
                Verdict::no(Reason::Suspended, "the site is suspended: the last configuration goes on being served")
            }
            Served::Everywhere => Verdict::no(Reason::LastGood, "the last good configuration goes on being served"),
            Served::Pending => Verdict::no(Reason::Pending, "not every TFTP pod holds the phone's file yet"),
            Served::NoServer => Verdict::no(Reason::NoServer, "no TFTP pod of the site answers; see the PhoneSite"),
            Served::Nothing => Verdict::no(Reason::NotRendered, "there is no file for the phone"),
        }
    }
}

/// The status; what did not change is as in `before`.
pub fn phone_status(
    facts: &PhoneFacts<'_>,
    resync: ResyncFacts,
    before: &SipPhoneStatus,
    now: Timestamp,
) -> SipPhoneStatus {
    let conditions = phone_conditions(facts, resync.verdict, resync.address_conflict, before, now);
    let address = facts.last_fetch.address.map(|address| address.to_string());
    let hash = facts.file.map(|(_, hash)| hash.to_owned());
    SipPhoneStatus {
        observed_generation: facts.generation,
        config_file: facts.file.map(|(name, _)| name.to_owned()),
        served_hash: hash.clone().filter(|_| facts.served == Served::Everywhere),
        config_hash: hash,
        fetched_hash: facts.last_fetch.own.clone(),
        fetched_common_hash: facts.last_fetch.common.clone(),
        last_seen: last_seen(facts.last_fetch, before),
        firmware: Some(firmware(facts, before, now)),
        resync: resync.status,
        lines: line_statuses(facts.lines, address.as_deref()),
        address,
        conditions,
    }
}

fn phone_conditions(
    facts: &PhoneFacts<'_>,
    resynced: Option<Verdict>,
    address_conflict: Option<Verdict>,
    before: &SipPhoneStatus,
    now: Timestamp,
) -> Vec<Condition> {
    let accepted = acceptance(facts.diagnostics);
    let served = facts.served_verdict();
    let staging = facts.firmware.staging;
    let staged = staging.verdict();
    // Work goes on by itself while pods take up a file; what a person has to change is stalled.
    let held = facts.is_held();
    let mut obstacles = vec![Obstacle::lasting(&accepted, ConditionType::Accepted, &before.conditions)];
    obstacles.extend((!held).then(|| Obstacle::passing(&served)));
    obstacles.push(Obstacle::staging(staging, &staged, &before.conditions));
    let Health { ready, reconciling, stalled } = Health::of(&obstacles, held, now);
    let in_sync = || Verdict::yes(Reason::Fetched, "the phone fetched its newest configuration");
    let verdict = |kind| match kind {
        ConditionType::Accepted => Some(accepted.clone()),
        ConditionType::Served => Some(served.clone()),
        ConditionType::FirmwareStaged => Some(staged.clone()),
        ConditionType::InSync => Some(facts.sync.map_or_else(in_sync, in_sync_verdict)),
        ConditionType::Resynced => resynced.clone(),
        ConditionType::AddressConflict => address_conflict.clone(),
        ConditionType::Ready => Some(ready.clone()),
        ConditionType::Reconciling => reconciling.clone(),
        ConditionType::Stalled => stalled.clone(),
        // Sites are suspended, not phones.
        ConditionType::Suspended | ConditionType::UpdatePending => None,
    };
    conditions(&before.conditions, facts.generation, now, verdict)
}

/// The condition `InSync` of a phone that does not run what it should.
fn in_sync_verdict(problem: SyncProblem) -> Verdict {
    let (reason, message) = match problem {
        SyncProblem::Nothing => (Reason::NotServed, "there is nothing for the phone to fetch yet"),
        SyncProblem::NeverFetched => (Reason::NeverFetched, "the phone has not fetched its configuration yet"),
        SyncProblem::Unacknowledged => (
            Reason::Unacknowledged,
            "the phone was sent all of its newest configuration and did not acknowledge the end; it may run it",
        ),
        SyncProblem::Outdated => {
            (Reason::Outdated, "the phone has fetched an older configuration; it takes the new one when it restarts")
        }
        SyncProblem::CommonOutdated => (
            Reason::CommonOutdated,
            "the phone has not fetched the newest SIPDefault.cnf; it takes it when it restarts",
        ),
        SyncProblem::NotServed => {
            (Reason::NotServed, "the newest specification is not served; the phone runs the last good one")
        }
    };
    Verdict::no(reason, message)
}

/// The lines from the top, whatever order they are written in.
fn line_statuses(lines: &[PhoneLine], address: Option<&str>) -> Vec<LineStatus> {
    let mut lines: Vec<&PhoneLine> = lines.iter().collect();
    lines.sort_by_key(|line| line.key);
    lines.into_iter().map(|line| line_status(line, address)).collect()
}

fn line_status(PhoneLine { key, identity: line, .. }: &PhoneLine, address: Option<&str>) -> LineStatus {
    let uri = |(host, port): &(String, String)| format!("sip:{}@{host}:{port}", line.name);
    LineStatus {
        key: Some(*key),
        name: line.name.to_string(),
        station_connection: address.map(|address| format!("{}@{address}", line.name)),
        station_identification: line.name.to_string(),
        station_identification_uri: line.proxy.as_deref().map(uri),
    }
}

/// How far the phone's firmware is, and since when.
fn firmware(facts: &PhoneFacts<'_>, before: &SipPhoneStatus, now: Timestamp) -> PhoneFirmwareStatus {
    let mut status = stage(facts.upgrade, &facts.firmware, now);
    // Names of files are what phones ask for.
    for text in [&mut status.running, &mut status.running_seen, &mut status.file, &mut status.message] {
        *text = text.take().map(|text| printable(&text, 2 * QUOTED));
    }
    let before = before.firmware.as_ref();
    let same = before.filter(|before| before.stage == status.stage && before.target == status.target);
    status.since = match same.and_then(|before| before.since.clone()) {
        Some(since) => Some(since),
        None => (status.stage != Stage::Unmanaged).then(|| seconds(now)),
    };
    status.observed = before.and_then(|before| before.observed.clone());
    if before != Some(&status) && (before.is_some() || status.stage != Stage::Unmanaged) {
        // Pods report again to a new operator what they remember; it passes over what this status speaks of already.
        status.observed = facts.upgrade.last.map(|last| last.to_string());
    }
    status
}

/// The time when the phone was seen, if it is worth a write: something else changed with it, or it is long ago.
fn last_seen(fetch: &LastFetch, before: &SipPhoneStatus) -> Option<String> {
    let time = fetch.time?;
    let news = fetch.own != before.fetched_hash || fetch.address.map(|a| a.to_string()) != before.address;
    let written: Option<Timestamp> = before.last_seen.as_deref().and_then(|time| time.parse().ok());
    match written {
        Some(written) if !news && time.as_second() - written.as_second() < SEEN_EVERY => before.last_seen.clone(),
        _ => Some(seconds(time)),
    }
}
