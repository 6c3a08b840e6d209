//! A worker: one thread with its own sockets, transfers and timers. Workers share nothing but the files, because the kernel
//! gives all datagrams of one client to one worker.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::library::Library;
use super::metrics::{self, Metrics};
use super::packet::{self, ErrorCode, Mode, Packet, Request};
use super::port_mode::PortMode;
use super::reporter::Reporter;
use super::session::{End, Millis, Session, Step};
use super::socket::{Inbox, Outgoing, OutgoingHeaders, Received, Udp};
use super::transfers::{Transfer, Transfers};
use super::wheel::Wheel;
use crate::base::report::{Outcome, Record};

/// What all workers of a server share.
pub struct Common {
    /// The files.
    pub library: Arc<Library>,
    /// Who is told.
    pub reporter: Arc<Reporter>,
    /// The counts.
    pub metrics: Arc<Metrics>,
    /// Which port answers.
    pub port_mode: PortMode,
    /// The most transfers of one worker.
    pub max_sessions: usize,
    /// No new transfers: the process ends.
    pub ending: AtomicBool,
}

/// How long a worker sleeps at most, so that it notices when the process ends.
const NAP: Duration = Duration::from_millis(250);
/// How many batches are taken before timers have their turn.
const TURNS: usize = 16;

/// From this many bytes on, progress is told: only firmware is so large.
const LARGE: u64 = 64 * 1024;
/// How often it is told on the way.
const STEPS: u64 = 16;

/// The worker.
pub struct Worker {
    common: Arc<Common>,
    listeners: Vec<Udp>,
    /// Whether one socket is all that there is: then nothing has to be chosen from, and one call waits and takes.
    alone: bool,
    epoll: Epoll,
    began: Instant,
    /// When the last batch came: one look at the clock for all of it.
    now: Millis,
    transfers: Transfers,
    /// When to look at each transfer.
    timers: Wheel,
    /// Transfers whose client has not answered yet, oldest first: they make room when there is none.
    unanswered: VecDeque<(usize, u64)>,
    numbers: u64,
    outbox: Vec<Outgoing>,
    headers: OutgoingHeaders,
    spare: Vec<Vec<u8>>,
}

impl Worker {
    /// A worker that listens on these sockets.
    pub fn new(common: Arc<Common>, listeners: Vec<Udp>) -> io::Result<Worker> {
        let alone = listeners.len() == 1 && common.port_mode == PortMode::Single;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        // Whoever watches a socket is told by the kernel of each datagram that comes or has gone, whether it waits or not.
        for (i, listener) in listeners.iter().enumerate().filter(|_| !alone) {
            epoll.add(listener, EpollEvent::new(EpollFlags::EPOLLIN, i as u64))?;
        }
        Ok(Worker {
            common,
            listeners,
            alone,
            epoll,
            began: Instant::now(),
            now: 0,
            transfers: Transfers::default(),
            timers: Wheel::new(0),
            unanswered: VecDeque::new(),
            numbers: 0,
            outbox: Vec::new(),
            headers: OutgoingHeaders::new(),
            spare: Vec::new(),
        })
    }

    fn look_at_the_clock(&mut self) {
        self.now = self.began.elapsed().as_millis() as Millis;
    }

    /// Serves until the process ends and all transfers have ended.
    pub fn run(mut self, deadline: impl Fn() -> Option<Instant>) {
        // One for each listener, and one for the ports of transfers.
        let mut inboxes: Vec<Inbox> = (0..=self.listeners.len()).map(|_| Inbox::new()).collect();
        let mut events = [EpollEvent::empty(); 64];
        loop {
            if self.common.ending.load(Ordering::Acquire) {
                let late = deadline().is_some_and(|deadline| Instant::now() >= deadline);
                if late || self.transfers.is_empty() {
                    return;
                }
            }
            if self.alone {
                self.read(0, &mut inboxes[0], Udp::wait);
            } else {
                let ready = self.epoll.wait(&mut events, self.pause()).unwrap_or(0);
                for event in &events[..ready] {
                    let source = event.data() as usize;
                    let inbox = source.min(self.listeners.len());
                    self.read(source, &mut inboxes[inbox], Udp::receive);
                }
            }
            self.ring();
        }
    }

