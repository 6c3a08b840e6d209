//! Sends a NOTIFY and waits for the final answer.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use super::sip::{LIMIT, Notify, pause};
use crate::api::Reason;
use crate::provision::resync::ResyncError;

/// Answers of a phone that is there and does not know whom the request is for.
const NOT_FOR_ME: [u16; 6] = [404, 410, 416, 484, 485, 604];

/// How a phone answered.
enum Answer {
    Accepted,
    Refused(u16, String),
}

/// Tells the phone at an address to check its files: by its first line, and if it does not know that one, by the others and
/// in the end by none, for its lines may have changed since it fetched them.
pub async fn notify(to: SocketAddr, lines: &[String]) -> Result<(), ResyncError> {
    let mut refused = Vec::new();
    for line in lines.iter().map(|line| Some(line.as_str())).chain([None]) {
        match ask(to, line).await? {
            Answer::Accepted => return Ok(()),
            Answer::Refused(status, words) => {
                refused.push(format!("{status} {words}"));
                if !NOT_FOR_ME.contains(&status) {
                    break;
                }
            }
        }
    }
    refused.dedup();
    let what = format!("the phone at {to} refused the NOTIFY: {}", refused.join(", "));
    Err(ResyncError::new(Reason::Refused, what))
}

/// One transaction.
async fn ask(to: SocketAddr, line: Option<&str>) -> Result<Answer, ResyncError> {
    let unsent =
        |error: io::Error| ResyncError::new(Reason::NotSent, format!("a NOTIFY to {to} could not be sent: {error}"));
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
                Some((200..300, _)) => return Ok(Answer::Accepted),
                Some((status, words)) => return Ok(Answer::Refused(status, words)),
                None => {}
            }
        }
    }
    let why = if closed { "nobody listens there" } else { "is it unplugged, or does a firewall keep SIP from it?" };
    Err(ResyncError::new(
        Reason::NoAnswer,
        format!("the phone at {to} did not answer {sent} NOTIFYs in {} s: {why}", LIMIT.as_secs()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Somebody who answers each request with the next of these statuses, once or, for a provisional one, before the next; the
    /// requests that were heard.
    async fn answers(statuses: &'static [&'static str]) -> (SocketAddr, tokio::task::JoinHandle<Vec<String>>) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let heard = tokio::spawn(async move {
            let (mut heard, mut datagram) = (Vec::new(), [0; 4096]);
            for status in statuses {
                let (len, from) = socket.recv_from(&mut datagram).await.unwrap();
                let text = String::from_utf8_lossy(&datagram[..len]).into_owned();
                let kept = text
                    .lines()
                    .filter(|line| ["Via", "From", "To:", "Call", "CSeq"].iter().any(|name| line.starts_with(name)));
                let kept = kept.collect::<Vec<_>>().join("\r\n");
                socket
                    .send_to(format!("SIP/2.0 {status}\r\n{kept}\r\nContent-Length: 0\r\n\r\n").as_bytes(), from)
                    .await
                    .unwrap();
                heard.push(text);
            }
            heard
        });
        (address, heard)
    }

    fn names(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|line| (*line).to_owned()).collect()
    }

    #[tokio::test]
    async fn a_phone_that_does_not_know_a_line_is_asked_by_the_next_in_a_new_transaction() {
        let (to, heard) = answers(&["404 Not Found", "404 Not Found", "200 OK"]).await;
        notify(to, &names(&["7101", "7102"])).await.unwrap();
        let heard = heard.await.unwrap();
        let first = |request: &String| request.lines().next().unwrap_or_default().to_owned();
        let asked: Vec<String> = heard.iter().map(first).collect();
        let to = to.to_string();
        assert_eq!(
            asked,
            [
                format!("NOTIFY sip:7101@{to} SIP/2.0"),
                format!("NOTIFY sip:7102@{to} SIP/2.0"),
                format!("NOTIFY sip:{to} SIP/2.0")
            ]
        );
        let branches: std::collections::BTreeSet<&str> =
            heard.iter().filter_map(|request| request.split("branch=").nth(1)?.split(';').next()).collect();
        assert_eq!(branches.len(), 3);
    }

    #[tokio::test]
    async fn every_final_answer_is_one_and_a_provisional_one_is_none() {
        for status in [
            "301 Moved",
            "408 Request Timeout",
            "481 Subscription Does Not Exist",
            "489 Bad Event",
            "500 Server Error",
            "603 Decline",
        ] {
            let (to, heard) = answers(Box::leak(Box::new([status]))).await;
            let problem = notify(to, &names(&["7101"])).await.unwrap_err();
            assert!(problem.reason == Reason::Refused && problem.message.contains(status), "{problem:?}");
            assert_eq!(heard.await.unwrap().len(), 1, "{status} is an answer: nothing is sent again");
        }
        // After 100 the request is sent again only to hear the final answer.
        let (to, heard) = answers(&["100 Trying", "202 Accepted"]).await;
        notify(to, &names(&["7101"])).await.unwrap();
        let heard = heard.await.unwrap();
        assert_eq!(heard[0], heard[1], "it is sent again as it was");
    }

    #[tokio::test]
    async fn silence_is_told_after_timer_f() {
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
