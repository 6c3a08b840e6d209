//! What every program of this kind says of itself: its version, and what it takes of the machine.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};

/// Registers both.
pub fn register(registry: &mut Registry) {
    let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("dialtone_build", "Which version of dialtone this is", version);
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    registry.register_collector(Box::new(Process { started }));
}

/// Looked at when somebody asks.
#[derive(Debug)]
struct Process {
    /// When the process registered its metrics, which is when it began, in seconds since 1970.
    started: f64,
}

impl Collector for Process {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> fmt::Result {
        if let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) {
            let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
            let cpu = ConstCounter::new(seconds(usage.user_time()) + seconds(usage.system_time()));
            put(&mut to, "process_cpu_seconds", "User and system time that the process took, in seconds", &cpu)?;
        }
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        if let Some(bytes) = bytes(&status, "VmRSS:") {
            put(&mut to, "process_resident_memory_bytes", "Memory of the process, in bytes", &ConstGauge::new(bytes))?;
        }
        if let Some(bytes) = bytes(&status, "VmSize:") {
            let help = "Virtual memory of the process, in bytes";
            put(&mut to, "process_virtual_memory_bytes", help, &ConstGauge::new(bytes))?;
        }
        if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
            // The one with which they are counted is none of them.
            let open = open.count().saturating_sub(1);
            put(&mut to, "process_open_fds", "Open file descriptors", &ConstGauge::new(open as u64))?;
        }
        if let Ok((most, _)) = getrlimit(Resource::RLIMIT_NOFILE) {
            put(&mut to, "process_max_fds", "The most open file descriptors", &ConstGauge::new(most))?;
        }
        let help = "When the process began, in seconds since 1970";
        put(&mut to, "process_start_time_seconds", help, &ConstGauge::new(self.started))
    }
}

fn put(to: &mut DescriptorEncoder<'_>, name: &str, help: &str, metric: &impl Metric) -> fmt::Result {
    let help = format!("{help}.");
    metric.encode(to.encode_descriptor(name, &help, None, EncodeMetric::metric_type(metric))?)
}

/// A line of `/proc/self/status`, which is in KiB.
fn bytes(status: &str, field: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode_registry;

    use super::*;

    #[test]
    fn a_process_says_what_it_takes() {
        let mut registry = Registry::default();
        register(&mut registry);
        let mut text = String::new();
        encode_registry(&mut text, &registry).unwrap();
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.unwrap_or_else(|| panic!("{name} in {text}")).parse::<f64>().unwrap()
        };
        assert!(value("process_cpu_seconds_total") > 0.0);
        assert!(value("process_resident_memory_bytes") > 1e6);
        assert!(value("process_virtual_memory_bytes") >= value("process_resident_memory_bytes"));
        assert!((3.0..value("process_max_fds")).contains(&value("process_open_fds")));
        assert!(value("process_start_time_seconds") > 1.7e9);
        assert!(text.contains(&format!("dialtone_build_info{{version=\"{}\"}} 1\n", env!("CARGO_PKG_VERSION"))));
        assert_eq!(bytes("VmSize:\t  12 kB\nVmRSS:\t    3 kB\n", "VmRSS:"), Some(3 << 10));
        assert_eq!(bytes("VmRSS: many\n", "VmRSS:"), None);
    }
}
