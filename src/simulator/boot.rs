//! The order in which a phone asks for its files.

use tokio::time::{Instant, sleep};

use super::images::{Load, uses_loader};
use super::outcome::Outcome;
use super::phone::{Ended, Options, Phone};
use crate::base::text::{QUOTED, printable};
use crate::phone::FileName;
use crate::phone::file_name::{OS79XX, RING_LIST, SIP_DEFAULT, XML_DEFAULT, dial_plan};
use crate::phone::image::LOADS;

/// After so many changes of image in one boot the phone is considered to be in a loop.
const MAX_UPGRADES: usize = 4;
/// After so many restarts, too: a change of image takes two. Those that it makes of itself because a download failed come on top.
const MAX_RESTARTS: u32 = 2 * MAX_UPGRADES as u32;
/// The number of requests that are kept when the next boot begins.
const MAX_FILES: usize = 200;

/// Boots a phone, with as many restarts as it takes.
pub async fn boot(options: Options) -> Outcome {
    let mut phone = Phone::new(options);
    let ended = phone.start().await;
    phone.outcome(ended)
}

impl Phone {
    /// Switches the phone on, and lets it restart until it is up.
    pub async fn start(&mut self) -> Ended {
        let changes = self.before.len();
        let tries = self.options.fault.map_or(0, |(_, tries)| tries);
        let most = self.restarts.saturating_add(MAX_RESTARTS).saturating_add(tries);
        loop {
            let ended = self.boot_once().await;
            if let Some(path) = &self.options.memory
                && let Err(error) = self.memory.write(path)
            {
                self.problems.push(format!("{}: {error}", path.display()));
            }
            if ended != Ended::Restarts {
                return ended;
            }
            if self.before.len() > changes + MAX_UPGRADES || self.restarts >= most {
                let running = &self.memory.running;
                self.problems.push(format!("the phone goes round in circles between images; it runs {running} now"));
                return Ended::Unprovisioned;
            }
            self.restart().await;
        }
    }

    /// The phone is off for the duration of a restart.
    pub(super) async fn restart(&mut self) {
        self.restarts += 1;
        self.display.count_restart();
        self.display.set("restarts");
        sleep(self.options.reboot).await;
    }

    async fn boot_once(&mut self) -> Ended {
        self.display.set("boots");
        self.is_up = false;
        let excess = self.files.len().saturating_sub(MAX_FILES);
        self.files.drain(..excess);
        let later = uses_loader(&self.memory.running);
        let ended = if later { self.later_order().await } else { self.legacy_order().await };
        if ended == Ended::Up {
            self.extras().await;
            self.is_up = true;
        }
        self.display.set(match ended {
            Ended::Up => "is up",
            Ended::Unprovisioned => "has no configuration",
            Ended::Restarts => "restarts",
            Ended::Vanished => "is gone",
        });
        ended
    }

    /// The order before 7.0, as in Cisco's application note: OS79XX.TXT, the image that it names if another protocol runs,
    /// the two configuration files, and the image that they name.
    async fn legacy_order(&mut self) -> Ended {
        if let Some(file) = self.fetch(OS79XX).await {
            let text: String = file.iter().map(|byte| char::from(*byte)).collect();
            let name = text.trim_end_matches(['\r', '\n']).to_owned();
            if name.trim() != name {
                self.problems.push(
                    "OS79XX.TXT: there is a blank at the end; old phones ask for a file with a blank in its name"
                        .into(),
                );
            }
            // The first four characters are the protocol: if they are those of the running image, nothing is loaded.
            if !name.is_empty() && name.get(..4) != self.memory.running.get(..4) {
                match self.load_legacy(&name).await {
                    Load::Complete | Load::LoaderOnly | Load::Retry => return Ended::Restarts,
                    Load::Vanished => return Ended::Vanished,
                    Load::Skipped => {}
                }
            }
        }
        self.application().await
    }

    /// The order of loaders from 7.0 on.
    async fn later_order(&mut self) -> Ended {
        let mac = self.options.mac;
        self.fetch(&FileName::CtlSep(Some(mac)).to_string()).await;
        let sep = self.fetch(&FileName::Sep(Some(mac)).to_string()).await;
        let mut wanted = sep.and_then(|xml| self.load_information(&xml));
        if wanted.is_none() {
            self.fetch(&FileName::Own(mac).to_string()).await;
            self.fetch(&FileName::Mgc(mac).to_string()).await;
            wanted = self.fetch(XML_DEFAULT).await.and_then(|xml| self.load_information(&xml));
        }
        if let Some(wanted) = wanted {
            if wanted == self.memory.running {
                self.fetch(&format!("{wanted}{LOADS}")).await;
            } else {
                match self.load_image(&wanted).await {
                    Load::LoaderOnly | Load::Retry => return Ended::Restarts,
                    Load::Vanished => return Ended::Vanished,
                    // The loader starts an application of its own era directly; an older one starts by itself.
                    Load::Complete if !uses_loader(&wanted) => return Ended::Restarts,
                    Load::Complete | Load::Skipped => {}
                }
            }
        }
        self.application().await
    }

    /// The application: its configuration, and the image that that names.
    async fn application(&mut self) -> Ended {
        if !self.configuration().await {
            return Ended::Unprovisioned;
        }
        let wanted = self.memory.flash.get("image_version").unwrap_or(&self.memory.running).to_owned();
        if wanted == self.memory.running {
            return Ended::Up;
        }
        match self.load_image(&wanted).await {
            Load::Complete | Load::LoaderOnly | Load::Retry => Ended::Restarts,
            Load::Vanished => Ended::Vanished,
            Load::Skipped => Ended::Up,
        }
    }

    /// The phone-common and the phone-specific file. A phone without the second asks for it again and again.
    async fn configuration(&mut self) -> bool {
        if let Some(file) = self.fetch(SIP_DEFAULT).await {
            self.memory.flash.load(&file);
        }
        let folder = self.memory.flash.get("tftp_cfg_dir").unwrap_or_default();
        let name = format!("{folder}{}", FileName::Own(self.options.mac));
        let deadline = Instant::now() + self.options.wait;
        loop {
            if let Some(file) = self.fetch(&name).await {
                if !file.ends_with(b"\n") {
                    self.add_problem(printable(&format!("{name}: the last line has no end"), QUOTED));
                }
                self.memory.flash.load(&file);
                return true;
            }
            if Instant::now() + self.options.poll > deadline {
                let name = printable(&name, QUOTED);
                self.add_problem(format!("{name} is not there: the display says \"Phone Unprovisioned\""));
                return false;
            }
            sleep(self.options.poll).await;
        }
    }

    /// What a provisioned phone asks for last, both at once.
    async fn extras(&mut self) {
        self.fetch(RING_LIST).await;
        if let Some(template) = self.memory.flash.get("dial_template").map(str::to_owned) {
            self.fetch(&dial_plan(&template)).await;
        }
    }
}
