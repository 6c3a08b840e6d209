//! What phones fetch becomes the stage of their firmware, whichever pod they ask and whoever is replaced meanwhile.

use std::sync::LazyLock;

use dialtone::api::{PhoneFirmwareStatus, SipPhoneStatus, Stage};
use dialtone::provision::catalog::FirmwareFile;
use dialtone::provision::resync::Answer;
use dialtone::provision::{Key, SiteFigures};

use super::*;

const IMAGE: &str = "P0S3-06-3-00";
const SIZE: usize = 700_000;
static IMAGE_DIGEST: LazyLock<Digest> = LazyLock::new(|| Digest::of(&vec![7; SIZE]));
static IMAGE_FILE: LazyLock<FirmwareFile> = LazyLock::new(|| FirmwareFile::new("P0S3-06-3-00.bin", &vec![7; SIZE]));

/// A site that wants an image which both of its pods hold.
fn ready() -> Fleet {
    let mut fleet = Fleet::new();
    fleet.set_hash_key(&key("hq"), HashKey::new(b"k"));
    site(
        &mut fleet,
        1,
        json!({"settings": {"proxy1Address": "10.0.0.1"}, "firmware": {"image": IMAGE, "source": {"configMaps": [{"name": "f"}]}}}),
    );
    fleet.take_work();
    fleet.set_firmware(&key("f"), Some([("P0S3-06-3-00.bin".to_owned(), IMAGE_FILE.clone())].into()));
    fleet
}

fn serve(fleet: &mut Fleet) {
    for _ in 0..3 {
        write_all(fleet);
        for pod in ["a", "b"] {
            let mut held: Vec<(String, Digest)> =
                fleet.tree(&key("hq")).iter().map(|(name, bytes)| (name.clone(), Digest::of(bytes))).collect();
            held.push(("P0S3-06-3-00.bin".to_owned(), *IMAGE_DIGEST));
            fleet.pod_holds(&key("hq"), pod, true, held, &[]);
        }
    }
}

fn request(fleet: &Fleet, name: &str, second: i64, address: u8) -> Fetch {
    let taken = fleet.tree(&key("hq")).get(name).map(|bytes| Digest::of(bytes));
    Fetch { time: Timestamp::from_second(second).unwrap(), address: [10, 0, 0, address].into(), ..fetch(name, taken) }
}

fn part(second: i64, address: u8, sent: u64, end: Option<Result<(), String>>) -> Fetch {
    let taken = matches!(end, Some(Ok(()))).then(|| *IMAGE_DIGEST);
    Fetch {
        time: Timestamp::from_second(second).unwrap(),
        address: [10, 0, 0, address].into(),
        sent,
        total: SIZE as u64,
        end,
        missing: false,
        ..fetch("P0S3-06-3-00.bin", taken)
    }
}

fn firmware(fleet: &mut Fleet, name: &str) -> PhoneFirmwareStatus {
    let status = fleet.current_status(&key(name), Timestamp::from_second(1_100).unwrap()).unwrap();
    status.firmware.unwrap()
}

/// All that a phone with old firmware asks for until it runs the image.
fn upgrade(fleet: &Fleet, mac: &str, address: u8, from: i64) -> Vec<Fetch> {
    let own = format!("SIP{mac}.cnf");
    let small = |name: &str, second: i64| request(fleet, name, from + second, address);
    vec![
        small("OS79XX.TXT", 0),
        small("SIPDefault.cnf", 1),
        small(&own, 2),
        part(from + 3, address, 512, None),
        part(from + 6, address, 400_000, None),
        part(from + 9, address, SIZE as u64, Some(Ok(()))),
        small("OS79XX.TXT", 30),
        small("SIPDefault.cnf", 31),
        small(&own, 32),
        small("RINGLIST.DAT", 33),
    ]
}

