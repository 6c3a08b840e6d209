//! `kubectl dialtone status`: sites, and how far their phones are.

mod follow;
mod text;
mod view;

use std::process::ExitCode;

use anyhow::bail;
use jiff::Timestamp;

use super::objects::{ScopeArgs, api, list};
use super::output::{Format, structured};
use crate::base::terminal::{self, print};
use crate::connect::{ClusterArgs, Connection};
use crate::near::near;
use crate::operator::trimmed::{TrimmedPhone, TrimmedSite};
pub(super) use view::PhoneView;
use view::View;

/// Show sites, and how far their phones are
///
/// With SITE also its phones: all of a small site, those that need a look of a large one (-o wide shows all).
///
/// Exit status: 0 if every site shown and all of its phones are ready; 1 if not.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The site [default: all]
    #[arg(value_name = "SITE")]
    site: Option<String>,

    #[command(flatten)]
    scope: ScopeArgs,

    /// wide: more columns, and all phones; json and yaml: for programs
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    output: Option<Format>,

    /// Go on showing changes until Ctrl-C: on a terminal in place, otherwise a line for each change
    #[arg(short, long, conflicts_with = "output")]
    watch: bool,

    #[command(flatten)]
    cluster: ClusterArgs,
}

/// Runs the command.
pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    if args.watch {
        let cluster = args.cluster.connect_to_follow().await?;
        // What is wrong from the start is said once and plainly.
        let first = read(&cluster, &args).await?;
        return follow::follow(&cluster, &args, first).await;
    }
    let cluster = args.cluster.connect().await?;
    let view = read(&cluster, &args).await?;
    match args.output {
        Some(Format::Json | Format::Yaml) => print(structured(&view, args.output)?)?,
        _ => print(text::text(&view, &options(&args), terminal::width()))?,
    }
    Ok(exit(&view))
}

fn exit(view: &View) -> ExitCode {
    if view.is_ready() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn options(args: &Args) -> text::Options {
    text::Options {
        namespaces: args.scope.all_namespaces,
        phones: args.site.is_some() || args.output == Some(Format::Wide),
        wide: args.output == Some(Format::Wide),
    }
}

async fn read(cluster: &Connection, args: &Args) -> anyhow::Result<View> {
    let all = args.scope.all_namespaces;
    let sites = list::<TrimmedSite>(cluster, &api(cluster, all), "PhoneSites").await?;
    // Of sites alone their own statuses say all.
    let phones = match needs_phones(args) {
        true => list::<TrimmedPhone>(cluster, &api(cluster, all), "SipPhones").await?,
        false => Vec::new(),
    };
    let view = View::of(&sites, &phones, args.site.as_deref(), Timestamp::now());
    if view.sites.is_empty() {
        let there: Vec<&str> = sites.iter().filter_map(|site| site.metadata.name.as_deref()).collect();
        bail!("{}", nothing(args.site.as_deref(), &there, (!all).then_some(&cluster.namespace)));
    }
    Ok(view)
}

fn needs_phones(args: &Args) -> bool {
    args.site.is_some() || args.output.is_some()
}

/// Why nothing is shown, and what to do.
fn nothing(site: Option<&str>, there: &[&str], namespace: Option<&String>) -> String {
    let place = namespace.map_or_else(|| "the cluster".to_owned(), |namespace| format!("namespace {namespace}"));
    let elsewhere = if namespace.is_some() { "; -n NAMESPACE looks in another one, -A in all" } else { "" };
    match (site, there) {
        (_, []) => format!("there is no PhoneSite in {place}{elsewhere}"),
        (Some(site), there) => {
            let meant = near(site, there.iter().copied()).map(|near| format!(": did you mean {near}?"));
            let meant = meant.unwrap_or_else(|| format!("; there are {}", there.join(", ")));
            format!("there is no PhoneSite {site} in {place}{meant}{elsewhere}")
        }
        (None, _) => format!("there is nothing to show in {place}{elsewhere}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_finds_no_site_is_told_where_to_look() {
        let default = "default".to_owned();
        let empty = "there is no PhoneSite in namespace default; -n NAMESPACE looks in another one, -A in all";
        assert_eq!(nothing(None, &[], Some(&default)), empty);
        assert_eq!(nothing(None, &[], None), "there is no PhoneSite in the cluster");
        let slip = nothing(Some("brnch"), &["branch", "hq"], None);
        assert_eq!(slip, "there is no PhoneSite brnch in the cluster: did you mean branch?");
        assert!(nothing(Some("x"), &["branch", "hq"], None).ends_with("; there are branch, hq"));
    }
}
