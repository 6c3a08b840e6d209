//! Debouncing of writes of objects with files: an edit is written at once, a whole building that is being applied few times.
//!
//! The first change after a quiet time is written at once. What follows soon after is gathered until nothing more comes for a
//! moment; the longer it goes on, the longer that moment, up to [`LAST_MOMENT`]. No change waits longer than [`LONGEST`].

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::leaf::Leaf;
use crate::provision::{Key, Slot};

/// A change that comes later than this after the last write is an edit of its own.
const QUIET: Duration = Duration::from_secs(1);
/// How long nothing more must come before what was gathered is written; it grows with each write that follows another.
const MOMENT: Duration = Duration::from_millis(150);
/// It grows no further than this: whoever makes some edits in a row waits no longer for the last of them.
const LAST_MOMENT: Duration = Duration::from_millis(2400);
/// The longest that a change is gathered.
const LONGEST: Duration = Duration::from_secs(20);
/// How long a status waits for a write that does not succeed.
const HOPELESS: Duration = Duration::from_secs(30);

/// The debouncers of all objects with files.
#[derive(Debug, Default)]
pub(super) struct Debouncers(Leaf<HashMap<(Key, Slot), Debouncer>>);

impl Debouncers {
    /// An object has to change; how long its write waits for more changes.
    pub(super) fn note_change(&self, site: &Key, slot: Slot, now: Instant) -> Duration {
        self.0.lock().entry((site.clone(), slot)).or_default().note_change(now)
    }

    /// Somebody else changed an object: what is gathered is no building that is being applied, and does not wait long.
    pub(super) fn note_disturbance(&self, site: &Key, slot: Slot) {
        let mut all = self.0.lock();
        // During a write it may be what is being written: the watch is sometimes faster than the answer.
        if let Some(debouncer) = all.get_mut(&(site.clone(), slot)).filter(|debouncer| !debouncer.writing) {
            debouncer.streak = 0;
        }
    }

    /// Begins a write, unless it should wait for more changes: for how long.
    pub(super) fn begin(&self, site: &Key, slot: Slot, now: Instant) -> Result<Writing<'_>, Duration> {
        let place = (site.clone(), slot);
        let mut all = self.0.lock();
        let debouncer = all.entry(place.clone()).or_default();
        let pause = debouncer.pause(now);
        if !pause.is_zero() {
            return Err(pause);
        }
        debouncer.begin();
        Ok(Writing { debouncers: self, place, wrote: false })
    }

    /// Whether a status had better wait for an object: it is about to be written, or was so lately that pods cannot have it.
    pub(super) fn is_under_way(&self, site: &Key, slot: Slot, now: Instant, settling: Duration) -> bool {
        let all = self.0.lock();
        all.get(&(site.clone(), slot)).is_some_and(|debouncer| debouncer.is_under_way(now, settling))
    }

    /// A site was deleted.
    pub(super) fn forget(&self, site: &Key) {
        self.0.lock().retain(|(of, _), _| of != site);
    }
}

/// A write that is under way. It ends when this is dropped, even by a panic: statuses wait no longer then.
#[derive(Debug)]
pub(super) struct Writing<'a> {
    debouncers: &'a Debouncers,
    place: (Key, Slot),
    wrote: bool,
}

impl Writing<'_> {
    /// The write ends; `wrote` unless it failed or there was nothing to write.
    pub(super) fn end(mut self, wrote: bool) {
        self.wrote = wrote;
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        // The site may have been deleted meanwhile.
        if let Some(debouncer) = self.debouncers.0.lock().get_mut(&self.place) {
            debouncer.end(Instant::now(), self.wrote);
        }
    }
}

/// The debouncer of one object.
#[derive(Debug, Default)]
struct Debouncer {
    written: Option<Instant>,
    /// How many writes followed one another without a quiet time between.
    streak: u32,
    /// The oldest and the newest change that is not written.
    waiting: Option<(Instant, Instant)>,
    /// Whether a write is under way.
    writing: bool,
}

impl Debouncer {
    fn note_change(&mut self, now: Instant) -> Duration {
        let first = self.waiting.map_or(now, |(first, _)| first);
        self.waiting = Some((first, now));
        self.pause(now)
    }

    /// How long the write still waits for more changes.
    fn pause(&self, now: Instant) -> Duration {
        let Some((first, last)) = self.waiting else { return Duration::ZERO };
        if self.is_edit() {
            return Duration::ZERO;
        }
        let moment = MOMENT.saturating_mul(4_u32.saturating_pow(self.streak));
        (last + moment.min(LAST_MOMENT)).min(first + LONGEST).saturating_duration_since(now)
    }

