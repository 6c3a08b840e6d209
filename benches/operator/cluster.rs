//! Creates, edits and looks at objects, as somebody who uses the cluster does.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use dialtone::api::{PhoneSite, SipPhone};
use futures::{StreamExt as _, TryStreamExt as _, pin_mut, stream};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, ResourceExt as _};
use serde_json::json;
use tokio::sync::mpsc;

use crate::phones;

/// How many objects are created, and how many statuses written, at the same time: as many as the operator has workers.
const AT_ONCE: usize = 16;

/// A cluster to measure on.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
}

impl Cluster {
    /// Connects, and brings the kinds.
    pub async fn connect(kubeconfig: &Path) -> anyhow::Result<Cluster> {
        let crds = ["apply", "--server-side", "--force-conflicts", "-f", "crds/"];
        let applied = Command::new("kubectl").args(crds).env("KUBECONFIG", kubeconfig).output().context("kubectl")?;
        ensure!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
        let wait = ["wait", "--for=condition=Established", "--timeout=60s", "-f", "crds/"];
        let waited = Command::new("kubectl").args(wait).env("KUBECONFIG", kubeconfig).output().context("kubectl")?;
        ensure!(waited.status.success(), "{}", String::from_utf8_lossy(&waited.stderr));
        let (file, options) = (Kubeconfig::read_from(kubeconfig)?, KubeConfigOptions::default());
        let config = Config::from_custom_kubeconfig(file, &options).await?;
        Ok(Cluster { client: Client::try_from(config)? })
    }

