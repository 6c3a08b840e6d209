//! How long a file takes through a network that loses datagrams, from one server and the other.

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::cases::{Case, TIMED_CASES};
use crate::clients::{CLIENTS, Client};
use crate::matrix::Stage;
use crate::outcome::Outcome;
use crate::servers::Server;

/// Those that people use, and that know no options that some servers do not.
const TIMED_CLIENTS: &[&str] = &["tftp-hpa", "atftp", "curl", "busybox"];
/// How often each is tried; all servers have the same seeds.
pub const RUNS: u64 = 5;

/// All runs of one client with one server.
pub struct Timed {
    pub client: &'static Client,
    pub case: &'static Case,
    pub server: Server,
    /// Seconds, sorted; those that gave up are not among them.
    pub seconds: Vec<f32>,
}

pub async fn run(stage: &Arc<Stage>, servers: &[Server]) -> Vec<Timed> {
    let mut all = Vec::new();
    for case in TIMED_CASES {
        for client in CLIENTS.iter().filter(|client| TIMED_CLIENTS.contains(&client.name)) {
            for server in servers.iter().copied().filter(|server| server.cannot().is_none()) {
                all.push(Timed { client, case, server, seconds: Vec::new() });
            }
        }
    }
    let mut running = JoinSet::new();
    for (n, Timed { client, case, server, .. }) in all.iter().enumerate() {
        for run in 0..RUNS {
            let (stage, client, case, server) = (stage.clone(), *client, *case, *server);
            running.spawn(async move {
                let _permit = stage.waiting.acquire().await.expect("it is never closed");
                let seed = stage.seed.wrapping_add(run + 1);
                (n, stage.try_one(client, case, server, seed).await)
            });
        }
    }
    while let Some(ended) = running.join_next().await {
        let (n, outcome) = ended.expect("a run panics only if the suite is wrong");
        let of = &mut all[n];
        match outcome {
            Outcome::Ok(after) => of.seconds.push(after.as_secs_f32()),
            other => eprintln!("   {}, {}, {}: {other:?}", of.server.name(), of.client.name, of.case.name),
        }
    }
    all.iter_mut().for_each(|timed| timed.seconds.sort_by(f32::total_cmp));
    all
}

impl Timed {
    /// The median, where those that gave up took longer than all.
    pub fn median(&self) -> Option<f32> {
        self.seconds.get(RUNS as usize / 2).copied()
    }
}
