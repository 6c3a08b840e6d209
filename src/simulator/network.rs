//! The network of a simulated phone: its sockets, and what is lost on their way.

use std::io;
use std::net::{IpAddr, SocketAddr};

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::net::UdpSocket;

use super::fault::Losses;
use crate::phone::Mac;

/// What a phone's TFTP client sends with. One phone has one, so that not every file loses the same datagrams.
pub(super) struct Network {
    losses: Losses,
    random: SmallRng,
    /// The socket of a transfer that the phone lost its memory of, and the file.
    kept: Option<(String, UdpSocket)>,
}

impl Network {
    /// The network of a phone.
    pub(super) fn new(losses: Losses, mac: Mac) -> Network {
        let own = u64::from_str_radix(&mac.to_string(), 16).unwrap_or_default();
        Network { losses, random: SmallRng::seed_from_u64(losses.seed ^ own.rotate_left(16)), kept: None }
    }

    /// A socket for a file: a new one, or that of the transfer which the phone lost its memory of.
    pub(super) async fn open(&mut self, own: IpAddr, file: &str) -> io::Result<UdpSocket> {
        match self.kept.take_if(|(kept, _)| kept == file) {
            Some((_, socket)) => {
                // The phone was off when this arrived.
                while socket.try_recv(&mut [0; 1]).is_ok() {}
                Ok(socket)
            }
            None => UdpSocket::bind((own, 0)).await,
        }
    }

    /// Keeps the port of a transfer for the next request for its file.
    pub(super) fn keep(&mut self, file: &str, socket: UdpSocket) {
        self.kept = Some((file.to_owned(), socket));
    }

    /// Whether the last acknowledgement of a file is lost.
    pub(super) fn loses_last_ack(&self) -> bool {
        self.losses.last_ack
    }

    fn is_lost(&mut self) -> bool {
        self.losses.percent > 0 && self.random.random_range(0..100) < self.losses.percent
    }

    /// Sends a datagram, which may be lost.
    pub(super) async fn send(&mut self, socket: &UdpSocket, bytes: &[u8], to: SocketAddr) -> io::Result<()> {
        if !self.is_lost() {
            socket.send_to(bytes, to).await?;
        }
        Ok(())
    }

    /// Receives a datagram that is not lost.
    pub(super) async fn receive(&mut self, socket: &UdpSocket, bytes: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        loop {
            let received = socket.recv_from(bytes).await?;
            if !self.is_lost() {
                return Ok(received);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of a thousand datagrams are lost.
    fn lost(percent: u8, seed: u64, mac: &str) -> Vec<usize> {
        let mut network = Network::new(Losses { percent, seed, last_ack: false }, mac.parse().unwrap());
        (0..1_000).filter(|_| network.is_lost()).collect()
    }

    #[test]
    fn what_is_lost_follows_from_the_seed_and_the_phone() {
        let some = lost(20, 1, "000E84C060A6");
        assert!((150..250).contains(&some.len()), "{}", some.len());
        assert_eq!(some, lost(20, 1, "000E84C060A6"));
        assert_ne!(some, lost(20, 2, "000E84C060A6"));
        assert_ne!(some, lost(20, 1, "000E84C060A7"));
        assert!(lost(0, 1, "000E84C060A6").is_empty());
    }
}
