//! Clients that are no programs but what a machine runs before it has a system: iPXE and U-Boot, each in an emulated machine
//! whose memory is read to see what it fetched.

use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::time::timeout;

use crate::clients::{Ask, percent};
use crate::outcome::Ended;
use crate::peers::Peers;

const MEGABYTES: usize = 128;
/// Where U-Boot puts what it fetches.
const AT: usize = 0x100_0000;
/// The emulated network's own addresses.
const GUEST: &str = "10.0.2.15";
const GATEWAY: &str = "10.0.2.2";

/// A machine, and its console.
struct Machine {
    _child: Child,
    keyboard: ChildStdin,
    screen: ChildStdout,
    monitor: UnixStream,
    /// Everything it has shown, and up to where that was read.
    shown: String,
    read: usize,
}

impl Machine {
    async fn start(peers: &Peers, folder: &Path, boot: &[(&str, std::path::PathBuf)]) -> io::Result<Machine> {
        let monitor = folder.join("monitor");
        let mut command = peers.debian("usr/bin/qemu-system-x86_64");
        command.args(["-accel", "tcg", "-m", &MEGABYTES.to_string(), "-nographic", "-no-reboot", "-serial", "stdio"]);
        command.arg("-monitor").arg(format!("unix:{},server=on,wait=off", monitor.display()));
        for data in ["qemu", "seabios"] {
            command.arg("-L").arg(peers.path("root/usr/share").join(data));
        }
        command.arg("-L").arg(peers.path("root/usr/lib/ipxe/qemu"));
        command.args(["-netdev", "user,id=net", "-device", "e1000,netdev=net,romfile="]);
        for (option, file) in boot {
            command.arg(option).arg(file);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let began = Instant::now();
        let mut child = command.spawn()?;
        let monitor = loop {
            match UnixStream::connect(&monitor).await {
                Ok(stream) => break stream,
                Err(error) if began.elapsed() > Duration::from_secs(20) => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        let (keyboard, screen) = (child.stdin.take().expect("it is piped"), child.stdout.take().expect("it is piped"));
        Ok(Machine { _child: child, keyboard, screen, monitor, shown: String::new(), read: 0 })
    }

    /// Waits until it shows one of these; what it showed up to there.
    async fn shows(&mut self, any: &[&str]) -> io::Result<String> {
        let mut bytes = [0; 1024];
        loop {
            let new = &self.shown[self.read..];
            if let Some(end) = any.iter().filter_map(|text| Some(new.find(text)? + text.len())).min() {
                let shown = new[..end].to_owned();
                self.read += end;
                return Ok(shown);
            }
            let len = self.screen.read(&mut bytes).await?;
            if len == 0 {
                return Err(io::Error::other("the machine ended"));
            }
            self.shown.extend(bytes[..len].iter().map(|byte| char::from(*byte)));
        }
    }

    /// Types a line and waits for U-Boot's prompt; what it showed.
    async fn enter(&mut self, line: &str) -> io::Result<String> {
        self.keyboard.write_all(format!("{line}\n").as_bytes()).await?;
        // First its echo: a prompt may be left from what was typed before.
        self.shows(&[line]).await?;
        self.shows(&["\n=> "]).await
    }

    /// A part of its memory.
    async fn memory(&mut self, folder: &Path, from: usize, len: usize) -> io::Result<Vec<u8>> {
        let file = folder.join("memory");
        self.monitor.write_all(format!("pmemsave {from} {len} \"{}\"\ninfo name\n", file.display()).as_bytes()).await?;
        let (mut said, mut bytes) = (String::new(), [0; 1024]);
        // Its prompts echo what was typed; this one comes when the second command is done.
        while said.matches("(qemu) ").count() < 3 {
            let len = self.monitor.read(&mut bytes).await?;
            if len == 0 {
                return Err(io::Error::other("the machine ended"));
            }
            said += &String::from_utf8_lossy(&bytes[..len]);
        }
        let memory = std::fs::read(&file);
        let _ = std::fs::remove_file(file);
        memory
    }
}

/// Fetches by iPXE.
pub async fn ipxe(peers: &Peers, ask: &Ask<'_>, folder: &Path, wanted: Option<&[u8]>, most: Duration) -> Ended {
    let script = format!(
        "#!ipxe\nifopen net0\nset net0/ip {GUEST}\nset net0/netmask 255.255.255.0\nset net0/gateway {GATEWAY}\n\
         imgfetch --name got tftp://{GATEWAY}:{}/{} && echo it is || echo it is not\nimgstat got || echo none\necho that is all\nsleep 1000\n",
        ask.server.port(),
        percent(ask.name)
    );
    let file = folder.join("script");
    std::fs::write(&file, script).unwrap();
    let boot = [("-kernel", peers.path("root/boot/ipxe.lkrn")), ("-initrd", file)];
    within(most, async {
        let mut machine = Machine::start(peers, folder, &boot).await?;
        machine.shows(&["iPXE initialising"]).await?;
        let began = Instant::now();
        let mut shown = machine.shows(&["it is\r", "it is not\r"]).await?;
        let mut ended = Ended { after: began.elapsed(), success: Some(shown.contains("it is\r")), ..Ended::default() };
        shown += &machine.shows(&["that is all"]).await?;
        if let (Some(true), Some(wanted)) = (ended.success, wanted) {
            // It is somewhere, with the length that iPXE says.
            let memory = machine.memory(folder, 0, MEGABYTES << 20).await?;
            let has_length = shown.contains(&format!("got : {} bytes", wanted.len()));
            let wanted = wanted.to_vec();
            // Elsewhere: the others' machines have consoles that must be read in time.
            let found =
                tokio::task::spawn_blocking(move || (wanted.is_empty() || finds(&memory, &wanted)).then_some(wanted));
            let found = found.await.ok().flatten().filter(|_| has_length);
            ended.file = Some(found.unwrap_or_else(|| b"something else".to_vec()));
        } else if ended.success == Some(true) {
            ended.file = Some(b"something".to_vec());
        }
        ended.said = shown.lines().filter(|line| line.contains("tftp://")).collect();
        Ok(ended)
    })
    .await
}

fn finds(memory: &[u8], wanted: &[u8]) -> bool {
    let head = &wanted[..wanted.len().min(16)];
    let mut rest = memory;
    while let Some(at) = rest.windows(head.len()).position(|window| window == head) {
        if rest[at..].starts_with(wanted) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}

/// Fetches by U-Boot, from port 69 of an address.
pub async fn u_boot(peers: &Peers, ask: &Ask<'_>, folder: &Path, server: Ipv4Addr, most: Duration) -> Ended {
    let boot = [("-bios", peers.path("root/usr/lib/u-boot/qemu-x86/u-boot.rom"))];
    within(most, async {
        let mut machine = Machine::start(peers, folder, &boot).await?;
        machine.shows(&["stop autoboot"]).await?;
        machine.enter("").await?;
        let options = ask.options;
        for (name, value) in [
            ("ipaddr", GUEST.to_owned()),
            ("netmask", "255.255.255.0".to_owned()),
            ("gatewayip", GATEWAY.to_owned()),
            ("serverip", server.to_string()),
            ("tftpblocksize", options.blksize.unwrap_or(512).to_string()),
            ("tftpwindowsize", options.windowsize.unwrap_or(1).to_string()),
            ("tftptimeout", (u32::from(options.timeout.unwrap_or(5)) * 1000).to_string()),
        ] {
            machine.enter(&format!("setenv {name} {value}")).await?;
        }
        let began = Instant::now();
        let shown = machine.enter(&format!("tftpboot {AT:#x} \"{}\"", ask.name)).await?;
        let mut ended = Ended { after: began.elapsed(), success: Some(false), said: shown, ..Ended::default() };
        // Of an empty file it says only this.
        let is_empty = ended.said.contains("\ndone\r").then_some(0);
        let len = ended.said.split("Bytes transferred = ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
        if let Some(len) = len.or(is_empty) {
            ended.success = Some(true);
            ended.file = Some(if len == 0 { Vec::new() } else { machine.memory(folder, AT, len).await? });
        }
        // The last line is the prompt.
        ended.said = ended.said.replace("\n=> ", "\n").replace("Not retrying...", "");
        Ok(ended)
    })
    .await
}

async fn within(most: Duration, fetch: impl Future<Output = io::Result<Ended>>) -> Ended {
    let began = Instant::now();
    match timeout(most, fetch).await {
        Ok(Ok(ended)) => ended,
        Ok(Err(error)) => {
            Ended { said: error.to_string(), success: Some(false), after: began.elapsed(), ..Ended::default() }
        }
        Err(_) => Ended { after: began.elapsed(), ..Ended::default() },
    }
}
