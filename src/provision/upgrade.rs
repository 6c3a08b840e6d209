//! What a phone's requests tell of its firmware: which image it runs, and how far it is with another one.
//!
//! Two orders are known. Firmware before 7.0 asks for OS79XX.TXT, its two configuration files, and the image that they name
//! if it does not run it. Loaders from 7.0 on ask for CTLSEP and SEP, then for the `.loads` file of the image that they are
//! told of, then for those of its parts that they do not have, restarting between them; the application that starts in the
//! end asks for SIPDefault.cnf and its own file.

use std::collections::{BTreeSet, VecDeque};

use jiff::Timestamp;

use crate::api::{PhoneFirmwareStatus, Stage};
use crate::phone::image::Image;

mod stage;

pub use stage::{Wanted, stage};

/// One request of a phone, as far as its firmware is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// OS79XX.TXT: firmware before 7.0 begins to boot.
    LegacyStart,
    /// CTLSEP: a loader begins to boot.
    LoaderStart,
    /// SEP or XMLDefault: a loader looks for the image to run.
    LoaderAsks,
    /// The `.loads` file of an image.
    Loads {
        /// The image.
        image: String,
    },
    /// A part of an image, or all of it.
    Part {
        /// The file.
        file: String,
        /// How many of its bytes were acknowledged.
        sent: u64,
        /// How many it has.
        total: u64,
        /// Whether the transfer goes on, is complete, or has ended early, and why.
        end: Option<Result<(), String>>,
    },
    /// SIPDefault.cnf: the application reads its configuration.
    Common,
    /// The phone's own file; the image that the configuration names, if that is known.
    Own {
        /// The image.
        named: Option<String>,
    },
    /// The ring list or the dial plan: the application has read its configuration and goes on with what it runs.
    Goes,
}

/// An image that a phone was seen to run, and how that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// The image.
    pub image: String,
    /// What was seen.
    pub how: String,
}

/// A part on its way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transfer {
    /// The file.
    pub file: String,
    /// The bytes that were acknowledged.
    pub sent: u64,
    /// All bytes of the file.
    pub total: u64,
}

/// What is known of a phone's firmware.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upgrade {
    /// What it was seen to run.
    pub running: Option<Running>,
    /// The image that the configuration names which it read last.
    pub named: Option<String>,
    /// The part that is on its way.
    pub transfer: Option<Transfer>,
    /// Parts that it took whole, until it runs them.
    pub taken: BTreeSet<String>,
    /// When it took the last part.
    pub took_all: Option<Timestamp>,
    /// How often a part was not taken whole since it last ran what it should.
    pub failures: u32,
    /// Why the last part was not taken, until it tries again.
    pub failure: Option<String>,
    /// When it last told anything.
    pub last: Option<Timestamp>,
    /// When it began to take the first part.
    began: Option<Timestamp>,
    /// How many seconds its last upgrade took, from the first part until it was seen to run the image.
    pub lasted: Option<i64>,
    boot: Option<Boot>,
}

/// One boot.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Boot {
    legacy: bool,
    began: Timestamp,
    /// The image whose `.loads` file it took.
    loads: Option<String>,
    /// Whether it asked for parts, and whether all were taken whole.
    asked: bool,
    whole: bool,
    /// The configuration that it read.
    own: Option<Option<String>>,
}

impl Boot {
    fn new(legacy: bool, began: Timestamp) -> Boot {
        Boot { legacy, began, loads: None, asked: false, whole: true, own: None }
    }
}

/// Requests repeated within this many seconds are one.
const REPEATED: i64 = 3;

impl Upgrade {
    /// What a status said before a restart.
    pub fn recover(status: Option<&PhoneFirmwareStatus>) -> Upgrade {
        let Some(status) = status else { return Upgrade::default() };
        let since: Option<Timestamp> = status.since.as_deref().and_then(|since| since.parse().ok());
        let message = status.message.clone().unwrap_or_default();
        let how = if status.stage == Stage::Current { message.clone() } else { "it was seen before".to_owned() };
        let mut upgrade = Upgrade {
            running: status.running.clone().map(|image| Running { image, how }),
            failures: status.failures.and_then(|failures| u32::try_from(failures).ok()).unwrap_or(0),
            last: status.observed.as_deref().and_then(|observed| observed.parse().ok()).or(since),
            ..Upgrade::default()
        };
        let target = status.target.clone().unwrap_or_default();
        match status.stage {
            Stage::Offered => upgrade.named = Some(target),
            Stage::Failed => upgrade.failure = Some(message),
            Stage::Downloading => {
                let number = |number: Option<i64>| number.and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
                let (sent, total) = (number(status.bytes_sent), number(status.bytes_total));
                upgrade.transfer = status.file.clone().map(|file| Transfer { file, sent, total });
            }
            Stage::Installing => {
                let suffix = if Image::parse(&target).is_some_and(|image| image.uses_loader()) { "sb2" } else { "bin" };
                upgrade.taken = BTreeSet::from([format!("{target}.{suffix}")]);
                upgrade.took_all = since;
            }
            _ => {}
        }
        upgrade
    }

