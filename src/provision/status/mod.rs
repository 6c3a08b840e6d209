//! Statuses: conditions and counts.

pub mod conditions;
pub mod counts;
pub mod health;
pub mod phone;
pub mod site;
