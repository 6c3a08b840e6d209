//! What was written, from the API server's own log.

use std::collections::BTreeMap;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

/// Whom the operator acts as, so that its writes can be told from those of the measurement.
pub const OPERATOR: &str = "dialtone-operator";

/// The log.
pub struct Audit {
    path: PathBuf,
    read: u64,
    rest: String,
    writes: Vec<Write>,
}

/// One write of the operator.
#[derive(Clone, Debug)]
pub struct Write {
    /// What was written, such as `sipphones/status`.
    pub resource: String,
    /// Its name.
    pub name: String,
}

impl Audit {
    /// The log of a throwaway node, which is beside its kubeconfig.
    pub fn of(kubeconfig: &std::path::Path) -> Audit {
        Audit { path: kubeconfig.with_file_name("audit.log"), read: 0, rest: String::new(), writes: Vec::new() }
    }

    /// All writes of the operator so far.
    pub fn writes(&mut self) -> anyhow::Result<&[Write]> {
        let mut file = std::fs::File::open(&self.path).with_context(|| format!("no {}", self.path.display()))?;
        file.seek(SeekFrom::Start(self.read))?;
        let mut text = String::new();
        self.read += file.read_to_string(&mut text)? as u64;
        self.rest += &text;
        let Some(end) = self.rest.rfind('\n') else { return Ok(&self.writes) };
        let tail = self.rest.split_off(end + 1);
        for line in std::mem::replace(&mut self.rest, tail).lines() {
            let event: Value = serde_json::from_str(line)?;
            // The Lease is renewed all the time.
            if event["impersonatedUser"]["username"] != OPERATOR || event["objectRef"]["resource"] == "leases" {
                continue;
            }
            let part = |field: &str| event["objectRef"][field].as_str().unwrap_or_default().to_owned();
            let resource = match part("subresource").as_str() {
                "" => part("resource"),
                sub => format!("{}/{sub}", part("resource")),
            };
            self.writes.push(Write { resource, name: part("name") });
        }
        Ok(&self.writes)
    }

    /// The writes after so many.
    pub fn since(&mut self, count: usize) -> anyhow::Result<Vec<Write>> {
        Ok(self.writes()?[count..].to_vec())
    }

    /// Waits until nothing is written for three seconds; how many writes there were then.
    pub async fn quiet(&mut self) -> anyhow::Result<usize> {
        let mut last = self.writes()?.len();
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_secs(3)).await;
            let now = self.writes()?.len();
            if now == last {
                return Ok(now);
            }
            last = now;
        }
        anyhow::bail!("the operator does not stop writing")
    }
}

/// How often each kind of object was written.
pub fn by_kind(writes: &[Write]) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for write in writes {
        *kinds.entry(write.resource.clone()).or_insert(0) += 1;
    }
    kinds
}

/// How often one kind of object was written.
pub fn count(writes: &[Write], resource: &str) -> usize {
    writes.iter().filter(|write| write.resource == resource).count()
}

/// The most writes of any one ConfigMap.
pub fn most_of_one_map(writes: &[Write]) -> usize {
    let mut maps: BTreeMap<&str, usize> = BTreeMap::new();
    for write in writes.iter().filter(|write| write.resource == "configmaps") {
        *maps.entry(&write.name).or_insert(0) += 1;
    }
    maps.into_values().max().unwrap_or(0)
}
