//! What the parts of the story share: the manifests, phones that boot, and a look at what was written.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dialtone::phone::Model::{Cp7940, Cp7960};
use dialtone::simulator::{FetchResult, Options, Outcome, boot};
use serde_json::Value;

use super::support::{apply, audit_log, audited, condition, get, kube, part, wait_for};

pub const SPACE: &str = "phones";

pub const SITE: &str = "
apiVersion: dialtone.dev/v1alpha1
kind: PhoneSite
metadata: {name: hq}
spec:
  settings: {proxy1Address: 172.16.129.248}
  tftp: {service: {type: NodePort}}
";

pub const SECRET: &str = "
apiVersion: v1
kind: Secret
metadata: {name: lines}
stringData: {one: correct-horse}
";

pub fn phone(name: &str, mac: &str, model: &str, label: &str, line: &str, more: &str) -> String {
    format!(
        "---\napiVersion: dialtone.dev/v1alpha1\nkind: SipPhone\nmetadata: {{name: {name}}}\nspec:\n  siteRef: {{name: hq}}\n  \
         mac: \"{mac}\"\n  model: \"{model}\"\n  label: {label}\n  lines: [{{name: \"{line}\"{more}}}]\n"
    )
}

pub fn one(label: &str) -> String {
    phone("one", "00:0a:8a:12:34:56", "7960", label, "8105", "")
}

pub fn two() -> String {
    phone("two", "000a.8a12.3457", "7940", "Two", "8106", "")
}

pub fn three() -> String {
    phone("three", "000A8A123458", "7960", "Three", "8107", ", passwordSecretRef: {name: lines, key: one}")
}

/// The site with its three phones.
pub fn three_phones() -> String {
    [SITE, "---", SECRET, &one("Reception"), &two(), &three()].concat()
}

/// What a step finds when it begins.
#[derive(Clone, Copy)]
pub enum Start {
    /// Whatever there is.
    Nothing,
    /// The operator, and nothing that a step leaves.
    Installed,
    /// The operator and no site.
    NoSite,
    /// The site hq and its three phones, which may be old.
    Site,
    /// The same, and they are new.
    NewSite,
}

/// Provides what a step needs, and takes away what others left, however they ended.
pub fn prepare(start: Start) {
    if matches!(start, Start::Nothing) {
        return;
    }
    install();
    take_away_what_steps_leave();
    if matches!(start, Start::NoSite | Start::NewSite) {
        delete(&["phonesites", "--all", "--cascade=foreground"]);
        delete(&["sipphones", "--all"]);
        wait_for("nothing of the site to be left", 60, || nothing_is_left().then_some(()));
    }
    if matches!(start, Start::Site | Start::NewSite) {
        make_site();
    }
}

/// The operator of the image that is to be tested, with the chart as it is.
fn install() {
    static DONE: AtomicBool = AtomicBool::new(false);
    if DONE.swap(true, Ordering::AcqRel) {
        return;
    }
    namespaces();
    // What a step that was broken off has changed. On a new node they are helm's to make.
    if !get("default", &["crd", "sipphones.dialtone.dev"]).is_null() {
        kube(&["apply", "--server-side", "--force-conflicts", "-f", "crds/dialtone.dev.yaml"]);
    }
    let upgrade = ["upgrade", "--install", "--force-conflicts", "dialtone", "charts/dialtone"];
    helm(&[&upgrade, install_flags().as_slice()].concat());
}

/// The operator's namespace and that of the phones.
pub fn namespaces() {
    for namespace in ["dialtone", SPACE] {
        let labels = "{pod-security.kubernetes.io/enforce: restricted}";
        let object = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}, labels: {labels}}}\n");
        apply("default", &object);
    }
}

/// Calls helm for the operator's namespace.
pub fn helm(args: &[&str]) {
    let helm = std::env::var("DIALTONE_HELM").unwrap_or_else(|_| "helm".to_owned());
    run(&helm, &[args, &["-n", "dialtone"]].concat());
}

/// The image under a tag of its content, so that another image is another Deployment.
pub fn install_flags() -> Vec<&'static str> {
    static VALUES: OnceLock<String> = OnceLock::new();
    let values = VALUES.get_or_init(|| {
        let tag = std::env::var("DIALTONE_IMAGE_TAG").unwrap_or_else(|_| "dev".to_owned());
        // Firmware comes from this machine, which is no part of the public Internet.
        let web = own_address();
        format!("image.tag={tag},image.pullPolicy=Never,sites.firmwareNetworks={{{web}/32}}")
    });
    vec!["--set", values, "--wait", "--timeout", "3m"]
}

fn delete(what: &[&str]) {
    kube(&[&["delete", "-n", SPACE, "--ignore-not-found", "--timeout=90s"], what].concat());
}

fn names(what: &[&str]) -> Vec<String> {
    let found = get(SPACE, what)["items"].as_array().cloned().unwrap_or_default();
    found.iter().filter_map(|one| one["metadata"]["name"].as_str().map(str::to_owned)).collect()
}

