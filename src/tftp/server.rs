//! The server: its workers, and how it ends.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::library::Library;
use super::metrics::Metrics;
use super::port_mode::PortMode;
use super::reporter::Reporter;
use super::socket::Udp;
use super::worker::{Common, Worker};

/// What a server is started with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it listens.
    pub listen: Vec<SocketAddr>,
    /// Which port answers.
    pub port_mode: PortMode,
    /// How many workers there are.
    pub workers: usize,
    /// The most transfers at once, of all workers together.
    pub max_sessions: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            listen: vec![SocketAddr::from(([0, 0, 0, 0], 69))],
            port_mode: PortMode::Single,
            workers: std::thread::available_parallelism().map_or(1, Into::into),
            max_sessions: 16_384,
        }
    }
}

/// A running server.
pub struct Server {
    common: Arc<Common>,
    addresses: Vec<SocketAddr>,
    workers: Vec<JoinHandle<()>>,
    deadline: Arc<OnceLock<Instant>>,
}

impl Server {
    /// Starts a server.
    pub fn start(
        config: &Config,
        library: Arc<Library>,
        reporter: Arc<Reporter>,
        metrics: Arc<Metrics>,
    ) -> io::Result<Server> {
        let workers = config.workers.max(1);
        let common = Arc::new(Common {
            library,
            reporter,
            metrics,
            port_mode: config.port_mode,
            max_sessions: (config.max_sessions / workers).max(1),
            ending: AtomicBool::new(false),
        });
        let bind = |address: &SocketAddr| Udp::bind(*address).map_err(|error| cannot_listen(*address, &error));
        let first = config.listen.iter().map(bind).collect::<io::Result<Vec<_>>>()?;
        // A port that the system chose for the first worker is that of all.
        let addresses = first.iter().map(Udp::local_addr).collect::<io::Result<Vec<_>>>()?;
        let mut sockets = vec![first];
        for _ in 1..workers {
            let share = |(udp, at): (&Udp, &SocketAddr)| udp.share().map_err(|error| cannot_listen(*at, &error));
            sockets.push(sockets[0].iter().zip(&addresses).map(share).collect::<io::Result<_>>()?);
        }
        let deadline = Arc::new(OnceLock::new());
        let mut threads = Vec::new();
        for (i, listeners) in sockets.into_iter().enumerate() {
            let (common, deadline) = (common.clone(), deadline.clone());
            let thread = std::thread::Builder::new().name(format!("tftp-{i}"));
            threads.push(thread.spawn(move || match Worker::new(common, listeners) {
                Ok(worker) => worker.run(|| deadline.get().copied()),
                Err(error) => tracing::error!(%error, "a worker cannot start"),
            })?);
        }
        Ok(Server { common, addresses, workers: threads, deadline })
    }

    /// Where it listens.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Takes no new requests, and waits for transfers that are under way, but no longer than this.
    pub fn stop(self, patience: Duration) {
        let _ = self.deadline.set(Instant::now() + patience);
        self.common.ending.store(true, Ordering::Release);
        for worker in self.workers {
            if worker.join().is_err() {
                tracing::error!("a worker had panicked");
            }
        }
    }
}

/// Why a server cannot listen, and what to do.
fn cannot_listen(address: SocketAddr, error: &io::Error) -> io::Error {
    let advice = match error.kind() {
        io::ErrorKind::PermissionDenied => ": ports below 1024 are for root, or choose another port",
        io::ErrorKind::AddrInUse => ": another server has this port; end it, or choose another port",
        io::ErrorKind::AddrNotAvailable => ": this machine does not have this address",
        _ => "",
    };
    io::Error::new(error.kind(), format!("cannot listen on {address} (UDP): {error}{advice}"))
}
