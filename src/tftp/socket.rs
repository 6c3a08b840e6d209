//! UDP sockets: many datagrams with one call, and replies from the address that the request was sent to.

use std::cell::Cell;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use nix::cmsg_space;
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg, setsockopt,
    sockopt,
};
use rustix::net::sockopt::{Ipv4PathMtuDiscovery, set_ip_mtu_discover};
use socket2::{Domain, Protocol, Socket, Type};

/// How many datagrams are received or sent with one call.
pub const BATCH: usize = 64;
/// The longest datagram that is received whole: a request has 512 bytes at most (RFC 2347), and acknowledgements have four. Not a
/// power of two, so that the first bytes of all buffers do not share a few places of the processor's cache.
const MAX_DATAGRAM_BYTES: usize = 576;
/// How many bytes the kernel may keep for us when many phones send requests at once: a small datagram takes almost 1 KiB.
const RECEIVE_BUFFER_BYTES: usize = 16 << 20;
/// How long a listener waits at most for the first datagram, where it waits.
pub const LONG_WAIT: Duration = Duration::from_millis(100);

/// A socket that many workers may share the port of.
pub struct Udp {
    socket: Socket,
    /// The address that it is bound to, if not to all: then every reply has this source address anyway.
    bound: Option<IpAddr>,
    /// Whether each received datagram carries its destination address (IP_PKTINFO).
    has_packet_info: bool,
    /// Whether datagrams may be cut into fragments on their way.
    fragments: Cell<bool>,
    /// How long it waits for a datagram.
    wait: Cell<Duration>,
}

/// A received datagram, without its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Received {
    /// Its source.
    pub peer: SocketAddr,
    /// Its destination, one of our addresses.
    pub local: Option<IpAddr>,
    /// How many bytes it has.
    pub len: usize,
}

/// A datagram to send.
#[derive(Debug)]
pub struct Outgoing {
    /// Its destination.
    pub peer: SocketAddr,
    /// Its source, one of our addresses.
    pub local: Option<IpAddr>,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Room for received datagrams.
pub struct Inbox {
    buffers: Vec<[u8; MAX_DATAGRAM_BYTES]>,
    headers: MultiHeaders<SockaddrStorage>,
    received: Vec<Received>,
}

impl Inbox {
    /// Room for one batch.
    pub fn new() -> Inbox {
        Inbox {
            buffers: vec![[0; MAX_DATAGRAM_BYTES]; BATCH],
            headers: incoming_headers(),
            received: Vec::with_capacity(BATCH),
        }
    }

    /// Prepares it for another socket: the kernel writes into the headers how long addresses and control messages of one are.
    pub fn reset(&mut self) {
        self.headers = incoming_headers();
    }

    /// The datagrams of the last batch.
    pub fn datagrams(&self) -> impl Iterator<Item = (Received, &[u8])> {
        self.received.iter().zip(&self.buffers).map(|(received, buffer)| (*received, &buffer[..received.len]))
    }
}

fn incoming_headers() -> MultiHeaders<SockaddrStorage> {
    MultiHeaders::preallocate(BATCH, Some(cmsg_space!(libc::in_pktinfo, libc::in6_pktinfo)))
}

impl Udp {
    /// A socket on an address, whose port no other socket has. At `[::]` it is for IPv4 too, unless it is told to leave that alone.
    pub fn bind(address: SocketAddr, only_v6: bool) -> io::Result<Udp> {
        Udp::listener(address, only_v6, false)
    }

    /// Another socket on the same port. The first socket was bound without SO_REUSEPORT, so a second server fails to bind; only
    /// then the option is set, and sockets of this server may join.
    pub fn share(&self) -> io::Result<Udp> {
        let address = self.local_addr()?;
        self.socket.set_reuse_port(true)?;
        Udp::listener(address, address.is_ipv6() && self.socket.only_v6()?, true)
    }

