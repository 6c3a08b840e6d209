//! How fast and how small dialtone is, side by side with the alternatives: `make bench`.

mod core;
mod machine;
mod operator;
mod phones;
mod process;
mod reader;
mod storm;
mod table;

use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand, ValueEnum};

#[derive(Parser)]
#[command(about = "Measures dialtone beside the alternatives")]
struct Cli {
    #[command(subcommand)]
    role: Option<Role>,
    #[command(flatten)]
    args: Args,
    /// What cargo says to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum Role {
    /// Be the bare responder
    #[command(hide = true)]
    Respond { listen: SocketAddrV4, root: PathBuf },
}

/// What to measure, and with which programs.
#[derive(clap::Args)]
pub struct Args {
    /// What is measured
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["core", "storm", "operator", "wire"])]
    only: Vec<Part>,
    /// The dialtone that is measured
    #[arg(long, default_value = "target/image/dialtone")]
    dialtone: PathBuf,
    /// A folder with the other servers
    #[arg(long, default_value = "target/bench/others/bin")]
    others: PathBuf,
    /// The tarball with dialtone's image, for the node's pods
    #[arg(long)]
    image: Option<String>,
    /// How long each measurement of a storm takes
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Rendering and importing
    Core,
    /// The TFTP server beside others
    Storm,
    /// The operator on an API server
    Operator,
    /// The operator and a pod on a node
    Wire,
}

impl Args {
    /// The path of another server.
    fn other(&self, program: &str) -> String {
        self.others.join(program).display().to_string()
    }
}

/// A file beside the figures.
pub fn target(name: &str) -> anyhow::Result<PathBuf> {
    let folder = Path::new("target/bench");
    std::fs::create_dir_all(folder)?;
    Ok(folder.join(name.replace(' ', "-")))
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    if let Some(Role::Respond { listen, root }) = cli.role {
        return storm::respond(listen, &root);
    }
    let mut run = table::Run::default();
    machine::note(&cli.args, &mut run);
    for part in &cli.args.only {
        match part {
            Part::Core => core::run(&cli.args, &mut run)?,
            Part::Storm => storm::run(&cli.args, &mut run)?,
            Part::Operator => operator::run(&cli.args, &mut run)?,
            Part::Wire => operator::run_wire(&cli.args, &mut run)?,
        }
    }
    let reached = run.verdict();
    std::fs::write(target("figures.json")?, serde_json::to_string_pretty(&run)?)?;
    std::fs::write(target("figures.md")?, &run.text)?;
    if !reached {
        anyhow::bail!("a target was missed by more than a tenth");
    }
    Ok(())
}
