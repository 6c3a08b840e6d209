//! The Kubernetes shell round [`crate::provision::Fleet`]: watches feed it, workers write what it finds to be different.
//!
//! The way of every change: a watch's handler updates the fleet (dereference), the fleet follows the change through (validate,
//! build; pure), the work items that come out go into the work queue, and a worker reconciles each: it applies, and then writes a
//! status. Workers always build from the newest truth, so that nothing old is written however long an item waited.

mod address;
mod anew;
mod children;
mod claim;
mod cluster;
mod command;
mod contests;
mod context;
mod debounce;
mod election;
mod events;
mod files;
mod fleet_lock;
mod http;
mod image_volumes;
mod initial_sync;
mod kind;
mod leadership;
mod leaf;
mod mend;
mod metrics;
mod missing_pods;
mod names;
mod nudge;
mod nudges;
mod objects;
mod options;
mod overlap;
mod owned;
mod ownership;
mod pods;
mod policy;
mod poll;
mod problems;
mod queue;
mod read;
mod reconcile;
mod resync;
mod shard_object;
mod sites;
mod snapshot;
mod sources;
mod start;
mod statuses;
mod supervisor;
#[cfg(test)]
mod testing;
mod token;
mod token_secret;
pub(crate) mod trimmed;
mod turn;
mod updates;
mod watch;

pub use command::{Args, run};
pub use snapshot::objects;
