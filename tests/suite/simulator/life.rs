//! A phone that keeps running: restarts, its memory, SIP and telnet, and fault injection.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, TcpStream};

use dialtone::base::report::{Outcome as End, Query, Record};
use dialtone::provision::resync::Answer;
use dialtone::simulator::{Activity, Display, Fault, Losses, Phone, RunOptions, SipAnswers, run_until_off};
use tokio::sync::broadcast;
use tokio::task::JoinHandle;

use super::*;

const LOADS: (&str, &str) =
    ("P0S3-8-12-00.loads", "\u{1}sig\nP0S3-8-12-00.loads\nP003-8-12-00.sbn\nP0S3-8-12-00.sb2\nLA_VERSION=PAS30830\n");
const PARTS: [(&str, &str); 2] = [("P003-8-12-00.sbn", "loader"), ("P0S3-8-12-00.sb2", "application")];
const XML: (&str, &str) = (
    "SEP000E84C060A6.cnf.xml",
    "<device>\n<loadInformation model=\"IP Phone 7960\">P0S3-8-12-00</loadInformation>\n</device>\n",
);

/// A running phone, at an address of its own.
struct Running {
    address: IpAddr,
    display: Arc<Display>,
    off: broadcast::Sender<()>,
    task: JoinHandle<Outcome>,
}

fn start(options: Options, last: u8, idle: u64) -> Running {
    let address = IpAddr::from([127, 0, 0, last]);
    let phone = Phone::new(Options { bind: address, ..options });
    let options = RunOptions {
        idle: Duration::from_millis(idle),
        sip_port: None,
        sip_answers: SipAnswers::default(),
        telnet_port: Some(2323),
        until: tokio::time::Instant::now() + Duration::from_secs(30),
        upgrade: None,
    };
    let (off, switched_off) = broadcast::channel(1);
    let display = phone.display();
    let task = tokio::spawn(async move { run_until_off(phone, &options, switched_off).await });
    Running { address, display, off, task }
}

