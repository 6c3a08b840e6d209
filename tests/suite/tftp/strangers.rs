//! Strangers who can send a datagram: what they cost, whom they keep from being served, and how much they draw towards others.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dialtone::tftp::{Config, PortMode};

use super::{Client, Site, bytes, serve, start};
use crate::child::Running;

/// The headers of IPv4 and UDP, which are counted in both directions.
const HEADERS: usize = 28;

/// A server process that serves a folder, with one worker.
fn process(folder: &Path, more: &[&str]) -> (Running, SocketAddr) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_dialtone"))
        .args(["tftp", "--listen", "127.0.0.1:0", "--workers", "1", "--root", folder.to_str().unwrap()])
        .args(more)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let line = lines.find(|line| line.contains("serving")).unwrap();
    let address = line.split_once('[').and_then(|(_, rest)| rest.split_once(']')).unwrap().0.parse().unwrap();
    std::thread::spawn(move || lines.for_each(drop));
    (Running(child), address)
}

/// A value of a process's status in KiB.
fn kib(process: &Running, what: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.0.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// A phone: it sends again what is not answered within a second. Whether it gets a file of this length.
fn phone_gets(address: Ipv4Addr, server: SocketAddr, name: &str, len: usize) -> bool {
    let socket = UdpSocket::bind((address, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let mut packet = [b"\0\x01", name.as_bytes(), b"\0octet\0"].concat();
    let (mut got, mut next, mut buffer) = (0, 1u16, [0; 600]);
    socket.send_to(&packet, server).unwrap();
    let mut tries = 1;
    loop {
        match socket.recv_from(&mut buffer) {
            Ok((read, from)) if buffer[1] == 3 && buffer[2..4] == next.to_be_bytes() => {
                got += read - 4;
                packet = [[0, 4], next.to_be_bytes()].concat();
                socket.send_to(&packet, from).unwrap();
                if read < 516 {
                    return got == len;
                }
                next += 1;
                tries = 1;
            }
            Ok(_) => {}
            Err(_) if tries < 4 => {
                socket.send_to(&packet, server).unwrap();
                tries += 1;
            }
            Err(_) => return false,
        }
    }
}

/// Begins a transfer from each of many ports, and acknowledges its first packets without waiting for them.
fn take_all(
    ports: impl Iterator<Item = (Ipv4Addr, u16)>,
    server: SocketAddr,
    pause: Duration,
    goes_on: impl Fn() -> bool,
) {
    for port in ports.take_while(|_| goes_on()) {
        let Ok(socket) = UdpSocket::bind(port) else { continue };
        for packet in
            [&b"\0\x01image.bin\0octet\0timeout\x00255\0"[..], b"\0\x04\0\0", b"\0\x04\0\x01", b"\0\x04\0\x02"]
        {
            let _ = socket.send_to(packet, server);
        }
        std::thread::sleep(pause);
    }
}

#[test]
fn phones_boot_while_one_address_takes_all_transfers() {
    phones_boot_while_they_take_all_transfers(1);
}

#[test]
fn phones_boot_while_many_addresses_take_all_transfers() {
    phones_boot_while_they_take_all_transfers(100);
}

fn phones_boot_while_they_take_all_transfers(addresses: u16) {
    let site = start(&Config { listen: vec!["127.0.0.1:0".parse().unwrap()], workers: 2, ..Config::default() });
    let names: Vec<String> = (0..20).map(|n| format!("SIP{n:012}.cnf")).collect();
    let mut files = vec![("image.bin", bytes(100_000)), ("OS79XX.TXT", bytes(14)), ("SIPDefault.cnf", bytes(3_000))];
    files.extend(names.iter().map(|name| (name.as_str(), bytes(2_000))));
    site.put(&files);
    let (server, is_over) = (site.address(), AtomicBool::new(false));
    let (metrics, most) = (&site.metrics, Config::default().max_sessions as i64);
    // One may be about to make room.
    let is_full = || metrics.active_transfers() >= most - 8;
    let (was_full, booted) = std::thread::scope(|scope| {
        let is_over = &is_over;
        scope.spawn(move || {
            let port = |port: u16| (Ipv4Addr::new(127, 0, 2, (port % addresses) as u8), port);
            let ports = || (1024..40_000).map(port).cycle();
            take_all(ports(), server, Duration::ZERO, || !is_full() && !is_over.load(Ordering::Relaxed));
            // 4,000 packets a second.
            take_all(ports(), server, Duration::from_millis(1), || !is_over.load(Ordering::Relaxed));
        });
        let began = Instant::now();
        while !is_full() && began.elapsed() < Duration::from_secs(30) {
            std::thread::sleep(Duration::from_millis(10));
        }
        let was_full = is_full();
        let boots = names.iter().zip(1..).map(|(name, n)| {
            scope.spawn(move || {
                let mine = Ipv4Addr::new(127, 0, 1, n);
                [("OS79XX.TXT", 14), ("SIPDefault.cnf", 3_000), (name.as_str(), 2_000), ("image.bin", 100_000)]
                    .into_iter()
                    .all(|(file, len)| phone_gets(mine, server, file, len))
            })
        });
        let boots: Vec<_> = boots.collect();
        let booted = boots.into_iter().filter_map(|boot| boot.join().ok()).filter(|is_up| *is_up).count();
        is_over.store(true, Ordering::Relaxed);
        (was_full, booted)
    });
    assert!(was_full, "the attack takes every transfer");
    assert!(booted >= 19, "{booted} of 20 phones booted");
}

#[test]
fn requests_in_netascii_cost_no_copy_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let text = b"line1_name: 1001\n".repeat(60_000);
    std::fs::write(folder.path().join("text.cnf"), &text).unwrap();
    let (server, address) = process(folder.path(), &[]);
    Client::new(address).fetch("text.cnf", "", 512, 1);
    let before = kib(&server, "VmRSS");
    let clients: Vec<Client> = (0..500).map(|_| Client::new(address)).collect();
    for client in &clients {
        client.socket.send_to(b"\0\x01text.cnf\0netascii\0", address).unwrap();
    }
    for client in &clients {
        assert_eq!(client.receive().0.len(), 516);
    }
    let grown = kib(&server, "VmRSS").saturating_sub(before);
    println!("500 requests in netascii: {grown} KiB");
    assert!(grown <= 6 * 1024, "{grown} KiB");
    // And one of them gets the whole file.
    let (client, mut got, mut block) = (&clients[0], Vec::new(), 1u16);
    client.ack(block, address);
    loop {
        let (packet, _) = client.receive();
        if packet[2..4] == (block + 1).to_be_bytes() {
            block += 1;
            client.ack(block, address);
            got.extend_from_slice(&packet[4..]);
            if packet.len() < 516 {
                break;
            }
        }
    }
    assert!(got == b"line1_name: 1001\r\n".repeat(60_000)[512..]);
}

#[test]
fn all_transfers_of_a_flood_together_cost_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("image.bin"), bytes(100_000)).unwrap();
    for (name, most) in [("image.bin".to_owned(), 8), (format!("{}image.bin", "./".repeat(123)), 13)] {
        let (server, address) = process(folder.path(), &[]);
        Client::new(address).fetch("image.bin", "", 512, 1);
        let before = kib(&server, "VmRSS");
        let request = [b"\0\x01", name.as_bytes(), b"\0octet\0"].concat();
        for port in 1024..20_000 {
            let Ok(socket) = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, 67), port)) else { continue };
            let _ = socket.send_to(&request, address);
        }
        // Behind all of them, and after packets were sent again to all of them.
        Client::new(address).fetch("image.bin", "", 512, 1);
        std::thread::sleep(Duration::from_millis(3_500));
        let grown = kib(&server, "VmRSS").saturating_sub(before);
        println!("16,384 transfers, names of {} bytes: {grown} KiB", name.len());
        assert!(grown <= most * 1024, "names of {} bytes: {grown} KiB", name.len());
    }
}