#[test]
fn a_phone_goes_through_all_stages() {
    let mut fleet = ready();
    phone(&mut fleet, "p", 1, 0, plain(MAC, "1"));
    fleet.take_work();
    assert_eq!(firmware(&mut fleet, "p").stage, Stage::Pending);
    serve(&mut fleet);
    assert_eq!(firmware(&mut fleet, "p").stage, Stage::Staged);
    let mut stages = Vec::new();
    for one in upgrade(&fleet, MAC, 9, 1_000) {
        fleet.fetched(&key("hq"), &one);
        let now = firmware(&mut fleet, "p");
        stages.push((now.stage, now.percent));
    }
    stages.dedup();
    let expected = [
        (Stage::Staged, None),
        (Stage::Offered, None),
        (Stage::Downloading, Some(0)),
        (Stage::Downloading, Some(40)),
        (Stage::Installing, None),
        (Stage::Current, None),
    ];
    assert_eq!(stages, expected);
    assert_eq!(firmware(&mut fleet, "p").running.as_deref(), Some(IMAGE));
}

#[test]
fn two_pods_may_tell_in_any_order_and_phones_are_told_apart_by_their_addresses() {
    let mut fleet = ready();
    phone(&mut fleet, "p", 1, 0, plain(MAC, "1"));
    phone(&mut fleet, "q", 1, 1, plain("000A8A123457", "2"));
    serve(&mut fleet);
    let (p, q) = (upgrade(&fleet, MAC, 9, 1_000), upgrade(&fleet, "000A8A123457", 10, 1_002));
    // Each pod had every other request; one tells a little later than the other.
    let all: Vec<&Fetch> = p.iter().zip(&q).flat_map(|(p, q)| [p, q]).collect();
    for pair in all.chunks(4) {
        for one in pair.iter().rev() {
            fleet.fetched(&key("hq"), one);
        }
    }
    for name in ["p", "q"] {
        assert_eq!(firmware(&mut fleet, name).stage, Stage::Current, "{name}");
    }
    // Another phone gets the first one's address, and the first one fails from a new one.
    fleet.fetched(&key("hq"), &request(&fleet, "SIP000A8A123457.cnf", 2_100, 9));
    fleet.fetched(&key("hq"), &request(&fleet, FILE, 2_101, 11));
    fleet.fetched(&key("hq"), &part(2_102, 11, 512, None));
    assert_eq!(firmware(&mut fleet, "p").stage, Stage::Downloading);
    assert_eq!(firmware(&mut fleet, "q").stage, Stage::Current);
}

#[test]
fn pods_are_told_of_firmware_that_changes_under_them() {
    let mut fleet = ready();
    phone(&mut fleet, "p", 1, 0, plain(MAC, "1"));
    serve(&mut fleet);
    fleet.take_work();
    assert!(fleet.pods_hold_all(&key("hq")));
    let other = FirmwareFile::new("P0S3-06-3-00.bin", b"another build");
    fleet.set_firmware(&key("f"), Some([("P0S3-06-3-00.bin".to_owned(), other)].into()));
    assert!(fleet.take_work().contains(&WorkItem::Pods(key("hq"))), "the kubelet alone takes a minute to look");
    assert!(!fleet.pods_hold_all(&key("hq")));
}

#[test]
fn a_transfer_that_ends_early_is_a_failure_until_the_phone_tries_again() {
    let mut fleet = ready();
    phone(&mut fleet, "p", 1, 0, plain(MAC, "1"));
    serve(&mut fleet);
    for one in upgrade(&fleet, MAC, 9, 1_000).into_iter().take(5) {
        fleet.fetched(&key("hq"), &one);
    }
    let why = "it fell silent after 400000 of 700000 bytes of P0S3-06-3-00.bin";
    fleet.fetched(&key("hq"), &part(1_010, 9, 400_000, Some(Err(why.to_owned()))));
    let now = firmware(&mut fleet, "p");
    assert_eq!((now.stage, now.failures, now.message.as_deref()), (Stage::Failed, Some(1), Some(why)));
    assert_eq!(condition(&mut fleet, "p", "Ready"), "True Ready", "nothing is left to do on our side");
    fleet.fetched(&key("hq"), &part(1_040, 9, 512, None));
    assert_eq!(firmware(&mut fleet, "p").stage, Stage::Downloading);
}

