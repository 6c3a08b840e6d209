use super::*;

/// A Lease as the API server has it: who writes an old version is refused.
#[derive(Default)]
struct Server {
    lease: Option<Lease>,
    version: u64,
}

impl Server {
    fn write(&mut self, mut bid: Lease) -> Option<Lease> {
        let is_newest = match &self.lease {
            None => bid.metadata.resource_version.is_none(),
            Some(lease) => bid.metadata.resource_version == lease.metadata.resource_version,
        };
        if !is_newest {
            return None;
        }
        self.version += 1;
        bid.metadata.resource_version = Some(self.version.to_string());
        self.lease = Some(bid.clone());
        Some(bid)
    }
}

/// What one candidate does each time: reads, bids if it may. Whether it acquired or renewed the Lease.
fn attempt(candidate: &mut Candidate, server: &mut Server, now: Instant, time: Timestamp) -> bool {
    candidate.saw(server.lease.clone(), now);
    let Some(bid) = candidate.bid(now, time) else { return false };
    let won = server.write(bid);
    won.map(|lease| candidate.won(lease, now)).is_some()
}

fn time(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn spec(server: &Server) -> LeaseSpec {
    server.lease.clone().unwrap().spec.unwrap()
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn one_of_two_leads_and_the_other_follows_when_it_stops() {
    let (mut server, start) = (Server::default(), Instant::now());
    let (mut a, mut b) = (Candidate::new("a"), Candidate::new("b"));
    assert!(attempt(&mut a, &mut server, start, time(0)) && !attempt(&mut b, &mut server, start, time(0)));
    assert_eq!(spec(&server).lease_transitions, Some(0));
    let renewed = start + 2 * SECOND;
    assert!(attempt(&mut a, &mut server, renewed, time(2)), "the leader renews");
    assert_eq!(spec(&server).acquire_time, Some(MicroTime(time(0))), "and has led since");
    assert!(!attempt(&mut b, &mut server, renewed + SECOND, time(3)));
    // The leader is gone. The other counts from when it saw the last renewal.
    let seen = renewed + SECOND;
    assert!(!attempt(&mut b, &mut server, seen + LEASE - SECOND, time(11)));
    assert!(attempt(&mut b, &mut server, seen + LEASE, time(12)));
    assert_eq!(spec(&server).lease_transitions, Some(1));
    assert_eq!(spec(&server).holder_identity.as_deref(), Some("b"));
    assert!(!attempt(&mut a, &mut server, seen + LEASE, time(12)), "the former leader sees that it is none");
    assert!(!a.is_holder() && b.is_holder());
}

#[test]
fn the_leader_has_ended_before_another_begins() {
    let (mut server, start) = (Server::default(), Instant::now());
    let (mut a, mut b) = (Candidate::new("a"), Candidate::new("b"));
    assert!(attempt(&mut a, &mut server, start, time(0)));
    // The earliest that the other can have seen the renewal is when it was sent.
    b.saw(server.lease.clone(), start);
    let ends = a.leads_until().unwrap();
    assert_eq!(ends, start + RENEW_DEADLINE);
    assert!(b.bid(ends, time(0)).is_none());
    assert!(b.bid(start + LEASE, time(0)).is_some());
    assert!(RENEW_DEADLINE < LEASE);
}

#[test]
fn clocks_that_are_wrong_change_nothing() {
    // One that is ahead by an hour, one that is behind, and one that jumps: what a Lease says of time is never compared with a clock.
    for skew in [-3600, 3600, i64::from(i32::MAX)] {
        let (mut server, start) = (Server::default(), Instant::now());
        let (mut a, mut b) = (Candidate::new("a"), Candidate::new("b"));
        assert!(attempt(&mut a, &mut server, start, time(skew)));
        for second in 1..60 {
            let now = start + second * SECOND;
            assert!(!attempt(&mut b, &mut server, now, time(second.into())), "skew {skew}, second {second}");
            assert!(attempt(&mut a, &mut server, now, time(skew - i64::from(second))));
        }
        let last = start + 59 * SECOND;
        assert!(!attempt(&mut b, &mut server, last + SECOND, time(0)), "it has just seen the last renewal");
        assert!(!attempt(&mut b, &mut server, last + LEASE, time(0)));
        assert!(attempt(&mut b, &mut server, last + SECOND + LEASE, time(0)));
    }
}

#[test]
fn a_lease_that_is_first_seen_old_is_waited_for() {
    // A candidate that starts cannot know whether the leader renewed a moment ago: its clock is not the leader's.
    let (mut server, start) = (Server::default(), Instant::now());
    let (mut a, mut b) = (Candidate::new("a"), Candidate::new("b"));
    assert!(attempt(&mut a, &mut server, start, time(0)));
    let much_later = start + 1000 * SECOND;
    assert!(!attempt(&mut b, &mut server, much_later, time(1000)));
    assert!(attempt(&mut b, &mut server, much_later + LEASE, time(1009)));
}

#[test]
fn what_is_released_is_taken_at_once() {
    let (mut server, start) = (Server::default(), Instant::now());
    let (mut a, mut b) = (Candidate::new("a"), Candidate::new("b"));
    assert!(attempt(&mut a, &mut server, start, time(0)) && !attempt(&mut b, &mut server, start, time(0)));
    assert!(b.release(time(1)).is_none(), "only the holder can");
    server.write(a.release(time(1)).unwrap()).unwrap();
    assert!(attempt(&mut b, &mut server, start + SECOND, time(1)));
    assert_eq!(spec(&server).lease_transitions, Some(1));
}

#[test]
fn the_same_process_goes_on_after_a_restart_without_waiting() {
    // A container that is restarted has the name of its pod, and no other process has it.
    let (mut server, start) = (Server::default(), Instant::now());
    assert!(attempt(&mut Candidate::new("a"), &mut server, start, time(0)));
    assert!(attempt(&mut Candidate::new("a"), &mut server, start + SECOND, time(1)));
    assert_eq!(spec(&server).lease_transitions, Some(0));
}

#[test]
fn a_write_that_was_stored_without_an_answer_is_found_by_the_next_read() {
    let (mut server, start) = (Server::default(), Instant::now());
    let mut a = Candidate::new("a");
    a.saw(None, start);
    server.write(a.bid(start, time(0)).unwrap()).unwrap();
    assert!(!a.is_holder() && a.leads_until().is_none(), "what is not known is not counted on");
    let again = a.bid(start + SECOND, time(1)).unwrap();
    assert!(server.write(again).is_none(), "it exists already");
    assert!(attempt(&mut a, &mut server, start + SECOND, time(1)));
    // The same with a renewal: the known version is old, and the Lease is read again.
    server.write(a.bid(start + 2 * SECOND, time(2)).unwrap()).unwrap();
    assert!(a.can_renew(start + 3 * SECOND));
    assert!(server.write(a.bid(start + 3 * SECOND, time(3)).unwrap()).is_none());
    assert!(attempt(&mut a, &mut server, start + 4 * SECOND, time(4)));
}

#[test]
fn a_lease_that_somebody_deleted_or_emptied_is_taken_by_whoever_comes_first() {
    let (mut server, start) = (Server::default(), Instant::now());
    let (mut a, mut b) = (Candidate::new("a"), Candidate::new("b"));
    assert!(attempt(&mut a, &mut server, start, time(0)));
    server.lease = None;
    assert!(attempt(&mut b, &mut server, start + SECOND, time(1)));
    assert!(!attempt(&mut a, &mut server, start + 2 * SECOND, time(2)), "the former leader sees who leads");
    server.lease.as_mut().unwrap().spec = None;
    assert!(attempt(&mut a, &mut server, start + 3 * SECOND, time(3)));
    // Durations that no client writes do not hold it for ever, or make it panic.
    for odd in [-1, 0, i32::MIN] {
        let lease = server.lease.as_mut().unwrap().spec.as_mut().unwrap();
        (lease.lease_duration_seconds, lease.holder_identity) = (Some(odd), Some("c".to_owned()));
        assert!(attempt(&mut a, &mut server, start + 4 * SECOND, time(4)));
    }
}

#[test]
fn a_lease_that_says_it_holds_for_years_holds_for_a_minute() {
    let (mut one, start) = (Candidate::new("pod-a"), Instant::now());
    let mut lease = Lease::default();
    let spec = lease.spec.get_or_insert_default();
    (spec.holder_identity, spec.lease_duration_seconds) = (Some("by hand".to_owned()), Some(i32::MAX));
    one.saw(Some(lease), start);
    assert_eq!(one.rival(start + Duration::from_secs(59)), Some("by hand"));
    assert!(one.bid(start + Duration::from_secs(60), time(0)).is_some());
}

/// Of any number of candidates, with whatever delays between reading and writing, no two believe at one moment that they lead.
#[test]
fn never_do_two_lead_at_one_moment() {
    use rand::rngs::SmallRng;
    use rand::{RngExt as _, SeedableRng as _};
    for seed in 0..300 {
        let mut random = SmallRng::seed_from_u64(seed);
        let (mut server, start) = (Server::default(), Instant::now());
        let mut all: Vec<Candidate> = (0..3).map(|n| Candidate::new(&format!("pod-{n}"))).collect();
        // What each has sent and what has not arrived: the bid, when it was sent, and when it arrives.
        let mut sent: Vec<Option<(Lease, Instant, Instant)>> = vec![None; all.len()];
        let mut led = 0;
        for step in 0..2000_u32 {
            let now = start + step * Duration::from_millis(250);
            let leaders = all.iter().filter(|one| one.leads_until().is_some_and(|until| now < until)).count();
            assert!(leaders <= 1, "seed {seed}, step {step}");
            led += leaders;
            for (one, flying) in all.iter_mut().zip(&mut sent) {
                match flying.take() {
                    Some((bid, then, arrives)) if arrives <= now => {
                        // The answer may be lost although it was stored.
                        let won = server.write(bid).filter(|_| random.random_bool(0.9));
                        won.into_iter().for_each(|lease| one.won(lease, then));
                    }
                    Some(flight) => *flying = Some(flight),
                    None if random.random_bool(0.3) => {
                        one.saw(server.lease.clone(), now);
                        let delay = Duration::from_millis(random.random_range(0..2500));
                        *flying = one.bid(now, time(step.into())).map(|bid| (bid, now, now + delay));
                    }
                    None => {}
                }
            }
        }
        assert!(led > 1000, "seed {seed}: somebody leads most of the time: {led}");
    }
}
