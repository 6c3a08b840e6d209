//! Events: what a person should notice. They come from changes of conditions, never from their mere presence, so that nothing is
//! published twice.

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::runtime::events::{Event, EventType};
use strum::VariantArray as _;

use super::cluster::Cluster;
use crate::api::{API_VERSION, ConditionType, PhoneFirmwareStatus, Reason, SipPhoneStatus, Stage};
use crate::base::text::printable;
use crate::provision::Key;

/// The longest text of an Event that the API server takes is 1,024 bytes.
const MAX_NOTE: usize = 1000;

/// What one Event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    /// Whether a person should act.
    pub(super) warning: bool,
    /// The reason.
    pub(super) reason: Reason,
    /// The text.
    pub(super) note: String,
    /// Another object that it is about: its kind and its name. Repeats are told apart by it.
    pub(super) related: Option<(String, String)>,
}

impl Notice {
    fn normal(reason: Reason, note: impl Into<String>) -> Notice {
        Notice { warning: false, reason, note: note.into(), related: None }
    }

    /// A person should act.
    pub(super) fn warning(reason: Reason, note: impl Into<String>) -> Notice {
        Notice { warning: true, reason, note: note.into(), related: None }
    }
}

/// A condition of a status.
struct Known<'a> {
    is_true: bool,
    is_false: bool,
    /// `None` for a reason of another version of this program.
    reason: Option<Reason>,
    message: &'a str,
}

fn find(conditions: &[Condition], kind: ConditionType) -> Option<&Condition> {
    conditions.iter().find(|condition| condition.type_ == kind.as_str())
}

fn known(condition: &Condition) -> Known<'_> {
    Known {
        is_true: condition.status == "True",
        is_false: condition.status == "False",
        reason: condition.reason.parse().ok(),
        message: &condition.message,
    }
}

/// Whether a phone cannot be notified, and a person can do something about it.
const fn is_resync_problem(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::NoAnswer
            | Reason::NotBack
            | Reason::NotSent
            | Reason::Refused
            | Reason::LoginFailed
            | Reason::TelnetOff
            | Reason::AddressNotAllowed
    )
}

/// What changed of the conditions in a way that a person should notice. The recorder takes Events of one reason for repeats of
/// each other, so every kind of notice has a reason of its own.
pub(super) fn condition_notices(before: &[Condition], after: &[Condition]) -> Vec<Notice> {
    let text = |condition: &Condition| (condition.status.clone(), condition.reason.clone(), condition.message.clone());
    let changed = |kind: &&ConditionType| find(before, **kind).map(text) != find(after, **kind).map(text);
    let notice = |kind: &ConditionType| {
        let (was, is) = (find(before, *kind).map(known), find(after, *kind).map(known));
        one_condition(*kind, was.as_ref(), is.as_ref())
    };
    ConditionType::VARIANTS.iter().filter(changed).filter_map(notice).collect()
}

fn one_condition(kind: ConditionType, was: Option<&Known<'_>>, is: Option<&Known<'_>>) -> Option<Notice> {
    let Some(is) = is else {
        let resumed = kind == ConditionType::Suspended;
        return resumed.then(|| Notice::normal(Reason::Resumed, "changes are applied again"));
    };
    let reason = is.reason?;
    let normal = || Some(Notice::normal(reason, is.message));
    let warning = || Some(Notice::warning(reason, is.message));
    match kind {
        ConditionType::Accepted if is.is_false || reason == Reason::AcceptedWithWarnings => warning(),
        ConditionType::Accepted if was.is_some_and(|was| was.is_false) => normal(),
        ConditionType::FirmwareStaged if is.is_false && reason != Reason::Pending => warning(),
        ConditionType::FirmwareStaged if reason == Reason::Staged => normal(),
        ConditionType::Resynced if is_resync_problem(reason) => warning(),
        ConditionType::AddressConflict if is.is_true => warning(),
        ConditionType::UpdatePending if reason == Reason::UpdateFailed => warning(),
        ConditionType::InSync if is.is_true => normal(),
        ConditionType::Suspended => normal(),
        ConditionType::Accepted
        | ConditionType::FirmwareStaged
        | ConditionType::Resynced
        | ConditionType::AddressConflict
        | ConditionType::InSync
        | ConditionType::UpdatePending
        | ConditionType::Served
        | ConditionType::Ready
        | ConditionType::Reconciling
        | ConditionType::Stalled => None,
    }
}

