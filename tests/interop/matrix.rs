//! Each client asks each server for each case.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::cases::{Case, Expect};
use crate::clients::{Ask, Client, How, Netascii};
use crate::lossy::{Proxy, Weather};
use crate::outcome::{Ended, Outcome};
use crate::peers::Peers;
use crate::servers::{Served, Server};

/// What all parts of a run share.
pub struct Stage {
    pub peers: Peers,
    /// The folder that is served.
    pub root: std::path::PathBuf,
    /// Those that run.
    pub servers: Vec<(Server, Served)>,
    pub seed: u64,
    /// How many may compute at once, and how many may wait at once.
    pub busy: Semaphore,
    pub waiting: Semaphore,
    /// The next address of 127.69.0.0/16 for somebody who knows port 69 only.
    pub next: AtomicU16,
}

/// One client, one case, one server.
pub struct Cell {
    pub client: &'static Client,
    pub case: &'static Case,
    pub server: Server,
    pub outcome: Outcome,
}

const PATIENCE: Duration = Duration::from_secs(120);
const PATIENCE_WAITING: Duration = Duration::from_secs(150);
const WELL_KNOWN: u16 = 69;

/// Tries all of them; in the order in which they were given.
pub async fn run(
    stage: &Arc<Stage>,
    clients: &[&'static Client],
    cases: &[&'static Case],
    servers: &[Server],
) -> Vec<Cell> {
    let mut running = JoinSet::new();
    let all = servers.iter().flat_map(|server| cases.iter().map(move |case| (*server, *case)));
    let all: Vec<_> =
        all.flat_map(|(server, case)| clients.iter().map(move |client| (server, case, *client))).collect();
    let count = all.len();
    for (n, (server, case, client)) in all.into_iter().enumerate() {
        let stage = stage.clone();
        running.spawn(async move {
            let permits = if case.waits() { &stage.waiting } else { &stage.busy };
            let _permit = permits.acquire().await.expect("it is never closed");
            (n, Cell { client, case, server, outcome: stage.try_one(client, case, server, stage.seed).await })
        });
    }
    let mut cells = Vec::new();
    while let Some(cell) = running.join_next().await {
        let (n, cell) = cell.expect("a cell panics only if the suite is wrong");
        let name = format!("{}, {}, {}", cell.server.name(), cell.client.name, cell.case.name);
        match &cell.outcome {
            Outcome::Failed(why) => eprintln!("   failed: {name}: {why}"),
            Outcome::GaveUp(_, why) => eprintln!("   gave up: {name}: {why}"),
            _ => {}
        }
        cells.push((n, cell));
        if cells.len() % 100 == 0 {
            eprintln!("   {} of {count}", cells.len());
        }
    }
    cells.sort_by_key(|(n, _)| *n);
    cells.into_iter().map(|(_, cell)| cell).collect()
}

impl Stage {
    pub async fn try_one(&self, client: &Client, case: &Case, server: Server, seed: u64) -> Outcome {
        let served = self.servers.iter().find(|(one, _)| *one == server).map(|(_, served)| served);
        let Some(served) = served else { return Outcome::Cannot(server.cannot().unwrap_or("not started").to_owned()) };
        if let Some(why) = client.cannot(case) {
            return Outcome::Cannot(why.to_owned());
        }
        if self.peers.version(client.package).is_none() {
            return Outcome::Cannot("it could not be had here".to_owned());
        }
        let address = if case.ipv6 { served.v6 } else { Some(served.v4) };
        let Some(address) = address else {
            return Outcome::Cannot(format!("{} listens for IPv4 only when it runs by itself", server.name()));
        };
        let proxy = match self.proxy(client, address, case.weather, seed) {
            Ok(proxy) => proxy,
            Err(why) => return Outcome::Cannot(why),
        };
        let address = proxy.as_ref().map_or(address, |proxy| proxy.address);
        let comes = case.expect == Expect::File || (case.expect == Expect::FileFromDialtone && server.is_dialtone());
        let content = std::fs::read(self.root.join(case.file)).expect("the tree has it");
        let wanted =
            if case.netascii && client.netascii == Netascii::KeepsAsSent { netascii(&content) } else { content };
        let wanted = comes.then_some(&wanted[..]);
        let ended = self.fetch(client, case, address, wanted).await;
        match (Outcome::of(&ended, wanted, case.waits()), client.own_fault) {
            (Outcome::Failed(what), Some(why)) if case.waits() => {
                Outcome::GaveUp(ended.after, format!("{what}: its own fault, {why}"))
            }
            (outcome, _) => outcome,
        }
    }

    /// Stands before the server if the network is to be bad, or if a client can reach it in no other way.
    fn proxy(&self, client: &Client, server: SocketAddr, weather: Weather, seed: u64) -> Result<Option<Proxy>, String> {
        let listen: SocketAddr = match client.how {
            How::UBoot => {
                let [high, low] = self.next.fetch_add(1, Ordering::Relaxed).to_be_bytes();
                (Ipv4Addr::new(127, 69, high, low), WELL_KNOWN).into()
            }
            _ if weather.is_fine() => return Ok(None),
            _ => (server.ip(), 0).into(),
        };
        let proxy = Proxy::start(listen, server, weather, seed);
        proxy.map(Some).map_err(|error| match listen.port() {
            WELL_KNOWN => format!("it asks port 69 only, which takes root: {error}"),
            _ => error.to_string(),
        })
    }

    async fn fetch(&self, client: &Client, case: &Case, server: SocketAddr, wanted: Option<&[u8]>) -> Ended {
        let folder = tempfile::tempdir().expect("there is room");
        let out = folder.path().join("got");
        let most = if case.waits() { PATIENCE_WAITING } else { PATIENCE };
        let ask = Ask { server, name: case.asked(), out: &out, options: case.options, netascii: case.netascii };
        match client.how {
            How::Program(told) => program(told(&self.peers, &ask), &out, most).await,
            How::Ipxe => crate::guest::ipxe(&self.peers, &ask, folder.path(), wanted, most).await,
            How::UBoot => {
                let IpAddr::V4(server) = server.ip() else { unreachable!("it has no IPv6") };
                crate::guest::u_boot(&self.peers, &ask, folder.path(), server, most).await
            }
        }
    }
}

/// Runs a program that writes what it fetches to a file.
async fn program(mut command: tokio::process::Command, out: &Path, most: Duration) -> Ended {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let began = Instant::now();
    let output = tokio::time::timeout(most, command.output()).await;
    let after = began.elapsed();
    let (said, success) = match output {
        Err(_) => (String::new(), None),
        Ok(Err(error)) => (format!("{command:?}: {error}"), Some(false)),
        Ok(Ok(output)) => {
            let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
            (said, Some(output.status.success()))
        }
    };
    Ended { file: std::fs::read(out).ok(), said, success, after }
}

/// A text as RFC 764 has it on the wire.
fn netascii(text: &[u8]) -> Vec<u8> {
    let on_the_wire = |byte: &u8| match byte {
        b'\n' => b"\r\n".to_vec(),
        b'\r' => b"\r\0".to_vec(),
        byte => vec![*byte],
    };
    text.iter().flat_map(on_the_wire).collect()
}
