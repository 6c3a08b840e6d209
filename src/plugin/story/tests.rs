use serde_json::{Value, json};
use strum::VariantArray as _;

use super::*;
use crate::api::Reason;
use crate::plugin::testing::{at, golden, phone, site};

fn condition(kind: &str, holds: bool, reason: &str, message: &str) -> Value {
    json!({"type": kind, "status": if holds { "True" } else { "False" }, "reason": reason, "message": message,
        "lastTransitionTime": "2026-03-01T08:00:00Z"})
}

fn happened() -> Vec<Happening> {
    let one = |time: &str, reason: &str, message: &str, times, warning| Happening {
        time: time.to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
        times,
        warning,
    };
    vec![
        one("2026-03-01T08:10:00Z", "Fetched", "the phone fetched its newest configuration", 1, false),
        one("2026-03-01T08:30:00Z", "NoAnswer", "10.20.4.1 did not answer; it is told again in 5 minutes", 3, true),
    ]
}

fn outdated() -> Value {
    json!({
        "configFile": "SIP000A8A123456.cnf", "configHash": "sha256:11aa22bb33cc44dd55ee", "servedHash": "sha256:11aa22bb33cc44dd55ee",
        "fetchedHash": "sha256:99ff88ee77dd66cc55bb", "fetchedCommonHash": "sha256:abcdef0123456789", "lastSeen": "2026-03-01T08:10:00Z", "address": "10.20.4.1",
        "firmware": {"stage": "Downloading", "target": "P0S3-08-12-00", "running": "P0S3-07-4-00", "runningSeen": "asked for RINGLIST.DAT",
            "percent": 60, "bytesSent": 420_000, "bytesTotal": 700_000, "since": "2026-03-01T08:58:30Z"},
        "resync": {"toldAt": "2026-03-01T08:30:00Z", "failures": 3},
        "conditions": [
            condition("Accepted", true, "Accepted", "nothing is wrong"),
            condition("Served", true, "Served", "every TFTP pod holds the phone's file"),
            condition("FirmwareStaged", true, "Staged", "every TFTP pod holds the image"),
            condition("InSync", false, "Outdated", "the phone has fetched an older configuration; it takes the new one when it restarts"),
            condition("Resynced", false, "NoAnswer", "10.20.4.1 did not answer a NOTIFY on port 5060; it is told again in 5 minutes"),
            condition("Ready", true, "Ready", "everything is done on the server's side"),
        ],
    })
}

fn hq() -> TrimmedSite {
    site("hq", json!({"address": "10.20.0.5", "servers": "2/2", "commonHash": "sha256:abcdef0123456789"}))
}

fn of(status: Value, happened: Option<Vec<Happening>>) -> Story {
    story(&phone("reception", "000A8A123456", "8105", status), Some(&hq()), happened, at("2026-03-01T09:00:00Z"))
}

#[test]
fn the_story_of_a_phone_goes_from_its_object_to_what_to_do_next() {
    for width in [80, 140] {
        golden(
            &format!("phone-{width}.txt"),
            &text::text(&of(outdated(), Some(happened())), false, Some(width)),
            Some(width),
        );
    }
}

#[test]
fn a_phone_that_was_never_heard_is_led_to_dhcp() {
    let never = json!({"configFile": "SIP000A8A123456.cnf", "configHash": "sha256:1", "servedHash": "sha256:1", "conditions": [
        condition("Accepted", true, "Accepted", "nothing is wrong"), condition("Served", true, "Served", ""),
        condition("InSync", false, "NeverFetched", "the phone has not fetched its configuration yet"), condition("Ready", true, "Ready", "")]});
    for width in [80, 140] {
        golden(
            &format!("phone-never-{width}.txt"),
            &text::text(&of(never.clone(), None), false, Some(width)),
            Some(width),
        );
    }
}

#[test]
fn of_a_phone_that_runs_what_it_should_there_is_nothing_to_do() {
    let fine = json!({"configFile": "SIP000A8A123456.cnf", "configHash": "sha256:1", "servedHash": "sha256:1", "fetchedHash": "sha256:1",
        "fetchedCommonHash": "sha256:abcdef0123456789", "lastSeen": "2026-03-01T08:59:58Z", "address": "10.20.4.1", "conditions": [
        condition("Accepted", true, "Accepted", "nothing is wrong"), condition("Served", true, "Served", ""),
        condition("InSync", true, "Fetched", ""), condition("Ready", true, "Ready", ""), condition("Resynced", true, "InSync", "")]});
    let story = of(fine, Some(Vec::new()));
    assert!(story.next.is_empty(), "{:?}", story.next);
    let said = text::text(&story, false, Some(80));
    assert!(
        !said.contains("What differs") && !said.contains("Next") && !said.contains('✗') && !said.contains('!'),
        "{said}"
    );
}

