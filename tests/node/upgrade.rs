//! A building of fifty phones goes from one image to the next, five at a time and with nobody touching a phone, while things
//! go wrong: three phones fail in different ways, a TFTP pod is killed, and the operator is restarted.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dialtone::phone::Model;
use dialtone::simulator::{Display, Fault, Options, Outcome, Phone, RunOptions, SipAnswers, run_until_off};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::sync::broadcast;
use tokio::task::JoinHandle;

use super::stage::*;
use super::support::{apply, condition, get, kube, kubectl, wait_for, wait_until};

const SITE: &str = "tower";
const PHONES: usize = 50;
const LIMIT: usize = 5;
/// How long statuses may lag behind.
const LAG: Duration = Duration::from_secs(5);
const LEGACY: (&str, &str) = ("P0S3-05-3-00", "P0S3-06-3-00");
const LATER: (&str, &str) = ("P0S3-07-4-00", "P0S3-8-12-00");
/// Who fails, and how: two of the legacy order, one of the later.
const UNLUCKY: [(usize, Fault, u32); 3] =
    [(3, Fault::FailAt(100_000), 2), (0, Fault::VanishAt(300_000), 1), (30, Fault::Loop, 3)];

fn is_legacy(n: usize) -> bool {
    n < PHONES / 2
}

fn mac(n: usize) -> String {
    format!("000A8A1300{n:02X}")
}

fn name(n: usize) -> String {
    format!("tower-{n:02}")
}

fn site(firmware: &str) -> String {
    format!(
        "
apiVersion: dialtone.dev/v1alpha1
kind: PhoneSite
metadata: {{name: {SITE}}}
spec:
  settings: {{proxy1Address: 172.16.129.248}}
  resync: {{method: Notify, maxConcurrent: 10}}
  tftp: {{service: {{type: ClusterIP}}}}
{firmware}"
    )
}

fn manifest(n: usize, label: &str) -> String {
    let image = if is_legacy(n) { format!("  firmware: {{image: {}}}\n", LEGACY.1) } else { String::new() };
    format!(
        "---\napiVersion: dialtone.dev/v1alpha1\nkind: SipPhone\nmetadata: {{name: {}}}\nspec:\n  siteRef: {{name: {SITE}}}\n  \
         mac: \"{}\"\n  model: \"7960\"\n  label: {label}\n  lines: [{{name: \"9{n:03}\"}}]\n{image}",
        name(n),
        mac(n)
    )
}

/// An address for each phone beside this machine's own, where pods can reach it.
fn addresses() -> Vec<Ipv4Addr> {
    let (device, shown) = link();
    let [a, b, c, _] = own_address().octets();
    let all: Vec<Ipv4Addr> = (0..PHONES).map(|n| Ipv4Addr::new(a, b, c, 101 + n as u8)).collect();
    for address in all.iter().filter(|address| !shown.contains(&format!("{address}/"))) {
        run("ip", &["addr", "add", &format!("{address}/32"), "dev", &device]);
    }
    all
}

struct Building {
    shown: Vec<Arc<Display>>,
    lives: Vec<JoinHandle<Outcome>>,
    off: broadcast::Sender<()>,
}

/// Switches all phones on.
fn switch_on(runtime: &Runtime, server: SocketAddr) -> Building {
    let (off, _) = broadcast::channel(1);
    let mut building = Building { shown: Vec::new(), lives: Vec::new(), off };
    for (n, address) in addresses().into_iter().enumerate() {
        let unlucky = UNLUCKY.iter().find(|(who, ..)| *who == n).map(|(_, what, tries)| (*what, *tries));
        let options = Options {
            model: Model::Cp7960,
            running: if is_legacy(n) { LEGACY.0 } else { LATER.0 }.to_owned(),
            bind: address.into(),
            reboot: Duration::from_millis(500),
            fault: unlucky,
            ..Options::new(server, mac(n).parse().unwrap())
        };
        let phone = Phone::new(options);
        let life = RunOptions {
            idle: Duration::from_millis(300),
            sip_port: None,
            sip_answers: SipAnswers::default(),
            telnet_port: None,
            until: tokio::time::Instant::now() + Duration::from_secs(600),
            upgrade: None,
        };
        building.shown.push(phone.display());
        let hears = building.off.subscribe();
        building.lives.push(runtime.spawn(async move { run_until_off(phone, &life, hears).await }));
    }
    building
}