fn take_away_what_steps_leave() {
    let of_site = |kind: &str, name: &str| match kind {
        "phonesites" => name == "hq",
        "sipphones" => ["one", "two", "three"].contains(&name),
        _ => name == "kube-root-ca.crt",
    };
    for (kind, more) in [
        ("phonesites", &["--cascade=foreground"][..]),
        ("sipphones", &[]),
        ("configmaps", &[]),
        ("persistentvolumeclaims", &[]),
    ] {
        let all = names(&[kind, "-l", "app.kubernetes.io/managed-by!=dialtone"]);
        let left: Vec<&str> = all.iter().map(String::as_str).filter(|name| !of_site(kind, name)).collect();
        if !left.is_empty() {
            delete(&[&[kind], left.as_slice(), more].concat());
        }
    }
    kube(&["delete", "persistentvolume", "firmware", "--ignore-not-found", "--timeout=30s"]);
}

/// Whether all that the operator made is gone.
pub fn nothing_is_left() -> bool {
    let kinds = "deployments,pods,services,configmaps,secrets,serviceaccounts,networkpolicies,poddisruptionbudgets";
    names(&[kinds, "-l", "app.kubernetes.io/managed-by=dialtone"]).is_empty()
}

/// Makes the site and its phones what they are when a step begins.
fn make_site() {
    let versions = || {
        let generation = |what: &[&str]| get(SPACE, what)["metadata"]["generation"].clone();
        let mut all = vec![generation(&["phonesite", "hq"])];
        all.extend(["one", "two", "three"].map(|name| generation(&["sipphone", name])));
        all.push(get(SPACE, &["secret", "lines"])["metadata"]["resourceVersion"].clone());
        all
    };
    let before = versions();
    apply(SPACE, &three_phones());
    let changed = before != versions();
    for name in ["one", "two", "three"] {
        wait_ready(name);
    }
    if changed {
        settle();
        kube(&["rollout", "status", "deployment/dialtone-hq", "-n", SPACE, "--timeout=60s"]);
    }
    wait_for("two pods that serve", 60, || {
        let site = get(SPACE, &["phonesite", "hq"]);
        (site["status"]["servers"] == "2/2" && pods().len() == 2).then_some(())
    });
}

/// Boots the three phones of the site, all with the same old image; they are in sync then.
pub fn boot_all() {
    for (name, mac, model) in
        [("one", "000A8A123456", Cp7960), ("two", "000A8A123457", Cp7940), ("three", "000A8A123458", Cp7960)]
    {
        boot_as(service(), mac, model, "P0S3-06-3-00");
        wait_in_sync(name);
    }
}

pub fn step(what: &str) {
    eprintln!("-- {what}");
}

pub fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

pub fn node(args: &[&str]) {
    let name = std::env::var("DIALTONE_NODE").expect("DIALTONE_NODE names the node; `make cluster` sets it");
    run("hack/node/component.sh", &[&["--name", &name], args].concat());
}

/// Boots one phone, in the later order of files.
pub fn boot_phone(server: SocketAddr, mac: &str, model: dialtone::phone::Model) -> Outcome {
    boot_as(server, mac, model, "P0S3-07-4-00")
}

/// Every phone has an address of its own, as in a building: those behind one address are told apart only by their own files.
pub fn boot_as(server: SocketAddr, mac: &str, model: dialtone::phone::Model, running: &str) -> Outcome {
    let bind = address_of(mac).into();
    let options = Options { model, running: running.to_owned(), bind, ..Options::new(server, mac.parse().unwrap()) };
    tokio::runtime::Runtime::new().unwrap().block_on(boot(options))
}

pub fn file(outcome: &Outcome, name: &str) -> Option<Vec<u8>> {
    let found = outcome.files.iter().rfind(|file| file.file == name)?;
    (found.result == FetchResult::Fetched).then(|| found.content.clone())
}

pub fn service() -> SocketAddr {
    let service = get(SPACE, &["service", "dialtone-hq"]);
    SocketAddr::new(service["spec"]["clusterIP"].as_str().unwrap().parse().unwrap(), 69)
}

pub fn node_port() -> SocketAddr {
    let (address, _) = wait_for("the site's address", 20, || {
        get(SPACE, &["phonesite", "hq"])["status"]["address"].as_str().map(str::to_owned)
    });
    address.parse().unwrap()
}

/// The pods with a label that run and are not ending.
pub fn running(namespace: &str, label: &str) -> Vec<Value> {
    let pods = get(namespace, &["pods", "-l", label, "--field-selector=status.phase=Running"]);
    let mut pods = pods["items"].as_array().cloned().unwrap_or_default();
    pods.retain(|pod| pod["metadata"]["deletionTimestamp"].is_null());
    pods
}

