//! What the commands write: whole or not at all, and nowhere but where they were told to.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{FileTypeExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::child::Running;

const SITE: &str = "default/hq";

/// Runs the program, but not for ever, after these commands of a shell.
fn after(commands: &str, args: &[&str]) -> (bool, String) {
    let script = format!("{commands} exec timeout 20 \"$0\" \"$@\"");
    let program = env!("CARGO_BIN_EXE_dialtone");
    let Output { status, stdout, stderr } =
        Command::new("sh").args(["-c", &script, program]).args(args).output().unwrap();
    (status.success(), format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_is_rendered_goes_through_no_link_and_waits_for_no_pipe() {
    let outer = tempfile::tempdir().unwrap();
    let (out, elsewhere) = (outer.path().join("out"), outer.path().join("elsewhere"));
    fs::create_dir_all(out.join("default")).unwrap();
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("precious"), "kept").unwrap();
    let render = || after("", &["render", "-f", "examples/seed.yaml", "-o", text(&out)]);
    symlink(&elsewhere, out.join(SITE)).unwrap();
    let (fine, said) = render();
    assert!(!fine && said.contains("hq in it is a link"), "{said}");
    assert_eq!(names(&elsewhere), ["precious"]);
    fs::remove_file(out.join(SITE)).unwrap();
    fs::create_dir(out.join(SITE)).unwrap();
    let file = out.join(SITE).join("SIPDefault.cnf");
    for planted in ["SIPDefault.cnf", ".SIPDefault.cnf.part", "..dialtone.part"] {
        symlink(elsewhere.join("precious"), out.join(SITE).join(planted)).unwrap();
    }
    assert!(render().0 && fs::symlink_metadata(&file).unwrap().is_file());
    assert_eq!(fs::read(elsewhere.join("precious")).unwrap(), b"kept");
    mkfifo(&out.join(SITE).join(".OS79XX.TXT.part"), Mode::S_IRWXU).unwrap();
    fs::remove_file(&file).unwrap();
    mkfifo(&file, Mode::S_IRWXU).unwrap();
    let (fine, said) = render();
    assert!(!fine && said.contains("SIPDefault.cnf is there, and is no regular file"), "{said}");
    fs::remove_file(&file).unwrap();
    assert!(render().0);
}

#[test]
fn a_run_that_cannot_finish_leaves_the_files_of_the_one_before() {
    let outer = tempfile::tempdir().unwrap();
    let (from, to, out) = (outer.path().join("from"), outer.path().join("to"), outer.path().join("out"));
    fs::create_dir(&from).unwrap();
    fs::create_dir(&to).unwrap();
    fs::write(from.join("a.bin"), vec![2; 100_000]).unwrap();
    fs::write(to.join("a.bin"), "old").unwrap();
    assert!(after("", &["render", "-f", "examples/seed.yaml", "-o", text(&out)]).0);
    let rendered = names(&out.join(SITE));
    let before = fs::read(out.join(SITE).join("SIPDefault.cnf")).unwrap();
    let manifest = fs::read_to_string("examples/seed.yaml").unwrap();
    fs::write(outer.path().join("new.yaml"), manifest.replace("000A8A123456", "000A8A123457")).unwrap();
    // No file may have more than some bytes: as when a disk is full, or the process is killed in the middle.
    for limit in ["trap '' XFSZ; ulimit -f 1;", "ulimit -f 1;"] {
        assert!(!after(limit, &["copy", text(&from), text(&to)]).0);
        assert!(!after(limit, &["copy", text(&from.join("a.bin")), text(&to.join("a.bin"))]).0);
        assert_eq!(fs::read(to.join("a.bin")).unwrap(), b"old");
        assert!(!after(limit, &["render", "-f", text(&outer.path().join("new.yaml")), "-o", text(&out)]).0);
        assert_eq!(fs::read(out.join(SITE).join("SIPDefault.cnf")).unwrap(), before);
        assert!(out.join(SITE).join("SIP000A8A123456.cnf").exists());
        if limit.contains("trap") {
            assert_eq!((names(&to), names(&out.join(SITE))), (vec!["a.bin".to_owned()], rendered.clone()));
        }
    }
    // What a killed one left is no hindrance.
    assert!(after("", &["copy", text(&from), text(&to)]).0);
    assert_eq!((fs::read(to.join("a.bin")).unwrap().len(), names(&to).len()), (100_000, 1));
    assert!(after("", &["render", "-f", text(&outer.path().join("new.yaml")), "-o", text(&out)]).0);
    assert_eq!(names(&out.join(SITE)).len(), rendered.len());
}

#[test]
fn a_copy_onto_itself_loses_nothing_and_a_device_stays_one() {
    let root = tempfile::tempdir().unwrap();
    let (file, pipe) = (root.path().join("a.bin"), root.path().join("pipe"));
    fs::write(&file, "an image").unwrap();
    for (from, to) in [(root.path(), root.path()), (&file, &file)] {
        let (fine, said) = after("", &["copy", text(from), text(to)]);
        assert!(fine, "{said}");
        assert_eq!(fs::read(&file).unwrap(), b"an image");
    }
    mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    let (fine, said) = after("", &["copy", text(&file), text(&pipe)]);
    assert!(!fine && said.contains("is no regular file"), "{said}");
    assert!(fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("precious"), "kept").unwrap();
    symlink(outside.path().join("precious"), root.path().join("link")).unwrap();
    assert!(after("", &["copy", text(&file), text(&root.path().join("link"))]).0);
    assert_eq!(fs::read(outside.path().join("precious")).unwrap(), b"kept");
}

/// A site with so many phones.
fn manifests(phones: usize) -> Vec<String> {
    let kind = |kind: &str, name: &str, spec: &str| {
        format!(
            "apiVersion: dialtone.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}, namespace: default}}\nspec: {spec}\n---\n"
        )
    };
    let mut all = vec![kind("PhoneSite", "hq", "{settings: {proxy1Address: 10.0.0.1}}")];
    all.extend((0..phones).map(|n| {
        let spec =
            format!("{{siteRef: {{name: hq}}, mac: 000A8A{n:06X}, model: \"7960\", lines: [{{name: \"{n}\"}}]}}");
        kind("SipPhone", &format!("phone-{n}"), &spec)
    }));
    all
}

fn standalone(manifest: &Path) -> (Running, std::net::SocketAddr) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_dialtone"))
        .args(["standalone", "--listen", "127.0.0.1:0", "-f", text(manifest)])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
    let running = Running(child);
    let address = loop {
        let line = lines.next().unwrap().unwrap();
        if let Some(rest) = line.strip_prefix("serving on ") {
            break rest.split_whitespace().next().unwrap().parse().unwrap();
        }
    };
    std::thread::spawn(move || lines.for_each(drop));
    (running, address)
}

