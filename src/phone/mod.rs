//! The facts about the Cisco 7940 and 7960: their parameters, their files and the files' names.
//!
//! These facts stand here and only here. No module in this room uses Kubernetes, does I/O or reads the clock.
//!
//! | module | facts |
//! |---|---|
//! | [`file_name`] | the names of all files; what a requested name means |
//! | [`mac`], [`model`] | a phone's address; its model and number of lines |
//! | [`parameter`], [`parameters`] | the table of parameters: name, values, default, first firmware |
//! | [`cnf`] | writer and reader of `SIPDefault.cnf` and `SIP<MAC>.cnf` |
//! | [`boot`], [`dialplan`], [`ringlist`], [`syncinfo`] | writers and readers of the other files |
//! | [`image`] | firmware: names, releases, the files of an image |
//! | [`bitmap`], [`xml`] | whether a logo, or one of the small files in XML, can be read |
//! | [`text`], [`zone`] | the character set; time zones in the phone's parameters |
//!
//! # A further model, or a further family
//!
//! **A third model of the same format** (same files, same table) is a variant of [`Model`], a member of
//! [`Model::ALL`], and what the compiler then asks for. `import` guesses a model from a file's comments, and the simulator reads
//! `XMLDefault.cnf.xml` by itself: both name the models.
//!
//! **A family of another format** (the 7905 and 7912 read a compiled profile, the 7970 reads XML) needs its own set of the facts
//! above. There is no trait for it: with a single implementation its shape would be a guess. Provisioning asks this room
//! four questions, and a second family answers the same four:
//!
//! 1. *Which file belongs to which phone, and what does a request mean?* [`FileName::parse`], [`FileName::mac`],
//!    [`FileName::is_own_config`], [`FileName::is_firmware`]. New names are new variants of [`FileName`], which has to stay one
//!    type because all families ask the same server; the matches on it (`provision/firmware/upgrade/event.rs`)
//!    then do not compile until they handle them; `provision/fleet/observe.rs` passes over names that it does not know.
//! 2. *Which parameters are there?* [`parameters`], [`find`], [`find_field`]: a second table of the same rows
//!    ([`parameter::Parameter`]), chosen by the family of a [`Model`]. `api/settings.rs` makes the schema of `settings` from
//!    the table, so a second table also means a second settings type there.
//! 3. *What is in the files?* [`cnf::write`] takes names and values; a family supplies such a function for its own format, and
//!    `provision/render/values.rs` (`Values::write`) chooses between them. `provision/render/phone.rs` lists the files of one phone,
//!    `provision/render/site.rs` the files that a site's phones share ([`boot`], [`dialplan`], [`ringlist`], [`syncinfo`]): both choose by
//!    family too.
//! 4. *Which files make up an image, and how does a phone take it?* [`image::Image`] and `provision/catalog.rs` for the files;
//!    `provision/firmware/upgrade.rs` for the order of requests, which is a second state machine if the order differs.
//!
//! The enum that chooses would be `Family`, with `Model::family()`, in `model.rs`: each of the places named here then becomes a
//! match on it. Everything else (shards, rollout, claims, resync windows, the TFTP server, the operator) handles names,
//! bytes and digests only, and does not change. `import`, `diff` and `render --dial` read [`cnf`] files and would refuse or
//! skip another family's; the simulator would need a boot order and a reader of the new format.

pub mod bitmap;
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
pub mod xml;
pub mod zone;

pub use choice::Choice;
pub use file_name::FileName;
pub use mac::Mac;
pub use model::Model;
pub use table::{find, find_field, parameters};
