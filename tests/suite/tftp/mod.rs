//! The TFTP server over real UDP on the loopback interface.

mod folders;
mod history;
mod process;
mod report_port;
mod reports;
mod strangers;
mod wire;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use dialtone::base::report::{Outcome, Query, Record};
use dialtone::tftp::{Config, FileStore, Metrics, PortMode, Server, TransferLog};

struct Site {
    files: Arc<FileStore>,
    log: Arc<TransferLog>,
    metrics: Arc<Metrics>,
    server: Server,
}

fn serve(listen: &str, port_mode: PortMode, max_sessions: usize) -> Site {
    start(&Config { listen: vec![listen.parse().unwrap()], port_mode, workers: 2, max_sessions, windowsize: None })
}

fn start(config: &Config) -> Site {
    let files = Arc::new(FileStore::default());
    let log = Arc::new(TransferLog::new(files.clone()));
    let metrics = Arc::new(Metrics::default());
    let server = Server::start(config, files.clone(), log.clone(), metrics.clone()).unwrap();
    Site { files, log, metrics, server }
}

impl Site {
    fn put(&self, files: &[(&str, Vec<u8>)]) {
        let files = files.iter().map(|(name, bytes)| ((*name).to_owned(), Bytes::from(bytes.clone())));
        self.log.files_loaded(&self.files.replace(files), Vec::new());
    }

    fn address(&self) -> SocketAddr {
        self.server.addresses()[0]
    }
}

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n % 253) as u8).collect()
}

pub struct Client {
    socket: UdpSocket,
    server: SocketAddr,
}

impl Client {
    pub fn new(server: SocketAddr) -> Client {
        Client::at(if server.is_ipv4() { [0, 0, 0, 0].into() } else { [0u16; 8].into() }, server)
    }

