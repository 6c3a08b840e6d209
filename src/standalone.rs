//! `dialtone standalone`: the same manifests without a cluster.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use jiff::Timestamp;
use notify::{RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use crate::api::PhoneFirmwareStatus;
use crate::base::report::Query;
use crate::base::shutdown_signal;
use crate::manifests::{Manifests, inventory};
use crate::provision::resync::ResyncError;
use crate::provision::{Fetch, Fleet, Key, WorkItem};
use crate::render;
use crate::resync;
use crate::tftp::library::{Change, Library, Snapshot};
use crate::tftp::metrics::Metrics;
use crate::tftp::reporter::Reporter;
use crate::tftp::{Config, PortMode, Server};

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

struct Standalone {
    args: Args,
    fleet: Fleet,
    manifests: Manifests,
    firmware: BTreeMap<String, Bytes>,
    library: Arc<Library>,
    reporter: Arc<Reporter>,
    site: Option<Key>,
    query: Query,
    shown: String,
    /// What came of telling phones to fetch a change.
    told: mpsc::UnboundedSender<(Key, Result<(), ResyncError>)>,
}

/// Look again this often, in case a change was not noticed.
const POLL: Duration = Duration::from_secs(5);
/// An editor writes a file in several steps.
const QUIET: Duration = Duration::from_millis(50);

/// Runs until it is told to end.
pub async fn run(args: Args) -> anyhow::Result<()> {
    if args.paths.iter().any(|path| path.as_os_str() == "-") {
        bail!("-f - cannot be watched: give files or folders");
    }
    let library = Arc::new(Library::default());
    let reporter = Arc::new(Reporter::new(library.clone()));
    let config = Config { listen: vec![args.listen], port_mode: args.port_mode, ..Config::default() };
    let (sender, mut changes) = mpsc::unbounded_channel();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| !event.kind.is_access()) {
            let _ = sender.send(());
        }
    })?;
    for path in args.paths.iter().chain(&args.firmware) {
        watcher.watch(path, RecursiveMode::Recursive).with_context(|| format!("cannot watch {}", path.display()))?;
    }
    // Before anybody is told that it serves: whoever hears that may end it at once.
    let mut end = std::pin::pin!(shutdown_signal());
    let mut news = reporter.subscribe();
    let (told, mut answers) = mpsc::unbounded_channel();
    let mut shell = Standalone {
        args,
        fleet: Fleet::offline(),
        manifests: Manifests::default(),
        firmware: BTreeMap::new(),
        library: library.clone(),
        reporter: reporter.clone(),
        site: None,
        query: Query::default(),
        shown: String::new(),
        told,
    };
    shell.fleet.tick(Timestamp::now());
    shell.load().context("the manifests cannot be served")?;
    let server = Server::start(&config, library, reporter, Arc::new(Metrics::default()))?;
    eprintln!("serving on {} (UDP)", server.addresses().iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
    shell.show();
    let mut poll = tokio::time::interval(POLL);
    loop {
        tokio::select! {
            Some(()) = changes.recv() => {
                tokio::time::sleep(QUIET).await;
                while changes.try_recv().is_ok() {}
                shell.reload();
            }
            _ = poll.tick() => shell.reload(),
            _ = news.changed() => shell.note_fetches(),
            Some((phone, result)) = answers.recv() => shell.fleet.note_resync(&phone, result),
            () = &mut end => break,
        }
        shell.resync();
        shell.show();
    }
    tokio::task::spawn_blocking(move || server.stop(Duration::from_secs(5))).await?;
    Ok(())
}

impl Standalone {
    fn reload(&mut self) {
        if let Err(error) = self.load() {
            eprintln!("error: {error:#}; what was served stays");
        }
    }

    /// Reads the manifests; if anything cannot be read, what was there stays.
    fn load(&mut self) -> anyhow::Result<()> {
        let manifests = Manifests::read(&self.args.paths)?;
        if let Some(error) = manifests.errors.first() {
            bail!("{error}");
        }
        if let Some(folder) = self.args.firmware.clone() {
            self.firmware = read_folder(&folder)?;
            self.fleet.set_folder(inventory(&self.firmware));
        }
        manifests.apply_to(&mut self.fleet);
        manifests.delete_missing(&self.manifests, &mut self.fleet);
        self.fleet.take_work();
        let site = self.choose_site()?;
        if self.site.is_none() {
            render::report(&manifests, &self.fleet);
        }
        self.manifests = manifests;
        let first = self.site.replace(site).is_none();
        if self.publish() && !first {
            render::report(&self.manifests, &self.fleet);
        }
        Ok(())
    }

