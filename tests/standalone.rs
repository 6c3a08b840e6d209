//! `dialtone standalone`: manifests, no cluster, real UDP.
#![allow(clippy::unwrap_used)] // A test that cannot go on should stop.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use dialtone::simulator::{Options, Outcome, Patience, boot};

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

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

#[tokio::test]
async fn manifests_are_served_watched_and_what_phones_fetch_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("site.yaml");
    let seed = std::fs::read_to_string("examples/seed.yaml").unwrap();
    std::fs::write(&manifest, &seed).unwrap();
    let firmware = folder.path().join("firmware");
    std::fs::create_dir(&firmware).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_dialtone"))
        .args(["standalone", "--listen", "127.0.0.1:0", "-f"])
        .arg(&manifest)
        .arg("--firmware")
        .arg(&firmware)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let shown = child.stdout.take().unwrap();
    let _running = Running(child);
    let server: SocketAddr = loop {
        let line = said.next().unwrap().unwrap();
        if let Some(rest) = line.strip_prefix("serving on ") {
            break rest.split_whitespace().next().unwrap().parse().unwrap();
        }
    };
    // What it says must be read, or it stops for want of room.
    std::thread::spawn(move || said.for_each(drop));
    let table = std::thread::spawn(move || {
        BufReader::new(shown)
            .lines()
            .map_while(Result::ok)
            .find(|line| line.contains("reception") && line.contains("127.0.0.1"))
            .unwrap_or_default()
    });

    let outcome = phone(server).await;
    assert!(outcome.booted && outcome.lines == ["8105@172.16.129.248"], "{outcome:?}");
    let row = table.join().unwrap();
    assert!(
        row.contains("SIP000A8A123456.cnf") && row.split_whitespace().filter(|word| *word == "True").count() == 2,
        "{row}"
    );

    std::fs::write(&manifest, seed.replace("label: Reception", "label: Foyer")).unwrap();
    until(server, "the edit", |outcome| outcome.label == "Foyer").await;
    std::fs::write(&manifest, seed.replace("label: Reception", "labell: Broken")).unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(phone(server).await.label, "Foyer", "what was served stays");
    std::fs::write(firmware.join("P0S3-06-2-00.bin"), "an image").unwrap();
    let with = seed.replace("spec:\n  settings:", "spec:\n  firmware: {image: P0S3-06-2-00}\n  settings:");
    std::fs::write(&manifest, with).unwrap();
    until(server, "the image", |outcome| outcome.running == "P0S3-06-2-00").await;
}
