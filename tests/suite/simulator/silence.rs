//! A server that does not answer: `dialtone phone` says so soon, and gives up clearly.

use std::io::{BufRead as _, BufReader};
use std::net::UdpSocket;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::child::Running;

fn phone(server: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dialtone"));
    command.args(["phone", "--server", server, "--mac", "000A8A180000"]);
    command
}

#[test]
fn silence_is_said_while_the_phone_goes_on_asking() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let began = Instant::now();
    let mut child = Running(phone(&socket.local_addr().unwrap().to_string()).stderr(Stdio::piped()).spawn().unwrap());
    let said = BufReader::new(child.0.stderr.take().unwrap()).lines().next().unwrap().unwrap();
    assert!(began.elapsed() >= Duration::from_secs(4), "{said}");
    assert!(said.contains("has not answered yet") && said.contains("for 35 s"), "{said}");
}

#[test]
fn a_phone_gives_up_after_its_first_file_and_says_what_to_look_at() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = socket.local_addr().unwrap().to_string();
    for count in ["1", "3"] {
        let output = phone(&server).args(["--hurry", "100", "--count", count]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(text.contains("answered nothing") && text.contains("is a TFTP server running there"), "{text}");
        assert!(!text.contains("SIPDefault.cnf"), "no other file was asked for: {text}");
    }
    // Whoever says how long it shall ask gets a phone that asks.
    let output = phone(&server).args(["--hurry", "1000", "--wait", "0.1", "--poll", "0.1"]).output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains("SIPDefault.cnf"));
}
