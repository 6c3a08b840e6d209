//! Rendering: from a spec to files and diagnostics.

mod image_field;
pub mod lint;
mod names;
pub mod phone;
pub mod plan;
pub mod reach;
pub mod secret_value;
pub mod site;
pub mod values;
