//! The boot storm: a building full of phones that all fetch their files at once, from one server after the other.

mod load;
mod responder;
mod servers;

use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;

use crate::Args;
use crate::phones::{self, mac};
use crate::process::{Running, cores, cpu_seconds, peak_memory, pin};
use crate::reader::Reader;
use crate::table::{Run, number};
use load::{Plan, Storm};
pub use responder::run as respond;
use servers::Server;

/// The size of a real image of the first kind, in bytes.
const IMAGE_SIZE: usize = 756_524;
const IMAGE: &str = "P0S3-07-5-00.bin";
/// These are compared most closely. They run side by side and take many short turns, so that a machine whose neighbours take of
/// it now and then is as slow for each of them: from one second to the next, the same server may differ by a fifth.
const RIVALS: [Server; 3] = [Server::Bare, Server::Dialtone, Server::Untold];
/// One turn. The pause until the next one must be shorter than a server waits before it sends again.
const TURN: Duration = Duration::from_millis(200);
/// How much longer they are measured than the others.
const CLOSELY: f64 = 4.0;
const OTHERS: [Server; 4] = [Server::Dnsmasq, Server::Atftpd, Server::TftpdHpa, Server::RustTftpd];

/// What phones fetch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Files {
    /// `OS79XX.TXT` and both configuration files.
    Small,
    /// One image.
    Image,
}

/// One server under one load.
struct Measured {
    server: Server,
    outcome: load::Outcome,
    /// The server's processor time, in seconds.
    cpu: f64,
    /// The most memory that the server held, in bytes.
    memory: f64,
}

impl Measured {
    fn rate(&self, files: Files) -> f64 {
        let count = if files == Files::Small { self.outcome.boots } else { self.outcome.blocks };
        count as f64 / self.outcome.seconds
    }

    /// Microseconds of the server's processor time for each file, or for each block of an image.
    fn cost(&self, files: Files) -> f64 {
        let count = if files == Files::Small { self.outcome.files } else { self.outcome.blocks };
        self.cpu * 1e6 / count as f64
    }
}

/// The folder that all servers serve, and how many bytes its files have.
pub struct Tree {
    root: PathBuf,
    bytes: f64,
}

/// Renders the phones' files with dialtone itself, and lays the image and what names it beside them.
fn tree(args: &Args) -> anyhow::Result<Tree> {
    // Some servers want to be told of it from the root on.
    let root = phones::render(args, phones::MOST)?.join("default/bench").canonicalize()?;
    std::fs::write(root.join("OS79XX.TXT"), "P0S3-07-5-00\r\n")?;
    std::fs::write(root.join(IMAGE), vec![0x5a; IMAGE_SIZE])?;
    let sizes = std::fs::read_dir(&root)?.flatten().filter_map(|entry| entry.metadata().ok()).map(|meta| meta.len());
    let bytes = sizes.sum::<u64>() as f64;
    Ok(Tree { root, bytes })
}

/// Measures everything.
pub fn run(args: &Args, run: &mut Run) -> anyhow::Result<()> {
    let tree = tree(args)?;
    anyhow::ensure!(cores() >= 2, "the server and its load need a core each, and this machine has one");
    for files in [Files::Small, Files::Image] {
        for phones in [50, 1_000, 10_000] {
            case(args, run, &tree, files, phones)?;
        }
    }
    both_cores(args, run, &tree)?;
    Ok(())
}

