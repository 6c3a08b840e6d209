//! A NOTIFY for check-sync and the responses to it, as in RFC 3261 and RFC 3265, and the timers of the transaction; without a
//! socket or a clock.
//!
//! The crates for SIP bring a stack of transports, dialogs and timers; one request without a dialog needs none of it.

use std::net::SocketAddr;
use std::time::Duration;

/// RFC 3261's T1: an estimate of the round-trip time.
const T1: Duration = Duration::from_millis(500);
/// T2: the longest interval between retransmissions.
const T2: Duration = Duration::from_secs(4);
/// Timer F: when the transaction times out.
pub const TIMER_F: Duration = T1.saturating_mul(64);

/// A NOTIFY for check-sync.
pub struct Notify {
    branch: String,
    call_id: String,
    bytes: Vec<u8>,
}

impl Notify {
    /// A request from one address to another, for the line of that name, because phones refuse one for nobody (400); `unique` is
    /// in its branch, tag and Call-ID.
    pub fn new(from: SocketAddr, to: SocketAddr, line: &str, unique: &str) -> Notify {
        let branch = format!("z9hG4bK{unique}");
        let call_id = format!("{unique}@{}", from.ip());
        let user = escape(line);
        let text = format!(
            "NOTIFY sip:{user}@{to} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {from};branch={branch};rport\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:dialtone@{from}>;tag={unique}\r\n\
             To: <sip:{user}@{to}>\r\n\
             Call-ID: {call_id}\r\n\
             CSeq: 1 NOTIFY\r\n\
             Contact: <sip:dialtone@{from}>\r\n\
             Event: check-sync\r\n\
             Subscription-State: terminated\r\n\
             User-Agent: dialtone\r\n\
             Content-Length: 0\r\n\
             \r\n"
        );
        Notify { branch, call_id, bytes: text.into_bytes() }
    }

    /// The request as it is sent.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The status code and reason phrase, if a datagram is a response to this request, in any form that is legal: headers that go on
    /// in the next line, upper and lower case, compact names, blanks round `:` and `=`.
    pub fn response(&self, datagram: &[u8]) -> Option<(u16, String)> {
        let text = String::from_utf8_lossy(datagram);
        // RFC 3261, 7.5: empty lines before a message are ignored.
        let mut lines = text.trim_start_matches(['\r', '\n']).lines();
        let mut first = lines.next()?.splitn(3, ' ');
        if !first.next()?.eq_ignore_ascii_case("SIP/2.0") {
            return None;
        }
        let status = first.next()?.parse().ok().filter(|status| (100..700).contains(status))?;
        let reason = first.next().unwrap_or_default().trim().to_owned();
        let (mut branch, mut call_id, mut sequence) = (false, false, false);
        for header in unfolded(lines) {
            let Some((name, value)) = header.split_once(':') else { continue };
            let value = value.trim();
            match name.trim().to_ascii_lowercase().as_str() {
                "via" | "v" => branch |= value.split([';', ',']).any(|part| self.is_branch(part)),
                "call-id" | "i" => call_id = value == self.call_id,
                "cseq" => sequence = is_sequence(value),
                _ => {}
            }
        }
        (branch && call_id && sequence).then_some((status, reason))
    }

    /// Whether a parameter is the branch of this request. RFC 3261, 7.3.1: its value is a token, whose case does not matter.
    fn is_branch(&self, parameter: &str) -> bool {
        parameter.split_once('=').is_some_and(|(name, value)| {
            name.trim().eq_ignore_ascii_case("branch") && value.trim().eq_ignore_ascii_case(&self.branch)
        })
    }
}

/// Whether a CSeq is that of the request. RFC 3261, 8.1.1.5: a number, and a method, whose case matters.
fn is_sequence(value: &str) -> bool {
    let parts: Vec<&str> = value.split_whitespace().collect();
    matches!(parts[..], [number, "NOTIFY"] if number.parse() == Ok(1))
}

/// The headers of a message, each in one line: a line that begins with a blank continues the one before.
fn unfolded<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut headers: Vec<String> = Vec::new();
    for line in lines.take_while(|line| !line.is_empty()) {
        match headers.last_mut() {
            Some(header) if line.starts_with([' ', '\t']) => {
                header.push(' ');
                header.push_str(line.trim());
            }
            _ => headers.push(line.to_owned()),
        }
    }
    headers
}

/// A user part as a URI holds it: RFC 3261's unreserved and user-unreserved characters stand for themselves.
fn escape(user: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&byte);
    user.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// RFC 3261's timer E: when the request is sent again, after it was sent so often. In the state "proceeding", after a provisional
