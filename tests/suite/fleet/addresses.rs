//! The orders of loaders from 7.0 on, phones behind one address, pods and operators that are replaced, and what none of that
//! may make a status claim.

use dialtone::api::{PhoneFirmwareStatus, Stage};
use dialtone::provision::catalog::FirmwareFile;

use super::*;

const OLD: &str = "P0S3-08-11-00";
const NEW: &str = "P0S3-8-12-00";
const LOADER: u64 = 130_956;
const APPLICATION: u64 = 756_524;

fn files() -> Vec<(String, Vec<u8>)> {
    [OLD, NEW]
        .iter()
        .flat_map(|image| {
            let loader = image.replace("P0S3", "P003");
            [
                (format!("{image}.loads"), format!("\u{1}sig\n{loader}.sbn\n{image}.sb2\n").into_bytes()),
                (format!("{loader}.sbn"), vec![1; LOADER as usize]),
                (format!("{image}.sb2"), vec![2; APPLICATION as usize]),
            ]
        })
        .collect()
}

fn wants(fleet: &mut Fleet, generation: i64, image: &str) {
    let firmware = json!({"image": image, "source": {"configMaps": [{"name": "f"}]}});
    site(fleet, generation, json!({"settings": {"proxy1Address": "10.0.0.1"}, "firmware": firmware}));
    fleet.take_work();
}

/// A site with these phones whose pods hold both images.
fn ready(phones: u8) -> Fleet {
    let mut fleet = Fleet::new();
    fleet.set_hash_key(&key("hq"), HashKey::new(b"k"));
    wants(&mut fleet, 1, NEW);
    let inventory = files().iter().map(|(name, bytes)| (name.clone(), FirmwareFile::new(name, bytes))).collect();
    fleet.set_firmware(&key("f"), Some(inventory));
    for n in 0..phones {
        phone(&mut fleet, &format!("p{n}"), 1, 0, plain(&mac(n), &n.to_string()));
    }
    ["a", "b"].iter().for_each(|pod| serve(&mut fleet, pod, true));
    fleet
}

fn serve(fleet: &mut Fleet, pod: &str, firmware: bool) {
    for _ in 0..3 {
        write_all(fleet);
        let ours = fleet.tree(&key("hq"));
        let mut held: Vec<(String, Digest)> =
            ours.iter().map(|(name, bytes)| (name.clone(), Digest::of(bytes))).collect();
        if firmware {
            held.extend(files().iter().map(|(name, bytes)| (name.clone(), Digest::of(bytes))));
        }
        fleet.pod_holds(&key("hq"), pod, true, held, &[]);
    }
}

fn mac(n: u8) -> String {
    format!("000A8A1200{n:02X}")
}

fn firmware(fleet: &mut Fleet, n: u8, now: i64) -> PhoneFirmwareStatus {
    let status = fleet.current_status(&key(&format!("p{n}")), Timestamp::from_second(now).unwrap()).unwrap();
    status.firmware.unwrap()
}

/// A phone at an address and a port that counts up with each request.
struct Caller {
    n: u8,
    address: u8,
    port: u16,
}

impl Caller {
    fn new(n: u8, address: u8) -> Caller {
        Caller { n, address, port: 50_000 + u16::from(n) * 1_000 }
    }

    fn fetch(&mut self, fleet: &Fleet, name: &str, time: i64) -> Fetch {
        self.port += 1;
        let taken = fleet.tree(&key("hq")).get(name).map(|bytes| Digest::of(bytes));
        let address = [10, 0, 0, self.address].into();
        Fetch { time: Timestamp::from_second(time).unwrap(), address, port: self.port, ..fetch(name, taken) }
    }

    /// All that a loader asks for before it takes a part.
    fn loader(&mut self, fleet: &mut Fleet, image: &str, time: i64) {
        for name in [format!("CTLSEP{}.tlv", mac(self.n)), format!("SEP{}.cnf.xml", mac(self.n))] {
            let one = self.fetch(fleet, &name, time);
            fleet.fetched(&key("hq"), &one);
        }
        self.whole(fleet, &format!("{image}.loads"), 100, time);
    }

