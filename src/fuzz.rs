//! What fuzzing calls: for each parser one function that takes any bytes and panics if something does not hold that must hold of
//! all of them. The programs in `fuzz` search inputs for them, guided by coverage; `fuzz/replay.rs` runs the inputs that were found
//! so far, and random changes of them, with the other tests.
//!
//! An input of several parts has the byte GS (0x1d) between them.

mod firmware;
mod manifests;
mod names;
mod objects;
mod phone_files;
mod resync;
mod tftp;
mod trees;

#[cfg(test)]
mod replay;

/// A reader of the phones' files that shares nothing with the library's.
#[path = "../tests/support/reader.rs"]
#[allow(clippy::unwrap_used)] // It is a part of the tests.
mod reader;

/// One function that fuzzing calls.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, that of its program and of the folder with its inputs.
    pub name: &'static str,
    /// Panics if something does not hold.
    pub run: fn(&[u8]),
    /// How much memory one input of at most 64 KiB may take at a time, in MiB.
    pub most_mib: usize,
}

const fn target(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run, most_mib: 16 }
}

/// All of them.
pub const TARGETS: &[Target] = &[
    target("packet", tftp::packet),
    target("session", tftp::session),
    target("cnf", phone_files::cnf),
    target("dialplan", phone_files::dialplan),
    target("ringlist", phone_files::ringlist),
    target("xml", phone_files::xml),
    target("firmware", firmware::firmware),
    target("names", names::names),
    target("parameters", names::parameters),
    target("sip_answer", resync::sip_answer),
    target("sip_request", resync::sip_request),
    target("telnet", resync::telnet),
    target("report", objects::report),
    Target { most_mib: 64, ..target("objects", objects::objects) },
    Target { most_mib: 64, ..target("yaml", manifests::yaml) },
    Target { most_mib: 32, ..target("render", manifests::render) },
    Target { most_mib: 64, ..target("import", trees::import) },
];

/// The target of a name.
pub fn target_named(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// What stands between the parts of an input.
const SEPARATOR: u8 = 0x1d;

/// The parts of an input.
fn parts(input: &[u8]) -> impl Iterator<Item = &[u8]> {
    input.split(|byte| *byte == SEPARATOR)
}

/// Panics if a text holds what a terminal obeys.
fn assert_shown(text: &str) {
    assert!(!text.chars().any(char::is_control), "{text:?}");
}
