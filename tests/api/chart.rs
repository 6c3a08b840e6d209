//! What the chart makes of values, and what the API server makes of that.

use std::process::{Command, Output};

use serde_json::{Value, json};

use super::support::{kube, kubectl};

fn helm(args: &[&str]) -> Output {
    Command::new("helm").args(args).output().expect("helm must be in PATH")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// All objects but the definitions, with some values set; what helm said if it refused them.
fn objects(values: &[&str]) -> Result<Vec<Value>, String> {
    objects_in(&[], values)
}

/// The same, in a cluster that knows some kinds.
fn objects_in(kinds: &[&str], values: &[&str]) -> Result<Vec<Value>, String> {
    let kinds = kinds.iter().map(|kind| format!("--api-versions=monitoring.coreos.com/v1/{kind}"));
    let sets: Vec<String> = values.iter().map(|value| format!("--set={value}")).chain(kinds).collect();
    let sets: Vec<&str> = sets.iter().map(String::as_str).collect();
    let output =
        helm(&[&["template", "x", "charts/dialtone", "-n", "voice", "--set=crds.install=false"], &*sets].concat());
    if !output.status.success() {
        return Err(text(&output.stderr));
    }
    let all: Vec<Value> = serde_saphyr::from_multiple(&text(&output.stdout)).unwrap();
    Ok(all.into_iter().filter(|object| !object.is_null()).collect())
}

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

#[test]
fn the_chart_is_sound() {
    let lint = helm(&["lint", "--strict", "charts/dialtone"]);
    assert!(lint.status.success(), "{}", text(&lint.stdout));
    let bad = helm(&["template", "x", "charts/dialtone", "--set", "image.pullPolicy=Sometimes"]);
    assert!(!bad.status.success() && text(&bad.stderr).contains("pullPolicy"), "{}", text(&bad.stderr));
    let unknown = helm(&["template", "x", "charts/dialtone", "--set", "replica=2"]);
    assert!(!unknown.status.success());
    let narrow = helm(&["template", "x", "charts/dialtone", "--set", "watchNamespaces={a,b}"]);
    let narrow = text(&narrow.stdout);
    assert!(!narrow.contains("kind: ClusterRole") && narrow.matches("kind: RoleBinding").count() == 2);
    assert!(!narrow.contains("persistentvolumeclaims") && !narrow.contains("DIALTONE_DEMAND_CONSENT"));
    let strict = helm(&[
        "template",
        "x",
        "charts/dialtone",
        "--set",
        "sites.demandConsent=true,sites.hostNetwork=false,sites.firmwareNetworks={10.1.2.0/24}",
    ]);
    let strict = text(&strict.stdout);
    assert!(
        strict.contains("persistentvolumeclaims")
            && strict.contains("{name: DIALTONE_DEMAND_CONSENT, value: \"true\"}")
    );
    assert!(strict.contains("{name: DIALTONE_FIRMWARE_NETWORKS, value: \"10.1.2.0/24\"}"));
    let forbidden = "{name: DIALTONE_FORBID_HOST_NETWORK, value: \"true\"}";
    assert!(strict.contains(forbidden) && !narrow.contains(forbidden));
    assert!(strict.contains("metallb.io/,metallb.universe.tf/"), "{strict}");
    assert!(!narrow.contains("verbs: ['*']") && !narrow.contains("resources: ['*']"));

    // Several operators; the ports of the API server where helm cannot ask the cluster for them.
    assert!(!narrow.contains("kind: PodDisruptionBudget") && !narrow.contains("of use if it is on another node"));
    let two = text(&helm(&["template", "x", "charts/dialtone", "--set", "replicas=2"]).stdout);
    assert!(
        two.contains("kind: PodDisruptionBudget")
            && two.contains("of use if it is on another node")
            && two.contains("replicas: 2")
    );
    assert!(two.contains("policyTypes: [Ingress, Egress]") && two.contains("{port: 6443, protocol: TCP}"));
    // Phones' answers come from other ports than those that were asked.
    let answers = "    - from:\n        - ipBlock: {cidr: \"10.0.0.0/8\"}";
    assert!(two.contains(answers), "{two}");
    let port = ["template", "x", "charts/dialtone", "--set", "networkPolicy.egress.apiServerPorts={7443}"];
    let port = text(&helm(&port).stdout);
    assert!(port.contains("{port: 7443, protocol: TCP}") && !port.contains("6443"), "{port}");

    // Under the restricted Pod Security level, by the API server's own judgement.
    kube(&["create", "namespace", "restricted"]);
    for mode in ["enforce", "warn"] {
        kube(&["label", "namespace", "restricted", &format!("pod-security.kubernetes.io/{mode}=restricted")]);
    }
    let all = helm(&[
        "template",
        "x",
        "charts/dialtone",
        "-n",
        "restricted",
        "--set",
        "metrics.service=true,admissionPolicy.enabled=true,replicas=2",
        "--include-crds",
    ]);
    let output = kubectl(
        &["apply", "--server-side", "--force-conflicts", "--warnings-as-errors", "--dry-run=server", "-f", "-"],
        Some(&text(&all.stdout)),
    );
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn the_usual_values_are_taken() {
    let all = objects(&[
        "fullnameOverride=phones",
        "nameOverride=voip",
        "image.registry=registry.example.com:5000",
        "imagePullSecrets={mine}",
        "global.imagePullSecrets[0].name=shared",
        "commonLabels.team=voice",
        "commonAnnotations.contact=voice-team",
        "deploymentAnnotations.reloader=yes",
        "podLabels.team=other",
        "podAnnotations.contact=nobody",
        "podSecurityContext.fsGroup=5",
        "securityContext.runAsUser=7",
        "extraArgs={--lease-namespace=x}",
        "extraEnv[0].name=HTTPS_PROXY",
        "extraEnv[0].value=http://proxy:3128",
        "extraVolumes[0].name=ca",
        "extraVolumeMounts[0].name=ca",
        "extraVolumeMounts[0].mountPath=/ca",
        "topologySpreadConstraints[0].maxSkew=1",
        "serviceAccount.create=false",
        "podDisruptionBudget.enabled=true",
    ])
    .unwrap();
    let hooked = |object: &&Value| !object["metadata"]["annotations"]["helm.sh/hook"].is_null();
    for object in all.iter().filter(|object| !hooked(object)) {
        let name = object["metadata"]["name"].as_str().unwrap();
        assert!(name.starts_with("phones"), "{name}");
        let metadata = &object["metadata"];
        assert_eq!(
            (&metadata["labels"]["team"], &metadata["annotations"]["contact"]),
            (&json!("voice"), &json!("voice-team")),
            "{name}"
        );
    }
    let deployment = of_kind(&all, "Deployment")[0];
    assert_eq!(deployment["metadata"]["annotations"]["reloader"], "yes");
    let template = &deployment["spec"]["template"];
    assert_eq!(
        (&template["metadata"]["labels"]["team"], &template["metadata"]["annotations"]["contact"]),
        (&json!("other"), &json!("nobody"))
    );
    let selector = json!({"app.kubernetes.io/name": "voip", "app.kubernetes.io/instance": "x"});
    assert_eq!(deployment["spec"]["selector"]["matchLabels"], selector);
    for (label, value) in selector.as_object().unwrap() {
        assert_eq!(&template["metadata"]["labels"][label], value);
    }
    let (pod, container) = (&template["spec"], &template["spec"]["containers"][0]);
    assert_eq!(container["image"], "registry.example.com:5000/dialtone:0.1.0");
    assert_eq!(pod["imagePullSecrets"], json!([{"name": "mine"}, {"name": "shared"}]));
    assert_eq!(
        (&pod["securityContext"]["fsGroup"], &pod["securityContext"]["runAsNonRoot"]),
        (&json!(5), &json!(true))
    );
    assert_eq!(
        (&container["securityContext"]["runAsUser"], &container["securityContext"]["readOnlyRootFilesystem"]),
        (&json!(7), &json!(true))
    );
    let env =
        |name: &str| container["env"].as_array().unwrap().iter().find(|env| env["name"] == name).cloned().unwrap();
    assert_eq!(env("HTTPS_PROXY")["value"], "http://proxy:3128");
    assert_eq!(env("DIALTONE_IMAGE_PULL_SECRETS")["value"], "mine,shared");
    assert_eq!(env("DIALTONE_INSTALLATION")["value"], "voice/phones");
    assert!(container["args"].as_array().unwrap().contains(&json!("--lease-namespace=x")));
    assert_eq!((&container["volumeMounts"][0]["mountPath"], &pod["volumes"][0]["name"]), (&json!("/ca"), &json!("ca")));
    assert_eq!(
        (&pod["topologySpreadConstraints"][0]["maxSkew"], &pod["serviceAccountName"]),
        (&json!(1), &json!("default"))
    );
    assert!(of_kind(&all, "ServiceAccount").is_empty());
    assert_eq!(of_kind(&all, "PodDisruptionBudget").len(), 1);
}

#[test]
fn what_would_break_the_operator_is_refused_with_its_path() {
    for (value, path) in [
        ("logLevel=verbose", "/logLevel"),
        ("podLabels.app\\.kubernetes\\.io/name=mine", "/podLabels/app.kubernetes.io~1name"),
        ("commonLabels.app\\.kubernetes\\.io/instance=mine", "/commonLabels/app.kubernetes.io~1instance"),
        ("fullnameOverride=Phones", "/fullnameOverride"),
        ("extraEnv[0].name=RUST_LOG", "/extraEnv/0/name"),
        ("extraEnv[0].name=DIALTONE_IMAGE", "/extraEnv/0/name"),
        ("imagePullSecrets[0].nome=x", "/imagePullSecrets/0"),
        ("image.registry=https://registry.example.com/", "/image/registry"),
    ] {
        let said = objects(&[value]).unwrap_err();
        assert!(said.contains(path), "{value}: {said}");
    }
    for fine in ["logLevel=debug", "logLevel=info\\,dialtone=trace"] {
        assert!(objects(&[fine]).is_ok(), "{fine}");
    }
}

#[test]
fn rights_can_be_left_to_others_and_people_get_theirs_by_aggregation() {
    let all = objects(&[]).unwrap();
    let to = |role: &str| format!("rbac.authorization.k8s.io/aggregate-to-{role}");
    let roles = of_kind(&all, "ClusterRole");
    let gives = |role: &str, verb: &str| {
        let mut of_role = roles.iter().filter(|object| object["metadata"]["labels"][to(role)] == "true");
        of_role.any(|object| object["rules"][0]["verbs"].as_array().unwrap().contains(&json!(verb)))
    };
    assert!(gives("view", "get") && !gives("view", "patch") && gives("edit", "patch") && gives("admin", "delete"));
    let narrow = objects(&["watchNamespaces={a}"]).unwrap();
    assert!(of_kind(&narrow, "ClusterRole").is_empty());
    let none = objects(&["rbac.create=false"]).unwrap();
    for kind in ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"] {
        assert!(of_kind(&none, kind).is_empty(), "{kind}");
    }
    assert_eq!(of_kind(&none, "ServiceAccount").len(), 1);
}

#[test]
fn what_collects_metrics_is_there_where_its_kinds_are_or_where_it_is_asked_for() {
    let made = |kinds: &[&str], values: &[&str]| {
        let all = objects_in(kinds, values).unwrap();
        let count = |kind: &str| of_kind(&all, kind).len();
        (count("PodMonitor"), count("PrometheusRule"), count("ConfigMap"))
    };
    let both = ["PodMonitor", "PrometheusRule"];
    assert_eq!(made(&[], &[]), (0, 0, 0));
    assert_eq!(made(&both, &[]), (2, 1, 2));
    assert_eq!(made(&["PodMonitor"], &[]), (2, 0, 0));
    let wanted =
        ["metrics.podMonitor.enabled=true", "metrics.prometheusRule.enabled=true", "metrics.dashboards.enabled=true"];
    assert_eq!(made(&[], &wanted), (2, 1, 2));
    let unwanted = wanted.map(|value| value.replace("true", "false"));
    assert_eq!(made(&both, &unwanted.each_ref().map(String::as_str)), (0, 0, 0));

    let all = objects_in(
        &both,
        &[
            "metrics.podMonitor.labels.release=kps",
            "metrics.podMonitor.interval=30s",
            "metrics.prometheusRule.runbooks=https://example.com/alerts.md",
            "watchNamespaces={a,b}",
        ],
    )
    .unwrap();
    let monitors = of_kind(&all, "PodMonitor");
    let [operator, pods] = monitors.as_slice() else { panic!("{monitors:?}") };
    let deployment = of_kind(&all, "Deployment")[0];
    assert_eq!(operator["metadata"]["labels"]["release"], "kps");
    assert_eq!(operator["spec"]["selector"]["matchLabels"], deployment["spec"]["selector"]["matchLabels"]);
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let endpoint = &operator["spec"]["podMetricsEndpoints"][0];
    assert_eq!((&endpoint["port"], &endpoint["interval"]), (&container["ports"][0]["name"], &json!("30s")));
    assert_eq!(endpoint["honorLabels"], true, "the namespace is the site's");
    assert_eq!(pods["spec"]["namespaceSelector"]["matchNames"], json!(["a", "b"]));
    let rules = &of_kind(&all, "PrometheusRule")[0]["spec"]["groups"][0]["rules"];
    let (text, url) =
        (rules[0]["annotations"]["summary"].as_str().unwrap(), rules[0]["annotations"]["runbook_url"].clone());
    assert!(text.contains("{{ $labels.namespace }}"), "{text}");
    assert_eq!(url, "https://example.com/alerts.md#dialtonesitewithoutserver");
    for map in of_kind(&all, "ConfigMap") {
        assert_eq!(map["metadata"]["labels"]["grafana_dashboard"], "1");
        let (name, text) = map["data"].as_object().unwrap().iter().next().unwrap();
        let kept = std::fs::read_to_string(format!("charts/dialtone/files/dashboards/{name}")).unwrap();
        assert_eq!(text.as_str().unwrap(), kept.trim());
    }
}

#[test]
fn who_reads_metrics_is_let_in_by_the_chart_and_by_every_site() {
    let from = "networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.team=monitoring";
    let all = objects(&[from]).unwrap();
    let peers = json!([{"namespaceSelector": {"matchLabels": {"team": "monitoring"}}}]);
    assert_eq!(of_kind(&all, "NetworkPolicy")[0]["spec"]["ingress"][0]["from"], peers);
    let env = of_kind(&all, "Deployment")[0]["spec"]["template"]["spec"]["containers"][0]["env"].clone();
    let value =
        env.as_array().unwrap().iter().find(|env| env["name"] == "DIALTONE_METRICS_FROM").unwrap()["value"].clone();
    assert_eq!(serde_json::from_str::<Value>(value.as_str().unwrap()).unwrap(), peers);
    let open = objects(&[]).unwrap();
    assert!(of_kind(&open, "NetworkPolicy")[0]["spec"]["ingress"][0]["from"].is_null());
    let said = objects(&[from, "networkPolicy.metricsFrom[0].ipBlock.cidr=10.0.0.0/8"]).unwrap_err();
    assert!(said.contains("/networkPolicy/metricsFrom/0"), "{said}");
}

/// What the chart tells people to do after the installation, done.
#[test]
fn the_notes_hold_commands_that_work() {
    super::install();
    let notes = helm(&["install", "x", "charts/dialtone", "-n", "voice", "--dry-run=client"]);
    let notes = text(&notes.stdout);
    let (_, notes) = notes.split_once("NOTES:").unwrap();
    let (_, rest) = notes.split_once("<<EOF\n").unwrap();
    let (manifests, rest) = rest.split_once("  EOF\n").unwrap();
    let manifests: String =
        manifests.lines().map(|line| format!("{}\n", line.strip_prefix("  ").unwrap_or(line))).collect();
    let output = kubectl(&["apply", "--dry-run=server", "--warnings-as-errors", "-f", "-"], Some(&manifests));
    assert!(output.status.success(), "{manifests}\n{}", text(&output.stderr));
    let commands: Vec<&str> = rest.lines().filter_map(|line| line.trim().strip_prefix("kubectl ")).collect();
    assert!(commands.len() >= 2, "{rest}");
    for command in commands {
        kube(&command.split(' ').collect::<Vec<_>>());
    }
}

/// The base for kustomize is what the chart makes, and the API server takes it.
#[test]
fn the_kustomize_base_is_what_the_chart_makes() {
    let made = Command::new("hack/manifests.sh").arg("-").output().unwrap();
    assert!(made.status.success(), "{}", text(&made.stderr));
    let kept = std::fs::read_to_string("kustomize/operator.yaml").unwrap();
    assert!(text(&made.stdout) == kept, "kustomize/operator.yaml is out of date: run `make manifests`");
    let built = Command::new("kubectl").args(["kustomize", "kustomize"]).output().unwrap();
    assert!(built.status.success(), "{}", text(&built.stderr));
    let all: Vec<Value> = serde_saphyr::from_multiple(&text(&built.stdout)).unwrap();
    assert_eq!((of_kind(&all, "CustomResourceDefinition").len(), of_kind(&all, "Namespace").len()), (2, 1));
    let container = &of_kind(&all, "Deployment")[0]["spec"]["template"]["spec"]["containers"][0];
    let env = container["env"].as_array().unwrap().iter().find(|env| env["name"] == "DIALTONE_IMAGE").unwrap();
    assert_eq!(env["value"], container["image"], "the TFTP pods' image is the operator's");
    kube(&["create", "namespace", "dialtone-kustomize"]);
    let moved = text(&built.stdout).replace("namespace: dialtone\n", "namespace: dialtone-kustomize\n");
    let args = ["apply", "--server-side", "--force-conflicts", "--warnings-as-errors", "--dry-run=server", "-f", "-"];
    let output = kubectl(&args, Some(&moved));
    assert!(output.status.success(), "{}", text(&output.stderr));
}
