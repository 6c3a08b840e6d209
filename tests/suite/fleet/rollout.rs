//! However phones boot, fail, are unplugged and come back, and whatever people change meanwhile: a rollout's limit holds.

use dialtone::api::{PhoneFirmwareStatus, Stage};
use dialtone::provision::catalog::FirmwareFile;
use proptest::prelude::*;

use super::*;

const IMAGES: [&str; 3] = ["P0S3-04-4-00", "P0S3-05-3-00", "P0S3-06-3-00"];
const SIZE: usize = 600_000;
const PHONES: u8 = 8;

/// What people want.
#[derive(Clone, Debug)]
struct Wish {
    image: usize,
    most: i64,
    paused: bool,
    /// The image that a phone is to run in the others' stead.
    canaries: [Option<usize>; PHONES as usize],
}

fn want(fleet: &mut Fleet, wish: &Wish, generation: i64) {
    let rollout = json!({"maxUpdating": wish.most, "paused": wish.paused});
    let firmware = json!({"image": IMAGES[wish.image], "source": {"configMaps": [{"name": "f"}]}, "rollout": rollout});
    site(fleet, generation, json!({"settings": {"proxy1Address": "10.0.0.1"}, "firmware": firmware}));
    for n in 0..PHONES {
        let mut spec = plain(&mac(n), &n.to_string());
        if let Some(image) = wish.canaries[usize::from(n)] {
            spec["firmware"] = json!({"image": IMAGES[image]});
        }
        phone(fleet, &format!("p{n}"), generation, 0, spec);
    }
    serve(fleet);
}

fn mac(n: u8) -> String {
    format!("000A8A1200{n:02X}")
}

fn start(wish: &Wish) -> Fleet {
    let mut fleet = Fleet::new();
    fleet.tick(at(1_000));
    fleet.set_hash_key(&key("hq"), HashKey::new(b"k"));
    want(&mut fleet, wish, 1);
    let file = |image: &&str| (format!("{image}.bin"), FirmwareFile::new("x.bin", &vec![7; SIZE]));
    fleet.set_firmware(&key("f"), Some(IMAGES.iter().map(file).collect()));
    serve(&mut fleet);
    hold(&mut fleet);
    serve(&mut fleet);
    fleet
}

/// Whatever is to be written is written, and the pod has it.
fn serve(fleet: &mut Fleet) {
    while !write_all(fleet).is_empty() {
        hold(fleet);
    }
}

