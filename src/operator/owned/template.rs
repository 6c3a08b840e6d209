//! What a site's `podTemplate` changes of its pods. Field by field: what is not named here comes from nobody but the operator,
//! whatever an older definition has let in.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::names::labels;
use super::super::policy::Policy;
use super::{SERVER, selector};
use crate::api::{Affinity, PodSecurity, PodTemplate, is_object_name};
use crate::provision::Key;

/// The field, for messages.
const FIELD: &str = "spec.tftp.podTemplate";

/// Shapes a pod template as the site wants it; what is not allowed is left out and named.
pub(super) fn shape(
    template: &mut Value,
    wanted: &PodTemplate,
    site: &Key,
    policy: &Policy,
    not_allowed: &mut Vec<String>,
) {
    // Taken apart without `..`: a field that is added cannot be forgotten.
    let PodTemplate { metadata, spec } = wanted;
    if let Some(metadata) = metadata {
        let own = labels(site, SERVER);
        let mut put = |part: &str, entries: &BTreeMap<String, String>, allows: &dyn Fn(&str) -> bool| {
            // A pod that the selector does not find would be made again and again.
            for (name, value) in entries.iter().filter(|(name, _)| part != "labels" || !own.contains_key(*name)) {
                if allows(name) {
                    template["metadata"][part][name] = value.as_str().into();
                } else {
                    not_allowed.push(format!("{FIELD}.metadata.{part}.{name}: its prefix is not allowed (sites.podMetadataPrefixes of the chart): remove it, or have the prefix allowed; the pods go without it"));
                }
            }
        };
        put("labels", &metadata.labels, &|name| policy.allows_pod_label(name));
        put("annotations", &metadata.annotations, &|name| policy.allows_pod_annotation(name));
    }
    let Some(spec) = spec else { return };
    let pod = &mut template["spec"];
    if !spec.node_selector.is_empty() {
        pod["nodeSelector"] = json!(spec.node_selector);
    }
    if !spec.tolerations.is_empty() {
        pod["tolerations"] = json!(spec.tolerations);
    }
    if let Some(Affinity { node_affinity, pod_affinity, pod_anti_affinity }) = &spec.affinity {
        let parts = [
            ("nodeAffinity", node_affinity.as_ref().map(|part| json!(part))),
            ("podAffinity", pod_affinity.as_ref().map(|part| json!(part))),
            ("podAntiAffinity", pod_anti_affinity.as_ref().map(|part| json!(part))),
        ];
        for (name, part) in parts {
            if let Some(part) = part {
                pod["affinity"][name] = part;
            }
        }
    }
    if !spec.topology_spread_constraints.is_empty() {
        let mut spread = json!(spec.topology_spread_constraints);
        for one in spread.as_array_mut().into_iter().flatten() {
            if one.get("labelSelector").is_none() {
                one["labelSelector"] = json!({"matchLabels": selector(site)});
            }
        }
        pod["topologySpreadConstraints"] = spread;
    }
    if let Some(class) = &spec.priority_class_name {
        if class.starts_with("system-") || !is_object_name(class) {
            not_allowed
                .push(format!("{FIELD}.spec.priorityClassName: {class:?} is for the system: choose another class"));
        } else {
            pod["priorityClassName"] = class.as_str().into();
        }
    }
    if let Some(security) = &spec.security_context {
        secure(&mut pod["securityContext"], *security);
    }
}

/// Root is nobody's choice.
fn secure(context: &mut Value, wanted: PodSecurity) {
    let PodSecurity { run_as_user, run_as_group, fs_group, fs_group_change_policy } = wanted;
    for (name, id) in [("runAsUser", run_as_user), ("runAsGroup", run_as_group), ("fsGroup", fs_group)] {
        if let Some(id) = id.filter(|id| *id > 0) {
            context[name] = id.into();
        }
    }
    if let Some(policy) = fs_group_change_policy {
        context["fsGroupChangePolicy"] = json!(policy);
    }
}
