//! What of dialtone a cluster has: its definitions and its operators.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::ListParams;
use serde::Serialize;

use super::logs::OPERATOR;
use super::objects::{name, namespace};
use crate::api::crd;
use crate::connect::{Connection, Refusal};

/// This program's version.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The commit that this program was built from, if its builder said so.
pub(super) fn commit() -> &'static str {
    option_env!("DIALTONE_COMMIT").filter(|commit| !commit.is_empty()).unwrap_or("unknown")
}

/// How a definition in the cluster stands to this program's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Definition {
    /// It is not there.
    Missing,
    /// It is there, and the API server does not serve it.
    NotEstablished,
    /// It is of another version.
    Differs,
    /// It is this program's.
    Same,
    /// It may not be read.
    Unknown,
}

/// One operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Operator {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) version: Option<String>,
    pub(super) image: String,
    pub(super) ready: i32,
    pub(super) wanted: i32,
    pub(super) service_account: String,
    /// The namespaces that it looks after; all if there are none.
    pub(super) namespaces: Vec<String>,
    /// Where the Lease of one for all namespaces is.
    pub(super) lease_namespace: String,
}

/// The definitions of both kinds, each with its name.
pub(super) async fn definitions(cluster: &Connection) -> anyhow::Result<Vec<(String, Definition)>> {
    let api: Api<CustomResourceDefinition> = Api::all(cluster.client.clone());
    let mut all = Vec::new();
    for own in crd::all() {
        let crd_name = name(&own.metadata).to_owned();
        let found = match cluster.ask(api.get_opt(&crd_name)).await {
            Ok(Some(found)) => compare(&found, &own),
            Ok(None) => Definition::Missing,
            Err(Refusal::Forbidden(_)) => Definition::Unknown,
            Err(refusal) => return Err(cluster.said(&format!("read the definition {crd_name}"), refusal)),
        };
        all.push((crd_name, found));
    }
    Ok(all)
}

fn compare(found: &CustomResourceDefinition, own: &CustomResourceDefinition) -> Definition {
    let conditions = found.status.as_ref().and_then(|status| status.conditions.as_ref());
    let established = conditions.into_iter().flatten().any(|one| one.type_ == "Established" && one.status == "True");
    let shape = |crd: &CustomResourceDefinition| serde_json::to_value(&crd.spec.versions).ok();
    match (established, shape(found) == shape(own)) {
        (false, _) => Definition::NotEstablished,
        (true, true) => Definition::Same,
        (true, false) => Definition::Differs,
    }
}

/// The operators; an error if they may not be listed.
pub(super) async fn operators(cluster: &Connection) -> Result<Vec<Operator>, Refusal> {
    let api: Api<Deployment> = Api::all(cluster.client.clone());
    let found = cluster.ask(api.list(&ListParams::default().labels(OPERATOR))).await?;
    Ok(found.items.iter().map(operator).collect())
}

fn operator(deployment: &Deployment) -> Operator {
    let (meta, spec) = (&deployment.metadata, &deployment.spec);
    let pod = spec.template.spec.as_ref();
    let container = pod.and_then(|pod| pod.containers.first());
    let variable = |wanted: &str| {
        let all = container.and_then(|container| container.env.as_ref());
        all.into_iter().flatten().find(|one| one.name == wanted).and_then(|one| one.value.clone())
    };
    let labels = meta.labels.as_ref();
    Operator {
        namespace: namespace(meta).to_owned(),
        name: name(meta).to_owned(),
        version: labels.and_then(|labels| labels.get("app.kubernetes.io/version")).cloned(),
        image: container.and_then(|container| container.image.clone()).unwrap_or_default(),
        ready: deployment.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or(0),
        wanted: spec.replicas.unwrap_or(1),
        service_account: pod.and_then(|pod| pod.service_account_name.clone()).unwrap_or_else(|| "default".to_owned()),
        lease_namespace: variable("DIALTONE_LEASE_NAMESPACE").unwrap_or_else(|| "kube-system".to_owned()),
        namespaces: variable("DIALTONE_NAMESPACES")
            .map(|all| all.split(',').filter(|one| !one.is_empty()).map(str::to_owned).collect())
            .unwrap_or_default(),
    }
}
