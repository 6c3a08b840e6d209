//! What the server keeps for the readers of its reports: the files that it holds, and the requests that it answered. Bounded, and
//! never in the way of serving: when no reader comes for long, the oldest records are dropped and counted.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::watch;

use super::file_store::{Change, File, FileStore};
use crate::base::report::{FileProblem, HeldFile, Inventory, Journal, Outcome, Query, Record, Report};
use crate::phone::image;

/// How many transfers are kept.
const MAX_TRANSFERS: usize = 16_384;
/// How many requests are kept that were not served: apart, so that a client that requests many names pushes out no transfer.
const MAX_UNSERVED: usize = 2_048;
/// How many records of progress are kept: a later one of the same transfer says more.
const MAX_PROGRESS: usize = 4_096;
/// How many changes of the files are kept; a reader that missed more gets the whole inventory.
const MAX_CHANGES: usize = 64;
/// So many names of changed files may be kept even if there are fewer files; otherwise no more than there are.
const FREE_NAMES: usize = 4_096;
/// How many records go into one report.
const MAX_RECORDS_IN_REPORT: usize = 4_096;
/// How many problems go into a report.
const MAX_PROBLEMS: usize = 32;

/// How much there is that a reader does not have yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// Nothing.
    Nothing,
    /// Something, and records that come soon may go into the same report.
    Something,
    /// A full report: the reader has nothing yet, or more records do not fit.
    FullReport,
}

/// The log of a server's transfers, and of the changes of its files.
pub struct TransferLog {
    instance: String,
    files: Arc<FileStore>,
    state: Mutex<State>,
    /// Counts the changes, for readers that wait.
    changes: watch::Sender<u64>,
}

struct State {
    is_loaded: bool,
    version: u64,
    changes: VecDeque<(u64, ChangedNames)>,
    problems: Vec<FileProblem>,
    /// The number of the newest record.
    seq: u64,
    transfers: Records,
    unserved: Records,
    progress: Records,
    /// The number after the newest transfer that was dropped.
    lost_before: u64,
    /// The number after the newest record that a reader is known to have.
    read_before: u64,
}

/// The names of the files that were added, that changed or that went. What is reported of them is what they are by then; their
/// bytes would stay in memory long after they are served.
type ChangedNames = Box<[Arc<str>]>;

/// The newest records of one kind, by their number.
struct Records {
    records: VecDeque<Record>,
    capacity: usize,
}

impl Records {
    fn new(capacity: usize) -> Records {
        Records { records: VecDeque::new(), capacity }
    }

    /// Appends a record; the oldest one, if it had to be dropped.
    fn push(&mut self, record: Record) -> Option<Record> {
        self.records.push_back(record);
        if self.records.len() > self.capacity { self.records.pop_front() } else { None }
    }

    /// Those from a number on.
    fn since(&self, cursor: u64) -> impl ExactSizeIterator<Item = &Record> {
        self.records.range(self.records.partition_point(|record| record.seq < cursor)..)
    }
}

