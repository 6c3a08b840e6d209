//! `kubectl dialtone`: what people ask a cluster. kubectl finds this program under the name `kubectl-dialtone`; all commands but
//! one are there under its own name, too: `dialtone phone` is the simulated phone, so that the story of a phone is `dialtone story`.
//!
//! Each command reads objects, makes a text or a document of them by pure functions, and prints it.

mod check;
mod complete;
mod dhcp;
mod install;
mod layout;
mod logs;
mod objects;
mod output;
mod resync;
mod status;
mod story;
#[cfg(test)]
mod testing;
mod version;

use std::process::ExitCode;

use clap::Subcommand;

/// What people ask a cluster, under both names.
#[allow(missing_docs)] // It would take the place of the commands' own descriptions.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    Status(status::Args),
    Story(story::Args),
    Check(check::Args),
    Logs(logs::Args),
    Resync(resync::Args),
    Dhcp(dhcp::Args),
    Version(version::Args),
    Completion(complete::Args),
    Man(complete::ManArgs),
}

/// What only `kubectl dialtone` has.
#[allow(missing_docs)] // It would take the place of the commands' own descriptions.
#[derive(Clone, Debug, Subcommand)]
pub enum OnlyPlugin {
    Phone(story::Args),
    #[command(name = "__complete", hide = true)]
    Complete(complete::WordArgs),
}

/// Runs a command; `root` is the whole command line, for what is generated from it.
pub async fn run(command: Command, root: clap::Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Status(args) => status::run(args).await,
        Command::Story(args) => story::run(args).await,
        Command::Check(args) => check::run(args).await,
        Command::Logs(args) => logs::run(args).await,
        Command::Resync(args) => resync::run(args).await,
        Command::Dhcp(args) => dhcp::run(args).await,
        Command::Version(args) => version::run(args).await,
        Command::Completion(args) => complete::completion(&args, root),
        Command::Man(args) => complete::man(&args, root),
    }
}

/// Runs a command that only the plugin has.
pub async fn run_only_plugin(command: OnlyPlugin, root: clap::Command) -> anyhow::Result<ExitCode> {
    match command {
        OnlyPlugin::Phone(args) => story::run(args).await,
        OnlyPlugin::Complete(args) => complete::words(&args, &root).await,
    }
}