/// response, it is T2.
pub fn timer_e(sent: u32, proceeding: bool) -> Duration {
    if proceeding { T2 } else { T1.saturating_mul(1 << sent.saturating_sub(1).min(8)).min(T2) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn notify() -> Notify {
        Notify::new("10.0.0.1:5070".parse().unwrap(), "10.0.0.9:5060".parse().unwrap(), "71 01", "abc")
    }

    fn response(status: &str, cseq: &str) -> String {
        format!(
            "SIP/2.0 {status}\r\nv: SIP/2.0/UDP 10.0.0.1:5070;received=10.0.0.1;branch=z9hG4bKabc;rport=5070\r\nFrom: <sip:dialtone@10.0.0.1:5070>;tag=abc\r\nTo: <sip:71%2001@10.0.0.9:5060>;tag=1\r\nCall-ID: abc@10.0.0.1\r\nCSeq: {cseq}\r\nContent-Length: 0\r\n\r\n"
        )
    }

    #[test]
    fn the_request_has_all_headers_and_its_lines_end_with_crlf() {
        let text = String::from_utf8(notify().bytes).unwrap();
        assert!(text.starts_with(
            "NOTIFY sip:71%2001@10.0.0.9:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bKabc"
        ));
        for header in
            ["From:", "To:", "Call-ID:", "CSeq: 1 NOTIFY", "Max-Forwards:", "Event: check-sync", "Content-Length: 0"]
        {
            assert!(text.contains(&format!("\r\n{header}")), "{header}");
        }
        assert!(text.ends_with("\r\n\r\n") && !text.replace("\r\n", "").contains(['\r', '\n']));
    }

    #[test]
    fn only_a_response_to_this_request_counts() {
        let notify = notify();
        assert_eq!(notify.response(response("200 OK", "1 NOTIFY").as_bytes()), Some((200, "OK".into())));
        assert_eq!(notify.response(response("489 Bad Event", "1 NOTIFY").as_bytes()), Some((489, "Bad Event".into())));
        for other in ["2 NOTIFY", "1 notify", "1", "-1 NOTIFY", "1 NOTIFY x"] {
            assert_eq!(notify.response(response("200 OK", other).as_bytes()), None, "{other}");
        }
        assert_eq!(notify.response(response("200 OK", "1 NOTIFY").replace("Kabc", "Kabd").as_bytes()), None);
        assert_eq!(notify.response(response("200 OK", "1 NOTIFY").replace("abc@", "x@").as_bytes()), None);
        assert_eq!(notify.response(b"OPTIONS sip:a@b SIP/2.0\r\n\r\n"), None);
    }

    #[test]
    fn every_legal_form_of_a_response_counts() {
        let plain = response("200 OK", "1 NOTIFY");
        for (what, from, to) in [
            ("blanks round =", "branch=z9", "branch = z9"),
            ("case of a parameter", "branch=z9hG4bK", "BRANCH=Z9HG4BK"),
            ("a long name in odd case", "v: SIP", "vIA : SIP"),
            ("a header that goes on", ";branch=", "\r\n\t;branch="),
            ("a header that goes on after its name", "Call-ID: abc", "Call-ID:\r\n abc"),
            ("a parameter that goes on", "branch=z9", "branch=\r\n  z9"),
            ("several in one header", "v: SIP", "v: SIP/2.0/UDP 10.0.0.3;branch=z9hG4bKx, SIP"),
            ("a compact name", "Call-ID:", "I:"),
            ("zeros in CSeq", "1 NOTIFY", "0001 NOTIFY"),
            ("blanks in CSeq", "1 NOTIFY", "1 \t NOTIFY"),
            ("lines before it", "SIP/2.0 200", "\r\n\r\nSIP/2.0 200"),
            ("case of the version", "SIP/2.0 200", "sip/2.0 200"),
        ] {
            let text = plain.replacen(from, to, 1);
            assert_ne!(text, plain, "{what}");
            assert_eq!(notify().response(text.as_bytes()), Some((200, "OK".into())), "{what}: {text}");
        }
        let other = plain.replace("Call-ID: abc", "Call-ID: ABC");
        assert_eq!(notify().response(other.as_bytes()), None, "the case of a Call-ID matters");
    }

    #[test]
    fn it_is_sent_again_as_the_rfc_says() {
        let (mut at, mut sent, mut times) = (Duration::ZERO, 0, Vec::new());
        while at < TIMER_F {
            times.push(at.as_millis());
            sent += 1;
            at += timer_e(sent, false);
        }
        assert_eq!(times, [0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
    }

    proptest! {
        #[test]
        fn no_datagram_makes_it_panic(datagram in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = notify().response(&datagram);
        }

        #[test]
        fn no_name_ends_a_line(line in "\\PC{0,40}") {
            let text = String::from_utf8(Notify::new("1.1.1.1:1".parse().unwrap(), "2.2.2.2:2".parse().unwrap(), &line, "u").bytes).unwrap();
            prop_assert_eq!(text.split("\r\n").count(), 14);
        }
    }
}
