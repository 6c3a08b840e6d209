//! What makes a phone fetch its files anew, sent to programs that others wrote in the place of the phone: `dialtone standalone`
//! serves a phone, its manifest changes, and the program hears a SIP NOTIFY or a telnet session.

use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::child::Running;
use crate::outcome::Outcome;
use crate::peers::Peers;
use crate::servers::free;

/// One program in the place of a phone.
pub struct Resync {
    part: &'static str,
    pub peer: &'static str,
    package: &'static str,
    /// What it does.
    pub does: &'static str,
    how: How,
    /// What `dialtone standalone` says of it; nothing, if the phone takes it.
    says: Option<&'static str>,
}

enum How {
    /// A scenario of sipp, and how many calls it has.
    Sipp(&'static str, u32),
    Kamailio,
    /// What the program behind telnetd says to a login and to a command.
    Telnet(&'static str),
}

const RESYNCS: &[Resync] = &[
    Resync { does: "answers 200", how: How::Sipp("ok.xml", 1), says: None, ..SIPP },
    Resync { does: "answers 100, and a second later 200", how: How::Sipp("late.xml", 1), says: None, ..SIPP },
    Resync {
        does: "does not know the first line: 404, then 200",
        how: How::Sipp("second-line.xml", 2),
        says: None,
        ..SIPP
    },
    Resync { does: "answers 489 Bad Event", how: How::Sipp("bad-event.xml", 1), says: Some("489 Bad Event"), ..SIPP },
    Resync {
        part: "sip",
        peer: "kamailio",
        package: "kamailio",
        does: "looks whether it is sane (sanity_check), answers 200",
        how: How::Kamailio,
        says: None,
    },
    Resync { does: "takes the password and the command", how: How::Telnet("takes"), says: None, ..TELNETD },
    Resync {
        does: "takes the password, echoes it, and the command",
        how: How::Telnet("echoes"),
        says: None,
        ..TELNETD
    },
    Resync {
        does: "does not take the password",
        how: How::Telnet("denies"),
        says: Some("does not take the password"),
        ..TELNETD
    },
    Resync {
        does: "does not allow the command",
        how: How::Telnet("forbids"),
        says: Some("does not restart"),
        ..TELNETD
    },
    Resync {
        does: "does not know the command (%Bad command)",
        how: How::Telnet("unknown"),
        says: Some("does not restart"),
        ..TELNETD
    },
];

const SIPP: Resync =
    Resync { part: "sip", peer: "sipp", package: "sip-tester", does: "", how: How::Kamailio, says: None };
const TELNETD: Resync =
    Resync { part: "telnet", peer: "telnetd", package: "inetutils-telnetd", does: "", how: How::Kamailio, says: None };
const PHONE: &str = "000A8A150000";
const PEERS_FILES: &str = "tests/interop/phones";
/// How long the peer may take to hear something, and dialtone to say something.
const PATIENCE: Duration = Duration::from_secs(60);
const TELNET_PORT: u16 = 23;

/// Tries all of a part side by side, each at an address of its own.
pub fn run(peers: &Peers, part: &str) -> Vec<(&'static Resync, Outcome)> {
    std::thread::scope(|scope| {
        let all = (1..).zip(RESYNCS).filter(|(_, resync)| resync.part == part);
        let all: Vec<_> = all.map(|(n, resync)| (resync, scope.spawn(move || resync.try_it(peers, n)))).collect();
        all.into_iter().map(|(resync, outcome)| (resync, outcome.join().unwrap())).collect()
    })
}

impl Resync {
    /// Tries it at the n-th address.
    fn try_it(&self, peers: &Peers, n: u8) -> Outcome {
        if peers.version(self.package).is_none() {
            return Outcome::Cannot("it could not be had here".to_owned());
        }
        let ip = Ipv4Addr::new(127, 70, 0, n);
        let work = tempfile::tempdir().unwrap();
        match self.attempt(peers, ip, work.path()) {
            Ok(outcome) => outcome,
            Err(why) => Outcome::Failed(why),
        }
    }

    fn attempt(&self, peers: &Peers, ip: Ipv4Addr, work: &Path) -> Result<Outcome, String> {
        let sip = free(IpAddr::V4(ip));
        let peer = match &self.how {
            How::Sipp(scenario, calls) => sipp(peers, scenario, *calls, sip, work),
            How::Kamailio => kamailio(peers, sip, work),
            How::Telnet(does) => match telnetd(peers, does, ip, work) {
                Ok(peer) => peer,
                Err(why) => return Ok(Outcome::Cannot(why)),
            },
        };
        let manifest = work.join("site.yaml");
        let write = |told, label| std::fs::write(&manifest, self.manifest(sip.port(), told, label)).unwrap();
        // While it boots the phone is told nothing.
        write(false, "before");
        let (server, said, _running) = standalone(&manifest);
        boot(server, ip)?;
        write(true, "after");
        let began = Instant::now();
        if !peer.heard(PATIENCE) {
            let more: Vec<String> = said.try_iter().collect();
            return Err(format!("the peer heard nothing as it should be; dialtone says: {}", more.join("; ")));
        }
        let after = began.elapsed();
        let told = |most: Duration| {
            let deadline = Instant::now() + most;
            let about = |line: String| line.starts_with("p0: ").then_some(line);
            std::iter::from_fn(|| said.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok())
                .find_map(about)
        };
        match self.says {
            // An answer that it did not understand would be said within this time, or asked for again.
            None => match told(Duration::from_secs(5)) {
                Some(line) => Err(format!("dialtone says: {line}")),
                None => Ok(Outcome::Ok(after)),
            },
            Some(words) => match told(PATIENCE) {
                Some(line) if line.contains(words) => Ok(Outcome::Refused(after)),
                line => Err(format!("dialtone says: {}", line.unwrap_or_else(|| "nothing".to_owned()))),
            },
        }
    }

    fn manifest(&self, port: u16, told: bool, label: &str) -> String {
        let (method, more) = match self.how {
            How::Telnet(_) => ("Telnet", ", telnetLevel: Privileged"),
            _ => ("Notify", ""),
        };
        let method = if told { method } else { "Never" };
        format!(
            "apiVersion: dialtone.dev/v1alpha1\nkind: PhoneSite\nmetadata: {{name: hq}}\nspec:\n  \
             settings: {{proxy1Address: 10.0.0.1, voipControlPort: {port}{more}}}\n  resync: {{method: {method}}}\n---\n\
             apiVersion: dialtone.dev/v1alpha1\nkind: SipPhone\nmetadata: {{name: p0}}\nspec: {{siteRef: {{name: hq}}, mac: {PHONE}, \
             model: \"7960\", label: {label}, lines: [{{name: \"7101\"}}, {{name: \"7102\"}}]}}\n"
        )
    }
}

/// A program in the place of a phone, and the file that says what it heard.
struct Peer {
    running: Option<Running>,
    heard: PathBuf,
}

impl Peer {
    /// Whether it heard what it should within this time.
    fn heard(mut self, most: Duration) -> bool {
        let began = Instant::now();
        while began.elapsed() < most {
            match self.running.as_mut().map(|running| running.0.try_wait()) {
                Some(Ok(Some(status))) => return status.success(),
                _ if std::fs::metadata(&self.heard).is_ok_and(|file| file.len() > 0) => {
                    // It answers after that; and ends when this is dropped.
                    std::thread::sleep(Duration::from_secs(1));
                    return true;
                }
                _ => std::thread::sleep(Duration::from_millis(50)),
            }
        }
        false
    }
}

impl Drop for Peer {
    /// Asks it to end: kamailio ends its children only then.
    fn drop(&mut self) {
        let Some(running) = &mut self.running else { return };
        let _ = kill(Pid::from_raw(running.0.id() as i32), Signal::SIGTERM);
        let began = Instant::now();
        while matches!(running.0.try_wait(), Ok(None)) && began.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// It ends by itself after so many calls, with success if all of them went by its scenario.
fn sipp(peers: &Peers, scenario: &str, calls: u32, at: SocketAddr, work: &Path) -> Peer {
    let mut command = peers.debian("usr/bin/sipp").into_std();
    command.arg("-sf").arg(std::fs::canonicalize(PEERS_FILES).unwrap().join(scenario));
    command.args(["-i", &at.ip().to_string(), "-p", &at.port().to_string(), "-m", &calls.to_string()]);
    command.args(["-nostdin", "-timeout", "60", "-timeout_error"]).current_dir(work);
    command.env("TERM", "dumb").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Peer { running: Some(Running(command.spawn().unwrap())), heard: work.join("nothing") }
}

fn kamailio(peers: &Peers, at: SocketAddr, work: &Path) -> Peer {
    let heard = work.join("heard");
    let mut command = peers.debian("usr/sbin/kamailio").into_std();
    let modules = peers.path(&format!("root/usr/lib/{}-linux-gnu/kamailio/modules", std::env::consts::ARCH));
    command.arg("-f").arg(std::fs::canonicalize(PEERS_FILES).unwrap().join("kamailio.cfg")).arg("-L").arg(modules);
    command.args(["-l", &format!("udp:{at}"), "-DD", "-E", "-m", "32", "-M", "4", "-Y"]).arg(work).arg("-w").arg(work);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(std::fs::File::create(work.join("log")).unwrap());
    let running = Running(command.spawn().unwrap());
    let (log, found) = (work.join("log"), heard.clone());
    std::thread::spawn(move || {
        let began = Instant::now();
        while began.elapsed() < 2 * PATIENCE {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            if said.contains("it is sane") {
                let _ = std::fs::write(&found, "a NOTIFY");
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    Peer { running: Some(running), heard }
}

/// Takes connections as inetd does, and gives them to telnetd.
fn telnetd(peers: &Peers, does: &str, ip: Ipv4Addr, work: &Path) -> Result<Peer, String> {
    let listener = std::net::TcpListener::bind((ip, TELNET_PORT))
        .map_err(|error| format!("phones are reached at port 23, which takes root: {error}"))?;
    let heard = work.join("heard");
    let login = work.join("login");
    let program = std::fs::canonicalize(PEERS_FILES).unwrap().join("login.sh");
    std::fs::write(&login, format!("#!/bin/sh\nexec sh '{}' {does} '{}'\n", program.display(), heard.display()))
        .unwrap();
    std::fs::set_permissions(&login, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut command = peers.debian("usr/sbin/telnetd").into_std();
    command.arg("--no-hostinfo").arg("--exec-login").arg(&login);
    std::thread::spawn(move || {
        while let Ok((connection, _)) = listener.accept() {
            let end = || Stdio::from(OwnedFd::from(connection.try_clone().unwrap()));
            let child = command.stdin(end()).stdout(end()).stderr(Stdio::null()).spawn();
            drop(connection);
            if let Ok(child) = child {
                let mut running = Running(child);
                let _ = running.0.wait();
            }
        }
    });
    Ok(Peer { running: None, heard })
}

/// Starts `dialtone standalone`: where it serves, and what it says after that.
fn standalone(manifest: &Path) -> (SocketAddr, Receiver<String>, Running) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_dialtone"));
    command.args(["standalone", "--listen", "127.0.0.1:0", "-f"]).arg(manifest);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let running = Running(child);
    let serving = lines.find_map(|line| line.strip_prefix("serving on ")?.split_whitespace().next()?.parse().ok());
    let (sender, said) = channel();
    std::thread::spawn(move || lines.try_for_each(|line| sender.send(line)));
    (serving.expect("it serves"), said, running)
}

/// A phone fetches its files from that address.
fn boot(server: SocketAddr, ip: Ipv4Addr) -> Result<(), String> {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_dialtone"));
    command.args(["phone", "--server", &server.to_string(), "--mac", PHONE, "--bind", &ip.to_string()]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = || String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("the phone does not boot: {}", said())) }
}
