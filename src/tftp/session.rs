//! One transfer, without sockets and without a clock: what came in leads to what goes out.
//!
//! Time is a number of milliseconds since an arbitrary moment, an argument of each call. Lost packets are sent again from the
//! first one that is not acknowledged, when [`Pacing`] says. Where a window is one block, a repeated acknowledgement draws nothing,
//! so that one delayed packet does not double all packets that follow (the "Sorcerer's Apprentice" bug). In a larger window it says
//! that the client misses the window's first block (RFC 7440), which comes at once then, but once in a round trip at most.

use super::budget::Budget;
use super::content::Content;
pub use super::pacing::Millis;
use super::pacing::{MAX_TIMEOUT, Pacing};
use super::packet::{self, Options};

/// The size of a block without the option blksize, in bytes.
const DEFAULT_BLOCK: u16 = 512;
/// How often the first packet is sent before the client counts as one that does not exist.
const MAX_UNANSWERED_SENDS: u32 = 3;
/// How long a transfer may take, whatever the client acknowledges ...
const PATIENCE: Millis = 60_000;
/// ... but for a second for each so many bytes that it acknowledged.
const MIN_BYTES_PER_SECOND: u64 = 256;
/// A repeated request within this time may have been delayed on its way, whatever was acknowledged since.
const MAX_DELAY: Millis = 1_000;
/// Many clients acknowledge second copies as they do the first. Each such acknowledgement draws a window, which comes twice again. So
/// many in a row are taken for what RFC 7440 makes of them, because the network may be as bad as that.
const MAX_UNCLEAN: u8 = 8;
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
    /// The client began another one from the same port.
    Replaced,
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

/// A transfer of one file to one client. Many fields because every event may change nearly all of them.
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
    /// From this packet on those that are out were sent once only.
    sent_once: u64,
    /// How many acknowledgements in a row were of packets that were sent twice, or of the midst of a window.
    unclean: u8,
    /// Whether a repetition of the last acknowledgement asks for nothing until what was sent last has had the time to arrive.
    restarted: bool,
    pacing: Pacing,
    /// When the last packet was sent for the first time.
    ended: Option<Millis>,
    retransmissions: u32,
    budget: Budget,
}

/// What a transfer has brought about so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the file that were acknowledged.
    pub bytes: u64,
    /// Blocks that were acknowledged.
    pub blocks: u64,
    /// Packets that were sent again.
    pub retransmissions: u64,
}