    /// Serves what the fleet says; whether that is anything new.
    fn publish(&mut self) -> bool {
        let Some(site) = &self.site else { return false };
        let mut files = self.firmware.clone();
        files.extend(render::tree(&self.manifests, &self.fleet, site));
        let before = self.library.now();
        let after = Snapshot::new(files, &before);
        let change = Change::between(&before, &after);
        if !change.is_empty() {
            self.library.swap(after);
            self.reporter.note_change(&change, Vec::new());
        }
        !change.is_empty()
    }

    fn choose_site(&self) -> anyhow::Result<Key> {
        let mut sites: Vec<&Key> = self.fleet.sites().collect();
        sites.sort();
        let wanted =
            |key: &&&Key| self.args.site.as_ref().is_none_or(|site| **site == *key.name || *site == key.to_string());
        let found: Vec<&&Key> = sites.iter().filter(wanted).collect();
        match found.as_slice() {
            [one] => Ok((**one).clone()),
            [] => bail!("there is no such PhoneSite among the manifests"),
            many => {
                let names: Vec<String> = many.iter().map(|key| key.to_string()).collect();
                bail!("there are several PhoneSites: choose one with --site: {}", names.join(", "))
            }
        }
    }

    /// Takes over what phones fetched.
    fn note_fetches(&mut self) {
        self.fleet.tick(Timestamp::now());
        let Some(site) = self.site.clone() else { return };
        let report = self.reporter.report(&self.query);
        self.query = Query::after(&report, 0);
        for record in &report.journal.records {
            self.fleet.fetched(&site, &Fetch::from(record));
        }
        // What one phone fetched may be another one's turn in a rollout: its file says so before it is told to fetch it.
        if self.fleet.take_work().iter().any(|dirty| matches!(dirty, WorkItem::Shard(..))) {
            self.publish();
        }
    }

    /// Tells those phones to fetch a change whose turn it is.
    fn resync(&mut self) {
        let Some(site) = self.site.clone() else { return };
        let (orders, _) = self.fleet.resync_orders(&site, Timestamp::now());
        for order in orders {
            let told = self.told.clone();
            tokio::spawn(async move {
                let result = resync::tell(&order).await;
                if let Err(problem) = &result {
                    eprintln!("{}: {}", order.phone.name, problem.message);
                }
                // Nobody listens any more only when the program ends.
                let _ = told.send((order.phone, result));
            });
        }
    }

    /// Shows the phones, if anything about them changed.
    fn show(&mut self) {
        let now = Timestamp::now();
        let mut keys: Vec<Key> = self.fleet.phones().cloned().collect();
        keys.sort();
        let mut table =
            vec![["PHONE", "FILE", "READY", "IN SYNC", "FIRMWARE", "ADDRESS", "LAST SEEN"].map(str::to_owned)];
        for key in keys {
            let Some(report) = self.fleet.report(&key, now) else { continue };
            let status = report.after;
            let condition = |kind: &str| {
                let found = status.conditions.iter().find(|c| c.type_ == kind);
                found
                    .map_or_else(String::new, |c| if c.status == "True" { "True".to_owned() } else { c.reason.clone() })
            };
            table.push([
                key.name.to_string(),
                status.config_file.clone().unwrap_or_default(),
                condition("Ready"),
                condition("InSync"),
                status.firmware.as_ref().map(firmware).unwrap_or_default(),
                status.address.clone().unwrap_or_else(|| "-".to_owned()),
                status.last_seen.clone().unwrap_or_else(|| "never".to_owned()),
            ]);
        }
        let widths: Vec<usize> =
            (0..7).map(|column| table.iter().map(|row| row[column].len()).max().unwrap_or(0)).collect();
        let lines: Vec<String> = table
            .iter()
            .map(|row| {
                let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
                cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
            })
            .collect();
        let text = lines.join("\n");
        if text != self.shown {
            let mut out = std::io::stdout().lock();
            let _ = writeln!(out, "{text}\n");
            self.shown = text;
        }
    }
}

/// How far a phone's firmware is, in a few words.
fn firmware(status: &PhoneFirmwareStatus) -> String {
    match (status.percent, &status.running) {
        (Some(percent), _) => format!("{:?} {percent} %", status.stage),
        (None, Some(running)) => format!("{:?} {running}", status.stage),
        _ => format!("{:?}", status.stage),
    }
}

fn read_folder(folder: &Path) -> anyhow::Result<BTreeMap<String, Bytes>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let files = entries.flatten().filter(|entry| entry.path().is_file());
    let named = files.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())));
    named
        .map(|(name, path)| {
            let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            Ok((name, bytes.into()))
        })
        .collect()
}
