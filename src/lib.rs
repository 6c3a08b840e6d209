//! Provisions Cisco 7940 and 7960 SIP phones from Kubernetes manifests.

// The reader of the tests names the library as its users do.
#[cfg(any(test, feature = "fuzzing"))]
extern crate self as dialtone;

pub mod api;
pub mod base;
pub mod connect;
pub mod diff;
pub mod fetch;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
pub mod import;
mod manifests;
mod near;
pub mod operator;
pub mod phone;
pub mod plugin;
pub mod provision;
pub mod render;
pub mod resync;
pub mod simulator;
pub mod standalone;
pub mod tftp;