fn case(args: &Args, run: &mut Run, tree: &Tree, files: Files, phones: usize) -> anyhow::Result<()> {
    let what = if files == Files::Small { "small files" } else { "an image" };
    // Long enough that a thousand phones have their image; ten thousand would take a minute for each server.
    let seconds = if files == Files::Image && phones == 1_000 { 5.0 * args.seconds } else { args.seconds };
    let mut measured = measure(args, tree, &RIVALS, files, phones, CLOSELY * seconds)?;
    for server in OTHERS.into_iter().chain([Server::Everywhere, Server::Ephemeral]) {
        match measure(args, tree, &[server], files, phones, seconds) {
            Ok(one) => measured.extend(one),
            Err(error) => run.failures.push(format!("{}, {what}, {phones} phones: {error:#}", server.name())),
        }
    }
    let unit = if files == Files::Small { "boots/s" } else { "blocks/s" };
    let each = if files == Files::Small { "CPU µs/file" } else { "CPU µs/block" };
    let mut rows = vec![
        ["server", unit, "× bare", each, "× bare", "p50 ms", "p99 ms", "sent again", "memory MiB", "load's CPU"]
            .map(str::to_owned)
            .to_vec(),
    ];
    let of = |server: Server, value: &dyn Fn(&Measured) -> f64| {
        measured.iter().find(|one| one.server == server).map_or(f64::NAN, value)
    };
    let rate = |server| of(server, &|one| one.rate(files));
    let cost = |server| of(server, &|one| one.cost(files));
    let all = RIVALS.into_iter().chain([Server::Everywhere, Server::Ephemeral]).chain(OTHERS);
    for server in all.filter(|server| measured.iter().any(|one| one.server == *server)) {
        let percentile = |percent| of(server, &|one| one.outcome.percentile(percent).unwrap_or(f64::NAN));
        let again = of(server, &|one| one.outcome.retransmissions as f64);
        let (memory, load) = (of(server, &|one| one.memory), of(server, &|one| one.outcome.cpu / one.outcome.seconds));
        let case = format!("{what}, {phones} phones");
        for (figure, value, unit) in [
            ("rate", rate(server), unit),
            ("processor time", cost(server), if files == Files::Small { "µs/file" } else { "µs/block" }),
            ("p50", percentile(50), "ms"),
            ("p99", percentile(99), "ms"),
            ("sent again", again, "packets"),
            ("memory", memory, "bytes"),
        ] {
            run.figure(format!("{case}: {figure}"), server.name(), value, unit);
        }
        rows.push(vec![
            server.name().to_owned(),
            number(rate(server)),
            number(rate(server) / rate(Server::Bare)),
            number(cost(server)),
            number(cost(server) / cost(Server::Bare)),
            number(percentile(50)),
            number(percentile(99)),
            number(again),
            number(memory / f64::from(1 << 20)),
            format!("{:.0} %", load * 100.0),
        ]);
    }
    run.table(&format!("Boot storm: {what}, {} phones", number(phones as f64)), &rows);
    let (ours, bare) = (Server::Dialtone, Server::Bare);
    let (speed, effort) = (rate(ours) / rate(bare), cost(ours) / cost(bare));
    let best = OTHERS.into_iter().map(rate).filter(|rate| !rate.is_nan()).fold(f64::NAN, f64::max);
    match (files, phones) {
        (Files::Small, 1_000) => {
            run.at_least("boots/s with 1,000 phones, of the bare responder's", speed, 0.9, "");
            run.at_least("boots/s with 1,000 phones, of the best other server's", rate(ours) / best, 3.0, "");
            run.at_most("processor time for a small file, of the bare responder's", effort, 1.25, "");
            let told = rate(ours) / rate(Server::Untold);
            run.at_least("boots/s with observations, of those without", told, 0.97, "");
        }
        (Files::Image, 1_000) => {
            run.at_least("blocks/s with 1,000 phones, of the bare responder's", speed, 0.95, "");
            run.at_most("processor time for a block, of the bare responder's", effort, 1.1, "");
        }
        (_, 10_000) => {
            let again = of(ours, &|one| one.outcome.retransmissions as f64);
            run.at_most(format!("packets sent again, {what}, 10,000 phones"), again, 0.0, "");
            let memory = of(ours, &|one| one.memory - tree.bytes) / f64::from(1 << 20);
            run.at_most(format!("memory beyond the files, {what}, 10,000 phones"), memory, 32.0, "MiB");
        }
        _ => {}
    }
    Ok(())
}

