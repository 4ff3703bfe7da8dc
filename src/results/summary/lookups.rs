//! Look-ups of one purpose.

use super::samples::{Quantile, Samples};
use super::statistic::Collector;
use crate::results::record::LookupRecord;
use crate::results::word::LookupOutcome;

/// What is kept of look-ups.
#[derive(Clone, Debug)]
pub(super) struct LookupStats {
    lookups: u64,
    failed: u64,
    /// Of look-ups that were `ok`.
    time: Samples,
    first: Samples,
    depth: Samples,
    requests: Samples,
    timeouts: u64,
    dials: u64,
    bytes: u128,
    found: u64,
    found_live: Option<(u64, u64)>,
    judged: u64,
    correct: u64,
}

impl LookupStats {
    pub(super) fn new() -> Self {
        LookupStats {
            lookups: 0,
            failed: 0,
            time: Samples::new(),
            first: Samples::new(),
            depth: Samples::new(),
            requests: Samples::new(),
            timeouts: 0,
            dials: 0,
            bytes: 0,
            found: 0,
            found_live: None,
            judged: 0,
            correct: 0,
        }
    }

    pub(super) fn lookup(&mut self, lookup: &LookupRecord<'_>) {
        self.lookups += 1;
        // That there is nothing is an answer; a look-up that the run's end or its own node cut off says nothing.
        self.failed += u64::from(matches!(lookup.outcome, LookupOutcome::Timeout | LookupOutcome::Failed));
        if lookup.outcome == LookupOutcome::Ok {
            if let Some(done) = lookup.done_us {
                self.time.record(done.saturating_sub(lookup.start_us));
            }
            self.depth.record(i64::from(lookup.depth));
            self.requests.record(i64::from(lookup.requests));
        }
        if let Some(first) = lookup.first_us {
            self.first.record(first.saturating_sub(lookup.start_us));
        }
        self.timeouts += u64::from(lookup.timeouts);
        self.dials += u64::from(lookup.dials);
        self.bytes += u128::from(lookup.bytes);
        self.found += u64::from(lookup.found);
        if let Some(live) = lookup.found_live {
            let (found, alive) = self.found_live.unwrap_or_default();
            self.found_live = Some((found + u64::from(lookup.found), alive + u64::from(live)));
        }
        if let Some(correct) = lookup.closest_correct {
            self.judged += 1;
            self.correct += u64::from(correct);
        }
    }

    pub(super) fn merge(&mut self, other: &LookupStats) {
        self.lookups += other.lookups;
        self.failed += other.failed;
        self.time.merge(&other.time);
        self.first.merge(&other.first);
        self.depth.merge(&other.depth);
        self.requests.merge(&other.requests);
        self.timeouts += other.timeouts;
        self.dials += other.dials;
        self.bytes += other.bytes;
        self.found += other.found;
        self.found_live = match (self.found_live, other.found_live) {
            (Some((a, b)), Some((c, d))) => Some((a + c, b + d)),
            (a, b) => a.or(b),
        };
        self.judged += other.judged;
        self.correct += other.correct;
    }

    pub(super) fn collect(&self, out: &mut Collector<'_>) {
        let n = self.lookups;
        out.add("lookups", "count", "count", Some(n as f64), n);
        out.add("lookups_failed", "count", "count", Some(self.failed as f64), n);
        let ok = self.time.count();
        for quantile in [Quantile::MEDIAN, Quantile::P95, Quantile::P99] {
            out.add("lookup_time", quantile.name, "us", self.time.quantile(quantile), ok);
        }
        out.add("lookup_time", "mean", "us", self.time.mean(), ok);
        out.add("lookup_first", "p50", "us", self.first.quantile(Quantile::MEDIAN), self.first.count());
        out.add("lookup_depth", "mean", "hops", self.depth.mean(), self.depth.count());
        out.add("lookup_depth", "max", "hops", self.depth.max(), self.depth.count());
        out.add("lookup_requests", "mean", "count", self.requests.mean(), self.requests.count());
        out.add(
            "lookup_requests",
            "p95",
            "count",
            self.requests.quantile(Quantile::P95),
            self.requests.count(),
        );
        let whole = n as f64;
        out.ratio("lookup_timeouts", "mean", "count", self.timeouts as f64, whole, n);
        out.ratio("lookup_dials", "mean", "count", self.dials as f64, whole, n);
        out.ratio("lookup_bytes", "mean", "bytes", self.bytes as f64, whole, n);
        out.ratio("lookup_found", "mean", "count", self.found as f64, whole, n);
        if let Some((found, live)) = self.found_live {
            out.ratio("lookup_live", "share", "share", live as f64, found as f64, found);
        }
        out.ratio("lookup_correct", "share", "share", self.correct as f64, self.judged as f64, self.judged);
    }
}
