//! A phone that stays on: it hears SIP and telnet, and restarts when it is told to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{broadcast, mpsc};
use tokio::time::{Instant, sleep_until};

use super::boot::{Ended, Phone};
use super::outcome::Outcome;
use super::sip::{LONGEST, Sip, sync_of};
use super::telnet::{self, Access};

/// How a phone stays on.
#[derive(Clone, Debug)]
pub struct Stay {
    /// How long it must have been idle before it restarts because of a NOTIFY; the real phone waits 20 s.
    pub idle: Duration,
    /// Its SIP port, if it is not what voip_control_port says.
    pub sip_port: Option<u16>,
    /// Its telnet port, if it is not 23.
    pub telnet_port: Option<u16>,
    /// When it is switched off.
    pub until: Instant,
    /// It restarts by itself this often, until it runs another image than in the beginning.
    pub upgrade: Option<Duration>,
}

/// Why a phone restarts, or is switched off.
enum Next {
    Restart,
    Off,
}

/// Runs a phone until it is switched off.
pub async fn stay(mut phone: Phone, stay: &Stay, mut off: broadcast::Receiver<()>) -> Outcome {
    let ended = tokio::select! {
        ended = live(&mut phone, stay) => ended,
        // A phone that is switched off is as it was.
        _ = off.recv() => if phone.is_up { Ended::Up } else { Ended::Unprovisioned },
    };
    phone.outcome(ended)
}

async fn live(phone: &mut Phone, stay: &Stay) -> Ended {
    let first = phone.memory.running.clone();
    loop {
        let left = stay.until.saturating_duration_since(Instant::now());
        phone.options.wait = left;
        let Ok(ended) = tokio::time::timeout(left + Duration::from_millis(1), phone.start()).await else {
            return Ended::Unprovisioned;
        };
        let wanted = phone.memory.flash.get("image_version").unwrap_or(&phone.memory.running);
        let upgraded = stay.upgrade.is_some() && phone.memory.running != first && wanted == phone.memory.running;
        if ended != Ended::Up || upgraded {
            return ended;
        }
        match attend(phone, stay).await {
            Next::Restart => {
                phone.has_had_enough = false;
                phone.restart().await;
            }
            Next::Off => return ended,
        }
    }
}

/// Attends to whoever calls until there is a reason to restart.
async fn attend(phone: &mut Phone, stay: &Stay) -> Next {
    let flash = phone.memory.flash.clone();
    let lines = (1..=phone.options.model.lines()).filter_map(|n| flash.get(&format!("line{n}_name")));
    let mut sip = Sip::new(lines.map(str::to_owned).collect());
    let port = stay.sip_port.or_else(|| flash.get("voip_control_port")?.parse().ok()).unwrap_or(5060);
    let socket = UdpSocket::bind((phone.options.bind, port)).await;
    if let Err(error) = &socket {
        phone.problem(format!("port {port} (SIP): {error}"));
    }
    let level = flash.get("telnet_level").unwrap_or("0").to_owned();
    let (resets, mut reset) = mpsc::channel(1);
    let door = match level.as_str() {
        "1" | "2" => {
            let access = Access {
                password: flash.get("phone_password").unwrap_or("cisco").to_owned(),
                prompt: flash.get("phone_prompt").unwrap_or("SIP Phone").to_owned(),
                privileged: level == "2",
            };
            let at = SocketAddr::new(phone.options.bind, stay.telnet_port.unwrap_or(23));
            match TcpListener::bind(at).await {
                Ok(listener) => Some(tokio::spawn(answer_telnet(listener, access, resets.clone()))),
                Err(error) => {
                    phone.problem(format!("port {} (telnet): {error}", at.port()));
                    None
                }
            }
        }
        _ => None,
    };
    let again = stay.upgrade.map(|pause| Instant::now() + pause);
    let mut check: Option<Instant> = None;
    let mut datagram = vec![0; LONGEST];
    let next = loop {
        let never = stay.until + Duration::from_secs(1);
        tokio::select! {
            received = hear(socket.as_ref().ok(), &mut datagram) => {
                let Ok((len, from)) = received else { continue };
                let Some(reaction) = sip.react(&datagram[..len]) else { continue };
                if let Ok(socket) = &socket {
                    // Whoever asked asks again if the answer is lost.
                    let _ = socket.send_to(&reaction.answer, from).await;
                }
                if reaction.check_sync && check.is_none() {
                    phone.display.says("waits until it is idle");
                    check = Some(Instant::now() + stay.idle);
                }
            }
            Some(()) = reset.recv() => break Next::Restart,
            () = sleep_until(check.unwrap_or(never)), if check.is_some() => {
                check = None;
                if phone.is_to_restart().await {
                    break Next::Restart;
                }
                phone.display.says("is up");
            }
            () = sleep_until(again.unwrap_or(never)), if again.is_some() => break Next::Restart,
            () = sleep_until(stay.until) => break Next::Off,
        }
    };
    if let Some(door) = door {
        door.abort();
    }
    next
}

async fn hear(socket: Option<&UdpSocket>, datagram: &mut [u8]) -> std::io::Result<(usize, SocketAddr)> {
    match socket {
        Some(socket) => socket.recv_from(datagram).await,
        None => std::future::pending().await,
    }
}

async fn answer_telnet(listener: TcpListener, access: Access, resets: mpsc::Sender<()>) {
    let access = Arc::new(access);
    // One visitor at a time, as on the phone.
    while let Ok((stream, _)) = listener.accept().await {
        if telnet::talk(stream, &access).await && resets.send(()).await.is_err() {
            return;
        }
    }
}

impl Phone {
    /// It looks into `syncinfo.xml`, as it does when it is told to check its files; the dial plan is read anew with it.
    async fn is_to_restart(&mut self) -> bool {
        let sync = self.fetch("syncinfo.xml").await.and_then(|xml| sync_of(&xml, &self.memory.running));
        if let Some(template) = self.memory.flash.get("dial_template").map(str::to_owned) {
            self.fetch(&format!("{template}.xml")).await;
        }
        let own = self.memory.flash.get("sync").unwrap_or("1");
        sync.is_some_and(|sync| sync != own)
    }
}
