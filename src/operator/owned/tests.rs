//! The objects as they are made.

use super::super::testing::options;
use super::*;

fn prepare(spec: &PhoneSiteSpec) -> OwnedObjects {
    OwnedObjects::prepare(&Key::new("phones", "hq"), "uid-1", spec, &options())
}

#[test]
fn the_pod_that_faces_the_phones_has_no_token_and_no_privilege() {
    let pod = prepare(&PhoneSiteSpec::default()).deployment.object["spec"]["template"]["spec"].clone();
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    let security = &pod["containers"][0]["securityContext"];
    assert_eq!(security["readOnlyRootFilesystem"], true);
    assert_eq!(security["capabilities"], json!({"drop": ["ALL"]}));
    assert!(!pod.to_string().contains("hashKey"), "the key for hashes stays out of the pod");
}

fn written(choice: ServiceChoice) -> Prepared {
    let ServiceChoice::Write(service) = choice else { panic!("{choice:?}") };
    *service
}

fn site(tftp: Value) -> PhoneSiteSpec {
    serde_json::from_value(json!({"tftp": tftp})).unwrap()
}

#[test]
fn every_object_belongs_to_the_site() {
    let OwnedObjects { service_account, network_policy, service, disruption_budget, deployment, not_allowed } =
        prepare(&PhoneSiteSpec::default());
    assert_eq!(not_allowed, [""; 0]);
    let all = [service_account, network_policy, written(service), disruption_budget.unwrap(), deployment];
    for (kind, object) in all.map(|one| (one.kind(), one.object)) {
        assert_eq!(object["metadata"]["ownerReferences"][0]["uid"], "uid-1", "{kind:?}");
        assert_eq!(object["kind"], kind.as_str());
        assert_eq!(object["metadata"]["namespace"], "phones");
        assert_eq!(object["metadata"]["name"], "dialtone-hq");
    }
}

#[test]
fn the_server_is_told_of_windows_only_if_the_site_asks_for_them() {
    for (windowsize, is_told) in [(None, false), (Some(4), true)] {
        let deployment = prepare(&site(json!({"windowsize": windowsize}))).deployment.object;
        let args = &deployment["spec"]["template"]["spec"]["containers"][0]["args"];
        assert_eq!(args.as_array().unwrap().contains(&json!("--windowsize=4")), is_told, "{args}");
        assert_eq!(args.to_string().contains("windowsize"), is_told, "{args}");
    }
}

#[test]
fn a_pod_template_says_where_pods_run_and_cannot_hide_them() {
    let wanted = json!({
        "metadata": {"labels": {SITE: "other", "team": "voice"}, "annotations": {"prometheus.io/scrape": "true"}},
        "spec": {
            "nodeSelector": {"a": "b"},
            "tolerations": [{"key": "phones", "operator": "Exists"}],
            "affinity": {"podAntiAffinity": {}},
            "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}],
            "priorityClassName": "voice",
            "securityContext": {"runAsUser": 1000, "fsGroup": 2000},
        },
    });
    let objects = prepare(&site(json!({"podTemplate": wanted})));
    let template = objects.deployment.object["spec"]["template"].clone();
    assert_eq!(template["metadata"]["labels"][SITE], "hq");
    assert_eq!(template["metadata"]["labels"]["team"], "voice");
    assert_eq!(template["metadata"]["annotations"]["prometheus.io/scrape"], "true");
    let pod = &template["spec"];
    assert_eq!(pod["nodeSelector"]["a"], "b");
    assert_eq!(pod["tolerations"], json!([{"key": "phones", "operator": "Exists"}]));
    assert_eq!(pod["affinity"], json!({"podAntiAffinity": {}}), "it takes the place of dialtone's own");
    assert_eq!(pod["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"][SITE], "hq");
    assert_eq!(pod["priorityClassName"], "voice");
    let security = json!({"runAsNonRoot": true, "runAsUser": 1000, "runAsGroup": 65532, "fsGroup": 2000, "seccompProfile": {"type": "RuntimeDefault"}});
    assert_eq!(pod["securityContext"], security);
    assert_eq!(pod["containers"][0]["name"], "tftp");
}

