//! What this machine is like: how busy, how quick after a pause.

use std::fs;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// What memory of a program is touched by [`Pause::measure`].
const TOUCHED: usize = 8 << 20;
/// In steps of a page.
const PAGE: usize = 4_096;

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

/// How long it takes to touch 8 MiB of a program's own memory: some virtual machines take it away from programs that
/// pause, piece by piece, and then a call after a pause takes longer than one that follows another.
#[derive(Clone, Copy, Debug)]
pub struct Pause {
    /// Right after it was touched.
    pub before: Duration,
    /// After a second without work, the median of three.
    pub after: Duration,
}

impl Pause {
    /// Measures, for three seconds.
    pub fn measure() -> Self {
        let mut memory = vec![1u8; TOUCHED];
        let mut touch = || {
            let begun = Instant::now();
            for byte in memory.iter_mut().step_by(PAGE) {
                *byte = black_box(byte.wrapping_add(1));
            }
            begun.elapsed()
        };
        touch();
        let before = touch();
        let mut after = [Duration::ZERO; 3].map(|_| {
            std::thread::sleep(Duration::from_secs(1));
            touch()
        });
        after.sort_unstable();
        Pause { before, after: after[1] }
    }

    /// True if what is measured after a pause is the machine's as much as the program's.
    pub fn is_costly(&self) -> bool {
        self.after > self.before * 10 && self.after > Duration::from_millis(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_costs_what_touching_takes_longer_by() {
        let pause = |before, after| Pause {
            before: Duration::from_micros(before),
            after: Duration::from_micros(after),
        };
        assert!(pause(80, 10_000).is_costly());
        assert!(!pause(80, 200).is_costly());
        assert!(!pause(20, 900).is_costly(), "that is little beside a call");
        assert!(Pause::measure().before > Duration::ZERO);
    }

    #[test]
    fn the_share_of_time_that_cores_were_busy() {
        let before = Processor::read("cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 1").unwrap();
        let after = Processor::read("cpu  160 0 70 815 50 3 2 0 0 0\n").unwrap();
        assert_eq!(after.busy_since(before), Some(0.85));
        assert_eq!(before.busy_since(before), None, "no time has passed");
        assert_eq!(Processor::read("intr 1"), None);
    }
}
