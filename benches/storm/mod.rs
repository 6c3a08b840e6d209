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
use crate::process::{cores, cpu_seconds, peak_memory, pin};
use crate::table::{Run, number};
pub use responder::run as respond;
use servers::Server;

/// The size of a real image of the first kind, in bytes.
const IMAGE_SIZE: usize = 756_524;
const IMAGE: &str = "P0S3-07-5-00.bin";
/// How often dialtone and the bare responder take turns: many short ones, so that a machine whose neighbours take of it now and
/// then is slow for all of them.
const ROUNDS: usize = 7;

const TURNS: [Server; 3] = [Server::Bare, Server::Dialtone, Server::Untold];
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
    /// The load's.
    load_cpu: f64,
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
    let mut measured: Vec<Measured> = Vec::new();
    for round in 0..ROUNDS {
        // In turns, and each time another begins: a machine that slows down slows down all of them.
        let mut turn = TURNS;
        turn.rotate_left(round % TURNS.len());
        for server in turn {
            measured.push(measure(args, tree, server, files, phones)?);
        }
    }
    for server in OTHERS.into_iter().chain([Server::Everywhere, Server::Ephemeral]) {
        match measure(args, tree, server, files, phones) {
            Ok(one) => measured.push(one),
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
        median(measured.iter().filter(|one| one.server == server).map(value).collect())
    };
    let rate = |server| of(server, &|one| one.rate(files));
    let cost = |server| of(server, &|one| one.cost(files));
    let all = TURNS.into_iter().chain([Server::Everywhere, Server::Ephemeral]).chain(OTHERS);
    for server in all.filter(|server| measured.iter().any(|one| one.server == *server)) {
        let percentile = |percent| of(server, &|one| one.outcome.percentile(percent).unwrap_or(f64::NAN));
        let again = of(server, &|one| one.outcome.retransmissions as f64);
        let (memory, load) = (of(server, &|one| one.memory), of(server, &|one| one.load_cpu / one.outcome.seconds));
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
    let paired = |value: &dyn Fn(&Measured) -> f64, a: Server, b: Server| paired(&measured, value, a, b);
    let rates = |one: &Measured| one.rate(files);
    let costs = |one: &Measured| one.cost(files);
    let (ours, bare) = (Server::Dialtone, Server::Bare);
    let best = OTHERS.into_iter().map(rate).filter(|rate| !rate.is_nan()).fold(f64::NAN, f64::max);
    match (files, phones) {
        (Files::Small, 1_000) => {
            run.at_least("boots/s with 1,000 phones, of the bare responder's", paired(&rates, ours, bare), 0.9, "");
            run.at_least("boots/s with 1,000 phones, of the best other server's", rate(ours) / best, 3.0, "");
            run.at_most(
                "processor time for a small file, of the bare responder's",
                paired(&costs, ours, bare),
                1.25,
                "",
            );
            let told = paired(&rates, ours, Server::Untold);
            run.at_least("boots/s with observations, of those without", told, 0.97, "");
        }
        (Files::Image, 1_000) => {
            run.at_least("blocks/s with 1,000 phones, of the bare responder's", paired(&rates, ours, bare), 0.95, "");
            run.at_most("processor time for a block, of the bare responder's", paired(&costs, ours, bare), 1.1, "");
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

fn measure(args: &Args, tree: &Tree, server: Server, files: Files, phones: usize) -> anyhow::Result<Measured> {
    let (mut running, address) = server.start(args, &tree.root, &[0])?;
    let reader = matches!(server, Server::Dialtone | Server::Everywhere).then(|| crate::reader::start(servers::REPORT));
    let before = cpu_seconds(running.id())?;
    let begin = cpu_seconds(std::process::id())?;
    // Long enough that a thousand phones have their image; ten thousand would take a minute for each server.
    let seconds = if files == Files::Image && phones == 1_000 { 5.0 * args.seconds } else { args.seconds };
    let result = storm(address, files, phones, seconds, &[1], 1);
    let load_cpu = cpu_seconds(std::process::id())? - begin;
    running.check()?;
    let cpu = cpu_seconds(running.id())? - before;
    let memory = peak_memory(running.id())?;
    if let Some(reader) = reader {
        reader.stop()?;
    }
    Ok(Measured { server, outcome: result?, cpu, load_cpu, memory })
}

/// The load, on these cores, in so many threads.
fn storm(
    server: SocketAddrV4,
    files: Files,
    phones: usize,
    seconds: f64,
    on: &[usize],
    threads: usize,
) -> anyhow::Result<load::Outcome> {
    let names = |phone: usize| match files {
        Files::Small => {
            vec!["OS79XX.TXT".into(), "SIPDefault.cnf".into(), format!("SIP{}.cnf", mac(phone % phones::MOST))]
        }
        Files::Image => vec![IMAGE.into()],
    };
    let together = files == Files::Small;
    let plan = load::Plan {
        server,
        phones: phones / threads,
        files: &names,
        together,
        time: Duration::from_secs_f64(seconds),
    };
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    pin(on)?;
                    load::run(&load::Plan { ..plan })
                })
            })
            .collect();
        let mut sum = load::Outcome::default();
        for one in all {
            let one = one.join().ok().context("the load panicked")??;
            sum.seconds = sum.seconds.max(one.seconds);
            sum.boots += one.boots;
            sum.files += one.files;
            sum.blocks += one.blocks;
            sum.retransmissions += one.retransmissions;
            sum.errors += one.errors;
            sum.micros.extend(one.micros);
        }
        sum.micros.sort_unstable();
        Ok(sum)
    })
}

/// Everything on one core against everything on two: with as many cores for the load as for the server, what is compared is
/// the work that gets done.
fn both_cores(args: &Args, run: &mut Run, tree: &Tree) -> anyhow::Result<()> {
    let mut rows = vec![["server and load on", "boots/s", "×"].map(str::to_owned).to_vec()];
    let mut rates = Vec::new();
    for cores in [&[0][..], &[0, 1]] {
        let one = || -> anyhow::Result<f64> {
            let (_running, address) = Server::Dialtone.start(args, &tree.root, cores)?;
            let outcome = storm(address, Files::Small, 1_000, args.seconds, cores, 2)?;
            Ok(outcome.boots as f64 / outcome.seconds)
        };
        let rate = median((0..ROUNDS).map(|_| one()).collect::<anyhow::Result<_>>()?);
        rates.push(rate);
        let name = if cores.len() == 1 { "one core" } else { "two cores" };
        run.figure("small files, 1,000 phones: rate, load on the same cores", name, rate, "boots/s");
        rows.push(vec![name.to_owned(), number(rate), number(rate / rates[0])]);
    }
    run.table("Boot storm: one core and two", &rows);
    run.at_least("boots/s with two cores, of those with one", rates[1] / rates[0], 1.6, "");
    Ok(())
}

/// The median of the ratios of rounds.
fn paired(measured: &[Measured], value: &dyn Fn(&Measured) -> f64, a: Server, b: Server) -> f64 {
    let of = |server| measured.iter().filter(move |one| one.server == server).map(value);
    median(of(a).zip(of(b)).map(|(a, b)| a / b).collect())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
