//! Sends a NOTIFY and waits for the final response.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use super::ANSWER;
use super::sip::{Notify, TIMER_F, timer_e};
use crate::api::Reason;
use crate::base::text::printable;
use crate::provision::resync::ResyncError;

/// Status codes of a phone that does not know the user of the request's URI.
const UNKNOWN_USER: [u16; 6] = [404, 410, 416, 484, 485, 604];

/// A final response.
enum FinalResponse {
    Accepted,
    Refused { status: u16, reason: String },
}

/// Sends the phone at an address a NOTIFY for check-sync: addressed to its first line, and if it does not know that one, to the
/// others and in the end to none, for its lines may have changed since it fetched them.
pub async fn notify(to: SocketAddr, lines: &[String]) -> Result<(), ResyncError> {
    let mut refused = Vec::new();
    for line in lines.iter().map(|line| Some(line.as_str())).chain([None]) {
        match transaction(to, line).await? {
            FinalResponse::Accepted => return Ok(()),
            FinalResponse::Refused { status, reason } => {
                refused.push(format!("{status} {}", printable(&reason, ANSWER)));
                if !UNKNOWN_USER.contains(&status) {
                    break;
                }
            }
        }
    }
    refused.dedup();
    let what = format!("the phone at {to} refused the NOTIFY: {}", refused.join(", "));
    Err(ResyncError::new(Reason::Refused, what))
}

/// One non-INVITE client transaction (RFC 3261, 17.1.2).
async fn transaction(to: SocketAddr, line: Option<&str>) -> Result<FinalResponse, ResyncError> {
    let unsent =
        |error: io::Error| ResyncError::new(Reason::NotSent, format!("a NOTIFY to {to} could not be sent: {error}"));
    let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await.map_err(unsent)?;
    // Connected, so that only datagrams of the phone are received, and ICMP errors of a closed port too.
    socket.connect(to).await.map_err(unsent)?;
    let from = socket.local_addr().map_err(unsent)?;
    let request = Notify::new(from, to, line, &format!("{:032x}", rand::random::<u128>()));
    let end = Instant::now() + TIMER_F;
    let (mut sent, mut proceeding, mut closed) = (0, false, false);
    let mut datagram = [0; 4096];
    while Instant::now() < end {
        match socket.send(request.bytes()).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => closed = true,
            result => drop(result.map_err(unsent)?),
        }
        sent += 1;
        let again = (Instant::now() + timer_e(sent, proceeding)).min(end);
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
            match request.response(&datagram[..len]) {
                Some((100..200, _)) => proceeding = true,
                Some((200..300, _)) => return Ok(FinalResponse::Accepted),
                Some((status, reason)) => return Ok(FinalResponse::Refused { status, reason }),
                None => {}
            }
        }
    }
    let why = if closed { "nobody listens there" } else { "is it unplugged, or does a firewall keep SIP from it?" };
    Err(ResyncError::new(
        Reason::NoAnswer,
        format!("the phone at {to} did not answer {sent} NOTIFYs in {} s: {why}", TIMER_F.as_secs()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A phone that answers each request with the next of these statuses; the requests that it received.
    async fn answering(statuses: &'static [&'static str]) -> (SocketAddr, tokio::task::JoinHandle<Vec<String>>) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let received = tokio::spawn(async move {
            let (mut received, mut datagram) = (Vec::new(), [0; 4096]);
            for status in statuses {
                let (len, from) = socket.recv_from(&mut datagram).await.unwrap();
                let text = String::from_utf8_lossy(&datagram[..len]).into_owned();
                let headers = text
                    .lines()
                    .filter(|line| ["Via", "From", "To:", "Call", "CSeq"].iter().any(|name| line.starts_with(name)));
                let headers = headers.collect::<Vec<_>>().join("\r\n");
                socket
                    .send_to(format!("SIP/2.0 {status}\r\n{headers}\r\nContent-Length: 0\r\n\r\n").as_bytes(), from)
                    .await
                    .unwrap();
                received.push(text);
            }
            received
        });
        (address, received)
    }

    fn names(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|line| (*line).to_owned()).collect()
    }

    #[tokio::test]
    async fn a_phone_that_does_not_know_a_line_gets_a_new_transaction_for_the_next() {
        let (to, received) = answering(&["404 Not Found", "404 Not Found", "200 OK"]).await;
        notify(to, &names(&["7101", "7102"])).await.unwrap();
        let received = received.await.unwrap();
        let first = |request: &String| request.lines().next().unwrap_or_default().to_owned();
        let lines: Vec<String> = received.iter().map(first).collect();
        let to = to.to_string();
        assert_eq!(
            lines,
            [
                format!("NOTIFY sip:7101@{to} SIP/2.0"),
                format!("NOTIFY sip:7102@{to} SIP/2.0"),
                format!("NOTIFY sip:{to} SIP/2.0")
            ]
        );
        let branches: std::collections::BTreeSet<&str> =
            received.iter().filter_map(|request| request.split("branch=").nth(1)?.split(';').next()).collect();
        assert_eq!(branches.len(), 3);
    }

    #[tokio::test]
    async fn every_final_response_ends_the_transaction_and_a_provisional_one_does_not() {
        for status in [
            "301 Moved",
            "408 Request Timeout",
            "481 Subscription Does Not Exist",
            "489 Bad Event",
            "500 Server Error",
            "603 Decline",
        ] {
            let (to, received) = answering(Box::leak(Box::new([status]))).await;
            let problem = notify(to, &names(&["7101"])).await.unwrap_err();
            assert!(problem.reason == Reason::Refused && problem.message.contains(status), "{problem:?}");
            assert_eq!(received.await.unwrap().len(), 1, "{status} is final: nothing is sent again");
        }
        // Whatever it answers is shown as text, and not all of it.
        let (to, _) = answering(&[
            "489 \u{1b}]0;owned\u{7}xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        ])
        .await;
        let problem = notify(to, &names(&["7101"])).await.unwrap_err();
        assert!(
            problem.message.contains("489 \\u001b]0;owned\\u0007xxx") && problem.message.len() < 200,
            "{problem:?}"
        );
        // After 100 the request is sent again until the final response.
        let (to, received) = answering(&["100 Trying", "202 Accepted"]).await;
        notify(to, &names(&["7101"])).await.unwrap();
        let received = received.await.unwrap();
        assert_eq!(received[0], received[1], "it is sent again as it was");
    }

    #[tokio::test]
    async fn a_silent_phone_is_an_error_after_timer_f() {
        let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let to = silent.local_addr().unwrap();
        tokio::time::pause();
        let began = Instant::now();
        let problem = notify(to, &names(&["7101"])).await.unwrap_err();
        assert_eq!((problem.reason, began.elapsed().as_secs()), (Reason::NoAnswer, 32), "{problem:?}");
        let (mut sent, mut datagram) = (0, [0; 4096]);
        while silent.try_recv(&mut datagram).is_ok() {
            sent += 1;
        }
        assert_eq!(sent, 11);
    }
}
