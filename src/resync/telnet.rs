//! Logs in to a phone by telnet (RFC 854) and enters the command `reset`.

mod answer;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use self::answer::Said;
use super::ANSWER;
use crate::api::Reason;
use crate::base::text::printable;
use crate::provision::resync::ResyncError;

/// The port of telnet.
pub const PORT: u16 = 23;

/// How long a phone may take for one prompt.
const PROMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a phone says no more that has said all: pieces of what it says at once come sooner after each other.
const SETTLED: Duration = Duration::from_millis(500);
/// How long it has to refuse the command `reset`.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the whole session may take. Other phones wait for its end, so that no phone decides when it is: neither by what it
/// sends nor by what it does not read.
const SESSION_TIMEOUT: Duration = Duration::from_secs(30);
/// The most bytes between two lines to the phone, telnet's own commands included: a phone sends less.
const MAX_BYTES: usize = 4096;

/// "Interpret as command", and the commands of the negotiation of options.
const IAC: u8 = 255;
const WILL: u8 = 251;
const WONT: u8 = 252;
const DO: u8 = 253;
const DONT: u8 = 254;

/// Restarts the phone at an address, whose prompt is known.
pub async fn reset(to: SocketAddr, password: &str, prompt: &str) -> Result<(), ResyncError> {
    timeout(SESSION_TIMEOUT, log_in_and_reset(to, password, prompt)).await.unwrap_or_else(|_| {
        let why = format!("telnet to {to}: no end in {} s", SESSION_TIMEOUT.as_secs());
        Err(ResyncError::new(Reason::NoAnswer, why))
    })
}

async fn log_in_and_reset(to: SocketAddr, password: &str, prompt: &str) -> Result<(), ResyncError> {
    let unreachable = |why: String| ResyncError::new(Reason::NoAnswer, format!("telnet to {to}: {why}"));
    match timeout(PROMPT_TIMEOUT, TcpStream::connect(to)).await {
        Ok(Ok(stream)) => talk(stream, to, password, prompt).await,
        Ok(Err(error)) => Err(unreachable(error.to_string())),
        Err(_) => Err(unreachable(format!("no answer in {} s", PROMPT_TIMEOUT.as_secs()))),
    }
}

/// Restarts the phone at the other end of a stream.
async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    to: SocketAddr,
    password: &str,
    prompt: &str,
) -> Result<(), ResyncError> {
    let failed = |error: io::Error| ResyncError::new(Reason::NoAnswer, format!("telnet to {to}: {error}"));
    let mut session = Session { stream, received: Received::default(), sent: String::new(), bytes: 0 };
    let is_door = |said: &str| answer::is_door(said, prompt);
    session.read_until(PROMPT_TIMEOUT, is_door).await.and_then(Stop::complete).map_err(failed)?;
    // A phone without a password shows its prompt at once.
    if !answer::is_prompt(session.said(), prompt) {
        session.send_line(password).await.map_err(failed)?;
        let stop = session.read_until(PROMPT_TIMEOUT, is_door).await.map_err(failed)?;
        if !answer::is_prompt(session.said(), prompt) {
            if answer::is_login_failure(session.said()) {
                let what = format!(
                    "the phone at {to} does not take the password of settings.phonePasswordSecretRef: it takes a new one only when it restarts"
                );
                return Err(ResyncError::new(Reason::LoginFailed, what));
            }
            stop.complete().map_err(failed)?;
        }
    }
    let mut line = "reset";
    loop {
        session.send_line(line).await.map_err(failed)?;
        let stop = session.read_until(REFUSAL_TIMEOUT, answer::is_answer).await.map_err(failed)?;
        let said = session.said();
        let refusal = match stop {
            // A phone that restarts closes the connection, or sends nothing more.
            Stop::Closed | Stop::TimedOut if answer::refusal(said).is_none() => {
                if stop == Stop::Closed || !answer::is_prompt(said, prompt) {
                    return Ok(());
                }
                "its prompt comes back"
            }
            Stop::Closed | Stop::TimedOut | Stop::Complete => match (answer::refusal(said), answer::yes(said)) {
                (None, Some(yes)) if line == "reset" => {
                    line = yes;
                    continue;
                }
                (refusal, _) => refusal.unwrap_or("it asks again"),
            },
        };
        let refusal = printable(refusal, ANSWER);
        let what =
            format!("the phone at {to} does not restart: \"{refusal}\"; it needs settings.telnetLevel Privileged");
        return Err(ResyncError::new(Reason::Refused, what));
    }
}