#[test]
fn a_new_operator_goes_on_where_the_old_one_was() {
    for cut in 1..10 {
        let mut before = ready();
        phone(&mut before, "p", 1, 0, plain(MAC, "1"));
        serve(&mut before);
        let all = upgrade(&before, MAC, 9, 1_000);
        for one in &all[..cut] {
            before.fetched(&key("hq"), one);
        }
        let status: SipPhoneStatus =
            before.current_status(&key("p"), Timestamp::from_second(1_000 + cut as i64).unwrap()).unwrap();
        let mut after = ready();
        let spec: SipPhoneSpec = serde_json::from_value(plain(MAC, "1")).unwrap();
        after.apply_phone(meta("p", 1, 0), spec, status.clone());
        after.hold_fetches();
        serve(&mut after);
        // The pods tell everything again, one after the other.
        for one in all.iter().step_by(2).chain(all.iter().skip(1).step_by(2)) {
            after.fetched(&key("hq"), one);
        }
        let known = firmware(&mut after, "p");
        assert_eq!(known.stage, status.firmware.unwrap().stage, "{cut}");
        after.release_fetches();
        assert_eq!(firmware(&mut after, "p").stage, Stage::Current, "{cut}");
    }
}

#[test]
fn a_phone_that_says_nothing_more_has_failed_although_no_pod_says_so() {
    let mut fleet = ready();
    phone(&mut fleet, "p", 1, 0, plain(MAC, "1"));
    serve(&mut fleet);
    upgrade(&fleet, MAC, 9, 1_000).into_iter().take(3).for_each(|one| fleet.fetched(&key("hq"), &one));
    fleet.fetched(&key("hq"), &part(1_005, 9, 280_000, None));
    let at = |seconds| Timestamp::from_second(seconds).unwrap();
    assert_eq!(fleet.current_status(&key("p"), at(1_125)).unwrap().firmware.unwrap().stage, Stage::Downloading);
    assert_eq!(fleet.due_in(&key("p"), at(1_100)), Some(26), "it is looked at again by then");
    let now = fleet.current_status(&key("p"), at(1_126)).unwrap().firmware.unwrap();
    let why = "it fell silent after 280000 of 700000 bytes of P0S3-06-3-00.bin";
    assert_eq!((now.stage, now.message.as_deref()), (Stage::Failed, Some(why)));
}

#[test]
fn a_new_operator_counts_no_failure_twice_and_takes_no_old_start_for_a_new_one() {
    let mut before = ready();
    phone(&mut before, "p", 1, 0, plain(MAC, "1"));
    serve(&mut before);
    let all: Vec<Fetch> = upgrade(&before, MAC, 9, 1_000).into_iter().take(4).collect();
    let gave_up = |millis: i64| Fetch {
        time: Timestamp::from_millisecond(1_000_000 + millis).unwrap(),
        ..part(1_000, 9, 400_000, Some(Err("it gave up".to_owned())))
    };
    let told = [all, vec![gave_up(4_200), gave_up(4_700)]].concat();
    for (heard, failures) in [(4, None), (5, Some(1)), (6, Some(2))] {
        let mut first = ready();
        phone(&mut first, "p", 1, 0, plain(MAC, "1"));
        serve(&mut first);
        told[..heard].iter().for_each(|one| first.fetched(&key("hq"), one));
        let status = first.current_status(&key("p"), Timestamp::from_second(1_006).unwrap()).unwrap();
        assert_eq!(status.firmware.as_ref().unwrap().failures, failures);
        let mut second = ready();
        let spec: SipPhoneSpec = serde_json::from_value(plain(MAC, "1")).unwrap();
        second.apply_phone(meta("p", 1, 0), spec, status);
        second.hold_fetches();
        serve(&mut second);
        told.iter().for_each(|one| second.fetched(&key("hq"), one));
        second.release_fetches();
        assert_eq!(firmware(&mut second, "p").failures, Some(2), "after {heard}");
    }
}

