//! Events: what a person should notice. They come from changes of conditions, never from their mere presence, so that
//! nothing is said twice.

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::runtime::events::{Event, EventType};

use super::apply::limited;
use super::context::Context;
use crate::api::{API_VERSION, PhoneFirmwareStatus, SipPhoneStatus, Stage};
use crate::provision::Key;

/// One thing to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// Whether somebody should act.
    pub warning: bool,
    /// The reason.
    pub reason: String,
    /// The words.
    pub note: String,
}

/// Why a phone is not told, where somebody can do something about it.
const RESYNC_PROBLEMS: [&str; 6] = ["NoAnswer", "NotBack", "NotSent", "Refused", "LoginFailed", "TelnetOff"];

/// What changed in a way that a person should notice. The recorder takes events of one reason for repeats of each other,
/// so every kind of news has a reason of its own.
pub fn news(before: &[Condition], after: &[Condition]) -> Vec<News> {
    let find = |conditions: &[Condition], kind: &str| conditions.iter().find(|c| c.type_ == kind).cloned();
    let mut all = Vec::new();
    for kind in ["Accepted", "FirmwareStaged", "InSync", "Resynced", "Suspended"] {
        let (was, is) = (find(before, kind), find(after, kind));
        let same = |a: &Option<Condition>, b: &Option<Condition>| {
            a.as_ref().map(|c| (&c.status, &c.reason, &c.message))
                == b.as_ref().map(|c| (&c.status, &c.reason, &c.message))
        };
        if same(&was, &is) {
            continue;
        }
        let failed = |c: &Option<Condition>| c.as_ref().is_some_and(|c| c.status == "False");
        let Some(is) = is else {
            if kind == "Suspended" {
                all.push(News { warning: false, reason: "Resumed".into(), note: "changes are applied again".into() });
            }
            continue;
        };
        let news = |warning| News { warning, reason: is.reason.clone(), note: is.message.clone() };
        match kind {
            "Accepted" if is.status == "False" => all.push(news(true)),
            "Accepted" if is.reason == "AcceptedWithWarnings" => all.push(news(true)),
            "Accepted" if failed(&was) => all.push(news(false)),
            "FirmwareStaged" if is.status == "False" && is.reason != "Pending" => all.push(news(true)),
            "FirmwareStaged" if is.reason == "Staged" => all.push(news(false)),
            "Resynced" if RESYNC_PROBLEMS.contains(&is.reason.as_str()) => all.push(news(true)),
            "InSync" if is.status == "True" => all.push(news(false)),
            "Suspended" => all.push(news(false)),
            _ => {}
        }
    }
    all
}

/// That a phone was told to restart. It may be back before a status says that it is on its way: then that is all there is to say.
pub fn told_news(before: &SipPhoneStatus, after: &SipPhoneStatus) -> Option<News> {
    let told_at = |status: &SipPhoneStatus| status.resync.as_ref().and_then(|resync| resync.told_at.clone());
    if told_at(after).is_none() || told_at(before) == told_at(after) {
        return None;
    }
    let resynced = after.conditions.iter().find(|condition| condition.type_ == "Resynced");
    let note = match resynced {
        Some(condition) if RESYNC_PROBLEMS.contains(&condition.reason.as_str()) => return None,
        Some(condition) if condition.reason == "Told" => condition.message.clone(),
        _ => "it was told to restart, and came back".to_owned(),
    };
    Some(News { warning: false, reason: "Told".to_owned(), note })
}

/// What a person should notice of a phone's firmware; `took` if the phone is known to have taken an image before it ran what it
/// runs. One upgrade makes two of them: that it began, and how it ended.
pub fn firmware_news(
    before: Option<&PhoneFirmwareStatus>,
    after: Option<&PhoneFirmwareStatus>,
    took: bool,
) -> Option<News> {
    let after = after?;
    let target = after.target.as_deref()?;
    let was = before.map(|before| before.stage).unwrap_or_default();
    let failures = |status: Option<&PhoneFirmwareStatus>| status.and_then(|status| status.failures).unwrap_or(0);
    let ran = before.and_then(|before| before.running.as_deref());
    let how = after.message.as_deref().unwrap_or_default();
    let news = |warning, reason: &str, note| Some(News { warning, reason: reason.to_owned(), note });
    match after.stage {
        // What a phone is seen for the first time to run is no upgrade.
        Stage::Current if ran != Some(target) && (ran.is_some() || took) => {
            news(false, "Upgraded", format!("the phone runs {target}: {how}"))
        }
        Stage::Current => None,
        // It may fail and begin again between two writes.
        stage if failures(before) < failures(Some(after)) || (stage == Stage::Failed && was != Stage::Failed) => {
            news(true, "UpgradeFailed", format!("the phone does not run {target}: {how}"))
        }
        Stage::Downloading if !matches!(was, Stage::Downloading | Stage::Installing | Stage::Failed) => {
            news(false, "UpgradeStarted", format!("the phone takes {target}"))
        }
        _ => None,
    }
}