fn hold(fleet: &mut Fleet) {
    static IMAGE: std::sync::LazyLock<Digest> = std::sync::LazyLock::new(|| Digest::of(&vec![7; SIZE]));
    let ours = fleet.tree(&key("hq"));
    let ours = ours.iter().map(|(name, bytes)| (name.clone(), Digest::of(bytes)));
    let images = IMAGES.iter().map(|image| (format!("{image}.bin"), *IMAGE));
    fleet.pod_holds(&key("hq"), "a", true, ours.chain(images).collect(), &[]);
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn firmware(fleet: &mut Fleet, n: u8, now: i64) -> PhoneFirmwareStatus {
    fleet.current_status(&key(&format!("p{n}")), at(now)).unwrap().firmware.unwrap()
}

/// A phone with firmware before 7.0, which reads what is served at that moment.
#[derive(Debug)]
struct Device {
    n: u8,
    running: String,
    step: u8,
    named: Option<String>,
    failures: u32,
    /// Whether it has read of an image that it did not run then, until it has come up with one, or begins again without
    /// having taken any.
    under_way: bool,
    /// Whether it has taken an image and has not come up since.
    took: bool,
}

impl Device {
    /// Does the next thing; `fails` if a transfer is to be given up.
    fn goes_on(&mut self, fleet: &mut Fleet, now: i64, fails: bool) {
        let own = format!("SIP{}.cnf", mac(self.n));
        let update = self.named.clone().filter(|named| *named != self.running);
        let name = match (self.step, &update) {
            (0, _) => "OS79XX.TXT".to_owned(),
            (1, _) => "SIPDefault.cnf".to_owned(),
            (2, _) => own.clone(),
            (_, Some(image)) => format!("{image}.bin"),
            (_, None) => "RINGLIST.DAT".to_owned(),
        };
        let read = matches!(self.step, 1 | 2).then(|| fleet.tree(&key("hq")));
        let taken = read.and_then(|tree| tree.get(&name).map(|bytes| Digest::of(bytes)));
        let base = Fetch { time: at(now), address: [10, 0, 0, 10 + self.n].into(), ..fetch(&name, taken) };
        let part = |sent, end| Fetch { sent, total: SIZE as u64, end, missing: false, ..base.clone() };
        let (one, next) = match (self.step, update) {
            (2, _) => {
                let read = text(fleet, &own).unwrap();
                self.named = read.lines().find_map(|line| line.strip_prefix("image_version: ")).map(str::to_owned);
                self.under_way |= self.named.as_ref().is_some_and(|named| *named != self.running);
                (base, 3)
            }
            (3, Some(_)) => (part(512, None), 4),
            (4, Some(_)) if fails && self.failures < 2 => {
                self.failures += 1;
                (part(100_000, Some(Err("it gave up".to_owned()))), 0)
            }
            (4, Some(_)) => (part(400_000, None), 5),
            (5, Some(image)) => {
                self.running = image;
                self.took = true;
                (part(SIZE as u64, Some(Ok(()))), 0)
            }
            (0, _) => {
                self.under_way = self.took;
                (base, 1)
            }
            (1, _) => (base, 2),
            _ => {
                // A third failure in a row would let the others go on.
                if self.named.is_some() {
                    self.failures = 0;
                }
                (self.under_way, self.took) = (false, false);
                (base, 0)
            }
        };
        self.step = next;
        fleet.fetched(&key("hq"), &one);
        serve(fleet);
    }
}

fn devices() -> Vec<Device> {
    let running = || IMAGES[0].to_owned();
    let device = |n| Device { n, running: running(), step: 0, named: None, failures: 0, under_way: false, took: false };
    (0..PHONES).map(device).collect()
}

/// How many phones are between Offered and Current, or on their way although their statuses say something else of it.
fn going(fleet: &mut Fleet, devices: &[Device], now: i64) -> usize {
    let between = [Stage::Offered, Stage::Downloading, Stage::Installing];
    let goes = |device: &&Device| device.under_way || between.contains(&firmware(fleet, device.n, now).stage);
    devices.iter().filter(goes).count()
}

/// How many are truly on their way, whichever image that is to.
fn under_way(devices: &[Device]) -> usize {
    devices.iter().filter(|device| device.under_way).count()
}

#[derive(Clone, Debug)]
enum Step {
    Goes(u8, bool),
    Target(usize),
    Most(i64),
    Pause(bool),
    Canary(u8, Option<usize>),
    /// Nothing is heard for most of an hour.
    Silence,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        40 => (0..PHONES, proptest::bool::weighted(0.2)).prop_map(|(n, fails)| Step::Goes(n, fails)),
        1 => (0usize..3).prop_map(Step::Target),
        1 => (1i64..4).prop_map(Step::Most),
        1 => any::<bool>().prop_map(Step::Pause),
        1 => (0..PHONES, proptest::option::of(0usize..3)).prop_map(|(n, image)| Step::Canary(n, image)),
        1 => Just(Step::Silence),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..Default::default() })]

    #[test]
    fn never_more_phones_between_offered_and_current_than_the_rollout_allows(
        most in 1i64..4,
        steps in proptest::collection::vec(any_step(), 0..200),
    ) {
        let mut wish = Wish { image: 1, most, paused: false, canaries: [None; PHONES as usize] };
        let mut fleet = start(&wish);
        let mut devices = devices();
        let (mut now, mut generation, mut before, mut truly_before) = (1_000, 1, 0, 0);
        let mut limit = wish.most;
        for step in steps {
            now += 2;
            let mut changes = true;
            match step {
                Step::Goes(n, fails) => {
                    changes = false;
                    devices[usize::from(n)].goes_on(&mut fleet, now, fails);
                }
                Step::Target(image) => wish.image = image,
                Step::Most(most) => {
                    wish.most = most;
                    // When the limit is lowered, those that are under way go on, or may be for all that anybody knows.
                    limit = limit.max(most);
                }
                Step::Pause(paused) => wish.paused = paused,
                Step::Canary(n, image) => wish.canaries[usize::from(n)] = image,
                // A phone that is half-way, or is to try again, is given up after so long, and counts no more.
                Step::Silence if devices.iter().all(|device| !device.under_way && device.failures == 0) => {
                    now += 3_000;
                    limit = wish.most;
                    // No boot takes so long: whoever was in one had its plug pulled.
                    devices.iter_mut().for_each(|device| device.step = 0);
                    fleet.tick(at(now));
                    serve(&mut fleet);
                    changes = false;
                }
                Step::Silence => {}
            }
            if changes {
                generation += 1;
                want(&mut fleet, &wish, generation);
                serve(&mut fleet);
            }
            fleet.tick(at(now));
            serve(&mut fleet);
            let (is, truly) = (going(&mut fleet, &devices, now), under_way(&devices));
            let most = usize::try_from(limit).unwrap();
            prop_assert!(truly <= most.max(truly_before), "{truly} of {most}: {wish:?} {devices:?}");
            prop_assert!(changes || is <= most.max(before), "{is} of {most}: {wish:?}");
            (before, truly_before) = (is, truly);
        }
        // In the end, with nobody interfering, all run what they should.
        wish.paused = false;
        want(&mut fleet, &wish, generation + 1);
        for round in 0..120 {
            for device in &mut devices {
                for _ in 0..8 {
                    now += 2;
                    device.goes_on(&mut fleet, now, false);
                }
            }
            fleet.tick(at(now));
            serve(&mut fleet);
            if (0..PHONES).all(|n| firmware(&mut fleet, n, now).stage == Stage::Current) {
                break;
            }
            prop_assert!(round < 119, "{:?}", (0..PHONES).map(|n| firmware(&mut fleet, n, now)).collect::<Vec<_>>());
        }
    }
}

