//! The shell round the fleet without a cluster: manifests and fetches go in, files and resyncs come out.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{anyhow, bail};
use bytes::Bytes;
use jiff::Timestamp;

use super::screen::Screen;
use super::succession::Succession;
use crate::base::folder::Stamp;
use crate::base::lasting::Lasting;
use crate::base::report::Query;
use crate::base::terminal::say;
use crate::manifests::{Manifests, Manner};
use crate::provision::catalog::inventory;
use crate::provision::resync::{Answer, ResyncError, ResyncOrder};
use crate::provision::{Fetch, Fleet, Key, WorkItem};
use crate::render::{self, ReportLines};
use crate::tftp::{DirectoryLoader, FileStore, MAX_BYTES, QUIET, Reading, TransferLog};

/// How often manifests are read while somebody writes to them, before that is an error.
const MAX_READINGS: usize = 30;
/// At the first reading a file that nothing changed for so long need not be watched for a moment.
const LONG_AGO: Duration = Duration::from_secs(60);

/// Where manifests and firmware are.
pub struct Sources {
    paths: Vec<PathBuf>,
    manner: Manner,
    /// The state of the files when manifests were read last.
    stamps: Vec<(PathBuf, Stamp)>,
    firmware: Option<DirectoryLoader>,
}

/// What was read of the sources.
pub struct Inputs {
    manifests: Manifests,
    /// Firmware, if there is a folder with it.
    firmware: Option<Reading>,
}

impl Inputs {
    /// Whether to read again soon, because something was changing.
    pub fn is_unfinished(&self) -> bool {
        self.firmware.as_ref().is_some_and(|firmware| firmware.is_unfinished)
    }
}

impl Sources {
    /// The sources at these paths.
    pub fn new(manifests: Vec<PathBuf>, firmware: Option<PathBuf>) -> Sources {
        let firmware = firmware.map(|folder| DirectoryLoader::new(vec![folder], MAX_BYTES));
        Sources { paths: manifests, manner: Manner::default(), stamps: Vec::new(), firmware }
    }

    /// The same with the folders in them, if they are wanted.
    pub fn recursive(mut self, recursive: bool) -> Sources {
        self.manner.recursive = recursive;
        self
    }

    /// Reads everything for the first time.
    pub fn read_first(&mut self) -> anyhow::Result<Inputs> {
        let manifests = self.manifests()?;
        manifests.notes().iter().for_each(|note| say(format_args!("note: {note}")));
        Ok(Inputs { manifests, firmware: self.firmware.as_mut().map(DirectoryLoader::read_first) })
    }

    /// Reads everything anew.
    pub fn read(&mut self) -> anyhow::Result<Inputs> {
        let manifests = self.manifests()?;
        Ok(Inputs { manifests, firmware: self.firmware.as_mut().map(DirectoryLoader::read) })
    }
}

impl Sources {
    /// Reads the manifests while nobody writes to them: half a file may well look whole.
    fn manifests(&mut self) -> anyhow::Result<Manifests> {
        for _ in 0..MAX_READINGS {
            let stamps = Manifests::stamps(&self.paths, &self.manner);
            let is_old = self.stamps.is_empty() && stamps.iter().all(|(_, stamp)| stamp.is_older_than(LONG_AGO));
            if stamps != self.stamps && !is_old {
                std::thread::sleep(QUIET);
                if Manifests::stamps(&self.paths, &self.manner) != stamps {
                    continue;
                }
            }
            let read = Manifests::read(&self.paths, &self.manner);
            if Manifests::stamps(&self.paths, &self.manner) == stamps {
                self.stamps = stamps;
                return read;
            }
        }
        bail!("the manifests are written to all the time, and are read once they were left alone for a moment");
    }
}

/// What is to be served, and to whom.
pub struct Wanted {
    /// Which site, if there are several.
    pub site: Option<String>,
    /// Whether only this machine is served.
    pub loopback: bool,
}