    /// All changes so far are in this write; what comes from now on is for the next one.
    fn begin(&mut self) {
        self.streak = if self.is_edit() { 0 } else { self.streak + 1 };
        (self.waiting, self.writing) = (None, true);
    }

    /// Whether what waits began after a quiet time.
    fn is_edit(&self) -> bool {
        let began = |written: Instant| self.waiting.map(|(first, _)| first.saturating_duration_since(written));
        self.written.is_none_or(|written| began(written).is_some_and(|pause| pause > QUIET))
    }

    fn end(&mut self, now: Instant, wrote: bool) {
        self.writing = false;
        if wrote {
            self.written = Some(now);
        }
    }

    fn is_under_way(&self, now: Instant, settling: Duration) -> bool {
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
        let (mut debouncer, mut due, mut all) = (Debouncer::default(), None, Vec::new());
        let mut changes = changes.into_iter().peekable();
        for now in 0..60_000 {
            if changes.next_if_eq(&now).is_some() {
                let pause = debouncer.note_change(at(now)).as_millis() as u64;
                due = Some(due.map_or(now + pause, |then: u64| then.min(now + pause)));
            }
            if due == Some(now) {
                match debouncer.pause(at(now)).as_millis() as u64 {
                    0 => {
                        debouncer.begin();
                        debouncer.end(at(now), true);
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

    #[test]
    fn the_last_of_some_quick_edits_does_not_wait_long() {
        assert_eq!(writes([0, 100, 300, 1_000, 3_500, 6_000]), [0, 250, 900, 3_400, 5_900, 8_400]);
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
        let mut debouncer = Debouncer::default();
        assert_eq!(debouncer.note_change(now), Duration::ZERO);
        debouncer.begin();
        debouncer.note_change(now);
        debouncer.end(now, true);
        assert_eq!(debouncer.pause(now), MOMENT);
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
        let mut debouncer = Debouncer::default();
        assert!(!debouncer.is_under_way(now, settling));
        debouncer.note_change(now);
        assert!(debouncer.is_under_way(now + Duration::from_secs(5), settling));
        assert!(!debouncer.is_under_way(now + Duration::from_secs(31), settling));
        debouncer.begin();
        assert!(debouncer.is_under_way(now + Duration::from_secs(31), settling));
        debouncer.end(now, true);
        assert!(debouncer.is_under_way(now + Duration::from_secs(1), settling));
        assert!(!debouncer.is_under_way(now + Duration::from_secs(2), settling));
    }

    #[test]
    fn what_others_did_is_put_right_soon_however_often_they_do_it() {
        let (site, slot, now) = (Key::new("ns", "hq"), Slot::Common { secret: false }, Instant::now());
        let debouncers = Debouncers::default();
        for _ in 0..8 {
            debouncers.note_disturbance(&site, slot);
            assert!(debouncers.note_change(&site, slot, now) <= MOMENT);
            debouncers.begin(&site, slot, now + MOMENT).unwrap().end(true);
        }
    }

    #[tokio::test]
    async fn a_write_that_panics_ends() {
        let (site, slot) = (Key::new("ns", "hq"), Slot::Common { secret: false });
        let debouncers = Debouncers::default();
        let settling = Duration::from_millis(1500);
        assert_eq!(debouncers.note_change(&site, slot, Instant::now()), Duration::ZERO);
        let panic = super::super::supervisor::catch(async {
            let _writing = debouncers.begin(&site, slot, Instant::now()).unwrap();
            assert!(debouncers.is_under_way(&site, slot, Instant::now(), settling));
            panic!("half way");
        });
        assert!(panic.await.is_err());
        assert!(!debouncers.is_under_way(&site, slot, Instant::now(), settling), "nothing was written");
        debouncers.begin(&site, slot, Instant::now()).unwrap().end(true);
        assert!(debouncers.is_under_way(&site, slot, Instant::now(), settling), "pods cannot have it yet");
        debouncers.note_change(&site, slot, Instant::now());
        assert!(debouncers.begin(&site, slot, Instant::now()).is_err_and(|pause| pause <= MOMENT), "it waits for more");
        debouncers.forget(&site);
        assert!(!debouncers.is_under_way(&site, slot, Instant::now(), settling));
    }
}
