//! Networks, and which addresses are of the public Internet.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::str::FromStr;

use ipnet::IpNet;

/// A text is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no network such as 10.1.2.0/24 or fd00:1::/64")]
pub struct InvalidNetwork(String);

/// Reads a network, or one address.
pub fn network(text: &str) -> Result<IpNet, InvalidNetwork> {
    let (address, bits) = text.trim().split_once('/').map_or((text.trim(), None), |(a, b)| (a, Some(b)));
    // The crate's own parser takes 010.0.0.0, which others read as octal.
    let address = address.parse().ok();
    let network = address.and_then(|address: IpAddr| match bits {
        None => Some(address.into()),
        Some(bits) => IpNet::new(address, bits.parse().ok()?).ok(),
    });
    network.ok_or_else(|| InvalidNetwork(text.to_owned()))
}

/// Where to listen, as people write it: an address or a name, and a port. A name may stand for several addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen(pub Vec<SocketAddr>);

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Listen, String> {
        let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
        let is_v6 = text.parse::<Ipv6Addr>().is_ok();
        if is_v6 || host.is_empty() || port.parse::<u16>().is_err() {
            let host = if is_v6 { format!("[{text}]") } else { host.to_owned() };
            return Err(format!(
                "is no address and port: write, for example, {}:69",
                if host.is_empty() { "0.0.0.0" } else { &host }
            ));
        }
        let found: BTreeSet<SocketAddr> =
            text.to_socket_addrs().map_err(|error| format!("{host} has no address: {error}"))?.collect();
        if found.is_empty() { Err(format!("{host} has no address")) } else { Ok(Listen(found.into_iter().collect())) }
    }
}

/// A network of IPv4 that is a constant of this program.
pub const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u8) -> IpNet {
    IpNet::new_assert(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), bits)
}

/// A network of IPv6 that is a constant of this program, by the first two groups of its address.
pub const fn v6(first: u16, second: u16, bits: u8) -> IpNet {
    IpNet::new_assert(IpAddr::V6(Ipv6Addr::new(first, second, 0, 0, 0, 0, 0, 0)), bits)
}

/// The networks of IPv4 that are none of the public Internet: of clusters, of companies, of one machine or one cable, and those
/// that are reserved.
pub const NOT_PUBLIC_V4: [IpNet; 12] = [
    v4(0, 0, 0, 0, 8),
    v4(10, 0, 0, 0, 8),
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    v4(169, 254, 0, 0, 16),
    v4(172, 16, 0, 0, 12),
    v4(192, 0, 0, 0, 24),
    v4(192, 88, 99, 0, 24),
    v4(192, 168, 0, 0, 16),
    v4(198, 18, 0, 0, 15),
    v4(224, 0, 0, 0, 4),
    v4(240, 0, 0, 0, 4),
];

/// The public Internet of IPv6. The ranges in it that carry addresses of IPv4 are looked into.
pub const PUBLIC_V6: IpNet = v6(0x2000, 0, 3);
/// Of [`PUBLIC_V6`], what leads to addresses of IPv4 or nowhere: Teredo and its neighbours, and 6to4.
pub const NOT_PUBLIC_V6: [IpNet; 2] = [v6(0x2001, 0, 23), v6(0x2002, 0, 16)];

/// Whether an address is of the public Internet.
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        address @ IpAddr::V4(_) => !NOT_PUBLIC_V4.iter().any(|network| network.contains(&address)),
        address @ IpAddr::V6(_) => {
            PUBLIC_V6.contains(&address) && !NOT_PUBLIC_V6.iter().any(|network| network.contains(&address))
        }
    }
}

/// A network in CIDR notation, for the API's schema. A test holds it against the parser that reads what the schema let in.
pub const CIDR_PATTERN: &str = concat!(
    "^((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])[.]){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])/(3[0-2]|[12]?[0-9])$",
    "|^(([0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}|([0-9a-fA-F]{1,4}:){1,7}:|([0-9a-fA-F]{1,4}:){1,6}:[0-9a-fA-F]{1,4}",
    "|([0-9a-fA-F]{1,4}:){1,5}(:[0-9a-fA-F]{1,4}){1,2}|([0-9a-fA-F]{1,4}:){1,4}(:[0-9a-fA-F]{1,4}){1,3}",
    "|([0-9a-fA-F]{1,4}:){1,3}(:[0-9a-fA-F]{1,4}){1,4}|([0-9a-fA-F]{1,4}:){1,2}(:[0-9a-fA-F]{1,4}){1,5}",
    "|[0-9a-fA-F]{1,4}:(:[0-9a-fA-F]{1,4}){1,6}|:((:[0-9a-fA-F]{1,4}){1,7}|:))/(12[0-8]|1[01][0-9]|[1-9]?[0-9])$",
);

/// An address as people know it: a socket for both families calls one of IPv4 by an address that IPv6 carries.
pub fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_to_listen_is_an_address_or_a_name_with_a_port() {
        let of = |text: &str| text.parse::<Listen>().map(|Listen(all)| all);
        assert_eq!(of("0.0.0.0:69"), Ok(vec!["0.0.0.0:69".parse().unwrap()]));
        assert_eq!(of("[::1]:69"), Ok(vec!["[::1]:69".parse().unwrap()]));
        assert!(of("localhost:69").unwrap().iter().all(|one| one.ip().is_loopback() && one.port() == 69));
        for (wrong, example) in [
            ("localhost", "localhost:69"),
            ("::1", "[::1]:69"),
            (":69", "0.0.0.0:69"),
            ("10.0.0.1:tftp", "10.0.0.1:69"),
            ("10.0.0.1:99999", "10.0.0.1:69"),
        ] {
            assert!(of(wrong).unwrap_err().ends_with(&format!("write, for example, {example}")), "{wrong}");
        }
        assert!(of("no such name:69").unwrap_err().starts_with("no such name has no address"));
    }

    #[test]
    fn networks_are_read_and_hold_their_addresses() {
        let holds = |text: &str, address: &str| network(text).unwrap().contains(&address.parse::<IpAddr>().unwrap());
        assert!(holds("10.1.2.0/24", "10.1.2.255") && !holds("10.1.2.0/24", "10.1.3.0"));
        assert!(holds("0.0.0.0/0", "255.255.255.255") && !holds("0.0.0.0/0", "::1"));
        assert!(holds("192.0.2.7", "192.0.2.7") && !holds("192.0.2.7", "192.0.2.6"));
        assert!(holds("fd00:1::/64", "fd00:1::5") && !holds("fd00:1::/64", "fd00:1:0:1::5"));
        assert!(holds("::/0", "fe80::1"));
        assert_eq!(network("fd00:1::/64").unwrap().to_string(), "fd00:1::/64");
        for wrong in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "a", "10.0.0.0/", "10.0.0.0/-1"] {
            assert!(network(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_inside_is_not_public_however_it_is_written() {
        for inside in [
            "127.0.0.1",
            "0.0.0.0",
            "10.96.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.100.100.200",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fd00:ec2::254",
            "fc00::1",
            "ff02::1",
            "::ffff:169.254.169.254",
            "::ffff:10.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "2002:a9fe:a9fe::1",
            "2001:0:a9fe::1",
            "::7f00:1",
            "fec0::1",
        ] {
            assert!(!is_public(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["1.1.1.1", "192.0.1.1", "2606:4700::1111", "2a00:1450::1", "::ffff:1.1.1.1"] {
            assert!(is_public(outside.parse().unwrap()), "{outside}");
        }
    }
}
