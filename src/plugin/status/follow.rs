//! `--watch`: what is shown follows the cluster.

use std::process::ExitCode;
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use kube::runtime::reflector::{self, Store};
use kube::runtime::{WatchStreamExt as _, watcher};

use super::super::objects::api;
use super::view::View;
use super::{Args, exit, needs_phones, options, text};
use crate::base::shutdown_signal;
use crate::base::terminal;
use crate::connect::Connection;
use crate::operator::trimmed::{TrimmedPhone, TrimmedSite};

/// How often what is shown may change; times grow meanwhile.
const INTERVAL: Duration = Duration::from_secs(1);

/// Shows changes until the shutdown signal, or until nobody reads them; the exit status is that of what was shown last.
pub(super) async fn follow(cluster: &Connection, args: &Args, first: View) -> anyhow::Result<ExitCode> {
    let all = args.scope.all_namespaces;
    let (sites, site_writer) = reflector::store::<TrimmedSite>();
    let (phones, phone_writer) = reflector::store::<TrimmedPhone>();
    let watch_sites = watcher(api::<TrimmedSite>(cluster, all), watcher::Config::default()).default_backoff();
    let watch_phones = watcher(api::<TrimmedPhone>(cluster, all), watcher::Config::default()).default_backoff();
    let mut site_events = Box::pin(reflector::reflector(site_writer, watch_sites).map_ok(|_| ()));
    let mut phone_events = Box::pin(reflector::reflector(phone_writer, watch_phones).map_ok(|_| ()));
    let options = options(args);
    let mut shown = first;
    let mut trouble = None;
    if terminal::is_screen() {
        terminal::clear()?;
    }
    if !show(None, &shown, &options, None)? {
        return Ok(exit(&shown));
    }
    let mut end = Box::pin(shutdown_signal());
    let mut tick = tokio::time::interval(INTERVAL);
    let mut is_new = false;
    loop {
        tokio::select! {
            () = &mut end => return Ok(exit(&shown)),
            event = site_events.next() => (is_new, trouble) = note(event, trouble),
            event = phone_events.next(), if needs_phones(args) => (is_new, trouble) = note(event, trouble),
            _ = tick.tick() => {
                let is_complete = is_listed(&sites).await && (!needs_phones(args) || is_listed(&phones).await);
                if !is_complete || !(is_new || terminal::is_screen()) {
                    continue;
                }
                let (all_sites, all_phones) = (of(&sites), of(&phones));
                let view = View::of(&all_sites, &all_phones, args.site.as_deref(), Timestamp::now());
                if !show(Some(&shown), &view, &options, trouble.as_deref())? {
                    return Ok(exit(&view));
                }
                shown = view;
                is_new = false;
            }
        }
    }
}

/// Whether a list has come: until then what is shown is what was read at first.
async fn is_listed<K>(store: &Store<K>) -> bool
where
    K: kube::Resource<DynamicType = ()> + Clone + 'static,
{
    tokio::time::timeout(Duration::ZERO, store.wait_until_ready()).await.is_ok_and(|ready| ready.is_ok())
}

fn of<K>(store: &Store<K>) -> Vec<K>
where
    K: kube::Resource<DynamicType = ()> + Clone + 'static,
{
    store.state().iter().map(|object| K::clone(object)).collect()
}

/// What is new after an event, and what is wrong with the watch.
fn note(event: Option<Result<(), watcher::Error>>, _: Option<String>) -> (bool, Option<String>) {
    match event {
        Some(Err(error)) => (true, Some(error.to_string())),
        _ => (true, None),
    }
}

/// Shows what there is; false once nobody reads it.
fn show(before: Option<&View>, view: &View, options: &text::Options, trouble: Option<&str>) -> std::io::Result<bool> {
    if !terminal::is_screen() {
        let lines = text::changes(before, view, options);
        return lines.iter().try_fold(true, |read, line| {
            Ok(read && terminal::is_read(format_args!("{} {line}\n", view.now.strftime("%H:%M:%S")))?)
        });
    }
    let mut all = text::text(view, options, terminal::width());
    if let Some(trouble) = trouble {
        all += &format!("\n! the cluster cannot be watched at the moment: {trouble}\n");
    }
    // What does not fit on the screen is said: scrolling back shows only older states.
    let room = terminal::height().unwrap_or(usize::MAX).saturating_sub(2);
    let lines: Vec<&str> = all.lines().collect();
    if lines.len() > room {
        let hidden = lines.len() - room;
        all = format!("{}\n… {hidden} more lines do not fit on this screen\n", lines[..room].join("\n"));
    }
    terminal::redraw(all)
}