/// What an older definition let in, read from the API server as it is.
#[test]
fn a_hostile_pod_template_makes_the_same_pods_as_none() {
    let hostile = json!({
        "metadata": {
            "labels": {"sidecar.istio.io/inject": "true", ROLE: "files"},
            "annotations": {"container.apparmor.security.beta.kubernetes.io/tftp": "unconfined", "a": "b"},
        },
        "spec": {
            "hostNetwork": true, "hostPID": true, "hostIPC": true, "nodeName": "control-plane", "hostUsers": true,
            "serviceAccountName": "admin", "automountServiceAccountToken": true, "shareProcessNamespace": true,
            "priorityClassName": "system-node-critical", "runtimeClassName": "none", "enableServiceLinks": true,
            "securityContext": {"runAsUser": 0, "runAsGroup": 0, "fsGroup": 0, "runAsNonRoot": false, "seccompProfile": {"type": "Unconfined"}, "sysctls": [{"name": "a", "value": "b"}]},
            "containers": [{"name": "tftp", "image": "evil", "securityContext": {"privileged": true}}],
            "initContainers": [{"name": "evil", "image": "evil"}],
            "ephemeralContainers": [{"name": "evil"}],
            "volumes": [{"name": "host", "hostPath": {"path": "/"}}],
            "imagePullSecrets": [{"name": "evil"}], "dnsConfig": {"nameservers": ["192.0.2.1"]}, "hostAliases": [],
        },
    });
    let objects = prepare(&site(json!({"podTemplate": hostile})));
    let plain = prepare(&PhoneSiteSpec::default());
    assert_eq!(objects.deployment.object["spec"]["template"], plain.deployment.object["spec"]["template"]);
    assert_eq!(objects.not_allowed.len(), 4, "{:?}", objects.not_allowed);
    assert!(objects.not_allowed[0].starts_with("spec.tftp.podTemplate.metadata.labels.sidecar.istio.io/inject: "));
}

#[test]
fn a_service_with_an_annotation_that_is_not_allowed_is_left_as_it_is() {
    let annotated = |name: &str| prepare(&site(json!({"service": {"annotations": {name: "x"}}})));
    let fine = annotated("metallb.io/address-pool");
    assert_eq!(written(fine.service).object["metadata"]["annotations"]["metallb.io/address-pool"], "x");
    let refused = annotated("external-dns.alpha.kubernetes.io/hostname");
    assert_eq!(refused.service, ServiceChoice::Leave);
    assert!(refused.not_allowed[0].starts_with("spec.tftp.service.annotations.external-dns"), "{refused:?}");
}

#[test]
fn there_is_no_service_beside_the_hosts_own_port() {
    let spec = site(json!({"hostNetwork": true}));
    assert_eq!(prepare(&spec).service, ServiceChoice::Without);
    assert_eq!(replicas(&spec), 1);
    let service = written(prepare(&PhoneSiteSpec::default()).service);
    assert_eq!(service.object["spec"]["externalTrafficPolicy"], "Local");
}

#[test]
fn a_service_has_both_families_where_the_cluster_has() {
    let families = |service: Value| {
        let spec = written(prepare(&site(json!({"service": service}))).service).object["spec"].clone();
        (spec["ipFamilyPolicy"].clone(), spec["ipFamilies"].clone())
    };
    assert_eq!(families(json!({})), (json!("PreferDualStack"), Value::Null));
    assert_eq!(families(json!({"ipFamilies": ["IPv4"]})), (json!("SingleStack"), json!(["IPv4"])));
    let both = json!(["IPv6", "IPv4"]);
    assert_eq!(families(json!({"ipFamilies": both})), (json!("PreferDualStack"), both.clone()));
    let asked = json!({"ipFamilies": ["IPv4"], "ipFamilyPolicy": "RequireDualStack"});
    assert_eq!(families(asked), (json!("RequireDualStack"), json!(["IPv4"])));
}