    /// A client with this address.
    fn at(own: IpAddr, server: SocketAddr) -> Client {
        let socket = UdpSocket::bind((own, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
        Client { socket, server }
    }

    fn request(&self, name: &str, options: &str) {
        let packet = [b"\0\x01", name.as_bytes(), b"\0octet\0", options.as_bytes()].concat();
        self.socket.send_to(&packet, self.server).unwrap();
    }

    fn receive(&self) -> (Vec<u8>, SocketAddr) {
        let mut buffer = [0; 65_536];
        let (len, from) = self.socket.recv_from(&mut buffer).unwrap();
        (buffer[..len].to_vec(), from)
    }

    fn ack(&self, block: u16, to: SocketAddr) {
        self.socket.send_to(&[[0, 4], block.to_be_bytes()].concat(), to).unwrap();
    }

    /// A whole transfer; the bytes, and who sent them.
    fn fetch(&self, name: &str, options: &str, block: usize, window: u16) -> (Vec<u8>, SocketAddr) {
        self.try_fetch(name, options, block, window).expect("the file is there")
    }

    /// The same; nothing if there is no such file.
    pub fn try_fetch(&self, name: &str, options: &str, block: usize, window: u16) -> Option<(Vec<u8>, SocketAddr)> {
        self.request(name, options);
        let (mut got, mut next, mut since) = (Vec::new(), 1u16, 0);
        loop {
            let (packet, from) = self.receive();
            match packet[1] {
                5 if packet[2..4] == [0, 1] => return None,
                6 => self.ack(0, from),
                3 if packet[2..4] == next.to_be_bytes() => {
                    got.extend_from_slice(&packet[4..]);
                    since += 1;
                    let last = packet.len() - 4 < block;
                    if last || since == window {
                        self.ack(next, from);
                        since = 0;
                    }
                    next = next.wrapping_add(1);
                    if last {
                        return Some((got, from));
                    }
                }
                other => panic!("{other}: {packet:?}"),
            }
        }
    }
}

fn records(site: &Site, want: usize) -> Vec<Record> {
    let began = Instant::now();
    loop {
        let mut records = site.log.report(&Query::default()).journal.records;
        records.retain(|record| record.outcome != Outcome::Running);
        if records.len() >= want {
            return records;
        }
        assert!(began.elapsed() < Duration::from_secs(5), "{records:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn both_port_modes_serve_whole_files_with_and_without_options() {
    for mode in [PortMode::Single, PortMode::Ephemeral] {
        let listen = vec!["127.0.0.1:0".parse().unwrap()];
        let site = start(&Config { listen, port_mode: mode, windowsize: Some(8), ..Config::default() });
        let file = bytes(100_000);
        site.put(&[("image.bin", file.clone()), ("even.bin", bytes(1024))]);
        for (options, block, window) in
            [("", 512, 1), ("blksize\x001428\0windowsize\x008\0", 1428, 8), ("blksize\x001024\0tsize\x000\0", 1024, 1)]
        {
            let (got, from) = Client::new(site.address()).fetch("image.bin", options, block, window);
            assert_eq!(got, file);
            assert_eq!(from == site.address(), mode == PortMode::Single, "{mode:?}: answered from {from}");
        }
        assert_eq!(Client::new(site.address()).fetch("even.bin", "", 512, 1).0.len(), 1024);
        let done = records(&site, 4);
        assert!(done.iter().all(|record| record.outcome == Outcome::Complete), "{done:?}");
        assert_eq!(done[0].acknowledged, 100_000);
    }
}

#[test]
fn the_progress_of_large_files_is_reported_a_few_times() {
    let site = serve("127.0.0.1:0", PortMode::Single, 100);
    site.put(&[("image.sb2", bytes(756_524)), ("small.cnf", bytes(5_000))]);
    Client::new(site.address()).fetch("image.sb2", "", 512, 1);
    Client::new(site.address()).fetch("small.cnf", "", 512, 1);
    records(&site, 2);
    let all = site.log.report(&Query::default()).journal.records;
    let running: Vec<u64> = all.iter().filter(|r| r.outcome == Outcome::Running).map(|r| r.acknowledged).collect();
    assert_eq!(running[0], 512, "the first acknowledgement shows that it goes on");
    assert!((10..=17).contains(&running.len()) && running.is_sorted(), "{running:?}");
    assert!(
        all.iter().filter(|r| r.outcome == Outcome::Running).all(|r| *r.asked == *"image.sb2" && r.size == 756_524)
    );
}

#[test]
fn a_missing_file_is_an_error_at_once_and_writing_is_refused() {
    let site = serve("127.0.0.1:0", PortMode::Single, 100);
    site.put(&[("SIPDefault.cnf", bytes(10))]);
    let client = Client::new(site.address());
    for name in ["CTLSEP000A8A123456.tlv", "../etc/passwd", "/../x", "..\\x"] {
        let began = Instant::now();
        client.request(name, "");
        let (packet, _) = client.receive();
        assert_eq!(packet[..4], [0, 5, 0, 1], "{name}");
        assert!(began.elapsed() < Duration::from_millis(50), "{:?}", began.elapsed());
    }
    client.socket.send_to(b"\0\x02SIPDefault.cnf\0octet\0", site.address()).unwrap();
    assert_eq!(client.receive().0[..4], [0, 5, 0, 2]);
    client.socket.send_to(b"\0\x01SIPDefault.cnf\0mail\0", site.address()).unwrap();
    assert_eq!(client.receive().0[..4], [0, 5, 0, 4]);
    assert_eq!(client.fetch("./sipdefault.CNF", "", 512, 1).0, bytes(10));
}

#[test]
fn a_transfer_keeps_the_file_that_it_began_with() {
    let site = serve("127.0.0.1:0", PortMode::Single, 100);
    site.put(&[("a", vec![1; 1500])]);
    let client = Client::new(site.address());
    client.request("a", "");
    let (first, from) = client.receive();
    site.put(&[("a", vec![2; 1500])]);
    client.ack(1, from);
    let (second, _) = client.receive();
    assert_eq!((first[4], second[4]), (1, 1));
    assert_eq!(Client::new(site.address()).fetch("a", "", 512, 1).0, vec![2; 1500]);
}

#[test]
fn a_request_that_comes_twice_is_one_transfer() {
    let site = serve("127.0.0.1:0", PortMode::Single, 100);
    site.put(&[("a", bytes(700))]);
    let client = Client::new(site.address());
    client.request("a", "");
    client.request("a", "");
    let (first, from) = client.receive();
    let (again, _) = client.receive();
    assert_eq!(first, again);
    client.ack(1, from);
    client.ack(1, from);
    let (last, _) = client.receive();
    assert_eq!(last.len(), 4 + 188);
    client.ack(2, from);
    assert_eq!(records(&site, 1).len(), 1);
    client.socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(client.socket.recv(&mut [0; 600]).is_err(), "nothing is sent twice for one acknowledgement");
}

#[test]
fn a_client_that_sends_an_error_ends_its_transfer() {
    let site = serve("127.0.0.1:0", PortMode::Single, 100);
    site.put(&[("a", bytes(5000))]);
    let client = Client::new(site.address());
    client.request("a", "");
    let (_, from) = client.receive();
    client.socket.send_to(b"\0\x05\0\0enough\0", from).unwrap();
    assert_eq!(records(&site, 1)[0].outcome, Outcome::Aborted);
    assert_eq!(site.metrics.active_transfers(), 0);
}

#[test]
fn a_wrong_port_gets_an_error_and_the_transfer_goes_on() {
    let site = serve("127.0.0.1:0", PortMode::Ephemeral, 100);
    site.put(&[("a", bytes(600))]);
    let client = Client::new(site.address());
    client.request("a", "");
    let (_, from) = client.receive();
    let stranger = Client::new(from);
    stranger.ack(1, from);
    assert_eq!(stranger.receive().0[..4], [0, 5, 0, 5]);
    // One error is not answered with another: what comes next is the answer to the acknowledgement.
    stranger.socket.send_to(b"\0\x05\0\x05unknown\0", from).unwrap();
    stranger.socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(stranger.socket.recv(&mut [0; 600]).is_err(), "two servers would answer each other for ever");
    client.ack(1, from);
    assert_eq!(client.receive().0.len(), 4 + 88);
}

#[test]
fn replies_come_from_the_address_of_the_request() {
    let site = serve("0.0.0.0:0", PortMode::Single, 100);
    site.put(&[("a", bytes(10))]);
    for last in [1, 2, 3] {
        let server = SocketAddr::from(([127, 0, 0, last], site.address().port()));
        assert_eq!(Client::new(server).fetch("a", "", 512, 1).1, server);
    }
}

/// With one port a worker waits on it, with more it polls all of them, whether others share its ports or not.
#[test]
fn one_port_and_more_are_served_by_one_worker_and_more() {
    for (ports, workers) in [(1, 1), (2, 1), (1, 2), (2, 2)] {
        let listen = vec!["127.0.0.1:0".parse().unwrap(); ports];
        let site = start(&Config { listen, workers, ..Config::default() });
        site.put(&[("a", bytes(2000))]);
        for address in site.server.addresses() {
            assert_eq!(Client::new(*address).fetch("a", "", 512, 1), (bytes(2000), *address));
        }
    }
}

#[test]
fn phones_on_ipv6_are_served_too() {
    if UdpSocket::bind("[::1]:0").is_err() {
        eprintln!("skipped: this machine has no IPv6 loopback");
        return;
    }
    let site = serve("[::1]:0", PortMode::Single, 100);
    site.put(&[("a", bytes(2000))]);
    assert_eq!(Client::new(site.address()).fetch("a", "", 512, 1).0, bytes(2000));
}

#[test]
fn a_flood_of_garbage_and_of_requests_without_acknowledgements_is_bounded() {
    let site = serve("127.0.0.1:0", PortMode::Single, 64);
    site.put(&[("a", bytes(100_000))]);
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let noise = UdpSocket::bind("127.0.0.1:0").unwrap();
    for n in 0..100_000u64 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let len = (random % 64) as usize;
        let packet: Vec<u8> = (0..len).map(|i| (random >> (i % 8 * 8)) as u8 ^ n as u8).collect();
        let _ = noise.send_to(&packet, site.address());
    }
    // As many open requests as 10 times what the server keeps, from as many ports.
    let ports: Vec<Client> = (0..640).map(|_| Client::new(site.address())).collect();
    for port in &ports {
        port.request("a", "");
        std::thread::sleep(Duration::from_micros(100));
    }
    assert!(site.metrics.active_transfers() <= 64, "{}", site.metrics.active_transfers());
    // A phone that acknowledges is served in spite of them.
    assert_eq!(Client::new(site.address()).fetch("a", "", 512, 1).0, bytes(100_000));
}

#[test]
fn requests_without_acknowledgements_do_not_take_all_ports() {
    use std::io::BufRead as _;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a"), bytes(5_000)).unwrap();
    // A process of its own, which may have few descriptors.
    let mut server = std::process::Command::new("sh")
        .args([
            "-c",
            "ulimit -n 64; exec \"$0\" tftp --listen 127.0.0.1:0 --port-mode ephemeral --workers 1 --root \"$1\"",
        ])
        .args([env!("CARGO_BIN_EXE_dialtone"), folder.path().to_str().unwrap()])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufReader::new(server.stderr.take().unwrap()).lines().map(Result::unwrap);
    let line = lines.find(|line| line.contains("serving")).unwrap();
    let address = line.split_once('[').and_then(|(_, rest)| rest.split_once(']')).unwrap().0.parse().unwrap();
    std::thread::spawn(move || lines.for_each(drop));
    let ports: Vec<Client> = (0..200).map(|_| Client::new(address)).collect();
    ports.iter().for_each(|port| port.request("a", ""));
    let got = std::panic::catch_unwind(|| Client::new(address).fetch("a", "", 512, 1).0);
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(got.unwrap(), bytes(5_000));
}

#[test]
fn hundreds_of_phones_at_once_get_their_files() {
    let site = serve("127.0.0.1:0", PortMode::Single, 4096);
    let names: Vec<String> = (0..500).map(|n| format!("SIP{n:012}.cnf")).collect();
    let files: HashMap<&str, Vec<u8>> =
        names.iter().map(|name| (name.as_str(), format!("{name}\n").repeat(40).into_bytes())).collect();
    site.put(&files.iter().map(|(name, bytes)| (*name, bytes.clone())).collect::<Vec<_>>());
    let address = site.address();
    std::thread::scope(|scope| {
        for part in names.chunks(20) {
            let files = &files;
            scope.spawn(move || {
                for name in part {
                    assert_eq!(&Client::new(address).fetch(name, "", 512, 1).0, &files[name.as_str()]);
                }
            });
        }
    });
    assert_eq!(records(&site, 500).len(), 500);
}

#[test]
fn an_ending_server_lets_transfers_finish() {
    let site = serve("127.0.0.1:0", PortMode::Single, 100);
    site.put(&[("a", bytes(1000))]);
    let client = Client::new(site.address());
    client.request("a", "");
    let (_, from) = client.receive();
    let ending = std::thread::spawn(move || site.server.stop(Duration::from_secs(5)));
    std::thread::sleep(Duration::from_millis(400));
    client.ack(1, from);
    assert_eq!(client.receive().0.len(), 4 + 488);
    client.ack(2, from);
    let began = Instant::now();
    ending.join().unwrap();
    assert!(began.elapsed() < Duration::from_secs(2), "it ends when the last transfer does");
}