pub fn pods() -> Vec<(String, SocketAddr)> {
    let pods = running(SPACE, "dialtone.dev/site=hq");
    pods.iter()
        .filter_map(|pod| {
            let ip = pod["status"]["podIP"].as_str()?.parse().ok()?;
            Some((pod["metadata"]["name"].as_str()?.to_owned(), SocketAddr::new(ip, 6969)))
        })
        .collect()
}

pub fn wait_in_sync(name: &str) {
    wait_for(&format!("{name} to be InSync"), 20, || {
        let phone = get(SPACE, &["sipphone", name]);
        (condition(&phone, "InSync").0 == "True" && condition(&phone, "Ready").0 == "True").then_some(())
    });
}

pub fn wait_ready(name: &str) -> Value {
    wait_for(&format!("{name} to be Ready"), 60, || {
        let phone = get(SPACE, &["sipphone", name]);
        let current = phone["status"]["observedGeneration"] == phone["metadata"]["generation"];
        (current && condition(&phone, "Ready").0 == "True").then_some(phone)
    })
    .0
}

/// What `dialtone render` makes of the same manifests.
pub fn rendered(manifests: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.yaml");
    std::fs::write(&input, manifests).unwrap();
    run(
        env!("CARGO_BIN_EXE_dialtone"),
        &["render", "-f", input.to_str().unwrap(), "-o", folder.path().join("out").to_str().unwrap()],
    );
    let files = std::fs::read_dir(folder.path().join("out/default/hq")).unwrap();
    files
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .collect()
}

/// Writes by the operator to what it looks after, from the API server's own log: verb and resource. Those since the first
/// question: a node that stays has a long log.
pub fn writes() -> Vec<(String, String)> {
    static BEGIN: OnceLock<u64> = OnceLock::new();
    let begin = *BEGIN.get_or_init(|| audit_log().metadata().unwrap().len());
    let events = audited(begin).into_iter();
    let ours = events.filter(|event| event["user"]["username"] == "system:serviceaccount:dialtone:dialtone");
    ours.map(|event| {
        let resource = match part(&event, "subresource").as_str() {
            "" => part(&event, "resource"),
            sub => format!("{}/{sub}", part(&event, "resource")),
        };
        (event["verb"].as_str().unwrap_or_default().to_owned(), resource)
    })
    .collect()
}

pub fn count(writes: &[(String, String)], resource: &str) -> usize {
    writes.iter().filter(|(_, written)| written == resource).count()
}

pub fn sha256(bytes: &[u8]) -> String {
    dialtone::base::digest::Digest::of(bytes).to_string()
}

/// How long until every pod serves other bytes than these.
pub fn served_after(began: Instant, mac: &str, old: &[u8]) -> Duration {
    let name = format!("SIP{mac}.cnf");
    for (_, pod) in pods() {
        wait_for("the new bytes", 10, || {
            let outcome = boot_as(pod, mac, Cp7960, "P0S3-06-3-00");
            (file(&outcome, &name)? != old).then_some(())
        });
    }
    began.elapsed()
}

/// Waits until the operator has nothing more to write.
pub fn settle() {
    let mut last = writes().len();
    wait_for("the operator to have nothing to write", 60, || {
        std::thread::sleep(Duration::from_millis(2500));
        let now = writes().len();
        let quiet = now == last;
        last = now;
        quiet.then_some(())
    });
}

/// The link between this machine and the node, and what `ip` says of it.
pub fn link() -> (String, String) {
    let device = format!("dt-{}", std::env::var("DIALTONE_NODE").unwrap());
    let shown = run("ip", &["-4", "-o", "addr", "show", "dev", &device]);
    (device, shown)
}

/// The phones that steps boot. Each always has the same address, because pods and the operator remember who asked from where.
const BOOTED: &[&str] =
    &["000A8A123456", "000A8A123457", "000A8A123458", "000A8A1234EE", "000A8A1234DD", "000A8A123460", "000A8A140001"];

/// The address of a phone, beside this machine's own.
pub fn address_of(mac: &str) -> Ipv4Addr {
    let at = BOOTED.iter().position(|one| *one == mac).unwrap_or_else(|| panic!("{mac} has no place in BOOTED"));
    let [a, b, c, _] = own_address().octets();
    let address = Ipv4Addr::new(a, b, c, 10 + u8::try_from(at).unwrap());
    static ADDED: [AtomicBool; BOOTED.len()] = [const { AtomicBool::new(false) }; BOOTED.len()];
    if !ADDED[at].load(Ordering::Acquire) {
        run("ip", &["addr", "replace", &format!("{address}/32"), "dev", &link().0]);
        ADDED[at].store(true, Ordering::Release);
    }
    address
}

/// This machine's address, where pods can reach it.
pub fn own_address() -> Ipv4Addr {
    let (_, shown) = link();
    let mut words = shown.split_whitespace();
    words.find_map(|word| word.split_once('/').and_then(|(ip, _)| ip.parse().ok())).unwrap()
}
