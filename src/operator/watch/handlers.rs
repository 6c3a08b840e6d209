//! What is done about sites, phones, their pods, their owned objects, and what they refer to.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod as CorePod, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::DynamicObject;
use kube::core::PartialObjectMeta;

use super::shards::note_other;
use super::{Deleted, Handler, key_of, site_of, version};
use crate::api::RESYNC_AT;
use crate::operator::children::Observed;
use crate::operator::context::Context;
use crate::operator::kind::Kind;
use crate::operator::names::{FILES, parse_workload};
use crate::operator::pods::Pod;
use crate::operator::trimmed::{TrimmedPhone, TrimmedSite, Undecodable};
use crate::operator::{missing_pods, owned, ownership, poll, token};
use crate::provision::{Key, Meta, Reference, WorkItem};

/// PhoneSites.
pub(super) struct Sites;

impl Handler<TrimmedSite> for Sites {
    fn on_apply(&self, ctx: &Arc<Context>, site: TrimmedSite) -> Result<(), Undecodable> {
        if site.metadata.deletion_timestamp.is_some() {
            // Under foreground deletion it exists until everything that it owns is gone: nothing of that is made again.
            self.on_delete(ctx, Deleted::of(&site.metadata));
            return Ok(());
        }
        // A status is this program's own: one that it cannot read is written anew.
        let meta = meta_of(&site.metadata);
        let key = meta.key.clone();
        let cannot = |error: &Undecodable| ctx.update(|fleet| fleet.hold_site(meta.clone(), &error.to_string()));
        let spec = site.spec.decoded().inspect_err(cannot)?;
        let status = site.status.decoded().unwrap_or_default();
        let uid = site.metadata.uid.unwrap_or_default();
        let known = ctx.sites.uid(&key);
        if known.as_ref().is_some_and(|known| *known != uid) {
            // Deleted and created anew while the watch was broken: nothing of the old one belongs to it, not even its token.
            ctx.forget_site(&key);
        }
        let is_new = known.is_none_or(|known| known != uid);
        ctx.sites.note_uid(&key, uid);
        ctx.update(|fleet| fleet.apply_site(meta, spec, status));
        token::take(ctx, &key);
        for slot in if is_new { ctx.children.slots_of(&key) } else { Vec::new() } {
            // They may be those of somebody else.
            ctx.queue.add(WorkItem::Shard(key.clone(), slot), Duration::ZERO);
        }
        Ok(())
    }

    fn on_delete(&self, ctx: &Arc<Context>, deleted: Deleted) {
        ctx.forget_site(&deleted.key);
    }
}

/// SipPhones.
pub(super) struct Phones;

impl Handler<TrimmedPhone> for Phones {
    fn on_apply(&self, ctx: &Arc<Context>, phone: TrimmedPhone) -> Result<(), Undecodable> {
        if phone.metadata.deletion_timestamp.is_some() {
            self.on_delete(ctx, Deleted::of(&phone.metadata));
            return Ok(());
        }
        let (spec, status) = (phone.spec.decoded(), phone.status.decoded().unwrap_or_default());
        let meta = meta_of(&phone.metadata);
        ctx.update(|fleet| match spec {
            Ok(spec) => {
                fleet.apply_phone(meta, spec, status);
                Ok(())
            }
            // It is there, and so is its file, also after a restart.
            Err(error) => {
                fleet.hold_phone(meta, status, &error.to_string());
                Err(error)
            }
        })
    }

