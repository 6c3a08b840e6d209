//! Where something is served: what was served stays there until its object is right or gone, whatever is wrong with what decides that.

use super::*;

const OTHER: &str = "000A8A000002";

/// A site with one phone, whose file is served.
fn served() -> (Fleet, String) {
    let mut fleet = Fleet::new();
    site(&mut fleet, 1, json!({"settings": {"proxy1Address": "10.0.0.1"}}));
    phone(&mut fleet, "p", 1, 10, plain(MAC, "1"));
    write_all(&mut fleet);
    let good = text(&fleet, FILE).unwrap();
    (fleet, good)
}

fn with(field: &str, value: Value) -> Value {
    let mut spec = plain(MAC, "2");
    spec[field] = value;
    spec
}

#[test]
fn an_address_that_is_none_leaves_the_file_that_was_served_and_the_right_one_moves_it() {
    for bad in [
        "no mac",
        "",
        "00:0a:8a:12:34",
        "000A8A12345G",
        "01:00:5e:00:00:01",
        "ff:ff:ff:ff:ff:ff",
        "0.0.0.0",
        "SIP000A8A123456",
    ] {
        let (mut fleet, good) = served();
        phone(&mut fleet, "p", 2, 10, with("mac", bad.into()));
        assert!(write_all(&mut fleet).is_empty(), "{bad}");
        assert_eq!(reasons(&fleet, "p"), ["Invalid"], "{bad}");
        assert_eq!(text(&fleet, FILE).as_ref(), Some(&good), "{bad}");
        let status = fleet.current_status(&key("p"), Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(status.config_file.as_deref(), Some(FILE));
        phone(&mut fleet, "p", 3, 10, with("mac", OTHER.into()));
        write_all(&mut fleet);
        assert_eq!(text(&fleet, FILE), None);
        assert!(text(&fleet, "SIP000A8A000002.cnf").unwrap().contains("line1_name: 2\n"));
    }
}

#[test]
fn another_address_together_with_a_mistake_leaves_the_file_that_was_served() {
    let (mut fleet, good) = served();
    let mut spec = with("mac", OTHER.into());
    spec["lines"] = json!([{"name": "two words"}]);
    phone(&mut fleet, "p", 2, 10, spec);
    assert!(write_all(&mut fleet).is_empty());
    assert_eq!(text(&fleet, FILE), Some(good));
    assert_eq!(text(&fleet, "SIP000A8A000002.cnf"), None);
    fleet.delete_phone(&key("p"));
    write_all(&mut fleet);
    assert_eq!(text(&fleet, FILE), None, "it is gone");
}

#[test]
fn a_site_that_is_not_there_or_not_right_leaves_the_file_where_it_was() {
    let broken = json!({"settings": {"callWaiting": "AlwaysOn"}});
    for (named, other) in [("hk", None), ("", None), ("HQ", None), ("other", Some(&broken))] {
        let (mut fleet, good) = served();
        if let Some(spec) = other {
            other_site(&mut fleet, spec.clone());
        }
        phone(&mut fleet, "p", 2, 10, with("siteRef", json!({"name": named})));
        write_all(&mut fleet);
        assert_eq!(text(&fleet, FILE).as_ref(), Some(&good), "{named}");
        assert!(fleet.has_errors(&key("p")), "{named}");
        assert_eq!(condition(&mut fleet, "p", "Served").split(' ').next(), Some("False"));
        // The site comes, or comes right.
        if !named.is_empty() && named != "HQ" {
            fleet.apply_site(meta(named, 2, 0), serde_json::from_value(json!({})).unwrap(), Default::default());
            write_all(&mut fleet);
            assert_eq!(text(&fleet, FILE), None, "{named}");
            assert!(fleet.tree(&key(named)).contains_key(FILE), "{named}");
            assert!(!fleet.has_errors(&key("p")));
        }
        phone(&mut fleet, "p", 3, 10, plain(MAC, "3"));
        write_all(&mut fleet);
        assert!(text(&fleet, FILE).unwrap().contains("line1_name: 3\n"), "{named}");
        assert!(!fleet.tree(&key(named)).contains_key(FILE));
    }
}

#[test]
fn a_site_that_serves_its_last_good_files_takes_nobody_until_it_is_right() {
    let (mut fleet, good) = served();
    other_site(&mut fleet, json!({}));
    fleet.apply_site(
        meta("other", 2, 0),
        serde_json::from_value(json!({"settings": {"callWaiting": "AlwaysOn"}})).unwrap(),
        Default::default(),
    );
    write_all(&mut fleet);
    phone(&mut fleet, "p", 2, 10, with("siteRef", json!({"name": "other"})));
    write_all(&mut fleet);
    assert_eq!(text(&fleet, FILE).as_ref(), Some(&good));
    assert!(!fleet.tree(&key("other")).contains_key(FILE));
    fleet.apply_site(meta("other", 3, 0), serde_json::from_value(json!({})).unwrap(), Default::default());
    write_all(&mut fleet);
    assert!(text(&fleet, FILE).is_none() && fleet.tree(&key("other")).contains_key(FILE));
}

#[test]
fn a_site_that_is_suspended_or_lacks_a_secret_takes_no_phone_and_the_old_one_goes_on_serving_it() {
    let (mut fleet, good) = served();
    other_site(&mut fleet, json!({"suspend": true}));
    phone(&mut fleet, "p", 2, 10, with("siteRef", json!({"name": "other"})));
    write_all(&mut fleet);
    assert_eq!(text(&fleet, FILE).as_ref(), Some(&good));
    fleet.apply_site(meta("other", 2, 0), serde_json::from_value(json!({})).unwrap(), Default::default());
    let mut moved = with_password(MAC, "2");
    moved["siteRef"]["name"] = "other".into();
    phone(&mut fleet, "p", 3, 10, moved);
    fleet.take_work();
    assert_eq!(text(&fleet, FILE).as_ref(), Some(&good), "nothing is known of the Secret yet");
    fleet.set_secret(&key("s"), None);
    fleet.take_work();
    assert_eq!(text(&fleet, FILE).as_ref(), Some(&good));
    secret(&mut fleet, "x");
    fleet.take_work();
    assert!(text(&fleet, FILE).is_none() && fleet.tree(&key("other")).contains_key(FILE));
    let mut count = |name: &str| {
        fleet.new_site_status(&key(name), Timestamp::UNIX_EPOCH).map(|(_, after)| after.phones.unwrap().total)
    };
    assert_eq!((count("hq"), count("other")), (Some(0), Some(1)));
}

#[test]
fn a_site_that_is_gone_takes_its_files_along() {
    let (mut fleet, _) = served();
    phone(&mut fleet, "p", 2, 10, with("siteRef", json!({"name": "hk"})));
    write_all(&mut fleet);
    fleet.delete_site(&key("hq"));
    write_all(&mut fleet);
    assert_eq!(fleet.place_of(&key("p")), None);
    assert_eq!(reasons(&fleet, "p"), ["SiteNotFound"]);
}

#[test]
fn of_two_that_want_one_file_the_older_has_it_and_who_is_served_goes_on_until_then() {
    // A younger one that is right waits for an older one whose file it would take.
    let (mut fleet, good) = served();
    phone(&mut fleet, "p", 2, 10, with("mac", "no mac".into()));
    phone(&mut fleet, "young", 1, 20, plain(MAC, "7"));
    write_all(&mut fleet);
    assert_eq!((text(&fleet, FILE), reasons(&fleet, "young")), (Some(good), vec!["DuplicateMac"]));
    // An older one that is right takes it.
    phone(&mut fleet, "old", 1, 5, plain(MAC, "9"));
    write_all(&mut fleet);
    assert!(text(&fleet, FILE).unwrap().contains("line1_name: 9\n"));
    fleet.delete_phone(&key("old"));
    write_all(&mut fleet);
    assert!(
        text(&fleet, FILE).unwrap().contains("line1_name: 7\n"),
        "who has nothing is served no more: the next in age"
    );
    assert!(reasons(&fleet, "young").is_empty());
}

#[test]
fn an_older_phone_that_says_anothers_address_by_mistake_takes_its_file_only_if_it_can_be_served() {
    let (mut fleet, good) = served();
    phone(&mut fleet, "old", 1, 5, plain(OTHER, "9"));
    write_all(&mut fleet);
    let mut wrong = plain(MAC, "9");
    wrong["lines"] = json!([{"name": "two words"}]);
    phone(&mut fleet, "old", 2, 5, wrong);
    assert!(write_all(&mut fleet).is_empty());
    assert_eq!(text(&fleet, FILE), Some(good));
    assert!(text(&fleet, "SIP000A8A000002.cnf").is_some());
    phone(&mut fleet, "old", 3, 5, plain(MAC, "9"));
    write_all(&mut fleet);
    assert!(text(&fleet, FILE).unwrap().contains("line1_name: 9\n"));
    assert_eq!(reasons(&fleet, "p"), ["DuplicateMac"]);
    assert_eq!(text(&fleet, "SIP000A8A000002.cnf"), None);
}

#[test]
fn phones_that_change_places_have_each_others_address_in_the_end() {
    for (a, b) in [(5, 20), (20, 5)] {
        let (mut fleet, _) = served();
        phone(&mut fleet, "q", 1, a, plain(OTHER, "9"));
        write_all(&mut fleet);
        phone(&mut fleet, "p", 2, b, plain(OTHER, "1"));
        write_all(&mut fleet);
        phone(&mut fleet, "q", 2, a, plain(MAC, "9"));
        write_all(&mut fleet);
        assert!(text(&fleet, FILE).unwrap().contains("line1_name: 9\n"));
        assert!(text(&fleet, "SIP000A8A000002.cnf").unwrap().contains("line1_name: 1\n"));
        assert!(reasons(&fleet, "p").is_empty() && reasons(&fleet, "q").is_empty());
    }
}

#[test]
fn a_restart_finds_the_file_of_a_phone_that_says_no_longer_where_it_is() {
    let now = Timestamp::UNIX_EPOCH;
    let (mut before, good) = served();
    holds(&mut before, "a");
    let mut all: Vec<(&str, Value)> = vec![
        ("no mac", with("mac", "no mac".into())),
        ("a group", with("mac", "01005E000001".into())),
        ("no such site", with("siteRef", json!({"name": "hk"}))),
        ("another site that is wrong", with("siteRef", json!({"name": "other"}))),
    ];
    let mut both = with("mac", "no mac".into());
    both["siteRef"]["name"] = "hk".into();
    all.push(("both", both));
    let status = before.current_status(&key("p"), now).unwrap();
    for (what, spec) in all {
        let slots: Vec<Slot> = Slot::all().collect();
        let mut after = restarted(&before, &slots, |fleet| {
            site(fleet, 1, json!({"settings": {"proxy1Address": "10.0.0.1"}}));
            other_site(fleet, json!({"settings": {"callWaiting": "AlwaysOn"}}));
            fleet.apply_phone(meta("p", 2, 10), serde_json::from_value(spec.clone()).unwrap(), status.clone());
        });
        after.finish_recovery();
        let hq = |slot: &Slot| before.content(&key("hq"), *slot).0.is_empty();
        assert!(write_all(&mut after).iter().all(hq), "{what}");
        assert_eq!(text(&after, FILE).as_ref(), Some(&good), "{what}");
        assert!(after.has_errors(&key("p")), "{what}");
        // Put right, it is served as it says.
        phone(&mut after, "p", 3, 10, plain(MAC, "3"));
        write_all(&mut after);
        assert!(text(&after, FILE).unwrap().contains("line1_name: 3\n"), "{what}");
    }
}

#[test]
fn a_status_alone_keeps_nothing_from_anybody() {
    let mut fleet = Fleet::new();
    site(&mut fleet, 1, json!({}));
    let status = SipPhoneStatus { config_file: Some(FILE.to_owned()), ..Default::default() };
    fleet.apply_phone(meta("p", 1, 5), serde_json::from_value(with("mac", "no mac".into())).unwrap(), status);
    phone(&mut fleet, "young", 1, 20, plain(MAC, "7"));
    fleet.finish_recovery();
    write_all(&mut fleet);
    assert!(text(&fleet, FILE).unwrap().contains("line1_name: 7\n"));
    assert!(reasons(&fleet, "young").is_empty());
}

#[test]
fn a_phone_whose_spec_cannot_be_read_keeps_its_file_also_after_a_restart() {
    let (mut fleet, good) = served();
    holds(&mut fleet, "a");
    let status = fleet.current_status(&key("p"), Timestamp::UNIX_EPOCH).unwrap();
    fleet.hold_phone(meta("p", 2, 10), status.clone(), "unknown variant `7941`");
    assert!(write_all(&mut fleet).is_empty());
    assert_eq!((text(&fleet, FILE).as_ref(), reasons(&fleet, "p")), (Some(&good), vec!["Invalid"]));
    let slots: Vec<Slot> = Slot::all().collect();
    let mut after = restarted(&fleet, &slots, |fleet| {
        site(fleet, 1, json!({"settings": {"proxy1Address": "10.0.0.1"}}));
        fleet.hold_phone(meta("p", 2, 10), status.clone(), "unknown variant `7941`");
    });
    after.finish_recovery();
    assert!(write_all(&mut after).is_empty());
    assert_eq!((text(&after, FILE).as_ref(), reasons(&after, "p")), (Some(&good), vec!["Invalid"]));
    phone(&mut after, "p", 3, 10, plain(MAC, "3"));
    write_all(&mut after);
    assert!(text(&after, FILE).unwrap().contains("line1_name: 3\n") && reasons(&after, "p").is_empty());
    after.hold_phone(meta("p", 4, 10), status, "unknown variant `7941`");
    after.delete_phone(&key("p"));
    write_all(&mut after);
    assert_eq!(text(&after, FILE), None);
}
