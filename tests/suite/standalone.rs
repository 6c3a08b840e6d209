//! `dialtone standalone`: manifests, no cluster, real UDP.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use crate::child::Running;
use dialtone::simulator::{Options, Outcome, Patience, boot};

async fn phone(server: SocketAddr) -> Outcome {
    boot(Options {
        running: "P0S3-06-3-00".into(),
        bind: [127, 0, 0, 1].into(),
        patience: Patience { first: Duration::from_millis(200), ..Patience::default() },
        ..Options::new(server, "000A8A123456".parse().unwrap())
    })
    .await
}

async fn until(server: SocketAddr, what: &str, right: impl Fn(&Outcome) -> bool) -> Outcome {
    let began = Instant::now();
    loop {
        let outcome = phone(server).await;
        if right(&outcome) {
            return outcome;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{what}: {outcome:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The lines that it prints.
struct Shown(Receiver<String>);

impl Shown {
    fn of(stdout: ChildStdout) -> Shown {
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Shown(lines)
    }

    /// Waits for a line.
    fn find(&self, what: &str, mut is_it: impl FnMut(&str) -> bool) {
        let (began, mut last) = (Instant::now(), String::new());
        while !is_it(&last) {
            assert!(began.elapsed() < Duration::from_secs(60), "{what}: {last}");
            last = self.0.recv_timeout(Duration::from_secs(60)).unwrap_or_else(|_| panic!("{what}: {last}"));
        }
    }

    /// All further lines, until nothing has changed for two seconds.
    fn rest(&self) -> Vec<String> {
        std::iter::from_fn(|| self.0.recv_timeout(Duration::from_secs(2)).ok()).collect()
    }

    /// Waits until nothing has changed for a second.
    fn settle(&self) {
        while self.0.recv_timeout(Duration::from_secs(1)).is_ok() {}
    }
}

/// The phone that a line is about, and its state.
fn state(line: &str) -> Option<(&str, &str)> {
    let mut words = line.split_whitespace().skip(1);
    words.next().zip(words.next())
}

/// Starts it; where it serves, and what it prints.
fn serve(manifest: &Path, firmware: &Path) -> (SocketAddr, Running, Shown) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_dialtone"))
        .args(["standalone", "--listen", "127.0.0.1:0", "-f"])
        .arg(manifest)
        .arg("--firmware")
        .arg(firmware)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let shown = Shown::of(child.stdout.take().unwrap());
    let running = Running(child);
    let server: SocketAddr = loop {
        let line = said.next().unwrap().unwrap();
        if let Some(rest) = line.strip_prefix("serving on ") {
            break rest.split_whitespace().next().unwrap().parse().unwrap();
        }
    };
    // What it says must be read, or it stops for want of room.
    std::thread::spawn(move || said.for_each(drop));
    (server, running, shown)
}

#[tokio::test]
async fn manifests_are_served_watched_and_what_phones_fetch_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("site.yaml");
    let seed = std::fs::read_to_string("examples/seed.yaml").unwrap();
    std::fs::write(&manifest, &seed).unwrap();
    let firmware = folder.path().join("firmware");
    std::fs::create_dir(&firmware).unwrap();
    let (server, _running, shown) = serve(&manifest, &firmware);

    let outcome = phone(server).await;
    assert!(outcome.booted && outcome.lines == ["8105@172.16.129.248"], "{outcome:?}");
    shown.find("the phone, ready and in sync", |line| {
        state(line) == Some(("reception", "InSync")) && line.contains("127.0.0.1") && line.contains(".cnf")
    });

    std::fs::write(&manifest, seed.replace("label: Reception", "label: Foyer")).unwrap();
    until(server, "the edit", |outcome| outcome.label == "Foyer").await;
    std::fs::write(&manifest, seed.replace("label: Reception", "labell: Broken")).unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(phone(server).await.label, "Foyer", "what was served stays");
    std::fs::write(&manifest, seed.replace("00:0a:8a:12:34:56", "no mac").replace("label: Reception", "label: Lost"))
        .unwrap();
    shown.find("what is wrong with it", |line| state(line) == Some(("reception", "Invalid")));
    assert_eq!(phone(server).await.label, "Foyer", "and where it was");
    std::fs::write(firmware.join("P0S3-06-2-00.bin"), "an image").unwrap();
    let with = seed.replace("spec:\n  settings:", "spec:\n  firmware: {image: P0S3-06-2-00}\n  settings:");
    std::fs::write(&manifest, with).unwrap();
    until(server, "the image", |outcome| outcome.running == "P0S3-06-2-00").await;
}

#[test]
fn a_rollout_and_a_change_reach_phones_that_stay_on() {
    let folder = tempfile::tempdir().unwrap();
    let (manifest, firmware) = (folder.path().join("site.yaml"), folder.path().join("firmware"));
    let site = |firmware: &str| {
        format!(
            "apiVersion: dialtone.dev/v1alpha1\nkind: PhoneSite\nmetadata: {{name: hq}}\nspec:\n  settings: {{proxy1Address: 10.0.0.1}}\n  resync: {{method: Notify}}\n{firmware}"
        )
    };
    let phones: String = (0..4)
        .map(|n| format!("---\napiVersion: dialtone.dev/v1alpha1\nkind: SipPhone\nmetadata: {{name: p{n}}}\nspec: {{siteRef: {{name: hq}}, mac: 000A8A15000{n}, model: \"7960\", lines: [{{name: \"710{n}\"}}]}}\n"))
        .collect();
    std::fs::create_dir(&firmware).unwrap();
    std::fs::write(firmware.join("P0S3-06-3-00.bin"), vec![7; 100_000]).unwrap();
    std::fs::write(&manifest, site("") + &phones).unwrap();
    let (server, _running, shown) = serve(&manifest, &firmware);
    let mut staying = Command::new(env!("CARGO_BIN_EXE_dialtone"))
        .args(["phone", "--server", &server.to_string(), "--mac", "000A8A150000", "--count", "4", "--stay"])
        .args(["--bind", "127.0.0.70", "--running", "P0S3-05-3-00", "--idle", "0.2", "--for", "60", "-o", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_secs(1));
    std::fs::write(&manifest, site("  firmware: {image: P0S3-06-3-00, rollout: {maxUpdating: 1}}\n") + &phones)
        .unwrap();
    shown.find("the last phone of the rollout", |line| line.contains("p3 ") && line.contains("Current P0S3-06-3-00"));
    // It runs the image, and is up once it has fetched the rest of its files.
    shown.settle();
    Command::new("kill").args(["-INT", &staying.id().to_string()]).status().unwrap();
    let mut text = String::new();
    std::io::Read::read_to_string(&mut staying.stdout.take().unwrap(), &mut text).unwrap();
    assert!(staying.wait().unwrap().success());
    assert_eq!(text.lines().filter(|line| line.contains("\"running\":\"P0S3-06-3-00\"")).count(), 4, "{text}");
}

/// Each change of a phone is a line, and a block of an image is none.
#[test]
fn sixty_phones_that_upgrade_write_few_lines() {
    let folder = tempfile::tempdir().unwrap();
    let (manifest, firmware) = (folder.path().join("site.yaml"), folder.path().join("firmware"));
    let phones: String = (0..60)
        .map(|n| format!("---\napiVersion: dialtone.dev/v1alpha1\nkind: SipPhone\nmetadata: {{name: p{n}}}\nspec: {{siteRef: {{name: hq}}, mac: 000A8A1700{n:02X}, model: \"7960\", lines: [{{name: \"71{n:02}\"}}]}}\n"))
        .collect();
    std::fs::create_dir(&firmware).unwrap();
    std::fs::write(firmware.join("P0S3-06-3-00.bin"), vec![7; 200_000]).unwrap();
    let site = "apiVersion: dialtone.dev/v1alpha1\nkind: PhoneSite\nmetadata: {name: hq}\nspec: {settings: {proxy1Address: 10.0.0.1}, firmware: {image: P0S3-06-3-00}}\n";
    std::fs::write(&manifest, site.to_owned() + &phones).unwrap();
    let (server, _running, shown) = serve(&manifest, &firmware);
    let upgraded = Command::new(env!("CARGO_BIN_EXE_dialtone"))
        .args(["phone", "--server", &server.to_string(), "--mac", "000A8A170000", "--count", "60", "--upgrade"])
        .args(["--bind", "127.0.2.1", "--running", "P0S3-05-3-00", "--again", "1"])
        .output()
        .unwrap();
    assert!(upgraded.status.success(), "{upgraded:?}");
    let lines = shown.rest();
    let took = |line: &&String| line.contains("Installing") || line.contains("Current P0S3-06-3-00");
    let phones: std::collections::BTreeSet<_> =
        lines.iter().filter(took).filter_map(|line| state(line)).map(|(phone, _)| phone).collect();
    assert_eq!(phones.len(), 60, "{lines:#?}");
    assert!(lines.len() < 1_000, "{} lines", lines.len());
}

#[test]
fn a_site_that_is_not_there_is_said_with_those_that_are() {
    let output = Command::new(env!("CARGO_BIN_EXE_dialtone"))
        .args(["standalone", "--listen", "127.0.0.1:0", "-f", "examples", "--site", "nosuch"])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("there is no PhoneSite nosuch") && said.contains("default/branch, default/hq"), "{said}");
}

#[test]
fn phones_whose_answers_are_lost_are_told_one_after_the_other_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let (manifest, firmware) = (folder.path().join("site.yaml"), folder.path().join("firmware"));
    let site = |proxy: &str| {
        format!(
            "apiVersion: dialtone.dev/v1alpha1\nkind: PhoneSite\nmetadata: {{name: hq}}\nspec:\n  settings: {{proxy1Address: {proxy}}}\n  resync: {{method: Notify, maxConcurrent: 1}}\n"
        )
    };
    let phones: String = (0..2)
        .map(|n| format!("---\napiVersion: dialtone.dev/v1alpha1\nkind: SipPhone\nmetadata: {{name: p{n}}}\nspec: {{siteRef: {{name: hq}}, mac: 000A8A16000{n}, model: \"7960\", lines: [{{name: \"710{n}\"}}]}}\n"))
        .collect();
    std::fs::create_dir(&firmware).unwrap();
    std::fs::write(&manifest, site("10.0.0.1") + &phones).unwrap();
    let (server, _running, shown) = serve(&manifest, &firmware);
    let mut staying = Command::new(env!("CARGO_BIN_EXE_dialtone"))
        .args(["phone", "--server", &server.to_string(), "--mac", "000A8A160000", "--count", "2", "--stay"])
        .args(["--bind", "127.0.0.76", "--running", "P0S3-06-3-00", "--idle", "0.2", "--for", "60", "-o", "json"])
        .args(["--sip-answers", "lost"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let in_sync = |what: &str| {
        shown.find(what, |line| state(line) == Some(("p1", "InSync")));
    };
    in_sync("both have booted");
    std::fs::write(&manifest, site("10.0.0.2") + &phones).unwrap();
    shown.find("the change", |line| matches!(state(line), Some(("p1", state)) if state != "InSync"));
    in_sync("both took the change");
    // Time enough for what would be sent again.
    std::thread::sleep(Duration::from_secs(4));
    Command::new("kill").args(["-INT", &staying.id().to_string()]).status().unwrap();
    let mut text = String::new();
    std::io::Read::read_to_string(&mut staying.stdout.take().unwrap(), &mut text).unwrap();
    assert!(staying.wait().unwrap().success());
    let outcomes: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(outcomes.len(), 2);
    for outcome in outcomes {
        let files = outcome["files"].as_array().unwrap();
        let acted = files.iter().filter(|file| file["file"] == "syncinfo.xml").count();
        assert_eq!((acted, outcome["restarts"].as_u64()), (1, Some(1)), "{outcome}");
    }
}

#[test]
fn a_port_that_is_taken_is_said_with_what_to_do_and_the_end_is_orderly() {
    let folder = tempfile::tempdir().unwrap();
    // A second one of the same user: the kernel would let both share the port, and each would get some of the phones.
    let (taken, mut running, _shown) = serve(Path::new("examples/seed.yaml"), folder.path());
    let listen = taken.to_string();
    let output = Command::new("timeout")
        .args(["10", env!("CARGO_BIN_EXE_dialtone"), "standalone", "-f", "examples/seed.yaml", "--listen", &listen])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains(&listen) && said.contains("end it, or choose another port"), "{said}");

    Command::new("kill").args(["-TERM", &running.0.id().to_string()]).status().unwrap();
    assert!(running.0.wait().unwrap().success(), "a service manager ends it by SIGTERM");
}

/// Sends what a phone would, without having heard anything: requests, and acknowledgements of blocks that nobody has seen.
fn blind(server: SocketAddr, from: &str) {
    for file in ["SIPDefault.cnf", "SIP000A8A123456.cnf"] {
        let socket = std::net::UdpSocket::bind((from, 0)).unwrap();
        socket.send_to(&[b"\0\x01", file.as_bytes(), b"\0octet\0"].concat(), server).unwrap();
        for block in 1..24u16 {
            socket.send_to(&[[0, 4], block.to_be_bytes()].concat(), server).unwrap();
        }
    }
}

#[tokio::test]
async fn acknowledgements_of_what_was_not_sent_yet_make_no_phone_in_sync() {
    let folder = tempfile::tempdir().unwrap();
    let (server, running, shown) = serve(Path::new("examples/seed.yaml"), folder.path());
    let signal = |name: &str| {
        Command::new("kill").args([name, &running.0.id().to_string()]).status().unwrap();
    };
    // All 48 packets are there when the server looks.
    signal("-STOP");
    blind(server, "127.0.0.66");
    signal("-CONT");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(phone(server).await.booted);
    let mut lines = Vec::new();
    shown.find("the phone itself", |line| {
        lines.push(line.to_owned());
        line.contains("127.0.0.1") && matches!(state(line), Some((_, "InSync")))
    });
    assert!(!lines.iter().any(|line| line.contains("127.0.0.66")), "{lines:?}");
}
