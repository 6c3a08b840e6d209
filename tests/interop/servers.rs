//! The servers, each told to serve the same folder.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::child::Running;
use crate::peers::Peers;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    Single,
    Ephemeral,
    TftpdHpa,
    Atftpd,
}

pub const SERVERS: &[Server] = &[Server::Single, Server::Ephemeral, Server::TftpdHpa, Server::Atftpd];

/// A server that runs, and where.
pub struct Served {
    pub v4: SocketAddr,
    /// Nothing, if it listens for IPv4 only.
    pub v6: Option<SocketAddr>,
    _running: Vec<Running>,
}

impl Server {
    pub fn name(self) -> &'static str {
        match self {
            Server::Single => "dialtone Single",
            Server::Ephemeral => "dialtone Ephemeral",
            Server::TftpdHpa => "tftpd-hpa",
            Server::Atftpd => "atftpd",
        }
    }

    pub fn is_dialtone(self) -> bool {
        matches!(self, Server::Single | Server::Ephemeral)
    }

    /// Why it cannot be started here.
    pub fn cannot(self) -> Option<&'static str> {
        let root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
        (!self.is_dialtone() && !root).then_some("it changes its user when it starts, which only root may")
    }

    /// Starts it, and waits until it answers; what it says goes to a file.
    pub fn start(self, peers: &Peers, root: &Path, logs: &Path) -> Served {
        let (v4, v6) = (free(Ipv4Addr::LOCALHOST.into()), free(Ipv6Addr::LOCALHOST.into()));
        let commands = match self {
            Server::Single | Server::Ephemeral => {
                let mode = if self == Server::Single { "single" } else { "ephemeral" };
                let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_dialtone"));
                command.args(["tftp", "--port-mode", mode, "--listen", &v4.to_string(), "--listen", &v6.to_string()]);
                // The largest, where a client requests one: the default of `Single` is none.
                command.args(["--windowsize", "16", "--root"]).arg(root);
                vec![command]
            }
            Server::TftpdHpa => [("--ipv4", v4), ("--ipv6", v6)]
                .map(|(family, address)| {
                    let mut command = peers.debian("usr/sbin/in.tftpd");
                    command.args(["--foreground", family, "--user", "root", "--address", &address.to_string()]);
                    command.arg("--secure").arg(root);
                    command
                })
                .into(),
            // Started by itself, it listens for IPv4 only.
            Server::Atftpd => {
                let (ip, port) = (v4.ip().to_string(), v4.port().to_string());
                let mut command = peers.debian("usr/sbin/atftpd");
                command.args(["--daemon", "--no-fork", "--bind-address", &ip, "--port", &port, "--verbose=7"]);
                command.args(["--user", "root", "--group", "root", "--maxthread", "1000", "--logfile", "-"]);
                command.arg(root);
                vec![command]
            }
        };
        let log = std::fs::File::create(logs.join(format!("{}.log", self.name().replace(' ', "-")))).unwrap();
        let running = commands.into_iter().map(|command| {
            let mut command = command.into_std();
            command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log.try_clone().unwrap());
            Running(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
        });
        let v6 = (self != Server::Atftpd).then_some(v6);
        let served = Served { _running: running.collect(), v4, v6 };
        for address in [Some(v4), v6].into_iter().flatten() {
            assert!(answers(address), "{} does not answer at {address}: see {}", self.name(), logs.display());
        }
        served
    }
}

/// A port that nobody has.
pub fn free(ip: std::net::IpAddr) -> SocketAddr {
    UdpSocket::bind((ip, 0)).unwrap().local_addr().unwrap()
}

/// Whether a server sends a file within some seconds.
fn answers(server: SocketAddr) -> bool {
    let began = Instant::now();
    let mut answer = [0; 600];
    while began.elapsed() < Duration::from_secs(10) {
        // A port of its own for each request.
        let socket = UdpSocket::bind((if server.is_ipv4() { "127.0.0.1" } else { "::1" }, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let _ = socket.send_to(b"\0\x01511\0octet\0", server);
        if let Ok((len, from)) = socket.recv_from(&mut answer)
            && len == 515
        {
            let _ = socket.send_to(b"\0\x04\0\x01", from);
            return true;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    false
}
