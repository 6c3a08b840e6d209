//! `dialtone import`, over trees that mimic what people's hands and other generators made of the phones' files.

mod carried;
mod corpus;
mod findings;
mod generated;
mod keys;
mod names;
mod odd;
mod people;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::reader;

/// A file of a tree: its name and its bytes.
pub type Files<'a> = &'a [(&'a str, &'a [u8])];

/// Writes a tree into a folder.
pub fn write(root: &Path, files: &[(impl AsRef<str>, impl AsRef<[u8]>)]) {
    for (name, bytes) in files {
        let path = root.join(name.as_ref());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

/// Runs the program.
pub fn dialtone(args: &[&str], stdin: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dialtone"));
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// Bytes as text.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Whether something is said of a file: the same of several files is one line.
pub fn is_said(said: &str, file: &str, what: &str) -> bool {
    said.lines().any(|line| {
        let files = line.strip_prefix("warning: ").and_then(|line| line.split_once(&format!(": {what}")));
        files.is_some_and(|(files, _)| files.split(", ").any(|one| one == file))
    })
}

/// The digits of all phones that have a file with the right name in a folder.
pub fn macs(root: &Path) -> Vec<String> {
    let names = std::fs::read_dir(root).unwrap().flatten().map(|entry| entry.file_name().into_string().unwrap());
    let mut macs: Vec<String> = names
        .filter_map(|name| {
            let upper = name.to_ascii_uppercase();
            let digits = upper.strip_prefix("SIP")?.strip_suffix(".CNF")?;
            let group = u8::from_str_radix(digits.get(..2)?, 16).ok()? & 1 == 1;
            (digits.len() == 12 && digits.bytes().all(|b| b.is_ascii_hexdigit()) && !group).then(|| digits.to_owned())
        })
        .collect();
    macs.sort();
    macs.dedup();
    macs
}

/// Imports a tree, renders the result, and compares with a reader of its own what phones make of both.
pub fn round_trip(root: &Path, more: &[&str]) -> Output {
    let args = [&["import", root.to_str().unwrap(), "--site", "hq", "--check"], more].concat();
    let output = dialtone(&args, "");
    let (manifests, said) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{said}\n{manifests}");
    let out = tempfile::tempdir().unwrap();
    let rendered = dialtone(&["render", "-f", "-", "-o", out.path().to_str().unwrap()], &manifests);
    assert!(rendered.status.success(), "{}\n{manifests}", text(&rendered.stderr));
    let folder = out.path().join("default/hq");
    for mac in macs(root) {
        let (mut before, mut after) = (reader::effective(root, &mac), reader::effective(&folder, &mac));
        if said.contains("tftp_cfg_dir is ") && said.contains("it becomes empty, because") {
            // What phones put in front of their files' names, and files have plain names now.
            let (prefix, now) = (before.remove("tftp_cfg_dir"), after.remove("tftp_cfg_dir"));
            assert!(now == prefix || now.as_deref() == Some(""), "{now:?} {said}");
        }
        assert_eq!(before, after, "{mac}\n{said}\n{manifests}");
    }
    output
}
