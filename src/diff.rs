//! `dialtone diff`: which phones a change of manifests affects, and how.

mod changes;
mod notes;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;

use crate::base::terminal::{print, say};
use crate::connect::ClusterArgs;
use crate::manifests::{Manifests, Manner};
use crate::operator;
use crate::render::findings;
use changes::Rendered;

/// Say which phones change between two sets of manifests, or between a cluster and manifests, and how
///
/// Passwords are compared and never shown. A Secret that only one side has counts as the same on both.
///
/// Exit status: 0 if no phone changes, 1 if one does, 2 if anything is wrong.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The old and the new manifests, each a file or a folder; with --cluster the new ones only
    #[arg(value_name = "PATH", required = true, num_args = 1..=2)]
    paths: Vec<PathBuf>,

    /// Compare with what is in the cluster, in the namespaces of the new manifests
    #[arg(long)]
    cluster: bool,

    #[command(flatten)]
    shown: ShownArgs,

    #[command(flatten)]
    place: ClusterArgs,
}

/// Say which phones change if manifests are applied, and how
///
/// Passwords are compared and never shown. A Secret that is in the cluster only counts as unchanged.
///
/// Exit status: 0 if no phone changes, 1 if one does, 2 if anything is wrong.
#[derive(clap::Args, Clone, Debug)]
pub struct ClusterDiffArgs {
    /// A file or folder with the new manifests, or - for stdin; may be given several times
    #[arg(short = 'f', long = "filename", value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,

    #[command(flatten)]
    shown: ShownArgs,

    #[command(flatten)]
    place: ClusterArgs,
}

// No doc comment: it would become that of the command.
#[derive(clap::Args, Clone, Debug)]
struct ShownArgs {
    /// Read the folders in a folder, too
    #[arg(short = 'R', long)]
    recursive: bool,

    /// Name every phone, however many change alike
    #[arg(long)]
    all: bool,

    /// How the result is written; json has a version, a summary and all phones
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs
    Json,
    /// SARIF 2.1.0, with what is doubtful with the new manifests
    Sarif,
    /// Commands of GitHub's runners, which show each change and finding at its line
    Github,
}

/// The exit status of an error, as of `diff`.
const TROUBLE: u8 = 2;

/// Runs the command.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    Ok(exit(compare(&args).await))
}

/// Runs the command as the plugin has it: always with the cluster.
pub async fn run_with_cluster(args: ClusterDiffArgs) -> anyhow::Result<ExitCode> {
    let compared = match with_cluster(&args.paths, &args.shown, &args.place).await {
        Ok((old, new)) => changes_between(old, new, &args.shown),
        Err(error) => Err(error),
    };
    Ok(exit(compared))
}

fn exit(compared: anyhow::Result<bool>) -> ExitCode {
    match compared {
        Ok(true) => ExitCode::FAILURE,
        Ok(false) => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("error: {error:#}"));
            ExitCode::from(TROUBLE)
        }
    }
}

async fn compare(args: &Args) -> anyhow::Result<bool> {
    let (old, new) = match (args.paths.as_slice(), args.cluster) {
        ([new], true) => with_cluster(std::slice::from_ref(new), &args.shown, &args.place).await?,
        ([old, new], false) => {
            if let Some(flag) = args.place.given() {
                anyhow::bail!("{flag} says which cluster is meant: it needs --cluster");
            }
            let manner = Manner { recursive: args.shown.recursive, ..Manner::default() };
            (read(std::slice::from_ref(old), &manner)?, read(std::slice::from_ref(new), &manner)?)
        }
        (_, true) => anyhow::bail!("with --cluster there is one path, the new manifests"),
        (_, false) => anyhow::bail!("there must be two paths, the old and the new manifests, or --cluster and one"),
    };
    changes_between(old, new, &args.shown)
}

fn read(paths: &[PathBuf], manner: &Manner) -> anyhow::Result<Manifests> {
    let manifests = Manifests::read(paths, manner)?;
    manifests.notes().iter().for_each(|note| say(format_args!("note: {note}")));
    Ok(manifests)
}

/// What is in the cluster, and the new manifests as they would be in there.
async fn with_cluster(
    paths: &[PathBuf],
    shown: &ShownArgs,
    place: &ClusterArgs,
) -> anyhow::Result<(Manifests, Manifests)> {
    let cluster = place.connect().await?;
    let manner = Manner { recursive: shown.recursive, namespace: Some(cluster.namespace.clone()) };
    let mut new = read(paths, &manner)?;
    let old = operator::objects(&cluster, &new.namespaces()).await?;
    new.take_creation_times(&old);
    Ok((old, new))
}

fn changes_between(mut old: Manifests, mut new: Manifests, shown: &ShownArgs) -> anyhow::Result<bool> {
    old.fill_from(&new);
    new.fill_from(&old);
    old.fill_missing_secrets();
    new.fill_missing_secrets();
    old.clear_suspend();
    let suspended = new.clear_suspend();
    let (before, mut after) = (Rendered::new(&old), Rendered::new(&new));
    let show = match shown.output {
        Format::Text | Format::Json => None,
        Format::Sarif => Some(findings::Format::Sarif),
        Format::Github => Some(findings::Format::Github),
    };
    let cannot = after.errors > 0;
    for site in &suspended {
        say(format_args!("warning: PhoneSite {site}: spec.suspend is true: its phones keep what they have"));
        after.retain_site(site, &before);
    }
    // What cannot be rendered has no changes, only what is wrong with it.
    let changes = if cannot { Vec::new() } else { changes::between(&before, &after) };
    if let Some(format) = show {
        print(findings::text(format, &notes::all(&changes, &old, &new)))?;
    }
    anyhow::ensure!(!cannot, "the new manifests cannot be rendered");
    match shown.output {
        Format::Text => print(report::text(&changes, shown.all))?,
        Format::Json => print(format_args!("{}\n", report::json(&changes)?))?,
        Format::Sarif | Format::Github => {}
    }
    Ok(!changes.is_empty())
}
