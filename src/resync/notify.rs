//! Sends a NOTIFY and waits for the final response.
//!
//! A phone may answer from any port, because its SIP stack sends what is not for its proxy from a free one, and its answer may not
//! arrive at all: it is sent to the address in Via, which behind address translation only this side knows.

mod socket;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use self::socket::NotifySocket;
use super::ANSWER;
use super::sip::{Notify, TIMER_F, timer_e};
use crate::api::Reason;
use crate::base::text::printable;
use crate::provision::resync::{Answer, ResyncError};

/// Status codes of a phone that does not know the user of the request's URI.
const UNKNOWN_USER: [u16; 6] = [404, 410, 416, 484, 485, 604];
/// If the network says so soon that nobody is there, no NOTIFY arrived: one that did has its effect later, because the phone is
/// idle for 20 s before it restarts. A host that no longer answers ARP is known after 3 s.
const SOON: Duration = Duration::from_secs(4);

/// How a transaction ended.
enum End {
    /// With a final response.
    Response { status: u16, reason: String },
    /// The phone did what it does after a NOTIFY.
    Seen,
    /// With nothing; what that may mean.
    Silence(String),
}

/// Sends the phone at an address a NOTIFY for check-sync: addressed to its first line, and if it does not know that one, to the
/// others. It is not sent again once the phone `is_heard` otherwise.
pub async fn notify(to: SocketAddr, lines: &[String], is_heard: impl Fn() -> bool) -> Result<Answer, ResyncError> {
    let mut refused = Vec::new();
    let mut advice = "; does it run other lines than these? Restart it by hand";
    for line in lines {
        match transaction(to, line, &is_heard).await? {
            End::Response { status: 200..300, .. } | End::Seen => return Ok(Answer::Heard),
            End::Silence(what) => return Ok(Answer::Silence(what)),
            End::Response { status, reason } => {
                refused.push(format!("{status} {}", printable(&reason, ANSWER)));
                if !UNKNOWN_USER.contains(&status) {
                    advice = "";
                    break;
                }
            }
        }
    }
    refused.dedup();
    let what = format!("the phone at {to} refused the NOTIFY: {}{advice}", refused.join(", "));
    Err(ResyncError::new(Reason::Refused, what))
}

/// One non-INVITE client transaction (RFC 3261, 17.1.2).
async fn transaction(to: SocketAddr, line: &str, is_heard: &impl Fn() -> bool) -> Result<End, ResyncError> {
    let unsent =
        |error: io::Error| ResyncError::new(Reason::NotSent, format!("a NOTIFY to {to} could not be sent: {error}"));
    let socket = NotifySocket::open(to).map_err(unsent)?;
    let from = socket.local_addr().map_err(unsent)?;
    let request = Notify::new(from, to, line, &format!("{:032x}", rand::random::<u128>()));
    let began = Instant::now();
    let end = began + TIMER_F;
    let (mut sent, mut proceeding, mut absence) = (0, false, Absence::default());
    while Instant::now() < end && !is_heard() {
        let mut error = socket.send(request.bytes()).await.map_err(unsent)?;
        sent += 1;
        let again = (Instant::now() + timer_e(sent, proceeding)).min(end);
        let mut datagram = [0; 4096];
        while let Ok(received) = timeout_at(again, socket.receive(&mut datagram)).await {
            let len = match received.map_err(unsent)? {
                Ok(len) => len,
                Err(unreachable) => {
                    error = Some(unreachable);
                    continue;
                }
            };
            match request.response(&datagram[..len]) {
                Some((100..200, _)) => proceeding = true,
                Some((status, reason)) => return Ok(End::Response { status, reason }),
                None => {}
            }
        }
        absence.note(error, began.elapsed(), again < end);
    }
    if is_heard() {
        return Ok(End::Seen);
    }
    let how = if proceeding { "gave no final answer to" } else { "did not answer" };
    let silence = format!("the phone at {to} {how} {sent} NOTIFYs in {} s", TIMER_F.as_secs());
    match absence.reason() {
        Some(reason) => Err(ResyncError::new(Reason::NoAnswer, format!("{silence}: {reason}"))),
        None => Ok(End::Silence(silence)),
    }
}

