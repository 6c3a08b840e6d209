//! Datagrams, the names in them, and whole transfers.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock};

use crate::tftp::FileStore;
use crate::tftp::budget::Budget;
use crate::tftp::content::Content;
use crate::tftp::packet::{self, Mode, Options, Packet, Request};
use crate::tftp::session::{End, MAX_WINDOW, Millis, Session, Step, Terms};

/// The bytes of the headers of UDP and IP.
const HEADERS: u64 = 28;

static FILES: LazyLock<FileStore> = LazyLock::new(|| {
    let store = FileStore::default();
    let bytes = |len: usize| (0..len).map(|i| (i * 7 % 251) as u8).collect::<Vec<u8>>();
    let lengths = [0, 1, 7, 8, 511, 512, 513, 1_428, 5_000, 20_000].map(|len| (format!("f{len}"), bytes(len).into()));
    let named = ["SIPDefault.cnf", "SIP000A8A123456.cnf", "RINGLIST.DAT", "US/7960-tones.xml", "large"];
    store.replace(
        lengths
            .into_iter()
            .chain(named.into_iter().map(|name| (name.to_owned(), bytes(name.len() * 40_000 / 5).into()))),
    );
    store
});

/// The packet that a parsed request is written as.
fn emit(request: &Request<'_>) -> Vec<u8> {
    let mode = if request.mode == Mode::Octet { "octet" } else { "netascii" };
    let mut out = [b"\0\x01", request.name, b"\0", mode.as_bytes(), b"\0"].concat();
    let Options { blksize, timeout, tsize, windowsize } = request.options;
    let options = [
        ("blksize", blksize.map(u32::from)),
        ("timeout", timeout.map(u32::from)),
        ("tsize", tsize.then_some(0)),
        ("windowsize", windowsize.map(u32::from)),
    ];
    for (name, value) in options {
        if let Some(value) = value {
            out.extend_from_slice(format!("{name}\0{value}\0").as_bytes());
        }
    }
    out
}

/// One datagram.
pub fn packet(input: &[u8]) {
    let parsed = Packet::parse(input);
    let Packet::Read(request) = parsed else {
        let opcode = input.get(..2);
        assert!(opcode != Some(&[0, 1]) || matches!(parsed, Packet::IllegalRead(why) if why.len() < 60));
        return;
    };
    assert!((1..=255).contains(&request.name.len()) && !request.name.contains(&0));
    let Options { blksize, timeout, windowsize, .. } = request.options;
    assert!(blksize.is_none_or(|size| (8..=65_464).contains(&size)) && timeout != Some(0) && windowsize != Some(0));
    assert_eq!(Packet::parse(&emit(&request)), parsed);
    let shown = packet::printable(request.name);
    assert!(!shown.chars().any(char::is_control));
    let snapshot = FILES.snapshot();
    if let Some(file) = snapshot.find(request.name) {
        let asked = String::from_utf8_lossy(request.name).to_ascii_lowercase().replace('\\', "/");
        let base = |name: &str| name.rsplit('/').find(|part| !matches!(*part, "" | ".")).map(str::to_owned);
        assert_eq!(base(&asked), base(&file.name.to_ascii_lowercase()));
        assert!(!asked.split('/').any(|part| part == ".."), "nothing above the root exists");
    }
    let mut out = Vec::new();
    packet::oack(&mut out, &request.options, u64::MAX);
    assert!(out.len() <= 72, "an OACK is as short as the budget takes it to be");
}

/// The whole file at once, as it is not done.
fn translated(bytes: &[u8], mode: Mode) -> Vec<u8> {
    let two = |byte: &u8| match (mode, byte) {
        (Mode::Netascii, b'\n') => b"\r\n".to_vec(),
        (Mode::Netascii, b'\r') => b"\r\0".to_vec(),
        (_, byte) => vec![*byte],
    };
    bytes.iter().flat_map(two).collect()
}

/// A transfer under whatever comes for it, seen from outside.
struct Watched {
    session: Session,
    whole: Arc<[u8]>,
    /// How many bytes the file has.
    len: u64,
    block: usize,
    window: u64,
    is_proof: bool,
    has_options: bool,
    received: u64,
    sent: u64,
    /// The packet after the last one that was sent, and the first one that is not acknowledged.
    end: u64,
    next: u64,
    out: Vec<u8>,
}

impl Watched {
    /// Follows a step; how the transfer ended, if it did.
    fn follow(&mut self, step: Step) -> Option<End> {
        let (first, count) = match step {
            Step::Wait => return None,
            Step::End(end) => return Some(end),
            Step::Send { first, count } => (first, count),
        };
        assert!((1..=self.window).contains(&count), "{count} packets at once");
        // To a client that acknowledges second copies now and then only what was not sent yet.
        assert!(
            first == self.next || first == self.end,
            "what is not acknowledged is sent first, or what was never sent"
        );
        assert!(first + count <= self.next + self.window, "no more than a window is out");
        let last = (self.whole.len() / self.block) as u64 + 1;
        for number in first..first + count {
            self.session.packet(number, &mut self.out);
            self.sent += HEADERS + self.out.len() as u64;
            if number == 0 {
                assert!(self.has_options && self.out.starts_with(&[0, 6]));
                continue;
            }
            assert!(number <= last);
            assert_eq!(self.out[..4], [[0, 3], (number as u16).to_be_bytes()].concat());
            let from = ((number - 1) as usize * self.block).min(self.whole.len());
            assert!(self.out[4..] == self.whole[from..(from + self.block).min(self.whole.len())], "block {number}");
        }
        self.end = first + count;
        let is_answered = self.next > u64::from(!self.has_options);
        let most = match (is_answered, self.is_proof) {
            (false, _) => Some(34),
            (true, false) => Some(55 * self.window),
            (true, true) => None,
        };
        assert!(most.is_none_or(|most| self.sent <= self.received * most), "{} for {}", self.sent, self.received);
        None
    }

