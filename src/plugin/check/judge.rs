//! What follows from what was read of a cluster: pure.

use super::super::dhcp;
use super::super::install::{Definition, VERSION};
use super::super::layout::count;
use super::super::version::in_words;
use super::probe::{Balancers, Facts, Right, looks_after};
use super::{Finding, Mark};
use crate::base::terminal::{BAD, DOUBTFUL};

/// The oldest API server that knows all that the definitions use: fields that can be selected by.
const OLDEST: u32 = 31;
/// After how many seconds without renewal a Lease is over.
const LEASE: i64 = 30;

/// All findings, in the order in which a person would look.
pub(super) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut all = Vec::new();
    let mut say = |mark, about, message: String| all.push(Finding { mark, about, message });
    match facts.minor {
        Some(minor) if minor < OLDEST => {
            say(
                Mark::Bad,
                "API server",
                format!("{} at {}: dialtone needs 1.{OLDEST} or later", facts.kubernetes, facts.server),
            );
        }
        _ => say(Mark::Good, "API server", format!("{} at {}", facts.kubernetes, facts.server)),
    }
    for (name, definition) in &facts.definitions {
        let (mark, todo) = match definition {
            Definition::Same => (Mark::Good, ""),
            Definition::Missing => {
                (Mark::Bad, "; helm install does it, or: dialtone crds | kubectl apply --server-side -f -")
            }
            Definition::NotEstablished => (Mark::Bad, "; kubectl describe crd says why"),
            Definition::Differs => (Mark::Doubtful, "; upgrade the older of the two: the chart, or this program"),
            Definition::Unknown => (Mark::Unknown, ""),
        };
        say(mark, "definition", format!("{name} is {}{todo}", in_words(*definition)));
    }
    operators(facts, &mut say);
    rights(facts, &mut say);
    security(facts, &mut say);
    addresses(facts, &mut say);
    hints(facts, &mut say);
    all
}

