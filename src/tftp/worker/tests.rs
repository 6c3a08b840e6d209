//! Histories of clients against a worker, with a clock that is set.

use proptest::prelude::*;

use super::*;
use crate::base::report::{Query, Record};
use crate::tftp::file_store::FileStore;
use crate::tftp::metrics::Metrics;
use crate::tftp::transfer_log::TransferLog;

/// The clients' ports are those of nobody who could receive something.
fn client(port: u16) -> Received {
    Received { peer: ([127, 0, 0, 9], port).into(), local: None, len: 0 }
}

fn worker(max_sessions: usize) -> Worker {
    let files = Arc::new(FileStore::default());
    files.replace([("a", 400), ("b", 30_000)].map(|(name, len)| (name, vec![b'\n'; len].into())));
    let log = Arc::new(TransferLog::new(files.clone()));
    let shared = Shared {
        files,
        log,
        metrics: Arc::new(Metrics::default()),
        port_mode: PortMode::Single,
        max_sessions,
        windowsize: 16,
        is_ending: false.into(),
    };
    let listener = Udp::bind(([127, 0, 0, 1], 0).into(), false).unwrap();
    Worker::new(Arc::new(shared), vec![listener]).unwrap()
}

impl Worker {
    /// A datagram comes, alone.
    fn take(&mut self, port: u16, datagram: &[u8]) {
        self.batch += 1;
        self.handle(0, Received { len: datagram.len(), ..client(port) }, datagram);
        self.flush(0);
    }

    /// The client acknowledges a block that is so many after the last one that it acknowledged.
    fn take_ack(&mut self, port: u16, ahead: u64) {
        let place = self.transfers.find(client(port).peer, 0);
        let blocks = place.and_then(|place| self.transfers.get(place)).map_or(0, |it| it.session().progress().blocks);
        self.take(port, &[[0, 4], ((blocks + ahead) as u16).to_be_bytes()].concat());
    }

    /// Time goes by.
    fn pass(&mut self, pause: Millis) {
        self.clock.now += pause;
        self.fire_timers();
    }

    fn sessions(&self) -> impl Iterator<Item = &Transfer> {
        (1..=9).filter_map(|port| self.transfers.get(self.transfers.find(client(port).peer, 0)?))
    }

    fn metric(&self, name: &str) -> u64 {
        let text = self.shared.metrics.text(&self.shared.files.snapshot()).unwrap();
        let lines = text.lines().filter_map(|line| line.rsplit_once(' '));
        let all = lines.filter(|(left, _)| left.split('{').next() == Some(name)).map(|(_, value)| value);
        all.map(|value| value.parse::<u64>().unwrap()).sum()
    }

    /// What ended, as the history has it.
    fn records(&self) -> Vec<Record> {
        self.shared.log.files_loaded(&Default::default(), Vec::new());
        let mut records = self.shared.log.report(&Query::default()).journal.records;
        records.retain(|record| record.outcome != Outcome::Running);
        records
    }
}

const REQUESTS: [&[u8]; 6] = [
    b"\0\x01a\0octet\0",
    b"\0\x01b\0octet\0",
    b"\0\x01b\0netascii\0",
    b"\0\x01b\0octet\0windowsize\x004\0",
    b"\0\x01b\0octet\0timeout\x003\0",
    b"\0\x01c\0octet\0",
];