/// That a phone was notified. It may be back before a status shows that it is on its way: then that is the whole story.
pub(super) fn resync_notice(before: &SipPhoneStatus, after: &SipPhoneStatus) -> Option<Notice> {
    let notified_at = |status: &SipPhoneStatus| status.resync.as_ref().and_then(|resync| resync.told_at.clone());
    if notified_at(after).is_none() || notified_at(before) == notified_at(after) {
        return None;
    }
    let resynced = find(&after.conditions, ConditionType::Resynced).map(known);
    let note = match resynced {
        Some(Known { reason: Some(reason), .. }) if is_resync_problem(reason) => return None,
        Some(Known { reason: Some(Reason::Told | Reason::Unheard), message, .. }) => message,
        _ => "it was told to restart, and came back",
    };
    Some(Notice::normal(Reason::Told, note))
}

/// What a person should notice of a phone's firmware; `took` if the phone is known to have taken an image before it ran what it
/// runs. One upgrade makes two of them: that it began, and how it ended.
pub(super) fn firmware_notice(
    before: Option<&PhoneFirmwareStatus>,
    after: Option<&PhoneFirmwareStatus>,
    took: bool,
) -> Option<Notice> {
    let after = after?;
    let target = after.target.as_deref()?;
    let was = before.map(|before| before.stage).unwrap_or_default();
    let failures = |status: Option<&PhoneFirmwareStatus>| status.and_then(|status| status.failures).unwrap_or(0);
    let ran = before.and_then(|before| before.running.as_deref());
    let how = after.message.as_deref().unwrap_or_default();
    match after.stage {
        // What a phone is seen for the first time to run is no upgrade.
        Stage::Current if ran != Some(target) && (ran.is_some() || took) => {
            Some(Notice::normal(Reason::Upgraded, format!("the phone runs {target}: {how}")))
        }
        Stage::Current => None,
        // It may fail and begin again between two writes.
        stage if failures(before) < failures(Some(after)) || (stage == Stage::Failed && was != Stage::Failed) => {
            Some(Notice::warning(Reason::UpgradeFailed, format!("the phone does not run {target}: {how}")))
        }
        Stage::Downloading if !matches!(was, Stage::Downloading | Stage::Installing | Stage::Failed) => {
            Some(Notice::normal(Reason::UpgradeStarted, format!("the phone takes {target}")))
        }
        Stage::Unmanaged
        | Stage::Pending
        | Stage::Waiting
        | Stage::Staged
        | Stage::Offered
        | Stage::Downloading
        | Stage::Installing
        | Stage::Failed => None,
    }
}

