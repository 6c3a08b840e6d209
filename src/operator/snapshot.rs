//! What a cluster holds at this moment, for commands that compare.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::ListParams;
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::cluster::read;
use crate::api::{PhoneSite, SipPhone};
use crate::connect::Connection;
use crate::manifests::Manifests;

/// All sites and phones of some namespaces with the Secrets and ConfigMaps that they refer to, as the kubeconfig's user may
/// read them. Secrets that may not be read are left out.
pub async fn objects(cluster: &Connection, namespaces: &BTreeSet<Arc<str>>) -> anyhow::Result<Manifests> {
    let mut manifests = Manifests::default();
    for namespace in namespaces {
        for object in list::<PhoneSite>(cluster, namespace, "list PhoneSites").await? {
            manifests.add("the cluster", object);
        }
        for object in list::<SipPhone>(cluster, namespace, "list SipPhones").await? {
            manifests.add("the cluster", object);
        }
    }
    let secrets: BTreeSet<_> = manifests.secret_keys().into_iter().map(|(key, _)| key).collect();
    for key in secrets {
        match read::<Secret>(&cluster.client, &key).await {
            Ok(Some(secret)) => manifests.add("the cluster", typed(&secret)?),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "Secret {key} cannot be read: changes of its values are not seen")
            }
        }
    }
    for key in manifests.map_keys() {
        if let Some(map) = read::<ConfigMap>(&cluster.client, &key).await? {
            manifests.add("the cluster", typed(&map)?);
        }
    }
    Ok(manifests)
}

async fn list<K>(cluster: &Connection, namespace: &str, what: &str) -> anyhow::Result<Vec<Value>>
where
    K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + Serialize
        + std::fmt::Debug,
{
    let api: Api<K> = Api::namespaced(cluster.client.clone(), namespace);
    let found = cluster.call(what, api.list(&ListParams::default())).await?;
    found.items.iter().map(typed).collect()
}

/// An object as JSON that says what it is; objects in a list do not.
fn typed<K: Resource<DynamicType = ()> + Serialize>(object: &K) -> anyhow::Result<Value> {
    let mut value = serde_json::to_value(object)?;
    value["apiVersion"] = K::api_version(&()).into_owned().into();
    value["kind"] = K::kind(&()).into_owned().into();
    Ok(value)
}
