//! Watches: what the cluster holds, given to a handler of each kind as it changes.

mod handlers;
mod shards;

use std::collections::{BTreeMap, HashSet};
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use k8s_openapi::api::core::v1::{ConfigMap, Pod as CorePod, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::api::{Api, DynamicObject};
use kube::core::{NamespaceResourceScope, PartialObjectMeta};
use kube::runtime::watcher::{self, Event, watcher};
use kube::runtime::{WatchStreamExt as _, utils};
use rand::RngExt as _;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use super::context::Context;
use super::kind::Kind;
use super::names::{SITE, not_ours, ours};
use super::supervisor::Tasks;
use super::trimmed::{TrimmedConfigMap, TrimmedPhone, TrimmedSecret, TrimmedSite, Undecodable, version};
use crate::base::Backoff;
use crate::provision::{Key, Reference};
use handlers::{Children, Phones, References, Sites, TftpPods};
use shards::{ShardConfigMaps, ShardSecrets};

/// How many objects are listed at a time: a page is read whole, and what it took stays with the process.
const PAGE: u32 = 100;

/// What is done about the objects of one kind.
trait Handler<K>: Send + Sync + 'static {
    /// An object was created or changed, or is listed at a start. One that cannot be decoded disturbs no other: what was known of
    /// it stays.
    fn on_apply(&self, ctx: &Arc<Context>, object: K) -> Result<(), Undecodable>;

    /// An object was deleted, perhaps while the watch was broken.
    fn on_delete(&self, ctx: &Arc<Context>, deleted: Deleted);
}

/// What is known of an object that was deleted.
struct Deleted {
    /// Which object it was.
    key: Key,
    /// The name of the site that it belonged to, if the operator made it.
    site: Option<String>,
    /// Its last version; `u64::MAX` if it was missing from a list.
    version: u64,
}

impl Deleted {
    fn of(meta: &ObjectMeta) -> Deleted {
        Deleted { key: key_of(meta), site: site_label(meta).map(str::to_owned), version: version(meta) }
    }

    /// The site that it belonged to.
    fn site(&self) -> Option<Key> {
        Some(self.key.sibling(self.site.as_deref()?))
    }
}

/// What a watch drops once it has listed what exists.
type Unsynced = mpsc::Sender<()>;

/// Starts all watches. Each has listed what exists when the channel ends.
pub(super) fn start(ctx: &Arc<Context>, tasks: &Tasks) -> mpsc::Receiver<()> {
    let (unsynced, all) = mpsc::channel(1);
    let namespaces = match ctx.options.namespaces.as_slice() {
        [] => vec![None],
        // What is left to others, or refused, is neither seen nor waited for.
        some => some.iter().filter(|name| !ctx.leadership.leaves(name)).map(|name| Some(name.as_str())).collect(),
    };
    for namespace in namespaces {
        let any = || watcher::Config::default().page_size(PAGE);
        let mine = || any().labels(&ours());
        let others = || any().labels(&not_ours());
        let watches = Watches { ctx, tasks, namespace, unsynced: &unsynced };
        watches.start::<TrimmedSite>(any(), Sites);
        watches.start::<TrimmedPhone>(any(), Phones);
        watches.start::<TrimmedConfigMap>(mine(), ShardConfigMaps);
        watches.start::<TrimmedSecret>(mine(), ShardSecrets);
        watches.start::<CorePod>(mine(), TftpPods);
        watches.start::<PartialObjectMeta<Secret>>(others(), References(Reference::Secret));
        watches.start::<PartialObjectMeta<ConfigMap>>(others(), References(Reference::ConfigMap));
        for kind in Kind::OWNED {
            watches.start_children(kind, mine());
        }
    }
    all
}

/// The watches in one namespace, or in all.
struct Watches<'a> {
    ctx: &'a Arc<Context>,
    tasks: &'a Tasks,
    namespace: Option<&'a str>,
    unsynced: &'a Unsynced,
}

impl Watches<'_> {
    fn start<K>(&self, config: watcher::Config, handler: impl Handler<K>)
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + DeserializeOwned
            + Debug
            + Send
            + 'static,
    {
        let client = self.ctx.cluster.client().clone();
        let api: Api<K> = match self.namespace {
            Some(namespace) => Api::namespaced(client, namespace),
            None => Api::all(client),
        };
        self.spawn(&K::kind(&()), watcher(api, config), handler);
    }

    fn start_children(&self, kind: Kind, config: watcher::Config) {
        let (client, resource) = (self.ctx.cluster.client().clone(), kind.resource());
        let api: Api<DynamicObject> = match self.namespace {
            Some(namespace) => Api::namespaced_with(client, namespace, &resource),
            None => Api::all_with(client, &resource),
        };
        self.spawn(kind.as_str(), watcher(api, config), Children(kind));
    }

    fn spawn<K>(
        &self,
        kind: &str,
        stream: impl Stream<Item = watcher::Result<Event<K>>> + Send + 'static,
        handler: impl Handler<K>,
    ) where
        K: Resource + Send + 'static,
    {
        let (ctx, unsynced) = (self.ctx.clone(), self.unsynced.clone());
        let (kind, stream) = (kind.to_owned(), stream.backoff(WatchBackoff::default()));
        self.tasks.spawn(format!("the watch of kind {kind}"), async move {
            follow(&ctx, &kind, stream, handler, unsynced).await;
            Ok(())
        });
    }
}