#[test]
fn an_upgrade_costs_few_writes() {
    let mut fleet = ready();
    phone(&mut fleet, "p", 1, 0, plain(MAC, "1"));
    serve(&mut fleet);
    let (mut written, mut version) = (0, 2);
    let mut write = |fleet: &mut Fleet| {
        if let Some((_, status)) = fleet.phone_status(&key("p"), Timestamp::from_second(1_100).unwrap()) {
            version += 1;
            written += 1;
            fleet.note_phone_status(&key("p"), status.clone(), status, version);
        }
    };
    write(&mut fleet);
    let mut all = upgrade(&fleet, MAC, 9, 1_000);
    all.splice(3..5, (0..700).map(|n| part(1_003, 9, n * 1_000 + 512, None)));
    for one in all {
        fleet.fetched(&key("hq"), &one);
        write(&mut fleet);
    }
    assert!(written <= 12, "{written}");
}

#[test]
fn a_phone_whose_last_boot_was_lost_with_a_pod_is_told_once_to_show_what_it_runs() {
    let at = |second: i64| Timestamp::from_second(second).unwrap();
    for method in ["Notify", "Never"] {
        let mut fleet = ready();
        let firmware_spec = json!({"image": IMAGE, "source": {"configMaps": [{"name": "f"}]}});
        let settings = json!({"proxy1Address": "10.0.0.1"});
        site(&mut fleet, 2, json!({"settings": settings, "firmware": firmware_spec, "resync": {"method": method}}));
        phone(&mut fleet, "p", 1, 0, plain(MAC, "1"));
        serve(&mut fleet);
        for one in upgrade(&fleet, MAC, 9, 1_000).iter().take(6) {
            fleet.fetched(&key("hq"), one);
        }
        assert_eq!(firmware(&mut fleet, "p").stage, Stage::Installing);
        fleet.take_work();
        let (orders, again) = fleet.resync_orders(&key("hq"), at(1_010));
        if method == "Never" {
            assert_eq!((orders.len(), again), (0, None));
            assert_eq!(fleet.resync_orders(&key("hq"), at(1_500)), (vec![], None), "nobody wants phones to be told");
            continue;
        }
        assert_eq!((orders.len(), again), (0, Some(180)), "it restarts, and is looked at again by then");
        let (orders, _) = fleet.resync_orders(&key("hq"), at(1_190));
        assert_eq!(orders.len(), 1, "it should have been heard of");
        fleet.note_resync(&key("p"), Ok(Answer::Heard));
        fleet.take_work();
        assert_eq!(fleet.resync_orders(&key("hq"), at(3_000)).0, [], "once");
        for one in &upgrade(&fleet, MAC, 9, 3_000)[6..] {
            fleet.fetched(&key("hq"), one);
        }
        assert_eq!(firmware(&mut fleet, "p").stage, Stage::Current);
        assert_eq!(fleet.resync_orders(&key("hq"), at(9_000)), (vec![], None));
    }
}

/// A site whose phones are told of the image a few at a time.
fn rolling(phones: u8, rollout: Value) -> Fleet {
    let mut fleet = ready();
    set_rollout(&mut fleet, 2, rollout);
    for n in 0..phones {
        phone(&mut fleet, &format!("p{n}"), 1, 0, plain(&mac(n), &n.to_string()));
    }
    serve(&mut fleet);
    fleet
}

