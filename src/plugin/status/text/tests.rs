use serde_json::{Value, json};

use super::*;
use crate::plugin::testing::{at, golden, phone, site};

fn condition(kind: &str, holds: bool, reason: &str, message: &str) -> Value {
    json!({"type": kind, "status": if holds { "True" } else { "False" }, "reason": reason, "message": message,
        "lastTransitionTime": "2026-03-01T08:00:00Z"})
}

fn view() -> View {
    let stages = |all: &[(&str, i64)]| -> Vec<Value> {
        all.iter().map(|(stage, phones)| json!({"stage": stage, "phones": phones})).collect()
    };
    let sites = [
        site(
            "hq",
            json!({"address": "10.20.0.5", "servers": "2/2", "files": {"count": 31, "configMaps": 2, "secrets": 1},
            "phones": {"total": 12, "accepted": 12, "served": 12, "ready": 11, "inSync": 9},
            "firmware": {"target": "P0S3-08-12-00", "stages": stages(&[("Current", 5), ("Downloading", 2), ("Failed", 1), ("Waiting", 4)])},
            "unclaimedCount": 5, "unclaimed": [
                {"mac": "000A8AFF0001", "address": "10.20.4.7", "firstSeen": "2026-03-01T08:00:00Z", "waiting": true}],
            "conditions": [condition("Ready", true, "Ready", "everything is done on the server's side"),
                condition("Accepted", true, "AcceptedWithWarnings", "spec.settings.telnetLevel: telnet is open with the password that all phones have: whoever reaches a phone can restart it; set phonePasswordSecretRef [TelnetOpen]")]}),
        ),
        site(
            "warehouse-of-the-northern-branch",
            json!({"servers": "0/2", "phones": {"total": 0, "accepted": 0, "served": 0, "ready": 0, "inSync": 0},
            "conditions": [condition("Ready", false, "AddressPending", "Service dialtone-warehouse has no address yet: something in the cluster has to give one to Services of type LoadBalancer, such as MetalLB or the cloud's controller")]}),
        ),
        site("lab", json!({"observedGeneration": -1})),
    ];
    let status = |ready: (bool, &str, &str), in_sync: (bool, &str), rest: Value| {
        let mut status = json!({"lastSeen": "2026-03-01T08:59:00Z", "address": "10.20.4.1",
            "conditions": [condition("Ready", ready.0, ready.1, ready.2), condition("InSync", in_sync.0, in_sync.1, "")]});
        status.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        status
    };
    let ready = (true, "Ready", "");
    let phones = [
        phone(
            "reception",
            "000A8A123456",
            "8105",
            status(
                ready,
                (true, "Fetched"),
                json!({"firmware": {"stage": "Current", "target": "P0S3-08-12-00", "running": "P0S3-08-12-00"}}),
            ),
        ),
        phone(
            "kitchen",
            "000A8A123457",
            "8106",
            status(
                ready,
                (false, "Outdated"),
                json!({"firmware": {"stage": "Downloading", "target": "P0S3-08-12-00", "percent": 60}}),
            ),
        ),
        phone(
            "a-phone-with-a-long-name-in-the-basement",
            "000A8A123458",
            "8107",
            status(
                (
                    false,
                    "DuplicateMac",
                    "spec.mac: the older SipPhone default/kitchen has 000A8A123458 too; change one of them",
                ),
                (false, "NotServed"),
                json!({"lastSeen": null, "address": null}),
            ),
        ),
        phone(
            "lobby",
            "000A8A123459",
            "8108",
            status(
                ready,
                (true, "Fetched"),
                json!({"firmware": {"stage": "Failed", "target": "P0S3-08-12-00"}, "address": "10.20.4.254"}),
            ),
        ),
    ];
    View::of(&sites, &phones, None, at("2026-03-01T09:00:00Z"))
}

#[test]
fn sites_fit_and_say_what_needs_a_look() {
    for width in [80, 140] {
        golden(&format!("status-{width}.txt"), &text(&view(), &Options::default(), Some(width)), Some(width));
        let wide = Options { namespaces: true, phones: true, wide: true };
        golden(&format!("status-wide-{width}.txt"), &text(&view(), &wide, Some(width)), None);
    }
}

#[test]
fn phones_fit_and_those_that_need_a_look_come_first() {
    let options = Options { phones: true, ..Options::default() };
    for width in [80, 140] {
        golden(&format!("status-site-{width}.txt"), &text(&view(), &options, Some(width)), Some(width));
    }
    let names: Vec<&str> = ["a-phone", "kitchen", "lobby", "reception"].into();
    let found = names.iter().map(|name| text(&view(), &options, None).find(&format!("\n{name}")).unwrap());
    assert!(found.is_sorted());
}

#[test]
fn of_many_phones_those_are_shown_that_need_a_look() {
    let mut view = view();
    let fine = view.phones.iter().find(|phone| phone.name == "reception").unwrap().clone();
    view.phones.extend((0..100).map(|n| PhoneView { name: format!("fine-{n}"), ..fine.clone() }));
    let shown = text(&view, &Options { phones: true, ..Options::default() }, Some(80));
    assert!(!shown.contains("fine-7") && shown.contains("kitchen"), "{shown}");
    assert!(shown.ends_with("101 phones are well; -o wide shows all\n"), "{shown}");
    assert!(text(&view, &Options { phones: true, wide: true, ..Options::default() }, Some(80)).contains("fine-99"));
}

#[test]
fn in_a_pipe_each_change_is_a_line() {
    let options = Options { phones: true, ..Options::default() };
    let before = view();
    assert_eq!(changes(None, &before, &options).len(), 7);
    assert!(changes(Some(&before), &before, &options).is_empty());
    let mut after = view();
    after.sites[0].phones.in_sync = 10;
    after.phones.retain(|phone| phone.name != "lobby");
    let lines = changes(Some(&before), &after, &options);
    assert_eq!(
        lines,
        [
            "site default/hq: ready, 10/12 phones in sync, 5 of 12 upgraded, servers 2/2, address 10.20.0.5",
            "phone default/lobby: is gone"
        ]
    );
}

#[test]
fn whether_all_is_ready_is_the_exit_status() {
    let mut view = view();
    assert!(!view.is_ready());
    view.sites.retain(|site| site.name == "hq");
    assert!(!view.is_ready(), "one of its phones is not");
    view.sites[0].phones.ready = 12;
    assert!(view.is_ready());
    let newer = site("hq", json!({"observedGeneration": 1, "conditions": [condition("Ready", true, "Ready", "")]}));
    let mut newer = newer;
    newer.metadata.generation = Some(2);
    assert!(!View::of(&[newer], &[], None, view.now).is_ready(), "its newest spec was not looked at");
}

#[test]
fn an_object_of_another_version_is_shown_and_hides_no_other() {
    let mut broken = site("old", json!({}));
    broken.spec.0 = Err("missing field `settings`".to_owned());
    let view = View::of(&[broken, site("hq", json!({}))], &[], None, at("2026-03-01T09:00:00Z"));
    let shown = text(&view, &Options::default(), None);
    assert!(shown.contains("old   ✗ Undecodable") && shown.contains("\nhq"), "{shown}");
}
