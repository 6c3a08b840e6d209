//! A model of the client and of a bad network against the session.

mod pace;

use std::net::{IpAddr, Ipv4Addr};

use bytes::Bytes;
use proptest::prelude::*;

use super::super::packet::Mode;
use super::*;

/// The bytes of an acknowledgement, and of a request for `SIPDefault.cnf`.
const ACK: usize = 4;
const REQUEST: usize = 23;

fn terms(windowsize: u16, answer_is_proof: bool) -> Terms {
    Terms { windowsize, budget: Budget::new(IpAddr::V4(Ipv4Addr::LOCALHOST), REQUEST, answer_is_proof) }
}

/// A transfer of a client who may have windows, and whose answers prove nothing.
fn start(bytes: Bytes, requested: Options) -> (Session, Step) {
    Session::start(Content::of(bytes, Mode::Octet), requested, terms(MAX_WINDOW, false), 0)
}

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

/// Runs a transfer over a network that does to each datagram what `fate` says: 0 lose it, 1 deliver, 2 deliver twice, 3 delay, 5
/// deliver, and the client's first request once more.
fn run(len: usize, requested: Options, mut fate: impl FnMut() -> u8) -> (Option<Vec<u8>>, u64) {
    let (mut session, step) = start(file(len), requested);
    let accepted = session.options.unwrap_or_default();
    let mut client = Client {
        got: Vec::new(),
        next: 1,
        block: accepted.blksize.map_or(512, usize::from),
        window: accepted.windowsize.map_or(1, u64::from),
        since_ack: 0,
        done: false,
    };
    let (mut asks_again, mut asked) = (false, 0);
    let (mut now, mut packets, mut requests, mut out) = (0, 0u64, 1, Vec::new());
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
                        fate => {
                            to_client.push_back(out.clone());
                            asks_again |= fate == 5;
                        }
                    }
                }
            }
            Step::End(End::Complete) => return (Some(client.got), packets),
            // A client that has nothing yet sends its request again.
            Step::End(_) if client.next == 1 && requests < 4 => {
                requests += 1;
                (session, pending) = start(file(len), requested);
                now = 0;
                continue;
            }
            Step::End(_) => return (None, packets),
            Step::Wait => {}
        }
        if std::mem::take(&mut asks_again) && asked < 20 && session.may_be_repeated(now) {
            asked += 1;
            pending = session.repeated_request(REQUEST, now);
        } else if let Some(datagram) = to_client.pop_front() {
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
            pending = session.ack(ack, ACK, now);
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

/// When the packets of a silent client are sent again, and when it counts as gone.
fn silence(session: &mut Session) -> Vec<Millis> {
    let mut times = Vec::new();
    loop {
        let now = session.deadline();
        times.push(now);
        match session.timer(now) {
            Step::Send { count: 1, .. } => {}
            Step::End(End::TimedOut) => return times,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_client_that_does_not_answer_is_sent_three_packets_and_one_that_stops_is_waited_for() {
    let (mut session, _) = start(file(5_000), Options::default());
    assert_eq!(silence(&mut session), [1_000, 3_000, 7_000]);
    assert_eq!(session.acknowledged(), 0);
    // Of a client whose address is its own, so that nothing but time counts.
    let start = |requested| Session::start(Content::of(file(5_000), Mode::Octet), requested, terms(1, true), 0);
    let (mut session, _) = start(Options::default());
    session.ack(1, ACK, 0);
    assert_eq!(silence(&mut session), [250, 750, 1_750, 3_750, 7_750, 15_750, 23_750, 31_000]);
    let (mut session, _) = start(Options { timeout: Some(7), ..Options::default() });
    assert_eq!(silence(&mut session), [7_000, 14_000, 21_000]);
    let (mut session, _) = start(Options { timeout: Some(7), ..Options::default() });
    assert_eq!(session.ack(0, ACK, 0), Step::Send { first: 1, count: 1 });
    assert_eq!(silence(&mut session), [7_000, 14_000, 21_000, 28_000, 31_000], "what a client asks for is obeyed");
}

#[test]
fn a_window_whose_packets_all_come_twice_is_not_multiplied() {
    let (got, packets) = run(512 * 160, options(None, Some(16)), || 2);
    assert_eq!(got.unwrap(), file(512 * 160));
    // Each of its acknowledgements may be of one block, and draw a window.
    assert!(packets <= 160 * 2 * 16, "{packets}");
}

#[test]
fn one_loss_in_a_window_does_not_double_what_follows() {
    for window in [2, 4, 8, 16] {
        for lost in 2..60 {
            let mut at = 0;
            let fate = || (at += 1, u8::from(at != lost)).1;
            let (got, packets) = run(512 * 160, options(None, Some(window)), fate);
            assert_eq!(got.unwrap(), file(512 * 160));
            // The OACK, the last block, and few windows twice.
            let most = 162 + (u64::from(MAX_UNCLEAN) + 2) * u64::from(window);
            assert!(packets <= most, "window {window}, lost {lost}: {packets}");
        }
    }
}

#[test]
fn a_forged_request_gets_one_packet_only() {
    let (_, step) = start(file(100_000), options(Some(65_464), Some(65_535)));
    assert_eq!(step, Step::Send { first: 0, count: 1 });
    let (session, step) = start(file(100_000), Options::default());
    assert_eq!(step, Step::Send { first: 1, count: 1 });
    assert_eq!(session.acknowledged(), 0);
}

#[test]
fn a_timeout_that_is_too_long_is_left_out_and_one_that_is_not_is_kept() {
    for (seconds, is_kept) in [(1, true), (8, true), (9, false), (255, false)] {
        let requested = Options { timeout: Some(seconds), ..options(Some(1024), None) };
        let (mut session, _) = start(file(5_000), requested);
        assert_eq!(session.options.unwrap().timeout.is_some(), is_kept);
        assert_eq!(session.deadline(), if is_kept { u64::from(seconds) * 1_000 } else { 1_000 });
        session.ack(0, ACK, 50);
        assert_eq!(session.deadline() - 50, if is_kept { u64::from(seconds) * 1_000 } else { 250 });
    }
    let (_, step) = start(file(5_000), Options { timeout: Some(255), ..Options::default() });
    assert_eq!(step, Step::Send { first: 1, count: 1 }, "without an option there is no OACK");
}

#[test]
fn a_transfer_lasts_no_longer_than_its_progress_allows() {
    // A block in three seconds is too slow, one in 1.5 s is not, and requests that come again do not hold a transfer.
    for (every, is_ended) in [(3_000, true), (1_500, false)] {
        let (mut session, _) = start(file(100_000), Options::default());
        let ended = (1..=190u16).find(|block| {
            let now = u64::from(*block) * every;
            let ends = session.timer(now) == Step::End(End::TimedOut);
            session.ack(*block, ACK, now);
            ends
        });
        assert_eq!(ended.is_some(), is_ended, "{ended:?}");
    }
    let (mut session, _) = start(file(100_000), Options::default());
    let mut now = 0;
    while session.timer(now) != Step::End(End::TimedOut) {
        now += 500;
        session.repeated_request(REQUEST, now);
    }
    assert_eq!(now, 31_000);
}

#[test]
fn a_window_is_what_the_terms_allow() {
    let (mut session, _) =
        Session::start(Content::of(file(9_000), Mode::Octet), options(None, Some(64)), terms(1, false), 0);
    assert_eq!(session.options.unwrap().windowsize, Some(1));
    assert_eq!(session.ack(0, ACK, 0), Step::Send { first: 1, count: 1 });
    let (mut session, _) = start(file(100_000), options(None, Some(64)));
    assert_eq!(session.ack(0, ACK, 0), Step::Send { first: 1, count: 16 });
}

#[test]
fn a_file_in_netascii_arrives_translated() {
    let bytes: Bytes = b"one\ntwo\r\n".repeat(500).into();
    let content = Content::of(bytes, Mode::Netascii);
    let (mut session, mut step) = Session::start(content, options(Some(100), Some(4)), terms(4, true), 0);
    let (mut got, mut out) = (Vec::new(), Vec::new());
    while let Step::Send { first, count } = step {
        for number in first..first + count {
            session.packet(number, &mut out);
            got.extend_from_slice(if number == 0 { &[] } else { &out[4..] });
        }
        step = session.ack((first + count - 1) as u16, ACK, 0);
    }
    assert_eq!(step, Step::End(End::Complete));
    assert_eq!(got, b"one\r\ntwo\r\0\r\n".repeat(500));
    assert_eq!(session.acknowledged(), 4_500, "of the file");
}

#[test]
fn a_request_that_comes_again_gets_the_first_packet_again_and_later_none() {
    let (mut session, _) = start(file(2000), Options::default());
    assert_eq!(session.repeated_request(REQUEST, 10), Step::Send { first: 1, count: 1 });
    assert_eq!(session.ack(1, ACK, 20), Step::Send { first: 2, count: 1 });
    assert_eq!(session.repeated_request(REQUEST, 30), Step::Wait);
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
        let (got, _) = run(len, options(blksize, windowsize), || { at += 1; fates[at % fates.len()].min(5) });
        if let Some(got) = got {
            prop_assert_eq!(got, file(len));
        }
    }

    #[test]
    fn a_network_that_loses_little_always_delivers(len in 0usize..20_000, window in 1u16..16, seed in 1u64.., every in 12u64..50) {
        let (mut random, mut since) = (seed, 4);
        let fate = || {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            // Whoever loses three of a kind in a row loses more than a little: before the first answer no more are sent.
            let is_lost = since >= 4 && random.is_multiple_of(every);
            since = if is_lost { 0 } else { since + 1 };
            u8::from(!is_lost)
        };
        let (got, _) = run(len, options(Some(512), Some(window)), fate);
        prop_assert_eq!(got.unwrap(), file(len));
    }

    #[test]
    fn any_acknowledgements_never_panic_and_send_a_window_at_most(acks in proptest::collection::vec(any::<u16>(), 0..200)) {
        let (mut session, _) = start(file(5000), options(Some(512), Some(4)));
        for ack in acks {
            match session.ack(ack, ACK, 0) {
                Step::Send { count, .. } => prop_assert!(count <= 4),
                Step::Wait => {}
                Step::End(_) => break,
            }
        }
    }

    /// A stranger who knows all that can be known without receiving anything: the packets of a session, and its timers.
    #[test]
    fn whatever_a_stranger_sends_draws_few_bytes_towards_a_forged_address(
        name in 1usize..40,
        blksize in proptest::option::of(8u16..2000),
        windowsize in proptest::option::of(1u16..100),
        timeout in proptest::option::of(1u8..),
        acts in proptest::collection::vec(0u8..8, 0..300),
    ) {
        const HEADERS: u64 = 28;
        let request = 2 + name + 1 + 6 + 8 * (usize::from(blksize.is_some()) + usize::from(windowsize.is_some()));
        let budget = Budget::new(IpAddr::V4(Ipv4Addr::LOCALHOST), request, false);
        let requested = Options { blksize, windowsize, timeout, tsize: false };
        let content = Content::of(vec![0; 700_000], Mode::Octet);
        let (mut session, mut step) = Session::start(content, requested, Terms { windowsize: 1, budget }, 0);
        let (mut received, mut sent, mut now, mut out) = (HEADERS + request as u64, 0, 0, Vec::new());
        prop_assert!(step != Step::Wait, "every request is answered");
        for act in acts {
            match step {
                Step::Send { first, count } => for number in first..first + count {
                    session.packet(number, &mut out);
                    sent += HEADERS + out.len() as u64;
                }
                Step::Wait => {}
                Step::End(_) => break,
            }
            let most = if session.next > session.first() { 60 } else { 35 };
            prop_assert!(sent <= received * most, "{sent} bytes for {received}");
            step = match act {
                0..=3 => {
                    now = session.deadline();
                    session.timer(now)
                }
                4 => {
                    received += HEADERS + request as u64;
                    session.repeated_request(request, now)
                }
                _ => {
                    received += HEADERS + ACK as u64;
                    let step = session.ack((session.sent - 1) as u16, ACK, now);
                    prop_assert!(step != Step::Wait, "an acknowledgement is always followed by what it asks for");
                    step
                }
            };
        }
    }
}