    /// How long to sleep: until the next timer.
    fn pause(&self) -> EpollTimeout {
        let pause = self.timers.quiet(self.now, NAP.as_millis() as Millis);
        EpollTimeout::try_from(Duration::from_millis(pause)).unwrap_or(EpollTimeout::ZERO)
    }

    /// Takes what came in on a socket: a listener, or that of one transfer.
    fn read(&mut self, source: usize, inbox: &mut Inbox, first: fn(&Udp, &mut Inbox) -> bool) {
        for turn in 0..TURNS {
            let receive = if turn == 0 { first } else { Udp::receive };
            let own = source.checked_sub(self.listeners.len());
            let more = match own {
                None => receive(&self.listeners[source], inbox),
                Some(place) => {
                    inbox.renew();
                    let socket = self.transfers.get(place).and_then(|transfer| transfer.socket.as_ref());
                    socket.is_some_and(|socket| receive(socket, inbox))
                }
            };
            self.look_at_the_clock();
            for (received, datagram) in inbox.datagrams() {
                match own {
                    None => self.handle(source, received, datagram),
                    Some(place) => self.handle_own(place, received, datagram),
                }
            }
            self.flush();
            if !more {
                return;
            }
        }
    }

    /// A datagram on the well-known port.
    fn handle(&mut self, listener: usize, received: Received, datagram: &[u8]) {
        let place = self.transfers.find(received.peer, listener);
        match (Packet::parse(datagram), place) {
            (Packet::Read(request), place) => self.request(listener, received, &request, place),
            (Packet::Ack(block), Some(place)) if self.common.port_mode == PortMode::Single => {
                self.acknowledged(place, block)
            }
            (Packet::Error(_), Some(place)) if self.common.port_mode == PortMode::Single => {
                self.end(place, End::Aborted)
            }
            (Packet::Write, _) => {
                self.refuse(listener, received, ErrorCode::AccessViolation, "this server is read-only", "");
            }
            (Packet::Illegal, None) if datagram.first() == Some(&0) && datagram.get(1) == Some(&1) => {
                self.refuse(listener, received, ErrorCode::Illegal, "not a legal read request", "");
            }
            _ => {
                self.common.metrics.ignored.inc();
            }
        }
    }

    /// A datagram on the port of one transfer.
    fn handle_own(&mut self, place: usize, received: Received, datagram: &[u8]) {
        let Some(transfer) = self.transfers.get(place) else { return };
        if transfer.peer != received.peer {
            // RFC 1350: whoever uses a wrong port is told, and the transfer goes on. An error is never answered with an error:
            // two servers would tell each other for ever.
            let is_error = matches!(Packet::parse(datagram), Packet::Error(_));
            if let Some(socket) = transfer.socket.as_ref().filter(|_| !is_error) {
                let mut bytes = Vec::new();
                packet::error(&mut bytes, ErrorCode::UnknownTid, "unknown transfer ID");
                socket.send(&[Outgoing { peer: received.peer, local: None, bytes }], &mut self.headers);
            }
            return;
        }
        match Packet::parse(datagram) {
            Packet::Ack(block) => self.acknowledged(place, block),
            Packet::Error(_) => self.end(place, End::Aborted),
            _ => {
                self.common.metrics.ignored.inc();
            }
        }
    }

