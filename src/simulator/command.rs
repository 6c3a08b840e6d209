//! `dialtone phone`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::ValueEnum;

use super::boots::boot_all;
use super::client::{ANY, Patience};
use super::fault::{Fault, Losses};
use super::outcome::{FetchResult, Outcome};
use super::phone::{Options, Phone};
use super::progress::{INTERVAL, Progress};
use super::report;
use super::run::{RunOptions, run_until_off};
use super::sip::SipAnswers;
use crate::base::terminal::{print, say};
use crate::phone::{Mac, Model};

/// Boot like a real phone, to try a site without hardware
///
/// One boot, unless --stay or --upgrade says otherwise. Exit status: 0 if every phone booted, and with --upgrade runs another
/// image than in the beginning; 1 if one did not.
// Many fields because each flag has one.
#[derive(clap::Args, Clone, Debug)]
#[command(group(clap::ArgGroup::new("lasting").args(["stay", "upgrade"]).multiple(true)))]
pub struct Args {
    /// The TFTP server: an address or a name, with a port if it is not 69
    #[arg(long, value_name = "ADDR[:PORT]")]
    server: String,

    /// The phone's Ethernet address, in any usual notation
    #[arg(long)]
    mac: Mac,

    /// Boot so many phones at once; their addresses count up from --mac
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,

    /// The phone's model
    #[arg(long, value_name = "7940|7960", default_value_t = Model::Cp7960)]
    model: Model,

    /// The image that the phone runs; its version decides in which order files are asked for
    #[arg(long, value_name = "IMAGE", default_value = "P0S3-07-4-00")]
    running: String,

    /// The phone's own IP address; with --count they count up from it [default with --count and a server on this machine:
    /// 127.1.0.1 and up]
    #[arg(long, value_name = "ADDR")]
    bind: Option<IpAddr>,

    /// Do not load another image, whatever the files say
    #[arg(long, conflicts_with = "upgrade")]
    no_upgrade: bool,

    /// Restart every 10 s (see --again) until the phone runs another image than in the beginning, and show how far it is
    #[arg(long)]
    upgrade: bool,

    /// With --upgrade: how many seconds to pause between restarts
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, requires = "upgrade")]
    again: f64,

    /// Stay on after the boot: hear SIP NOTIFY (check-sync) and telnet (reset), until Ctrl-C or --for
    #[arg(long)]
    stay: bool,

    /// With --stay or --upgrade: switch the phone off after so many seconds
    #[arg(long = "for", value_name = "SECONDS", requires = "lasting")]
    seconds: Option<f64>,

    /// How many seconds a restart takes; the real phone takes 27 to 55
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0)]
    reboot: f64,

    /// How many seconds the phone is idle before it restarts because of a NOTIFY
    #[arg(long, value_name = "SECONDS", default_value_t = 20.0, requires = "lasting")]
    idle: f64,

    /// The SIP port, instead of the configuration's; with --count and without --bind they count up from it
    #[arg(long, value_name = "PORT", requires = "lasting")]
    sip_port: Option<u16>,

    /// From which port the phone answers SIP requests
    #[arg(long, value_enum, value_name = "FROM", default_value_t = SipAnswers::FreePort, requires = "lasting")]
    sip_answers: SipAnswers,

    /// The telnet port, instead of 23; with --count and without --bind they count up from it
    #[arg(long, value_name = "PORT", requires = "lasting")]
    telnet_port: Option<u16>,

    /// Keep each phone's memory (parameters and image) in DIR, and boot it as it was left
    #[arg(long, value_name = "DIR")]
    flash: Option<PathBuf>,

    /// Give up at this byte of each file of an image, restart, and try again, --tries times
    #[arg(long, value_name = "BYTE", group = "fault")]
    fail_at: Option<usize>,

    /// Fall silent for ever at this byte of the first file of an image
    #[arg(long, value_name = "BYTE", group = "fault")]
    vanish_at: Option<usize>,

    /// Lose power at this byte of each file of an image, without a word, and ask for it from the same port after the restart, --tries
    /// times
    #[arg(long, value_name = "BYTE", group = "fault")]
    cut_at: Option<usize>,

    /// Never get past the loader's part of an image, --tries times
    #[arg(long = "loop", group = "fault")]
    loops: bool,

    /// How often a phone tries in spite of --fail-at or --loop, before it goes on with the image that it has; how often --cut-at
    /// strikes
    #[arg(long, value_name = "N", default_value_t = 3, requires = "fault")]
    tries: u32,

    /// With --count: which phones --fail-at, --vanish-at, --cut-at and --loop strike, counted from 0 [default: all]
    #[arg(long, value_name = "N,N", value_delimiter = ',', requires = "fault")]
    only: Vec<u32>,

    /// Lose so many percent of all TFTP datagrams, in both directions; which ones follows from --seed
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=90))]
    lose: u8,

    /// Which datagrams --lose strikes: another number, others
    #[arg(long, value_name = "N", default_value_t = 0, requires = "lose")]
    seed: u64,

    /// Lose the last acknowledgement of each file
    #[arg(long)]
    lose_last_ack: bool,

    /// If the phone's configuration is not there, go on asking for so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0)]
    wait: f64,

    /// How many seconds to pause between such requests
    #[arg(long, value_name = "SECONDS", default_value_t = 31.0, requires = "wait")]
    poll: f64,

    /// Divide the phone's own time-outs by this, when a server's silence is what is tried
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    hurry: f64,

    /// How the result is written to stdout
    #[arg(long, short, value_enum, default_value_t = Format::Text)]
    output: Format,

    /// Keep the files that were fetched, in DIR/MAC/
    #[arg(long, value_name = "DIR")]
    save: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq)]
