//! A phone that keeps running: it listens on SIP and telnet, and restarts on a NOTIFY or a reset.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{broadcast, mpsc};
use tokio::time::{Instant, sleep_until};

use super::flash::Flash;
use super::outcome::Outcome;
use super::phone::{Ended, Phone};
use super::sip::{MAX_REQUEST, Reaction, Sip, SipAnswers, sync_of};
use super::telnet::{self, Access};
use crate::phone::file_name::{SYNC_INFO, dial_plan};

/// The options of a phone that keeps running after its boot.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The time that it waits after a NOTIFY before it checks its files; the real phone waits 20 s.
    pub idle: Duration,
    /// Its SIP port, if it is not what voip_control_port says.
    pub sip_port: Option<u16>,
    /// What becomes of its answers to SIP requests.
    pub sip_answers: SipAnswers,
    /// Its telnet port, if it is not 23.
    pub telnet_port: Option<u16>,
    /// When it is switched off.
    pub until: Instant,
    /// The pause between restarts by itself, until it runs another image than at the beginning.
    pub upgrade: Option<Duration>,
}

/// Why a phone stops listening.
enum Next {
    Restart,
    Off,
}

/// Runs a phone until `options.until` or a message in `off`.
pub async fn run_until_off(mut phone: Phone, options: &RunOptions, mut off: broadcast::Receiver<()>) -> Outcome {
    let ended = tokio::select! {
        ended = run(&mut phone, options) => ended,
        // A phone that is switched off is as it was.
        _ = off.recv() => if phone.is_up { Ended::Up } else { Ended::Unprovisioned },
    };
    phone.outcome(ended)
}

async fn run(phone: &mut Phone, options: &RunOptions) -> Ended {
    let first = phone.memory.running.clone();
    loop {
        let left = options.until.saturating_duration_since(Instant::now());
        phone.options.wait = left;
        let Ok(ended) = tokio::time::timeout(left + Duration::from_millis(1), phone.start()).await else {
            return Ended::Unprovisioned;
        };
        let wanted = phone.memory.flash.get("image_version").unwrap_or(&phone.memory.running);
        let upgraded = options.upgrade.is_some() && phone.memory.running != first && wanted == phone.memory.running;
        if ended != Ended::Up || upgraded {
            return ended;
        }
        match listen(phone, options).await {
            Next::Restart => {
                phone.gave_up = false;
                phone.restart().await;
            }
            Next::Off => return ended,
        }
    }
}

/// Serves SIP and telnet until there is a reason to restart.
async fn listen(phone: &mut Phone, options: &RunOptions) -> Next {
    let flash = phone.memory.flash.clone();
    let lines = (1..=phone.options.model.lines()).filter_map(|n| flash.get(&format!("line{n}_name")));
    let mut sip = Sip::new(lines.map(str::to_owned).collect(), options.sip_answers);
    let port = options.sip_port.or_else(|| flash.get("voip_control_port")?.parse().ok()).unwrap_or(5060);
    let socket = UdpSocket::bind((phone.options.bind, port)).await;
    if let Err(error) = &socket {
        phone.add_problem(format!("port {port} (SIP): {error}"));
    }
    let level = flash.get("telnet_level").unwrap_or("0").to_owned();
    let (resets, mut reset) = mpsc::channel(1);
    let telnet_task = match level.as_str() {
        "1" | "2" => {
            let access = Access {
                password: flash.get("phone_password").unwrap_or("cisco").to_owned(),
                prompt: flash.get("phone_prompt").unwrap_or("SIP Phone").to_owned(),
                privileged: level == "2",
            };
            let at = SocketAddr::new(phone.options.bind, options.telnet_port.unwrap_or(23));
            match TcpListener::bind(at).await {
                Ok(listener) => Some(tokio::spawn(answer_telnet(listener, access, resets.clone()))),
                Err(error) => {
                    phone.add_problem(format!("port {} (telnet): {error}", at.port()));
                    None
                }
            }
        }
        _ => None,
    };
    let again = options.upgrade.map(|pause| Instant::now() + pause);
    let mut check: Option<Instant> = None;
    let mut datagram = vec![0; MAX_REQUEST];
    let next = loop {
        let never = options.until + Duration::from_secs(1);
        tokio::select! {
            received = receive(socket.as_ref().ok(), &mut datagram) => {
                let Ok((len, from)) = received else { continue };
                let Some(reaction) = sip.react(&datagram[..len]) else { continue };
                if let Ok(socket) = &socket {
                    answer(socket, &reaction, from, &flash, options.sip_answers).await;
                }
                if reaction.check_sync && check.is_none() {
                    phone.display.set("waits until it is idle");
                    check = Some(Instant::now() + options.idle);
                }
            }
            Some(()) = reset.recv() => break Next::Restart,
            () = sleep_until(check.unwrap_or(never)), if check.is_some() => {
                check = None;
                if phone.check_sync().await {
                    break Next::Restart;
                }
                phone.display.set("is up");
            }
            () = sleep_until(again.unwrap_or(never)), if again.is_some() => break Next::Restart,
            () = sleep_until(options.until) => break Next::Off,
        }
    };
    if let Some(task) = telnet_task {
        task.abort();
    }
    next
}

/// Sends an answer. The sender of the request repeats it if the answer is lost.
async fn answer(socket: &UdpSocket, reaction: &Reaction, from: SocketAddr, flash: &Flash, answers: SipAnswers) {
    let is_proxy = || flash.get("proxy1_address").is_some_and(|proxy| proxy.parse() == Ok(from.ip()));
    let own = socket.local_addr().map_or(from.ip(), |own| own.ip());
    let _ = match answers {
        SipAnswers::Lost => return,
        SipAnswers::SamePort => socket.send_to(&reaction.answer, from).await,
        SipAnswers::FreePort if is_proxy() || flash.get("nat_enable") == Some("1") => {
            socket.send_to(&reaction.answer, reaction.via.unwrap_or(from)).await
        }
        SipAnswers::FreePort => match UdpSocket::bind((own, 0)).await {
            Ok(once) => once.send_to(&reaction.answer, reaction.via.unwrap_or(from)).await,
            Err(error) => Err(error),
        },
    };
}

async fn receive(socket: Option<&UdpSocket>, datagram: &mut [u8]) -> std::io::Result<(usize, SocketAddr)> {
    match socket {
        Some(socket) => socket.recv_from(datagram).await,
        None => std::future::pending().await,
    }
}

async fn answer_telnet(listener: TcpListener, access: Access, resets: mpsc::Sender<()>) {
    let access = Arc::new(access);
    // One session at a time, as on the phone.
    while let Ok((stream, _)) = listener.accept().await {
        if telnet::session(stream, &access).await && resets.send(()).await.is_err() {
            return;
        }
    }
}

impl Phone {
    /// Reads `syncinfo.xml` and the dial plan, as a phone does after a NOTIFY for check-sync; whether it has to restart.
    async fn check_sync(&mut self) -> bool {
        let sync = self.fetch(SYNC_INFO).await.and_then(|xml| sync_of(&xml, &self.memory.running));
        if let Some(template) = self.memory.flash.get("dial_template").map(str::to_owned) {
            self.fetch(&dial_plan(&template)).await;
        }
        let own = self.memory.flash.get("sync").unwrap_or("1");
        sync.is_some_and(|sync| sync != own)
    }
}
