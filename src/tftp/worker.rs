//! A worker: one thread with its own sockets, transfers and timers. Workers share nothing but the files, because the kernel
//! gives all datagrams of one client to one worker.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::budget::Budget;
use super::content::Content;
use super::outbox::Outbox;
use super::packet::{self, ErrorCode, Packet, Request};
use super::port_mode::PortMode;
use super::session::{End, Millis, Session, Step, Terms};
use super::shared::Shared;
use super::socket::{Inbox, Received, Udp};
use super::transfers::{Transfer, Transfers};
use super::wheel::Wheel;
use crate::base::report::{Outcome, Record};

/// How long a worker sleeps at most, so that it notices the shutdown.
const MAX_SLEEP: Duration = Duration::from_millis(250);
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
    /// When the session of each transfer wants its timer.
    timers: Wheel,
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
            clock: Clock { started: Instant::now(), now: 0 },
            timers: Wheel::new(0),
            outbox: Outbox::new(),
            batch: 0,
            lacked_port: false,
        })
    }

    /// Serves until the shutdown, and then until all transfers have ended or the deadline has passed.
    pub fn run(mut self, deadline: impl Fn() -> Option<Instant>) {
        // One for each listener, and one for the sockets of transfers.
        let mut inboxes: Vec<Inbox> = (0..=self.listeners.len()).map(|_| Inbox::new()).collect();
        let mut events = [EpollEvent::empty(); 64];
        loop {
            if self.shared.is_ending.load(Ordering::Acquire) {
                let is_late = deadline().is_some_and(|deadline| Instant::now() >= deadline);
                if is_late || self.transfers.is_empty() {
                    return;
                }
            }
            if self.is_alone {
                self.receive(0, &mut inboxes[0], Udp::wait);
            } else {
                let ready = self.epoll.wait(&mut events, self.time_to_sleep()).unwrap_or(0);
                for event in &events[..ready] {
                    let source = event.data() as usize;
                    let inbox = source.min(self.listeners.len());
                    self.receive(source, &mut inboxes[inbox], Udp::receive);
                }
            }
            self.fire_timers();
        }
    }

    /// How long to sleep: until the next timer.
    fn time_to_sleep(&self) -> EpollTimeout {
        let idle = self.timers.idle(self.clock.now, MAX_SLEEP.as_millis() as Millis);
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
        match (Packet::parse(datagram), place) {
            (Packet::Read(request), place) => self.handle_request(listener, received, &request, place),
            (Packet::Ack(block), Some(place)) if is_single => self.handle_ack(place, block, received.len),
            (Packet::Error(_), Some(place)) if is_single => self.end(place, End::Aborted),
            (Packet::Write, _) => {
                self.refuse(listener, received, ErrorCode::AccessViolation, "this server is read-only", None);
            }
            (Packet::IllegalRead, None) => {
                self.refuse(listener, received, ErrorCode::Illegal, "not a legal read request", None);
            }
            (Packet::Ack(_) | Packet::Error(_) | Packet::IllegalRead | Packet::Illegal, _) => {
                self.shared.metrics.datagram_ignored();
            }
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
            if let Some(socket) = transfer.socket.as_ref().filter(|_| !is_error) {
                let write = |bytes: &mut Vec<u8>| packet::error(bytes, ErrorCode::UnknownTid, "unknown transfer ID");
                self.outbox.push(received.peer, None, write);
                self.outbox.flush_last(1, socket);
            }
            return;
        }
        match packet {
            Packet::Ack(block) => self.handle_ack(place, block, received.len),
            Packet::Error(_) => self.end(place, End::Aborted),
            Packet::Read(_) | Packet::Write | Packet::IllegalRead | Packet::Illegal => {
                self.shared.metrics.datagram_ignored();
            }
        }
    }

    /// Handles a read request of a client, whose transfer is in this place if it has one.
    fn handle_request(&mut self, listener: usize, received: Received, request: &Request<'_>, place: Option<usize>) {
        if self.shared.is_ending.load(Ordering::Acquire) {
            // Another server, or this one's successor, answers when the phone sends its request again.
            return;
        }
        // Its last acknowledgement may wait at the transfer's own port: it was sent before this request.
        let place = place.filter(|place| self.hear(*place).is_some());
        let now = self.clock.now;
        let snapshot = self.shared.files.snapshot();
        let Some(file) = snapshot.find(request.name).cloned() else {
            let requested = packet::printable(request.name);
            tracing::debug!(client = %received.peer, file = requested, "file not found");
            self.refuse(listener, received, ErrorCode::NotFound, "File not found", Some(&requested));
            return;
        };
        // Mostly it is the file's own name, which all its transfers share.
        let is_exact = request.name == file.name.as_bytes();
        let requested = if is_exact { file.name.clone() } else { packet::printable(request.name).into() };
        if let Some(place) = place {
            if let Some(transfer) = self.transfers.get_mut(place)
                && transfer.requested == requested
            {
                // A request that arrives twice is one transfer.
                let step = transfer.session.repeated_request(received.len, now);
                return self.follow(place, step);
            }
            self.end(place, End::Aborted);
        }
        if self.transfers.is_full() && !self.make_room(received.peer) {
            self.shared.metrics.request_dropped();
            return;
        }
        let socket = match self.shared.port_mode {
            PortMode::Single => None,
            PortMode::Ephemeral => match self.open_port(received) {
                Ok(socket) => Some(socket),
                Err(error) => {
                    if !std::mem::replace(&mut self.lacked_port, true) {
                        tracing::warn!(client = %received.peer, file = %requested, %error, "no port for a transfer; said once");
                    }
                    self.shared.metrics.request_dropped();
                    return;
                }
            },
        };
        let content = Content::new(file.clone(), request.mode);
        let budget = Budget::new(received.peer.ip(), received.len, self.shared.port_mode.answer_is_proof());
        let terms = Terms { windowsize: self.shared.windowsize, budget };
        let (session, step) = Session::start(content, request.options, terms, now);
        let ends = (received.peer, received.local, listener);
        let mut transfer = Transfer::new(session, file, requested, ends, socket);
        transfer.sent_in = self.batch;
        let place = self.begin(transfer);
        self.follow(place, step);
    }

    /// Handles what waits at the own port of the transfer in a place; the transfer, if it goes on.
    fn hear(&mut self, place: usize) -> Option<&Transfer> {
        if self.shared.port_mode == PortMode::Ephemeral {
            self.receive(self.listeners.len() + place, &mut Inbox::new(), Udp::receive);
        }
        self.transfers.get(place)
    }

    /// A socket for a transfer. The process may run out of descriptors long before there are too many transfers.
    fn open_port(&mut self, received: Received) -> io::Result<Udp> {
        let open = || Udp::ephemeral(received.local, received.peer);
        open().or_else(|error| if self.make_room(received.peer) { open() } else { Err(error) })
    }

    /// Takes a transfer in; its place.
    fn begin(&mut self, transfer: Transfer) -> usize {
        let deadline = transfer.session.deadline();
        let place = self.transfers.insert(transfer, self.clock.now);
        if let Some(transfer) = self.transfers.get(place)
            && let Some(socket) = &transfer.socket
        {
            let event = EpollEvent::new(EpollFlags::EPOLLIN, (self.listeners.len() + place) as u64);
            if let Err(error) = self.epoll.add(socket, event) {
                let (client, file) = (transfer.client, &transfer.file.name);
                tracing::warn!(%client, %file, %error, "the port of the transfer cannot be polled");
            }
        }
        self.timers.set(place, deadline);
        self.shared.metrics.transfer_began();
        place
    }

    /// Ends a transfer that is under way, so that one of this client can begin: see [`Transfers::to_make_room`].
    fn make_room(&mut self, client: SocketAddr) -> bool {
        let place = self.transfers.to_make_room(client, self.clock.now);
        if let Some(place) = place {
            self.end(place, End::Evicted);
        }
        place.is_some()
    }

    fn handle_ack(&mut self, place: usize, block: u16, len: usize) {
        let now = self.clock.now;
        let Some(transfer) = self.transfers.get_mut(place) else { return };
        if transfer.sent_in == self.batch {
            // It was here before the packet had left: whoever sent it acknowledges what he never saw. A client that did see it
            // acknowledges again when the packet is repeated.
            return self.shared.metrics.datagram_ignored();
        }
        let step = transfer.session.ack(block, len, now);
        if matches!(step, Step::Send { .. }) {
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
            self.outbox.push(transfer.client, transfer.local, |bytes| transfer.session.packet(number, bytes));
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

    /// Answers with an ERROR packet. The request is logged if it is known which file it is for.
    fn refuse(&mut self, listener: usize, to: Received, code: ErrorCode, message: &str, requested: Option<&str>) {
        self.outbox.push(to.peer, to.local, |bytes| packet::error(bytes, code, message));
        self.flush_if_shared(listener);
        let outcome = match code {
            ErrorCode::NotFound => Outcome::NotFound,
            ErrorCode::AccessViolation | ErrorCode::Illegal | ErrorCode::UnknownTid => Outcome::Refused,
        };
        self.shared.metrics.request_ended(outcome);
        if let Some(requested) = requested {
            self.shared.log.append(Record::without_transfer(to.peer, requested, outcome));
        }
    }

    /// Fires the timers of the transfers whose deadline has passed.
    fn fire_timers(&mut self) {
        self.clock.update();
        let now = self.clock.now;
        while let Some(place) = self.timers.fire(now) {
            let Some(transfer) = self.transfers.get_mut(place) else { continue };
            let step = transfer.session.timer(now);
            self.follow(place, step);
            if let Some(transfer) = self.transfers.get(place) {
                self.timers.set(place, transfer.session.deadline().max(now + 1));
            }
            // The packets of all transfers at once would take as much memory as the transfers.
            if self.outbox.is_full() {
                self.flush(0);
            }
        }
        self.flush(0);
    }

    /// Ends a transfer.
    fn end(&mut self, place: usize, end: End) {
        let Some(transfer) = self.transfers.remove(place) else { return };
        self.timers.cancel(place);
        if let Some(socket) = &transfer.socket {
            let _ = self.epoll.delete(socket);
        }
        let (outcome, message) = match end {
            End::Complete => (Outcome::Complete, "file served"),
            End::Aborted => (Outcome::Aborted, "transfer aborted by the client"),
            End::TimedOut => (Outcome::TimedOut, "transfer timed out: the client stopped answering"),
            End::Evicted => (Outcome::TimedOut, "transfer made room for another one"),
        };
        let (session, now) = (&transfer.session, self.clock.now);
        self.shared.metrics.transfer_ended(outcome, session.acknowledged(), session.retransmissions());
        log_end(&transfer, now, message);
        match end {
            End::Complete | End::Aborted | End::TimedOut => self.shared.log.append(transfer.record(now, outcome)),
            // Counted only: the records of a flood would push out those of phones.
            End::Evicted => self.shared.metrics.transfer_evicted(),
        }
    }
}

/// Logs the end of a transfer. At level debug: a building that boots would spend more on its log than on its files.
fn log_end(Transfer { session, client, file, .. }: &Transfer, now: Millis, message: &str) {
    tracing::debug!(
        %client,
        file = %file.name,
        attempt = session.attempts(),
        acknowledged = session.acknowledged(),
        millis = session.age(now),
        "{message}"
    );
}
