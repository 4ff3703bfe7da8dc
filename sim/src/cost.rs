//! What a run costs, and on what machine: for the manifest, never for a CSV.

// The one place where the simulator's program looks at a clock.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use edge_faas_core::results::Host;
use std::time::Instant;

/// Wall and processor time from here on.
#[derive(Debug)]
pub struct Meter {
    start: Instant,
    stat: &'static str,
    cpu: Option<f64>,
}

impl Meter {
    /// Of the process.
    pub fn start() -> Self {
        Self::of("/proc/self/stat")
    }

    /// Of the thread, which must be the one that asks.
    pub fn of_thread() -> Self {
        Self::of("/proc/thread-self/stat")
    }

    fn of(stat: &'static str) -> Self {
        Meter { start: Instant::now(), stat, cpu: cpu_seconds(stat) }
    }

    /// Seconds that have passed.
    pub fn wall(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// Seconds of processor time; none where the system does not say.
    pub fn cpu(&self) -> Option<f64> {
        Some(cpu_seconds(self.stat)? - self.cpu?)
    }
}

/// User and system time of a process or thread; Linux tells in hundredths of a second.
fn cpu_seconds(stat: &str) -> Option<f64> {
    /// `sysconf(_SC_CLK_TCK)` is 100 on every Linux platform that Rust supports.
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string(stat).ok()?;
    // The second field is the program's name in parentheses, which may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS)
}

/// The most memory that this process has held, in bytes.
pub fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// This machine.
pub fn host() -> Host {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .and_then(|line| line.split_once(':'))
        .map(|(_, model)| model.trim().to_owned());
    Host {
        cores: threads(None) as u32,
        cpu,
        os: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
    }
}

/// How many threads to use.
pub fn threads(asked: Option<usize>) -> usize {
    asked.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)).max(1)
}