fn operators(facts: &Facts, say: &mut impl FnMut(Mark, &'static str, String)) {
    let Some(all) = &facts.operators else {
        return say(Mark::Unknown, "operator", "you may not list Deployments in all namespaces".to_owned());
    };
    if all.is_empty() {
        return say(
            Mark::Bad,
            "operator",
            "there is none: helm install dialtone charts/dialtone -n dialtone --create-namespace".to_owned(),
        );
    }
    for one in all {
        let place = format!("{}/{}", one.namespace, one.name);
        let version = one.version.as_deref().unwrap_or("unknown");
        let (mark, todo) = match (one.ready, version == VERSION) {
            (0, _) => (Mark::Bad, "; kubectl dialtone logs says why".to_owned()),
            (_, false) => (Mark::Doubtful, format!("; this program is {VERSION}")),
            (ready, true) if ready < one.wanted => (Mark::Doubtful, "; not all stand by".to_owned()),
            _ => (Mark::Good, String::new()),
        };
        say(mark, "operator", format!("{place}: dialtone {version}, {}/{} ready{todo}", one.ready, one.wanted));
    }
    if looks_after(all, &facts.namespace).is_none() {
        let what =
            format!("no operator looks after namespace {}: add it to the chart's watchNamespaces", facts.namespace);
        say(Mark::Bad, "operator", what);
    }
    match &facts.leader {
        Some(Some(leader)) => match (&leader.holder, leader.renewed) {
            (Some(holder), Some(ago)) if ago <= LEASE => say(Mark::Good, "leader", holder.clone()),
            (Some(holder), _) => {
                say(Mark::Bad, "leader", format!("{holder} led and is silent: kubectl dialtone logs says why"));
            }
            (None, _) => {
                say(Mark::Doubtful, "leader", "none at the moment: an operator is starting, or has ended".to_owned())
            }
        },
        Some(None) if all.iter().any(|one| one.ready > 0) => {
            say(
                Mark::Doubtful,
                "leader",
                "there is no Lease where the chart puts it: another leaderElection.namespace?".to_owned(),
            );
        }
        _ => {}
    }
}

fn rights(facts: &Facts, say: &mut impl FnMut(Mark, &'static str, String)) {
    let list = |rights: &[Right]| {
        let one = |(verb, group, resource, whatfor): &Right| {
            let dot = if group.is_empty() { "" } else { "." };
            format!("{verb} {resource}{dot}{group} (for {whatfor})")
        };
        rights.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    let space = &facts.namespace;
    match facts.person_lacks.as_slice() {
        [] => say(Mark::Good, "your rights", format!("all that these commands need in namespace {space}")),
        some => say(
            Mark::Doubtful,
            "your rights",
            format!(
                "in namespace {space} you may not {}: the cluster's roles view and edit allow it once the chart is installed",
                list(some)
            ),
        ),
    }
    match facts.operator_lacks.as_deref() {
        Some([]) => say(Mark::Good, "its rights", format!("all that the operator needs in namespace {space}")),
        Some(some) => say(
            Mark::Bad,
            "its rights",
            format!(
                "in namespace {space} the operator may not {}: the chart's rbac.create gives it all of them",
                list(some)
            ),
        ),
        None if facts.operators.as_ref().is_some_and(|all| !all.is_empty()) => {
            say(
                Mark::Unknown,
                "its rights",
                "you may not ask what the operator may do (SubjectAccessReview)".to_owned(),
            );
        }
        None => {}
    }
}

fn security(facts: &Facts, say: &mut impl FnMut(Mark, &'static str, String)) {
    let hosts: Vec<&str> =
        facts.sites.iter().flatten().filter(|site| site.host_network).map(|site| &*site.name).collect();
    let space = &facts.namespace;
    match &facts.pod_security {
        None => say(Mark::Unknown, "Pod Security", format!("you may not read namespace {space}, or it is not there")),
        Some(level) => {
            let shown = level.as_deref().unwrap_or("not set");
            let may_use_host = level.as_deref().is_none_or(|level| level == "privileged");
            match (hosts.is_empty(), may_use_host) {
                (true, _) => say(
                    Mark::Good,
                    "Pod Security",
                    format!("enforce in namespace {space} is {shown}; the TFTP pods are restricted"),
                ),
                (false, true) => say(
                    Mark::Good,
                    "Pod Security",
                    format!("enforce in namespace {space} is {shown}, as spec.tftp.hostNetwork needs"),
                ),
                (false, false) => say(
                    Mark::Bad,
                    "Pod Security",
                    format!(
                        "enforce in namespace {space} is {shown}, and {} with spec.tftp.hostNetwork: kubectl label namespace {space} --overwrite pod-security.kubernetes.io/enforce=privileged",
                        there_is(&hosts)
                    ),
                ),
            }
        }
    }
}

fn there_is(sites: &[&str]) -> String {
    match sites {
        [one] => format!("site {one} is there"),
        some => format!("sites {} are there", some.join(", ")),
    }
}

fn addresses(facts: &Facts, say: &mut impl FnMut(Mark, &'static str, String)) {
    let Balancers { groups, given } = &facts.balancers;
    let waiting: Vec<&str> =
        facts.sites.iter().flatten().filter(|site| site.no_address).map(|site| &*site.name).collect();
    let known = if groups.is_empty() { String::new() } else { format!(" ({})", groups.join(", ")) };
    if !waiting.is_empty() {
        let why = match groups.is_empty() {
            true => "nothing in the cluster seems to give addresses to Services: install MetalLB or the like, or set spec.tftp.service.type to NodePort, or spec.tftp.hostNetwork".to_owned(),
            false => format!("see whether the pool of the load balancer{known} has one left: kubectl describe service dialtone-{} -n {}", waiting[0], facts.namespace),
        };
        return say(Mark::Bad, "addresses", format!("{} has no address: {why}", waiting.join(", ")));
    }
    match (given, groups.is_empty()) {
        (Some((1.., _)), _) => say(Mark::Good, "addresses", format!("Services of type LoadBalancer get them{known}")),
        (Some((0, 1..)), _) => say(
            Mark::Doubtful,
            "addresses",
            format!("Services of type LoadBalancer wait for one{known}: is there a load balancer with a pool?"),
        ),
        (_, false) => say(Mark::Good, "addresses", format!("a load balancer is installed{known}")),
        (Some(_), true) => say(
            Mark::Doubtful,
            "addresses",
            "no Service has an address from outside yet, and no load balancer is known; without one use spec.tftp.hostNetwork or NodePort".to_owned(),
        ),
        (None, true) => say(Mark::Unknown, "addresses", "you may not list Services in all namespaces".to_owned()),
    }
}

fn hints(facts: &Facts, say: &mut impl FnMut(Mark, &'static str, String)) {
    for site in facts.sites.iter().flatten() {
        let Some(address) = &site.address else { continue };
        let (mark, what) = dhcp::hint(address);
        let more = format!("kubectl dialtone dhcp {} -n {}", site.name, facts.namespace);
        let name = &site.name;
        match mark {
            BAD => say(Mark::Bad, "DHCP", format!("{name}: {what}")),
            _ if site.phones > 0 && site.heard == 0 => say(
                Mark::Doubtful,
                "DHCP",
                format!("{name}: none of {} ever fetched anything here: {what} ({more})", count(site.phones, "phone")),
            ),
            DOUBTFUL => say(Mark::Doubtful, "DHCP", format!("{name}: {what} ({more})")),
            _ => say(Mark::Good, "DHCP", format!("{name}: {what}")),
        }
    }
}
