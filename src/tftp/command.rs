//! `dialtone tftp`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::base::shutdown_signal;

use super::http::{self, Http};
use super::library::Library;
use super::metrics::Metrics;
use super::port_mode::PortMode;
use super::reporter::Reporter;
use super::server::{Config, Server};
use super::tree::{self, Tree};

/// Serve a provisioning tree over TFTP (what the pods run)
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// A folder with files; of files with one name in several folders, that in the first is served
    #[arg(long = "root", value_name = "DIR", required = true)]
    roots: Vec<PathBuf>,

    /// Where to listen for phones (UDP); may be given several times
    #[arg(long, value_name = "ADDR:PORT", default_value = "0.0.0.0:69")]
    listen: Vec<SocketAddr>,

    /// Which port answers: the one that was asked, or a new one for each transfer
    #[arg(long, value_enum, ignore_case = true, default_value_t = PortMode::Single)]
    port_mode: PortMode,

    /// Where to serve reports, probes and metrics (HTTP) [default: nowhere]
    #[arg(long, value_name = "ADDR:PORT")]
    report: Option<SocketAddr>,

    /// The file with the token that readers of reports must show
    #[arg(long, value_name = "FILE", requires = "report")]
    token_file: Option<PathBuf>,

    /// The most transfers at once
    #[arg(long, value_name = "N", default_value_t = 16_384)]
    max_sessions: usize,

    /// The most bytes of files that are held in memory
    #[arg(long, value_name = "BYTES", default_value_t = 384 << 20)]
    max_bytes: u64,

    /// How many threads serve [default: one per core]
    #[arg(long, value_name = "N")]
    workers: Option<usize>,

    /// How many seconds transfers have to end when the process is told to
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    drain: u64,
}

/// How long readers have to come for the news of the last transfers.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Runs until the process is told to end.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let library = Arc::new(Library::default());
    let reporter = Arc::new(Reporter::new(library.clone()));
    let metrics = Arc::new(Metrics::default());
    let listener = match args.report {
        Some(address) => Some(http::listen(address).await?),
        None => None,
    };
    let config = Config {
        listen: args.listen,
        port_mode: args.port_mode,
        workers: args.workers.unwrap_or(Config::default().workers),
        max_sessions: args.max_sessions,
    };
    // The files first: a phone that asks too early would be told that there is no such file.
    let tree = Tree::new(args.roots, args.max_bytes);
    tree::follow(tree, library.clone(), reporter.clone())?;
    let server = Server::start(&config, library.clone(), reporter.clone(), metrics.clone())?;
    tracing::info!(addresses = ?server.addresses(), workers = config.workers, "serving");
    let reports = async {
        let http = Http { reporter: reporter.clone(), library, metrics, token: args.token_file };
        match listener {
            Some(listener) => http::serve(http, listener).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(reports);
    tokio::select! {
        ended = &mut reports => ended?,
        () = shutdown_signal() => tracing::info!("told to end: transfers under way may finish"),
    }
    let stop = tokio::task::spawn_blocking(move || server.stop(Duration::from_secs(args.drain)));
    // How the last transfers end is told as well: a phone that takes an image is seen to its end.
    tokio::select! {
        ended = reports => ended,
        stopped = stop_and_tell(stop, &reporter) => stopped,
    }
}

async fn stop_and_tell(stop: tokio::task::JoinHandle<()>, reporter: &Reporter) -> anyhow::Result<()> {
    stop.await?;
    let told = async {
        while reporter.owes() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    // Nobody may come for it.
    let _ = tokio::time::timeout(LAST_WORDS, told).await;
    Ok(())
}
