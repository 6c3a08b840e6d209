//! Statuses: conditions and counts.

pub mod conditions;
pub mod counts;
pub mod phone;
pub mod site;
