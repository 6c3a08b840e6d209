//! Every transfer that a client finished is in the history exactly once and in order, whatever happens to who reads it.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::ControlFlow;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use dialtone::base::report::{Outcome, Query, Record, Report};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

use super::Client;
use super::process::Process;

const CLIENTS: u8 = 24;
const ACTS: usize = 30;
const FILES: usize = 8;
const BLOCK: usize = 512;

fn address(client: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 7, client).into()
}

/// A file's name, and its size: less than a block, whole blocks, more.
fn file(number: usize) -> (String, usize) {
    (format!("file-{number}"), [10, BLOCK, 3 * BLOCK, 2000, 0, 5000, 4 * BLOCK - 1, 70_000][number])
}

/// What all its bytes are: a client tells by it what is left of another file's transfer.
fn content(number: usize) -> u8 {
    b'a' + number as u8
}

/// Fetches a file until its last block, with what networks do: packets that come twice, and acknowledgements of before. `each` may
/// break it off after a block; whether it was finished.
fn fetch(
    client: &Client,
    number: usize,
    random: &mut SmallRng,
    mut each: impl FnMut(u16, SocketAddr) -> ControlFlow<()>,
) -> bool {
    let mut repeat = || random.random_range(0..8) == 0;
    let (name, _) = file(number);
    client.request(&name, "");
    if repeat() {
        client.request(&name, "");
    }
    let mut next = 1u16;
    loop {
        let (packet, from) = client.receive();
        // A block that came twice, or one of the transfer that this one follows at the same port.
        let is_strange = packet.get(4).is_some_and(|byte| *byte != content(number));
        if packet[1] != 3 || packet[2..4] != next.to_be_bytes() || is_strange {
            continue;
        }
        if repeat() && next > 1 {
            client.ack(next - 1, from);
        }
        if each(next, from).is_break() {
            return false;
        }
        client.ack(next, from);
        if packet.len() - 4 < BLOCK {
            if repeat() {
                client.ack(next, from);
            }
            return true;
        }
        next += 1;
    }
}

/// What one client does; what it finished.
fn lead_a_life(own: u8, process: &Process, mut random: SmallRng) -> Vec<Finished> {
    let new = || Client::at(address(own), process.address);
    let whole = |_: u16, _: SocketAddr| ControlFlow::Continue(());
    let (mut client, mut finished, mut before) = (new(), Vec::new(), FILES);
    for _ in 0..ACTS {
        let number = random.random_range(0..FILES);
        // At the same port comes only what can be told from what is left there of the last transfer.
        if number == before || file(before % FILES).1.is_multiple_of(BLOCK) || random.random_range(0..3) == 0 {
            client = new();
        }
        before = number;
        thread::sleep(Duration::from_millis(random.random_range(0..40)));
        let (name, size) = file(number);
        let last = random.random_range(1..=(size / BLOCK + 1) as u16);
        let until = |block| if block < last { ControlFlow::Continue(()) } else { ControlFlow::Break(()) };
        match random.random_range(0..8) {
            // It wants no more, and says so.
            0 => {
                fetch(&client, number, &mut random, |block, from| {
                    if block == last {
                        client.socket.send_to(b"\0\x05\0\0enough\0", from).unwrap();
                    }
                    until(block)
                });
            }
            // It wants no more, and says nothing: the next request may come from the same port.
            1 => drop(fetch(&client, number, &mut random, |block, _| until(block))),
            act => {
                assert!(fetch(&client, number, &mut random, whole));
                finished.push((client.socket.local_addr().unwrap().port(), name.clone()));
                if act == 2 {
                    // The request once more, as if it had been on its way for long; nobody is there any more.
                    client.request(&name, "");
                    client = new();
                }
            }
        }
    }
    finished
}

/// A file that a client finished, and from which of its ports.
type Finished = (u16, String);

/// Somebody who reads the history, and loses what he was told, or where he was.
struct Reader {
    random: SmallRng,
    query: Query,
    /// Where he was before.
    places: Vec<Query>,
    history: BTreeMap<u64, Record>,
    is_careful: bool,
    lost_answers: usize,
}

impl Reader {
    fn new(seed: u64, is_careful: bool) -> Reader {
        let (random, query) = (SmallRng::seed_from_u64(seed), Query::default());
        Reader { random, query, places: Vec::new(), history: BTreeMap::new(), is_careful, lost_answers: 0 }
    }