#[test]
fn whatever_keeps_a_phone_from_its_files_has_a_next_step() {
    for (kind, reasons) in [
        (
            "Accepted",
            &[
                "Invalid",
                "SetTwice",
                "SecretNotFound",
                "SecretKeyNotFound",
                "SecretNotAllowed",
                "SourceNotAllowed",
                "SiteNotFound",
                "SiteInvalid",
                "DuplicateMac",
                "DuplicateLine",
                "SiteFull",
                "FileTooLarge",
                "SomethingNew",
            ][..],
        ),
        ("Served", &["Pending", "NoServer", "Suspended"]),
        ("FirmwareStaged", &["NoSource", "SourceNotFound", "FetchFailed", "Incomplete"]),
        ("InSync", &["NeverFetched", "Unacknowledged", "Outdated", "CommonOutdated"]),
    ] {
        for reason in reasons {
            let story = of(json!({"conditions": [condition(kind, false, reason, "m")]}), None);
            assert!(!story.next.is_empty(), "{kind} {reason}");
        }
    }
    // Whatever stands in the way of a notification.
    for reason in Reason::VARIANTS {
        let mut status = outdated();
        status["conditions"][4]["reason"] = reason.as_str().into();
        assert!(of(status, None).next.iter().any(|step| step.len() > 20), "{reason:?}");
    }
}

#[test]
fn a_phone_without_its_site_and_one_that_no_operator_saw_say_so() {
    let orphan = story(&phone("a", "000A8A123456", "1", outdated()), None, None, at("2026-03-01T09:00:00Z"));
    assert!(orphan.next[0].starts_with("make the PhoneSite hq"), "{:?}", orphan.next);
    let unseen = of(json!({"observedGeneration": -1}), None);
    assert!(unseen.next[0].contains("kubectl dialtone check"), "{:?}", unseen.next);
}

#[test]
fn a_phone_is_found_by_all_that_a_person_may_know_of_it() {
    let unclaimed = json!({"unclaimed": [{"mac": "000A8AFF0001", "address": "10.20.4.7", "firstSeen": "2026-03-01T08:00:00Z", "waiting": true}]});
    let phones = [
        phone("reception", "00:0a:8a:12:34:56", "8105", json!({"address": "10.20.4.1"})),
        phone("kitchen", "000A8A123457", "8106", json!({"address": "10.20.4.2"})),
        phone("8106", "000A8A123458", "8106", json!({})),
    ];
    let sites = [site("hq", unclaimed)];
    let found = |wanted: &str| match find::find(wanted, &phones, &sites) {
        Found::Phone(place) => format!("{place}"),
        Found::Several(places) => format!("{places:?}"),
        Found::Unclaimed(_, phone) => phone.mac,
        Found::None(meant) => format!("none {meant:?}"),
    };
    for wanted in
        ["reception", "000a.8a12.3456", "000A8A123456", "8105", "sip:8105@10.0.0.1", "10.20.4.1", " reception "]
    {
        assert_eq!(found(wanted), "0", "{wanted}");
    }
    assert_eq!((found("8106"), found("10.20.4.2")), ("2".to_owned(), "1".to_owned()), "a name before a line");
    assert_eq!(
        (found("00-0A-8A-FF-00-01"), found("10.20.4.7")),
        ("000A8AFF0001".to_owned(), "000A8AFF0001".to_owned())
    );
    assert_eq!((found("recepton"), found("8107")), ("none Some(\"reception\")".to_owned(), "none None".to_owned()));
    assert_eq!((found("10.20.4.9"), found("")), ("none None".to_owned(), "none None".to_owned()));
    let twice = [phones[1].clone(), phone("cellar", "000A8A123457", "8106", json!({}))];
    assert!(matches!(find::find("8106", &twice, &sites), Found::Several(places) if places == [0, 1]));
}

#[test]
fn a_phone_that_nobody_declared_gets_a_manifest_to_begin_with() {
    let asks = |waiting| crate::api::Unclaimed {
        mac: "000A8AFF0001".to_owned(),
        address: "10.20.4.7".to_owned(),
        first_seen: "2026-03-01T08:00:00Z".to_owned(),
        waiting,
    };
    for width in [80, 140] {
        golden(
            &format!("phone-unclaimed-{width}.txt"),
            &text::unclaimed("phones", "hq", &asks(true), Some(width)),
            Some(width),
        );
    }
    assert!(text::unclaimed("phones", "hq", &asks(false), None).contains("a stranger's packet"));
}
