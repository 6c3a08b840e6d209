//! What a 7940 or 7960 understands: its parameters, its files and their names.
//!
//! Facts about the phone stand here and only here. Nothing in this room knows Kubernetes, reads a file or asks the time.

pub mod boot;
mod check;
mod choice;
pub mod cnf;
pub mod dialplan;
pub mod file_name;
pub mod image;
pub mod mac;
pub mod model;
pub mod parameter;
pub mod ringlist;
pub mod syncinfo;
mod table;
pub mod text;
pub mod zone;

pub use choice::Choice;
pub use file_name::FileName;
pub use mac::Mac;
pub use model::Model;
pub use table::{find, find_field, parameters};