#[test]
fn a_drain_leaves_the_last_of_several_servers_and_waits_for_a_single_one_only_where_that_is_asked_for() {
    for (tftp, is_kept) in [
        (json!({}), true),
        (json!({"replicas": 3}), true),
        (json!({"replicas": 1}), false),
        (json!({"replicas": 0}), false),
        (json!({"hostNetwork": true}), false),
        (json!({"hostNetwork": true, "replicas": 2}), true),
        (json!({"replicas": 1, "disruptionBudget": "Always"}), true),
        (json!({"replicas": 0, "disruptionBudget": "Always"}), false),
        (json!({"disruptionBudget": "Never"}), false),
    ] {
        let budget = prepare(&site(tftp.clone())).disruption_budget;
        assert_eq!(budget.is_some(), is_kept, "{tftp}");
        let Some(budget) = budget else { continue };
        assert_eq!(budget.object["apiVersion"], "policy/v1");
        let spec = &budget.object["spec"];
        assert_eq!((&spec["minAvailable"], &spec["unhealthyPodEvictionPolicy"]), (&json!(1), &json!("AlwaysAllow")));
        let deployment = prepare(&site(tftp)).deployment.object;
        assert_eq!(spec["selector"], deployment["spec"]["selector"], "it speaks of the site's pods");
    }
}

#[test]
fn probes_are_apart_from_reports_and_neither_is_open_to_phones_beside_the_hosts_own_port() {
    let container = |host_network: bool| {
        let deployment = prepare(&site(json!({"hostNetwork": host_network}))).deployment;
        deployment.object["spec"]["template"]["spec"]["containers"][0].clone()
    };
    let has = |container: &Value, arg: &str| container["args"].as_array().unwrap().contains(&arg.into());
    let pod = container(false);
    assert!(has(&pod, "--report=[::]:8069") && has(&pod, "--probes=[::]:8070"), "{}", pod["args"]);
    assert!(has(&pod, "--listen=[::]:6969"), "phones of both families: {}", pod["args"]);
    assert_eq!(pod["readinessProbe"]["httpGet"], json!({"path": "/readyz", "port": "metrics"}));
    assert_eq!(pod["ports"][2], json!({"name": "metrics", "containerPort": 8070, "protocol": "TCP"}));
    let host = container(true);
    assert_eq!(host["ports"][2]["name"], "probes", "nobody reads metrics there");
    let read = site(json!({"hostNetwork": true, "metricsFrom": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}));
    let read = prepare(&read).deployment.object["spec"]["template"]["spec"]["containers"][0].clone();
    assert!(has(&read, "--probes=127.0.0.1:8070") && has(&read, "--probes=$(POD_IP):8070"), "{}", read["args"]);
    assert_eq!(
        (&read["ports"][2]["name"], &read["readinessProbe"]["httpGet"]["port"]),
        (&json!("metrics"), &json!("metrics"))
    );
    assert!(has(&host, "--report=$(POD_IP):8069") && has(&host, "--probes=127.0.0.1:8070"), "{}", host["args"]);
    for probe in ["readinessProbe", "livenessProbe"] {
        assert_eq!(host[probe]["httpGet"]["host"], "127.0.0.1", "{probe}");
    }
    assert_eq!(host["env"][0]["valueFrom"]["fieldRef"]["fieldPath"], "status.podIP");
}

#[test]
fn what_a_server_holds_fits_into_its_memory() {
    let held = |limits: Option<&str>| {
        let resources = limits.map(|memory| json!({"limits": {"memory": memory}}));
        let deployment = prepare(&site(json!({"resources": resources}))).deployment;
        let args = &deployment.object["spec"]["template"]["spec"]["containers"][0]["args"];
        let text = args.as_array().unwrap().iter().find_map(|arg| arg.as_str()?.strip_prefix("--max-bytes="));
        text.map(|bytes| bytes.parse::<u64>().unwrap())
    };
    let mib = 1 << 20;
    assert_eq!(held(None), Some(320 * mib), "of 512 MiB, 400 are held while files are replaced");
    assert_eq!(held(Some("1Gi")), Some(640 * mib));
    assert_eq!(held(Some("128Mi")), Some(80 * mib));
    assert_eq!(held(Some("100M")), Some(62_500_000));
    assert_eq!(held(Some("0.5Gi")), Some(320 * mib));
    assert_eq!(held(Some("134217728000m")), Some(80 * mib));
    assert_eq!(held(Some("1Ti")), Some(655_360 * mib));
    assert_eq!(held(Some("9999999E")), None);
}

#[test]
fn the_same_site_makes_the_same_objects() {
    let make = || prepare(&PhoneSiteSpec::default());
    assert_eq!(make(), make());
}
