//! The fleet behind its lock.

use std::sync::Mutex;

use anyhow::anyhow;

use super::supervisor::Tasks;
use crate::provision::Fleet;

/// The fleet behind its lock.
///
/// A panic while the lock is held ends the process, whoever caused it, even where panics are caught: a change that was
/// interrupted leaves the fleet half changed, and to go on would write half-changed files to phones. The next process builds a
/// fleet from what the cluster holds.
pub(super) struct FleetLock {
    fleet: Mutex<Fleet>,
    tasks: Tasks,
}

impl FleetLock {
    /// An empty fleet.
    pub(super) fn new(tasks: Tasks) -> FleetLock {
        FleetLock { fleet: Mutex::new(Fleet::new()), tasks }
    }

    /// Uses the fleet. Panics if a panic has interrupted another use: the process is ending then.
    pub(super) fn with<T>(&self, job: impl FnOnce(&mut Fleet) -> T) -> T {
        let Ok(mut fleet) = self.fleet.lock() else {
            panic!("a panic has left the fleet half changed: the process is ending");
        };
        let mut in_use = InUse { tasks: &self.tasks, interrupted: true };
        let answer = job(&mut fleet);
        in_use.interrupted = false;
        answer
    }
}

/// Ends the process when a use of the fleet was interrupted.
struct InUse<'a> {
    tasks: &'a Tasks,
    interrupted: bool,
}

impl Drop for InUse<'_> {
    fn drop(&mut self) {
        if self.interrupted {
            self.tasks.fail(anyhow!("a panic left the fleet half changed"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::supervisor::{catch, supervised};
    use super::super::testing::first_end;
    use super::*;

    #[tokio::test]
    async fn a_panic_that_interrupts_a_change_of_the_fleet_ends_the_process() {
        let (tasks, mut supervisor) = supervised();
        let fleet = FleetLock::new(tasks);
        fleet.with(|fleet| assert_eq!(fleet.sites().count(), 0));
        assert!(catch(async { fleet.with(|_| panic!("half way")) }).await.is_err());
        assert_eq!(first_end(&mut supervisor).await, "a panic left the fleet half changed");
        let panic = catch(async { fleet.with(|_| ()) }).await.unwrap_err();
        assert!(panic.to_string().contains("the process is ending"), "{panic}");
    }
}
