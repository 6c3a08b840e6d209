//! A cluster, as kubectl finds it: the kubeconfig, its context, the namespace; and what a person can do where that fails.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use crate::base::text::{QUOTED, printable};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the API server may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

#[allow(missing_docs)] // It would become the description of the command.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Cluster")]
pub struct ClusterArgs {
    /// The kubeconfig file [default: what KUBECONFIG names, otherwise ~/.kube/config]
    #[arg(long, value_name = "FILE", global = true)]
    kubeconfig: Option<PathBuf>,

    /// The kubeconfig's context [default: its current one]
    #[arg(long, value_name = "NAME", global = true)]
    context: Option<String>,

    /// The namespace [default: that of the context]
    #[arg(short, long, value_name = "NAMESPACE", global = true)]
    namespace: Option<String>,

    /// Ask as this user, as kubectl --as does
    #[arg(long = "as", value_name = "USER", global = true)]
    user: Option<String>,
}

/// A cluster that can be asked.
pub struct Connection {
    /// The client.
    pub client: Client,
    /// The namespace that is meant where none is named.
    pub namespace: String,
    server: String,
    from: String,
}

impl ClusterArgs {
    /// Finds the cluster. Nothing is asked yet.
    pub async fn connect(&self) -> anyhow::Result<Connection> {
        self.connect_for(Some(ANSWER)).await
    }

    /// The same for requests that stay open: nothing limits the time between two parts of an answer.
    pub async fn connect_to_follow(&self) -> anyhow::Result<Connection> {
        self.connect_for(None).await
    }

    /// The namespace, if a flag names it.
    pub fn named_namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// A flag that names a cluster, or a place in it, if one was given.
    pub fn given(&self) -> Option<&'static str> {
        let ClusterArgs { kubeconfig, context, namespace, user } = self;
        let given = [
            (kubeconfig.is_some(), "--kubeconfig"),
            (context.is_some(), "--context"),
            (namespace.is_some(), "--namespace"),
            (user.is_some(), "--as"),
        ];
        given.into_iter().find_map(|(is_given, flag)| is_given.then_some(flag))
    }

    async fn connect_for(&self, silence: Option<Duration>) -> anyhow::Result<Connection> {
        let (mut config, from) = self.config().await?;
        // A person waits.
        config.default_retry = false;
        config.connect_timeout = Some(CONNECT);
        // Each call has its own limit, which says more.
        config.read_timeout = silence.map(|silence| 2 * silence);
        if let Some(user) = &self.user {
            config.auth_info.impersonate = Some(user.clone());
        }
        let server = config.cluster_url.to_string();
        let namespace = self.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        // It becomes part of a path of the API.
        if !crate::api::is_object_name(&namespace) {
            let namespace = printable(&namespace, QUOTED);
            bail!("{namespace:?} is no name of a namespace: lower-case letters, digits and '-' only");
        }
        let client = Client::try_from(config)
            .map_err(|error| anyhow!("{from}: {}: it cannot be used to ask a cluster", root(&error)))?;
        Ok(Connection { client, namespace, server, from })
    }

    async fn config(&self) -> anyhow::Result<(Config, String)> {
        let (kubeconfig, from) = match (&self.kubeconfig, std::env::var_os("KUBECONFIG").filter(|all| !all.is_empty()))
        {
            (Some(file), _) => (read(file)?, file.display().to_string()),
            (None, Some(all)) => {
                let mut files = std::env::split_paths(&all).filter(|file| !file.as_os_str().is_empty()).peekable();
                let shown = all.to_string_lossy().into_owned();
                // Like kubectl: of several, those that are missing are passed over.
                let found: Vec<PathBuf> = files.by_ref().filter(|file| file.exists()).collect();
                if found.is_empty() {
                    bail!(
                        "there is no kubeconfig at {shown}, which KUBECONFIG names: set it to a file that is there, or name one with --kubeconfig FILE"
                    );
                }
                let mut merged = Kubeconfig::default();
                for file in &found {
                    merged = merged.merge(read(file)?).with_context(|| format!("KUBECONFIG={shown}"))?;
                }
                (merged, shown)
            }
            (None, None) => match home_config().filter(|file| file.exists()) {
                Some(file) => (read(&file)?, file.display().to_string()),
                None if self.context.is_none() && std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() => {
                    let config = Config::incluster().context("this pod's ServiceAccount cannot be used")?;
                    return Ok((config, "this pod's ServiceAccount".to_owned()));
                }
                None => bail!(
                    "there is no kubeconfig: KUBECONFIG is not set and ~/.kube/config does not exist; name one with --kubeconfig FILE"
                ),
            },
        };
        let name = self.context.clone().or_else(|| kubeconfig.current_context.clone()).filter(|name| !name.is_empty());
        let contexts: Vec<String> = kubeconfig.contexts.iter().map(|context| context.name.clone()).collect();
        let there_are = match contexts.as_slice() {
            [] => "it has none".to_owned(),
            some => format!("there are {}", printable(&some.join(", "), QUOTED)),
        };
        let Some(name) = name else {
            bail!("{from}: no context is current: name one with --context ({there_are})");
        };
        if !contexts.contains(&name) {
            bail!("{from}: there is no context {:?}: {there_are}", printable(&name, QUOTED));
        }
        let options = KubeConfigOptions { context: Some(name), ..KubeConfigOptions::default() };
        let config = Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .map_err(|error| anyhow!("{from}: {}", root(&error)))?;
        Ok((config, from))
    }
}