/// Manifests that are not taken.
#[derive(Debug, PartialEq, Eq)]
struct Refusal {
    why: String,
    /// The phones of which it is, and what is wrong with each.
    phones: BTreeMap<Key, String>,
}

impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Refusal {
        Refusal { why: format!("{error:#}"), phones: BTreeMap::new() }
    }
}

/// What is served, and what is known of the phones.
pub struct Shell {
    /// Which site to serve, if there are several.
    wanted: Option<String>,
    fleet: Fleet,
    /// The manifests that were loaded last.
    manifests: Manifests,
    firmware: BTreeMap<String, Bytes>,
    site: Option<Key>,
    /// Why the newest manifests are not taken, while that lasts.
    refusal: Option<Refusal>,
    /// What was reported of the manifests last.
    reported: ReportLines,
    problems: Lasting,
    files: Arc<FileStore>,
    log: Arc<TransferLog>,
    /// How far the log was read.
    query: Query,
    screen: Screen,
}

impl Shell {
    /// Serves what was read first, from these files.
    pub fn start(
        inputs: Inputs,
        wanted: Wanted,
        files: Arc<FileStore>,
        log: Arc<TransferLog>,
    ) -> anyhow::Result<Shell> {
        let mut shell = Shell {
            wanted: wanted.site,
            fleet: Fleet::offline(),
            manifests: Manifests::default(),
            firmware: BTreeMap::new(),
            site: None,
            refusal: None,
            reported: ReportLines::new(),
            problems: Lasting::default(),
            files,
            log,
            query: Query::default(),
            screen: Screen::default(),
        };
        shell.fleet.tick(Timestamp::now());
        if wanted.loopback {
            shell.fleet.allow_loopback();
        }
        shell.load(inputs).map_err(|refusal| anyhow!(refusal.why))?;
        Ok(shell)
    }

    /// Serves what was read; after an error everything stays as it was. An error that lasts is said once.
    pub fn reload(&mut self, inputs: anyhow::Result<Inputs>) {
        let refusal = inputs.map_err(Refusal::from).and_then(|inputs| self.load(inputs)).err();
        let before = self.refusal.as_ref();
        if refusal.as_ref() == before {
            return;
        }
        match &refusal {
            Some(Refusal { why, .. }) if before.is_none_or(|before| before.why != *why) => {
                say(format_args!("error: {why}; what was served stays"));
            }
            None => say(format_args!("the manifests can be served again")),
            Some(_) => {}
        }
        if let Some(refusal) = &refusal {
            // What was doubtful before, and no longer is, is as it was.
            self.manifests.apply_to(&mut self.fleet);
            refusal.phones.iter().for_each(|(phone, why)| self.fleet.doubt_phone(phone, why));
            self.fleet.take_work();
        }
        self.refusal = refusal;
    }

    fn load(&mut self, inputs: Inputs) -> Result<(), Refusal> {
        let Inputs { mut manifests, firmware } = inputs;
        if let Some(why) = manifests.errors.first().cloned().or_else(|| manifests.mislaid(&self.manifests)) {
            return Err(Refusal { why, phones: manifests.doubtful_phones(&self.manifests) });
        }
        // Before anything changes.
        let site = self.choose_site(&manifests)?;
        let kept = manifests.keep_named_maps(&self.manifests);
        self.check_successors(&manifests, &site, firmware.as_ref())?;
        if let Some(Reading { files, problems, is_unfinished: _ }) = firmware {
            let (begun, over) = self.problems.note(&problems);
            begun.iter().for_each(|problem| say(format_args!("firmware: {problem}")));
            over.iter().for_each(|file| say(format_args!("firmware: {file} can be read again")));
            self.firmware = files.into_iter().map(|(name, bytes)| (name.to_string(), bytes)).collect();
            self.fleet.set_folder(inventory(&self.firmware));
        }
        manifests.apply_to(&mut self.fleet);
        manifests.delete_missing(&self.manifests, &mut self.fleet);
        self.fleet.take_work();
        self.manifests = manifests;
        self.site = Some(site);
        self.publish();
        let mut lines = render::report_lines(&self.manifests, &self.fleet);
        lines.extend(kept.into_iter().map(|why| (true, why)));
        lines.difference(&self.reported).for_each(render::say_line);
        self.reported = lines;
        Ok(())
    }