impl TransferLog {
    /// An empty log of a server that serves these files.
    pub fn new(files: Arc<FileStore>) -> TransferLog {
        let state = State {
            is_loaded: false,
            version: 0,
            changes: VecDeque::new(),
            problems: Vec::new(),
            seq: 0,
            transfers: Records::new(MAX_TRANSFERS),
            unserved: Records::new(MAX_UNSERVED),
            progress: Records::new(MAX_PROGRESS),
            lost_before: 0,
            read_before: 0,
        };
        let instance = format!("{:016x}", rand::random::<u64>());
        TransferLog { instance, files, state: Mutex::new(state), changes: watch::Sender::new(0) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change under this lock is complete: nothing in it can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the files have been loaded once.
    pub(super) fn is_loaded(&self) -> bool {
        self.state().is_loaded
    }

    /// Notes that the files were loaded: what changed, and which could not be loaded.
    pub fn files_loaded(&self, change: &Change, problems: Vec<FileProblem>) {
        let mut state = self.state();
        state.problems = problems.into_iter().take(MAX_PROBLEMS).collect();
        let is_first = !state.is_loaded;
        state.is_loaded = true;
        if !change.is_empty() || is_first {
            state.version += 1;
            let version = state.version;
            state.changes.push_back((version, change.names().cloned().collect()));
            state.forget_changes(self.files.snapshot().files().len());
        }
        drop(state);
        self.changes.send_modify(|count| *count += 1);
    }

    /// Appends a record, which gets its number here.
    pub(crate) fn append(&self, mut record: Record) {
        let mut state = self.state();
        state.seq += 1;
        record.seq = state.seq;
        match record.outcome {
            Outcome::Running => drop(state.progress.push(record)),
            Outcome::NotFound | Outcome::Refused => drop(state.unserved.push(record)),
            // A client that never answered may not exist, and one request after the other costs nothing.
            Outcome::TimedOut | Outcome::Aborted if record.acknowledged == 0 => drop(state.unserved.push(record)),
            Outcome::Complete | Outcome::Aborted | Outcome::TimedOut => {
                if let Some(dropped) = state.transfers.push(record) {
                    state.lost_before = dropped.seq + 1;
                }
            }
        }
        drop(state);
        self.changes.send_modify(|count| *count += 1);
    }

    /// Becomes ready when the log changes after this call.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// How much is new since a reader's cursors, which also say what it has read. The cost does not grow with what is new.
    pub(super) fn unread(&self, query: &Query) -> Unread {
        let mut state = self.state();
        if !state.is_loaded {
            return Unread::Nothing;
        }
        if query.instance != self.instance {
            return Unread::FullReport;
        }
        state.read_before = state.read_before.max(query.journal);
        match state.kinds().map(|kind| kind.since(query.journal).len()).iter().sum() {
            0 if query.holdings == state.version => Unread::Nothing,
            records if records >= MAX_RECORDS_IN_REPORT => Unread::FullReport,
            _ => Unread::Something,
        }
    }

    /// What is new since a reader's cursors.
    pub fn report(&self, query: &Query) -> Report {
        let state = self.state();
        let (version, cursor) = match query.instance == self.instance {
            true => (query.holdings, query.journal),
            false => (0, 0),
        };
        Report {
            instance: self.instance.clone(),
            time: Some(Timestamp::now()),
            holdings: state.inventory_since(version, &self.files),
            journal: state.journal_since(cursor),
            problems: state.problems.clone(),
        }
    }

    /// Whether there is a reader, and it does not have the newest records yet.
    pub(super) fn reader_is_behind(&self) -> bool {
        let state = self.state();
        state.read_before > 0 && state.read_before <= state.seq
    }
}

impl State {
    fn kinds(&self) -> [&Records; 3] {
        [&self.transfers, &self.unserved, &self.progress]
    }

    /// Forgets the oldest changes, of which readers get the whole inventory of so many files as cheaply.
    fn forget_changes(&mut self, files: usize) {
        let names =
            |changes: &VecDeque<(u64, ChangedNames)>| changes.iter().map(|(_, names)| names.len()).sum::<usize>();
        while self.changes.len() > MAX_CHANGES
            || (self.changes.len() > 1 && names(&self.changes) > files.max(FREE_NAMES))
        {
            self.changes.pop_front();
        }
    }

    fn inventory_since(&self, version: u64, files: &FileStore) -> Inventory {
        let next = version.saturating_add(1);
        let is_kept = self.changes.front().is_some_and(|(oldest, _)| *oldest <= next);
        let is_known = version > 0 && (version == self.version || is_kept);
        let mut inventory = Inventory { version: self.version, complete: !is_known, ..Inventory::default() };
        let files = files.snapshot();
        if !is_known {
            inventory.held = files.files().map(|file| held(file)).collect();
            return inventory;
        }
        let missed = self.changes.iter().filter(|(at, _)| *at > version);
        let names: BTreeSet<&Arc<str>> = missed.flat_map(|(_, names)| names).collect();
        for name in names {
            match files.get(name) {
                Some(file) => inventory.held.push(held(file)),
                None => inventory.gone.push(name.to_string()),
            }
        }
        inventory
    }

    fn journal_since(&self, cursor: u64) -> Journal {
        let mut records = Vec::new();
        for kind in self.kinds() {
            // One more than fits, to see whether all fit.
            records.extend(kind.since(cursor).take(MAX_RECORDS_IN_REPORT + 1).cloned());
        }
        records.sort_unstable_by_key(|record| record.seq);
        // What does not fit goes into the next report.
        let all_fit = records.len() <= MAX_RECORDS_IN_REPORT;
        records.truncate(MAX_RECORDS_IN_REPORT);
        let next = match records.last() {
            Some(last) if !all_fit => last.seq + 1,
            _ => self.seq + 1,
        };
        Journal { next, lost: self.lost_before.saturating_sub(cursor.max(1)), records }
    }
}

fn held(file: &File) -> HeldFile {
    HeldFile {
        name: file.name.to_string(),
        size: file.bytes.len() as u64,
        digest: file.digest.clone(),
        first: image::first(&file.bytes),
        parts: image::parts(&file.name, &file.bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn record(outcome: Outcome) -> Record {
        Record::without_transfer(([10, 0, 0, 1], 1000).into(), "a", outcome)
    }

    #[test]
    fn a_reader_gets_everything_once_and_then_what_changes() {
        let store = Arc::new(FileStore::default());
        let log = TransferLog::new(store.clone());
        assert_eq!(log.unread(&Query::default()), Unread::Nothing, "there is no report before the files are loaded");
        let serve = |names: &[(&str, &str)]| {
            let files = names.iter().map(|(name, text)| ((*name).to_owned(), Bytes::copy_from_slice(text.as_bytes())));
            log.files_loaded(&store.replace(files), Vec::new());
        };
        serve(&[("a", "1"), ("b", "1")]);
        assert_eq!(log.unread(&Query::default()), Unread::FullReport);
        let report = log.report(&Query::default());
        assert!(report.holdings.complete);
        assert_eq!(report.holdings.held.len(), 2);
        let query = Query::after(&report, 0);
        assert_eq!(log.unread(&query), Unread::Nothing);
        serve(&[("a", "2"), ("c", "1")]);
        serve(&[("a", "3"), ("c", "1")]);
        assert_eq!(log.unread(&query), Unread::Something);
        let report = log.report(&query);
        assert!(!report.holdings.complete);
        let held: Vec<&str> = report.holdings.held.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(held, ["a", "c"]);
        assert_eq!(report.holdings.gone, ["b"]);
        let other = Query { instance: "other".into(), ..query };
        assert!(log.report(&other).holdings.complete);
    }

    #[test]
    fn changes_of_all_files_are_kept_and_reported_in_no_more_than_the_inventory_takes() {
        const FILES: usize = 30_000;
        let store = Arc::new(FileStore::default());
        let log = TransferLog::new(store.clone());
        let serve = |version: u8| {
            let files = (0..FILES).map(|n| (n.to_string(), Bytes::copy_from_slice(&[version])));
            log.files_loaded(&store.replace(files), Vec::new());
        };
        serve(0);
        let query = Query::after(&log.report(&Query::default()), 0);
        serve(1);
        let began = std::time::Instant::now();
        let report = log.report(&query);
        assert_eq!((report.holdings.complete, report.holdings.held.len()), (false, FILES));
        assert!(began.elapsed().as_secs() < 5, "phones wait for the log meanwhile: {:?}", began.elapsed());
        serve(2);
        let kept: usize = log.state().changes.iter().map(|(_, names)| names.len()).sum();
        assert_eq!(kept, FILES);
        assert!(log.report(&query).holdings.complete, "it missed more than is kept");
        assert!(!log.report(&Query::after(&report, 0)).holdings.complete);
        let query = Query::after(&log.report(&Query::default()), 0);
        assert_eq!(log.unread(&query), Unread::Nothing);
        log.append(record(Outcome::Complete));
        let report = log.report(&query);
        assert!(!report.holdings.complete && report.holdings.held.is_empty(), "nothing changed since");
        // A number that no report had.
        log.report(&Query { holdings: u64::MAX, journal: u64::MAX, ..query });
    }

    #[test]
    fn requests_that_were_not_served_push_out_no_transfer_and_losses_are_counted() {
        let log = TransferLog::new(Arc::default());
        log.files_loaded(&Change::default(), Vec::new());
        let query = Query::after(&log.report(&Query::default()), 0);
        assert!(!log.reader_is_behind(), "no reader has come back yet");
        log.unread(&query);
        assert!(!log.reader_is_behind());
        log.append(record(Outcome::Complete));
        assert!(log.reader_is_behind());
        for _ in 0..10_000 {
            log.append(record(Outcome::NotFound));
        }
        assert_eq!(log.unread(&query), Unread::Something, "so many requests that were not served are not kept");
        let report = log.report(&query);
        assert_eq!(report.journal.records[0].outcome, Outcome::Complete);
        assert_eq!(report.journal.lost, 0);
        for _ in 0..MAX_TRANSFERS + 10 {
            log.append(record(Outcome::Complete));
        }
        let mut query = Query::after(&report, 0);
        let mut read = 0;
        assert_eq!(log.unread(&query), Unread::FullReport);
        while log.unread(&query) != Unread::Nothing {
            let report = log.report(&query);
            read += report.journal.records.len();
            query = Query::after(&report, 0);
        }
        assert_eq!(read, MAX_TRANSFERS);
    }

    #[test]
    fn a_client_that_never_answered_counts_as_not_served_and_one_that_stopped_as_a_transfer() {
        let log = TransferLog::new(Arc::default());
        for acknowledged in [0, 512] {
            log.append(Record { acknowledged, ..record(Outcome::TimedOut) });
        }
        log.append(Record { acknowledged: 512, ..record(Outcome::Aborted) });
        for outcome in [Outcome::Complete, Outcome::Aborted, Outcome::Refused, Outcome::Running] {
            log.append(record(outcome));
        }
        let state = log.state();
        let kinds = state.kinds().map(|kind| kind.since(0).map(|record| record.seq).collect::<Vec<_>>());
        assert_eq!(kinds, [vec![2, 3, 4], vec![1, 5, 6], vec![7]]);
    }
}