/// A server with its phones and its reader.
struct Bout<'a> {
    server: Server,
    running: Running,
    reader: Option<Reader>,
    storm: Storm<'a>,
    /// The server's processor time before.
    before: f64,
}

/// Lets servers take turns until each has had so many seconds; alone, it has them at once.
fn measure(
    args: &Args,
    tree: &Tree,
    servers: &[Server],
    files: Files,
    phones: usize,
    seconds: f64,
) -> anyhow::Result<Vec<Measured>> {
    let names = names(files);
    let mut bouts = Vec::new();
    for server in servers {
        let (running, address) = server.start(args, &tree.root, &[0])?;
        let told = matches!(server, Server::Dialtone | Server::Everywhere);
        let reader = told.then(|| crate::reader::start(servers::REPORT));
        let storm = Storm::new(plan(address, files, phones, &names))?;
        bouts.push(Bout { server: *server, before: cpu_seconds(running.id())?, running, reader, storm });
    }
    let whole = Duration::from_secs_f64(seconds);
    let turn = if bouts.len() > 1 { TURN } else { whole };
    let turns = whole.div_duration_f64(turn).round() as usize;
    let load = || {
        pin(&[1])?;
        (0..turns).try_for_each(|_| bouts.iter_mut().try_for_each(|bout| bout.storm.run(turn)))
    };
    let result = std::thread::scope(|scope| scope.spawn(load).join()).ok().context("the load panicked")?;
    let mut all = Vec::new();
    for mut bout in bouts {
        bout.running.check()?;
        let cpu = cpu_seconds(bout.running.id())? - bout.before;
        let memory = peak_memory(bout.running.id())?;
        if let Some(reader) = bout.reader {
            reader.stop()?;
        }
        all.push(Measured { server: bout.server, outcome: bout.storm.outcome(), cpu, memory });
    }
    result.map(|()| all)
}

/// The files of each phone.
fn names(files: Files) -> impl Fn(usize) -> Vec<String> + Sync {
    move |phone| match files {
        Files::Small => {
            vec!["OS79XX.TXT".into(), "SIPDefault.cnf".into(), format!("SIP{}.cnf", mac(phone % phones::MOST))]
        }
        Files::Image => vec![IMAGE.into()],
    }
}

fn plan(server: SocketAddrV4, files: Files, phones: usize, names: &(dyn Fn(usize) -> Vec<String> + Sync)) -> Plan<'_> {
    Plan { server, phones, files: names, together: files == Files::Small }
}

/// Everything on one core against everything on two: with as many cores for the load as for the server, what is compared is
/// the work that gets done.
fn both_cores(args: &Args, run: &mut Run, tree: &Tree) -> anyhow::Result<()> {
    let mut rows = vec![["server and load on", "boots/s", "×"].map(str::to_owned).to_vec()];
    let mut rates = Vec::new();
    let names = names(Files::Small);
    for cores in [&[0][..], &[0, 1]] {
        let (_running, address) = Server::Dialtone.start(args, &tree.root, cores)?;
        let load = || -> anyhow::Result<f64> {
            pin(cores)?;
            let mut storm = Storm::new(plan(address, Files::Small, 500, &names))?;
            storm.run(Duration::from_secs_f64(CLOSELY * args.seconds))?;
            let outcome = storm.outcome();
            Ok(outcome.boots as f64 / outcome.seconds)
        };
        let loads = std::thread::scope(|scope| {
            let all = [scope.spawn(load), scope.spawn(load)];
            all.map(|one| one.join().ok().context("the load panicked").flatten())
        });
        let rate = loads.into_iter().sum::<anyhow::Result<f64>>()?;
        rates.push(rate);
        let name = if cores.len() == 1 { "one core" } else { "two cores" };
        run.figure("small files, 1,000 phones: rate, load on the same cores", name, rate, "boots/s");
        rows.push(vec![name.to_owned(), number(rate), number(rate / rates[0])]);
    }
    run.table("Boot storm: one core and two", &rows);
    run.at_least("boots/s with two cores, of those with one", rates[1] / rates[0], 1.6, "");
    Ok(())
}
