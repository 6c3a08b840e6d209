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
mod resyncs;
#[path = "../support/seed.rs"]
mod seed;
mod servers;
mod times;
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
    let show = |part: &str, text: &str| {
        println!("{text}");
        if wanted.whole {
            report::write(part, text);
        }
    };
    show("versions", &report::versions(&peers));
    let mut failed = 0;
    let seed = seed::seed();
    let has = |part| wanted.parts.contains(&part);

    for part in ["sip", "telnet"].into_iter().filter(|part| has(part)) {
        eprintln!("== {part}");
        let tried = resyncs::run(&peers, part);
        failed += tried.iter().filter(|(_, outcome)| matches!(outcome, outcome::Outcome::Failed(_))).count();
        show(part, &report::resyncs(&tried));
    }

    if has("matrix") || has("times") {
        // Servers change their folder and their user: all may read it.
        let work = tempfile::tempdir().unwrap();
        let root = cases::tree(work.path());
        let able = wanted.servers.iter().filter(|server| server.cannot().is_none());
        let servers = able.map(|server| (*server, server.start(&peers, &root, &logs))).collect();
        let (busy, waiting) = (Semaphore::new(4), Semaphore::new(64));
        let stage = Arc::new(matrix::Stage { peers, root, servers, seed, busy, waiting, next: 1.into() });
        if has("times") {
            eprintln!("== times, DIALTONE_SEED={seed}");
            let times = times::run(&stage, &wanted.servers).await;
            show("times", &format!("DIALTONE_SEED={seed}\n\n{}", report::times(&times)));
        }
        if has("matrix") {
            eprintln!("== the matrix, DIALTONE_SEED={seed}");
            let cells = matrix::run(&stage, &wanted.clients, &wanted.cases, &wanted.servers).await;
            show("matrix", &format!("DIALTONE_SEED={seed}\n\n{}", report::matrix(&cells)));
            let wrong = |cell: &&matrix::Cell| matches!(cell.outcome, outcome::Outcome::Failed(_));
            failed += cells.iter().filter(wrong).filter(|cell| cell.server.is_dialtone()).count();
        }
    }
    eprintln!("== after {:.0} s, {failed} failed", began.elapsed().as_secs_f32());
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
