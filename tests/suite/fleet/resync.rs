//! Phones that are told to fetch a change: exactly those that should, so many at a time, and what their statuses say.

use dialtone::provision::resync::{Answer, ResyncError, ResyncOrder, Transport};

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn mac(n: u8) -> String {
    format!("000A8A1200{n:02X}")
}

fn name(n: u8) -> String {
    format!("p{n}")
}

fn notified(spec: Value) -> Value {
    let mut all =
        json!({"settings": {"proxy1Address": "10.0.0.1"}, "resync": {"method": "Notify", "maxConcurrent": 2}});
    all.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    all
}

/// Phones that run what is served.
fn running(phones: u8, spec: Value) -> Fleet {
    let mut fleet = Fleet::new();
    fleet.set_hash_key(&key("hq"), HashKey::new(b"k"));
    site(&mut fleet, 1, spec);
    for n in 0..phones {
        phone(&mut fleet, &name(n), 1, 0, plain(&mac(n), &n.to_string()));
    }
    serve(&mut fleet);
    (0..phones).for_each(|n| boots(&mut fleet, n, 1_000));
    fleet
}

fn serve(fleet: &mut Fleet) {
    write_all(fleet);
    holds(fleet, "a");
    holds(fleet, "b");
}

/// A phone takes both files as they are served.
fn boots(fleet: &mut Fleet, n: u8, time: i64) {
    for file in ["SIPDefault.cnf".to_owned(), format!("SIP{}.cnf", mac(n))] {
        let digest = fleet.tree(&key("hq")).get(&file).map(|bytes| Digest::of(bytes));
        let one = Fetch { address: [10, 0, 1, n].into(), time: at(time), ..fetch(&file, digest) };
        fleet.fetched(&key("hq"), &one);
    }
}

fn edit(fleet: &mut Fleet, n: u8, generation: i64, label: &str) {
    let mut spec = plain(&mac(n), &n.to_string());
    spec["label"] = label.into();
    phone(fleet, &name(n), generation, 0, spec);
    serve(fleet);
}

fn told(orders: &[ResyncOrder]) -> Vec<&str> {
    orders.iter().map(|order| &*order.phone.name).collect()
}

fn said(fleet: &mut Fleet, n: u8, now: i64) -> String {
    let status = fleet.current_status(&key(&name(n)), at(now)).unwrap();
    let found = status.conditions.iter().find(|c| c.type_ == "Resynced");
    found.map_or("absent".to_owned(), |c| format!("{} {}", c.status, c.reason))
}

#[test]
fn exactly_the_phone_that_changed_is_told_where_it_is_and_by_its_line() {
    let mut fleet = running(3, notified(json!({})));
    assert_eq!(fleet.resync_orders(&key("hq"), at(1_001)), (vec![], None), "all run what is served");
    assert_eq!(said(&mut fleet, 1, 1_001), "True InSync");
    edit(&mut fleet, 1, 2, "New");
    assert!(fleet.take_work().contains(&WorkItem::Resync(key("hq"))));
    let (orders, _) = fleet.resync_orders(&key("hq"), at(1_010));
    let transport = Transport::Notify { port: 5060, lines: vec!["1".to_owned()] };
    assert_eq!(orders, [ResyncOrder { phone: key("p1"), address: [10, 0, 1, 1].into(), transport, attempt: 1 }]);
    assert_eq!(said(&mut fleet, 1, 1_010), "False Told");
    fleet.note_resync(&key("p1"), Ok(Answer::Heard));
    assert_eq!(fleet.resync_orders(&key("hq"), at(1_050)).0, [], "once");
    boots(&mut fleet, 1, 1_060);
    assert_eq!(fleet.resync_orders(&key("hq"), at(1_061)), (vec![], None));
    assert_eq!(said(&mut fleet, 1, 1_061), "True InSync");
    assert_eq!(condition(&mut fleet, "p1", "InSync"), "True Fetched");
    let status = fleet.current_status(&key("p1"), at(1_061)).unwrap();
    assert_eq!(status.resync.unwrap().told_at.as_deref(), Some("1970-01-01T00:16:50Z"));
    edit(&mut fleet, 1, 3, "Newer");
    assert_eq!(told(&fleet.resync_orders(&key("hq"), at(1_070)).0), ["p1"], "the next change is told at once");
}

