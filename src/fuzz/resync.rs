//! SIP and telnet, both ends.

use crate::resync::sip::Notify;
use crate::resync::telnet::Received;
use crate::simulator::SipAnswers;
use crate::simulator::sip::Sip;

use super::{SEPARATOR, parts};

fn notify(line: &str) -> Notify {
    let address = |text: &str| text.parse().expect("an address");
    Notify::new(address("10.0.0.1:5070"), address("10.0.0.9:5060"), line, "abc")
}

/// A line's name, and a datagram that may be an answer to a NOTIFY for it.
pub fn sip_answer(input: &[u8]) {
    let mut parts = input.splitn(2, |byte| *byte == SEPARATOR);
    let mut line = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    if line.is_empty() {
        // Nothing is for nobody.
        line.push('1');
    }
    let datagram = parts.next().unwrap_or(input);
    let request = notify(&line);
    if let Some((status, reason)) = request.response(datagram) {
        assert!((100..700).contains(&status) && !reason.contains('\n'));
        let text = String::from_utf8_lossy(datagram);
        assert!(
            text.to_ascii_lowercase().contains("z9hg4bkabc") && text.contains("abc@10.0.0.1"),
            "no answer of another request is taken"
        );
        let text = text.trim_start_matches(['\r', '\n']);
        assert!(text.get(..8).is_some_and(|version| version.eq_ignore_ascii_case("SIP/2.0 ")));
    }
    // The request is one line after the other, whatever the name is, and a phone with that line takes it.
    let text = std::str::from_utf8(request.bytes()).expect("a request is ASCII");
    assert!(text.is_ascii() && text.matches("\r\n\r\n").count() == 1 && text.matches('\n').count() == 13);
    let mut phone = Sip::new(vec![line.clone()], SipAnswers::SamePort);
    let reaction = phone.react(request.bytes()).expect("a request is answered");
    assert!(reaction.check_sync, "{line:?}");
    assert_eq!(request.response(&reaction.answer), Some((200, "OK".to_owned())));
    let again = phone.react(request.bytes()).expect("a request that is repeated is answered");
    assert!(!again.check_sync && again.answer == reaction.answer);
    let mut other = Sip::new(vec![format!("{line}1")], SipAnswers::FreePort);
    let other = other.react(request.bytes()).expect("a request is answered");
    assert_eq!(request.response(&other.answer).map(|(status, _)| status), Some(404));
}

/// Requests to the simulated phone.
pub fn sip_request(input: &[u8]) {
    let lines = || vec!["71 01".to_owned(), String::new()];
    let mut phone = Sip::new(lines(), SipAnswers::SamePort);
    let mut published = Sip::new(lines(), SipAnswers::FreePort);
    for datagram in parts(input) {
        if let Some(reaction) = published.react(datagram) {
            assert!(reaction.answer.starts_with(b"SIP/2.0 ") && reaction.answer.ends_with(b"\r\n\r\n"));
        }
        let Some(reaction) = phone.react(datagram) else { continue };
        let answer = String::from_utf8(reaction.answer).expect("an answer to UTF-8 is UTF-8");
        assert!(
            answer.starts_with("SIP/2.0 ") && answer.ends_with("\r\n\r\n") && answer.matches("\r\n\r\n").count() == 1
        );
        assert!(answer.len() <= datagram.len() + 256, "an answer is not much longer than its request");
        assert_eq!(
            phone.react(datagram).map(|again| (again.answer, again.check_sync)),
            Some((answer.into_bytes(), false))
        );
    }
}

/// What a phone sends by telnet.
pub fn telnet(input: &[u8]) {
    let mut whole = Received::default();
    let replies = whole.take(input);
    assert!(replies.len() <= input.len() && replies.len() % 3 == 0);
    for reply in replies.chunks(3) {
        assert!(matches!(reply, [255, 252 | 254, _]), "every option is declined: {reply:?}");
    }
    assert!(!whole.text.contains('\0') && whole.text.chars().count() <= input.len());
    // However it is divided into packets, it is the same.
    for size in [1, 2, 3, 7] {
        let mut divided = Received::default();
        let answered: Vec<u8> = input.chunks(size).flat_map(|part| divided.take(part)).collect();
        assert_eq!((&divided, &answered), (&whole, &replies));
    }
}
