//! The command line, nothing else.

mod log;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
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
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Err(error) = log::to_stderr(cli.log_format) {
        dialtone::base::terminal::say(format_args!("error: {error}"));
        return ExitCode::from(2);
    }
    let success = |()| ExitCode::SUCCESS;
    let result = match cli.command {
        Command::Operator(args) => dialtone::operator::run(args).await.map(success),
        Command::Tftp(args) => dialtone::tftp::run(args).await.map(success),
        Command::Standalone(args) => dialtone::standalone::run(args).await.map(success),
        Command::Render(args) => dialtone::render::run(&args),
        Command::Diff(args) => dialtone::diff::run(args).await,
        Command::Import(args) => dialtone::import::run(&args),
        Command::Phone(args) => dialtone::simulator::run(args).await,
        Command::Fetch(args) => dialtone::fetch::run(args).await.map(success),
        Command::Copy(args) => dialtone::fetch::copy(&args).map(success),
        Command::Crds => print_crds().map(success),
    };
    result.unwrap_or_else(|error| {
        dialtone::base::terminal::say(format_args!("error: {error:#}"));
        ExitCode::FAILURE
    })
}

fn print_crds() -> anyhow::Result<()> {
    match std::io::stdout().write_all(dialtone::api::crd::yaml()?.as_bytes()) {
        // The reader closed the pipe early: `dialtone crds | head` is no error.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}
