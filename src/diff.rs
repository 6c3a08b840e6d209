//! `dialtone diff`: which phones a change of manifests affects, and how.

mod changes;
mod notes;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;

use crate::base::terminal::{print, say};
use crate::manifests::Manifests;
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

    /// The kubeconfig's context to use with --cluster
    #[arg(long, value_name = "NAME", requires = "cluster")]
    context: Option<String>,

    /// How the result is written
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
    match compare(&args).await {
        Ok(true) => Ok(ExitCode::FAILURE),
        Ok(false) => Ok(ExitCode::SUCCESS),
        Err(error) => {
            say(format_args!("error: {error:#}"));
            Ok(ExitCode::from(TROUBLE))
        }
    }
}

async fn compare(args: &Args) -> anyhow::Result<bool> {
    let (mut old, mut new) = match (args.paths.as_slice(), args.cluster) {
        ([new], true) => {
            let new = Manifests::read(std::slice::from_ref(new))?;
            (operator::objects(args.context.clone(), &new.namespaces()).await?, new)
        }
        ([old, new], false) => {
            (Manifests::read(std::slice::from_ref(old))?, Manifests::read(std::slice::from_ref(new))?)
        }
        (_, true) => anyhow::bail!("with --cluster there is one path, the new manifests"),
        (_, false) => anyhow::bail!("there must be two paths, the old and the new manifests, or --cluster and one"),
    };
    old.fill_from(&new);
    new.fill_from(&old);
    old.fill_missing_secrets();
    new.fill_missing_secrets();
    old.clear_suspend();
    let suspended = new.clear_suspend();
    let (before, mut after) = (Rendered::new(&old), Rendered::new(&new));
    let show = match args.output {
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
    match args.output {
        Format::Text => print(report::text(&changes))?,
        Format::Json => print(format_args!("{}\n", report::json(&changes)?))?,
        Format::Sarif | Format::Github => {}
    }
    Ok(!changes.is_empty())
}
