//! Watches: what the cluster holds, told to the fleet as it changes.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use k8s_openapi::api::core::v1::{ConfigMap, Pod as CorePod, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::api::{Api, DynamicObject};
use kube::core::{NamespaceResourceScope, PartialObjectMeta};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{self, Event, watcher};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::mpsc;

use super::apply::{DEPLOYMENT, Kind, NETWORK_POLICY, SERVICE, SERVICE_ACCOUNT};
use super::context::{Context, Pod, SiteIdentity};
use super::lean::{Guarded, LeanMap, LeanPhone, LeanSecret, LeanSite};
use super::names::{FILES, SITE, not_ours, ours, parse_shard, token};
use super::{build, poll};
use crate::api::RESYNC_AT;
use crate::base::digest::HashKey;
use crate::provision::{Content, Key, Meta, Reference, Slot, WorkItem};

/// How many objects are listed at a time: a page is read whole, and what it took stays with the process.
const PAGE: u32 = 100;

/// Says once that a watch has told all that there is.
type Told = mpsc::Sender<()>;

/// Starts all watches; they have told what there is when the channel ends.
pub fn start(ctx: &Arc<Context>) -> mpsc::Receiver<()> {
    let (told, all) = mpsc::channel(1);
    let namespaces = match ctx.options.namespaces.as_slice() {
        [] => vec![None],
        some => some.iter().map(|name| Some(name.as_str())).collect(),
    };
    for namespace in namespaces {
        let plain = || watcher::Config::default().page_size(PAGE);
        let mine = || plain().labels(&ours());
        let others = || plain().labels(&not_ours());
        follow(ctx, api::<LeanSite>(ctx, namespace), plain(), site_came, site_went, &told);
        follow(ctx, api::<LeanPhone>(ctx, namespace), plain(), phone_came, phone_went, &told);
        follow(ctx, api::<LeanMap>(ctx, namespace), mine(), map_came, |ctx, gone| files_went(ctx, &gone, false), &told);
        follow(
            ctx,
            api::<LeanSecret>(ctx, namespace),
            mine(),
            secret_came,
            |ctx, gone| files_went(ctx, &gone, true),
            &told,
        );
        follow(ctx, api::<CorePod>(ctx, namespace), mine(), pod_came, pod_went, &told);
        follow(
            ctx,
            api::<PartialObjectMeta<Secret>>(ctx, namespace),
            others(),
            |ctx, object| reference(ctx, Reference::Secret, key_of(&object.metadata)),
            |ctx, gone| reference(ctx, Reference::Secret, gone.key),
            &told,
        );
        follow(
            ctx,
            api::<PartialObjectMeta<ConfigMap>>(ctx, namespace),
            others(),
            |ctx, object| reference(ctx, Reference::ConfigMap, key_of(&object.metadata)),
            |ctx, gone| reference(ctx, Reference::ConfigMap, gone.key),
            &told,
        );
        for kind in [SERVICE_ACCOUNT, NETWORK_POLICY, SERVICE, DEPLOYMENT] {
            follow_live(ctx, kind, namespace, mine(), &told);
        }
    }
    all
}

fn api<K>(ctx: &Context, namespace: Option<&str>) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    match namespace {
        Some(namespace) => Api::namespaced(ctx.client.clone(), namespace),
        None => Api::all(ctx.client.clone()),
    }
}

/// What is left of an object that went away.
pub struct Gone {
    /// Who it was.
    key: Key,
    /// The site that it belonged to, if it was ours.
    site: Option<String>,
    /// Its last version.
    version: u64,
}

impl Gone {
    fn new(meta: &ObjectMeta) -> Gone {
        Gone {
            key: key_of(meta),
            site: meta.labels.as_ref().and_then(|l| l.get(SITE)).cloned(),
            version: version(meta),
        }
    }

    fn site(&self) -> Option<Key> {
        Some(self.key.sibling(self.site.clone()?))
    }
}

/// Follows one kind of object.
fn follow<K>(ctx: &Arc<Context>, api: Api<K>, config: watcher::Config, came: Came<K>, went: Went, told: &Told)
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let kind = K::kind(&()).into_owned();
    follow_stream(ctx, kind, watcher(api, config).backoff(Pauses::default()).boxed(), came, went, told);
}

/// The longest pause before a watch that failed is begun again. There are a dozen of them, which is no burden on an API server
/// that comes back, and phones wait for what they would tell.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The pauses that are usual for watches, up to the longest.
#[derive(Default)]
struct Pauses(watcher::DefaultBackoff);

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.0.next().map(|pause| pause.min(LONGEST_PAUSE))
    }
}