/// The pauses before a watch that failed is restarted. There are a dozen watches, which is no burden on an API server that comes
/// back, and phones wait for what they would bring.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(800), Duration::from_secs(4));
/// By how much each pause is lengthened at random, so that not all watches are restarted at once.
const JITTER: f64 = 0.25;

/// [`BACKOFF`] with [`JITTER`], for a stream.
#[derive(Default)]
pub(super) struct WatchBackoff {
    failures: u32,
}

impl Iterator for WatchBackoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.failures = self.failures.saturating_add(1);
        Some(BACKOFF.after(self.failures).mul_f64(rand::rng().random_range(1.0..=1.0 + JITTER)))
    }
}

impl utils::Backoff for WatchBackoff {
    fn reset(&mut self) {
        self.failures = 0;
    }
}

/// Gives all that a watch brings to its handler. A watch that fails is restarted by its stream after a pause; what was deleted
/// meanwhile is noticed then.
async fn follow<K: Resource>(
    ctx: &Arc<Context>,
    kind: &str,
    stream: impl Stream<Item = watcher::Result<Event<K>>>,
    handler: impl Handler<K>,
    unsynced: Unsynced,
) {
    let mut unsynced = Some(unsynced);
    let mut known: BTreeMap<Key, Option<Box<str>>> = BTreeMap::new();
    let mut listed: HashSet<Key> = HashSet::new();
    let (mut attempt, mut failed_before) = (1_u32, false);
    // Handlers log nothing themselves: a span for each event would cost more than what they do.
    let apply = |key: &Key, object: K, attempt: u32| {
        if let Err(error) = handler.on_apply(ctx, object) {
            ctx.metrics.undecodable.inc();
            tracing::warn!(kind, object = %key, attempt, "{kind} {key} {error}");
        }
    };
    let mut stream = std::pin::pin!(stream);
    while let Some(event) = stream.next().await {
        let failed = event.is_err();
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(object)) => {
                let key = key_of(object.meta());
                listed.insert(key.clone());
                known.insert(key.clone(), site_label(object.meta()).map(Into::into));
                apply(&key, object, attempt);
            }
            Ok(Event::InitDone) => {
                let missed: Vec<Key> = known.keys().filter(|key| !listed.contains(*key)).cloned().collect();
                for (key, site) in missed.into_iter().filter_map(|key| known.remove_entry(&key)) {
                    // It was missing from the list, whatever its last version was.
                    let deleted = Deleted { key: key.clone(), site: site.map(String::from), version: u64::MAX };
                    handler.on_delete(ctx, deleted);
                }
                listed = HashSet::new();
                unsynced.take();
                if std::mem::take(&mut failed_before) {
                    // The API server is back: what it refused meanwhile it may take now.
                    ctx.queue.retry_all();
                }
            }
            Ok(Event::Apply(object)) => {
                let key = key_of(object.meta());
                known.insert(key.clone(), site_label(object.meta()).map(Into::into));
                apply(&key, object, attempt);
            }
            Ok(Event::Delete(object)) => {
                let deleted = Deleted::of(object.meta());
                known.remove(&deleted.key);
                handler.on_delete(ctx, deleted);
            }
            Err(error) => {
                ctx.metrics.watch_errors.inc();
                let hint = match kind {
                    "PhoneSite" | "SipPhone" if unsynced.is_some() => "; are the CustomResourceDefinitions installed?",
                    _ => "",
                };
                tracing::warn!(kind, attempt, error = %chain(&error), "the watch of kind {kind} failed and is restarted{hint}");
            }
        }
        failed_before |= failed;
        attempt = if failed { attempt.saturating_add(1) } else { 1 };
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn key_of(meta: &ObjectMeta) -> Key {
    Key::new(meta.namespace.as_deref().unwrap_or_default(), meta.name.as_deref().unwrap_or_default())
}

fn site_label(meta: &ObjectMeta) -> Option<&str> {
    meta.labels.as_ref()?.get(SITE).map(String::as_str)
}

