//! A phone's status, from what is known of it.

use jiff::Timestamp;

use crate::api::{LineStatus, PhoneFirmwareStatus, ResyncStatus, SipPhoneStatus, Stage};

use super::diagnostic::Diagnostic;
use super::observed::{Seen, seconds};
use super::phone::LineIdentity;
use super::status::{Conditions, acceptance};
use super::upgrade::{Upgrade, Wanted, stage};

/// Whether the TFTP pods hold a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// There is nothing to hold.
    Nothing,
    /// No pod says what it holds.
    NoServer,
    /// Not every pod holds it.
    Pending,
    /// Every pod holds it.
    Everywhere,
}

/// What a phone's status follows from.
pub struct PhoneFacts<'a> {
    /// The generation of its spec.
    pub generation: Option<i64>,
    /// What is wrong or doubtful with it.
    pub found: &'a [Diagnostic],
    /// Its file's name and hash, if it has one.
    pub file: Option<(&'a str, String)>,
    /// Whether the file is that of the newest spec.
    pub current: bool,
    /// Whether its site is suspended.
    pub suspended: bool,
    /// Whether the TFTP pods hold it.
    pub served: Served,
    /// The image that it should run.
    pub target: Option<&'a str>,
    /// How far that image is, and why.
    pub stage: (Stage, &'static str, String),
    /// The hash of the site's `SIPDefault.cnf`.
    pub common: Option<String>,
    /// What its requests tell of its firmware.
    pub upgrade: &'a Upgrade,
    /// The image that its files name.
    pub told: Option<&'a str>,
    /// Whether no further phone is told of an image.
    pub paused: bool,
    /// The files of the image that it should run, with their sizes.
    pub parts: &'a [(String, u64)],
    /// What was seen of it.
    pub seen: &'a Seen,
    /// Its lines.
    pub lines: &'a [LineIdentity],
}

/// What is known of telling a phone to fetch a change.
#[derive(Clone, Debug, Default)]
pub struct ResyncFacts {
    /// Whether there is nothing to tell, and otherwise why it has not taken the change yet; nothing where nobody wants it told.
    pub said: Option<(bool, &'static str, String)>,
    /// When it was told.
    pub status: Option<ResyncStatus>,
}

/// How often a status is written only because a phone was seen again.
const SEEN_EVERY: i64 = 600;

/// Whether everything is done on the server's side.
pub fn is_ready(facts: &PhoneFacts<'_>) -> bool {
    acceptance(facts.found).0 && facts.current && facts.served == Served::Everywhere && facts.stage.0 != Stage::Pending
}

/// Whether the phone fetched its newest files.
pub fn is_in_sync(facts: &PhoneFacts<'_>) -> bool {
    sync_problem(facts).is_none()
}

/// Why a phone does not run what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncProblem {
    /// There is no file for it.
    Nothing,
    /// It never fetched its file.
    NeverFetched,
    /// It fetched an older one.
    Outdated,
    /// It fetched an older `SIPDefault.cnf`.
    CommonOutdated,
    /// What is served is not the newest.
    NotServed,
}

impl SyncProblem {
    fn said(self) -> (&'static str, &'static str) {
        match self {
            SyncProblem::Nothing => ("NotServed", "there is nothing for the phone to fetch yet"),
            SyncProblem::NeverFetched => ("NeverFetched", "the phone has not fetched its configuration yet"),
            SyncProblem::Outdated => {
                ("Outdated", "the phone has fetched an older configuration; it takes the new one when it restarts")
            }
            SyncProblem::CommonOutdated => {
                ("CommonOutdated", "the phone has not fetched the newest SIPDefault.cnf; it takes it when it restarts")
            }
            SyncProblem::NotServed => {
                ("NotServed", "the newest specification is not served; the phone runs the last good one")
            }
        }
    }
}

/// Why the phone does not run what it should; nothing if it does.
pub fn sync_problem(facts: &PhoneFacts<'_>) -> Option<SyncProblem> {
    let Some((_, hash)) = &facts.file else { return Some(SyncProblem::Nothing) };
    match (&facts.seen.fetched, &facts.seen.common, &facts.common) {
        (None, ..) => Some(SyncProblem::NeverFetched),
        (Some(fetched), ..) if fetched != hash => Some(SyncProblem::Outdated),
        (_, common, Some(wanted)) if common.as_ref() != Some(wanted) => Some(SyncProblem::CommonOutdated),
        _ if !facts.current => Some(SyncProblem::NotServed),
        _ => None,
    }
}

/// The status; what did not change is as in `before`.
pub fn phone_status(
    facts: &PhoneFacts<'_>,
    resync: ResyncFacts,
    before: &SipPhoneStatus,
    now: Timestamp,
) -> SipPhoneStatus {
    let mut conditions = Conditions::new(&before.conditions, facts.generation, now);
    let (accepted, reason, message) = acceptance(facts.found);
    conditions.set("Accepted", accepted, reason, &message);

    let behind = !facts.current && facts.file.is_some();
    let (served, served_reason, served_message) = match facts.served {
        Served::Everywhere if facts.current => (true, "Served", "every TFTP pod holds the phone's file"),
        Served::Everywhere if facts.suspended => {
            (false, "Suspended", "the site is suspended: the last configuration goes on being served")
        }
        Served::Everywhere => (false, "LastGood", "the last good configuration goes on being served"),
        Served::Pending => (false, "Pending", "not every TFTP pod holds the phone's file yet"),
        Served::NoServer => (false, "NoServer", "no TFTP pod of the site answers; see the PhoneSite"),
        Served::Nothing => (false, "NotRendered", "there is no file for the phone"),
    };
    conditions.set("Served", served, served_reason, served_message);
    let (stage, stage_reason, stage_message) = &facts.stage;
    conditions.set("FirmwareStaged", *stage != Stage::Pending, stage_reason, stage_message);
    match sync_problem(facts).map(SyncProblem::said) {
        None => conditions.set("InSync", true, "Fetched", "the phone fetched its newest configuration"),
        Some((reason, message)) => conditions.set("InSync", false, reason, message),
    }
    if let Some((holds, reason, message)) = &resync.said {
        conditions.set("Resynced", *holds, reason, message);
    }

    let firmware_pending = *stage == Stage::Pending;
    let ready = is_ready(facts);
    let (ready_reason, ready_message) = match () {
        () if ready => ("Ready", "everything is done on the server's side".to_owned()),
        () if !accepted => (reason, message.clone()),
        () if !served => (served_reason, served_message.to_owned()),
        () => (*stage_reason, stage_message.clone()),
    };
    conditions.set("Ready", ready, ready_reason, &ready_message);
    // Work goes on by itself while pods take up a file; what a person has to change is stalled.
    let stalled = !accepted || (firmware_pending && *stage_reason != "Pending");
    let waiting = !(ready || stalled || facts.suspended && behind);
    conditions.set_while("Reconciling", waiting, ready_reason, &ready_message);
    conditions.set_while("Stalled", stalled, ready_reason, &ready_message);

    let address = facts.seen.address.map(|address| address.to_string());
    let served_everywhere = facts.served == Served::Everywhere;
    SipPhoneStatus {
        observed_generation: facts.generation,
        config_file: facts.file.as_ref().map(|(name, _)| (*name).to_owned()),
        config_hash: facts.file.as_ref().map(|(_, hash)| hash.clone()),
        served_hash: facts.file.as_ref().filter(|_| served_everywhere).map(|(_, hash)| hash.clone()),
        fetched_hash: facts.seen.fetched.clone(),
        fetched_common_hash: facts.seen.common.clone(),
        last_seen: last_seen(facts.seen, before),
        firmware: Some(firmware(facts, before, now)),
        resync: resync.status,
        lines: facts
            .lines
            .iter()
            .map(|line| LineStatus {
                name: line.name.to_string(),
                station_connection: address.as_ref().map(|address| format!("{}@{address}", line.name)),
                station_identification: line.name.to_string(),
                station_identification_uri: line
                    .proxy
                    .as_deref()
                    .map(|(host, port)| format!("sip:{}@{host}:{port}", line.name)),
            })
            .collect(),
        address,
        conditions: conditions.finish(),
    }
}

/// How far the phone's firmware is.
pub fn firmware_stage(facts: &PhoneFacts<'_>, now: Timestamp) -> PhoneFirmwareStatus {
    let wanted = Wanted {
        target: facts.target,
        staged: (facts.stage.0, &facts.stage.2),
        told: facts.told,
        paused: facts.paused,
        parts: facts.parts,
    };
    stage(facts.upgrade, &wanted, now)
}

/// The same, and since when.
fn firmware(facts: &PhoneFacts<'_>, before: &SipPhoneStatus, now: Timestamp) -> PhoneFirmwareStatus {
    let mut status = firmware_stage(facts, now);
    let before = before.firmware.as_ref();
    let same = before.filter(|before| before.stage == status.stage && before.target == status.target);
    status.since = match same.and_then(|before| before.since.clone()) {
        Some(since) => Some(since),
        None => (status.stage != Stage::Unmanaged).then(|| seconds(now)),
    };
    status.observed = before.and_then(|before| before.observed.clone());
    if before != Some(&status) && (before.is_some() || status.stage != Stage::Unmanaged) {
        // A new operator hears again what pods remember, and passes over what is told here already.
        status.observed = facts.upgrade.last.map(|last| last.to_string());
    }
    status
}

/// The time when the phone was seen, if it is worth a write: something else changed with it, or it is long ago.
fn last_seen(seen: &Seen, before: &SipPhoneStatus) -> Option<String> {
    let time = seen.time?;
    let news = seen.fetched != before.fetched_hash || seen.address.map(|a| a.to_string()) != before.address;
    let said: Option<Timestamp> = before.last_seen.as_deref().and_then(|said| said.parse().ok());
    match said {
        Some(said) if !news && time.as_second() - said.as_second() < SEEN_EVERY => before.last_seen.clone(),
        _ => Some(seconds(time)),
    }
}