fn set_rollout(fleet: &mut Fleet, generation: i64, rollout: Value) {
    let firmware = json!({"image": IMAGE, "source": {"configMaps": [{"name": "f"}]}, "rollout": rollout});
    site(fleet, generation, json!({"settings": {"proxy1Address": "10.0.0.1"}, "firmware": firmware}));
    fleet.take_work();
}

fn mac(n: u8) -> String {
    format!("000A8A1200{n:02X}")
}

fn stages(fleet: &mut Fleet, phones: u8) -> Vec<Stage> {
    (0..phones).map(|n| firmware(fleet, &format!("p{n}")).stage).collect()
}

fn names_image(fleet: &Fleet, n: u8) -> bool {
    text(fleet, &format!("SIP{}.cnf", mac(n))).unwrap().contains(&format!("image_version: {IMAGE}\n"))
}

#[test]
fn a_rollout_tells_some_phones_and_the_others_wait_for_their_turn() {
    let mut fleet = rolling(5, json!({"maxUpdating": 2}));
    let common = text(&fleet, "SIPDefault.cnf").unwrap();
    assert!(!common.contains("image_version"), "what all share names no image: {common}");
    assert_eq!(stages(&mut fleet, 5), [Stage::Staged, Stage::Staged, Stage::Waiting, Stage::Waiting, Stage::Waiting]);
    assert!(names_image(&fleet, 1) && !names_image(&fleet, 2));
    for one in upgrade(&fleet, &mac(0), 10, 1_000) {
        fleet.fetched(&key("hq"), &one);
    }
    serve(&mut fleet);
    assert_eq!(stages(&mut fleet, 5), [Stage::Current, Stage::Staged, Stage::Staged, Stage::Waiting, Stage::Waiting]);
    assert!(names_image(&fleet, 0) && names_image(&fleet, 2) && !names_image(&fleet, 3));

    // Whoever has read of it goes on; the others wait again.
    let second = upgrade(&fleet, &mac(1), 11, 1_000);
    second[..3].iter().for_each(|one| fleet.fetched(&key("hq"), one));
    set_rollout(&mut fleet, 3, json!({"maxUpdating": 2, "paused": true}));
    assert!(names_image(&fleet, 1) && !names_image(&fleet, 2));
    second[3..].iter().for_each(|one| fleet.fetched(&key("hq"), one));
    serve(&mut fleet);
    assert_eq!(stages(&mut fleet, 5), [Stage::Current, Stage::Current, Stage::Waiting, Stage::Waiting, Stage::Waiting]);
    assert_eq!(firmware(&mut fleet, "p3").message.as_deref(), Some("the rollout is paused"));
    set_rollout(&mut fleet, 4, json!({}));
    serve(&mut fleet);
    assert_eq!(stages(&mut fleet, 5)[2..], [Stage::Staged; 3], "without a limit all are told");
}

#[test]
fn a_phone_that_fails_or_says_nothing_does_not_keep_others_waiting_for_ever() {
    let mut fleet = rolling(3, json!({"maxUpdating": 1}));
    let failed = || Some(Err("it fell silent".to_owned()));
    fleet.fetched(&key("hq"), &request(&fleet, &format!("SIP{}.cnf", mac(0)), 1_000, 10));
    for n in 0..3 {
        assert_eq!(stages(&mut fleet, 3)[1], Stage::Waiting);
        fleet.fetched(&key("hq"), &part(1_001 + 2 * n, 10, 512, None));
        fleet.fetched(&key("hq"), &part(1_002 + 2 * n, 10, 1_024, failed()));
        fleet.take_work();
    }
    assert_eq!(stages(&mut fleet, 3), [Stage::Failed, Stage::Staged, Stage::Waiting]);
    fleet.tick(Timestamp::from_second(1_000 + 1_700).unwrap());
    fleet.take_work();
    assert_eq!(stages(&mut fleet, 3)[2], Stage::Waiting);
    fleet.tick(Timestamp::from_second(1_000 + 1_900).unwrap());
    fleet.take_work();
    let last = [Stage::Failed, Stage::Waiting, Stage::Staged];
    assert_eq!(stages(&mut fleet, 3), last, "the second is not plugged in: it has another turn after the others");
    assert!(!names_image(&fleet, 1) && names_image(&fleet, 2));
    fleet.tick(Timestamp::from_second(1_000 + 3_800).unwrap());
    fleet.take_work();
    assert_eq!(stages(&mut fleet, 3), [Stage::Failed, Stage::Staged, Stage::Waiting]);
}