    fn on_delete(&self, ctx: &Arc<Context>, deleted: Deleted) {
        ctx.update(|fleet| fleet.delete_phone(&deleted.key));
    }
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

/// The pods of sites.
pub(super) struct TftpPods;

impl Handler<CorePod> for TftpPods {
    fn on_apply(&self, ctx: &Arc<Context>, pod: CorePod) -> Result<(), Undecodable> {
        let Some(site) = site_of(&pod.metadata) else { return Ok(()) };
        let key = key_of(&pod.metadata);
        let Some(owner) = ownership::replica_set(&pod.metadata, &site) else {
            ownership::refuse(ctx, &site, &key);
            return Ok(());
        };
        if ctx.pods.note_trouble(&key, &site, missing_pods::of_pod(&pod)) {
            ctx.queue.add(WorkItem::Objects(site.clone()), Duration::ZERO);
        }
        let status = pod.status.unwrap_or_default();
        let addresses = addresses(&status);
        let runs = status.phase.as_deref() == Some("Running") && pod.metadata.deletion_timestamp.is_none();
        let Some(ip) = status.pod_ip.filter(|ip| runs && !ip.is_empty()) else {
            ownership::remove(ctx, &site, &key);
            return Ok(());
        };
        let nudge = pod.metadata.annotations.as_ref().and_then(|all| all.get(FILES)).cloned();
        // Phones reach a node by IPv4.
        let mut hosts = status.host_ips.iter().flatten().map(|one| &one.ip).chain(&status.host_ip);
        let host = hosts.find(|ip| ip.parse::<Ipv4Addr>().is_ok()).cloned();
        let pod = Pod { site: site.clone(), ip: ip.clone(), addresses, host, nudge };
        if ctx.pods.note(&key, pod) {
            ctx.update(|fleet| {
                fleet.set_cluster_addresses(ctx.pods.addresses());
                fleet.pod_runs(&site, &key.name);
            });
            poll::start(ctx, &site, &key, &ip, owner);
            ctx.queue.add(WorkItem::Objects(site), Duration::ZERO);
        }
        Ok(())
    }

    fn on_delete(&self, ctx: &Arc<Context>, deleted: Deleted) {
        let had_trouble = ctx.pods.forget(&deleted.key);
        if let Some(site) = deleted.site() {
            if had_trouble {
                ctx.queue.add(WorkItem::Objects(site.clone()), Duration::ZERO);
            }
            ownership::remove(ctx, &site, &deleted.key);
        }
    }
}

/// The addresses of a pod and of its node.
fn addresses(status: &PodStatus) -> Vec<IpAddr> {
    let pod = status.pod_ips.iter().flatten().map(|one| one.ip.as_str()).chain(status.pod_ip.as_deref());
    let host = status.host_ips.iter().flatten().map(|one| one.ip.as_str()).chain(status.host_ip.as_deref());
    pod.chain(host).filter_map(|ip| ip.parse().ok()).collect()
}

/// Secrets or ConfigMaps that the operator did not make: those that the fleet refers to are read.
pub(super) struct References(pub(super) Reference);

impl<K: Send + 'static> Handler<PartialObjectMeta<K>> for References {
    fn on_apply(&self, ctx: &Arc<Context>, object: PartialObjectMeta<K>) -> Result<(), Undecodable> {
        let key = key_of(&object.metadata);
        let version = version(&object.metadata);
        note_other(ctx, self.0 == Reference::Secret, &key, Some(Observed::unread(object.metadata)), version);
        self.read(ctx, key);
        Ok(())
    }

    fn on_delete(&self, ctx: &Arc<Context>, deleted: Deleted) {
        note_other(ctx, self.0 == Reference::Secret, &deleted.key, None, deleted.version);
        self.read(ctx, deleted.key);
    }
}

impl References {
    fn read(&self, ctx: &Context, key: Key) {
        // A start reads what is referred to once all watches have listed. It takes a while, and what changes meanwhile waits in the
        // queue.
        if ctx.initial_sync.has_listed() && ctx.read(|fleet| fleet.refers_to(self.0, &key)) {
            ctx.queue.add(WorkItem::Read(self.0, key), Duration::ZERO);
        }
    }
}

/// One kind of the sites' owned objects, apart from those with files.
pub(super) struct Children(pub(super) Kind);

impl Handler<DynamicObject> for Children {
    fn on_apply(&self, ctx: &Arc<Context>, object: DynamicObject) -> Result<(), Undecodable> {
        let key = key_of(&object.metadata);
        let labelled = site_of(&object.metadata);
        let named = parse_workload(&key.name).map(|site| key.sibling(site));
        // Where the label was taken away the name still says it.
        let Some(site) = labelled.clone().or_else(|| named.clone()) else { return Ok(()) };
        let mut object = serde_json::to_value(&object).unwrap_or_default();
        // Objects in a list do not have their type.
        owned::set_type(self.0, &mut object);
        if ctx.children.note(&site, self.0, &key, object) && ctx.initial_sync.is_done() {
            look_at(ctx, labelled, named);
        }
        Ok(())
    }

    fn on_delete(&self, ctx: &Arc<Context>, deleted: Deleted) {
        ctx.children.forget(self.0, &deleted.key, deleted.version);
        let named = parse_workload(&deleted.key.name).map(|site| deleted.key.sibling(site));
        let labelled = deleted.site();
        labelled.iter().chain(&named).for_each(|site| ctx.note_gone(site, self.0, &deleted.key));
        look_at(ctx, labelled, named);
    }
}

