//! Whether this process may write: it leads, and no other installation looks after the namespace. One door for all writes.

use std::collections::BTreeSet;
use std::future::pending;
use std::time::Duration;

use tokio::sync::{RwLock, RwLockReadGuard, watch};
use tokio::time::Instant;

use super::leaf::Leaf;

/// How long the end waits for writes that are under way.
const FLIGHT_LIMIT: Duration = Duration::from_secs(3);

/// What a process is among those that look after the same objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It does not know yet who leads.
    Unknown,
    /// Another process leads.
    Standby(Leader),
    /// It leads until then if its Lease is not renewed; for ever if there is no election.
    Leads(Option<Instant>),
    /// It led, and writes nothing any more.
    Ended,
}

/// Who leads instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Leader {
    /// The process, by its word in the Lease.
    pub(super) holder: String,
    /// Its Lease, as namespace and name.
    pub(super) lease: String,
    /// Whether it is one of another installation, which nobody may have wanted.
    pub(super) is_foreign: bool,
}

/// The owner of what this process is, and of what it leaves to others.
#[derive(Debug)]
pub(super) struct Leadership {
    standing: watch::Sender<Standing>,
    /// Held for reading by every write that is under way.
    flights: RwLock<()>,
    /// Namespaces that another installation looks after.
    left: Leaf<BTreeSet<String>>,
}

/// A write may go on: the end waits for it.
#[derive(Debug)]
pub(super) struct Flight<'a>(#[expect(dead_code, reason = "it is held")] RwLockReadGuard<'a, ()>);

impl Leadership {
    /// Before the election.
    pub(super) fn new() -> Leadership {
        Leadership { standing: watch::Sender::new(Standing::Unknown), flights: RwLock::new(()), left: Leaf::default() }
    }

    /// What this process is.
    pub(super) fn standing(&self) -> Standing {
        self.standing.borrow().clone()
    }

    /// Whether it leads at this moment.
    pub(super) fn leads(&self) -> bool {
        match &*self.standing.borrow() {
            Standing::Leads(until) => until.is_none_or(|until| Instant::now() < until),
            Standing::Unknown | Standing::Standby(_) | Standing::Ended => false,
        }
    }

    /// The election found out what this process is. Whether it is something else than before; a renewal is nothing else. After the
    /// end it stays ended.
    pub(super) fn set(&self, standing: Standing) -> bool {
        let mut is_other = false;
        self.standing.send_if_modified(|current| {
            if *current == Standing::Ended || *current == standing {
                return false;
            }
            is_other = !matches!((&*current, &standing), (Standing::Leads(_), Standing::Leads(_)));
            *current = standing;
            true
        });
        is_other
    }

    /// Waits until this process leads.
    pub(super) async fn lead(&self) {
        let mut standing = self.standing.subscribe();
        // The sender is here as long as its receiver.
        let _ = standing.wait_for(|standing| matches!(standing, Standing::Leads(_))).await;
    }

    /// Waits until the process has ended its writing.
    pub(super) async fn ended(&self) {
        let mut standing = self.standing.subscribe();
        let _ = standing.wait_for(|standing| *standing == Standing::Ended).await;
    }

    /// Waits until a write may be sent. For a process that does not lead that is never: it ends, and what it would have written its
    /// successor writes.
    pub(super) async fn flight(&self) -> Flight<'_> {
        let flight = self.flights.read().await;
        if !self.leads() {
            drop(flight);
            return pending().await;
        }
        Flight(flight)
    }

    /// From now on nothing is written. Writes that are under way are waited for, but not for long.
    pub(super) async fn end(&self) {
        self.set(Standing::Ended);
        let _ = tokio::time::timeout(FLIGHT_LIMIT, self.flights.write()).await;
    }

    /// Whether another installation looks after a namespace.
    pub(super) fn leaves(&self, namespace: &str) -> bool {
        self.left.lock().contains(namespace)
    }

    /// The namespaces that other installations look after, from now on.
    pub(super) fn leave(&self, namespaces: BTreeSet<String>) {
        *self.left.lock() = namespaces;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn is_refused(leadership: &Leadership) -> bool {
        tokio::time::timeout(Duration::from_secs(3600), leadership.flight()).await.is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_leader_writes_and_only_while_its_lease_holds() {
        let leadership = Leadership::new();
        assert!(is_refused(&leadership).await);
        let other = Leader { holder: "b".into(), lease: "ns/dialtone".into(), is_foreign: false };
        assert!(leadership.set(Standing::Standby(other)));
        assert!(is_refused(&leadership).await);
        assert!(leadership.set(Standing::Leads(Some(Instant::now() + Duration::from_secs(5)))));
        assert!(leadership.leads() && !is_refused(&leadership).await);
        assert!(!leadership.set(Standing::Leads(Some(Instant::now() + Duration::from_secs(9)))), "a renewal");
        tokio::time::advance(Duration::from_secs(8)).await;
        assert!(!is_refused(&leadership).await);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(!leadership.leads() && is_refused(&leadership).await, "the clock alone ends it");
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_waits_for_writes_that_are_under_way_and_lets_no_other_begin() {
        let leadership = Leadership::new();
        leadership.set(Standing::Leads(None));
        let flight = leadership.flight().await;
        let began = Instant::now();
        tokio::join!(leadership.end(), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            drop(flight);
        });
        assert_eq!(began.elapsed(), Duration::from_secs(1));
        assert!(is_refused(&leadership).await);
        assert!(!leadership.set(Standing::Leads(None)) && !leadership.leads(), "what has ended does not begin again");
        // One that never ends is not waited for.
        let stuck = Leadership::new();
        stuck.set(Standing::Leads(None));
        let _flight = stuck.flight().await;
        stuck.end().await;
    }
}