#[test]
fn a_phone_that_read_of_the_image_just_before_the_word_was_taken_back_goes_on() {
    let mut fleet = rolling(2, json!({}));
    let all = upgrade(&fleet, &mac(1), 11, 1_000);
    // Its file is read before it changes, and told of after that.
    set_rollout(&mut fleet, 3, json!({"maxUpdating": 1}));
    assert_eq!(stages(&mut fleet, 2), [Stage::Staged, Stage::Waiting]);
    all[..5].iter().for_each(|one| fleet.fetched(&key("hq"), one));
    serve(&mut fleet);
    assert_eq!(stages(&mut fleet, 2), [Stage::Waiting, Stage::Downloading], "one at a time");
    assert!(names_image(&fleet, 1) && !names_image(&fleet, 0));
    fleet.fetched(&key("hq"), &all[5]);
    let back = upgrade(&fleet, &mac(1), 11, 1_000).split_off(6);
    back.iter().for_each(|one| fleet.fetched(&key("hq"), one));
    serve(&mut fleet);
    assert_eq!(stages(&mut fleet, 2), [Stage::Staged, Stage::Current]);
}

#[test]
fn a_new_operator_tells_no_further_phone() {
    let mut before = rolling(4, json!({"maxUpdating": 2}));
    for one in upgrade(&before, &mac(0), 10, 1_000).iter().take(5) {
        before.fetched(&key("hq"), one);
    }
    serve(&mut before);
    let (was, tree) = (stages(&mut before, 4), before.tree(&key("hq")));
    let mut after = ready();
    set_rollout(&mut after, 2, json!({"maxUpdating": 2}));
    for n in (0..4).rev() {
        let name = format!("p{n}");
        let spec: SipPhoneSpec = serde_json::from_value(plain(&mac(n), &n.to_string())).unwrap();
        let status = before.current_status(&key(&name), Timestamp::from_second(1_100).unwrap()).unwrap();
        after.apply_phone(meta(&name, 1, 0), spec, status);
    }
    for slot in Slot::all() {
        let content = before.content(&key("hq"), slot);
        if !content.0.is_empty() {
            after.recover(&key("hq"), slot, content);
        }
    }
    serve(&mut after);
    after.finish_recovery();
    assert_eq!(stages(&mut after, 4), was);
    assert_eq!(after.tree(&key("hq")), tree);
}

/// The stages at which there are phones, of all sites.
fn counted(fleet: &Fleet) -> Vec<(Key, Stage, i64)> {
    let of_site = |figures: SiteFigures| {
        figures
            .stages
            .into_iter()
            .filter(|(_, phones)| *phones > 0)
            .map(move |(stage, phones)| (figures.site.clone(), stage, phones))
    };
    fleet.figures().into_iter().flat_map(of_site).collect()
}

#[test]
fn a_phone_that_came_before_its_site_is_counted_there() {
    let mut fleet = Fleet::new();
    phone(&mut fleet, "p", 1, 0, plain(MAC, "1"));
    fleet.take_work();
    assert_eq!(counted(&fleet), []);
    site(&mut fleet, 1, json!({}));
    fleet.take_work();
    assert_eq!(counted(&fleet), [(key("hq"), Stage::Unmanaged, 1)]);
    site(&mut fleet, 2, json!({"firmware": {"image": IMAGE}}));
    fleet.take_work();
    assert_eq!(counted(&fleet), [(key("hq"), Stage::Pending, 1)]);
}

