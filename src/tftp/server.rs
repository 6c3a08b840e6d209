//! The server: its workers, their supervision, and the shutdown.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use futures::future::select_all;
use nix::libc;

use super::descriptors;
use super::file_store::FileStore;
use super::metrics::Metrics;
use super::port_mode::PortMode;
use super::shared::Shared;
use super::socket::Udp;
use super::transfer_log::TransferLog;
use super::worker::Worker;
use crate::base::SupervisedThread;

/// What a server is started with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it listens.
    pub listen: Vec<SocketAddr>,
    /// Which port answers.
    pub port_mode: PortMode,
    /// How many workers there are, one at least.
    pub workers: usize,
    /// The most transfers at once, of all workers together.
    pub max_sessions: usize,
    /// The largest window that clients may request, in blocks; that of the port mode if nobody says otherwise.
    pub windowsize: Option<u16>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            listen: vec![SocketAddr::from(([0, 0, 0, 0], 69))],
            port_mode: PortMode::Single,
            workers: std::thread::available_parallelism().map_or(1, Into::into),
            max_sessions: 16_384,
            windowsize: None,
        }
    }
}

/// A running server.
pub struct Server {
    shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
    workers: Vec<SupervisedThread>,
    deadline: Deadline,
}

/// When workers end although transfers are under way; set on shutdown.
type Deadline = Arc<OnceLock<Instant>>;

impl Server {
    /// Starts a server.
    pub fn start(
        config: &Config,
        files: Arc<FileStore>,
        log: Arc<TransferLog>,
        metrics: Arc<Metrics>,
    ) -> io::Result<Server> {
        Server::start_with(config, files, log, metrics, |_, worker, deadline| worker.run(|| deadline.get().copied()))
    }

    /// Starts a server whose workers do this, each with its number.
    fn start_with(
        config: &Config,
        files: Arc<FileStore>,
        log: Arc<TransferLog>,
        metrics: Arc<Metrics>,
        run: impl Fn(usize, Worker, &Deadline) + Copy + Send + 'static,
    ) -> io::Result<Server> {
        let workers = config.workers.max(1);
        let max_sessions = match config.port_mode {
            PortMode::Single => config.max_sessions,
            // Each has a socket of its own, and files and reports need some too.
            PortMode::Ephemeral => config.max_sessions.min(descriptors::for_transfers()),
        };
        let shared = Arc::new(Shared {
            files,
            log,
            metrics,
            port_mode: config.port_mode,
            max_sessions: (max_sessions / workers).max(1),
            windowsize: config.windowsize.unwrap_or(config.port_mode.windowsize()),
            is_ending: AtomicBool::new(false),
        });
        let (sockets, addresses) = bind(&config.listen, workers)?;
        let deadline = Deadline::default();
        let mut threads = Vec::new();
        let (begun, all_begun) = std::sync::mpsc::channel::<()>();
        for (i, listeners) in sockets.into_iter().enumerate() {
            let (shared, deadline, begun) = (shared.clone(), deadline.clone(), begun.clone());
            threads.push(SupervisedThread::spawn(format!("tftp-{i}"), move || {
                let worker = Worker::new(shared, listeners)?;
                drop(begun);
                run(i, worker, &deadline);
                Ok(())
            })?);
        }
        drop(begun);
        // A server that says that it serves has all descriptors that it needs for that. Nothing is sent: it ends when all have begun, or
        // failed, which their supervisors tell.
        let _ = all_begun.recv();
        Ok(Server { shared, addresses, workers: threads, deadline })
    }

    /// Where it listens.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Waits until a worker fails; why it did. The clients of that worker get no answers any more.
    pub async fn failure(&mut self) -> anyhow::Error {
        let failures = self.workers.iter_mut().map(|worker| Box::pin(worker.failure()));
        // There is one worker at least, so `select_all` does not panic.
        select_all(failures).await.0
    }

    /// Accepts no new requests, and waits for transfers that are under way, but no longer than this.
    pub fn stop(self, patience: Duration) {
        let _ = self.deadline.set(Instant::now() + patience);
        self.shared.is_ending.store(true, Ordering::Release);
        for worker in self.workers {
            if let Err(error) = worker.join() {
                tracing::error!(error = %format!("{error:#}"), "TFTP worker failed");
            }
        }
    }
}

