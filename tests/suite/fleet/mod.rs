//! The fleet in memory, without a cluster: what is rendered, who wins, what stays, what a restart finds.

mod addresses;
mod advice;
mod combined;
mod edges;
mod facts;
mod files;
mod floods;
mod follow_on;
mod hashes;
mod health;
mod keys;
mod names;
mod own_plans;
mod properties;
mod resync;
mod rollout;
mod said_right;
mod sources;
mod strangers;
mod trust;
mod upgrades;
mod where_served;

use std::collections::BTreeMap;

use bytes::Bytes;
use dialtone::api::{PhoneSiteSpec, PhoneSiteStatus, SipPhoneSpec, SipPhoneStatus};
use dialtone::base::digest::{Digest, HashKey};
use dialtone::provision::{Fetch, Fleet, Key, Meta, Reference, Slot, Urgency, WorkItem};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::reader;

/// Reads as a shell makes them: after all changes were followed through.
trait Reads {
    fn current_status(&mut self, phone: &Key, now: Timestamp) -> Option<SipPhoneStatus>;
    fn phone_status(&mut self, phone: &Key, now: Timestamp) -> Option<(SipPhoneStatus, SipPhoneStatus)>;
    fn new_site_status(&mut self, site: &Key, now: Timestamp) -> Option<(PhoneSiteStatus, PhoneSiteStatus)>;
    fn is_upgrading(&mut self, phone: &Key) -> bool;
    fn has_errors(&mut self, phone: &Key) -> bool;
    fn due_in(&mut self, phone: &Key, now: Timestamp) -> Option<i64>;
    fn upgrade_seconds(&mut self, phone: &Key) -> Option<i64>;
    fn pods_hold_all(&mut self, site: &Key) -> bool;
}

impl Reads for Fleet {
    fn current_status(&mut self, phone: &Key, now: Timestamp) -> Option<SipPhoneStatus> {
        self.settle();
        self.report(phone, now).map(|report| report.after)
    }

    fn phone_status(&mut self, phone: &Key, now: Timestamp) -> Option<(SipPhoneStatus, SipPhoneStatus)> {
        self.settle();
        self.report(phone, now).filter(|report| report.is_news).map(|report| (report.before, report.after))
    }

    fn new_site_status(&mut self, site: &Key, now: Timestamp) -> Option<(PhoneSiteStatus, PhoneSiteStatus)> {
        self.settle();
        self.site_status(site, now)
    }

    fn is_upgrading(&mut self, phone: &Key) -> bool {
        self.settle();
        self.urgency(phone) == Urgency::InTurn
    }

    fn has_errors(&mut self, phone: &Key) -> bool {
        self.settle();
        self.findings()
            .any(|(kind, key, found)| kind == "SipPhone" && key == phone && found.iter().any(|one| one.is_error()))
    }

    fn due_in(&mut self, phone: &Key, now: Timestamp) -> Option<i64> {
        self.settle();
        self.report(phone, now)?.due_in
    }

    fn upgrade_seconds(&mut self, phone: &Key) -> Option<i64> {
        self.settle();
        self.report(phone, Timestamp::UNIX_EPOCH)?.upgrade_seconds
    }

    fn pods_hold_all(&mut self, site: &Key) -> bool {
        self.settle();
        self.pods_are_current(site)
    }
}

fn key(name: &str) -> Key {
    Key::new("ns", name)
}

fn meta(name: &str, generation: i64, created: i64) -> Meta {
    Meta { key: key(name), generation: Some(generation), created, version: generation as u64, resync_at: None }
}

fn site(fleet: &mut Fleet, generation: i64, spec: Value) {
    let spec: PhoneSiteSpec = serde_json::from_value(spec).unwrap();
    fleet.apply_site(meta("hq", generation, 0), spec, Default::default());
}

fn phone(fleet: &mut Fleet, name: &str, generation: i64, created: i64, spec: Value) {
    let spec: SipPhoneSpec = serde_json::from_value(spec).unwrap();
    fleet.apply_phone(meta(name, generation, created), spec, Default::default());
}

fn plain(mac: &str, line: &str) -> Value {
    json!({"siteRef": {"name": "hq"}, "mac": mac, "model": "7940", "lines": [{"name": line}]})
}