#[test]
fn after_a_power_cut_no_more_phones_upgrade_at_once_than_the_limit_says() {
    let wish = Wish { image: 2, most: 2, paused: false, canaries: [None; PHONES as usize] };
    let mut fleet = start(&wish);
    // Nobody restarts any phone for a day.
    for minute in 0..24 * 60 {
        fleet.tick(at(1_000 + minute * 60));
        serve(&mut fleet);
    }
    let now = 1_000 + 24 * 3_600;
    let mut devices = devices();
    for _ in 0..3 {
        devices.iter_mut().for_each(|device| device.goes_on(&mut fleet, now, false));
    }
    assert_eq!((under_way(&devices), going(&mut fleet, &devices, now)), (2, 2));
}

#[test]
fn a_new_target_is_told_at_once_to_those_that_are_on_their_way_to_the_old_one() {
    let mut wish = Wish { image: 1, most: 1, paused: false, canaries: [None; PHONES as usize] };
    let mut fleet = start(&wish);
    let mut devices = devices();
    (0..4).for_each(|second| devices[0].goes_on(&mut fleet, 1_000 + second, false));
    assert_eq!(firmware(&mut fleet, 0, 1_004).stage, Stage::Downloading);
    wish.image = 2;
    want(&mut fleet, &wish, 2);
    let message = firmware(&mut fleet, 0, 1_004).message.unwrap();
    assert_eq!(message, format!("it takes {}.bin first", IMAGES[1]));
    assert_eq!(firmware(&mut fleet, 1, 1_004).stage, Stage::Waiting, "one is on its way, whichever way that is");
    (0..20).for_each(|second| devices[0].goes_on(&mut fleet, 1_010 + second, false));
    assert_eq!(devices[0].running, IMAGES[2]);
    assert_eq!(
        (firmware(&mut fleet, 0, 1_040).stage, firmware(&mut fleet, 1, 1_040).stage),
        (Stage::Current, Stage::Staged)
    );
}

