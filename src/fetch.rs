//! `dialtone fetch` and `dialtone copy`: what fills a TFTP pod's folders with firmware.

mod copy;
mod web;

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::bail;
use ipnet::IpNet;
use sha2::{Digest as _, Sha256};

use crate::base::folder;
use crate::base::network::network;
use crate::base::output::Output;
use crate::base::report::{FileProblem, PROBLEMS_FILE};
use crate::base::{Backoff, SupervisedThread, shutdown_signal};
use crate::phone::parameter::check_file_name;
pub use copy::{CopyArgs, copy};
use web::Web;

/// Fetch files from the web into a folder, check them, and stay (what the pods run beside the server)
///
/// A file that is there and has its SHA-256 is not fetched again. What cannot be fetched is tried again, after 5 s, 10 s and so
/// on up to 5 minutes, and stands in DIR/..problems meanwhile.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The folder
    #[arg(long, value_name = "DIR")]
    to: PathBuf,

    /// Files, each by three values: the name to keep it under, its SHA-256, its URL
    #[arg(long = "file", value_names = ["NAME", "SHA256", "URL"], num_args = 3.., required = true)]
    files: Vec<String>,

    /// A network to fetch from although it is not of the public Internet, such as 10.1.2.0/24; may be given several times
    #[arg(long = "allow", value_name = "CIDR", value_parser = network)]
    allowed: Vec<IpNet>,

    /// End as soon as all files are there
    #[arg(long)]
    once: bool,
}

/// The pauses between rounds in which a file could not be fetched.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(5), Duration::from_secs(300));

/// The most bytes of the list of problems that are compared with the newest one.
const MAX_PROBLEMS_BYTES: u64 = 1 << 20;

/// One file that should be in the folder.
struct WantedFile<'a> {
    name: &'a str,
    sha256: &'a str,
    url: &'a str,
}

/// Runs `dialtone fetch`: with `--once` until all files are there, otherwise until the shutdown signal.
pub async fn run(args: Args) -> anyhow::Result<()> {
    if !args.files.len().is_multiple_of(3) {
        bail!("--file takes three values for each file: NAME SHA256 URL");
    }
    let (once, shutdown) = (args.once, shutdown_signal());
    // A thread of its own, because it blocks: the shutdown does not wait for it.
    let fetching = SupervisedThread::spawn("fetch", move || {
        fetch_all(&args);
        Ok(())
    })?;
    supervise(fetching, once, shutdown).await
}

/// Waits for the end: of the thread if that is all there is to do or if it fails, otherwise the shutdown signal.
async fn supervise(
    mut fetching: SupervisedThread,
    once: bool,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let finished = async {
        fetching.ended().await?;
        if once { Ok(()) } else { std::future::pending().await }
    };
    tokio::select! {
        result = finished => result,
        () = shutdown => Ok(()),
    }
}

/// Fetches until all files are there.
fn fetch_all(args: &Args) {
    let wanted: Vec<WantedFile<'_>> = args
        .files
        .chunks_exact(3)
        .map(|three| WantedFile { name: &three[0], sha256: &three[1], url: &three[2] })
        .collect();
    let web = Web::new(args.allowed.clone());
    let mut failures = 0;
    loop {
        let pause = BACKOFF.after(failures + 1);
        let mut problems = BTreeMap::new();
        for one in &wanted {
            match fetch(&web, one, &args.to) {
                Ok(true) => tracing::info!(file = one.name, url = one.url, "file fetched"),
                Ok(false) => {}
                Err(problem) => {
                    let seconds = pause.as_secs();
                    tracing::warn!(
                        file = one.name,
                        problem,
                        attempt = failures + 1,
                        "file not fetched; the next attempt is in {seconds} s"
                    );
                    problems.insert(one.name, problem);
                }
            }
        }
        if let Err(error) = write_problems(&args.to, &problems) {
            tracing::warn!(%error, file = PROBLEMS_FILE, "the list of problems cannot be written");
        }
        if problems.is_empty() {
            return;
        }
        std::thread::sleep(pause);
        failures += 1;
    }
}

/// Fetches one file; false if it is there already.
fn fetch(web: &Web, wanted: &WantedFile<'_>, folder: &Path) -> Result<bool, String> {
    if wanted.name.is_empty() || check_file_name(wanted.name).is_err() {
        return Err("it is no name of a file".to_owned());
    }
    let path = folder.join(wanted.name);
    if folder::read_named(&path, web::MAX_FILE_BYTES).is_ok_and(|bytes| has_sha256(&bytes, wanted.sha256)) {
        return Ok(false);
    }
    let bytes = web.get(wanted.url).map_err(|error| format!("{}: {error}", wanted.url))?;
    if !has_sha256(&bytes, wanted.sha256) {
        // Neither its digest nor its size: it may be something that is not for those who wrote the URL.
        let wanted_sum = wanted.sha256;
        return Err(format!("{}: what came does not have the SHA-256 {wanted_sum}: correct one of them", wanted.url));
    }
    write_whole(folder, wanted.name, &bytes).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(true)
}

fn has_sha256(bytes: &[u8], sha256: &str) -> bool {
    hex::encode(Sha256::digest(bytes)).eq_ignore_ascii_case(sha256)
}

fn write_whole(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    Output::open(folder)?.write(Path::new(name), |file| {
        file.write_all(bytes)?;
        file.sync_all()
    })
}

/// Writes which files could not be fetched, and why, into the folder; the TFTP server reports it. Without problems there is no
/// such file.
fn write_problems(folder: &Path, problems: &BTreeMap<&str, String>) -> io::Result<()> {
    if problems.is_empty() {
        return Output::open(folder)?.remove(PROBLEMS_FILE);
    }
    let mut lines = String::new();
    for (file, message) in problems {
        lines += &serde_json::to_string(&FileProblem::new(*file, message.replace('\n', " ")))?;
        lines.push('\n');
    }
    let before = folder::read_named(&folder.join(PROBLEMS_FILE), MAX_PROBLEMS_BYTES);
    if before.is_ok_and(|before| before == lines.as_bytes()) {
        return Ok(());
    }
    write_whole(folder, PROBLEMS_FILE, lines.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[tokio::test]
    async fn a_thread_that_panics_ends_the_process_with_an_error_although_no_signal_came() {
        for once in [false, true] {
            let panics = SupervisedThread::spawn("fetch", || panic!("out of luck")).unwrap();
            let error = supervise(panics, once, std::future::pending()).await.unwrap_err();
            assert_eq!(error.to_string(), "the thread fetch panicked: out of luck");
        }
        let done = SupervisedThread::spawn("fetch", || Ok(())).unwrap();
        assert!(supervise(done, true, std::future::pending()).await.is_ok());
    }

    #[test]
    fn problems_are_written_as_data_a_line_each_and_removed_when_there_are_none() {
        let folder = tempfile::tempdir().unwrap();
        let problems =
            BTreeMap::from([("a: b.bin", "http://h/a: status: 404\nand more".to_owned()), ("c", "x".into())]);
        write_problems(folder.path(), &problems).unwrap();
        let text = fs::read_to_string(folder.path().join(PROBLEMS_FILE)).unwrap();
        let read: Vec<FileProblem> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(
            read,
            [FileProblem::new("a: b.bin", "http://h/a: status: 404 and more"), FileProblem::new("c", "x")]
        );
        write_problems(folder.path(), &BTreeMap::new()).unwrap();
        assert!(!folder.path().join(PROBLEMS_FILE).exists());
    }
}
