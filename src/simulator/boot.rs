//! The order in which a phone asks for its files.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::client::{self, ANY, Failure, Patience, Request};
use super::display::Display;
use super::flash::Memory;
use super::images::{Load, uses_loader};
use super::misfortune::Misfortune;
use super::outcome::{FetchResult, Fetched, Outcome};
use crate::phone::{Mac, Model};

/// What a phone is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The TFTP server.
    pub server: SocketAddr,
    /// The phone's Ethernet address.
    pub mac: Mac,
    /// Its model.
    pub model: Model,
    /// The image that it runs, unless it remembers another.
    pub running: String,
    /// Its own address; unspecified for the system's choice.
    pub bind: IpAddr,
    /// Whether it obeys when it is told to run another image.
    pub upgrade: bool,
    /// How long it asks again for a configuration that is not there.
    pub wait: Duration,
    /// How often it does.
    pub poll: Duration,
    /// How patient its TFTP client is.
    pub patience: Patience,
    /// How long a restart takes; the real phone takes 27 to 55 s.
    pub reboot: Duration,
    /// What goes wrong while it takes an image, and how often it tries in spite of it.
    pub misfortune: Option<(Misfortune, u32)>,
    /// Where it keeps what outlives the process.
    pub memory: Option<PathBuf>,
}

impl Options {
    /// A 7960 with a 7.4 image that restarts at once.
    pub fn new(server: SocketAddr, mac: Mac) -> Options {
        Options {
            server,
            mac,
            model: Model::Cp7960,
            running: "P0S3-07-4-00".to_owned(),
            bind: ANY,
            upgrade: true,
            wait: Duration::ZERO,
            poll: Duration::from_secs(31),
            patience: Patience::default(),
            reboot: Duration::ZERO,
            misfortune: None,
            memory: None,
        }
    }
}

/// How one boot ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The phone has its configuration.
    Up,
    /// It has none.
    Unprovisioned,
    /// It restarts, with another image or for another try.
    Restarts,
    /// It is gone.
    Vanished,
}

/// A phone.
pub struct Phone {
    pub(super) options: Options,
    pub(super) memory: Memory,
    pub(super) display: Arc<Display>,
    pub(super) restarts: u32,
    /// Whether it has its configuration.
    pub(super) is_up: bool,
    pub(super) files: Vec<Fetched>,
    pub(super) problems: Vec<String>,
    pub(super) before: Vec<String>,
    pub(super) failures: u32,
    /// Whether it takes no image any more until somebody restarts it.
    pub(super) has_had_enough: bool,
    pub(super) began: Instant,
}

/// After so many changes of image the phone is taken to go round in circles.
const MOST_UPGRADES: usize = 4;
/// How many requests are remembered: those of the last boots.
const MOST_FILES: usize = 200;

/// Boots a phone, with as many restarts as it takes.
pub async fn boot(options: Options) -> Outcome {
    let mut phone = Phone::new(options);
    let ended = phone.start().await;
    phone.outcome(ended)
}

impl Phone {
    /// A phone that is switched off.
    pub fn new(options: Options) -> Phone {
        let (mut memory, mut problems) = (Memory::new(&options.running), Vec::new());
        match options.memory.as_deref().map(Memory::read) {
            Some(Ok(Some(kept))) => memory = kept,
            Some(Err(error)) => problems.push(format!("what it kept cannot be read: {error}")),
            _ => {}
        }
        let display = Arc::new(Display::default());
        display.runs(&memory.running);
        Phone {
            options,
            memory,
            display,
            restarts: 0,
            is_up: false,
            files: Vec::new(),
            problems,
            before: Vec::new(),
            failures: 0,
            has_had_enough: false,
            began: Instant::now(),
        }
    }

    /// What it does at this moment, for whoever watches.
    pub fn display(&self) -> Arc<Display> {
        self.display.clone()
    }

    /// Its Ethernet address.
    pub fn name(&self) -> String {
        self.options.mac.to_string()
    }

