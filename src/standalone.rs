//! `dialtone standalone`: the same manifests without a cluster.

mod changes;
mod live;
mod overview;
mod screen;
mod shell;
mod succession;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use notify::RecommendedWatcher;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::base::network::Listen;
use crate::base::terminal::say;
use crate::base::{SupervisedThread, shutdown_signal, watcher};
use crate::provision::Key;
use crate::provision::resync::{Answer, ResyncError};
use crate::resync;
use crate::tftp::{self, Config, FileStore, Metrics, PortMode, Server, TransferLog};
use shell::{Inputs, Shell, Sources, Wanted};

/// Serve manifests without a cluster: watch them, serve their files over TFTP, show who fetched what
///
/// The files of a site whose newest manifests are wrong stay as they were.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// A file or folder with manifests; may be given several times
    #[arg(short = 'f', long = "filename", value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,

    /// Read the folders in a folder, too
    #[arg(short = 'R', long)]
    recursive: bool,

    /// Where to listen for phones (UDP), by address or name; may be given several times
    #[arg(long, value_name = "ADDR:PORT", default_value = "0.0.0.0:69")]
    listen: Vec<Listen>,

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
/// What is shown is looked at this often: it says how long ago things were.
const SHOW: Duration = Duration::from_secs(1);
/// After a change, wait this long for more of them: an editor writes a file in several steps.
const QUIET: Duration = Duration::from_millis(50);
/// But not longer than this altogether.
const MAX_QUIET: Duration = Duration::from_secs(2);
/// How long transfers have to end on shutdown.
const DRAIN: Duration = Duration::from_secs(5);

/// The resyncs that are being sent, each with its phone and its result.
type Resyncs = JoinSet<(Key, Result<Answer, ResyncError>)>;

/// Runs `dialtone standalone` until the shutdown signal, or until a part of it fails.
pub async fn run(args: Args) -> anyhow::Result<()> {
    if args.paths.iter().any(|path| path.as_os_str() == "-") {
        bail!("-f - cannot be watched: give files or folders");
    }
    let files = Arc::new(FileStore::default());
    let log = Arc::new(TransferLog::new(files.clone()));
    let listen: Vec<SocketAddr> = args.listen.into_iter().flat_map(|Listen(all)| all).collect();
    let loopback = listen.iter().all(|one| one.ip().is_loopback());
    let config = Config { listen, port_mode: args.port_mode, ..Config::default() };
    let shutdown = shutdown_signal();
    tokio::pin!(shutdown);
    tokio::spawn(end_anyhow());
    let watched: Vec<PathBuf> = args.paths.iter().chain(&args.firmware).cloned().collect();
    let mut reader = Reader::start(Sources::new(args.paths, args.firmware).recursive(args.recursive), watched)?;
    let first = tokio::select! {
        Some(first) = reader.inputs.recv() => first,
        error = reader.thread.failure() => return Err(error),
        () = &mut shutdown => return Ok(()),
    };
    let wanted = Wanted { site: args.site, loopback };
    let shell = first.and_then(|inputs| Shell::start(inputs, wanted, files.clone(), log.clone()));
    let shell = shell.context("the manifests cannot be served")?;
    let mut server = Server::start(&config, files, log.clone(), Arc::new(Metrics::default()))?;
    say(format_args!(
        "serving on {} (UDP)",
        server.addresses().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    ));
    tokio::select! {
        error = serve(shell, &log, reader) => return Err(error),
        error = server.failure() => return Err(error),
        () = &mut shutdown => {}
    }
    tokio::task::spawn_blocking(move || server.stop(DRAIN)).await?;
    Ok(())
}

/// Ends the process some time after the shutdown signal if nothing else did: it may wait for somebody to read what it says.
async fn end_anyhow() {
    shutdown_signal().await;
    tokio::time::sleep(2 * DRAIN).await;
    std::process::exit(1);
}

/// The thread that reads manifests and firmware, because disks may take their time: at once, after changes, and from time to time.
struct Reader {
    thread: SupervisedThread,
    /// What it read.
    inputs: mpsc::Receiver<anyhow::Result<Inputs>>,
}

impl Reader {
    fn start(mut sources: Sources, watched: Vec<PathBuf>) -> anyhow::Result<Reader> {
        // Nothing more is read before it was taken in.
        let (sender, inputs) = mpsc::channel(1);
        let thread = SupervisedThread::spawn("manifests", move || {
            let (_watcher, changes) = watch(&watched)?;
            let mut read = sources.read_first();
            loop {
                let is_unfinished = read.as_ref().is_ok_and(Inputs::is_unfinished);
                if sender.blocking_send(read).is_err() {
                    return Ok(());
                }
                wait(&changes, if is_unfinished { tftp::QUIET + QUIET } else { POLL })?;
                read = sources.read();
            }
        })?;
        Ok(Reader { thread, inputs })
    }
}