#[test]
fn a_phone_that_is_called_back_to_what_it_runs_counts_until_it_was_heard_of_again() {
    let mut wish = Wish { image: 0, most: 1, paused: false, canaries: [None; PHONES as usize] };
    let mut fleet = start(&wish);
    let mut devices = devices();
    // All of them are known to run the first image.
    for device in &mut devices {
        (0..4).for_each(|second| device.goes_on(&mut fleet, 1_000 + second, false));
    }
    wish.image = 1;
    want(&mut fleet, &wish, 2);
    (0..3).for_each(|second| devices[0].goes_on(&mut fleet, 1_010 + second, false));
    assert_eq!(firmware(&mut fleet, 0, 1_013).stage, Stage::Offered);
    wish.canaries[0] = Some(0);
    want(&mut fleet, &wish, 3);
    assert!(devices[0].under_way, "it has read of the image, and takes it");
    let others_told = |fleet: &mut Fleet, now| {
        fleet.tick(at(now));
        serve(fleet);
        (1..PHONES).filter(|n| firmware(fleet, *n, now).stage == Stage::Staged).count()
    };
    assert_eq!(others_told(&mut fleet, 1_014), 0);
    // It gives up, begins again, and is to read of the one that it runs.
    devices[0].goes_on(&mut fleet, 1_020, false);
    devices[0].goes_on(&mut fleet, 1_022, true);
    assert_eq!(others_told(&mut fleet, 1_023), 0);
    devices[0].goes_on(&mut fleet, 1_030, false);
    assert_eq!((firmware(&mut fleet, 0, 1_031).stage, others_told(&mut fleet, 1_031)), (Stage::Current, 1));
}

#[test]
fn who_begins_again_after_long_is_not_held_to_what_it_read_before() {
    let wish = Wish { image: 1, most: 1, paused: false, canaries: [None; PHONES as usize] };
    let mut fleet = start(&wish);
    let mut devices = devices();
    (0..3).for_each(|second| devices[0].goes_on(&mut fleet, 1_000 + second, false));
    assert_eq!(firmware(&mut fleet, 0, 1_003).stage, Stage::Offered);
    // Somebody pulls its plug.
    fleet.tick(at(4_000));
    serve(&mut fleet);
    let told = (1..PHONES).find(|n| firmware(&mut fleet, *n, 4_000).stage == Stage::Staged).unwrap();
    devices[0].step = 0;
    devices[0].goes_on(&mut fleet, 4_010, false);
    fleet.tick(at(4_010));
    serve(&mut fleet);
    let stages = (firmware(&mut fleet, 0, 4_011).stage, firmware(&mut fleet, told, 4_011).stage);
    assert_eq!(stages, (Stage::Waiting, Stage::Staged));
}

#[test]
fn a_stranger_who_plays_a_phone_through_its_upgrade_lets_no_other_phone_go() {
    let mut fleet = start(&Wish { image: 2, most: 1, paused: false, canaries: Default::default() });
    let own = |n: u8| format!("SIP{}.cnf", mac(n));
    let named = format!("image_version: {}\n", IMAGES[2]);
    let offered = |fleet: &mut Fleet| {
        fleet.take_work();
        (0..PHONES).filter(|n| text(fleet, &own(*n)).is_some_and(|file| file.contains(&named))).collect::<Vec<u8>>()
    };
    let ask = |fleet: &mut Fleet, name: &str, from: [u8; 4], now: i64| {
        let taken = fleet.tree(&key("hq")).get(name).map(|bytes| Digest::of(bytes));
        let one = Fetch { time: at(now), address: from.into(), ..fetch(name, taken) };
        fleet.fetched(&key("hq"), &one);
    };
    for n in 0..PHONES {
        for name in ["SIPDefault.cnf", &own(n)] {
            ask(&mut fleet, name, [10, 0, 0, 10 + n], 1_001);
        }
    }
    let before = offered(&mut fleet);
    let [victim] = before.as_slice() else { panic!("{before:?}") };
    // From outside, days later; and from inside, soon after the phone itself.
    for (from, now) in [([10, 0, 0, 66], 1_100), ([203, 0, 113, 66], 500_000)] {
        let part = |sent: u64, end| Fetch {
            time: at(now + 1),
            address: from.into(),
            sent,
            total: SIZE as u64,
            end,
            missing: false,
            ..fetch(&format!("{}.bin", IMAGES[2]), None)
        };
        for name in ["OS79XX.TXT", "SIPDefault.cnf", &own(*victim)] {
            ask(&mut fleet, name, from, now);
        }
        fleet.fetched(&key("hq"), &part(512, None));
        fleet.fetched(&key("hq"), &part(SIZE as u64, Some(Ok(()))));
        for name in ["OS79XX.TXT", "SIPDefault.cnf", &own(*victim), "RINGLIST.DAT"] {
            ask(&mut fleet, name, from, now + 60);
        }
        assert_eq!(offered(&mut fleet), before, "{from:?}");
        assert_ne!(firmware(&mut fleet, *victim, now + 61).stage, Stage::Current, "{from:?}");
    }
}
