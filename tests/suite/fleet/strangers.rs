//! What strangers who can send a datagram cannot do: be told a password, hide an upgrade, take a phone's place at once.

use dialtone::provision::resync::Transport;

use super::*;

const STRANGER: [u8; 4] = [203, 0, 113, 66];
const DESK: [u8; 4] = [10, 0, 0, 9];
const OTHER: [u8; 4] = [10, 0, 0, 66];

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn by_telnet(more: Value) -> Value {
    let settings = json!({"proxy1Address": "10.0.0.1", "telnetLevel": "Privileged", "phonePasswordSecretRef": {"name": "s", "key": "p"}});
    let mut spec = json!({"settings": settings, "resync": {"method": "Telnet"}});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    spec
}

/// A site whose phones are told by telnet, and whose pods serve everything.
fn ready(spec: Value) -> Fleet {
    let mut fleet = Fleet::new();
    site(&mut fleet, 1, by_telnet(spec));
    fleet.set_hash_key(&key("hq"), HashKey::new(b"k"));
    fleet.take_work();
    secret(&mut fleet, "correct-horse");
    phone(&mut fleet, "p", 1, 0, plain(MAC, "1"));
    serve(&mut fleet);
    fleet
}

fn serve(fleet: &mut Fleet) {
    write_all(fleet);
    holds(fleet, "a");
}

/// Both files are taken from an address.
fn boots(fleet: &mut Fleet, from: [u8; 4], seconds: i64) {
    for file in ["SIPDefault.cnf", FILE] {
        let digest = Digest::of(&fleet.tree(&key("hq"))[file]);
        let one = Fetch { address: from.into(), time: at(seconds), ..fetch(file, Some(digest)) };
        fleet.fetched(&key("hq"), &one);
    }
    fleet.tick(at(seconds));
    fleet.take_work();
}

fn edit(fleet: &mut Fleet, generation: i64) {
    let mut spec = plain(MAC, "1");
    spec["label"] = format!("L{generation}").into();
    phone(fleet, "p", generation, 0, spec);
    serve(fleet);
}

fn said(fleet: &mut Fleet, kind: &str, now: i64) -> Option<(String, String)> {
    let status = fleet.current_status(&key("p"), at(now)).unwrap();
    let found = status.conditions.into_iter().find(|one| one.type_ == kind)?;
    Some((format!("{} {}", found.status, found.reason), found.message))
}

fn address(fleet: &mut Fleet, now: i64) -> Option<String> {
    fleet.current_status(&key("p"), at(now)).unwrap().address
}

#[test]
fn no_password_goes_to_an_address_where_no_phones_are() {
    for nowhere in [STRANGER, [127, 0, 0, 1], [169, 254, 169, 254], [224, 0, 0, 1]] {
        let mut fleet = ready(json!({}));
        boots(&mut fleet, nowhere, 1_000);
        edit(&mut fleet, 2);
        assert_eq!(fleet.resync_orders(&key("hq"), at(1_010)).0, [], "{nowhere:?}");
        let (reason, message) = said(&mut fleet, "Resynced", 1_010).unwrap();
        assert_eq!(reason, "False AddressNotAllowed");
        assert!(message.contains(&std::net::IpAddr::from(nowhere).to_string()), "{message}");
    }
    // Whoever has phones there says so, and then they are told.
    let mut fleet = ready(json!({"phoneNetworks": ["203.0.113.0/24"]}));
    boots(&mut fleet, STRANGER, 1_000);
    edit(&mut fleet, 2);
    let (orders, _) = fleet.resync_orders(&key("hq"), at(1_010));
    assert!(
        matches!(&orders[0].transport, Transport::Telnet { .. })
            && orders[0].address == std::net::IpAddr::from(STRANGER)
    );
}