/// Has the objects looked at of the site that a label names, and of the one that the object's name does.
fn look_at(ctx: &Context, labelled: Option<Key>, named: Option<Key>) {
    for site in labelled.into_iter().chain(named) {
        ctx.queue.add(WorkItem::Objects(site), Duration::ZERO);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::operator::supervisor::supervised;
    use crate::operator::testing::context;

    #[tokio::test]
    async fn a_secret_that_changes_while_the_operator_starts_is_read_again() {
        let (tasks, _supervisor) = supervised();
        let ctx = context(tasks);
        let spec = json!({"settings": {"phonePasswordSecretRef": {"name": "s", "key": "p"}}});
        let object = json!({"metadata": {"name": "hq", "namespace": "ns", "uid": "1"}, "spec": spec});
        Sites.on_apply(&ctx, serde_json::from_value(object).unwrap()).unwrap();
        ctx.update(|fleet| fleet.settle());
        let secret = || -> PartialObjectMeta<k8s_openapi::api::core::v1::Secret> {
            serde_json::from_value(json!({"metadata": {"name": "s", "namespace": "ns"}})).unwrap()
        };
        References(Reference::Secret).on_apply(&ctx, secret()).unwrap();
        assert!(ctx.queue.is_empty(), "all that is referred to is about to be read");
        ctx.initial_sync.take();
        References(Reference::Secret).on_apply(&ctx, secret()).unwrap();
        assert_eq!(ctx.queue.next().await, WorkItem::Read(Reference::Secret, Key::new("ns", "s")));
    }

    #[tokio::test]
    async fn a_phone_that_cannot_be_decoded_is_known_and_says_so() {
        let (tasks, _supervisor) = supervised();
        let ctx = context(tasks);
        let phone = |model: &str| -> TrimmedPhone {
            let spec = json!({"siteRef": {"name": "hq"}, "mac": "000A8A123456", "model": model});
            serde_json::from_value(json!({"metadata": {"name": "p", "namespace": "ns", "generation": 2}, "spec": spec}))
                .unwrap()
        };
        assert!(Phones.on_apply(&ctx, phone("7941")).is_err());
        let said = |ctx: &Context| {
            ctx.update(|fleet| fleet.settle());
            ctx.read(|fleet| {
                fleet.findings().flat_map(|(_, _, found)| found).map(ToString::to_string).collect::<Vec<_>>()
            })
        };
        let found = said(&ctx);
        assert!(
            found.len() == 1 && found[0].starts_with("spec: cannot be decoded") && found[0].contains("7941"),
            "{found:?}"
        );
        assert!(Phones.on_apply(&ctx, phone("7940")).is_ok());
        assert!(said(&ctx).iter().all(|one| !one.contains("decoded")));
    }

    #[tokio::test]
    async fn a_site_that_cannot_be_decoded_says_so_and_a_phone_of_one_that_never_could_says_why() {
        let (tasks, _supervisor) = supervised();
        let ctx = context(tasks);
        let site = |generation: i64, spec: Value| -> TrimmedSite {
            let meta = json!({"name": "hq", "namespace": "ns", "uid": "1", "generation": generation});
            serde_json::from_value(json!({"metadata": meta, "spec": spec})).unwrap()
        };
        let phone = json!({"metadata": {"name": "p", "namespace": "ns"},
            "spec": {"siteRef": {"name": "hq"}, "mac": "000A8A123456", "model": "7940", "lines": [{"name": "1"}]}});
        Phones.on_apply(&ctx, serde_json::from_value(phone).unwrap()).unwrap();
        let errors = |ctx: &Context| {
            ctx.update(|fleet| fleet.settle());
            ctx.read(|fleet| {
                let found = fleet.findings().flat_map(|(kind, _, found)| found.iter().map(move |one| (kind, one)));
                let errors = found.filter(|(_, one)| one.is_error());
                errors.map(|(kind, one)| format!("{kind} {one}")).collect::<Vec<_>>()
            })
        };
        assert!(Sites.on_apply(&ctx, site(1, json!({"suspend": "no"}))).is_err());
        let said = errors(&ctx);
        assert!(
            said.len() == 1
                && said[0].starts_with("SipPhone spec.siteRef.name: PhoneSite hq cannot be read: cannot be decoded"),
            "{said:?}"
        );
        assert!(said[0].contains("a boolean") && said[0].ends_with("[SiteInvalid]"), "{said:?}");
        assert!(Sites.on_apply(&ctx, site(2, json!({}))).is_ok());
        assert_eq!(errors(&ctx), [""; 0]);
        assert!(Sites.on_apply(&ctx, site(3, json!({"suspend": "no"}))).is_err());
        let said = errors(&ctx);
        assert!(said.len() == 1 && said[0].starts_with("PhoneSite spec: cannot be decoded"), "{said:?}");
        assert!(Sites.on_apply(&ctx, site(4, json!({}))).is_ok());
        assert_eq!(errors(&ctx), [""; 0]);
    }

    fn site(uid: &str, more: Value) -> TrimmedSite {
        let mut object = json!({"metadata": {"name": "hq", "namespace": "ns", "uid": uid}});
        object["metadata"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(object).unwrap()
    }

    #[tokio::test]
    async fn a_pod_with_the_labels_of_a_site_and_no_owner_is_told_nothing_and_said_once() {
        let logs = crate::operator::testing::Logs::capture();
        let (tasks, _supervisor) = supervised();
        let (ctx, key) = (context(tasks), Key::new("ns", "hq"));
        Sites.on_apply(&ctx, site("1", json!({}))).unwrap();
        ctx.sites.note_secret(&key, "token", "key");
        let labels = json!({"app.kubernetes.io/managed-by": "dialtone", "dialtone.dev/site": "hq"});
        let stranger = json!({"metadata": {"name": "stranger", "namespace": "ns", "labels": labels},
            "status": {"phase": "Running", "podIP": "10.0.0.66", "hostIP": "10.0.0.1"}});
        for _ in 0..3 {
            TftpPods.on_apply(&ctx, serde_json::from_value(stranger.clone()).unwrap()).unwrap();
        }
        assert!(!ctx.pods.contains(&Key::new("ns", "stranger")) && ctx.pods.silent().is_empty());
        let lines = logs.lines();
        assert_eq!(lines.iter().filter(|line| line.contains("none of its Deployment")).count(), 1, "{lines:?}");
    }

    #[tokio::test]
    async fn of_objects_of_a_site_that_is_not_there_nothing_stays_when_they_are_gone() {
        let (tasks, _supervisor) = supervised();
        let (ctx, kind) = (context(tasks), Kind::Service);
        let key = Key::new("ns", "dialtone-invented");
        let site = json!({"kind": "PhoneSite", "apiVersion": "dialtone.dev/v1alpha1", "name": "invented", "uid": "0"});
        let object = json!({"metadata": {"name": "dialtone-invented", "namespace": "ns", "uid": "9", "resourceVersion": "5",
            "ownerReferences": [site]}});
        for (uid, stays) in [(None, 0), (Some("0"), 1)] {
            uid.into_iter().for_each(|uid| ctx.sites.note_uid(&Key::new("ns", "invented"), uid.to_owned()));
            Children(kind).on_apply(&ctx, serde_json::from_value(object.clone()).unwrap()).unwrap();
            assert_eq!(ctx.children.owners(), 1);
            Children(kind).on_delete(&ctx, Deleted { key: key.clone(), site: None, version: 6 });
            assert_eq!(ctx.children.owners(), stays);
        }
    }

    #[tokio::test]
    async fn a_site_that_was_created_anew_has_nothing_of_the_old_one() {
        let (tasks, _supervisor) = supervised();
        let (ctx, key) = (context(tasks), Key::new("ns", "hq"));
        Sites.on_apply(&ctx, site("1", json!({}))).unwrap();
        ctx.sites.note_secret(&key, "token", "key");
        Sites.on_apply(&ctx, site("1", json!({}))).unwrap();
        assert_eq!(ctx.sites.token(&key).as_deref(), Some("token"));
        Sites.on_apply(&ctx, site("2", json!({}))).unwrap();
        assert_eq!((ctx.sites.uid(&key).as_deref(), ctx.sites.token(&key)), (Some("2"), None));
        assert_eq!(ctx.read(|fleet| fleet.sites().count()), 1);
        Sites.on_apply(&ctx, site("2", json!({"deletionTimestamp": "2026-01-02T03:04:05Z"}))).unwrap();
        assert_eq!((ctx.sites.uid(&key), ctx.read(|fleet| fleet.sites().count())), (None, 0));
    }
}
