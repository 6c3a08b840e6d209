//! `kubectl dialtone check`: whether a cluster is fit for dialtone.

mod judge;
mod probe;

use std::process::ExitCode;

use serde::Serialize;

use super::layout::paragraph;
use super::output::{Format, structured};
use crate::base::terminal::{self, BAD, DOUBTFUL, GOOD, print};
use crate::base::text::printable;
use crate::connect::ClusterArgs;

/// Say whether the cluster is fit for dialtone: versions, definitions, rights, Pod Security, addresses, DHCP
///
/// Changes nothing. What may not be read is said and is no fault.
///
/// Exit status: 0 if nothing is wrong, with doubts; 1 if something is.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// json and yaml: for programs
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    output: Option<Format>,

    #[command(flatten)]
    cluster: ClusterArgs,
}

/// How something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum Mark {
    Good,
    Doubtful,
    Bad,
    /// It could not be seen.
    Unknown,
}

/// What was found out about one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Finding {
    mark: Mark,
    /// What was looked at.
    about: &'static str,
    /// How it is, and what to do.
    message: String,
}

#[derive(Serialize)]
struct Report {
    fit: bool,
    findings: Vec<Finding>,
}

/// Runs the command.
pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let cluster = args.cluster.connect().await?;
    let facts = probe::probe(&cluster).await?;
    let findings = judge::judge(&facts);
    let fit = !findings.iter().any(|finding| finding.mark == Mark::Bad);
    match args.output {
        Some(Format::Json | Format::Yaml) => print(structured(&Report { fit, findings }, args.output)?)?,
        _ => print(text(&findings, terminal::width()))?,
    }
    Ok(if fit { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn text(findings: &[Finding], width: Option<usize>) -> String {
    let mut out = String::new();
    for Finding { mark, about, message } in findings {
        let mark = match mark {
            Mark::Good => GOOD,
            Mark::Doubtful => DOUBTFUL,
            Mark::Bad => BAD,
            Mark::Unknown => '?',
        };
        out += &paragraph(&format!("{mark} {about:13} "), &printable(message, 1500), width);
    }
    let count = |wanted: Mark| findings.iter().filter(|finding| finding.mark == wanted).count();
    out += &match (count(Mark::Bad), count(Mark::Doubtful)) {
        (0, 0) => "\nthe cluster is fit\n".to_owned(),
        (0, doubts) => format!("\nthe cluster is fit, with {doubts} doubtful\n"),
        (bad, doubts) => format!("\nthe cluster is not fit: {bad} wrong, {doubts} doubtful\n"),
    };
    out
}

#[cfg(test)]
mod tests;
