//! The load: many phones at once in one thread, each fetching file after file in 512-byte lock-step.
//!
//! It must cost less than the servers that it measures. So the phones do not have a socket each: every phone is an address of
//! the loopback network, and a few sockets that listen on all of it send from and receive for any of them, in batches.

use std::io::{IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::AsRawFd as _;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use nix::cmsg_space;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmsg, setsockopt, sockopt,
};
use nix::time::{ClockId, clock_gettime};
use socket2::{Domain, Socket, Type};

/// How many datagrams are taken with one call.
const BATCH: usize = 64;
/// A phone uses another port for its next file, as the real one does.
const PORTS: usize = 2;
/// Room for the answers to all phones at once.
const RECEIVE_BUFFER: usize = 64 << 20;
/// When a phone asks again: the real one after 1 s, then every 4 s.
const PATIENCE: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];
const BLOCK: usize = 512;

/// What phones fetch.
pub struct Plan<'a> {
    /// The server.
    pub server: SocketAddrV4,
    /// How many phones there are.
    pub phones: usize,
    /// The files of one boot, for each phone.
    pub files: &'a (dyn Fn(usize) -> Vec<String> + Sync),
    /// Whether all of them begin a boot at the same moment, as after a power cut, and the next one when all have ended it.
    pub together: bool,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// How long it took, pauses apart.
    pub seconds: f64,
    /// The load's processor time, in seconds.
    pub cpu: f64,
    /// Phones that had all files of a boot.
    pub boots: u64,
    /// Whole files.
    pub files: u64,
    /// Blocks with data.
    pub blocks: u64,
    /// Packets that phones sent again because nothing had come for a second.
    pub retransmissions: u64,
    /// Error packets, and answers of the network that nobody listens.
    pub errors: u64,
    /// How long files took, in microseconds, in order.
    pub micros: Vec<u32>,
}

impl Outcome {
    /// So many files in a hundred took no longer than this many milliseconds.
    pub fn percentile(&self, percent: usize) -> Option<f64> {
        let at = self.micros.len().checked_sub(1)? * percent / 100;
        Some(f64::from(self.micros[at]) / 1000.0)
    }
}

struct Phone {
    requests: Vec<Vec<u8>>,
    /// Which of them is on its way.
    file: usize,
    /// Files so far, which choose the port.
    count: usize,
    block: u16,
    /// The port that the server answers from.
    tid: u16,
    tries: usize,
    began: Duration,
    asked: Duration,
    /// Whether it has booted, and waits for the others.
    waits: bool,
}

/// Phones that boot again and again, with pauses in which nothing happens to them.
pub struct Storm<'a> {
    plan: Plan<'a>,
    sockets: Vec<Socket>,
    phones: Vec<Phone>,
    /// How many have begun.
    started: usize,
    /// How many wait for the others.
    waiting: usize,
    /// How long they have been at it, pauses apart: the clock of all times here.
    clock: Duration,
    outcome: Outcome,
}

fn socket() -> anyhow::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
    // Without the privilege it is as large as the system allows.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    let _ = setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER);
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0).into()).context("no port for the phones")?;
    Ok(socket)
}

/// The address of a phone.
fn address(phone: usize) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 1, 0, 0)) + phone as u32)
}

/// The phone that has an address.
fn phone_at(address: Ipv4Addr) -> usize {
    u32::from(address).wrapping_sub(u32::from(Ipv4Addr::new(127, 1, 0, 0))) as usize
}