enum Format {
    /// A table of what was asked for
    Text,
    /// One JSON document a line and phone
    Json,
}

/// The duration of a run without `--for`: a year.
const FOREVER: Duration = Duration::from_secs(366 * 86_400);

/// Boots the phones and prints the result.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let server = resolve(&args.server).await?;
    if let Some(folder) = &args.flash {
        std::fs::create_dir_all(folder).with_context(|| format!("--flash: cannot make {}", folder.display()))?;
    }
    if let Some(beyond) = args.only.iter().find(|n| **n >= args.count) {
        bail!("--only {beyond}: there are {} phones, counted from 0; --count makes more", args.count);
    }
    let all: Vec<Options> = (0..args.count).map(|n| options(&args, server, n)).collect::<anyhow::Result<_>>()?;
    if let [first, _, ..] = all.as_slice()
        && first.bind.is_unspecified()
    {
        say(format_args!(
            "all phones have one address: who serves them cannot tell them apart as they boot at once; see --bind"
        ));
    }
    let began = Instant::now();
    let outcomes: Vec<Outcome> =
        if args.stay || args.upgrade { run_all(&args, all).await } else { boot_all(all).await };
    let seconds = began.elapsed().as_secs_f64();
    if let Some(folder) = &args.save {
        for outcome in &outcomes {
            save(folder, outcome)?;
        }
    }
    match args.output {
        Format::Json => {
            for outcome in &outcomes {
                print(format_args!("{}\n", serde_json::to_string(outcome)?))?;
            }
        }
        Format::Text if outcomes.len() == 1 => print(report::one(&outcomes[0]))?,
        Format::Text => print(report::many(&outcomes, seconds))?,
    }
    let all_booted = outcomes.iter().all(|outcome| outcome.booted && (!args.upgrade || !outcome.before.is_empty()));
    Ok(if all_booted { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs phones until they are switched off, and shows their progress.
async fn run_all(args: &Args, all: Vec<Options>) -> Vec<Outcome> {
    let until = Instant::now() + args.seconds.map_or(FOREVER, Duration::from_secs_f64);
    let phones: Vec<Phone> = all.into_iter().map(Phone::new).collect();
    let displays = phones.iter().map(|phone| (phone.name(), phone.display())).collect();
    let (off, _) = tokio::sync::broadcast::channel::<()>(1);
    let runs: Vec<_> = (0..)
        .zip(phones)
        .map(|(n, phone)| {
            let port =
                |port: Option<u16>| port.map(|port| if args.bind.is_some() { port } else { port.wrapping_add(n) });
            let options = RunOptions {
                idle: Duration::from_secs_f64(args.idle),
                sip_port: port(args.sip_port),
                sip_answers: args.sip_answers,
                telnet_port: port(args.telnet_port),
                until: until.into(),
                upgrade: args.upgrade.then(|| Duration::from_secs_f64(args.again)),
            };
            let off = off.subscribe();
            async move { run_until_off(phone, &options, off).await }
        })
        .collect();
    let mut progress = Progress::new(displays);
    let mut tick = tokio::time::interval(INTERVAL);
    let mut runs = std::pin::pin!(futures::future::join_all(runs));
    let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
    let mut interrupted = false;
    loop {
        tokio::select! {
            outcomes = &mut runs => return outcomes,
            _ = &mut interrupt, if !interrupted => {
                interrupted = true;
                // An error means that all phones are switched off already.
                let _ = off.send(());
            }
            _ = tick.tick() => progress.show(),
        }
    }
}

async fn resolve(server: &str) -> anyhow::Result<SocketAddr> {
    let with_port = if server.parse::<IpAddr>().is_ok() || !server.contains(':') {
        match server.parse::<IpAddr>() {
            Ok(IpAddr::V6(ip)) => format!("[{ip}]:69"),
            _ => format!("{server}:69"),
        }
    } else {
        server.to_owned()
    };
    let mut found = tokio::net::lookup_host(&with_port).await.with_context(|| format!("--server {server}"))?;
    found.next().with_context(|| format!("--server {server}: no address"))
}

fn options(args: &Args, server: SocketAddr, n: u32) -> anyhow::Result<Options> {
    if !(args.hurry > 0.0 && args.wait >= 0.0 && args.poll > 0.0) {
        bail!("--hurry and --poll must be above 0, and --wait not below it");
    }
    let times = [args.again, args.idle, args.reboot, args.seconds.unwrap_or(0.0)];
    if !times.iter().all(|seconds| (0.0..1e9).contains(seconds)) {
        bail!("--again, --idle, --reboot and --for must not be below 0");
    }
    let fault = match (args.fail_at, args.vanish_at, args.cut_at) {
        (Some(byte), ..) => Some(Fault::FailAt(byte)),
        (_, Some(byte), _) => Some(Fault::VanishAt(byte)),
        (.., Some(byte)) => Some(Fault::CutAt(byte)),
        _ => args.loops.then_some(Fault::Loop),
    };
    let affected = args.only.is_empty() || args.only.contains(&n);
    let mac = args.mac.plus(n);
    let usual = Patience::default();
    Ok(Options {
        server,
        mac,
        model: args.model,
        running: args.running.clone(),
        bind: match args.bind {
            Some(IpAddr::V4(ip)) => IpAddr::V4((u32::from(ip).wrapping_add(n)).into()),
            Some(IpAddr::V6(ip)) => IpAddr::V6((u128::from(ip).wrapping_add(n.into())).into()),
            // Servers distinguish phones by their addresses; on the loopback network each phone can have its own.
            None if cfg!(target_os = "linux") && args.count > 1 && server.is_ipv4() && server.ip().is_loopback() => {
                IpAddr::V4((u32::from(Ipv4Addr::new(127, 1, 0, 1)) + n).into())
            }
            None => match server {
                SocketAddr::V4(_) => ANY,
                SocketAddr::V6(_) => IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED),
            },
        },
        upgrade: !args.no_upgrade,
        wait: Duration::from_secs_f64(args.wait),
        poll: Duration::from_secs_f64(args.poll),
        patience: Patience { first: usual.first.div_f64(args.hurry), next: usual.next.div_f64(args.hurry), ..usual },
        gives_up: args.wait == 0.0 && !args.stay && !args.upgrade,
        reboot: Duration::from_secs_f64(args.reboot),
        losses: Losses { percent: args.lose, seed: args.seed, last_ack: args.lose_last_ack },
        fault: fault.filter(|_| affected).map(|fault| (fault, args.tries)),
        memory: args.flash.as_ref().map(|folder| folder.join(format!("{mac}.json"))),
    })
}

/// Writes the fetched files to a folder. A name may come from a configuration file: only its last component is used.
fn save(folder: &Path, outcome: &Outcome) -> anyhow::Result<()> {
    let folder = folder.join(&outcome.mac);
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for file in outcome.files.iter().filter(|file| file.result == FetchResult::Fetched) {
        let Some(name) = file.file.rsplit('/').next().filter(|name| !name.is_empty() && *name != "..") else {
            continue;
        };
        let path = folder.join(name);
        std::fs::write(&path, &file.content).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
