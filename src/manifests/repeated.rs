//! Objects that several documents describe: which of those holds, and what is in doubt therefore.

use std::collections::BTreeSet;

use anyhow::bail;

use crate::provision::Key;

/// The kinds and names of such objects.
#[derive(Default)]
pub(super) struct Repeated(BTreeSet<(String, Key)>);

impl Repeated {
    /// Notes a document of an object, and another one of the same. The later one holds, as where both are applied to a cluster, and that
    /// is an error.
    pub(super) fn note<T>(&mut self, kind: &str, key: Key, other: Option<(T, String)>) -> anyhow::Result<()> {
        let Some((_, other)) = other else { return Ok(()) };
        let said =
            format!("{kind} {key} stands in {other} too: this one holds, because it was read last; remove one of them");
        self.0.insert((kind.to_owned(), key));
        bail!(said)
    }

    /// Whether several documents describe an object.
    pub(super) fn has(&self, kind: &str, key: &Key) -> bool {
        self.0.contains(&(kind.to_owned(), key.clone()))
    }
}
