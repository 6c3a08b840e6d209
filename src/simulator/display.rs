//! What a phone does at this moment, for whoever watches.

use std::sync::{Mutex, PoisonError};

/// What a phone does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Doing {
    /// In a few words.
    pub what: String,
    /// The file that it takes, and how many bytes it has.
    pub file: Option<(String, usize)>,
    /// The image that it runs.
    pub running: String,
    /// How often it restarted.
    pub restarts: u32,
    /// How often it took an image in vain.
    pub failures: u32,
}

/// A phone's display.
#[derive(Debug, Default)]
pub struct Display(Mutex<Doing>);

impl Display {
    fn change(&self, change: impl FnOnce(&mut Doing)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What it shows.
    pub fn now(&self) -> Doing {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// It does something else.
    pub fn says(&self, what: impl Into<String>) {
        self.change(|doing| (doing.what, doing.file) = (what.into(), None));
    }

    /// It takes a file.
    pub fn takes(&self, file: &str, bytes: usize) {
        self.change(|doing| match &mut doing.file {
            Some((name, so_far)) if name == file => *so_far = bytes,
            other => *other = Some((file.to_owned(), bytes)),
        });
    }

    /// It runs an image.
    pub fn runs(&self, image: &str) {
        self.change(|doing| image.clone_into(&mut doing.running));
    }

    /// It restarts.
    pub fn restarts(&self) {
        self.change(|doing| doing.restarts += 1);
    }

    /// It did not take an image.
    pub fn failed(&self) {
        self.change(|doing| doing.failures += 1);
    }
}
