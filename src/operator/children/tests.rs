use serde_json::json;

use super::*;
use crate::operator::trimmed::TrimmedSecret;

fn object(version: u64) -> Value {
    json!({"metadata": {"resourceVersion": version.to_string()}})
}

#[test]
fn an_older_version_does_not_replace_a_newer_one() {
    let (children, site, key) = (ObservedChildren::default(), Key::new("ns", "hq"), Key::new("ns", "dialtone-hq"));
    assert!(children.note(&site, Kind::Service, &key, object(7)));
    assert!(!children.note(&site, Kind::Service, &key, object(6)));
    assert!(!children.note(&site, Kind::Service, &key, object(7)));
    assert_eq!(children.get(Kind::Service, &key), Some(object(7)));
    assert_eq!(children.get(Kind::Deployment, &key), None);
}

#[test]
fn a_site_s_children_are_found_until_they_are_deleted() {
    let (children, site, other) = (ObservedChildren::default(), Key::new("ns", "hq"), Key::new("ns", "lab"));
    let (a, b) = (Key::new("ns", "a"), Key::new("ns", "b"));
    children.note(&site, Kind::Service, &b, object(1));
    children.note(&site, Kind::Deployment, &a, object(2));
    children.note(&other, Kind::Service, &a, object(3));
    let found = |site: &Key| -> Vec<(Kind, Key)> {
        children.of_site(site).into_iter().map(|(kind, key, _)| (kind, key)).collect()
    };
    assert_eq!(found(&site), [(Kind::Service, b.clone()), (Kind::Deployment, a.clone())]);
    children.forget(Kind::Deployment, &a, 2);
    assert_eq!(found(&site), [(Kind::Service, b.clone())]);
    assert!(children.note(&other, Kind::Service, &b, object(4)), "its label names another site now");
    assert!(found(&site).is_empty());
    assert_eq!(found(&other).len(), 2);
}

#[test]
fn nothing_is_kept_of_a_site_that_is_gone() {
    let (children, site, other) = (ObservedChildren::default(), Key::new("ns", "hq"), Key::new("ns", "lab"));
    for (site, uid) in [(&site, "u1"), (&other, "u2")] {
        let key = site.sibling(crate::operator::names::workload(&site.name));
        let owner = json!({"apiVersion": crate::api::API_VERSION, "kind": "PhoneSite", "name": site.name, "uid": uid});
        let metadata = json!({"resourceVersion": "1", "uid": format!("of-{uid}"), "ownerReferences": [owner]});
        children.note_answer(site, Kind::Service, &key, "wish", json!({"metadata": metadata}));
        children.forget(Kind::Service, &key, 1);
        children.note_files(site, Slot::Common { secret: false }, files(1, 1));
        children.note_gone_files(site, Slot::Common { secret: false }, 2);
    }
    let sizes = || {
        let state = children.0.lock();
        [state.children.len(), state.owners.len(), state.writes.len(), state.files.len()]
    };
    assert_eq!(sizes(), [0, 2, 2, 2]);
    children.forget_site(&site, Some("u1"));
    assert_eq!(sizes(), [0, 1, 1, 1], "what is known of the other stays");
    children.forget_site(&other, None);
    assert_eq!(sizes(), [0, 1, 0, 0]);
}

fn files(version: u64, digest: u8) -> Observed {
    let meta = json!({"uid": "o", "resourceVersion": version.to_string()});
    Observed { digest: Some(Digest::of(&[digest])), ..Observed::unread(serde_json::from_value(meta).unwrap()) }
}

#[test]
fn an_object_with_files_that_was_missing_from_a_list_may_have_any_version_later() {
    let (children, site, slot) = (ObservedChildren::default(), Key::new("ns", "hq"), Slot::Common { secret: false });
    assert!(children.note_files(&site, slot, files(7, 0)) && !children.note_files(&site, slot, files(5, 0)));
    assert!(!children.note_gone_files(&site, slot, 7), "it only lost its label, and another watch has it");
    assert!(children.note_gone_files(&site, slot, u64::MAX) && children.files(&site, slot).is_none());
    assert!(children.note_files(&site, slot, files(3, 0)));
    assert!(children.note_gone_files(&site, slot, 4) && !children.note_files(&site, slot, files(3, 0)));
}

