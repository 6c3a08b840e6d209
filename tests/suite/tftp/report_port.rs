//! Strangers at the report port, and sockets that take all descriptors.

use std::collections::VecDeque;
use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use super::process::Process;
use super::{Client, bytes};

#[test]
fn thousands_of_connections_that_say_nothing_or_half_of_it_cost_little_and_shut_nobody_out() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("a"), "1").unwrap();
    let process = Process::start(root.path(), None, &[]);
    assert!(process.report().is_some());
    let before = process.memory("VmRSS");
    for half in ["", "GET /v1/report HTTP/1.1\r\nHost: x\r\nX: "] {
        // Those of before stay open as long as the server lets them.
        let mut open = VecDeque::new();
        for n in 0..3000 {
            let mut stream = TcpStream::connect(process.reports).unwrap();
            let _ = stream.write_all(half.as_bytes());
            if !half.is_empty() {
                let _ = stream.write_all(&[b'x'; 7000]);
            }
            open.push_back(stream);
            if open.len() > 300 {
                open.pop_front();
            }
            if n % 500 == 499 {
                assert!(process.report().is_some(), "the operator is heard beside {n} strangers");
            }
        }
        let (more, files) = (process.memory("VmRSS").saturating_sub(before), process.open_files());
        println!("3,000 connections, each with {} bytes of a request: {more} KiB, {files} descriptors", half.len());
        assert!(more < 6 << 10, "{more} KiB more");
        assert!(files < 64 + 64, "{files} descriptors");
    }
}

#[test]
fn transfers_with_ports_of_their_own_leave_descriptors_for_files_and_reports() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("image"), bytes(50_000)).unwrap();
    let process = Process::start(root.path(), Some(128), &["--port-mode", "ephemeral"]);
    // Each of them goes on: it answers once, so that none makes room for another.
    let phones: Vec<Client> = (0..200).map(|_| Client::new(process.address)).collect();
    for phone in &phones {
        phone.request("image", "timeout\x0030\0");
        phone.socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let mut packet = [0; 600];
        if let Ok((_, from)) = phone.socket.recv_from(&mut packet) {
            phone.ack(0, from);
            let _ = phone.socket.recv_from(&mut packet);
            phone.ack(1, from);
        }
    }
    assert!(process.open_files() < 128 - 20, "{} of 128 descriptors", process.open_files());
    assert!(process.report().is_some());
    std::fs::write(root.path().join("new"), "1").unwrap();
    process.until("the new file", |process| {
        process.report().is_some_and(|report| report.holdings.held.iter().any(|file| file.name == "new"))
    });
}