#[test]
fn nobody_is_told_before_every_pod_serves_the_change() {
    let mut fleet = running(1, notified(json!({})));
    let mut spec = plain(&mac(0), "0");
    spec["label"] = "New".into();
    phone(&mut fleet, "p0", 2, 0, spec);
    write_all(&mut fleet);
    holds(&mut fleet, "a");
    assert_eq!(fleet.resync_orders(&key("hq"), at(1_010)).0, []);
    holds(&mut fleet, "b");
    assert!(fleet.take_work().contains(&WorkItem::Resync(key("hq"))));
    assert_eq!(told(&fleet.resync_orders(&key("hq"), at(1_011)).0), ["p0"]);
}

#[test]
fn syncinfo_is_served_where_phones_are_told_and_differs_from_what_they_have() {
    let fleet = running(1, notified(json!({})));
    let sync = text(&fleet, "syncinfo.xml").unwrap();
    assert!(sync.contains("<IMAGE VERSION=\"*\" SYNC=\"restart-when-told\"/>"), "{sync}");
    assert!(text(&fleet, "SIPDefault.cnf").unwrap().contains("sync: 1\n"));

    let mut fleet = running(1, json!({"settings": {"proxy1Address": "10.0.0.1"}}));
    assert_eq!(text(&fleet, "syncinfo.xml"), None);
    let mut own = plain(&mac(0), "0");
    own["resync"] = json!({"method": "Notify"});
    phone(&mut fleet, "p0", 2, 0, own);
    fleet.take_work();
    assert!(text(&fleet, "syncinfo.xml").is_some(), "one phone is told");
    fleet.delete_phone(&key("p0"));
    fleet.take_work();
    assert_eq!(text(&fleet, "syncinfo.xml"), None);

    site(&mut fleet, 3, notified(json!({"settings": {"sync": "restart-when-told"}})));
    fleet.take_work();
    assert_eq!(fleet.new_site_status(&key("hq"), at(1)).unwrap().1.conditions[0].reason, "Invalid");
}

#[test]
fn so_many_at_a_time_are_on_their_way_and_the_next_follow() {
    let mut fleet = running(5, notified(json!({})));
    site(&mut fleet, 2, notified(json!({"settings": {"proxy1Address": "10.0.0.2"}})));
    serve(&mut fleet);
    assert_eq!(told(&fleet.resync_orders(&key("hq"), at(1_010)).0), ["p0", "p1"]);
    assert_eq!(fleet.resync_orders(&key("hq"), at(1_011)).0, []);
    assert_eq!(said(&mut fleet, 2, 1_011), "False Waiting");
    fleet.note_resync(&key("p0"), Ok(Answer::Heard));
    fleet.note_resync(&key("p1"), Err(ResyncError::new(dialtone::api::Reason::NoAnswer, "the phone did not answer")));
    assert_eq!(
        told(&fleet.resync_orders(&key("hq"), at(1_043)).0),
        ["p2"],
        "whoever cannot be told keeps nobody waiting"
    );
    assert_eq!(said(&mut fleet, 1, 1_043), "False NoAnswer");
    boots(&mut fleet, 0, 1_050);
    assert_eq!(told(&fleet.resync_orders(&key("hq"), at(1_051)).0), ["p3"]);
    let (orders, again) = fleet.resync_orders(&key("hq"), at(1_052));
    assert_eq!((told(&orders), again.unwrap() <= 181), (vec![], true));
    fleet.note_resync(&key("p2"), Ok(Answer::Heard));
    fleet.note_resync(&key("p3"), Ok(Answer::Heard));
    assert_eq!(told(&fleet.resync_orders(&key("hq"), at(1_240)).0), ["p4"], "p2 and p3 did not come back");
    assert_eq!(said(&mut fleet, 2, 1_240), "False NotBack");
    assert_eq!(told(&fleet.resync_orders(&key("hq"), at(1_320)).0), ["p1"], "again, after five minutes");
}