    /// A socket for requests: of many phones at once, and on any of the machine's addresses.
    fn listener(address: SocketAddr, only_v6: bool, shared: bool) -> io::Result<Udp> {
        let udp = Udp::new(address, only_v6, shared)?;
        let fd = &udp.socket;
        let has_packet_info = udp.bound.is_none()
            && match address {
                SocketAddr::V4(_) => setsockopt(fd, sockopt::Ipv4PacketInfo, &true),
                SocketAddr::V6(_) => setsockopt(fd, sockopt::Ipv6RecvPacketInfo, &true),
            }
            .is_ok();
        // A smaller buffer is not worth failing for. Only privileged processes may exceed the limit of the system.
        if setsockopt(fd, sockopt::RcvBufForce, &RECEIVE_BUFFER_BYTES).is_err() {
            let _ = udp.socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES);
        }
        udp.socket.set_read_timeout(Some(LONG_WAIT))?;
        Ok(Udp { has_packet_info, ..udp })
    }

    /// A socket of its own for one transfer, on a port that the system chooses.
    pub fn ephemeral(local: Option<IpAddr>, peer: SocketAddr) -> io::Result<Udp> {
        let any = match peer {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let mut address = SocketAddr::new(local.unwrap_or(any), 0);
        if let (SocketAddr::V6(own), SocketAddr::V6(peer)) = (&mut address, peer) {
            // An address that is one on a link only is nothing without the link, which is the client's.
            own.set_scope_id(peer.scope_id());
        }
        Udp::new(address, false, false)
    }

    fn new(address: SocketAddr, only_v6: bool, shared: bool) -> io::Result<Udp> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            // Said each time: what the system does otherwise is a setting of the system.
            socket.set_only_v6(only_v6)?;
        }
        if shared {
            socket.set_reuse_port(true)?;
        }
        socket.bind(&address.into())?;
        // A datagram that must not be fragmented needs no identification (RFC 6864), and to choose one takes the kernel a
        // twentieth of the time that a block takes in all.
        let carries_ipv4 = !(address.is_ipv6() && only_v6);
        let whole = carries_ipv4 && set_ip_mtu_discover(&socket, Ipv4PathMtuDiscovery::DO).is_ok();
        let bound = Some(address.ip()).filter(|ip| !ip.is_unspecified());
        Ok(Udp { socket, bound, has_packet_info: false, fragments: Cell::new(!whole), wait: Cell::new(LONG_WAIT) })
    }

    /// Lets datagrams be fragmented from now on; whether they could not be before.
    fn allow_fragments(&self) -> bool {
        let allowed =
            self.fragments.replace(true) || set_ip_mtu_discover(&self.socket, Ipv4PathMtuDiscovery::WANT).is_err();
        !allowed
    }

    /// Where it listens.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()?.as_socket().ok_or_else(|| io::Error::other("not an Internet socket"))
    }

    /// Waits so long from now on, where it waits. It costs something only if that is another time than before.
    pub fn set_wait(&self, wait: Duration) {
        if self.wait.get() != wait && self.socket.set_read_timeout(Some(wait)).is_ok() {
            self.wait.set(wait);
        }
    }

    /// Waits a moment for the first datagram, and receives what has arrived by then; whether there may be more.
    pub fn wait(&self, inbox: &mut Inbox) -> bool {
        self.receive_batch(inbox, MsgFlags::MSG_WAITFORONE)
    }

    /// Receives what has arrived; whether there may be more.
    pub fn receive(&self, inbox: &mut Inbox) -> bool {
        self.receive_batch(inbox, MsgFlags::MSG_DONTWAIT)
    }

    fn receive_batch(&self, inbox: &mut Inbox, flags: MsgFlags) -> bool {
        inbox.received.clear();
        let mut slices: Vec<[IoSliceMut<'_>; 1]> =
            inbox.buffers.iter_mut().map(|buffer| [IoSliceMut::new(&mut buffer[..])]).collect();
        let fd = self.socket.as_raw_fd();
        let results = match recvmmsg(fd, &mut inbox.headers, slices.iter_mut(), flags, None) {
            Ok(results) => results,
            // Nothing has arrived, or an ICMP error for one of our datagrams: in both cases there is nothing to do.
            Err(_) => return false,
        };
        for message in results {
            let peer = message.address.as_ref().and_then(to_socket_addr);
            let packet_info = || message.cmsgs().ok().and_then(|mut all| all.find_map(destination));
            let local = self.bound.or_else(packet_info);
            // A datagram without a source cannot be answered: it stays in its place, as an empty one.
            let unspecified = SocketAddr::from(([0, 0, 0, 0], 0));
            let len = if peer.is_some() { message.bytes } else { 0 };
            inbox.received.push(Received { peer: peer.unwrap_or(unspecified), local, len });
        }
        inbox.received.len() == BATCH
    }

    /// Sends datagrams. Those that the kernel does not accept now are lost, as datagrams may be: they are sent again later.
    pub fn send(&self, batch: &[Outgoing], headers: &mut OutgoingHeaders) {
        // One call sends from one source address: usually there is only one.
        for group in batch.chunk_by(|a, b| a.local == b.local) {
            for part in group.chunks(BATCH) {
                self.send_part(part, headers);
            }
        }
    }

    fn send_part(&self, part: &[Outgoing], headers: &mut OutgoingHeaders) {
        let slices: Vec<[IoSlice<'_>; 1]> = part.iter().map(|out| [IoSlice::new(&out.bytes)]).collect();
        let addresses: Vec<Option<SockaddrStorage>> = part.iter().map(|out| Some(out.peer.into())).collect();
        let local = part.first().and_then(|out| out.local).filter(|_| self.has_packet_info);
        let fd = self.socket.as_raw_fd();
        let mut done = 0;
        // An error is that of the first datagram: it is skipped, the others are still sent.
        while done < part.len() {
            let (slices, addresses) = (&slices[done..], &addresses[done..]);
            let flags = MsgFlags::MSG_DONTWAIT;
            let sent = match local {
                Some(IpAddr::V4(ip)) => {
                    let info = libc::in_pktinfo {
                        ipi_ifindex: 0,
                        ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes(ip.octets()) },
                        ipi_addr: libc::in_addr { s_addr: 0 },
                    };
                    sendmmsg(fd, &mut headers.v4, slices, addresses, [ControlMessage::Ipv4PacketInfo(&info)], flags)
                        .map(Iterator::count)
                }
                Some(IpAddr::V6(ip)) => {
                    let info =
                        libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: ip.octets() }, ipi6_ifindex: 0 };
                    sendmmsg(fd, &mut headers.v6, slices, addresses, [ControlMessage::Ipv6PacketInfo(&info)], flags)
                        .map(Iterator::count)
                }
                None => sendmmsg(fd, &mut headers.plain, slices, addresses, [], flags).map(Iterator::count),
            };
            match sent {
                Ok(sent) => done += sent.max(1),
                // The kernel's buffers are full: the rest would only be discarded as well.
                Err(Errno::EAGAIN | Errno::ENOBUFS) => return,
                // The client requested blocks that are too large for a network on the way.
                Err(Errno::EMSGSIZE) if self.allow_fragments() => {}
                Err(_) => done += 1,
            }
        }
    }
}

