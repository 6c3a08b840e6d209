//! The core without a cluster: rendering and importing many phones, each as a process of its own.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::phones::{self, MOST};
use crate::process::peak_memory;
use crate::table::{Run, number};
use crate::{Args, target};

/// How often each is run; the median counts.
const ROUNDS: usize = 3;

/// Measures everything.
pub fn run(args: &Args, run: &mut Run) -> anyhow::Result<()> {
    let (input, rendered, imported) = (target("phones.yaml")?, target("rendered")?, target("imported.yaml")?);
    std::fs::write(&input, phones::manifests("default", "bench", 0..MOST))?;
    let [input, output] = [&input, &rendered].map(|path| path.display().to_string());
    let tree = rendered.join("default/bench").display().to_string();
    let mut rows = vec![["10,000 phones", "seconds", "µs/phone", "memory MiB"].map(str::to_owned).to_vec()];
    let render = ["render", "-f", &input, "-o", &output];
    let again = "render, nothing to change";
    for (what, words) in
        [("render", &render[..]), (again, &render[..]), ("import", &["import", &tree, "--site", "bench"])]
    {
        let mut all: Vec<(f64, f64)> = Vec::new();
        for _ in 0..ROUNDS {
            if what == "render" && rendered.exists() {
                std::fs::remove_dir_all(&rendered)?;
            }
            all.push(timed(args, words, &imported)?);
        }
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (seconds, memory) = all[all.len() / 2];
        let mebibytes = memory / f64::from(1 << 20);
        run.figure(format!("{what} of 10,000 phones: time"), "dialtone", seconds, "s");
        run.figure(format!("{what} of 10,000 phones: memory"), "dialtone", memory, "bytes");
        rows.push(vec![what.to_owned(), number(seconds), number(seconds * 1e6 / MOST as f64), number(mebibytes)]);
    }
    run.table("The core", &rows);
    Ok(())
}

/// Runs dialtone once: how long it took, and how much memory it held at most.
fn timed(args: &Args, words: &[&str], output: &std::path::Path) -> anyhow::Result<(f64, f64)> {
    let mut command = Command::new(&args.dialtone);
    command.args(words).stdin(Stdio::null()).stdout(std::fs::File::create(output)?).stderr(Stdio::null());
    let began = Instant::now();
    let mut child = command.spawn()?;
    let mut peak = 0.0;
    let status = loop {
        // The kernel's mark only rises; what it was a moment before the end is what it was.
        peak = peak_memory(child.id()).unwrap_or(peak);
        match child.try_wait()? {
            Some(status) => break status,
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    };
    ensure!(status.success(), "dialtone {} failed: {status}", words.join(" "));
    Ok((began.elapsed().as_secs_f64(), peak))
}
