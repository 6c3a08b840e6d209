//! Somebody who fetches every phone's file again and again while all else goes on: once it is served, it is never missing and never torn.

use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::stage::address_of;

/// The pause between two fetches of a file.
const PAUSE: Duration = Duration::from_millis(30);
/// How long one waits for a packet: phones wait longer.
const PATIENCE: Duration = Duration::from_millis(250);

/// What came of one fetch.
enum Fetched {
    Whole(Vec<u8>),
    /// The server says that there is none.
    Refused(String),
    Silent,
}

/// One file, fetched in block after block as RFC 1350 has it.
fn fetch(server: SocketAddr, from: std::net::IpAddr, file: &str) -> Fetched {
    let socket = UdpSocket::bind((from, 0)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = [&[0, 1], file.as_bytes(), b"\0octet\0"].concat();
    if socket.send_to(&request, server).is_err() {
        return Fetched::Silent;
    }
    let (mut content, mut expected, mut packet) = (Vec::new(), 1_u16, [0; 600]);
    loop {
        let Ok((len, peer)) = socket.recv_from(&mut packet) else { return Fetched::Silent };
        match packet[..len] {
            [0, 3, high, low, ..] if u16::from_be_bytes([high, low]) == expected => {
                content.extend_from_slice(&packet[4..len]);
                let _ = socket.send_to(&[0, 4, high, low], peer);
                if len < 516 {
                    return Fetched::Whole(content);
                }
                expected += 1;
            }
            [0, 5, _, code, ..] => {
                return Fetched::Refused(format!("error {code}: {}", String::from_utf8_lossy(&packet[4..len])));
            }
            _ => {}
        }
    }
}

/// What one prober saw.
#[derive(Debug, Default)]
pub struct Seen {
    pub file: String,
    pub fetches: usize,
    pub refused: Vec<String>,
    /// Every content that it ever was.
    pub contents: BTreeSet<Vec<u8>>,
    /// The longest time without an answer, and how long after the begin that was.
    pub gap: Duration,
}

/// A prober of each of some phones' files.
pub struct Probers {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Seen>>,
}

impl Probers {
    /// Starts them: every phone's file must be served already.
    pub fn start(server: SocketAddr, macs: &[&str]) -> Probers {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = macs.iter().map(|mac| {
            let (stop, mac) = (stop.clone(), (*mac).to_owned());
            thread::spawn(move || probe(server, &mac, &stop))
        });
        Probers { threads: threads.collect(), stop }
    }

    /// Ends them; what they saw. None of them was told that its file is not there.
    pub fn end(self) -> Vec<Seen> {
        self.stop.store(true, Ordering::SeqCst);
        let all: Vec<Seen> = self.threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        for seen in &all {
            assert!(seen.refused.is_empty(), "{}: {:?}", seen.file, seen.refused);
            assert!(seen.fetches > 0, "{} was never served", seen.file);
        }
        all
    }
}

fn probe(server: SocketAddr, mac: &str, stop: &AtomicBool) -> Seen {
    let mut seen = Seen { file: format!("SIP{mac}.cnf"), ..Seen::default() };
    let from = address_of(mac).into();
    let mut last = Instant::now();
    while !stop.load(Ordering::SeqCst) {
        match fetch(server, from, &seen.file) {
            Fetched::Whole(content) => {
                seen.fetches += 1;
                seen.gap = seen.gap.max(last.elapsed());
                last = Instant::now();
                seen.contents.insert(content);
            }
            // A pod that ends says so, and whoever asks again is served by another one.
            Fetched::Refused(why) if why.contains("this server is ending") => {}
            Fetched::Refused(why) => seen.refused.push(why),
            Fetched::Silent => {}
        }
        thread::sleep(PAUSE);
    }
    seen.gap = seen.gap.max(last.elapsed());
    seen
}
