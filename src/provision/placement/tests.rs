//! How files are placed, and how they move.

use super::*;
use proptest::prelude::*;

fn phone(n: u8) -> Key {
    Key::new("ns", format!("p{n}"))
}

fn files(n: u8, text: u8) -> Arc<[File]> {
    Arc::new([File::new(format!("SIP{n}.cnf"), vec![text])])
}

fn common(text: u8, secret: bool) -> CommonFiles {
    CommonFiles { files: Arc::new([File::new("SIPDefault.cnf", vec![text])]), secret }
}

#[test]
fn a_phone_is_found_where_its_file_was_when_the_operator_started() {
    let mut placement = Placement::default();
    let slot = Slot::Phones { secret: false, index: 3 };
    placement.recover(slot, Content([("SIP1.cnf".to_owned(), Bytes::from_static(&[7]))].into()));
    assert_eq!(placement.put(&phone(1), &files(1, 7), false), Ok(BTreeSet::from([slot])));
    assert_eq!(placement.unwritten(slot).1, None, "it holds what it should");
    placement.finish_recovery();
    assert_eq!(placement.put(&phone(1), &files(1, 7), false), Ok(BTreeSet::new()), "nothing changed");
}

#[test]
fn a_name_belongs_to_the_phone_that_took_it_last() {
    let mut placement = Placement::default();
    placement.put(&phone(1), &files(1, 1), false).unwrap();
    placement.put(&phone(2), &files(1, 2), false).unwrap();
    placement.remove(&phone(1));
    assert_eq!(placement.phone_of("SIP1.cnf"), Some(&phone(2)));
    assert!(placement.has("SIP1.cnf") && placement.count() == 1);
}

/// A cluster in which objects are written one by one, and one pod whose kubelet hears of each object some time.
#[derive(Default)]
struct Cluster {
    objects: BTreeMap<Slot, Content>,
    heard: BTreeMap<Slot, Content>,
    /// The objects that have to be looked at, as far as the placement said so.
    due: BTreeSet<Slot>,
    writes: usize,
}

impl Cluster {
    fn write(&mut self, placement: &mut Placement, now: i64) -> bool {
        self.due.retain(|slot| placement.unwritten(*slot).1.is_some());
        let Some(slot) = self.due.pop_last() else { return false };
        let (digest, content) = placement.unwritten(slot);
        match (digest, content) {
            (Some(_), Some(content)) => drop(self.objects.insert(slot, content)),
            _ => drop(self.objects.remove(&slot)),
        }
        self.writes += 1;
        self.due.extend(placement.note_stored(slot, digest, Timestamp::from_second(now).unwrap()).write);
        true
    }

    fn hear(&mut self, slot: Slot) {
        match self.objects.get(&slot) {
            Some(content) => drop(self.heard.insert(slot, content.clone())),
            None => drop(self.heard.remove(&slot)),
        }
    }

    /// What the pod serves.
    fn served(&self) -> BTreeMap<String, Bytes> {
        KINDS.iter().filter_map(|slot| self.heard.get(slot)).flat_map(|content| content.0.clone()).collect()
    }

    fn let_go(&mut self, placement: &mut Placement, now: i64) {
        let served = self.served();
        self.due.extend(placement.let_go(|moved| {
            let holds = served.get(&moved.file.name) == Some(&moved.file.bytes);
            holds && (moved.shows || now - moved.since.as_second() >= 100)
        }));
    }

    /// A phone's file is another one now, maybe of another name.
    fn put(&mut self, placement: &mut Placement, n: u8, files: &Arc<[File]>, secret: bool) {
        self.due.extend(placement.put(&phone(n), files, secret).unwrap());
    }
}

const PLAIN: Slot = Slot::Phones { secret: false, index: 0 };
const SECRET: Slot = Slot::Phones { secret: true, index: 0 };
const KINDS: [Slot; 4] = [Slot::Common { secret: false }, PLAIN, Slot::Common { secret: true }, SECRET];

#[test]
fn a_copy_that_is_left_behind_is_old_where_it_gives_way_and_new_where_it_would_win() {
    let mut placement = Placement::default();
    let text = |placement: &Placement, slot: Slot| placement.content(slot).0.get("SIP1.cnf").map(|bytes| bytes[0]);
    placement.put(&phone(1), &files(1, 1), false).unwrap();
    assert_eq!(placement.put(&phone(1), &files(1, 2), true), Ok(BTreeSet::from([SECRET])), "one write, and later one");
    assert_eq!((text(&placement, PLAIN), text(&placement, SECRET)), (Some(1), Some(2)), "no password in a ConfigMap");
    assert_eq!(placement.put(&phone(1), &files(1, 3), false), Ok(BTreeSet::from([PLAIN, SECRET])));
    assert_eq!((text(&placement, PLAIN), text(&placement, SECRET)), (Some(3), Some(3)));
    assert_eq!(placement.put(&phone(1), &files(1, 4), false), Ok(BTreeSet::from([PLAIN, SECRET])));
    assert_eq!((text(&placement, PLAIN), text(&placement, SECRET)), (Some(4), Some(4)));
    assert_eq!(placement.remove(&phone(1)), BTreeSet::from([PLAIN, SECRET]), "who is gone leaves nothing behind");
    assert!(placement.is_settled() && placement.content(SECRET).0.is_empty());
}

