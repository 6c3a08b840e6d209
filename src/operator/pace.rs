//! When an object with files is written: at once after an edit, but few times for a whole building that is being applied.
//!
//! The first change after a quiet time is written at once. What follows soon after is gathered until nothing more comes for a
//! moment; the longer it goes on, the longer that moment. No change waits longer than [`LONGEST`].

use std::time::Duration;

use tokio::time::Instant;

/// A change that comes later than this after the last write is an edit of its own.
const QUIET: Duration = Duration::from_secs(1);
/// How long nothing more must come before what was gathered is written; it grows with each write that follows another.
const MOMENT: Duration = Duration::from_millis(150);
/// The longest that a change is gathered.
const LONGEST: Duration = Duration::from_secs(20);
/// How long a status waits for a write that does not succeed.
const HOPELESS: Duration = Duration::from_secs(30);

/// The pace of one object.
#[derive(Debug, Default)]
pub struct Pace {
    written: Option<Instant>,
    /// How many writes followed one another without a quiet time between.
    streak: u32,
    /// The oldest and the newest change that is not written.
    waiting: Option<(Instant, Instant)>,
    /// Whether a write is under way.
    writing: bool,
}

impl Pace {
    /// Something changed; how long its write waits for more.
    pub fn changed(&mut self, now: Instant) -> Duration {
        let first = self.waiting.map_or(now, |(first, _)| first);
        self.waiting = Some((first, now));
        self.pause(now)
    }

    /// How long the write still waits for more.
    pub fn pause(&self, now: Instant) -> Duration {
        let Some((first, last)) = self.waiting else { return Duration::ZERO };
        if self.is_edit() {
            return Duration::ZERO;
        }
        let moment = MOMENT.saturating_mul(4_u32.saturating_pow(self.streak));
        (last + moment.min(LONGEST)).min(first + LONGEST).saturating_duration_since(now)
    }

    /// All changes so far are looked at; what comes from now on is for the next write.
    pub fn begin(&mut self) {
        self.streak = if self.is_edit() { 0 } else { self.streak + 1 };
        (self.waiting, self.writing) = (None, true);
    }

    /// Whether what waits began after a quiet time.
    fn is_edit(&self) -> bool {
        let began = |written: Instant| self.waiting.map(|(first, _)| first.saturating_duration_since(written));
        self.written.is_none_or(|written| began(written).is_some_and(|pause| pause > QUIET))
    }

    /// They were written, or there was nothing to write.
    pub fn end(&mut self, now: Instant, wrote: bool) {
        self.writing = false;
        if wrote {
            self.written = Some(now);
        }
    }

    /// Whether a status had better wait: a change is about to be written, or was written so lately that pods cannot have it.
    pub fn is_under_way(&self, now: Instant, settling: Duration) -> bool {
        let since = |then: Instant| now.saturating_duration_since(then);
        match self.waiting {
            Some((first, _)) => since(first) < HOPELESS,
            None if self.writing => true,
            None => self.written.is_some_and(|written| since(written) < settling),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Changes at these times, in milliseconds; when each write happened.
    fn writes(changes: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let zero = Instant::now();
        let at = |millis: u64| zero + Duration::from_millis(millis);
        let (mut pace, mut due, mut all) = (Pace::default(), None, Vec::new());
        let mut changes = changes.into_iter().peekable();
        for now in 0..60_000 {
            if changes.next_if_eq(&now).is_some() {
                let pause = pace.changed(at(now)).as_millis() as u64;
                due = Some(due.map_or(now + pause, |then: u64| then.min(now + pause)));
            }
            if due == Some(now) {
                match pace.pause(at(now)).as_millis() as u64 {
                    0 => {
                        pace.begin();
                        pace.end(at(now), true);
                        all.push(now);
                        due = None;
                    }
                    more => due = Some(now + more),
                }
            }
        }
        assert!(changes.next().is_none() && due.is_none(), "all is written in the end");
        all
    }

    #[test]
    fn an_edit_is_written_at_once_and_the_next_one_soon() {
        assert_eq!(writes([0, 5_000, 5_100, 9_000]), [0, 5_000, 5_250, 9_000]);
    }

    #[test]
    fn a_building_that_is_applied_is_gathered() {
        assert_eq!(writes((0..7_500).step_by(40)), [0, 7_480 + 150]);
        assert_eq!(writes((0..50_000).step_by(40)).len(), 4, "nothing waits longer than 20 s");
    }

    /// Phones of a site that come seven a second: the pause between two is sometimes longer than the first moment.
    #[test]
    fn a_building_that_is_applied_slowly_is_written_three_times() {
        let pauses = [90, 170, 120, 160, 130, 155];
        let times = pauses.iter().cycle().take(40).scan(0, |at, pause| {
            *at += pause;
            Some(*at)
        });
        assert_eq!(writes(times).len(), 3);
    }

    #[test]
    fn what_comes_during_a_write_is_gathered_for_the_next() {
        let now = Instant::now();
        let mut pace = Pace::default();
        assert_eq!(pace.changed(now), Duration::ZERO);
        pace.begin();
        pace.changed(now);
        pace.end(now, true);
        assert_eq!(pace.pause(now), MOMENT);
    }

    #[test]
    fn edits_without_end_are_written_more_and_more_rarely() {
        let all = writes((0..50_000).step_by(200));
        assert!(all.len() < 15, "{all:?}");
    }

    #[test]
    fn a_status_waits_for_a_write_but_not_for_one_that_never_succeeds() {
        let now = Instant::now();
        let settling = Duration::from_millis(1500);
        let mut pace = Pace::default();
        assert!(!pace.is_under_way(now, settling));
        pace.changed(now);
        assert!(pace.is_under_way(now + Duration::from_secs(5), settling));
        assert!(!pace.is_under_way(now + Duration::from_secs(31), settling));
        pace.begin();
        assert!(pace.is_under_way(now + Duration::from_secs(31), settling));
        pace.end(now, true);
        assert!(pace.is_under_way(now + Duration::from_secs(1), settling));
        assert!(!pace.is_under_way(now + Duration::from_secs(2), settling));
    }
}
