//! What is known of a phone's firmware from its requests: which image it runs, and how far it is with another one.
//!
//! Two orders are known. Firmware before 7.0 asks for OS79XX.TXT, its two configuration files, and the image that they name
//! if it does not run it. Loaders from 7.0 on ask for CTLSEP and SEP, then for the `.loads` file of the image that they are
//! offered, then for those of its parts that they do not have, restarting between them; the application that starts in the
//! end asks for SIPDefault.cnf and its own file.

use std::collections::BTreeSet;

use jiff::Timestamp;

mod boot;
mod event;
mod recover;
mod reorder;
mod stage;

use boot::Boot;

pub use event::{BootEvent, Named, is_application, meaning};
pub use reorder::EventReorderer;
pub use stage::{Wanted, stage};

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
    /// Whether both figures are those of all files of the image, as a status shows them.
    pub of_all: bool,
}

impl Transfer {
    fn stood(&self) -> String {
        let Transfer { file, sent, total, of_all } = self;
        let what = if *of_all { format!("the image, on its way with {file}") } else { file.clone() };
        format!("{sent} of {total} bytes of {what}")
    }
}

/// What is known of a phone's firmware.
///
/// Many fields because each is one observation; all of them are read and changed together, request by request.
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
    /// When it took one of them last.
    pub took: Option<Timestamp>,
    /// When it took the last part.
    pub took_all: Option<Timestamp>,
    /// How often it failed since it last ran what it should.
    pub failures: u32,
    /// Why it failed, until it tries again.
    pub failure: Option<String>,
    /// Why it failed last, until it runs what it should.
    pub failed_before: Option<String>,
    /// When it last asked for anything.
    pub last: Option<Timestamp>,
    /// When it began to take the first part.
    began: Option<Timestamp>,
    /// How many seconds its last upgrade took, from the first part until it was seen to run the image.
    pub lasted: Option<i64>,
    boot: Option<Box<Boot>>,
}

/// Requests repeated within this many seconds are one.
const REPEATED: i64 = 3;
/// A phone that takes a file says something at least this often, in seconds; the pod that served it may be gone with all that
/// it knew.
const STALE: i64 = 120;
/// A phone that read of an image, or took it, should be heard of within so many seconds; otherwise what it asked for may be
/// lost with the pod that served it.
const HEARD_WITHIN: i64 = 180;
/// A phone that took a part of an image should be seen again, for the next one or running it, within so many seconds: the
/// longest that a restart was seen to take is 55.
const BACK_WITHIN: i64 = 600;

const TOOK_AND_CAME_BACK: &str = "it took the image and came back for its configuration";

impl Upgrade {
    /// Whether it runs an image, and has taken nothing since that would change it.
    pub fn stays_with(&self, image: &str) -> bool {
        let runs = self.running.as_ref().is_some_and(|running| running.image == image);
        runs && self.transfer.is_none() && !self.taken.iter().any(|file| is_application(file))
    }

    /// Since when it is on its way, and how long it may be so in silence.
    fn waits(&self) -> Option<(Timestamp, i64)> {
        match (&self.transfer, self.took) {
            (Some(_), _) => Some((self.last?, STALE)),
            (None, took) => Some((took?, BACK_WITHIN)),
        }
    }

    /// After how many seconds there is something else to say although nothing is heard.
    pub fn due_in(&self, now: Timestamp) -> Option<i64> {
        let (since, most) = self.waits()?;
        let waited = now.as_second() - since.as_second();
        (waited <= most).then_some(most + 1 - waited)
    }

    /// When a phone that read of an image, or took it, should have been heard of. Unknown for phones behind one address.
    pub fn overdue_at(&self, image: &str) -> Option<Timestamp> {
        let unclear = self.boot.as_ref().is_some_and(|boot| boot.unclear);
        let expected = self.took_all.is_some() || self.named.as_deref() == Some(image);
        if !expected || unclear || self.transfer.is_some() || self.failure.is_some() || self.stays_with(image) {
            return None;
        }
        Timestamp::from_second(self.last?.as_second() + HEARD_WITHIN).ok()
    }

