//! The policy as who enforces policies reads it: rules of nftables are made of the built object, in a network of its own, round a real
//! server. Without rights, or without `nft` and `ip`, it is skipped and says so.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};
use serde_json::{Value, json};

use super::super::super::testing::options;
use super::policy;
use crate::provision::Key;
use crate::tftp::{Config, PortMode, Server, TransferLog};

const POD: &str = "127.0.0.1";
const PHONE: &str = "127.0.0.2";
/// A pod in the namespace monitoring, with this label.
const PROMETHEUS: &str = "127.0.0.3";
/// A pod in the operator's namespace.
const OPERATOR: &str = "127.0.0.4";
const OTHERS: [(&str, &str, &str); 2] = [(PROMETHEUS, "monitoring", "prometheus"), (OPERATOR, "dialtone", "operator")];

/// How long something is waited for that should come, or should not.
fn patience(expected: bool) -> Duration {
    Duration::from_millis(if expected { 10_000 } else { 300 })
}

/// The policy's rules as nftables has them: what belongs to a known connection passes, then what a rule names, and nothing else.
fn ruleset(policy: &Value) -> String {
    let mut text = String::from("table inet pod\ndelete table inet pod\ntable inet pod {\n");
    for (chain, hook, own, other, rules, peers) in
        [("in", "input", "daddr", "saddr", "ingress", "from"), ("out", "output", "saddr", "daddr", "egress", "to")]
    {
        text += &format!("chain {chain} {{ type filter hook {hook} priority 0; policy accept;\n");
        text += &format!("ip {own} != {POD} accept\nct state established,related accept\n");
        for rule in policy[rules].as_array().unwrap() {
            let peers = match rule.get(peers) {
                None => vec![String::new()],
                Some(peers) => peers.as_array().unwrap().iter().flat_map(|peer| matches_of(peer, other)).collect(),
            };
            let ports = match rule.get("ports") {
                None => vec![String::new()],
                Some(ports) => ports.as_array().unwrap().iter().map(port_match).collect(),
            };
            for peer in &peers {
                text.extend(ports.iter().map(|port| format!("{peer} {port} accept\n")));
            }
        }
        text += "drop\n}\n";
    }
    text + "}\n"
}

/// What a peer is to nftables: a block, or the addresses of such pods as there are.
fn matches_of(peer: &Value, side: &str) -> Vec<String> {
    if let Some(block) = peer.get("ipBlock") {
        let except = block["except"].as_array().into_iter().flatten();
        let except: String = except.map(|part| format!(" ip {side} != {}", part.as_str().unwrap())).collect();
        return vec![format!("ip {side} {}{except}", block["cidr"].as_str().unwrap())];
    }
    let has = |selector: &Value, label: &str, value: &str| {
        let labels = selector["matchLabels"].as_object().into_iter().flatten();
        labels.into_iter().all(|(name, wanted)| name == label && wanted == value)
    };
    let pods = OTHERS.into_iter().filter(|(_, namespace, name)| {
        has(&peer["namespaceSelector"], "kubernetes.io/metadata.name", namespace)
            && has(&peer["podSelector"], "app.kubernetes.io/name", name)
    });
    pods.map(|(address, ..)| format!("ip {side} {address}")).collect()
}

fn port_match(port: &Value) -> String {
    let protocol = port["protocol"].as_str().unwrap().to_lowercase();
    match (&port["port"], &port["endPort"]) {
        (Value::Null, _) => format!("meta l4proto {protocol}"),
        (first, Value::Null) => format!("{protocol} dport {first}"),
        (first, last) => format!("{protocol} dport {first}-{last}"),
    }
}

fn policy_of(tftp: Value) -> Value {
    let spec = serde_json::from_value(json!({"tftp": tftp})).unwrap();
    policy(&Key::new("phones", "hq"), "uid", &spec, &options())["spec"].clone()
}

/// From now on the policy is enforced; whether it can be.
#[cfg(test)]
fn enforce(policy: &Value) -> bool {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), ruleset(policy)).unwrap();
    match Command::new("nft").arg("-f").arg(file.path()).output() {
        Ok(output) if output.status.success() => true,
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(said.contains("not supported") || said.contains("permitted"), "{said}\n{}", ruleset(policy));
            println!("skipped: nftables cannot be used here ({said})");
            false
        }
        Err(error) => {
            println!("skipped: the program `nft` is needed ({error})");
            false
        }
    }
}

