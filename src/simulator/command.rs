//! `dialtone phone`.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use futures::stream::{self, StreamExt as _};

use super::boot::{Options, Outcome, boot};
use super::client::{ANY, Patience};
use super::report;
use crate::phone::{Mac, Model};

/// Boot like a real phone, to try a site without hardware
///
/// Exit status: 0 if every phone booted, 1 if one did not.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The TFTP server: an address or a name, with a port if it is not 69
    #[arg(long, value_name = "ADDR[:PORT]")]
    server: String,

    /// The phone's Ethernet address, in any usual notation
    #[arg(long)]
    mac: Mac,

    /// Boot so many phones at once; their addresses count up from --mac
    #[arg(long, value_name = "N", default_value_t = 1)]
    count: u32,

    /// The phone's model
    #[arg(long, value_name = "7940|7960", default_value_t = Model::Cp7960)]
    model: Model,

    /// The image that the phone runs; its version decides in which order files are asked for
    #[arg(long, value_name = "IMAGE", default_value = "P0S3-07-4-00")]
    running: String,

    /// The phone's own IP address; with --count they count up from it
    #[arg(long, value_name = "ADDR")]
    bind: Option<IpAddr>,

    /// Do not load another image, whatever the files say
    #[arg(long)]
    no_upgrade: bool,

    /// If the phone's configuration is not there, go on asking for so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0)]
    wait: f64,

    /// How many seconds to pause between such requests
    #[arg(long, value_name = "SECONDS", default_value_t = 31.0)]
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

/// How many phones boot at one moment.
const AT_ONCE: usize = 256;

/// Boots the phones and says how it went.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let server = resolve(&args.server).await?;
    let all: Vec<Options> = (0..args.count).map(|n| options(&args, server, n)).collect::<anyhow::Result<_>>()?;
    let began = Instant::now();
    let outcomes: Vec<Outcome> = stream::iter(all).map(boot).buffered(AT_ONCE).collect().await;
    let seconds = began.elapsed().as_secs_f64();
    if let Some(folder) = &args.save {
        for outcome in &outcomes {
            save(folder, outcome)?;
        }
    }
    match args.output {
        Format::Json => {
            for outcome in &outcomes {
                println!("{}", serde_json::to_string(outcome)?);
            }
        }
        Format::Text if outcomes.len() == 1 => print!("{}", report::one(&outcomes[0])),
        Format::Text => print!("{}", report::many(&outcomes, seconds)),
    }
    let all_booted = outcomes.iter().all(|outcome| outcome.booted);
    Ok(if all_booted { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
    let usual = Patience::default();
    Ok(Options {
        server,
        mac: args.mac.plus(n),
        model: args.model,
        running: args.running.clone(),
        bind: match args.bind {
            Some(IpAddr::V4(ip)) => IpAddr::V4((u32::from(ip).wrapping_add(n)).into()),
            Some(IpAddr::V6(ip)) => IpAddr::V6((u128::from(ip).wrapping_add(n.into())).into()),
            None => match server {
                SocketAddr::V4(_) => ANY,
                SocketAddr::V6(_) => IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED),
            },
        },
        upgrade: !args.no_upgrade,
        wait: Duration::from_secs_f64(args.wait),
        poll: Duration::from_secs_f64(args.poll),
        patience: Patience { first: usual.first.div_f64(args.hurry), next: usual.next.div_f64(args.hurry), ..usual },
    })
}

/// Keeps what was fetched. Names come from the phone's own logic and from files: only their last part is used.
fn save(folder: &Path, outcome: &Outcome) -> anyhow::Result<()> {
    let folder = folder.join(&outcome.mac);
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for file in outcome.files.iter().filter(|file| file.result == super::FetchResult::Fetched) {
        let Some(name) = file.file.rsplit('/').next().filter(|name| !name.is_empty() && *name != "..") else {
            continue;
        };
        let path = folder.join(name);
        std::fs::write(&path, &file.content).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
