//! Logs in to a phone and says `reset`.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use crate::api::Reason;
use crate::provision::resync::ResyncError;

/// The port of telnet.
pub const PORT: u16 = 23;

/// How long a phone may take for one answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it has to say what it does not like about `reset`.
const OBJECTION: Duration = Duration::from_secs(2);
/// More than this a phone has not to say.
const MOST: usize = 4096;

/// Telnet's "interpret as command" and what may follow it.
const IAC: u8 = 255;
const WILL: u8 = 251;
const WONT: u8 = 252;
const DO: u8 = 253;
const DONT: u8 = 254;

/// Restarts the phone at an address.
pub async fn reset(to: SocketAddr, password: &str) -> Result<(), ResyncError> {
    let unreachable = |why: String| ResyncError::new(Reason::NoAnswer, format!("telnet to {to}: {why}"));
    let stream = match timeout(PATIENCE, TcpStream::connect(to)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(unreachable(error.to_string())),
        Err(_) => return Err(unreachable(format!("no answer in {} s", PATIENCE.as_secs()))),
    };
    let mut session = Session { stream, text: String::new(), pending: Vec::new() };
    let failed = |error: io::Error| unreachable(error.to_string());
    session.wait(|text| text.contains("assword")).await.map_err(failed)?;
    session.say(password).await.map_err(failed)?;
    session.wait(|text| text.contains(['>', '#']) || is_refusal(text)).await.map_err(failed)?;
    if is_refusal(&session.text) {
        let what = format!(
            "the phone at {to} does not take the password of settings.phonePasswordSecretRef: it takes a new one only when it restarts"
        );
        return Err(ResyncError::new(Reason::LoginFailed, what));
    }
    session.say("reset").await.map_err(failed)?;
    // A phone that restarts says nothing more, or ends the connection.
    let objection = timeout(OBJECTION, session.wait(is_objection)).await;
    if let Ok(Ok(())) = objection {
        let words = session.text.lines().map(str::trim).rfind(|line| is_objection(line)).unwrap_or_default().to_owned();
        let what = format!("the phone at {to} does not restart: {words:?}; it needs settings.telnetLevel Privileged");
        return Err(ResyncError::new(Reason::Refused, what));
    }
    Ok(())
}

fn is_refusal(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["assword", "incorrect", "invalid", "denied", "failed"].iter().any(|word| text.contains(word))
}

fn is_objection(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["not allowed", "not permitted", "privilege", "invalid", "unknown", "denied"].iter().any(|word| text.contains(word))
}

struct Session {
    stream: TcpStream,
    /// What the phone said since it was last spoken to.
    text: String,
    /// The beginning of a telnet command.
    pending: Vec<u8>,
}

impl Session {
    async fn say(&mut self, line: &str) -> io::Result<()> {
        self.text.clear();
        self.stream.write_all(format!("{line}\r\n").as_bytes()).await
    }

    /// Reads until the phone has said something; an error if it ends the connection, or takes too long.
    async fn wait(&mut self, said: impl Fn(&str) -> bool) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let mut bytes = [0; 512];
        while !said(&self.text) {
            let silent = || io::Error::other(format!("no prompt in {} s", PATIENCE.as_secs()));
            let len = timeout_at(deadline, self.stream.read(&mut bytes)).await.map_err(|_| silent())??;
            if len == 0 {
                return Err(io::Error::other("the phone ended the connection"));
            }
            let answers = self.take(&bytes[..len]);
            if !answers.is_empty() {
                self.stream.write_all(&answers).await?;
            }
            if self.text.len() > MOST {
                return Err(io::Error::other("this is no phone: it says too much"));
            }
        }
        Ok(())
    }

    /// Takes what arrived; what has to be answered to telnet's own commands: every option is declined.
    fn take(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut answers = Vec::new();
        for byte in bytes {
            match (self.pending.as_slice(), *byte) {
                ([], IAC) => self.pending.push(IAC),
                ([], 0) => {}
                ([], byte) => self.text.push(char::from(byte)),
                ([_], WILL | WONT | DO | DONT) => self.pending.push(*byte),
                ([_], _) => self.pending.clear(),
                ([_, verb, ..], option) => {
                    match *verb {
                        WILL => answers.extend([IAC, DONT, option]),
                        DO => answers.extend([IAC, WONT, option]),
                        _ => {}
                    }
                    self.pending.clear();
                }
            }
        }
        answers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// A phone that says these things, each after a line from the other side; what it heard.
    async fn phone(says: &'static [&'static [u8]]) -> (SocketAddr, tokio::task::JoinHandle<Vec<u8>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut heard = Vec::new();
            for (i, words) in says.iter().enumerate() {
                stream.write_all(words).await.unwrap();
                let mut bytes = [0; 100];
                while heard.iter().filter(|byte| **byte == b'\n').count() <= i {
                    match stream.read(&mut bytes).await {
                        Ok(0) | Err(_) => return heard,
                        Ok(len) => heard.extend_from_slice(&bytes[..len]),
                    }
                }
            }
            heard
        });
        (address, heard)
    }

    #[tokio::test]
    async fn it_logs_in_and_resets() {
        let (address, heard) =
            phone(&[b"\xff\xfb\x01\xff\xfd\x03\r\nCisco Systems\r\nPassword :", b"\r\nSIP Phone> "]).await;
        reset(address, "secret").await.unwrap();
        let heard = heard.await.unwrap();
        assert!(heard.starts_with(b"\xff\xfe\x01\xff\xfc\x03"), "options are declined: {heard:?}");
        assert!(heard.ends_with(b"secret\r\nreset\r\n"), "{heard:?}");
    }

    #[tokio::test]
    async fn what_keeps_it_from_resetting_is_told_apart_and_shows_no_password() {
        for (says, reason) in [
            (&[b"Password :" as &[u8], b"\r\nPassword incorrect\r\nPassword :"] as &[&[u8]], "LoginFailed"),
            (&[b"Password :", b"SIP Phone> ", b"Command not allowed\r\nSIP Phone> "], "Refused"),
            (&[], "NoAnswer"),
        ] {
            let (address, _heard) = phone(says).await;
            let problem = reset(address, "secret").await.unwrap_err();
            assert_eq!(problem.reason.as_str(), reason, "{problem:?}");
            assert!(!problem.message.contains("secret"));
        }
    }
}
