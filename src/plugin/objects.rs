//! What the commands read: sites and phones, each as far as it can be understood, in parts, so that no list is too long.

use std::fmt::Debug;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use kube::api::ListParams;
use kube::core::NamespaceResourceScope;
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

use crate::api::ConditionType;
use crate::connect::Connection;

/// How many objects one answer holds.
const PAGE: u32 = 500;

#[allow(missing_docs)] // It would become the description of the command.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub struct ScopeArgs {
    /// Look in all namespaces
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub(super) all_namespaces: bool,
}

/// Objects of one kind in a namespace, or in all.
pub(super) fn api<K>(cluster: &Connection, all: bool) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    match all {
        true => Api::all(cluster.client.clone()),
        false => Api::namespaced(cluster.client.clone(), &cluster.namespace),
    }
}

/// All objects of a kind.
pub(super) async fn list<K>(cluster: &Connection, api: &Api<K>, what: &str) -> anyhow::Result<Vec<K>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let mut found = Vec::new();
    let mut params = ListParams::default().limit(PAGE);
    loop {
        let page = cluster.call(&format!("list {what}"), api.list(&params)).await?;
        found.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(found),
        }
    }
}

/// The name of an object.
pub(super) fn name(meta: &ObjectMeta) -> &str {
    meta.name.as_deref().unwrap_or_default()
}

/// The namespace of an object.
pub(super) fn namespace(meta: &ObjectMeta) -> &str {
    meta.namespace.as_deref().unwrap_or_default()
}

/// When an object was made.
pub(super) fn created(meta: &ObjectMeta) -> Option<Timestamp> {
    meta.creation_timestamp.as_ref().map(|time| time.0)
}

/// A condition of a status.
pub(super) fn condition(conditions: &[Condition], kind: ConditionType) -> Option<&Condition> {
    conditions.iter().find(|condition| condition.type_ == kind.as_str())
}

/// Whether a condition holds, why or why not, and the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// Whether it holds.
    pub(super) holds: bool,
    /// The reason.
    pub(super) reason: String,
    /// The message.
    pub(super) message: String,
}

impl Standing {
    fn new(reason: &str, message: &str) -> Standing {
        Standing { holds: false, reason: reason.to_owned(), message: message.to_owned() }
    }

    /// What a status says of a condition; a status of an older spec says nothing.
    pub(super) fn of(
        meta: &ObjectMeta,
        observed: Option<i64>,
        conditions: &[Condition],
        kind: ConditionType,
    ) -> Standing {
        if observed.is_none_or(|observed| observed < 0) {
            let what = "no operator has looked at it yet; `kubectl dialtone check` says whether one runs";
            return Standing::new("NotObserved", what);
        }
        if meta.generation > observed {
            return Standing::new("NotObserved", "the operator has not looked at the newest spec yet");
        }
        match condition(conditions, kind) {
            Some(found) => {
                Standing { holds: found.status == "True", reason: found.reason.clone(), message: found.message.clone() }
            }
            None => Standing::new("Unknown", "the operator has not said it"),
        }
    }

    /// Of an object that this program cannot read.
    pub(super) fn undecodable(why: &str) -> Standing {
        Standing::new(
            "Undecodable",
            &format!(
                "this program cannot read it: {why}; is it of the same version as the cluster's definitions? `kubectl dialtone version` says"
            ),
        )
    }
}