/// Why a session reads no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// The phone said what was waited for.
    Complete,
    /// It closed the connection.
    Closed,
    /// It took too long.
    TimedOut,
}

impl Stop {
    /// An error, if what was waited for did not come.
    fn complete(self) -> io::Result<()> {
        match self {
            Stop::Complete => Ok(()),
            Stop::Closed => Err(io::Error::other("the phone ended the connection")),
            Stop::TimedOut => Err(io::Error::other(format!("no prompt in {} s", PROMPT_TIMEOUT.as_secs()))),
        }
    }
}

/// A connection to a phone.
struct Session<S> {
    stream: S,
    received: Received,
    /// The last line to it, as it comes back if the phone echoes it.
    sent: String,
    /// How many bytes it sent since then.
    bytes: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    async fn send_line(&mut self, line: &str) -> io::Result<()> {
        self.received.text.clear();
        self.sent = line.bytes().map(char::from).collect();
        self.bytes = 0;
        self.stream.write_all(format!("{line}\r\n").as_bytes()).await
    }

    /// What the phone said to the last line.
    fn said(&self) -> &str {
        answer::without_echo(&self.received.text, &self.sent)
    }

    /// Reads until what the phone says is complete, or it says no more.
    async fn read_until(&mut self, most: Duration, is_complete: impl Fn(&str) -> Said) -> io::Result<Stop> {
        let deadline = Instant::now() + most;
        let mut bytes = [0; 512];
        loop {
            let (until, then) = match is_complete(self.said()) {
                Said::Yes => return Ok(Stop::Complete),
                Said::Perhaps => (deadline.min(Instant::now() + SETTLED), Stop::Complete),
                Said::No => (deadline, Stop::TimedOut),
            };
            let len = match timeout_at(until, self.stream.read(&mut bytes)).await {
                Err(_) => return Ok(then),
                Ok(Ok(0)) => return Ok(Stop::Closed),
                Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(Stop::Closed),
                Ok(read) => read?,
            };
            self.bytes += len;
            if self.bytes > MAX_BYTES {
                return Err(io::Error::other("this is no phone: it says too much"));
            }
            let replies = self.received.take(&bytes[..len]);
            if !replies.is_empty() {
                self.stream.write_all(&replies).await?;
            }
        }
    }
}

/// What a phone sent.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Received {
    /// Its text since the last line to it.
    pub(crate) text: String,
    /// The beginning of a telnet command that is not complete.
    pending: Vec<u8>,
}

impl Received {
    /// Separates text from telnet's own commands; the replies to those, which decline every option.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut replies = Vec::new();
        for byte in bytes {
            match (self.pending.as_slice(), *byte) {
                ([], IAC) => self.pending.push(IAC),
                ([], 0) => {}
                ([], byte) => self.text.push(char::from(byte)),
                ([_], WILL | WONT | DO | DONT) => self.pending.push(*byte),
                ([_], _) => self.pending.clear(),
                ([_, verb, ..], option) => {
                    match *verb {
                        WILL => replies.extend([IAC, DONT, option]),
                        DO => replies.extend([IAC, WONT, option]),
                        _ => {}
                    }
                    self.pending.clear();
                }
            }
        }
        replies
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    const PROMPT: &str = "SIP Phone";

