//! A second reader of the phones' files, written apart from the project's own: a walk over bytes, one state after another.
#![allow(dead_code)] // Each test uses its own part.

use std::collections::BTreeMap;
use std::path::Path;

/// What a file sets, by name in lower case; of two lines with one name the later holds.
pub fn parameters(file: &[u8]) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let file = file.strip_prefix(&[0xEF, 0xBB, 0xBF][..]).unwrap_or(file);
    for line in file.split(|byte| *byte == b'\n' || *byte == b'\r') {
        if let Some((name, value)) = line_of(line) {
            all.insert(name, value);
        }
    }
    all
}

fn line_of(line: &[u8]) -> Option<(String, String)> {
    enum State {
        Before,
        Name,
        AfterName,
        Value,
        Quoted,
        Done,
    }
    let (mut name, mut value, mut state) = (Vec::new(), Vec::new(), State::Before);
    for &byte in line {
        let blank = byte == b' ' || byte == b'\t';
        state = match state {
            State::Before if blank => State::Before,
            State::Before if byte.is_ascii_alphabetic() || byte == b'_' => {
                name.push(byte.to_ascii_lowercase());
                State::Name
            }
            State::Before => return None,
            State::Name if byte == b':' => State::AfterName,
            State::Name if blank && !name.ends_with(b" ") => {
                name.push(b' ');
                State::Name
            }
            State::Name if blank => State::Name,
            State::Name => {
                if name.ends_with(b" ") || !(byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)) {
                    return None;
                }
                name.push(byte.to_ascii_lowercase());
                State::Name
            }
            State::AfterName if blank => State::AfterName,
            State::AfterName if byte == b'"' => State::Quoted,
            State::AfterName | State::Value if byte == b';' => State::Done,
            State::AfterName | State::Value => {
                if byte == b'"' || (byte < 0x20 && byte != b'\t') {
                    return None;
                }
                value.push(byte);
                State::Value
            }
            State::Quoted if byte == b'"' => {
                return Some((text(name).trim().to_owned(), text(value)));
            }
            State::Quoted => {
                if byte < 0x20 && byte != b'\t' {
                    return None;
                }
                value.push(byte);
                State::Quoted
            }
            State::Done => State::Done,
        };
    }
    match state {
        State::AfterName | State::Value | State::Done => {
            Some((text(name).trim().to_owned(), text(value).trim_end().to_owned()))
        }
        _ => None,
    }
}

fn text(bytes: Vec<u8>) -> String {
    bytes.into_iter().map(char::from).collect()
}

/// What holds on a phone after it read the common file and its own, from a folder.
pub fn effective(root: &Path, mac: &str) -> BTreeMap<String, String> {
    let read = |wanted: &str| {
        let mut names: Vec<_> = std::fs::read_dir(root).unwrap().flatten().map(|entry| entry.path()).collect();
        names.sort_by_key(|path| path.file_name().is_none_or(|name| name != wanted));
        let same =
            |path: &&std::path::PathBuf| path.file_name().unwrap().to_string_lossy().eq_ignore_ascii_case(wanted);
        names.iter().find(same).map(|path| parameters(&std::fs::read(path).unwrap())).unwrap_or_default()
    };
    let mut all = read("SIPDefault.cnf");
    all.extend(read(&format!("SIP{mac}.cnf")));
    all
}

#[test]
fn the_second_reader_reads_as_the_first() {
    let file = b"# c\na: 1\r\nB : \"x; y\" ; c\nc:2;d\nd=1\ne: \"open\nf: \n g\t:\th i \nh: a\"b\"\n1: 2\n";
    let read = parameters(file);
    assert_eq!(read, dialtone::phone::cnf::read(file).effective());
    assert_eq!(read.len(), 5, "{read:?}");
}
