//! The phone's telnet server: it asks for the password, and knows the command `reset`.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The time limit for a line.
const LINE_TIMEOUT: Duration = Duration::from_secs(60);
/// The longest line that is read, in bytes.
const MAX_LINE: u64 = 256;
/// The number of wrong passwords that end the session.
const TRIES: u32 = 3;

/// The password, and what a session may do.
#[derive(Clone, Debug)]
pub struct Access {
    /// The password.
    pub password: String,
    /// The prompt.
    pub prompt: String,
    /// Whether `reset` is allowed: telnet_level 2.
    pub privileged: bool,
}

/// Serves one session; whether it gave the command `reset`.
pub async fn session(stream: TcpStream, access: &Access) -> bool {
    dialogue(stream, access).await.unwrap_or(false)
}

async fn dialogue(stream: TcpStream, access: &Access) -> std::io::Result<bool> {
    let mut stream = BufReader::new(stream);
    let mut tries = 0;
    stream.write_all(b"\r\nCisco Systems, Inc. IP Phone\r\n").await?;
    loop {
        stream.write_all(b"Password :").await?;
        match line(&mut stream).await? {
            None => return Ok(false),
            Some(password) if password == access.password => break,
            Some(_) => tries += 1,
        }
        if tries == TRIES {
            return Ok(false);
        }
        stream.write_all(b"\r\nInvalid password\r\n").await?;
    }
    loop {
        stream.write_all(format!("\r\n{}> ", access.prompt).as_bytes()).await?;
        let Some(command) = line(&mut stream).await? else { return Ok(false) };
        let answer = match command.as_str() {
            "reset" if access.privileged => return Ok(true),
            "reset" => "Command not allowed at this level",
            "exit" | "quit" => return Ok(false),
            "" => "",
            _ => "Unknown command",
        };
        stream.write_all(format!("\r\n{answer}").as_bytes()).await?;
    }
}

async fn line(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<String>> {
    let mut bytes = Vec::new();
    let silent = || std::io::Error::from(std::io::ErrorKind::TimedOut);
    let read = async { stream.take(MAX_LINE).read_until(b'\n', &mut bytes).await };
    let len = timeout(LINE_TIMEOUT, read).await.map_err(|_| silent())??;
    Ok((len > 0 && len < MAX_LINE as usize).then(|| String::from_utf8_lossy(&bytes).trim().to_owned()))
}
