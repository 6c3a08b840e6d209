//! Contests: an object that somebody else changes again and again is put right again and again, after longer and longer pauses.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::leaf::Leaf;
use crate::base::Backoff;

/// So often in a row an object is put right at once.
pub(super) const FREE: u32 = 3;
/// The pauses after that.
const PAUSE: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
/// After so long without a change by others a contest is over.
const QUIET: Duration = Duration::from_secs(300);

/// Which objects were put right lately, and how often in a row.
#[derive(Debug, Default)]
pub(super) struct Contests(Leaf<HashMap<String, Contest>>);

#[derive(Debug)]
struct Contest {
    times: u32,
    last: Instant,
}

impl Contests {
    /// An object is about to be put right: how often in a row, or how long to wait before.
    pub(super) fn begin(&self, object: &str, now: Instant) -> Result<u32, Duration> {
        let mut all = self.0.lock();
        all.retain(|_, contest| now.saturating_duration_since(contest.last) < QUIET);
        let contest = all.entry(object.to_owned()).or_insert(Contest { times: 0, last: now });
        if contest.times >= FREE {
            let pause = PAUSE.after(contest.times - FREE + 1);
            let since = now.saturating_duration_since(contest.last);
            if since < pause {
                return Err(pause - since);
            }
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
        for tenth in 0..3000_u64 {
            let now = began + Duration::from_millis(100 * tenth);
            if contests.begin("a", now).is_ok() {
                writes.push(tenth / 10);
            }
        }
        assert_eq!(writes, [0, 0, 0, 1, 3, 7, 15, 31, 63, 123, 183, 243], "three at once, and then pauses that double");
        assert_eq!(contests.begin("b", began), Ok(1), "another object is another contest");
        let later = began + Duration::from_secs(244) + QUIET;
        assert_eq!(contests.begin("a", later), Ok(1), "after a quiet time it begins anew");
        assert_eq!(contests.0.lock().len(), 1, "what is over is forgotten");
    }
}
