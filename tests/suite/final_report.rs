//! The shutdown of `dialtone tftp`: transfers under way finish, and their records are in the final report.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::child::Running;
use dialtone::base::report::{Outcome, Query, Report};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn report(http: SocketAddr, query: &Query) -> Option<Report> {
    let mut stream = TcpStream::connect(http).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let head = "HTTP/1.0\r\nHost: x\r\nAuthorization: Bearer secret\r\n\r\n";
    write!(stream, "GET {} {head}", query.path()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
}

#[test]
fn the_final_report_says_how_the_last_transfer_ended() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    std::fs::create_dir(&root).unwrap();
    std::fs::write(root.join("P0S3-8-12-00.sb2"), [7; 1000]).unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "secret").unwrap();
    let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
    phone.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let tftp = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let http = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_dialtone"))
        .args(["tftp", "--listen", &tftp.to_string(), "--report", &http.to_string()])
        .arg("--root")
        .arg(&root)
        .arg("--token-file")
        .arg(&token)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut running = Running(child);
    let began = Instant::now();
    let first = loop {
        if let Some(report) = report(http, &Query::default()) {
            break report;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "it does not come up");
        std::thread::sleep(Duration::from_millis(20));
    };

    phone.send_to(b"\0\x01P0S3-8-12-00.sb2\0octet\0", tftp).unwrap();
    let mut buffer = [0; 600];
    let (_, from) = phone.recv_from(&mut buffer).unwrap();
    let asking = std::thread::spawn(move || report(http, &Query::after(&first, 10)));
    kill(Pid::from_raw(running.0.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert!(running.0.try_wait().unwrap().is_none(), "the phone has not acknowledged the first block yet");
    for block in [1, 2] {
        phone.send_to(&[0, 4, 0, block], from).unwrap();
        if block == 1 {
            assert_eq!(phone.recv_from(&mut buffer).unwrap().0, 4 + 488);
        }
    }
    let last = asking.join().unwrap().expect("an answer");
    let [record] = last.journal.records.as_slice() else { panic!("{:?}", last.journal.records) };
    assert_eq!((record.outcome, record.acknowledged), (Outcome::Complete, 1000));
    // A reader that comes for more shows that it has everything.
    let ended = Instant::now();
    let _ = report(http, &Query::after(&last, 10));
    assert!(running.0.wait().unwrap().success());
    assert!(ended.elapsed() < Duration::from_millis(800), "it does not wait for a reader that has everything");
}
