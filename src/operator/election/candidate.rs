//! One process's part in the election for one Lease, by the rules of client-go's `leaderelection`. Pure: its callers have the clocks and the
//! API server.
//!
//! The clocks of different machines are never compared. A candidate counts from the moment at which it first saw a Lease as it is, so
//! that a clock that is wrong changes nothing.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use tokio::time::Instant;

/// How long a Lease holds that is not renewed.
const LEASE: Duration = Duration::from_secs(9);
/// The longest that a Lease is believed to hold, whatever it says: one that somebody wrote by hand keeps nobody standing by for years.
const LONGEST: Duration = Duration::from_secs(60);
/// How long the leader goes on without having renewed its Lease. It is shorter than [`LEASE`] by more than a call may take, so that
/// the leader has ended before another can begin.
const RENEW_DEADLINE: Duration = Duration::from_secs(6);

/// A Lease, and when it was first seen as it is.
#[derive(Clone, Debug)]
struct Observed {
    lease: Lease,
    since: Instant,
}

/// A process that leads, or would.
#[derive(Clone, Debug)]
pub(in crate::operator) struct Candidate {
    identity: String,
    observed: Option<Observed>,
    /// When the request was sent that was the last to acquire or renew the Lease.
    renewed: Option<Instant>,
}

impl Candidate {
    /// A candidate that knows nothing yet.
    pub(in crate::operator) fn new(identity: &str) -> Candidate {
        Candidate { identity: identity.to_owned(), observed: None, renewed: None }
    }

    /// The Lease was read: as it is, or that there is none.
    pub(in crate::operator) fn saw(&mut self, lease: Option<Lease>, now: Instant) {
        let Some(lease) = lease else {
            self.observed = None;
            return;
        };
        let is_known = self.observed.as_ref().is_some_and(|known| known.lease.spec == lease.spec);
        match &mut self.observed {
            // What else may change of the object, such as a label, renews nothing.
            Some(known) if is_known => known.lease = lease,
            observed => *observed = Some(Observed { lease, since: now }),
        }
    }

    /// Who holds the Lease, by its own word; nobody if it was released.
    pub(in crate::operator) fn holder(&self) -> Option<&str> {
        holder(&self.observed.as_ref()?.lease)
    }

    /// Whether this process holds the Lease as it was last seen.
    pub(in crate::operator) fn is_holder(&self) -> bool {
        self.holder() == Some(&self.identity)
    }

    /// Who else holds the Lease, and may still lead.
    pub(in crate::operator) fn rival(&self, now: Instant) -> Option<&str> {
        self.holder().filter(|_| !self.is_holder() && self.is_valid(now))
    }

    /// Whether the Lease that was last seen is known so well that it can be renewed without being read.
    pub(in crate::operator) fn can_renew(&self, now: Instant) -> bool {
        self.is_holder() && self.is_valid(now)
    }

    fn is_valid(&self, now: Instant) -> bool {
        self.observed.as_ref().is_some_and(|observed| now < observed.since + duration(&observed.lease))
    }

    /// The Lease as this process should write it: `None` while another holds it. It has the resource version that was seen, so that of
    /// two who write only one succeeds; none if it has to be created.
    pub(in crate::operator) fn bid(&self, now: Instant, time: Timestamp) -> Option<Lease> {
        if self.rival(now).is_some() {
            return None;
        }
        let mut lease = self.observed.as_ref().map(|observed| observed.lease.clone()).unwrap_or_default();
        let spec = lease.spec.get_or_insert_default();
        if !self.is_holder() {
            spec.acquire_time = Some(MicroTime(time));
            // It counts the changes of the leader: a new Lease has none.
            let is_new = self.observed.is_none();
            spec.lease_transitions = Some(if is_new { 0 } else { spec.lease_transitions.unwrap_or(0) + 1 });
        }
        spec.holder_identity = Some(self.identity.clone());
        spec.lease_duration_seconds = Some(seconds(LEASE));
        spec.renew_time = Some(MicroTime(time));
        Some(lease)
    }

    /// A bid that was sent at some moment was accepted, as this Lease.
    pub(in crate::operator) fn won(&mut self, lease: Lease, sent: Instant) {
        self.observed = Some(Observed { lease, since: sent });
        self.renewed = Some(sent);
    }

    /// Until when this process leads if the Lease is not renewed again.
    pub(in crate::operator) fn leads_until(&self) -> Option<Instant> {
        Some(self.renewed? + RENEW_DEADLINE)
    }

    /// The Lease that hands over: anybody may take it at once. `None` if this process does not hold it.
    pub(in crate::operator) fn release(&self, time: Timestamp) -> Option<Lease> {
        let mut lease = self.observed.as_ref().filter(|_| self.is_holder())?.lease.clone();
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(String::new()),
            lease_duration_seconds: Some(1),
            renew_time: Some(MicroTime(time)),
            acquire_time: Some(MicroTime(time)),
            ..lease.spec.unwrap_or_default()
        });
        Some(lease)
    }
}

/// Who holds a Lease, by its own word.
fn holder(lease: &Lease) -> Option<&str> {
    lease.spec.as_ref()?.holder_identity.as_deref().filter(|holder| !holder.is_empty())
}

/// How long a Lease holds from the moment at which it was seen to be renewed.
fn duration(lease: &Lease) -> Duration {
    let seconds = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds).unwrap_or(0);
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0)).min(LONGEST)
}

fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests;
