//! What RFC 1350 and 7440 ask of a server beyond the transfer that goes well.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use dialtone::base::report::{Outcome, Query};
use dialtone::tftp::{Config, PortMode};

use super::{Client, Site, bytes, records, start};

/// A server of one small file and one large one.
fn site(port_mode: PortMode) -> Site {
    let listen = vec!["127.0.0.1:0".parse().unwrap()];
    let site = start(&Config { listen, port_mode, windowsize: Some(8), ..Config::default() });
    site.put(&[("a", bytes(600)), ("b", bytes(100_000))]);
    site
}

impl Client {
    fn send(&self, packet: &[u8]) {
        self.socket.send_to(packet, self.server).unwrap();
    }

    /// The number of the block that comes next.
    fn block(&self) -> u16 {
        let (packet, _) = self.receive();
        assert_eq!(packet[..2], [0, 3], "{packet:?}");
        u16::from_be_bytes([packet[2], packet[3]])
    }

    /// The number and the text of the error that comes next.
    fn error(&self) -> (u8, String) {
        let (packet, _) = self.receive();
        assert_eq!(packet[..3], [0, 5, 0], "{packet:?}");
        (packet[3], String::from_utf8_lossy(&packet[4..packet.len() - 1]).into_owned())
    }

    /// Whether nothing comes for a while.
    fn is_left_alone(&self) -> bool {
        self.socket.set_read_timeout(Some(Duration::from_millis(150))).unwrap();
        let nothing = self.socket.recv(&mut [0; 2_000]).is_err();
        self.socket.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
        nothing
    }
}

#[test]
fn a_loss_after_an_earlier_one_is_mended_as_soon_as_the_first() {
    let site = site(PortMode::Single);
    let client = Client::new(site.address());
    client.request("b", "");
    assert_eq!(client.block(), 1);
    client.ack(1, site.address());
    // Block 2 is lost three times, then block 3 once.
    assert_eq!([client.block(), client.block(), client.block(), client.block()], [2; 4]);
    client.ack(2, site.address());
    assert_eq!(client.block(), 3);
    let began = Instant::now();
    assert_eq!(client.block(), 3);
    assert!(began.elapsed() < Duration::from_millis(700), "{:?}", began.elapsed());
}

#[test]
fn a_request_with_other_options_or_in_the_midst_of_a_transfer_begins_anew() {
    for mode in [PortMode::Single, PortMode::Ephemeral] {
        let site = site(mode);
        let client = Client::new(site.address());
        client.request("b", "blksize\x001024\0");
        assert_eq!(client.receive().0[..2], [0, 6]);
        // A boot ROM that tries without options.
        client.request("b", "");
        assert_eq!(client.block(), 1);
        client.send(b"\0\x01b\0netascii\0");
        let (packet, from) = client.receive();
        assert_eq!(packet[..4], [0, 3, 0, 1]);
        client.ack(1, from);
        assert_eq!(client.block(), 2);
        // The power was cut.
        std::thread::sleep(Duration::from_millis(1_000));
        while !client.is_left_alone() {}
        client.send(b"\0\x01b\0netascii\0");
        let (packet, from) = client.receive();
        assert_eq!(packet[..4], [0, 3, 0, 1]);
        client.socket.send_to(b"\0\x05\0\0enough\0", from).unwrap();
        let ended: Vec<_> = records(&site, 4).iter().map(|record| (record.outcome, record.acknowledged > 0)).collect();
        let aborted = |acknowledged| (Outcome::Aborted, acknowledged);
        assert_eq!(ended, [aborted(false), aborted(false), aborted(true), aborted(false)], "{mode:?}");
    }
}

