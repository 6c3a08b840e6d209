//! Servers that no phone should meet: whatever they send, a simulated phone ends, stays small, and prints plain text.

use std::process::{Command, Output, Stdio};

use super::*;

/// What a server answers to the request for a file.
type Answers = fn(&str) -> Answer;

enum Answer {
    /// These bytes.
    File(Vec<u8>),
    /// Blocks without end.
    Endless,
    /// An error with this text.
    Error(Vec<u8>),
}

/// A server that lives as long as the test; the block after each acknowledgement, from one port.
fn hostile(answers: Answers) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut answer, mut buffer) = (Answer::Endless, [0; 600]);
        while let Ok((len, from)) = socket.recv_from(&mut buffer) {
            let block = match buffer[1] {
                1 => {
                    let text = String::from_utf8_lossy(&buffer[2..len]).into_owned();
                    answer = answers(text.split('\0').next().unwrap_or_default());
                    1
                }
                4 => u16::from_be_bytes([buffer[2], buffer[3]]).wrapping_add(1),
                _ => continue,
            };
            let data = |bytes: &[u8]| [&[0, 3], &block.to_be_bytes()[..], bytes].concat();
            let packet = match &answer {
                Answer::Endless => data(&[b'x'; 512]),
                Answer::Error(text) => [b"\0\x05\0\0", text.as_slice(), b"\0"].concat(),
                Answer::File(bytes) => match bytes.get(512 * (usize::from(block) - 1)..) {
                    Some(rest) => data(&rest[..rest.len().min(512)]),
                    None => continue,
                },
            };
            let _ = socket.send_to(&packet, from);
        }
    });
    address
}

/// `dialtone phone` against such a server.
fn phone(answers: Answers, running: &str) -> Output {
    let server = hostile(answers).to_string();
    let mut child = Command::new(env!("CARGO_BIN_EXE_dialtone"))
        .args(["phone", "--mac", "000E84C060A6", "--hurry", "20", "--server", &server, "--running", running])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if began.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("it goes on for ever");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    output
}

#[test]
fn a_file_without_end_is_given_up() {
    let output = phone(|_| Answer::Endless, "P0S3-06-3-00");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("SIPDefault.cnf") && text.contains("no end of it came"), "{text}");
}

#[test]
fn an_image_whose_parts_change_for_ever_is_a_loop() {
    let answers = |name: &str| match name {
        name if name.ends_with(".xml") => {
            Answer::File(b"<loadInformation model=\"x\">P0S3-8-12-00</loadInformation>".to_vec())
        }
        name if name.ends_with(".loads") => Answer::File(b"A003-8-12-00.sbn\nB003-8-12-00.sbn\n".to_vec()),
        _ => Answer::File(b"part\n".to_vec()),
    };
    let text = String::from_utf8(phone(answers, "P0S3-07-4-00").stdout).unwrap();
    assert!(text.contains("goes round in circles"), "{text}");
}

/// Longer than a width of Rust's formats can be, and than a request.
fn long(text: &[u8]) -> Vec<u8> {
    text.repeat(70_000)
}

#[test]
fn names_of_any_length_in_files_are_cut() {
    let folder: Answers = |name| match name {
        "OS79XX.TXT" => Answer::File(long(b"X0S3\n  line 1: forged\x1b]0;owned\x07")),
        "SIPDefault.cnf" => Answer::File([&b"tftp_cfg_dir: \""[..], &long(b"z"), b"\"\n"].concat()),
        name if name.ends_with(".xml") => {
            Answer::File([&b"<loadInformation >"[..], &long(b"\x07w"), b"</loadInformation>"].concat())
        }
        _ => Answer::Error(Vec::new()),
    };
    let template: Answers = |name| match name {
        "SIPDefault.cnf" => Answer::File([&b"dial_template: "[..], &long(b"y\x9b31m"), b"\n"].concat()),
        name if name.ends_with("60A6.cnf") => {
            Answer::File([&b"line1_name: "[..], &long(b"1"), b"\nphone_label: ", &long(b"2"), b"\n"].concat())
        }
        _ => Answer::Error(Vec::new()),
    };
    for (answers, running) in [(folder, "P0S3-06-3-00"), (folder, "P0S3-07-4-00"), (template, "P0S3-06-3-00")] {
        let output = phone(answers, running);
        for text in [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()) {
            assert!(text.len() < 10_000, "{} bytes: {:?}", text.len(), text.get(..2_000));
            assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
            assert!(!text.contains("\n  line 1: forged") && !text.contains("panicked"), "{text}");
        }
    }
}

#[test]
fn what_a_server_says_is_one_line() {
    let text = |_: &str| Answer::Error([&b"no\n  line 1: forged\x1b[2J"[..], &b"x".repeat(400)].concat());
    let output = phone(text, "P0S3-06-3-00");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("refused: 0 no\\u000a  line 1: forged\\u001b[2Jxxx"), "{text}");
    assert!(text.lines().all(|line| line.len() < 400), "{text}");
}
