//! The phone's TFTP client: 512-byte blocks, octet, no options, a new port for each file, and the real phone's timeouts and
//! retries.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::display::Display;
use super::fault::TransferFault;
use super::network::Network;
use crate::base::text::{QUOTED, printable};

/// Timeouts and retries, as seen with firmware 8.12: the first retry after 1 s, then every 4 s, 4 attempts on a port, 3 ports.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// The time before the second attempt.
    pub first: Duration,
    /// The time before each further attempt.
    pub next: Duration,
    /// Attempts on one port.
    pub tries: u32,
    /// Ports, one after the other.
    pub rounds: u32,
}

impl Patience {
    /// How long a phone asks a silent server for one file.
    pub fn whole(&self) -> Duration {
        (self.first + self.next * self.tries.saturating_sub(1)) * self.rounds
    }
}

impl Default for Patience {
    fn default() -> Self {
        Patience { first: Duration::from_secs(1), next: Duration::from_secs(4), tries: 4, rounds: 3 }
    }
}

/// Why a file was not fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The server has no such file.
    NotFound,
    /// The server sent another error: code and text.
    Refused(u16, String),
    /// The server did not answer.
    Silent,
    /// The network failed.
    Network(String),
    /// The phone aborted the transfer after so many bytes.
    Aborted(usize),
    /// The phone was switched off.
    Vanished,
    /// The phone was switched off and on again, after so many bytes.
    Cut(usize),
}

const BLOCK: usize = 512;
/// The most bytes of one file: images have less than 1 MiB, and a server that never sends the last block is no server.
const MAX_FILE_BYTES: usize = 4 << 20;
/// The longest that one file may take, however often a block comes just in time.
const MAX_FILE_TIME: Duration = Duration::from_secs(15 * 60);
/// The longest request (RFC 2347).
const MAX_REQUEST_BYTES: usize = 512;

/// A file to be fetched.
pub struct Request<'a> {
    /// The phone's own address.
    pub bind: IpAddr,
    /// The server.
    pub server: SocketAddr,
    /// The file.
    pub name: &'a str,
    /// Timeouts and retries.
    pub patience: Patience,
    /// What goes wrong with the transfer.
    pub fault: Option<TransferFault>,
    /// Shows the progress.
    pub display: &'a Display,
}

/// Fetches a file; and the number of repeated requests and acknowledgements.
pub async fn fetch(request: &Request<'_>, network: &mut Network) -> (Result<Vec<u8>, Failure>, u32) {
    let mut repeats = 0;
    for _ in 0..request.patience.rounds {
        let result = round(request, network, &mut repeats).await;
        if result != Err(Failure::Silent) {
            return (result, repeats);
        }
    }
    (Err(Failure::Silent), repeats)
}

async fn round(request: &Request<'_>, network: &mut Network, repeats: &mut u32) -> Result<Vec<u8>, Failure> {
    let Request { bind, server, name, patience, fault, display } = *request;
    let failed = |error: std::io::Error| Failure::Network(error.to_string());
    let socket = network.open(bind, name).await.map_err(failed)?;
    let request = [b"\0\x01", name.as_bytes(), b"\0octet\0"].concat();
    if request.len() > MAX_REQUEST_BYTES || name.contains('\0') {
        // Files name other files: such a name fits no request.
        return Err(Failure::Network("no request can hold this name".to_owned()));
    }
    let began = Instant::now();
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
        network.send(&socket, &last, to).await.map_err(failed)?;
        let pause = if attempt == 1 { patience.first } else { patience.next };
        let deadline = Instant::now() + pause;
        loop {
            let (len, from) = match timeout_at(deadline, network.receive(&socket, &mut datagram)).await {
                Err(_) => continue 'ask,
                // No server listens on the port: the real phone ignores that and repeats its request.
                Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => continue,
                Ok(received) => received.map_err(failed)?,
            };
            if from.ip() != server.ip() || peer.is_some_and(|peer| peer != from) || len < 4 {
                continue;
            }
            let number_at = |at: usize| u16::from_be_bytes([datagram[at], datagram[at + 1]]);
            match number_at(0) {
                3 if number_at(2) == block.wrapping_add(1) => {
                    peer = Some(from);
                    to = from;
                    match fault {
                        Some(TransferFault::Abort(byte)) if file.len() + len - 4 > byte => {
                            network.send(&socket, b"\0\x05\0\0gave up\0", to).await.map_err(failed)?;
                            return Err(Failure::Aborted(file.len()));
                        }
                        Some(TransferFault::Vanish(byte)) if file.len() + len - 4 > byte => {
                            return Err(Failure::Vanished);
                        }
                        Some(TransferFault::Cut(byte)) if file.len() + len - 4 > byte => {
                            network.keep(name, socket);
                            return Err(Failure::Cut(file.len()));
                        }
                        _ => {}
                    }
                    if file.len() > MAX_FILE_BYTES || began.elapsed() > MAX_FILE_TIME {
                        network.send(&socket, b"\0\x05\0\x03no room\0", to).await.map_err(failed)?;
                        let (most, minutes) = (MAX_FILE_BYTES >> 20, MAX_FILE_TIME.as_secs() / 60);
                        return Err(Failure::Network(format!(
                            "after {most} MiB, or {minutes} minutes, no end of it came"
                        )));
                    }
                    display.set_transfer(name, file.len());
                    block = block.wrapping_add(1);
                    file.extend_from_slice(&datagram[4..len]);
                    last = [[0, 4], block.to_be_bytes()].concat();
                    attempt = 0;
                    if len < 4 + BLOCK {
                        if !network.loses_last_ack() {
                            network.send(&socket, &last, to).await.map_err(failed)?;
                        }
                        return Ok(file);
                    }
                    continue 'ask;
                }
                5 => return Err(refusal(number_at(2), &datagram[4..len])),
                _ => {}
            }
        }
    }
}

/// The server's ERROR packet.
fn refusal(code: u16, text: &[u8]) -> Failure {
    match code {
        1 => Failure::NotFound,
        code => Failure::Refused(code, printable(String::from_utf8_lossy(text).trim_end_matches('\0'), QUOTED)),
    }
}

/// The address that a phone binds to if none is given.
pub const ANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
