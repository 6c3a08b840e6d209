//! Every test that needs no cluster, in one program: it is linked once.
//!
//! One part of it alone: `cargo test --test suite tftp::`
#![allow(clippy::unwrap_used)] // A test that cannot go on should stop.

mod chart;
#[path = "../support/child.rs"]
mod child;
mod command;
mod crds;
mod diff;
mod fetch;
mod final_report;
mod findings;
mod fleet;
mod folders;
#[path = "../support/generated.rs"]
mod generated;
mod golden;
mod hostile;
mod import;
mod interop;
mod json_schemas;
#[path = "../support/kubeconfig.rs"]
mod kubeconfig;
mod layers;
#[path = "../support/lossy.rs"]
mod lossy;
mod monitoring;
mod operator;
#[path = "../interop/outcome.rs"]
mod outcome;
#[path = "../support/reader.rs"]
mod reader;
mod reference;
mod release;
mod render;
mod schema;
#[path = "../support/seed.rs"]
mod seed;
mod simulation;
mod simulator;
mod source;
mod standalone;
mod tftp;
mod tidy;
mod writes;
