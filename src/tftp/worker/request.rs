//! What a worker does with requests: it begins transfers, or refuses.

use std::io;
use std::sync::atomic::Ordering;

use nix::sys::epoll::{EpollEvent, EpollFlags};

use super::Worker;
use crate::base::network::plain;
use crate::base::report::{Outcome, Record};
use crate::tftp::budget::Budget;
use crate::tftp::content::Content;
use crate::tftp::packet::{self, ErrorCode, Request};
use crate::tftp::port_mode::PortMode;
use crate::tftp::session::{End, Session, Terms};
use crate::tftp::socket::{Inbox, Received, Udp};
use crate::tftp::transfers::Transfer;

impl Worker {
    /// Handles a read request of a client, whose transfer is in this place if it has one.
    pub(super) fn handle_request(
        &mut self,
        listener: usize,
        received: Received,
        request: &Request<'_>,
        place: Option<usize>,
    ) {
        // Its last acknowledgement may wait at the transfer's own port: it was sent before this request.
        if let Some(place) = place.filter(|place| self.hear(*place)) {
            let now = self.clock.now;
            if self.transfers.get(place).is_some_and(|transfer| transfer.is_repeated_by(request, received.local, now)) {
                let step = self.transfers.change(place, |session| session.repeated_request(received.len, now));
                return self.follow(place, step);
            }
            // A client has one transfer at a port: it knows nothing of this one any more.
            self.end(place, End::Replaced);
        }
        if self.shared.is_ending.load(Ordering::Acquire) {
            return self.refuse(listener, received, ErrorCode::Undefined, "this server is ending, ask again", None);
        }
        let snapshot = self.shared.files.snapshot();
        let Some(file) = snapshot.find(request.name).cloned() else {
            let requested = packet::printable(request.name);
            tracing::debug!(client = %plain(received.peer), file = requested, "file not found");
            return self.refuse(listener, received, ErrorCode::NotFound, "File not found", Some(&requested));
        };
        self.shared.metrics.request_came();
        if self.transfers.is_full() && !self.make_room(received) {
            return self.shared.metrics.request_dropped();
        }
        // Mostly it is the file's own name, which all its transfers share.
        let is_exact = request.name == file.name.as_bytes();
        let requested = if is_exact { file.name.clone() } else { packet::printable(request.name).into() };
        let socket = match self.shared.port_mode {
            PortMode::Single => None,
            PortMode::Ephemeral => match self.open_port(received) {
                Ok(socket) => Some(socket),
                Err(error) => {
                    if !std::mem::replace(&mut self.lacked_port, true) {
                        tracing::warn!(client = %plain(received.peer), file = %requested, %error, "no port for a transfer; said once");
                    }
                    return self.shared.metrics.request_dropped();
                }
            },
        };
        let content = Content::new(file.clone(), request.mode);
        let budget = Budget::new(received.peer.ip(), received.len, self.shared.port_mode.answer_is_proof());
        let terms = Terms { windowsize: self.shared.windowsize, budget };
        let (session, step) = Session::start(content, request.options, terms, self.clock.now);
        let ends = (received.peer, received.local, listener);
        let asked = (requested, (request.mode, request.options));
        let mut transfer = Transfer::new(session, file, asked, ends, socket);
        transfer.sent_in = self.batch;
        let place = self.begin(transfer);
        self.follow(place, step);
    }

    /// Handles what waits at the own port of the transfer in a place; whether it goes on.
    fn hear(&mut self, place: usize) -> bool {
        if self.shared.port_mode == PortMode::Ephemeral {
            self.receive(self.listeners.len() + place, &mut Inbox::new(), Udp::receive);
        }
        self.transfers.get(place).is_some()
    }

    /// A socket for a transfer. The process may run out of descriptors long before there are too many transfers.
    fn open_port(&mut self, received: Received) -> io::Result<Udp> {
        let open = || Udp::ephemeral(received.local, received.peer);
        open().or_else(|error| if self.make_room(received) { open() } else { Err(error) })
    }

    /// Takes a transfer in; its place.
    fn begin(&mut self, transfer: Transfer) -> usize {
        let place = self.transfers.insert(transfer, self.clock.now);
        if let Some(transfer) = self.transfers.get(place)
            && let Some(socket) = &transfer.socket
        {
            let event = EpollEvent::new(EpollFlags::EPOLLIN, (self.listeners.len() + place) as u64);
            if let Err(error) = self.epoll.add(socket, event) {
                let (client, file) = (plain(transfer.client), &transfer.file.name);
                tracing::warn!(%client, %file, %error, "the port of the transfer cannot be polled");
            }
        }
        self.shared.metrics.transfer_began();
        place
    }

    /// Ends a transfer that is under way, so that one of this client can begin: see [`Transfers::to_make_room`].
    ///
    /// [`Transfers::to_make_room`]: crate::tftp::transfers::Transfers::to_make_room
    fn make_room(&mut self, of: Received) -> bool {
        let place = self.transfers.to_make_room(of.peer, self.clock.now);
        if let Some(place) = place {
            self.end(place, End::Evicted);
        }
        place.is_some()
    }

    /// Answers a request with an ERROR packet. It is logged if it is known which file it is for.
    pub(super) fn refuse(
        &mut self,
        listener: usize,
        to: Received,
        code: ErrorCode,
        message: &str,
        requested: Option<&str>,
    ) {
        self.shared.metrics.request_came();
        self.outbox.push(to.peer, to.local, |bytes| packet::error(bytes, code, message));
        // Where transfers have ports of their own, answers without one have too: some clients take nothing from the port that they
        // asked. Without a port it is better than silence.
        let own = (self.shared.port_mode == PortMode::Ephemeral).then(|| Udp::ephemeral(to.local, to.peer).ok());
        match own.flatten() {
            Some(socket) => self.outbox.flush_last(1, &socket),
            None => self.flush_if_shared(listener),
        }
        let outcome = match code {
            ErrorCode::NotFound => Outcome::NotFound,
            ErrorCode::Undefined | ErrorCode::AccessViolation | ErrorCode::Illegal | ErrorCode::UnknownTid => {
                Outcome::Refused
            }
        };
        self.shared.metrics.request_ended(outcome);
        if let Some(requested) = requested {
            self.shared.log.append(Record::without_transfer(to.peer, requested, outcome));
        }
    }
}
