//! `dialtone tftp` as a process of its own, with what it says.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dialtone::base::report::{Query, Report};

use super::Client;
use crate::child::Running;

pub struct Process {
    pub running: Running,
    pub address: SocketAddr,
    pub reports: SocketAddr,
    said: Arc<Mutex<Vec<String>>>,
    _token: tempfile::TempDir,
}

/// A port that nobody has.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

impl Process {
    /// Serves a folder; with so many descriptors, if they are limited.
    pub fn start(root: &Path, descriptors: Option<u32>, more: &[&str]) -> Process {
        let (token, reports) = (tempfile::tempdir().unwrap(), free());
        std::fs::write(token.path().join("token"), "secret").unwrap();
        let limit = descriptors.map(|most| format!("ulimit -n {most}; ")).unwrap_or_default();
        let mut child = Command::new("sh")
            .args(["-c", &format!("{limit}exec \"$0\" tftp --listen 127.0.0.1:0 \"$@\"")])
            .args([env!("CARGO_BIN_EXE_dialtone"), "--root", root.to_str().unwrap()])
            .args(["--report", &reports.to_string(), "--token-file"])
            .arg(token.path().join("token"))
            .args(if more.contains(&"--workers") { &[] as &[&str] } else { &["--workers", "1"] })
            .args(more)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let running = Running(child);
        let said = Arc::new(Mutex::new(Vec::new()));
        let address = loop {
            let line = lines.next().expect("it serves");
            said.lock().unwrap().push(line.clone());
            if line.contains("is serving") {
                break line.split_once('[').and_then(|(_, rest)| rest.split_once(']')).unwrap().0.parse().unwrap();
            }
        };
        let note = said.clone();
        std::thread::spawn(move || lines.for_each(|line| note.lock().unwrap().push(line)));
        Process { running, address, reports, said, _token: token }
    }

    /// How many lines it said with this in them.
    pub fn said(&self, what: &str) -> usize {
        self.said.lock().unwrap().iter().filter(|line| line.contains(what)).count()
    }

    /// A file as phones get it; none if it is not found.
    pub fn get(&self, name: &str) -> Option<Vec<u8>> {
        Some(Client::new(self.address).try_fetch(name, "blksize\x001428\0", 1428, 1)?.0)
    }

    /// Waits until something holds.
    pub fn until(&self, what: &str, right: impl Fn(&Process) -> bool) {
        let began = Instant::now();
        while !right(self) {
            assert!(began.elapsed() < Duration::from_secs(20), "{what}: {:?}", self.said.lock().unwrap());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A report, as the operator asks for it.
    pub fn report(&self) -> Option<Report> {
        self.report_after(&Query::default())
    }

    /// Asks for a report; where the answer comes.
    pub fn ask(&self, query: &Query) -> Option<TcpStream> {
        let mut stream = TcpStream::connect(self.reports).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let head = "HTTP/1.0\r\nHost: x\r\nAuthorization: Bearer secret\r\n\r\n";
        write!(stream, "GET {} {head}", query.path()).ok()?;
        Some(stream)
    }

    /// What is new since another report.
    pub fn report_after(&self, query: &Query) -> Option<Report> {
        let (mut stream, mut answer) = (self.ask(query)?, String::new());
        stream.read_to_string(&mut answer).ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    }

    /// A line of /proc/PID/status, in KiB.
    pub fn memory(&self, what: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.running.0.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(what)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// How many descriptors it has open.
    pub fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.running.0.id())).unwrap().count()
    }
}
