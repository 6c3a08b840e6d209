//! The part of SIP that the simulated phone knows: it answers requests, and recognises a NOTIFY for check-sync.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use clap::ValueEnum;

/// What becomes of a phone's answers to SIP requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum SipAnswers {
    /// Each leaves from a port of its own, unless nat_enable is 1 or the phone's proxy asked; a repeated request is acted on again
    #[default]
    FreePort,
    /// All leave from the port that was asked; a repeated request is only answered again
    SamePort,
    /// As from a free port, and none arrives: a firewall drops them, or they are for a pod's address that only its node knows
    Lost,
}

/// The SIP state of a phone: its lines, and its latest answers, if it remembers them for requests that are repeated.
#[derive(Debug, Default)]
pub struct Sip {
    lines: Vec<String>,
    answers: SipAnswers,
    answered: VecDeque<(String, Vec<u8>)>,
}

/// The number of answers that are kept.
const MAX_ANSWERS: usize = 16;
/// The port of SIP where a request's Via names none.
const DEFAULT_PORT: u16 = 5060;
/// The longest request that is read, in bytes.
pub const MAX_REQUEST: usize = 4096;

/// The answer to a request, and its effect.
#[derive(Debug, PartialEq, Eq)]
pub struct Reaction {
    /// The datagram to send back.
    pub answer: Vec<u8>,
    /// Where the request's Via wants it, if that is an address. `rport` is not read.
    pub via: Option<SocketAddr>,
    /// Whether the request is a NOTIFY for check-sync, after which the phone reads `syncinfo.xml`.
    pub check_sync: bool,
}

impl Sip {
    /// The state of a phone with these lines.
    pub fn new(lines: Vec<String>, answers: SipAnswers) -> Sip {
        Sip { lines, answers, answered: VecDeque::new() }
    }

    /// Handles a datagram; nothing if it is no request.
    pub fn react(&mut self, datagram: &[u8]) -> Option<Reaction> {
        let text = std::str::from_utf8(datagram).ok()?;
        let head = text.split_once("\r\n\r\n").map_or(text, |(head, _)| head);
        let mut lines = head.split("\r\n");
        let mut first = lines.next()?.split(' ');
        let (method, uri, version) = (first.next()?, first.next()?, first.next()?);
        if version != "SIP/2.0" {
            return None;
        }
        let headers: Vec<(String, &str)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (long(&name.trim().to_ascii_lowercase()).to_owned(), value.trim()))
            .collect();
        let all =
            |name: &str| headers.iter().filter(|(found, _)| found == name).map(|(_, value)| *value).collect::<Vec<_>>();
        let one = |name: &str| all(name).first().copied();
        let (via, from, to) = (all("via"), one("from")?, one("to")?);
        let (call_id, sequence) = (one("call-id")?, one("cseq")?);
        let top = via.first()?;
        let branch = top.split(';').find_map(|part| part.trim().strip_prefix("branch="))?;
        let id = format!("{branch} {call_id} {sequence}");
        let via_address = sent_by(top);
        if let Some((_, answer)) = self.answered.iter().find(|(known, _)| *known == id) {
            // A retransmission: the same answer, and no second effect.
            return Some(Reaction { answer: answer.clone(), via: via_address, check_sync: false });
        }
        let user = uri.strip_prefix("sip:").and_then(|uri| uri.split_once('@')).map(|(user, _)| unescape(user));
        let has_user = user.as_ref().is_some_and(|user| !user.is_empty());
        let known = user.is_some_and(|user| self.lines.contains(&user));
        let event = one("event").map(|event| event.split(';').next().unwrap_or_default().trim());
        let (status, check_sync) = match (method, event) {
            ("ACK", _) => return None,
            ("NOTIFY" | "OPTIONS", _) if !has_user => ("400 Bad Request", false),
            ("NOTIFY" | "OPTIONS", _) if !known => ("404 Not Found", false),
            ("NOTIFY", None) => ("400 Bad Request", false),
            ("NOTIFY", Some("check-sync")) => ("200 OK", true),
            ("NOTIFY", Some(_)) => ("489 Bad Event", false),
            ("OPTIONS", _) => ("200 OK", false),
            _ => ("405 Method Not Allowed", false),
        };
        let vias: String = via.iter().map(|via| format!("Via: {via}\r\n")).collect();
        let tag = if to.contains(";tag=") { String::new() } else { format!(";tag={:08x}", rand::random::<u32>()) };
        let answer = format!(
            "SIP/2.0 {status}\r\n{vias}From: {from}\r\nTo: {to}{tag}\r\nCall-ID: {call_id}\r\nCSeq: {sequence}\r\n\
             Allow: NOTIFY, OPTIONS\r\nContent-Length: 0\r\n\r\n"
        )
        .into_bytes();
        if self.answers == SipAnswers::SamePort {
            self.answered.push_back((id, answer.clone()));
            if self.answered.len() > MAX_ANSWERS {
                self.answered.pop_front();
            }
        }
        Some(Reaction { answer, via: via_address, check_sync })
    }
}