/// Waits for a change, but no longer than this.
fn wait(changes: &Receiver<()>, most: Duration) -> anyhow::Result<()> {
    match changes.recv_timeout(most) {
        Ok(()) => {
            let began = Instant::now();
            while began.elapsed() < MAX_QUIET && changes.recv_timeout(QUIET).is_ok() {}
            Ok(())
        }
        Err(RecvTimeoutError::Timeout) => Ok(()),
        Err(RecvTimeoutError::Disconnected) => bail!("the watcher of the manifests ended"),
    }
}

/// What signals changes.
struct Watching {
    _watcher: Option<RecommendedWatcher>,
    /// Keeps the channel open if there is no watcher.
    _open: Option<SyncSender<()>>,
}

/// Watches files and folders, as far as that is possible: otherwise they are read from time to time. The channel is closed if the
/// watcher ends.
fn watch(paths: &[PathBuf]) -> anyhow::Result<(Watching, Receiver<()>)> {
    let (sender, changes) = sync_channel(1);
    let open = sender.clone();
    let watcher = watcher::watcher(move || {
        // One that waits to be taken is enough.
        let _ = sender.try_send(());
    });
    let refused = |what: &str, error: &notify::Error| {
        say(format_args!("warning: {what} cannot be watched, and is read every {} s instead: {error}", POLL.as_secs()));
    };
    let mut watcher = match watcher {
        Ok(watcher) => watcher,
        Err(error) => {
            refused("what is served", &error);
            return Ok((Watching { _watcher: None, _open: Some(open) }, changes));
        }
    };
    for path in paths {
        std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
        if let Err(error) = watcher::watch_all(&mut watcher, path) {
            refused(&path.display().to_string(), &error);
        }
    }
    Ok((Watching { _watcher: Some(watcher), _open: None }, changes))
}

/// Takes what is read and what is fetched in, and sends resyncs, until a part of that fails.
async fn serve(mut shell: Shell, log: &TransferLog, mut reader: Reader) -> anyhow::Error {
    let mut fetches = log.subscribe();
    // What was fetched before the call.
    fetches.mark_changed();
    let mut resyncs = Resyncs::new();
    // The phones that are being notified.
    let under_way = watch::Sender::new(BTreeSet::new());
    let mut poll = tokio::time::interval(SHOW);
    poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
    shell.update_screen();
    loop {
        tokio::select! {
            Some(inputs) = reader.inputs.recv() => shell.reload(inputs),
            error = reader.thread.failure() => return error,
            _ = poll.tick() => {}
            // The sender is in the log, which is there as long as this function runs.
            _ = fetches.changed() => shell.note_fetches(),
            Some(sent) = resyncs.join_next() => match sent {
                Ok((phone, result)) => shell.note_resync(&phone, result),
                Err(error) => return anyhow!("a resync failed: {error}"),
            },
        }
        under_way.send_modify(|phones: &mut BTreeSet<Key>| phones.retain(|phone| shell.awaits_answer(phone)));
        for order in shell.resync_orders() {
            under_way.send_modify(|phones| {
                phones.insert(order.phone.clone());
            });
            let awaited = under_way.subscribe();
            resyncs.spawn(async move {
                let is_heard = || !awaited.borrow().contains(&order.phone);
                let result = resync::send(&order, is_heard).await;
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
    async fn the_end_of_the_reader_ends_the_process_with_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = folder.path().join("site.yaml");
        std::fs::copy("examples/seed.yaml", &manifest).unwrap();
        let files = Arc::new(FileStore::default());
        let log = Arc::new(TransferLog::new(files.clone()));
        let mut reader = Reader::start(Sources::new(vec![manifest.clone()], None), vec![manifest]).unwrap();
        let first = reader.inputs.recv().await.unwrap().unwrap();
        let wanted = Wanted { site: None, loopback: true };
        let shell = Shell::start(first, wanted, files, log.clone()).unwrap();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        reader.thread = SupervisedThread::spawn("manifests", move || {
            let _ = ended.recv();
            bail!("out of luck")
        })
        .unwrap();
        let serving = serve(shell, &log, reader);
        tokio::pin!(serving);
        assert!(tokio::time::timeout(Duration::from_millis(200), &mut serving).await.is_err());
        drop(end);
        let error = tokio::time::timeout(Duration::from_secs(3), serving).await.unwrap();
        assert_eq!(format!("{error:#}"), "the thread manifests failed: out of luck");
    }

    #[test]
    fn the_end_of_the_watcher_is_an_error() {
        let (watcher, changes) = watch(&[PathBuf::from("examples")]).unwrap();
        assert!(wait(&changes, Duration::from_millis(50)).is_ok());
        drop(watcher);
        let error = wait(&changes, Duration::from_secs(10)).unwrap_err();
        assert_eq!(error.to_string(), "the watcher of the manifests ended");
    }
}
