//! Cores under processor sharing, in exact integer arithmetic.
//!
//! Every CPU-bound job runs at the same rate r = speed × min(1, cores / jobs). Let V be the integral of r: a job with
//! work w that arrives at V₀ is done when V = V₀ + w, whatever arrives or leaves in between. So the jobs are ordered
//! once, by the V of their end, and no arrival touches another job: O(log n) an event. V counts 2⁻³² ns.

use std::collections::BTreeSet;

use edge_faas_core::time::{Duration, Time};

/// Fraction bits of V and of rates.
const FRACTION: u32 = 32;

/// A job on the cores, to find it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Share {
    end: u128,
    job: u32,
}

/// A quota of cores is counted in 1/65,536.
const CORE_FRACTION: u32 = 16;

#[derive(Debug)]
pub(super) struct Cores {
    /// Cores with [`CORE_FRACTION`] bits.
    cores: u64,
    /// Speed with [`FRACTION`] bits.
    speed: u64,
    /// V at `now`.
    virtual_time: u128,
    now: Time,
    jobs: BTreeSet<Share>,
    /// Core time spent, in nanoseconds with [`CORE_FRACTION`] bits.
    busy: u128,
}

impl Cores {
    pub(super) fn new(cores: f64, speed: f64) -> Self {
        let cores = (cores * f64::from(1 << CORE_FRACTION)) as u64;
        assert!(cores > 0, "a node has a share of a core");
        let mut new =
            Cores { cores, speed: 0, virtual_time: 0, now: Time::MIN, jobs: BTreeSet::new(), busy: 0 };
        new.set_speed(speed);
        new
    }

    /// Progress of each job in a nanosecond, with [`FRACTION`] bits.
    fn rate(&self) -> u64 {
        let jobs = (self.jobs.len() as u64) << CORE_FRACTION;
        let cores = self.cores;
        if jobs <= cores {
            return self.speed;
        }
        // Below 2^48 times below 2^32: no overflow in 128 bits; the quotient is at most the speed.
        (u128::from(self.speed) * u128::from(cores) / u128::from(jobs)) as u64
    }

    /// Lets time pass; `now` is not after the next deadline.
    pub(super) fn advance(&mut self, now: Time) {
        if !self.jobs.is_empty() {
            let elapsed = u128::from(now.since(self.now).as_nanos().unsigned_abs());
            self.virtual_time += u128::from(self.rate()) * elapsed;
            self.busy += u128::from(((self.jobs.len() as u64) << CORE_FRACTION).min(self.cores)) * elapsed;
        }
        self.now = self.now.max(now);
    }

    /// Puts a job with `work` (core time at speed 1) on the cores.
    pub(super) fn add(&mut self, job: u32, work: Duration) -> Share {
        let end = self.virtual_time + (u128::from(work.as_nanos().unsigned_abs()) << FRACTION);
        let share = Share { end, job };
        self.jobs.insert(share);
        share
    }

    pub(super) fn remove(&mut self, share: Share) {
        self.jobs.remove(&share);
    }

    /// The job that is done by now, if one is; of several the one with the earliest end.
    pub(super) fn pop_done(&mut self) -> Option<u32> {
        let first = *self.jobs.first().filter(|share| share.end <= self.virtual_time)?;
        self.jobs.remove(&first);
        Some(first.job)
    }

    /// When the next job is done, rounded up to the nanosecond; `None` without jobs or at a standstill.
    pub(super) fn deadline(&self) -> Option<Time> {
        let first = self.jobs.first()?;
        let left = first.end.saturating_sub(self.virtual_time);
        if left == 0 {
            return Some(self.now);
        }
        let rate = self.rate();
        if rate == 0 {
            return None;
        }
        let nanos = left.div_ceil(u128::from(rate));
        Some(self.now.saturating_add(Duration::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))))
    }

    /// Changes the speed from now on.
    pub(super) fn set_speed(&mut self, speed: f64) {
        const MAX: f64 = 65_536.0;
        // The cast saturates and sends NaN to zero.
        self.speed = libm::round(speed.clamp(0.0, MAX) * (1u64 << FRACTION) as f64) as u64;
    }

    pub(super) fn busy(&self) -> Duration {
        Duration::from_nanos(i64::try_from(self.busy >> CORE_FRACTION).unwrap_or(i64::MAX))
    }
}
