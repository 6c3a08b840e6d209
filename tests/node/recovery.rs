//! How long it takes until phones are served and statuses are true again, after each thing that can die. docs/trust.md has the figures.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::prober::Probers;
use super::stage::*;
use super::support::{apply, condition, get, kube, wait_for};

const MACS: [&str; 3] = ["000A8A123456", "000A8A123457", "000A8A123458"];

/// What is told of one fault.
struct Recovery {
    what: &'static str,
    /// The longest time without an answer for a phone.
    gap: Duration,
    /// From the end of the fault until an edit made during it is served.
    served: Duration,
    /// And until the statuses of the site and of the edited phone are true.
    status: Duration,
}

/// Lets something happen while phones fetch their files, and somebody edits one of them.
fn measure(
    what: &'static str,
    label: &str,
    fault: impl FnOnce(),
    edit_before_end: bool,
    end: impl FnOnce(),
) -> Recovery {
    step(what);
    settle();
    let server = service();
    let before = rendered(&three_phones());
    let probers = Probers::start(server, &MACS);
    std::thread::sleep(Duration::from_secs(1));
    fault();
    if edit_before_end {
        apply(SPACE, &one(label));
    }
    end();
    if !edit_before_end {
        apply(SPACE, &one(label));
    }
    let began = Instant::now();
    let (_, served) = wait_for("the edit to be served", 90, || {
        (boot_phone(server, MACS[0], dialtone::phone::Model::Cp7960).label == label).then_some(())
    });
    let served = served.min(began.elapsed());
    wait_for("the statuses to be true", 90, || {
        let (site, phone) = (get(SPACE, &["phonesite", "hq"]), get(SPACE, &["sipphone", "one"]));
        let is_new = phone["status"]["observedGeneration"] == phone["metadata"]["generation"];
        let is_true = |object, kind| condition(object, kind).0 == "True";
        (is_new
            && is_true(&phone, "Served")
            && is_true(&phone, "Ready")
            && is_true(&site, "Ready")
            && site["status"]["servers"] == "2/2")
            .then_some(())
    });
    let status = began.elapsed();
    std::thread::sleep(Duration::from_secs(1));
    // Whatever a phone ever got is one version or the other, whole.
    let after = rendered(&three_phones().replace("Reception", label));
    let mut gap = Duration::ZERO;
    for seen in probers.end() {
        let valid: BTreeSet<&Vec<u8>> =
            [&before, &after].into_iter().filter_map(|files| files.get(&seen.file)).collect();
        assert!(seen.contents.iter().all(|content| valid.contains(content)), "{} was torn", seen.file);
        gap = gap.max(seen.gap);
    }
    apply(SPACE, &one("Reception"));
    wait_ready("one");
    Recovery { what, gap, served, status }
}

fn operator_pods() -> Vec<String> {
    let pods = running("dialtone", "app.kubernetes.io/name=dialtone-operator");
    pods.iter().map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

/// The pod that leads, by the Lease.
fn leader() -> String {
    let lease = get("kube-system", &["lease", "dialtone-cluster"]);
    let holder = lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned();
    holder.rsplit_once('/').map(|(_, pod)| pod.to_owned()).unwrap_or_default()
}

fn kill(namespace: &str, pod: &str) {
    kube(&["delete", "pod", pod, "-n", namespace, "--grace-period=0", "--force"]);
}

pub fn everything_that_dies_comes_back() {
    boot_all();
    let mut all = Vec::new();
    all.push(measure(
        "the operator is killed",
        "Killed",
        || operator_pods().iter().for_each(|pod| kill("dialtone", pod)),
        false,
        || (),
    ));

    helm(&[&["upgrade", "dialtone", "charts/dialtone", "--set", "replicas=2"], install_flags().as_slice()].concat());
    assert_eq!(operator_pods().len(), 2, "the one that stands by is ready, too");
    all.push(measure("the leader of two operators is killed", "Leader", || kill("dialtone", &leader()), false, || ()));
    helm(&[&["upgrade", "dialtone", "charts/dialtone"], install_flags().as_slice()].concat());

    all.push(measure("a TFTP pod is killed", "Pod", || kill(SPACE, &pods()[0].0), false, || ()));
    let name = get("default", &["nodes"])["items"][0]["metadata"]["name"].as_str().unwrap().to_owned();
    all.push(measure(
        "the node is drained",
        "Drained",
        || {
            // There is no other node for a pod to go to: the site's PodDisruptionBudget would keep the last one for ever.
            let how =
                ["--ignore-daemonsets", "--delete-emptydir-data", "--force", "--disable-eviction", "--timeout=60s"];
            kube(&[&["drain", name.as_str()], how.as_slice()].concat());
        },
        true,
        || {
            kube(&["uncordon", &name]);
        },
    ));
    all.push(measure(
        "the API server is away for 12 s",
        "Away",
        || {
            node(&["stop", "kube-apiserver"]);
            std::thread::sleep(Duration::from_secs(12));
        },
        false,
        || node(&["start", "kube-apiserver"]),
    ));
    eprintln!("   {:40} {:>14} {:>14} {:>14}", "", "no answer for", "served after", "status after");
    for Recovery { what, gap, served, status } in all {
        let [gap, served, status] = [gap, served, status].map(|time| format!("{:.1} s", time.as_secs_f32()));
        eprintln!("   {what:40} {gap:>14} {served:>14} {status:>14}");
    }
}