/// How many datagrams of how many bytes, with headers, come until none has come for so long; each is told to somebody.
fn drawn(socket: &UdpSocket, silence: Duration, told: impl Fn(usize)) -> (usize, usize) {
    socket.set_read_timeout(Some(silence)).unwrap();
    let (mut datagrams, mut bytes) = (0, 0);
    while let Ok(len) = socket.recv(&mut [0; 2_000]) {
        datagrams += 1;
        told(datagrams);
        bytes += len + HEADERS;
    }
    (datagrams, bytes)
}

#[test]
fn one_request_that_nobody_answers_draws_three_packets_and_35_times_its_bytes() {
    for mode in [PortMode::Single, PortMode::Ephemeral] {
        let site = serve("127.0.0.1:0", mode, 100);
        site.put(&[("SIPDefault.cnf", bytes(10_000)), ("x", bytes(10_000))]);
        // The fourth packet would come 4 s after the third one.
        let all = ["SIPDefault.cnf", "x"].map(|name| {
            let client = Client::new(site.address());
            client.request(name, "");
            std::thread::spawn(move || (name, drawn(&client.socket, Duration::from_millis(4_800), drop)))
        });
        for (name, (datagrams, bytes)) in all.map(|one| one.join().unwrap()) {
            let request = HEADERS + 2 + name.len() + 1 + 6;
            println!("{mode:?}, {name}: {request} bytes draw {bytes} in {datagrams} packets");
            assert!(bytes <= 35 * request, "{mode:?}: {request} bytes draw {bytes}");
            assert_eq!(datagrams, if name == "x" { 2 } else { 3 }, "{mode:?} {name}");
        }
    }
}