    fn request(&mut self, listener: usize, received: Received, request: &Request<'_>, place: Option<usize>) {
        if self.common.ending.load(Ordering::Acquire) {
            // Another server, or this one's successor, answers when the phone asks again.
            return;
        }
        let now = self.now;
        let library = self.common.library.now();
        let Some(file) = library.find(request.name).cloned() else {
            let asked = printable(request.name);
            tracing::debug!(peer = %received.peer, file = asked, "no such file");
            self.refuse(listener, received, ErrorCode::NotFound, "File not found", &asked);
            return;
        };
        // Mostly it is the file's own name, of which all its transfers have a share.
        let its_own = request.name == file.name.as_bytes();
        let asked = if its_own { file.name.clone() } else { printable(request.name).into() };
        if let Some(place) = place {
            if let Some(transfer) = self.transfers.get_mut(place)
                && transfer.asked == asked
            {
                // One request that came twice is one transfer.
                let step = transfer.session.repeated(now);
                return self.follow(place, step);
            }
            self.end(place, End::Aborted);
        }
        if self.transfers.len() >= self.common.max_sessions && !self.make_room() {
            self.common.metrics.dropped.inc();
            return;
        }
        let bytes = match request.mode {
            Mode::Octet => file.bytes.clone(),
            Mode::Netascii => netascii(&file.bytes),
        };
        let socket = match self.common.port_mode {
            PortMode::Single => None,
            PortMode::Ephemeral => match self.port_for(received) {
                Ok(socket) => Some(socket),
                Err(error) => {
                    tracing::warn!(%error, "no port for a transfer");
                    self.common.metrics.dropped.inc();
                    return;
                }
            },
        };
        let large = bytes.len() as u64 >= LARGE;
        let (session, step) = Session::start(bytes, request.options, now);
        self.numbers += 1;
        let transfer = Transfer {
            session,
            peer: received.peer,
            local: received.local,
            asked,
            file,
            began: now,
            listener,
            socket,
            number: self.numbers,
            tell_at: if large { 1 } else { u64::MAX },
        };
        let place = self.place(transfer);
        self.follow(place, step);
    }

    /// A port for a transfer. The process may run out of them long before there are too many transfers.
    fn port_for(&mut self, received: Received) -> io::Result<Udp> {
        let open = || Udp::ephemeral(received.local, received.peer);
        open().or_else(|error| if self.make_room() { open() } else { Err(error) })
    }

    fn place(&mut self, transfer: Transfer) -> usize {
        let (number, deadline) = (transfer.number, transfer.session.deadline());
        let place = self.transfers.insert(transfer);
        if let Some(socket) = self.transfers.get(place).and_then(|transfer| transfer.socket.as_ref()) {
            let event = EpollEvent::new(EpollFlags::EPOLLIN, (self.listeners.len() + place) as u64);
            if let Err(error) = self.epoll.add(socket, event) {
                tracing::warn!(%error, "a transfer's port cannot be listened on");
            }
        }
        self.timers.set(place, deadline);
        self.unanswered.push_back((place, number));
        if self.unanswered.len() > 2 * self.common.max_sessions {
            let transfers = &self.transfers;
            self.unanswered.retain(|(place, number)| is_unanswered(transfers, *place, *number));
        }
        self.common.metrics.active.inc();
        place
    }

    /// Ends the oldest transfer whose client never answered: a flood of requests in others' names pushes out itself.
    fn make_room(&mut self) -> bool {
        while let Some((place, number)) = self.unanswered.pop_front() {
            if is_unanswered(&self.transfers, place, number) {
                self.end(place, End::TimedOut);
                return true;
            }
        }
        false
    }

    fn acknowledged(&mut self, place: usize, block: u16) {
        let now = self.now;
        let Some(transfer) = self.transfers.get_mut(place) else { return };
        let step = transfer.session.ack(block, now);
        if transfer.session.acknowledged() >= transfer.tell_at && !matches!(step, Step::End(_)) {
            transfer.tell_at = transfer.session.acknowledged() + (transfer.file.bytes.len() as u64 / STEPS);
            let record = transfer.record(now, Outcome::Running);
            self.common.reporter.note(record);
        }
        self.follow(place, step);
    }

    fn follow(&mut self, place: usize, step: Step) {
        match step {
            Step::Wait => {}
            Step::End(end) => self.end(place, end),
            Step::Send { first, count } => {
                let Some(transfer) = self.transfers.get(place) else { return };
                for number in first..first + count {
                    let mut bytes = self.spare.pop().unwrap_or_default();
                    transfer.session.packet(number, &mut bytes);
                    self.outbox.push(Outgoing { peer: transfer.peer, local: transfer.local, bytes });
                }
                match &transfer.socket {
                    Some(socket) => {
                        let from = self.outbox.len() - count as usize;
                        socket.send(&self.outbox[from..], &mut self.headers);
                        self.spare.extend(self.outbox.drain(from..).map(|out| out.bytes));
                    }
                    // The outbox is one listener's at a time.
                    None if self.listeners.len() > 1 => self.flush_to(transfer.listener),
                    None => {}
                }
            }
        }
    }

