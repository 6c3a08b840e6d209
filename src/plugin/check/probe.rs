//! What is read of a cluster, as far as the user may read it.

use futures::stream::{self, StreamExt as _};
use jiff::Timestamp;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec, SubjectAccessReview,
    SubjectAccessReviewSpec, SubjectAccessReviewStatus,
};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, Service};
use kube::Api;
use kube::api::{ListParams, PostParams};

use super::super::install::{Definition, Operator, definitions, operators};
use super::super::objects::{api, list};
use crate::connect::{Connection, Refusal};
use crate::operator::trimmed::TrimmedSite;

/// How many questions are under way at a time.
const AT_ONCE: usize = 8;

/// A right: verb, group, resource with its part, and what needs it.
pub(super) type Right = (&'static str, &'static str, &'static str, &'static str);

/// What people need for the plugin's own commands.
const PERSON: &[Right] = &[
    ("list", "dialtone.dev", "phonesites", "status"),
    ("watch", "dialtone.dev", "phonesites", "status --watch"),
    ("list", "dialtone.dev", "sipphones", "status, phone"),
    ("patch", "dialtone.dev", "sipphones", "resync"),
    ("create", "dialtone.dev", "sipphones", "kubectl apply"),
    ("get", "", "pods/log", "logs"),
    ("list", "", "events", "phone"),
];

/// What the operator cannot do without, in a namespace with sites.
const NEEDED: &[Right] = &[
    ("watch", "dialtone.dev", "phonesites", "sites"),
    ("watch", "dialtone.dev", "sipphones", "phones"),
    ("patch", "dialtone.dev", "phonesites/status", "statuses"),
    ("patch", "dialtone.dev", "sipphones/status", "statuses"),
    ("patch", "", "configmaps", "files"),
    ("patch", "", "secrets", "files with passwords"),
    ("patch", "", "services", "the address"),
    ("patch", "apps", "deployments", "TFTP pods"),
    ("patch", "networking.k8s.io", "networkpolicies", "TFTP pods"),
    ("patch", "", "pods", "files on time"),
];

/// A site, as far as its surroundings matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Site {
    pub(super) name: String,
    pub(super) host_network: bool,
    pub(super) address: Option<String>,
    /// Why it is not ready, if its address is the reason.
    pub(super) no_address: bool,
    pub(super) phones: i64,
    /// How many phones fetched something, or ask undeclared.
    pub(super) heard: i64,
}

/// The Lease by which operators agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Leader {
    pub(super) holder: Option<String>,
    /// How many seconds ago it was renewed.
    pub(super) renewed: Option<i64>,
}

/// All that was read. What is `None` may not be read.
// Many fields because each is one that is judged.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) server: String,
    pub(super) namespace: String,
    pub(super) kubernetes: String,
    pub(super) minor: Option<u32>,
    pub(super) definitions: Vec<(String, Definition)>,
    pub(super) operators: Option<Vec<Operator>>,
    pub(super) leader: Option<Option<Leader>>,
    /// Those that the person has not.
    pub(super) person_lacks: Vec<Right>,
    /// Those that an operator has not.
    pub(super) operator_lacks: Option<Vec<Right>>,
    pub(super) pod_security: Option<Option<String>>,
    pub(super) sites: Option<Vec<Site>>,
    pub(super) balancers: Balancers,
}

/// Who gives addresses to Services.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Balancers {
    /// The API groups of load balancers that the cluster knows.
    pub(super) groups: Vec<String>,
    /// Whether some Service has got an address, of how many that want one; `None` if they may not be listed.
    pub(super) given: Option<(usize, usize)>,
}

/// API groups whose presence says that a load balancer is installed.
const BALANCERS: &[&str] = &[
    "metallb.io",
    "cilium.io",
    "kube-vip.io",
    "loxilb.io",
    "purelb.io",
    "lb.projectcalico.org",
    "network.harvesterhci.io",
];

/// Reads everything.
pub(super) async fn probe(cluster: &Connection) -> anyhow::Result<Facts> {
    let version = cluster.call("read the API server's version", cluster.client.apiserver_version()).await?;
    let definitions = definitions(cluster).await?;
    let operators = operators(cluster).await.ok();
    let is_installed = definitions.iter().all(|(_, one)| !matches!(one, Definition::Missing));
    let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
    let namespace = cluster.ask(namespaces.get(&cluster.namespace)).await;
    let sites = match is_installed {
        true => list::<TrimmedSite>(cluster, &api(cluster, false), "PhoneSites").await.ok(),
        false => None,
    };
    Ok(Facts {
        server: cluster.server().to_owned(),
        namespace: cluster.namespace.clone(),
        minor: version.minor.trim_end_matches('+').parse().ok(),
        kubernetes: version.git_version,
        leader: leader(cluster, operators.as_deref()).await,
        person_lacks: lacks(cluster, PERSON, None).await.unwrap_or_default(),
        operator_lacks: match operators.as_deref().and_then(|all| looks_after(all, &cluster.namespace)) {
            Some(operator) => lacks(cluster, NEEDED, Some(operator)).await,
            None => None,
        },
        pod_security: namespace.ok().map(|namespace| {
            let labels = namespace.metadata.labels.unwrap_or_default();
            labels.get("pod-security.kubernetes.io/enforce").cloned()
        }),
        sites: sites.map(|sites| sites.iter().filter_map(site).collect()),
        balancers: balancers(cluster).await,
        definitions,
        operators,
    })
}