#[test]
fn standalone_ends_when_it_is_told_to_although_nobody_reads_what_it_prints() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("site.yaml");
    fs::write(&manifest, manifests(1_500).concat()).unwrap();
    let (mut running, _) = standalone(&manifest);
    // More than a pipe holds.
    std::thread::sleep(Duration::from_secs(2));
    let began = Instant::now();
    Command::new("kill").args(["-TERM", &running.0.id().to_string()]).status().unwrap();
    while running.0.try_wait().unwrap().is_none() {
        assert!(began.elapsed() < Duration::from_secs(10), "it goes on");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn standalone_ends_when_it_is_told_to_although_nobody_reads_its_warnings() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("site.yaml");
    // A warning for each phone: more than a pipe holds.
    let all = manifests(600).concat().replace("model:", "extraParameters: {telnet_level: \"1\"}, model:");
    fs::write(&manifest, all).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_dialtone"));
    child.args(["standalone", "--listen", "127.0.0.1:0", "-f", text(&manifest)]);
    let mut running = Running(child.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    std::thread::sleep(Duration::from_secs(8));
    assert!(running.0.try_wait().unwrap().is_none());
    let began = Instant::now();
    Command::new("kill").args(["-TERM", &running.0.id().to_string()]).status().unwrap();
    while running.0.try_wait().unwrap().is_none() {
        assert!(began.elapsed() < Duration::from_secs(20), "it goes on");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn manifests_that_are_written_in_place_take_no_phone_away() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("site.yaml");
    let all = manifests(8);
    fs::write(&manifest, all.concat()).unwrap();
    let (mut running, address) = standalone(&manifest);
    let last = "SIP000A8A000007.cnf";
    let get = || crate::tftp::Client::new(address).try_fetch(last, "blksize\x001428\0", 1428, 1);
    assert!(get().is_some());
    for _ in 0..2 {
        let mut file = File::create(&manifest).unwrap();
        for one in &all {
            // Whole documents, so that what is there so far is no error.
            file.write_all(one.as_bytes()).unwrap();
            std::thread::sleep(Duration::from_millis(120));
            assert!(get().is_some(), "a phone's file is gone while the manifests are written");
        }
    }
    fs::write(&manifest, all[..8].concat()).unwrap();
    let began = Instant::now();
    while get().is_some() {
        assert!(began.elapsed() < Duration::from_secs(10), "the phone was taken out, and is served");
        std::thread::sleep(Duration::from_millis(50));
    }
    running.0.kill().unwrap();
}