    /// After how many seconds there is something else to say although nothing is heard.
    pub fn due_in(&self, now: Timestamp) -> Option<i64> {
        let (since, most) = match (&self.transfer, self.took_all) {
            (Some(_), _) => (self.last?, stage::STALE),
            (None, took_all) => (took_all?, stage::BACK_WITHIN),
        };
        let waited = now.as_second() - since.as_second();
        (waited <= most).then_some(most + 1 - waited)
    }

    /// Follows one request.
    pub fn follow(&mut self, seen: &Seen, time: Timestamp) {
        self.last = self.last.max(Some(time));
        match seen {
            Seen::LegacyStart => self.start(true, time),
            Seen::LoaderStart => self.start(false, time),
            Seen::LoaderAsks => {
                // A loader that finds no SEP asks for the phone's own file too, before XMLDefault.
                let within = self.boot.as_ref().is_some_and(|boot| !boot.legacy && boot.loads.is_none());
                if !within {
                    self.start(false, time);
                }
            }
            Seen::Loads { image } => {
                let boot = self.boot.get_or_insert_with(|| Boot::new(false, time));
                boot.loads = Some(image.clone());
            }
            Seen::Part { file, sent, total, end } => self.part(file, *sent, *total, end.as_ref(), time),
            Seen::Common => self.application_runs(),
            Seen::Own { named } => {
                self.named = named.clone();
                let boot = self.boot.get_or_insert_with(|| Boot::new(true, time));
                boot.own = Some(named.clone());
                self.application_runs();
            }
            Seen::Goes => self.goes_on(),
        }
    }

    fn start(&mut self, legacy: bool, time: Timestamp) {
        let repeated = self.boot.as_ref().is_some_and(|boot| {
            boot.legacy == legacy
                && boot.loads.is_none()
                && boot.own.is_none()
                && !boot.asked
                && time.as_second() - boot.began.as_second() <= REPEATED
        });
        if repeated {
            return;
        }
        if let Some(transfer) = self.transfer.take() {
            self.fail(format!("it restarted after {} of {} bytes of {}", transfer.sent, transfer.total, transfer.file));
        }
        self.boot = Some(Boot::new(legacy, time));
    }

    fn part(&mut self, file: &str, sent: u64, total: u64, end: Option<&Result<(), String>>, time: Timestamp) {
        // A report of a part that was taken since is old.
        let old = end.is_none()
            && (self.taken.contains(file)
                || self.transfer.as_ref().is_some_and(|t| t.file == file && t.sent > sent && sent > 0));
        if old {
            return;
        }
        let boot = self.boot.get_or_insert_with(|| Boot::new(file.ends_with(".bin"), time));
        boot.asked = true;
        match end {
            None => {
                self.failure = None;
                self.began.get_or_insert(time);
                self.transfer = Some(Transfer { file: file.to_owned(), sent, total });
            }
            Some(Ok(())) => {
                self.failure = None;
                self.began.get_or_insert(time);
                self.transfer = None;
                self.taken.insert(file.to_owned());
                if is_application(file) {
                    self.took_all = Some(time);
                }
            }
            Some(Err(why)) => {
                boot.whole = false;
                self.transfer = None;
                self.taken.remove(file);
                self.fail(why.clone());
            }
        }
    }

    fn fail(&mut self, why: String) {
        self.failures += 1;
        self.failure = Some(why);
        self.took_all = None;
    }

    /// An application that was started by a loader reads its configuration.
    fn application_runs(&mut self) {
        let Some(boot) = &self.boot else { return };
        let (Some(image), false) = (boot.loads.clone(), boot.legacy) else { return };
        let application = format!("{image}.sb2");
        if !boot.asked {
            self.runs(image, "it asked for the image's .loads file and needed none of its parts");
        } else if boot.whole && self.taken.contains(&application) {
            self.runs(image, "it took the image and came back for its configuration");
        }
    }

