//! A phone's current activity, which the command shows.

use std::sync::{Mutex, PoisonError};

/// What a phone does at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// A short description.
    pub what: String,
    /// The file that it downloads, and the bytes received so far.
    pub file: Option<(String, usize)>,
    /// The image that it runs.
    pub running: String,
    /// Whether the server has answered anything.
    pub answered: bool,
    /// The number of restarts.
    pub restarts: u32,
    /// The number of failed image downloads.
    pub failures: u32,
}

/// A phone's display.
#[derive(Debug, Default)]
pub struct Display(Mutex<Activity>);

impl Display {
    fn change(&self, change: impl FnOnce(&mut Activity)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The current activity.
    pub fn activity(&self) -> Activity {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The phone does something else.
    pub(super) fn set(&self, what: impl Into<String>) {
        self.change(|activity| (activity.what, activity.file) = (what.into(), None));
    }

    /// The phone has received so many bytes of a file.
    pub(super) fn set_transfer(&self, file: &str, bytes: usize) {
        self.change(|activity| {
            activity.answered = true;
            match &mut activity.file {
                Some((name, so_far)) if name == file => *so_far = bytes,
                other => *other = Some((file.to_owned(), bytes)),
            }
        });
    }

    /// The server has answered.
    pub(super) fn set_answered(&self) {
        self.change(|activity| activity.answered = true);
    }

    /// The phone runs another image.
    pub(super) fn set_image(&self, image: &str) {
        self.change(|activity| image.clone_into(&mut activity.running));
    }

    /// The phone restarts.
    pub(super) fn count_restart(&self) {
        self.change(|activity| activity.restarts += 1);
    }

    /// The download of an image failed.
    pub(super) fn count_failure(&self) {
        self.change(|activity| activity.failures += 1);
    }
}
