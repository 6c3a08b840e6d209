//! Reads what a TFTP server tells, as the operator does: one request after the other, each waiting for news.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// A reader at work.
pub struct Reader {
    ending: Arc<AtomicBool>,
    records: Arc<AtomicU64>,
    thread: JoinHandle<anyhow::Result<()>>,
}

/// As much of a report as is needed to ask for the next.
#[derive(Deserialize)]
struct Report {
    instance: String,
    holdings: Holdings,
    journal: Journal,
}

#[derive(Deserialize)]
struct Holdings {
    version: u64,
}

#[derive(Deserialize)]
struct Journal {
    next: u64,
    records: Vec<IgnoredAny>,
}

/// Begins to read.
pub fn start(address: &str) -> Reader {
    let (ending, records) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let (done, count, address) = (ending.clone(), records.clone(), address.to_owned());
    let thread = std::thread::spawn(move || -> anyhow::Result<()> {
        crate::process::pin(&[1])?;
        let agent: ureq::Agent =
            ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(10))).build().into();
        let (mut instance, mut version, mut next) = (String::new(), 0, 0);
        while !done.load(Ordering::Relaxed) {
            let url =
                format!("http://{address}/v1/report?instance={instance}&holdings={version}&journal={next}&wait=1");
            let mut answer = agent.get(url).header("authorization", "Bearer bench").call()?;
            let body = answer.body_mut().with_config().limit(64 << 20).read_to_vec()?;
            let report: Report = serde_json::from_slice(&body)?;
            count.fetch_add(report.journal.records.len() as u64, Ordering::Relaxed);
            (instance, version, next) = (report.instance, report.holdings.version, report.journal.next);
        }
        Ok(())
    });
    Reader { ending, records, thread }
}

impl Reader {
    /// Ends it. It must have been told something.
    pub fn stop(self) -> anyhow::Result<u64> {
        self.ending.store(true, Ordering::Relaxed);
        self.thread.join().ok().context("the reader panicked")??;
        let records = self.records.load(Ordering::Relaxed);
        anyhow::ensure!(records > 0, "the server told its reader nothing");
        Ok(records)
    }
}