#[test]
fn a_phone_of_which_no_answer_is_heard_is_waited_for_and_what_it_asks_for_then_is_an_answer() {
    let silence = || Ok(Answer::Silence("the phone did not answer".into()));
    let mut fleet = running(4, notified(json!({"resync": {"method": "Notify", "maxConcurrent": 1}})));
    site(
        &mut fleet,
        2,
        notified(
            json!({"settings": {"proxy1Address": "10.0.0.2"}, "resync": {"method": "Notify", "maxConcurrent": 1}}),
        ),
    );
    serve(&mut fleet);
    let asks = |fleet: &mut Fleet, file: &str, last: u8, time: i64| {
        let one = Fetch { address: [10, 0, 1, last].into(), time: at(time), ..fetch(file, None) };
        fleet.fetched(&key("hq"), &one);
    };
    assert_eq!(told(&fleet.resync_orders(&key("hq"), at(1_010)).0), ["p0"]);
    assert!(fleet.awaits_answer(&key("p0")));
    asks(&mut fleet, "syncinfo.xml", 3, 1_015);
    asks(&mut fleet, "RINGLIST.DAT", 0, 1_016);
    assert!(fleet.awaits_answer(&key("p0")), "another phone, and another file");
    asks(&mut fleet, "syncinfo.xml", 0, 1_030);
    assert!(!fleet.awaits_answer(&key("p0")), "it is not told again");
    fleet.note_resync(&key("p0"), silence());
    assert_eq!(said(&mut fleet, 0, 1_043), "False Told", "it was heard");
    boots(&mut fleet, 0, 1_050);

    // Nothing is heard of the second one; its slot is free when its time is up.
    assert_eq!(told(&fleet.resync_orders(&key("hq"), at(1_060)).0), ["p1"]);
    fleet.note_resync(&key("p1"), silence());
    assert_eq!(said(&mut fleet, 1, 1_093), "False Unheard");
    assert_eq!(fleet.resync_orders(&key("hq"), at(1_200)).0, [], "it may be on its way");
    let words = |fleet: &mut Fleet, n: u8, now: i64| {
        let status = fleet.current_status(&key(&name(n)), at(now)).unwrap();
        status.conditions.into_iter().find(|c| c.type_ == "Resynced").unwrap().message
    };
    assert!(words(&mut fleet, 1, 1_200).contains("until 1970-01-01T00:20:40Z it is waited for"));
    assert_eq!(told(&fleet.resync_orders(&key("hq"), at(1_240)).0), ["p2"]);
    assert_eq!(said(&mut fleet, 1, 1_241), "False NoAnswer");
    assert!(words(&mut fleet, 1, 1_241).starts_with("the phone did not answer and did not come back: is it unplugged"));

    // The third is heard after its silence, by its dial plan; then it comes back, and the next follows.
    fleet.note_resync(&key("p2"), silence());
    asks(&mut fleet, "dialplan.xml", 2, 1_275);
    assert_eq!(said(&mut fleet, 2, 1_276), "False Told");
    assert_eq!(fleet.resync_orders(&key("hq"), at(1_280)).0, []);
    boots(&mut fleet, 2, 1_290);
    assert_eq!(told(&fleet.resync_orders(&key("hq"), at(1_291)).0), ["p3"]);

    // A phone's own file says who it is, wherever it is.
    asks(&mut fleet, "SEP000A8A120003.cnf.xml", 3, 1_300);
    assert!(!fleet.awaits_answer(&key("p3")));
}

