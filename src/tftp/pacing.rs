//! When the packets of a transfer are sent again: soon after the time that a round trip takes, as RFC 6298 has it.
//!
//! Round trips are measured with packets that were sent once only, because of others nobody knows which copy was acknowledged
//! (Karn's rule). Each timeout without progress doubles the next one; progress ends that. A client that asked for a time (RFC 2349)
//! gets exactly that one, every time.

/// Milliseconds since an arbitrary moment.
pub type Millis = u64;

/// The timeout as long as nothing was measured.
const FIRST: Millis = 1_000;
/// The shortest timeout: phones that write to their flash answer late now and then, however quick the network is.
const LEAST: Millis = 250;
/// The longest timeout. A client that requests a longer one gets an OACK without that option, as RFC 2349 says, or one datagram
/// would hold a transfer for as long as it likes.
pub const MAX_TIMEOUT: Millis = 8_000;
/// How long a client that has answered may make no progress before it counts as gone.
const MAX_SILENCE: Millis = 31_000;
/// No round trip is taken to be shorter where one is waited for.
const LEAST_ROUND_TRIP: Millis = 5;

/// The measured round trip, in microseconds.
#[derive(Clone, Copy, Debug)]
struct RoundTrip {
    smoothed: u32,
    variation: u32,
}

impl RoundTrip {
    /// One more measurement; RFC 6298, section 2.
    fn with(before: Option<RoundTrip>, measured: Millis) -> RoundTrip {
        let measured = measured.min(MAX_TIMEOUT) as u32 * 1_000;
        match before {
            None => RoundTrip { smoothed: measured, variation: measured / 2 },
            Some(RoundTrip { smoothed, variation }) => RoundTrip {
                smoothed: smoothed - smoothed / 8 + measured / 8,
                variation: variation - variation / 4 + smoothed.abs_diff(measured) / 4,
            },
        }
    }

    /// Nearly every round trip is shorter.
    fn most(self) -> Millis {
        (Millis::from(self.smoothed) + 4 * Millis::from(self.variation)) / 1_000
    }
}

/// The times of one transfer. Small, because there are as many as transfers.
#[derive(Debug)]
pub struct Pacing {
    /// The time that the client asked for; 0 for none.
    asked: u16,
    /// How often the packets that are out were sent.
    attempts: u16,
    round_trip: Option<RoundTrip>,
    /// How long the last acknowledged packets took from when they were sent first, if they were sent again meanwhile.
    doubtful: Option<u32>,
    began: Millis,
    /// When the client acknowledged something new; at first when it began.
    moved: Millis,
    /// When the packets that are out were sent last.
    sent: Millis,
    deadline: Millis,
}

impl Pacing {
    /// The times of a transfer that begins now, with a timeout of so many seconds if the client asked for one.
    pub fn new(asked: Option<u8>, now: Millis) -> Pacing {
        Pacing {
            asked: asked.map_or(0, |seconds| u16::from(seconds) * 1_000),
            attempts: 1,
            round_trip: None,
            doubtful: None,
            began: now,
            moved: now,
            sent: now,
            deadline: now,
        }
    }

    /// How often the packets that are out were sent.
    pub fn attempts(&self) -> u32 {
        self.attempts.into()
    }

    /// When they are sent again.
    pub fn deadline(&self) -> Millis {
        self.deadline
    }

    /// How long it has taken so far.
    pub fn age(&self, now: Millis) -> Millis {
        now.saturating_sub(self.began)
    }

    /// Whether nothing was acknowledged for too long.
    pub fn is_silent(&self, now: Millis) -> bool {
        now >= self.moved + MAX_SILENCE
    }

    /// Packets go out.
    pub fn send(&mut self, now: Millis) {
        self.sent = now;
        self.deadline = (now + self.timeout()).min((self.moved + MAX_SILENCE).max(now + 1));
    }

    fn timeout(&self) -> Millis {
        if self.asked > 0 {
            return self.asked.into();
        }
        let first = self.round_trip.map_or(FIRST, |measured| measured.most().max(LEAST));
        let doublings = u32::from(self.attempts - 1).min(MAX_TIMEOUT.ilog2());
        (first << doublings).min(MAX_TIMEOUT)
    }

