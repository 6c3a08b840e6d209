//! Serves HTTP within bounds, also to strangers: so many connections, and for each so long and so much until its request is there.
//!
//! When there are too many, the connection that is open longest makes room, of the source that has most of them, but none whose
//! request showed that it is trusted: strangers take the places of strangers. A source is an IPv4 address, or a /64 of IPv6, which
//! one machine may have to itself.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;

/// The most connections at once.
const MAX_CONNECTIONS: usize = 64;
/// How long the head of a request may take, and how long a connection may be idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// The most bytes of a connection's buffer, which the head of a request must fit into.
const MAX_BUFFER_BYTES: usize = 16 << 10;
/// How long to wait after a connection could not be accepted, for instance for want of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// The connection of a request.
#[derive(Clone, Default)]
pub struct Connection(Arc<AtomicBool>);

impl Connection {
    /// Keeps the connection open whoever else comes: a request on it showed that it may be trusted.
    pub fn trust(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_trusted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Serves until the process ends.
pub async fn serve(listener: TcpListener, routes: Router) -> anyhow::Result<()> {
    let mut open = Connections::default();
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "a connection cannot be accepted");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        if !open.make_room() {
            continue;
        }
        // The one that made room is closed soon, but not at once.
        let permit = permits.clone().acquire_owned().await?;
        let connection = Connection::default();
        let routes = routes.clone().layer(Extension(connection.clone()));
        let task = tokio::spawn(serve_one(stream, routes, permit)).abort_handle();
        open.0.push(Open { source: source(peer.ip()), connection, task });
    }
}

async fn serve_one(stream: TcpStream, routes: Router, _permit: OwnedSemaphorePermit) {
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes))
        .await;
    if let Err(error) = served {
        tracing::trace!(%error, "a connection ended early");
    }
}

/// The connections that are open, oldest first. They end with whoever holds them.
#[derive(Default)]
struct Connections(Vec<Open>);

impl Drop for Connections {
    fn drop(&mut self) {
        self.0.iter().for_each(|open| open.task.abort());
    }
}

/// Whom an address belongs to.
fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address @ IpAddr::V4(_) => address,
    }
}

struct Open {
    source: IpAddr,
    connection: Connection,
    task: AbortHandle,
}

impl Connections {
    /// Makes room for one more; whether there is.
    fn make_room(&mut self) -> bool {
        self.0.retain(|open| !open.task.is_finished());
        if self.0.len() < MAX_CONNECTIONS {
            return true;
        }
        let strangers = || self.0.iter().filter(|open| !open.connection.is_trusted());
        let mut of_source: BTreeMap<IpAddr, usize> = BTreeMap::new();
        strangers().for_each(|open| *of_source.entry(open.source).or_default() += 1);
        let most = of_source.values().max();
        // Of sources that have as many, the one whose connection is open longest.
        let is_next = |open: &Open| !open.connection.is_trusted() && of_source.get(&open.source) == most;
        let Some(place) = self.0.iter().position(is_next) else { return false };
        self.0.remove(place).task.abort();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn open(peer: impl Into<IpAddr>, trusted: bool) -> Open {
        let connection = Connection::default();
        if trusted {
            connection.trust();
        }
        Open {
            source: source(peer.into()),
            connection,
            task: tokio::spawn(std::future::pending::<()>()).abort_handle(),
        }
    }

    #[tokio::test]
    async fn the_source_with_most_connections_makes_room_and_no_trusted_one_does() {
        let mut all = Connections::default();
        all.0.push(open([10, 0, 0, 1], true).await);
        all.0.push(open([10, 0, 0, 2], false).await);
        while all.0.len() < MAX_CONNECTIONS {
            assert!(all.make_room());
            all.0.push(open([10, 0, 0, 3], false).await);
        }
        for _ in 0..200 {
            assert!(all.make_room() && all.0.len() == MAX_CONNECTIONS - 1);
            all.0.push(open([10, 0, 0, 3], false).await);
        }
        let first: Vec<IpAddr> = all.0.iter().take(2).map(|open| open.source).collect();
        assert_eq!(first, [IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2])]);
        for open in &all.0 {
            open.connection.trust();
        }
        assert!(!all.make_room(), "no trusted one makes room");
    }

    #[tokio::test]
    async fn a_machine_with_many_addresses_is_one_source_and_nobody_loses_for_a_high_address() {
        let v6 = |host: u16| Ipv6Addr::new(0xfd00, 0, 0, 1, 0, 0, 0, host);
        let mut all = Connections::default();
        all.0.push(open([250, 0, 0, 1], false).await);
        while all.0.len() < MAX_CONNECTIONS {
            all.0.push(open(v6(all.0.len() as u16), false).await);
        }
        for host in 1000..1100 {
            assert!(all.make_room());
            all.0.push(open(v6(host), false).await);
        }
        assert_eq!(all.0[0].source, IpAddr::from([250, 0, 0, 1]));
        let mut all = Connections::default();
        for n in 0..MAX_CONNECTIONS as u8 {
            all.0.push(open([10, 0, 0, n], false).await);
        }
        assert!(all.make_room());
        assert_eq!(all.0.last().unwrap().source, IpAddr::from([10, 0, 0, MAX_CONNECTIONS as u8 - 1]));
    }
}
