//! Why TFTP pods of a site are missing, from what its Deployment and the pods say of themselves: what a person would otherwise find with
//! `kubectl describe`, one object after the other.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodCondition, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::Value;

use crate::api::Reason;
use crate::base::text::printable;
use crate::provision::{Key, PodsProblem};

/// The longest text of a kubelet, a scheduler or a registry in a message: what to do has to stand behind it.
const QUOTED: usize = 400;
/// How many kinds of trouble a message lists, and how many pods of each it names.
const MAX_LISTED: usize = 2;
/// A container that ran so long before it ended does not end again and again: a kubelet, too, then begins its backoff anew.
const LONG_RUN: i64 = 600;
/// So often a container ended before that counts while it runs or is about to.
const OFTEN: i32 = 2;

/// Why a pod does not serve, or none is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    reason: Reason,
    /// What is the matter with it, behind the pods' names.
    what: String,
    /// What to do.
    advice: String,
    /// Since when, in seconds.
    since: i64,
}

/// Why pods are missing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Missing {
    /// What there is to say, if anything.
    pub(super) said: Option<PodsProblem>,
    /// After how many seconds there may be more to say although nothing is heard.
    pub(super) due: Option<u64>,
}

/// Why pods of a site are missing: what keeps its Deployment from making them comes first, then what its pods say.
pub(super) fn why(deployment: Option<&Value>, pods: &[(Key, Trouble)], now: i64) -> Missing {
    let mut due = None;
    let mut groups: Vec<(Trouble, Vec<&Key>)> = Vec::new();
    groups.extend(deployment.and_then(of_deployment).map(|trouble| (trouble, Vec::new())));
    for (pod, trouble) in pods {
        // A pod that was ended stays until somebody removes it; it counts while there is no other in its place.
        if trouble.reason == Reason::PodFailed && deployment.is_none_or(is_complete) {
            continue;
        }
        let left = trouble.since + grace(trouble.reason) - now;
        if left > 0 {
            due = due.into_iter().chain(u64::try_from(left)).min();
            continue;
        }
        match groups.iter_mut().find(|(known, _)| (known.reason, &known.what) == (trouble.reason, &trouble.what)) {
            Some((known, names)) => {
                known.since = known.since.min(trouble.since);
                names.push(pod);
            }
            None => groups.push((trouble.clone(), vec![pod])),
        }
    }
    groups.sort_by_key(|(trouble, _)| rank(trouble.reason));
    let said = groups.first().map(|(first, _)| {
        let mut listed: Vec<String> =
            groups.iter().take(MAX_LISTED).map(|(trouble, pods)| text(trouble, pods)).collect();
        listed.extend(groups.len().checked_sub(MAX_LISTED).filter(|more| *more > 0).map(|more| format!("{more} more")));
        PodsProblem { reason: first.reason, message: listed.join("; and "), since: first.since }
    });
    Missing { said, due }
}

/// Whether as many pods are ready as should be.
fn is_complete(deployment: &Value) -> bool {
    let ready = deployment["status"]["readyReplicas"].as_i64().unwrap_or(0);
    ready >= deployment["spec"]["replicas"].as_i64().unwrap_or(1)
}

/// For how many seconds it is waited before it is trouble.
fn grace(reason: Reason) -> i64 {
    match reason {
        // A scheduler that makes room does so within a moment.
        Reason::Unschedulable => 3,
        // Pulling an image for the first time takes a while.
        Reason::NotStarted => 30,
        _ => 0,
    }
}

/// What is said first.
fn rank(reason: Reason) -> usize {
    let order = [
        Reason::PodSecurity,
        Reason::QuotaExceeded,
        Reason::PodsRefused,
        Reason::InvalidImage,
        Reason::ImagePullFailed,
        Reason::ContainerFailed,
        Reason::CrashLoop,
        Reason::Unschedulable,
        Reason::NotStarted,
    ];
    order.iter().position(|one| *one == reason).unwrap_or(order.len())
}

