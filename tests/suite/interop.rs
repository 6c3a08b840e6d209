//! What `make interop` relies on and needs no programs of others for: the bad network, and the judgement.

use std::net::UdpSocket;
use std::time::Duration;

use crate::lossy::{Fates, Proxy, Weather};
use crate::outcome::{Ended, Outcome};

#[test]
fn a_seed_says_what_happens_to_each_datagram() {
    let weather = Weather { lost: 20, doubled: 10, late: 10, jitter: Duration::from_millis(5) };
    let fates = |seed, weather| {
        let mut fates = Fates::new(weather, seed);
        (0..10_000).map(|_| fates.next()).collect::<Vec<_>>()
    };
    assert_eq!(fates(7, weather), fates(7, weather));
    assert_ne!(fates(7, weather), fates(8, weather));
    let count = |copies| fates(7, weather).iter().filter(|fate| fate.len() == copies).count();
    assert!((1_800..2_200).contains(&count(0)) && (700..900).contains(&count(2)), "{} {}", count(0), count(2));
    assert!(fates(7, Weather::default()).iter().all(|fate| *fate == [Duration::ZERO]), "fine weather changes nothing");
}

fn socket(patience: Duration) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(patience)).unwrap();
    socket
}

#[test]
fn a_client_sees_through_the_proxy_as_many_ports_as_the_server_has() {
    let patience = Duration::from_secs(20);
    let (server, other, client) = (socket(patience), socket(patience), socket(patience));
    let proxy =
        Proxy::start("127.0.0.1:0".parse().unwrap(), server.local_addr().unwrap(), Weather::default(), 1).unwrap();
    let mut bytes = [0; 100];
    client.send_to(b"a request", proxy.address).unwrap();
    let (len, seen) = server.recv_from(&mut bytes).unwrap();
    assert_eq!(&bytes[..len], b"a request");
    server.send_to(b"from the same port", seen).unwrap();
    let (len, from) = client.recv_from(&mut bytes).unwrap();
    assert_eq!((&bytes[..len], from), (&b"from the same port"[..], proxy.address));
    other.send_to(b"from another port", seen).unwrap();
    let (len, door) = client.recv_from(&mut bytes).unwrap();
    assert_eq!(&bytes[..len], b"from another port");
    assert_ne!(door, proxy.address);
    client.send_to(b"to the other port", door).unwrap();
    let (len, from) = other.recv_from(&mut bytes).unwrap();
    assert_eq!((&bytes[..len], from), (&b"to the other port"[..], seen));
}

#[test]
fn a_network_that_loses_everything_lets_nothing_through_and_one_that_doubles_everything_sends_it_twice() {
    let server = socket(Duration::from_millis(300));
    let (listen, to) = ("127.0.0.1:0".parse().unwrap(), server.local_addr().unwrap());
    let mut bytes = [0; 100];
    for (weather, copies) in
        [(Weather { lost: 100, ..Weather::default() }, 0), (Weather { doubled: 100, ..Weather::default() }, 2)]
    {
        let proxy = Proxy::start(listen, to, weather, 1).unwrap();
        socket(Duration::from_secs(1)).send_to(b"x", proxy.address).unwrap();
        let came = std::iter::from_fn(|| server.recv_from(&mut bytes).ok()).count();
        assert_eq!(came, copies, "{weather:?}");
    }
}

#[test]
fn only_the_same_bytes_are_a_file_and_only_a_quick_no_is_a_refusal() {
    let second = Duration::from_secs(1);
    let ended = |file: Option<&[u8]>, said: &str, success, after| Ended {
        file: file.map(<[u8]>::to_vec),
        said: said.to_owned(),
        success,
        after,
    };
    let of = |ended: &Ended, wanted: Option<&[u8]>| Outcome::of(ended, wanted, false);
    let whole = ended(Some(b"abc"), "", Some(true), second);
    assert_eq!(of(&whole, Some(b"abc")), Outcome::Ok(second));
    // Whatever the network did: bytes that are wrong are wrong.
    for bad_network in [false, true] {
        let altered = Outcome::of(&whole, Some(b"abd"), bad_network);
        assert!(matches!(&altered, Outcome::Failed(why) if why.contains("from byte 2 on")), "{altered:?}");
    }
    let timed_out = ended(Some(b"a"), "timed out\n", Some(false), second);
    assert!(matches!(of(&timed_out, Some(b"abc")), Outcome::Failed(why) if why.contains("timed out")));
    assert!(matches!(Outcome::of(&timed_out, Some(b"abc"), true), Outcome::GaveUp(..)));
    assert!(matches!(of(&ended(None, "", None, second), Some(b"abc")), Outcome::Failed(_)));

    let refused = ended(None, "File not found", Some(false), second);
    assert_eq!(of(&refused, None), Outcome::Refused(second));
    for wrong in [
        whole,
        ended(None, "", Some(true), second),
        ended(None, "timed out", Some(false), 25 * second),
        ended(Some(b"what nobody may get"), "not found", Some(false), second),
    ] {
        assert!(matches!(of(&wrong, None), Outcome::Failed(_)), "{wrong:?}");
    }
}
