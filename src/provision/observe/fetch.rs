//! What TFTP pods report of one request.

use std::net::IpAddr;

use jiff::Timestamp;

use crate::base::digest::Digest;
use crate::base::report::{MAX_SIZE, Outcome, Record};
use crate::base::text::{QUOTED, printable};

/// A request that a TFTP pod answered, or could not answer.
#[derive(Clone, Debug)]
pub struct Fetch {
    /// The file's name, as it is in the tree if it is there, otherwise as it was asked for.
    pub name: String,
    /// The digest of the bytes, if the file is there and all of them were acknowledged.
    pub taken: Option<Digest>,
    /// The digest of the bytes, if all of them were sent to a client that had acknowledged some, and their end was not acknowledged; and for
    /// how many milliseconds that had been so.
    pub unacknowledged: Option<(Digest, i64)>,
    /// Whether there is no such file.
    pub missing: bool,
    /// Who asked.
    pub address: IpAddr,
    /// From which port: each of a phone's transfers has its own.
    pub port: u16,
    /// When the request ended, or when this was reported of it.
    pub time: Timestamp,
    /// How many bytes were acknowledged.
    pub sent: u64,
    /// How many the file has.
    pub total: u64,
    /// How it ended; nothing while it goes on.
    pub end: Option<Result<(), String>>,
}

impl From<&Record> for Fetch {
    fn from(record: &Record) -> Fetch {
        let complete = record.outcome == Outcome::Complete;
        let digest = record.digest.as_deref().and_then(Digest::from_hex);
        let unacknowledged = i64::try_from(record.unacknowledged).ok().filter(|millis| *millis > 0 && !complete);
        Fetch {
            name: name_of(record),
            taken: digest.filter(|_| complete),
            unacknowledged: digest.zip(unacknowledged),
            missing: record.outcome == Outcome::NotFound,
            address: record.peer.ip().to_canonical(),
            port: record.peer.port(),
            time: record.time,
            sent: record.acknowledged.min(MAX_SIZE),
            total: record.size.min(MAX_SIZE),
            end: match record.outcome {
                Outcome::Running => None,
                Outcome::Complete => Some(Ok(())),
                Outcome::NotFound | Outcome::Refused => Some(Err("it was refused".to_owned())),
                Outcome::Aborted | Outcome::TimedOut => {
                    let file = name_of(record);
                    let did = if record.outcome == Outcome::Aborted { "gave up" } else { "fell silent" };
                    Some(Err(format!("it {did} after {} of {} bytes of {file}", record.acknowledged, record.size)))
                }
            },
        }
    }
}

/// The name of the file, which anybody may have made up.
fn name_of(record: &Record) -> String {
    printable(record.file.as_deref().unwrap_or(&record.asked), QUOTED)
}

/// A time as Kubernetes writes it.
pub fn seconds(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}