#[test]
fn a_request_to_another_of_the_servers_addresses_is_answered_from_there() {
    for mode in [PortMode::Single, PortMode::Ephemeral] {
        let listen = vec!["0.0.0.0:0".parse().unwrap()];
        let site = start(&Config { listen, port_mode: mode, ..Config::default() });
        site.put(&[("a", bytes(600))]);
        let client = Client::new(site.address());
        // A phone's first and second TFTP server may be one.
        for server in [[127, 0, 0, 1], [127, 0, 0, 2], [127, 0, 0, 2]] {
            let request = b"\0\x01a\0octet\0";
            client.socket.send_to(request, (std::net::IpAddr::from(server), site.address().port())).unwrap();
            let (packet, from) = client.receive();
            assert_eq!((&packet[..4], from.ip()), (&[0, 3, 0, 1][..], server.into()), "{mode:?}");
        }
    }
}

#[test]
fn a_client_that_misses_the_first_block_of_a_window_has_it_at_once() {
    let site = site(PortMode::Single);
    let client = Client::new(site.address());
    client.request("b", "windowsize\x004\0");
    assert_eq!(client.receive().0[..2], [0, 6]);
    client.ack(0, site.address());
    assert_eq!([client.block(), client.block(), client.block(), client.block()], [1, 2, 3, 4]);
    client.ack(4, site.address());
    let window = || [client.block(), client.block(), client.block(), client.block()];
    assert_eq!(window(), [5, 6, 7, 8]);
    let began = Instant::now();
    client.ack(4, site.address());
    assert_eq!(window(), [5, 6, 7, 8]);
    assert!(began.elapsed() < Duration::from_millis(150), "{:?}", began.elapsed());
    client.ack(8, site.address());
    assert_eq!(window(), [9, 10, 11, 12]);
}

#[test]
fn errors_come_from_the_port_that_transfers_come_from() {
    for mode in [PortMode::Single, PortMode::Ephemeral] {
        let site = site(mode);
        let client = Client::new(site.address());
        for (packet, code) in [(&b"\0\x01c\0octet\0"[..], 1), (b"\0\x02a\0octet\0", 2), (b"\0\x01a\0mail\0", 4)] {
            client.send(packet);
            let (answer, from) = client.receive();
            assert_eq!(answer[..4], [0, 5, 0, code]);
            assert_eq!(from == site.address(), mode == PortMode::Single, "{mode:?}: error {code} from {from}");
        }
    }
}

#[test]
fn an_illegal_request_is_told_what_is_wrong_with_it() {
    let site = site(PortMode::Single);
    let client = Client::new(site.address());
    client.send(b"\0\x01a\0mail\0");
    let why = "not a legal read request: the transfer mode is neither octet nor netascii";
    assert_eq!(client.error(), (4, why.to_owned()));
    client.send(b"\0\x01a\0octet");
    assert_eq!(client.error(), (4, "not a legal read request: no zero byte ends the transfer mode".to_owned()));
}

#[test]
fn what_belongs_to_no_transfer_is_told_so_within_bounds() {
    let site = site(PortMode::Single);
    let client = Client::new(site.address());
    for packet in [&b"\0\x04\0\x07"[..], b"\0\x03\0\x01text"] {
        client.send(packet);
        let began = Instant::now();
        assert_eq!(client.error(), (5, "unknown transfer ID".to_owned()));
        assert!(began.elapsed() < Duration::from_millis(150), "the client need not wait");
    }
    // Never an error, nor what is no packet.
    client.send(b"\0\x05\0\x05no\0");
    client.send(b"\0\x06blksize\x00512\0");
    assert!(client.is_left_alone());
    // Whoever is named as the source of a flood gets few of them.
    let flood = UdpSocket::bind("127.0.0.5:0").unwrap();
    flood.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let began = Instant::now();
    for _ in 0..5_000 {
        flood.send_to(b"\0\x04\0\x01", site.address()).unwrap();
    }
    let mut answers = 0;
    while flood.recv(&mut [0; 100]).is_ok() {
        answers += 1;
    }
    let most = 32 * (began.elapsed().as_secs() as usize + 2);
    assert!((1..=most).contains(&answers), "{answers} answers");
    // A client that has its file, and whose last acknowledgement came twice, gets nothing that it could take for another answer.
    let phone = Client::at([127, 0, 0, 6].into(), site.address());
    phone.fetch("a", "", 512, 1);
    records(&site, 1);
    phone.ack(2, site.address());
    assert!(phone.is_left_alone());
}

