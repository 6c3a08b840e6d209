//! The rights that the chart gives, and what operators ask: whatever was asked was allowed, by a rule of the chart, and each verb of each
//! rule was needed. The API server's own log of all that operators with these rights asked in this run says so.

use std::collections::BTreeSet;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::stage::{ALL, Audit, Operator, SOME, Setup, create_namespace, give_rights_for_all, give_rights_in, rights};
use super::stories::apply_site;
use super::support::{apply, get, kube, kubectl, part, wait_for, wait_until};

/// Rights that nobody asks for by a request, and why they are needed all the same.
const ASKED_OTHERWISE: &[(&str, &str)] = &[(
    "update phonesites/finalizers.dialtone.dev",
    "admission asks for it when an owner reference blocks its owner's deletion; `an_owner_is_blocked_only_with_the_right_to_it` shows it",
)];
/// What every account may ask by the API server's own rules.
const FOR_EVERYBODY: &str = "/version";

/// What a rule allows: one verb for one kind.
#[derive(Clone, Debug)]
struct Right {
    account: &'static str,
    /// Whether it holds in all namespaces.
    is_everywhere: bool,
    verb: String,
    /// `pods`, `phonesites/status`.
    resource: String,
    group: String,
    /// The names of the objects; all if there are none.
    names: Vec<String>,
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Right { verb, resource, group, names, .. } = self;
        let dot = if group.is_empty() { "" } else { "." };
        write!(f, "{verb} {resource}{dot}{group}")?;
        names.iter().try_for_each(|name| write!(f, " {name}"))
    }
}

impl Right {
    /// Whether a request takes this right.
    fn covers(&self, asked: &Asked) -> bool {
        // Who lists in one namespace needs no right to all of them.
        let is_as_wide = !matches!(&*self.verb, "list" | "watch") || self.is_everywhere == asked.namespace.is_empty();
        self.account == asked.account
            && (&self.verb, &self.resource, &self.group) == (&asked.verb, &asked.resource, &asked.group)
            && (self.names.is_empty() || self.names.contains(&asked.name))
            && is_as_wide
    }
}