/// The address and port in a Via, if its host is an address.
fn sent_by(via: &str) -> Option<SocketAddr> {
    let text = via.split(';').next()?.split_whitespace().nth(1)?;
    let address = || text.trim_matches(['[', ']']).parse::<IpAddr>().ok();
    text.parse().ok().or_else(|| Some(SocketAddr::new(address()?, DEFAULT_PORT)))
}

/// The long form of a header's name.
fn long(name: &str) -> &str {
    match name {
        "v" => "via",
        "f" => "from",
        "t" => "to",
        "i" => "call-id",
        "o" => "event",
        other => other,
    }
}

fn unescape(user: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = user.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = |digit: u8| char::from(digit).to_digit(16);
        match (first, tail) {
            (b'%', [a, b, more @ ..]) if hex(*a).is_some() && hex(*b).is_some() => {
                bytes.push((hex(*a).unwrap_or(0) * 16 + hex(*b).unwrap_or(0)) as u8);
                rest = more;
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The SYNC value of an image in `syncinfo.xml`: that of its own entry, otherwise that of `*`.
pub fn sync_of(xml: &[u8], running: &str) -> Option<String> {
    let text: String = xml.iter().map(|byte| char::from(*byte)).collect();
    let entries: Vec<(String, String)> = text
        .split('<')
        .filter(|element| element.to_ascii_uppercase().starts_with("IMAGE "))
        .filter_map(|element| Some((attribute(element, "VERSION")?, attribute(element, "SYNC")?)))
        .collect();
    let find = |version: &str| entries.iter().find(|(found, _)| found == version).map(|(_, sync)| sync.clone());
    find(running).or_else(|| find("*"))
}

fn attribute(element: &str, name: &str) -> Option<String> {
    let at = element.to_ascii_uppercase().find(&format!("{name}=\""))?;
    let value = &element[at + name.len() + 2..];
    value.split_once('"').map(|(value, _)| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, user: &str, event: &str) -> Vec<u8> {
        format!("{method} sip:{user}@10.0.0.9 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bK{user}{event};rport\r\nVia: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bKother\r\nFrom: <sip:a@10.0.0.1>;tag=1\r\nTo: <sip:{user}@10.0.0.9>\r\ni: 1@10.0.0.1\r\nCSeq: 7 {method}\r\nEvent: {event}\r\nContent-Length: 0\r\n\r\n").into_bytes()
    }

    #[test]
    fn requests_are_answered_and_repeats_do_nothing_only_where_they_are_remembered() {
        let mut phone = Sip::new(vec!["71 01".into()], SipAnswers::SamePort);
        let first = phone.react(&request("NOTIFY", "71%2001", "check-sync;id=1")).unwrap();
        let text = String::from_utf8(first.answer.clone()).unwrap();
        assert!(text.starts_with("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bK"), "{text}");
        assert_eq!(text.matches("Via:").count(), 2);
        assert!(text.contains("Call-ID: 1@10.0.0.1\r\nCSeq: 7 NOTIFY\r\n") && text.contains(";tag="));
        assert!(first.check_sync);
        assert_eq!(first.via, Some("10.0.0.1:5070".parse().unwrap()));
        let again = phone.react(&request("NOTIFY", "71%2001", "check-sync;id=1")).unwrap();
        assert_eq!((again.answer, again.check_sync), (first.answer, false));
        let status = |phone: &mut Sip, method: &str, user: &str, event: &str| {
            let reaction = phone.react(&request(method, user, event)).unwrap();
            assert!(!reaction.check_sync);
            String::from_utf8(reaction.answer).unwrap()[8..11].to_owned()
        };
        assert_eq!(status(&mut phone, "NOTIFY", "7102", "check-sync"), "404");
        assert_eq!(status(&mut phone, "NOTIFY", "", "check-sync"), "400", "there is no user");
        assert_eq!(status(&mut phone, "NOTIFY", "71%2001", "message-summary"), "489");
        assert_eq!(status(&mut phone, "INVITE", "71%2001", "x"), "405");
        assert_eq!(status(&mut phone, "OPTIONS", "71%2001", "y"), "200");
        assert_eq!(phone.react(b"SIP/2.0 200 OK\r\n\r\n"), None);
        assert_eq!(phone.react(b"\0\x01garbage"), None);

        let mut published = Sip::new(vec!["7101".into()], SipAnswers::FreePort);
        let notify = request("NOTIFY", "7101", "check-sync");
        for _ in 0..2 {
            assert!(published.react(&notify).unwrap().check_sync, "each repeat is acted on");
        }
        let text = String::from_utf8(notify).unwrap();
        let answered = |phone: &mut Sip, text: &str| phone.react(text.as_bytes()).unwrap().answer[8..11].to_vec();
        assert_eq!(answered(&mut published, &text.replace("Event: check-sync\r\n", "")), b"400");
        assert_eq!(answered(&mut published, &text.replace("sip:7101@10.0.0.9 SIP", "sip:10.0.0.9 SIP")), b"400");
    }

    #[test]
    fn an_answer_goes_where_via_says() {
        let at = |text: &str| Some(text.parse().unwrap());
        assert_eq!(sent_by("SIP/2.0/UDP 10.0.0.1:5070;branch=x;rport"), at("10.0.0.1:5070"));
        assert_eq!(sent_by("SIP/2.0/UDP 10.0.0.1;branch=x"), at("10.0.0.1:5060"));
        assert_eq!(sent_by("SIP/2.0/UDP [fd00::1]:5070"), at("[fd00::1]:5070"));
        assert_eq!(sent_by("SIP/2.0/UDP [fd00::1];branch=x"), at("[fd00::1]:5060"));
        assert_eq!((sent_by("SIP/2.0/UDP pbx.example:5060"), sent_by("")), (None, None));
    }

    #[test]
    fn an_images_own_entry_beats_that_of_all() {
        let xml =
            b"<SYNCINFO>\n<IMAGE VERSION=\"*\" SYNC=\"all\"/><image version=\"P0S3-8-12-00\" sync=\"7\"/>\n</SYNCINFO>";
        assert_eq!(sync_of(xml, "P0S3-8-12-00").as_deref(), Some("7"));
        assert_eq!(sync_of(xml, "P0S3-07-4-00").as_deref(), Some("all"));
        assert_eq!(
            sync_of(b"<IMAGE VERSION=\"P0S3-8-12-00 SYNC=\"1\"/>", "P0S3-8-12-00"),
            None,
            "as found in the wild"
        );
        assert_eq!(sync_of(b"", "x"), None);
    }
}