#[test]
fn blind_acknowledgements_draw_60_times_their_bytes_at_most() {
    let site = serve("127.0.0.1:0", PortMode::Single, 100);
    site.put(&[("image.bin", bytes(1_000_000))]);
    for options in
        ["", "blksize\x001428\0windowsize\x0016\0", "blksize\x0065464\0", "windowsize\x0065535\0timeout\x001\0"]
    {
        let client = Client::new(site.address());
        let victim = client.socket.try_clone().unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        let drawing = std::thread::spawn(move || {
            drawn(&victim, Duration::from_millis(900), |count| tell.send(count).unwrap_or_default())
        });
        client.request("image.bin", options);
        let mut received = HEADERS + 2 + "image.bin".len() + 1 + 6 + options.len();
        for block in 0..400 {
            // As if they knew when the victim has its packet: an acknowledgement that comes before it is ignored.
            let _ = told.recv_timeout(Duration::from_millis(50));
            client.ack(block, site.address());
            received += HEADERS + 4;
        }
        let (datagrams, bytes) = drawing.join().unwrap();
        println!("{options:?}: {received} bytes draw {bytes}, {:.1} times", bytes as f64 / received as f64);
        assert!(datagrams > 200, "the acknowledgements were heeded: {datagrams}");
        assert!(bytes <= 60 * received, "{options:?}: {received} bytes draw {bytes}");
    }
}

/// The options in the OACK to a request.
fn granted(site: &Site, options: &str) -> String {
    let client = Client::new(site.address());
    client.request("a", options);
    let (packet, from) = client.receive();
    client.socket.send_to(b"\0\x05\0\0enough\0", from).unwrap();
    assert_eq!(packet[..2], [0, 6]);
    String::from_utf8(packet[2..].to_vec()).unwrap()
}

#[test]
fn a_window_is_one_block_in_single_unless_asked_for_and_a_long_timeout_is_granted_nowhere() {
    let listen = vec!["127.0.0.1:0".parse().unwrap()];
    for (port_mode, windowsize, granted_window) in [
        (PortMode::Single, None, 1),
        (PortMode::Single, Some(8), 8),
        (PortMode::Ephemeral, None, 16),
        (PortMode::Ephemeral, Some(2), 2),
    ] {
        let site = start(&Config { listen: listen.clone(), port_mode, windowsize, ..Config::default() });
        site.put(&[("a", bytes(5_000))]);
        assert_eq!(granted(&site, "windowsize\x0064\0"), format!("windowsize\0{granted_window}\0"), "{port_mode:?}");
        assert_eq!(granted(&site, "blksize\x00600\0timeout\x008\0"), "blksize\x00600\0timeout\x008\0");
        assert_eq!(granted(&site, "blksize\x00600\0timeout\x00255\0"), "blksize\x00600\0");
    }
}

#[test]
fn the_windows_of_a_process_are_told_by_a_flag() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a"), bytes(20_000)).unwrap();
    let (_server, address) = process(folder.path(), &["--windowsize=4"]);
    assert_eq!(Client::new(address).fetch("a", "windowsize\x0016\0", 512, 4).0, bytes(20_000));
    let refused = Command::new(env!("CARGO_BIN_EXE_dialtone"))
        .args(["tftp", "--windowsize=17", "--root", folder.path().to_str().unwrap()])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("17 is not in 1..=16"), "{refused:?}");
}