    /// Something new was acknowledged; whether it was sent once only, with all that are out.
    pub fn progress(&mut self, was_sent_once: bool, now: Millis) {
        self.doubtful = None;
        if was_sent_once {
            self.measure(now.saturating_sub(self.sent));
        } else if self.attempts > 1 {
            // Nothing else was sent since the last progress: that is when the first copy went out.
            self.doubtful = u32::try_from(now.saturating_sub(self.moved)).ok();
        }
        (self.moved, self.attempts) = (now, 1);
    }

    fn measure(&mut self, measured: Millis) {
        self.round_trip = Some(RoundTrip::with(self.round_trip, measured));
    }

    /// The last acknowledgement came again. If packets were sent twice before the first one came, both copies have arrived, and that
    /// one was for the first copy: the round trip is longer than the timeout.
    pub fn repeated(&mut self) {
        if let Some(measured) = self.doubtful.take() {
            self.measure(measured.into());
        }
    }

    /// Whether what was sent last has had the time to arrive, and an answer to it too.
    pub fn has_arrived(&self, now: Millis) -> bool {
        now >= self.sent + self.round_trip.map_or(FIRST, RoundTrip::most).max(LEAST_ROUND_TRIP)
    }

    /// The deadline has passed without progress.
    pub fn timed_out(&mut self) {
        self.attempts = self.attempts.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The times of a transfer whose packets all take this long.
    fn steady(round_trip: Millis, packets: usize) -> (Pacing, Millis) {
        let (mut pacing, mut now) = (Pacing::new(None, 0), 0);
        for _ in 0..packets {
            pacing.send(now);
            now += round_trip;
            pacing.progress(true, now);
        }
        (pacing, now)
    }

    #[test]
    fn the_timeout_follows_the_round_trip_between_bounds() {
        for (round_trip, timeouts) in [(0, 250..=250), (40, 250..=250), (300, 300..=330), (9_000, 8_000..=8_000)] {
            let timeout = steady(round_trip, 40).0.timeout();
            assert!(timeouts.contains(&timeout), "{round_trip} ms: {timeout}");
        }
        assert_eq!(steady(300, 0).0.timeout(), 1_000);
        assert_eq!(steady(300, 1).0.timeout(), 900, "RFC 6298 (2.2)");
        let (mut jitter, _) = steady(100, 1);
        (0..40).for_each(|n| jitter.measure(if n % 2 == 0 { 20 } else { 400 }));
        assert!(jitter.timeout() > 600, "{}", jitter.timeout());
    }

    #[test]
    fn timeouts_double_until_there_is_progress_and_one_that_was_asked_for_stays() {
        let (mut pacing, now) = steady(10, 20);
        let timeouts = |pacing: &mut Pacing| {
            let next = |_| (pacing.timeout(), pacing.timed_out()).0;
            (0..7).map(next).collect::<Vec<_>>()
        };
        assert_eq!(timeouts(&mut pacing), [250, 500, 1_000, 2_000, 4_000, 8_000, 8_000]);
        pacing.progress(false, now);
        assert_eq!(pacing.timeout(), 250, "after progress it is the first one");
        let mut asked = Pacing::new(Some(3), 0);
        asked.measure(1);
        assert_eq!(timeouts(&mut asked), [3_000; 7]);
        let mut old = Pacing::new(None, 0);
        old.attempts = u16::MAX;
        assert_eq!(old.timeout(), 8_000);
    }

    #[test]
    fn a_packet_that_was_sent_twice_is_no_measurement_unless_both_copies_were_acknowledged() {
        let (mut pacing, now) = steady(10, 40);
        // From now on a round trip takes 600 ms.
        pacing.send(now);
        pacing.timed_out();
        pacing.send(now + 250);
        pacing.progress(false, now + 600);
        assert_eq!(pacing.timeout(), 250);
        pacing.repeated();
        assert!(pacing.timeout() > 600, "{}", pacing.timeout());
        let longer = pacing.timeout();
        pacing.repeated();
        assert_eq!(pacing.timeout(), longer, "it is measured once");
    }

    #[test]
    fn what_was_sent_has_arrived_after_most_round_trips() {
        let (mut pacing, now) = steady(40, 100);
        pacing.send(now);
        assert_eq!([30, 60].map(|pause| pacing.has_arrived(now + pause)), [false, true]);
        assert!(!Pacing::new(None, now).has_arrived(now + 999), "nothing was measured");
    }
}