#[derive(Clone, Debug)]
enum Act {
    Request(u16, usize),
    Ack(u16, u64),
    Error(u16),
    Wait(Millis),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        2 => (1..=9u16, 0..REQUESTS.len()).prop_map(|(port, request)| Act::Request(port, request)),
        6 => (1..=9u16, 0..6u64).prop_map(|(port, ahead)| Act::Ack(port, ahead)),
        1 => (1..=9u16).prop_map(Act::Error),
        4 => prop_oneof![0..40u64, 0..400u64, 0..9_000u64].prop_map(Act::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    /// Whatever happens, the wheel wakes the worker no later than the first session wants it, and every request ends once.
    #[test]
    fn no_session_waits_longer_than_until_its_deadline(acts in prop::collection::vec(act(), 0..300)) {
        let mut worker = worker(6);
        for act in acts {
            match act {
                Act::Request(port, request) => worker.take(port, REQUESTS[request]),
                Act::Ack(port, ahead) => worker.take_ack(port, ahead),
                Act::Error(port) => worker.take(port, b"\0\x05\0\0no\0"),
                Act::Wait(pause) => worker.pass(pause),
            }
            let now = worker.clock.now;
            if let Some(first) = worker.sessions().map(|it| it.session().deadline()).min() {
                prop_assert!(first + TICK > now, "a session is late at {now}: {first}");
                let wakes = now + worker.transfers.idle(now, 20_000);
                prop_assert!(wakes <= first + TICK, "it wakes at {wakes}, and a session waits for {first}");
            }
        }
        let active = worker.sessions().count() as u64;
        prop_assert_eq!(worker.shared.metrics.active_transfers() as u64, active);
        let [came, ended, dropped, evicted] =
            ["requests", "results", "dropped_requests", "evicted_transfers"].map(|name| worker.metric(&format!("dialtone_tftp_{name}_total")));
        prop_assert_eq!(came, ended + dropped + active);
        prop_assert_eq!(worker.records().len() as u64, ended - evicted);
    }
}

#[test]
fn a_loss_after_an_earlier_one_is_mended_as_soon_as_the_first() {
    for losses in 0..5 {
        let mut worker = worker(6);
        worker.take(1, REQUESTS[1]);
        worker.pass(1);
        worker.take_ack(1, 1);
        let again = |worker: &Worker| worker.sessions().map(|it| it.session().progress().retransmissions).sum::<u64>();
        while again(&worker) < losses {
            worker.pass(1);
        }
        worker.pass(1);
        worker.take_ack(1, 1);
        let began = worker.clock.now;
        while again(&worker) == losses {
            worker.pass(1);
        }
        let took = worker.clock.now - began;
        assert!((250..=250 + TICK).contains(&took), "after {losses} losses it took {took} ms");
    }
}

#[test]
fn another_request_begins_anew_and_the_same_one_does_once_something_was_acknowledged() {
    let (mut worker, outcomes) = (worker(6), |worker: &Worker| {
        let all =
            worker.records().into_iter().map(|record| (record.asked.to_string(), record.outcome, record.acknowledged));
        all.collect::<Vec<_>>()
    });
    worker.take(1, REQUESTS[3]);
    worker.pass(2_500);
    worker.take(1, REQUESTS[3]);
    assert_eq!(
        (worker.metric("dialtone_tftp_requests_total"), worker.metric("dialtone_tftp_active_transfers")),
        (1, 1),
        "repeated"
    );
    // Other options, another mode, another file.
    for (n, request) in [1, 2, 0].into_iter().enumerate() {
        worker.take(1, REQUESTS[request]);
        assert_eq!(
            (worker.metric("dialtone_tftp_requests_total"), worker.metric("dialtone_tftp_active_transfers")),
            (n as u64 + 2, 1)
        );
    }
    worker.take(1, REQUESTS[1]);
    worker.take_ack(1, 1);
    worker.pass(900);
    worker.take(1, REQUESTS[1]);
    assert_eq!(outcomes(&worker).len(), 4, "it was delayed on its way");
    worker.pass(100);
    worker.take(1, REQUESTS[1]);
    assert_eq!(worker.sessions().next().unwrap().session().acknowledged(), 0);
    // And what is not there ends it too.
    worker.take(1, REQUESTS[5]);
    let aborted = |name: &str, bytes| (name.to_owned(), Outcome::Aborted, bytes);
    let b = aborted("b", 0);
    let expected = [b.clone(), b.clone(), b.clone(), aborted("a", 0), aborted("b", 512), b];
    assert_eq!(outcomes(&worker)[..6], expected);
    assert_eq!(outcomes(&worker)[6].1, Outcome::NotFound);
    assert_eq!(worker.metric("dialtone_tftp_active_transfers"), 0);
}

#[test]
fn it_wakes_to_count_what_came_last() {
    let mut worker = worker(9);
    let most = |worker: &Worker| worker.time_to_sleep().as_millis().map_or(0, u64::from);
    assert_eq!(most(&worker), MAX_SLEEP.as_millis() as Millis);
    worker.take(1, b"\0\x01b\0octet\0");
    worker.take_ack(1, 1);
    assert!(most(&worker) <= COUNT_EVERY, "{}", most(&worker));
    worker.count();
    assert!(most(&worker) > COUNT_EVERY);
}

#[test]
fn counts_move_while_bytes_move_and_are_those_of_the_file() {
    let mut worker = worker(6);
    worker.take(1, REQUESTS[2]);
    assert_eq!(worker.metric("dialtone_tftp_requests_total"), 1, "when it comes");
    (0..100).for_each(|_| worker.take_ack(1, 1));
    worker.count();
    assert_eq!(worker.metric("dialtone_tftp_acknowledged_blocks_total"), 100);
    assert_eq!(worker.metric("dialtone_tftp_acknowledged_bytes_total"), 25_600, "a line end is two bytes on the wire");
    assert_eq!(worker.metric("dialtone_tftp_results_total"), 0);
    while worker.metric("dialtone_tftp_active_transfers") > 0 {
        worker.take_ack(1, 1);
    }
    assert_eq!(worker.metric("dialtone_tftp_acknowledged_bytes_total"), 30_000);
    let record = &worker.records()[0];
    assert_eq!((record.outcome, record.acknowledged, record.size), (Outcome::Complete, 30_000, 30_000));
}
