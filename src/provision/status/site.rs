//! A site's status, from what is known of it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::api::{ConditionType, FileCounts, PhoneSiteStatus, Reason, SiteFirmwareStatus, Stage, Unclaimed};
use crate::base::text::printable;
use crate::provision::diagnostic::Diagnostic;
use crate::provision::firmware::staging::Staging;
use crate::provision::observe::pods::Served;
use crate::provision::status::conditions::{acceptance, conditions};
use crate::provision::status::counts::Counts;
use crate::provision::status::health::{Health, Obstacle};
use crate::provision::verdict::Verdict;

/// The longest name of a host, and a port.
const MAX_ADDRESS: usize = 260;

/// What a shell knows of a site's surroundings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Infra {
    /// The TFTP server's address for phones.
    pub address: Option<String>,
    /// The name beside it, or instead of it.
    pub hostname: Option<String>,
    /// Why there is none yet, and what to do, where phones need one.
    pub no_address: Option<String>,
    /// How many pods should run.
    pub wanted: i64,
    /// Why some of them do not.
    pub pods: Option<PodsProblem>,
    /// Why its pods are not those of this version of the operator, and in words.
    pub update: Option<(Reason, String)>,
    /// Why objects of the site are not as they should be, each by its kind and name: whoever puts one right takes away its own
    /// problem and no other.
    pub problems: BTreeMap<String, InfraProblem>,
}

/// Why an object of a site is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InfraProblem {
    /// The reason, for conditions.
    pub reason: Reason,
    /// What happened, and what to do.
    pub message: String,
    /// Whether somebody has to do something; otherwise it takes time.
    pub stalls: bool,
}

/// Why pods are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodsProblem {
    /// The reason, for conditions.
    pub reason: Reason,
    /// What happened, and what to do.
    pub message: String,
    /// Since when, in seconds.
    pub since: i64,
}

/// How many problems a message lists.
const MAX_PROBLEMS: usize = 3;

impl Infra {
    /// What there is to say of those problems that stall the site, or of the others.
    fn verdict(&self, stalls: bool) -> Option<Verdict> {
        let some = || self.problems.values().filter(|problem| problem.stalls == stalls);
        let reason = some().next()?.reason;
        let mut messages: Vec<&str> = Vec::new();
        for problem in some() {
            if !messages.contains(&&*problem.message) {
                messages.push(&problem.message);
            }
        }
        let more = messages.len().saturating_sub(MAX_PROBLEMS);
        let mut message = messages[..messages.len() - more].join("; ");
        if more > 0 {
            message += &format!("; and {more} more");
        }
        Some(Verdict::no(reason, message))
    }
}

/// What a site's status follows from.
#[derive(Clone, Debug)]
pub struct SiteFacts<'a> {
    /// The generation of its spec.
    pub generation: Option<i64>,
    /// What is wrong or doubtful with it.
    pub diagnostics: &'a [Diagnostic],
    /// Whether what is served is the newest spec.
    pub up_to_date: bool,
    /// Whether it is suspended.
    pub suspended: bool,
    /// Whether the TFTP pods hold the common files.
    pub served: Served,
    /// How many pods answer.
    pub answering: usize,
    /// The surroundings.
    pub infra: &'a Infra,
    /// How many phones there are, and how far they are.
    pub phones: (usize, &'a Counts),
    /// The files.
    pub files: FileCounts,
    /// The firmware.
    pub firmware: SiteFirmware<'a>,
    /// The hash of `SIPDefault.cnf`.
    pub common_hash: Option<&'a str>,
    /// Phones that no SipPhone declares, as far as they are shown, and how many there are.
    pub unclaimed: (Vec<Unclaimed>, usize),
}

/// A site's firmware.
#[derive(Clone, Debug)]
pub struct SiteFirmware<'a> {
    /// The image that phones should run.
    pub target: Option<&'a str>,
    /// How far that image is.
    pub staging: &'a Staging,
    /// The images that every pod holds.
    pub staged: Vec<String>,
    /// What `OS79XX.TXT` names.
    pub bootstrap: Option<&'a str>,
}

impl SiteFacts<'_> {
    fn accepted_verdict(&self) -> Verdict {
        let accepted = acceptance(self.diagnostics);
        match self.infra.verdict(true) {
            Some(problem) if accepted.holds => problem,
            _ => accepted,
        }
    }

    fn served_verdict(&self) -> Verdict {
        match self.served {
            Served::Everywhere if self.up_to_date => {
                Verdict::yes(Reason::Served, "every TFTP pod holds the common files")
            }
            Served::Everywhere if self.suspended => {
                Verdict::no(Reason::Suspended, "the site is suspended: what was served goes on being served")
            }
            Served::Everywhere => Verdict::no(Reason::LastGood, "the last good configuration goes on being served"),
            Served::Pending => Verdict::no(Reason::Pending, "not every TFTP pod holds the common files yet"),
            Served::NoServer => Verdict::no(Reason::NoServer, "no TFTP pod answers yet"),
            Served::Nothing => Verdict::no(Reason::NotRendered, "there is nothing to serve"),
        }
    }
}

