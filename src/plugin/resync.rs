//! `kubectl dialtone resync`: asks for a restart of phones.

use std::process::ExitCode;

use anyhow::bail;
use jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::layout::ago_text;
use super::objects::{api, list, name};
use crate::api::{PhoneSite, RESYNC_AT, SipPhone};
use crate::base::terminal::{print, say};
use crate::connect::{ClusterArgs, Connection};
use crate::near::near;
use crate::operator::trimmed::TrimmedPhone;

/// Restart phones, so that they fetch their files, whatever spec.resync says of method and hours
///
/// Sets the annotation dialtone.dev/resync-at, which the operator acts on: a phone that has not fetched its file since then is
/// notified, by SIP NOTIFY or as spec.resync says. Calls are not ended by a NOTIFY: the phone waits until it is idle.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// SipPhones
    #[arg(value_name = "PHONE", required_unless_present_any = ["site"], conflicts_with = "site")]
    phones: Vec<String>,

    /// All phones of a site
    #[arg(long, value_name = "SITE")]
    site: Option<String>,

    /// Do not do it, and say which phones would be restarted
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    cluster: ClusterArgs,
}

/// Runs the command.
pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let cluster = args.cluster.connect().await?;
    let all = list::<TrimmedPhone>(&cluster, &api(&cluster, false), "SipPhones").await?;
    let now = Timestamp::now();
    let at = Timestamp::from_second(now.as_second())?.to_string();
    let patch = Patch::Merge(json!({"metadata": {"annotations": {RESYNC_AT: at}}}));
    // A dry run asks the API server, too: who has not the right hears it.
    let params = PatchParams { dry_run: args.dry_run, ..PatchParams::default() };
    let would = if args.dry_run { "would be notified" } else { "is notified" };
    if let Some(site) = &args.site {
        let of_site: Vec<&TrimmedPhone> =
            all.iter().filter(|phone| phone.spec.0.as_ref().is_ok_and(|spec| spec.site_ref.name == *site)).collect();
        cluster
            .call(&format!("patch PhoneSite {site}"), sites(&cluster).patch(checked(site)?, &params, &patch))
            .await?;
        let unseen = of_site.iter().filter(|phone| address(phone).is_none()).count();
        let unseen =
            if unseen > 0 { format!("; {unseen} were never seen and cannot be notified") } else { String::new() };
        print(format_args!("site {site}: each of its {} phones {would} to restart{unseen}\n", of_site.len()))?;
        print(format_args!("see what comes of it: kubectl dialtone status {site}{}\n", within(&args)))?;
        return Ok(ExitCode::SUCCESS);
    }
    // All names first: half of a list that holds a slip is not done.
    for wanted in &args.phones {
        if !all.iter().any(|phone| name(&phone.metadata) == wanted) {
            let meant = near(wanted, all.iter().map(|phone| name(&phone.metadata)));
            let meant = meant.map(|near| format!(": did you mean {near}?")).unwrap_or_default();
            bail!("there is no SipPhone {wanted} in namespace {}{meant}; no phone was notified", cluster.namespace);
        }
    }
    let mut failed = false;
    for phone in all.iter().filter(|phone| args.phones.iter().any(|wanted| name(&phone.metadata) == wanted)) {
        let wanted = name(&phone.metadata);
        let done =
            cluster.call(&format!("patch SipPhone {wanted}"), phones(&cluster).patch(wanted, &params, &patch)).await;
        if let Err(error) = done {
            say(format_args!("error: {error:#}"));
            failed = true;
            continue;
        }
        print(format_args!("{wanted} {would} to restart{}\n", last(phone, now)))?;
    }
    if !failed && !args.dry_run {
        let one = if args.phones.len() == 1 { &args.phones[0] } else { "PHONE" };
        print(format_args!("see what comes of it: kubectl dialtone phone {one}{}\n", within(&args)))?;
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn within(args: &Args) -> String {
    args.cluster.named_namespace().map(|namespace| format!(" -n {namespace}")).unwrap_or_default()
}

/// A name becomes part of a path of the API.
fn checked(name: &str) -> anyhow::Result<&str> {
    anyhow::ensure!(crate::api::is_object_name(name), "{name:?} is no name of a PhoneSite");
    Ok(name)
}

fn sites(cluster: &Connection) -> kube::Api<PhoneSite> {
    api(cluster, false)
}

fn phones(cluster: &Connection) -> kube::Api<SipPhone> {
    api(cluster, false)
}

fn address(phone: &TrimmedPhone) -> Option<&str> {
    phone.status.0.as_ref().ok()?.address.as_deref()
}

/// What is known of where a phone is.
fn last(phone: &TrimmedPhone, now: Timestamp) -> String {
    let seen = phone.status.0.as_ref().ok().and_then(|status| ago_text(status.last_seen.as_deref(), now));
    match (address(phone), seen) {
        (Some(address), Some(ago)) => format!(": it was seen {ago} ago at {address}"),
        (Some(address), None) => format!(" at {address}"),
        (None, _) => ": it was never seen, and so it cannot be notified: restart it by hand".to_owned(),
    }
}
