//! From manifests to files, and from what was seen to a status: pure functions and a model in memory.
//!
//! Nothing here reads a clock, a socket or the Kubernetes API. The operator, `standalone`, `render` and the tests are shells
//! round the same [`Fleet`].

pub mod advice;
pub mod catalog;
mod claims;
pub mod consent;
pub mod contents;
mod dependencies;
pub mod diagnostic;
mod firmware;
mod fleet;
pub mod networks;
mod observe;
pub mod placeholder;
mod placement;
mod render;
pub mod resync;
pub mod slips;
mod status;
mod sync;
pub mod updates;
mod verdict;

pub use contents::dial_plan::USUAL_NAME as DIAL_TEMPLATE;
pub use dependencies::Reference;
pub use fleet::{Fleet, Meta, PhoneReport, SiteFigures, Urgency, WorkItem};
pub use observe::fetch::Fetch;
pub use placement::slot::{Content, MAX_SHARDS, Slot};
pub use render::secret_value::SecretError;
pub use status::site::{Infra, InfraProblem, PodsProblem};

use std::fmt;
use std::sync::Arc;

/// An object's namespace and name. Each stands in many places: they share its text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The namespace.
    pub namespace: Arc<str>,
    /// The name.
    pub name: Arc<str>,
}

impl Key {
    /// A key.
    pub fn new(namespace: impl AsRef<str>, name: impl AsRef<str>) -> Key {
        Key { namespace: namespace.as_ref().into(), name: name.as_ref().into() }
    }

    /// Another object in the same namespace.
    pub fn sibling(&self, name: impl AsRef<str>) -> Key {
        Key { namespace: self.namespace.clone(), name: name.as_ref().into() }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// One file as phones get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name in the TFTP root.
    pub name: String,
    /// Its bytes.
    pub bytes: bytes::Bytes,
    /// Their digest.
    pub digest: crate::base::digest::Digest,
}

impl File {
    /// A file.
    pub fn new(name: impl Into<String>, bytes: impl Into<bytes::Bytes>) -> File {
        let bytes = bytes.into();
        File { name: name.into(), digest: crate::base::digest::Digest::of(&bytes), bytes }
    }
}