impl Progress {
    /// Adds what came since another moment of the same transfer.
    pub fn add(&mut self, now: Progress, before: Progress) {
        self.bytes += now.bytes - before.bytes;
        self.blocks += now.blocks - before.blocks;
        self.retransmissions += now.retransmissions - before.retransmissions;
    }
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
            sent_once: first,
            unclean: 0,
            restarted: false,
            pacing: Pacing::new(accepted.timeout, now),
            ended: None,
            retransmissions: 0,
            budget: terms.budget,
        };
        let step = session.send(first, first + 1, now);
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

    /// How many bytes are sent in all, in the mode of the transfer.
    fn size(&self) -> u64 {
        self.content.size()
    }

    /// How many blocks were acknowledged.
    fn blocks(&self) -> u64 {
        self.next.saturating_sub(1)
    }

    /// How many bytes of the file were acknowledged, whatever its mode makes of them.
    pub fn acknowledged(&self) -> u64 {
        self.content.before(self.blocks(), self.block.into())
    }

    /// What it has brought about so far.
    pub fn progress(&self) -> Progress {
        Progress { bytes: self.acknowledged(), blocks: self.blocks(), retransmissions: self.retransmissions.into() }
    }

    /// How often the packets that are out were sent.
    pub fn attempts(&self) -> u32 {
        self.pacing.attempts()
    }

    /// When to call [`Session::timer`] if nothing comes.
    pub fn deadline(&self) -> Millis {
        self.pacing.deadline()
    }

    /// How long it has taken so far.
    pub fn age(&self, now: Millis) -> Millis {
        self.pacing.age(now)
    }

    /// For how long all of the file has been sent to a client that has answered, and that has not acknowledged the end: at least a
    /// millisecond, if that is so.
    pub fn unacknowledged(&self, now: Millis) -> Option<Millis> {
        let ended = self.ended.filter(|_| self.is_answered() && self.next <= self.last())?;
        Some((now - ended).max(1))
    }

    /// Whether the client has answered.
    fn is_answered(&self) -> bool {
        self.next > self.first()
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
            let repeats_last = self.is_answered() && block == (self.next - 1) as u16;
            return if repeats_last { self.repeated_ack(now) } else { Step::Wait };
        }
        self.budget.answered(self.window);
        let behind = self.sent - (number + 1);
        let was_sent_twice = number < self.sent_once;
        self.pacing.progress(!was_sent_twice, now);
        self.next = number + 1;
        if number == self.last() {
            return Step::End(End::Complete);
        }
        self.content.advance(number, self.block.into());
        let end = (number + u64::from(self.window)).min(self.last()) + 1;
        self.unclean = if was_sent_twice || behind > 0 { self.unclean.saturating_add(1) } else { 0 };
        if was_sent_twice && self.unclean > MAX_UNCLEAN {
            // It seems to acknowledge packets that it had, and what is behind them is on its way: only what was not sent yet is sent.
            (self.unclean, self.restarted) = (0, true);
            return self.send(self.sent, end.max(self.sent), now);
        }
        // Everything after the acknowledged block goes out anew: the client has discarded what it had of it (RFC 7440).
        self.restarted = false;
        self.note_retransmissions(behind);
        self.send(self.next, end, now)
    }

    /// The last acknowledgement came again: a client with a window may miss the first block of what is out.
    fn repeated_ack(&mut self, now: Millis) -> Step {
        self.pacing.repeated();
        if self.window == 1 || (self.restarted && !self.pacing.has_arrived(now)) {
            return Step::Wait;
        }
        self.restarted = true;
        self.resend(now)
    }

    /// The deadline may have passed.
    pub fn timer(&mut self, now: Millis) -> Step {
        let is_late = self.age(now) > PATIENCE + self.acknowledged() * 1000 / MIN_BYTES_PER_SECOND;
        if is_late || self.pacing.is_silent(now) {
            return Step::End(End::TimedOut);
        }
        if now < self.deadline() {
            return Step::Wait;
        }
        if !self.is_answered() && self.attempts() >= MAX_UNANSWERED_SENDS {
            return Step::End(End::TimedOut);
        }
        self.pacing.timed_out();
        self.restarted = false;
        self.resend(now)
    }

    /// Whether a request that is the same as the one that it began with counts as that one, which was repeated or delayed on its way.
    /// Otherwise the client has begun anew.
    pub fn may_be_repeated(&self, now: Millis) -> bool {
        !self.is_answered() || self.age(now) < MAX_DELAY
    }

    /// The client repeated its request, with a datagram of so many bytes: it does not have the first packet.
    pub fn repeated_request(&mut self, len: usize, now: Millis) -> Step {
        self.budget.receive(len);
        if self.is_answered() {
            // It has it: the request was delayed on its way.
            return Step::Wait;
        }
        self.resend(now)
    }

    /// Small, as everything here, because there are as many as transfers.
    fn note_retransmissions(&mut self, count: u64) {
        self.retransmissions = self.retransmissions.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
    }

    /// Sends the packets that are out again.
    fn resend(&mut self, now: Millis) -> Step {
        let step = self.send(self.next, self.sent, now);
        if step != Step::Wait {
            self.note_retransmissions(self.sent - self.next);
        }
        step
    }

    /// Sends packets, of which the first is not acknowledged, and nothing behind the end is out, if the budget has room for them.
    /// After an acknowledgement it always has.
    fn send(&mut self, first: u64, end: u64, now: Millis) -> Step {
        // Of packets that were sent at several times nobody knows how long they took.
        self.sent_once = if first > self.next { end } else { self.sent.max(first) };
        self.sent = end;
        self.pacing.send(now);
        let (count, block) = (end - first, u64::from(self.block));
        let payload = match first {
            0 => MAX_OACK,
            _ => {
                let missing = if end > self.last() && count > 0 { block - self.size() % block } else { 0 };
                count * (packet::DATA_HEADER + block) - missing
            }
        };
        if count == 0 || !self.budget.take(count, payload) {
            return Step::Wait;
        }
        if self.sent > self.last() {
            self.ended.get_or_insert(now);
        }
        Step::Send { first, count }
    }
}

#[cfg(test)]
mod tests;