fn secret(fleet: &mut Fleet, password: &str) {
    let data = BTreeMap::from([("p".to_owned(), Bytes::copy_from_slice(password.as_bytes()))]);
    fleet.set_secret(&key("s"), Some(data));
}

fn with_password(mac: &str, line: &str) -> Value {
    json!({"siteRef": {"name": "hq"}, "mac": mac, "model": "7940",
        "lines": [{"name": line, "passwordSecretRef": {"name": "s", "key": "p"}}]})
}

fn text(fleet: &Fleet, file: &str) -> Option<String> {
    fleet.tree(&key("hq")).get(file).map(|bytes| bytes.iter().map(|byte| char::from(*byte)).collect())
}

fn reasons(fleet: &Fleet, name: &str) -> Vec<&'static str> {
    let found = fleet.findings().find(|(_, k, _)| **k == key(name)).unwrap().2;
    found.iter().filter(|one| one.is_error()).map(|one| one.code()).collect()
}

/// A shell that writes whatever is dirty, as the operator does; which objects it wrote.
fn write_all(fleet: &mut Fleet) -> Vec<Slot> {
    let mut written = Vec::new();
    loop {
        let dirty = fleet.take_work();
        let mut shards = dirty
            .iter()
            .filter_map(|d| if let WorkItem::Shard(site, slot) = d { Some((site, *slot)) } else { None })
            .peekable();
        if shards.peek().is_none() {
            return written;
        }
        for (site, slot) in shards {
            let content = fleet.content(site, slot);
            let wanted = (!content.0.is_empty()).then(|| content.digest());
            if wanted != fleet.stored(site, slot) {
                written.push(slot);
            }
            fleet.note_stored(site, slot, wanted);
        }
    }
}

/// A request that was answered with all of a file, or with an error.
fn fetch(name: &str, taken: Option<Digest>) -> Fetch {
    Fetch {
        name: name.into(),
        taken,
        unacknowledged: None,
        missing: taken.is_none(),
        address: [10, 0, 0, 9].into(),
        port: 50_000,
        time: Timestamp::UNIX_EPOCH,
        sent: 100,
        total: 100,
        end: Some(taken.map(|_| ()).ok_or_else(|| "it is not there".to_owned())),
    }
}

fn holds(fleet: &mut Fleet, pod: &str) {
    let held = fleet.tree(&key("hq")).iter().map(|(name, bytes)| (name.clone(), Digest::of(bytes))).collect();
    fleet.pod_holds(&key("hq"), pod, true, held, &[]);
}

fn condition(fleet: &mut Fleet, name: &str, kind: &str) -> String {
    let status = fleet.current_status(&key(name), Timestamp::UNIX_EPOCH).unwrap();
    let found = status.conditions.iter().find(|c| c.type_ == kind).unwrap();
    format!("{} {}", found.status, found.reason)
}

const MAC: &str = "000A8A123456";
const FILE: &str = "SIP000A8A123456.cnf";

