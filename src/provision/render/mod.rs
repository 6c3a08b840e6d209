//! Rendering: from a spec to files and diagnostics.

mod combined;
mod dial_rules;
mod doubt;
mod image_field;
pub mod lines;
pub mod lint;
pub mod lint_files;
mod names;
pub mod phone;
mod phone_lint;
pub mod plan;
mod plans;
pub mod reach;
mod reachable;
pub mod secret_value;
pub mod site;
pub mod values;
pub mod view;
