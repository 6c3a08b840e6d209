//! The result of a boot, as the command prints it.

use std::fmt;

use serde::Serialize;

use super::flash::Flash;

/// How a request for a file ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum FetchResult {
    /// The file was received.
    Fetched,
    /// There is no such file.
    NotFound,
    /// The server sent an error with this text.
    Refused(String),
    /// The server did not answer.
    Silent,
    /// The network failed.
    Failed(String),
    /// The phone aborted the transfer.
    GaveUp,
}

/// One request for a file.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fetched {
    /// Its name.
    pub file: String,
    /// How it ended.
    pub result: FetchResult,
    /// The number of bytes received.
    pub bytes: usize,
    /// The duration, in milliseconds.
    pub millis: f64,
    /// The number of repeated requests and acknowledgements.
    pub repeats: u32,
    /// The bytes.
    #[serde(skip)]
    pub content: Vec<u8>,
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the content, which may be 700,000 bytes.
        write!(f, "{}: {:?}, {} bytes", self.file, self.result, self.bytes)
    }
}

/// The result of a boot. Many fields because `--output json` prints each, and there is the memory.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The phone.
    pub mac: String,
    /// Whether it got its configuration and every request was answered.
    pub booted: bool,
    /// The requests, in order.
    pub files: Vec<Fetched>,
    /// The image that it runs now.
    pub running: String,
    /// The images that it ran before, in order.
    pub before: Vec<String>,
    /// The number of restarts.
    pub restarts: u32,
    /// The number of image downloads that failed.
    pub failures: u32,
    /// Whether it was switched off in the middle of a transfer.
    pub vanished: bool,
    /// Its lines, as `name@proxy`.
    pub lines: Vec<String>,
    /// The label on its display.
    pub label: String,
    /// The files that were missing, and what would make a real phone fail.
    pub problems: Vec<String>,
    /// The duration, in milliseconds.
    pub millis: f64,
    /// Its memory.
    #[serde(skip)]
    pub flash: Flash,
}