impl AsFd for Udp {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Headers for one batch of datagrams to send. The kernel requires the room for control messages to be exactly what they take,
/// so there are three kinds.
pub struct OutgoingHeaders {
    plain: MultiHeaders<SockaddrStorage>,
    v4: MultiHeaders<SockaddrStorage>,
    v6: MultiHeaders<SockaddrStorage>,
}

impl OutgoingHeaders {
    /// Headers for one batch.
    pub fn new() -> OutgoingHeaders {
        OutgoingHeaders {
            plain: MultiHeaders::preallocate(BATCH, None),
            v4: MultiHeaders::preallocate(BATCH, Some(cmsg_space!(libc::in_pktinfo))),
            v6: MultiHeaders::preallocate(BATCH, Some(cmsg_space!(libc::in6_pktinfo))),
        }
    }
}

fn to_socket_addr(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|a| SocketAddr::V4(SocketAddrV4::new(a.ip(), a.port())));
    let v6 = || {
        let a = address.as_sockaddr_in6()?;
        Some(SocketAddr::V6(SocketAddrV6::new(a.ip(), a.port(), a.flowinfo(), a.scope_id())))
    };
    v4.or_else(v6)
}

fn destination(message: ControlMessageOwned) -> Option<IpAddr> {
    match message {
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            Some(IpAddr::V4(Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes())))
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => Some(IpAddr::V6(Ipv6Addr::from(info.ipi6_addr.s6_addr))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::process::Command;

    use nix::sched::{CloneFlags, unshare};

    use super::*;

    /// Runs in a network of its own, after these arguments of the program `ip`.
    fn in_a_network(ip: &'static [&'static str], test: fn()) {
        let thread = std::thread::spawn(move || {
            if let Err(error) = unshare(CloneFlags::CLONE_NEWNET) {
                println!("skipped: no network of its own without privileges ({error})");
                return;
            }
            for arguments in ip {
                match Command::new("ip").args(arguments.split(' ')).status() {
                    Ok(status) => assert!(status.success(), "ip {arguments}"),
                    Err(error) => {
                        return println!("skipped: the program `ip` is needed for a network of its own ({error})");
                    }
                }
            }
            test();
        });
        thread.join().unwrap();
    }

    #[test]
    fn a_port_is_shared_within_a_server_and_with_no_other() {
        let first = Udp::bind("127.0.0.1:0".parse().unwrap(), false).unwrap();
        let port = first.local_addr().unwrap();
        let all = [&first.share().unwrap(), &first.share().unwrap(), &first];
        let refused = Udp::bind(port, false).err().unwrap();
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
        for _ in 0..200 {
            UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"hello", port).unwrap();
        }
        let each = all.map(|udp| {
            let (mut inbox, mut got) = (Inbox::new(), 0);
            while udp.receive(&mut inbox) {
                got += inbox.datagrams().count();
            }
            got + inbox.datagrams().count()
        });
        assert!(each.iter().all(|&got| got > 20), "{each:?}");
    }

    #[test]
    fn a_client_on_the_link_gets_a_port_on_the_link() {
        in_a_network(&["link set lo up", "-6 addr add fe80::1/64 dev lo nodad"], || {
            let on_link = |port| SocketAddr::V6(SocketAddrV6::new("fe80::1".parse().unwrap(), port, 0, 1));
            let client = UdpSocket::bind(on_link(0)).unwrap();
            client.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
            let peer = client.local_addr().unwrap();
            let own = Udp::ephemeral(Some(on_link(0).ip()), peer).unwrap();
            let outgoing = [Outgoing { peer, local: None, bytes: vec![7] }];
            // The kernel has the way to a new address a moment later.
            let got = (0..50).find_map(|_| {
                own.send(&outgoing, &mut OutgoingHeaders::new());
                client.recv_from(&mut [0; 9]).ok()
            });
            assert_eq!(got, Some((1, own.local_addr().unwrap())));
        });
    }

    #[test]
    fn blocks_larger_than_the_mtu_arrive_in_fragments() {
        in_a_network(&["link set lo mtu 600 up"], || {
            // A socket for both families sends IPv4 as one for IPv4 does.
            for (at, to) in [("127.0.0.1:0", "127.0.0.1"), ("[::]:0", "::ffff:127.0.0.1")] {
                let server = Udp::bind(at.parse().unwrap(), false).unwrap();
                let client = UdpSocket::bind("127.0.0.1:0").unwrap();
                client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
                let peer = SocketAddr::new(to.parse().unwrap(), client.local_addr().unwrap().port());
                let outgoing = |len: usize| Outgoing { peer, local: None, bytes: vec![7; len] };
                let mut headers = OutgoingHeaders::new();
                assert!(!server.fragments.get(), "{at}");
                server.send(&[outgoing(516), outgoing(1432), outgoing(516)], &mut headers);
                let mut buffer = [0; 2000];
                for len in [516, 1432, 516] {
                    assert_eq!(client.recv(&mut buffer).unwrap(), len, "{at}");
                }
                assert!(server.fragments.get(), "the network carries more than it should: {at}");
            }
        });
    }
}