impl Running {
    async fn until(&self, what: &str, holds: impl Fn(&Activity) -> bool) -> Activity {
        let began = Instant::now();
        loop {
            let now = self.display.activity();
            if holds(&now) {
                return now;
            }
            assert!(began.elapsed() < Duration::from_secs(10), "{what}: {now:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn end(self) -> Outcome {
        let _ = self.off.send(());
        self.task.await.unwrap()
    }

    /// Sends a NOTIFY; the status of the answer.
    fn notify(&self, user: &str, event: &str, branch: &str) -> String {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let from = socket.local_addr().unwrap();
        let request = format!(
            "NOTIFY sip:{user}@{0}:5060 SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{branch};rport\r\nFrom: <sip:t@{from}>;tag=1\r\nTo: <sip:{user}@{0}>\r\nCall-ID: {branch}\r\nCSeq: 1 NOTIFY\r\nEvent: {event}\r\nContent-Length: 0\r\n\r\n",
            self.address
        );
        socket.send_to(request.as_bytes(), (self.address, 5060)).unwrap();
        let mut answer = [0; 2000];
        let len = socket.recv(&mut answer).unwrap();
        String::from_utf8_lossy(&answer[8..len.min(11)]).into_owned()
    }
}

fn sync(mark: &str) -> String {
    format!("<SYNCINFO>\n<IMAGE VERSION=\"*\" SYNC=\"{mark}\"/>\n</SYNCINFO>\n")
}

#[tokio::test]
async fn a_later_image_takes_a_restart_between_its_parts_and_the_application_starts_directly() {
    let (server, _) = serve(&[COMMON, OWN, XML, LOADS, PARTS[0], PARTS[1]]);
    let outcome = boot(options(server.addresses()[0], "P0S3-07-4-00")).await;
    assert_eq!((outcome.running.as_str(), outcome.restarts), ("P0S3-8-12-00", 1), "{outcome:?}");
    assert_eq!(
        asked(&outcome),
        [
            "CTLSEP000E84C060A6.tlv",
            "SEP000E84C060A6.cnf.xml",
            "P0S3-8-12-00.loads",
            "P003-8-12-00.sbn",
            "CTLSEP000E84C060A6.tlv",
            "SEP000E84C060A6.cnf.xml",
            "P0S3-8-12-00.loads",
            "P0S3-8-12-00.sb2",
            "SIPDefault.cnf",
            "./SIP000E84C060A6.cnf",
            "RINGLIST.DAT",
            "dialplan.xml"
        ]
    );
}

#[tokio::test]
async fn memory_outlives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let memory = Some(folder.path().join("phone.json"));
    let (server, library) = serve(&[COMMON, OWN, XML, LOADS, PARTS[0], PARTS[1]]);
    let address = server.addresses()[0];
    boot(Options { memory: memory.clone(), ..options(address, "P0S3-07-4-00") }).await;
    put(&library, &[("SIP000E84C060A6.cnf", "phone_label: Later\n")]);
    let outcome = boot(Options { memory, ..options(address, "P0S3-07-4-00") }).await;
    assert_eq!(outcome.running, "P0S3-8-12-00", "it runs what it ran");
    assert_eq!((outcome.lines, outcome.label), (vec!["7101@10.0.0.1".to_owned()], "Later".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notify_restarts_it_if_the_sync_values_differ_and_after_it_has_been_idle() {
    let same = sync("1");
    let (server, library) = serve(&[COMMON, OWN, ("syncinfo.xml", &same)]);
    let phone = start(options(server.addresses()[0], "P0S3-06-3-00"), 81, 300);
    phone.until("up", |now| now.what == "is up").await;
    assert_eq!(phone.notify("7102", "check-sync", "a"), "404");
    assert_eq!(phone.notify("7101", "message-summary", "b"), "489");
    assert_eq!(phone.notify("7101", "check-sync", "c"), "200");
    phone.until("waiting", |now| now.what.contains("idle")).await;
    phone.until("up again", |now| now.what == "is up").await;
    assert_eq!(phone.display.activity().restarts, 0, "the marks are the same");

    put(&library, &[COMMON, OWN, ("syncinfo.xml", &sync("other"))]);
    let sent = Instant::now();
    assert_eq!(phone.notify("7101", "check-sync", "d"), "200");
    assert_eq!(phone.notify("7101", "check-sync", "d"), "200", "sent again");
    phone.until("a restart", |now| now.restarts == 1 && now.what == "is up").await;
    assert!(sent.elapsed() >= Duration::from_millis(300), "{:?}", sent.elapsed());
    let outcome = phone.end().await;
    assert_eq!((outcome.restarts, outcome.booted), (1, true));
    let order: Vec<&str> = asked(&outcome).into_iter().filter(|name| !name.starts_with("OS79")).collect();
    assert_eq!(order[4..6], ["syncinfo.xml", "dialplan.xml"], "{order:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn telnet_needs_the_password_and_resets_if_the_level_allows_it() {
    let common = |level: u8| format!("{}telnet_level: {level}\nphone_password: \"secret\"\n", COMMON.1);
    let (server, library) = serve(&[("SIPDefault.cnf", &common(1)), OWN]);
    let phone = start(options(server.addresses()[0], "P0S3-06-3-00"), 82, 300);
    phone.until("up", |now| now.what == "is up").await;
    let talk = |words: &[&str]| {
        let mut stream = TcpStream::connect((phone.address, 2323)).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(700))).unwrap();
        words.iter().for_each(|word| stream.write_all(format!("{word}\r\n").as_bytes()).unwrap());
        let mut said = Vec::new();
        let _ = stream.read_to_end(&mut said);
        String::from_utf8_lossy(&said).into_owned()
    };
    assert!(talk(&["wrong", "wrong", "wrong"]).contains("Invalid password"));
    assert!(talk(&["secret", "reset", "exit"]).contains("not allowed"));
    assert_eq!(phone.display.activity().restarts, 0);
    put(&library, &[("SIPDefault.cnf", &common(2)), OWN, ("syncinfo.xml", &sync("x"))]);
    assert_eq!(phone.notify("7101", "check-sync", "e"), "200");
    phone.until("a restart", |now| now.restarts == 1 && now.what == "is up").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    talk(&["secret", "reset"]);
    phone.until("another restart", |now| now.restarts == 2 && now.what == "is up").await;
    assert!(phone.end().await.booted);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_notify_and_reset_restart_the_phone() {
    let common = format!("{}telnet_level: 2\nphone_password: \"secret\"\n", COMMON.1);
    let (server, _) = serve(&[("SIPDefault.cnf", &common), OWN, ("syncinfo.xml", &sync("x"))]);
    let phone = start(options(server.addresses()[0], "P0S3-06-3-00"), 83, 100);
    phone.until("up", |now| now.what == "is up").await;
    let sip = SocketAddr::new(phone.address, 5060);
    let began = Instant::now();
    // It answers from other ports than the one that was asked.
    let answer = dialtone::resync::notify(sip, &["7102".to_owned(), "7101".to_owned()], || false).await;
    assert_eq!(answer, Ok(Answer::Heard));
    assert!(began.elapsed() < Duration::from_millis(450), "nothing was sent twice: {:?}", began.elapsed());
    phone.until("a restart", |now| now.restarts == 1 && now.what == "is up").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let telnet = SocketAddr::new(phone.address, 2323);
    assert_eq!(
        dialtone::resync::reset(telnet, "wrong", "SIP Phone").await.unwrap_err().reason,
        dialtone::api::Reason::LoginFailed
    );
    dialtone::resync::reset(telnet, "secret", "SIP Phone").await.unwrap();
    phone.until("another restart", |now| now.restarts == 2 && now.what == "is up").await;
    let outcome = phone.end().await;
    assert!(outcome.booted);
    assert_eq!(asked(&outcome).into_iter().filter(|name| *name == "syncinfo.xml").count(), 1, "it was told once");
}

#[tokio::test]
async fn a_fault_strikes_as_often_as_it_is_injected() {
    let image = "x".repeat(20_000);
    let own = ("SIP000E84C060A6.cnf", "line1_name: 7101\nimage_version: P0S3-06-3-00\n");
    let files = [("OS79XX.TXT", "P0S30202\n"), COMMON, own, ("P0S3-06-3-00.bin", image.as_str())];
    let (server, _) = serve(&[&files[..], &[XML, LOADS, PARTS[0], PARTS[1]]].concat());
    let address = server.addresses()[0];
    let with = |fault| Options { fault: Some((fault, 2)), ..options(address, "P0S30202") };
    let outcome = boot(with(Fault::FailAt(10_000))).await;
    assert_eq!((outcome.failures, outcome.restarts, outcome.running.as_str()), (2, 1, "P0S30202"), "{outcome:?}");
    assert!(outcome.booted, "it goes on with what it has");
    assert!(outcome.problems[0].contains("gave up after 9728 bytes"), "{:?}", outcome.problems);

    let outcome = boot(with(Fault::VanishAt(10_000))).await;
    assert!(outcome.vanished && !outcome.booted);
    assert_eq!(asked(&outcome).last(), Some(&"P0S3-06-3-00.bin"));

    let (server, _) = serve(&[COMMON, OWN, XML, LOADS, PARTS[0], PARTS[1]]);
    let fault = Some((Fault::Loop, 2));
    let looping = Options { fault, ..options(server.addresses()[0], "P0S3-07-4-00") };
    let outcome = boot(looping).await;
    let tries = asked(&outcome).into_iter().filter(|name| *name == "P003-8-12-00.sbn").count();
    assert_eq!((tries, outcome.failures, outcome.running.as_str()), (2, 2, "P0S3-07-4-00"), "{outcome:?}");
}

/// A server of these files, and its history.
fn serve_and_note(files: &[(&str, &str)]) -> (Server, Arc<TransferLog>) {
    let library = Arc::new(FileStore::default());
    put(&library, files);
    let log = Arc::new(TransferLog::new(library.clone()));
    let config = Config { listen: vec!["127.0.0.1:0".parse().unwrap()], workers: 1, ..Config::default() };
    (Server::start(&config, library, log.clone(), Arc::default()).unwrap(), log)
}

/// What the server noted of a file, when there is as much as is wanted.
async fn noted(log: &TransferLog, file: &str, holds: impl Fn(&[Record]) -> bool) -> Vec<Record> {
    let began = Instant::now();
    loop {
        let mut records = log.report(&Query::default()).journal.records;
        records.retain(|record| &*record.asked == file);
        if holds(&records) {
            return records;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{records:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_phone_whose_last_acknowledgements_are_lost_has_its_files_and_the_server_does_not_know() {
    let own = format!("line1_name: 7101\n{}", "# text\n".repeat(200));
    let (server, log) = serve_and_note(&[COMMON, ("SIP000E84C060A6.cnf", &own)]);
    let losses = Losses { last_ack: true, ..Losses::default() };
    let outcome = boot(Options { losses, ..options(server.addresses()[0], "P0S3-8-12-00") }).await;
    assert!(outcome.booted && outcome.lines == ["7101@10.0.0.1"], "{outcome:?}");
    assert!(outcome.files.iter().all(|file| file.repeats == 0), "{outcome:?}");
    let told = noted(&log, "./SIP000E84C060A6.cnf", |records| !records.is_empty()).await;
    let [one] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((one.outcome, one.acknowledged, one.unacknowledged > 0), (End::Running, 1_024, true), "{one:?}");
}

#[tokio::test]
async fn a_phone_whose_power_was_cut_asks_again_from_the_same_port_and_is_served() {
    let image = "x".repeat(20_000);
    let own = ("SIP000E84C060A6.cnf", "line1_name: 7101\nimage_version: P0S3-06-3-00\n");
    let (server, log) = serve_and_note(&[COMMON, own, ("P0S3-06-3-00.bin", image.as_str())]);
    let cut = Options {
        fault: Some((Fault::CutAt(10_000), 1)),
        // Within a second a server takes the request for one that was delayed.
        reboot: Duration::from_millis(1_100),
        ..options(server.addresses()[0], "P0S30202")
    };
    let outcome = boot(cut).await;
    assert!(outcome.booted && outcome.running == "P0S3-06-3-00", "{outcome:?}");
    assert_eq!((outcome.failures, outcome.restarts), (1, 2), "{outcome:?}");
    assert!(outcome.problems[0].contains("the power was cut after 9728 bytes"), "{:?}", outcome.problems);
    let is_done = |records: &[Record]| records.last().is_some_and(|record| record.outcome == End::Complete);
    let ends = noted(&log, "P0S3-06-3-00.bin", is_done).await;
    let [first, second] = ends.as_slice() else { panic!("{ends:?}") };
    assert_eq!((first.outcome, first.acknowledged), (End::Aborted, 9_728));
    assert_eq!((first.peer, second.acknowledged), (second.peer, 20_000), "from the same port");
}

#[tokio::test]
async fn a_phone_boots_though_its_network_loses_a_part_of_all_datagrams() {
    let own = format!("line1_name: 7101\n{}", "# text\n".repeat(500));
    let (server, _) = serve(&[COMMON, ("SIP000E84C060A6.cnf", &own)]);
    let losses = Losses { percent: 15, seed: 7, last_ack: false };
    let outcome = boot(Options { losses, ..options(server.addresses()[0], "P0S3-8-12-00") }).await;
    assert!(outcome.booted && outcome.lines == ["7101@10.0.0.1"], "{outcome:?}");
    assert!(outcome.files.iter().any(|file| file.repeats > 0), "{outcome:?}");
}

#[test]
fn the_command_shows_an_upgrade_line_by_line_where_there_is_no_terminal() {
    let own = "line1_name: 7101\nimage_version: P0S3-06-3-00\n";
    let second = ("SIP000E84C060A7.cnf", own);
    let files = [COMMON, ("SIP000E84C060A6.cnf", own), second, ("P0S3-06-3-00.bin", "image")];
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();
    let (server, _) = serve(&files);
    let run = |more: &[&str]| {
        std::process::Command::new(env!("CARGO_BIN_EXE_dialtone"))
            .args(["phone", "--server", &server.addresses()[0].to_string(), "--mac", "000E84C060A6", "--count", "2"])
            .args(["--running", "P0S30202", "--upgrade", "--bind", "127.0.0.90"])
            .args(more)
            .output()
            .unwrap()
    };
    let output = run(&["--for", "20"]);
    let shown = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{shown}");
    assert!(shown.contains("000E84C060A7  P0S3-06-3-00"), "{shown}");
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("2 of 2 phones booted"));
    let output = run(&["--fail-at", "2", "--only", "1", "--tries", "9999", "--for", "2", "--reboot", "0.2"]);
    assert_eq!(output.status.code(), Some(1), "the second does not get there");
}
