//! A UDP proxy that does to datagrams what bad networks do: it loses, doubles and delays them. What is random begins with a seed.
#![allow(dead_code)] // Each test uses its own part.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::net::UdpSocket;
use tokio::runtime::Runtime;

/// What happens to datagrams in both directions, each a percentage of them; nothing at all by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weather {
    pub lost: u32,
    pub doubled: u32,
    /// These come `LATE` after those that were sent behind them.
    pub late: u32,
    /// Each takes up to so long, so that the order is anybody's guess.
    pub jitter: Duration,
}

const LATE: Duration = Duration::from_millis(30);

impl Weather {
    pub fn is_fine(self) -> bool {
        self == Weather::default()
    }
}

/// What happens to one datagram after the other: for each the times after which its copies arrive, none if it is lost.
pub struct Fates {
    weather: Weather,
    random: SmallRng,
}

impl Fates {
    pub fn new(weather: Weather, seed: u64) -> Fates {
        Fates { weather, random: SmallRng::seed_from_u64(seed) }
    }

    pub fn next(&mut self) -> Vec<Duration> {
        let Weather { lost, doubled, late, jitter } = self.weather;
        let mut chance = |percent: u32| self.random.random_range(0..100) < percent;
        // All three are drawn each time: what is lost does not change what happens to the others.
        let (lost, doubled, late) = (chance(lost), chance(doubled), chance(late));
        if lost {
            return Vec::new();
        }
        let copies = if doubled { 2 } else { 1 };
        let base = if late { LATE } else { Duration::ZERO };
        (0..copies).map(|_| base + jitter.mul_f64(self.random.random())).collect()
    }
}

/// A proxy in front of one server; it ends when it is dropped.
pub struct Proxy {
    pub address: SocketAddr,
    runtime: Option<Runtime>,
}

impl Proxy {
    /// Listens there for clients of a server.
    pub fn start(listen: SocketAddr, server: SocketAddr, weather: Weather, seed: u64) -> io::Result<Proxy> {
        // A runtime of its own: whatever the proxy does ends with it.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let socket = {
            let _inside = runtime.enter();
            let socket = std::net::UdpSocket::bind(listen)?;
            socket.set_nonblocking(true)?;
            Arc::new(UdpSocket::from_std(socket)?)
        };
        let address = socket.local_addr()?;
        runtime.spawn(async move {
            let mut clients: HashMap<SocketAddr, Arc<Client>> = HashMap::new();
            let mut datagram = vec![0; 65_536];
            loop {
                let Ok((len, from)) = socket.recv_from(&mut datagram).await else { continue };
                let client = match clients.entry(from) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(new) => match Client::start(from, server, socket.clone(), weather, seed).await {
                        Ok(client) => new.insert(client),
                        Err(_) => continue,
                    },
                };
                client.to_server(server, &datagram[..len]).await;
            }
        });
        Ok(Proxy { address, runtime: Some(runtime) })
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// One client as the proxy sees it: the server sees the socket `outside` instead.
struct Client {
    outside: Arc<UdpSocket>,
    there: Mutex<Fates>,
    back: Mutex<Fates>,
}

impl Client {
    async fn start(
        client: SocketAddr,
        server: SocketAddr,
        front: Arc<UdpSocket>,
        weather: Weather,
        seed: u64,
    ) -> io::Result<Arc<Client>> {
        let loopback: IpAddr =
            if server.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() };
        let this = Arc::new(Client {
            outside: Arc::new(UdpSocket::bind((loopback, 0)).await?),
            there: Mutex::new(Fates::new(weather, seed)),
            back: Mutex::new(Fates::new(weather, !seed)),
        });
        let inside = front.local_addr()?.ip();
        let own = this.clone();
        tokio::spawn(async move {
            // For each port of the server one of the proxy's: a client sees as many as there are.
            let mut doors = HashMap::from([(server, front)]);
            let mut datagram = vec![0; 65_536];
            loop {
                let Ok((len, from)) = own.outside.recv_from(&mut datagram).await else { continue };
                let door = match doors.entry(from) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(new) => {
                        let Ok(door) = UdpSocket::bind((inside, 0)).await else { continue };
                        let door = Arc::new(door);
                        tokio::spawn(own.clone().take_in(door.clone(), from));
                        new.insert(door)
                    }
                };
                let fate = own.back.lock().expect("nobody panics with it").next();
                deliver(door, client, &datagram[..len], fate).await;
            }
        });
        Ok(this)
    }

    /// Passes what comes to a door on to the server's port behind it.
    async fn take_in(self: Arc<Self>, door: Arc<UdpSocket>, server: SocketAddr) {
        let mut datagram = vec![0; 65_536];
        loop {
            let Ok((len, _)) = door.recv_from(&mut datagram).await else { continue };
            self.to_server(server, &datagram[..len]).await;
        }
    }

    async fn to_server(&self, server: SocketAddr, datagram: &[u8]) {
        let fate = self.there.lock().expect("nobody panics with it").next();
        deliver(&self.outside, server, datagram, fate).await;
    }
}

/// Sends the copies of a datagram, each at its time.
async fn deliver(from: &Arc<UdpSocket>, to: SocketAddr, datagram: &[u8], fate: Vec<Duration>) {
    for after in fate {
        if after.is_zero() {
            let _ = from.send_to(datagram, to).await;
        } else {
            let (from, datagram) = (from.clone(), datagram.to_vec());
            tokio::spawn(async move {
                tokio::time::sleep(after).await;
                let _ = from.send_to(&datagram, to).await;
            });
        }
    }
}
