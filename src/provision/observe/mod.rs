//! Observations: what TFTP pods hold, who asked them for what, and who that was.

pub mod address_book;
pub mod common_fetches;
mod crowd;
pub mod fetch;
pub mod pods;
pub mod unclaimed;
pub mod whereabouts;
