//! Firmware: which images are there, who is offered which, and how far each phone is with it.

pub mod images;
pub mod rollout;
pub mod staging;
pub mod upgrade;
