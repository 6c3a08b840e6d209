//! What a process costs: processor time and memory, as the kernel counts them.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::{Pid, SysconfVar, sysconf};

/// A child that ends with its owner.
pub struct Running {
    child: Child,
    what: String,
}

impl Running {
    /// Starts a program on these cores. What it says goes to a file beside the figures.
    pub fn start(what: &str, program: &str, args: &[String], cores: &[usize]) -> anyhow::Result<Running> {
        let list: Vec<String> = cores.iter().map(ToString::to_string).collect();
        let all = [&["-c".to_owned(), list.join(","), program.to_owned()], args].concat();
        Running::with(what, "taskset", &all, &[])
    }

    /// Starts a program with an environment.
    pub fn with(what: &str, program: &str, args: &[String], envs: &[(&str, &str)]) -> anyhow::Result<Running> {
        let log = fs::File::create(crate::target(&format!("{what}.log"))?)?;
        let mut command = Command::new(program);
        command.args(args).envs(envs.iter().copied());
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().with_context(|| format!("{program} cannot be started"))?;
        Ok(Running { child, what: what.to_owned() })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has ended.
    pub fn wait(mut self, patience: Duration) -> anyhow::Result<()> {
        let began = Instant::now();
        while self.child.try_wait()?.is_none() {
            anyhow::ensure!(began.elapsed() < patience, "{} does not end", self.what);
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Fails if it has ended.
    pub fn check(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            Some(status) => anyhow::bail!("{} ended by itself: {status}", self.what),
            None => Ok(()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Seconds of processor time of a process, its threads, and its children that have ended.
pub fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in brackets may hold blanks; what follows does not.
    let fields: Vec<&str> = stat.rsplit_once(')').context("an odd /proc")?.1.split_whitespace().collect();
    let ticks: f64 = fields[11..15].iter().map(|field| field.parse::<f64>().unwrap_or(0.0)).sum();
    let per_second = sysconf(SysconfVar::CLK_TCK)?.unwrap_or(100);
    Ok(ticks / per_second as f64)
}

/// The processor time of a process and its threads, to the nanosecond; children do not count.
pub fn cpu_time(pid: u32) -> anyhow::Result<Duration> {
    let clock = clock_getcpuclockid(Pid::from_raw(i32::try_from(pid)?))?;
    Ok(clock_gettime(clock)?.into())
}

/// The most memory that a process ever held, in bytes.
pub fn peak_memory(pid: u32) -> anyhow::Result<f64> {
    memory(pid, "VmHWM:")
}

/// The memory that a process holds, in bytes.
pub fn resident_memory(pid: u32) -> anyhow::Result<f64> {
    memory(pid, "VmRSS:")
}

fn memory(pid: u32, field: &str) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)).context("an odd /proc")?;
    let kibibytes: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kibibytes * 1024.0)
}

/// Stays on these cores from now on.
pub fn pin(cores: &[usize]) -> anyhow::Result<()> {
    let mut set = CpuSet::new();
    for core in cores {
        set.set(*core)?;
    }
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

/// How many cores there are.
pub fn cores() -> usize {
    fs::read_dir(Path::new("/sys/devices/system/cpu"))
        .map(|all| {
            all.flatten()
                .filter(|entry| {
                    let name = entry.file_name();
                    let number = name.to_str().and_then(|name| name.strip_prefix("cpu"));
                    number.is_some_and(|number| number.parse::<usize>().is_ok())
                })
                .count()
        })
        .unwrap_or(1)
}
