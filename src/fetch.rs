//! `dialtone fetch` and `dialtone copy`: what fills a TFTP pod's folders with firmware.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use sha2::{Digest as _, Sha256};

use crate::tftp::PROBLEMS;

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

    /// End as soon as all files are there
    #[arg(long)]
    once: bool,
}

/// Copy a file, or the files of a folder (what the pods run to take firmware out of an image)
#[derive(clap::Args, Clone, Debug)]
pub struct CopyArgs {
    /// The file or folder
    from: PathBuf,

    /// Where to
    to: PathBuf,
}

/// The largest file that is fetched.
const LARGEST: u64 = 64 << 20;
/// The first pause after a failure; it doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// How long one file may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// One file that should be there.
struct Wanted<'a> {
    name: &'a str,
    sha256: &'a str,
    url: &'a str,
}

/// Fetches until all is there, and then waits until the process is told to end.
pub async fn run(args: Args) -> anyhow::Result<()> {
    if !args.files.len().is_multiple_of(3) {
        bail!("--file takes three values for each file: NAME SHA256 URL");
    }
    let once = args.once;
    let (done, all_there) = tokio::sync::oneshot::channel();
    // A thread of its own that nobody waits for when the process ends.
    std::thread::spawn(move || {
        work(&args);
        let _ = done.send(());
    });
    tokio::select! {
        Ok(()) = all_there, if once => {}
        () = crate::base::shutdown_signal() => {}
    }
    Ok(())
}

fn work(args: &Args) {
    let wanted: Vec<Wanted<'_>> =
        args.files.chunks_exact(3).map(|three| Wanted { name: &three[0], sha256: &three[1], url: &three[2] }).collect();
    let agent: ureq::Agent = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).build().into();
    let mut pause = FIRST_PAUSE;
    loop {
        let mut problems = BTreeMap::new();
        for one in &wanted {
            match fetch(&agent, one, &args.to) {
                Ok(true) => tracing::info!(file = one.name, url = one.url, "fetched"),
                Ok(false) => {}
                Err(problem) => {
                    tracing::warn!(file = one.name, problem, "it is fetched again in {} s", pause.as_secs());
                    problems.insert(one.name, problem);
                }
            }
        }
        if let Err(error) = tell(&args.to, &problems) {
            tracing::warn!(%error, "what is wrong cannot be written down");
        }
        if problems.is_empty() {
            return;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Fetches one file; false if it is there already.
fn fetch(agent: &ureq::Agent, wanted: &Wanted<'_>, folder: &Path) -> Result<bool, String> {
    if wanted.name.is_empty() || wanted.name.starts_with('.') || wanted.name.contains('/') {
        return Err("it is no name of a file".to_owned());
    }
    let path = folder.join(wanted.name);
    if fs::read(&path).is_ok_and(|bytes| is_right(&bytes, wanted.sha256)) {
        return Ok(false);
    }
    let mut response = agent.get(wanted.url).call().map_err(|error| format!("{}: {error}", wanted.url))?;
    let mut bytes = Vec::new();
    let mut body = response.body_mut().as_reader().take(LARGEST + 1);
    body.read_to_end(&mut bytes).map_err(|error| format!("{}: {error}", wanted.url))?;
    if bytes.len() as u64 > LARGEST {
        return Err(format!("{} has more than {} MiB", wanted.url, LARGEST >> 20));
    }
    if !is_right(&bytes, wanted.sha256) {
        let found = hex::encode(Sha256::digest(&bytes));
        return Err(format!("{} has the SHA-256 {found}, not {}, in {} bytes", wanted.url, wanted.sha256, bytes.len()));
    }
    put(&path, &bytes).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(true)
}

fn is_right(bytes: &[u8], sha256: &str) -> bool {
    hex::encode(Sha256::digest(bytes)).eq_ignore_ascii_case(sha256)
}

/// Writes a file so that nobody sees half of it.
fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("file");
    let part = path.with_file_name(format!("..{name}.part"));
    let mut file = fs::File::create(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(part, path)
}

fn tell(folder: &Path, problems: &BTreeMap<&str, String>) -> io::Result<()> {
    let path = folder.join(PROBLEMS);
    if problems.is_empty() {
        return match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
    }
    let lines: String =
        problems.iter().map(|(name, problem)| format!("{name}: {}\n", problem.replace('\n', " "))).collect();
    if fs::read_to_string(&path).is_ok_and(|before| before == lines) {
        return Ok(());
    }
    put(&path, lines.as_bytes())
}

/// Copies.
pub fn copy(args: &CopyArgs) -> anyhow::Result<()> {
    let meta = fs::metadata(&args.from).with_context(|| format!("cannot read {}", args.from.display()))?;
    if !meta.is_dir() {
        fs::copy(&args.from, &args.to).with_context(|| format!("cannot write {}", args.to.display()))?;
        return Ok(());
    }
    let entries = fs::read_dir(&args.from).with_context(|| format!("cannot read {}", args.from.display()))?;
    for entry in entries.flatten().filter(|entry| entry.path().is_file()) {
        let to = args.to.join(entry.file_name());
        fs::copy(entry.path(), &to).with_context(|| format!("cannot write {}", to.display()))?;
    }
    Ok(())
}