fn text(trouble: &Trouble, pods: &[&Key]) -> String {
    let Trouble { what, advice, .. } = trouble;
    let names: Vec<&str> = pods.iter().take(MAX_LISTED).map(|pod| &*pod.name).collect();
    let whose = match (names.as_slice(), pods.len() - names.len()) {
        ([], _) => "no pod can be made".to_owned(),
        ([one], _) => format!("pod {one}"),
        (some, 0) => format!("pods {}", some.join(" and ")),
        (some, more) => format!("pods {} and {more} more", some.join(", ")),
    };
    // Commands are of one pod.
    let advice = names.first().map_or_else(|| advice.clone(), |first| advice.replace("POD", first));
    format!("{whose}: {what}; {advice}")
}

/// What keeps a Deployment from making pods, as its controller says.
fn of_deployment(deployment: &Value) -> Option<Trouble> {
    let conditions = deployment["status"]["conditions"].as_array().into_iter().flatten();
    let failed = conditions.into_iter().find(|one| one["type"] == "ReplicaFailure" && one["status"] == "True")?;
    let made = deployment["status"]["updatedReplicas"].as_i64().unwrap_or(0);
    if made >= deployment["spec"]["replicas"].as_i64().unwrap_or(1) {
        // All pods are made: those of a former template were refused, and nobody misses them.
        return None;
    }
    let message = failed["message"].as_str().unwrap_or_default();
    // The name of the pod that was refused is made anew with each attempt, and of no use.
    let why = message.split_once(" is forbidden: ").map_or(message, |(_, why)| why);
    let meta = &deployment["metadata"];
    let (name, space) = (meta["name"].as_str().unwrap_or_default(), meta["namespace"].as_str().unwrap_or_default());
    let (reason, advice) = if why.contains("violates PodSecurity") {
        let is_on_host = deployment["spec"]["template"]["spec"]["hostNetwork"] == true;
        let advice = match is_on_host {
            true => format!(
                "spec.tftp.hostNetwork needs a namespace in which Pod Security enforces privileged (kubectl label namespace {space} \
                 pod-security.kubernetes.io/enforce=privileged); or use a Service"
            ),
            false => "change what it names in spec.tftp.podTemplate, or the level that the namespace's labels enforce"
                .to_owned(),
        };
        (Reason::PodSecurity, advice)
    } else if why.contains("exceeded quota") || why.contains("failed quota") {
        let advice = format!(
            "make room in the namespace's ResourceQuota (kubectl describe quota -n {space}), or change spec.tftp.resources or spec.tftp.replicas"
        );
        (Reason::QuotaExceeded, advice)
    } else {
        (
            Reason::PodsRefused,
            "change what it names: an admission webhook, a policy, a LimitRange or spec.tftp".to_owned(),
        )
    };
    let advice = format!("{advice}; kubectl rollout restart deployment/{name} -n {space} tries again at once");
    let since = failed["lastTransitionTime"].as_str().and_then(|time| time.parse::<jiff::Timestamp>().ok());
    Some(Trouble { reason, what: printable(why, QUOTED), advice, since: since.map_or(0, jiff::Timestamp::as_second) })
}

/// Why a pod does not serve, as it says itself.
pub(super) fn of_pod(pod: &Pod) -> Option<Trouble> {
    let (meta, status) = (&pod.metadata, pod.status.as_ref()?);
    if meta.deletion_timestamp.is_some() || is_true(condition(status, "Ready")) {
        return None;
    }
    let space = meta.namespace.as_deref().unwrap_or_default();
    let begun = status.start_time.as_ref().or(meta.creation_timestamp.as_ref());
    let at = |kind: &str| condition(status, kind).and_then(|one| one.last_transition_time.as_ref()).or(begun);
    match status.phase.as_deref() {
        Some("Failed") => return Some(ended(pod, status, at("Ready"))),
        Some("Succeeded") => return None,
        _ => {}
    }
    let scheduled = condition(status, "PodScheduled");
    if let Some(refused) = scheduled.filter(|scheduled| scheduled.status == "False") {
        let message = refused.message.as_deref().or(refused.reason.as_deref()).unwrap_or_default();
        return Some(no_node(message, seconds(at("PodScheduled"))));
    }
    let containers = || status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    let stuck = containers().filter_map(|container| of_container(container, pod, space, at("ContainersReady")));
    if let Some(trouble) = stuck.min_by_key(|trouble| rank(trouble.reason)) {
        return Some(trouble);
    }
    let is_begun = |container: &ContainerStatus| {
        container.state.as_ref().is_some_and(|state| state.running.is_some() || state.terminated.is_some())
    };
    if !is_true(scheduled) || containers().any(is_begun) {
        return None;
    }
    Some(not_started(pod, status, space, seconds(at("PodScheduled"))))
}