#[test]
fn a_stage_that_follows_from_the_time_is_counted_as_it_was_written() {
    let mut fleet = rolling(1, json!({}));
    let all = upgrade(&fleet, &mac(0), 10, 1_000);
    all[..5].iter().for_each(|one| fleet.fetched(&key("hq"), one));
    serve(&mut fleet);
    // It fell silent: that is written, and counted, before the clock ticks.
    let now = Timestamp::from_second(1_400).unwrap();
    fleet.advance(now);
    let report = fleet.report(&key("p0"), now).unwrap();
    assert_eq!(report.after.firmware.as_ref().unwrap().stage, Stage::Failed);
    fleet.note_phone_status(&key("p0"), report.after.clone(), report.after, 9);
    assert_eq!(counted(&fleet), [(key("hq"), Stage::Failed, 1)]);
    assert!(fleet.take_work().contains(&WorkItem::SiteStatus(key("hq"))));
    // Something else changes: it is still counted so.
    fleet.set_hash_key(&key("hq"), HashKey::new(b"other"));
    fleet.take_work();
    assert_eq!(counted(&fleet), [(key("hq"), Stage::Failed, 1)]);
}

/// `stutter_msg_waiting` came with firmware 6.0, `transfer_onhook_enabled` with 8.0, `nat_enable` before.
#[test]
fn without_an_image_what_a_phone_was_seen_to_run_decides_what_is_reset_on_it() {
    let none = || json!({"settings": {"proxy1Address": "10.0.0.1"}});
    let newer = |fleet: &Fleet| {
        let all = text(fleet, FILE).unwrap() + &text(fleet, "SIPDefault.cnf").unwrap();
        ["nat_enable", "stutter_msg_waiting", "transfer_onhook_enabled"].map(|name| all.contains(&format!("{name}:")))
    };
    // As its status said before a restart.
    for (running, knows) in [
        (None, [true, true, false]),
        (Some("P0S3-05-3-00"), [true, true, false]),
        (Some("P0S3-8-12-00"), [true, true, true]),
    ] {
        let mut fleet = Fleet::new();
        site(&mut fleet, 1, none());
        let status = SipPhoneStatus {
            firmware: running.map(|image| PhoneFirmwareStatus { running: Some(image.into()), ..Default::default() }),
            ..SipPhoneStatus::default()
        };
        fleet.apply_phone(meta("p", 1, 0), serde_json::from_value(plain(MAC, "1")).unwrap(), status);
        write_all(&mut fleet);
        assert_eq!(newer(&fleet), knows, "{running:?}");
    }
    // As it is seen now: its loader takes the list of its parts, and needs none of them.
    let mut fleet = Fleet::new();
    fleet.set_hash_key(&key("hq"), HashKey::new(b"k"));
    site(&mut fleet, 1, none());
    phone(&mut fleet, "p", 1, 0, plain(MAC, "1"));
    write_all(&mut fleet);
    assert_eq!(newer(&fleet), [true, true, false]);
    let loads = Fetch { total: 100, sent: 100, missing: false, ..request(&fleet, "P0S3-8-12-00.loads", 1_002, 9) };
    for one in [
        request(&fleet, &format!("CTLSEP{MAC}.tlv"), 1_001, 9),
        Fetch { end: Some(Ok(())), taken: Some(*IMAGE_DIGEST), ..loads },
        request(&fleet, "SIPDefault.cnf", 1_003, 9),
        request(&fleet, FILE, 1_004, 9),
        request(&fleet, "RINGLIST.DAT", 1_005, 9),
    ] {
        fleet.fetched(&key("hq"), &one);
    }
    assert_eq!(write_all(&mut fleet).len(), 1);
    assert_eq!(newer(&fleet), [true; 3]);
}