    fn part(
        &mut self,
        fleet: &mut Fleet,
        name: &str,
        sent: u64,
        total: u64,
        time: i64,
        end: Option<Result<(), String>>,
    ) {
        let address = [10, 0, 0, self.address].into();
        let time = Timestamp::from_second(time).unwrap();
        let one = Fetch { time, address, port: self.port, sent, total, missing: false, end, ..fetch(name, None) };
        fleet.fetched(&key("hq"), &one);
    }

    fn whole(&mut self, fleet: &mut Fleet, name: &str, total: u64, time: i64) {
        self.port += 1;
        self.part(fleet, name, total, total, time, Some(Ok(())));
    }

    /// What the application asks for.
    fn application(&mut self, fleet: &mut Fleet, time: i64) {
        for name in ["SIPDefault.cnf".to_owned(), format!("SIP{}.cnf", mac(self.n)), "RINGLIST.DAT".to_owned()] {
            let one = self.fetch(fleet, &name, time);
            fleet.fetched(&key("hq"), &one);
        }
    }
}

#[test]
fn a_pod_and_the_address_may_change_in_the_middle() {
    let mut fleet = ready(1);
    let mut caller = Caller::new(0, 9);
    caller.loader(&mut fleet, NEW, 1_000);
    caller.whole(&mut fleet, "P003-8-12-00.sbn", LOADER, 1_005);
    caller.loader(&mut fleet, NEW, 1_040);
    caller.port += 1;
    caller.part(&mut fleet, "P0S3-8-12-00.sb2", 600_000, APPLICATION, 1_044, None);
    assert_eq!(firmware(&mut fleet, 0, 1_044).percent, Some(80));
    // The pod is gone with all that it knew; another one has the phone's next attempt, from the beginning.
    fleet.pod_gone(&key("hq"), "a");
    serve(&mut fleet, "c", true);
    caller.port += 1;
    caller.part(&mut fleet, "P0S3-8-12-00.sb2", 150_000, APPLICATION, 1_060, None);
    let now = firmware(&mut fleet, 0, 1_061);
    assert_eq!(
        (now.stage, now.percent, now.failures),
        (Stage::Downloading, Some(20), None),
        "the bytes are told as they are"
    );
    caller.part(&mut fleet, "P0S3-8-12-00.sb2", APPLICATION, APPLICATION, 1_066, Some(Ok(())));
    // It comes back with another address.
    let mut caller = Caller::new(0, 77);
    caller.application(&mut fleet, 1_110);
    let now = firmware(&mut fleet, 0, 1_111);
    assert_eq!((now.stage, now.running.as_deref()), (Stage::Current, Some(NEW)));
}

#[test]
fn phones_behind_one_address_are_not_taken_for_each_other() {
    let mut fleet = ready(2);
    let (mut p, mut q) = (Caller::new(0, 9), Caller::new(1, 9));
    // One takes the image; the other runs it already, and boots meanwhile from the same address.
    p.loader(&mut fleet, NEW, 1_000);
    p.port += 1;
    let sbn = p.port;
    p.part(&mut fleet, "P003-8-12-00.sbn", 20_000, LOADER, 1_001, None);
    q.loader(&mut fleet, NEW, 1_002);
    p.part(&mut fleet, "P003-8-12-00.sbn", 80_000, LOADER, 1_003, None);
    assert_eq!(p.port, sbn);
    let now = firmware(&mut fleet, 0, 1_003);
    assert_eq!(
        (now.stage, now.file.as_deref()),
        (Stage::Downloading, Some("P003-8-12-00.sbn")),
        "its port tells it apart"
    );
    q.application(&mut fleet, 1_025);
    p.part(&mut fleet, "P003-8-12-00.sbn", LOADER, LOADER, 1_026, Some(Ok(())));
    for n in 0..2 {
        assert_eq!(firmware(&mut fleet, n, 1_030).running, None, "p{n}: whose .loads it was nobody knows");
    }
    assert_ne!(firmware(&mut fleet, 1, 1_030).stage, Stage::Downloading);
    p.loader(&mut fleet, NEW, 1_050);
    p.whole(&mut fleet, "P0S3-8-12-00.sb2", APPLICATION, 1_060);
    p.application(&mut fleet, 1_100);
    for later in [1_100, 2_000] {
        for n in 0..2 {
            let now = firmware(&mut fleet, n, later);
            assert_eq!((now.running.as_deref(), now.failures), (None, None), "p{n} at {later}: {now:?}");
        }
    }
    // When they boot one after the other, each is known.
    for (n, caller) in [(0, &mut p), (1, &mut q)] {
        let time = 3_000 + i64::from(n) * 200;
        caller.loader(&mut fleet, NEW, time);
        caller.application(&mut fleet, time + 24);
        assert_eq!(firmware(&mut fleet, n, time + 30).stage, Stage::Current, "p{n}");
    }
}