#[test]
fn the_networks_of_a_site_may_change_and_its_phones_are_looked_at_again() {
    let mut fleet = ready(json!({}));
    boots(&mut fleet, STRANGER, 1_000);
    edit(&mut fleet, 2);
    let said_what_to_do = said(&mut fleet, "Resynced", 1_010).unwrap().1;
    assert!(
        said_what_to_do.contains("spec.phoneNetworks") && said_what_to_do.contains("10.0.0.0/8"),
        "{said_what_to_do}"
    );
    site(&mut fleet, 2, by_telnet(json!({"phoneNetworks": ["203.0.113.0/24"]})));
    assert!(fleet.take_work().contains(&WorkItem::PhoneStatus(key("p"))));
    assert_eq!(fleet.resync_orders(&key("hq"), at(1_020)).0.len(), 1);
    site(&mut fleet, 3, by_telnet(json!({"phoneNetworks": ["10.0.0.0/33"]})));
    fleet.take_work();
    assert_eq!(reasons(&fleet, "hq"), ["Invalid"]);
}

#[test]
fn nothing_is_sent_to_a_node_or_a_pod() {
    let mut fleet = ready(json!({}));
    boots(&mut fleet, DESK, 1_000);
    fleet.set_cluster_addresses([DESK.into()].into());
    edit(&mut fleet, 2);
    assert_eq!(fleet.resync_orders(&key("hq"), at(1_010)).0, []);
    assert_eq!(said(&mut fleet, "Resynced", 1_010).unwrap().0, "False AddressNotAllowed");
    fleet.set_cluster_addresses(Default::default());
    assert_eq!(fleet.resync_orders(&key("hq"), at(1_011)).0.len(), 1);
}

#[test]
fn whoever_asks_from_outside_does_not_take_the_place_of_a_phone_inside() {
    let mut fleet = ready(json!({}));
    boots(&mut fleet, DESK, 1_000);
    edit(&mut fleet, 2);
    // The same 48 packets, days later.
    boots(&mut fleet, STRANGER, 500_000);
    assert_eq!(condition(&mut fleet, "p", "InSync"), "False Outdated");
    assert_eq!(address(&mut fleet, 500_001).as_deref(), Some("10.0.0.9"));
    let (reason, message) = said(&mut fleet, "AddressConflict", 500_001).unwrap();
    assert!(reason == "True AddressNotAllowed" && message.contains("203.0.113.66"), "{message}");
    let (orders, _) = fleet.resync_orders(&key("hq"), at(500_002));
    assert_eq!(orders[0].address, std::net::IpAddr::from(DESK), "the phone itself is told");
    fleet.tick(at(500_700));
    assert_eq!(said(&mut fleet, "AddressConflict", 500_700), None, "it is over");
}

#[test]
fn whoever_came_first_from_outside_does_not_keep_a_phone_inside_out() {
    let mut fleet = ready(json!({}));
    boots(&mut fleet, STRANGER, 1_000);
    boots(&mut fleet, DESK, 1_010);
    assert_eq!(address(&mut fleet, 1_011).as_deref(), Some("10.0.0.9"));
    assert_eq!(said(&mut fleet, "AddressConflict", 1_011), None);
    edit(&mut fleet, 2);
    assert_eq!(fleet.resync_orders(&key("hq"), at(1_020)).0.len(), 1);
}

#[test]
fn two_addresses_within_a_short_time_stop_what_is_sent_until_it_is_clear() {
    let mut fleet = ready(json!({}));
    boots(&mut fleet, DESK, 1_000);
    edit(&mut fleet, 2);
    boots(&mut fleet, OTHER, 1_100);
    assert_eq!(condition(&mut fleet, "p", "InSync"), "False Outdated", "what another address takes does not count");
    let (reason, message) = said(&mut fleet, "AddressConflict", 1_101).unwrap();
    assert!(
        reason == "True TwoAddresses" && message.contains("10.0.0.9") && message.contains("10.0.0.66"),
        "{message}"
    );
    assert_eq!(fleet.resync_orders(&key("hq"), at(1_101)).0, [], "neither hears the password");
    assert_eq!(said(&mut fleet, "Resynced", 1_101).unwrap().0, "False TwoAddresses");
    // The phone is heard where it was: the other one was not it.
    boots(&mut fleet, DESK, 1_200);
    assert_eq!(condition(&mut fleet, "p", "InSync"), "True Fetched");
    assert!(said(&mut fleet, "AddressConflict", 1_201).is_some(), "for a while");
    fleet.tick(at(1_700));
    assert_eq!(said(&mut fleet, "AddressConflict", 1_700), None);
    assert_eq!(address(&mut fleet, 1_700).as_deref(), Some("10.0.0.9"));
    edit(&mut fleet, 3);
    assert_eq!(fleet.resync_orders(&key("hq"), at(1_710)).0.len(), 1);
}

