//! One transfer, without sockets and without a clock: what came in leads to what goes out.
//!
//! Time is a number of milliseconds since an arbitrary moment, an argument of each call. Lost packets are sent again from the
//! first one that is not acknowledged; a duplicate acknowledgement is ignored, so that one delayed packet does not double all
//! packets that follow (the "Sorcerer's Apprentice" bug).

use super::budget::Budget;
use super::content::Content;
use super::packet::{self, Options};

/// Milliseconds since an arbitrary moment.
pub type Millis = u64;

/// The size of a block without the option blksize, in bytes.
const DEFAULT_BLOCK: u16 = 512;
/// The first timeout, after which packets are sent again; it doubles.
const FIRST_TIMEOUT: Millis = 1_000;
/// The longest timeout. A client that requests a longer one gets an OACK without that option, as RFC 2349 says, or one datagram
/// would hold a transfer for as long as it likes.
const MAX_TIMEOUT: Millis = 8_000;
/// How often the first packet is sent before the client counts as one that does not exist.
const MAX_UNANSWERED_SENDS: u32 = 3;
/// How often the same packets are sent to a client that has answered before it counts as gone.
const MAX_SENDS: u32 = 6;
/// How long a transfer may take, whatever the client acknowledges ...
const PATIENCE: Millis = 60_000;
/// ... but for a second for each so many bytes that it acknowledged.
const MIN_BYTES_PER_SECOND: u64 = 256;
/// The largest block that is accepted, in bytes: one that fits an Ethernet frame.
const MAX_BLOCK: u16 = 1428;
/// The largest window that can be allowed, in blocks.
pub const MAX_WINDOW: u16 = 16;
/// An OACK is shorter, in bytes.
const MAX_OACK: u64 = 72;

/// What a client is granted.
#[derive(Debug)]
pub struct Terms {
    /// The largest window, in blocks.
    pub windowsize: u16,
    /// How much may be sent to it.
    pub budget: Budget,
}

/// How a transfer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All bytes were acknowledged.
    Complete,
    /// The client aborted it.
    Aborted,
    /// The client stopped answering, or takes too long.
    TimedOut,
    /// It made room for another one.
    Evicted,
}

/// What the caller should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send these packets of the session ([`Session::packet`]), and call [`Session::timer`] at that time if nothing came.
    Send {
        /// The first packet.
        first: u64,
        /// How many.
        count: u64,
    },
    /// Nothing.
    Wait,
    /// Forget the session.
    End(End),
}

/// A transfer of one file to one client.
#[derive(Debug)]
pub struct Session {
    content: Content,
    options: Option<Options>,
    block: u16,
    window: u16,
    /// The first packet that is not acknowledged. Packet 0 is the OACK; packet n carries block n.
    next: u64,
    /// The packet after the last one that was sent.
    sent: u64,
    /// How often the packets that are out were sent.
    attempts: u32,
    timeout: Millis,
    deadline: Millis,
    began: Millis,
    retransmissions: u64,
    budget: Budget,
}

impl Session {
    /// Begins a transfer; the first packet goes out at once. Before the client has answered, one packet is all it gets, three times
    /// at most: requests with a forged source address must not make the server send more than that.
    pub fn start(content: Content, requested: Options, terms: Terms, now: Millis) -> (Session, Step) {
        let accepted = Options {
            blksize: requested.blksize.map(|size| size.min(MAX_BLOCK)),
            windowsize: requested.windowsize.map(|size| size.min(terms.windowsize).min(MAX_WINDOW)),
            timeout: requested.timeout.filter(|seconds| Millis::from(*seconds) * 1000 <= MAX_TIMEOUT),
            ..requested
        };
        let options = (accepted != Options::default()).then_some(accepted);
        let first = u64::from(options.is_none());
        let mut session = Session {
            content,
            options,
            block: accepted.blksize.unwrap_or(DEFAULT_BLOCK),
            window: accepted.windowsize.unwrap_or(1),
            next: first,
            sent: first,
            attempts: 1,
            timeout: first_timeout(options),
            deadline: 0,
            began: now,
            retransmissions: 0,
            budget: terms.budget,
        };
        let step = session.send(1, now);
        (session, step)
    }

    /// The first packet of all.
    fn first(&self) -> u64 {
        u64::from(self.options.is_none())
    }