/// The site that one of the operator's objects belongs to.
fn site_of(meta: &ObjectMeta) -> Option<Key> {
    Some(key_of(meta).sibling(site_label(meta)?))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::super::supervisor::supervised;
    use super::super::testing::{Logs, context, first_end};
    use super::*;

    /// Notes what it is given, and panics over some.
    #[derive(Clone, Default)]
    struct Notes(Arc<Mutex<Vec<String>>>);

    impl Handler<ConfigMap> for Notes {
        fn on_apply(&self, _: &Arc<Context>, object: ConfigMap) -> Result<(), Undecodable> {
            let key = key_of(&object.metadata);
            assert_ne!(&*key.name, "odd", "an odd object");
            self.0.lock().unwrap().push(format!("+{key}"));
            if &*key.name == "b" { Err(Undecodable("not of this version".to_owned())) } else { Ok(()) }
        }

        fn on_delete(&self, _: &Arc<Context>, deleted: Deleted) {
            let site = deleted.site().map(|site| site.to_string());
            self.0.lock().unwrap().push(format!("-{} of {site:?} at {}", deleted.key, deleted.version));
        }
    }

    fn object(name: &str) -> ConfigMap {
        let labels = [(SITE.to_owned(), "hq".to_owned())];
        ConfigMap {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                namespace: Some("ns".to_owned()),
                labels: Some(labels.into_iter().collect()),
                resource_version: Some("7".to_owned()),
                ..ObjectMeta::default()
            },
            ..ConfigMap::default()
        }
    }

    fn events(events: Vec<Event<ConfigMap>>) -> impl Stream<Item = watcher::Result<Event<ConfigMap>>> + Send {
        futures::stream::iter(events.into_iter().map(Ok))
    }

    #[tokio::test]
    async fn what_was_deleted_while_a_watch_was_broken_is_noticed() {
        let logs = Logs::capture();
        let (tasks, _supervisor) = supervised();
        let (ctx, notes, (unsynced, mut all)) = (context(tasks), Notes::default(), mpsc::channel(1));
        let stream = events(vec![
            Event::Init,
            Event::InitApply(object("a")),
            Event::InitDone,
            Event::Apply(object("b")),
            Event::Apply(object("c")),
            Event::Delete(object("c")),
            Event::Init,
            Event::InitApply(object("a")),
            Event::InitDone,
        ]);
        follow(&ctx, "ConfigMap", stream, notes.clone(), unsynced).await;
        let seen = notes.0.lock().unwrap().clone();
        let b_is_gone = format!("-ns/b of Some(\"ns/hq\") at {}", u64::MAX);
        assert_eq!(seen, ["+ns/a", "+ns/b", "+ns/c", "-ns/c of Some(\"ns/hq\") at 7", "+ns/a", &b_is_gone]);
        assert!(all.recv().await.is_none(), "it has listed what exists");
        let lines = logs.lines();
        assert_eq!(lines.len(), 1, "{lines:?}");
        for part in ["ConfigMap ns/b cannot be decoded", "not of this version", "object=ns/b", "attempt=1"] {
            assert!(lines[0].contains(part), "{lines:?}");
        }
        assert_eq!(ctx.metrics.undecodable.get(), 1);
    }

    #[tokio::test]
    async fn a_watch_that_panics_or_ends_ends_the_process() {
        let (tasks, mut supervisor) = supervised();
        let (ctx, (unsynced, _all)) = (context(tasks.clone()), mpsc::channel(1));
        let watches = Watches { ctx: &ctx, tasks: &tasks, namespace: None, unsynced: &unsynced };
        watches.spawn("ConfigMap", events(vec![Event::Apply(object("odd"))]), Notes::default());
        let error = first_end(&mut supervisor).await;
        assert!(
            error.starts_with("the watch of kind ConfigMap panicked: ") && error.contains("an odd object"),
            "{error}"
        );
        watches.spawn("Secret", events(Vec::new()), Notes::default());
        let error = first_end(&mut supervisor).await;
        assert!(error.starts_with("the watch of kind Secret ended"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_fails_is_restarted_and_says_which_and_how_often() {
        let logs = Logs::capture();
        let (tasks, _supervisor) = supervised();
        let (ctx, (unsynced, _all)) = (context(tasks), mpsc::channel(1));
        let failure = || Err(watcher::Error::NoResourceVersion);
        let stream = futures::stream::iter(vec![failure(), failure(), Ok(Event::Init), failure()]);
        let began = tokio::time::Instant::now();
        follow(&ctx, "SipPhone", stream.backoff(WatchBackoff::default()), Nothing, unsynced).await;
        let least = Duration::from_millis(800 + 1600 + 800);
        assert!(began.elapsed() >= least && began.elapsed() <= least.mul_f64(1.3), "{:?}", began.elapsed());
        let lines = logs.lines();
        assert_eq!(lines.len(), 3);
        for (attempt, line) in [1, 2, 1].iter().zip(&lines) {
            let message =
                "the watch of kind SipPhone failed and is restarted; are the CustomResourceDefinitions installed?";
            assert!(line.contains(message) && line.contains(&format!("attempt={attempt}")), "{line}");
        }
    }

    struct Nothing;

    impl Handler<ConfigMap> for Nothing {
        fn on_apply(&self, _: &Arc<Context>, _: ConfigMap) -> Result<(), Undecodable> {
            Ok(())
        }

        fn on_delete(&self, _: &Arc<Context>, _: Deleted) {}
    }
}
