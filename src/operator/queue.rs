//! A queue of things to look at: each at most once, each at most by one worker at a time, with back-off for what fails.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// The first pause after a failure; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// How work on one thing ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There is nothing more to do.
    Done,
    /// Look at it again after a while.
    Again(Duration),
    /// It failed: again, after longer and longer pauses.
    Failed,
}

/// The queue.
pub struct Queue<K> {
    state: Mutex<State<K>>,
    changed: Notify,
}

struct State<K> {
    due: BTreeSet<(Instant, K)>,
    at: HashMap<K, Instant>,
    /// Things in work, and when to look at them again if they became due meanwhile.
    running: HashMap<K, Option<Instant>>,
    failures: HashMap<K, u32>,
    /// When the last of those that wait for their turn has it.
    turn: Option<Instant>,
}

impl<K: Clone + Eq + Hash + Ord> Queue<K> {
    /// An empty queue.
    pub fn new() -> Queue<K> {
        let state = State {
            due: BTreeSet::new(),
            at: HashMap::new(),
            running: HashMap::new(),
            failures: HashMap::new(),
            turn: None,
        };
        Queue { state: Mutex::new(state), changed: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State<K>> {
        // No code that holds the lock can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a thing due after a while. If it is due already, the earlier time holds. News about a thing that failed before
    /// end its pause.
    pub fn add(&self, key: K, delay: Duration) {
        let at = Instant::now() + delay;
        let mut state = self.state();
        match state.running.get_mut(&key) {
            Some(again) => *again = Some(again.map_or(at, |then| then.min(at))),
            None => {
                state.schedule(key, at);
                drop(state);
                self.changed.notify_one();
            }
        }
    }

    /// Makes a thing due when it has its turn: turns are that far apart, and none comes before the delay. A thing that waits for
    /// its turn keeps it, however often it is added meanwhile.
    pub fn add_in_turn(&self, key: K, apart: Duration, delay: Duration) {
        let mut state = self.state();
        let soonest = Instant::now() + delay;
        let turn = state.turn.map_or(soonest, |last| (last + apart).max(soonest));
        let waits = state.running.get(&key).copied().flatten().or_else(|| state.at.get(&key).copied());
        if waits.is_some_and(|at| at <= turn) {
            return;
        }
        state.turn = Some(turn);
        match state.running.get_mut(&key) {
            Some(again) => *again = Some(turn),
            None => {
                state.schedule(key, turn);
                drop(state);
                self.changed.notify_one();
            }
        }
    }

    /// The next thing that is due. [`Queue::finish`] must be called when the work on it ends.
    pub async fn next(&self) -> K {
        loop {
            let changed = self.changed.notified();
            let wait = {
                let mut state = self.state();
                match state.due.first().map(|(at, _)| *at) {
                    Some(at) if at <= Instant::now() => {
                        if let Some((_, key)) = state.due.pop_first() {
                            state.at.remove(&key);
                            state.running.insert(key.clone(), None);
                            let more = state.due.first().is_some();
                            drop(state);
                            if more {
                                self.changed.notify_one();
                            }
                            return key;
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

    /// Work on a thing has ended.
    pub fn finish(&self, key: K, outcome: Outcome) {
        let mut state = self.state();
        let again = state.running.remove(&key).flatten();
        let pause = match outcome {
            Outcome::Done => {
                state.failures.remove(&key);
                None
            }
            Outcome::Again(pause) => {
                state.failures.remove(&key);
                Some(pause)
            }
            Outcome::Failed => {
                let failures = state.failures.entry(key.clone()).or_insert(0);
                let pause = FIRST_PAUSE.saturating_mul(1 << (*failures).min(10)).min(LONGEST_PAUSE);
                *failures += 1;
                Some(pause)
            }
        };
        let next = match (again, pause.map(|pause| Instant::now() + pause)) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        if let Some(at) = next {
            state.schedule(key, at);
            drop(state);
            self.changed.notify_one();
        }
    }

    /// How many things wait, how many are in work, and how many failed last time.
    pub fn depth(&self) -> (usize, usize, usize) {
        let state = self.state();
        (state.due.len(), state.running.len(), state.failures.len())
    }
}

impl<K: Clone + Eq + Hash + Ord> State<K> {
    fn schedule(&mut self, key: K, at: Instant) {
        match self.at.get(&key).copied() {
            Some(then) if then <= at => return,
            Some(then) => {
                self.due.remove(&(then, key.clone()));
            }
            None => {}
        }
        self.at.insert(key.clone(), at);
        self.due.insert((at, key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::timeout;

    const SOON: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn a_thing_is_there_once_however_often_it_is_added() {
        let queue = Queue::new();
        queue.add("a", Duration::ZERO);
        queue.add("a", Duration::ZERO);
        assert_eq!(queue.next().await, "a");
        queue.finish("a", Outcome::Done);
        assert!(timeout(Duration::from_secs(900), queue.next()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn what_changes_during_the_work_comes_again_and_never_twice_at_once() {
        let queue = Queue::new();
        queue.add("a", Duration::ZERO);
        assert_eq!(queue.next().await, "a");
        queue.add("a", Duration::ZERO);
        assert!(timeout(SOON, queue.next()).await.is_err());
        queue.finish("a", Outcome::Done);
        assert_eq!(queue.next().await, "a");
    }

    #[tokio::test(start_paused = true)]
    async fn failures_pause_longer_and_longer_and_news_end_the_pause() {
        let queue = Queue::new();
        queue.add("a", Duration::ZERO);
        let mut pauses = Vec::new();
        for _ in 0..11 {
            let began = Instant::now();
            assert_eq!(queue.next().await, "a");
            pauses.push(began.elapsed().as_secs());
            queue.finish("a", Outcome::Failed);
        }
        assert_eq!(pauses, [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        queue.add("a", Duration::ZERO);
        let began = Instant::now();
        assert_eq!(queue.next().await, "a");
        assert_eq!(began.elapsed().as_secs(), 0);
        queue.finish("a", Outcome::Done);
        queue.add("a", Duration::ZERO);
        assert_eq!(queue.next().await, "a");
        queue.finish("a", Outcome::Failed);
        let began = Instant::now();
        assert_eq!(queue.next().await, "a");
        assert_eq!(began.elapsed().as_secs(), 1, "a success forgets the failures before it");
    }

    /// A thousand phones upgrade at once, and each tells of it ten times a second: they are written one after the other, each as
    /// often as all the others, and none is forgotten.
    #[tokio::test(start_paused = true)]
    async fn a_thousand_things_have_their_turns_however_often_they_are_added() {
        let (apart, delay) = (Duration::from_millis(25), Duration::from_millis(1500));
        let queue = Queue::new();
        let began = Instant::now();
        let mut written: Vec<(Duration, u32)> = Vec::new();
        for _ in 0..600 {
            (0..1000).for_each(|phone| queue.add_in_turn(phone, apart, delay));
            let until = Instant::now() + Duration::from_millis(100);
            while let Ok(phone) = tokio::time::timeout_at(until, queue.next()).await {
                written.push((began.elapsed(), phone));
                queue.finish(phone, Outcome::Done);
            }
        }
        assert!(written.windows(40).all(|some| some[39].0 - some[0].0 >= Duration::from_millis(950)), "40 a second");
        let times = |phone: u32| written.iter().filter(|(_, one)| *one == phone).count();
        let (least, most) = ((0..1000).map(times).min().unwrap(), (0..1000).map(times).max().unwrap());
        assert!(least >= 2 && most <= least + 1, "in a minute each was written {least} to {most} times");
        // A thing with another reason to be looked at does not wait for its turn.
        queue.add(7, Duration::ZERO);
        assert_eq!(queue.next().await, 7);
    }

    #[tokio::test(start_paused = true)]
    async fn the_earlier_time_holds() {
        let queue = Queue::new();
        queue.add("a", Duration::from_secs(10));
        queue.add("a", Duration::from_secs(1));
        queue.add("a", Duration::from_secs(20));
        let began = Instant::now();
        assert_eq!(queue.next().await, "a");
        assert_eq!(began.elapsed().as_secs(), 1);
    }
}
