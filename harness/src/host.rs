//! How busy this machine is.

use std::fs;

/// Processor time of the machine, in its own ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Processor {
    busy: u64,
    all: u64,
}

impl Processor {
    /// Up to now; `None` where the system does not say.
    pub fn now() -> Option<Self> {
        Self::read(&fs::read_to_string("/proc/stat").ok()?)
    }

    /// The first line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal (proc(5)).
    fn read(text: &str) -> Option<Self> {
        let mut ticks = text.lines().next()?.strip_prefix("cpu ")?.split_whitespace();
        let mut next = || ticks.next()?.parse::<u64>().ok();
        let (user, nice, system, idle) = (next()?, next()?, next()?, next()?);
        let (waiting, irq, softirq) = (next().unwrap_or(0), next().unwrap_or(0), next().unwrap_or(0));
        // What a hypervisor gave to others was not to be had: it counts as busy.
        let steal = next().unwrap_or(0);
        let busy = user + nice + system + irq + softirq + steal;
        Some(Processor { busy, all: busy + idle + waiting })
    }

    /// The share of time since `before` that it was busy, all cores together.
    pub fn busy_since(self, before: Processor) -> Option<f64> {
        let all = self.all.checked_sub(before.all).filter(|all| *all > 0)?;
        Some(self.busy.saturating_sub(before.busy) as f64 / all as f64)
    }
}

/// True if the kernel has `netem`, by which links could be shaped for all programs.
pub fn has_netem() -> bool {
    let listed = |path: &str| fs::read_to_string(path).is_ok_and(|text| text.contains("sch_netem"));
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let modules = format!("/lib/modules/{}", release.trim());
    listed("/proc/modules")
        || listed(&format!("{modules}/modules.dep"))
        || listed(&format!("{modules}/modules.builtin"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_time_that_cores_were_busy() {
        let before = Processor::read("cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 1").unwrap();
        let after = Processor::read("cpu  160 0 70 815 50 3 2 0 0 0\n").unwrap();
        assert_eq!(after.busy_since(before), Some(0.85));
        assert_eq!(before.busy_since(before), None, "no time has passed");
        assert_eq!(Processor::read("intr 1"), None);
    }
}
