//! The simulated phone asks as the real one does, in both orders, and follows what it is told.

mod hostile;
mod life;
mod silence;

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use dialtone::simulator::{FetchResult, Options, Outcome, Patience, boot};
use dialtone::tftp::{Config, FileStore, Server, TransferLog};

fn serve(files: &[(&str, &str)]) -> (Server, Arc<FileStore>) {
    let library = Arc::new(FileStore::default());
    put(&library, files);
    let config = Config { listen: vec!["127.0.0.1:0".parse().unwrap()], workers: 1, ..Config::default() };
    let log = Arc::new(TransferLog::new(library.clone()));
    (Server::start(&config, library.clone(), log, Arc::default()).unwrap(), library)
}

fn put(library: &FileStore, files: &[(&str, &str)]) {
    let files = files.iter().map(|(name, text)| ((*name).to_owned(), Bytes::copy_from_slice(text.as_bytes())));
    library.replace(files);
}

fn options(server: SocketAddr, running: &str) -> Options {
    let patience =
        Patience { first: Duration::from_millis(50), next: Duration::from_millis(100), ..Patience::default() };
    Options {
        running: running.to_owned(),
        bind: [127, 0, 0, 1].into(),
        poll: Duration::from_millis(100),
        patience,
        ..Options::new(server, "000E84C060A6".parse().unwrap())
    }
}

fn asked(outcome: &Outcome) -> Vec<&str> {
    outcome.files.iter().map(|file| file.file.as_str()).collect()
}

const COMMON: (&str, &str) =
    ("SIPDefault.cnf", "proxy1_address: 10.0.0.1\ndial_template: dialplan\ntftp_cfg_dir: \"./\"\n");
const OWN: (&str, &str) = ("SIP000E84C060A6.cnf", "line1_name: 7101\n");

#[tokio::test]
async fn a_provisioned_812_asks_as_in_the_log() {
    let xml = "<device>\n<loadInformation model=\"IP Phone 7960\">P0S3-8-12-00</loadInformation>\n</device>\n";
    let (server, _) = serve(&[
        COMMON,
        OWN,
        ("SEP000E84C060A6.cnf.xml", xml),
        ("P0S3-8-12-00.loads", "x\n"),
        ("RINGLIST.DAT", "a\tb\n"),
        ("dialplan.xml", "<DIALTEMPLATE/>\n"),
    ]);
    let outcome = boot(options(server.addresses()[0], "P0S3-8-12-00")).await;
    assert!(outcome.booted, "{outcome:?}");
    assert_eq!(
        asked(&outcome),
        [
            "CTLSEP000E84C060A6.tlv",
            "SEP000E84C060A6.cnf.xml",
            "P0S3-8-12-00.loads",
            "SIPDefault.cnf",
            "./SIP000E84C060A6.cnf",
            "RINGLIST.DAT",
            "dialplan.xml"
        ]
    );
    assert_eq!(outcome.lines, ["7101@10.0.0.1"]);
}

#[tokio::test]
async fn the_notes_order_with_an_upgrade() {
    let own = ("SIP000E84C060A6.cnf", "line1_name: 7101\nimage_version: P0S3-06-3-00\n");
    let (server, _) = serve(&[("OS79XX.TXT", "P0S30202\n"), COMMON, own, ("P0S3-06-3-00.bin", "image")]);
    let outcome = boot(options(server.addresses()[0], "P0S30202")).await;
    assert!(outcome.booted, "{outcome:?}");
    assert_eq!(asked(&outcome)[..4], ["OS79XX.TXT", "SIPDefault.cnf", "./SIP000E84C060A6.cnf", "P0S3-06-3-00.bin"]);
    assert_eq!(outcome.running, "P0S3-06-3-00");

    // A phone with another protocol loads what OS79XX.TXT names first.
    let (server, _) =
        serve(&[("OS79XX.TXT", "P0S30202\n"), COMMON, own, ("P0S30202.bin", "first"), ("P0S3-06-3-00.bin", "image")]);
    let outcome = boot(options(server.addresses()[0], "P0030301ZZ02")).await;
    assert_eq!(asked(&outcome)[..2], ["OS79XX.TXT", "P0S30202.bin"]);
    assert_eq!(outcome.running, "P0S3-06-3-00");
}

#[tokio::test]
async fn a_later_image_comes_in_the_parts_that_its_loads_file_names() {
    let own = ("SIP000E84C060A6.cnf", "line1_name: 7101\nimage_version: P0S3-8-12-00\n");
    let loads = (
        "P0S3-8-12-00.loads",
        "\u{1}sig\nP0S3-8-12-00.loads\nP003-8-12-00.sbn\nP0S3-8-12-00.sb2\nLA_VERSION=PAS30830\n",
    );
    let parts = [("P003-8-12-00.sbn", "loader"), ("P0S3-8-12-00.sb2", "application")];
    let (server, library) = serve(&[COMMON, own, loads, parts[0], parts[1]]);
    let outcome = boot(options(server.addresses()[0], "P0S3-07-4-00")).await;
    assert_eq!(outcome.running, "P0S3-8-12-00", "{outcome:?}");
    put(&library, &[COMMON, own, loads, parts[0]]);
    let outcome = boot(options(server.addresses()[0], "P0S3-07-4-00")).await;
    assert_eq!(outcome.running, "P0S3-07-4-00");
    assert!(
        outcome.problems.iter().any(|problem| problem.contains("P0S3-8-12-00.sb2 is not there")),
        "{:?}",
        outcome.problems
    );
}

#[tokio::test]
async fn an_unprovisioned_phone_asks_until_its_file_is_there() {
    let (server, library) = serve(&[COMMON]);
    let address = server.addresses()[0];
    let waiting = tokio::spawn(boot(Options { wait: Duration::from_secs(10), ..options(address, "P0S3-06-3-00") }));
    tokio::time::sleep(Duration::from_millis(350)).await;
    put(&library, &[COMMON, OWN]);
    let outcome = waiting.await.unwrap();
    assert!(outcome.booted);
    let misses =
        outcome.files.iter().filter(|file| file.file.ends_with("C060A6.cnf") && file.result == FetchResult::NotFound);
    assert!(misses.count() >= 3, "{outcome:?}");
    let outcome = boot(options(address, "P0S3-06-3-00")).await;
    assert!(outcome.booted);
}

#[tokio::test]
async fn a_silent_server_costs_what_it_costs_the_real_phone() {
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap();
    let began = Instant::now();
    let outcome = boot(options(nobody.local_addr().unwrap(), "P0S3-06-3-00")).await;
    assert!(!outcome.booted);
    // Three rounds of four tries: 50 ms and three times 100 ms, for each of three files.
    assert_eq!(outcome.files[0].repeats, 9);
    let (took, least) = (began.elapsed(), Duration::from_millis(3 * 3 * 350));
    assert!(took >= least && took < least * 2, "{took:?}");
    assert!(outcome.problems[0].contains("the server said nothing"), "{:?}", outcome.problems);
}