    /// Makes a namespace.
    pub async fn namespace(&self, name: &str) -> anyhow::Result<()> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        let object = serde_json::from_value(json!({"metadata": {"name": name}}))?;
        api.create(&PostParams::default(), &object).await?;
        Ok(())
    }

    /// The API, for what is asked only once.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The phones of a namespace.
    pub fn phones(&self, namespace: &str) -> Api<SipPhone> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// The sites of a namespace.
    pub fn sites(&self, namespace: &str) -> Api<PhoneSite> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Makes sites.
    pub async fn make_sites(&self, namespace: &str, sites: usize) -> anyhow::Result<()> {
        for site in 0..sites {
            let site = serde_json::from_str(&phones::site(namespace, &site_name(site)))?;
            self.sites(namespace).create(&PostParams::default(), &site).await?;
        }
        Ok(())
    }

    /// Makes phones, spread over the sites; who is made is told.
    async fn make_phones(
        &self,
        namespace: &str,
        sites: usize,
        phones: usize,
        made: Option<mpsc::UnboundedSender<String>>,
    ) -> anyhow::Result<()> {
        let api = self.phones(namespace);
        stream::iter(0..phones)
            .map(|phone| {
                let (api, made) = (api.clone(), made.clone());
                async move {
                    let text = phones::manifest(namespace, &site_name(phone % sites), phone, "Desk");
                    let object: SipPhone = serde_json::from_str(&text)?;
                    api.create(&PostParams::default(), &object).await?;
                    if let Some(made) = made {
                        let _ = made.send(object.name_any());
                    }
                    anyhow::Ok(())
                }
            })
            .buffer_unordered(AT_ONCE)
            .try_collect::<Vec<()>>()
            .await?;
        Ok(())
    }

    /// Makes sites and phones, and waits until the operator has said all of them right; how long that took from the first one on.
    pub async fn fill(&self, namespace: &str, sites: usize, phones: usize) -> anyhow::Result<Duration> {
        let began = Instant::now();
        self.make_sites(namespace, sites).await?;
        self.fill_phones(namespace, sites, phones, speaks_of_newest).await?;
        Ok(began.elapsed())
    }

    /// Makes phones on sites that are there, and waits until something is true of all of them; how long that took.
    pub async fn fill_phones(
        &self,
        namespace: &str,
        sites: usize,
        phones: usize,
        is_true: fn(&SipPhone) -> bool,
    ) -> anyhow::Result<Duration> {
        let began = Instant::now();
        tokio::try_join!(self.make_phones(namespace, sites, phones, None), self.until(namespace, phones, is_true))?;
        Ok(began.elapsed())
    }

    /// Makes the same objects and writes as many statuses with the same concurrency, with nobody else at work.
    pub async fn fill_barely(
        &self,
        namespace: &str,
        sites: usize,
        phones: usize,
        status: &serde_json::Value,
    ) -> anyhow::Result<Duration> {
        let right = self.until(namespace, phones, speaks_of_newest);
        let began = Instant::now();
        let (made, names) = mpsc::unbounded_channel();
        let make = async {
            self.make_sites(namespace, sites).await?;
            self.make_phones(namespace, sites, phones, Some(made)).await
        };
        let api = self.phones(namespace);
        let names = stream::unfold(names, |mut names| async { names.recv().await.map(|name| (name, names)) });
        let write = names
            .map(|name| {
                let api = api.clone();
                let object = json!({
                    "apiVersion": "dialtone.dev/v1alpha1", "kind": "SipPhone",
                    "metadata": {"name": name, "namespace": namespace}, "status": status,
                });
                async move {
                    let params = PatchParams::apply("dialtone").force();
                    api.patch_status(&name, &params, &Patch::Apply(&object)).await?;
                    anyhow::Ok(())
                }
            })
            .buffer_unordered(AT_ONCE)
            .try_collect::<Vec<()>>();
        tokio::try_join!(make, write, right)?;
        Ok(began.elapsed())
    }

    /// Ends when something is true of so many phones.
    async fn until(&self, namespace: &str, phones: usize, is_true: fn(&SipPhone) -> bool) -> anyhow::Result<()> {
        let events = watcher(self.phones(namespace), watcher::Config::default()).default_backoff().applied_objects();
        pin_mut!(events);
        let mut true_of: BTreeSet<String> = BTreeSet::new();
        let limit = tokio::time::Instant::now() + Duration::from_secs(600);
        while true_of.len() < phones {
            let event = tokio::time::timeout_at(limit, events.next()).await;
            let phone = event.with_context(|| format!("only {} of {phones} after ten minutes", true_of.len()))?;
            let phone = phone.context("the watch ended")??;
            if is_true(&phone) {
                true_of.insert(phone.name_any());
            }
        }
        Ok(())
    }

    /// Fails unless every phone's status names the hash that its file has.
    pub async fn compare(&self, namespace: &str, expected: &HashMap<String, String>) -> anyhow::Result<()> {
        for phone in self.phones(namespace).list(&ListParams::default()).await? {
            let status = phone.status.as_ref().context("a phone without a status")?;
            let file = status.config_file.clone().unwrap_or_default();
            let wanted = expected.get(&file).with_context(|| format!("{file} was not rendered"))?;
            ensure!(status.config_hash.as_ref() == Some(wanted), "{}: {status:?}", phone.name_any());
        }
        Ok(())
    }

    /// Tells when ConfigMaps change.
    pub async fn map_changes(&self, namespace: &str) -> anyhow::Result<mpsc::UnboundedReceiver<Instant>> {
        let (tell, changes) = mpsc::unbounded_channel();
        let api: Api<PartialObjectMeta<ConfigMap>> = Api::namespaced(self.client.clone(), namespace);
        let (listed, ready) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            let events = watcher(api, watcher::Config::default()).default_backoff();
            pin_mut!(events);
            let mut listed = Some(listed);
            while let Some(event) = events.next().await {
                match event {
                    Ok(Event::Apply(_)) if tell.send(Instant::now()).is_err() => return,
                    Ok(Event::InitDone) => drop(listed.take().map(|listed| listed.send(()))),
                    _ => {}
                }
            }
        });
        ready.await?;
        Ok(changes)
    }

    /// Waits until every site has its Deployment, and every Deployment its pods, though none of them runs.
    pub async fn made_pods(&self, namespace: &str, sites: usize) -> anyhow::Result<()> {
        let api: Api<Deployment> = Api::namespaced(self.client.clone(), namespace);
        let has_pods = |deployment: &Deployment| {
            let made = deployment.status.as_ref().and_then(|status| status.replicas);
            made.is_some() && made == deployment.spec.replicas
        };
        let began = Instant::now();
        loop {
            let made = api.list(&ListParams::default()).await?.iter().filter(|one| has_pods(one)).count();
            if made == sites {
                return Ok(());
            }
            ensure!(
                began.elapsed() < Duration::from_secs(300),
                "only {made} of {sites} sites have pods after five minutes"
            );
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Gives a phone another label.
    pub async fn relabel(&self, namespace: &str, phone: usize, label: &str) -> anyhow::Result<()> {
        let patch = json!({"spec": {"label": label}});
        self.phones(namespace).patch(&format!("p{phone:05}"), &PatchParams::default(), &Patch::Merge(&patch)).await?;
        Ok(())
    }
}

/// Whether a phone is served what its newest spec says.
pub fn is_served(phone: &SipPhone) -> bool {
    let status = phone.status.as_ref();
    status.is_some_and(|s| s.served_hash.is_some() && s.served_hash == s.config_hash)
}

/// Whether a phone's status speaks of its newest spec.
pub fn speaks_of_newest(phone: &SipPhone) -> bool {
    let status = phone.status.as_ref();
    status.is_some_and(|s| s.observed_generation == phone.metadata.generation && s.config_hash.is_some())
}

/// The name of one of many sites.
pub fn site_name(site: usize) -> String {
    format!("s{site:02}")
}

/// What every phone's status should name: by file, as `dialtone render` makes them.
pub fn rendered_hashes(args: &crate::Args, phones: usize) -> anyhow::Result<HashMap<String, String>> {
    let folder = phones::render(args, phones)?;
    let mut hashes = HashMap::new();
    for entry in std::fs::read_dir(folder.join("default/bench"))? {
        let entry = entry?;
        let digest = dialtone::base::digest::Digest::of(&std::fs::read(entry.path())?);
        hashes.insert(entry.file_name().to_string_lossy().into_owned(), digest.public(None));
    }
    Ok(hashes)
}