fn condition<'a>(status: &'a PodStatus, kind: &str) -> Option<&'a PodCondition> {
    status.conditions.iter().flatten().find(|condition| condition.type_ == kind)
}

fn is_true(condition: Option<&PodCondition>) -> bool {
    condition.is_some_and(|condition| condition.status == "True")
}

fn seconds(time: Option<&Time>) -> i64 {
    time.map_or(0, |time| time.0.as_second())
}

fn ended(pod: &Pod, status: &PodStatus, at: Option<&Time>) -> Trouble {
    let reason = status.reason.as_deref().unwrap_or("it failed");
    let message = status.message.as_deref().unwrap_or("the kubelet does not say why");
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
    let advice = match node {
        Some(node) => format!("kubectl describe node {} shows what it has", printable(node, QUOTED)),
        None => "kubectl describe pod POD shows more".to_owned(),
    };
    let what = printable(&format!("it was ended ({reason}): {message}"), QUOTED);
    Trouble { reason: Reason::PodFailed, what, advice, since: seconds(at) }
}

fn no_node(message: &str, since: i64) -> Trouble {
    let advice = if message.contains("free ports") {
        "with spec.tftp.hostNetwork there is one pod on each node: lower spec.tftp.replicas, or add nodes"
    } else if message.contains("Insufficient") {
        "add nodes, or lower spec.tftp.resources"
    } else if message.contains("ersistentvolumeclaim") || message.contains("volume") {
        "see to the volume that spec.firmware.source.persistentVolumeClaim names"
    } else {
        "change the nodes, or what spec.tftp.podTemplate says of them"
    };
    let what = format!("no node takes it: {}", printable(message, QUOTED));
    Trouble { reason: Reason::Unschedulable, what, advice: advice.to_owned(), since }
}

/// Why a container does not run, or not for long.
fn of_container(container: &ContainerStatus, pod: &Pod, space: &str, at: Option<&Time>) -> Option<Trouble> {
    let state = container.state.as_ref();
    let waiting = state.and_then(|state| state.waiting.as_ref());
    let word = waiting.and_then(|waiting| waiting.reason.as_deref()).unwrap_or_default();
    let message = waiting.and_then(|waiting| waiting.message.as_deref()).unwrap_or_default();
    let name = printable(&container.name, QUOTED);
    let trouble = |reason, what: String, advice: String| {
        Some(Trouble { reason, what: printable(&what, QUOTED), advice, since: seconds(at) })
    };
    match word {
        "InvalidImageName" => {
            let (image, whose) = image(container, pod, message);
            trouble(
                Reason::InvalidImage,
                format!("{image:?} is no name of an image: {message}"),
                format!("mend {whose}"),
            )
        }
        "ErrImagePull"
        | "ImagePullBackOff"
        | "ErrImageNeverPull"
        | "RegistryUnavailable"
        | "ImageInspectError"
        | "SignatureValidationFailed" => {
            let (image, whose) = image(container, pod, message);
            // A kubelet says both in turns.
            let why = message.strip_prefix(&format!("Back-off pulling image {image:?}")).unwrap_or(message);
            let why = why.trim_start_matches([':', ' ']).trim_start_matches("ErrImagePull: ");
            let why = if why.is_empty() { word } else { why };
            let what = format!("the image {image:?} cannot be pulled: {why}");
            trouble(
                Reason::ImagePullFailed,
                what,
                format!("check that the registry has it, that nodes reach and may pull it, and {whose}"),
            )
        }
        "CreateContainerConfigError"
        | "CreateContainerError"
        | "RunContainerError"
        | "PreCreateHookError"
        | "PreStartHookError"
        | "PostStartHookError"
        | "StartError"
        | "ContainerCannotRun" => {
            let advice = format!("kubectl describe pod POD -n {space} shows more");
            trouble(Reason::ContainerFailed, format!("container {name} cannot be started ({word}): {message}"), advice)
        }
        _ => crash(container, word == "CrashLoopBackOff").and_then(|(what, is_memory)| {
            let advice = match is_memory && container.name == "tftp" {
                true => "raise spec.tftp.resources.limits.memory".to_owned(),
                false => format!("kubectl logs POD -c {name} -n {space} --previous says why"),
            };
            trouble(Reason::CrashLoop, format!("container {name} ends again and again: {what}"), advice)
        }),
    }
}