/// The rights that the chart gives an account.
fn rights_of(account: &'static str) -> Vec<Right> {
    let namespaces: &[&str] = if account == ALL { &[] } else { &["some"] };
    let objects: Vec<Value> = serde_saphyr::from_multiple(&rights(namespaces, true)).unwrap();
    let mut all = Vec::new();
    for object in objects.iter().filter(|object| !object["rules"].is_null()) {
        for rule in list(&object["rules"]) {
            let texts = |field: &str| list(&rule[field]).iter().map(text).collect::<Vec<String>>();
            for group in texts("apiGroups") {
                for resource in texts("resources") {
                    all.extend(texts("verbs").into_iter().map(|verb| Right {
                        account,
                        is_everywhere: object["kind"] == "ClusterRole",
                        verb,
                        resource: resource.clone(),
                        group: group.clone(),
                        names: texts("resourceNames"),
                    }));
                }
            }
        }
    }
    all
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A right that a request took.
#[derive(Debug)]
struct Asked {
    account: String,
    verb: String,
    resource: String,
    group: String,
    name: String,
    namespace: String,
}

impl Asked {
    /// Those of one request: an apply that made its object took the right to create it, too.
    fn of(event: &Value) -> Vec<Asked> {
        let verb = text(&event["verb"]);
        let made = (verb == "patch" && event["responseStatus"]["code"] == 201).then(|| "create".to_owned());
        let slash = if part(event, "subresource").is_empty() { "" } else { "/" };
        let asked = |verb| Asked {
            account: text(&event["user"]["username"]),
            verb,
            resource: format!("{}{slash}{}", part(event, "resource"), part(event, "subresource")),
            group: part(event, "apiGroup"),
            name: part(event, "name"),
            namespace: part(event, "namespace"),
        };
        made.into_iter().chain([verb]).map(asked).collect()
    }
}

/// Why a request was refused, if it was.
fn refusal(event: &Value, gone: &[Gone]) -> Option<String> {
    let status = &event["responseStatus"];
    (status["code"] == 403 && !gone.iter().any(|gone| gone.explains(event))).then(|| text(&status["message"]))
}

/// How long the API server may take to know of rights that were given.
const UNTIL_RIGHTS_HOLD: SignedDuration = SignedDuration::from_secs(5);

/// A namespace that was deleted, and with it the rights that are given in it: until it is there again with its rights, nobody can make
/// anything in it, whatever other rights they have.
struct Gone {
    namespace: String,
    since: Timestamp,
    until: Option<Timestamp>,
}

impl Gone {
    fn explains(&self, event: &Value) -> bool {
        let asked = time(event);
        part(event, "namespace") == self.namespace
            && self.since < asked
            && self.until.is_none_or(|until| asked < until + UNTIL_RIGHTS_HOLD)
    }

    /// Those of a run.
    fn all(run: &[Value]) -> Vec<Gone> {
        let mut all: Vec<Gone> = Vec::new();
        for event in run {
            let (verb, resource) = (text(&event["verb"]), part(event, "resource"));
            match (&*verb, &*resource, event["responseStatus"]["code"].as_u64()) {
                ("delete", "namespaces", Some(200)) => {
                    all.push(Gone { namespace: part(event, "name"), since: time(event), until: None });
                }
                ("create", "namespaces" | "rolebindings", Some(201)) | ("patch", "rolebindings", Some(201)) => {
                    let made = if resource == "namespaces" { part(event, "name") } else { part(event, "namespace") };
                    if let Some(gone) = all.iter_mut().rev().find(|gone| gone.namespace == made) {
                        gone.until = Some(time(event));
                    }
                }
                _ => {}
            }
        }
        all
    }
}

fn time(event: &Value) -> Timestamp {
    text(&event["requestReceivedTimestamp"]).parse().unwrap()
}

/// The rights that nobody needed in this run, and what was asked without a right.
fn compare(account: &'static str) -> (Vec<String>, BTreeSet<String>) {
    let all = rights_of(account);
    let (mut used, mut complaints) = (BTreeSet::new(), BTreeSet::new());
    let run = Audit::run();
    let gone = Gone::all(&run);
    for event in run.iter().filter(|event| event["user"]["username"] == account) {
        let request = format!("{account}: {} {}", text(&event["verb"]), text(&event["requestURI"]));
        if let Some(why) = refusal(event, &gone) {
            complaints.insert(format!("{request} was refused: {why}"));
            continue;
        }
        for asked in Asked::of(event) {
            // Of two rules that allow the same only the first is needed.
            match all.iter().position(|right| right.covers(&asked)) {
                Some(right) => drop(used.insert(right)),
                None if event["requestURI"] == FOR_EVERYBODY => {}
                None => drop(complaints.insert(format!("{request} is allowed by no rule of the chart"))),
            }
        }
    }
    let unused = all.iter().enumerate().filter(|(number, _)| !used.contains(number));
    (unused.map(|(_, right)| right.to_string()).collect(), complaints)
}

/// The rights that are still to be used by an account.
fn unused(account: &'static str) -> Vec<String> {
    let otherwise = |right: &String| ASKED_OTHERWISE.iter().any(|(known, _)| known == right);
    compare(account).0.into_iter().filter(|right| !otherwise(right)).collect()
}

fn change_site(namespace: &str, spec: &Value) {
    kube(&["patch", "phonesite", "hq", "-n", namespace, "--type=merge", "-p", &json!({"spec": spec}).to_string()]);
}

/// Needs every right of an account once, in one namespace.
fn use_every_right(runtime: &Handle, account: &'static str, namespace: &str) {
    let namespaces: &[&str] = if account == ALL { &[] } else { &[namespace] };
    let operator = Operator::start(runtime, Setup { demands_consent: true, ..Setup::of(namespaces) });
    // It is all made, of what phones refer to, too.
    apply_site(namespace, "Reception");
    kube(&["label", "secret", "lines", "-n", namespace, "dialtone.dev/serve=true"]);
    let (files, secret) = ("configmap/dialtone-hq-phones-00", "secret/dialtone-hq-phones-00");
    wait_for("both objects with files", 20, || {
        [files, secret].iter().all(|object| !get(namespace, &[object]).is_null()).then_some(())
    });
    change_site(
        namespace,
        &json!({"firmware": {"image": "P0S3-06-3-00", "source": {"configMaps": [{"name": "firmware"}]}}}),
    );
    apply(
        namespace,
        "{kind: ConfigMap, apiVersion: v1, metadata: {name: firmware, labels: {dialtone.dev/serve: 'true'}}, \
         binaryData: {P0S3-06-3-00.bin: AAAA}}",
    );
    // What happens twice is one Event, that is patched.
    for suspend in [true, false, true, false] {
        change_site(namespace, &json!({"suspend": suspend}));
        operator.settle();
    }
    // A pod runs that has another token.
    let pods = ["pods", "-l", "dialtone.dev/site=hq"];
    let (pod, _) =
        wait_for("a pod", 20, || get(namespace, &pods)["items"][0]["metadata"]["name"].as_str().map(str::to_owned));
    operator.kill();
    let running = json!({"status": {"phase": "Running", "podIP": "192.0.2.1", "podIPs": [{"ip": "192.0.2.1"}]}});
    kube(&["patch", "pod", &pod, "-n", namespace, "--subresource=status", "--type=merge", "-p", &running.to_string()]);
    kube(&["delete", "secret", "dialtone-hq-token", "-n", namespace]);
    operator.start_again();
    operator.settle();
    // What a site's objects were once, in an earlier version, and what it no longer wants.
    let site = get(namespace, &["phonesite", "hq"]);
    for (kind, spec) in [
        ("ServiceAccount", Value::Null),
        ("NetworkPolicy", json!({"podSelector": {}})),
        ("PodDisruptionBudget", json!({"minAvailable": 1})),
        (
            "Deployment",
            json!({"replicas": 0, "selector": {"matchLabels": {"app": "old"}}, "template": {
                "metadata": {"labels": {"app": "old"}}, "spec": {"containers": [{"name": "old", "image": "old"}]}}}),
        ),
    ] {
        apply(namespace, &owned(kind, &site, &spec).to_string());
    }
    change_site(namespace, &json!({"tftp": {"hostNetwork": true}}));
    operator.settle();
    kube(&["delete", "sipphones", "--all", "-n", namespace]);
    operator.settle();
    change_site(
        namespace,
        &json!({"firmware": {"source": {"configMaps": null, "persistentVolumeClaim": {"claimName": "firmware"}}}}),
    );
    wait_until(&format!("{account} to need every right that the chart gives it"), 30, || {
        let unused = unused(account);
        if unused.is_empty() { Ok(()) } else { Err(format!("nothing needs {}", unused.join(", "))) }
    });
}

/// An object that a site owns, by the name of one that it had once.
fn owned(kind: &str, site: &Value, spec: &Value) -> Value {
    let group = match kind {
        "Deployment" => "apps/v1",
        "NetworkPolicy" => "networking.k8s.io/v1",
        "PodDisruptionBudget" => "policy/v1",
        _ => "v1",
    };
    let mut object = json!({"apiVersion": group, "kind": kind, "metadata": {
        "name": "dialtone-hq-old",
        "labels": {"app.kubernetes.io/managed-by": "dialtone", "dialtone.dev/site": "hq"},
        "ownerReferences": [{"apiVersion": "dialtone.dev/v1alpha1", "kind": "PhoneSite", "name": "hq",
            "uid": site["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true}],
    }});
    if !spec.is_null() {
        object["spec"] = spec.clone();
    }
    object
}

/// Without the right to a site's finalizers the API server refuses what the operator makes of it.
fn an_owner_is_blocked_only_with_the_right_to_it(namespace: &str) {
    let rights = rights(&[namespace], false);
    let (before, rest) =
        rights.split_once("- apiGroups: [dialtone.dev]\n    resources: [phonesites/finalizers]").unwrap();
    let without = format!("{before}{}", rest.split_once("verbs: [update]\n").unwrap().1.trim_start_matches(' '));
    let object = owned("ServiceAccount", &get(namespace, &["phonesite", "hq"]), &Value::Null).to_string();
    let make = || {
        let who = format!("--as={SOME}");
        let args =
            ["apply", "--server-side", "--dry-run=server", "--field-manager=dialtone", "-n", namespace, "-f", "-"];
        let output = kubectl(&[&args[..], &[&who]].concat(), Some(&object));
        if output.status.success() { String::new() } else { String::from_utf8_lossy(&output.stderr).into_owned() }
    };
    assert_eq!(make(), "");
    assert!(kubectl(&["apply", "-f", "-"], Some(&without)).status.success(), "{without}");
    wait_until("the right to be missed", 20, || {
        let said = make();
        if said.contains("cannot set blockOwnerDeletion") { Ok(()) } else { Err(said) }
    });
}

pub fn every_right_is_used_and_none_is_missing(runtime: &Handle) {
    give_rights_for_all(true);
    let mut complaints = Vec::new();
    for (account, namespace) in [(ALL, "rights-all"), (SOME, "rights-some")] {
        take_away(namespace);
        create_namespace(namespace);
        if account == SOME {
            give_rights_in(namespace, true);
        }
        use_every_right(runtime, account, namespace);
        let (unused, wrong) = compare(account);
        complaints.extend(wrong);
        let needless = ASKED_OTHERWISE.iter().filter(|(right, _)| !unused.iter().any(|unused| unused == right));
        complaints
            .extend(needless.map(|(right, _)| format!("{account} asks for {right} after all: it needs no exception")));
        eprintln!("   {account}: {} rights, each needed", rights_of(account).len());
    }
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
    an_owner_is_blocked_only_with_the_right_to_it("rights-some");
    ["rights-all", "rights-some"].into_iter().for_each(take_away);
}

/// What a run before this one left: what is made anew needs the rights to make it.
fn take_away(namespace: &str) {
    kube(&["delete", "namespace", namespace, "--ignore-not-found"]);
    kube(&["delete", "lease", "dialtone-cluster", "-n", "kube-system", "--ignore-not-found"]);
}
