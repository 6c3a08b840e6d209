//! The servers side by side, each told to serve the same folder in the way that suits it best.

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::process::Running;
use crate::{Args, target};

/// A server that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// What no server can be faster than.
    Bare,
    /// dialtone, with a reader who is told what was asked.
    Dialtone,
    /// dialtone with nobody to tell.
    Untold,
    /// dialtone as it listens in a pod: on all addresses, so that the kernel has to tell which one was asked.
    Everywhere,
    /// dialtone in the classic mode, with a port for each transfer.
    Ephemeral,
    /// Debian's dnsmasq.
    Dnsmasq,
    /// Debian's atftpd.
    Atftpd,
    /// Debian's tftpd-hpa.
    TftpdHpa,
    /// `tftpd` from crates.io.
    RustTftpd,
}

/// The well-known port is the only one that dnsmasq serves.
const WELL_KNOWN: u16 = 69;
const PORT: u16 = 6969;
/// Those that take turns with it run beside it.
const PORT_TOLD: u16 = 6971;
const PORT_UNTOLD: u16 = 6972;
/// Where dialtone tells what was asked.
pub const REPORT: &str = "127.0.0.1:6970";

impl Server {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Server::Bare => "bare responder",
            Server::Dialtone => "dialtone",
            Server::Untold => "dialtone, no observations",
            Server::Everywhere => "dialtone, on all addresses",
            Server::Ephemeral => "dialtone, port per transfer",
            Server::Dnsmasq => "dnsmasq",
            Server::Atftpd => "atftpd",
            Server::TftpdHpa => "tftpd-hpa",
            Server::RustTftpd => "tftpd (Rust)",
        }
    }

    /// Starts it on these cores, and waits until it answers.
    pub fn start(self, args: &Args, root: &Path, cores: &[usize]) -> anyhow::Result<(Running, SocketAddrV4)> {
        let port = match self {
            Server::Dnsmasq => WELL_KNOWN,
            Server::Dialtone => PORT_TOLD,
            Server::Untold => PORT_UNTOLD,
            _ => PORT,
        };
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
        let (root, port) = (root.display().to_string(), port.to_string());
        let listen = match self {
            Server::Everywhere => format!("0.0.0.0:{port}"),
            _ => address.to_string(),
        };
        let own = std::env::current_exe()?.display().to_string();
        let dialtone = |more: &[&str]| {
            let workers = cores.len().to_string();
            let mut all = vec!["tftp", "--root", &root, "--listen", &listen, "--workers", &workers];
            all.extend(more);
            (args.dialtone.display().to_string(), all.into_iter().map(str::to_owned).collect::<Vec<_>>())
        };
        let other = |program: &str, words: &[&str]| {
            (args.other(program), words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
        };
        let (program, words) = match self {
            Server::Bare => (own, vec!["respond".into(), listen.clone(), root.clone()]),
            Server::Dialtone | Server::Everywhere => {
                // For these alone: whoever starts beside one must not empty the file while it is read.
                let token = target("token")?;
                std::fs::write(&token, "bench")?;
                dialtone(&["--report", REPORT, "--token-file", &token.display().to_string()])
            }
            Server::Untold => dialtone(&[]),
            Server::Ephemeral => dialtone(&["--port-mode", "ephemeral"]),
            Server::Dnsmasq => {
                let root = format!("--tftp-root={root}");
                let words =
                    ["--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--enable-tftp", "--tftp-max=16000"];
                let more = [
                    "--listen-address=127.0.0.1",
                    "--bind-interfaces",
                    "--user=root",
                    "--log-facility=/dev/null",
                    "--pid-file",
                    &root,
                ];
                other("dnsmasq", &[&words[..], &more].concat())
            }
            Server::Atftpd => other(
                "atftpd",
                &[
                    "--daemon",
                    "--no-fork",
                    "--bind-address",
                    "127.0.0.1",
                    "--port",
                    &port,
                    "--maxthread",
                    "16000",
                    "--user",
                    "root",
                    "--group",
                    "root",
                    "--verbose=0",
                    "--logfile",
                    "/dev/null",
                    &root,
                ],
            ),
            Server::TftpdHpa => other(
                "in.tftpd",
                &["--foreground", "--ipv4", "--address", &listen, "--user", "root", "--secure", &root],
            ),
            Server::RustTftpd => other("tftpd", &["-i", "127.0.0.1", "-p", &port, "-d", &root, "-r"]),
        };
        let mut running = Running::start(self.name(), &program, &words, cores)?;
        answers(&mut running, address)?;
        Ok((running, address))
    }
}

/// Waits until a server answers.
fn answers(running: &mut Running, address: SocketAddrV4) -> anyhow::Result<()> {
    let began = Instant::now();
    let mut answer = [0; 600];
    while began.elapsed() < Duration::from_secs(20) {
        running.check()?;
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        socket.send_to(b"\0\x01OS79XX.TXT\0octet\0", address)?;
        if let Ok((len, from)) = socket.recv_from(&mut answer)
            && len > 4
            && answer[1] == 3
        {
            socket.send_to(&[0, 4, 0, 1], from)?;
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    anyhow::bail!("no answer within 20 s")
}