#[test]
fn an_ending_server_says_so_and_all_transfers_of_all_workers_finish() {
    for mode in [PortMode::Single, PortMode::Ephemeral] {
        let listen = vec!["127.0.0.1:0".parse().unwrap()];
        let site = start(&Config { listen, workers: 8, port_mode: mode, ..Config::default() });
        site.put(&[("a", bytes(2_000))]);
        let clients: Vec<Client> = (0..4).map(|_| Client::new(site.address())).collect();
        let ports: Vec<_> = clients.iter().map(|client| (client.request("a", ""), client.receive().1).1).collect();
        let (address, log) = (site.address(), site.log.clone());
        let ending = std::thread::spawn(move || site.server.stop(Duration::from_secs(20)));
        std::thread::sleep(Duration::from_millis(400));
        let newcomer = Client::new(address);
        newcomer.request("a", "");
        assert_eq!(newcomer.error(), (0, "this server is ending, ask again".to_owned()), "{mode:?}");
        for (client, port) in clients.iter().zip(ports) {
            // What was sent again while it waited.
            while !client.is_left_alone() {}
            for block in 1..=4 {
                client.ack(block, port);
                if block < 4 {
                    while client.block() != block + 1 {}
                }
            }
        }
        ending.join().unwrap();
        let records = log.report(&Default::default()).journal.records;
        assert_eq!(records.iter().filter(|record| record.outcome == Outcome::Complete).count(), 4, "{mode:?}");
    }
}

#[test]
fn ipv4_and_ipv6_can_both_be_listened_on_in_either_order_and_ipv6_alone_is_for_both() {
    if UdpSocket::bind("[::1]:0").is_err() {
        eprintln!("skipped: this machine has no IPv6 loopback");
        return;
    }
    let free = || UdpSocket::bind("[::]:0").unwrap().local_addr().unwrap().port();
    for listen in [&["0.0.0.0", "[::]"][..], &["[::]", "0.0.0.0"], &["127.0.0.1", "[::]"], &["[::]"]] {
        let port = free();
        let listen = listen.iter().map(|address| format!("{address}:{port}").parse().unwrap()).collect();
        let site = start(&Config { listen, workers: 2, ..Config::default() });
        site.put(&[("a", bytes(2_000))]);
        for address in [format!("127.0.0.1:{port}"), format!("[::1]:{port}")] {
            assert_eq!(Client::new(address.parse().unwrap()).fetch("a", "", 512, 1).0, bytes(2_000), "{address}");
        }
    }
    let port = free();
    let listen = ["0.0.0.0", "127.0.0.1"].map(|address| format!("{address}:{port}").parse().unwrap()).to_vec();
    let config = Config { listen, ..Config::default() };
    let refused =
        dialtone::tftp::Server::start(&config, Default::default(), site(PortMode::Single).log, Default::default());
    let said = refused.err().unwrap().to_string();
    assert!(said.contains(&format!("it is to listen on 0.0.0.0:{port} too; leave out one of them")), "{said}");
}

#[test]
fn an_end_that_is_not_acknowledged_is_reported_soon_and_once() {
    let site = site(PortMode::Single);
    let client = Client::new(site.address());
    client.request("a", "");
    assert_eq!(client.block(), 1);
    client.ack(1, site.address());
    assert_eq!([client.block(), client.block(), client.block()], [2; 3]);
    let told = site.log.report(&Query::default()).journal.records;
    let [one] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((one.outcome, one.acknowledged, one.size), (Outcome::Running, 512, 600));
    assert!((1..3_000).contains(&one.unacknowledged), "{one:?}");
    client.ack(2, site.address());
    let last = records(&site, 1).remove(0);
    assert_eq!((last.outcome, last.unacknowledged), (Outcome::Complete, 0));
}
