//! Sends a NOTIFY and waits for the final answer.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use super::sip::{LIMIT, Notify, pause};
use crate::provision::resync::Problem;

/// Tells the phone at an address to check its files.
pub async fn notify(to: SocketAddr, line: Option<&str>) -> Result<(), Problem> {
    let unsent = |error: io::Error| Problem::new("NotSent", format!("a NOTIFY to {to} could not be sent: {error}"));
    let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await.map_err(unsent)?;
    // Connected, so that only the phone is heard and a port that nobody listens on is noticed.
    socket.connect(to).await.map_err(unsent)?;
    let from = socket.local_addr().map_err(unsent)?;
    let request = Notify::new(from, to, line, &format!("{:032x}", rand::random::<u128>()));
    let end = Instant::now() + LIMIT;
    let (mut sent, mut provisional, mut closed) = (0, false, false);
    let mut datagram = [0; 4096];
    while Instant::now() < end {
        match socket.send(request.bytes()).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => closed = true,
            result => drop(result.map_err(unsent)?),
        }
        sent += 1;
        let again = (Instant::now() + pause(sent, provisional)).min(end);
        while let Ok(received) = timeout_at(again, socket.recv(&mut datagram)).await {
            let len = match received {
                Ok(len) => len,
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    // A phone that restarts has its port closed for a while.
                    closed = true;
                    continue;
                }
                Err(error) => return Err(unsent(error)),
            };
            match request.answered(&datagram[..len]) {
                Some((100..200, _)) => provisional = true,
                Some((200..300, _)) => return Ok(()),
                Some((status, words)) => {
                    let what = format!("the phone at {to} refused the NOTIFY: {status} {words}");
                    return Err(Problem::new("Refused", what));
                }
                None => {}
            }
        }
    }
    let why = if closed { "nobody listens there" } else { "is it unplugged, or does a firewall keep SIP from it?" };
    Err(Problem::new(
        "NoAnswer",
        format!("the phone at {to} did not answer {sent} NOTIFYs in {} s: {why}", LIMIT.as_secs()),
    ))
}
