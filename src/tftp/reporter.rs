//! What the server remembers for those who ask: what it holds, and what was asked of it. Bounded, and never in the way of
//! serving: when nobody asks for long, the oldest is forgotten and counted.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::library::{Change, Library};
use crate::base::report::{FileProblem, Held, Holdings, Journal, Outcome, Query, Record, Report};
use crate::phone::image;

/// How many transfers are remembered.
const TRANSFERS: usize = 16_384;
/// How many requests for what is not there are remembered: apart, so that a stranger who asks for many names pushes out no
/// transfer.
const MISSES: usize = 2_048;
/// How many tellings of progress are remembered: what comes later says more.
const RUNNING: usize = 4_096;
/// How many changes of the files are remembered; who missed more is told everything.
const CHANGES: usize = 64;
/// How many records go into one report.
const BATCH: usize = 4_096;
/// How many problems are told.
const PROBLEMS: usize = 32;

/// How much there is to tell a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Nothing.
    Nothing,
    /// Something, and what comes next may go with it.
    Something,
    /// A whole report: the reader knows nothing yet, or more does not fit.
    Plenty,
}

/// The memory.
pub struct Reporter {
    instance: String,
    library: Arc<Library>,
    state: Mutex<State>,
    news: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    loaded: bool,
    version: u64,
    changes: VecDeque<(u64, Change)>,
    problems: Vec<FileProblem>,
    seq: u64,
    transfers: VecDeque<Record>,
    misses: VecDeque<Record>,
    running: VecDeque<Record>,
    /// The number after the newest record that was pushed out.
    lost_before: u64,
    /// The number after the newest record that a reader is known to have.
    heard: u64,
}