/// All phones of the building, by number.
fn phones() -> Vec<Value> {
    let all = get(SPACE, &["sipphones"]);
    let mut found: BTreeMap<String, Value> = BTreeMap::new();
    for phone in all["items"].as_array().cloned().unwrap_or_default() {
        found.insert(phone["metadata"]["name"].as_str().unwrap_or_default().to_owned(), phone);
    }
    (0..PHONES).map(|n| found.remove(&name(n)).unwrap_or_default()).collect()
}

fn stage(phone: &Value) -> String {
    phone["status"]["firmware"]["stage"].as_str().unwrap_or("?").to_owned()
}

fn firmware() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = |size: usize, seed: usize| (0..size).map(|n| ((n * 31 + seed) % 251) as u8).collect::<Vec<u8>>();
    let loads = format!("\u{1}sig\n{0}.loads\nP003-8-12-00.sbn\n{0}.sb2\nLA_VERSION=PAS30830\n", LATER.1);
    for (map, file, content) in [
        ("fw-legacy", format!("{}.bin", LEGACY.1), bytes(700_000, 1)),
        ("fw-loads", format!("{}.loads", LATER.1), loads.into_bytes()),
        ("fw-loader", "P003-8-12-00.sbn".to_owned(), bytes(130_956, 2)),
        ("fw-app", format!("{}.sb2", LATER.1), bytes(756_524, 3)),
    ] {
        let path = folder.path().join(&file);
        std::fs::write(&path, content).unwrap();
        let from = format!("--from-file={file}={}", path.display());
        let yaml = kube(&["create", "configmap", map, "-n", SPACE, &from, "--dry-run=client", "-o", "yaml"]);
        assert!(kubectl(&["apply", "--server-side", "-f", "-"], Some(&yaml)).status.success());
    }
}

fn image_of(n: usize) -> &'static str {
    if is_legacy(n) { LEGACY.1 } else { LATER.1 }
}

fn is_unlucky(n: usize) -> bool {
    UNLUCKY.iter().any(|(who, ..)| *who == n)
}

