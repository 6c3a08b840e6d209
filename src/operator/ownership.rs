//! Whether a pod is one of its site's Deployment. Labels say nothing: whoever may make a pod may give it any, and would be told the
//! site's token, and believed what it reports.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use serde_json::Value;
use tokio::time::sleep;

use super::context::Context;
use super::kind::Kind;
use super::names::workload;
use crate::base::Backoff;
use crate::provision::Key;

/// The pauses between attempts to read a ReplicaSet.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(8));

/// The ReplicaSet that owns a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReplicaSet {
    key: Key,
    uid: String,
}

fn controller<'a>(meta: &'a ObjectMeta, kind: &str) -> Option<&'a OwnerReference> {
    let mut owners = meta.owner_references.iter().flatten();
    owners.find(|owner| owner.controller == Some(true) && owner.kind == kind && owner.api_version == "apps/v1")
}

/// The ReplicaSet that a pod says it belongs to, if it has the name of one of the site's Deployment.
pub(super) fn replica_set(pod: &ObjectMeta, site: &Key) -> Option<ReplicaSet> {
    let owner = controller(pod, Kind::ReplicaSet.as_str())?;
    let hash = owner.name.strip_prefix(&workload(&site.name))?.strip_prefix('-')?;
    (!hash.is_empty() && !hash.contains('-'))
        .then(|| ReplicaSet { key: site.sibling(&owner.name), uid: owner.uid.clone() })
}

/// Waits until it is known whether a pod's ReplicaSet is that of its site's Deployment; false too if the pod leaves meanwhile. The
/// ReplicaSet is read once for each pod.
pub(super) async fn is_confirmed(ctx: &Arc<Context>, site: &Key, pod: &Key, set: &ReplicaSet) -> bool {
    let mut attempt = 0_u32;
    while ctx.pods.contains(pod) {
        attempt = attempt.saturating_add(1);
        let deployment = ctx.children.get(Kind::Deployment, &site.sibling(workload(&site.name)));
        // Either may come later than the pod when the operator starts.
        if let (Some(deployment), Some(site_uid)) = (deployment, ctx.sites.uid(site)) {
            match ctx.cluster.metadata(Kind::ReplicaSet, &set.key).await {
                Ok(found) => return found.is_some_and(|found| belongs(&found, &set.uid, &deployment, &site_uid)),
                Err(error) => {
                    tracing::warn!(kind = "Pod", object = %pod, attempt, %error, "ReplicaSet {} of pod {pod} cannot be read, and the pod is not polled until it can: may the operator get replicasets?", set.key);
                }
            }
        }
        sleep(BACKOFF.after(attempt)).await;
    }
    false
}

/// Whether a ReplicaSet is the one that a pod names, its Deployment the one that was observed, and that the site's.
fn belongs(set: &ObjectMeta, uid: &str, deployment: &Value, site_uid: &str) -> bool {
    let is_same = set.uid.as_deref() == Some(uid);
    let owner = controller(set, Kind::Deployment.as_str());
    let is_of_deployment = owner.is_some_and(|owner| deployment["metadata"]["uid"] == owner.uid.as_str());
    let owners = deployment["metadata"]["ownerReferences"].as_array();
    let is_of_site = owners.into_iter().flatten().any(|owner| owner["controller"] == true && owner["uid"] == site_uid);
    is_same && is_of_deployment && is_of_site
}

/// What a pod holds does not count any more.
pub(super) fn remove(ctx: &Context, site: &Key, pod: &Key) {
    if ctx.pods.remove(pod) {
        ctx.update(|fleet| {
            fleet.set_cluster_addresses(ctx.pods.addresses());
            fleet.pod_ends(site, &pod.name);
        });
    }
}

/// A pod has a site's labels, and its Deployment did not make it: it is told nothing, and nothing that it says counts.
pub(super) fn refuse(ctx: &Context, site: &Key, pod: &Key) {
    remove(ctx, site, pod);
    if ctx.pods.note_stranger(pod) {
        tracing::warn!(kind = "Pod", object = %pod, %site, "pod {pod} has the labels of site {site} and is none of its Deployment: it is not polled; find out who made it");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::pods::Pod;
    use super::super::supervisor::supervised;
    use super::super::testing::FakeApi;
    use super::*;

    fn owned_by(kind: &str, name: &str, uid: &str) -> Value {
        json!([{"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": true}])
    }

    fn meta(owners: Value) -> ObjectMeta {
        serde_json::from_value(json!({"name": "pod", "namespace": "ns", "ownerReferences": owners})).unwrap()
    }

    #[test]
    fn labels_alone_make_no_pod_of_a_site() {
        let site = Key::new("ns", "hq");
        let of = |owners: Value| replica_set(&meta(owners), &site);
        assert_eq!(of(json!([])), None);
        assert_eq!(of(owned_by("ReplicaSet", "web-7c9f", "r1")), None);
        assert_eq!(of(owned_by("ReplicaSet", "dialtone-hq-2-7c9f", "r1")), None, "another site's");
        assert_eq!(of(owned_by("Job", "dialtone-hq-7c9f", "r1")), None);
        assert!(of(owned_by("ReplicaSet", "dialtone-hq-7c9f", "r1")).is_some());
    }

    #[tokio::test]
    async fn a_pod_is_confirmed_by_the_whole_chain_of_its_owners() {
        let (tasks, _supervisor) = supervised();
        let (api, ctx) = FakeApi::start(tasks).await;
        let (site, pod) = (Key::new("ns", "hq"), Key::new("ns", "pod"));
        ctx.sites.note_uid(&site, "s1".to_owned());
        let owners = json!([{"kind": "PhoneSite", "uid": "s1", "controller": true}]);
        let deployment = json!({"metadata": {"uid": "d1", "resourceVersion": "1", "ownerReferences": owners}});
        ctx.children.note(&site, Kind::Deployment, &site.sibling("dialtone-hq"), deployment);
        ctx.pods.note(&pod, Pod::at(&site, "10.0.0.1"));
        for (name, uid, deployment) in [("dialtone-hq-a", "r1", "d1"), ("dialtone-hq-b", "r2", "d2")] {
            let owners = owned_by("Deployment", "dialtone-hq", deployment);
            let set = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet",
                "metadata": {"name": name, "namespace": "ns", "uid": uid, "ownerReferences": owners}});
            api.hold(&format!("replicasets/{name}"), set);
        }
        let mut verdicts = Vec::new();
        for (name, uid) in
            [("dialtone-hq-a", "r1"), ("dialtone-hq-a", "forged"), ("dialtone-hq-b", "r2"), ("dialtone-hq-c", "r3")]
        {
            let set = replica_set(&meta(owned_by("ReplicaSet", name, uid)), &site).unwrap();
            verdicts.push(is_confirmed(&ctx, &site, &pod, &set).await);
        }
        assert_eq!(verdicts, [true, false, false, false]);
        ctx.sites.note_uid(&site, "s2".to_owned());
        let set = replica_set(&meta(owned_by("ReplicaSet", "dialtone-hq-a", "r1")), &site).unwrap();
        assert!(!is_confirmed(&ctx, &site, &pod, &set).await, "the Deployment is that of a site that was deleted");
    }
}
