//! One PhoneSite or SipPhone as the cluster holds it.

use std::sync::Arc;

use jiff::Timestamp;

use crate::api::{Checked, Violation};
use crate::provision::Key;

/// What an object's metadata say that matters here.
#[derive(Clone, Debug)]
pub struct Meta {
    /// Namespace and name.
    pub key: Key,
    /// Grows with each change of the spec.
    pub generation: Option<i64>,
    /// When it was created, in seconds: the older of two objects keeps what both want.
    pub created: i64,
    /// Which version of the object this is; later ones are larger.
    pub version: u64,
    /// When a restart of phones was asked for: the annotation `dialtone.dev/resync-at`.
    pub resync_at: Option<String>,
}

impl Meta {
    /// When a restart was asked for, if the annotation is a time.
    pub fn resync_request(&self) -> Option<Timestamp> {
        self.resync_at.as_deref()?.trim().parse().ok()
    }
}

/// What is different since an object was applied last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectChange {
    /// The spec, or the request for a restart.
    pub any: bool,
    /// The request for a restart.
    pub resync_request: bool,
}

/// An object: its metadata, its spec, and the newest status that the API server is known to hold.
#[derive(Debug)]
pub struct Object<S, T> {
    meta: Meta,
    spec: Arc<S>,
    /// What the schema refuses of the spec: it may be older than the schema, or come from a file.
    violations: Vec<Violation>,
    status: T,
    /// The version of the object that has the status.
    status_version: u64,
}

impl<S: Checked + PartialEq, T> Object<S, T> {
    /// An object as it was seen first.
    pub fn new(meta: Meta, spec: S, status: T) -> Object<S, T> {
        Object { violations: spec.violations(), spec: Arc::new(spec), status, status_version: meta.version, meta }
    }

    /// The object was seen again.
    pub fn apply(&mut self, meta: Meta, spec: S, status: T) -> ObjectChange {
        self.note_status(status, meta.version);
        let resync_request = self.meta.resync_at != meta.resync_at;
        let any = resync_request || self.meta.generation != meta.generation || *self.spec != spec;
        // Whoever claims something does so by the age that it had first.
        self.meta = Meta { created: self.meta.created, ..meta };
        if any {
            self.violations = spec.violations();
            self.spec = Arc::new(spec);
        }
        ObjectChange { any, resync_request }
    }

    /// The status was written, or seen: a version of the object has it.
    pub fn note_status(&mut self, status: T, version: u64) {
        if version >= self.status_version {
            (self.status, self.status_version) = (status, version);
        }
    }

    /// The metadata.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// The newest spec.
    pub fn spec(&self) -> &Arc<S> {
        &self.spec
    }

    /// What the schema refuses of the newest spec.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// The newest status that the API server is known to hold.
    pub fn status(&self) -> &T {
        &self.status
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Checked for &str {
        fn violations(&self) -> Vec<Violation> {
            Vec::new()
        }
    }

    fn meta(generation: i64, version: u64) -> Meta {
        Meta { key: Key::new("ns", "a"), generation: Some(generation), created: 1, version, resync_at: None }
    }

    #[test]
    fn an_older_status_does_not_take_the_place_of_a_newer_one() {
        let mut object = Object::new(meta(1, 1), "spec", "");
        object.note_status("written", 5);
        assert!(!object.apply(meta(1, 4), "spec", "seen late").any);
        assert_eq!(*object.status(), "written");
        assert!(object.apply(meta(2, 6), "spec", "seen").any, "the generation is another");
        assert_eq!(*object.status(), "seen");
    }
}