/// The image that a container lacks, its own or one that is mounted, and where it is named.
fn image(container: &ContainerStatus, pod: &Pod, message: &str) -> (String, &'static str) {
    let spec = pod.spec.as_ref();
    let volumes = spec.and_then(|spec| spec.volumes.as_ref()).into_iter().flatten();
    let mut mounted = volumes.filter_map(|volume| volume.image.as_ref()?.reference.as_deref());
    let declared = spec.map(|spec| spec.init_containers.iter().flatten().chain(&spec.containers));
    let declared = declared.and_then(|mut all| all.find(|one| one.name == container.name)?.image.clone());
    let own = declared.unwrap_or_else(|| container.image.clone());
    let theirs = "spec.firmware.source.image";
    match mounted.find(|reference| *reference != own && message.contains(&format!("{reference:?}"))) {
        Some(reference) => (reference.to_owned(), theirs),
        None if container.name == "image" => (own, theirs),
        None => (own, "image and imagePullSecrets of dialtone's chart"),
    }
}

/// How a container ended last that ends again and again, and whether it was for want of memory.
fn crash(container: &ContainerStatus, is_said: bool) -> Option<(String, bool)> {
    let of = |state: &Option<k8s_openapi::api::core::v1::ContainerState>| state.as_ref()?.terminated.clone();
    let last = of(&container.state).or_else(|| of(&container.last_state));
    if !is_said {
        // Between two attempts it runs for a moment.
        let last = last.as_ref()?;
        let ran =
            last.finished_at.as_ref().zip(last.started_at.as_ref()).map(|(end, start)| (end.0 - start.0).get_seconds());
        if container.ready
            || container.restart_count < OFTEN
            || last.exit_code == 0
            || ran.is_none_or(|ran| ran > LONG_RUN)
        {
            return None;
        }
    }
    let Some(last) = last else { return Some(("the kubelet does not say why".to_owned(), false)) };
    let reason = last.reason.as_deref().unwrap_or("Error");
    let mut what = format!("{reason}, exit code {}", last.exit_code);
    if let Some(message) = last.message.as_deref().map(str::trim).filter(|message| !message.is_empty()) {
        what += &format!(": {message}");
    }
    Some((what, reason == "OOMKilled"))
}

/// A pod that has a node, and nothing of it has begun to run. Why, only Events say.
fn not_started(pod: &Pod, status: &PodStatus, space: &str, since: i64) -> Trouble {
    let spec = pod.spec.as_ref();
    let volumes = spec.and_then(|spec| spec.volumes.as_ref()).into_iter().flatten();
    let claims: Vec<&str> =
        volumes.filter_map(|volume| Some(volume.persistent_volume_claim.as_ref()?.claim_name.as_str())).collect();
    let node = spec.and_then(|spec| spec.node_name.as_deref()).unwrap_or("its node");
    let sandbox = condition(status, "PodReadyToStartContainers").map(|one| one.status == "True");
    let why = match (sandbox, claims.as_slice()) {
        (Some(true), _) => "its image is still being pulled".to_owned(),
        (_, []) => {
            "what it mounts is not there, its network cannot be set up, or its image is still being pulled".to_owned()
        }
        (_, some) => {
            format!("PersistentVolumeClaim {} cannot be mounted, or its network not be set up", some.join(", "))
        }
    };
    let what = printable(&format!("nothing of it runs on {node} yet: likely {why}"), QUOTED);
    let advice = format!("kubectl describe pod POD -n {space} shows Events such as FailedMount");
    Trouble { reason: Reason::NotStarted, what, advice, since }
}

#[cfg(test)]
mod tests;
