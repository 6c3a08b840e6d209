//! How many bytes may be sent towards a client whose address may be forged.
//!
//! Whoever sends a request with somebody else's address as its source makes the server send a file there. So what is sent in a
//! transfer is bounded by what came for it, until the client has shown that it receives what is sent to it. Both are counted as
//! they are on the wire from the IP header on: payload, UDP header and IP header without options. Not counted are the frames of
//! Ethernet, whose padding of small packets would only make the bounds look better.
//!
//! In port mode Ephemeral the first answer shows that: it comes to a port that only the first packet told, one of some 28,000. In
//! port mode Single nothing does: acknowledgements are numbers that anybody can count. There the bound holds to the end.

use std::net::IpAddr;

/// The bytes of the headers of UDP and IP, version 4.
const HEADERS_V4: u8 = 8 + 20;
/// The bytes of the headers of UDP and IP, version 6.
const HEADERS_V6: u8 = 8 + 40;
/// The most bytes that are sent for each byte of a request before it is answered: three times the first block for a file name of
/// 11 characters or more.
const MAX_UNANSWERED: u32 = 34;
/// The most bytes that are sent for each byte from a client that has answered and proved nothing, times the size of its window: one
/// block of 1428 bytes for each acknowledgement, or three of 512 bytes.
const MAX_UNPROVED: u32 = 55;

/// What came from a client, and what was sent to it. Small, because there are as many as transfers.
#[derive(Debug)]
pub struct Budget {
    headers: u8,
    /// Whether an answer shows that the client's address is its own.
    answer_is_proof: bool,
    received: u64,
    sent: u64,
    /// How many bytes may be sent for each that was received; none if the address is proved.
    most: Option<u32>,
}

impl Budget {
    /// The budget of a client that sent a request of so many bytes.
    pub fn new(client: IpAddr, request: usize, answer_is_proof: bool) -> Budget {
        let headers = if client.to_canonical().is_ipv4() { HEADERS_V4 } else { HEADERS_V6 };
        let mut budget = Budget { headers, answer_is_proof, received: 0, sent: 0, most: Some(MAX_UNANSWERED) };
        budget.receive(request);
        budget
    }

    /// A datagram came, with so many bytes.
    pub fn receive(&mut self, payload: usize) {
        self.received += u64::from(self.headers) + payload as u64;
    }

    /// The client acknowledged something that was sent, and has a window of so many blocks.
    pub fn answered(&mut self, window: u16) {
        self.most = (!self.answer_is_proof).then_some(MAX_UNPROVED * u32::from(window));
    }

    /// Whether these datagrams may be sent, which have so many bytes together. Then they are counted.
    pub fn take(&mut self, datagrams: u64, payload: u64) -> bool {
        let sent = self.sent + datagrams * u64::from(self.headers) + payload;
        let is_within = self.most.is_none_or(|most| sent <= self.received * u64::from(most));
        if is_within {
            self.sent = sent;
        }
        is_within
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const V6: IpAddr = IpAddr::V6(std::net::Ipv6Addr::LOCALHOST);

    #[test]
    fn headers_are_counted_in_both_directions() {
        for (client, headers) in [(V4, 28), ("::ffff:10.0.0.1".parse().unwrap(), 28), (V6, 48)] {
            let mut budget = Budget::new(client, 23, false);
            let most = (23 + headers) * u64::from(MAX_UNANSWERED);
            assert!(!budget.take(1, most - headers + 1));
            assert!(budget.take(1, most - headers));
            assert!(!budget.take(1, 0));
            budget.receive(0);
            assert!(budget.take(1, headers * u64::from(MAX_UNANSWERED - 1)));
            assert!(!budget.take(1, 0));
        }
    }

    #[test]
    fn an_answer_at_a_port_that_nobody_was_told_lifts_the_bound_and_another_one_does_not() {
        for (is_proof, window, most) in [(true, 1, None), (false, 1, Some(55)), (false, 16, Some(880))] {
            let mut budget = Budget::new(V4, 4, is_proof);
            budget.answered(window);
            assert_eq!(budget.take(1, 1 << 40), most.is_none());
            assert_eq!(budget.most, most);
        }
    }
}
