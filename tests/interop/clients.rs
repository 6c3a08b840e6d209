//! The clients, and how each is told what to fetch.

use std::net::SocketAddr;
use std::path::Path;

use tokio::process::Command;

use crate::cases::{Case, Options};
use crate::peers::Peers;

/// A program that fetches files.
pub struct Client {
    pub name: &'static str,
    /// The package that it is from; in `versions`.
    pub package: &'static str,
    pub how: How,
    /// What it does to the end of a line in netascii.
    pub netascii: Netascii,
    /// What cannot be tried with it, and why.
    pub cannot: &'static [(Need, &'static str)],
    /// What goes wrong in a bad network by its own fault, whatever the server does.
    pub own_fault: Option<&'static str>,
}

#[derive(Clone, Copy)]
pub enum How {
    Program(fn(&Peers, &Ask) -> Command),
    Ipxe,
    UBoot,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Netascii {
    Converts,
    KeepsAsSent,
}

/// What a case needs of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    Blksize,
    SmallBlksize,
    LargeBlksize,
    Tsize,
    Timeout,
    Windowsize,
    Netascii,
    Ipv6,
    /// More than 65,535 blocks.
    Wrap,
    Space,
    Utf8,
    LongName,
    /// More patience than an emulated machine deserves.
    Machine,
}

/// One request.
pub struct Ask<'a> {
    pub server: SocketAddr,
    pub name: &'a str,
    pub out: &'a Path,
    pub options: Options,
    pub netascii: bool,
}

impl Ask<'_> {
    fn host(&self) -> String {
        self.server.ip().to_string()
    }

    fn port(&self) -> String {
        self.server.port().to_string()
    }

    fn mode(&self) -> &'static str {
        if self.netascii { "netascii" } else { "octet" }
    }

    fn blksize(&self, default: u16) -> String {
        self.options.blksize.unwrap_or(default).to_string()
    }
}

impl Client {
    /// Why a case cannot be tried with this client.
    pub fn cannot(&self, case: &Case) -> Option<&'static str> {
        let needs = needs(case);
        self.cannot.iter().find(|(need, _)| needs.contains(need)).map(|(_, why)| *why)
    }
}

fn needs(case: &Case) -> Vec<Need> {
    let Options { blksize, tsize, timeout, windowsize } = case.options;
    let all = [
        (blksize.is_some(), Need::Blksize),
        (blksize.is_some_and(|size| size < 512), Need::SmallBlksize),
        (blksize.is_some_and(|size| size > 9000), Need::LargeBlksize),
        (tsize, Need::Tsize),
        (timeout.is_some(), Need::Timeout),
        (windowsize.is_some(), Need::Windowsize),
        (case.netascii, Need::Netascii),
        (case.ipv6, Need::Ipv6),
        (case.file == "wrap", Need::Wrap),
        (case.asked().contains(' '), Need::Space),
        (!case.asked().is_ascii(), Need::Utf8),
        (case.asked().len() > 100, Need::LongName),
        (!IN_A_MACHINE.contains(&case.name), Need::Machine),
    ];
    all.into_iter().filter(|(needed, _)| *needed).map(|(_, need)| need).collect()
}

/// The cases that emulated machines are started for.
const IN_A_MACHINE: &[&str] =
    &["0 bytes", "512 bytes", "513 bytes", "image", "blksize 1428", "missing", "a space", "in a folder", "loss 5 %"];
const SLOW: &str = "an emulated machine is started for some cases only";
const OWN_OPTIONS: &str = "which options it requests is its own choice";

/// All clients.
pub const CLIENTS: &[Client] = &[
    Client {
        name: "tftp-hpa",
        package: "tftp-hpa",
        how: How::Program(tftp_hpa),
        netascii: Netascii::Converts,
        cannot: &[
            (Need::Blksize, "it requests no options"),
            (Need::Tsize, "it requests no options"),
            (Need::Timeout, "it requests no options"),
            (Need::Windowsize, "it requests no options"),
            (Need::Space, "its command line has no way to say a name with a space"),
        ],
        own_fault: None,
    },
    Client {
        name: "atftp",
        package: "atftp",
        how: How::Program(atftp),
        netascii: Netascii::Converts,
        cannot: &[],
        own_fault: None,
    },
    Client {
        name: "curl",
        package: "curl",
        how: How::Program(curl),
        netascii: Netascii::KeepsAsSent,
        cannot: &[(Need::Windowsize, "it does not know this option")],
        own_fault: None,
    },
    Client {
        name: "busybox",
        package: "busybox",
        how: How::Program(busybox),
        netascii: Netascii::KeepsAsSent,
        cannot: &[
            (Need::SmallBlksize, "it takes no block of less than 24 bytes"),
            (Need::Netascii, "it knows octet only"),
            (Need::Timeout, "it does not know this option"),
            (Need::Windowsize, "it does not know this option"),
            (Need::Tsize, "it requests it when it shows progress only"),
        ],
        own_fault: None,
    },
    Client {
        name: "tftpy",
        package: "tftpy",
        how: How::Program(tftpy),
        netascii: Netascii::KeepsAsSent,
        cannot: &[
            (Need::Timeout, "it does not know this option"),
            (Need::Utf8, "it knows ASCII only"),
            (Need::Netascii, "it knows octet only"),
            (Need::Windowsize, "it does not know this option"),
            (Need::Ipv6, "it knows IPv4 only"),
        ],
        own_fault: None,
    },
    Client {
        name: "npm tftp",
        package: "npm-tftp",
        how: How::Program(npm),
        netascii: Netascii::KeepsAsSent,
        cannot: &[(Need::Utf8, "it knows ASCII only"), (Need::Netascii, "it knows octet only")],
        own_fault: Some("it writes blocks of a window twice; what was sent was right"),
    },
    Client {
        name: "Net::TFTP",
        package: "libnet-tftp-perl",
        how: How::Program(perl),
        netascii: Netascii::Converts,
        cannot: &[
            (Need::Wrap, "it stops at block 65,535, whatever the server"),
            (Need::Tsize, "it knows blksize only"),
            (Need::Timeout, "it knows blksize only"),
            (Need::Windowsize, "it knows blksize only"),
            (Need::Ipv6, "it needs Perl modules for it that it does not bring"),
        ],
        own_fault: None,
    },
    Client {
        name: "iPXE",
        package: "ipxe",
        how: How::Ipxe,
        netascii: Netascii::KeepsAsSent,
        cannot: &[
            (Need::Machine, SLOW),
            (Need::Blksize, OWN_OPTIONS),
            (Need::Tsize, OWN_OPTIONS),
            (Need::Timeout, OWN_OPTIONS),
            (Need::Windowsize, OWN_OPTIONS),
            (Need::Wrap, "it requests blocks of 1432 bytes"),
            (Need::Netascii, "it knows octet only"),
            (Need::Ipv6, "this build has none"),
        ],
        own_fault: None,
    },
    Client {
        name: "U-Boot",
        package: "u-boot-qemu",
        how: How::UBoot,
        netascii: Netascii::KeepsAsSent,
        cannot: &[
            (Need::Machine, SLOW),
            (Need::Windowsize, "with windows it gives up, with atftpd as with dialtone"),
            (Need::Wrap, "in an emulated machine that takes minutes"),
            (Need::Utf8, "its console takes ASCII only"),
            (Need::LongName, "it cuts names after 127 bytes"),
            (Need::Netascii, "it knows octet only"),
            (Need::Ipv6, "this build has none"),
            (Need::LargeBlksize, "it has buffers for 16,384 bytes"),
        ],
        own_fault: None,
    },
];

