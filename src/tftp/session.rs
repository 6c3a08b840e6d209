//! One transfer, without sockets and without a clock: what came in leads to what goes out.
//!
//! Time is a number of milliseconds since an arbitrary moment, an argument of each call. Lost packets are sent again from the
//! first one that is not acknowledged; a duplicate acknowledgement is ignored, so that one delayed packet does not double all
//! packets that follow (the "Sorcerer's Apprentice" bug).

use bytes::Bytes;

use super::packet::{self, Options};

/// Milliseconds since an arbitrary moment.
pub type Millis = u64;

/// The size of a block without the option blksize, in bytes.
const DEFAULT_BLOCK: usize = 512;
/// The first timeout, after which packets are sent again; it doubles.
const FIRST_TIMEOUT: Millis = 1_000;
/// The longest timeout.
const MAX_TIMEOUT: Millis = 8_000;
/// How often the same packets are sent before the client counts as gone.
const MAX_ATTEMPTS: u32 = 6;
/// The largest block that is accepted, in bytes: one that fits an Ethernet frame.
const MAX_BLOCK: u16 = 1428;
/// The largest window that is accepted, in blocks.
const MAX_WINDOW: u16 = 16;

/// How a transfer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All bytes were acknowledged.
    Complete,
    /// The client aborted it.
    Aborted,
    /// The client stopped answering.
    TimedOut,
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
    bytes: Bytes,
    options: Option<Options>,
    block: usize,
    window: u64,
    /// The first packet that is not acknowledged. Packet 0 is the OACK; packet n carries block n.
    next: u64,
    /// The packet after the last one that was sent.
    sent: u64,
    /// How often the packets that are out were sent.
    attempts: u32,
    timeout: Millis,
    first_timeout: Millis,
    deadline: Millis,
    retransmissions: u64,
}

impl Session {
    /// Begins a transfer; the first packet goes out at once. Before the client has answered, one packet is all it gets: requests
    /// with a forged source address must not make the server send more than that.
    pub fn start(bytes: Bytes, requested: Options, now: Millis) -> (Session, Step) {
        let accepted = Options {
            blksize: requested.blksize.map(|size| size.min(MAX_BLOCK)),
            windowsize: requested.windowsize.map(|size| size.min(MAX_WINDOW)),
            ..requested
        };
        let options = (accepted != Options::default()).then_some(accepted);
        let first_timeout = accepted.timeout.map_or(FIRST_TIMEOUT, |seconds| Millis::from(seconds) * 1000);
        let first = u64::from(options.is_none());
        let session = Session {
            bytes,
            options,
            block: accepted.blksize.map_or(DEFAULT_BLOCK, usize::from),
            window: accepted.windowsize.map_or(1, u64::from),
            next: first,
            sent: first + 1,
            attempts: 1,
            timeout: first_timeout,
            first_timeout,
            deadline: now + first_timeout,
            retransmissions: 0,
        };
        (session, Step::Send { first, count: 1 })
    }

    /// The number of the last packet: the first one that is shorter than a block.
    fn last(&self) -> u64 {
        (self.bytes.len() / self.block) as u64 + 1
    }

    /// How many bytes the file has, in the mode of the transfer.
    pub fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// How many bytes were acknowledged.
    pub fn acknowledged(&self) -> u64 {
        (self.next.saturating_sub(1) * self.block as u64).min(self.bytes.len() as u64)
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

    /// Writes a packet.
    pub fn packet(&self, number: u64, out: &mut Vec<u8>) {
        match (number, &self.options) {
            (0, Some(options)) => packet::oack(out, options, self.size()),
            _ => {
                let from = ((number.max(1) - 1) as usize * self.block).min(self.bytes.len());
                let to = (from + self.block).min(self.bytes.len());
                // The number wraps from 65535 to 0, as clients expect of large files.
                packet::data(out, number as u16, &self.bytes[from..to]);
            }
        }
    }

    /// The client acknowledged a block.
    pub fn ack(&mut self, block: u16, now: Millis) -> Step {
        // Which packet the 16 bits mean: one of those that are out.
        let distance = block.wrapping_sub(self.next as u16);
        let number = self.next + u64::from(distance);
        if number >= self.sent {
            // A duplicate of an earlier acknowledgement, or of no packet that was sent.
            return Step::Wait;
        }
        self.next = number + 1;
        self.attempts = 1;
        self.timeout = self.first_timeout;
        if number == self.last() {
            return Step::End(End::Complete);
        }
        // Everything after the acknowledged block goes out anew: the client has discarded what it had of it (RFC 7440).
        let first = self.next;
        let count = self.window.min(self.last() - number);
        self.retransmissions += self.sent.saturating_sub(first);
        self.sent = first + count;
        self.deadline = now + self.timeout;
        Step::Send { first, count }
    }

    /// The deadline may have passed.
    pub fn timer(&mut self, now: Millis) -> Step {
        if now < self.deadline {
            return Step::Wait;
        }
        if self.attempts >= MAX_ATTEMPTS {
            return Step::End(End::TimedOut);
        }
        self.attempts += 1;
        self.timeout = (self.timeout * 2).min(MAX_TIMEOUT).max(self.first_timeout);
        self.deadline = now + self.timeout;
        self.resend()
    }

    /// The client repeated its request: it does not have the first packet.
    pub fn repeated_request(&mut self, now: Millis) -> Step {
        let first = u64::from(self.options.is_none());
        if self.next > first {
            // It has it: the request was delayed on its way.
            return Step::Wait;
        }
        self.deadline = now + self.timeout;
        self.resend()
    }

    fn resend(&mut self) -> Step {
        let count = self.sent - self.next;
        self.retransmissions += count;
        Step::Send { first: self.next, count }
    }
}

#[cfg(test)]
mod tests;
