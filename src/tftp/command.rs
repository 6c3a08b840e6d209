//! `dialtone tftp`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::anyhow;
use futures::FutureExt as _;
use futures::future::select_all;
use tokio::net::TcpListener;

use super::directory::{DirectoryLoader, MAX_BYTES, watch};
use super::file_store::FileStore;
use super::http::{self, Http};
use super::metrics::Metrics;
use super::port_mode::PortMode;
use super::server::{Config, Server};
use super::session::MAX_WINDOW;
use super::transfer_log::TransferLog;
use crate::base::network::Listen;
use crate::base::{SupervisedThread, shutdown_signal};

/// Serve a provisioning tree over TFTP (what the pods run)
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// A folder with files; of files with one name in several folders, that in the first is served. Links are followed beneath
    /// the folder only; in A/./B the folder B is looked for beneath A
    #[arg(long = "root", value_name = "DIR", required = true)]
    roots: Vec<PathBuf>,

    /// Where to listen for phones (UDP), by address or name; may be given several times. [::] alone serves IPv4 too
    #[arg(long, value_name = "ADDR:PORT", default_value = "0.0.0.0:69")]
    listen: Vec<Listen>,

    /// Which port answers: the one that was asked, or a new one for each transfer
    #[arg(long, value_enum, ignore_case = true, default_value_t = PortMode::Single)]
    port_mode: PortMode,

    /// Where to serve reports (HTTP) [default: nowhere]
    #[arg(long, value_name = "ADDR:PORT", value_parser = http::address)]
    report: Option<SocketAddr>,

    /// Where to serve probes and metrics (HTTP); may be given several times [default: nowhere]
    #[arg(long, value_name = "ADDR:PORT", value_parser = http::address)]
    probes: Vec<SocketAddr>,

    /// The file with the token that readers of reports must show
    #[arg(long, value_name = "FILE", requires = "report")]
    token_file: Option<PathBuf>,

    /// The most transfers at once
    #[arg(long, value_name = "N", default_value_t = 16_384)]
    max_sessions: usize,

    /// The most bytes of files that are held in memory; a quarter more while files are replaced
    #[arg(long, value_name = "BYTES", default_value_t = MAX_BYTES)]
    max_bytes: u64,

    /// The most blocks before an acknowledgement that a client may request (RFC 7440), 1 to 16 [default: 1 with port mode single,
    /// 16 with ephemeral]
    #[arg(long, value_name = "BLOCKS", value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_WINDOW)))]
    windowsize: Option<u16>,

    /// How many threads serve [default: one per core]
    #[arg(long, value_name = "N")]
    workers: Option<usize>,

    /// How many seconds transfers have to end when the process is told to
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    drain: u64,
}

/// How long readers have, after the last transfer, to fetch the final report.
const FINAL_REPORT_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs `dialtone tftp` until the shutdown signal, or until a part of it fails.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let shutdown = shutdown_signal();
    tokio::pin!(shutdown);
    let files = Arc::new(FileStore::default());
    let log = Arc::new(TransferLog::new(files.clone()));
    let metrics = Arc::new(Metrics::default());
    let is_serving = Arc::new(AtomicBool::new(false));
    let http = Http {
        log: log.clone(),
        files: files.clone(),
        metrics: metrics.clone(),
        token_file: args.token_file,
        is_serving: is_serving.clone(),
    };
    let reports = serve_at(args.report, |listener| http::serve(http.clone(), listener))?;
    let probes = args.probes.into_iter().map(Some).chain([None]);
    let probes =
        probes.map(|address| Ok(serve_at(address, |listener| http::serve_probes(http.clone(), listener))?.boxed()));
    // The last one is nowhere, so that there is one at least.
    let probes = select_all(probes.collect::<anyhow::Result<Vec<_>>>()?).map(|(ended, _, _)| ended);
    let config = Config {
        listen: args.listen.into_iter().flat_map(|Listen(all)| all).collect(),
        port_mode: args.port_mode,
        workers: args.workers.unwrap_or(Config::default().workers),
        max_sessions: args.max_sessions,
        windowsize: args.windowsize,
    };
    // The files first: a phone that asks too early would get the answer that there is no such file.
    let loader = DirectoryLoader::new(args.roots, args.max_bytes);
    let (mut loading, loaded) = watch::start(loader, files.clone(), log.clone())?;
    tokio::pin!(probes);
    tokio::select! {
        Ok(()) = loaded => {}
        error = loading.failure() => return Err(error),
        result = &mut probes => return Err(ended(result)),
        () = &mut shutdown => return Ok(()),
    }
    let server = Server::start(&config, files, log.clone(), metrics)?;
    is_serving.store(true, Ordering::Release);
    tracing::info!(addresses = ?server.addresses(), workers = config.workers, "TFTP server is serving");
    let http = async {
        tokio::select! {
            result = reports => result,
            result = probes => result,
        }
    };
    let parts = Parts { server, loading, log, drain: Duration::from_secs(args.drain) };
    parts.supervise(http, shutdown).await
}