fn tftp_hpa(peers: &Peers, ask: &Ask) -> Command {
    let mut command = peers.debian("usr/bin/tftp");
    command.args(["-m", ask.mode(), &ask.host(), &ask.port(), "-c", "get", ask.name]).arg(ask.out);
    command
}

fn atftp(peers: &Peers, ask: &Ask) -> Command {
    let mut command = peers.debian("usr/bin/atftp");
    let Options { blksize, tsize, timeout, windowsize } = ask.options;
    let options = [
        blksize.map(|size| format!("blksize {size}")),
        tsize.then(|| "tsize 0".to_owned()),
        timeout.map(|seconds| format!("timeout {seconds}")),
        windowsize.map(|blocks| format!("windowsize {blocks}")),
        ask.netascii.then(|| "mode netascii".to_owned()),
    ];
    for option in options.into_iter().flatten() {
        command.args(["--option", &option]);
    }
    command.args(["--get", "--remote-file", ask.name, "--local-file"]).arg(ask.out);
    command.args([ask.host(), ask.port()]);
    command
}

fn curl(peers: &Peers, ask: &Ask) -> Command {
    let mut command = peers.debian("usr/bin/curl");
    let mode = if ask.netascii { ";mode=netascii" } else { "" };
    let url = format!("tftp://{}/{}{mode}", ask.server, percent(ask.name));
    command.args(["--silent", "--show-error", "--path-as-is", "--globoff", &url, "--output"]).arg(ask.out);
    if ask.options == Options::default() {
        command.arg("--tftp-no-options");
    }
    if let Some(size) = ask.options.blksize {
        command.args(["--tftp-blksize", &size.to_string()]);
    }
    command
}

fn busybox(peers: &Peers, ask: &Ask) -> Command {
    let mut command = peers.debian("bin/busybox");
    command.args(["tftp", "-g", "-b", &ask.blksize(512), "-r", ask.name, "-l"]).arg(ask.out);
    command.args([ask.host(), ask.port()]);
    command
}

fn script(interpreter: &str, name: &str) -> Command {
    let mut command = Command::new(interpreter);
    command.arg(Path::new("tests/interop/clients").join(name));
    command
}

fn tftpy(peers: &Peers, ask: &Ask) -> Command {
    let mut command = script("python3", "get.py");
    command.env("PYTHONPATH", peers.path("python")).args([&ask.host(), &ask.port(), ask.name]).arg(ask.out);
    let Options { blksize, tsize, timeout, .. } = ask.options;
    let options = [
        blksize.map(|size| format!("blksize={size}")),
        tsize.then(|| "tsize=0".to_owned()),
        timeout.map(|seconds| format!("timeout={seconds}")),
    ];
    command.args(options.into_iter().flatten());
    command
}

fn npm(peers: &Peers, ask: &Ask) -> Command {
    let mut command = script("node", "get.js");
    command.arg(peers.path("node")).args([&ask.host(), &ask.port(), ask.name]).arg(ask.out);
    command.args([ask.blksize(512), ask.options.windowsize.unwrap_or(1).to_string()]);
    command
}

fn perl(peers: &Peers, ask: &Ask) -> Command {
    let mut command = script("perl", "get.pl");
    command.env("PERL5LIB", peers.path("root/usr/share/perl5"));
    command.args([&ask.host(), &ask.port(), ask.name]).arg(ask.out);
    command.args([ask.mode(), if ask.server.is_ipv4() { "v4" } else { "v6" }, &ask.blksize(0)]);
    command
}

/// A name as URLs have it.
pub fn percent(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte);
    name.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