    /// The number of the last packet: the first one that is shorter than a block.
    fn last(&self) -> u64 {
        self.size() / u64::from(self.block) + 1
    }

    /// How many bytes the file has, in the mode of the transfer.
    pub fn size(&self) -> u64 {
        self.content.size()
    }

    /// How many bytes were acknowledged.
    pub fn acknowledged(&self) -> u64 {
        (self.next.saturating_sub(1) * u64::from(self.block)).min(self.size())
    }

    /// How often the packets that are out were sent.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// How many packets were sent again.
    pub fn retransmissions(&self) -> u64 {
        self.retransmissions
    }

    /// When to call [`Session::timer`] if nothing comes.
    pub fn deadline(&self) -> Millis {
        self.deadline
    }

    /// How long it has taken so far.
    pub fn age(&self, now: Millis) -> Millis {
        now.saturating_sub(self.began)
    }

    /// Writes a packet that [`Step::Send`] named.
    pub fn packet(&self, number: u64, out: &mut Vec<u8>) {
        match (number, &self.options) {
            (0, Some(options)) => packet::oack(out, options, self.size()),
            _ => {
                // The number wraps from 65535 to 0, as clients expect of large files.
                packet::data(out, number as u16);
                self.content.write(number.saturating_sub(1), self.block.into(), out);
            }
        }
    }

    /// The client acknowledged a block, with a datagram of so many bytes.
    pub fn ack(&mut self, block: u16, len: usize, now: Millis) -> Step {
        self.budget.receive(len);
        // Which packet the 16 bits mean: one of those that are out.
        let distance = block.wrapping_sub(self.next as u16);
        let number = self.next + u64::from(distance);
        if number >= self.sent {
            // A duplicate of an earlier acknowledgement, or of no packet that was sent.
            return Step::Wait;
        }
        self.budget.answered(self.window);
        self.next = number + 1;
        self.attempts = 1;
        self.timeout = first_timeout(self.options);
        if number == self.last() {
            return Step::End(End::Complete);
        }
        self.content.advance(number, self.block.into());
        // Everything after the acknowledged block goes out anew: the client has discarded what it had of it (RFC 7440).
        self.retransmissions += self.sent.saturating_sub(self.next);
        self.send(u64::from(self.window).min(self.last() - number), now)
    }

    /// The deadline may have passed.
    pub fn timer(&mut self, now: Millis) -> Step {
        if self.age(now) > PATIENCE + self.acknowledged() * 1000 / MIN_BYTES_PER_SECOND {
            return Step::End(End::TimedOut);
        }
        if now < self.deadline {
            return Step::Wait;
        }
        let most = if self.next > self.first() { MAX_SENDS } else { MAX_UNANSWERED_SENDS };
        if self.attempts >= most {
            return Step::End(End::TimedOut);
        }
        self.attempts += 1;
        self.timeout = (self.timeout * 2).min(MAX_TIMEOUT);
        self.resend(now)
    }

    /// The client repeated its request, with a datagram of so many bytes: it does not have the first packet.
    pub fn repeated_request(&mut self, len: usize, now: Millis) -> Step {
        self.budget.receive(len);
        if self.next > self.first() {
            // It has it: the request was delayed on its way.
            return Step::Wait;
        }
        self.resend(now)
    }

    /// Sends the packets that are out again.
    fn resend(&mut self, now: Millis) -> Step {
        let count = self.sent - self.next;
        let step = self.send(count, now);
        if step != Step::Wait {
            self.retransmissions += count;
        }
        step
    }

    /// Sends so many packets, from the first one on that is not acknowledged, if the budget has room for them. After an
    /// acknowledgement it always has.
    fn send(&mut self, count: u64, now: Millis) -> Step {
        let first = self.next;
        self.sent = first + count;
        self.deadline = now + self.timeout;
        let block = u64::from(self.block);
        let payload = match first {
            0 => MAX_OACK,
            _ => {
                let missing = if self.sent > self.last() { block - self.size() % block } else { 0 };
                count * (packet::DATA_HEADER + block) - missing
            }
        };
        if self.budget.take(count, payload) { Step::Send { first, count } } else { Step::Wait }
    }
}

/// When packets are sent again for the first time, with these options.
fn first_timeout(options: Option<Options>) -> Millis {
    options.and_then(|options| options.timeout).map_or(FIRST_TIMEOUT, |seconds| Millis::from(seconds) * 1000)
}

#[cfg(test)]
mod tests;
