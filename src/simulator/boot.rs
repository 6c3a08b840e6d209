//! The order in which a phone asks for its files.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::client::{self, Failure, Patience};
use super::flash::Flash;
use crate::phone::image::Image;
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
    /// The image that it runs.
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
}

/// How a request for a file ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum FetchResult {
    /// It came.
    Fetched,
    /// There is no such file.
    NotFound,
    /// The server refused, in these words.
    Refused(String),
    /// The server said nothing.
    Silent,
    /// The network failed.
    Failed(String),
}

/// One file that was asked for.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fetched {
    /// Its name.
    pub file: String,
    /// How it ended.
    pub result: FetchResult,
    /// How many bytes came.
    pub bytes: usize,
    /// How long it took, in milliseconds.
    pub millis: f64,
    /// How often something had to be asked again.
    pub repeats: u32,
    /// The bytes.
    #[serde(skip)]
    pub content: Vec<u8>,
}

/// How a boot went.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The phone.
    pub mac: String,
    /// Whether it has what it needs.
    pub booted: bool,
    /// What it asked for, in order.
    pub files: Vec<Fetched>,
    /// The image that it runs now.
    pub running: String,
    /// Its lines, as `name@proxy`.
    pub lines: Vec<String>,
    /// What its display says.
    pub label: String,
    /// What it needed and did not get, and what a real phone would trip over.
    pub problems: Vec<String>,
    /// How long all of it took, in milliseconds.
    pub millis: f64,
    /// Its memory.
    #[serde(skip)]
    pub flash: Flash,
}

struct Phone {
    options: Options,
    files: Vec<Fetched>,
    problems: Vec<String>,
    running: String,
    flash: Flash,
}

/// After so many changes of image the phone is taken to go round in circles.
const MOST_UPGRADES: usize = 4;

/// Boots a phone.
pub async fn boot(options: Options) -> Outcome {
    let began = Instant::now();
    let running = options.running.clone();
    let mut phone = Phone { options, files: Vec::new(), problems: Vec::new(), running, flash: Flash::default() };
    let mut provisioned = false;
    for round in 0.. {
        let before = phone.running.clone();
        provisioned = if uses_loader(&before) { phone.later_order().await } else { phone.legacy_order().await };
        if phone.running == before {
            break;
        }
        if round >= MOST_UPGRADES {
            phone
                .problems
                .push(format!("the phone goes round in circles between images; it runs {} now", phone.running));
            provisioned = false;
            break;
        }
    }
    if provisioned {
        phone.extras().await;
    }
    phone.finish(provisioned, began.elapsed())
}

fn uses_loader(image: &str) -> bool {
    Image::parse(image).is_some_and(|image| image.uses_loader())
}

impl Phone {
    /// Asks for a file.
    async fn fetch(&mut self, name: &str) -> Option<Vec<u8>> {
        let began = Instant::now();
        let Options { bind, server, patience, .. } = self.options;
        let (result, repeats) = client::fetch(bind, server, name, patience).await;
        let (content, result) = match result {
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
        };
        let came = (result == FetchResult::Fetched).then(|| content.clone());
        let millis = began.elapsed().as_secs_f64() * 1000.0;
        self.files.push(Fetched { file: name.to_owned(), result, bytes: content.len(), millis, repeats, content });
        came
    }

