//! The shell round the fleet without a cluster: manifests and fetches go in, files and resyncs come out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use jiff::Timestamp;

use super::screen::Screen;
use crate::base::report::Query;
use crate::base::terminal::say;
use crate::manifests::{Manifests, inventory};
use crate::provision::resync::{ResyncError, ResyncOrder};
use crate::provision::{Fetch, Fleet, Key, WorkItem};
use crate::render;
use crate::tftp::{FileStore, TransferLog};

/// Where manifests and firmware are, and which site is served.
pub struct Sources {
    /// Files or directories with manifests.
    pub manifests: Vec<PathBuf>,
    /// A directory with firmware files.
    pub firmware: Option<PathBuf>,
    /// The site to serve, if there are several.
    pub site: Option<String>,
    /// Whether only this machine is served.
    pub loopback: bool,
}

/// What is served, and what is known of the phones.
pub struct Shell {
    sources: Sources,
    fleet: Fleet,
    /// The manifests that were loaded last.
    manifests: Manifests,
    firmware: BTreeMap<String, Bytes>,
    site: Option<Key>,
    files: Arc<FileStore>,
    log: Arc<TransferLog>,
    /// How far the log was read.
    query: Query,
    screen: Screen,
}

impl Shell {
    /// Loads everything for the first time, and serves it from these files.
    pub fn start(sources: Sources, files: Arc<FileStore>, log: Arc<TransferLog>) -> anyhow::Result<Shell> {
        let mut shell = Shell {
            sources,
            fleet: Fleet::offline(),
            manifests: Manifests::default(),
            firmware: BTreeMap::new(),
            site: None,
            files,
            log,
            query: Query::default(),
            screen: Screen::default(),
        };
        shell.fleet.tick(Timestamp::now());
        if shell.sources.loopback {
            shell.fleet.allow_loopback();
        }
        shell.load()?;
        Ok(shell)
    }

    /// Loads everything anew; after an error everything stays as it was.
    pub fn reload(&mut self) {
        if let Err(error) = self.load() {
            say(format_args!("error: {error:#}; what was served stays"));
        }
    }

    fn load(&mut self) -> anyhow::Result<()> {
        let manifests = Manifests::read(&self.sources.manifests)?;
        if let Some(error) = manifests.errors.first() {
            bail!("{error}");
        }
        if let Some(directory) = &self.sources.firmware {
            self.firmware = read_directory(directory)?;
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
        let is_first = self.site.replace(site).is_none();
        if self.publish() && !is_first {
            render::report(&self.manifests, &self.fleet);
        }
        Ok(())
    }

    /// Serves the files of the fleet; whether they changed.
    fn publish(&mut self) -> bool {
        let Some(site) = &self.site else { return false };
        let mut files = self.firmware.clone();
        files.extend(render::tree(&self.manifests, &self.fleet, site));
        let change = self.files.replace(files);
        if !change.is_empty() {
            self.log.files_loaded(&change, Vec::new());
        }
        !change.is_empty()
    }

    fn choose_site(&self) -> anyhow::Result<Key> {
        let mut sites: Vec<&Key> = self.fleet.sites().collect();
        sites.sort();
        let wanted = self.sources.site.as_deref();
        sites.retain(|key| wanted.is_none_or(|site| *site == *key.name || *site == key.to_string()));
        match sites.as_slice() {
            [site] => Ok((*site).clone()),
            [] => bail!("there is no such PhoneSite among the manifests"),
            several => {
                let names: Vec<String> = several.iter().map(ToString::to_string).collect();
                bail!("there are several PhoneSites: choose one with --site: {}", names.join(", "))
            }
        }
    }

    /// Reads the log: what phones fetched.
    pub fn note_fetches(&mut self) {
        self.fleet.tick(Timestamp::now());
        let Some(site) = self.site.clone() else { return };
        let report = self.log.report(&self.query);
        self.query = Query::after(&report, 0);
        for record in &report.journal.records {
            self.fleet.fetched(&site, &Fetch::from(record));
        }
        // After one phone's fetch the rollout may offer the image to another one: its file names it before the resync.
        if self.fleet.take_work().iter().any(|item| matches!(item, WorkItem::Shard(..))) {
            self.publish();
        }
    }

    /// The phones to resync now.
    pub fn resync_orders(&mut self) -> Vec<ResyncOrder> {
        let Some(site) = &self.site else { return Vec::new() };
        self.fleet.resync_orders(site, Timestamp::now()).0
    }

    /// Notes the result of an order.
    pub fn note_resync(&mut self, phone: &Key, result: Result<(), ResyncError>) {
        if let Err(problem) = &result {
            say(format_args!("{}: {}", phone.name, problem.message));
        }
        self.fleet.note_resync(phone, result);
        self.fleet.settle();
    }

    /// Prints the phones, if anything about them changed.
    pub fn update_screen(&mut self) {
        self.screen.update(&self.fleet, Timestamp::now());
    }
}

fn read_directory(directory: &Path) -> anyhow::Result<BTreeMap<String, Bytes>> {
    let entries = std::fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let files = entries.flatten().filter(|entry| entry.path().is_file());
    let named = files.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())));
    named
        .map(|(name, path)| {
            let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            Ok((name, bytes.into()))
        })
        .collect()
}