/// Whether the network says that no NOTIFY can have arrived.
#[derive(Debug, Default)]
struct Absence {
    /// When it said so first, after the first NOTIFY.
    since: Option<Duration>,
    error: Option<io::Error>,
    /// Whether it said nothing about a later one.
    is_doubtful: bool,
}

impl Absence {
    /// What it said after one NOTIFY, and before the next if there was a `whole` pause between them.
    fn note(&mut self, error: Option<io::Error>, at: Duration, whole: bool) {
        match error {
            Some(error) => {
                self.since.get_or_insert(at);
                self.error = Some(error);
            }
            None if whole => self.is_doubtful |= self.since.is_some(),
            None => {}
        }
    }

    /// Why the phone was not told. One that was told and restarts is not there for a while, too.
    fn reason(self) -> Option<String> {
        let error = self.error.filter(|_| !self.is_doubtful && self.since.is_some_and(|since| since <= SOON))?;
        Some(match error.kind() {
            io::ErrorKind::ConnectionRefused => "nobody listens there".to_owned(),
            _ => format!("it cannot be reached ({error})"),
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::UdpSocket;

    use super::*;

    /// From where a phone of the tests answers.
    #[derive(Clone, Copy)]
    enum From {
        SamePort,
        FreePort,
        OtherAddress,
    }

    /// A phone that answers each request with the next of these statuses; the requests that it received.
    async fn answering(
        statuses: &'static [&'static str],
        answers: From,
    ) -> (SocketAddr, tokio::task::JoinHandle<Vec<String>>) {
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
                let answer = format!("SIP/2.0 {status}\r\n{headers}\r\nContent-Length: 0\r\n\r\n");
                let once = match answers {
                    From::SamePort => None,
                    From::FreePort => Some("127.0.0.1:0"),
                    From::OtherAddress => Some("127.0.0.2:0"),
                };
                match once {
                    None => socket.send_to(answer.as_bytes(), from).await.unwrap(),
                    Some(at) => UdpSocket::bind(at).await.unwrap().send_to(answer.as_bytes(), from).await.unwrap(),
                };
                received.push(text);
            }
            received
        });
        (address, received)
    }

    fn names(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|line| (*line).to_owned()).collect()
    }

    fn never() -> bool {
        false
    }

    #[tokio::test]
    async fn a_phone_that_does_not_know_a_line_gets_a_new_transaction_for_the_next_whatever_port_it_answers_from() {
        for answers in [From::SamePort, From::FreePort] {
            let (to, received) = answering(&["404 Not Found", "404 Not Found", "200 OK"], answers).await;
            assert_eq!(notify(to, &names(&["7101", "7102", "7103"]), never).await, Ok(Answer::Heard));
            let received = received.await.unwrap();
            let first = |request: &String| request.lines().next().unwrap_or_default().to_owned();
            let lines: Vec<String> = received.iter().map(first).collect();
            assert_eq!(lines, ["7101", "7102", "7103"].map(|line| format!("NOTIFY sip:{line}@{to} SIP/2.0")));
            let branches: std::collections::BTreeSet<&str> =
                received.iter().filter_map(|request| request.split("branch=").nth(1)?.split(';').next()).collect();
            assert_eq!(branches.len(), 3);
        }
        let (to, received) = answering(&["404 Not Found", "404 Not Found"], From::FreePort).await;
        let problem = notify(to, &names(&["7101", "7102"]), never).await.unwrap_err();
        assert!(problem.message.contains("404 Not Found; does it run other lines"), "{problem:?}");
        assert_eq!(received.await.unwrap().len(), 2, "a request for nobody is not tried");
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
            let (to, received) = answering(Box::leak(Box::new([status])), From::FreePort).await;
            let problem = notify(to, &names(&["7101"]), never).await.unwrap_err();
            assert!(problem.reason == Reason::Refused && problem.message.ends_with(status), "{problem:?}");
            assert_eq!(received.await.unwrap().len(), 1, "{status} is final: nothing is sent again");
        }
        // Whatever it answers is shown as text, and not all of it.
        let odd =
            "489 \u{1b}]0;owned\u{7}xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
        let (to, _) = answering(Box::leak(Box::new([odd])), From::SamePort).await;
        let problem = notify(to, &names(&["7101"]), never).await.unwrap_err();
        assert!(
            problem.message.contains("489 \\u001b]0;owned\\u0007xxx") && problem.message.len() < 200,
            "{problem:?}"
        );
        // After 100 the request is sent again until the final response.
        let (to, received) = answering(&["100 Trying", "202 Accepted"], From::FreePort).await;
        notify(to, &names(&["7101"]), never).await.unwrap();
        let received = received.await.unwrap();
        assert_eq!(received[0], received[1], "it is sent again as it was");
    }

    /// How many datagrams arrived.
    fn count(socket: &UdpSocket) -> usize {
        let mut datagram = [0; 4096];
        std::iter::from_fn(|| socket.try_recv(&mut datagram).ok()).count()
    }

    #[tokio::test]
    async fn silence_is_no_failure_and_ends_with_timer_f() {
        let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let to = silent.local_addr().unwrap();
        tokio::time::pause();
        let began = Instant::now();
        let Ok(Answer::Silence(what)) = notify(to, &names(&["7101", "7102"]), never).await else { panic!() };
        assert_eq!(began.elapsed().as_secs(), 32, "{what}");
        assert!(what.ends_with("did not answer 11 NOTIFYs in 32 s"), "{what}");
        assert_eq!(count(&silent), 11);
    }

    #[tokio::test]
    async fn nothing_is_sent_again_once_the_phone_is_heard_otherwise() {
        let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let to = silent.local_addr().unwrap();
        tokio::time::pause();
        let began = Instant::now();
        let is_heard = || began.elapsed() > Duration::from_secs(20);
        assert_eq!(notify(to, &names(&["7101"]), is_heard).await, Ok(Answer::Heard));
        assert_eq!(
            (count(&silent), began.elapsed().as_secs()),
            (8, 23),
            "after 0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5 s"
        );
    }

    #[tokio::test]
    async fn an_answer_from_another_address_is_none() {
        let (to, received) = answering(&["200 OK"], From::OtherAddress).await;
        tokio::time::pause();
        let end = notify(to, &names(&["7101"]), never).await;
        assert_eq!(received.await.unwrap().len(), 1);
        // Then the phone's port was closed, although its first NOTIFY met silence.
        assert!(matches!(end, Ok(Answer::Silence(_)) | Err(ResyncError { reason: Reason::NoAnswer, .. })), "{end:?}");
    }

    #[tokio::test]
    async fn a_closed_port_is_heard_although_the_socket_is_not_connected() {
        for at in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(closed) = UdpSocket::bind(at).await else { continue };
            let to = closed.local_addr().unwrap();
            drop(closed);
            tokio::time::pause();
            let problem = notify(to, &names(&["7101"]), never).await.unwrap_err();
            assert_eq!(problem.reason, Reason::NoAnswer);
            assert!(problem.message.ends_with("11 NOTIFYs in 32 s: nobody listens there"), "{problem:?}");
            tokio::time::resume();
        }
    }

    #[test]
    fn a_phone_that_was_told_and_is_gone_then_was_told() {
        let refused = || Some(io::Error::from(io::ErrorKind::ConnectionRefused));
        let after = |heard: &[(Option<io::ErrorKind>, u64)]| {
            let mut absence = Absence::default();
            heard.iter().for_each(|(error, at)| {
                absence.note(error.map(io::Error::from), Duration::from_secs(*at), true);
            });
            absence.reason().is_some()
        };
        let (gone, far) = (refused().map(|error| error.kind()), Some(io::ErrorKind::HostUnreachable));
        assert!(after(&[(gone, 1), (gone, 2), (gone, 4)]));
        assert!(after(&[(None, 1), (None, 2), (far, 3), (far, 8)]), "ARP takes 3 s");
        assert!(!after(&[(None, 1), (None, 4), (None, 20), (gone, 24), (gone, 28)]), "it restarts");
        assert!(!after(&[(gone, 1), (None, 4), (None, 8)]), "it came up, and was told");
        assert!(!after(&[]));
        let mut absence = Absence::default();
        absence.note(refused(), Duration::from_secs(1), true);
        absence.note(None, Duration::from_secs(32), false);
        assert!(absence.reason().is_some(), "the last pause is short");
    }
}
