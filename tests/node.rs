//! The main job on a real node: `helm install`, `kubectl apply`, phones that boot over real UDP, and all that can fail
//! meanwhile. One story, told in order, because each part stands on the one before.
#![cfg(feature = "cluster-tests")]
#![allow(clippy::unwrap_used)] // A test that cannot go on should stop.

mod support;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use dialtone::simulator::{FetchResult, Options, Outcome, boot};
use serde_json::Value;
use support::{apply, condition, get, kube, kubectl, wait_for};

const SPACE: &str = "phones";
const SITE: &str = "
apiVersion: dialtone.dev/v1alpha1
kind: PhoneSite
metadata: {name: hq}
spec:
  settings: {proxy1Address: 172.16.129.248}
  tftp: {service: {type: NodePort}}
";
const SECRET: &str = "
apiVersion: v1
kind: Secret
metadata: {name: lines}
stringData: {one: correct-horse}
";

fn phone(name: &str, mac: &str, model: &str, label: &str, line: &str, more: &str) -> String {
    format!(
        "---\napiVersion: dialtone.dev/v1alpha1\nkind: SipPhone\nmetadata: {{name: {name}}}\nspec:\n  siteRef: {{name: hq}}\n  \
         mac: \"{mac}\"\n  model: \"{model}\"\n  label: {label}\n  lines: [{{name: \"{line}\"{more}}}]\n"
    )
}

fn one(label: &str) -> String {
    phone("one", "00:0a:8a:12:34:56", "7960", label, "8105", "")
}

fn two() -> String {
    phone("two", "000a.8a12.3457", "7940", "Two", "8106", "")
}

fn three() -> String {
    phone("three", "000A8A123458", "7960", "Three", "8107", ", passwordSecretRef: {name: lines, key: one}")
}

fn step(what: &str) {
    eprintln!("-- {what}");
}

fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn node(args: &[&str]) {
    let name = std::env::var("DIALTONE_NODE").expect("DIALTONE_NODE names the node; `make cluster` sets it");
    run("hack/node/component.sh", &[&["--name", &name], args].concat());
}

/// Boots one phone, in the later order of files.
fn boot_phone(server: SocketAddr, mac: &str, model: dialtone::phone::Model) -> Outcome {
    boot_as(server, mac, model, "P0S3-07-4-00")
}

fn boot_as(server: SocketAddr, mac: &str, model: dialtone::phone::Model, running: &str) -> Outcome {
    let options = Options {
        server,
        mac: mac.parse().unwrap(),
        model,
        running: running.to_owned(),
        bind: IpAddr::from([0, 0, 0, 0]),
        upgrade: true,
        wait: Duration::ZERO,
        poll: Duration::from_secs(31),
        patience: dialtone::simulator::Patience::default(),
    };
    tokio::runtime::Runtime::new().unwrap().block_on(boot(options))
}

fn file(outcome: &Outcome, name: &str) -> Option<Vec<u8>> {
    let found = outcome.files.iter().rfind(|file| file.file == name)?;
    (found.result == FetchResult::Fetched).then(|| found.content.clone())
}

fn service() -> SocketAddr {
    let service = get(SPACE, &["service", "dialtone-hq"]);
    SocketAddr::new(service["spec"]["clusterIP"].as_str().unwrap().parse().unwrap(), 69)
}

fn node_port() -> SocketAddr {
    let (address, _) = wait_for("the site's address", 20, || {
        get(SPACE, &["phonesite", "hq"])["status"]["address"].as_str().map(str::to_owned)
    });
    address.parse().unwrap()
}

fn pods() -> Vec<(String, SocketAddr)> {
    let pods = get(SPACE, &["pods", "-l", "dialtone.dev/site=hq", "--field-selector=status.phase=Running"]);
    let pods = pods["items"].as_array().cloned().unwrap_or_default();
    let alive = pods.iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
    alive
        .filter_map(|pod| {
            let ip = pod["status"]["podIP"].as_str()?.parse().ok()?;
            Some((pod["metadata"]["name"].as_str()?.to_owned(), SocketAddr::new(ip, 6969)))
        })
        .collect()
}

fn wait_in_sync(name: &str) {
    wait_for(&format!("{name} to be InSync"), 20, || {
        let phone = get(SPACE, &["sipphone", name]);
        (condition(&phone, "InSync").0 == "True" && condition(&phone, "Ready").0 == "True").then_some(())
    });
}