impl Reporter {
    /// An empty memory of a server that serves this library.
    pub fn new(library: Arc<Library>) -> Reporter {
        let instance = format!("{:016x}", rand::random::<u64>());
        Reporter { instance, library, state: Mutex::default(), news: watch::Sender::new(0) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change under this lock is whole: nothing in it can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the files have never been loaded.
    pub fn is_empty(&self) -> bool {
        !self.state().loaded
    }

    /// The files changed.
    pub fn note_change(&self, change: &Change, problems: Vec<FileProblem>) {
        let mut state = self.state();
        state.problems = problems.into_iter().take(PROBLEMS).collect();
        let first = !state.loaded;
        state.loaded = true;
        if !change.is_empty() || first {
            state.version += 1;
            let version = state.version;
            state.changes.push_back((version, change.clone()));
            if state.changes.len() > CHANGES {
                state.changes.pop_front();
            }
        }
        drop(state);
        self.news.send_modify(|count| *count += 1);
    }

    /// A request has ended. The record gets its number here.
    pub fn note(&self, mut record: Record) {
        let mut state = self.state();
        state.seq += 1;
        record.seq = state.seq;
        // Whoever never answered may not exist: such a request counts as a miss, too.
        let silent = record.outcome == Outcome::TimedOut && record.acknowledged == 0;
        let missed = silent || matches!(record.outcome, Outcome::NotFound | Outcome::Refused);
        let (ring, most, counts) = match record.outcome {
            Outcome::Running => (&mut state.running, RUNNING, false),
            _ if missed => (&mut state.misses, MISSES, false),
            _ => (&mut state.transfers, TRANSFERS, true),
        };
        ring.push_back(record);
        if ring.len() > most
            && let Some(pushed_out) = ring.pop_front()
            && counts
        {
            state.lost_before = pushed_out.seq + 1;
        }
        drop(state);
        self.news.send_modify(|count| *count += 1);
    }

    /// Becomes ready when there is news after this call.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// How much is new since the reader's cursors, which also tell what it has heard. Costs next to nothing, whatever there is
    /// to tell.
    pub fn news(&self, query: &Query) -> News {
        let mut state = self.state();
        if !state.loaded {
            return News::Nothing;
        }
        if query.instance != self.instance {
            return News::Plenty;
        }
        state.heard = state.heard.max(query.journal);
        match state.rings().map(|ring| ring.len() - unread(ring, query.journal)).iter().sum() {
            0 if query.holdings == state.version => News::Nothing,
            records if records >= BATCH => News::Plenty,
            _ => News::Something,
        }
    }

    /// What is new since the reader's cursors.
    pub fn report(&self, query: &Query) -> Report {
        let state = self.state();
        let (version, cursor) = match query.instance == self.instance {
            true => (query.holdings, query.journal),
            false => (0, 0),
        };
        Report {
            instance: self.instance.clone(),
            holdings: self.holdings(&state, version),
            journal: journal(&state, cursor),
            problems: state.problems.clone(),
        }
    }

    /// Whether a reader has not come for the newest records yet.
    pub fn owes(&self) -> bool {
        let state = self.state();
        state.heard > 0 && state.heard <= state.seq
    }

    fn holdings(&self, state: &State, version: u64) -> Holdings {
        let known = state.changes.front().is_some_and(|(oldest, _)| *oldest <= version + 1) && version > 0;
        let mut holdings = Holdings { version: state.version, complete: !known, ..Holdings::default() };
        if !known {
            holdings.held = self.library.now().files().map(|file| held(file)).collect();
            return holdings;
        }
        for (_, change) in state.changes.iter().filter(|(at, _)| *at > version) {
            // What a later change says takes the place of what an earlier one said.
            holdings.held.retain(|file| !change.gone.iter().any(|name| **name == *file.name));
            for file in &change.held {
                holdings.held.retain(|before| *before.name != *file.name);
                holdings.gone.retain(|name| **name != *file.name);
                holdings.held.push(held(file));
            }
            holdings.gone.extend(change.gone.iter().map(ToString::to_string));
        }
        holdings
    }
}

fn held(file: &super::library::File) -> Held {
    Held {
        name: file.name.to_string(),
        size: file.bytes.len() as u64,
        digest: file.digest.to_string(),
        first: image::first(&file.bytes),
        parts: image::parts(&file.name, &file.bytes),
    }
}

impl State {
    fn rings(&self) -> [&VecDeque<Record>; 3] {
        [&self.transfers, &self.misses, &self.running]
    }
}

/// Where the records that a reader does not have begin.
fn unread(ring: &VecDeque<Record>, cursor: u64) -> usize {
    ring.partition_point(|record| record.seq < cursor)
}

fn journal(state: &State, cursor: u64) -> Journal {
    let mut records = Vec::new();
    for ring in state.rings() {
        // One more than fits, to see whether all fit.
        records.extend(ring.range(unread(ring, cursor)..).take(BATCH + 1).cloned());
    }
    records.sort_unstable_by_key(|record| record.seq);
    // What does not fit is told next time.
    let whole = records.len() <= BATCH;
    records.truncate(BATCH);
    let next = match records.last() {
        Some(last) if !whole => last.seq + 1,
        _ => state.seq + 1,
    };
    Journal { next, lost: state.lost_before.saturating_sub(cursor.max(1)), records }
}

#[cfg(test)]
mod tests {
    use super::super::library::Snapshot;
    use super::*;
    use bytes::Bytes;

    fn record(outcome: Outcome) -> Record {
        Record::without_transfer(([10, 0, 0, 1], 1000).into(), "a", outcome)
    }

    #[test]
    fn a_reader_is_told_everything_once_and_then_what_changes() {
        let library = Arc::new(Library::default());
        let reporter = Reporter::new(library.clone());
        assert_eq!(reporter.news(&Query::default()), News::Nothing, "nothing is told before the files are loaded");
        let serve = |names: &[(&str, &str)]| {
            let files = names.iter().map(|(name, text)| ((*name).to_owned(), Bytes::copy_from_slice(text.as_bytes())));
            let after = Snapshot::new(files, &library.now());
            let change = Change::between(&library.now(), &after);
            library.swap(after);
            reporter.note_change(&change, Vec::new());
        };
        serve(&[("a", "1"), ("b", "1")]);
        assert_eq!(reporter.news(&Query::default()), News::Plenty);
        let report = reporter.report(&Query::default());
        assert!(report.holdings.complete);
        assert_eq!(report.holdings.held.len(), 2);
        let query = Query::after(&report, 0);
        assert_eq!(reporter.news(&query), News::Nothing);
        serve(&[("a", "2"), ("c", "1")]);
        serve(&[("a", "3"), ("c", "1")]);
        assert_eq!(reporter.news(&query), News::Something);
        let report = reporter.report(&query);
        assert!(!report.holdings.complete);
        let held: Vec<&str> = report.holdings.held.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(held, ["c", "a"]);
        assert_eq!(report.holdings.gone, ["b"]);
        let other = Query { instance: "other".into(), ..query };
        assert!(reporter.report(&other).holdings.complete);
    }

    #[test]
    fn misses_push_out_no_transfer_and_losses_are_counted() {
        let reporter = Reporter::new(Arc::default());
        reporter.note_change(&Change::default(), Vec::new());
        let query = Query::after(&reporter.report(&Query::default()), 0);
        assert!(!reporter.owes(), "nobody has asked twice");
        reporter.news(&query);
        assert!(!reporter.owes());
        reporter.note(record(Outcome::Complete));
        assert!(reporter.owes());
        for _ in 0..10_000 {
            reporter.note(record(Outcome::NotFound));
        }
        assert_eq!(reporter.news(&query), News::Something, "so many misses are not kept");
        let report = reporter.report(&query);
        assert_eq!(report.journal.records[0].outcome, Outcome::Complete);
        assert_eq!(report.journal.lost, 0);
        for _ in 0..TRANSFERS + 10 {
            reporter.note(record(Outcome::Complete));
        }
        let mut query = Query::after(&report, 0);
        let mut seen = 0;
        assert_eq!(reporter.news(&query), News::Plenty);
        while reporter.news(&query) != News::Nothing {
            let report = reporter.report(&query);
            seen += report.journal.records.len();
            query = Query::after(&report, 0);
        }
        assert_eq!(seen, TRANSFERS);
    }
}
