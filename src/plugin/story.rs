//! `kubectl dialtone phone`: the story of one phone.

mod find;
mod next;
mod text;

use std::process::ExitCode;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use kube::Api;
use kube::api::ListParams;
use serde::Serialize;

use super::objects::{ScopeArgs, api, created, list, name, namespace};
use super::output::{Format, structured};
use super::status::PhoneView;
use crate::api::{PhoneSiteStatus, SipPhoneStatus};
use crate::base::terminal::{self, print, say};
use crate::connect::{ClusterArgs, Connection};
use crate::operator::trimmed::{TrimmedPhone, TrimmedSite};
use find::Found;

/// Tell the story of one phone: what was rendered, served and fetched, what differs, its boots, what to do next
///
/// Exit status: 0 if the phone runs what it should, 1 if not, or if there is no such phone.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The SipPhone's name, the phone's MAC address in any notation, the name of one of its lines, or its IP address
    #[arg(value_name = "NAME|MAC|EXTENSION|ADDRESS")]
    phone: String,

    #[command(flatten)]
    scope: ScopeArgs,

    /// wide: everything that happened; json and yaml: for programs
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    output: Option<Format>,

    #[command(flatten)]
    cluster: ClusterArgs,
}

/// What is known of a phone.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Story {
    phone: PhoneView,
    status: SipPhoneStatus,
    /// Absent if there is no such site.
    #[serde(skip_serializing_if = "Option::is_none")]
    site: Option<PhoneSiteStatus>,
    /// What happened, the oldest first; `None` if it may not be read.
    happened: Option<Vec<Happening>>,
    /// What to do, most important first.
    next: Vec<String>,
    #[serde(skip)]
    now: Timestamp,
}

/// What an Event says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Happening {
    time: String,
    reason: String,
    message: String,
    times: i32,
    warning: bool,
}

/// Runs the command.
pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let cluster = args.cluster.connect().await?;
    let all = args.scope.all_namespaces;
    let mut phones = list::<TrimmedPhone>(&cluster, &api(&cluster, all), "SipPhones").await?;
    let mut sites = list::<TrimmedSite>(&cluster, &api(&cluster, all), "PhoneSites").await?;
    let mut found = find::find(&args.phone, &phones, &sites);
    if matches!(found, Found::None(_)) && !all {
        // A person knows the phone and not its namespace. Who may not look elsewhere hears what there is here.
        let everywhere = list::<TrimmedPhone>(&cluster, &api(&cluster, true), "SipPhones").await;
        if let (Ok(more), Ok(more_sites)) =
            (everywhere, list::<TrimmedSite>(&cluster, &api(&cluster, true), "PhoneSites").await)
        {
            (phones, sites) = (more, more_sites);
            found = match find::find(&args.phone, &phones, &sites) {
                Found::None(_) => found,
                elsewhere => {
                    say(format_args!("note: it is in another namespace than {}", cluster.namespace));
                    elsewhere
                }
            };
        }
    }
    let width = terminal::width();
    match found {
        Found::Phone(place) => {
            let phone = &phones[place];
            let site = sites.iter().find(|site| find::is_site_of(phone, site));
            let happened = happenings(&cluster, phone).await;
            let story = story(phone, site, happened, Timestamp::now());
            match args.output {
                Some(Format::Json | Format::Yaml) => print(structured(&story, args.output)?)?,
                _ => print(text::text(&story, args.output == Some(Format::Wide), width))?,
            }
            let fine = story.phone.ready && story.phone.in_sync;
            Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Found::Unclaimed(site, phone) => {
            print(text::unclaimed(namespace(&sites[site].metadata), name(&sites[site].metadata), &phone, width))?;
            Ok(ExitCode::FAILURE)
        }
        Found::Several(places) => {
            let names: Vec<String> = places
                .iter()
                .map(|place| format!("{} -n {}", name(&phones[*place].metadata), namespace(&phones[*place].metadata)))
                .collect();
            anyhow::bail!("several phones answer to {:?}: name one of them: {}", args.phone, names.join(", "))
        }
        Found::None(meant) => anyhow::bail!("{}", find::not_found(&args.phone, meant.as_deref(), &cluster.namespace)),
    }
}

fn story(phone: &TrimmedPhone, site: Option<&TrimmedSite>, happened: Option<Vec<Happening>>, now: Timestamp) -> Story {
    let view = PhoneView::of(phone);
    let status = phone.status.0.clone().unwrap_or_default();
    let site_status = site.map(|site| site.status.0.clone().unwrap_or_default());
    let method = site.and_then(|site| site.spec.0.as_ref().ok()).and_then(|spec| spec.resync.as_ref());
    let own = phone.spec.0.as_ref().ok().and_then(|spec| spec.resync.as_ref());
    let method = own.map(|own| own.method).or(method.map(|site| site.method)).unwrap_or_default();
    let next = next::next(&view, &status, site_status.as_ref(), method);
    Story { phone: view, status, site: site_status, happened, next, now }
}

/// What happened to a phone, the oldest first; none if that may not be read.
async fn happenings(cluster: &Connection, phone: &TrimmedPhone) -> Option<Vec<Happening>> {
    let meta = &phone.metadata;
    let events: Api<Event> = Api::namespaced(cluster.client.clone(), namespace(meta));
    let about = format!("involvedObject.kind=SipPhone,involvedObject.name={}", name(meta));
    let found = cluster.ask(events.list(&ListParams::default().fields(&about))).await.ok()?;
    let mut all: Vec<(Timestamp, Happening)> = found.items.iter().filter_map(happening).collect();
    all.sort_by_key(|(time, _)| *time);
    Some(all.into_iter().map(|(_, one)| one).collect())
}

fn happening(event: &Event) -> Option<(Timestamp, Happening)> {
    let series = event.series.as_ref();
    let last = series.and_then(|series| series.last_observed_time.as_ref()).map(|time| time.0);
    let time = last
        .or(event.last_timestamp.as_ref().map(|time| time.0))
        .or(event.event_time.as_ref().map(|time| time.0))
        .or(created(&event.metadata))?;
    let happening = Happening {
        // To the second, as all other times.
        time: Timestamp::from_second(time.as_second()).ok()?.to_string(),
        reason: event.reason.clone().unwrap_or_default(),
        message: event.message.clone().unwrap_or_default(),
        times: series.and_then(|series| series.count).or(event.count).unwrap_or(1),
        warning: event.type_.as_deref() == Some("Warning"),
    };
    Some((time, happening))
}

#[cfg(test)]
mod tests;
