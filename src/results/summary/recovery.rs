//! How long after a fault calls are back to normal.

use super::samples::Quantile;
use crate::results::timeline::{Latencies, Second, Timeline};
use crate::results::word::Outcome;
use serde::{Deserialize, Serialize};

/// Seconds that have to be normal.
const WINDOW: i64 = 5;
/// Seconds before the fault that say what normal is.
const BEFORE: i64 = 30;
/// Normal: this share of success, in thousandths.
const SUCCESS_PER_MILLE: u64 = 999;
/// Normal: the 95th percentile at most this many per cent of what it was before.
const P95_PER_CENT: i64 = 110;

/// A fault of the scenario, as the summary names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The fault's number in the scenario, from 0.
    pub number: u32,
    /// When it struck, in microseconds.
    pub time_us: i64,
    /// What it was, for a person to read.
    pub label: String,
}

/// Microseconds from the fault to the first of five seconds that, taken together, have a success of at least 99.9 %
/// and a 95th percentile of at most 1.1 times that of the 30 seconds before the fault (less, back to the start of
/// the run or the fault before). Infinite if there were no such five seconds while calls were due.
///
/// The resolution is a second: the seconds are those of `timeline.csv`, calls counted when they ended. A
/// stretch that holds the fault's own second counts as zero. None if no call succeeded before the fault,
/// or fewer than five seconds were left.
pub(super) fn recovery(timeline: &Timeline, fault: &Fault, fault_before_us: Option<i64>) -> Option<f64> {
    let struck = fault.time_us.div_euclid(1_000_000);
    let from = fault_before_us.map_or(i64::MIN, |before| before.div_euclid(1_000_000).saturating_add(1));
    let before: Vec<_> = timeline.range(from.max(struck.saturating_sub(BEFORE))..struck).collect();
    let normal = Latencies::quantile(before.iter().map(|(_, second)| &second.latencies), Quantile::P95)?;
    let end = timeline.end_of_offered()?;
    if struck.saturating_add(WINDOW) > end {
        return None;
    }
    // Five seconds without a second in which something happened are never normal, and a run may have many.
    let mut from = struck;
    let starts = timeline.range(struck..end).flat_map(|(busy, _)| {
        let starts = from.max(busy - WINDOW + 1)..=busy.min(end - WINDOW);
        from = busy + 1;
        starts
    });
    let first = starts.into_iter().find(|start| {
        let seconds: Vec<&Second> =
            timeline.range(*start..start + WINDOW).map(|(_, second)| second).collect();
        is_normal(&seconds, normal)
    });
    Some(first.map_or(f64::INFINITY, |start| (start.saturating_mul(1_000_000) - fault.time_us).max(0) as f64))
}

fn is_normal(seconds: &[&Second], normal: i64) -> bool {
    let sum = |wanted: &dyn Fn(Outcome) -> bool| -> u64 {
        let outcomes = Outcome::ALL.iter().filter(|outcome| wanted(**outcome));
        outcomes
            .map(|outcome| seconds.iter().map(|second| second.outcomes[outcome.index()]).sum::<u64>())
            .sum()
    };
    let ok = sum(&|outcome| outcome == Outcome::Ok);
    let counted = sum(&|outcome| outcome.counts());
    let p95 = Latencies::quantile(seconds.iter().map(|second| &second.latencies), Quantile::P95);
    ok.saturating_mul(1000) >= counted.saturating_mul(SUCCESS_PER_MILLE)
        && p95.is_some_and(|p95| p95.saturating_mul(100) <= normal.saturating_mul(P95_PER_CENT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{CallParts, CallRecord, Name};

    /// Twenty calls a second for a minute; `bad` says which seconds fail one call, `slow` which are slow.
    fn run(bad: std::ops::Range<i64>, slow: std::ops::Range<i64>) -> Timeline {
        let mut timeline = Timeline::default();
        let name = Name::Text("x");
        for call in 0..60 * 20 {
            let scheduled_us = call * 50_000;
            let second = scheduled_us / 1_000_000;
            let latency = if slow.contains(&second) { 40_000 } else { 20_000 };
            let outcome =
                if bad.contains(&second) && call % 20 == 0 { Outcome::Timeout } else { Outcome::Ok };
            let parts = CallParts {
                scheduled_us,
                done_us: Some(scheduled_us + latency),
                latency_us: Some(latency),
                ..CallParts::default()
            };
            timeline.call(&CallRecord::new(call as u64, name, name, name, name, outcome, &parts));
        }
        timeline
    }

    fn fault(time_us: i64) -> Fault {
        Fault { number: 0, time_us, label: "crash".into() }
    }

    #[test]
    fn recovery_ends_at_the_first_normal_second() {
        assert_eq!(recovery(&run(0..0, 0..0), &fault(30_400_000), None), Some(0.0));
        assert_eq!(recovery(&run(30..33, 0..0), &fault(30_400_000), None), Some(2_600_000.0));
        assert_eq!(recovery(&run(30..33, 30..36), &fault(30_400_000), None), Some(5_600_000.0));
        assert_eq!(recovery(&run(30..60, 0..0), &fault(30_400_000), None), Some(f64::INFINITY));
    }

    #[test]
    fn recovery_may_be_years_away() {
        let mut timeline = run(30..60, 0..0);
        let name = Name::Text("x");
        let later = 3_650 * 86_400_000_000;
        let parts = CallParts {
            scheduled_us: later,
            done_us: Some(later + 20_000),
            latency_us: Some(20_000),
            ..CallParts::default()
        };
        timeline.call(&CallRecord::new(0, name, name, name, name, Outcome::Ok, &parts));
        timeline.call(&CallRecord::new(1, name, name, name, name, Outcome::Timeout, &parts));
        assert_eq!(recovery(&timeline, &fault(30_400_000), None), Some(f64::INFINITY));
        let parts = CallParts { scheduled_us: later + 9_000_000, done_us: Some(later + 9_020_000), ..parts };
        timeline.call(&CallRecord::new(2, name, name, name, name, Outcome::Ok, &parts));
        let recovered = recovery(&timeline, &fault(30_400_000), None);
        // The first five seconds with it and without the failure begin 5 s after that; they have to be over.
        assert_eq!(recovered, Some((later + 5_000_000 - 30_400_000) as f64));
    }

    #[test]
    fn what_cannot_be_measured_has_no_value() {
        assert_eq!(recovery(&run(0..0, 0..0), &fault(0), None), None);
        assert_eq!(recovery(&run(0..0, 0..0), &fault(57_000_000), None), None);
        assert_eq!(recovery(&run(0..0, 0..0), &fault(30_000_000), Some(30_000_000)), None);
        assert_eq!(recovery(&Timeline::default(), &fault(i64::MAX), Some(i64::MAX)), None);
        assert_eq!(recovery(&Timeline::default(), &fault(i64::MIN), None), None);
    }
}
