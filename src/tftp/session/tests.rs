//! A model of the client and of a bad network against the session.

use proptest::prelude::*;

use super::*;

fn file(len: usize) -> Bytes {
    (0..len).map(|i| (i % 251) as u8).collect::<Vec<_>>().into()
}

/// A client that keeps what comes in order and acknowledges as RFC 7440 says.
struct Client {
    got: Vec<u8>,
    next: u64,
    block: usize,
    window: u64,
    since_ack: u64,
    done: bool,
}

impl Client {
    /// What it answers to a datagram, if anything.
    fn take(&mut self, datagram: &[u8]) -> Option<u16> {
        let opcode = u16::from_be_bytes([datagram[0], datagram[1]]);
        if opcode == 6 {
            return (self.next == 1).then_some(0);
        }
        let number = u16::from_be_bytes([datagram[2], datagram[3]]);
        if number == self.next as u16 && !self.done {
            self.got.extend_from_slice(&datagram[4..]);
            self.done = datagram.len() - 4 < self.block;
            self.next += 1;
            self.since_ack += 1;
            if self.done || self.since_ack >= self.window {
                self.since_ack = 0;
                return Some(number);
            }
            return None;
        }
        // Out of order: acknowledge again the last block that is there.
        self.since_ack = 0;
        Some((self.next - 1) as u16)
    }
}

fn options(blksize: Option<u16>, windowsize: Option<u16>) -> Options {
    Options { blksize, windowsize, ..Options::default() }
}

/// Runs a transfer over a network that does to each datagram what `fate` says: 0 lose it, 1 deliver, 2 deliver twice, 3 delay.
fn run(len: usize, requested: Options, mut fate: impl FnMut() -> u8) -> (Option<Vec<u8>>, u64) {
    let bytes = file(len);
    let (mut session, step) = Session::start(bytes, requested, 0);
    let accepted = session.options.unwrap_or_default();
    let mut client = Client {
        got: Vec::new(),
        next: 1,
        block: accepted.blksize.map_or(512, usize::from),
        window: accepted.windowsize.map_or(1, u64::from),
        since_ack: 0,
        done: false,
    };
    let (mut now, mut packets, mut out) = (0, 0u64, Vec::new());
    let mut to_client: std::collections::VecDeque<Vec<u8>> = Default::default();
    let mut to_server: std::collections::VecDeque<u16> = Default::default();
    let mut pending = step;
    for _ in 0..200_000 {
        match pending {
            Step::Send { first, count } => {
                assert!(count <= 16, "a window is bounded");
                for number in first..first + count {
                    session.packet(number, &mut out);
                    packets += 1;
                    match fate() {
                        0 => {}
                        2 => to_client.extend([out.clone(), out.clone()]),
                        3 => to_client.push_front(out.clone()),
                        _ => to_client.push_back(out.clone()),
                    }
                }
            }
            Step::End(End::Complete) => return (Some(client.got), packets),
            Step::End(_) => return (None, packets),
            Step::Wait => {}
        }
        if let Some(datagram) = to_client.pop_front() {
            if let Some(ack) = client.take(&datagram) {
                match fate() {
                    0 => {}
                    2 => to_server.extend([ack, ack]),
                    3 => to_server.push_front(ack),
                    _ => to_server.push_back(ack),
                }
            }
            pending = Step::Wait;
        } else if let Some(ack) = to_server.pop_front() {
            pending = session.ack(ack, now);
        } else {
            now = now.max(session.deadline());
            pending = session.timer(now);
        }
    }
    panic!("the transfer never ends");
}

#[test]
fn every_length_arrives_whole() {
    for len in [0, 1, 511, 512, 513, 1023, 1024, 1025, 5000] {
        assert_eq!(run(len, Options::default(), || 1).0.unwrap(), file(len), "{len}");
        assert_eq!(run(len, options(Some(1428), Some(8)), || 1).0.unwrap(), file(len), "{len}");
    }
}

#[test]
fn large_files_wrap_the_block_number() {
    let len = 512 * 65_540 + 7;
    let (got, packets) = run(len, Options::default(), || 1);
    assert_eq!(got.unwrap().len(), len);
    assert_eq!(packets, 65_541);
}

#[test]
fn every_packet_twice_does_not_double_what_follows() {
    let (got, packets) = run(512 * 100, Options::default(), || 2);
    assert_eq!(got.unwrap(), file(512 * 100));
    assert_eq!(packets, 101);
}

#[test]
fn a_silent_client_times_out() {
    let (mut session, _) = Session::start(file(100), Options::default(), 0);
    let mut times = Vec::new();
    loop {
        let now = session.deadline();
        times.push(now);
        match session.timer(now) {
            Step::Send { first: 1, count: 1 } => {}
            Step::End(End::TimedOut) => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(times, [1_000, 3_000, 7_000, 15_000, 23_000, 31_000]);
    assert_eq!(session.acknowledged(), 0);
}

#[test]
fn a_forged_request_gets_one_packet_only() {
    let (_, step) = Session::start(file(100_000), options(Some(65_464), Some(65_535)), 0);
    assert_eq!(step, Step::Send { first: 0, count: 1 });
    let (session, step) = Session::start(file(100_000), Options::default(), 0);
    assert_eq!(step, Step::Send { first: 1, count: 1 });
    assert_eq!(session.acknowledged(), 0);
}

#[test]
fn a_request_that_comes_again_gets_the_first_packet_again_and_later_none() {
    let (mut session, _) = Session::start(file(2000), Options::default(), 0);
    assert_eq!(session.repeated_request(10), Step::Send { first: 1, count: 1 });
    assert_eq!(session.ack(1, 20), Step::Send { first: 2, count: 1 });
    assert_eq!(session.repeated_request(30), Step::Wait);
    assert_eq!(session.acknowledged(), 512);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_bad_network_never_alters_a_file(
        len in 0usize..20_000,
        blksize in proptest::option::of(8u16..2000),
        windowsize in proptest::option::of(1u16..40),
        fates in proptest::collection::vec(0u8..12, 1..200),
    ) {
        let mut at = 0;
        let (got, _) = run(len, options(blksize, windowsize), || { at += 1; fates[at % fates.len()].min(4) });
        if let Some(got) = got {
            prop_assert_eq!(got, file(len));
        }
    }

    #[test]
    fn a_network_that_loses_little_always_delivers(len in 0usize..20_000, window in 1u16..16, seed in 1u64.., every in 12u64..50) {
        let mut random = seed;
        let fate = || {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            u8::from(!random.is_multiple_of(every))
        };
        let (got, _) = run(len, options(Some(512), Some(window)), fate);
        prop_assert_eq!(got.unwrap(), file(len));
    }

    #[test]
    fn any_acknowledgements_never_panic_and_send_a_window_at_most(acks in proptest::collection::vec(any::<u16>(), 0..200)) {
        let (mut session, _) = Session::start(file(5000), options(Some(512), Some(4)), 0);
        for ack in acks {
            match session.ack(ack, 0) {
                Step::Send { count, .. } => prop_assert!(count <= 4),
                Step::Wait => {}
                Step::End(_) => break,
            }
        }
    }
}
