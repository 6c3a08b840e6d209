//! The socket of one NOTIFY: it hears a phone from whatever port it answers, and what the network says of it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};
use tokio::net::UdpSocket;

/// A socket for one phone. It is not connected, so that answers from other ports of the phone come in.
pub struct NotifySocket {
    socket: UdpSocket,
    to: SocketAddr,
}

impl NotifySocket {
    /// A socket that has the address that the phone sees, as far as this host knows.
    pub fn open(to: SocketAddr) -> io::Result<NotifySocket> {
        let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        // Nothing is sent by connecting: it finds the way, and with it the address.
        let probe = std::net::UdpSocket::bind((any, 0))?;
        probe.connect(to)?;
        let mut from = probe.local_addr()?;
        from.set_port(0);
        let socket = std::net::UdpSocket::bind(from)?;
        // Without this, ICMP errors are for connected sockets only.
        match to {
            SocketAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4RecvErr, &true),
            SocketAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6RecvErr, &true),
        }?;
        socket.set_nonblocking(true)?;
        Ok(NotifySocket { socket: UdpSocket::from_std(socket)?, to })
    }

    /// Where answers come to.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Sends a datagram; what the network said of an earlier one.
    pub async fn send(&self, bytes: &[u8]) -> io::Result<Option<io::Error>> {
        match self.socket.send_to(bytes, self.to).await {
            Ok(_) => Ok(None),
            // That error was waiting here, and nothing was sent.
            Err(earlier) if is_absence(&earlier) => match self.socket.send_to(bytes, self.to).await {
                Err(error) if !is_absence(&error) => Err(error),
                _ => Ok(Some(earlier)),
            },
            Err(error) => Err(error),
        }
    }

    /// The length of a datagram from the phone's address, whatever its port is; or what the network said of one to it.
    pub async fn receive(&self, datagram: &mut [u8]) -> io::Result<Result<usize, io::Error>> {
        loop {
            match self.socket.recv_from(datagram).await {
                Ok((len, from)) if from.ip() == self.to.ip() => return Ok(Ok(len)),
                Ok(_) => {}
                Err(error) if is_absence(&error) => return Ok(Err(error)),
                Err(error) => return Err(error),
            }
        }
    }
}

/// Whether an error is that of an ICMP message, in the words of the kernel: nobody is there, something on the way does not let it
/// through, or it was too large.
fn is_absence(error: &io::Error) -> bool {
    const ALL: [Errno; 11] = [
        Errno::ECONNREFUSED,
        Errno::EHOSTUNREACH,
        Errno::ENETUNREACH,
        Errno::EHOSTDOWN,
        Errno::ENONET,
        Errno::ENETDOWN,
        Errno::ENOPROTOOPT,
        Errno::EOPNOTSUPP,
        Errno::EACCES,
        Errno::EPROTO,
        Errno::EMSGSIZE,
    ];
    error.raw_os_error().is_some_and(|code| ALL.contains(&Errno::from_raw(code)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_icmp_says_is_absence_and_what_this_host_says_is_not() {
        let is = |errno: Errno| is_absence(&io::Error::from(errno));
        // A phone's port, host, protocol and network, a router that forbids it, and the same of IPv6.
        for errno in [Errno::ECONNREFUSED, Errno::EHOSTUNREACH, Errno::EHOSTDOWN, Errno::ENOPROTOOPT, Errno::EACCES] {
            assert!(is(errno), "{errno}");
        }
        for errno in [Errno::EPERM, Errno::EINVAL, Errno::EADDRNOTAVAIL, Errno::ENOBUFS] {
            assert!(!is(errno), "{errno}");
        }
    }
}