fn wait_ready(name: &str) -> Value {
    wait_for(&format!("{name} to be Ready"), 60, || {
        let phone = get(SPACE, &["sipphone", name]);
        let current = phone["status"]["observedGeneration"] == phone["metadata"]["generation"];
        (current && condition(&phone, "Ready").0 == "True").then_some(phone)
    })
    .0
}

/// What `dialtone render` makes of the same manifests.
fn rendered(manifests: &str) -> BTreeMap<String, Vec<u8>> {
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

/// Writes by the operator to what it looks after, from the API server's own log: verb and resource.
fn writes() -> Vec<(String, String)> {
    let log = Path::new(&std::env::var("KUBECONFIG").unwrap()).with_file_name("audit.log");
    let text = std::fs::read_to_string(log).unwrap();
    let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let ours = events.filter(|event| event["user"]["username"] == "system:serviceaccount:dialtone:dialtone");
    ours.map(|event| {
        let part = |field: &str| event["objectRef"][field].as_str().unwrap_or_default().to_owned();
        let resource = match part("subresource").as_str() {
            "" => part("resource"),
            sub => format!("{}/{sub}", part("resource")),
        };
        (event["verb"].as_str().unwrap_or_default().to_owned(), resource)
    })
    .collect()
}

fn count(writes: &[(String, String)], resource: &str) -> usize {
    writes.iter().filter(|(_, written)| written == resource).count()
}

use dialtone::phone::Model::{Cp7940, Cp7960};

#[test]
fn a_site_from_helm_install_to_its_end() {
    install();
    three_phones_boot_and_get_what_render_says();
    an_edit_is_served_at_once_and_costs_little();
    a_secret_is_rotated();
    conflicts_disturb_nobody();
    firmware_is_staged_before_phones_are_told();
    many_phones_come_and_go();
    nothing_is_written_when_nothing_changes();
    phones_boot_whatever_is_down();
    a_suspended_site_stays_as_it_is();
    what_others_do_to_our_objects_is_mended();
    one_object_that_cannot_be_read_stops_nobody();
    the_classic_port_mode_serves_too();
    a_site_goes_and_leaves_nothing();
}

fn install() {
    step("helm install, in namespaces with the restricted Pod Security level");
    for namespace in ["dialtone", SPACE] {
        kube(&["create", "namespace", namespace]);
        kube(&["label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted"]);
    }
    let helm = std::env::var("DIALTONE_HELM").unwrap_or_else(|_| "helm".to_owned());
    run(
        &helm,
        &[
            "install",
            "dialtone",
            "charts/dialtone",
            "-n",
            "dialtone",
            "--set",
            "image.tag=dev,image.pullPolicy=Never",
            "--wait",
            "--timeout",
            "90s",
        ],
    );
}

fn three_phones_boot_and_get_what_render_says() {
    step("a site with three phones; every byte as `dialtone render` has it");
    let manifests = [SITE, "---", SECRET, &one("Reception"), &two(), &three()].concat();
    apply(SPACE, &manifests);
    for name in ["one", "two", "three"] {
        wait_ready(name);
    }
    let expected = rendered(&manifests);
    let port = node_port();
    let mut servers = vec![service(), port];
    servers.extend(pods().into_iter().map(|(_, address)| address));
    assert_eq!(servers.len(), 4, "two pods serve");
    for (mac, model) in [("000A8A123456", Cp7960), ("000A8A123457", Cp7940), ("000A8A123458", Cp7960)] {
        for server in &servers {
            for running in ["P0S3-07-4-00", "P0S3-06-3-00"] {
                let outcome = boot_as(*server, mac, model, running);
                assert!(outcome.booted, "{mac} from {server}: {:?}", outcome.problems);
                for name in ["SIPDefault.cnf".to_owned(), format!("SIP{mac}.cnf")] {
                    assert_eq!(file(&outcome, &name).as_ref(), expected.get(&name), "{name} from {server}");
                }
            }
        }
    }
    for name in ["one", "two", "three"] {
        wait_in_sync(name);
    }
    let one = get(SPACE, &["sipphone", "one"]);
    assert_eq!(one["status"]["configFile"], "SIP000A8A123456.cnf");
    assert_eq!(one["status"]["configHash"], one["status"]["fetchedHash"]);
    assert_eq!(one["status"]["configHash"], one["status"]["servedHash"]);
    let line = &one["status"]["lines"][0];
    assert_eq!(line["stationIdentification"], "8105");
    assert_eq!(line["stationIdentificationUri"], "sip:8105@172.16.129.248:5060");
    assert_eq!(line["stationConnection"], format!("8105@{}", one["status"]["address"].as_str().unwrap()));

    step("passwords are in Secrets and nowhere else");
    let maps = kube(&["get", "configmaps", "-n", SPACE, "-o", "json"]);
    assert!(!maps.contains("correct-horse") && !maps.contains("SIP000A8A123458"));
    for what in ["sipphones", "phonesites", "events"] {
        assert!(!kube(&["get", what, "-n", SPACE, "-o", "json"]).contains("correct-horse"), "{what}");
    }
    let expected = sha256(&rendered(&manifests)["SIP000A8A123458.cnf"]);
    let hash = get(SPACE, &["sipphone", "three"])["status"]["configHash"].as_str().unwrap().to_owned();
    assert!(!hash.contains(&expected), "a plain hash would let readers try passwords");

    step("a phone that nobody declared shows up, and comes to life when it is declared");
    let outcome = boot_phone(service(), "000A8A1234EE", Cp7960);
    assert!(!outcome.booted);
    let unclaimed = || get(SPACE, &["phonesite", "hq"])["status"]["unclaimed"].clone();
    wait_for("the unclaimed phone", 10, || (unclaimed()[0]["mac"] == "000A8A1234EE").then_some(()));
    apply(SPACE, &phone("late", "000A8A1234EE", "7960", "Late", "8199", ""));
    wait_ready("late");
    assert!(boot_phone(service(), "000A8A1234EE", Cp7960).booted);
    wait_for("nobody to be unclaimed", 10, || unclaimed().is_null().then_some(()));
    kube(&["delete", "sipphone", "late", "-n", SPACE]);
}

fn sha256(bytes: &[u8]) -> String {
    dialtone::provision::digest::Digest::of(bytes).to_string()
}

/// How long until every pod serves other bytes than these.
fn served_after(began: Instant, mac: &str, old: &[u8]) -> Duration {
    let name = format!("SIP{mac}.cnf");
    for (_, pod) in pods() {
        wait_for("the new bytes", 10, || {
            let outcome = boot_as(pod, mac, Cp7960, "P0S3-06-3-00");
            (file(&outcome, &name)? != old).then_some(())
        });
    }
    began.elapsed()
}

fn an_edit_is_served_at_once_and_costs_little() {
    step("an edit is on the wire within 2 s");
    // What the boots before had to say has been said.
    settle();
    let old = file(&boot_phone(service(), "000A8A123456", Cp7960), "SIP000A8A123456.cnf").unwrap();
    settle();
    let before = writes().len();
    let began = Instant::now();
    apply(SPACE, &one("Foyer"));
    let took = served_after(began, "000A8A123456", &old);
    eprintln!("   served by every pod {:.2} s after kubectl apply began", took.as_secs_f64());
    assert!(took < Duration::from_secs(2), "{took:?}");
    wait_ready("one");
    let mut made = writes().split_off(before);
    eprintln!("   writes until it was served: {made:?}");
    made.retain(|(_, resource)| resource != "events");
    assert_eq!(count(&made, "configmaps"), 1, "{made:?}");
    assert_eq!(count(&made, "secrets"), 0, "{made:?}");
    assert_eq!(count(&made, "pods"), 2, "{made:?}");
    wait_in_sync("one");
}

/// Waits until the operator has nothing more to write.
fn settle() {
    let mut last = writes().len();
    wait_for("the operator to have nothing to write", 60, || {
        std::thread::sleep(Duration::from_millis(2500));
        let now = writes().len();
        let quiet = now == last;
        last = now;
        quiet.then_some(())
    });
}

fn a_secret_is_rotated() {
    step("a rotated Secret is served");
    let old = file(&boot_phone(service(), "000A8A123458", Cp7960), "SIP000A8A123458.cnf").unwrap();
    let began = Instant::now();
    apply(SPACE, &SECRET.replace("correct-horse", "battery-staple"));
    let took = served_after(began, "000A8A123458", &old);
    eprintln!("   served by every pod after {:.2} s", took.as_secs_f64());
    let outcome = boot_phone(service(), "000A8A123458", Cp7960);
    assert_eq!(outcome.flash.get("line1_password"), Some("battery-staple"));

    step("a missing Secret is said, and the last good file stays");
    kube(&["delete", "secret", "lines", "-n", SPACE]);
    wait_for("SecretNotFound", 20, || {
        let phone = get(SPACE, &["sipphone", "three"]);
        (condition(&phone, "Accepted") == ("False".to_owned(), "SecretNotFound".to_owned())).then_some(())
    });
    assert_eq!(boot_phone(service(), "000A8A123458", Cp7960).flash.get("line1_password"), Some("battery-staple"));
    apply(SPACE, &SECRET.replace("correct-horse", "battery-staple"));
    wait_ready("three");
}

fn conflicts_disturb_nobody() {
    step("a second phone with the same MAC, and one with the same line, are told so; the first ones go on");
    let before = get(SPACE, &["sipphone", "one"]);
    // The creation time has a resolution of seconds, and the older one shall be older.
    std::thread::sleep(Duration::from_millis(1100));
    apply(SPACE, &phone("twin", "00-0A-8A-12-34-56", "7960", "Twin", "8200", ""));
    apply(SPACE, &phone("rival", "000A8A123460", "7960", "Rival", "8105", ""));
    for (name, reason) in [("twin", "DuplicateMac"), ("rival", "DuplicateLine")] {
        wait_for(reason, 20, || {
            let phone = get(SPACE, &["sipphone", name]);
            (condition(&phone, "Accepted") == ("False".to_owned(), reason.to_owned())).then_some(())
        });
        let conditions = get(SPACE, &["sipphone", name])["status"]["conditions"].to_string();
        assert!(conditions.contains("SipPhone one"), "the message names the other object: {conditions}");
        assert!(conditions.contains("Stalled"), "{conditions}");
        let (_, _) = wait_for("an Event", 10, || {
            let events = kube(&[
                "get",
                "events",
                "-n",
                SPACE,
                "--field-selector",
                &format!("involvedObject.name={name}"),
                "-o",
                "json",
            ]);
            events.contains(reason).then_some(())
        });
    }
    assert_eq!(get(SPACE, &["sipphone", "one"])["status"], before["status"]);
    assert!(boot_phone(service(), "000A8A123456", Cp7960).booted);
    assert!(!boot_phone(service(), "000A8A123460", Cp7960).booted);
    kube(&["delete", "sipphone", "twin", "rival", "-n", SPACE]);

    step("a phone of a site that does not exist waits for it");
    apply(SPACE, &phone("lost", "000A8A123461", "7960", "Lost", "8300", "").replace("{name: hq}", "{name: nowhere}"));
    wait_for("SiteNotFound", 20, || {
        (condition(&get(SPACE, &["sipphone", "lost"]), "Accepted").1 == "SiteNotFound").then_some(())
    });
    kube(&["delete", "sipphone", "lost", "-n", SPACE]);

    step("a phone that is deleted is no longer served");
    kube(&["delete", "sipphone", "two", "-n", SPACE]);
    for (_, pod) in pods() {
        wait_for("the file to be gone", 10, || {
            file(&boot_as(pod, "000A8A123457", Cp7940, "P0S3-06-3-00"), "SIP000A8A123457.cnf").is_none().then_some(())
        });
    }
    apply(SPACE, &two());
    wait_ready("two");
}

fn firmware_is_staged_before_phones_are_told() {
    step("firmware: nothing is said to phones before every pod holds the image, whole");
    let told = || {
        let outcome = boot_as(service(), "000A8A123456", Cp7960, "P0S3-06-3-00");
        outcome.flash.get("image_version").map(str::to_owned)
    };
    let with =
        SITE.replace("  tftp:", "  firmware: {image: P0S3-06-2-00, source: {configMaps: [{name: firmware}]}}\n  tftp:");
    apply(SPACE, &with);
    let reason = |wanted: &str| {
        wait_for(wanted, 60, || {
            let site = get(SPACE, &["phonesite", "hq"]);
            (condition(&site, "FirmwareStaged").1 == wanted).then_some(())
        });
    };
    reason("SourceNotFound");
    assert_eq!(told(), None);
    let folder = tempfile::tempdir().unwrap();
    let image: Vec<u8> = (0..200_000u32).map(|n| (n * 7) as u8).collect();
    let path = folder.path().join("image");
    std::fs::write(&path, &image).unwrap();
    let create = |name: &str| {
        let from = format!("--from-file={name}={}", path.display());
        let yaml = kube(&["create", "configmap", "firmware", "-n", SPACE, &from, "--dry-run=client", "-o", "yaml"]);
        let output = kubectl(&["apply", "--server-side", "-f", "-"], Some(&yaml));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    create("POS3-06-2-00.bin");
    reason("Incomplete");
    let site = get(SPACE, &["phonesite", "hq"])["status"]["conditions"].to_string();
    assert!(site.contains("POS3-06-2-00.bin"), "the near miss is named: {site}");
    assert_eq!(told(), None);
    create("P0S3-06-2-00.bin");
    reason("Staged");
    wait_for("phones to be told", 20, || (told().as_deref() == Some("P0S3-06-2-00")).then_some(()));
    let outcome = boot_as(service(), "000A8A123456", Cp7960, "P0S3-06-3-00");
    assert_eq!(file(&outcome, "P0S3-06-2-00.bin"), Some(image));
    assert_eq!(outcome.running, "P0S3-06-2-00");
    assert_eq!(file(&outcome, "OS79XX.TXT").as_deref(), Some(&b"P0S30202\n"[..]));
    apply(SPACE, SITE);
    wait_for("firmware to be unmanaged", 60, || {
        let site = get(SPACE, &["phonesite", "hq"]);
        (condition(&site, "FirmwareStaged").1 == "Unmanaged" && condition(&site, "Ready").0 == "True").then_some(())
    });
    // Another set of firmware ConfigMaps is another pod template.
    kube(&["rollout", "status", "deployment/dialtone-hq", "-n", SPACE, "--timeout=60s"]);
    wait_for("two pods", 60, || (pods().len() == 2).then_some(()));
}

fn many_phones_come_and_go() {
    step(
        "400 phones fill more than one shard, without a new pod and without a moment in which the first one has no file",
    );
    let pods_before: Vec<String> = pods().into_iter().map(|(name, _)| name).collect();
    let server = service();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let booting = scope.spawn(|| {
            let mut boots = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let outcome = boot_as(server, "000A8A123456", Cp7960, "P0S3-06-3-00");
                assert!(outcome.booted, "{:?}", outcome.problems);
                boots += 1;
                std::thread::sleep(Duration::from_millis(20));
            }
            boots
        });
        let many: String = (0..400)
            .map(|n| phone(&format!("m{n}"), &format!("000A8B{n:06X}"), "7960", "Many", &format!("9{n:03}"), ""))
            .collect();
        let began = Instant::now();
        let output = kubectl(&["apply", "-n", SPACE, "--server-side", "-f", "-"], Some(&many));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let applied = began.elapsed();
        wait_for("all phones to be ready", 120, || {
            let site = get(SPACE, &["phonesite", "hq"]);
            (site["status"]["phones"]["ready"] == 403 && site["status"]["phones"]["total"] == 403).then_some(())
        });
        eprintln!(
            "   kubectl took {:.1} s, all were ready after {:.1} s",
            applied.as_secs_f64(),
            began.elapsed().as_secs_f64()
        );
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        eprintln!("   the first phone booted {} times meanwhile", booting.join().unwrap());
    });
    let shards = get(SPACE, &["configmaps", "-l", "dialtone.dev/role=files"]);
    assert!(shards["items"].as_array().unwrap().len() >= 3, "common and two shards");
    for shard in shards["items"].as_array().unwrap() {
        let bytes: usize = shard["data"].as_object().unwrap().values().map(|text| text.as_str().unwrap().len()).sum();
        assert!(bytes < 900_000, "{bytes}");
    }
    let pods_after: Vec<String> = pods().into_iter().map(|(name, _)| name).collect();
    assert_eq!(pods_before, pods_after, "no pod was replaced");

    step("a phone that gets a password moves to a Secret without a moment in which it has no file");
    let server = service();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let booting = scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let outcome = boot_as(server, "000A8A123457", Cp7940, "P0S3-06-3-00");
                assert!(outcome.booted, "{:?}", outcome.problems);
            }
        });
        apply(SPACE, &two().replace("\"8106\"", "\"8106\", passwordSecretRef: {name: lines, key: one}"));
        wait_for("the password to be served", 20, || {
            let outcome = boot_as(server, "000A8A123457", Cp7940, "P0S3-06-3-00");
            outcome.flash.get("line1_password").map(str::to_owned)
        });
        wait_ready("two");
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        booting.join().unwrap();
    });
    let maps = kube(&["get", "configmaps", "-n", SPACE, "-o", "json"]);
    assert!(!maps.contains("SIP000A8A123457"), "its old file is gone from the ConfigMap");

    step("they go again");
    let names: Vec<String> = (0..400).map(|n| format!("m{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    kube(&[&["delete", "sipphone", "-n", SPACE, "--wait=false"], names.as_slice()].concat());
    wait_for("three phones to be left", 60, || {
        (get(SPACE, &["phonesite", "hq"])["status"]["phones"]["total"] == 3).then_some(())
    });
}

fn nothing_is_written_when_nothing_changes() {
    step("an idle minute without a write");
    settle();
    let before = writes().len();
    // An unprovisioned phone that polls is no reason either.
    boot_phone(service(), "000A8A1234DD", Cp7960);
    settle();
    let stranger = writes().len();
    assert!(
        stranger - before <= 1,
        "one status write for a stranger, the first time: {:?}",
        writes().split_off(before)
    );
    for _ in 0..6 {
        std::thread::sleep(Duration::from_secs(10));
        boot_phone(service(), "000A8A1234DD", Cp7960);
    }
    let made = writes().split_off(stranger);
    assert!(made.is_empty(), "{made:?}");

    step("a restart of the operator without a write");
    kube(&["rollout", "restart", "deployment/dialtone", "-n", "dialtone"]);
    kube(&["rollout", "status", "deployment/dialtone", "-n", "dialtone", "--timeout=60s"]);
    std::thread::sleep(Duration::from_secs(10));
    let made = writes().split_off(stranger);
    assert!(made.is_empty(), "{made:?}");
}

fn phones_boot_whatever_is_down() {
    step("phones boot while the operator is down");
    kube(&["scale", "deployment/dialtone", "-n", "dialtone", "--replicas=0"]);
    wait_for("the operator to be gone", 60, || {
        let pods = get("dialtone", &["pods"]);
        pods["items"].as_array().is_none_or(Vec::is_empty).then_some(())
    });
    assert!(boot_phone(service(), "000A8A123456", Cp7960).booted);
    kube(&["scale", "deployment/dialtone", "-n", "dialtone", "--replicas=1"]);
    kube(&["rollout", "status", "deployment/dialtone", "-n", "dialtone", "--timeout=60s"]);

    step("phones boot while one TFTP pod is replaced");
    let killed = pods()[0].0.clone();
    kube(&["delete", "pod", &killed, "-n", SPACE, "--grace-period=0", "--force"]);
    for _ in 0..5 {
        assert!(boot_phone(service(), "000A8A123456", Cp7960).booted);
    }
    wait_for("two pods again", 60, || {
        let site = get(SPACE, &["phonesite", "hq"]);
        (site["status"]["servers"] == "2/2" && pods().iter().all(|(name, _)| *name != killed)).then_some(())
    });

    step("phones boot while the API server is down");
    let server = service();
    node(&["stop", "kube-apiserver"]);
    std::thread::sleep(Duration::from_secs(3));
    assert!(kubectl(&["get", "nodes", "--request-timeout=2s"], None).stderr.len() > 1, "it is down");
    for mac in ["000A8A123456", "000A8A123457", "000A8A123458"] {
        assert!(boot_phone(server, mac, Cp7960).booted, "{mac}");
    }
    node(&["start", "kube-apiserver"]);
    step("and everything goes on afterwards");
    let old = file(&boot_phone(server, "000A8A123456", Cp7960), "SIP000A8A123456.cnf").unwrap();
    apply(SPACE, &one("After"));
    wait_for("the edit to be served", 90, || {
        let outcome = boot_as(server, "000A8A123456", Cp7960, "P0S3-06-3-00");
        (file(&outcome, "SIP000A8A123456.cnf")? != old).then_some(())
    });
}

fn a_suspended_site_stays_as_it_is() {
    step("a suspended site stays as it is, says so, and catches up");
    apply(SPACE, &SITE.replace("spec:", "spec:\n  suspend: true"));
    wait_for("Suspended", 30, || (condition(&get(SPACE, &["phonesite", "hq"]), "Suspended").0 == "True").then_some(()));
    apply(SPACE, &one("Suspended"));
    wait_for("the phone to say so", 30, || {
        (condition(&get(SPACE, &["sipphone", "one"]), "Ready").1 == "Suspended").then_some(())
    });
    assert_eq!(boot_phone(service(), "000A8A123456", Cp7960).label, "After");
    apply(SPACE, SITE);
    wait_for("the change to be served", 30, || {
        (boot_phone(service(), "000A8A123456", Cp7960).label == "Suspended").then_some(())
    });
}

fn what_others_do_to_our_objects_is_mended() {
    step("a ConfigMap that somebody deletes and a Deployment that somebody changes are put right");
    kube(&["delete", "configmap", "dialtone-hq-phones-00", "-n", SPACE]);
    wait_for("the ConfigMap", 20, || (!get(SPACE, &["configmap", "dialtone-hq-phones-00"]).is_null()).then_some(()));
    kube(&["scale", "deployment/dialtone-hq", "-n", SPACE, "--replicas=1"]);
    wait_for("two replicas", 20, || {
        (get(SPACE, &["deployment", "dialtone-hq"])["spec"]["replicas"] == 2).then_some(())
    });

    step("an object of somebody else with a name that a site would need is left alone");
    kube(&["create", "configmap", "dialtone-other-common", "-n", SPACE, "--from-literal=mine=yes"]);
    apply(SPACE, &SITE.replace("name: hq", "name: other"));
    wait_for("NameTaken", 30, || {
        (condition(&get(SPACE, &["phonesite", "other"]), "Accepted").1 == "NameTaken").then_some(())
    });
    assert_eq!(get(SPACE, &["configmap", "dialtone-other-common"])["data"], serde_json::json!({"mine": "yes"}));
    kube(&["delete", "phonesite", "other", "-n", SPACE]);
    kube(&["delete", "configmap", "dialtone-other-common", "-n", SPACE]);
}

fn one_object_that_cannot_be_read_stops_nobody() {
    step("an object that this program cannot decode stops nobody");
    let path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/model/enum";
    let patch = |patch: String| kube(&["patch", "crd", "sipphones.dialtone.dev", "--type=json", "-p", &patch]);
    patch(format!(r#"[{{"op": "add", "path": "{path}/-", "value": "7999"}}]"#));
    wait_for("the looser definition", 20, || {
        let manifest = phone("poison", "000A8A1234AA", "7999", "Poison", "8999", "");
        kubectl(&["apply", "-n", SPACE, "-f", "-"], Some(&manifest)).status.success().then_some(())
    });
    apply(SPACE, &one("Antidote"));
    wait_for("the edit of another phone", 20, || {
        (boot_phone(service(), "000A8A123456", Cp7960).label == "Antidote").then_some(())
    });
    kube(&["rollout", "restart", "deployment/dialtone", "-n", "dialtone"]);
    kube(&["rollout", "status", "deployment/dialtone", "-n", "dialtone", "--timeout=60s"]);
    apply(SPACE, &one("Again"));
    wait_for("an edit after a restart", 20, || {
        (boot_phone(service(), "000A8A123456", Cp7960).label == "Again").then_some(())
    });
    kube(&["delete", "sipphone", "poison", "-n", SPACE]);
    patch(format!(r#"[{{"op": "remove", "path": "{path}/2"}}]"#));
}

fn the_classic_port_mode_serves_too() {
    step("portMode Ephemeral, asked directly");
    apply(SPACE, &SITE.replace("tftp: {", "tftp: {portMode: Ephemeral, "));
    wait_for("pods that answer from ports of their own", 60, || {
        let pods = get(SPACE, &["pods", "-l", "dialtone.dev/site=hq"]).to_string();
        pods.contains("--port-mode=ephemeral").then_some(())
    });
    kube(&["rollout", "status", "deployment/dialtone-hq", "-n", SPACE, "--timeout=60s"]);
    for (_, pod) in pods() {
        let outcome = boot_phone(pod, "000A8A123456", Cp7960);
        assert!(outcome.booted, "{:?}", outcome.problems);
    }
}

fn a_site_goes_and_leaves_nothing() {
    step("a site that is deleted leaves nothing");
    kube(&["delete", "phonesite", "hq", "-n", SPACE]);
    wait_for("all that the operator made to be gone", 60, || {
        let kinds = "deployments,pods,services,configmaps,secrets,serviceaccounts,networkpolicies";
        let left = get(SPACE, &[kinds, "-l", "app.kubernetes.io/managed-by=dialtone"]);
        left["items"].as_array().is_none_or(Vec::is_empty).then_some(())
    });
    wait_for("the phones to say that their site is gone", 20, || {
        (condition(&get(SPACE, &["sipphone", "one"]), "Accepted").1 == "SiteNotFound").then_some(())
    });
}
