//! Rendering: from a spec to files and diagnostics.

mod image_field;
pub mod lint;
pub mod phone;
pub mod plan;
pub mod reach;
pub mod site;
pub mod values;
