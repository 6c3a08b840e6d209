//! Which room of the house may use which, and that nothing goes in a circle. docs/architecture.md has the picture.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::source::Source;

/// Each room, and the rooms that it may use; from the ground up.
const ROOMS: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("near", &[]),
    ("phone", &["base"]),
    ("api", &["base", "phone"]),
    ("connect", &["base", "api"]),
    ("provision", &["base", "near", "phone", "api"]),
    ("resync", &["base", "phone", "api", "provision"]),
    // A TFTP pod knows files, and nothing of sites.
    ("tftp", &["base", "phone"]),
    ("fetch", &["base", "phone"]),
    // It shares facts about phones with the server and no code, so that it can find the server's faults.
    ("simulator", &["base", "phone"]),
    ("manifests", &["base", "near", "phone", "api", "provision"]),
    ("render", &["base", "phone", "api", "provision", "manifests"]),
    ("import", &["base", "near", "phone", "api", "provision", "manifests"]),
    ("operator", &["base", "phone", "api", "connect", "provision", "resync", "tftp", "manifests"]),
    ("diff", &["base", "phone", "api", "connect", "provision", "manifests", "render", "operator"]),
    ("plugin", &["base", "near", "phone", "api", "connect", "operator"]),
    ("standalone", &["base", "phone", "api", "provision", "resync", "tftp", "manifests", "render"]),
    (
        "main",
        &[
            "base",
            "api",
            "connect",
            "operator",
            "tftp",
            "standalone",
            "render",
            "diff",
            "plugin",
            "import",
            "simulator",
            "fetch",
        ],
    ),
];

/// What other crates and parts of the standard library only some rooms may name. A path that begins so is meant.
const OUTSIDE: &[(&[&str], &[&str])] = &[
    // The API server's client: api derives its kinds from it, and the operator and the plugin work with it.
    (&["kube"], &["api", "connect", "operator", "plugin"]),
    // Folders of others are read in one way, and written to in one way.
    (&["cap_std", "std::fs::read_dir", "std::fs::DirEntry"], &["base"]),
    // Sockets for UDP: whoever else wants to send something asks these.
    (
        &["std::net::UdpSocket", "tokio::net::UdpSocket", "socket2", "nix::sys::socket", "rustix::net"],
        &["tftp", "simulator", "resync"],
    ),
];

/// What the pure rooms may not name: they have no clock, no files, no sockets, no runtime and no API server.
const IMPURE: &[&str] = &[
    "kube",
    "tokio",
    "hyper",
    "axum",
    "ureq",
    "nix",
    "rustix",
    "socket2",
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "std::net::UdpSocket",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::ToSocketAddrs",
    "std::time::Instant",
    "std::time::SystemTime",
    "jiff::Timestamp::now",
    "jiff::Zoned::now",
    "tracing",
];
const PURE: &[&str] = &["phone", "provision"];

fn room(module: &[String]) -> &str {
    module.get(1).map_or("lib", String::as_str)
}

/// Asks a question of everything that the source names; the complaints, with their places.
fn complaints(source: &Source, ask: impl Fn(&str, &[String]) -> Option<String>) -> Vec<String> {
    let mut all = Vec::new();
    for (path, module) in source.modules.iter().filter(|(path, _)| path.len() > 1) {
        for named in &module.names {
            if let Some(what) = ask(room(path), &named.path) {
                all.push(format!("{}:{}: {what}", module.file, named.line));
            }
        }
    }
    all.sort();
    all.dedup();
    all
}

fn begins(path: &[String], with: &str) -> bool {
    let with: Vec<&str> = with.split("::").collect();
    path.len() >= with.len() && path.iter().zip(&with).all(|(a, b)| a == b)
}

fn of_rooms(source: &Source) -> Vec<String> {
    let table: BTreeMap<&str, &[&str]> = ROOMS.iter().copied().collect();
    complaints(source, |room, path| {
        let (first, used) = (path.first()?, path.get(1)?);
        if first != "crate" || used == room {
            return None;
        }
        let Some(may) = table.get(room) else {
            return Some(format!("the room {room} is not in the table of tests/suite/layers.rs"));
        };
        let allowed = may.contains(&used.as_str());
        (!allowed).then(|| format!("{room} may not use {used} ({})", path.join("::")))
    })
}

fn of_the_world(source: &Source) -> Vec<String> {
    complaints(source, |room, path| {
        let barred =
            |(what, who): &&(&[&str], &[&str])| what.iter().any(|what| begins(path, what)) && !who.contains(&room);
        let (what, _) = OUTSIDE.iter().find(barred)?;
        Some(format!("{room} may not use {} ({})", path.join("::"), what.join(", ")))
    })
}

fn of_purity(source: &Source) -> Vec<String> {
    complaints(source, |room, path| {
        let impure = PURE.contains(&room) && IMPURE.iter().any(|what| begins(path, what));
        impure.then(|| format!("{room} is pure and may not use {}", path.join("::")))
    })
}

