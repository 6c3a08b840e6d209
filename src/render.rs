//! `dialtone render`: writes the files that phones would fetch to a folder.

pub(crate) mod dial;
pub(crate) mod findings;
mod lines;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::base::output::Output;
use crate::base::terminal::{print, say};
use crate::manifests::{Manifests, Manner};
use crate::provision::{Fleet, Key};
use anyhow::Context as _;
use findings::{Format, Lines};

/// Write what phones would fetch to DIR/NAMESPACE/SITE/FILE
///
/// Secrets and ConfigMaps are found among the inputs. Firmware counts as staged if it is there whole. Nothing is written if
/// anything is wrong. Files in a site's folder that no phone would fetch any more are removed. Each file appears whole, a
/// site's once all of them are written, and none where a link in DIR leads to.
///
/// Exit status: 0 if all is well, with warnings on stderr; 1 if anything is wrong.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// A file or folder with manifests, or - for stdin; may be given several times
    #[arg(short = 'f', long = "filename", value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,

    /// Read the folders in a folder, too
    #[arg(short = 'R', long)]
    recursive: bool,

    /// The folder to write to
    #[arg(short, long, value_name = "DIR", required_unless_present_any = ["dial", "findings"])]
    output: Option<PathBuf>,

    /// Write errors and warnings to stdout, for a program that shows them at their lines
    #[arg(long, value_enum, value_name = "FORMAT", conflicts_with = "dial")]
    findings: Option<Format>,

    /// Say what becomes of a number that is dialled: which rule it takes, when it is sent, as what and where to; may be
    /// given several times
    #[arg(long, value_name = "NUMBER")]
    dial: Vec<String>,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let manner = Manner { recursive: args.recursive, ..Manner::default() };
    let mut manifests = Manifests::read(&args.paths, &manner)?;
    manifests.notes().iter().for_each(|note| say(format_args!("note: {note}")));
    for site in manifests.clear_suspend() {
        let file = manifests.file_of("PhoneSite", &site);
        say(format_args!(
            "warning: {file}: PhoneSite {site}: spec.suspend: is true: a cluster goes on serving what it served before, and these files only once it is false"
        ));
    }
    let mut fleet = Fleet::offline();
    manifests.apply_to(&mut fleet);
    if let Some(format) = args.findings {
        print(findings::text(format, &findings::collect(&manifests, &fleet, &mut Lines::default())))?;
    }
    let wrong = report(&manifests, &fleet);
    if wrong > 0 {
        say(format_args!("{wrong} {}: nothing was written", if wrong == 1 { "error" } else { "errors" }));
        return Ok(ExitCode::FAILURE);
    }
    let mut sites: Vec<Key> = fleet.sites().cloned().collect();
    sites.sort();
    if sites.is_empty() && args.findings.is_none() {
        anyhow::bail!("there is no PhoneSite among the inputs");
    }
    for site in sites {
        let files = manifests.served(&fleet, &site);
        for number in &args.dial {
            print(dial::explain(dial::Files { all: &files, written: &fleet.tree(&site) }, &site, number))?;
        }
        let Some(output) = &args.output else { continue };
        let folder = output.join(&*site.namespace).join(&*site.name);
        // What a person names may be a link, but nothing in it: files would be written, and removed, elsewhere.
        Output::make(output)
            .and_then(|output| output.folder(&site.namespace)?.folder(&site.name)?.replace(&files))
            .with_context(|| format!("cannot write to {}", folder.display()))?;
        say(format_args!("{}: {} files", folder.display(), files.len()));
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints errors and warnings to stderr; returns the number of errors.
pub fn report(manifests: &Manifests, fleet: &Fleet) -> usize {
    say_all(&report_lines(manifests, fleet))
}

/// Prints errors to stderr, without warnings; returns the number of errors.
pub fn report_errors(manifests: &Manifests, fleet: &Fleet) -> usize {
    let lines = report_lines(manifests, fleet);
    say_all(&lines.into_iter().filter(|(is_error, _)| *is_error).collect())
}

fn say_all(lines: &ReportLines) -> usize {
    lines.iter().for_each(say_line);
    lines.iter().filter(|(is_error, _)| *is_error).count()
}

/// Prints one error or warning to stderr.
pub fn say_line((is_error, line): &(bool, String)) {
    say(format_args!("{}: {line}", if *is_error { "error" } else { "warning" }));
}

/// What is wrong or doubtful with manifests, in order; `true` with errors.
pub type ReportLines = BTreeSet<(bool, String)>;

/// What there is to report.
pub fn report_lines(manifests: &Manifests, fleet: &Fleet) -> ReportLines {
    let mut lines: ReportLines = manifests.errors.iter().map(|error| (true, error.clone())).collect();
    for (kind, key, found) in fleet.findings() {
        let file = manifests.file_of(kind, key);
        // Of what two documents describe only what is wrong is said: other doubts may be those of the other document.
        let found = found.iter().filter(|one| one.is_error() || !manifests.is_in_doubt(kind, key));
        lines.extend(found.map(|one| (one.is_error(), format!("{file}: {kind} {key}: {one}"))));
    }
    lines
}
