//! The phone's TFTP client: 512-byte blocks, octet, no options, a new port for each file, and the real phone's patience.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use super::display::Display;
use super::misfortune::Mishap;

/// How long the phone waits, as seen with firmware 8.12: again after 1 s, then every 4 s, 4 tries on a port, 3 ports.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Before the second try.
    pub first: Duration,
    /// Before each further one.
    pub next: Duration,
    /// Tries on one port.
    pub tries: u32,
    /// Ports that are tried.
    pub rounds: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Patience { first: Duration::from_secs(1), next: Duration::from_secs(4), tries: 4, rounds: 3 }
    }
}

/// Why a file was not fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The server says that there is no such file.
    NotFound,
    /// The server says something else: code and words.
    Refused(u16, String),
    /// The server says nothing.
    Silent,
    /// The network says no.
    Network(String),
    /// The phone itself gave up after so many bytes.
    GaveUp(usize),
    /// The phone is switched off.
    Vanished,
}

const BLOCK: usize = 512;

/// A file to be fetched.
pub struct Request<'a> {
    /// The phone's own address.
    pub bind: IpAddr,
    /// The server.
    pub server: SocketAddr,
    /// The file.
    pub name: &'a str,
    /// How patient the phone is.
    pub patience: Patience,
    /// What goes wrong.
    pub mishap: Option<Mishap>,
    /// Where the phone shows how far it is.
    pub display: &'a Display,
}

/// Fetches a file; and how often something had to be asked again.
pub async fn fetch(request: &Request<'_>) -> (Result<Vec<u8>, Failure>, u32) {
    let mut repeats = 0;
    for _ in 0..request.patience.rounds {
        let result = round(request, &mut repeats).await;
        if result != Err(Failure::Silent) {
            return (result, repeats);
        }
    }
    (Err(Failure::Silent), repeats)
}

async fn round(request: &Request<'_>, repeats: &mut u32) -> Result<Vec<u8>, Failure> {
    let Request { bind, server, name, patience, mishap, display } = *request;
    let network = |error: std::io::Error| Failure::Network(error.to_string());
    let socket = UdpSocket::bind((bind, 0)).await.map_err(network)?;
    let request = [b"\0\x01", name.as_bytes(), b"\0octet\0"].concat();
    let mut file: Vec<u8> = Vec::new();
    let mut block: u16 = 0;
    let mut peer = None;
    let mut last = request;
    let mut to = server;
    let mut datagram = [0; 4 + BLOCK + 1];
    let mut attempt = 0;
    'ask: loop {
        attempt += 1;
        if attempt > patience.tries {
            return Err(Failure::Silent);
        }
        if attempt > 1 {
            *repeats += 1;
        }
        socket.send_to(&last, to).await.map_err(network)?;
        let pause = if attempt == 1 { patience.first } else { patience.next };
        let deadline = Instant::now() + pause;
        loop {
            let (len, from) = match timeout_at(deadline, socket.recv_from(&mut datagram)).await {
                Err(_) => continue 'ask,
                // A port that nobody listens on: the phone does not hear of it and asks again.
                Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => continue,
                Ok(received) => received.map_err(network)?,
            };
            if from.ip() != server.ip() || peer.is_some_and(|peer| peer != from) || len < 4 {
                continue;
            }
            let word = |at: usize| u16::from_be_bytes([datagram[at], datagram[at + 1]]);
            match word(0) {
                3 if word(2) == block.wrapping_add(1) => {
                    peer = Some(from);
                    to = from;
                    match mishap {
                        Some(Mishap::GiveUp(byte)) if file.len() + len - 4 > byte => {
                            socket.send_to(b"\0\x05\0\0gave up\0", to).await.map_err(network)?;
                            return Err(Failure::GaveUp(file.len()));
                        }
                        Some(Mishap::Vanish(byte)) if file.len() + len - 4 > byte => return Err(Failure::Vanished),
                        _ => {}
                    }
                    display.takes(name, file.len());
                    block = block.wrapping_add(1);
                    file.extend_from_slice(&datagram[4..len]);
                    last = [[0, 4], block.to_be_bytes()].concat();
                    attempt = 0;
                    if len < 4 + BLOCK {
                        socket.send_to(&last, to).await.map_err(network)?;
                        return Ok(file);
                    }
                    continue 'ask;
                }
                5 => {
                    let words = String::from_utf8_lossy(&datagram[4..len]).trim_end_matches('\0').to_owned();
                    return Err(if word(2) == 1 { Failure::NotFound } else { Failure::Refused(word(2), words) });
                }
                _ => {}
            }
        }
    }
}

/// The address that a phone binds to if none is given.
pub const ANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
