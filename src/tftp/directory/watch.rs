//! Loads directories into the file store, and again when they change, in a thread of its own.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use notify::RecommendedWatcher;
use tokio::sync::oneshot;

use super::{DirectoryLoader, QUIET, Reading};
use crate::base::lasting::Lasting;
use crate::base::report::FileProblem;
use crate::base::{SupervisedThread, watcher};
use crate::tftp::file_store::FileStore;
use crate::tftp::transfer_log::TransferLog;

/// After a change, wait this long for more of them, but not for ever.
const PAUSE: Duration = Duration::from_millis(5);
const MAX_PAUSES: Duration = Duration::from_millis(500);
/// The folders are compared this often even if no change was signalled.
const POLL: Duration = Duration::from_secs(5);
/// How soon an unfinished reading is followed by the next one: soon at first, and then as often as they are compared.
const RETRY: Duration = Duration::from_millis(QUIET.as_millis() as u64 * 11 / 10);
const MAX_RETRIES: u32 = 40;
/// The most folders that are watched; more are only compared.
const MAX_WATCHED: usize = 1024;

/// Starts the thread that loads the folders, and again when they change; the other end says when they were loaded once.
pub fn start(
    loader: DirectoryLoader,
    files: Arc<FileStore>,
    log: Arc<TransferLog>,
) -> anyhow::Result<(SupervisedThread, oneshot::Receiver<()>)> {
    let mut problems = Lasting::default();
    start_with(loader, move |reading| load(reading, &files, &log, &mut problems))
}

fn start_with(
    mut loader: DirectoryLoader,
    mut load: impl FnMut(Reading) + Send + 'static,
) -> anyhow::Result<(SupervisedThread, oneshot::Receiver<()>)> {
    let (loaded, first) = oneshot::channel();
    let thread = SupervisedThread::spawn("directories", move || {
        let (mut watched, changes) = Watched::nothing();
        watched.update(&loader);
        let mut reading = loader.read_first();
        let mut said = Lasting::default();
        while loader.is_blocked() {
            say(&said.note(&reading.problems));
            std::thread::sleep(RETRY);
            // With what was written just now.
            reading = loader.read_first();
        }
        let mut is_unfinished = reading.is_unfinished | watched.update(&loader);
        load(reading);
        let _ = loaded.send(());
        let mut retries = 0;
        loop {
            let patience = if is_unfinished && retries < MAX_RETRIES { RETRY } else { POLL };
            let is_signalled = wait_for_change(&changes, patience, || is_unfinished || !loader.is_unchanged());
            retries = if is_signalled { 0 } else { retries + 1 };
            let reading = loader.read();
            is_unfinished = reading.is_unfinished | watched.update(&loader);
            load(reading);
        }
    })?;
    Ok((thread, first))
}

/// What is watched; the folders are only compared from time to time as far as that is not possible.
struct Watched {
    watcher: Option<RecommendedWatcher>,
    folders: BTreeSet<PathBuf>,
    /// Those of which it was said that they cannot be watched.
    refused: BTreeSet<PathBuf>,
}

impl Watched {
    /// Watches nothing yet; where changes are signalled.
    fn nothing() -> (Watched, Receiver<()>) {
        let (sender, changes) = mpsc::sync_channel(1);
        let watcher = watcher::watcher(move || {
            // One that waits to be taken is enough.
            let _ = sender.try_send(());
        });
        let poll = POLL.as_secs();
        let watcher = watcher
            .map_err(|error| tracing::warn!(%error, "folders cannot be watched: they are compared every {poll} s"))
            .ok();
        (Watched { watcher, folders: BTreeSet::new(), refused: BTreeSet::new() }, changes)
    }

    /// Watches the folders that there are now; whether any is new, in which something may have changed before.
    fn update(&mut self, loader: &DirectoryLoader) -> bool {
        let Some(watcher) = &mut self.watcher else { return false };
        let now: BTreeSet<PathBuf> = loader.folders().take(MAX_WATCHED).collect();
        self.folders.retain(|folder| now.contains(folder));
        self.refused.retain(|folder| now.contains(folder));
        let mut is_new = false;
        for folder in now.iter().filter(|folder| !self.folders.contains(*folder)).cloned().collect::<Vec<_>>() {
            match watcher::watch_one(watcher, &folder) {
                Ok(()) => is_new |= self.folders.insert(folder),
                Err(error) if self.refused.insert(folder.clone()) => {
                    let poll = POLL.as_secs();
                    tracing::warn!(folder = %folder.display(), %error, "the folder cannot be watched: it is compared every {poll} s");
                }
                Err(_) => {}
            }
        }
        is_new
    }
}

