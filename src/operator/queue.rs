//! The work queue: each item at most once, each in work at most once at a time, with backoff for what fails.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::MutexGuard;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::leaf::Leaf;
use crate::base::Backoff;

/// The pauses after failures in a row, for each item by itself. What is over should not be said much longer than a minute.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));

/// How a reconcile ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// There is nothing more to do.
    Done,
    /// Requeue after a while.
    RequeueAfter(Duration),
    /// It failed: requeue with backoff.
    Failed,
    /// It failed, and looking again takes little: requeue after a while.
    InTheWay(Duration),
}

/// Who counts what becomes of items.
pub(super) trait Observer<K> {
    /// An item was added that did not wait already.
    fn added(&self, _: &K) {}

    /// An item was taken that had been due for so long.
    fn taken(&self, _: &K, _waited: Duration) {}

    /// Work on an item ended that took so long; whether it failed.
    fn finished(&self, _: &K, _took: Duration, _failed: bool) {}
}

/// Nobody does.
impl<K> Observer<K> for () {}

/// How many items of one kind there are, and how far they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// Those that are due and not in work.
    pub(super) due: usize,
    /// Those in work.
    pub(super) running: usize,
    /// Those whose last attempt failed.
    pub(super) failing: usize,
    /// For how long all that are in work have been so, together.
    pub(super) unfinished: Duration,
    /// For how long that one has been in work that has been so longest.
    pub(super) longest: Duration,
}

/// The work queue.
pub(super) struct WorkQueue<K, O = ()> {
    state: Leaf<State<K>>,
    changed: Notify,
    observer: O,
}

/// An item in work.
struct Running {
    since: Instant,
    /// When it is due again, if it was added meanwhile.
    again: Option<Instant>,
}

struct State<K> {
    due: BTreeSet<(Instant, K)>,
    at: HashMap<K, Instant>,
    running: HashMap<K, Running>,
    failures: HashMap<K, u32>,
    /// When the last of those that wait for their turn has it.
    turn: Option<Instant>,
}

impl<K: Clone + Eq + Hash + Ord, O: Observer<K>> WorkQueue<K, O> {
    /// An empty queue.
    pub(super) fn observed(observer: O) -> WorkQueue<K, O> {
        let state = State {
            due: BTreeSet::new(),
            at: HashMap::new(),
            running: HashMap::new(),
            failures: HashMap::new(),
            turn: None,
        };
        WorkQueue { state: Leaf::new(state), changed: Notify::new(), observer }
    }

    /// Makes an item due after a delay. If it is due already, the earlier time holds. Adding an item that failed before ends its
    /// backoff.
    pub(super) fn add(&self, item: K, delay: Duration) {
        self.schedule(item, Instant::now() + delay, self.state.lock());
    }

    /// Makes an item due when it has its turn: turns are `apart`, and none comes before the delay. An item that waits for its turn
    /// keeps it, however often it is added meanwhile.
    pub(super) fn add_in_turn(&self, item: K, apart: Duration, delay: Duration) {
        let mut state = self.state.lock();
        let soonest = Instant::now() + delay;
        let turn = state.turn.map_or(soonest, |last| (last + apart).max(soonest));
        let waits = state.running.get(&item).and_then(|running| running.again).or_else(|| state.at.get(&item).copied());
        if waits.is_some_and(|at| at <= turn) {
            return;
        }
        state.turn = Some(turn);
        self.schedule(item, turn, state);
    }

    fn schedule(&self, item: K, at: Instant, mut state: MutexGuard<'_, State<K>>) {
        match state.running.get_mut(&item) {
            Some(running) => {
                if running.again.is_none() {
                    self.observer.added(&item);
                }
                running.again = Some(running.again.map_or(at, |then| then.min(at)));
            }
            None => {
                if !state.at.contains_key(&item) {
                    self.observer.added(&item);
                }
                state.schedule(item, at);
                drop(state);
                self.changed.notify_one();
            }
        }
    }