#[test]
fn the_application_notes_example_is_rendered_as_it_says() {
    let mut fleet = Fleet::offline();
    site(&mut fleet, 1, json!({"settings": {"proxy1Address": "172.16.129.248"}, "unsetParameters": "Keep"}));
    phone(
        &mut fleet,
        "p",
        1,
        0,
        json!({"siteRef": {"name": "hq"}, "mac": "00:0a:8a:12:34:56", "model": "7960", "label": "Reception",
        "lines": [{"name": "8105", "displayName": "Front desk"}]}),
    );
    fleet.take_work();
    assert_eq!(text(&fleet, "SIPDefault.cnf").unwrap(), "proxy1_address: 172.16.129.248\n");
    assert_eq!(
        text(&fleet, FILE).unwrap(),
        "phone_label: Reception\nline1_name: 8105\nline1_displayname: \"Front desk\"\n"
    );
    let status = fleet.current_status(&key("p"), Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(status.config_file.as_deref(), Some(FILE));
    assert_eq!(status.lines[0].station_identification, "8105");
    assert_eq!(status.lines[0].station_identification_uri.as_deref(), Some("sip:8105@172.16.129.248:5060"));
}

#[test]
fn every_file_of_a_site_is_there() {
    let mut fleet = Fleet::offline();
    site(
        &mut fleet,
        1,
        json!({
            "dialPlan": {"templates": [{"match": "911", "timeout": 0, "route": "Emergency"}]},
            "ringList": [{"name": "Classic", "file": "ringer1.pcm"}],
            "firmware": {"image": "P0S3-06-3-00"},
        }),
    );
    fleet.take_work();
    let names: Vec<String> = fleet.tree(&key("hq")).into_keys().collect();
    assert_eq!(names, ["OS79XX.TXT", "RINGLIST.DAT", "SIPDefault.cnf", "dialplan.xml"]);
    assert_eq!(text(&fleet, "OS79XX.TXT").unwrap(), "P0S30202\n");
    assert_eq!(text(&fleet, "RINGLIST.DAT").unwrap(), "Classic\tringer1.pcm\n");
    assert!(text(&fleet, "SIPDefault.cnf").unwrap().contains("dial_template: dialplan\n"));
    assert!(
        !text(&fleet, "SIPDefault.cnf").unwrap().contains("image_version"),
        "no phone is told of an image that is not there"
    );
}

#[test]
fn the_older_of_two_keeps_what_both_want_and_the_other_is_told_who() {
    let mut fleet = Fleet::new();
    site(&mut fleet, 1, json!({"settings": {"proxy1Address": "10.0.0.1"}}));
    phone(&mut fleet, "young", 1, 20, plain(MAC, "1"));
    phone(&mut fleet, "old", 1, 10, plain("00-0a-8a-12-34-56", "2"));
    phone(&mut fleet, "line", 1, 30, plain("000A8A000001", "2"));
    phone(
        &mut fleet,
        "elsewhere",
        1,
        30,
        json!({"siteRef": {"name": "hq"}, "mac": "000A8A000002", "model": "7940",
        "lines": [{"name": "2", "proxy": {"address": "10.0.0.2"}}]}),
    );
    write_all(&mut fleet);
    assert_eq!(reasons(&fleet, "young"), ["DuplicateMac"]);
    assert_eq!(reasons(&fleet, "line"), ["DuplicateLine"]);
    assert!(reasons(&fleet, "old").is_empty() && reasons(&fleet, "elsewhere").is_empty());
    assert!(text(&fleet, FILE).unwrap().contains("line1_name: 2\n"));
    assert!(fleet.findings().any(|(_, _, found)| found.iter().any(|one| one.message.contains("SipPhone old"))));
    fleet.delete_phone(&key("old"));
    write_all(&mut fleet);
    assert!(reasons(&fleet, "young").is_empty() && reasons(&fleet, "line").is_empty());
    assert!(text(&fleet, FILE).unwrap().contains("line1_name: 1\n"));
}

fn other_site(fleet: &mut Fleet, spec: Value) {
    fleet.apply_site(meta("other", 1, 0), serde_json::from_value(spec).unwrap(), Default::default());
}

#[test]
fn lines_without_a_server_do_not_conflict_across_sites_and_on_one_server_they_do() {
    let mut fleet = Fleet::new();
    site(&mut fleet, 1, json!({}));
    other_site(&mut fleet, json!({}));
    phone(&mut fleet, "here", 1, 10, plain(MAC, "1"));
    let mut there = plain("000A8A000001", "1");
    there["siteRef"]["name"] = "other".into();
    phone(&mut fleet, "there", 1, 20, there);
    write_all(&mut fleet);
    assert!(reasons(&fleet, "there").is_empty());
    site(&mut fleet, 2, json!({"settings": {"proxy1Address": "10.0.0.1"}}));
    other_site(&mut fleet, json!({"settings": {"proxy1Address": "10.0.0.1"}}));
    write_all(&mut fleet);
    assert_eq!(reasons(&fleet, "there"), ["DuplicateLine"]);
}

#[test]
fn a_phone_that_moves_takes_its_wish_for_an_image_along() {
    let mut fleet = Fleet::offline();
    let inventory = |bytes: &[u8]| {
        std::iter::once((
            "P0S3-06-3-00.bin".to_owned(),
            dialtone::provision::catalog::FirmwareFile::new("P0S3-06-3-00.bin", bytes),
        ))
        .collect()
    };
    fleet.set_folder(inventory(b"image"));
    site(&mut fleet, 1, json!({}));
    other_site(&mut fleet, json!({}));
    let mut canary = plain(MAC, "1");
    canary["firmware"] = json!({"image": "P0S3-06-3-00"});
    phone(&mut fleet, "p", 1, 0, canary.clone());
    fleet.take_work();
    assert!(text(&fleet, FILE).unwrap().contains("image_version: P0S3-06-3-00\n"));
    canary["siteRef"]["name"] = "other".into();
    phone(&mut fleet, "p", 2, 0, canary);
    fleet.take_work();
    assert_eq!(text(&fleet, FILE), None);
    let moved = fleet.tree(&key("other"))[FILE].clone();
    assert!(String::from_utf8_lossy(&moved).contains("image_version: P0S3-06-3-00\n"));
}

#[test]
fn what_goes_wrong_leaves_the_last_good_file() {
    let mut fleet = Fleet::new();
    site(&mut fleet, 1, json!({}));
    phone(&mut fleet, "p", 1, 0, plain(MAC, "1"));
    write_all(&mut fleet);
    let good = text(&fleet, FILE);
    phone(&mut fleet, "p", 2, 0, with_password(MAC, "1"));
    assert!(write_all(&mut fleet).is_empty(), "nothing is known of the Secret yet");
    fleet.set_secret(&key("s"), None);
    assert!(write_all(&mut fleet).is_empty());
    assert_eq!(reasons(&fleet, "p"), ["SecretNotFound"]);
    assert_eq!(text(&fleet, FILE), good);
    fleet.set_secret(&key("s"), Some(BTreeMap::new()));
    fleet.take_work();
    assert_eq!(reasons(&fleet, "p"), ["SecretKeyNotFound"]);
    site(&mut fleet, 2, json!({"settings": {"callWaiting": "AlwaysOn"}}));
    let common = text(&fleet, "SIPDefault.cnf");
    fleet.take_work();
    assert_eq!(reasons(&fleet, "hq"), ["Invalid"]);
    assert_eq!(text(&fleet, "SIPDefault.cnf"), common);
}

#[test]
fn a_phone_of_a_site_that_was_never_right_says_so_and_comes_up_with_it() {
    let mut fleet = Fleet::new();
    site(&mut fleet, 1, json!({"settings": {"callWaiting": "AlwaysOn"}}));
    phone(&mut fleet, "p", 1, 0, plain(MAC, "1"));
    write_all(&mut fleet);
    assert_eq!(reasons(&fleet, "p"), ["SiteInvalid"]);
    site(&mut fleet, 2, json!({}));
    write_all(&mut fleet);
    assert!(reasons(&fleet, "p").is_empty() && text(&fleet, FILE).is_some());
}

#[test]
fn a_suspended_site_keeps_what_is_served_and_catches_up() {
    let mut fleet = Fleet::new();
    site(&mut fleet, 1, json!({}));
    phone(&mut fleet, "p", 1, 0, plain(MAC, "1"));
    write_all(&mut fleet);
    holds(&mut fleet, "a");
    site(&mut fleet, 2, json!({"suspend": true, "settings": {"proxyRegister": true}}));
    phone(&mut fleet, "p", 2, 0, plain(MAC, "2"));
    assert_eq!(write_all(&mut fleet), []);
    assert!(text(&fleet, FILE).unwrap().contains("line1_name: 1\n"));
    assert_eq!(condition(&mut fleet, "p", "Ready"), "True Suspended", "it is as somebody wants it");
    assert_eq!(
        (
            condition(&mut fleet, "p", "Served"),
            fleet.new_site_status(&key("hq"), Timestamp::UNIX_EPOCH).unwrap().1.phones.unwrap().ready
        ),
        ("False Suspended".into(), 1)
    );
    site(&mut fleet, 3, json!({"settings": {"proxyRegister": true}}));
    assert_eq!(write_all(&mut fleet).len(), 2);
    assert!(text(&fleet, FILE).unwrap().contains("line1_name: 2\n"));
}

#[test]
fn one_edit_is_one_write_and_an_edit_that_changes_nothing_is_none() {
    let mut fleet = Fleet::new();
    site(&mut fleet, 1, json!({}));
    for n in 0..1000 {
        phone(&mut fleet, &format!("p{n}"), 1, n, plain(&format!("000A8A{n:06X}"), &n.to_string()));
    }
    let first = write_all(&mut fleet);
    assert!(first.len() >= 3, "common and two shards: {first:?}");
    phone(
        &mut fleet,
        "p7",
        2,
        7,
        json!({"siteRef": {"name": "hq"}, "mac": "000A8A000007", "model": "7940", "label": "New", "lines": [{"name": "7"}]}),
    );
    assert_eq!(write_all(&mut fleet).len(), 1);
    phone(
        &mut fleet,
        "p8",
        2,
        8,
        json!({"siteRef": {"name": "hq"}, "mac": "00:0a:8a:00:00:08", "model": "7940", "lines": [{"name": "8"}]}),
    );
    assert!(write_all(&mut fleet).is_empty());
}

/// The same manifests in a fleet that starts with what the first one had written.
fn restarted(before: &Fleet, slots: &[Slot], tell: impl Fn(&mut Fleet)) -> Fleet {
    let mut fleet = Fleet::new();
    tell(&mut fleet);
    for slot in slots {
        let content = before.content(&key("hq"), *slot);
        if !content.0.is_empty() {
            fleet.recover(&key("hq"), *slot, content);
        }
    }
    fleet
}

#[test]
fn a_restart_finds_everything_as_it_is_and_writes_nothing() {
    let tell = |fleet: &mut Fleet| {
        site(fleet, 1, json!({"settings": {"phonePasswordSecretRef": {"name": "s", "key": "p"}}}));
        for n in 0..400 {
            phone(fleet, &format!("p{n}"), 1, n, plain(&format!("000A8A{n:06X}"), &n.to_string()));
        }
        phone(fleet, "secret", 1, 0, with_password(MAC, "s"));
    };
    let mut before = Fleet::new();
    tell(&mut before);
    secret(&mut before, "x");
    write_all(&mut before);
    let all: Vec<Slot> = Slot::all().collect();
    let mut after = restarted(&before, &all, tell);
    secret(&mut after, "x");
    after.finish_recovery();
    assert_eq!(write_all(&mut after), []);
    assert_eq!(after.tree(&key("hq")), before.tree(&key("hq")));

    // A phone that is broken now keeps the file that was found.
    let mut broken = restarted(&before, &all, tell);
    broken.set_secret(&key("s"), None);
    broken.finish_recovery();
    assert_eq!(write_all(&mut broken), []);
    assert_eq!(text(&broken, FILE), text(&before, FILE));
    assert_eq!(text(&broken, "SIPDefault.cnf"), text(&before, "SIPDefault.cnf"));

    // What nobody declares any more goes.
    let mut fewer = restarted(&before, &all, tell);
    secret(&mut fewer, "x");
    fewer.delete_phone(&key("p3"));
    fewer.finish_recovery();
    assert_eq!(write_all(&mut fewer), [before.slot_of(&key("p3")).unwrap().1]);
}

#[test]
fn a_phone_that_gets_a_password_is_never_without_a_file() {
    let mut fleet = Fleet::new();
    secret(&mut fleet, "x");
    site(&mut fleet, 1, json!({}));
    phone(&mut fleet, "p", 1, 0, plain(MAC, "1"));
    phone(&mut fleet, "q", 1, 0, plain("000A8A000001", "2"));
    write_all(&mut fleet);
    phone(&mut fleet, "p", 2, 0, with_password(MAC, "1"));
    fleet.take_work();
    secret(&mut fleet, "x");
    fleet.take_work();
    let (old, new) = (Slot::Phones { secret: false, index: 0 }, Slot::Phones { secret: true, index: 0 });
    assert!(fleet.content(&key("hq"), old).0.contains_key(FILE), "it stays until the new one is written");
    assert!(!String::from_utf8_lossy(&fleet.content(&key("hq"), old).0[FILE]).contains('x'), "without the password");
    assert!(fleet.content(&key("hq"), new).0.contains_key(FILE));
    fleet.note_stored(&key("hq"), new, Some(fleet.content(&key("hq"), new).digest()));
    assert!(!fleet.content(&key("hq"), old).0.contains_key(FILE), "nobody serves it");
}

/// A phone moved, its new place is written, and then something happens: whether its file is still in its old place.
fn stays_behind(to_secret: bool, happens: impl FnOnce(&mut Fleet)) -> bool {
    let mut fleet = Fleet::new();
    fleet.tick(Timestamp::from_second(1000).unwrap());
    secret(&mut fleet, "x");
    site(&mut fleet, 1, json!({}));
    let of = |secret: bool| if secret { with_password(MAC, "1") } else { plain(MAC, "1") };
    phone(&mut fleet, "p", 1, 0, of(!to_secret));
    fleet.settle();
    secret(&mut fleet, "x");
    write_all(&mut fleet);
    for pod in ["a", "b"] {
        fleet.pod_runs(&key("hq"), pod);
        holds(&mut fleet, pod);
    }
    phone(&mut fleet, "p", 2, 0, of(to_secret));
    fleet.settle();
    secret(&mut fleet, "x");
    write_all(&mut fleet);
    happens(&mut fleet);
    fleet.content(&key("hq"), Slot::Phones { secret: !to_secret, index: 0 }).0.contains_key(FILE)
}

#[test]
fn a_file_stays_where_it_was_until_every_pod_has_it_from_its_new_place() {
    let hold = |pods: &'static [&str]| move |fleet: &mut Fleet| pods.iter().for_each(|pod| holds(fleet, pod));
    assert!(stays_behind(true, |_| ()));
    assert!(stays_behind(true, hold(&["a"])), "one of two pods");
    assert!(!stays_behind(true, hold(&["a", "b"])));
    // What a pod shows is the copy in the Secret, so that nobody knows whether it has the other one.
    assert!(stays_behind(false, hold(&["a", "b"])));
    let pass = |fleet: &mut Fleet, second: i64| fleet.tick(Timestamp::from_second(second).unwrap());
    for (second, stays) in [(1100, true), (1120, false)] {
        let happens = |fleet: &mut Fleet| {
            holds(fleet, "a");
            holds(fleet, "b");
            pass(fleet, second);
        };
        assert_eq!(stays_behind(false, happens), stays, "{second}");
        // Nobody waits for ever for a pod that says nothing, and nobody forgets one that says that it has something else.
        let silent = |fleet: &mut Fleet| {
            holds(fleet, "a");
            fleet.pod_gone(&key("hq"), "b");
            pass(fleet, second);
        };
        assert_eq!(stays_behind(true, silent), stays, "{second}");
        assert!(stays_behind(true, |fleet| pass(fleet, second)));
    }
    let ended = |fleet: &mut Fleet| {
        holds(fleet, "a");
        fleet.pod_ends(&key("hq"), "b");
    };
    assert!(!stays_behind(true, ended));
}

#[test]
fn the_same_key_for_hashes_again_makes_no_work() {
    let mut fleet = Fleet::new();
    site(&mut fleet, 1, json!({}));
    phone(&mut fleet, "p", 1, 0, plain(MAC, "1"));
    fleet.set_hash_key(&key("hq"), HashKey::new(b"k"));
    write_all(&mut fleet);
    fleet.take_work();
    fleet.set_hash_key(&key("hq"), HashKey::new(b"k"));
    assert_eq!(fleet.take_work(), [], "it comes with every event about a site, which may have thousands of phones");
    fleet.set_hash_key(&key("hq"), HashKey::new(b"another"));
    assert!(fleet.take_work().contains(&WorkItem::PhoneStatus(key("p"))));
}

#[test]
fn what_pods_hold_and_phones_fetch_becomes_the_status() {
    let mut fleet = Fleet::new();
    site(&mut fleet, 1, json!({}));
    phone(&mut fleet, "p", 1, 0, plain(MAC, "1"));
    fleet.set_hash_key(&key("hq"), HashKey::new(b"k"));
    write_all(&mut fleet);
    assert_eq!(condition(&mut fleet, "p", "Served"), "False NoServer");
    holds(&mut fleet, "a");
    assert_eq!(condition(&mut fleet, "p", "Ready"), "True Ready");
    fleet.pod_holds(&key("hq"), "b", true, Vec::new(), &[]);
    assert_eq!(condition(&mut fleet, "p", "Served"), "False Pending");
    holds(&mut fleet, "b");
    assert_eq!(condition(&mut fleet, "p", "InSync"), "False NeverFetched");

    let fetched = |fleet: &mut Fleet, name: &str, second: i64| {
        let digest = Digest::of(&fleet.tree(&key("hq"))[name]);
        let time = Timestamp::from_second(second).unwrap();
        let fetch = Fetch { time, ..fetch(name, Some(digest)) };
        fleet.fetched(&key("hq"), &fetch);
    };
    // The two files may be told by two pods, in either order.
    fetched(&mut fleet, FILE, 1001);
    assert_eq!(condition(&mut fleet, "p", "InSync"), "False CommonOutdated");
    fetched(&mut fleet, "SIPDefault.cnf", 1000);
    assert_eq!(condition(&mut fleet, "p", "InSync"), "True Fetched");
    let status = fleet.current_status(&key("p"), Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(status.lines[0].station_connection.as_deref(), Some("1@10.0.0.9"));

    site(&mut fleet, 2, json!({"settings": {"proxyRegister": true}}));
    fleet.take_work();
    assert_eq!(condition(&mut fleet, "p", "InSync"), "False CommonOutdated");
    phone(&mut fleet, "p", 2, 0, plain(MAC, "2"));
    fleet.take_work();
    assert_eq!(condition(&mut fleet, "p", "InSync"), "False Outdated");
}

#[test]
fn a_report_that_nothing_can_be_made_of_is_asked_for_again() {
    let mut fleet = Fleet::new();
    let held = || vec![("a".to_owned(), Digest::of(b"a"))];
    assert!(!fleet.pod_holds(&key("hq"), "pod", true, held(), &[]), "the site is not known yet");
    site(&mut fleet, 1, json!({}));
    assert!(!fleet.pod_holds(&key("hq"), "pod", false, held(), &[]), "a change of what was never told");
    assert!(fleet.pod_holds(&key("hq"), "pod", true, held(), &[]));
    assert!(fleet.pod_holds(&key("hq"), "pod", false, held(), &[]));
    fleet.delete_site(&key("hq"));
    site(&mut fleet, 1, json!({}));
    assert!(!fleet.pod_holds(&key("hq"), "pod", false, held(), &[]), "a site that was made anew knows no pod");
}

#[test]
fn a_stranger_is_news_once() {
    let mut fleet = Fleet::new();
    site(&mut fleet, 1, json!({}));
    write_all(&mut fleet);
    let miss = fetch(FILE, None);
    fleet.fetched(&key("hq"), &miss);
    assert_eq!(fleet.take_work(), [WorkItem::SiteStatus(key("hq"))]);
    fleet.fetched(&key("hq"), &miss);
    assert!(fleet.take_work().is_empty());
}

#[test]
fn a_secret_is_read_when_somebody_refers_to_it_and_forgotten_when_nobody_does() {
    let mut fleet = Fleet::new();
    site(&mut fleet, 1, json!({}));
    phone(&mut fleet, "p", 1, 0, with_password(MAC, "1"));
    assert!(fleet.take_work().contains(&WorkItem::Read(Reference::Secret, key("s"))));
    assert!(fleet.refers_to(Reference::Secret, &key("s")));
    phone(&mut fleet, "p", 2, 0, plain(MAC, "1"));
    fleet.take_work();
    assert!(!fleet.refers_to(Reference::Secret, &key("s")));
}

#[test]
fn secrets_that_do_not_fit_are_refused_without_being_shown() {
    for bad in ["a\"b", "a\nb", "a\u{20ac}b", ""] {
        let mut fleet = Fleet::new();
        site(&mut fleet, 1, json!({}));
        phone(&mut fleet, "p", 1, 0, with_password(MAC, "1"));
        secret(&mut fleet, bad);
        fleet.take_work();
        secret(&mut fleet, bad);
        fleet.take_work();
        assert_eq!(reasons(&fleet, "p"), ["Invalid"], "{bad:?}");
        let said = fleet.findings().flat_map(|(_, _, found)| found).map(ToString::to_string).collect::<String>();
        assert!(bad.is_empty() || !said.contains(bad), "{said}");
    }
}

#[test]
fn a_secret_of_32_digits_is_served_with_a_warning_that_does_not_show_it() {
    let long = "0123456789abcdef0123456789abcdef";
    let mut fleet = Fleet::offline();
    site(&mut fleet, 1, json!({}));
    phone(&mut fleet, "p", 1, 0, with_password(MAC, "1"));
    secret(&mut fleet, long);
    fleet.take_work();
    secret(&mut fleet, long);
    fleet.take_work();
    let found: Vec<_> = fleet.findings().flat_map(|(_, _, found)| found).collect();
    let said = found.iter().find(|one| one.code() == "PasswordTooLong").unwrap().to_string();
    assert!(said.contains("32 characters") && !said.contains(long), "{said}");
    assert!(text(&fleet, FILE).unwrap().contains(&format!("line1_password: {long}\n")));
}

#[test]
fn trouble_that_ends_when_the_site_comes_is_known_as_such() {
    let mut fleet = Fleet::new();
    phone(&mut fleet, "a", 1, 1, plain("000A8A000001", "1"));
    assert!(fleet.has_errors(&key("a")));
    site(&mut fleet, 1, json!({"settings": {"proxy1Address": "10.0.0.1"}}));
    assert!(!fleet.has_errors(&key("a")));
}

/// A request for its own file by a phone of which the last acknowledgement did not arrive: all of it had been sent a second before.
fn not_acknowledged(fleet: &Fleet, second: i64) -> Fetch {
    let digest = Digest::of(&fleet.tree(&key("hq"))[FILE]);
    let time = Timestamp::from_second(second).unwrap();
    Fetch {
        taken: None,
        unacknowledged: Some((digest, 1_000)),
        missing: false,
        sent: 512,
        end: None,
        time,
        ..fetch(FILE, None)
    }
}

#[test]
fn a_phone_whose_last_acknowledgement_was_lost_has_an_address_and_took_its_file_if_it_goes_on() {
    for goes_on_first in [false, true] {
        let mut fleet = Fleet::new();
        fleet.set_hash_key(&key("hq"), HashKey::new(b"k"));
        site(&mut fleet, 1, json!({"settings": {"proxy1Address": "10.0.0.1"}}));
        phone(&mut fleet, "p", 1, 0, plain(MAC, "1"));
        write_all(&mut fleet);
        holds(&mut fleet, "a");
        let at = |second| Timestamp::from_second(second).unwrap();
        let next = Fetch { time: at(1_000), ..fetch("RINGLIST.DAT", None) };
        let (own, common) = (not_acknowledged(&fleet, 1_001), Digest::of(&fleet.tree(&key("hq"))["SIPDefault.cnf"]));
        fleet.fetched(&key("hq"), &Fetch { time: at(999), ..fetch("SIPDefault.cnf", Some(common)) });
        if goes_on_first {
            // What it asked for next is told before, because that ended sooner.
            fleet.fetched(&key("hq"), &next);
        }
        fleet.fetched(&key("hq"), &own);
        if !goes_on_first {
            let status = fleet.current_status(&key("p"), at(1_002)).unwrap();
            assert_eq!((status.address.as_deref(), status.fetched_hash), (Some("10.0.0.9"), None));
            assert_eq!(condition(&mut fleet, "p", "InSync"), "False Unacknowledged");
            fleet.fetched(&key("hq"), &next);
        }
        assert_eq!(condition(&mut fleet, "p", "InSync"), "True Fetched", "{goes_on_first}");
        // The server gives up at last, which says no more.
        fleet.fetched(
            &key("hq"),
            &Fetch {
                end: Some(Err("it fell silent".into())),
                unacknowledged: own.unacknowledged.map(|(digest, _)| (digest, 31_000)),
                time: at(1_031),
                ..own
            },
        );
        assert_eq!(condition(&mut fleet, "p", "InSync"), "True Fetched");
    }
}

#[test]
fn a_phone_that_starts_again_after_an_unacknowledged_end_has_not_gone_on_and_is_not_told_again() {
    let mut fleet = Fleet::new();
    fleet.set_hash_key(&key("hq"), HashKey::new(b"k"));
    site(&mut fleet, 1, json!({"settings": {"proxy1Address": "10.0.0.1"}, "resync": {"method": "Notify"}}));
    phone(&mut fleet, "p", 1, 0, plain(MAC, "1"));
    write_all(&mut fleet);
    holds(&mut fleet, "a");
    let own = not_acknowledged(&fleet, 1_001);
    fleet.fetched(&key("hq"), &own);
    fleet.fetched(&key("hq"), &Fetch { time: Timestamp::from_second(1_010).unwrap(), ..fetch("OS79XX.TXT", None) });
    assert_eq!(condition(&mut fleet, "p", "InSync"), "False Unacknowledged");
    assert_eq!(fleet.resync_orders(&key("hq"), Timestamp::from_second(1_300).unwrap()).0, []);
}
