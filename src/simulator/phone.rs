//! The simulated phone: its options, its state, and its requests. What it does with them is in `boot.rs`, `images.rs` and
//! `run.rs`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::client::{self, ANY, Failure, Patience, Request};
use super::display::Display;
use super::fault::{Fault, Losses};
use super::flash::Memory;
use super::network::Network;
use super::outcome::{FetchResult, Fetched, Outcome};
use crate::base::text::{QUOTED, printable};
use crate::phone::{Mac, Model};

/// What a phone is started with. Many fields because each is set by itself.
#[derive(Clone, Debug)]
pub struct Options {
    /// The TFTP server.
    pub server: SocketAddr,
    /// The phone's Ethernet address.
    pub mac: Mac,
    /// Its model.
    pub model: Model,
    /// The image that it runs, unless its memory names another.
    pub running: String,
    /// Its own IP address; unspecified to let the system choose.
    pub bind: IpAddr,
    /// Whether it loads another image when its files name one.
    pub upgrade: bool,
    /// How long it repeats the request for a configuration that is not there.
    pub wait: Duration,
    /// The time between two of these requests.
    pub poll: Duration,
    /// The timeouts and retries of its TFTP client.
    pub patience: Patience,
    /// Whether it stops asking for files if the server answered nothing at all to its request for the first one.
    pub gives_up: bool,
    /// How long a restart takes; the real phone takes 27 to 55 s.
    pub reboot: Duration,
    /// A fault while it downloads an image, and the number of attempts in spite of it.
    pub fault: Option<(Fault, u32)>,
    /// What is lost between it and the TFTP server.
    pub losses: Losses,
    /// The file in which it keeps its memory between two runs of the process.
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
            gives_up: false,
            reboot: Duration::ZERO,
            fault: None,
            losses: Losses::default(),
            memory: None,
        }
    }
}

/// The end of one boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The phone has its configuration.
    Up,
    /// It has none.
    Unprovisioned,
    /// It restarts, with another image or for another attempt.
    Restarts,
    /// It was switched off in the middle of a transfer.
    Vanished,
}

/// A simulated phone.
pub struct Phone {
    pub(super) options: Options,
    pub(super) memory: Memory,
    network: Network,
    pub(super) display: Arc<Display>,
    pub(super) restarts: u32,
    /// Whether it has its configuration.
    pub(super) is_up: bool,
    /// Its latest requests.
    pub(super) files: Vec<Fetched>,
    pub(super) problems: Vec<String>,
    /// The images that it ran before, in order.
    pub(super) before: Vec<String>,
    /// The number of failed image downloads.
    pub(super) failures: u32,
    /// Whether it has given up its image until the next restart from outside.
    pub(super) gave_up: bool,
    pub(super) began: Instant,
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
        display.set_image(&memory.running);
        let network = Network::new(options.losses, options.mac);
        Phone {
            options,
            memory,
            network,
            display,
            restarts: 0,
            is_up: false,
            files: Vec::new(),
            problems,
            before: Vec::new(),
            failures: 0,
            gave_up: false,
            began: Instant::now(),
        }
    }

    /// Its display, which shows its current activity.
    pub fn display(&self) -> Arc<Display> {
        self.display.clone()
    }

    /// Its Ethernet address.
    pub fn name(&self) -> String {
        self.options.mac.to_string()
    }

    /// Notes what would make a real phone fail.
    pub(super) fn add_problem(&mut self, problem: String) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// Fetches a file; nothing if that fails, for whatever reason.
    pub(super) async fn fetch(&mut self, name: &str) -> Option<Vec<u8>> {
        self.request(name).await.ok()
    }

    /// Fetches a file, and records the request.
    pub(super) async fn request(&mut self, name: &str) -> Result<Vec<u8>, Failure> {
        if self.options.gives_up && !self.files.is_empty() && !self.display.activity().answered {
            return Err(Failure::Silent);
        }
        let began = Instant::now();
        // Files name other files.
        let shown = printable(name, QUOTED);
        let Options { bind, server, patience, fault, .. } = self.options;
        let fault = fault.filter(|(_, tries)| self.failures < *tries).and_then(|(fault, _)| fault.of_transfer(name));
        let request = Request { bind, server, name, patience, fault, display: &self.display };
        let (answer, repeats) = client::fetch(&request, &mut self.network).await;
        if !matches!(answer, Err(Failure::Silent | Failure::Network(_))) {
            self.display.set_answered();
        }
        let (content, result) = match answer.clone() {
            Ok(content) => (content, FetchResult::Fetched),
            Err(Failure::NotFound) => (Vec::new(), FetchResult::NotFound),
            Err(Failure::Refused(code, text)) => (Vec::new(), FetchResult::Refused(format!("{code} {text}"))),
            Err(Failure::Silent) => {
                let lost = began.elapsed().as_secs_f64();
                let what = if self.options.gives_up && !self.display.activity().answered {
                    format!(
                        "{server} answered nothing in {lost:.0} s: is a TFTP server running there, and do firewalls let UDP through?"
                    )
                } else {
                    format!("{shown}: the server said nothing, which cost {lost:.1} s")
                };
                self.problems.push(what);
                (Vec::new(), FetchResult::Silent)
            }
            Err(Failure::Network(error)) => {
                self.problems.push(format!("{shown}: {error}"));
                (Vec::new(), FetchResult::Failed(error))
            }
            Err(Failure::Aborted(_) | Failure::Vanished | Failure::Cut(_)) => (Vec::new(), FetchResult::GaveUp),
        };
        let millis = began.elapsed().as_secs_f64() * 1000.0;
        self.files.push(Fetched { file: shown, result, bytes: content.len(), millis, repeats, content });
        answer
    }

    /// The result so far. What files said is cut and escaped, because it is printed.
    pub fn outcome(&self, ended: Ended) -> Outcome {
        let flash = &self.memory.flash;
        let lines: Vec<String> = (1..=self.options.model.lines())
            .filter_map(|n| {
                let name = flash.get(&format!("line{n}_name"))?;
                let own = flash.get(&format!("proxy{n}_address"));
                let proxy = own.or_else(|| flash.get("proxy1_address")).unwrap_or_default();
                Some(printable(&format!("{name}@{proxy}"), QUOTED))
            })
            .collect();
        let mut problems: Vec<String> = self.problems.iter().map(|problem| printable(problem, 2 * QUOTED)).collect();
        if ended == Ended::Up && lines.is_empty() {
            problems.push("no line has a name: the phone cannot call".into());
        }
        let silent = self.files.iter().any(|f| matches!(f.result, FetchResult::Silent | FetchResult::Failed(_)));
        Outcome {
            mac: self.options.mac.to_string(),
            booted: ended == Ended::Up && !silent,
            files: self.files.clone(),
            running: printable(&self.memory.running, QUOTED),
            before: self.before.iter().map(|image| printable(image, QUOTED)).collect(),
            restarts: self.restarts,
            failures: self.failures,
            vanished: ended == Ended::Vanished,
            lines,
            label: printable(flash.get("phone_label").unwrap_or_default(), QUOTED),
            problems,
            millis: self.began.elapsed().as_secs_f64() * 1000.0,
            flash: flash.clone(),
        }
    }
}