    /// Notes a failure that shows only in that nothing was heard; whether there is one.
    fn lapse(&mut self, now: Timestamp) -> bool {
        let Some((since, most)) = self.waits() else { return false };
        if now.as_second() - since.as_second() <= most {
            return false;
        }
        let why = match self.transfer.take() {
            Some(transfer) => format!("it fell silent after {}", transfer.stood()),
            None if self.took_all.is_some() => {
                format!("it took the image and was not seen to run it within {} minutes", BACK_WITHIN / 60)
            }
            None => {
                let files = self.taken.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
                format!("it took {files} and did not come for the rest within {} minutes", BACK_WITHIN / 60)
            }
        };
        self.fail(why);
        true
    }

    /// What is known when nothing more was heard until now, if that is anything new.
    fn lapsed(&self, now: Timestamp) -> Option<Upgrade> {
        let (since, most) = self.waits()?;
        (now.as_second() - since.as_second() > most).then(|| {
            let mut lapsed = self.clone();
            lapsed.lapse(now);
            lapsed
        })
    }

    /// Follows one request.
    pub fn follow(&mut self, seen: &BootEvent, time: Timestamp) {
        self.lapse(time);
        self.last = self.last.max(Some(time));
        match seen {
            BootEvent::LegacyStart => self.start(true, time),
            BootEvent::LoaderStart => self.start(false, time),
            BootEvent::LoaderAsks => {
                // A loader that finds no SEP asks for the phone's own file too, before XMLDefault.
                let within = self.boot.as_ref().is_some_and(|boot| !boot.legacy && boot.loads.is_none());
                if !within {
                    self.start(false, time);
                }
            }
            BootEvent::Loads { image } => {
                let boot = self.boot.get_or_insert_with(|| Boot::new(false, time));
                boot.failed.remove(&format!("{image}.loads"));
                boot.loads = Some(image.clone());
                // It asks for the file because what it read names the image.
                self.named = Some(image.clone());
            }
            BootEvent::Part { file, sent, total, end } => self.part(file, *sent, *total, end.as_ref(), time),
            BootEvent::Common(named) => {
                self.restarts_unseen(time, |boot| boot.common_at);
                if let Some(boot) = &mut self.boot {
                    boot.common = named.clone();
                    boot.common_at = Some(time);
                }
                self.reads(time);
                self.application_runs(true);
            }
            BootEvent::Own(named) => {
                // A loader may read it before the application does.
                self.restarts_unseen(time, |boot| boot.own_at.filter(|_| boot.legacy));
                // How the boot began was not seen: of such a one nothing is concluded.
                let boot = self.boot.get_or_insert_with(|| Boot::new(false, time));
                boot.own = Some(named.clone());
                boot.own_at = Some(time);
                self.reads(time);
            }
            BootEvent::Goes => {
                self.restarts_unseen(time, |_| None);
                if let Some(boot) = &mut self.boot {
                    boot.went_on = Some(time);
                }
                self.goes_on();
                self.application_runs(true);
            }
            BootEvent::Unclear => {
                // It may have come back, or taken more: that it did not cannot be said any more.
                self.took = None;
                self.took_all = None;
                if let Some(boot) = &mut self.boot {
                    boot.unclear = true;
                }
            }
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
            self.fail(format!("it restarted after {}", transfer.stood()));
        }
        if legacy {
            // Firmware before 7.0 takes an image without restarting first: what it read before leads to nothing any more.
            self.named = None;
        }
        self.boot = Some(Boot::new(legacy, time));
    }

    /// Whoever reads one of its files again has restarted, although the pod that served the beginning is gone. So has
    /// whoever took an image and reads its configuration after that: firmware before 7.0 reads it before it takes an image.
    fn restarts_unseen(&mut self, time: Timestamp, read: impl Fn(&Boot) -> Option<Timestamp>) {
        let took_all = self.took_all.is_some();
        let unseen = match &self.boot {
            None => took_all,
            Some(boot) => {
                let again = read(boot).is_some_and(|at| time.as_second() - at.as_second() > REPEATED);
                again || (took_all && boot.legacy && !boot.took.is_empty())
            }
        };
        if unseen {
            // Of a boot that is not known to be an older firmware's nothing is concluded from what it reads.
            let legacy = took_all && self.taken.iter().any(|file| file.ends_with(".bin"));
            self.boot = Some(Boot::new(legacy, time));
        }
    }

