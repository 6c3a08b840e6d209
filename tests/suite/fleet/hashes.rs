//! Hashes in statuses: one from which guesses of a password could be tested is never shown.

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

/// A site whose phone takes its file at that time; what it took.
fn taken(fleet: &mut Fleet, file: &str, seconds: i64) -> Digest {
    let digest = Digest::of(&fleet.tree(&key("hq"))[file]);
    again(fleet, file, digest, seconds);
    digest
}

fn again(fleet: &mut Fleet, file: &str, digest: Digest, seconds: i64) {
    fleet.fetched(&key("hq"), &Fetch { time: at(seconds), ..fetch(file, Some(digest)) });
}

fn operator(site_spec: Value) -> Fleet {
    let mut fleet = Fleet::new();
    fleet.tick(at(5_000));
    site(&mut fleet, 1, site_spec);
    fleet.set_hash_key(&key("hq"), HashKey::new(b"k"));
    fleet
}

fn status(fleet: &mut Fleet) -> SipPhoneStatus {
    fleet.take_work();
    fleet.current_status(&key("p"), at(5_000)).unwrap()
}

fn is_in_sync(status: &SipPhoneStatus) -> bool {
    status.conditions.iter().any(|one| one.type_ == "InSync" && one.status == "True")
}

#[test]
fn a_new_operator_shows_no_plain_hash_of_a_file_that_held_a_password() {
    let mut before = operator(json!({}));
    phone(&mut before, "p", 1, 0, with_password(MAC, "1"));
    before.take_work();
    secret(&mut before, "1234");
    write_all(&mut before);
    holds(&mut before, "a");
    let (common, own) = (taken(&mut before, "SIPDefault.cnf", 4_000), taken(&mut before, FILE, 4_001));
    let (plain, keyed) = (own.public(None), own.public(Some(&HashKey::new(b"k"))));
    let known = status(&mut before);
    assert_eq!(known.fetched_hash.as_ref(), Some(&keyed));

    // The password is removed, and the operator is replaced; the pods report again what they remember.
    for said in [SipPhoneStatus::default(), known] {
        let mut after = operator(json!({}));
        let spec = serde_json::from_value(plain_phone()).unwrap();
        after.apply_phone(meta("p", 2, 0), spec, said);
        write_all(&mut after);
        holds(&mut after, "a");
        again(&mut after, "SIPDefault.cnf", common, 4_000);
        again(&mut after, FILE, own, 4_001);
        let now = status(&mut after);
        assert_eq!(now.fetched_hash.as_ref(), Some(&keyed));
        assert_ne!(now.fetched_hash.as_ref(), Some(&plain));
        assert!(!is_in_sync(&now));
        taken(&mut after, FILE, 4_100);
        assert!(is_in_sync(&status(&mut after)), "what it takes now is public");
    }
}

fn plain_phone() -> Value {
    plain(MAC, "1")
}

#[test]
fn the_same_holds_for_the_common_file() {
    let with = json!({"secretParameters": {"line1_password": {"name": "s", "key": "p"}}});
    let mut before = operator(with);
    phone(&mut before, "p", 1, 0, plain_phone());
    before.take_work();
    secret(&mut before, "1234");
    write_all(&mut before);
    let (common, own) = (taken(&mut before, "SIPDefault.cnf", 4_000), taken(&mut before, FILE, 4_001));
    let known = status(&mut before);
    for said in [SipPhoneStatus::default(), known] {
        let mut after = operator(json!({}));
        after.apply_phone(meta("p", 1, 0), serde_json::from_value(plain_phone()).unwrap(), said);
        write_all(&mut after);
        again(&mut after, "SIPDefault.cnf", common, 4_000);
        again(&mut after, FILE, own, 4_001);
        let shown = status(&mut after).fetched_common_hash;
        assert_eq!(shown, Some(common.public(Some(&HashKey::new(b"k")))));
    }
}

#[test]
fn a_reverted_edit_is_in_sync_although_its_hash_was_shown_under_the_key() {
    let mut fleet = operator(json!({}));
    phone(&mut fleet, "p", 1, 0, plain_phone());
    write_all(&mut fleet);
    holds(&mut fleet, "a");
    let old_common = taken(&mut fleet, "SIPDefault.cnf", 4_000);
    let old = taken(&mut fleet, FILE, 4_001);
    assert!(is_in_sync(&status(&mut fleet)));
    // A pod that does not have the edits yet serves the files as they were.
    let mut edited = plain_phone();
    edited["label"] = "New".into();
    phone(&mut fleet, "p", 2, 0, edited.clone());
    site(&mut fleet, 2, json!({"settings": {"proxy1Address": "10.0.0.9"}}));
    fleet.take_work();
    let other = taken(&mut fleet, FILE, 4_010);
    again(&mut fleet, "SIPDefault.cnf", old_common, 4_020);
    again(&mut fleet, FILE, old, 4_021);
    let shown = status(&mut fleet);
    assert!(!is_in_sync(&shown) && other != old);
    assert_eq!(shown.fetched_hash, Some(old.public(Some(&HashKey::new(b"k")))));
    phone(&mut fleet, "p", 3, 0, plain_phone());
    site(&mut fleet, 3, json!({}));
    write_all(&mut fleet);
    holds(&mut fleet, "a");
    let shown = status(&mut fleet);
    assert!(is_in_sync(&shown), "{shown:?}");
    assert_eq!(shown.fetched_hash, Some(old.public(None)));
}

#[test]
fn a_common_file_with_a_password_has_no_hash_before_there_is_a_key() {
    let with = json!({"secretParameters": {"line1_password": {"name": "s", "key": "p"}}});
    let mut fleet = Fleet::new();
    site(&mut fleet, 1, with);
    fleet.take_work();
    secret(&mut fleet, "1234");
    write_all(&mut fleet);
    let hash = |fleet: &mut Fleet| fleet.new_site_status(&key("hq"), at(1)).unwrap().1.common_hash;
    assert_eq!(hash(&mut fleet), None);
    fleet.set_hash_key(&key("hq"), HashKey::new(b"k"));
    let digest = Digest::of(&fleet.tree(&key("hq"))["SIPDefault.cnf"]);
    assert_eq!(hash(&mut fleet), Some(digest.public(Some(&HashKey::new(b"k")))));
}