/// The status; what did not change is as in `before`.
pub fn site_status(facts: SiteFacts<'_>, before: &PhoneSiteStatus, now: Timestamp) -> PhoneSiteStatus {
    let accepted = facts.accepted_verdict();
    let served = facts.served_verdict();
    let staging = facts.firmware.staging;
    let staged = staging.verdict();
    let (answering, wanted) = (facts.answering, facts.infra.wanted);
    let missing = Verdict {
        holds: answering as i64 >= wanted,
        reason: Reason::ServersMissing,
        message: format!("{answering} of {wanted} TFTP pods answer").into(),
    };
    let address = Verdict {
        holds: facts.infra.no_address.is_none(),
        reason: Reason::AddressPending,
        message: facts.infra.no_address.clone().unwrap_or_default().into(),
    };
    let pods = facts.infra.pods.as_ref().map(|problem| {
        let message = format!("{answering} of {wanted} TFTP pods answer: {}", problem.message);
        (Verdict::no(problem.reason, message), problem.since)
    });
    let waits = facts.infra.verdict(false);
    let held = facts.suspended && !facts.up_to_date && facts.served == Served::Everywhere;
    let mut obstacles = vec![Obstacle::lasting(&accepted, ConditionType::Accepted, &before.conditions)];
    obstacles.extend(waits.as_ref().map(Obstacle::passing));
    obstacles.extend(pods.as_ref().map(|(verdict, since)| Obstacle::of_pods(verdict, *since)));
    obstacles.extend((!held).then(|| Obstacle::passing(&served)));
    obstacles.extend([Obstacle::passing(&missing), Obstacle::passing(&address)]);
    obstacles.push(Obstacle::staging(staging, &staged, &before.conditions));
    let Health { ready, reconciling, stalled } = Health::of(&obstacles, held, now);
    let suspended = "spec.suspend is true: no change is applied until it is false again";
    let verdict = |kind| match kind {
        ConditionType::Accepted => Some(accepted.clone()),
        ConditionType::Served => Some(served.clone()),
        ConditionType::FirmwareStaged => Some(staged.clone()),
        ConditionType::Ready => Some(ready.clone()),
        ConditionType::Reconciling => reconciling.clone(),
        ConditionType::Stalled => stalled.clone(),
        ConditionType::UpdatePending => {
            facts.infra.update.clone().and_then(|(reason, message)| Verdict::only_if(true, reason, message))
        }
        ConditionType::Suspended => Verdict::only_if(facts.suspended, Reason::Suspended, suspended),
        // Those are of phones; a site counts them.
        ConditionType::InSync | ConditionType::Resynced | ConditionType::AddressConflict => None,
    };
    let conditions = conditions(&before.conditions, facts.generation, now, verdict);

    let firmware = SiteFirmwareStatus {
        target: facts.firmware.target.map(str::to_owned),
        staged: facts.firmware.staged,
        bootstrap: facts.firmware.bootstrap.map(str::to_owned),
        // Where no image is wanted there is nothing to count.
        stages: facts.phones.1.stages().into_iter().filter(|count| count.stage != Stage::Unmanaged).collect(),
    };
    // Server-side apply makes a null of an object whose fields are all taken away, which the schema refuses: no empty object
    // is ever applied.
    let firmware = (firmware != SiteFirmwareStatus::default()).then_some(firmware);
    let shown = |text: &Option<String>| text.as_deref().map(|text| printable(text, MAX_ADDRESS));
    PhoneSiteStatus {
        observed_generation: facts.generation,
        address: shown(&facts.infra.address),
        hostname: shown(&facts.infra.hostname),
        servers: Some(format!("{answering}/{wanted}")),
        phones: Some(facts.phones.1.phones(facts.phones.0)),
        firmware,
        common_hash: facts.common_hash.map(str::to_owned),
        files: Some(facts.files),
        unclaimed_count: i64::try_from(facts.unclaimed.1).ok().filter(|count| *count > 0),
        unclaimed: facts.unclaimed.0,
        conditions,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn infra(problems: &[(&str, Reason, &str, bool)]) -> Infra {
        let problem = |reason, message: &str, stalls| InfraProblem { reason, message: message.to_owned(), stalls };
        let all = problems
            .iter()
            .map(|(object, reason, message, stalls)| ((*object).to_owned(), problem(*reason, message, *stalls)));
        Infra { problems: all.collect(), ..Infra::default() }
    }

    #[test]
    fn problems_of_several_objects_are_said_together_and_in_one_order() {
        assert_eq!(infra(&[]).verdict(true), None);
        let some = infra(&[
            ("Service dialtone-hq", Reason::Forbidden, "no quota", true),
            ("ConfigMap dialtone-hq-common", Reason::NameTaken, "taken", true),
            ("Deployment dialtone-hq", Reason::Pending, "it is being deleted", false),
        ]);
        assert_eq!(some.verdict(true), Some(Verdict::no(Reason::NameTaken, "taken; no quota")));
        assert_eq!(some.verdict(false), Some(Verdict::no(Reason::Pending, "it is being deleted")));
        let many: Vec<_> = ["a", "b", "c", "d", "e"].map(|name| (name, Reason::Forbidden, name, true)).into();
        assert_eq!(infra(&many).verdict(true).unwrap().message, "a; b; c; and 2 more");
        let same = infra(&[("a", Reason::Forbidden, "x", true), ("b", Reason::Forbidden, "x", true)]);
        assert_eq!(same.verdict(true).unwrap().message, "x");
    }
}
