//! Folders that fail, that lead elsewhere, that are written to while they are read.

use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::process::Process;

/// Writes a file so that it appears whole.
fn put(root: &Path, name: &str, bytes: &[u8]) {
    let part = root.join("..part");
    fs::write(&part, bytes).unwrap();
    fs::rename(part, root.join(name)).unwrap();
}

#[test]
fn nothing_outside_of_a_volume_is_served_and_what_has_no_end_keeps_nobody_waiting() {
    let outer = tempfile::tempdir().unwrap();
    let root = outer.path().join("volume");
    fs::create_dir(&root).unwrap();
    fs::write(outer.path().join("token"), "secret").unwrap();
    fs::write(root.join("real.cnf"), "served").unwrap();
    mkfifo(&root.join("pipe.cnf"), Mode::S_IRWXU).unwrap();
    for (target, name) in [
        ("../token", "token.cnf"),
        ("/proc/self/environ", "environ.cnf"),
        ("/proc/kmsg", "kmsg.cnf"),
        ("/dev/zero", "zero.cnf"),
        ("loop.cnf", "loop.cnf"),
        ("pipe.cnf", "linked.cnf"),
        ("real.cnf", "link.cnf"),
        ("/", "everything"),
        // What is noted here goes into reports.
        ("../token", "..problems"),
    ] {
        symlink(target, root.join(name)).unwrap();
    }
    let process = Process::start(&root, None, &[]);
    for name in ["token.cnf", "environ.cnf", "kmsg.cnf", "zero.cnf", "loop.cnf", "pipe.cnf", "linked.cnf", "everything"]
    {
        assert_eq!(process.get(name), None, "{name}");
    }
    assert_eq!(process.get("everything/etc/passwd"), None);
    for name in ["real.cnf", "link.cnf"] {
        assert_eq!(process.get(name).unwrap(), b"served", "{name}");
    }
    let report = process.report().unwrap();
    assert_eq!(report.holdings.held.len(), 2);
    let problem = report.problems.iter().find(|problem| problem.file == "token.cnf").unwrap();
    assert!(problem.message.contains("leads out of the folder"), "{problem}");
    assert!(!report.problems.iter().any(|problem| problem.message.contains("secret")), "{:?}", report.problems);
    // A thing that lasts is said once, however often the folder is read.
    for n in 0..30 {
        put(&root, "changing.cnf", format!("{n}").as_bytes());
        std::thread::sleep(Duration::from_millis(50));
    }
    process.until("the last change", |process| process.get("changing.cnf").is_some_and(|bytes| bytes == b"29"));
    assert_eq!(process.said("token.cnf"), 1);
    fs::remove_file(root.join("token.cnf")).unwrap();
    process.until("the end of the problem", |process| process.said("can be loaded again") == 1);
}

#[test]
fn a_server_without_descriptors_goes_on_serving_what_it_has() {
    let root = tempfile::tempdir().unwrap();
    for n in 0..20 {
        fs::write(root.path().join(format!("{n}.cnf")), "old").unwrap();
    }
    let process = Process::start(root.path(), None, &[]);
    let pid = process.running.0.id().to_string();
    let limit = |most: &str| Command::new("prlimit").args(["--pid", &pid, &format!("--nofile={most}:4096")]).status();
    match limit("3") {
        Ok(status) => assert!(status.success()),
        Err(error) => return eprintln!("skipped: the program `prlimit` is needed to take descriptors away ({error})"),
    }
    put(root.path(), "0.cnf", b"new");
    process.until("the failure", |process| process.said("Too many open files") > 0);
    std::thread::sleep(Duration::from_secs(2));
    for n in 0..20 {
        assert_eq!(process.get(&format!("{n}.cnf")).unwrap(), b"old");
    }
    assert_eq!(process.said("Too many open files"), 1, "it is said once");
    assert!(limit("4096").unwrap().success());
    process.until("the new file", |process| process.get("0.cnf").unwrap() == b"new");
    process.until("that it is over", |process| process.said("can be loaded again") == 1);
    fs::rename(root.path(), root.path().with_extension("away")).unwrap();
    process.until("that the folder is gone", |process| process.said("stay as they were") > 1);
    assert_eq!(process.get("7.cnf").unwrap(), b"old", "a folder that held files is not empty because it is gone");
    fs::rename(root.path().with_extension("away"), root.path()).unwrap();
}

#[test]
fn files_that_are_overwritten_in_place_are_served_whole() {
    const HALF: usize = 3000;
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("image.bin");
    fs::write(&path, [0; 2 * HALF]).unwrap();
    let process = Process::start(root.path(), None, &[]);
    let done = AtomicBool::new(false);
    let (mut reads, mut torn) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = File::options().write(true).open(&path).unwrap();
            let began = Instant::now();
            let mut n = 0_u8;
            while began.elapsed() < Duration::from_secs(4) {
                n = n % 250 + 1;
                file.seek(SeekFrom::Start(0)).unwrap();
                file.write_all(&[n; HALF]).unwrap();
                std::thread::sleep(Duration::from_millis(3));
                file.write_all(&[n; HALF]).unwrap();
                // At times it rests for long enough to be read.
                std::thread::sleep(Duration::from_millis(if n.is_multiple_of(60) { 700 } else { 3 }));
            }
            file.seek(SeekFrom::Start(0)).unwrap();
            file.write_all(&[255; 2 * HALF]).unwrap();
            done.store(true, Ordering::Release);
        });
        while !done.load(Ordering::Acquire) {
            let bytes = process.get("image.bin").unwrap();
            reads += 1;
            torn += usize::from(bytes.len() != 2 * HALF || bytes.iter().any(|byte| *byte != bytes[0]));
        }
    });
    println!("{torn} of {reads} reads were torn");
    assert!(reads > 20 && torn == 0, "{torn} of {reads} reads were half old, half new");
    process.until("the last one", |process| process.get("image.bin").unwrap() == [255; 2 * HALF]);
}