#[test]
fn outside_the_hours_nobody_is_told_unless_somebody_asks() {
    let window = json!({"from": "22:00", "to": "05:00", "timeZone": "Europe/Berlin"});
    let mut fleet = running(2, notified(json!({"resync": {"method": "Notify", "window": window}})));
    edit(&mut fleet, 0, 2, "New");
    // 1970-01-01T12:00 in Berlin.
    let noon = 11 * 3600;
    let (orders, again) = fleet.resync_orders(&key("hq"), at(noon));
    assert_eq!((orders, again), (vec![], Some(10 * 3600 + 1)));
    assert_eq!(said(&mut fleet, 0, noon), "False OutsideWindow");
    let asked = Meta { resync_at: Some("1970-01-01T12:00:00+01:00".into()), ..meta("p1", 1, 0) };
    fleet.apply_phone(asked, serde_json::from_value(plain(&mac(1), "1")).unwrap(), Default::default());
    fleet.tick(at(noon));
    serve(&mut fleet);
    assert_eq!(told(&fleet.resync_orders(&key("hq"), at(noon + 1)).0), ["p1"], "although nothing of it changed");
    boots(&mut fleet, 1, noon + 60);
    assert_eq!(fleet.resync_orders(&key("hq"), at(noon + 61)).0, [], "the annotation may stay");
    assert_eq!(told(&fleet.resync_orders(&key("hq"), at(21 * 3600)).0), ["p0"]);
}

#[test]
fn an_annotation_asks_once_now_or_later_and_of_a_whole_site() {
    let mut fleet = running(3, json!({"settings": {"proxy1Address": "10.0.0.1"}}));
    let ask = |fleet: &mut Fleet, when: &str| {
        let spec = serde_json::from_value(json!({"settings": {"proxy1Address": "10.0.0.1"}})).unwrap();
        fleet.apply_site(Meta { resync_at: Some(when.into()), ..meta("hq", 1, 0) }, spec, Default::default());
        serve(fleet);
    };
    assert_eq!(said(&mut fleet, 0, 1_001), "absent", "nobody wants phones told");
    ask(&mut fleet, "tomorrow");
    assert_eq!(fleet.resync_orders(&key("hq"), at(1_500)), (vec![], None));
    let status = fleet.new_site_status(&key("hq"), at(1)).unwrap().1;
    let words = &status.conditions[0].message;
    assert!(words.contains("tomorrow") && words.contains("[ResyncTime]"), "{words}");
    ask(&mut fleet, "1970-01-01T00:33:20Z");
    assert_eq!(fleet.resync_orders(&key("hq"), at(1_900)), (vec![], Some(101)), "in its time");
    fleet.tick(at(2_000));
    let (orders, _) = fleet.resync_orders(&key("hq"), at(2_001));
    assert_eq!(told(&orders), ["p0", "p1", "p2"], "five at a time, if nobody says");
    assert_eq!(said(&mut fleet, 0, 2_001), "False Told");
    (0..3).for_each(|n| boots(&mut fleet, n, 2_030));
    assert_eq!(fleet.resync_orders(&key("hq"), at(9_000)), (vec![], None));
}

#[test]
fn telnet_needs_a_level_and_takes_the_password_from_the_secret() {
    let mut fleet = running(1, json!({"settings": {"proxy1Address": "10.0.0.1"}, "resync": {"method": "Telnet"}}));
    edit(&mut fleet, 0, 2, "New");
    assert_eq!(fleet.resync_orders(&key("hq"), at(1_010)).0, []);
    assert_eq!(said(&mut fleet, 0, 1_010), "False TelnetOff");
    let settings = json!({"proxy1Address": "10.0.0.1", "telnetLevel": "Privileged", "phonePasswordSecretRef": {"name": "s", "key": "k"}});
    site(&mut fleet, 3, json!({"settings": settings, "resync": {"method": "Telnet"}}));
    fleet.take_work();
    fleet.set_secret(&key("s"), Some([("k".to_owned(), Bytes::from_static(b"correct-horse"))].into()));
    serve(&mut fleet);
    let (orders, _) = fleet.resync_orders(&key("hq"), at(1_020));
    assert!(
        matches!(&orders[0].transport, Transport::Telnet { password, .. } if password.0 == "correct-horse"),
        "{orders:?}"
    );
    assert!(!format!("{orders:?}").contains("horse"));
}