/// The operator that looks after a namespace.
pub(super) fn looks_after<'a>(operators: &'a [Operator], namespace: &str) -> Option<&'a Operator> {
    operators.iter().find(|one| one.namespaces.is_empty() || one.namespaces.iter().any(|own| own == namespace))
}

fn site(site: &TrimmedSite) -> Option<Site> {
    let (spec, status) = (site.spec.0.as_ref().ok()?, site.status.0.as_ref().ok()?);
    let phones = status.phones.clone().unwrap_or_default();
    Some(Site {
        name: site.metadata.name.clone()?,
        host_network: spec.tftp.as_ref().is_some_and(|tftp| tftp.host_network),
        address: status.address.clone(),
        no_address: status.conditions.iter().any(|one| one.type_ == "Ready" && one.reason == "AddressPending"),
        phones: phones.total,
        heard: phones.in_sync + status.unclaimed_count.unwrap_or_default(),
    })
}

/// The Lease, where an operator for all namespaces has it; what it says is absent if there is none.
async fn leader(cluster: &Connection, operators: Option<&[Operator]>) -> Option<Option<Leader>> {
    let operator = looks_after(operators?, &cluster.namespace)?;
    let (space, name) = match operator.namespaces.is_empty() {
        true => (&*operator.lease_namespace, "dialtone-cluster"),
        false => (&*cluster.namespace, "dialtone"),
    };
    let leases: Api<Lease> = Api::namespaced(cluster.client.clone(), space);
    let lease = cluster.ask(leases.get_opt(name)).await.ok()?;
    Some(lease.map(|lease| {
        let spec = lease.spec.unwrap_or_default();
        let now = Timestamp::now().as_second();
        Leader {
            holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
            renewed: spec.renew_time.map(|time| now - time.0.as_second()),
        }
    }))
}

/// Which rights the user has not, or the operator; `None` if that may not be asked.
async fn lacks(cluster: &Connection, rights: &[Right], operator: Option<&Operator>) -> Option<Vec<Right>> {
    let user = operator.map(|one| format!("system:serviceaccount:{}:{}", one.namespace, one.service_account));
    let questions = rights.iter().map(|right| {
        let user = user.clone();
        async move { (*right, may(cluster, *right, user).await) }
    });
    let answers: Vec<(Right, Option<bool>)> = stream::iter(questions).buffered(AT_ONCE).collect().await;
    let mut missing = Vec::new();
    for (right, answer) in answers {
        if !answer? {
            missing.push(right);
        }
    }
    Some(missing)
}

async fn may(cluster: &Connection, (verb, group, resource, _): Right, user: Option<String>) -> Option<bool> {
    let (resource, part) = resource.split_once('/').map_or((resource, None), |(resource, part)| (resource, Some(part)));
    let attributes = ResourceAttributes {
        namespace: Some(cluster.namespace.clone()),
        verb: Some(verb.to_owned()),
        group: Some(group.to_owned()),
        resource: Some(resource.to_owned()),
        subresource: part.map(str::to_owned),
        ..ResourceAttributes::default()
    };
    let status: Result<Option<SubjectAccessReviewStatus>, Refusal> = match user {
        None => {
            let review = SelfSubjectAccessReview {
                spec: SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..Default::default() },
                ..Default::default()
            };
            let api: Api<SelfSubjectAccessReview> = Api::all(cluster.client.clone());
            cluster.ask(api.create(&PostParams::default(), &review)).await.map(|review| review.status)
        }
        Some(user) => {
            let spec = SubjectAccessReviewSpec {
                resource_attributes: Some(attributes),
                user: Some(user),
                groups: Some(vec!["system:serviceaccounts".to_owned(), "system:authenticated".to_owned()]),
                ..Default::default()
            };
            let review = SubjectAccessReview { spec, ..Default::default() };
            let api: Api<SubjectAccessReview> = Api::all(cluster.client.clone());
            cluster.ask(api.create(&PostParams::default(), &review)).await.map(|review| review.status)
        }
    };
    Some(status.ok()??.allowed)
}

async fn balancers(cluster: &Connection) -> Balancers {
    let groups = cluster.ask(cluster.client.list_api_groups()).await.map(|all| all.groups).unwrap_or_default();
    let groups: Vec<String> =
        groups.into_iter().map(|group| group.name).filter(|name| BALANCERS.contains(&name.as_str())).collect();
    let services: Api<Service> = Api::all(cluster.client.clone());
    let services = cluster.ask(services.list(&ListParams::default())).await;
    let given = services.ok().map(|all| {
        let wants =
            |service: &&Service| service.spec.as_ref().and_then(|spec| spec.type_.as_deref()) == Some("LoadBalancer");
        let has = |service: &&Service| {
            let status = service.status.as_ref().and_then(|status| status.load_balancer.as_ref());
            status.and_then(|balancer| balancer.ingress.as_ref()).is_some_and(|all| !all.is_empty())
        };
        let wanting: Vec<&Service> = all.items.iter().filter(wants).collect();
        (wanting.iter().copied().filter(|service| has(service)).count(), wanting.len())
    });
    Balancers { groups, given }
}