#[test]
fn a_file_that_a_pod_had_not_replaced_yet_tells_nothing_of_the_new_image() {
    let legacy = |fleet: &mut Fleet, before: &Fleet, time: i64| {
        let mut caller = Caller::new(0, 9);
        let own = format!("SIP{}.cnf", mac(0));
        for name in ["OS79XX.TXT", "SIPDefault.cnf", &own, "RINGLIST.DAT"] {
            let one = caller.fetch(before, name, time);
            fleet.fetched(&key("hq"), &one);
        }
    };
    let stale = ready(1);
    let mut fleet = ready(1);
    wants(&mut fleet, 2, OLD);
    ["a", "b"].iter().for_each(|pod| serve(&mut fleet, pod, true));
    // Its own file is the same; SIPDefault.cnf still named the other image.
    legacy(&mut fleet, &stale, 1_000);
    let now = firmware(&mut fleet, 0, 1_001);
    assert_eq!((now.stage, now.running), (Stage::Staged, None));
    let same = ready(1);
    let mut fleet = ready(1);
    legacy(&mut fleet, &same, 1_000);
    assert_eq!(firmware(&mut fleet, 0, 1_001).running.as_deref(), Some(NEW));
}

#[test]
fn an_upgrade_in_a_loaders_order_costs_at_most_twelve_writes_and_a_failure_three() {
    let (without, with) = (writes(false), writes(true));
    assert!(without <= 12 && with <= without + 3, "{without} {with}");
}

/// How many writes an upgrade takes if each change is written by itself.
fn writes(fails: bool) -> u32 {
    let mut fleet = ready(1);
    let (mut written, mut version) = (0, 2);
    let mut write = |fleet: &mut Fleet, now: i64| {
        if let Some((_, status)) = fleet.phone_status(&key("p0"), Timestamp::from_second(now).unwrap()) {
            version += 1;
            written += 1;
            fleet.note_phone_status(&key("p0"), status.clone(), status, version);
        }
    };
    write(&mut fleet, 999);
    let mut caller = Caller::new(0, 9);
    let mut time = 1_000;
    for (part, total) in [("P003-8-12-00.sbn", LOADER), ("P0S3-8-12-00.sb2", APPLICATION)] {
        caller.loader(&mut fleet, NEW, time);
        write(&mut fleet, time);
        caller.port += 1;
        if fails && part.ends_with(".sb2") {
            caller.part(&mut fleet, part, 100_000, total, time, None);
            write(&mut fleet, time);
            caller.part(&mut fleet, part, 100_000, total, time, Some(Err("it gave up".to_owned())));
            write(&mut fleet, time);
            caller.loader(&mut fleet, NEW, time + 30);
            caller.port += 1;
        }
        for sent in (512..total).step_by(5_000) {
            caller.part(&mut fleet, part, sent, total, time + 35, None);
            write(&mut fleet, time + 35);
        }
        caller.part(&mut fleet, part, total, total, time + 40, Some(Ok(())));
        write(&mut fleet, time + 40);
        time += 80;
    }
    for name in ["SIPDefault.cnf".to_owned(), format!("SIP{}.cnf", mac(0)), "RINGLIST.DAT".to_owned()] {
        let one = caller.fetch(&fleet, &name, time);
        fleet.fetched(&key("hq"), &one);
        write(&mut fleet, time);
    }
    assert_eq!(firmware(&mut fleet, 0, time).stage, Stage::Current);
    written
}

