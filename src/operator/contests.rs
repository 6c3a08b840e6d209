//! Contests: an object that somebody else changes again and again is put right again and again, after longer and longer pauses.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::leaf::Leaf;
use crate::base::Backoff;

/// So often in a row an object is put right at once: somebody may try several things.
const AT_ONCE: u32 = 10;
/// After that, and until it was put right so often, it is after a pause that is still short.
const STEADY: u32 = 30;
/// That pause.
const SHORT: Duration = Duration::from_secs(8);
/// The pauses in the end.
const LONG: Backoff = Backoff::new(Duration::from_secs(16), Duration::from_secs(60));
/// After so long without a change by others a contest is over, or after twice the last pause.
const QUIET: Duration = Duration::from_secs(30);
/// So often in a row is no accident: it is said.
pub(super) const SAID: u32 = 4;

/// Which objects were put right lately, and how often in a row.
#[derive(Debug, Default)]
pub(super) struct Contests(Leaf<HashMap<String, Contest>>);

#[derive(Debug)]
struct Contest {
    times: u32,
    last: Instant,
}

impl Contest {
    /// The pause before it is put right once more.
    fn pause(&self) -> Duration {
        match self.times {
            0..AT_ONCE => Duration::ZERO,
            AT_ONCE..STEADY => SHORT,
            more => LONG.after(more - STEADY + 1),
        }
    }
}

impl Contests {
    /// An object is about to be put right: how often in a row, or how long to wait before.
    pub(super) fn begin(&self, object: &str, now: Instant) -> Result<u32, Duration> {
        let mut all = self.0.lock();
        all.retain(|_, contest| now.saturating_duration_since(contest.last) < QUIET.max(2 * contest.pause()));
        let contest = all.entry(object.to_owned()).or_insert(Contest { times: 0, last: now });
        let (pause, since) = (contest.pause(), now.saturating_duration_since(contest.last));
        if since < pause {
            return Err(pause - since);
        }
        *contest = Contest { times: contest.times.saturating_add(1), last: now };
        Ok(contest.times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_that_is_changed_without_end_is_put_right_ever_more_rarely() {
        let (contests, began) = (Contests::default(), Instant::now());
        let mut writes = Vec::new();
        for tenth in 0..6000_u64 {
            let now = began + Duration::from_millis(100 * tenth);
            if contests.begin("a", now).is_ok() {
                writes.push(tenth / 10);
            }
        }
        let pauses: Vec<u64> = writes.windows(2).map(|two| two[1] - two[0]).collect();
        let [short, long] = [&pauses[9..29], &pauses[29..]];
        assert!(pauses[..9].iter().all(|pause| *pause == 0) && short.iter().all(|pause| *pause == 8), "{pauses:?}");
        assert!(long.starts_with(&[16, 32, 60, 60]) && long[2..].iter().all(|pause| *pause == 60), "{pauses:?}");
        assert_eq!(contests.begin("b", began), Ok(1), "another object is another contest");
        let later = began + Duration::from_secs(600 + 120);
        assert_eq!(contests.begin("a", later), Ok(1), "after a quiet time it begins anew");
        assert_eq!(contests.0.lock().len(), 1, "what is over is forgotten");
    }
}