    /// An application goes on without asking for another image.
    fn goes_on(&mut self) {
        let Some(boot) = &self.boot else { return };
        if let (true, false, Some(Some(image))) = (boot.legacy, boot.asked, boot.own.clone()) {
            self.runs(image, "it read a configuration that names the image and did not ask for it");
        }
    }

    fn runs(&mut self, image: String, how: &'static str) {
        self.taken.clear();
        self.took_all = None;
        self.failures = 0;
        self.failure = None;
        if let (Some(began), Some(now)) = (self.began.take(), self.last) {
            self.lasted = Some(now.as_second() - began.as_second());
        }
        self.running = Some(Running { image, how: how.to_owned() });
    }
}

/// How late one of several pods may tell what another has told the sequel of, in seconds.
const LATE: i64 = 10;

/// What a phone's requests tell, whatever the order in which pods tell of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Track {
    now: Upgrade,
    before: Upgrade,
    recent: VecDeque<(Timestamp, Seen)>,
    /// What a new operator hears again.
    again: Upgrade,
}

impl Track {
    /// Begins with what a status said.
    pub fn new(known: Upgrade) -> Track {
        Track { now: known.clone(), before: known, ..Track::default() }
    }

    /// What is known.
    pub fn now(&self) -> &Upgrade {
        &self.now
    }

    /// Follows one request. One that is told late is put where it belongs; one that is told much later is passed over.
    pub fn follow(&mut self, seen: Seen, time: Timestamp) {
        if self.recent.is_empty() && self.before.last.is_some_and(|last| time <= last) {
            // A status tells of what it led to; only how the boot began is not in there.
            self.again.follow(&seen, time);
            self.before.boot = self.again.boot.clone();
            self.now.boot = self.again.boot.clone();
            return;
        }
        let newest = self.recent.back().map(|(at, _)| *at).or(self.before.last);
        match newest {
            Some(newest) if newest.as_second() - time.as_second() > LATE => return,
            Some(newest) if time < newest => {
                let at = self.recent.partition_point(|(at, _)| *at <= time);
                self.recent.insert(at, (time, seen));
                self.now = self.before.clone();
                for (at, seen) in &self.recent {
                    self.now.follow(seen, *at);
                }
            }
            _ => {
                self.now.follow(&seen, time);
                let goes_on = |seen: &Seen| matches!(seen, Seen::Part { end: None, .. });
                if goes_on(&seen) && self.recent.back().is_some_and(|(_, last)| goes_on(last)) {
                    self.recent.pop_back();
                }
                self.recent.push_back((time, seen));
            }
        }
        let newest = self.recent.back().map_or(time, |(at, _)| *at);
        while let Some((at, seen)) = self.recent.pop_front() {
            if newest.as_second() - at.as_second() <= LATE {
                self.recent.push_front((at, seen));
                break;
            }
            self.before.follow(&seen, at);
        }
    }
}

/// Whether a part is the application itself, the last that a phone takes.
pub fn is_application(file: &str) -> bool {
    let sip = file
        .split('.')
        .next()
        .and_then(Image::parse)
        .is_some_and(|image| image.loader().as_deref() != Some(image.name));
    file.ends_with(".sb2") || (file.ends_with(".bin") && sip)
}

/// What a request for a file means; nothing if it has nothing to do with firmware.
pub fn meaning(name: &str, sent: u64, total: u64, end: Option<Result<(), String>>) -> Option<Seen> {
    let base = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let upper = base.to_ascii_uppercase();
    let whole = matches!(end, Some(Ok(())));
    let stem = |suffix: &str| base.get(..base.len() - suffix.len()).unwrap_or_default().to_owned();
    match upper.as_str() {
        "OS79XX.TXT" => Some(Seen::LegacyStart),
        "SIPDEFAULT.CNF" => whole.then_some(Seen::Common),
        "XMLDEFAULT.CNF.XML" => Some(Seen::LoaderAsks),
        "RINGLIST.DAT" => Some(Seen::Goes),
        _ if upper.starts_with("CTLSEP") => Some(Seen::LoaderStart),
        _ if upper.starts_with("SEP") && upper.ends_with(".CNF.XML") => Some(Seen::LoaderAsks),
        _ if upper.ends_with(".LOADS") => whole.then(|| Seen::Loads { image: stem(".loads") }),
        _ if [".BIN", ".SBN", ".SB2"].iter().any(|suffix| upper.ends_with(suffix)) => {
            (total > 0).then(|| Seen::Part { file: base.to_owned(), sent, total, end })
        }
        _ if upper.ends_with(".XML") => Some(Seen::Goes),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
