//! The reports that a TFTP server gives over HTTP, and that the operator reads.
//!
//! The reader sends the cursors of the last report; the response comes at once if there is anything newer, otherwise as soon as
//! there is. A server that was restarted has another `instance`: then the report is complete again.
//!
//! Fields are named as in JSON. Server and operator may be of different versions during an upgrade, so no name changes, and what
//! is added has a default.

mod bounded;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

use super::network::plain;
use super::text::{QUOTED, printable};
use bounded::at_most;

/// The path of reports.
pub const REPORT_PATH: &str = "/v1/report";

/// The most bytes of a file that a reader believes, so that it can add sizes up: more than any file that is served has.
pub const MAX_SIZE: u64 = 1 << 40;
/// What is taken of the lists of a report whose items take more memory than text: a server sends fewer.
const MAX_PROBLEMS: usize = 32;
const MAX_PARTS: usize = 64;
const MAX_GONE: usize = 200_000;
const MAX_RECORDS: usize = 16_384;

/// The cursors of the reader.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    /// The instance of the last report.
    #[serde(default)]
    pub instance: String,
    /// `holdings.version` of the last report.
    #[serde(default)]
    pub holdings: u64,
    /// `journal.next` of the last report.
    #[serde(default)]
    pub journal: u64,
    /// How many seconds to wait for something new; at most 60.
    #[serde(default)]
    pub wait: u64,
}

impl Query {
    /// Queries what comes after a report.
    pub fn after(report: &Report, wait: u64) -> Query {
        Query {
            instance: report.instance.clone(),
            holdings: report.holdings.version,
            journal: report.journal.next,
            wait,
        }
    }

    /// The path and query of the URL.
    pub fn path(&self) -> String {
        let Query { instance, holdings, journal, wait } = self;
        format!("{REPORT_PATH}?instance={instance}&holdings={holdings}&journal={journal}&wait={wait}")
    }
}

/// One report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Which run of the server this is.
    pub instance: String,
    /// The time by the server's clock, so that the reader can tell how far that one is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// The files that it holds.
    pub holdings: Inventory,
    /// The requests that it got.
    pub journal: Journal,
    /// Files that could not be loaded, and why.
    #[serde(default, deserialize_with = "at_most::<MAX_PROBLEMS, _, _>")]
    pub problems: Vec<FileProblem>,
}

impl Report {
    /// Reads a report as it came; its texts can be shown.
    pub fn read(body: &[u8]) -> serde_json::Result<Report> {
        let mut report: Report = serde_json::from_slice(body)?;
        report.problems.truncate(MAX_PROBLEMS);
        for problem in &mut report.problems {
            (problem.file, problem.message) =
                (printable(&problem.file, QUOTED), printable(&problem.message, 2 * QUOTED));
        }
        Ok(report)
    }
}

/// The file in a folder with the problems of other files, a [`FileProblem`] in JSON on each line. `dialtone fetch` writes it, the
/// TFTP server reads it. It is not served, as no file whose name begins with two dots is.
pub(crate) const PROBLEMS_FILE: &str = "..problems";

/// Why a file could not be loaded or fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileProblem {
    /// The file's name, relative to the root; empty if it is not known which file it is.
    pub file: String,
    /// The reason.
    pub message: String,
}

impl FileProblem {
    /// A problem with a file.
    pub fn new(file: impl Into<String>, message: impl Into<String>) -> FileProblem {
        FileProblem { file: file.into(), message: message.into() }
    }
}

impl fmt::Display for FileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.file.as_str() {
            "" => f.write_str(&self.message),
            file => write!(f, "{file}: {}", self.message),
        }
    }
}

impl<'de> Deserialize<'de> for FileProblem {
    /// Also reads the one string that servers before this type sent, because during an upgrade the operator is the newer one. Such
    /// a text is not taken apart: neither file names nor messages are free of `": "`.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<FileProblem, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Wire {
            Fields { file: String, message: String },
            Text(String),
        }
        Ok(match Wire::deserialize(deserializer)? {
            Wire::Fields { file, message } => FileProblem { file, message },
            Wire::Text(message) => FileProblem { file: String::new(), message },
        })
    }
}

/// The files that a server holds, or what changed of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// Grows with each change.
    pub version: u64,
    /// Whether `held` is everything; otherwise it is what was added or changed.
    pub complete: bool,
    /// Files.
    pub held: Vec<HeldFile>,
    /// Names of files that are no longer there.
    #[serde(deserialize_with = "at_most::<MAX_GONE, _, _>")]
    pub gone: Vec<String>,
}