/// Why the process cannot go on when the HTTP servers have ended.
fn ended(http: anyhow::Result<()>) -> anyhow::Error {
    http.err().unwrap_or_else(|| anyhow!("the HTTP server ended"))
}

/// Listens at an address if there is one, and serves there; otherwise it waits for ever.
fn serve_at<F: Future<Output = anyhow::Result<()>>>(
    address: Option<SocketAddr>,
    serve: impl FnOnce(TcpListener) -> F,
) -> anyhow::Result<impl Future<Output = anyhow::Result<()>>> {
    let serving = address.map(http::listen).transpose()?.map(serve);
    Ok(async {
        match serving {
            Some(serving) => serving.await,
            None => std::future::pending().await,
        }
    })
}

/// What the process consists of, beside HTTP.
struct Parts {
    server: Server,
    loading: SupervisedThread,
    log: Arc<TransferLog>,
    /// How long transfers have to end on shutdown.
    drain: Duration,
}

impl Parts {
    /// Waits for the shutdown, which is orderly, or for the failure of any part: without it phones would get stale files or none,
    /// and probes would not show it. The process ends then, and whatever runs it starts it again.
    async fn supervise(
        self,
        http: impl Future<Output = anyhow::Result<()>>,
        shutdown: impl Future<Output = ()>,
    ) -> anyhow::Result<()> {
        let Parts { mut server, mut loading, log, drain } = self;
        let http = async { ended(http.await) };
        tokio::pin!(http);
        tokio::select! {
            error = server.failure() => return Err(error),
            error = loading.failure() => return Err(error),
            error = &mut http => return Err(error),
            () = shutdown => tracing::info!("shutdown signal received: transfers under way may finish"),
        }
        let stopping = tokio::task::spawn_blocking(move || server.stop(drain));
        // Reports are served until the end: they say how the last transfers end, for instance of a phone that fetches an image.
        let stopped = async {
            stopping.await?;
            wait_for_final_report(&log).await;
            Ok(())
        };
        tokio::select! {
            error = http => Err(error),
            result = stopped => result,
        }
    }
}

/// Waits until the reader has fetched the records of the last transfers, if there is one and it comes in time.
async fn wait_for_final_report(log: &TransferLog) {
    let fetched = async {
        while log.reader_is_behind() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let _ = tokio::time::timeout(FINAL_REPORT_TIMEOUT, fetched).await;
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::super::server::tests::failing;
    use super::*;

    fn parts(server: Server, loading: SupervisedThread) -> Parts {
        Parts { server, loading, log: Arc::new(TransferLog::new(Arc::default())), drain: Duration::ZERO }
    }

    fn healthy_server() -> Server {
        let config = Config { listen: vec!["127.0.0.1:0".parse().unwrap()], workers: 1, ..Config::default() };
        Server::start(&config, Arc::default(), Arc::new(TransferLog::new(Arc::default())), Arc::default()).unwrap()
    }

    /// A thread that goes on until the test is over.
    fn healthy_loader() -> SupervisedThread {
        SupervisedThread::spawn("directories", || {
            loop {
                std::thread::park();
            }
        })
        .unwrap()
    }

    #[tokio::test]
    async fn a_part_that_panics_or_ends_ends_the_process_with_an_error_that_names_it() {
        let said = parts(failing(true), healthy_loader()).supervise(pending(), pending()).await.unwrap_err();
        assert_eq!(said.to_string(), "the thread tftp-1 panicked: a bug in worker 1");

        let panics = SupervisedThread::spawn("directories", || panic!("a bug in the loader")).unwrap();
        let said = parts(healthy_server(), panics).supervise(pending(), pending()).await.unwrap_err();
        assert_eq!(said.to_string(), "the thread directories panicked: a bug in the loader");

        let ended = parts(healthy_server(), healthy_loader()).supervise(ready(Ok(())), pending()).await;
        assert_eq!(ended.unwrap_err().to_string(), "the HTTP server ended");
        let failed = parts(healthy_server(), healthy_loader()).supervise(ready(Err(anyhow!("no port"))), pending());
        assert_eq!(failed.await.unwrap_err().to_string(), "no port");
    }

    #[tokio::test]
    async fn a_shutdown_is_no_failure() {
        let parts = parts(healthy_server(), healthy_loader());
        assert!(parts.supervise(pending(), ready(())).await.is_ok());
    }
}
