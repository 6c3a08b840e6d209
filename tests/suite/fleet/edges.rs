//! How far one site goes: all its objects full, each still one that the API server takes.

use super::*;

/// The API server's limit on what a ConfigMap or a Secret holds.
const MOST: usize = 1 << 20;

#[test]
fn a_site_takes_all_that_its_objects_hold_and_then_says_that_it_is_full() {
    let mut fleet = Fleet::new();
    site(&mut fleet, 1, json!({"settings": {"proxy1Address": "10.0.0.1"}, "firmware": {"image": "P0S3-8-12-00"}}));
    // Phones with much to say, so that there need not be so many of them.
    let much: BTreeMap<String, String> = (0..60).map(|n| (format!("unknown_{n:02}"), "x".repeat(100))).collect();
    let large = |mac: &str, line: &str| {
        let mut spec = plain(mac, line);
        spec["extraParameters"] = json!(much);
        spec
    };
    let mut phones = 0;
    loop {
        for n in phones..phones + 500 {
            let mac = format!("0A0000{n:06X}");
            phone(&mut fleet, &format!("p{n:05}"), 1, 0, large(&mac, &n.to_string()));
        }
        fleet.take_work();
        phones += 500;
        let last = format!("p{:05}", phones - 1);
        if reasons(&fleet, &last).contains(&"SiteFull") {
            break;
        }
        assert!(phones < 10_000, "it never says that it is full");
    }
    let placed = |n: &usize| fleet.slot_of(&key(&format!("p{n:05}"))).is_some();
    let placed = (0..phones).filter(placed).count();
    assert!(placed > 5_000, "{placed} phones fit");
    let mut objects = 0;
    for slot in Slot::all() {
        let content = fleet.content(&key("hq"), slot);
        let bytes: usize = content.0.iter().map(|(name, bytes)| name.len() + bytes.len()).sum();
        assert!(bytes < MOST, "{slot:?} holds {bytes} bytes");
        objects += usize::from(!content.0.is_empty());
    }
    assert_eq!(objects, 65, "all 64 and the common one are used");

    // One phone fewer, and there is room for one of those that had none.
    fleet.delete_phone(&key("p00000"));
    phone(&mut fleet, "late", 1, 0, large("0A0000FFFFFF", "late"));
    fleet.take_work();
    assert!(reasons(&fleet, "late").is_empty());
}

#[test]
fn a_site_that_is_deleted_and_made_anew_at_once_counts_its_phones_once() {
    let mut fleet = Fleet::new();
    let spec = || json!({"settings": {"proxy1Address": "10.0.0.1"}});
    site(&mut fleet, 1, spec());
    phone(&mut fleet, "p", 1, 0, plain(MAC, "1"));
    write_all(&mut fleet);
    fleet.delete_site(&key("hq"));
    site(&mut fleet, 1, spec());
    let (_, status) = fleet.new_site_status(&key("hq"), Timestamp::UNIX_EPOCH).unwrap();
    let phones = status.phones.unwrap();
    assert_eq!((phones.total, phones.accepted), (1, 1));
}
