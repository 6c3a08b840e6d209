//! What a cluster holds at this moment, for commands that compare.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::ListParams;
use kube::config::KubeConfigOptions;
use kube::{Api, Client, Config, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::cluster::read;
use crate::api::{PhoneSite, SipPhone};
use crate::manifests::Manifests;

/// All sites and phones of some namespaces with the Secrets and ConfigMaps that they refer to, as the kubeconfig's user may
/// read them. Secrets that may not be read are left out.
pub async fn objects(context: Option<String>, namespaces: &BTreeSet<Arc<str>>) -> anyhow::Result<Manifests> {
    let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
    let config = match options.context {
        Some(_) => Config::from_kubeconfig(&options).await?,
        None => Config::infer().await?,
    };
    let client = Client::try_from(config)?;
    let mut manifests = Manifests::default();
    for namespace in namespaces {
        for object in
            list::<PhoneSite>(&client, namespace).await?.into_iter().chain(list::<SipPhone>(&client, namespace).await?)
        {
            manifests.add("the cluster", object);
        }
    }
    let secrets: BTreeSet<_> = manifests.secret_keys().into_iter().map(|(key, _)| key).collect();
    for key in secrets {
        match read::<Secret>(&client, &key).await {
            Ok(Some(secret)) => manifests.add("the cluster", typed(&secret)?),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "Secret {key} cannot be read: changes of its values are not seen")
            }
        }
    }
    for key in manifests.map_keys() {
        if let Some(map) = read::<ConfigMap>(&client, &key).await? {
            manifests.add("the cluster", typed(&map)?);
        }
    }
    Ok(manifests)
}

async fn list<K>(client: &Client, namespace: &str) -> anyhow::Result<Vec<Value>>
where
    K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + Serialize
        + std::fmt::Debug,
{
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    api.list(&ListParams::default()).await?.items.iter().map(typed).collect()
}

/// An object as JSON that says what it is; objects in a list do not.
fn typed<K: Resource<DynamicType = ()> + Serialize>(object: &K) -> anyhow::Result<Value> {
    let mut value = serde_json::to_value(object)?;
    value["apiVersion"] = K::api_version(&()).into_owned().into();
    value["kind"] = K::kind(&()).into_owned().into();
    Ok(value)
}
