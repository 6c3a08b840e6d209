//! What was measured on, and which versions of what.

use std::path::Path;
use std::process::Command;

use crate::Args;
use crate::process::cores;
use crate::table::Run;

/// Puts machine and versions into the head of the figures.
pub fn note(args: &Args, run: &mut Run) {
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processor.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map(|(_, m)| m);
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kibibytes = memory.split_whitespace().nth(1).and_then(|word| word.parse::<f64>().ok()).unwrap_or(f64::NAN);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut head = |what: &str, value: String| run.head.push((what.to_owned(), value));
    head(
        "machine",
        format!("{} cores of {}, {:.0} GiB", cores(), model.unwrap_or("?"), kibibytes / f64::from(1 << 20)),
    );
    head("kernel", kernel.trim().to_owned());
    head("dialtone", said(&args.dialtone, &["--version"]).unwrap_or_else(|| "?".to_owned()));
    let versions = std::fs::read_to_string(args.others.join("versions")).unwrap_or_default();
    for (server, version) in versions.lines().filter_map(|line| line.split_once(' ')) {
        head(server, version.to_owned());
    }
    if let Some(version) = said(Path::new("kube-apiserver"), &["--version"]) {
        head("API server", version);
    }
    for (what, value) in run.head.clone() {
        run.say(format!("- {what}: {value}"));
    }
}

/// The first line that a program says.
fn said(program: &Path, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    String::from_utf8(output.stdout).ok()?.lines().next().map(str::to_owned)
}
