//! Datagrams that wait to be sent together, and the buffers that they are written into.

use std::net::{IpAddr, SocketAddr};

use super::socket::{BATCH, Outgoing, OutgoingHeaders, Udp};

/// How many buffers are kept for later.
const MAX_SPARE: usize = 1024;

/// A queue of datagrams. Their buffers are used again, so that a block costs no allocation.
pub struct Outbox {
    queue: Vec<Outgoing>,
    headers: OutgoingHeaders,
    spare: Vec<Vec<u8>>,
}

impl Outbox {
    /// An empty queue.
    pub fn new() -> Outbox {
        Outbox { queue: Vec::new(), headers: OutgoingHeaders::new(), spare: Vec::new() }
    }

    /// Appends a datagram, which `write` writes into an empty or used buffer.
    #[inline]
    pub fn push(&mut self, peer: SocketAddr, local: Option<IpAddr>, write: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = self.spare.pop().unwrap_or_default();
        write(&mut bytes);
        self.queue.push(Outgoing { peer, local, bytes });
    }

    /// Whether there are enough for one call: where more would come, these are sent first.
    pub fn is_full(&self) -> bool {
        self.queue.len() >= BATCH
    }

    /// Sends all datagrams.
    #[inline]
    pub fn flush(&mut self, socket: &Udp) {
        if self.queue.is_empty() {
            return;
        }
        self.flush_last(self.queue.len(), socket);
        self.spare.truncate(MAX_SPARE);
    }

    /// Sends the datagrams that were appended last.
    #[inline]
    pub fn flush_last(&mut self, count: usize, socket: &Udp) {
        let first = self.queue.len().saturating_sub(count);
        socket.send(&self.queue[first..], &mut self.headers);
        self.spare.extend(self.queue.drain(first..).map(|outgoing| outgoing.bytes));
    }
}
