//! Two API servers on one etcd, one of them behind: what it tells is old. An operator that comes to it deletes nothing and writes nothing
//! of what it hears there.

use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;

use super::proxy::Fate;
use super::stage::{Operator, Setup, kubeconfig, make_namespace};
use super::state::{difference, state};
use super::stories::apply_site;
use super::support::{get, kube, wait_for};

/// The way from an API server to etcd. While it is frozen nothing passes, and nothing breaks.
struct Link {
    address: SocketAddr,
    is_frozen: Arc<AtomicBool>,
}

impl Link {
    async fn start(etcd: String) -> Link {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let link = Link { address: listener.local_addr().unwrap(), is_frozen: Arc::default() };
        let is_frozen = link.is_frozen.clone();
        tokio::spawn(async move {
            loop {
                let Ok((near, _)) = listener.accept().await else { continue };
                let (etcd, is_frozen) = (etcd.clone(), is_frozen.clone());
                tokio::spawn(async move {
                    let Ok(far) = TcpStream::connect(etcd).await else { return };
                    let ((a, b), (c, d)) = (near.into_split(), far.into_split());
                    tokio::join!(pipe(a, d, &is_frozen), pipe(c, b, &is_frozen));
                });
            }
        });
        link
    }

    fn freeze(&self, is_frozen: bool) {
        self.is_frozen.store(is_frozen, Ordering::SeqCst);
    }
}

async fn pipe(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    is_frozen: &AtomicBool,
) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(len @ 1..) = from.read(&mut buffer).await {
        while is_frozen.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        if to.write_all(&buffer[..len]).await.is_err() {
            return;
        }
    }
}

/// A second API server like the first one, with a link of its own to etcd.
struct Second {
    child: Child,
    kubeconfig: PathBuf,
}

impl Second {
    fn start(link: &Link, folder: &Path) -> Second {
        let words = first_command();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(&words[0]);
        for word in &words[1..] {
            match word.split_once('=').map_or(&**word, |(name, _)| name) {
                "--etcd-servers" => command.arg(format!("--etcd-servers=http://{}", link.address)),
                "--secure-port" => command.arg(format!("--secure-port={port}")),
                "--audit-log-path" | "--audit-policy-file" | "--audit-log-maxsize" => &mut command,
                _ => command.arg(word),
            };
        }
        let log = std::fs::File::create(folder.join("second.log")).unwrap();
        let child = command.stdout(Stdio::null()).stderr(log).process_group(0).spawn().unwrap();
        let first = std::fs::read_to_string(kubeconfig()).unwrap();
        let (before, rest) = first.split_once("https://127.0.0.1:").unwrap();
        let after = &rest[rest.find('"').unwrap()..];
        let second = Second { child, kubeconfig: folder.join("second") };
        std::fs::write(&second.kubeconfig, format!("{before}https://127.0.0.1:{port}{after}")).unwrap();
        wait_for("the second API server", 60, || {
            second.kubectl(&["get", "--raw", "/readyz"]).status.success().then_some(())
        });
        second
    }

    fn kubectl(&self, args: &[&str]) -> std::process::Output {
        Command::new("kubectl").arg("--kubeconfig").arg(&self.kubeconfig).args(args).output().unwrap()
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How the first API server was started.
fn first_command() -> Vec<String> {
    let state = kubeconfig().parent().unwrap().display().to_string();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let commands = processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok()).map(|line| {
        let words = line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned());
        words.filter(|word| !word.is_empty()).collect::<Vec<_>>()
    });
    let mut ours = commands.filter(|words| {
        words.first().is_some_and(|program| program.ends_with("kube-apiserver"))
            && words.iter().any(|word| word.starts_with(&format!("--cert-dir={state}")))
    });
    ours.next().expect("the API server runs on this machine")
}

pub fn an_api_server_that_is_behind_is_not_believed(runtime: &Handle) {
    let namespace = "behind";
    make_namespace(namespace);
    let folder = tempfile::tempdir().unwrap();
    let etcd =
        first_command().iter().find_map(|word| word.strip_prefix("--etcd-servers=http://").map(str::to_owned)).unwrap();
    let link = runtime.block_on(Link::start(etcd));
    let second = Second::start(&link, folder.path());

    let operator = Operator::start(runtime, Setup::of(&[namespace]));
    apply_site(namespace, "Old");
    operator.settle();
    // The second API server has seen all of this, and will see nothing of what comes now.
    wait_for("the second to be up to date", 10, || {
        let maps = second.kubectl(&["get", "configmaps", "-n", namespace, "-o", "json"]);
        String::from_utf8_lossy(&maps.stdout).contains("Old").then_some(())
    });
    link.freeze(true);
    apply_site(namespace, "New");
    let more = super::stories::phone("four", "hq", "000A8A123459", "Four", "8108", "");
    super::support::apply(namespace, &more);
    kube(&["delete", "sipphone", "two", "-n", namespace]);
    operator.settle();
    let expected = state(namespace);
    assert!(expected["ConfigMap dialtone-hq-phones-00"].to_string().contains("New"));

    // The operator moves to the one that is behind: watches tell what was, and lists from its cache would.
    operator.stop();
    let moved = Operator::start_at(runtime, operator.setup.clone(), &second.kubeconfig);
    let deletes: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = deletes.clone();
    moved.proxy.judge(move |seen| {
        if seen.method == "DELETE" {
            noted.lock().unwrap().push(seen.path.clone());
        }
        // A list that may be as old as the API server likes.
        assert!(!seen.query.contains("resourceVersion=0&") && !seen.query.ends_with("resourceVersion=0"), "{seen:?}");
        Fate::Pass
    });
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(20) {
        moved.keep_alive();
        assert_eq!(moved.proxy.writes(), 0);
        std::thread::sleep(Duration::from_millis(500));
    }
    assert!(difference(&expected, &state(namespace)).is_empty());
    // It catches up: what was asked meanwhile arrives, and nothing of it does harm.
    link.freeze(false);
    moved.settle();
    let found = difference(&expected, &state(namespace));
    assert!(found.is_empty(), "{}", found.join("\n"));
    apply_site(namespace, "Newest");
    moved.settle();
    assert!(get(namespace, &["configmap", "dialtone-hq-phones-00"])["data"].to_string().contains("Newest"));
    assert_eq!(*deletes.lock().unwrap(), [""; 0]);
}
