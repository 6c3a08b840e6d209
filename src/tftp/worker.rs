//! A worker: one thread with its own sockets, transfers and timers. Workers share nothing but the files, because the kernel
//! gives all datagrams of one client to one worker.

mod request;

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::outbox::Outbox;
use super::packet::{self, ErrorCode, Packet};
use super::port_mode::PortMode;
use super::session::{End, Millis, Step};
use super::shared::Shared;
use super::socket::{Inbox, LONG_WAIT, Received, Udp};
use super::strays::Strays;
use super::transfers::{Transfer, Transfers};
use super::wheel::TICK;
use crate::base::network::plain;
use crate::base::report::Outcome;

/// How long a worker sleeps at most, so that it notices the shutdown.
const MAX_SLEEP: Duration = Duration::from_millis(250);
/// How often what the transfers brought about is counted for all to see, while they go on.
const COUNT_EVERY: Millis = 100;
/// How many batches of one socket are received before timers fire.
const MAX_BATCHES: usize = 16;

/// The worker.
pub struct Worker {
    shared: Arc<Shared>,
    listeners: Vec<Udp>,
    /// Whether there is only one socket: then one call waits and receives.
    is_alone: bool,
    epoll: Epoll,
    clock: Clock,
    transfers: Transfers,
    strays: Strays,
    outbox: Outbox,
    /// The number of the batch of datagrams that is handled.
    batch: u64,
    /// Whether there was no port for a transfer: said once, because strangers decide how often it is so.
    lacked_port: bool,
}

/// The time of the last batch, which is that of all its datagrams: the clock is read once for them.
struct Clock {
    started: Instant,
    now: Millis,
    /// When transfers' progress was counted last.
    counted: Millis,
}

impl Clock {
    fn update(&mut self) {
        self.now = self.started.elapsed().as_millis() as Millis;
    }
}

impl Worker {
    /// A worker that listens on these sockets.
    pub fn new(shared: Arc<Shared>, listeners: Vec<Udp>) -> io::Result<Worker> {
        let is_alone = listeners.len() == 1 && shared.port_mode == PortMode::Single;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        // A socket in an epoll set costs a wake-up for each datagram, received or sent: one that is alone is not added.
        for (i, listener) in listeners.iter().enumerate().filter(|_| !is_alone) {
            epoll.add(listener, EpollEvent::new(EpollFlags::EPOLLIN, i as u64))?;
        }
        Ok(Worker {
            transfers: Transfers::new(shared.max_sessions),
            shared,
            listeners,
            is_alone,
            epoll,
            clock: Clock { started: Instant::now(), now: 0, counted: 0 },
            strays: Strays::new(),
            outbox: Outbox::new(),
            batch: 0,
            lacked_port: false,
        })
    }

    /// Serves until the shutdown, and then until all transfers have ended or the deadline has passed. Those of other workers too:
    /// when a socket of a port is closed, the kernel divides all clients among the others anew.
    pub fn run(mut self, deadline: impl Fn() -> Option<Instant>) {
        // One for each listener, and one for the sockets of transfers.
        let mut inboxes: Vec<Inbox> = (0..=self.listeners.len()).map(|_| Inbox::new()).collect();
        let mut events = [EpollEvent::empty(); 64];
        loop {
            if self.shared.is_ending.load(Ordering::Acquire) {
                let is_late = deadline().is_some_and(|deadline| Instant::now() >= deadline);
                if is_late || self.shared.metrics.active_transfers() == 0 {
                    return;
                }
            }
            if self.is_alone {
                let is_soon = self.transfers.idle(self.clock.now, LONG_WAIT.as_millis() as Millis)
                    < LONG_WAIT.as_millis() as Millis;
                self.listeners[0].set_wait(if is_soon { Duration::from_millis(TICK) } else { LONG_WAIT });
                self.receive(0, &mut inboxes[0], Udp::wait);
            } else {
                let ready = self.epoll.wait(&mut events, self.time_to_sleep()).unwrap_or(0);
                for event in &events[..ready] {
                    let source = event.data() as usize;
                    let inbox = source.min(self.listeners.len());
                    self.receive(source, &mut inboxes[inbox], Udp::receive);
                }
            }
            self.clock.update();
            self.fire_timers();
            if self.clock.now >= self.clock.counted + COUNT_EVERY {
                self.count();
            }
        }
    }