#[test]
fn one_file_that_is_too_large_is_left_out_alone() {
    let root = tempfile::tempdir().unwrap();
    for n in 0..20 {
        fs::write(root.path().join(format!("{n}.cnf")), [7; 10_000]).unwrap();
    }
    File::create(root.path().join("10.huge")).unwrap().set_len(40 << 30).unwrap();
    let process = Process::start(root.path(), None, &[]);
    for n in 0..20 {
        assert_eq!(process.get(&format!("{n}.cnf")).map(|bytes| bytes.len()), Some(10_000), "{n}.cnf");
    }
    assert_eq!(process.get("10.huge"), None);
    let problems = process.report().unwrap().problems;
    let [problem] = problems.as_slice() else { panic!("{problems:?}") };
    assert!(problem.file == "10.huge" && problem.message.contains("--max-bytes"), "{problem}");
}

#[test]
fn replacing_all_files_takes_a_quarter_more_memory_and_not_twice_as_much() {
    const MIB: usize = 1 << 20;
    let root = tempfile::tempdir().unwrap();
    let write = |byte: u8| {
        for n in 0..64 {
            put(root.path(), &format!("{n}.bin"), &vec![byte; MIB]);
        }
    };
    write(1);
    let process = Process::start(root.path(), None, &["--max-bytes", &(64 * MIB).to_string()]);
    let before = process.memory("VmHWM");
    write(2);
    let all_new = |process: &Process| {
        let digests: Vec<String> =
            process.report().unwrap().holdings.held.into_iter().map(|file| file.digest.to_string()).collect();
        digests.len() == 64
            && digests.iter().all(|digest| *digest == digests[0])
            && process.get("5.bin").is_some_and(|bytes| bytes[0] == 2)
    };
    process.until("all new ones", all_new);
    // The same bytes in new files take no place beside the old ones.
    for _ in 0..3 {
        write(2);
        std::thread::sleep(Duration::from_millis(600));
    }
    let (more, last) = (process.memory("VmHWM") - before, process.memory("VmRSS").saturating_sub(before));
    println!("replacing 64 MiB of files takes {more} KiB more than the {before} KiB of before, {last} KiB in the end");
    assert!(more < 28 << 10, "{more} KiB more than the {before} KiB before");
}

#[test]
fn a_list_of_parts_of_many_megabytes_takes_no_memory_and_no_report() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("P0S3-08-12-00.loads"), b"abcd.bin\n".repeat(4 << 20)).unwrap();
    let process = Process::start(root.path(), None, &[]);
    let report = process.report().unwrap();
    assert!(report.holdings.held[0].parts.len() <= 32, "{} parts", report.holdings.held[0].parts.len());
    let memory = process.memory("VmHWM");
    assert!(memory < 100 << 10, "{memory} KiB for a file of 36 MiB");
}

#[test]
fn a_file_that_grows_and_grows_is_said_once() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("a.cnf"), "served").unwrap();
    let file = File::create(root.path().join("tftpd.log")).unwrap();
    file.set_len(2_000).unwrap();
    let process = Process::start(root.path(), None, &["--max-bytes", "4000"]);
    for n in 0..20 {
        file.set_len(2_100 + 100 * n).unwrap();
        std::thread::sleep(Duration::from_millis(100));
    }
    process.until("that it is too large", |process| process.said("tftpd.log") > 0);
    assert_eq!(process.said("tftpd.log"), 1);
}

#[test]
fn a_server_whose_first_folder_cannot_be_read_does_not_serve_an_empty_one() {
    let (outer, firmware) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let root = outer.path().join("volume");
    // No folder for a moment: as with a volume that fails. The one with firmware fails to the end.
    fs::write(&root, "").unwrap();
    let broken = firmware.path().join("broken");
    fs::write(&broken, "").unwrap();
    let began = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_secs(6));
            let whole = outer.path().join("whole");
            fs::create_dir(&whole).unwrap();
            put(&whole, "SIPDefault.cnf", b"served");
            fs::remove_file(&root).unwrap();
            fs::rename(&whole, &root).unwrap();
        });
        let process = Process::start(&root, None, &["--root", broken.to_str().unwrap()]);
        assert!(began.elapsed() > Duration::from_secs(6), "it serves before it has read the folder");
        assert_eq!(process.get("SIPDefault.cnf").unwrap(), b"served");
        assert_eq!(process.said("volume: Not a directory"), 1);
    });
}