#[test]
fn what_others_did_to_an_object_with_files_is_told_from_what_was_written() {
    let (children, site, slot) = (ObservedChildren::default(), Key::new("ns", "hq"), Slot::Common { secret: false });
    let untouched = || children.files(&site, slot).unwrap().untouched;
    let wish = Digest::of(&[1]);
    assert_eq!(children.note_written_files(&site, slot, files(5, 1).meta, wish), Some(wish));
    assert!(untouched() && !children.is_contested(&site, slot, wish));
    assert!(children.note_files(&site, slot, files(5, 1)) && untouched(), "the watch shows what was written");
    assert!(children.note_files(&site, slot, files(6, 2)) && !untouched());
    assert!(children.is_contested(&site, slot, wish) && !children.is_contested(&site, slot, Digest::of(&[3])));
    // The watch is faster than the answer, and shows that a key stayed which server-side apply did not take away.
    children.note_files(&site, slot, files(8, 9));
    assert_eq!(children.note_written_files(&site, slot, files(8, 1).meta, wish), Some(Digest::of(&[9])));
    assert!(!untouched());
}

#[test]
fn the_answer_to_a_write_is_known_again_although_controllers_write_to_the_object() {
    let (children, site, key) = (ObservedChildren::default(), Key::new("ns", "hq"), Key::new("ns", "dialtone-hq"));
    let with = |version: u64, replicas: u64| {
        let mut object = object(version);
        object["spec"]["replicas"] = replicas.into();
        object["status"]["observedGeneration"] = version.into();
        object
    };
    children.note_answer(&site, Kind::Deployment, &key, "wish", with(5, 2));
    assert_eq!(children.answered(Kind::Deployment, &key, "wish"), (true, true));
    children.note(&site, Kind::Deployment, &key, with(6, 2));
    assert_eq!(children.answered(Kind::Deployment, &key, "wish"), (true, true));
    children.note(&site, Kind::Deployment, &key, with(7, 3));
    assert_eq!(children.answered(Kind::Deployment, &key, "wish"), (true, false));
    assert_eq!(children.answered(Kind::Deployment, &key, "another"), (false, false));
}

#[test]
fn what_was_deleted_before_the_answer_to_its_write_came_is_not_taken_for_being_there() {
    let (children, site, key) = (ObservedChildren::default(), Key::new("ns", "hq"), Key::new("ns", "dialtone-hq"));
    children.begin(Kind::Service, &key);
    children.note(&site, Kind::Service, &key, object(5));
    children.forget(Kind::Service, &key, 6);
    children.note_answer(&site, Kind::Service, &key, "wish", object(5));
    assert_eq!(children.get(Kind::Service, &key), None);
    assert!(
        children.answered(Kind::Service, &key, "wish").0,
        "whoever deletes it again and again is met ever more rarely"
    );
    // One that a list did not have says nothing of later writes.
    children.forget(Kind::Service, &key, u64::MAX);
    children.begin(Kind::Service, &key);
    children.note_answer(&site, Kind::Service, &key, "wish", object(7));
    assert_eq!(children.get(Kind::Service, &key), Some(object(7)));

    let slot = Slot::Common { secret: false };
    children.note_files(&site, slot, files(5, 1));
    children.note_gone_files(&site, slot, 6);
    let wish = Digest::of(&[1]);
    assert_eq!(children.note_written_files(&site, slot, files(5, 1).meta, wish), None);
    assert!(children.files(&site, slot).is_none() && children.is_contested(&site, slot, wish));
    assert_eq!(children.note_written_files(&site, slot, files(7, 1).meta, wish), Some(wish));

    let token = |version: u64| {
        let secret = json!({"metadata": {"resourceVersion": version.to_string()}});
        TokenSecret::from(serde_json::from_value::<TrimmedSecret>(secret).unwrap())
    };
    assert!(children.note_token(&site, token(5)));
    children.forget_token(&site, 6);
    assert!(!children.note_token(&site, token(5)) && children.token(&site).is_none());
    assert!(children.note_token(&site, token(7)));
}