#[test]
fn a_phone_that_was_never_seen_or_takes_an_image_is_left_alone() {
    let mut fleet = running(1, notified(json!({})));
    phone(&mut fleet, "p7", 1, 0, plain(&mac(7), "7"));
    serve(&mut fleet);
    assert_eq!(fleet.resync_orders(&key("hq"), at(1_010)).0, []);
    assert_eq!(said(&mut fleet, 7, 1_010), "False NoAddress");
    let part = Fetch {
        address: [10, 0, 1, 0].into(),
        time: at(1_011),
        sent: 512,
        total: 9_000,
        end: None,
        ..fetch("P0S3-06-3-00.bin", None)
    };
    fleet.fetched(&key("hq"), &part);
    edit(&mut fleet, 0, 2, "New");
    let (orders, again) = fleet.resync_orders(&key("hq"), at(1_012));
    assert_eq!(orders, []);
    assert_eq!(said(&mut fleet, 0, 1_012), "False Upgrading");
    // A transfer that stands still keeps nobody from being told.
    let stale = 1_012 + again.expect("asked again once the transfer is given up");
    assert_eq!(told(&fleet.resync_orders(&key("hq"), at(stale)).0), ["p0"]);
}

#[test]
fn a_new_operator_tells_nobody_who_was_just_told() {
    let mut before = running(1, notified(json!({})));
    edit(&mut before, 0, 2, "New");
    assert_eq!(told(&before.resync_orders(&key("hq"), at(1_010)).0), ["p0"]);
    before.note_resync(&key("p0"), Ok(Answer::Heard));
    let status = before.current_status(&key("p0"), at(1_010)).unwrap();

    let mut after = Fleet::new();
    after.set_hash_key(&key("hq"), HashKey::new(b"k"));
    site(&mut after, 1, notified(json!({})));
    let mut spec = plain(&mac(0), "0");
    spec["label"] = "New".into();
    after.apply_phone(meta("p0", 2, 0), serde_json::from_value(spec).unwrap(), status);
    serve(&mut after);
    assert_eq!(after.resync_orders(&key("hq"), at(1_100)).0, []);
    assert_eq!(told(&after.resync_orders(&key("hq"), at(1_311)).0), ["p0"], "after the pause");
}

#[test]
fn a_phone_is_told_by_what_it_runs_not_by_the_change_that_it_is_told_of() {
    let settings = |port: u16| {
        json!({"proxy1Address": "10.0.0.1", "telnetLevel": "Privileged", "voipControlPort": port,
            "phonePasswordSecretRef": {"name": "s", "key": "k"}})
    };
    let password = |text: &'static [u8]| Some(BTreeMap::from([("k".to_owned(), Bytes::from_static(text))]));
    for method in ["Notify", "Telnet"] {
        let mut fleet = Fleet::new();
        fleet.set_hash_key(&key("hq"), HashKey::new(b"k"));
        site(&mut fleet, 1, json!({"settings": settings(5062), "resync": {"method": method}}));
        fleet.take_work();
        fleet.set_secret(&key("s"), password(b"before"));
        phone(&mut fleet, "p0", 1, 0, plain(&mac(0), "7101"));
        serve(&mut fleet);
        boots(&mut fleet, 0, 1_000);
        fleet.take_work();
        // The line's name, the SIP port and the password change, all at once.
        phone(&mut fleet, "p0", 2, 0, plain(&mac(0), "7199"));
        site(&mut fleet, 2, json!({"settings": settings(5070), "resync": {"method": method}}));
        fleet.set_secret(&key("s"), password(b"after"));
        serve(&mut fleet);
        let (orders, _) = fleet.resync_orders(&key("hq"), at(1_010));
        let expected = match method {
            "Notify" => Transport::Notify { port: 5062, lines: vec!["7101".to_owned()] },
            _ => Transport::Telnet {
                password: dialtone::provision::resync::Password("before".to_owned()),
                prompt: "SIP Phone".to_owned(),
            },
        };
        assert!(orders.iter().map(|order| &order.transport).eq([&expected]), "{orders:?}");
    }
}
