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
    /// The status, and not by this program.
    pub altered: bool,
}

/// An object: its metadata, its spec, and its status as it was written and as the API server holds it.
#[derive(Debug)]
pub struct Object<S, T> {
    meta: Meta,
    spec: Arc<S>,
    /// What the schema refuses of the spec: it may be older than the schema, or come from a file.
    violations: Vec<Violation>,
    /// Whether a newer spec was seen that cannot be read.
    is_refused: bool,
    status: Status<T>,
}

/// A status. Mostly all three are one value, which is held once.
#[derive(Debug)]
struct Status<T> {
    /// What was written last, or found at the start.
    written: Arc<T>,
    /// What the API server made of that: another version of the definition drops what it does not know.
    answer: Arc<T>,
    /// The newest that the API server is known to hold, and the version of the object that has it.
    stored: Arc<T>,
    version: u64,
}

impl<T: PartialEq> Status<T> {
    /// Whether somebody else changed it since it was written.
    fn is_altered(&self) -> bool {
        !Arc::ptr_eq(&self.stored, &self.answer) && *self.stored != *self.answer
    }

    fn store(&mut self, status: T, version: u64) {
        if version < self.version {
            return;
        }
        self.version = version;
        if status == *self.answer {
            self.stored = self.answer.clone();
        } else if status != *self.stored {
            self.stored = Arc::new(status);
        }
    }
}

impl<S: Checked + PartialEq, T: PartialEq> Object<S, T> {
    /// An object as it was seen first.
    pub fn new(meta: Meta, spec: S, status: T) -> Object<S, T> {
        let status = Arc::new(status);
        let status = Status { written: status.clone(), answer: status.clone(), stored: status, version: meta.version };
        Object { violations: spec.violations(), is_refused: false, spec: Arc::new(spec), status, meta }
    }

    /// The object was seen again.
    pub fn apply(&mut self, meta: Meta, spec: S, status: T) -> ObjectChange {
        let before = self.status.stored.clone();
        self.status.store(status, meta.version);
        let altered = self.status.stored != before && self.status.is_altered();
        let resync_request = self.meta.resync_at != meta.resync_at;
        // What is right again may be what it was.
        let was_refused = std::mem::take(&mut self.is_refused);
        let any = was_refused || resync_request || self.meta.generation != meta.generation || *self.spec != spec;
        // Whoever claims something does so by the age that it had first.
        self.meta = Meta { created: self.meta.created, ..meta };
        if any {
            self.violations = spec.violations();
            self.spec = Arc::new(spec);
        }
        ObjectChange { any, resync_request, altered }
    }

    /// The object was seen again, and its newest spec cannot be read: what is known of it stays, and this is wrong with it.
    pub fn refuse(&mut self, meta: Meta, violation: Violation) {
        self.meta = Meta { created: self.meta.created, ..meta };
        self.is_refused = true;
        self.violations = vec![violation];
    }

    /// A status was written: what the API server made of it, and the version of the object that has that.
    pub fn note_status(&mut self, written: T, stored: T, version: u64) {
        let written = Arc::new(written);
        self.status.answer = if stored == *written { written.clone() } else { Arc::new(stored) };
        self.status.written = written;
        if version >= self.status.version {
            (self.status.stored, self.status.version) = (self.status.answer.clone(), version);
        }
    }

    /// Whether a status has to be written. One that was is not written again only because the API server holds it otherwise.
    pub fn needs_writing(&self, status: &T) -> bool {
        *status != *self.status.stored && (*status != *self.status.written || self.status.is_altered())
    }

    /// Whether somebody else changed the status since it was written.
    pub fn is_altered(&self) -> bool {
        self.status.is_altered()
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

    /// The status that was written last, or found at the start. What others make of it does not count.
    pub fn status(&self) -> &T {
        &self.status.written
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
        object.note_status("written", "written", 5);
        let late = object.apply(meta(1, 4), "spec", "seen late");
        assert!(!late.any && !late.altered && !object.needs_writing(&"written"));
        assert!(object.apply(meta(2, 6), "spec", "written").any, "the generation is another");
        object.refuse(meta(2, 7), Violation { field: String::new(), message: String::new() });
        assert!(
            object.apply(meta(2, 8), "spec", "written").any && object.violations().is_empty(),
            "it can be read again"
        );
    }

    #[test]
    fn a_status_that_somebody_else_changed_is_written_again() {
        let mut object = Object::new(meta(1, 1), "spec", "found");
        assert!(!object.is_altered() && !object.needs_writing(&"found") && object.needs_writing(&"new"));
        object.note_status("new", "new", 5);
        assert!(!object.apply(meta(1, 5), "spec", "new").altered, "the watch brings what was written");
        assert!(object.apply(meta(1, 6), "spec", "").altered && object.is_altered());
        assert_eq!(*object.status(), "new", "what others make of it does not count");
        assert!(object.needs_writing(&"new"));
        assert!(!object.apply(meta(1, 7), "spec", "").altered, "that is known");
        object.note_status("new", "new", 8);
        assert!(!object.is_altered() && !object.needs_writing(&"new"));
        // Somebody else puts it right before the operator does.
        assert!(object.apply(meta(1, 9), "spec", "x").altered && !object.apply(meta(1, 10), "spec", "new").altered);
        assert!(!object.needs_writing(&"new"));
    }

    #[test]
    fn what_the_api_server_drops_is_written_once_and_not_again() {
        let mut object = Object::new(meta(1, 1), "spec", "");
        object.note_status("a and b", "a", 5);
        assert!(!object.apply(meta(1, 5), "spec", "a").altered);
        assert!(!object.needs_writing(&"a and b"), "it would be dropped again");
        assert!(object.needs_writing(&"c and b"));
        assert!(object.apply(meta(1, 6), "spec", "").altered && object.needs_writing(&"a and b"));
    }
}
