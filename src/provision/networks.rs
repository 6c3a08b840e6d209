//! Where phones may be: nothing is sent to any other address, least of all a password.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use crate::base::network::{network, v4, v6};

/// Private networks: RFC 1918, RFC 6598 (carriers' and VPNs') and RFC 4193.
const DEFAULT: [IpNet; 5] =
    [v4(10, 0, 0, 0, 8), v4(172, 16, 0, 0, 12), v4(192, 168, 0, 0, 16), v4(100, 64, 0, 0, 10), v6(0xfc00, 0, 7)];

/// The networks that a site's phones are in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneNetworks(Vec<IpNet>);

/// What a shell knows of addresses that are no phone's.
#[derive(Clone, Debug, Default)]
pub struct OwnAddresses {
    /// Those of the cluster itself: of its nodes and of its pods, as far as they are known.
    pub cluster: BTreeSet<IpAddr>,
    /// The server listens on the loopback interface only, and so do its phones.
    pub loopback: bool,
}

/// Why nothing is sent to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Whatever the networks say: what this kind of address is.
    Never(&'static str),
    /// It is in none of the networks.
    Outside,
}

impl Default for PhoneNetworks {
    fn default() -> PhoneNetworks {
        PhoneNetworks(DEFAULT.to_vec())
    }
}

impl PhoneNetworks {
    /// Those of a spec, the private ones if it names none; where one of them is wrong, and how.
    pub fn new(texts: &[String]) -> Result<PhoneNetworks, (usize, String)> {
        if texts.is_empty() {
            return Ok(PhoneNetworks::default());
        }
        let parsed = texts.iter().enumerate().map(|(i, text)| parse(text).map_err(|problem| (i, problem)));
        parsed.collect::<Result<_, _>>().map(PhoneNetworks)
    }

    /// Whether something may be sent to an address.
    pub fn check(&self, address: IpAddr, own: &OwnAddresses) -> Result<(), Refusal> {
        let address = address.to_canonical();
        if address.is_loopback() && own.loopback {
            return Ok(());
        }
        if let Some(kind) = never(address) {
            return Err(Refusal::Never(kind));
        }
        if own.cluster.contains(&address) {
            return Err(Refusal::Never("one of the cluster's own addresses"));
        }
        if self.0.iter().any(|network| network.contains(&address)) { Ok(()) } else { Err(Refusal::Outside) }
    }
}

impl fmt::Display for PhoneNetworks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&all.join(", "))
    }
}

fn parse(text: &str) -> Result<IpNet, String> {
    let read = text.contains('/').then(|| network(text).ok()).flatten();
    let network = read.ok_or_else(|| {
        format!("is {text:?}: write a network in CIDR notation, such as 10.20.0.0/16 or fd00:12::/32")
    })?;
    Ok(network.trunc())
}

/// What an address is that nothing is ever sent to.
fn never(address: IpAddr) -> Option<&'static str> {
    let link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    match address {
        _ if address.is_loopback() => Some("loopback addresses"),
        _ if link_local => Some("link-local addresses"),
        _ if address.is_multicast() => Some("multicast addresses"),
        _ if address.is_unspecified() || address == Ipv4Addr::BROADCAST => Some("addresses of no host"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::network::CIDR_PATTERN;

    fn networks(texts: &[&str]) -> Result<PhoneNetworks, (usize, String)> {
        PhoneNetworks::new(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn private_networks_are_the_default_and_no_others() {
        let (default, own) = (networks(&[]).unwrap(), OwnAddresses::default());
        let check = |address: &str| default.check(address.parse().unwrap(), &own);
        for private in
            ["10.1.2.3", "172.31.0.1", "192.168.1.1", "100.64.0.1", "100.127.255.254", "fd00::1", "::ffff:10.0.0.1"]
        {
            assert_eq!(check(private), Ok(()), "{private}");
        }
        for public in ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2001:db8::1", "::ffff:8.8.8.8"] {
            assert_eq!(check(public), Err(Refusal::Outside), "{public}");
        }
    }

    #[test]
    fn nothing_is_sent_to_some_addresses_whatever_a_site_says() {
        let (all, mut own) = (networks(&["0.0.0.0/0", "::/0"]).unwrap(), OwnAddresses::default());
        own.cluster.insert("10.9.9.9".parse().unwrap());
        let check = |address: &str, own: &OwnAddresses| all.check(address.parse().unwrap(), own);
        let never = [
            "127.0.0.1",
            "::1",
            "169.254.169.254",
            "fe80::1",
            "224.0.0.1",
            "ff02::1",
            "0.0.0.0",
            "255.255.255.255",
            "10.9.9.9",
        ];
        for address in never.into_iter().chain(["::ffff:127.0.0.1", "::ffff:169.254.0.1"]) {
            assert!(matches!(check(address, &own), Err(Refusal::Never(_))), "{address}");
        }
        assert_eq!(check("8.8.8.8", &own), Ok(()));
        own.loopback = true;
        assert_eq!(check("127.0.0.70", &own), Ok(()), "where the server listens only there");
    }

    #[test]
    fn what_is_no_network_is_refused_with_its_place() {
        assert_eq!(networks(&["10.20.30.40/16"]).unwrap().to_string(), "10.20.0.0/16");
        for wrong in ["10.0.0.0", "10.0.0.0/33", "phones", "10.0.0/8", "fd00::/129", "fd00:::/8"] {
            let (place, problem) = networks(&["10.0.0.0/8", wrong]).unwrap_err();
            assert!(place == 1 && problem.contains(wrong.split('/').next().unwrap()), "{problem}");
        }
    }

    #[test]
    fn the_schema_takes_what_is_taken_here() {
        let pattern = regex::Regex::new(CIDR_PATTERN).unwrap();
        let addresses = [
            "10.20.0.0",
            "255.255.255.255",
            "256.0.0.0",
            "010.0.0.0",
            "1.2.3",
            "::",
            "::1",
            "fd00:12::",
            "1:2:3:4:5:6:7:8",
            "1:2:3:4:5:6:7::",
            "::2:3:4:5:6:7:8",
            "1::3:4:5:6:7:8",
            "1:2:3:4:5:6:7:8:9",
            "1::2::3",
            ":::",
            "12345::",
            "g::",
            "phones",
        ];
        for address in addresses {
            for bits in ["0", "8", "32", "33", "128", "129", "", "x"] {
                let text = format!("{address}/{bits}");
                assert_eq!(pattern.is_match(&text), networks(&[&text]).is_ok(), "{text}");
            }
        }
    }
}
