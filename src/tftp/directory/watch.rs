//! Loads directories into the file store, and again when they change, in a thread of its own.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use bytes::Bytes;
use notify::{RecommendedWatcher, RecursiveMode, Watcher};

use super::{DirectoryLoader, Reading};
use crate::base::SupervisedThread;
use crate::tftp::file_store::FileStore;
use crate::tftp::transfer_log::TransferLog;

/// After a change, wait this long for more of them.
const QUIET: Duration = Duration::from_millis(5);
/// The directories are compared this often even if no change was signalled.
const POLL: Duration = Duration::from_secs(5);

/// Loads the directories, and starts the thread that loads them again when they change.
pub fn start(
    loader: DirectoryLoader,
    files: Arc<FileStore>,
    log: Arc<TransferLog>,
) -> anyhow::Result<SupervisedThread> {
    start_with(loader, move |loader| load(loader, &files, &log))
}

fn start_with(
    mut loader: DirectoryLoader,
    mut load: impl FnMut(&mut DirectoryLoader) + Send + 'static,
) -> anyhow::Result<SupervisedThread> {
    let (watcher, changes) = watch(&loader);
    load(&mut loader);
    let thread = SupervisedThread::spawn("directories", move || {
        let _watcher = watcher;
        loop {
            wait_for_change(&changes, &loader);
            load(&mut loader);
        }
    })?;
    Ok(thread)
}

/// Watches the directories; if that is not possible there is no watcher, and they are only compared from time to time.
fn watch(loader: &DirectoryLoader) -> (Option<RecommendedWatcher>, Receiver<()>) {
    let (sender, changes) = mpsc::channel();
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reading a file is an event too: only what changes a directory counts.
        if event.is_ok_and(|event| !event.kind.is_access()) {
            let _ = sender.send(());
        }
    });
    let poll = POLL.as_secs();
    let mut watcher = watcher
        .map_err(|error| tracing::warn!(%error, "the directories cannot be watched: they are compared every {poll} s"))
        .ok();
    for root in &loader.roots {
        let watched = watcher.as_mut().map(|watcher| watcher.watch(root, RecursiveMode::Recursive));
        if let Some(Err(error)) = watched {
            tracing::warn!(root = %root.display(), %error, "the directory cannot be watched: it is compared every {poll} s");
        }
    }
    (watcher, changes)
}

/// Blocks until the directories may have changed.
fn wait_for_change(changes: &Receiver<()>, loader: &DirectoryLoader) {
    loop {
        match changes.recv_timeout(POLL) {
            Ok(()) => {
                while changes.recv_timeout(QUIET).is_ok() {}
                return;
            }
            Err(RecvTimeoutError::Timeout) => {}
            // Without a watcher there is only the clock.
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(POLL),
        }
        if !loader.is_unchanged() {
            return;
        }
    }
}

/// Loads the directories into the file store, and notes what changed.
fn load(loader: &mut DirectoryLoader, files: &FileStore, log: &TransferLog) {
    let Reading { files: read, problems } = loader.read();
    let before = files.snapshot();
    // A file that cannot be read now stays as it was.
    let kept: Vec<(String, Bytes)> = problems
        .iter()
        .filter_map(|problem| before.get(&problem.file).map(|file| (file.name.to_string(), file.bytes.clone())))
        .collect();
    let change = files.replace(read.into_iter().chain(kept));
    for problem in &problems {
        tracing::warn!(%problem, "a file cannot be loaded");
    }
    if !change.is_empty() || !log.is_loaded() {
        let now = files.snapshot();
        tracing::info!(
            files = now.files().count(),
            bytes = now.size(),
            changed = change.held.len(),
            gone = change.gone.len(),
            "files loaded"
        );
    }
    log.files_loaded(&change, problems);
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::base::report::FileProblem;

    #[test]
    fn a_file_that_cannot_be_read_stays_as_it_was_and_no_other_does() {
        let root = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| fs::write(root.path().join(name), text).unwrap();
        put("a", "old");
        put("a: b", "old");
        let mut loader = DirectoryLoader::new(vec![root.path().to_owned()], 1000);
        let files = Arc::new(FileStore::default());
        let log = TransferLog::new(files.clone());
        load(&mut loader, &files, &log);
        put("a", "new");
        fs::remove_file(root.path().join("a: b")).unwrap();
        symlink("nowhere: at all", root.path().join("a: b")).unwrap();
        load(&mut loader, &files, &log);
        let files = files.snapshot();
        let text = |name: &str| files.get(name).map(|file| file.bytes.clone()).unwrap_or_default();
        assert_eq!((text("a"), text("a: b")), ("new".into(), "old".into()));
        let problems = log.report(&Default::default()).problems;
        assert_eq!(problems, [FileProblem::new("a: b", "No such file or directory (os error 2)")]);
    }

    #[tokio::test]
    async fn a_loader_that_panics_is_noticed() {
        let root = tempfile::tempdir().unwrap();
        let loader = DirectoryLoader::new(vec![root.path().to_owned()], 1000);
        let mut loads = 0;
        let mut thread = start_with(loader, move |loader| {
            loader.read();
            loads += 1;
            assert!(loads < 2, "load {loads}");
        })
        .unwrap();
        fs::write(root.path().join("a"), "1").unwrap();
        let error = tokio::time::timeout(Duration::from_secs(20), thread.failure()).await.unwrap();
        assert_eq!(error.to_string(), "the thread directories panicked: load 2");
    }
}
