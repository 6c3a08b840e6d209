//! dialtone against programs that others wrote: TFTP clients, SIP and telnet peers; the TFTP servers of Debian are asked the same,
//! as the control. `make interop` fetches them and runs this; docs/interop.md has what came out.
//!
//!   interop FOLDER-OF-THE-PEERS [WORD,…]    a word is a part, a client, a server, a case or a group of cases
#![allow(clippy::unwrap_used)] // A suite that cannot go on should stop.

mod cases;
#[path = "../support/child.rs"]
mod child;
mod clients;
mod guest;
#[path = "../support/lossy.rs"]
mod lossy;
mod matrix;
mod outcome;
mod peers;
mod report;
#[path = "../support/seed.rs"]
mod seed;
mod servers;
mod words;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Semaphore;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1).filter(|word| !word.starts_with('-'));
    let Some(folder) = args.next() else {
        eprintln!("usage: make interop [ONLY=WORD,…]");
        return ExitCode::from(2);
    };
    let wanted = match words::Wanted::of(&args.next().unwrap_or_default()) {
        Ok(wanted) => wanted,
        Err(why) => {
            eprintln!("error: {why}");
            return ExitCode::from(2);
        }
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(run(Path::new(&folder), &wanted))
}

async fn run(folder: &Path, wanted: &words::Wanted) -> ExitCode {
    let began = Instant::now();
    let peers = peers::Peers::open(folder);
    let logs = folder.join("run");
    std::fs::create_dir_all(&logs).unwrap();
    // Servers change their folder and their user: all may read it.
    let work = tempfile::tempdir().unwrap();
    let root = cases::tree(work.path());
    let able = wanted.servers.iter().filter(|server| server.cannot().is_none());
    let servers = able.map(|server| (*server, server.start(&peers, &root, &logs))).collect();
    let stage = Arc::new(matrix::Stage {
        peers,
        root,
        servers,
        seed: seed::seed(),
        busy: Semaphore::new(4),
        waiting: Semaphore::new(64),
        next: 1.into(),
    });
    eprintln!("== the matrix, DIALTONE_SEED={}", stage.seed);
    let cells = matrix::run(&stage, &wanted.clients, &wanted.cases, &wanted.servers).await;
    let text = report::matrix(&cells);
    println!("{text}");
    eprintln!("== {:.0} s", began.elapsed().as_secs_f32());
    let failed = cells.iter().filter(|cell| matches!(cell.outcome, outcome::Outcome::Failed(_)));
    match failed.filter(|cell| cell.server.is_dialtone()).count() {
        0 => ExitCode::SUCCESS,
        failed => {
            eprintln!("error: {failed} cells failed");
            ExitCode::FAILURE
        }
    }
}