/// Whether a phone hears anything of a server; what it hears first is that there is no such file, from where blocks would come.
fn is_heard(server: SocketAddr, expected: bool) -> bool {
    let phone = UdpSocket::bind((PHONE, 0)).unwrap();
    phone.set_read_timeout(Some(patience(expected))).unwrap();
    phone.send_to(b"\0\x01none\0octet\0", server).unwrap();
    match phone.recv_from(&mut [0; 600]) {
        Ok(_) => true,
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => false,
        Err(error) => panic!("{error}"),
    }
}

/// Whether a connection from an address comes about.
fn connects(from: &str, port: u16, expected: bool) -> bool {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(from.parse().unwrap(), 0).into()).unwrap();
    socket.connect_timeout(&SocketAddr::new(POD.parse().unwrap(), port).into(), patience(expected)).is_ok()
}

fn server(port_mode: PortMode) -> (Server, SocketAddr) {
    let listen = vec![format!("{POD}:0").parse().unwrap()];
    let config = Config { listen, port_mode, workers: 1, ..Config::default() };
    let log = Arc::new(TransferLog::new(Arc::default()));
    let server = Server::start(&config, Arc::default(), log, Arc::default()).unwrap();
    let address = server.addresses()[0];
    (server, address)
}

#[cfg(test)]
fn in_a_network() {
    if let Err(error) = unshare(CloneFlags::CLONE_NEWNET) {
        return println!("skipped: no network of its own without privileges ({error})");
    }
    match Command::new("ip").args(["link", "set", "lo", "up"]).status() {
        Ok(status) => assert!(status.success(), "ip link set lo up"),
        Err(error) => return println!("skipped: the program `ip` is needed ({error})"),
    }
    let (single, at_single) = server(PortMode::Single);
    let (ephemeral, at_ephemeral) = server(PortMode::Ephemeral);
    assert!(is_heard(at_single, true) && is_heard(at_ephemeral, true), "nothing is enforced yet");
    if !enforce(&policy_of(json!({}))) {
        return;
    }
    assert!(is_heard(at_single, true), "answers belong to what the phone began");
    assert!(!is_heard(at_ephemeral, false), "the policy is enforced: what leaves another port is something new");
    enforce(&policy_of(json!({"portMode": "Ephemeral"})));
    assert!(is_heard(at_ephemeral, true));
    // Nothing else leaves the pod, such as a question to a name server.
    let pod = UdpSocket::bind((POD, 0)).unwrap();
    let names = UdpSocket::bind((PHONE, 53)).unwrap();
    names.set_read_timeout(Some(patience(false))).unwrap();
    let _ = pod.send_to(b"x", names.local_addr().unwrap());
    assert!(names.recv(&mut [0; 9]).is_err());

    let _reports = TcpListener::bind((POD, 8069)).unwrap();
    let _metrics = TcpListener::bind((POD, 8070)).unwrap();
    enforce(&policy_of(json!({})));
    let check = |port: u16, expected: [bool; 3], why: &str| {
        for (from, expected) in [PROMETHEUS, OPERATOR, PHONE].into_iter().zip(expected) {
            assert_eq!(connects(from, port, expected), expected, "{from} to {port}: {why}");
        }
    };
    check(8069, [false, true, false], "the operator's namespace alone");
    check(8070, [false, true, false], "the operator's namespace alone");
    let prometheus = json!({
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}},
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}},
    });
    enforce(&policy_of(json!({"metricsFrom": [prometheus]})));
    check(8069, [false, true, false], "no reports");
    check(8070, [true, true, false], "who is named");
    let block = json!({"ipBlock": {"cidr": "127.0.0.0/29", "except": ["127.0.0.2/32"]}});
    enforce(&policy_of(json!({"metricsFrom": [block]})));
    check(8070, [true, true, false], "by address, without a part of them");
    single.stop(Duration::ZERO);
    ephemeral.stop(Duration::ZERO);
}

#[test]
fn the_policy_enforced_lets_phones_be_served_and_who_is_named_read_metrics() {
    // The network is that of one thread and of those that it starts.
    std::thread::spawn(in_a_network).join().unwrap();
}