    /// Serves the files of the fleet.
    fn publish(&mut self) {
        let Some(site) = &self.site else { return };
        let mut files = self.firmware.clone();
        files.extend(self.manifests.served(&self.fleet, site));
        let change = self.files.replace(files);
        if !change.is_empty() {
            self.log.files_loaded(&change, Vec::new());
        }
    }

    /// Refuses manifests in which an object takes the place of one that is served, and is wrong.
    fn check_successors(&self, new: &Manifests, site: &Key, firmware: Option<&Reading>) -> Result<(), Refusal> {
        let Some(served) = &self.site else { return Ok(()) };
        let succession = Succession { before: &self.manifests, fleet: &self.fleet, served, new, site };
        if !succession.is_possible() {
            return Ok(());
        }
        // As a fleet would have it that knows nothing of what was before.
        let mut trial = Fleet::offline();
        trial.tick(Timestamp::now());
        trial.set_folder(match firmware {
            Some(firmware) => inventory(firmware.files.iter().map(|(name, bytes)| (name.to_string(), bytes))),
            None => inventory(&self.firmware),
        });
        new.apply_to(&mut trial);
        match succession.doubts(&trial) {
            phones if phones.is_empty() => Ok(()),
            phones => Err(Refusal { why: phones.values().next().cloned().unwrap_or_default(), phones }),
        }
    }

    fn choose_site(&self, manifests: &Manifests) -> anyhow::Result<Key> {
        let mut sites: Vec<&Key> = manifests.sites().collect();
        sites.sort();
        if let Some(site) = self.site.as_ref().filter(|site| !sites.contains(site)) {
            let phones = manifests.phones_of(site);
            if phones > 0 {
                bail!("PhoneSite {site} is no longer among the manifests, and {phones} SipPhones name it");
            }
        }
        let wanted = self.wanted.as_deref();
        let all: Vec<String> = sites.iter().map(ToString::to_string).collect();
        sites.retain(|key| wanted.is_none_or(|site| *site == *key.name || *site == key.to_string()));
        match (sites.as_slice(), wanted) {
            ([site], _) => Ok((*site).clone()),
            ([], _) if all.is_empty() => bail!("there is no PhoneSite among the manifests"),
            ([], wanted) => {
                let wanted = wanted.unwrap_or_default();
                bail!("there is no PhoneSite {wanted} among the manifests; --site can name {}", all.join(", "))
            }
            (several, _) => {
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
            self.screen.note_fetch(record);
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

    /// Whether a phone is being notified, and was not heard since.
    pub fn awaits_answer(&self, phone: &Key) -> bool {
        self.fleet.awaits_answer(phone)
    }

    /// Notes the result of an order.
    pub fn note_resync(&mut self, phone: &Key, result: Result<Answer, ResyncError>) {
        match &result {
            Ok(Answer::Heard) => {}
            Ok(Answer::Silence(silence)) => say(format_args!("{}: {silence}; it is waited for", phone.name)),
            Err(problem) => say(format_args!("{}: {}", phone.name, problem.message)),
        }
        self.fleet.note_resync(phone, result);
        self.fleet.settle();
    }

    /// Shows the phones, if anything about them changed.
    pub fn update_screen(&mut self) {
        let refused =
            self.refusal.iter().map(|refusal| format!("not taken, and what was served stays: {}", refusal.why));
        let errors = self.reported.iter().filter(|(is_error, _)| *is_error).map(|(_, line)| format!("error: {line}"));
        let troubles: Vec<String> = refused.chain(errors).collect();
        let now = Timestamp::now();
        let Some(site) = &self.site else { return };
        self.screen.update(&self.fleet, site, troubles, now);
    }
}

#[cfg(test)]
mod tests;
