//! What is known of a phone that was booted.

use std::fmt;

use serde::Serialize;

use super::boot::{Ended, Phone};
use super::flash::Flash;

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
    /// The phone itself gave up.
    GaveUp,
}

/// One file that was asked for.
#[derive(Clone, Serialize)]
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

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Nobody reads 700,000 numbers.
        write!(f, "{}: {:?}, {} bytes", self.file, self.result, self.bytes)
    }
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
    /// The images that it ran before, in order.
    pub before: Vec<String>,
    /// How often it restarted.
    pub restarts: u32,
    /// How often it did not take an image.
    pub failures: u32,
    /// Whether it is gone for ever.
    pub vanished: bool,
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

impl Phone {
    /// How it went until now.
    pub fn outcome(&self, ended: Ended) -> Outcome {
        let flash = &self.memory.flash;
        let lines: Vec<String> = (1..=self.options.model.lines())
            .filter_map(|n| {
                let name = flash.get(&format!("line{n}_name"))?;
                let own = flash.get(&format!("proxy{n}_address"));
                let proxy = own.or_else(|| flash.get("proxy1_address")).unwrap_or_default();
                Some(format!("{name}@{proxy}"))
            })
            .collect();
        let mut problems = self.problems.clone();
        if ended == Ended::Up && lines.is_empty() {
            problems.push("no line has a name: the phone cannot call".into());
        }
        let silent = self.files.iter().any(|f| matches!(f.result, FetchResult::Silent | FetchResult::Failed(_)));
        Outcome {
            mac: self.options.mac.to_string(),
            booted: ended == Ended::Up && !silent,
            files: self.files.clone(),
            running: self.memory.running.clone(),
            before: self.before.clone(),
            restarts: self.restarts,
            failures: self.failures,
            vanished: ended == Ended::Vanished,
            lines,
            label: flash.get("phone_label").unwrap_or_default().to_owned(),
            problems,
            millis: self.began.elapsed().as_secs_f64() * 1000.0,
            flash: flash.clone(),
        }
    }
}