#[test]
fn a_phone_with_a_new_lease_is_not_stopped_for_ever() {
    let mut fleet = ready(json!({}));
    boots(&mut fleet, DESK, 1_000);
    edit(&mut fleet, 2);
    boots(&mut fleet, OTHER, 1_100);
    fleet.tick(at(1_699));
    assert_eq!(address(&mut fleet, 1_699).as_deref(), Some("10.0.0.9"));
    // Nothing was heard from the former address since.
    fleet.tick(at(1_700));
    assert!(fleet.take_work().contains(&WorkItem::PhoneStatus(key("p"))));
    assert_eq!(address(&mut fleet, 1_701).as_deref(), Some("10.0.0.66"));
    assert_eq!(condition(&mut fleet, "p", "InSync"), "True Fetched");
    assert_eq!(said(&mut fleet, "AddressConflict", 1_701), None);
    edit(&mut fleet, 3);
    let (orders, _) = fleet.resync_orders(&key("hq"), at(1_710));
    assert_eq!(orders[0].address, std::net::IpAddr::from(OTHER));
    // And one that was quiet for long moves at once.
    boots(&mut fleet, DESK, 9_000);
    assert_eq!(address(&mut fleet, 9_001).as_deref(), Some("10.0.0.9"));
}

#[test]
fn one_packet_hides_no_upgrade() {
    let image = "P0S3-06-3-00";
    let part = |sent: u64, seconds: i64, end: Option<Result<(), String>>| Fetch {
        address: DESK.into(),
        time: at(seconds),
        sent,
        total: 9_000,
        missing: false,
        end,
        ..fetch(&format!("{image}.bin"), None)
    };
    let mut fleet = ready(json!({}));
    boots(&mut fleet, DESK, 1_000);
    // A request in the phone's name that nobody answers, from elsewhere; then the phone takes an image.
    for (name, seconds) in [(FILE, 1_500), ("CTLSEP000A8A123456.tlv", 1_501), ("SEP000A8A123456.cnf.xml", 1_502)] {
        let packet = Fetch { address: OTHER.into(), time: at(seconds), ..fetch(name, None) };
        fleet.fetched(&key("hq"), &packet);
    }
    fleet.fetched(&key("hq"), &part(512, 1_510, None));
    assert!(fleet.due_in(&key("p"), at(1_511)).is_some(), "it is seen to take an image");
    fleet.fetched(&key("hq"), &part(9_000, 1_520, Some(Ok(()))));
    fleet.take_work();
    assert!(fleet.current_status(&key("p"), at(1_521)).unwrap().address.as_deref() == Some("10.0.0.9"));
}

#[test]
fn a_phone_that_took_no_file_yet_is_not_moved_by_one_packet_either() {
    let mut fleet = ready(json!({}));
    let ask = |name: &str, from: [u8; 4], seconds: i64| Fetch {
        address: from.into(),
        time: at(seconds),
        ..fetch(name, None)
    };
    fleet.fetched(&key("hq"), &ask("CTLSEP000A8A123456.tlv", DESK, 1_000));
    fleet.fetched(&key("hq"), &ask("CTLSEP000A8A123456.tlv", OTHER, 1_001));
    let part = Fetch { sent: 512, total: 9_000, missing: false, end: None, ..ask("P003-8-12-00.sbn", DESK, 1_002) };
    fleet.fetched(&key("hq"), &part);
    assert!(fleet.due_in(&key("p"), at(1_003)).is_some());
}
