//! The Kubernetes shell round [`crate::provision::Fleet`]: watches feed it, workers write what it finds to be different.
//!
//! The way of every change: a watch tells the fleet (dereference), the fleet follows it through (validate, build; pure),
//! what came out dirty goes into a queue, and a worker applies it and then says so in a status. Workers always build from
//! the newest truth, so that nothing old is written however long something waited.

mod apply;
mod build;
mod command;
mod context;
mod events;
mod files;
mod http;
mod image_volumes;
mod lean;
mod metrics;
mod names;
mod objects;
mod pace;
mod pods;
mod poll;
mod queue;
mod read;
mod resync;
mod snapshot;
mod start;
mod statuses;
mod watch;
mod work;

pub use command::{Args, run};
pub use snapshot::objects;
