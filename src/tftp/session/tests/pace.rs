//! When packets are sent again, and when a request counts as repeated.

use super::{ACK, file, options, start};
use crate::tftp::packet::Options;
use crate::tftp::session::{Progress, Step};

#[test]
fn a_loss_after_an_earlier_one_costs_the_first_timeout() {
    for losses in 1..6 {
        let (mut session, _) = start(file(5_000), Options::default());
        session.ack(1, ACK, 10);
        for _ in 0..losses {
            assert_eq!(session.timer(session.deadline()), Step::Send { first: 2, count: 1 });
        }
        let now = session.deadline() - 1;
        assert_eq!(session.ack(2, ACK, now), Step::Send { first: 3, count: 1 });
        assert_eq!(session.deadline(), now + 250, "{losses} losses");
    }
}

#[test]
fn a_client_that_misses_the_first_block_of_a_window_gets_it_at_once_and_once() {
    let (mut session, _) = start(file(100_000), options(None, Some(4)));
    assert_eq!(session.ack(0, ACK, 10), Step::Send { first: 1, count: 4 });
    assert_eq!(session.ack(0, ACK, 20), Step::Send { first: 1, count: 4 }, "the first window of all");
    assert_eq!(session.ack(4, ACK, 30), Step::Send { first: 5, count: 4 });
    assert_eq!(session.ack(4, ACK, 31), Step::Send { first: 5, count: 4 });
    // It repeats itself for each block that it cannot use.
    assert_eq!([31, 32, 33].map(|now| session.ack(4, ACK, now)), [Step::Wait; 3]);
    assert_eq!(session.ack(3, ACK, 60), Step::Wait, "an older one says nothing");
    assert_eq!(session.ack(4, ACK, 131), Step::Send { first: 5, count: 4 }, "it was lost again");
    assert_eq!(session.ack(6, ACK, 140), Step::Send { first: 7, count: 4 });
    assert_eq!(session.progress(), Progress { bytes: 6 * 512, blocks: 6, retransmissions: 4 * 3 + 2 });
}

#[test]
fn windows_that_come_twice_one_after_the_other_come_once_again() {
    let (mut session, _) = start(file(100_000), options(None, Some(4)));
    session.ack(0, ACK, 10);
    session.timer(session.deadline());
    // The client had the first block, acknowledges it again, and from then on each window when the next one is half there.
    let now = session.deadline() - 1;
    for block in 1..=8 {
        assert_eq!(session.ack(block, ACK, now), Step::Send { first: u64::from(block) + 1, count: 4 });
    }
    assert_eq!(session.ack(9, ACK, now), Step::Send { first: 13, count: 1 }, "what is out is on its way");
    assert_eq!(session.ack(13, ACK, now), Step::Send { first: 14, count: 4 });
    assert_eq!(session.ack(13, ACK, now), Step::Send { first: 14, count: 4 }, "it is taken at its word again");
}

#[test]
fn in_lock_step_a_repeated_acknowledgement_draws_nothing_ever() {
    let (mut session, _) = start(file(100_000), options(None, Some(1)));
    for block in 0..50 {
        let now = u64::from(block) * 100;
        assert_eq!(session.ack(block, ACK, now), Step::Send { first: u64::from(block) + 1, count: 1 });
        assert!((1..90).all(|pause| session.ack(block, ACK, now + pause) == Step::Wait));
    }
}

#[test]
fn a_request_counts_as_repeated_until_something_was_acknowledged_or_for_a_second() {
    let (mut session, _) = start(file(5_000), Options::default());
    assert!(session.may_be_repeated(6_000));
    session.ack(1, ACK, 500);
    assert!(session.may_be_repeated(999));
    assert!(!session.may_be_repeated(1_000));
}
