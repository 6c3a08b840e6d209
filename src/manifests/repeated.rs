//! Objects that several documents describe: which of those holds, and what is in doubt therefore.

use std::collections::BTreeMap;

use anyhow::bail;

use crate::provision::Key;

/// The kinds and names of such objects, each with what is said of it.
#[derive(Default)]
pub(super) struct Repeated(BTreeMap<(String, Key), String>);

impl Repeated {
    /// Notes a document of an object, and another one of the same. The later one holds, as where both are applied to a cluster, and that
    /// is an error.
    pub(super) fn note<T>(&mut self, kind: &str, key: Key, other: Option<(T, String)>) -> anyhow::Result<()> {
        let Some((_, other)) = other else { return Ok(()) };
        let said =
            format!("{kind} {key} stands in {other} too: this one holds, because it was read last; remove one of them");
        self.0.insert((kind.to_owned(), key), said.clone());
        bail!(said)
    }

    /// Whether several documents describe an object.
    pub(super) fn has(&self, kind: &str, key: &Key) -> bool {
        self.0.contains_key(&(kind.to_owned(), key.clone()))
    }

    /// Those of a kind, and what is said of each.
    pub(super) fn of_kind(&self, kind: &str) -> impl Iterator<Item = (&Key, &str)> {
        self.0.iter().filter(move |((of, _), _)| of == kind).map(|((_, key), said)| (key, said.as_str()))
    }
}