    fn ack(&mut self, block: u16, now: Millis) -> Option<End> {
        self.received += HEADERS + 4;
        // The packet that is meant, if one of those that are out is.
        let meant = (self.next..self.end).find(|number| *number as u16 == block);
        let step = self.session.ack(block, 4, now);
        let is_answered = self.next > u64::from(!self.has_options);
        match meant {
            // A client with a window that repeats its last acknowledgement asks for what is out.
            None if self.window > 1 && is_answered && block == (self.next - 1) as u16 => {
                assert!(matches!(step, Step::Wait | Step::Send { .. }));
            }
            None => assert_eq!(step, Step::Wait),
            Some(number) => {
                assert_ne!(step, Step::Wait, "an acknowledgement is always followed by what it asks for");
                self.next = number + 1;
            }
        }
        self.follow(step)
    }
}

/// A request, and then acknowledgements, silence and repeated requests in any order.
pub fn session(input: &[u8]) {
    let Some((head, acts)) = input.split_at_checked(8) else { return };
    let [flags, file, windows, blksize @ .., windowsize, timeout] = head else { return };
    let (Ok(blksize), flag) = (<[u8; 3]>::try_from(blksize), |bit: u8| flags >> bit & 1 == 1) else { return };
    let mode = if flag(0) { Mode::Netascii } else { Mode::Octet };
    let options = Options {
        blksize: flag(1).then(|| u16::from_be_bytes([blksize[0], blksize[1]]).clamp(8, 65_464)),
        windowsize: flag(2).then_some(u16::from(*windowsize).max(1)),
        timeout: flag(3).then_some((*timeout).max(1)),
        tsize: flag(4),
    };
    let snapshot = FILES.snapshot();
    let files: Vec<_> = snapshot.files().collect();
    let file = files[usize::from(*file) % files.len()].clone();
    let request = emit(&Request { name: file.name.as_bytes(), mode, options });
    let is_proof = flag(5);
    let terms = Terms {
        windowsize: u16::from(windows % MAX_WINDOW as u8) + 1,
        budget: Budget::new(IpAddr::V4(Ipv4Addr::LOCALHOST), request.len(), is_proof),
    };
    // What the client is told, as a client reads it.
    let accepted_window = u64::from(options.windowsize.unwrap_or(1).min(terms.windowsize).min(MAX_WINDOW));
    let accepted_timeout = options.timeout.is_some_and(|seconds| seconds <= 8);
    let has_options = options.blksize.is_some() || options.windowsize.is_some() || options.tsize || accepted_timeout;
    let (whole, len) = (translated(&file.bytes, mode).into(), file.bytes.len() as u64);
    let (session, step) = Session::start(Content::new(file, mode), options, terms, 0);
    let first = u64::from(!has_options);
    let mut watched = Watched {
        session,
        whole,
        len,
        block: options.blksize.map_or(512, |size| usize::from(size.min(1_428))),
        window: accepted_window,
        is_proof,
        has_options,
        received: HEADERS + request.len() as u64,
        sent: 0,
        end: first + 1,
        next: first,
        out: Vec::new(),
    };
    assert_eq!(step, Step::Send { first, count: 1 }, "every request is answered");
    watched.follow(step);
    let mut now = 0;
    for act in acts.chunks(3) {
        let argument = u16::from_le_bytes([act.get(1).copied().unwrap_or(0), act.get(2).copied().unwrap_or(0)]);
        let ended = match act[0] % 7 {
            6 => watched.ack(watched.next.wrapping_sub(1) as u16, now),
            0 => watched.ack(argument, now),
            1 | 2 => watched.ack((watched.end - 1) as u16, now),
            3 => watched.ack(watched.next as u16, now),
            4 => {
                now += Millis::from(argument);
                let step = watched.session.timer(now);
                watched.follow(step)
            }
            _ => {
                watched.received += HEADERS + request.len() as u64;
                let step = watched.session.repeated_request(request.len(), now);
                watched.follow(step)
            }
        };
        if let Some(end) = ended {
            if end == End::Complete {
                assert_eq!(watched.session.acknowledged(), watched.len);
            }
            return;
        }
    }
    // A client that says nothing more is given up.
    for _ in 0..64 {
        now = now.max(watched.session.deadline());
        let step = watched.session.timer(now);
        if watched.follow(step).is_some() {
            return;
        }
    }
    panic!("the transfer never ends");
}