    /// Switches it on, and lets it restart until it is up.
    pub async fn start(&mut self) -> Ended {
        let changes = self.before.len();
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
            if self.before.len() > changes + MOST_UPGRADES {
                let running = &self.memory.running;
                self.problems.push(format!("the phone goes round in circles between images; it runs {running} now"));
                return Ended::Unprovisioned;
            }
            self.restart().await;
        }
    }

    /// It is off for as long as a restart takes.
    pub(super) async fn restart(&mut self) {
        self.restarts += 1;
        self.display.restarts();
        self.display.says("restarts");
        sleep(self.options.reboot).await;
    }

    async fn boot_once(&mut self) -> Ended {
        self.display.says("boots");
        self.is_up = false;
        let excess = self.files.len().saturating_sub(MOST_FILES);
        self.files.drain(..excess);
        let later = uses_loader(&self.memory.running);
        let ended = if later { self.later_order().await } else { self.legacy_order().await };
        if ended == Ended::Up {
            self.extras().await;
            self.is_up = true;
        }
        self.display.says(match ended {
            Ended::Up => "is up",
            Ended::Unprovisioned => "has no configuration",
            Ended::Restarts => "restarts",
            Ended::Vanished => "is gone",
        });
        ended
    }

    /// Something that a real phone would trip over.
    pub(super) fn problem(&mut self, problem: String) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// Asks for a file.
    pub(super) async fn fetch(&mut self, name: &str) -> Option<Vec<u8>> {
        self.ask(name).await.ok()
    }

    pub(super) async fn ask(&mut self, name: &str) -> Result<Vec<u8>, Failure> {
        let began = Instant::now();
        let Options { bind, server, patience, misfortune, .. } = self.options;
        let mishap = misfortune.filter(|(_, tries)| self.failures < *tries).and_then(|(what, _)| what.strikes(name));
        let request = Request { bind, server, name, patience, mishap, display: &self.display };
        let (answer, repeats) = client::fetch(&request).await;
        let (content, result) = match answer.clone() {
            Ok(content) => (content, FetchResult::Fetched),
            Err(Failure::NotFound) => (Vec::new(), FetchResult::NotFound),
            Err(Failure::Refused(code, words)) => (Vec::new(), FetchResult::Refused(format!("{code} {words}"))),
            Err(Failure::Silent) => {
                let lost = began.elapsed().as_secs_f64();
                self.problems.push(format!("{name}: the server said nothing, which cost {lost:.1} s"));
                (Vec::new(), FetchResult::Silent)
            }
            Err(Failure::Network(error)) => {
                self.problems.push(format!("{name}: {error}"));
                (Vec::new(), FetchResult::Failed(error))
            }
            Err(Failure::GaveUp(_) | Failure::Vanished) => (Vec::new(), FetchResult::GaveUp),
        };
        let millis = began.elapsed().as_secs_f64() * 1000.0;
        self.files.push(Fetched { file: name.to_owned(), result, bytes: content.len(), millis, repeats, content });
        answer
    }

    /// The application note's order: OS79XX.TXT, the image that it names if another protocol runs, the two configuration
    /// files, and the image that they name.
    async fn legacy_order(&mut self) -> Ended {
        if let Some(file) = self.fetch("OS79XX.TXT").await {
            let text: String = file.iter().map(|byte| char::from(*byte)).collect();
            let name = text.trim_end_matches(['\r', '\n']).to_owned();
            if name.trim() != name {
                self.problems.push(
                    "OS79XX.TXT: there is a blank at the end; old phones ask for a file with a blank in its name"
                        .into(),
                );
            }
            // The first four characters tell the protocol: if they are those of the running image, nothing is loaded.
            if !name.is_empty() && name.get(..4) != self.memory.running.get(..4) {
                match self.load_legacy(&name).await {
                    Load::Whole | Load::Part | Load::Again => return Ended::Restarts,
                    Load::Vanished => return Ended::Vanished,
                    Load::Not => {}
                }
            }
        }
        self.application().await
    }

    /// The order of loaders from 7.0 on.
    async fn later_order(&mut self) -> Ended {
        let mac = self.options.mac;
        self.fetch(&format!("CTLSEP{mac}.tlv")).await;
        let mut wanted = self.fetch(&format!("SEP{mac}.cnf.xml")).await.and_then(|xml| self.load_information(&xml));
        if wanted.is_none() {
            self.fetch(&format!("SIP{mac}.cnf")).await;
            self.fetch(&format!("MGC{mac}.cnf")).await;
            wanted = self.fetch("XMLDefault.cnf.xml").await.and_then(|xml| self.load_information(&xml));
        }
        if let Some(wanted) = wanted {
            if wanted == self.memory.running {
                self.fetch(&format!("{wanted}.loads")).await;
            } else {
                match self.load_image(&wanted).await {
                    Load::Part | Load::Again => return Ended::Restarts,
                    Load::Vanished => return Ended::Vanished,
                    // The loader starts an application of its own era directly; an older one starts by itself.
                    Load::Whole if !uses_loader(&wanted) => return Ended::Restarts,
                    Load::Whole | Load::Not => {}
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
            Load::Whole | Load::Part | Load::Again => Ended::Restarts,
            Load::Vanished => Ended::Vanished,
            Load::Not => Ended::Up,
        }
    }

    /// The phone-common and the phone-specific file. A phone without the second asks for it again and again.
    async fn configuration(&mut self) -> bool {
        if let Some(file) = self.fetch("SIPDefault.cnf").await {
            self.memory.flash.load(&file);
        }
        let name = format!("{}SIP{}.cnf", self.memory.flash.get("tftp_cfg_dir").unwrap_or_default(), self.options.mac);
        let deadline = Instant::now() + self.options.wait;
        loop {
            if let Some(file) = self.fetch(&name).await {
                if !file.ends_with(b"\n") {
                    self.problems.push(format!("{name}: the last line has no end"));
                }
                self.memory.flash.load(&file);
                return true;
            }
            if Instant::now() + self.options.poll > deadline {
                self.problems.push(format!("{name} is not there: the display says \"Phone Unprovisioned\""));
                return false;
            }
            sleep(self.options.poll).await;
        }
    }

    /// What a provisioned phone asks for last, both at once.
    async fn extras(&mut self) {
        self.fetch("RINGLIST.DAT").await;
        if let Some(template) = self.memory.flash.get("dial_template").map(str::to_owned) {
            self.fetch(&format!("{template}.xml")).await;
        }
    }
}
