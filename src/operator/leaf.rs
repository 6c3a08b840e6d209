//! A lock that an owner of state holds for one of its own methods only.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A leaf lock: its holder takes no other lock and awaits nothing, so locks have no order that could be mistaken.
#[derive(Debug, Default)]
pub(super) struct Leaf<T>(Mutex<T>);

impl<T> Leaf<T> {
    /// A lock around a value.
    pub(super) fn new(value: T) -> Leaf<T> {
        Leaf(Mutex::new(value))
    }

    /// Takes the lock. A poisoned one is used as it is: owners do nothing that panics between two changes that belong together.
    pub(super) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