#[test]
fn what_was_left_behind_before_a_restart_stays_until_pods_hold_the_new_one() {
    let mut placement = Placement::default();
    let held = |text: &'static [u8]| Content([("SIP1.cnf".to_owned(), Bytes::from_static(text))].into());
    placement.recover(PLAIN, held(&[1]));
    placement.recover(SECRET, held(&[2]));
    placement.put(&phone(1), &files(1, 2), true).unwrap();
    placement.finish_recovery();
    assert!([PLAIN, SECRET].iter().all(|slot| placement.unwritten(*slot).1.is_none()), "a restart changes nothing");
    assert!(placement.let_go(|_| true).is_empty(), "nobody has said that it is written");
    placement.note_stored(SECRET, placement.stored(SECRET), Timestamp::UNIX_EPOCH);
    assert!(placement.let_go(|moved| !moved.shows).is_empty());
    assert_eq!(placement.let_go(|moved| moved.shows), BTreeSet::from([PLAIN]));
}

/// A move is two writes, and a third where the copy that is left behind would win.
#[test]
fn nothing_is_written_without_need() {
    for (secret, writes) in [(true, 2), (false, 3)] {
        let (mut placement, mut cluster) = (Placement::default(), Cluster::default());
        for n in 1..4 {
            cluster.put(&mut placement, n, &files(n, n), !secret);
        }
        while cluster.write(&mut placement, 0) {}
        cluster.writes = 0;
        cluster.put(&mut placement, 1, &files(1, 9), secret);
        for now in [1, 2, 200] {
            while cluster.write(&mut placement, now) {}
            [PLAIN, SECRET].into_iter().for_each(|slot| cluster.hear(slot));
            cluster.let_go(&mut placement, now);
        }
        while cluster.write(&mut placement, 201) {}
        assert_eq!(cluster.writes, writes, "into a Secret: {secret}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// However phones and common files move between ConfigMaps and Secrets, and in whatever order a kubelet hears of the objects
    /// (of each within 50 s): a file that was served once is served, none older than before, and in the end each is in one object
    /// and no other is in any: who gets another address leaves nothing under the former.
    #[test]
    fn no_file_is_missing_at_any_time(
        steps in proptest::collection::vec(
            (0u8..4, prop_oneof![4 => Just(0u8), 1 => Just(10)], any::<bool>(), proptest::collection::vec(0usize..6, 0..12)),
            1..20,
        ),
    ) {
        let (mut placement, mut cluster, mut now) = (Placement::default(), Cluster::default(), 0);
        let mut late: BTreeMap<Slot, i64> = BTreeMap::new();
        let mut texts: BTreeMap<String, u8> = BTreeMap::new();
        for (text, (n, address, secret, happens)) in (1u8..).zip(steps) {
            if n == 0 {
                placement.set_common(Some(common(text, secret)));
                cluster.due.extend(placement.slots().into_iter().chain([Slot::Common { secret }]));
                texts.insert("SIPDefault.cnf".to_owned(), text);
            } else {
                cluster.put(&mut placement, n, &files(n + address, text), secret);
                texts.remove(&format!("SIP{}.cnf", n + 10 - address));
                texts.insert(format!("SIP{}.cnf", n + address), text);
            }
            // Chance, and then enough time for everything.
            for what in happens.into_iter().chain([9; 12]) {
                let before = cluster.served();
                now += if what == 9 { 30 } else { 5 };
                match KINDS.get(what) {
                    Some(slot) => cluster.hear(*slot),
                    None => while cluster.write(&mut placement, now) {},
                }
                for slot in KINDS {
                    let is_late = cluster.objects.get(&slot) != cluster.heard.get(&slot);
                    let since = *late.entry(slot).or_insert(now);
                    if !is_late {
                        late.remove(&slot);
                    } else if now - since >= 30 {
                        cluster.hear(slot);
                        late.remove(&slot);
                    }
                }
                let served = cluster.served();
                for (name, bytes) in before.iter().filter(|(name, _)| texts.contains_key(*name)) {
                    let now = served.get(name).unwrap_or_else(|| panic!("{name} is missing"));
                    prop_assert!(now[0] >= bytes[0], "{} was {:?} and is {:?}", name, bytes, now);
                }
                cluster.let_go(&mut placement, now);
            }
            let held = cluster.objects.values().flat_map(|content| &content.0).map(|(name, bytes)| (name.clone(), bytes[0]));
            let mut held: Vec<(String, u8)> = held.collect();
            held.sort();
            prop_assert_eq!(held, Vec::from_iter(texts.clone()));
        }
    }
}
