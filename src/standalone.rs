//! `dialtone standalone`: the same manifests without a cluster.

mod screen;
mod shell;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::task::JoinSet;

use crate::base::shutdown_signal;
use crate::base::terminal::say;
use crate::provision::Key;
use crate::provision::resync::ResyncError;
use crate::resync;
use crate::tftp::{Config, FileStore, Metrics, PortMode, Server, TransferLog};
use shell::{Shell, Sources};

/// Serve manifests without a cluster: watch them, serve their files over TFTP, show who fetched what
///
/// The files of a site whose newest manifests are wrong stay as they were.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// A file or folder with manifests; may be given several times
    #[arg(short = 'f', long = "filename", value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,

    /// Where to listen for phones (UDP)
    #[arg(long, value_name = "ADDR:PORT", default_value = "0.0.0.0:69")]
    listen: SocketAddr,

    /// A folder with firmware files
    #[arg(long, value_name = "DIR")]
    firmware: Option<PathBuf>,

    /// Which site to serve, if there are several: NAME or NAMESPACE/NAME
    #[arg(long, value_name = "SITE")]
    site: Option<String>,

    /// Which port answers: the one that was asked, or a new one for each transfer
    #[arg(long, value_enum, ignore_case = true, default_value_t = PortMode::Single)]
    port_mode: PortMode,
}

/// Manifests are read this often, in case a change was not signalled.
const POLL: Duration = Duration::from_secs(5);
/// After a change, wait this long for more of them: an editor writes a file in several steps.
const QUIET: Duration = Duration::from_millis(50);
/// How long transfers have to end on shutdown.
const DRAIN: Duration = Duration::from_secs(5);

/// The resyncs that are being sent, each with its phone and its result.
type Resyncs = JoinSet<(Key, Result<(), ResyncError>)>;

/// Runs `dialtone standalone` until the shutdown signal, or until a part of it fails.
pub async fn run(args: Args) -> anyhow::Result<()> {
    if args.paths.iter().any(|path| path.as_os_str() == "-") {
        bail!("-f - cannot be watched: give files or folders");
    }
    let files = Arc::new(FileStore::default());
    let log = Arc::new(TransferLog::new(files.clone()));
    let config = Config { listen: vec![args.listen], port_mode: args.port_mode, ..Config::default() };
    let (_watcher, changes) = watch(args.paths.iter().chain(&args.firmware))?;
    // Before the message that it serves: whoever reads that may send the signal at once.
    let shutdown = shutdown_signal();
    let loopback = args.listen.ip().is_loopback();
    let sources = Sources { manifests: args.paths, firmware: args.firmware, site: args.site, loopback };
    let shell = Shell::start(sources, files.clone(), log.clone()).context("the manifests cannot be served")?;
    let mut server = Server::start(&config, files, log.clone(), Arc::new(Metrics::default()))?;
    say(format_args!(
        "serving on {} (UDP)",
        server.addresses().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    ));
    tokio::select! {
        error = serve(shell, &log, changes) => return Err(error),
        error = server.failure() => return Err(error),
        () = shutdown => {}
    }
    tokio::task::spawn_blocking(move || server.stop(DRAIN)).await?;
    Ok(())
}

/// Watches files and directories. The channel is closed if the watcher ends.
fn watch<'a>(paths: impl Iterator<Item = &'a PathBuf>) -> anyhow::Result<(RecommendedWatcher, UnboundedReceiver<()>)> {
    let (sender, changes) = mpsc::unbounded_channel();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| !event.kind.is_access()) {
            let _ = sender.send(());
        }
    })?;
    for path in paths {
        watcher.watch(path, RecursiveMode::Recursive).with_context(|| format!("cannot watch {}", path.display()))?;
    }
    Ok((watcher, changes))
}

/// Takes changes and fetches in, and sends resyncs, until a part of that fails.
async fn serve(mut shell: Shell, log: &TransferLog, mut changes: UnboundedReceiver<()>) -> anyhow::Error {
    let mut fetches = log.subscribe();
    // What was fetched before the call.
    fetches.mark_changed();
    let mut resyncs = Resyncs::new();
    let mut poll = tokio::time::interval(POLL);
    shell.update_screen();
    loop {
        tokio::select! {
            change = changes.recv() => {
                if change.is_none() {
                    return anyhow!("the watcher of the manifests ended");
                }
                tokio::time::sleep(QUIET).await;
                while changes.try_recv().is_ok() {}
                shell.reload();
            }
            _ = poll.tick() => shell.reload(),
            // The sender is in the log, which is there as long as this function runs.
            _ = fetches.changed() => shell.note_fetches(),
            Some(sent) = resyncs.join_next() => match sent {
                Ok((phone, result)) => shell.note_resync(&phone, result),
                Err(error) => return anyhow!("a resync failed: {error}"),
            },
        }
        for order in shell.resync_orders() {
            resyncs.spawn(async move {
                let result = resync::send(&order).await;
                (order.phone, result)
            });
        }
        shell.update_screen();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_end_of_the_watcher_ends_the_process_with_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = folder.path().join("site.yaml");
        std::fs::copy("examples/seed.yaml", &manifest).unwrap();
        let (watcher, changes) = watch([manifest.clone()].iter()).unwrap();
        let files = Arc::new(FileStore::default());
        let log = Arc::new(TransferLog::new(files.clone()));
        let sources = Sources { manifests: vec![manifest], firmware: None, site: None, loopback: true };
        let shell = Shell::start(sources, files, log.clone()).unwrap();
        let serving = serve(shell, &log, changes);
        tokio::pin!(serving);
        assert!(tokio::time::timeout(Duration::from_millis(200), &mut serving).await.is_err());
        drop(watcher);
        let error = tokio::time::timeout(Duration::from_secs(3), serving).await.unwrap();
        assert_eq!(error.to_string(), "the watcher of the manifests ended");
    }
}