    /// How long to sleep: until the next timer, or until what transfers brought about is counted.
    fn time_to_sleep(&self) -> EpollTimeout {
        let most = if self.transfers.has_progress() { COUNT_EVERY } else { MAX_SLEEP.as_millis() as Millis };
        let idle = self.transfers.idle(self.clock.now, most);
        EpollTimeout::try_from(Duration::from_millis(idle)).unwrap_or(EpollTimeout::ZERO)
    }

    /// Receives what has arrived on a socket: a listener, or that of the transfer in a place.
    fn receive(&mut self, source: usize, inbox: &mut Inbox, first: fn(&Udp, &mut Inbox) -> bool) {
        for batch in 0..MAX_BATCHES {
            let receive = if batch == 0 { first } else { Udp::receive };
            let own = source.checked_sub(self.listeners.len());
            let more = match own {
                None => receive(&self.listeners[source], inbox),
                Some(place) => {
                    inbox.reset();
                    let socket = self.transfers.get(place).and_then(|transfer| transfer.socket.as_ref());
                    socket.is_some_and(|socket| receive(socket, inbox))
                }
            };
            self.clock.update();
            self.batch += 1;
            for (received, datagram) in inbox.datagrams() {
                match own {
                    None => self.handle(source, received, datagram),
                    Some(place) => self.handle_own(place, received, datagram),
                }
            }
            self.flush(0);
            if !more {
                return;
            }
        }
    }

    /// Handles a datagram that arrived at a listener.
    fn handle(&mut self, listener: usize, received: Received, datagram: &[u8]) {
        let is_single = self.shared.port_mode == PortMode::Single;
        let place = self.transfers.find(received.peer, listener);
        let no_read = |why: &str| format!("not a legal read request: {why}");
        match (Packet::parse(datagram), place) {
            (Packet::Read(request), place) => self.handle_request(listener, received, &request, place),
            (Packet::Ack(block), Some(place)) if is_single => self.handle_ack(place, block, received.len),
            (Packet::Error(_), Some(place)) if is_single => self.end(place, End::Aborted),
            (Packet::Ack(_) | Packet::Data, None) if is_single => self.handle_stray(listener, received),
            (Packet::Write, _) => {
                self.refuse(listener, received, ErrorCode::AccessViolation, "this server is read-only", None);
            }
            (Packet::IllegalRead(why), _) => {
                self.refuse(listener, received, ErrorCode::Illegal, &no_read(why), None);
            }
            (Packet::Ack(_) | Packet::Data | Packet::Error(_) | Packet::Illegal, _) => {
                self.shared.metrics.datagram_ignored();
            }
        }
    }

    /// Handles what belongs to no transfer: it is said, but no error is ever answered with an error.
    fn handle_stray(&mut self, listener: usize, from: Received) {
        self.shared.metrics.datagram_ignored();
        if self.strays.may_answer(from.peer, self.clock.now) {
            self.outbox.push(from.peer, from.local, unknown_transfer);
            self.flush_if_shared(listener);
        }
    }

    /// Handles a datagram that arrived at the socket of one transfer.
    fn handle_own(&mut self, place: usize, received: Received, datagram: &[u8]) {
        let Some(transfer) = self.transfers.get(place) else { return };
        let packet = Packet::parse(datagram);
        if transfer.client != received.peer {
            // RFC 1350: another source gets an error, and the transfer goes on. No error is answered with an error, or two
            // servers would send them to each other for ever.
            let is_error = matches!(packet, Packet::Error(_));
            if let Some(socket) = transfer.socket.as_ref()
                && !is_error
                && self.strays.may_answer(received.peer, self.clock.now)
            {
                self.outbox.push(received.peer, None, unknown_transfer);
                self.outbox.flush_last(1, socket);
            }
            return self.shared.metrics.datagram_ignored();
        }
        match packet {
            Packet::Ack(block) => self.handle_ack(place, block, received.len),
            Packet::Error(_) => self.end(place, End::Aborted),
            Packet::Read(_) | Packet::Write | Packet::Data | Packet::IllegalRead(_) | Packet::Illegal => {
                self.shared.metrics.datagram_ignored();
            }
        }
    }