/// Publishes Events. They are a courtesy: one that cannot be written is logged and dropped.
pub(super) async fn publish(cluster: &Cluster, kind: &str, key: &Key, uid: &str, notices: Vec<Notice>) {
    let reference = ObjectReference {
        api_version: Some(API_VERSION.to_owned()),
        kind: Some(kind.to_owned()),
        name: Some(key.name.to_string()),
        namespace: Some(key.namespace.to_string()),
        uid: (!uid.is_empty()).then(|| uid.to_owned()),
        ..ObjectReference::default()
    };
    for Notice { warning, reason, note, related } in notices {
        let event = Event {
            type_: if warning { EventType::Warning } else { EventType::Normal },
            reason: reason.as_str().to_owned(),
            note: Some(printable(&note, MAX_NOTE)),
            action: "Provision".to_owned(),
            secondary: related.map(|(kind, name)| ObjectReference {
                kind: Some(kind),
                name: Some(name),
                namespace: Some(key.namespace.to_string()),
                ..ObjectReference::default()
            }),
        };
        if let Err(error) = cluster.publish(&event, &reference).await {
            tracing::warn!(%error, "Event {} about {kind} {key} could not be written", reason.as_str());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ResyncStatus;

    fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Condition {
        let time = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(jiff::Timestamp::UNIX_EPOCH);
        Condition {
            type_: kind.into(),
            status: status.into(),
            reason: reason.into(),
            message: message.into(),
            last_transition_time: time,
            observed_generation: None,
        }
    }

    #[test]
    fn an_upgrade_makes_two_events_and_each_failure_one() {
        let status = |stage, running: Option<&str>, failures| PhoneFirmwareStatus {
            target: Some("P0S3-07-4-00".into()),
            running: running.map(str::to_owned),
            stage,
            failures,
            ..PhoneFirmwareStatus::default()
        };
        let story = [
            status(Stage::Staged, Some("P0S3-06-3-00"), None),
            status(Stage::Offered, Some("P0S3-06-3-00"), None),
            status(Stage::Downloading, Some("P0S3-06-3-00"), None),
            status(Stage::Failed, Some("P0S3-06-3-00"), Some(1)),
            status(Stage::Failed, Some("P0S3-06-3-00"), Some(2)),
            status(Stage::Downloading, Some("P0S3-06-3-00"), Some(2)),
            status(Stage::Installing, Some("P0S3-06-3-00"), None),
            status(Stage::Current, Some("P0S3-07-4-00"), None),
            status(Stage::Current, Some("P0S3-07-4-00"), None),
        ];
        let reasons: Vec<Reason> = story
            .windows(2)
            .filter_map(|two| firmware_notice(Some(&two[0]), Some(&two[1]), true))
            .map(|n| n.reason)
            .collect();
        assert_eq!(reasons, [Reason::UpgradeStarted, Reason::UpgradeFailed, Reason::UpgradeFailed, Reason::Upgraded]);
        let reason = |before: &PhoneFirmwareStatus, after: &PhoneFirmwareStatus, took| {
            firmware_notice(Some(before), Some(after), took).map(|notice| notice.reason)
        };
        let again = status(Stage::Downloading, None, Some(1));
        assert_eq!(
            reason(&status(Stage::Installing, None, None), &again, false),
            Some(Reason::UpgradeFailed),
            "it does not keep the image, and takes it again"
        );
        assert_eq!(reason(&status(Stage::Installing, None, Some(1)), &again, false), None);
        let runs = status(Stage::Current, Some("P0S3-07-4-00"), None);
        assert_eq!(
            reason(&status(Stage::Staged, None, None), &runs, false),
            None,
            "it was only seen for the first time"
        );
        assert_eq!(reason(&status(Stage::Staged, None, None), &runs, true), Some(Reason::Upgraded));
    }

    #[test]
    fn a_phone_that_was_notified_is_noticed_once_even_if_it_is_back_already() {
        let status = |told_at: Option<&str>, reason: &str| SipPhoneStatus {
            conditions: vec![condition("Resynced", "False", reason, "by SIP NOTIFY")],
            resync: told_at.map(|at| ResyncStatus { told_at: Some(at.to_owned()), failures: None }),
            ..SipPhoneStatus::default()
        };
        let note =
            |before: &SipPhoneStatus, after: &SipPhoneStatus| resync_notice(before, after).map(|notice| notice.note);
        let (never, told) = (status(None, "Waiting"), status(Some("1"), "Told"));
        assert_eq!(note(&never, &told).as_deref(), Some("by SIP NOTIFY"));
        assert_eq!(note(&told, &told), None);
        let back = status(Some("1"), "InSync");
        assert_eq!(note(&never, &back).as_deref(), Some("it was told to restart, and came back"));
        assert_eq!(note(&told, &back), None);
        assert_eq!(note(&told, &status(Some("2"), "Told")).as_deref(), Some("by SIP NOTIFY"));
        assert_eq!(note(&never, &status(Some("1"), "Unheard")).as_deref(), Some("by SIP NOTIFY"), "it is not back");
        assert_eq!(note(&never, &status(Some("1"), "NoAnswer")), None, "the problem is an Event of its own");
    }

    #[test]
    fn only_changes_are_noticed() {
        let good = [condition("Accepted", "True", "Accepted", "")];
        let bad = [condition("Accepted", "False", "DuplicateMac", "phone b has it")];
        assert!(condition_notices(&[], &good).is_empty());
        assert!(condition_notices(&bad, &bad).is_empty());
        assert_eq!(condition_notices(&good, &bad), [Notice::warning(Reason::DuplicateMac, "phone b has it")]);
        assert!(!condition_notices(&bad, &good)[0].warning);
        let suspended = [condition("Suspended", "True", "Suspended", "the site is left as it is")];
        let notices = condition_notices(&suspended, &[]);
        assert_eq!(notices, [Notice::normal(Reason::Resumed, "changes are applied again")]);
        let foreign = [condition("Accepted", "False", "OfAnotherVersion", "")];
        assert!(condition_notices(&good, &foreign).is_empty());
    }
}