    /// A phone that sends these texts, each after a line from the other side; what it received.
    async fn phone(sends: &'static [&'static [u8]]) -> (SocketAddr, tokio::task::JoinHandle<Vec<u8>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut received = Vec::new();
            for (i, text) in sends.iter().enumerate() {
                stream.write_all(text).await.unwrap();
                let mut bytes = [0; 100];
                while received.iter().filter(|byte| **byte == b'\n').count() <= i {
                    match stream.read(&mut bytes).await {
                        Ok(0) | Err(_) => return received,
                        Ok(len) => received.extend_from_slice(&bytes[..len]),
                    }
                }
            }
            received
        });
        (address, received)
    }

    #[tokio::test]
    async fn an_answer_is_shown_as_text_and_not_all_of_it() {
        let refusal: &'static [u8] =
            Box::leak([b"not allowed \x1b]0;owned\x07".as_slice(), &[b'x'; 3000]].concat().into_boxed_slice());
        let sends: &'static [&'static [u8]] = Box::leak(Box::new([&b"Password :"[..], b"SIP Phone> ", refusal]));
        let (to, _) = phone(sends).await;
        let problem = reset(to, "secret", PROMPT).await.unwrap_err();
        assert_eq!(problem.reason, Reason::Refused);
        assert!(problem.message.contains("not allowed \\u001b]0;owned\\u0007xxx"), "{problem:?}");
        assert!(problem.message.len() < 250, "{} bytes", problem.message.len());
    }

    #[tokio::test]
    async fn it_logs_in_and_resets() {
        let (address, received) =
            phone(&[b"\xff\xfb\x01\xff\xfd\x03\r\nCisco Systems\r\nPassword :", b"\r\nSIP Phone> "]).await;
        reset(address, "secret", PROMPT).await.unwrap();
        let received = received.await.unwrap();
        assert!(received.starts_with(b"\xff\xfe\x01\xff\xfc\x03"), "options are declined: {received:?}");
        assert!(received.ends_with(b"secret\r\nreset\r\n"), "{received:?}");
    }

    #[tokio::test]
    async fn a_phone_that_negotiates_without_end_and_reads_nothing_is_left_soon() {
        for nonsense in [&[IAC, WILL, 1][..], &[0]] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let to = listener.local_addr().unwrap();
            let hostile = tokio::spawn(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                let nonsense = nonsense.repeat(1 << 16);
                let mut sent = 0;
                while stream.write_all(&nonsense).await.is_ok() {
                    sent += nonsense.len();
                }
                sent
            });
            let reset = timeout(2 * SESSION_TIMEOUT, reset(to, "secret", PROMPT)).await.expect("it ends");
            let problem = reset.unwrap_err();
            assert!(problem.reason == Reason::NoAnswer && problem.message.contains("says too much"), "{problem:?}");
            let sent = hostile.await.unwrap();
            assert!(sent < 32 << 20, "{sent} bytes were taken");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_has_an_end_however_slow_the_phone_is() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let pause = || tokio::time::sleep(PROMPT_TIMEOUT - Duration::from_secs(1));
            for text in [&b"Password :"[..], b"SIP Phone> "] {
                pause().await;
                stream.write_all(text).await.unwrap();
            }
            std::future::pending::<()>().await;
        });
        let began = Instant::now();
        let _ = reset(to, "secret", PROMPT).await;
        assert!(began.elapsed() <= SESSION_TIMEOUT, "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn each_end_has_its_own_reason_and_shows_no_password() {
        let cases: &[(&'static [&'static [u8]], &str, &str)] = &[
            (&[b"Password :", b"\r\nPassword incorrect\r\nPassword :"], "secret", "LoginFailed"),
            (&[b"Password :", b"SIP Phone> ", b"Command not allowed\r\nSIP Phone> "], "secret", "Refused"),
            (&[b"Password :", b"SIP Phone> ", b"reset\r\n%Bad command\r\nSIP Phone> "], "secret", "Refused"),
            (&[b"Password :", b"SIP Phone> ", b"reset\r\nSIP Phone> "], "secret", "Refused"),
            (&[b"Password :", b"SIP Phone> ", b"Resetting\r\n"], "secret", "restarts"),
            (&[b"Password :", b"SIP Phone> ", b"reset\r\nReset phone? [y/n] ", b"y\r\n"], "secret", "restarts"),
            (&[b"Password :", b"SIP Phone> ", b"Reset phone? [y/n] ", b"Reset phone? [y/n] "], "secret", "Refused"),
            (&[b"Password :", b"SIP Phone> ", b"Reset phone? [y/n] ", b"y\r\n% denied\r\n"], "secret", "Refused"),
            (&[b"SIP Phone> ", b""], "secret", "restarts"),
            (&[b"Password :", b"denied-secret-failed\r\n\r\nSIP Phone> "], "denied-secret-failed", "restarts"),
            (&[b"Password :", b"Failed logins: 2\r\nSIP Phone> "], "secret", "restarts"),
            (&[b"Password :", b"denied-secret\r\nAccess denied\r\nPassword :"], "denied-secret", "LoginFailed"),
            (&[], "secret", "NoAnswer"),
            (&[b"Password :", b"\r\nwelcome\r\n"], "secret", "NoAnswer"),
        ];
        for (sends, password, expected) in cases {
            let (address, _received) = phone(sends).await;
            let began = Instant::now();
            match reset(address, password, PROMPT).await {
                Ok(()) => assert_eq!(*expected, "restarts", "{sends:?}"),
                Err(problem) => {
                    assert_eq!(problem.reason.as_str(), *expected, "{problem:?} {sends:?}");
                    assert!(!problem.message.contains(password), "{problem:?}");
                }
            }
            let is_slow = began.elapsed() >= PROMPT_TIMEOUT;
            assert_eq!(is_slow, *expected == "NoAnswer" && !sends.is_empty(), "{:?} {sends:?}", began.elapsed());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_piece_of_what_it_says_is_not_taken_for_all_of_it() {
        // What it says before each line, byte by byte, and the lines that it should get.
        let talks: [(&[&str], &[&str]); 4] = [
            (&["\r\nSIP Phone\r\n\r\nPassword :", "\r\nSIP Phone> "], &["denied", "reset"]),
            (&["####\r\n# <Cisco> #\r\n####\r\nEnter your password : ", "\r\nSIP Phone>"], &["denied", "reset"]),
            (&["Password", "denied\r\nSIP Phone> ", "reset\r\nReset? [Y/n] (n): "], &["denied", "reset", "y"]),
            (&["SIP Phone> ", "Reset this phone (yes or no)? "], &["reset", "yes"]),
        ];
        for (says, expected) in talks {
            let (own, mut stream) = tokio::io::duplex(1_000);
            let got = tokio::spawn(async move {
                let (mut got, mut byte) = (String::new(), [0]);
                for text in says {
                    for byte in text.bytes() {
                        stream.write_all(&[byte]).await.unwrap();
                        tokio::time::sleep(SETTLED / 10).await;
                    }
                    let lines = got.lines().count();
                    while !(got.ends_with('\n') && got.lines().count() > lines) {
                        let len = stream.read(&mut byte).await.unwrap();
                        assert_eq!(len, 1, "{text}");
                        got.push(char::from(byte[0]));
                    }
                }
                got
            });
            assert_eq!(talk(own, ([127, 0, 0, 1], PORT).into(), "denied", PROMPT).await, Ok(()), "{says:?}");
            assert_eq!(got.await.unwrap().lines().collect::<Vec<_>>(), expected, "{says:?}");
        }
    }

    #[tokio::test]
    async fn a_phone_that_closes_the_connection_restarts() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"SIP Phone> ").await.unwrap();
            let mut line = [0; 100];
            let _ = stream.read(&mut line).await.unwrap();
            stream.write_all(b"reset\r\nSIP Phone> ").await.unwrap();
        });
        assert_eq!(reset(to, "secret", PROMPT).await, Ok(()), "although it shows its prompt once more");
    }
}