    /// The next item that is due. [`WorkQueue::finish`] must be called when the work on it ends.
    pub(super) async fn next(&self) -> K {
        loop {
            let changed = self.changed.notified();
            let wait = {
                let mut state = self.state.lock();
                match state.due.first().map(|(at, _)| *at) {
                    Some(at) if at <= Instant::now() => {
                        if let Some((at, item)) = state.due.pop_first() {
                            state.at.remove(&item);
                            let since = Instant::now();
                            state.running.insert(item.clone(), Running { since, again: None });
                            self.observer.taken(&item, since.saturating_duration_since(at));
                            let more = state.due.first().is_some();
                            drop(state);
                            if more {
                                self.changed.notify_one();
                            }
                            return item;
                        }
                        None
                    }
                    other => other,
                }
            };
            match wait {
                Some(at) => tokio::select! { () = changed => {}, () = sleep_until(at) => {} },
                None => changed.await,
            }
        }
    }

    /// Which attempt at an item the present one is: one more than it failed in a row.
    pub(super) fn attempt(&self, item: &K) -> u32 {
        self.state.lock().failures.get(item).map_or(1, |failures| failures.saturating_add(1))
    }

    /// Work on an item has ended.
    pub(super) fn finish(&self, item: K, outcome: Outcome) {
        let mut state = self.state.lock();
        let running = state.running.remove(&item);
        let failed = matches!(outcome, Outcome::Failed | Outcome::InTheWay(_));
        let took = running.as_ref().map(|running| running.since.elapsed()).unwrap_or_default();
        self.observer.finished(&item, took, failed);
        let again = running.and_then(|running| running.again);
        let pause = match outcome {
            Outcome::Done => {
                state.failures.remove(&item);
                None
            }
            Outcome::RequeueAfter(pause) => {
                state.failures.remove(&item);
                Some(pause)
            }
            Outcome::Failed | Outcome::InTheWay(_) => {
                let failures = state.failures.entry(item.clone()).or_insert(0);
                *failures = failures.saturating_add(1);
                Some(if let Outcome::InTheWay(pause) = outcome { pause } else { BACKOFF.after(*failures) })
            }
        };
        let next = match (again, pause.map(|pause| Instant::now() + pause)) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        if let Some(at) = next {
            self.schedule(item, at, state);
        }
    }

    /// What made items fail may be over: all of them are due now. The number of workers bounds how many are tried at a time.
    pub(super) fn retry_all(&self) {
        let mut state = self.state.lock();
        let now = Instant::now();
        let failed: Vec<K> = state.failures.keys().filter(|item| state.at.contains_key(*item)).cloned().collect();
        failed.into_iter().for_each(|item| state.schedule(item, now));
        drop(state);
        self.changed.notify_one();
    }

    /// How many items of each kind there are, and how far they are.
    pub(super) fn standing(&self, kind: impl Fn(&K) -> &'static str) -> BTreeMap<&'static str, Standing> {
        let (state, now) = (self.state.lock(), Instant::now());
        let mut all: BTreeMap<&'static str, Standing> = BTreeMap::new();
        for (_, item) in state.due.iter().take_while(|(at, _)| *at <= now) {
            all.entry(kind(item)).or_default().due += 1;
        }
        for (item, running) in &state.running {
            let (of, since) = (all.entry(kind(item)).or_default(), now.saturating_duration_since(running.since));
            of.running += 1;
            of.unfinished += since;
            of.longest = of.longest.max(since);
        }
        for item in state.failures.keys() {
            all.entry(kind(item)).or_default().failing += 1;
        }
        all
    }

    /// Whether no item waits.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.state.lock().due.is_empty()
    }
}

impl<K: Clone + Eq + Hash + Ord> State<K> {
    fn schedule(&mut self, item: K, at: Instant) {
        match self.at.get(&item).copied() {
            Some(then) if then <= at => return,
            Some(then) => {
                self.due.remove(&(then, item.clone()));
            }
            None => {}
        }
        self.at.insert(item.clone(), at);
        self.due.insert((at, item));
    }
}

#[cfg(test)]
mod tests;
