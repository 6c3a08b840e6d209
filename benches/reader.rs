//! Reads what a TFTP server tells, as the operator does: one request after the other, each waiting for news.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use dialtone::base::report::Query;

/// A reader at work.
pub struct Reader {
    ending: Arc<AtomicBool>,
    records: Arc<AtomicU64>,
    thread: JoinHandle<anyhow::Result<()>>,
}

/// Begins to read.
pub fn start(address: &str) -> Reader {
    let (ending, records) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let (done, count, address) = (ending.clone(), records.clone(), address.to_owned());
    let thread = std::thread::spawn(move || -> anyhow::Result<()> {
        crate::process::pin(&[1])?;
        let agent: ureq::Agent =
            ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(10))).build().into();
        let mut query = Query { wait: 1, ..Query::default() };
        while !done.load(Ordering::Relaxed) {
            let url = format!("http://{address}{}", query.path());
            let mut answer = agent.get(url).header("authorization", "Bearer bench").call()?;
            let body = answer.body_mut().with_config().limit(64 << 20).read_to_string()?;
            let told = |key| after(&body, key).context("a report without its cursors");
            query.instance = told(r#"{"instance":""#)?.to_owned();
            query.holdings = told(r#""holdings":{"version":"#)?.parse()?;
            query.journal = told(r#""journal":{"next":"#)?.parse()?;
            count.store(query.journal - 1, Ordering::Relaxed);
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

/// What follows a key. The cursors stand before the records, and nothing else is looked at: the reader has its core from the
/// load, whose limit that is, and the operator would have one of its own.
fn after<'a>(report: &'a str, key: &str) -> Option<&'a str> {
    report.split_once(key)?.1.split([',', '"', '}']).next()
}
