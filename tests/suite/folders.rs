//! Folders that somebody made to lead astray, for every command that reads one.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::child::Running;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

/// Runs the program, but not for ever.
fn dialtone(args: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } =
        Command::new("timeout").args(["20", env!("CARGO_BIN_EXE_dialtone")]).args(args).output().unwrap();
    (status.code(), format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
}

/// A folder with a secret beside it; its own files have one ending.
fn astray(outer: &Path, end: &str) -> String {
    let root = outer.join("root");
    std::fs::create_dir_all(root.join("a/b")).unwrap();
    std::fs::write(outer.join("secret"), "line1_name: hunter2\n").unwrap();
    mkfifo(&root.join(format!("pipe.{end}")), Mode::S_IRWXU).unwrap();
    for (target, name) in [
        ("/proc/kmsg", "kmsg"),
        ("/dev/zero", "zero"),
        ("/proc/self/environ", "environ"),
        ("../secret", "secret"),
        ("round", "round"),
    ] {
        symlink(target, root.join(format!("{name}.{end}"))).unwrap();
    }
    // Folders within folders, in more ways than anybody can go.
    for name in ["one", "two", "three"] {
        symlink("..", root.join("a").join(name)).unwrap();
        symlink("/", root.join("a/b").join(name)).unwrap();
    }
    root.to_str().unwrap().to_owned()
}

#[test]
fn an_import_ends_and_takes_nothing_from_elsewhere() {
    let outer = tempfile::tempdir().unwrap();
    let root = astray(outer.path(), "cnf");
    std::fs::write(Path::new(&root).join("SIP000A8A123456.cnf"), "line1_name: 1\n").unwrap();
    symlink("../secret", Path::new(&root).join("SIP000A8A123457.cnf")).unwrap();
    mkfifo(&Path::new(&root).join("SIPDefault.cnf"), Mode::S_IRWXU).unwrap();
    let (code, said) = dialtone(&["import", &root, "--site", "hq"]);
    assert_eq!(code, Some(0), "{said}");
    for (file, why) in [
        ("SIPDefault.cnf", "not used: it is no regular file"),
        ("SIP000A8A123457.cnf", "not used: it is a link that leads out of the folder"),
        ("a/one", "not used: is a link to a folder"),
    ] {
        assert!(said.lines().any(|line| line.contains(file) && line.contains(why)), "{file}\n{said}");
    }
    assert!(!said.contains("hunter2") && said.matches("kind: SipPhone").count() == 1, "{said}");
}

#[test]
fn rendering_ends_and_says_what_is_no_manifest() {
    let outer = tempfile::tempdir().unwrap();
    let root = astray(outer.path(), "yaml");
    std::fs::copy("examples/seed.yaml", Path::new(&root).join("seed.yaml")).unwrap();
    let out = outer.path().join("out");
    let (code, said) = dialtone(&["render", "-R", "-f", &root, "-o", out.to_str().unwrap()]);
    assert_eq!(code, Some(1), "{said}");
    for expected in
        ["pipe.yaml: it is no regular file", "secret.yaml: cannot be read: it is a link", "a/one: is a link to a"]
    {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
    assert!(!said.contains("hunter2") && !out.exists(), "{said}");
    // What a person names may be a link, a pipe of the shell, or stdin.
    let link = outer.path().join("link");
    symlink(std::fs::canonicalize("examples").unwrap(), &link).unwrap();
    let (code, said) = dialtone(&["render", "-f", link.to_str().unwrap(), "-o", out.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    let script = "cat examples/seed.yaml | timeout 20 \"$0\" render -f /dev/stdin -o \"$1\"";
    let (program, folder) = (env!("CARGO_BIN_EXE_dialtone"), out.to_str().unwrap());
    assert!(Command::new("sh").args(["-c", script, program, folder]).status().unwrap().success());
    for named in ["/proc/kmsg", "/dev/zero", &format!("{root}/pipe.yaml")] {
        let (code, said) = dialtone(&["render", "-f", named, "-o", folder]);
        assert_eq!(code, Some(1), "{named}: {said}");
    }
}

#[test]
fn manifests_in_a_mounted_config_map_are_read() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("..1")).unwrap();
    std::fs::copy("examples/seed.yaml", root.path().join("..1/seed.yaml")).unwrap();
    symlink("..1", root.path().join("..data")).unwrap();
    symlink("..data/seed.yaml", root.path().join("seed.yaml")).unwrap();
    let out = root.path().join("out");
    let (code, said) = dialtone(&["render", "-f", root.path().to_str().unwrap(), "-o", out.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    assert!(out.join("default/hq/SIP000A8A123456.cnf").exists(), "{said}");
}

#[test]
fn a_copy_ends_and_takes_nothing_from_elsewhere() {
    let (outer, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let root = astray(outer.path(), "bin");
    std::fs::write(Path::new(&root).join("real.bin"), "an image").unwrap();
    std::fs::File::create(Path::new(&root).join("huge.bin")).unwrap().set_len(40 << 30).unwrap();
    symlink("real.bin", Path::new(&root).join("link.bin")).unwrap();
    let (code, said) = dialtone(&["copy", &root, to.path().to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    let mut copied: Vec<_> = std::fs::read_dir(to.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    copied.sort();
    assert_eq!(copied, ["link.bin", "real.bin"]);
    assert!(
        said.contains("secret.bin") && said.contains("leads out of the folder") && said.contains("huge.bin"),
        "{said}"
    );
}

#[test]
fn standalone_ends_when_it_is_told_to_whatever_lies_in_its_folders() {
    let outer = tempfile::tempdir().unwrap();
    let root = astray(outer.path(), "bin");
    let mut child = Command::new(env!("CARGO_BIN_EXE_dialtone"))
        .args(["standalone", "--listen", "127.0.0.1:0", "-f", "examples/seed.yaml", "--firmware", &root])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
    let mut running = Running(child);
    let mut said = Vec::new();
    while !said.last().is_some_and(|line: &String| line.contains("serving on")) {
        said.push(lines.next().unwrap().unwrap());
    }
    assert!(said.iter().any(|line| line.contains("secret.bin: it is a link that leads out")), "{said:?}");
    let began = Instant::now();
    Command::new("kill").args(["-TERM", &running.0.id().to_string()]).status().unwrap();
    assert!(running.0.wait().unwrap().success());
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn standalone_ends_when_it_is_told_to_although_it_waits_for_a_manifest() {
    let outer = tempfile::tempdir().unwrap();
    let pipe = outer.path().join("site.yaml");
    mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    // Somebody has it open and says nothing.
    let _silent = std::fs::File::options().read(true).write(true).open(&pipe).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_dialtone"))
        .args(["standalone", "--listen", "127.0.0.1:0", "-f", pipe.to_str().unwrap()])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut running = Running(child);
    std::thread::sleep(Duration::from_secs(2));
    assert!(running.0.try_wait().unwrap().is_none(), "it waits");
    let began = Instant::now();
    Command::new("kill").args(["-TERM", &running.0.id().to_string()]).status().unwrap();
    assert!(running.0.wait().unwrap().success());
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}