    /// The application note's order: OS79XX.TXT, the image that it names if another protocol runs, the two configuration
    /// files, and the image that they name.
    async fn legacy_order(&mut self) -> bool {
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
            if !name.is_empty() && name.get(..4) != self.running.get(..4) && self.load_legacy(&name).await {
                return false;
            }
        }
        let provisioned = self.configuration().await;
        let wanted = self.flash.get("image_version").unwrap_or(&self.running).to_owned();
        if provisioned && wanted != self.running {
            self.load_image(&wanted).await;
        }
        provisioned
    }

    /// The order of loaders from 7.0 on.
    async fn later_order(&mut self) -> bool {
        let mac = self.options.mac;
        self.fetch(&format!("CTLSEP{mac}.tlv")).await;
        let mut wanted = self.fetch(&format!("SEP{mac}.cnf.xml")).await.and_then(|xml| self.load_information(&xml));
        if wanted.is_none() {
            self.fetch(&format!("SIP{mac}.cnf")).await;
            self.fetch(&format!("MGC{mac}.cnf")).await;
            wanted = self.fetch("XMLDefault.cnf.xml").await.and_then(|xml| self.load_information(&xml));
        }
        if let Some(wanted) = wanted {
            if wanted != self.running {
                if self.load_image(&wanted).await {
                    return false;
                }
            } else {
                self.fetch(&format!("{wanted}.loads")).await;
            }
        }
        let provisioned = self.configuration().await;
        let wanted = self.flash.get("image_version").unwrap_or(&self.running).to_owned();
        if provisioned && wanted != self.running {
            self.load_image(&wanted).await;
        }
        provisioned
    }

    /// The phone-common and the phone-specific file. A phone without the second asks for it again and again.
    async fn configuration(&mut self) -> bool {
        if let Some(file) = self.fetch("SIPDefault.cnf").await {
            self.flash.load(&file);
        }
        let name = format!("{}SIP{}.cnf", self.flash.get("tftp_cfg_dir").unwrap_or_default(), self.options.mac);
        let deadline = Instant::now() + self.options.wait;
        loop {
            if let Some(file) = self.fetch(&name).await {
                if !file.ends_with(b"\n") {
                    self.problems.push(format!("{name}: the last line has no end"));
                }
                self.flash.load(&file);
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
        if let Some(template) = self.flash.get("dial_template").map(str::to_owned) {
            self.fetch(&format!("{template}.xml")).await;
        }
    }

    async fn load_legacy(&mut self, name: &str) -> bool {
        if !self.options.upgrade {
            return false;
        }
        let loaded = self.fetch(&format!("{name}.bin")).await.is_some();
        if loaded {
            name.clone_into(&mut self.running);
        } else {
            self.problems.push(format!("{name}.bin is not there: the phone goes on with {}", self.running));
        }
        loaded
    }

    /// Fetches an image and starts it; whether it did.
    async fn load_image(&mut self, name: &str) -> bool {
        if !self.options.upgrade {
            return false;
        }
        if !uses_loader(name) {
            return self.load_legacy(name).await;
        }
        let Some(loads) = self.fetch(&format!("{name}.loads")).await else {
            self.problems.push(format!("{name}.loads is not there: the phone goes on with {}", self.running));
            return false;
        };
        let text: String = loads.iter().map(|byte| char::from(*byte)).collect();
        let parts: Vec<String> = text
            .split(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)))
            .filter(|part| part.ends_with(".sbn") || part.ends_with(".sb2"))
            .map(str::to_owned)
            .collect();
        for part in parts {
            if self.fetch(&part).await.is_none() {
                self.problems.push(format!("{part} is not there: the phone goes on with {}", self.running));
                return false;
            }
        }
        name.clone_into(&mut self.running);
        true
    }

    /// The image that an XML file names for this model.
    fn load_information(&mut self, xml: &[u8]) -> Option<String> {
        let text: String = xml.iter().map(|byte| char::from(*byte)).collect();
        let number = if self.options.model == Model::Cp7940 { '8' } else { '7' };
        let tags = [format!("<loadInformation{number} "), "<loadInformation ".to_owned()];
        let at = tags.iter().find_map(|tag| text.find(tag.as_str()))?;
        let inside = text[at..].split_once('>')?.1;
        let name = inside.split_once('<')?.0.trim();
        if name.is_empty() {
            self.problems.push("an XML file names no image: the display says \"Protocol Application Invalid\"".into());
            return None;
        }
        Some(name.to_owned())
    }

    fn finish(mut self, provisioned: bool, took: Duration) -> Outcome {
        let lines: Vec<String> = (1..=self.options.model.lines())
            .filter_map(|n| {
                let name = self.flash.get(&format!("line{n}_name"))?;
                let own = self.flash.get(&format!("proxy{n}_address"));
                let proxy = own.or_else(|| self.flash.get("proxy1_address")).unwrap_or_default();
                Some(format!("{name}@{proxy}"))
            })
            .collect();
        if provisioned && lines.is_empty() {
            self.problems.push("no line has a name: the phone cannot call".into());
        }
        let silent = self.files.iter().any(|f| matches!(f.result, FetchResult::Silent | FetchResult::Failed(_)));
        Outcome {
            mac: self.options.mac.to_string(),
            booted: provisioned && !silent,
            files: self.files,
            running: self.running,
            lines,
            label: self.flash.get("phone_label").unwrap_or_default().to_owned(),
            problems: self.problems,
            millis: took.as_secs_f64() * 1000.0,
            flash: self.flash,
        }
    }
}