/// Publishes events. They are a courtesy: one that cannot be written is logged and forgotten.
pub async fn publish(ctx: &Context, kind: &str, key: &Key, uid: &str, news: Vec<News>) {
    let reference = ObjectReference {
        api_version: Some(API_VERSION.to_owned()),
        kind: Some(kind.to_owned()),
        name: Some(key.name.to_string()),
        namespace: Some(key.namespace.to_string()),
        uid: Some(uid.to_owned()),
        ..ObjectReference::default()
    };
    for one in news {
        let event = Event {
            type_: if one.warning { EventType::Warning } else { EventType::Normal },
            reason: one.reason,
            note: Some(one.note.chars().take(1000).collect()),
            action: "Provision".to_owned(),
            secondary: None,
        };
        if let Err(error) = limited(ctx.recorder.publish(&event, &reference)).await {
            tracing::warn!(object = %key, %error, "an event could not be written");
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
        let told: Vec<String> = story
            .windows(2)
            .filter_map(|two| firmware_news(Some(&two[0]), Some(&two[1]), true))
            .map(|n| n.reason)
            .collect();
        assert_eq!(told, ["UpgradeStarted", "UpgradeFailed", "UpgradeFailed", "Upgraded"]);
        let told = |before: &PhoneFirmwareStatus, after: &PhoneFirmwareStatus, took| {
            firmware_news(Some(before), Some(after), took).map(|news| news.reason)
        };
        let again = status(Stage::Downloading, None, Some(1));
        assert_eq!(
            told(&status(Stage::Installing, None, None), &again, false).as_deref(),
            Some("UpgradeFailed"),
            "it does not keep the image, and takes it again"
        );
        assert_eq!(told(&status(Stage::Installing, None, Some(1)), &again, false), None);
        let runs = status(Stage::Current, Some("P0S3-07-4-00"), None);
        assert_eq!(told(&status(Stage::Staged, None, None), &runs, false), None, "it was only seen for the first time");
        assert_eq!(told(&status(Stage::Staged, None, None), &runs, true).as_deref(), Some("Upgraded"));
    }

    #[test]
    fn a_phone_that_was_told_is_news_once_even_if_it_is_back_already() {
        let status = |told_at: Option<&str>, reason: &str| SipPhoneStatus {
            conditions: vec![condition("Resynced", "False", reason, "by SIP NOTIFY")],
            resync: told_at.map(|at| ResyncStatus { told_at: Some(at.to_owned()), failures: None }),
            ..SipPhoneStatus::default()
        };
        let note = |before: &SipPhoneStatus, after: &SipPhoneStatus| told_news(before, after).map(|news| news.note);
        let (never, told) = (status(None, "Waiting"), status(Some("1"), "Told"));
        assert_eq!(note(&never, &told).as_deref(), Some("by SIP NOTIFY"));
        assert_eq!(note(&told, &told), None);
        let back = status(Some("1"), "InSync");
        assert_eq!(note(&never, &back).as_deref(), Some("it was told to restart, and came back"));
        assert_eq!(note(&told, &back), None);
        assert_eq!(note(&told, &status(Some("2"), "Told")).as_deref(), Some("by SIP NOTIFY"));
        assert_eq!(note(&never, &status(Some("1"), "NoAnswer")), None, "the problem is an Event of its own");
    }

    #[test]
    fn only_changes_are_news() {
        let good = [condition("Accepted", "True", "Accepted", "")];
        let bad = [condition("Accepted", "False", "DuplicateMac", "phone b has it")];
        assert!(news(&[], &good).is_empty());
        assert!(news(&bad, &bad).is_empty());
        assert_eq!(
            news(&good, &bad),
            [News { warning: true, reason: "DuplicateMac".into(), note: "phone b has it".into() }]
        );
        assert!(!news(&bad, &good)[0].warning);
    }
}