#[test]
fn statuses_of_phones_on_their_way_are_written_in_turn_until_the_end_is_written() {
    let mut fleet = ready(1);
    let p = key("p0");
    let mut version = 2;
    let mut write = |fleet: &mut Fleet| {
        version += 1;
        fleet.take_work();
        if let Some((_, status)) = fleet.phone_status(&p, Timestamp::from_second(1_000).unwrap()) {
            fleet.note_phone_status(&p, status.clone(), status, version);
        }
    };
    write(&mut fleet);
    assert!(!fleet.is_upgrading(&key("p0")));
    let mut caller = Caller::new(0, 9);
    caller.loader(&mut fleet, NEW, 1_000);
    fleet.take_work();
    assert!(fleet.is_upgrading(&key("p0")), "it was offered the image");
    caller.whole(&mut fleet, "P003-8-12-00.sbn", LOADER, 1_001);
    caller.loader(&mut fleet, NEW, 1_002);
    caller.whole(&mut fleet, "P0S3-8-12-00.sb2", APPLICATION, 1_003);
    write(&mut fleet);
    caller.application(&mut fleet, 1_004);
    fleet.take_work();
    assert!(fleet.is_upgrading(&key("p0")), "that it is through has its turn, too");
    write(&mut fleet);
    assert!(!fleet.is_upgrading(&key("p0")));
}

#[test]
fn a_new_operator_goes_on_in_the_middle_of_a_loaders_order() {
    let story = |fleet: &mut Fleet, upto: usize| {
        let mut caller = Caller::new(0, 9);
        for step in 0..upto {
            match step {
                0 => caller.loader(fleet, NEW, 1_000),
                1 => caller.whole(fleet, "P003-8-12-00.sbn", LOADER, 1_005),
                2 => caller.loader(fleet, NEW, 1_040),
                3 => {
                    caller.port += 1;
                    caller.part(fleet, "P0S3-8-12-00.sb2", 600_000, APPLICATION, 1_044, None);
                }
                4 => caller.part(fleet, "P0S3-8-12-00.sb2", APPLICATION, APPLICATION, 1_047, Some(Ok(()))),
                _ => caller.application(fleet, 1_090),
            }
        }
    };
    for cut in 1..=6 {
        let mut before = ready(1);
        story(&mut before, cut);
        let said = before.current_status(&key("p0"), Timestamp::from_second(1_050).unwrap()).unwrap();
        let mut after = Fleet::new();
        after.set_hash_key(&key("hq"), HashKey::new(b"k"));
        wants(&mut after, 1, NEW);
        let inventory = files().iter().map(|(name, bytes)| (name.clone(), FirmwareFile::new(name, bytes))).collect();
        after.set_firmware(&key("f"), Some(inventory));
        after.apply_phone(meta("p0", 1, 0), serde_json::from_value(plain(&mac(0), "0")).unwrap(), said.clone());
        after.hold_fetches();
        ["a", "b"].iter().for_each(|pod| serve(&mut after, pod, true));
        let (was, is) = (said.firmware.unwrap(), firmware(&mut after, 0, 1_050));
        assert_eq!(
            (is.stage, is.percent, &is.running, &is.running_seen),
            (was.stage, was.percent, &was.running, &was.running_seen),
            "{cut}"
        );
        story(&mut after, 6);
        after.release_fetches();
        let now = firmware(&mut after, 0, 1_091);
        assert_eq!((now.stage, now.failures), (Stage::Current, None), "{cut}: {now:?}");
        assert!(
            cut == 6 || after.upgrade_seconds(&key("p0")) == Some(85),
            "{cut}: {:?}",
            after.upgrade_seconds(&key("p0"))
        );
    }
}

#[test]
fn a_pod_that_starts_without_the_image_takes_no_word_back() {
    let mut fleet = ready(1);
    let common = text(&fleet, "SIPDefault.cnf").unwrap();
    assert!(common.contains(&format!("image_version: {NEW}")));
    serve(&mut fleet, "c", false);
    assert_eq!(text(&fleet, "SIPDefault.cnf").unwrap(), common, "all phones would restart for nothing");
    assert_eq!(condition(&mut fleet, "p0", "FirmwareStaged"), "False Pending", "the status tells what is true");
    serve(&mut fleet, "c", true);
    assert_eq!(condition(&mut fleet, "p0", "FirmwareStaged"), "True Staged");
    // What no pod can serve any more is named no longer.
    fleet.set_firmware(&key("f"), Some(Default::default()));
    write_all(&mut fleet);
    assert!(!text(&fleet, "SIPDefault.cnf").unwrap().contains(&format!("image_version: {NEW}")));
}