    fn read(&mut self, process: &Process) {
        match if self.is_careful { 9 } else { self.random.random_range(0..10) } {
            // The answer is lost, whole or after some of it.
            4..=6 => {
                let mut stream = process.ask(&Query { wait: 1, ..self.query.clone() }).unwrap();
                let _ = stream.read(&mut vec![0; self.random.random_range(0..3000)]);
                self.lost_answers += 1;
            }
            // It begins anew, where it was at some time or at the beginning.
            2 if !self.places.is_empty() => {
                let place = self.random.random_range(0..self.places.len());
                self.query = self.places[place].clone();
            }
            3 => self.query = Query::default(),
            _ => {
                let from = self.query.journal;
                let report = process.report_after(&Query { wait: 1, ..self.query.clone() }).unwrap();
                self.note(from, &report);
                self.query = Query::after(&report, 1);
                self.places.push(self.query.clone());
            }
        }
    }

    /// What is told again is told as before, and nothing is left out.
    fn note(&mut self, from: u64, report: &Report) {
        let Report { journal, .. } = report;
        assert_eq!(journal.lost, 0);
        assert!(journal.records.is_sorted_by(|a, b| a.seq < b.seq));
        let known: Vec<u64> = self.history.range(from..journal.next).map(|(seq, _)| *seq).collect();
        let told: BTreeMap<u64, &Record> = journal.records.iter().map(|record| (record.seq, record)).collect();
        for seq in known {
            assert_eq!(told.get(&seq), Some(&&self.history[&seq]), "record {seq} is not told as before");
        }
        for (seq, record) in told {
            assert!((from..journal.next).contains(&seq));
            self.history.insert(seq, record.clone());
        }
    }

    /// The files that a client finished.
    fn finished(&self, client: u8) -> Vec<Finished> {
        let of_client = |record: &&Record| record.peer.ip() == address(client) && record.outcome == Outcome::Complete;
        let whole = |record: &Record| record.acknowledged == record.size;
        let all = self.history.values().filter(of_client).inspect(|record| assert!(whole(record), "{record:?}"));
        all.map(|record| (record.peer.port(), record.asked.to_string())).collect()
    }
}

fn a_busy_hour(seed: u64, more: &[&str]) {
    let root = tempfile::tempdir().unwrap();
    for number in 0..FILES {
        let (name, size) = file(number);
        std::fs::write(root.path().join(name), vec![content(number); size]).unwrap();
    }
    let process = Process::start(root.path(), None, more);
    let lives_left = AtomicUsize::new(CLIENTS.into());
    let mut readers = [Reader::new(seed, false), Reader::new(seed + 1, false), Reader::new(seed, true)];
    let lives: Vec<Vec<Finished>> = thread::scope(|scope| {
        for reader in &mut readers {
            let (process, lives_left) = (&process, &lives_left);
            scope.spawn(move || {
                while lives_left.load(Ordering::SeqCst) > 0 {
                    reader.read(process);
                }
            });
        }
        let lives = (1..=CLIENTS).map(|number| {
            let (process, lives_left) = (&process, &lives_left);
            scope.spawn(move || {
                let random = SmallRng::seed_from_u64(seed + u64::from(number));
                let alive = AssertUnwindSafe(|| lead_a_life(number, process, random));
                let life = std::panic::catch_unwind(alive);
                lives_left.fetch_sub(1, Ordering::SeqCst);
                life.unwrap()
            })
        });
        let lives: Vec<_> = lives.collect();
        lives.into_iter().map(|life| life.join().unwrap()).collect()
    });
    let expected: usize = lives.iter().map(Vec::len).sum();
    for reader in &mut readers {
        let began = Instant::now();
        let found = |reader: &Reader| (1..=CLIENTS).map(|client| reader.finished(client).len()).sum::<usize>();
        while found(reader) < expected && began.elapsed() < Duration::from_secs(10) {
            reader.is_careful = true;
            reader.read(&process);
        }
        // Whoever reads everything once more is told the same.
        reader.query = Query::default();
        reader.read(&process);
        for (client, life) in (1..=CLIENTS).zip(&lives) {
            let (mut found, mut expected) = (reader.finished(client), life.clone());
            if more.contains(&"2") || more.contains(&"ephemeral") {
                // Each port has its worker, or each transfer its socket, and of two one may be read later.
                found.sort_by_key(|(port, _)| *port);
                expected.sort_by_key(|(port, _)| *port);
            }
            assert_eq!(found, expected, "client {client}, seed {seed}, {more:?}");
        }
    }
    let told: Vec<usize> = readers.iter().map(|reader| reader.history.len()).collect();
    let lost: usize = readers.iter().map(|reader| reader.lost_answers).sum();
    println!("{expected} transfers were finished; readers have {told:?} records and lost {lost} answers");
    assert!(expected > 400 && lost > 2, "{expected} {lost}");
    assert!(readers[2].history.values().any(|record| record.outcome == Outcome::Aborted));
}

#[test]
fn every_transfer_that_a_client_finished_is_in_the_history_once_and_in_order() {
    let seed = crate::seed::seed();
    for more in [&["--workers", "1"] as &[&str], &["--workers", "2"], &["--port-mode", "ephemeral"]] {
        a_busy_hour(seed, more);
    }
}
