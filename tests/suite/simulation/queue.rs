//! When the operator does what: the work queue, debouncing of writes and nudges, by the rules of `src/operator` and a virtual clock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dialtone::base::Backoff;
use dialtone::provision::{Key, Slot, WorkItem};

/// Milliseconds since the beginning of the history.
pub type Time = u64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    After(Time),
    Failed,
}

const BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(300));

#[derive(Default)]
pub struct Queue {
    due: BTreeSet<(Time, WorkItem)>,
    at: BTreeMap<WorkItem, Time>,
    running: BTreeMap<WorkItem, Option<Time>>,
    failures: BTreeMap<WorkItem, u32>,
    turn: Option<Time>,
}

impl Queue {
    pub fn add(&mut self, item: WorkItem, at: Time) {
        if let Some(again) = self.running.get_mut(&item) {
            *again = Some(again.map_or(at, |then| then.min(at)));
            return;
        }
        match self.at.get(&item).copied() {
            Some(then) if then <= at => return,
            Some(then) => drop(self.due.remove(&(then, item.clone()))),
            None => {}
        }
        self.at.insert(item.clone(), at);
        self.due.insert((at, item));
    }

    pub fn add_in_turn(&mut self, item: WorkItem, apart: Time, soonest: Time) {
        let turn = self.turn.map_or(soonest, |last| (last + apart).max(soonest));
        let waits = self.running.get(&item).copied().flatten().or_else(|| self.at.get(&item).copied());
        if waits.is_some_and(|at| at <= turn) {
            return;
        }
        self.turn = Some(turn);
        self.add(item, turn);
    }

    pub fn next_at(&self) -> Option<Time> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The next item that is due, in the hands of a worker until [`Queue::finish`].
    pub fn take(&mut self, now: Time) -> Option<WorkItem> {
        if self.next_at()? > now {
            return None;
        }
        let (_, item) = self.due.pop_first()?;
        self.at.remove(&item);
        self.running.insert(item.clone(), None);
        Some(item)
    }

    pub fn in_work(&self) -> usize {
        self.running.len()
    }

    pub fn finish(&mut self, item: WorkItem, outcome: Outcome, now: Time) {
        let again = self.running.remove(&item).flatten();
        let pause = match outcome {
            Outcome::Done => None,
            Outcome::After(pause) => Some(pause),
            Outcome::Failed => {
                let failures = self.failures.entry(item.clone()).or_insert(0);
                *failures += 1;
                Some(BACKOFF.after(*failures).as_millis() as Time)
            }
        };
        if outcome != Outcome::Failed {
            self.failures.remove(&item);
        }
        let next = match (again, pause.map(|pause| now + pause)) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        if let Some(at) = next {
            self.add(item, at);
        }
    }
}

/// One object with files: an edit is written at once, what follows soon is gathered.
#[derive(Default)]
pub struct Debouncer {
    written: Option<Time>,
    streak: u32,
    waiting: Option<(Time, Time)>,
    writing: bool,
}

impl Debouncer {
    pub fn note_change(&mut self, now: Time) -> Time {
        let first = self.waiting.map_or(now, |(first, _)| first);
        self.waiting = Some((first, now));
        self.pause(now)
    }

    pub fn pause(&self, now: Time) -> Time {
        let Some((first, last)) = self.waiting else { return 0 };
        if self.is_edit() {
            return 0;
        }
        let moment = 150_u64.saturating_mul(4_u64.saturating_pow(self.streak)).min(20_000);
        (last + moment).min(first + 20_000).saturating_sub(now)
    }

    pub fn begin(&mut self) {
        self.streak = if self.is_edit() { 0 } else { self.streak + 1 };
        (self.waiting, self.writing) = (None, true);
    }

    fn is_edit(&self) -> bool {
        let began = |written: Time| self.waiting.map(|(first, _)| first.saturating_sub(written));
        self.written.is_none_or(|written| began(written).is_some_and(|pause| pause > 1_000))
    }

    pub fn end(&mut self, now: Time, wrote: bool) {
        self.writing = false;
        if wrote {
            self.written = Some(now);
        }
    }

    pub fn is_under_way(&self, now: Time, settling: Time) -> bool {
        match self.waiting {
            Some((first, _)) => now.saturating_sub(first) < 30_000,
            None => self.writing || self.written.is_some_and(|written| now.saturating_sub(written) < settling),
        }
    }
}

/// What the nudges of a site's pods were for, how many there were, and when the last one was.
#[derive(Default)]
pub struct Nudges(BTreeMap<Key, (String, u32, Time)>);

const PATIENCE: Backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(64));

impl Nudges {
    /// The annotation to set and the pause after it, or how long to wait before another nudge.
    pub fn next(&mut self, site: &Key, content: String, now: Time) -> Result<(String, Time), Time> {
        let attempt = match self.0.get(site) {
            Some((before, attempt, at)) if *before == content => {
                let pause = PATIENCE.after(*attempt).as_millis() as Time;
                if now - at < pause {
                    return Err(pause - (now - at));
                }
                attempt + 1
            }
            _ => 1,
        };
        let value = if attempt == 1 { content.clone() } else { format!("{content}-{}", attempt - 1) };
        self.0.insert(site.clone(), (content, attempt, now));
        Ok((value, PATIENCE.after(attempt).as_millis() as Time))
    }

    pub fn forget(&mut self, site: &Key) {
        self.0.remove(site);
    }
}

/// The debouncers of all objects with files.
pub type Debouncers = BTreeMap<(Key, Slot), Debouncer>;