impl Backoff for Pauses {
    fn reset(&mut self) {
        self.0.reset();
    }
}

type Came<K> = fn(&Arc<Context>, K);
type Went = fn(&Arc<Context>, Gone);

/// Follows one kind of the sites' own objects, as they are.
fn follow_live(ctx: &Arc<Context>, kind: Kind, namespace: Option<&str>, config: watcher::Config, told: &Told) {
    let resource = kind.resource();
    let api: Api<DynamicObject> = match namespace {
        Some(namespace) => Api::namespaced_with(ctx.client.clone(), namespace, &resource),
        None => Api::all_with(ctx.client.clone(), &resource),
    };
    let stream = watcher(api, config).backoff(Pauses::default()).boxed();
    let came = move |ctx: &Arc<Context>, object: DynamicObject| live_came(ctx, kind, &object);
    let went = move |ctx: &Arc<Context>, gone: Gone| live_went(ctx, kind, &gone);
    follow_stream(ctx, kind.kind.to_owned(), stream, came, went, told);
}

/// The site that an object belonged to, if it was ours: all that has to be known of one that went away unseen.
type LastSite = Option<Box<str>>;

fn site_label(meta: &ObjectMeta) -> LastSite {
    meta.labels.as_ref()?.get(SITE).map(|site| site.as_str().into())
}

