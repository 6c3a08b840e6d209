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
use std::process::ExitCode;

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

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.role {
        Some(Role::Respond { listen, root }) => storm::respond(listen, &root).map(|()| true),
        None => measure(&cli.args),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        // Not from main, which would add where in this program it was noticed.
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Measures what is asked for; whether all was measured, and reached its target. What cannot be measured keeps no other part
/// from being so, and no figure from being shown.
fn measure(args: &Args) -> anyhow::Result<bool> {
    let mut run = table::Run::default();
    machine::note(args, &mut run);
    for part in &args.only {
        let done = match part {
            Part::Core => core::run(args, &mut run),
            Part::Storm => storm::run(args, &mut run),
            Part::Operator => operator::run(args, &mut run),
            Part::Wire => operator::run_wire(args, &mut run),
        };
        if let Err(error) = done {
            let name = part.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
            run.broken.push(format!("{name}: {error:#}"));
        }
    }
    let reached = run.verdict();
    std::fs::write(target("figures.json")?, serde_json::to_string_pretty(&run)?)?;
    std::fs::write(target("figures.md")?, &run.text)?;
    Ok(reached)
}
