//! The command line, nothing else.

mod log;
mod usage;

use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use dialtone::base::terminal;
use dialtone::connect::ClusterArgs;
use dialtone::{diff, plugin};
use log::LogFormat;

/// Provisions Cisco 7940 and 7960 SIP phones from Kubernetes manifests.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// How logs are written, to stderr; RUST_LOG says how much: off, error, warn, info, debug, trace, or
    /// a filter such as info,dialtone=debug
    #[arg(long, value_enum, global = true, env = "DIALTONE_LOG_FORMAT", default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

#[derive(Subcommand)]
enum Command {
    Operator(dialtone::operator::Args),
    Tftp(dialtone::tftp::Args),
    Standalone(dialtone::standalone::Args),
    Render(dialtone::render::Args),
    Diff(dialtone::diff::Args),
    Import(dialtone::import::Args),
    Phone(dialtone::simulator::Args),
    Fetch(dialtone::fetch::Args),
    Copy(dialtone::fetch::CopyArgs),
    /// Print the CustomResourceDefinitions
    Crds,
    #[command(flatten)]
    Cluster(plugin::Command),
}

/// Sites and phones in a cluster: kubectl dialtone
///
/// The same program as dialtone, under the name by which kubectl finds it. `dialtone --help` shows what works without a cluster.
#[derive(Parser)]
#[command(name = "kubectl-dialtone", bin_name = "kubectl dialtone", version, max_term_width = 100)]
struct Plugin {
    #[command(subcommand)]
    command: PluginCommand,

    #[command(flatten)]
    _cluster: ClusterArgs,
}

#[derive(Subcommand)]
enum PluginCommand {
    #[command(flatten)]
    Only(plugin::OnlyPlugin),
    Diff(diff::ClusterDiffArgs),
    #[command(flatten)]
    Cluster(plugin::Command),
}

/// The name under which kubectl finds a plugin.
const PLUGIN: &str = "kubectl-dialtone";

/// Whether this program was started by kubectl, or under the name by which kubectl would find it.
fn is_plugin() -> bool {
    let name = std::env::args_os().next();
    let name = name.as_ref().and_then(|name| Path::new(name).file_name()).and_then(|name| name.to_str());
    name.is_some_and(|name| name.strip_suffix(".exe").unwrap_or(name) == PLUGIN)
}

#[tokio::main]
async fn main() -> ExitCode {
    let words = std::env::args_os();
    let result = match is_plugin() {
        true => match usage::parse::<Plugin>(words) {
            Ok(plugin) => run_plugin(plugin).await,
            Err(exit) => Ok(exit),
        },
        false => match usage::parse::<Cli>(words) {
            Ok(cli) => run(cli).await,
            Err(exit) => Ok(exit),
        },
    };
    result.unwrap_or_else(|error| {
        terminal::say(format_args!("error: {error:#}"));
        ExitCode::FAILURE
    })
}

async fn run_plugin(plugin: Plugin) -> anyhow::Result<ExitCode> {
    if let Some(exit) = log_in(LogFormat::Text) {
        return Ok(exit);
    }
    match plugin.command {
        PluginCommand::Only(command) => plugin::run_only_plugin(command, Plugin::command()).await,
        PluginCommand::Diff(args) => diff::run_with_cluster(args).await,
        PluginCommand::Cluster(command) => plugin::run(command, Plugin::command()).await,
    }
}

/// Begins to log; how the program ends if that cannot be.
fn log_in(format: LogFormat) -> Option<ExitCode> {
    let error = log::to_stderr(format).err()?;
    terminal::say(format_args!("error: {error}"));
    Some(ExitCode::from(2))
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    if let Some(exit) = log_in(cli.log_format) {
        return Ok(exit);
    }
    let success = |()| ExitCode::SUCCESS;
    match cli.command {
        Command::Operator(args) => dialtone::operator::run(args).await.map(success),
        Command::Tftp(args) => dialtone::tftp::run(args).await.map(success),
        Command::Standalone(args) => dialtone::standalone::run(args).await.map(success),
        Command::Render(args) => dialtone::render::run(&args),
        Command::Diff(args) => diff::run(args).await,
        Command::Import(args) => dialtone::import::run(&args),
        Command::Phone(args) => dialtone::simulator::run(args).await,
        Command::Fetch(args) => dialtone::fetch::run(args).await.map(success),
        Command::Copy(args) => dialtone::fetch::copy(&args).map(success),
        Command::Crds => print_crds().map(success),
        Command::Cluster(command) => plugin::run(command, Cli::command()).await,
    }
}

fn print_crds() -> anyhow::Result<()> {
    Ok(terminal::print_own(dialtone::api::crd::yaml()?.as_bytes())?)
}