/// A watch that breaks is begun again after a pause; what went away meanwhile is noticed then.
fn follow_stream<K: Resource + Send + 'static>(
    ctx: &Arc<Context>,
    kind: String,
    mut stream: BoxStream<'static, watcher::Result<Event<K>>>,
    came: impl Fn(&Arc<Context>, K) + Send + 'static,
    went: impl Fn(&Arc<Context>, Gone) + Send + 'static,
    told: &Told,
) {
    let ctx = ctx.clone();
    let mut told = Some(told.clone());
    tokio::spawn(async move {
        let mut known: BTreeMap<Key, LastSite> = BTreeMap::new();
        let mut fresh: HashSet<Key> = HashSet::new();
        while let Some(event) = stream.next().await {
            match event {
                Ok(Event::Init) => fresh.clear(),
                Ok(Event::InitApply(object)) => {
                    let key = key_of(object.meta());
                    fresh.insert(key.clone());
                    known.insert(key, site_label(object.meta()));
                    came(&ctx, object);
                }
                Ok(Event::InitDone) => {
                    let missed: Vec<Key> = known.keys().filter(|key| !fresh.contains(*key)).cloned().collect();
                    for (key, site) in missed.into_iter().filter_map(|key| known.remove_entry(&key)) {
                        // It was not there when the list was made, whatever its last version was.
                        went(&ctx, Gone { key, site: site.map(String::from), version: u64::MAX });
                    }
                    fresh = HashSet::new();
                    told.take();
                }
                Ok(Event::Apply(object)) => {
                    known.insert(key_of(object.meta()), site_label(object.meta()));
                    came(&ctx, object);
                }
                Ok(Event::Delete(object)) => {
                    let gone = Gone::new(object.meta());
                    known.remove(&gone.key);
                    went(&ctx, gone);
                }
                Err(error) => {
                    ctx.metrics.watch_errors.inc();
                    let hint = match kind.as_str() {
                        "PhoneSite" | "SipPhone" if told.is_some() => "; are the CustomResourceDefinitions installed?",
                        _ => "",
                    };
                    tracing::warn!(kind, error = %chain(&error), "a watch failed and is begun again{hint}");
                }
            }
        }
    });
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn key_of(meta: &ObjectMeta) -> Key {
    Key::new(meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default())
}

/// An object's version as a number: later versions are larger.
pub fn version(meta: &ObjectMeta) -> u64 {
    meta.resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or(0)
}

fn meta_of(meta: &ObjectMeta) -> Meta {
    Meta {
        key: key_of(meta),
        generation: meta.generation,
        created: meta.creation_timestamp.as_ref().map_or(0, |time| time.0.as_second()),
        version: version(meta),
        resync_at: meta.annotations.as_ref().and_then(|all| all.get(RESYNC_AT)).cloned(),
    }
}

/// The site that one of our objects belongs to.
fn site_of(meta: &ObjectMeta) -> Option<Key> {
    Some(key_of(meta).sibling(meta.labels.as_ref()?.get(SITE)?.clone()))
}

/// An object that cannot be decoded disturbs nobody else: what was known of it stays.
fn decoded<S, T>(ctx: &Context, kind: &str, meta: &ObjectMeta, spec: Guarded<S>, status: Guarded<T>) -> Option<(S, T)> {
    match (spec.0, status.0) {
        (Ok(spec), Ok(status)) => Some((spec, status)),
        (Err(error), _) | (_, Err(error)) => {
            ctx.metrics.undecodable.inc();
            let key = key_of(meta);
            tracing::warn!(kind, object = %key, error, "an object cannot be decoded and is left as it was; is the CustomResourceDefinition of the same version as this program?");
            None
        }
    }
}

fn site_came(ctx: &Arc<Context>, site: LeanSite) {
    if site.metadata.deletion_timestamp.is_some() {
        // Under foreground deletion it is there until everything that it owns is gone: nothing of that is made again.
        return site_went(ctx, Gone::new(&site.metadata));
    }
    let Some((spec, status)) = decoded(ctx, "PhoneSite", &site.metadata, site.spec, site.status) else { return };
    let meta = meta_of(&site.metadata);
    let uid = site.metadata.uid.unwrap_or_default();
    let before = ctx.shared().sites.insert(meta.key.clone(), SiteIdentity { uid: uid.clone() });
    if before.is_some_and(|before| before.uid != uid) {
        // Deleted and made again while the watch was broken: nothing of the old one is ours.
        ctx.tell(|fleet| fleet.delete_site(&meta.key));
    }
    let key = meta.key.clone();
    ctx.tell(|fleet| fleet.apply_site(meta, spec, status));
    give_hash_key(ctx, &key);
}

fn site_went(ctx: &Arc<Context>, gone: Gone) {
    let mut shared = ctx.shared();
    shared.sites.remove(&gone.key);
    shared.tokens.remove(&gone.key);
    shared.bumps.remove(&gone.key);
    shared.hash_keys.remove(&gone.key);
    shared.paces.retain(|(site, _), _| *site != gone.key);
    drop(shared);
    ctx.tell(|fleet| fleet.delete_site(&gone.key));
}

fn phone_came(ctx: &Arc<Context>, phone: LeanPhone) {
    if phone.metadata.deletion_timestamp.is_some() {
        return phone_went(ctx, Gone::new(&phone.metadata));
    }
    let Some((spec, status)) = decoded(ctx, "SipPhone", &phone.metadata, phone.spec, phone.status) else { return };
    let meta = meta_of(&phone.metadata);
    ctx.tell(|fleet| fleet.apply_phone(meta, spec, status));
}

fn phone_went(ctx: &Arc<Context>, gone: Gone) {
    ctx.tell(|fleet| fleet.delete_phone(&gone.key));
}

fn map_came(ctx: &Arc<Context>, map: LeanMap) {
    let text = map.data.unwrap_or_default().into_iter().map(|(name, text)| (name, Bytes::from(text)));
    let binary = map.binary_data.unwrap_or_default().into_iter().map(|(name, bytes)| (name, Bytes::from(bytes.0)));
    files_came(ctx, &map.metadata, false, Content(text.chain(binary).collect()));
}

fn secret_came(ctx: &Arc<Context>, secret: LeanSecret) {
    let Some(site) = site_of(&secret.metadata) else { return };
    let data = secret.data.unwrap_or_default();
    if secret.metadata.name.as_deref() == Some(token(&site.name).as_str()) {
        let text = |key: &str| data.get(key).and_then(|value| String::from_utf8(value.0.clone()).ok());
        if let (Some(token), Some(hash_key)) = (text("token"), text("hashKey")) {
            note_token(ctx, &site, &token, &hash_key);
        }
        return;
    }
    let files = data.into_iter().map(|(name, bytes)| (name, Bytes::from(bytes.0)));
    files_came(ctx, &secret.metadata, true, Content(files.collect()));
}

/// A site's token and key are known.
pub fn note_token(ctx: &Context, site: &Key, token: &str, hash_key: &str) {
    let mut shared = ctx.shared();
    shared.tokens.insert(site.clone(), token.to_owned());
    shared.hash_keys.insert(site.clone(), HashKey::new(hash_key.as_bytes()));
    drop(shared);
    give_hash_key(ctx, site);
}

/// The Secret and the site may come in either order.
fn give_hash_key(ctx: &Context, site: &Key) {
    let key = ctx.shared().hash_keys.get(site).cloned();
    if let Some(key) = key {
        ctx.tell(|fleet| fleet.set_hash_key(site, key));
    }
}

fn files_came(ctx: &Arc<Context>, meta: &ObjectMeta, secret: bool, content: Content) {
    let Some(site) = site_of(meta) else { return };
    let name = meta.name.as_deref().unwrap_or_default();
    let Some(slot) = parse_shard(&site.name, name, secret) else { return };
    if !ctx.ready.load(Ordering::Acquire) {
        ctx.shared().recovered.push((site, slot, content));
        return;
    }
    let newer = note_version(ctx, &site, slot, version(meta));
    if newer {
        ctx.tell(|fleet| fleet.note_stored(&site, slot, Some(content.digest())));
    }
}

fn files_went(ctx: &Arc<Context>, gone: &Gone, secret: bool) {
    let Some(site) = gone.site() else { return };
    let Some(slot) = parse_shard(&site.name, &gone.key.name, secret) else { return };
    let newer = note_version(ctx, &site, slot, gone.version);
    if newer && ctx.ready.load(Ordering::Acquire) {
        ctx.tell(|fleet| fleet.note_stored(&site, slot, None));
    }
}

/// Whether a version of an object with files is newer than what is known: a watch lags behind the operator's own writes.
pub fn note_version(ctx: &Context, site: &Key, slot: Slot, version: u64) -> bool {
    let mut shared = ctx.shared();
    let known = shared.versions.entry((site.clone(), slot)).or_insert(0);
    // An object that was gone when all were listed is gone; its next version is whatever it is.
    let newer = version > *known;
    *known = if version == u64::MAX { 0 } else { version.max(*known) };
    newer
}

fn pod_came(ctx: &Arc<Context>, pod: CorePod) {
    let Some(site) = site_of(&pod.metadata) else { return };
    let key = key_of(&pod.metadata);
    let status = pod.status.unwrap_or_default();
    let runs = status.phase.as_deref() == Some("Running") && pod.metadata.deletion_timestamp.is_none();
    let ip = status.pod_ip.filter(|ip| runs && !ip.is_empty());
    let Some(ip) = ip else { return lose_pod(ctx, &site, &key) };
    let files = pod.metadata.annotations.as_ref().and_then(|all| all.get(FILES)).cloned();
    let now = Pod { site: site.clone(), ip, host: status.host_ip, files };
    let before = ctx.shared().pods.insert(key.clone(), now.clone());
    if before.as_ref().is_none_or(|before| before.ip != now.ip) {
        poll::start(ctx, &site, &key, &now.ip);
        ctx.queue.add(WorkItem::Objects(site), Duration::ZERO);
    }
}

fn pod_went(ctx: &Arc<Context>, gone: Gone) {
    if let Some(site) = gone.site() {
        lose_pod(ctx, &site, &gone.key);
    }
}

fn lose_pod(ctx: &Arc<Context>, site: &Key, key: &Key) {
    let known = ctx.shared().pods.remove(key).is_some();
    if known {
        poll::leave(ctx, key);
        ctx.tell(|fleet| fleet.pod_gone(site, &key.name));
    }
}

/// Somebody's Secret or ConfigMap changed: if the fleet refers to it, it is read.
fn reference(ctx: &Context, kind: Reference, key: Key) {
    if ctx.ready.load(Ordering::Acquire) && ctx.ask(|fleet| fleet.refers_to(kind, &key)) {
        ctx.queue.add(WorkItem::Read(kind, key), Duration::ZERO);
    }
}

fn live_came(ctx: &Arc<Context>, kind: Kind, object: &DynamicObject) {
    let Some(site) = site_of(&object.metadata) else { return };
    let mut value = serde_json::to_value(object).unwrap_or_default();
    // Objects in a list do not say what they are.
    build::set_type(kind, &mut value);
    if let Some(metadata) = value["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    if note_live(ctx, kind.kind, key_of(&object.metadata), value) && ctx.ready.load(Ordering::Acquire) {
        ctx.queue.add(WorkItem::Objects(site), Duration::ZERO);
    }
}

/// Notes one of the sites' own objects; whether it is newer than what was known.
pub fn note_live(ctx: &Context, kind: &'static str, key: Key, value: Value) -> bool {
    let version =
        |value: &Value| value["metadata"]["resourceVersion"].as_str().and_then(|v| v.parse::<u64>().ok()).unwrap_or(0);
    let mut shared = ctx.shared();
    let known = shared.live.get(&(kind, key.clone())).map_or(0, version);
    let newer = version(&value) > known;
    if newer {
        shared.live.insert((kind, key), value);
    }
    newer
}

fn live_went(ctx: &Arc<Context>, kind: Kind, gone: &Gone) {
    ctx.shared().live.remove(&(kind.kind, gone.key.clone()));
    if let Some(site) = gone.site() {
        ctx.queue.add(WorkItem::Objects(site), Duration::ZERO);
    }
}
