//! Whoever sends the TFTP servers as much as they can report does not stop the operator: no request costs more because there are
//! many phones, or because there were many requests.

use std::time::{Duration, Instant};

use super::*;

/// What takes minutes without bounds takes less, on a busy machine and unoptimized.
const BUSY: Duration = Duration::from_secs(20);
const STRANGER: [u8; 4] = [10, 0, 0, 66];

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(1_000_000 + millis).unwrap()
}

/// A site whose phones were all taken by one address: it fetched the file of each.
fn taken(phones: u32) -> Fleet {
    let mut fleet = Fleet::new();
    site(&mut fleet, 1, json!({"settings": {"proxy1Address": "10.0.0.1"}}));
    fleet.set_hash_key(&key("hq"), HashKey::new(b"k"));
    for n in 0..phones {
        phone(&mut fleet, &format!("p{n}"), 1, 0, plain(&format!("000A8A{n:06X}"), &n.to_string()));
    }
    write_all(&mut fleet);
    holds(&mut fleet, "a");
    let tree = fleet.tree(&key("hq"));
    for n in 0..phones {
        let file = format!("SIP000A8A{n:06X}.cnf");
        let whole = fetch(&file, Some(Digest::of(&tree[&file])));
        fleet.fetched(&key("hq"), &Fetch { address: STRANGER.into(), time: at(0), ..whole });
    }
    fleet.take_work();
    fleet
}

/// Reports of requests that a stranger made, a millisecond or less after one another; how long they took.
fn flood(fleet: &mut Fleet, requests: i64, one: impl Fn(i64) -> Fetch) -> Duration {
    let began = Instant::now();
    for n in 0..requests {
        // As two pods report: in turn, and one of them is late.
        let time = at(n / 4 - n % 2 * 500);
        fleet.fetched(&key("hq"), &Fetch { address: STRANGER.into(), time, ..one(n) });
        if n % 1_000 == 0 {
            fleet.take_work();
        }
    }
    fleet.take_work();
    began.elapsed()
}

#[test]
fn a_request_costs_no_more_because_it_may_be_any_phones() {
    let mut fleet = taken(1_000);
    let digest = Digest::of(&fleet.tree(&key("hq"))["SIPDefault.cnf"]);
    let took = flood(&mut fleet, 20_000, |n| match n % 4 {
        0 => fetch("SIPDefault.cnf", Some(digest)),
        1 => fetch("SIP000A8A000001.cnf", None),
        2 => fetch("RINGLIST.DAT", None),
        _ => fetch(&format!("x{n}.sb2"), None),
    });
    assert!(took < BUSY, "{took:?}");
}

#[test]
fn a_flood_from_a_phones_address_costs_no_more_because_it_lasts() {
    let mut fleet = taken(1);
    let took = flood(&mut fleet, 60_000, |n| fetch(&format!("x{n}.sb2"), None));
    assert!(took < BUSY, "{took:?}");
}

#[test]
fn names_that_nobody_declared_cost_no_more_because_there_are_many() {
    let mut fleet = taken(1);
    let took = flood(&mut fleet, 100_000, |n| fetch(&format!("SIP00BB{n:08X}.cnf"), None));
    assert!(took < BUSY, "{took:?}");
}