fn home_config() -> Option<PathBuf> {
    std::env::home_dir().map(|home| home.join(".kube").join("config"))
}

fn read(file: &Path) -> anyhow::Result<Kubeconfig> {
    let shown = file.display();
    if !file.exists() {
        bail!("there is no kubeconfig at {shown}: name one that is there with --kubeconfig FILE");
    }
    Kubeconfig::read_from(file)
        .map_err(|error| anyhow!("{shown} is no kubeconfig: {}", without_values(&lowest(&error))))
}

/// What is wrong with a file, and where, without what stands there: that may be a token.
fn without_values(error: &str) -> &str {
    let end = error.find(['\n', '"', '`']).unwrap_or(error.len());
    let kept = error[..end].trim_end_matches([' ', ':']);
    kept.strip_prefix("failed to parse kubeconfig YAML: ").unwrap_or(kept).trim_start_matches("error: ")
}

/// Why a call to the API server did not succeed.
#[derive(Debug)]
pub enum Refusal {
    /// The user has not the right.
    Forbidden(String),
    /// There is no such object, or no such kind of objects.
    NotFound(String),
    /// Anything else, in words.
    Other(String),
}

impl Connection {
    /// The API server's address.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// A call, with a limit of time and an error that says what to do. `what` is what is done, as in "list the sites".
    pub async fn call<T>(&self, what: &str, call: impl Future<Output = kube::Result<T>>) -> anyhow::Result<T> {
        self.ask(call).await.map_err(|refusal| self.said(what, refusal))
    }

    /// A call whose refusal the caller judges. That the cluster is away is an error.
    pub async fn ask<T>(&self, call: impl Future<Output = kube::Result<T>>) -> Result<T, Refusal> {
        let Ok(result) = tokio::time::timeout(ANSWER, call).await else {
            return Err(Refusal::Other(self.away(&format!("no answer within {} s", ANSWER.as_secs()))));
        };
        result.map_err(|error| match error {
            kube::Error::Api(status) if status.code == 401 => Refusal::Other(format!(
                "the API server {} does not know who asks (401): the credentials in {} are wrong or have expired; log in again",
                self.server, self.from
            )),
            kube::Error::Api(status) if status.code == 403 => Refusal::Forbidden(status.message),
            kube::Error::Api(status) if status.code == 404 => Refusal::NotFound(status.message),
            kube::Error::Api(status) => Refusal::Other(match status.message.is_empty() {
                true => format!("the API server answers {} {}", status.code, status.reason),
                false => status.message,
            }),
            kube::Error::Auth(error) => {
                Refusal::Other(format!("{}: the credentials cannot be had: {}", self.from, chain(&error)))
            }
            error @ (kube::Error::SerdeError(_) | kube::Error::HttpError(_) | kube::Error::BuildRequest(_)) => {
                Refusal::Other(format!("the answer of {} cannot be understood: {}", self.server, chain(&error)))
            }
            error => Refusal::Other(self.away(&root(&error))),
        })
    }

    fn away(&self, why: &str) -> String {
        format!(
            "the API server {} cannot be reached: {why}; is the cluster up, and is it the one that {} should name? `kubectl cluster-info` asks the same",
            self.server, self.from
        )
    }

    /// An error in words.
    pub fn said(&self, what: &str, refusal: Refusal) -> anyhow::Error {
        match refusal {
            Refusal::Forbidden(message) => anyhow!(
                "you may not {what}: {message}; somebody with the role admin can give you that: kubectl create rolebinding dialtone-view --clusterrole=view --user=YOU --namespace={}",
                self.namespace
            ),
            // A path that the API server does not know, in contrast to an object that is not there.
            Refusal::NotFound(message)
                if message.is_empty()
                    || message.contains("the server could not find")
                    || message.contains("404 page not found") =>
            {
                anyhow!(
                    "the cluster at {} has no PhoneSites and SipPhones: install dialtone there (helm install, see the README), or the definitions alone: dialtone crds | kubectl apply --server-side -f -",
                    self.server
                )
            }
            Refusal::NotFound(message) | Refusal::Other(message) => anyhow!("cannot {what}: {message}"),
        }
    }
}

/// The cause at the bottom of an error, which those above it only wrap.
fn root(error: &(dyn std::error::Error + 'static)) -> String {
    printable(&lowest(error), 2 * QUOTED)
}

fn lowest(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

/// All causes of an error that say something new.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut last = error;
    while let Some(source) = last.source() {
        let said = source.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        last = source;
    }
    printable(&text, 3 * QUOTED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_kubeconfig_is_said_without_what_stands_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        for text in [
            "users: [{name: a, user: {token: s3cret}}]\nclusters: [{name: a, cluster: {server: s3cret}\n",
            "apiVersion: v1\nusers: s3cret\n",
            "apiVersion: v1\nusers: [{name: a, user: {username: {s3cret: 1}, exec: s3cret}}]\n",
            "s3cret",
        ] {
            std::fs::write(&file, text).unwrap();
            let said = read(&file).unwrap_err().to_string();
            assert!(
                said.contains("is no kubeconfig: ") && !said.contains("s3cret") && !said.contains("u000a"),
                "{said}"
            );
        }
    }
}