    fn part(&mut self, file: &str, sent: u64, total: u64, end: Option<&Result<(), String>>, time: Timestamp) {
        let boot = self.boot.get_or_insert_with(|| Boot::new(file.ends_with(".bin"), time));
        let other = self.transfer.as_ref().is_some_and(|now| now.file == file && now.sent > sent && !now.of_all);
        let old = match end {
            None => boot.took.contains(file),
            Some(Ok(())) => false,
            // The phone had begun again from another port, and the server gave up the first attempt late.
            Some(Err(_)) => {
                let image = file.split('.').next();
                let listed = file.ends_with(".loads") && boot.loads.as_deref() == image;
                let running = self.running.as_ref().map(|running| running.image.as_str());
                let runs = running == image && self.transfer.is_none();
                other || listed || runs || boot.took.contains(file) || self.taken.contains(file)
            }
        };
        if old {
            return;
        }
        boot.asked |= !file.ends_with(".loads");
        if !boot.took.contains(file) && self.taken.remove(file) {
            self.fail(format!("it took {file} whole, restarted, and asks for it again: it does not keep it"));
        }
        let Some(boot) = &mut self.boot else { return };
        match end {
            None => {
                self.failure = None;
                self.began.get_or_insert(time);
                self.transfer = Some(Transfer { file: file.to_owned(), sent, total, of_all: false });
            }
            Some(Ok(())) => {
                boot.took.insert(file.to_owned());
                boot.failed.remove(file);
                self.failure = None;
                self.began.get_or_insert(time);
                self.transfer = None;
                self.taken.insert(file.to_owned());
                self.took = Some(time);
                if is_application(file) {
                    self.took_all = Some(time);
                }
            }
            Some(Err(why)) => {
                boot.fail(file);
                self.transfer = None;
                self.fail(why.clone());
            }
        }
    }

    fn fail(&mut self, why: String) {
        self.failures = self.failures.saturating_add(1);
        self.failed_before = Some(why.clone());
        self.failure = Some(why);
        self.took = None;
        self.took_all = None;
    }

    /// It read one of its two files.
    fn reads(&mut self, time: Timestamp) {
        let Some(boot) = &self.boot else { return };
        if let Some(names) = boot.names() {
            self.named = match names {
                Named::Image(image) => Some(image.clone()),
                Named::Unknown | Named::Nothing => None,
            };
        }
        let at_once = boot.went_on.is_some_and(|at| time.as_second() - at.as_second() <= 1);
        self.application_runs(false);
        // Two threads of a pod may report the last two files in either order.
        if at_once {
            self.goes_on();
        }
    }

    /// An application that was started by a loader reads its configuration; `certainly` if it asked for what no loader asks for.
    fn application_runs(&mut self, certainly: bool) {
        let Some(boot) = self.boot.as_ref().filter(|boot| !boot.legacy && !boot.unclear) else { return };
        let application = self.taken.iter().find(|file| file.ends_with(".sb2"));
        match (&boot.loads, application) {
            (Some(image), _) if !boot.asked => {
                self.runs(image.clone(), "it asked for the image's .loads file and needed none of its parts");
            }
            (Some(image), _) if boot.failed.is_empty() && self.taken.contains(&format!("{image}.sb2")) => {
                self.runs(image.clone(), TOOK_AND_CAME_BACK);
            }
            // The pod that served the `.loads` file is gone.
            (None, Some(file)) if certainly && !boot.asked && boot.failed.is_empty() => {
                self.runs(file.trim_end_matches(".sb2").to_owned(), TOOK_AND_CAME_BACK);
            }
            _ => {}
        }
    }

    /// An application goes on without asking for another image.
    fn goes_on(&mut self) {
        let Some(boot) = self.boot.as_ref().filter(|boot| !boot.unclear) else { return };
        match (boot.legacy, boot.asked, boot.names().cloned()) {
            (true, false, Some(Named::Image(image))) => {
                self.runs(image, "it read a configuration that names the image and did not ask for it");
            }
            // It took a stepping stone, and is offered nothing else yet.
            (true, false, Some(Named::Nothing)) => self.arrives(),
            _ => {}
        }
    }

    /// It is on its way no longer.
    fn arrives(&mut self) {
        self.taken.clear();
        self.took = None;
        self.took_all = None;
    }

    fn runs(&mut self, image: String, how: &'static str) {
        self.arrives();
        self.failures = 0;
        self.failure = None;
        self.failed_before = None;
        if let (Some(began), Some(now)) = (self.began.take(), self.last) {
            self.lasted = Some(now.as_second() - began.as_second());
        } else if self.running.as_ref().is_none_or(|running| running.image != image) {
            self.lasted = None;
        }
        self.running = Some(Running { image, how: how.to_owned() });
    }
}

#[cfg(test)]
mod tests;