/// One file that a server holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldFile {
    /// Its name, relative to the root.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// The SHA-256 of its bytes in hexadecimal digits.
    pub digest: Arc<str>,
    /// Its first bytes, which distinguish formats.
    #[serde(default)]
    pub first: [u8; 4],
    /// For a `.loads` file: the files that it names.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "at_most::<MAX_PARTS, _, _>")]
    pub parts: Vec<String>,
}

/// The requests that a server got since the last report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// The cursor for the next report.
    pub next: u64,
    /// How many records were dropped because no reader came for them in time.
    pub lost: u64,
    /// The records, oldest first.
    #[serde(deserialize_with = "at_most::<MAX_RECORDS, _, _>")]
    pub records: Vec<Record>,
}

/// One request and its outcome, or the progress of a large file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its number.
    pub seq: u64,
    /// When it ended.
    pub time: Timestamp,
    /// The client.
    pub peer: SocketAddr,
    /// The name as it was requested.
    pub asked: Arc<str>,
    /// The file, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<Arc<str>>,
    /// The SHA-256 of the file's bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Arc<str>>,
    /// The file's size in bytes.
    #[serde(default)]
    pub size: u64,
    /// How many bytes were acknowledged.
    #[serde(default)]
    pub acknowledged: u64,
    /// The duration in milliseconds.
    #[serde(default)]
    pub millis: u64,
    /// For how many of them all bytes had been sent, and the last of them were not acknowledged.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unacknowledged: u64,
    /// Its outcome.
    pub outcome: Outcome,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Record {
    /// A request that led to no transfer.
    pub fn without_transfer(client: SocketAddr, requested: &str, outcome: Outcome) -> Record {
        Record {
            seq: 0,
            time: Timestamp::now(),
            peer: plain(client),
            asked: requested.into(),
            file: None,
            digest: None,
            size: 0,
            acknowledged: 0,
            millis: 0,
            unacknowledged: 0,
            outcome,
        }
    }
}

/// The outcome of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// The transfer goes on; only reported of large files.
    Running,
    /// All bytes were acknowledged.
    Complete,
    /// There is no such file.
    NotFound,
    /// The client aborted the transfer, with an ERROR packet or with another request from the same port.
    Aborted,
    /// The client stopped answering.
    TimedOut,
    /// The request was refused: it was a write request, or illegal.
    Refused,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_keeps_its_file_and_its_message_apart() {
        let problem = FileProblem::new("odd: name.bin", "http://[::1]/: status: 404");
        let json = serde_json::to_string(&problem).unwrap();
        assert_eq!(json, r#"{"file":"odd: name.bin","message":"http://[::1]/: status: 404"}"#);
        assert_eq!(serde_json::from_str::<FileProblem>(&json).unwrap(), problem);
        assert_eq!(problem.to_string(), "odd: name.bin: http://[::1]/: status: 404");
    }

    #[test]
    fn of_lists_that_take_more_memory_than_text_so_much_is_taken() {
        let many = |item: &str| vec![item; 300_000].join(",");
        let report = |held: &str, gone: &str, problems: &str| {
            let json = format!(
                r#"{{"instance": "i", "holdings": {{"version": 1, "complete": true, "held": [{held}], "gone": [{gone}]}},
                "journal": {{"next": 1, "lost": 0, "records": []}}, "problems": [{problems}]}}"#
            );
            serde_json::from_str::<Report>(&json).unwrap()
        };
        let parts = many("\"\"");
        let held = format!(r#"{{"name": "a", "size": 1, "digest": "", "parts": [{parts}]}}"#);
        let report = report(&held, &parts, &parts);
        assert_eq!(report.problems.len(), MAX_PROBLEMS);
        assert_eq!(report.holdings.gone.len(), MAX_GONE);
        assert_eq!(report.holdings.held[0].parts.len(), MAX_PARTS);
        assert!(report.holdings.held[0].parts.capacity() < 2 * MAX_PARTS);
    }

    #[test]
    fn a_report_of_an_older_server_is_read_and_its_problems_are_of_no_known_file() {
        let json = r#"{"instance": "i", "holdings": {"version": 1, "complete": true, "held": [], "gone": []},
            "journal": {"next": 1, "lost": 0, "records": []}, "problems": ["a.bin: no such file"]}"#;
        let report: Report = serde_json::from_str(json).unwrap();
        assert_eq!(report.problems, [FileProblem::new("", "a.bin: no such file")]);
        assert_eq!(report.problems[0].to_string(), "a.bin: no such file");
    }
}