/// Blocks until a change is signalled, or until a reading is due although none is; whether one is.
fn wait_for_change(changes: &Receiver<()>, patience: Duration, is_due: impl Fn() -> bool) -> bool {
    loop {
        match changes.recv_timeout(patience) {
            Ok(()) => {
                let began = Instant::now();
                while began.elapsed() < MAX_PAUSES && changes.recv_timeout(PAUSE).is_ok() {}
                return true;
            }
            Err(RecvTimeoutError::Timeout) => {}
            // Without a watcher there is only the clock.
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(patience),
        }
        if is_due() {
            return false;
        }
    }
}

/// Serves what was read, and notes what changed. What lasts is said once.
fn load(reading: Reading, files: &FileStore, log: &TransferLog, said: &mut Lasting) {
    let Reading { files: read, problems, is_unfinished: _ } = reading;
    let change = files.replace(read);
    let news = said.note(&problems);
    say(&news);
    let is_first = !log.is_loaded();
    if !change.is_empty() || is_first {
        let now = files.snapshot();
        tracing::info!(
            files = now.files().count(),
            bytes = now.size(),
            changed = change.held.len(),
            gone = change.gone.len(),
            "files loaded"
        );
    }
    if !change.is_empty() || is_first || !news.0.is_empty() || !news.1.is_empty() {
        log.files_loaded(&change, problems);
    }
}

fn say((begun, over): &(Vec<FileProblem>, Vec<String>)) {
    for problem in begun {
        tracing::warn!(%problem, "a file cannot be loaded");
    }
    for file in over {
        tracing::info!(file, "it can be loaded again");
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_file_that_cannot_be_read_stays_as_it_was_and_no_other_does() {
        let root = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| fs::write(root.path().join(name), text).unwrap();
        put("a", "old");
        put("a: b", "old");
        let mut loader = DirectoryLoader::new(vec![root.path().to_owned()], 1000);
        let files = Arc::new(FileStore::default());
        let log = TransferLog::new(files.clone());
        let mut said = Lasting::default();
        load(loader.read_first(), &files, &log, &mut said);
        put("a", "new");
        fs::remove_file(root.path().join("a: b")).unwrap();
        symlink("nowhere: at all", root.path().join("a: b")).unwrap();
        load(loader.read_first(), &files, &log, &mut said);
        let files = files.snapshot();
        let text = |name: &str| files.get(name).map(|file| file.bytes.clone()).unwrap_or_default();
        assert_eq!((text("a"), text("a: b")), ("new".into(), "old".into()));
        let problems = log.report(&Default::default()).problems;
        assert_eq!(problems, [FileProblem::new("a: b", "No such file or directory (os error 2)")]);
    }

    #[test]
    fn folders_are_watched_as_far_as_they_are_read_and_new_ones_too() {
        let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir_all(root.path().join("1").join("2/".repeat(18))).unwrap();
        symlink(outside.path(), root.path().join("1/out")).unwrap();
        let mut loader = DirectoryLoader::new(vec![root.path().to_owned()], 1000);
        let (mut watched, changes) = Watched::nothing();
        assert!(watched.update(&loader), "the folder itself");
        loader.read();
        assert!(watched.update(&loader) && watched.folders.len() == 17, "{:?}", watched.folders);
        assert!(!watched.update(&loader));
        fs::create_dir(root.path().join("1/new")).unwrap();
        changes.recv_timeout(Duration::from_secs(10)).unwrap();
        loader.read();
        assert!(watched.update(&loader) && watched.folders.contains(&root.path().join("1/new")));
        while changes.recv_timeout(Duration::from_millis(100)).is_ok() {}
        fs::write(outside.path().join("a"), "").unwrap();
        assert!(changes.recv_timeout(Duration::from_millis(200)).is_err());
        fs::write(root.path().join("1/new/a"), "").unwrap();
        changes.recv_timeout(Duration::from_secs(10)).unwrap();
    }

    #[tokio::test]
    async fn a_loader_that_panics_is_noticed() {
        let root = tempfile::tempdir().unwrap();
        let loader = DirectoryLoader::new(vec![root.path().to_owned()], 1000);
        let mut loads = 0;
        let (mut thread, first) = start_with(loader, move |_| {
            loads += 1;
            assert!(loads < 2, "load {loads}");
        })
        .unwrap();
        first.await.unwrap();
        fs::write(root.path().join("a"), "1").unwrap();
        let error = tokio::time::timeout(Duration::from_secs(20), thread.failure()).await.unwrap();
        assert_eq!(error.to_string(), "the thread directories panicked: load 2");
    }
}