    fn handle_ack(&mut self, place: usize, block: u16, len: usize) {
        let now = self.clock.now;
        if self.transfers.get(place).is_some_and(|transfer| transfer.sent_in == self.batch) {
            // It was here before the packet had left: whoever sent it acknowledges what he never saw. A client that did see it
            // acknowledges again when the packet is repeated.
            return self.shared.metrics.datagram_ignored();
        }
        let step = self.transfers.change(place, |session| session.ack(block, len, now));
        if matches!(step, Step::Send { .. })
            && let Some(transfer) = self.transfers.get_mut(place)
        {
            transfer.sent_in = self.batch;
            if transfer.takes_progress() {
                self.shared.log.append(transfer.record(now, Outcome::Running));
            }
            self.transfers.progress(place, now);
        }
        self.follow(place, step);
    }

    /// Does what a session says.
    fn follow(&mut self, place: usize, step: Step) {
        let (first, count) = match step {
            Step::Wait => return,
            Step::End(end) => return self.end(place, end),
            Step::Send { first, count } => (first, count),
        };
        let Some(transfer) = self.transfers.get(place) else { return };
        for number in first..first + count {
            self.outbox.push(transfer.client, transfer.local, |bytes| transfer.session().packet(number, bytes));
        }
        match &transfer.socket {
            Some(socket) => self.outbox.flush_last(count as usize, socket),
            None => self.flush_if_shared(transfer.listener),
        }
    }

    /// Sends what waits in the outbox, which is of one listener at a time.
    fn flush(&mut self, listener: usize) {
        self.outbox.flush(&self.listeners[listener]);
    }

    /// Sends what waits in the outbox at once if there are several listeners; otherwise a whole batch is sent together.
    fn flush_if_shared(&mut self, listener: usize) {
        if self.listeners.len() > 1 {
            self.flush(listener);
        }
    }

    /// Fires the timers of the transfers whose deadline has passed.
    fn fire_timers(&mut self) {
        let now = self.clock.now;
        while let Some((place, step)) = self.transfers.fire(now) {
            if matches!(step, Step::Send { .. })
                && let Some(transfer) = self.transfers.get_mut(place)
                && transfer.takes_unacknowledged_end(now)
            {
                self.shared.log.append(transfer.record(now, Outcome::Running));
            }
            self.follow(place, step);
            // The packets of all transfers at once would take as much memory as the transfers.
            if self.outbox.is_full() {
                self.flush(0);
            }
        }
        self.flush(0);
    }

    /// Counts what the transfers brought about.
    fn count(&mut self) {
        self.clock.counted = self.clock.now;
        self.shared.metrics.progress(self.transfers.take_progress());
    }

    /// Ends a transfer.
    fn end(&mut self, place: usize, end: End) {
        let Some(transfer) = self.transfers.remove(place) else { return };
        if let Some(socket) = &transfer.socket {
            let _ = self.epoll.delete(socket);
        }
        let (outcome, message) = match end {
            End::Complete => (Outcome::Complete, "file served"),
            End::Aborted => (Outcome::Aborted, "transfer aborted by the client"),
            End::Replaced => (Outcome::Aborted, "transfer ended by the client's next request"),
            End::TimedOut => (Outcome::TimedOut, "transfer timed out: the client stopped answering"),
            End::Evicted => (Outcome::TimedOut, "transfer made room for another one"),
        };
        let now = self.clock.now;
        if matches!(end, End::Complete | End::Aborted) {
            self.strays.note_end(transfer.client, now);
        }
        self.count();
        self.shared.metrics.transfer_ended(outcome);
        log_end(&transfer, now, message);
        match end {
            End::Complete | End::Aborted | End::Replaced | End::TimedOut => {
                self.shared.log.append(transfer.record(now, outcome))
            }
            // Counted only: the records of a flood would push out those of phones.
            End::Evicted => self.shared.metrics.transfer_evicted(),
        }
    }
}

/// Logs the end of a transfer. At level debug: a building that boots would spend more on its log than on its files.
fn log_end(transfer: &Transfer, now: Millis, message: &str) {
    let (Transfer { client, file, .. }, session) = (transfer, transfer.session());
    tracing::debug!(
        client = %plain(*client),
        file = %file.name,
        attempt = session.attempts(),
        acknowledged = session.acknowledged(),
        millis = session.age(now),
        "{message}"
    );
}

fn unknown_transfer(bytes: &mut Vec<u8>) {
    packet::error(bytes, ErrorCode::UnknownTid, "unknown transfer ID");
}

#[cfg(test)]
mod tests;
