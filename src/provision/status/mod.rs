//! Statuses: conditions, counts, and why a phone is not in sync.

pub mod conditions;
pub mod counts;
pub mod phone;
pub mod site;
pub mod sync;
