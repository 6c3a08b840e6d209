//! Watches folders for changes.

use std::path::Path;

use notify::{Config, Event, RecommendedWatcher, RecursiveMode, Watcher as _};

/// A watcher that calls this when something may have changed. It follows no links: they may lead anywhere.
pub fn watcher(changed: impl Fn() + Send + 'static) -> notify::Result<RecommendedWatcher> {
    let handler = move |event: notify::Result<Event>| {
        // Reading a file is an event too: only what changes a folder counts.
        if event.is_ok_and(|event| !event.kind.is_access()) {
            changed();
        }
    };
    RecommendedWatcher::new(handler, Config::default().with_follow_symlinks(false))
}

/// Watches a file, or a folder and what is in it, however deep. The path itself may be a link.
pub fn watch_all(watcher: &mut RecommendedWatcher, path: &Path) -> notify::Result<()> {
    watch(watcher, path, RecursiveMode::Recursive)
}

/// Watches a folder without what is in its folders. The path itself may be a link.
pub fn watch_one(watcher: &mut RecommendedWatcher, folder: &Path) -> notify::Result<()> {
    watch(watcher, folder, RecursiveMode::NonRecursive)
}

fn watch(watcher: &mut RecommendedWatcher, path: &Path, how: RecursiveMode) -> notify::Result<()> {
    let real = path.canonicalize().map_err(notify::Error::io)?;
    watcher.watch(&real, how)
}
