//! A site's status, from what is known of it.

use jiff::Timestamp;

use crate::api::{FileCounts, PhoneCounts, PhoneSiteStatus, SiteFirmwareStatus, Stage, StageCount, Unclaimed};

use super::diagnostic::Diagnostic;
use super::phone_status::Served;
use super::status::{Conditions, acceptance};

/// What a site's status follows from.
pub struct SiteFacts<'a> {
    /// The generation of its spec.
    pub generation: Option<i64>,
    /// What is wrong or doubtful with it.
    pub found: &'a [Diagnostic],
    /// Whether what is served is the newest spec.
    pub current: bool,
    /// Whether it is suspended.
    pub suspended: bool,
    /// Whether the TFTP pods hold the common files.
    pub served: Served,
    /// How many pods answer, and how many should.
    pub servers: (i64, i64),
    /// Why the site's objects cannot be made.
    pub problem: Option<(&'a str, &'a str)>,
    /// The TFTP server's address.
    pub address: Option<&'a str>,
    /// The phones.
    pub phones: PhoneCounts,
    /// The files.
    pub files: FileCounts,
    /// The image that phones should run.
    pub target: Option<&'a str>,
    /// How far that image is, and why.
    pub stage: (Stage, &'static str, String),
    /// The images that every pod holds.
    pub staged: Vec<String>,
    /// How many phones are at each stage.
    pub stages: Vec<StageCount>,
    /// What `OS79XX.TXT` names.
    pub bootstrap: Option<&'a str>,
    /// The hash of `SIPDefault.cnf`.
    pub common: Option<String>,
    /// Phones that nobody declared.
    pub unclaimed: Vec<Unclaimed>,
}

/// The status; what did not change is as in `before`.
pub fn site_status(facts: SiteFacts<'_>, before: &PhoneSiteStatus, now: Timestamp) -> PhoneSiteStatus {
    let mut conditions = Conditions::new(&before.conditions, facts.generation, now);
    let (accepted, reason, message) = match (acceptance(facts.found), facts.problem) {
        ((true, ..), Some((reason, message))) => (false, reason, message.to_owned()),
        (accepted, _) => accepted,
    };
    conditions.set("Accepted", accepted, reason, &message);
    let (answering, wanted) = facts.servers;
    let (served, served_reason, served_message) = match facts.served {
        Served::Everywhere if facts.current => (true, "Served", "every TFTP pod holds the common files".to_owned()),
        Served::Everywhere if facts.suspended => {
            (false, "Suspended", "the site is suspended: what was served goes on being served".to_owned())
        }
        Served::Everywhere => (false, "LastGood", "the last good configuration goes on being served".to_owned()),
        Served::Pending => (false, "Pending", "not every TFTP pod holds the common files yet".to_owned()),
        Served::NoServer => (false, "NoServer", "no TFTP pod answers yet".to_owned()),
        Served::Nothing => (false, "NotRendered", "there is nothing to serve".to_owned()),
    };
    conditions.set("Served", served, served_reason, &served_message);
    let (stage, stage_reason, stage_message) = &facts.stage;
    conditions.set("FirmwareStaged", *stage != Stage::Pending, stage_reason, stage_message);

    let enough = answering >= wanted;
    let ready = accepted && served && *stage != Stage::Pending && enough;
    let (ready_reason, ready_message) = match () {
        () if ready => ("Ready", "everything is done on the server's side".to_owned()),
        () if !accepted => (reason, message),
        () if !served => (served_reason, served_message),
        () if !enough => ("ServersMissing", format!("{answering} of {wanted} TFTP pods answer")),
        () => (*stage_reason, stage_message.clone()),
    };
    conditions.set("Ready", ready, ready_reason, &ready_message);
    let stalled = !accepted || (*stage == Stage::Pending && *stage_reason != "Pending");
    let held = facts.suspended && !facts.current;
    conditions.set_while("Reconciling", !ready && !stalled && !held, ready_reason, &ready_message);
    conditions.set_while("Stalled", stalled, ready_reason, &ready_message);
    conditions.set_while(
        "Suspended",
        facts.suspended,
        "Suspended",
        "spec.suspend is true: no change is applied until it is false again",
    );

    let firmware = SiteFirmwareStatus {
        target: facts.target.map(str::to_owned),
        staged: facts.staged,
        bootstrap: facts.bootstrap.map(str::to_owned),
        // Where no image is wanted there is nothing to count.
        stages: facts.stages.into_iter().filter(|count| count.stage != Stage::Unmanaged).collect(),
    };
    // Server-side apply makes a null of an object whose fields are all taken away, which the schema refuses: no empty object
    // is ever applied.
    let firmware = (firmware != SiteFirmwareStatus::default()).then_some(firmware);
    PhoneSiteStatus {
        observed_generation: facts.generation,
        address: facts.address.map(str::to_owned),
        servers: Some(format!("{answering}/{wanted}")),
        phones: Some(facts.phones),
        firmware,
        common_hash: facts.common,
        files: Some(facts.files),
        unclaimed: facts.unclaimed,
        conditions: conditions.finish(),
    }
}