pub fn a_building_upgrades_by_itself() {
    step("fifty phones of both orders come up, and stay on");
    firmware();
    let all: String = (0..PHONES).map(|n| manifest(n, "Tower")).collect();
    apply(SPACE, &(site("") + &all));
    wait_for("all to be served", 60, || {
        let site = get(SPACE, &["phonesite", SITE]);
        // The images of the legacy phones are wanted and not there yet.
        (site["status"]["phones"]["served"] == PHONES as i64).then_some(())
    });
    let service = get(SPACE, &["service", "dialtone-tower"]);
    let server = SocketAddr::new(service["spec"]["clusterIP"].as_str().unwrap().parse().unwrap(), 69);
    let runtime = Runtime::new().unwrap();
    let building = switch_on(&runtime, server);
    let in_sync = || get(SPACE, &["phonesite", SITE])["status"]["phones"]["inSync"].clone();
    wait_for("all to be in sync", 60, || (in_sync() == PHONES as i64).then_some(()));

    step("an edit of one phone reaches it, with nobody touching it, and no other");
    let restarts = || building.shown.iter().map(|shown| shown.activity().restarts).collect::<Vec<u32>>();
    let before = restarts();
    let began = Instant::now();
    apply(SPACE, &manifest(7, "Changed"));
    wait_for("the phone to run it", 30, || {
        let phone = get(SPACE, &["sipphone", &name(7)]);
        let newest = phone["status"]["observedGeneration"] == phone["metadata"]["generation"];
        let done = newest && condition(&phone, "InSync").0 == "True" && condition(&phone, "Resynced").0 == "True";
        done.then_some(())
    });
    eprintln!("   InSync again {:.2} s after kubectl apply began", began.elapsed().as_secs_f64());
    let mut expected = before;
    expected[7] += 1;
    assert_eq!(restarts(), expected, "exactly one phone restarted");
    wait_until("an Event that says so", 10, || {
        let of = format!("involvedObject.name={}", name(7));
        let events = kube(&["get", "events", "-n", SPACE, "--field-selector", &of]);
        if events.contains("Told") { Ok(()) } else { Err(events) }
    });

    step("the whole building upgrades, five at a time; three fail, TFTP pods come and go, the operator is restarted");
    settle();
    let written = writes();
    let began = Instant::now();
    let maps = "configMaps: [{name: fw-legacy}, {name: fw-loads}, {name: fw-loader}, {name: fw-app}]";
    let firmware =
        format!("  firmware: {{image: {}, source: {{{maps}}}, rollout: {{maxUpdating: {LIMIT}}}}}\n", LATER.1);
    apply(SPACE, &site(&firmware));
    let mut story: Vec<Vec<String>> = vec![Vec::new(); PHONES];
    let mut over: Option<Instant> = None;
    let (mut most, mut killed, mut evicted, mut restarted) = (0, false, false, false);
    let delete_a_pod = |how: &[&str]| {
        let pods = kube(&["get", "pods", "-n", SPACE, "-l", "dialtone.dev/site=tower", "-o", "name"]);
        kube(&[&["delete", "-n", SPACE, "--wait=false", pods.lines().next().unwrap()], how].concat());
    };
    wait_until("all that can to run the new image", 300, || {
        let phones = phones();
        let stages: Vec<String> = phones.iter().map(stage).collect();
        for (story, stage) in story.iter_mut().zip(&stages).filter(|(story, stage)| story.last() != Some(stage)) {
            story.push(stage.clone());
        }
        let between = |stage: &&String| matches!(stage.as_str(), "Offered" | "Downloading" | "Installing");
        let going = stages.iter().filter(between).count();
        // Statuses are paced: that of a phone which has just arrived may come after that of the one whose turn it is now.
        match going <= LIMIT {
            true => over = None,
            false => {
                let since = over.get_or_insert_with(Instant::now).elapsed();
                assert!(since < LAG, "{going} phones are on their way for {since:?}: {stages:?}");
            }
        }
        let files = building.shown.iter().filter_map(|shown| Some(shown.activity().file?.0));
        let images: Vec<String> =
            files.filter(|file| [".bin", ".sbn", ".sb2"].iter().any(|suffix| file.ends_with(suffix))).collect();
        let taking = images.len();
        assert!(taking <= LIMIT, "{taking} phones take an image");
        most = most.max(going.min(LIMIT)).max(taking);
        let current = stages.iter().filter(|stage| *stage == "Current").count();
        if current >= 8 && !killed {
            killed = true;
            delete_a_pod(&["--grace-period=0", "--force"]);
        }
        // What it tells of the transfer to its end, nobody else knows: the phone does not restart after that part.
        if current >= PHONES / 2 && !evicted && images.iter().any(|file| file.ends_with(".sb2")) {
            evicted = true;
            delete_a_pod(&[]);
        }
        if current >= 20 && !restarted {
            restarted = true;
            kube(&["delete", "pods", "-n", "dialtone", "--all", "--wait=false"]);
        }
        let others = phones.iter().filter(|phone| stage(phone) != "Current");
        let others = others.map(|phone| format!("{}: {}", phone["metadata"]["name"], phone["status"]["firmware"]));
        if current == PHONES - UNLUCKY.len() { Ok(()) } else { Err(others.collect::<Vec<_>>().join("; ")) }
    });
    let took = began.elapsed();
    assert!(killed && evicted && restarted && most >= 2, "{killed} {evicted} {restarted} {most}");
    for (n, stages) in story.iter().enumerate().filter(|(n, _)| !is_unlucky(*n)) {
        assert!(never_backwards(stages), "{}: {stages:?}", name(n));
    }
    eprintln!("   {} phones upgraded in {:.0} s, at most {most} at a time", PHONES - UNLUCKY.len(), took.as_secs_f64());

    step("the others say why not, and one of them succeeds when it is asked to try again");
    let failures = |phones: &[Value]| phones[30]["status"]["firmware"]["failures"].as_i64();
    wait_for("the failures to be told, and one of them three times", 150, || {
        let phones = phones();
        (UNLUCKY.iter().all(|(n, ..)| stage(&phones[*n]) == "Failed") && failures(&phones) == Some(3)).then_some(())
    });
    let phones = phones();
    let message = |n: usize| phones[n]["status"]["firmware"]["message"].as_str().unwrap_or_default().to_owned();
    assert!(message(3).contains("gave up after 99840 of 700000 bytes"), "{}", message(3));
    assert!(message(0).contains("fell silent after"), "{}", message(0));
    assert!(message(30).contains("P003-8-12-00.sbn"), "{}", message(30));
    let now = run("date", &["-u", "+%FT%TZ"]);
    kube(&["annotate", "sipphone", &name(3), "-n", SPACE, &format!("dialtone.dev/resync-at={}", now.trim())]);
    wait_for("it to have upgraded", 60, || (stage(&get(SPACE, &["sipphone", &name(3)])) == "Current").then_some(()));
    let counted = get(SPACE, &["phonesite", SITE])["status"]["firmware"]["stages"].clone();
    eprintln!("   the site says {counted}");

    settle();
    let new: Vec<(String, String)> = writes().split_off(written.len());
    let statuses = count(&new, "sipphones/status");
    let per_phone = statuses as f64 / PHONES as f64;
    eprintln!(
        "   writes: {statuses} statuses of phones ({per_phone:.1} each), {} of the site, {} of files, {} in all",
        count(&new, "phonesites/status"),
        count(&new, "configmaps") + count(&new, "secrets"),
        new.len()
    );
    assert!(statuses <= 12 * PHONES, "{statuses}");

    let _ = building.off.send(());
    for (n, life) in building.lives.into_iter().enumerate() {
        let outcome = runtime.block_on(life).unwrap();
        let lucky = !is_unlucky(n) || n == 3;
        assert_eq!(outcome.running == image_of(n), lucky, "{}: {outcome:?}", name(n));
        assert_eq!(outcome.vanished, n == 0);
    }
    let all: Vec<String> = (0..PHONES).map(name).collect();
    let names: Vec<&str> = all.iter().map(String::as_str).collect();
    kube(&[&["delete", "sipphone", "-n", SPACE, "--wait=false"], names.as_slice()].concat());
    kube(&["delete", "phonesite", SITE, "-n", SPACE]);
}

/// Whether the stages follow each other as they should; one that lost its pod may fail, and try again.
fn never_backwards(stages: &[String]) -> bool {
    stages.split(|stage| stage == "Failed").all(goes_on)
}

fn goes_on(stages: &[String]) -> bool {
    let order = ["Unmanaged", "Pending", "Waiting", "Staged", "Offered", "Downloading", "Installing", "Current"];
    let rank = |stage: &String| order.iter().position(|known| known == stage);
    let ranks: Option<Vec<usize>> = stages.iter().map(rank).collect();
    // A phone that lost its turn before it read of the image waits again.
    let again = |two: &[String]| two[0] == "Staged" && two[1] == "Waiting";
    ranks.is_some_and(|ranks| {
        ranks.windows(2).zip(stages.windows(2)).all(|(ranks, stages)| ranks[0] <= ranks[1] || again(stages))
    })
}