/// The sockets of each worker, and their addresses. A port that the system chose for the first worker is that of all.
fn bind(listen: &[SocketAddr], workers: usize) -> io::Result<(Vec<Vec<Udp>>, Vec<SocketAddr>)> {
    let mut first: Vec<Udp> = Vec::new();
    for (i, at) in listen.iter().enumerate() {
        let udp = bind_at(*at, leaves_ipv4(*at, listen)).map_err(|error| {
            let other = listen[..i].iter().find(|other| overlap(**other, *at));
            cannot_listen(*at, &error, other)
        })?;
        first.push(udp);
    }
    let addresses = first.iter().map(Udp::local_addr).collect::<io::Result<Vec<_>>>()?;
    let mut sockets = vec![first];
    for _ in 1..workers {
        let share = |(udp, at): (&Udp, &SocketAddr)| udp.share().map_err(|error| cannot_listen(*at, &error, None));
        sockets.push(sockets[0].iter().zip(&addresses).map(share).collect::<io::Result<_>>()?);
    }
    Ok((sockets, addresses))
}

/// A socket on an address; at `[::]` for IPv4 alone where there is no IPv6.
fn bind_at(at: SocketAddr, only_v6: bool) -> io::Result<Udp> {
    let every_ipv4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, at.port()));
    match Udp::bind(at, only_v6) {
        Err(error) if is_every_ipv6(at) && !only_v6 && is_without_ipv6(&error) => {
            Udp::bind(every_ipv4, false).map_err(|_| error)
        }
        other => other,
    }
}

/// Whether a machine says so that it has no IPv6.
fn is_without_ipv6(error: &io::Error) -> bool {
    [libc::EAFNOSUPPORT, libc::EADDRNOTAVAIL].map(Some).contains(&error.raw_os_error())
}

fn is_every_ipv6(address: SocketAddr) -> bool {
    address.ip() == IpAddr::from(Ipv6Addr::UNSPECIFIED)
}

/// Whether `[::]` is for IPv6 only, because somebody asks for an IPv4 address with the same port beside it.
fn leaves_ipv4(address: SocketAddr, all: &[SocketAddr]) -> bool {
    is_every_ipv6(address) && all.iter().any(|other| other.is_ipv4() && other.port() == address.port())
}

/// Whether two addresses with a port cannot both be listened on.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let is_same = one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && one.port() != 0 && one.is_ipv4() == other.is_ipv4() && is_same
}

/// Why a server cannot listen, and what to do; with another address of its own that may be in the way.
fn cannot_listen(address: SocketAddr, error: &io::Error, other: Option<&SocketAddr>) -> io::Error {
    let advice = match (error.kind(), other) {
        (io::ErrorKind::PermissionDenied, _) => ": ports below 1024 are for root, or choose another port".to_owned(),
        (io::ErrorKind::AddrInUse, Some(other)) => format!(": it is to listen on {other} too; leave out one of them"),
        (io::ErrorKind::AddrInUse, None) => ": another server has this port; end it, or choose another port".to_owned(),
        (io::ErrorKind::AddrNotAvailable, _) => ": this machine does not have this address".to_owned(),
        _ => String::new(),
    };
    io::Error::new(error.kind(), format!("cannot listen on {address} (UDP): {error}{advice}"))
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A server with two workers, of which the second one panics at once, or returns.
    pub fn failing(panics: bool) -> Server {
        let config = Config { listen: vec!["127.0.0.1:0".parse().unwrap()], workers: 2, ..Config::default() };
        let (files, log) = (Arc::default(), Arc::new(TransferLog::new(Arc::default())));
        let run = move |i, worker: Worker, deadline: &Deadline| match i {
            0 => worker.run(|| deadline.get().copied()),
            _ => assert!(!panics, "a bug in worker {i}"),
        };
        Server::start_with(&config, files, log, Arc::default(), run).unwrap()
    }

    #[tokio::test]
    async fn a_worker_that_panics_or_returns_is_a_failure_of_the_server() {
        let mut server = failing(true);
        assert_eq!(server.failure().await.to_string(), "the thread tftp-1 panicked: a bug in worker 1");
        server.stop(Duration::ZERO);
        let mut server = failing(false);
        assert!(server.failure().await.to_string().starts_with("the thread tftp-1 ended"));
        server.stop(Duration::ZERO);
    }
}