    fn flush(&mut self) {
        self.flush_to(0);
    }

    fn flush_to(&mut self, listener: usize) {
        if self.outbox.is_empty() {
            return;
        }
        self.listeners[listener].send(&self.outbox, &mut self.headers);
        self.spare.extend(self.outbox.drain(..).map(|out| out.bytes));
        self.spare.truncate(1024);
    }

    fn refuse(&mut self, listener: usize, received: Received, code: ErrorCode, message: &str, asked: &str) {
        let mut bytes = self.spare.pop().unwrap_or_default();
        packet::error(&mut bytes, code, message);
        self.outbox.push(Outgoing { peer: received.peer, local: received.local, bytes });
        if self.listeners.len() > 1 {
            self.flush_to(listener);
        }
        let (outcome, result) = match code {
            ErrorCode::NotFound => (Outcome::NotFound, metrics::Result::NotFound),
            _ => (Outcome::Refused, metrics::Result::Refused),
        };
        self.common.metrics.requests.get_or_create(&metrics::Labels { result }).inc();
        if asked.is_empty() {
            return;
        }
        self.common.reporter.note(Record::without_transfer(received.peer, asked, outcome));
    }

    /// Looks at the transfers whose time is up.
    fn ring(&mut self) {
        self.look_at_the_clock();
        let now = self.now;
        while let Some(place) = self.timers.due(now) {
            let Some(transfer) = self.transfers.get_mut(place) else { continue };
            let step = transfer.session.timer(now);
            self.follow(place, step);
            if let Some(transfer) = self.transfers.get(place) {
                self.timers.set(place, transfer.session.deadline().max(now + 1));
            }
        }
        self.flush();
    }

    fn end(&mut self, place: usize, end: End) {
        let Some(transfer) = self.transfers.remove(place) else { return };
        self.timers.unset(place);
        if let Some(socket) = &transfer.socket {
            let _ = self.epoll.delete(socket);
        }
        let (outcome, result) = match end {
            End::Complete => (Outcome::Complete, metrics::Result::Complete),
            End::Aborted => (Outcome::Aborted, metrics::Result::Aborted),
            End::TimedOut => (Outcome::TimedOut, metrics::Result::TimedOut),
        };
        let metrics = &self.common.metrics;
        metrics.active.dec();
        metrics.requests.get_or_create(&metrics::Labels { result }).inc();
        metrics.bytes.inc_by(transfer.session.acknowledged());
        metrics.retransmissions.inc_by(transfer.session.retransmissions);
        let now = self.now;
        let millis = now - transfer.began;
        // Not more than a debug line: a building that boots would spend more on its log than on its files.
        tracing::debug!(peer = %transfer.peer, file = %transfer.file.name, millis, "{}", match end {
            End::Complete => "served",
            End::Aborted => "given up by the client",
            End::TimedOut => "the client fell silent",
        });
        self.common.reporter.note(transfer.record(now, outcome));
    }
}

fn is_unanswered(transfers: &Transfers, place: usize, number: u64) -> bool {
    let transfer = transfers.get(place);
    transfer.is_some_and(|transfer| transfer.number == number && transfer.session.acknowledged() == 0)
}

/// A name as it may stand in a log: what a stranger sends must not break lines or hide.
fn printable(name: &[u8]) -> String {
    String::from_utf8_lossy(name).chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// RFC 764's line ends: CR LF for LF, CR NUL for CR.
fn netascii(bytes: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 32);
    for byte in bytes {
        match byte {
            b'\n' => out.extend_from_slice(b"\r\n"),
            b'\r' => out.extend_from_slice(b"\r\0"),
            byte => out.push(*byte),
        }
    }
    out.into()
}
