//! Makes a running phone check its files for a change: by SIP NOTIFY, or by telnet.

mod notify;
pub(crate) mod sip;
pub(crate) mod telnet;

pub use notify::notify;
pub use telnet::reset;

use std::time::Duration;

use tokio::time::timeout;

use crate::api::Reason;
use crate::provision::resync::{Answer, ResyncError, ResyncOrder, Transport};

/// How many bytes of a phone's answer are shown.
const ANSWER: usize = 80;

/// How long an attempt may take, whatever the phone does: others of its site may wait for its end.
const LONGEST: Duration = Duration::from_secs(90);

/// Sends one resync, and waits for the phone's answer. Nothing is sent again once the phone `is_heard` otherwise.
pub(crate) async fn send(order: &ResyncOrder, is_heard: impl Fn() -> bool) -> Result<Answer, ResyncError> {
    let address = order.address;
    let attempt = async {
        match &order.transport {
            Transport::Notify { port, lines } => notify::notify((address, *port).into(), lines, is_heard).await,
            Transport::Telnet { password, prompt } => {
                let to = (address, telnet::PORT).into();
                telnet::reset(to, &password.0, prompt).await.map(|()| Answer::Heard)
            }
        }
    };
    timeout(LONGEST, attempt).await.unwrap_or_else(|_| {
        let message = format!("the phone at {address} came to no end in {} s", LONGEST.as_secs());
        Err(ResyncError::new(Reason::NoAnswer, message))
    })
}

#[cfg(test)]
mod tests {
    use tokio::net::UdpSocket;
    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::provision::Key;

    #[tokio::test(start_paused = true)]
    async fn a_phone_that_refuses_each_line_at_the_last_moment_is_left() {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let to = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut datagram = [0; 4096];
            loop {
                let (len, from) = socket.recv_from(&mut datagram).await.unwrap();
                sleep(Duration::from_secs(31)).await;
                let text = String::from_utf8_lossy(&datagram[..len]).into_owned();
                let headers = text.split_once("\r\n").unwrap().1;
                socket.send_to(format!("SIP/2.0 404 Not Found\r\n{headers}").as_bytes(), from).await.unwrap();
                // What was repeated meanwhile.
                while socket.try_recv(&mut datagram).is_ok() {}
            }
        });
        let lines = (1..=6).map(|n| n.to_string()).collect();
        let transport = Transport::Notify { port: to.port(), lines };
        let order = ResyncOrder { phone: Key::new("ns", "p"), address: to.ip(), transport, attempt: 1 };
        let began = Instant::now();
        let problem = send(&order, || false).await.unwrap_err();
        assert!(problem.message.ends_with("came to no end in 90 s"), "{problem:?}");
        assert_eq!(began.elapsed().as_secs(), LONGEST.as_secs());
    }
}