impl<'a> Storm<'a> {
    /// Phones that are switched off.
    pub fn new(plan: Plan<'a>) -> anyhow::Result<Storm<'a>> {
        let sockets = (0..PORTS).map(|_| socket()).collect::<anyhow::Result<Vec<_>>>()?;
        let phone = |i| Phone {
            requests: (plan.files)(i).iter().map(|name| [b"\0\x01", name.as_bytes(), b"\0octet\0"].concat()).collect(),
            file: 0,
            count: 0,
            block: 0,
            tid: 0,
            tries: 0,
            began: Duration::ZERO,
            asked: Duration::ZERO,
            waits: false,
        };
        let phones = (0..plan.phones).map(phone).collect();
        let (clock, outcome) = (Duration::ZERO, Outcome::default());
        Ok(Storm { plan, sockets, phones, started: 0, waiting: 0, clock, outcome })
    }

    /// What has come of it.
    pub fn outcome(mut self) -> Outcome {
        self.outcome.seconds = self.clock.as_secs_f64();
        self.outcome.micros.sort_unstable();
        self.outcome
    }

    /// Lets the phones boot for so long; then they fall silent, until they are let again.
    pub fn run(&mut self, time: Duration) -> anyhow::Result<()> {
        let mut buffers = vec![[0u8; 4 + BLOCK + 1]; BATCH];
        let mut headers: Vec<MultiHeaders<SockaddrIn>> =
            (0..PORTS).map(|_| MultiHeaders::preallocate(BATCH, Some(cmsg_space!(libc::in_pktinfo)))).collect();
        let mut received = Vec::with_capacity(BATCH);
        let cpu = Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?);
        let (began, before) = (Instant::now(), self.clock);
        let clock = || before + began.elapsed();
        let mut looked = before;
        loop {
            let now = clock();
            if now - before >= time {
                self.clock = now;
                break;
            }
            // Phones are switched on as quickly as answers are looked after.
            let more = (self.started + BATCH).min(self.phones.len());
            (self.started..more).try_for_each(|phone| self.ask(phone, now))?;
            self.started = more;
            let mut idle = more == self.phones.len();
            for (port, headers) in headers.iter_mut().enumerate() {
                received.clear();
                let mut slices: Vec<[IoSliceMut<'_>; 1]> =
                    buffers.iter_mut().map(|buffer| [IoSliceMut::new(&mut buffer[..])]).collect();
                let fd = self.sockets[port].as_raw_fd();
                let Ok(results) = recvmmsg(fd, headers, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None) else {
                    continue;
                };
                for message in results {
                    let to = message.cmsgs().ok().and_then(|mut all| {
                        all.find_map(|cmsg| match cmsg {
                            ControlMessageOwned::Ipv4PacketInfo(info) => {
                                Some(Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes()))
                            }
                            _ => None,
                        })
                    });
                    let from = message.address.map_or(0, |from| from.port());
                    received.push((to.map_or(usize::MAX, phone_at), from, message.bytes));
                }
                idle &= received.is_empty();
                let now = clock();
                for (i, (phone, from, len)) in received.iter().enumerate() {
                    self.answer(port, *phone, *from, &buffers[i][..*len], now)?;
                }
            }
            if now - looked > Duration::from_millis(50) {
                looked = now;
                self.ask_again(now)?;
            }
            if idle {
                let mut fds: Vec<PollFd<'_>> =
                    self.sockets.iter().map(|s| PollFd::new(std::os::fd::AsFd::as_fd(s), PollFlags::POLLIN)).collect();
                poll(&mut fds, PollTimeout::from(10u8))?;
            }
        }
        let cpu = Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?) - cpu;
        self.outcome.cpu += cpu.as_secs_f64();
        Ok(())
    }

    fn send(&self, phone: usize, bytes: &[u8], to: u16) -> anyhow::Result<()> {
        let info = libc::in_pktinfo {
            ipi_ifindex: 0,
            ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes(address(phone).octets()) },
            ipi_addr: libc::in_addr { s_addr: 0 },
        };
        let fd = self.sockets[self.phones[phone].count % PORTS].as_raw_fd();
        let to = SockaddrIn::from(SocketAddrV4::new(*self.plan.server.ip(), to));
        let control = [ControlMessage::Ipv4PacketInfo(&info)];
        match sendmsg(fd, &[IoSlice::new(bytes)], &control, MsgFlags::empty(), Some(&to)) {
            // A full buffer loses a packet, as a network may.
            Ok(_) | Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::ENOBUFS) => Ok(()),
            Err(error) => Err(error).context("a phone cannot send"),
        }
    }

    /// Asks for the file whose turn it is.
    fn ask(&mut self, index: usize, now: Duration) -> anyhow::Result<()> {
        let phone = &mut self.phones[index];
        (phone.block, phone.tid, phone.tries, phone.began, phone.asked) = (0, 0, 0, now, now);
        let request = &self.phones[index].requests[self.phones[index].file];
        self.send(index, request, self.plan.server.port())
    }

    fn answer(&mut self, port: usize, index: usize, from: u16, packet: &[u8], now: Duration) -> anyhow::Result<()> {
        let Some(phone) = self.phones.get_mut(index) else { return Ok(()) };
        let late = port != phone.count % PORTS || (phone.tid != 0 && phone.tid != from);
        if late || packet.len() < 4 {
            return Ok(());
        }
        let word = |at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
        match word(0) {
            3 if word(2) == phone.block.wrapping_add(1) => {
                (phone.block, phone.tid, phone.tries, phone.asked) = (word(2), from, 0, now);
                self.outcome.blocks += 1;
                let [high, low] = phone.block.to_be_bytes();
                self.send(index, &[0, 4, high, low], from)?;
                if packet.len() < 4 + BLOCK {
                    self.next_file(index, now)?;
                }
            }
            5 => {
                self.outcome.errors += 1;
                anyhow::ensure!(self.outcome.files + 1000 > self.outcome.errors, "the server refuses everything");
                self.next_file(index, now)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn next_file(&mut self, index: usize, now: Duration) -> anyhow::Result<()> {
        let phone = &mut self.phones[index];
        self.outcome.files += 1;
        self.outcome.micros.push((now - phone.began).as_micros() as u32);
        phone.count += 1;
        phone.file += 1;
        if phone.file == phone.requests.len() {
            phone.file = 0;
            self.outcome.boots += 1;
            if self.plan.together {
                phone.waits = true;
                self.waiting += 1;
                if self.waiting == self.phones.len() {
                    self.phones.iter_mut().for_each(|phone| phone.waits = false);
                    (self.waiting, self.started) = (0, 0);
                }
                return Ok(());
            }
        }
        self.ask(index, now)
    }

    fn ask_again(&mut self, now: Duration) -> anyhow::Result<()> {
        for index in 0..self.started {
            let phone = &mut self.phones[index];
            if phone.waits || now.saturating_sub(phone.asked) < PATIENCE[phone.tries.min(1)] {
                continue;
            }
            phone.asked = now;
            phone.tries += 1;
            self.outcome.retransmissions += 1;
            match phone.block {
                0 => {
                    self.send(index, &self.phones[index].requests[self.phones[index].file], self.plan.server.port())?
                }
                block => {
                    let ([high, low], to) = (block.to_be_bytes(), phone.tid);
                    self.send(index, &[0, 4, high, low], to)?;
                }
            }
        }
        Ok(())
    }
}
