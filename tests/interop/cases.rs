//! What is asked of every server by every client.

use std::path::Path;
use std::time::Duration;

use crate::lossy::Weather;

/// One request, and what should come of it.
#[derive(Clone, Copy)]
pub struct Case {
    pub name: &'static str,
    pub group: &'static str,
    /// The file that should come; its content is in `tree`.
    pub file: &'static str,
    /// What it is asked for as, if that is not its name.
    pub asked: Option<&'static str>,
    pub options: Options,
    pub netascii: bool,
    pub ipv6: bool,
    pub weather: Weather,
    pub expect: Expect,
}

/// What a client should request; nothing, where it can be told so.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    pub blksize: Option<u16>,
    pub tsize: bool,
    pub timeout: Option<u8>,
    pub windowsize: Option<u16>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    File,
    Refused,
    /// dialtone finds the file; the others do not, and should say so.
    FileFromDialtone,
}

impl Case {
    pub fn asked(&self) -> &'static str {
        self.asked.unwrap_or(self.file)
    }

    /// Whether it spends its time waiting, so that many can run side by side.
    pub fn waits(&self) -> bool {
        !self.weather.is_fine()
    }
}

const CALM: Weather = Weather { lost: 0, doubled: 0, late: 0, jitter: Duration::ZERO };
const NONE: Options = Options { blksize: None, tsize: false, timeout: None, windowsize: None };
const PLAIN: Case = Case {
    name: "",
    group: "",
    file: "image",
    asked: None,
    options: NONE,
    netascii: false,
    ipv6: false,
    weather: CALM,
    expect: Expect::File,
};
const SIZE: Case = Case { group: "sizes", ..PLAIN };
const OPTION: Case = Case { group: "options", ..PLAIN };
const NAME: Case = Case { group: "names", file: "513", ..PLAIN };
const BAD: Case = Case { group: "lossy", file: "small", ..PLAIN };
const BLOCKS_OF_8: Options = Options { windowsize: Some(8), ..NONE };
const LONG: &str = "a-name-of-two-hundred-bytes-0123456789-0123456789-0123456789-0123456789-0123456789-0123456789-0123456789-\
                    0123456789-0123456789-0123456789-0123456789-0123456789-0123456789-0123456789-01234";

pub const CASES: &[Case] = &[
    Case { name: "0 bytes", file: "0", ..SIZE },
    Case { name: "511 bytes", file: "511", ..SIZE },
    Case { name: "512 bytes", file: "512", ..SIZE },
    Case { name: "513 bytes", file: "513", ..SIZE },
    Case { name: "1024 bytes", file: "1024", ..SIZE },
    Case { name: "image", ..SIZE },
    Case { name: "wrap", file: "wrap", ..SIZE },
    Case { name: "blksize 8", file: "513", options: Options { blksize: Some(8), ..NONE }, ..OPTION },
    Case { name: "blksize 1428", options: Options { blksize: Some(1428), ..NONE }, ..OPTION },
    Case {
        name: "blksize 1428, a full last block",
        file: "2856",
        options: Options { blksize: Some(1428), ..NONE },
        ..OPTION
    },
    Case { name: "blksize 65464", options: Options { blksize: Some(65464), ..NONE }, ..OPTION },
    Case { name: "tsize", options: Options { tsize: true, ..NONE }, ..OPTION },
    Case { name: "timeout 2", options: Options { timeout: Some(2), ..NONE }, ..OPTION },
    Case { name: "windowsize 8", options: BLOCKS_OF_8, ..OPTION },
    Case {
        name: "all of them",
        options: Options { blksize: Some(1024), tsize: true, timeout: Some(3), windowsize: Some(4) },
        ..OPTION
    },
    Case { name: "netascii", group: "modes", file: "text", netascii: true, ..PLAIN },
    Case { name: "IPv6", group: "addresses", ipv6: true, ..PLAIN },
    Case { name: "missing", asked: Some("there-is-no-such-file"), expect: Expect::Refused, ..NAME },
    Case { name: "other case", file: "Small", asked: Some("sMALL"), expect: Expect::FileFromDialtone, ..NAME },
    Case { name: "a space", file: "a space", ..NAME },
    Case { name: "UTF-8", file: "größe", ..NAME },
    Case { name: "200 bytes", file: LONG, ..NAME },
    Case { name: "in a folder", file: "folder/513", ..NAME },
    Case { name: "above the root", asked: Some("../outside"), expect: Expect::Refused, ..NAME },
    Case { name: "loss 5 %", weather: Weather { lost: 5, ..CALM }, ..BAD },
    Case { name: "loss 20 %", weather: Weather { lost: 20, ..CALM }, ..BAD },
    Case { name: "every datagram twice", weather: Weather { doubled: 100, ..CALM }, ..BAD },
    Case { name: "10 % late by 30 ms", weather: Weather { late: 10, ..CALM }, ..BAD },
    Case {
        name: "jitter of 20 ms, some twice",
        weather: Weather { doubled: 10, jitter: Duration::from_millis(20), ..CALM },
        ..BAD
    },
    Case { name: "windowsize 8, loss 5 %", options: BLOCKS_OF_8, weather: Weather { lost: 5, ..CALM }, ..BAD },
    Case { name: "windowsize 8, 10 % late", options: BLOCKS_OF_8, weather: Weather { late: 10, ..CALM }, ..BAD },
];

/// What is timed.
pub const TIMED_CASES: &[Case] = &[
    Case { name: "5 %", file: TIMED.0, weather: Weather { lost: 5, ..CALM }, ..BAD },
    Case { name: "20 %", file: TIMED.0, weather: Weather { lost: 20, ..CALM }, ..BAD },
];

/// The file whose transfers are timed, and its size.
pub const TIMED: (&str, usize) = ("timed", 32 << 10);

/// Writes the files below a folder, and one beside it that nobody may get; the root.
pub fn tree(folder: &Path) -> std::path::PathBuf {
    let root = folder.join("root");
    std::fs::create_dir_all(root.join("folder")).unwrap();
    let sizes = [
        ("0", 0),
        ("511", 511),
        ("512", 512),
        ("513", 513),
        ("1024", 1024),
        ("2856", 2 * 1428),
        ("image", (1 << 20) + 77),
    ];
    let names =
        [("Small", 700), ("a space", 701), ("größe", 702), (LONG, 703), ("folder/513", 513), ("../outside", 513)];
    let large = [("small", 16 << 10), ("wrap", 65_536 * 512 + 700), TIMED];
    for (name, size) in [&sizes[..], &names, &large].concat() {
        std::fs::write(root.join(name), content(name, size)).unwrap();
    }
    // Every way to end a line, at every place of a block.
    let text: String =
        (0..400).map(|n| format!("{}{}", "x".repeat(n % 7), ["\n", "\r\n", "\r", "\r\r\n"][n % 4])).collect();
    std::fs::write(root.join("text"), text).unwrap();
    root
}

/// Bytes that no block repeats.
fn content(name: &str, size: usize) -> Vec<u8> {
    let mut state = name.bytes().fold(1u64, |state, byte| state.wrapping_mul(31).wrapping_add(byte.into()));
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    (0..size).map(|_| next()).collect()
}