fn nothing(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} places:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_room_uses_only_rooms_below_it() {
    for (i, (room, below)) in ROOMS.iter().enumerate() {
        let earlier: BTreeSet<&str> = ROOMS[..i].iter().map(|(room, _)| *room).collect();
        assert!(below.iter().all(|below| earlier.contains(below)), "{room} uses a room that the table has after it");
    }
    nothing(&of_rooms(&Source::library()));
}

#[test]
fn only_some_rooms_touch_the_api_server_and_sockets() {
    nothing(&of_the_world(&Source::library()));
}

#[test]
fn pure_rooms_have_no_clock_no_files_and_no_sockets() {
    nothing(&of_purity(&Source::library()));
}

/// One module that uses another beside it, and where. What stands below a module in the tree is part of it, so that a file and
/// its own sub-modules may use each other.
type Edges = BTreeMap<Vec<String>, BTreeMap<Vec<String>, String>>;

fn edges(source: &Source) -> Edges {
    let mut edges = Edges::new();
    for (path, module) in &source.modules {
        for named in module.names.iter().filter(|named| !named.passed_on) {
            let Some(home) = source.home(&named.path) else { continue };
            let common = path.iter().zip(&home).take_while(|(a, b)| a == b).count();
            // Rooms are the other test's.
            if common < 2 || common == path.len() || common == home.len() {
                continue;
            }
            let place = format!("{}:{} uses {}", module.file, named.line, named.path.join("::"));
            let uses = edges.entry(path[..=common].to_vec()).or_default();
            uses.entry(home[..=common].to_vec()).or_insert(place);
        }
    }
    edges
}

/// The shortest way from a module over others back to itself.
fn circle(edges: &Edges, from: &[String]) -> Option<Vec<Vec<String>>> {
    let mut before: BTreeMap<&[String], &[String]> = BTreeMap::new();
    let mut queue: VecDeque<&[String]> = VecDeque::from([from]);
    while let Some(at) = queue.pop_front() {
        for next in edges.get(at).into_iter().flat_map(BTreeMap::keys) {
            if next == from {
                let mut way = vec![at.to_vec()];
                while way.last().is_some_and(|last| last != from) {
                    way.push(before[way.last().unwrap().as_slice()].to_vec());
                }
                way.reverse();
                return Some(way);
            }
            if next.as_slice() != from && !before.contains_key(next.as_slice()) {
                before.insert(next, at);
                queue.push_back(next);
            }
        }
    }
    None
}

fn of_circles(source: &Source) -> Vec<String> {
    let edges = edges(source);
    let (mut seen, mut told): (BTreeSet<Vec<String>>, Vec<String>) = Default::default();
    for path in edges.keys() {
        if seen.contains(path) {
            continue;
        }
        let Some(way) = circle(&edges, path) else { continue };
        let mut text = way.iter().chain([path]).map(|path| path[1..].join("::")).collect::<Vec<_>>().join(" → ");
        for (i, from) in way.iter().enumerate() {
            text += &format!("\n    {}", edges[from][&way[(i + 1) % way.len()]]);
        }
        seen.extend(way);
        told.push(text);
    }
    told
}

#[test]
fn no_files_of_a_room_use_each_other_in_a_circle() {
    nothing(&of_circles(&Source::library()));
}

#[test]
fn what_breaks_the_rules_is_found_wherever_it_hides() {
    let files = BTreeMap::from([
        ("src/main.rs", "use dialtone::{phone, operator};"),
        ("src/lib.rs", "pub mod phone; pub mod provision; mod operator; mod shed;"),
        (
            "src/phone/mod.rs",
            "mod a; mod b; pub use b::B; use std::{fs::{self}, time::Instant};\nfn f() { fs::read(); Instant::now(); }",
        ),
        ("src/phone/a.rs", "use super::B;\npub struct A; #[cfg(test)] mod tests { use tokio::fs; }"),
        ("src/phone/b.rs", "pub struct B(super::a::A);"),
        ("src/provision.rs", "use jiff::Timestamp;\nfn f() -> crate::operator::X { Timestamp::now() }"),
        ("src/operator.rs", "use std::net;\nuse crate::provision as p;\nfn f() { net::UdpSocket::bind(); p::f() }"),
        ("src/shed.rs", "use crate::phone::B;"),
    ]);
    let source = Source::of(&|file| files.get(file.to_str()?).map(|text| (*text).to_owned()));
    let places =
        |wrong: Vec<String>| wrong.iter().map(|one| one.split_once(": ").unwrap().0.to_owned()).collect::<Vec<_>>();
    assert_eq!(places(of_rooms(&source)), ["src/main.rs:1", "src/provision.rs:2", "src/shed.rs:1"]);
    assert_eq!(places(of_the_world(&source)), ["src/operator.rs:3"]);
    assert_eq!(
        places(of_purity(&source)),
        ["src/phone/mod.rs:1", "src/phone/mod.rs:1", "src/phone/mod.rs:2", "src/phone/mod.rs:2", "src/provision.rs:2"]
    );
    let circles = of_circles(&source);
    assert!(circles.len() == 1 && circles[0].starts_with("phone::a → phone::b → phone::a\n"), "{circles:?}");
}
